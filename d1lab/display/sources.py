"""Sentences that name simulated data."""

from __future__ import annotations

from collections.abc import Collection, Iterable

_NAMES = {
    "inventory_days": "stock levels",
    "ab_tests": "A/B tests",
    "ab_test_days": "A/B tests",
    "competitor_prices": "competitor prices",
    "product_costs": "unit costs",
}


def simulated(views: Iterable[str]) -> str:
    """Return the names of the data in views, separated by commas.

    >>> simulated(["ab_test_days", "ab_tests", "inventory_days"])
    'A/B tests, stock levels'
    """
    return ", ".join(_names(views))


def are_simulated(views: Collection[str], among: str) -> str:
    """Return a sentence on simulated data, with a trailing space; '' if nothing is simulated.

    Args:
        views: Views with simulated rows, as returned by `Lab.simulated`.
        among: Names of the views to mention, separated by spaces, in this order.

    >>> read = "inventory_days product_costs"
    >>> are_simulated(("ab_tests", "inventory_days", "product_costs"), read)
    'Stock levels and unit costs are simulated. '
    """
    names = _names(view for view in among.split() if view in views)
    if not names:
        return ""
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    return f"{listed[0].upper()}{listed[1:]} are simulated. "


def _names(views: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(_NAMES.get(view, view.replace("_", " ")) for view in views))
