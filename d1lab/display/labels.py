"""What columns and key figures are called, in every report alike, with unit and kind.

A notebook names columns; a reader meets them by these words. A name that is not here is shown as
it stands ("net_units" as "Net units"), and what a notebook says itself comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from d1lab.display import Figure
from d1lab.display.figures import Better
from d1lab.display.values import Kind
from d1lab.errors import UnknownName


class Word(NamedTuple):
    """How a reader meets a column or a key figure; fields as in `d1lab.display`."""

    label: str
    unit: str = ""
    kind: Kind | None = None
    better: Better | None = None


WORDS = {
    "abc": Word("ABC"),
    "active_customers": Word("Bought again", kind="integer"),
    "age_days": Word("Seen", "days ago", kind="integer"),
    "annual_turnover": Word("Turns a year"),
    "anyway_share": Word("Would have sold anyway", kind="percent"),
    "average_order_value": Word("Average order", kind="money"),
    "benchmark_rmsse": Word("Error of 4-week mean"),
    "bias": Word("Bias", kind="percent"),
    "break_even_lift": Word("Break-even lift", kind="percent"),
    "break_even_margin": Word("Pays from a margin of", kind="percent"),
    "cart_abandonment_rate": Word("Carts abandoned", kind="percent"),
    "chance": Word("Chance of a gain", kind="percent"),
    "chance_alive": Word("Still active", kind="percent"),
    "chance_b_better": Word("Chance that B is better"),
    "cheapest": Word("Cheapest", kind="money"),
    "cheapest_at": Word("Asked by"),
    "chosen_for": Word("Chosen for", "products"),
    "compared": Word("Compared", kind="integer"),
    "compared_share": Word("Looks that compare", kind="percent"),
    "conversions_a": Word("Conversions of A", kind="integer"),
    "conversions_b": Word("Conversions of B", kind="integer"),
    "cost_turnover": Word("Turns at cost"),
    "coverage": Word("Days seen", kind="percent"),
    "cumulative_per_customer": Word("Spent per customer", kind="money"),
    "customer_segment": Word("Segment"),
    "customers_at_least": Word("Customers, at least", kind="integer"),
    "customers_of_day": Word("Customers of the day", kind="integer"),
    "customers": Word("Customers", kind="integer"),
    "days_left": Word("Days left", kind="integer"),
    "days_of_supply": Word("Cover", "days"),
    "days_of_supply_28": Word("Cover by Shopify's rule", "days"),
    "days_of_supply_high": Word("At most", "days"),
    "days_of_supply_low": Word("At least", "days"),
    "days_since_purchase": Word("Days since", "median"),
    "days_used": Word("Days in use", kind="integer"),
    "dead_stock": Word("Dead stock, at selling price", kind="money", better="lower"),
    "demand_class": Word("Demand"),
    "depth": Word("Depth", kind="percent"),
    "detectable_lift": Word("Lift to be seen", kind="percent"),
    "difference": Word("B - A", kind="money"),
    "difference_high": Word("At most", kind="money"),
    "difference_low": Word("At least", kind="money"),
    "discount_given": Word("Discount given", kind="money"),
    "discount_lift": Word("Sold more at a discount", kind="percent"),
    "discount_rate": Word("Discount of B", kind="percent"),
    "discounted_revenue": Word("Revenue with discount", kind="money"),
    "discounted_skus": Word("SKUs", kind="integer"),
    "discounted_share": Word("Discounted", kind="percent"),
    "discounted_weeks": Word("Weeks with discount", kind="integer"),
    "discounts": Word("Discounts in use", kind="integer"),
    "discounts_questioned": Word("Discounts to question", kind="integer", better="lower"),
    "discounts_used": Word("Discounts", kind="integer"),
    "elasticity": Word("Price elasticity"),
    "ending_units": Word("Stock", "units"),
    "error_per_customer": Word("Error per customer", kind="money"),
    "expected_gain": Word("Gain of the discounts", kind="money"),
    "expected_profit": Word("Profit expected", kind="money"),
    "expected_purchases": Word("Purchases expected", kind="number"),
    "expected_spend": Word("Expected spend", kind="money"),
    "expected_spend_high": Word("At most", kind="money"),
    "expected_spend_low": Word("At least", kind="money"),
    "expected_units": Word("Units expected"),
    "first_month": Word("First purchase"),
    "first_used_on": Word("First used", kind="date"),
    "followed": Word("Followed", kind="integer"),
    "forecast": Word("Forecast"),
    "forecast_error": Word("Observed against forecast", kind="percent"),
    "forecast_high": Word("At most", "units"),
    "forecast_low": Word("At least", "units"),
    "forecast_units": Word("Next 28 days", "units"),
    "frequency_and_spend": Word("Frequency and money (FM)"),
    "from_group": Word("From"),
    "gain": Word("Gain", kind="money"),
    "gain_high": Word("At most", kind="money"),
    "gain_low": Word("At least", kind="money"),
    "gained": Word("Gained", kind="money"),
    "gap": Word("Undercut by", kind="percent"),
    "gap_days": Word("Days that begin wrong", kind="integer"),
    "gap_units": Word("Units between days", kind="integer"),
    "gmroi": Word("GMROI"),
    "gross_margin": Word("Gross margin", kind="money"),
    "highest_cost": Word("Highest cost", kind="money"),
    "historic_value": Word("Spent per customer so far", kind="money"),
    "idle_days": Word("Unsold for at least", "days", kind="integer"),
    "in_stock_share": Word("In stock", kind="percent"),
    "lapsing_customers": Word("About to lapse", kind="integer", better="lower"),
    "lapsing_pace": Word("Their yearly pace", kind="money"),
    "last_look": Word("Last seen", kind="date"),
    "last_used_on": Word("Last used", kind="date"),
    "lifetime_value": Word("Lifetime value", kind="money"),
    "lift": Word("Lift", kind="percent"),
    "lift_depth": Word("At a depth of", kind="percent"),
    "lift_high": Word("Lift at most", kind="percent"),
    "lift_low": Word("Lift at least", kind="percent"),
    "lift_pays": Word("Pays"),
    "lift_skus": Word("Products behind it", kind="integer"),
    "lift_weeks": Word("Their weeks with it", kind="integer"),
    "looks": Word("Looks", kind="integer"),
    "lost_units": Word("Lost sales, estimated", "units", better="lower"),
    "lost_units_estimate": Word("Lost sales, estimated", "units"),
    "margin": Word("Margin", kind="money"),
    "margin_after": Word("Margin after", kind="money"),
    "margin_before": Word("Margin before", kind="money"),
    "margin_left": Word("Margin left", kind="percent"),
    "margin_rate": Word("Margin rate", kind="percent"),
    "margin_with": Word("Margin with discount", kind="money"),
    "margin_without": Word("Margin without", kind="money"),
    "mean_purchase": Word("Mean purchase", kind="money"),
    "median_cover": Word("Median cover", "days"),
    "middle": Word("Median", kind="money"),
    "month_number": Word("Months since"),
    "new_customer_share": Word("Users who bought first", kind="percent"),
    "new_customers": Word("New customers", kind="integer"),
    "observed_high": Word("At most", kind="percent"),
    "observed_lift": Word("Observed lift", kind="percent"),
    "observed_low": Word("At least", kind="percent"),
    "order_now": Word("To order now", "units"),
    "order_units": Word("Order", "units", kind="integer"),
    "ordered": Word("With an order"),
    "order_value_a": Word("Order value of A", kind="money"),
    "order_value_b": Word("Order value of B", kind="money"),
    "orders": Word("Orders", kind="integer"),
    "orders_with_codes": Word("With several codes", kind="integer"),
    "own_price": Word("List price", kind="money"),
    "p_value": Word("p"),
    "pace": Word("Yearly pace", kind="money"),
    "paid_price": Word("Paid", kind="money"),
    "place": Word("Place"),
    "plan_days": Word("Test days", kind="integer"),
    "plan_orders": Word("Orders to test", kind="integer"),
    "price": Word("Price", kind="money"),
    "price_index": Word("Price index"),
    "price_with": Word("Price with discount", kind="money"),
    "price_without": Word("Price without", kind="money"),
    "product_title": Word("Product"),
    "products_alone": Word("Sell without help", "products", kind="integer"),
    "products_dependent": Word("Hardly sell without", "products", kind="integer"),
    "products_short": Word("Products that run out", kind="integer", better="lower"),
    "purchases": Word("Purchases", kind="integer"),
    "rate_a": Word("Rate of A", kind="percent"),
    "rate_b": Word("Rate of B", kind="percent"),
    "received_units": Word("Received", "units"),
    "recency": Word("Recency (R)"),
    "regular_units": Word("Units at the regular price"),
    "regular_weeks": Word("Weeks without", kind="integer"),
    "reorder_point": Word("Order at", "units"),
    "repeat_customers": Word("Used it again", kind="integer"),
    "repeat_rate": Word("Came back", kind="percent", better="higher"),
    "repeated_days": Word("Days written twice", kind="integer"),
    "retention": Word("Bought again", kind="percent"),
    "revenue": Word("Revenue", kind="money"),
    "revenue_a": Word("Revenue of A", kind="money"),
    "revenue_after": Word("Revenue after", kind="money"),
    "revenue_b": Word("Revenue of B", kind="money"),
    "revenue_before": Word("Revenue before", kind="money"),
    "revenue_impact": Word("Revenue impact, as counted", kind="money"),
    "revenue_with": Word("Revenue with discount", kind="money"),
    "revenue_without": Word("Revenue without", kind="money"),
    "rfm_group": Word("Group"),
    "risk_a": Word("Risk of A", "per 10,000"),
    "risk_b": Word("Risk of B", "per 10,000"),
    "rival": Word("Forecast by"),
    "rmsse": Word("Error (RMSSE)", better="lower"),
    "room_products": Word("With room to raise", "products", kind="integer"),
    "sales_days": Word("Days sales of inventory", "days"),
    "sample_ratio_p": Word("p of the split"),
    "savings": Word("Savings given", kind="money"),
    "savings_in_all": Word("Savings given in all", kind="money"),
    "sell_through_available": Word("Sold of available", kind="percent"),
    "sell_through_on_hand": Word("Sold of on hand", kind="percent"),
    "share": Word("Share", kind="percent"),
    "share_of_customers": Word("Of customers", kind="percent"),
    "share_of_plan": Word("Plan reached", kind="percent"),
    "share_of_spend": Word("Of spend", kind="percent"),
    "share_of_units": Word("Share of its units", kind="percent"),
    "share_of_uses": Word("Share of uses", kind="percent"),
    "shrunk_units": Word("Vanished", "units"),
    "shop_lift": Word("Lift by the shop's elasticity", kind="percent"),
    "shop_lift_high": Word("At most", kind="percent"),
    "shop_lift_low": Word("At least", kind="percent"),
    "silent_days": Word("Silent for", "days"),
    "skus": Word("SKUs discounted", kind="integer"),
    "slope": Word("Elasticity"),
    "slope_high": Word("At most"),
    "slope_low": Word("At least"),
    "spend": Word("Spent", kind="money"),
    "spend_error": Word("Off by", kind="percent"),
    "spent_alpha": Word("Alpha spent", kind="percent"),
    "stacked": Word("Discounts in the order"),
    "stacked_share": Word("Orders that stack", kind="percent"),
    "stockout_rate": Word("Days without stock", kind="percent"),
    "stored_days_of_supply": Word("Cover in D1", "days"),
    "stored_turnover_rate": Word("Turns in D1"),
    "tied_up": Word("Tied up, at selling price", kind="money"),
    "tied_up_at_cost": Word("At cost", kind="money"),
    "times_used": Word("Uses", kind="integer"),
    "to_discount": Word("To discount", "products", kind="integer"),
    "to_group": Word("To"),
    "to_hold": Word("To hold", "products", kind="integer"),
    "to_match": Word("To match", "products", kind="integer"),
    "to_test": Word("To test first", "products", kind="integer"),
    "todo": Word("To do"),
    "turnover": Word("Turns in the period"),
    "undercut_products": Word("Undercut", "products", kind="integer", better="lower"),
    "unit_cost": Word("Unit cost", kind="money"),
    "unit_price": Word("Average price", kind="money"),
    "units_forecast": Word("Units forecast"),
    "units_observed": Word("Units sold"),
    "units_with": Word("Units with discount", kind="integer"),
    "units_without": Word("Units without", kind="integer"),
    "unseen_units": Word("Units over unseen days", kind="integer"),
    "uses": Word("Discounted lines", kind="integer"),
    "usual_customers": Word("Usual for a code", kind="number"),
    "usual_gap_days": Word("Usual gap", "days"),
    "value_a": Word("A", kind="money"),
    "value_b": Word("B", kind="money"),
    "velocity": Word("Sold a day in stock", "units"),
    "velocity_discounted": Word("A day with discount", "units"),
    "velocity_high": Word("At most", "units"),
    "velocity_low": Word("At least", "units"),
    "velocity_regular": Word("A day without", "units"),
    "view_to_purchase_rate": Word("Views that buy", kind="percent"),
    "visitors_a": Word("Visitors of A", kind="integer"),
    "visitors_b": Word("Visitors of B", kind="integer"),
    "with_full_price": Word("Also at full price", kind="integer"),
    "without_order": Word("Without an order", kind="integer"),
    "xyz": Word("XYZ"),
}


def meanings(names: Iterable[str], given: Mapping[str, Any]) -> dict[str, Any]:
    """`labels`, `units` and `kinds` for a table of these columns; what is given comes first."""
    known = {name: WORDS[name] for name in names if name in WORDS}
    found = {
        "labels": {name: word.label for name, word in known.items()},
        "units": {name: word.unit for name, word in known.items() if word.unit},
        "kinds": {name: word.kind for name, word in known.items() if word.kind},
    }
    return {**given, **{key: {**words, **given.get(key, {})} for key, words in found.items()}}


def figures(items: Iterable[object], values: Mapping[str, object]) -> Iterator[object]:
    """Key figures with their words: ready ones, mappings or frames of fields, values by name."""
    for item in items:
        if isinstance(item, Mapping):
            yield _worded(item)
        elif not isinstance(item, Figure) and hasattr(item, "to_dict"):
            yield from map(_worded, item.to_dict("records"))  # pyright: ignore
        else:
            yield item
    for metric, value in values.items():
        yield _worded({"metric": metric, "value": value})


def _worded(fields: Mapping[str, Any]) -> dict[str, Any]:
    word = WORDS.get(fields.get("metric", ""))
    return {**(word._asdict() if word else {}), **fields}


def selected(frame: Any, columns: str | Sequence[str] | None) -> Any:
    """A frame's columns by name, in this order; all for None. A text is split at its spaces.

    Raises:
        UnknownName: The frame lacks one.
    """
    if columns is None:
        return frame
    wanted = columns.split() if isinstance(columns, str) else list(columns)
    if hasattr(frame, "fetchall"):
        frame = frame.df()  # a DuckDB relation
    known = column_names(frame)
    for name in wanted:
        if name not in known:
            raise UnknownName("column", name, known, "the frame")
    return frame.select(wanted) if hasattr(frame, "select") else frame[wanted]


def column_names(frame: Any) -> list[str]:
    """The names of a frame's columns: pandas, polars, Arrow or a DuckDB relation."""
    names = getattr(frame, "column_names", None) or getattr(frame, "columns", ())
    return [str(name) for name in names]
