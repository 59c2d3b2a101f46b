"""What the lists rest on: classes, the backtest, the ledger's gaps, and what was refused."""

from __future__ import annotations

from typing import Any

from d1lab.stats import demand, stock_profit
from d1lab.stats.turnover import REASONS
from d1lab.stock.study import Frame, Study

COVER = (
    "product abc xyz demand_class coverage ending_units velocity velocity_low velocity_high"
    " days_of_supply days_of_supply_low days_of_supply_high days_of_supply_28 turnover"
    " annual_turnover sales_days stockout_rate lost_units_estimate sell_through_on_hand"
    " sell_through_available why"
)
LEDGER = (
    "product received_units shrunk_units gap_days gap_units unseen_units repeated_days coverage"
)
STORED = "product stored_turnover_rate turnover stored_days_of_supply days_of_supply why"
PROFIT = "product abc revenue unit_cost gross_margin gmroi cost_turnover"


def cover(found: Study) -> Frame:
    """Every SKU, the least cover first; those without a figure come last, each with its reason."""
    products = found.products
    ordered = products.assign(why=products["reason"].map(REASONS).fillna(""))
    return ordered.sort_values(["days_of_supply", "sku"])


def known(table: Frame) -> Frame:
    """The SKUs of `cover` whose cover is known."""
    return table[table["days_of_supply"].notna()]


def classes(found: Study) -> Frame:
    """Products, revenue and money in stock by ABC and XYZ class."""
    grouped = found.products.assign(xyz=found.products["xyz"].fillna("?"))
    sums = {
        "products": ("sku", "size"),
        "revenue": ("revenue", "sum"),
        "tied_up": ("tied_up", "sum"),
        "stockout_rate": ("stockout_rate", "mean"),
    }
    return grouped.groupby(["abc", "xyz"], as_index=False).agg(**sums)


def backtest(found: Study) -> Frame:
    """Each way to forecast: its error, its bias, and for how many SKUs it is chosen today."""
    import pandas as pd

    columns: Any = demand.RivalScore._fields
    return pd.DataFrame(found.forecast.rivals, columns=columns)


def ledger(found: Study) -> Frame:
    """The SKUs whose ledger does not add up, the most units without an explanation first."""
    products = found.products
    units = products["gap_units"] + products["shrunk_units"]
    broken = products.assign(units=units)[(units > 0) | (products["repeated_days"] > 0)]
    return broken.sort_values(["units", "sku"], ascending=[False, True])


def profit(found: Study) -> Frame:
    """The SKUs whose unit cost is known, the least return on the money in stock first."""
    products = found.products
    return products[products["gmroi"].notna()].sort_values(["gmroi", "sku"])


def refused(found: Study) -> Frame:
    """Every figure that is not given, with its reason and how many products it is of."""
    import pandas as pd

    kinds = (
        ("Turnover and cover", "reason", REASONS),
        ("Forecast and order", "forecast_reason", demand.REASONS),
        ("Margin and GMROI", "profit_reason", stock_profit.REASONS),
    )
    rows = [
        (figure, words[reason], count)
        for figure, column, words in kinds
        for reason, count in found.products[column].value_counts().sort_index().items()
    ]
    return pd.DataFrame(rows, columns=pd.Index(["figure", "reason", "products"]))


def stored(found: Study) -> Frame:
    """The SKUs whose figure in D1 is not what the ledger gives."""
    return cover(found)[lambda table: table["stored_differs"]].sort_values("sku")
