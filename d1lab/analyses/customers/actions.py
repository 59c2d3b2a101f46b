"""Action of the customer report: win back overdue customers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from d1lab.analyses.customers.study import CustomerStudy
from d1lab.analyses.overview.study import recent_margin

YEAR_DAYS, MONTH_DAYS = 365, 30


def declared(found: CustomerStudy, periods: Any) -> Iterator[dict[str, Any]]:
    """Yield the actions, as arguments of `lab.action`.

    Args:
        found: Results of `study`.
        periods: Rows of the metric `shop_periods`, for the shop's gross margin. Without a known
            unit cost, the amount is revenue.

    The amount is an upper limit: what the customers spent in 30 days at their usual pace. Some
    return without an offer, and others do not return with one.
    """
    overdue = found.overdue
    if overdue.empty:
        return
    pace = overdue["pace"].astype(float) * MONTH_DAYS / YEAR_DAYS
    margin_rate = recent_margin(periods)
    rate = 1.0 if margin_rate is None else max(margin_rate, 0.0)
    yield {
        "verb": "Win back",
        "what": "{items} who are going quiet",
        "reason": "High spenders, silent far longer than usual. Write to a random half; the other "
        "half shows whether it paid.",
        "amount": float((pace * rate).sum()),
        "of": "sales" if margin_rate is None else "",
        "meaning": "at risk",
        "at_most": True,
        "basis": "estimate",
        "item": "customer",
        "items": overdue[["customer_id", "rfm_group", "silent_days", "usual_gap_days"]].assign(
            amount=pace * rate
        ),
        "link": "list-about-to-lapse",
    }
