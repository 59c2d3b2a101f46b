"""Every D1 table, declared once: key, types, change detection, and the columns d1lab can write.

Four writers share the database, and each column has one owner:

- the **app** (the default): d1lab only reads;
- **aggregate**: counters that `d1lab aggregate` computes from `order_events`;
- **analysis**: results that a report stages and `push` writes;
- **worker**: rates that the events Worker computes from views and carts.

The app's tables have the app's columns only; d1lab's own data is in tables `d1lab_*` with the same
keys. A pull reads the columns that exist: an app can have fewer, or additional ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from d1lab.ab_test_tables import AB_TESTS
from d1lab.errors import UnknownName
from d1lab.table_declaration import Column, Table, columns_of

Found = TypeVar("Found")


_TABLES = (
    Table(
        "order_events",
        key=("shop", "event_id"),
        columns=columns_of(
            integer="seq",
            text="shop event_id type order_id customer_id sku product_title discount_id"
            " discount_code discount_type",
            timestamp="occurred_at",
            money="list_price discount_amount revenue",
        )
        + columns_of(real="quantity"),  # meters and kilograms have fractions
        reread_days=0,  # corrections and deletions are recorded in d1lab_changes
        day="occurred_at",
        shop_day="occurred_at",
    ),
    Table(
        "discount_analytics",
        key=("shop", "discount_id", "sku"),
        columns=columns_of(integer="id", text="shop discount_id sku")
        + columns_of(
            "aggregate",
            text="discount_code",
            integer="times_used unique_customers repeat_usage_count",
            money="revenue_before_discount discount_amount revenue_after_discount",
            timestamp="first_used_at last_used_at",
        )
        + columns_of(timestamp="created_at"),
        touched="last_used_at",
        write="upsert",
        is_guides=True,
    ),
    Table(
        "analytics_archive",  # rows of discount_analytics that the app's retention has moved
        key=("id",),
        columns=columns_of(
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
        columns=columns_of(text="shop", date="date")
        + columns_of(
            "aggregate",
            integer="total_discounts_used unique_customers",
            money="total_revenue_impact",
        ),
        day="date",
        write="upsert",
        is_guides=True,
    ),
    Table(
        "product_performance",
        key=("shop", "sku"),
        columns=columns_of(text="shop sku")
        + columns_of(
            "aggregate",
            text="product_title",
            integer="units_sold_with_discount units_sold_without_discount",
            money="total_discount_given revenue_with_discount revenue_without_discount",
            timestamp="updated_at",
        )
        + columns_of("worker", real="view_to_purchase_rate cart_abandonment_rate"),
        write="upsert",
        is_guides=True,
    ),
    Table(
        "customer_insights",
        key=("shop", "customer_id"),
        columns=columns_of(text="shop customer_id")
        + columns_of(
            "aggregate",
            integer="total_discounts_used purchase_frequency",
            money="total_savings avg_order_value",
            text="favorite_discount_type",
            date="last_purchase_date",
        )
        + columns_of("analysis", text="customer_segment")
        + (Column("lifetime_value", "money", "analysis", "DECIMAL(10,2)"),),
        write="upsert",
        is_guides=True,
    ),
    Table(
        "d1lab_customer_scores",
        key=("shop", "customer_id"),
        columns=columns_of(text="shop customer_id")
        + columns_of(
            "analysis", text="rfm_group lifetime_value_method", integer="r_score f_score m_score"
        ),
        write="upsert",
    ),
    Table(
        "d1lab_voucher_tests",  # only `d1lab voucher` writes
        ("shop", "voucher"),
        columns_of(text="shop voucher discount_code", date="chosen_on sent_on")
        + columns_of(integer="window_days seed"),
    ),
    Table(
        "d1lab_voucher_customers",
        ("shop", "voucher", "customer_id"),
        columns_of(text="shop voucher customer_id", integer="stratum is_sent", real="pace"),
    ),
    *AB_TESTS,
    Table(
        "inventory_impact",
        key=("shop", "sku", "date"),
        columns=(
            *columns_of(
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
        ("shop", "sku"),
        columns_of(text="shop sku title category vendor", money="price"),
    ),
    Table(
        "d1lab_stock",
        key=("shop", "sku", "location", "date"),
        columns=columns_of(text="shop sku location", date="date", real="units"),
        day="date",
        added_on="date",
    ),
    Table(
        "product_costs",
        key=("shop", "sku", "valid_from"),
        columns=columns_of(text="shop sku", money="unit_cost", date="valid_from")
        + columns_of(text="source"),
    ),
    Table(
        "competitor_prices",
        key=("shop", "sku", "competitor", "observed_at"),
        columns=columns_of(text="shop sku competitor currency url source", money="price")
        + columns_of(integer="in_stock", timestamp="observed_at"),
        reread_days=7,
        day="observed_at",
    ),
    Table(
        "discount_recommendations",
        key=("shop", "sku", "made_on"),
        columns=columns_of(text="shop sku", date="made_on")
        + columns_of(
            "analysis",
            text="decision reason",
            integer="horizon_days plan_orders plan_days observed_units",
            real="depth chance slope slope_error break_even_margin days_of_supply regular_units"
            " expected_units observed_depth forecast_units",
            money="unit_price unit_cost expected_profit gain gain_low gain_high observed_profit",
            date="scored_on",
        ),
        added_on="made_on",
        write="upsert",
    ),
    Table(
        "d1lab_actions",
        key=("shop", "report", "action", "made_on"),
        columns=columns_of(text="shop report action", date="made_on")
        + columns_of(
            "analysis",
            text="verb sentence reason meaning period currency basis link",
            money="amount amount_low amount_high",
            integer="at_most items",
        ),
        added_on="made_on",
        write="upsert",
    ),
    Table(
        "d1lab_owned",
        key=("table_name", "part"),
        columns=columns_of(text="table_name part how run_id counted_in", timestamp="since"),
    ),
    Table("d1lab_sources", ("table_name", "shop"), columns_of(text="table_name shop source")),
    Table("d1lab_exports", ("shop",), columns_of(text="shop", timestamp="exported_at")),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}

CHANGES = "d1lab_changes"
"""d1lab's change log, in which triggers record each update and deletion of an order event."""

