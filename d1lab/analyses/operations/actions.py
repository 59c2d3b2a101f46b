"""Actions of the report on usage: upgrade, archive, split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from d1lab.analyses.operations.study import PAID_MONTH_DOLLARS, Forecast, UsageStudy
from d1lab.stats.periods import dates_of

_WHAT = {
    "upgrade": ("Upgrade", "to Cloudflare's paid plan"),
    "archive": ("Archive", "closed months"),
    "one database per shop": ("Move", "the largest shop to a database of its own"),
}
_HOW = {
    "upgrade": f"It costs ${PAID_MONTH_DOLLARS:,.0f} a month and has no daily limits.",
    "archive": "`d1lab archive --delete` moves them out of D1. Reports still count them.",
    "one database per shop": "Each database has 10 GB of its own.",
}


def declared(found: UsageStudy) -> Iterator[dict[str, Any]]:
    """Yield the actions, as arguments of `lab.action`: one for each threshold that is passed."""
    seen: set[str] = set()
    for each in found.thresholds:
        if each.is_due and each.what not in seen:
            seen.add(each.what)
            verb, what = _WHAT[each.what]
            yield {
                "verb": verb,
                "what": what,
                "reason": f"{each.found[:1].upper()}{each.found[1:]}. {_HOW[each.what]}",
                "basis": "counted",
                "link": "list-thresholds",
            }
    if not seen and (soon := found.first_limit):
        yield _prepare(soon)


def _prepare(each: Forecast) -> dict[str, Any]:
    """The action before the first limit that is expected to be reached."""
    key = "archive" if each.what == "size" and each.plan == "paid" else "upgrade"
    verb, what = _WHAT[key]
    day, earliest, latest = (
        dates_of(end, 1) if end else "later" for end in (each.day, each.earliest, each.latest)
    )
    return {
        "verb": verb,
        "what": f"{what} before {day}",
        "reason": (
            f"The {each.plan} plan's limit of {each.what} is expected then (90% interval "
            f"{earliest} to {latest}). {_HOW[key]}"
        ),
        "basis": "estimate",
        "link": "list-limits",
    }
