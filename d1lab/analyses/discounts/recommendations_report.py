"""Content of the recommendation report: verdict, figures, tables, and a note."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import date
from typing import Any

from d1lab.analyses.discount_effect.pooling import OWN, Estimates
from d1lab.analyses.discounts import products, recommendations, track_record
from d1lab.display.actions import MONTH_DAYS
from d1lab.display.declarations import ReportTable
from d1lab.display.sources import are_simulated

Frame = Any  # a pandas DataFrame; type checkers cannot check its columns

NO_SALES = recommendations.NO_SALES
ROWS, WEEKS = 20, 26  # of a table, and of the trends in the details

DETAILS = (
    "product unit_price depth gain gain_low gain_high chance weekly_units weekly_discount advice"
    " why regular_units expected_units days_of_supply margin_rate break_even_margin plan_orders"
    " plan_days"
)

MONTHLY = {
    "regular_units": "Units a month at regular price",
    "expected_units": "Expected units a month",
    "expected_profit": "Expected profit a month",
    "gain": "Profit gain a month",
}
"""Amounts over the horizon that the page shows for 30 days, like those of actions: their labels."""

_ADVICE = {"discount": "Discount it", "test": "Test first", "hold": "Keep the regular price"}


def verdict(advised: Frame, scored: Frame, horizon_days: int) -> dict[str, str]:
    """Return the verdict of the report, its status, and the track record in words.

    Args:
        advised: Result of `recommendations.advise`.
        scored: Result of `track_record.score`.
        horizon_days: Days until a recommendation is scored.
    """
    text, status = recommendations.verdict(advised)
    detail = track_record.in_words(scored, horizon_days)
    return {"text": text, "status": status, "detail": detail}


def figures(advised: Frame) -> Iterator[dict[str, Any]]:
    """Return the number of products per decision and the expected gain of the discounts."""
    return recommendations.figures(_monthly(advised))


def tables(advised: Frame, scored: Frame) -> dict[str, ReportTable]:
    """Return the tables of the report by name."""
    of, advised = recommendations.of, _monthly(advised)
    decided = {
        "discount": ("Products to discount", recommendations.DISCOUNT),
        "test": ("Products to test", recommendations.TEST),
        "hold": ("Products to keep at the regular price", recommendations.HOLD),
    }
    silent = of(advised[advised["slope"].notna()], None)
    title = "No decision: products with a known elasticity"
    return {
        "record": ReportTable(track_record.track(scored), "Track record", track_record.COLUMNS),
        **{
            decision: _table(of(advised, decision), *declared)
            for decision, declared in decided.items()
        },
        "reasons": ReportTable(
            recommendations.reasons(advised), "Decisions by reason", "decision why products"
        ),
        "silent": _table(silent, title, recommendations.SILENT),
    }


def _monthly(advised: Frame) -> Frame:
    """Return recommendations with the amounts of 30 days; D1 gets those of the horizon."""
    scale = MONTH_DAYS / advised["horizon_days"]
    ends = ("gain_low", "gain_high")
    return advised.assign(**{n: advised[n].astype(float) * scale for n in (*MONTHLY, *ends)})


def _table(frame: Frame, title: str, columns: str, limit: int = ROWS) -> ReportTable:
    labels = {name: label for name, label in MONTHLY.items() if name in columns.split()}
    return ReportTable(frame, title, columns, limit, labels=labels)


def details(advised: Frame, found: Estimates, taken: Mapping[str, str]) -> ReportTable:
    """Return the details of the products in the tables, those of the first rows first.

    Args:
        advised: Result of `recommendations.advise`.
        found: Result of `pooling.estimate`.
        taken: Sentences by SKU of the advice that comes first, as from
            `overview.product_advice.sentences`.
    """
    import pandas as pd

    of, advised = recommendations.of, _monthly(advised)
    known = advised[advised["slope"].notna()]
    lists = [of(advised, decision) for decision in _ADVICE] + [of(known, None)]
    listed = pd.concat(
        [part for n in (slice(10), slice(10, ROWS)) for part in (s[n] for s in lists)]
    )
    own = listed["decision"].map(_ADVICE).fillna("")
    shown = listed.assign(advice=[taken.get(s, a) for s, a in zip(listed["sku"], own, strict=True)])
    detailed = products.with_weeks(shown, found, WEEKS)
    return _table(detailed, "Products", DETAILS, len(detailed) or 1)


def to_stage(advised: Frame, scored: Frame, until: date) -> Frame:
    """Return the rows to stage: scored recommendations, and new ones to act on or with evidence.

    Keeping the price of a product that only the shop's elasticity speaks of changes nothing: such
    rows, most of a shop's products, would cost a D1 write each.
    """
    changes = advised["decision"].isin(["discount", "test"]) | (advised["reason"] == "below_cost")
    known = changes | (advised["reason"] == "short_cover") | (advised["basis"] == OWN)
    return track_record.to_stage(scored, advised[known], recommendations.STAGED, until)


def limits(found: Estimates, simulated: Collection[str], staged: int) -> str:
    """Return a note on simulated data, the elasticity, and the staged results."""
    source = are_simulated(simulated, "inventory_days product_costs")
    told = products.detail(found.shop)
    return f"{source}{told} {staged:,} recommendations are written back to D1."