PUSHES = "d1lab_pushes"
"""d1lab's audit log: one row per table of a run that `push` or `rollback` wrote."""

OWNED = "d1lab_owned"
"""The parts of the app's tables that d1lab owns: counters, and result columns."""

SOURCES = "d1lab_sources"
"""The source of an app table's rows, per shop; only simulated data is recorded."""

INPUTS = "d1lab_ab_test_inputs"
"""Inputs of an A/B test decision beyond the app's counts."""

ORDERS = "d1lab_orders"
"""The export that each order comes from."""

COUNTED = "d1lab_counted"
"""Digests of the counters that the last aggregation left in each table."""

EXPORTS = "d1lab_exports"
"""Until when the loaded exports cover each shop's orders."""

CAMPAIGNS = "d1lab_campaigns"
"""Families of discount codes that are counted as one campaign."""

VOUCHERS = "d1lab_voucher_tests"
"""Voucher tests: each sends a discount code to a random half of some customers."""

VOUCHER_CUSTOMERS = "d1lab_voucher_customers"
"""The customers of voucher tests, with their half."""

FORGOTTEN = "d1lab_forgotten"
"""The audit of `d1lab forget`, without identities."""

RESULTS = "d1lab_results"
"""The run whose results each table has, by shop and report."""

FOLDS = "d1lab_folds"
"""The tables whose counters the events Worker folds, and how far it got."""

OFFSETS = "d1lab_offsets"
"""The shops' UTC offsets, by which the events Worker finds a shop's day."""

SKU_DAYS = "d1lab_sku_days"
"""Views, carts, and order lines of each SKU on each of the shop's days."""

REJECTED = "d1lab_rejected_events"
"""Events that the events Worker rejected, each with the reason."""

WORKERS = "d1lab_workers"
"""The Workers of d1lab that were at work on the database, with their versions."""

OF_WORKERS = (FOLDS, OFFSETS, SKU_DAYS, "d1lab_counted_minutes", REJECTED, WORKERS)
"""The tables of d1lab's Workers, which are not pulled."""


def table(name: str) -> Table:
    """Return the declared table with that name.

    Raises:
        UnknownName: The catalog has no such table; the message suggests the closest.
    """
    if name not in TABLES:
        raise UnknownName("table", name, TABLES)
    return TABLES[name]


def only_d1lab_writes(declared: Table) -> bool:
    """Whether the app does not write a table: only d1lab's results, or its own record."""
    results = {*declared.key, *declared.owned("analysis")}
    return declared.name == OWNED or {column.name for column in declared.columns} == results


def by_declared_name(found: Mapping[str, Found]) -> dict[str, Found]:
    """Rename tables to the catalog's names, ignoring case as SQLite does; others keep theirs."""
    declared = {name.lower(): name for name in (*TABLES, CHANGES, PUSHES, RESULTS, *OF_WORKERS)}
    return {declared.get(name.lower(), name): each for name, each in found.items()}
