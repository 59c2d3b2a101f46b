"""Simulated A/B tests on real orders: one for each possible outcome of a test.

Every paid order of the shop during a test is a visitor who would buy in the better variant. Each
visitor is randomly assigned to a variant; in the worse variant, some of them do not buy. Visitors
who buy in neither variant are added. Without a difference, the split is therefore truly random,
conversions never exceed visitors or the shop's real orders, and the true effect is known; see
docs/guide/demo.md. All rows of `d1lab_ab_test_inputs` have source = 'simulated'.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import orjson

from d1lab.config import DEMO_TIMEZONE

COST_SHARE = 0.7
"""Assumed cost of goods, as a share of the order value before the test's discount."""

DAILY = (
    "test_id",
    "shop",
    "day",
    "variant",
    "visitors",
    "conversions",
    "revenue",
    "revenue_squares",
    "discount_cost",
    "profit",
    "profit_squares",
)
_SUMS = DAILY[4:]
_GUIDE = ("conversions", "revenue")  # those with columns in the app's table of the guide
_ORDERS = Path(__file__).with_name("ab_tests.sql")


class Setup(NamedTuple):
    """A test to simulate: its declared plan and its true parameters."""

    shop: str
    name: str
    title: str
    start: int  # days before the shop's last day
    days: int  # duration; 0: still running
    lift: float = 0.0  # true: conversions of B / conversions of A - 1
    base: float = 0.04  # true: orders per visitor under the better variant
    share_b: float = 0.5  # true: visitors in B; 0.5 is declared
    discount_a: float = 0.0
    discount_b: float = 0.0
    metric: str = "conversions"
    method: str = "fixed"
    planned_visitors: int | None = None
    planned_looks: int | None = None
    planned_days: int | None = None
    guardrails: str | None = None  # JSON
    guide_only: bool = False  # only columns of the app's table in the guide
    broken_config: bool = False


SETUPS = (
    Setup(
        "harbor",
        "free-delivery",
        "Free delivery from $40",
        75,
        42,
        lift=0.3,
        discount_b=0.05,
        guardrails='[{"metric":"revenue","margin":0.05}]',
    ),
    Setup("harbor", "button-text", "'Add to basket' or 'Buy now'", 110, 35),
    Setup("harbor", "welcome-banner", "Banner for new visitors", 120, 28, lift=0.1, share_b=0.44),
    Setup(
        "harbor",
        "basket-discount",
        "10% off from three products",
        20,
        0,
        lift=0.12,
        discount_b=0.10,
        metric="profit",
        method="group_sequential",
        planned_visitors=40_000,
        planned_looks=5,
        planned_days=35,
    ),
    Setup(
        "harbor", "reminder-mail", "Reminder after a day", 40, 0, lift=0.08, method="always_valid"
    ),
    Setup(
        "harbor",
        "summer-sale",
        "Summer sale, 15% off",
        200,
        28,
        lift=0.2,
        discount_b=0.15,
        metric="revenue",
        broken_config=True,
    ),
    Setup(
        "village", "double-points", "Double points on Fridays", 150, 60, lift=0.35, guide_only=True
    ),
    Setup(
        "village",
        "deep-discount",
        "5% off or 25% off",
        80,
        60,
        lift=0.25,
        discount_a=0.05,
        discount_b=0.25,
        metric="profit",
    ),
    Setup("kiosk", "window-poster", "Poster in the window", 60, 45, lift=0.2, base=0.08),
)


class SimulatedTests(NamedTuple):
    """Rows by table; those of tests are mappings, because not all have the same columns."""

    results: list[dict[str, Any]]  # of `ab_test_results`
    inputs: list[dict[str, Any]]  # of `d1lab_ab_test_inputs`
    daily: list[tuple[Any, ...]]


def simulate_tests(con: duckdb.DuckDBPyConnection, *, seed: int) -> SimulatedTests:
    """Simulate all tests of the shops that have orders.

    Args:
        con: A connection with the view `order_lines`.
        seed: Random seed; the same seed and orders give the same rows.
    """
    ends = dict(con.sql("SELECT shop, max(day) FROM order_lines GROUP BY shop").fetchall())
    tests = SimulatedTests([], [], [])
    for setup in (setup for setup in SETUPS if setup.shop in ends):
        start = ends[setup.shop] - timedelta(days=setup.start)
        end = start + timedelta(days=setup.days - 1) if setup.days else ends[setup.shop]
        place, cents = _orders(con, setup.shop, start, end)
        days = (end - start).days + 1
        rng = np.random.default_rng([seed, *setup.shop.encode(), *setup.name.encode()])
        sums = draw(setup, place, cents, days, rng)
        totals = sums.sum(axis=0)
        tests.results.append(_result(setup, start, end, totals))
        tests.inputs.append(_inputs(setup, start, totals))
        if not setup.guide_only:
            tests.daily.extend(_daily(setup, start, sums))
    return tests


