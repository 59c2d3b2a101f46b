"""Competitor prices: the shop's price position, prices to match, and room to raise.

    position  price position of one product, and the pricing rule
    study     position and action of every product of one shop
    tables    products to act on, and the tables with the details
    report    verdict, figures, tables, charts, and notes

Frames come from the metrics `competitor_prices`, `price_index`, and `turnover`.
"""
