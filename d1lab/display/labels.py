"""Display labels, units, and kinds for columns and key figures, shared by all reports.

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
    "abc": Word("ABC class"),
    "active_customers": Word("Active customers", kind="integer"),
    "age_days": Word("Price age", "days", kind="integer"),
    "annual_turnover": Word("Inventory turns per year"),
    "anyway_share": Word("Would have sold at full price", kind="percent"),
    "average_order_value": Word("Average order value (AOV)", kind="money"),
    "benchmark_rmsse": Word("RMSSE of 4-week mean"),
    "bias": Word("Bias", kind="percent"),
    "break_even_lift": Word("Break-even lift", kind="percent"),
    "break_even_margin": Word("Break-even margin", kind="percent"),
    "cart_abandonment_rate": Word("Cart abandonment rate", kind="percent"),
    "chance": Word("Probability of a gain", kind="percent"),
    "chance_alive": Word("Probability of being active", kind="percent"),
    "chance_b_better": Word("Probability B is better"),
    "cheapest": Word("Lowest competitor price", kind="money"),
    "cheapest_at": Word("Competitor"),
    "chosen_for": Word("Chosen for", "products"),
    "compared": Word("Comparable prices", kind="integer"),
    "compared_share": Word("Share of prices that are comparable", kind="percent"),
    "conversions_a": Word("Conversions, A", kind="integer"),
    "conversions_b": Word("Conversions, B", kind="integer"),
    "cost_turnover": Word("Inventory turns at cost"),
    "coverage": Word("Days with stock data", kind="percent"),
    "cumulative_per_customer": Word("Cumulative spend per customer", kind="money"),
    "customer_segment": Word("Segment"),
    "customers_at_least": Word("Customers (minimum)", kind="integer"),
    "customers_of_day": Word("Customers that day", kind="integer"),
    "customers": Word("Customers", kind="integer"),
    "days_left": Word("Days left", kind="integer"),
    "days_of_supply": Word("Days of supply"),
    "days_of_supply_28": Word("Days of supply, Shopify rule"),
    "days_of_supply_high": Word("High (90%)", "days"),
    "days_of_supply_low": Word("Low (90%)", "days"),
    "days_since_purchase": Word("Median days since purchase"),
    "days_used": Word("Days in use", kind="integer"),
    "dead_stock": Word("Dead stock at selling price", kind="money", better="lower"),
    "demand_class": Word("Demand pattern"),
    "depth": Word("Discount depth", kind="percent"),
    "detectable_lift": Word("Minimum detectable lift", kind="percent"),
    "difference": Word("Difference (B − A)", kind="money"),
    "difference_high": Word("High (95%)", kind="money"),
    "difference_low": Word("Low (95%)", kind="money"),
    "discount_given": Word("Discounts given", kind="money"),
    "discount_lift": Word("Lift in discounted weeks", kind="percent"),
    "discount_rate": Word("Discount, B", kind="percent"),
    "discounted_revenue": Word("Discounted revenue", kind="money"),
    "discounted_skus": Word("SKUs", kind="integer"),
    "discounted_share": Word("Orders with a discount", kind="percent"),
    "discounted_weeks": Word("Discounted weeks", kind="integer"),
    "discounts": Word("Active discounts", kind="integer"),
    "discounts_questioned": Word("Discounts to review", kind="integer", better="lower"),
    "discounts_used": Word("Discounts", kind="integer"),
    "elasticity": Word("Price elasticity"),
    "ending_units": Word("Units on hand", "units"),
    "error_per_customer": Word("Error per customer (RMSE)", kind="money"),
    "expected_gain": Word("Expected profit gain", kind="money"),
    "expected_profit": Word("Expected profit", kind="money"),
    "expected_purchases": Word("Expected purchases", kind="number"),
    "expected_spend": Word("Expected spend", kind="money"),
    "expected_spend_high": Word("High (90%)", kind="money"),
    "expected_spend_low": Word("Low (90%)", kind="money"),
    "expected_units": Word("Expected units"),
    "first_month": Word("Cohort"),
    "first_used_on": Word("First used", kind="date"),
    "followed": Word("Followed", kind="integer"),
    "forecast": Word("Forecast method"),
    "forecast_error": Word("Actual vs. forecast", kind="percent"),
    "forecast_high": Word("High (80%)", "units"),
    "forecast_low": Word("Low (80%)", "units"),
    "forecast_units": Word("Forecast, next 28 days", "units"),
    "frequency_and_spend": Word("Frequency and monetary score (FM)"),
    "from_group": Word("From group"),
    "gain": Word("Profit gain", kind="money"),
    "gain_high": Word("High (90%)", kind="money"),
    "gain_low": Word("Low (90%)", kind="money"),
    "gained": Word("Realized profit gain", kind="money"),
    "gap": Word("Price gap", kind="percent"),
    "gap_days": Word("Days with a stock mismatch", kind="integer"),
    "gap_units": Word("Unexplained units", kind="integer"),
    "gmroi": Word("GMROI"),
    "gross_margin": Word("Gross margin", kind="money"),
    "highest_cost": Word("Maximum unit cost to match", kind="money"),
    "historic_value": Word("Spend per customer to date", kind="money"),
    "idle_days": Word("Days without a sale (minimum)", kind="integer"),
    "in_stock_share": Word("In-stock rate", kind="percent"),
    "lapsing_customers": Word("Overdue customers", kind="integer", better="lower"),
    "lapsing_pace": Word("Past annual spend of overdue customers", kind="money"),
    "last_look": Word("Last observed", kind="date"),
    "last_used_on": Word("Last used", kind="date"),
    "lifetime_value": Word("Lifetime value", kind="money"),
    "lift": Word("Lift", kind="percent"),
    "lift_depth": Word("Average depth", kind="percent"),
    "lift_high": Word("Lift, high (95%)", kind="percent"),
    "lift_low": Word("Lift, low (95%)", kind="percent"),
    "lift_pays": Word("Profitable"),
    "lift_skus": Word("Products measured", kind="integer"),
    "lift_weeks": Word("Discounted weeks measured", kind="integer"),
    "looks": Word("Price observations", kind="integer"),
    "lost_units": Word("Estimated lost sales", "units", better="lower"),
    "lost_units_estimate": Word("Estimated lost sales", "units"),
    "margin": Word("Margin", kind="money"),
    "margin_after": Word("Margin after discount", kind="money"),
    "margin_before": Word("Margin at list price", kind="money"),
    "margin_left": Word("Margin if matched", kind="percent"),
    "margin_rate": Word("Margin rate", kind="percent"),
    "margin_with": Word("Margin with discount", kind="money"),
    "margin_without": Word("Margin without discount", kind="money"),
    "mean_purchase": Word("Average purchase", kind="money"),
    "median_cover": Word("Median days of supply"),
    "middle": Word("Competitor median price", kind="money"),
    "month_number": Word("Months since first purchase"),
    "new_customer_share": Word("First-time customers, share", kind="percent"),
    "new_customers": Word("First-time customers", kind="integer"),
    "observed_high": Word("High (95%)", kind="percent"),
    "observed_lift": Word("Observed lift", kind="percent"),
    "observed_low": Word("Low (95%)", kind="percent"),
    "order_now": Word("Units to reorder now"),
    "order_units": Word("Reorder quantity", "units", kind="integer"),
    "ordered": Word("Ordered since"),
    "order_value_a": Word("AOV, A", kind="money"),
    "order_value_b": Word("AOV, B", kind="money"),
    "orders": Word("Orders", kind="integer"),
    "orders_with_codes": Word("Orders with several codes", kind="integer"),
    "own_price": Word("List price", kind="money"),
    "p_value": Word("p-value"),
    "pace": Word("Past annual spend", kind="money"),
    "paid_price": Word("Average price paid", kind="money"),
    "place": Word("Price rank"),
    "plan_days": Word("Test duration (days)", kind="integer"),
    "plan_orders": Word("Orders needed", kind="integer"),
    "price": Word("Price", kind="money"),
    "price_index": Word("Price index"),
    "price_with": Word("Price with discount", kind="money"),
    "price_without": Word("Price without discount", kind="money"),
    "product_title": Word("Product"),
    "products_alone": Word("Sell mostly at full price", "products", kind="integer"),
    "products_dependent": Word("Sell mostly on discount", "products", kind="integer"),
    "products_short": Word("Out of stock or running out", kind="integer", better="lower"),
    "purchases": Word("Purchases", kind="integer"),
    "rate_a": Word("Conversion rate, A", kind="percent"),
    "rate_b": Word("Conversion rate, B", kind="percent"),
    "received_units": Word("Received", "units"),
    "recency": Word("Recency score (R)"),
    "regular_units": Word("Expected units at regular price"),
    "regular_weeks": Word("Regular-price weeks", kind="integer"),
    "reorder_point": Word("Reorder point", "units"),
    "repeat_customers": Word("Repeat users of the discount", kind="integer"),
    "repeat_rate": Word("Repeat customer rate", kind="percent", better="higher"),
    "repeated_days": Word("Duplicate days", kind="integer"),
    "retention": Word("Retention", kind="percent"),
    "revenue": Word("Revenue", kind="money"),
    "revenue_a": Word("Revenue, A", kind="money"),
    "revenue_after": Word("Revenue after discount", kind="money"),
    "revenue_b": Word("Revenue, B", kind="money"),
    "revenue_before": Word("Revenue at list price", kind="money"),
    "revenue_impact": Word("Revenue impact (app counter)", kind="money"),
    "revenue_with": Word("Revenue with discount", kind="money"),
    "revenue_without": Word("Revenue without discount", kind="money"),
    "rfm_group": Word("Group"),
    "risk_a": Word("Expected loss, A", "per 10,000 visitors"),
    "risk_b": Word("Expected loss, B", "per 10,000 visitors"),
    "rival": Word("Forecast method"),
    "rmsse": Word("Forecast error (RMSSE)", better="lower"),
    "room_products": Word("Room to raise prices", "products", kind="integer"),
    "sales_days": Word("Days sales of inventory (DSI)"),
    "sample_ratio_p": Word("SRM p-value"),
    "savings": Word("Discounts given", kind="money"),
    "savings_in_all": Word("Discounts given, all time", kind="money"),
    "sell_through_available": Word("Sell-through, available stock", kind="percent"),
    "sell_through_on_hand": Word("Sell-through, stock on hand", kind="percent"),
    "share": Word("Share", kind="percent"),
    "share_of_customers": Word("% of customers", kind="percent"),
    "share_of_plan": Word("Progress to plan", kind="percent"),
    "share_of_spend": Word("% of spend", kind="percent"),
    "share_of_units": Word("% of units discounted", kind="percent"),
    "share_of_uses": Word("% of uses", kind="percent"),
    "shrunk_units": Word("Shrinkage", "units"),
    "shop_lift": Word("Predicted lift (shop elasticity)", kind="percent"),
    "shop_lift_high": Word("At most", kind="percent"),
    "shop_lift_low": Word("At least", kind="percent"),
    "silent_days": Word("Days since last purchase"),
    "skus": Word("Discounted SKUs", kind="integer"),
    "slope": Word("Price elasticity"),
    "slope_high": Word("High (95%)"),
    "slope_low": Word("Low (95%)"),
    "spend": Word("Total spend", kind="money"),
    "spend_error": Word("Error of the total", kind="percent"),
    "spent_alpha": Word("Alpha spent", kind="percent"),
    "stacked": Word("Discounts per order"),
    "stacked_share": Word("Orders with stacked discounts", kind="percent"),
    "stockout_rate": Word("Stockout rate", kind="percent"),
    "stored_days_of_supply": Word("Days of supply in D1"),
    "stored_turnover_rate": Word("Turnover in D1"),
    "tied_up": Word("Stock value at selling price", kind="money"),
    "tied_up_at_cost": Word("Stock value at cost", kind="money"),
    "times_used": Word("Uses", kind="integer"),
    "to_discount": Word("Discount", "products", kind="integer"),
    "to_group": Word("To group"),
    "to_hold": Word("Keep regular price", "products", kind="integer"),
    "to_match": Word("Prices to match", "products", kind="integer"),
    "to_test": Word("Test first", "products", kind="integer"),
    "todo": Word("Action"),
    "turnover": Word("Inventory turnover"),
    "undercut_products": Word("Undercut", "products", kind="integer", better="lower"),
    "unit_cost": Word("Unit cost", kind="money"),
    "unit_price": Word("Average selling price", kind="money"),
    "units_forecast": Word("Forecast units"),
    "units_observed": Word("Units sold"),
    "units_with": Word("Units with discount", kind="integer"),
    "units_without": Word("Units without discount", kind="integer"),
    "unseen_units": Word("Units over days without data", kind="integer"),
    "uses": Word("Discounted order lines", kind="integer"),
    "usual_customers": Word("Typical customers per code", kind="number"),
    "usual_gap_days": Word("Usual days between purchases"),
    "value_a": Word("A", kind="money"),
    "value_b": Word("B", kind="money"),
    "velocity": Word("Sales velocity", "units per in-stock day"),
    "velocity_discounted": Word("Velocity, discounted weeks", "units per day"),
    "velocity_high": Word("High (90%)", "units"),
    "velocity_low": Word("Low (90%)", "units"),
    "velocity_regular": Word("Velocity, regular weeks", "units per day"),
    "view_to_purchase_rate": Word("View-to-purchase rate", kind="percent"),
    "visitors_a": Word("Visitors, A", kind="integer"),
    "visitors_b": Word("Visitors, B", kind="integer"),
    "with_full_price": Word("With a full-price item", kind="integer"),
    "without_order": Word("Moved without an order", kind="integer"),
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