def draw(
    setup: Setup, place: np.ndarray, cents: np.ndarray, days: int, rng: np.random.Generator
) -> np.ndarray:
    """Simulate the sums of `ab_test_daily` in whole cents, days x variants x sums.

    Args:
        setup: Test to simulate.
        place: Day of each order, from 0.
        cents: Value of each order.
        days: Number of days of the test.
        rng: Random number generator.
    """
    in_b = rng.random(place.size) < setup.share_b
    kept = np.where(in_b, min(1.0, 1 + setup.lift), min(1.0, 1 / (1 + setup.lift)))
    buys = rng.random(place.size) < kept
    discount = np.where(in_b, setup.discount_b, setup.discount_a)
    paid = np.rint(cents * (1 - discount))
    profit = paid - np.rint(cents * COST_SHARE)
    each = (np.ones_like(paid), paid, paid**2, cents - paid, profit, profit**2)
    cell = place * 2 + in_b
    idle = rng.poisson(np.bincount(place, minlength=days) * (1 / setup.base - 1))
    idle_b = rng.binomial(idle, setup.share_b)
    visitors = np.bincount(cell, minlength=days * 2) + np.stack((idle - idle_b, idle_b), 1).ravel()
    sums = [np.bincount(cell, weights * buys, days * 2) for weights in each]
    return np.stack((visitors, *sums), axis=1).reshape(days, 2, len(_SUMS)).astype(np.int64)


def _orders(
    con: duckdb.DuckDBPyConnection, shop: str, start: date, end: date
) -> tuple[np.ndarray, np.ndarray]:
    parameters = {"shop": shop, "since": start, "until": end}
    orders = con.sql(_ORDERS.read_text(), params=parameters).to_arrow_table()
    return orders["place"].to_numpy(), orders["cents"].to_numpy()


def _daily(setup: Setup, start: date, sums: np.ndarray) -> Iterator[tuple[Any, ...]]:
    for place, variants in enumerate(sums.tolist()):
        for variant, values in zip("ab", variants, strict=True):
            day = start + timedelta(days=place)
            yield (_test_id(setup), setup.shop, day, variant, *_in_dollars(values))


def _in_dollars(values: list[int]) -> list[int | float]:
    units = {"visitors": 1, "conversions": 1, "revenue_squares": 10_000, "profit_squares": 10_000}
    return [
        value if units.get(name) == 1 else value / units.get(name, 100)
        for name, value in zip(_SUMS, values, strict=True)
    ]


def _result(setup: Setup, start: date, end: date, totals: np.ndarray) -> dict[str, Any]:
    row: dict[str, Any] = {
        "test_id": _test_id(setup),
        "shop": setup.shop,
        "test_name": setup.title,
        "variant_a_config": _config(setup.discount_a, 0.5),
        "variant_b_config": _config(setup.discount_b, 0.5, broken=setup.broken_config),
        "started_at": _midnight(start),
        "ended_at": _midnight(end + timedelta(days=1)) if setup.days else None,
    }
    return row | {name: value for name, value in _totals(totals) if name[10:] in _GUIDE}


def _inputs(setup: Setup, start: date, totals: np.ndarray) -> dict[str, Any]:
    """Return the inputs without a column in the app's table of the guide."""
    row = {"test_id": _test_id(setup), "shop": setup.shop, "source": "simulated"}
    if setup.guide_only:
        return row
    sums = {name: value for name, value in _totals(totals) if name[10:] not in _GUIDE}
    return row | sums | _plan(setup, start)


def _totals(totals: np.ndarray) -> Iterator[tuple[str, int | float]]:
    """Yield every sum with its column name, such as `variant_a_visitors`."""
    for variant, values in zip("ab", totals.tolist(), strict=True):
        for name, value in zip(_SUMS, _in_dollars(values), strict=True):
            yield f"variant_{variant}_{name}", value


def _plan(setup: Setup, start: date) -> dict[str, Any]:
    """Return the plan, declared two days before the start."""
    planned = setup.planned_days or setup.days
    return {
        "share_b": 0.5,
        "share_declared_at": _midnight(start - timedelta(days=2)),
        "primary_metric": setup.metric,
        "method": setup.method,
        "alpha": 0.05,
        "planned_visitors": setup.planned_visitors,
        "planned_looks": setup.planned_looks,
        "guardrails": setup.guardrails,
        "planned_end": _midnight(start + timedelta(days=planned)) if planned else None,
    }


def _config(discount: float, share: float, *, broken: bool = False) -> str:
    text = orjson.dumps({"discount_rate": discount, "share": share}).decode()
    return text[:-1] if broken else text  # without the closing brace


def _midnight(day: date) -> datetime:
    """The moment at which a day of the shops begins; D1 keeps it in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(DEMO_TIMEZONE))


def _test_id(setup: Setup) -> str:
    return f"{setup.shop}-{setup.name}"
