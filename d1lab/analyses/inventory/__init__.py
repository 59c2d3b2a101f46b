"""Inventory: metrics' frames and pure statistics put together for one report.

    study       every figure of every SKU: one row per SKU
    lists       what to act on: what runs out, what is dead money, what the discount moved
    evidence    what the lists rest on: classes, the backtest, gaps of the ledger, refusals
    words       what the report says in sentences

Frames come from the metrics `turnover` and `weekly_demand`.
"""
