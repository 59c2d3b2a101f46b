"""Competitors' prices: from a file, or from the product pages that a list names.

observations   a file's lines, checked and written into `competitor_prices`
watchlist      which pages to look at, and for which product
collect        page after page: fetched, read, written
visits         one page over HTTP, with manners: a pause per host, limits, few redirects
robots         what a site's robots.txt allows
markup         the schema.org data in a page's HTML
offers         of that data, the one price that the product is sold at
amounts        a price as it is written, as a number; refused where it could mean two
"""
