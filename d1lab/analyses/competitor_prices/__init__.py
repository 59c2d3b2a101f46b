"""Competitor prices: the shop's price position, prices to match, and room to raise.

Modules: study (every product's position and answer), lists (what to act on, and what that rests
on), words (the report's sentences and key figures).

Frames come from the metrics `competitor_prices`, `price_index` and `turnover`.
"""
