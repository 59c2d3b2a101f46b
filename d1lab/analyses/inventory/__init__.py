"""Inventory: turnover, days of supply, and demand forecasts, for one report.

    turnover         turnover, days of supply, and sell-through from the stock ledger
    forecasters      forecast methods for weekly demand
    windows          past weeks as test windows
    choice           the method with the lowest loss at the service level
    new_products     forecast from the category
    demand_weeks     weekly figures as matrices
    demand           forecast per SKU by backtest, and the reorder point
    classes          ABC, XYZ, and demand classes
    gmroi            return on inventory
    study            all figures, one row per SKU
    tables           products to act on, and the tables with the details
    report           verdict, figures, tables, charts, and notes

Frames come from the metrics `turnover` and `demand_history`. What a discount sells is estimated in
`d1lab.analyses.discount_effect`.
"""
