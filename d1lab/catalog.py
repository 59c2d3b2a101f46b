"""Every D1 table, declared once: key, types, how a pull notices changes, what d1lab may write.

Three parties write to the database, and each column has one owner:

- the **app** (the default): d1lab only reads;
- **aggregate**: counters that `d1lab aggregate` makes of `order_events`;
- **analysis**: results that a report stages and `push` writes.

The app's tables hold the app's columns only: what d1lab needs beside them has tables of its own,
`d1lab_*`, keyed like the app's row. An app may have fewer columns, or more of its own: a pull
takes what is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeVar

from d1lab.errors import UnknownName
from d1lab.types import Type

Found = TypeVar("Found")

Owner = Literal["app", "aggregate", "analysis"]


class Column(NamedTuple):
    """One column of a D1 table.

    `fits` is the type that the app declares a result column with, where it holds less than `type`
    does: 'INTEGER' or 'DECIMAL(digits,places)'. A push rounds to it.
    """

    name: str
    type: Type
    owner: Owner = "app"
    fits: str = ""


class Table(NamedTuple):
    """One D1 table.

    A pull reads on from the highest rowid that it knows. `reread_days` says how much of the tail
    it reads again, so as to notice updates and deletions there: 0 for rows that never change,
    None for the whole table. `day` is the column whose newest value counts those days.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    reread_days: int | None = None
    day: str | None = None
    touched: str | None = None  # what every update moves, in an app that does as the guide's
    write: Literal["update", "upsert"] = "update"  # update: the rows are the app's
    is_guides: bool = False  # the app's own table: nothing is added to it
    is_keyed: bool = True  # D1 keeps one row to a key

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            UnknownName: The table has none; the message proposes the nearest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise UnknownName("column", name, names, f"table {self.name!r}")

    def owned(self, owner: Owner) -> tuple[str, ...]:
        """The names of the columns that `owner` may write."""
        return tuple(column.name for column in self.columns if column.owner == owner)

    @property
    def has_day(self) -> bool:
        """Whether its rows are of one day each, by the key; otherwise it holds one state."""
        return any(self.column(name).type == "date" for name in self.key)

    @property
    def is_ours(self) -> bool:
        """Whether only d1lab writes it: the analysis owns all but the key, or it is our record."""
        return self.name == OWNED or {column.name for column in self.columns} == {
            *self.key,
            *self.owned("analysis"),
        }


def _columns(owner: Owner = "app", **types: str) -> tuple[Column, ...]:
    """Columns of one owner, by type: `text="shop sku"`, in this order."""
    return tuple(
        Column(name, kind, owner)  # pyright: ignore[reportArgumentType]
        for kind, names in types.items()
        for name in names.split()
    )


