"""The verdicts and the key figures of the reports from the app's own counters."""

from __future__ import annotations

from typing import Any

from d1lab.analyses.discounts import products as sales

NO_TREND = "No daily uses: daily_discount_stats has no rows for this period."
NO_TOTALS = "No breakdown by discount or product: discount_analytics is empty."
BOUNDS = (
    "between {low:,.0f} (busiest day) and {high:,.0f} (sum of days; returning "
    "customers count once per day)"
)
NOTES = {
    "discounts": "last used in this period",
    "skus": "last sold with a discount in this period",
}
NOT_AVAILABLE = {
    "uses": "daily_discount_stats has no rows for this period",
    "revenue_impact": "daily_discount_stats has no revenue for this period",
    "discounts": "the app stores only the last use, which is missing or after this period",
    "skus": "the app stores only the last use, which is missing or after this period",
    "customers": "daily_discount_stats has no customers for this period",
}

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns


def verdict_on_products(sold: Frame) -> str:
    """Return the verdict on the products with recorded sales without a discount."""
    known = sold[sold["units"].notna()]
    if len(known):
        return sales.verdict(known, "in all that the app has counted")
    units = sold["units_with"].sum()
    return f"The app counted {units:,.0f} discounted units. It does not record other sales."


def figures_of_products(sold: Frame) -> list[dict[str, Any]]:
    """Count products sold mostly with or without discount; None without other sales recorded."""
    lists = {"products_alone": sales.alone(sold), "products_dependent": sales.dependent(sold)}
    if sold["units"].notna().any():
        note = sales.among(sold)
        return [{"metric": name, "value": len(rows), "note": note} for name, rows in lists.items()]
    note = "sales without a discount are not recorded"
    return [{"metric": name, "value": None, "note": note} for name in lists]


def verdict(dashboard: Frame, used: Frame, days: int) -> str:
    """Return the verdict: for the period if the app counts by day, else for all time.

    Args:
        dashboard: Rows of the metric `counted_dashboard`, indexed by measure.
        used: Of the metric `counted_discounts`.
        days: The period's length.
    """
    known = is_known(dashboard, "uses")
    uses = dashboard.loc["uses", "value"] if known else used["times_used"].sum()
    when = f"in {days} days" if known else "in all"
    return f"The app counted {uses:,.0f} discount uses {when}."


def figures(dashboard: Frame, used: Frame) -> list[dict[str, Any]]:
    """Return the key figures, each with its scope or the reason why it is not available.

    Args:
        dashboard: Rows of `counted_dashboard` by measure, with notes on the change.
        used: Of the metric `counted_discounts`.
    """
    found = [_figure(dashboard, name) for name in ("uses", "revenue_impact")]
    given = float(used["savings"].sum()) if len(used) else None
    note = f"{since(used)}, not only in this period" if len(used) else NO_TOTALS
    found.append({"metric": "savings_in_all", "value": given, "note": note})
    return found + [_figure(dashboard, name) for name in ("discounts", "skus", "customers")]


def _figure(dashboard: Frame, name: str) -> dict[str, Any]:
    row, fields = dashboard.loc[name], {"metric": name}
    if name == "uses":
        fields["label"] = "Discount uses"
    if is_known(dashboard, name):
        return {**fields, "value": row["value"], "note": NOTES.get(name, row["note"])}
    if float(row["customers_high"]) > 0:
        low, high = row["customers_low"], row["customers_high"]
        return {**fields, "value": None, "note": BOUNDS.format(low=low, high=high)}
    return {**fields, "value": None, "note": NOT_AVAILABLE[name]}


def is_known(dashboard: Frame, name: str) -> bool:
    """Return whether a measure of the dashboard has a value."""
    value = dashboard.loc[name, "value"]
    return bool(value == value)  # NaN is not


def change_of_uses(dashboard: Frame) -> str:
    """Return the note on the change of uses, or that the app does not count by day."""
    return dashboard.loc["uses", "note"] if is_known(dashboard, "uses") else NO_TREND


def since(used: Frame) -> str:
    """Return the start of the app's totals, as the end of a sentence."""
    first = used["first_used_on"].min()
    return f"since {first:%Y-%m-%d}" if first == first else "since the first use"
