"""The SQL of competitor prices compared with plain loops over the rows, on random data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

import duckdb
import numpy as np
import pytest

from d1lab.metrics import evaluate, load_metrics

UNTIL = date(2026, 5, 8)
RULES = {"shop": "harbor", "until": UNTIL, "currency": "eur", "max_age_days": 14, "own_days": 30}

LOOKS = (
    "shop VARCHAR, sku VARCHAR, competitor VARCHAR, price DECIMAL(18,6), currency VARCHAR, "
    "in_stock BOOLEAN, url VARCHAR, observed_at TIMESTAMP, source VARCHAR, "
    "day DATE GENERATED ALWAYS AS (observed_at::DATE)"
)
LINES = (
    "shop VARCHAR, event_id VARCHAR, sku VARCHAR, product_title VARCHAR, day DATE, "
    "occurred_at TIMESTAMP, type VARCHAR, units BIGINT, list_price DECIMAL(18,6), "
    "revenue DECIMAL(18,6)"
)
COSTS = "shop VARCHAR, sku VARCHAR, unit_cost DECIMAL(18,6), valid_from DATE"


class World:
    """A random warehouse: its rows, and a connection with them."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.looks = list(self._draw_looks())
        self.lines = list(self._draw_lines())
        self.costs = [
            (shop, sku, Decimal(self._int(1, 9)), UNTIL + timedelta(days=days))
            for shop in ("harbor", "kiosk")
            for sku in "ABC"
            for days in (-200, -3, 0, 5)
            if self._int(0, 2)
        ]
        self.con = duckdb.connect()
        for name, columns, rows in (
            ("competitor_prices", LOOKS, self.looks),
            ("order_lines", LINES, self.lines),
            ("product_costs", COSTS, self.costs),
        ):
            self.con.execute(f"CREATE TABLE {name} ({columns})")
            if rows:
                row = f"({', '.join('?' * len(rows[0]))})"
                cells = [cell for one in rows for cell in one]
                self.con.execute(f"INSERT INTO {name} VALUES {', '.join([row] * len(rows))}", cells)

    def _int(self, low: int, high: int) -> int:
        return int(self._rng.integers(low, high + 1))

    def _moment(self, back: int) -> datetime:
        minutes = self._int(-2 * 24 * 60, back * 24 * 60)  # some of them after the day
        return datetime(2026, 5, 8, 23, 59) - timedelta(minutes=minutes)

    def _draw_looks(self) -> Iterator[tuple[Any, ...]]:
        keys = set()
        for _ in range(self._int(0, 120)):
            shop = "kiosk" if self._int(0, 9) == 0 else "harbor"
            key = (shop, "ABCDE"[self._int(0, 4)], ("acme", "bolt", "corp")[self._int(0, 2)])
            moment = self._moment(40)
            if (*key, moment) in keys:
                continue
            keys.add((*key, moment))
            price = Decimal(self._int(50, 2_500)) / 100 if self._int(0, 9) else None
            if not self._int(0, 2):  # at the edges of a third and three times a list price, or 0
                price = Decimal(("24", "36", "29.97", "3.33", "4", "0")[self._int(0, 5)])
            currency = ("EUR", "eur", "EUR", "USD")[self._int(0, 3)]
            stock = (True, True, False, None)[self._int(0, 3)]
            yield *key, price, currency, stock, None, moment, "simulated"

    def _draw_lines(self) -> Iterator[tuple[Any, ...]]:
        for number in range(self._int(0, 150)):
            moment = self._moment(60)
            units = (1, 2, 3, -1, 0)[self._int(0, 4)]
            kind = "refund" if units < 0 else "order"
            price = (Decimal(8), Decimal("9.99"), Decimal(12), None, Decimal(0))[self._int(0, 4)]
            title = (None, "Sock", "Hat", "Mug")[self._int(0, 3)]
            yield (
                "harbor" if self._int(0, 9) else "kiosk",
                f"e{number}",
                "ABCD"[self._int(0, 3)],
                title,
                moment.date(),
                moment,
                kind,
                units,
                price,
                Decimal(units) * (price or 5) * self._int(5, 10) / 10,  # up to half is discounted
            )

    # The same, row by row

    def own(self, sku: str, day: date) -> tuple[Decimal, date] | None:
        """Return the last list price up to a day, and its day, if it is recent enough."""
        lines = [
            (line[5], line[1], line[8], line[4])
            for line in self.lines
            if (line[0], line[2], line[6]) == ("harbor", sku, "order")
            and line[7] > 0
            and line[4] <= day
            and line[8]
        ]
        if not lines or (day - max(lines)[3]).days >= RULES["own_days"]:
            return None
        return max(lines)[2], max(lines)[3]

    def paid(self, sku: str, day: date) -> float | None:
        """Return revenue per unit of the 28 days up to a day; None without a sale."""
        lines = [
            (line[9], line[7])
            for line in self.lines
            if (line[0], line[2], line[6]) == ("harbor", sku, "order")
            and line[7] > 0
            and line[8] != 0
            and timedelta(0) <= day - line[4] < timedelta(28)
        ]
        return (
            float(sum(line[0] for line in lines) / sum(line[1] for line in lines))
            if lines
            else None
        )

    def sold(self, sku: str) -> list[tuple[Any, ...]]:
        """Return the lines of the days whose list prices are recent enough."""
        return [
            line
            for line in self.lines
            if (line[0], line[2], line[6]) == ("harbor", sku, "order")
            and line[7] > 0
            and timedelta(0) <= UNTIL - line[4] < timedelta(max(RULES["own_days"], 28))
        ]

    def name(self, sku: str) -> str:
        """Return the last title with the SKU, or the SKU alone."""
        titled = [(line[5], line[1], line[3]) for line in self.sold(sku) if line[3]]
        return f"{max(titled)[2]} ({sku})" if titled else sku

    def last_looks(self, day: date) -> dict[tuple[str, str], tuple[Any, ...]]:
        found: dict[tuple[str, str], tuple[Any, ...]] = {}
        for look in sorted(self.looks, key=lambda look: look[7]):
            if look[0] == "harbor" and look[7].date() <= day:
                found[(look[1], look[2])] = look
        return found

    def reason(self, look: tuple[Any, ...], day: date) -> str | None:
        own, paid = self.own(look[1], day), self.paid(look[1], day)
        price, currency, stock, moment = look[3], look[4], look[5], look[7]
        if paid is None:
            return "no_own_price"
        if (day - moment.date()).days > RULES["max_age_days"]:
            return "too_old"
        if stock is False:
            return "sold_out"
        if not price:
            return "no_price"
        if currency.upper() != "EUR":
            return "other_currency"
        listed = float(own[0]) if own else paid
        if own and not own[0] <= 3 * price <= 9 * own[0]:
            return "implausible"
        if not own and not listed <= 3 * float(price) <= 9 * listed:
            return "implausible"
        return None