_TABLES = (
    Table(
        "order_events",
        key=("shop", "event_id"),
        columns=_columns(
            integer="seq",
            text="shop event_id type order_id customer_id sku product_title discount_id"
            " discount_code discount_type",
            timestamp="occurred_at",
            money="list_price discount_amount revenue",
        )
        + _columns(real="quantity"),  # meters and kilograms have fractions
        reread_days=0,  # corrections and deletions come through d1lab_changes
        day="occurred_at",
    ),
    Table(
        "discount_analytics",
        key=("shop", "discount_id", "sku"),
        columns=_columns(integer="id", text="shop discount_id sku")
        + _columns(
            "aggregate",
            text="discount_code",
            integer="times_used unique_customers repeat_usage_count",
            money="revenue_before_discount discount_amount revenue_after_discount",
            timestamp="first_used_at last_used_at",
        )
        + _columns(timestamp="created_at"),
        touched="last_used_at",
        write="upsert",
        is_guides=True,
    ),
    Table(
        "analytics_archive",  # rows of discount_analytics that the app's retention has moved
        key=("id",),
        columns=_columns(
            integer="id times_used unique_customers repeat_usage_count",
            text="shop discount_id discount_code sku",
            money="revenue_before_discount discount_amount revenue_after_discount",
            timestamp="first_used_at last_used_at created_at",
        ),
        is_guides=True,
        is_keyed=False,
    ),
    Table(
        "daily_discount_stats",
        key=("shop", "date"),
        columns=_columns(text="shop", date="date")
        + _columns(
            "aggregate",
            integer="total_discounts_used unique_customers",
            money="total_revenue_impact",
        ),
        write="upsert",
        is_guides=True,
    ),
    Table(
        "product_performance",
        key=("shop", "sku"),
        columns=_columns(text="shop sku")
        + _columns(
            "aggregate",
            text="product_title",
            integer="units_sold_with_discount units_sold_without_discount",
            money="total_discount_given revenue_with_discount revenue_without_discount",
            timestamp="updated_at",
        )
        + _columns(real="view_to_purchase_rate cart_abandonment_rate"),
        write="upsert",
        is_guides=True,
    ),
    Table(
        "customer_insights",
        key=("shop", "customer_id"),
        columns=_columns(text="shop customer_id")
        + _columns(
            "aggregate",
            integer="total_discounts_used purchase_frequency",
            money="total_savings avg_order_value",
            text="favorite_discount_type",
            date="last_purchase_date",
        )
        + (
            Column("customer_segment", "text", "analysis"),
            Column("lifetime_value", "money", "analysis", "DECIMAL(10,2)"),
        ),
        write="upsert",
        is_guides=True,
    ),
    Table(
        "d1lab_customer_scores",
        key=("shop", "customer_id"),
        columns=_columns(text="shop customer_id")
        + _columns(
            "analysis",
            text="rfm_group lifetime_value_method",
            integer="r_score f_score m_score",
        ),
        write="upsert",
    ),
    Table(
        "ab_test_results",
        key=("test_id",),
        columns=(
            *_columns(
                text="test_id shop test_name",
                json="variant_a_config variant_b_config",
                integer="variant_a_conversions variant_b_conversions",
                money="variant_a_revenue variant_b_revenue",
                timestamp="started_at ended_at",
            ),
            Column("confidence_level", "real", "analysis", "DECIMAL(5,2)"),
            Column("winner", "text", "analysis"),
        ),
        is_guides=True,
    ),
    Table(
        "d1lab_ab_test_inputs",
        key=("test_id",),
        columns=_columns(
            text="test_id shop primary_metric method source",
            json="guardrails",
            integer="variant_a_visitors variant_b_visitors planned_visitors planned_looks",
            money="variant_a_discount_cost variant_b_discount_cost variant_a_profit"
            " variant_b_profit",
            real="variant_a_revenue_squares variant_b_revenue_squares variant_a_profit_squares"
            " variant_b_profit_squares share_b alpha",
            timestamp="planned_end share_declared_at",
        ),
    ),
    Table(
        "d1lab_ab_test_decisions",
        key=("test_id",),
        columns=_columns(text="test_id")
        + _columns(
            "analysis",
            real="analysis_p_value chance_b_better",
            text="analysis_status analysis_reason analysis_method analysis_version",
            integer="analysis_look",
        ),
        write="upsert",
    ),
    Table(
        "ab_test_daily",
        key=("test_id", "day", "variant"),
        columns=_columns(
            text="test_id shop variant",
            date="day",
            integer="visitors conversions",
            money="revenue discount_cost profit",
            real="revenue_squares profit_squares",
        ),
        reread_days=7,
        day="day",
    ),
    Table(
        "inventory_impact",
        key=("shop", "sku", "date"),
        columns=(
            *_columns(
                text="shop sku",
                date="date",
                integer="starting_inventory units_sold_with_discount units_sold_regular_price"
                " ending_inventory",
            ),
            Column("days_of_supply", "real", "analysis", "INTEGER"),
            Column("turnover_rate", "real", "analysis", "DECIMAL(5,2)"),
        ),
        reread_days=7,
        day="date",
        is_guides=True,
    ),
    Table(
        "d1lab_products",
        key=("shop", "sku"),
        columns=_columns(text="shop sku title category vendor", money="price"),
    ),
    Table(
        "d1lab_stock",
        key=("shop", "sku", "location", "date"),
        columns=_columns(text="shop sku location", date="date", real="units"),
    ),
    Table(
        "product_costs",
        key=("shop", "sku", "valid_from"),
        columns=_columns(text="shop sku", money="unit_cost", date="valid_from")
        + _columns(text="source"),
    ),
    Table(
        "competitor_prices",
        key=("shop", "sku", "competitor", "observed_at"),
        columns=_columns(
            text="shop sku competitor currency url source",
            money="price",
            integer="in_stock",
            timestamp="observed_at",
        ),
        reread_days=7,
        day="observed_at",
    ),
    Table(
        "discount_recommendations",
        key=("shop", "sku", "made_on"),
        columns=_columns(text="shop sku", date="made_on")
        + _columns(
            "analysis",
            text="decision reason",
            integer="horizon_days plan_orders plan_days observed_units",
            real="depth chance slope slope_error break_even_margin days_of_supply regular_units"
            " expected_units observed_depth forecast_units",
            money="unit_price unit_cost expected_profit gain gain_low gain_high observed_profit",
            date="scored_on",
        ),
        write="upsert",
    ),
    Table(
        "d1lab_owned",
        key=("table_name", "part"),
        columns=_columns(text="table_name part how run_id", timestamp="since"),
    ),
    Table(
        "d1lab_sources",
        key=("table_name", "shop"),
        columns=_columns(text="table_name shop source"),
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}

CHANGES = "d1lab_changes"
"""Our change log: triggers note each update and deletion of an order event there."""

PUSHES = "d1lab_pushes"
"""Our audit log: one row for each table of a run that `push` or `rollback` wrote."""

OWNED = "d1lab_owned"
"""What of the app's tables d1lab writes: counters, and columns of results."""

SOURCES = "d1lab_sources"
"""Where the rows of an app's table come from, per shop; only what is simulated is said."""

INPUTS = "d1lab_ab_test_inputs"
"""What a decision needs of an A/B test beside the app's counts."""


ORDERS = "d1lab_orders"
"""Which export each order comes from."""

CAMPAIGNS = "d1lab_campaigns"
"""Families of discount codes that count as one campaign."""

RESULTS = "d1lab_results"
"""Whose results each table holds, by shop and report."""


def table(name: str) -> Table:
    """The declared table of that name.

    Raises:
        UnknownName: The catalog declares none; the message proposes the nearest.
    """
    if name not in TABLES:
        raise UnknownName("table", name, TABLES)
    return TABLES[name]


def by_declared_name(found: Mapping[str, Found]) -> dict[str, Found]:
    """What a database has by table, under the catalog's names: as in SQLite, case does not count.

    Tables that the catalog does not declare keep their names.
    """
    declared = {name.lower(): name for name in (*TABLES, CHANGES, PUSHES, RESULTS)}
    return {declared.get(name.lower(), name): each for name, each in found.items()}
