"""Competitor prices, from a file or from a list of product pages.

observations   a file's lines, checked and written to `competitor_prices`
collect        a list's pages: fetched, parsed, and written
fetch          polite page fetching: robots.txt, a pause per host, and limits
http           one GET request with limits on time, size, and redirect targets
markup         the schema.org data in a page's HTML
microdata      schema.org microdata in the shape of JSON-LD
offers         the selling price in a page's schema.org data
"""