@pytest.fixture(params=range(30), scope="module")
def world(request) -> Iterator[World]:
    drawn = World(request.param)
    yield drawn
    drawn.con.close()


def told(world: World, metric: str, **params: Any) -> list[dict[str, Any]]:
    relation = evaluate(world.con, load_metrics()[metric], params)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def test_competitor_prices_row_by_row(world):
    """Last observation of each pair, its age, the shop's price, the day's cost, and the reason."""
    rows = told(world, "competitor_prices", **RULES)
    looks = world.last_looks(UNTIL)
    assert [(row["sku"], row["competitor"]) for row in rows] == sorted(looks)
    for row in rows:
        look = looks[(row["sku"], row["competitor"])]
        own = world.own(row["sku"], UNTIL)
        costs = [
            (day, cost)
            for shop, sku, cost, day in world.costs
            if (shop, sku) == ("harbor", row["sku"]) and day <= UNTIL
        ]
        assert row["observed_at"] == look[7]
        assert row["age_days"] == (UNTIL - look[7].date()).days
        assert row["price"] == (None if look[3] is None else float(look[3]))
        assert (row["own_price"], row["own_price_day"]) == (
            (float(own[0]), own[1]) if own else (None, row["own_price_day"])
        )
        assert row["paid_price"] == pytest.approx(world.paid(row["sku"], UNTIL))
        assert row["unit_cost"] == (float(max(costs)[1]) if costs else None)
        revenue = [line[9] for line in world.sold(row["sku"])]
        assert row["revenue"] == (pytest.approx(float(sum(revenue))) if revenue else None)
        assert row["product"] == world.name(row["sku"])
        assert row["currency"] == look[4].upper()
        assert row["in_stock"] is look[5]
        assert row["reason"] == world.reason(look, UNTIL), row
        assert row["simulated"]


def test_price_index_week_by_week(world):
    """Each week equals the other metric as of that day: median and quartiles of the products."""
    rows = told(world, "price_index", weeks=4, **RULES)
    wanted = {}
    for week in range(4):
        day = UNTIL - timedelta(days=7 * week)
        prices = defaultdict(list)
        for (sku, _), look in world.last_looks(day).items():
            if world.reason(look, day) is None:
                prices[sku].append(float(look[3]))
        index = []
        for sku, asked in prices.items():
            paid = world.paid(sku, day)
            assert paid
            index.append(paid / median(asked))
        if index:
            low, high = np.quantile(index, [0.25, 0.75])
            wanted[day] = (median(index), low, high, len(index))
    assert [row["day"] for row in rows] == sorted(wanted)
    for row in rows:
        names = ("price_index", "price_index_low", "price_index_high", "products")
        assert [row[name] for name in names] == pytest.approx(list(wanted[row["day"]]))


def test_price_history_day_by_day(world):
    """Each seller's last price of a day in the shop's currency; the list price lasts to the end.

    The price paid is that of 28 days, on each day of a sale and on the last.
    """
    rows = told(
        world, "price_history", shop="harbor", until=UNTIL, days=20, currency="EUR", sku="A"
    )
    since = UNTIL - timedelta(days=19)
    wanted: dict[tuple[str, date], tuple[Any, ...]] = {}
    for shop, _, sku, _, day, moment, kind, units, price, _ in world.lines:
        is_sale = (shop, sku, kind) == ("harbor", "A", "order") and units > 0
        if is_sale and price and since <= day <= UNTIL:
            key = ("own list price", day)
            wanted[key] = max(wanted.get(key, (moment, price)), (moment, price))
    own = {day: price for (_, day), (_, price) in wanted.items()}
    if own and UNTIL not in own:
        wanted[("own list price", UNTIL)] = (None, own[max(own)])
    for day in {UNTIL, *(line[4] for line in world.lines if (line[0], line[2]) == ("harbor", "A"))}:
        sold = any(
            line[4] == day and line[6] == "order" and line[7] > 0
            for line in world.lines
            if (line[0], line[2]) == ("harbor", "A")
        )
        paid = world.paid("A", day)
        if since <= day <= UNTIL and (sold or day == UNTIL) and paid is not None:
            wanted[("own price paid", day)] = (None, paid)
    for shop, sku, competitor, price, currency, stock, _, moment, _ in world.looks:
        is_there = (shop, sku) == ("harbor", "A") and price and stock is not False
        if is_there and currency.upper() == "EUR" and since <= moment.date() <= UNTIL:
            key = (competitor, moment.date())
            wanted[key] = max(wanted.get(key, (moment, price)), (moment, price))
    found = {(row["seller"], row["day"]): row["price"] for row in rows}
    assert len(found) == len(rows)
    first = ("own price paid", "own list price")
    assert list(found) == sorted(found, key=lambda k: (k[0] != first[0], k[0] != first[1], *k))
    assert found == pytest.approx({key: float(price) for key, (_, price) in wanted.items()})


@pytest.fixture
def bare() -> Iterator[World]:
    """No rows: for what a test inserts."""
    drawn = World(0)
    drawn.con.execute("DELETE FROM competitor_prices; DELETE FROM order_lines")
    yield drawn
    drawn.con.close()


def _sale(world: World, sku: str, price: object, revenue: object) -> None:
    world.con.execute(
        "INSERT INTO order_lines VALUES ('harbor', $sku, $sku, NULL, $day, $day, 'order', 1,"
        " $price, $revenue)",
        {"sku": sku, "day": UNTIL, "price": price, "revenue": revenue},
    )


def _look(world: World, sku: str, price: object, competitor: str = "acme", back: int = 0) -> None:
    world.con.execute(
        "INSERT INTO competitor_prices (shop, sku, competitor, price, currency, in_stock,"
        " observed_at) VALUES ('harbor', $sku, $competitor, $price, 'EUR', TRUE, $day)",
        {
            "sku": sku,
            "competitor": competitor,
            "price": price,
            "day": datetime(2026, 5, 8) - timedelta(days=back),
        },
    )


@pytest.mark.parametrize(
    ("listed", "paid", "price", "reason"),
    [
        (9, 8, 3, None),
        (9, 8, "2.999999", "implausible"),
        (9, 8, 27, None),
        (9, 8, "27.000001", "implausible"),
        (None, 6, 2, None),  # without a list price, the price paid decides
        (None, 6, "1.999", "implausible"),
        (None, 6, 18, None),
        (None, 6, "18.001", "implausible"),
        (9, 0, 5, "no_own_price"),  # given away
        (9, "0.01", 5, None),
        (9, 8, 0, "no_price"),
        ("0.5", "0.4", "0.3", None),  # below 1
        ("0.3", "0.4", "0.95", "implausible"),
    ],
)
def test_a_price_is_compared_from_a_third_to_three_times_the_own(bare, listed, paid, price, reason):
    """Both metrics decide alike."""
    _sale(bare, "A", listed, paid)
    _look(bare, "A", price)
    [row] = told(bare, "competitor_prices", **RULES)
    assert row["reason"] == reason
    assert len(told(bare, "price_index", weeks=1, **RULES)) == (reason is None)


def test_history_shows_the_five_competitors_with_the_most_prices(bare):
    """By number of observations, then by name: of "e" and "f" with two each, "e"."""
    _sale(bare, "A", "0.5", "0.5")
    for competitor, days in {"g": 1, "f": 2, "e": 2, "d": 4, "c": 5, "b": 6, "a": 7}.items():
        for back in range(days):
            _look(bare, "A", "0.4", competitor, back)
    _look(bare, "A", 0, "g", 1)  # no price
    _look(bare, "A", 0, "g", 2)
    rows = told(bare, "price_history", shop="harbor", until=UNTIL, days=9, currency="EUR", sku="A")
    sellers = list(dict.fromkeys(row["seller"] for row in rows))
    assert sellers == ["own price paid", "own list price", *"abcde"]
