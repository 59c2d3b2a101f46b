"""Aggregates equal a recount of the events after any history, and cost only what changed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from decimal import ROUND_HALF_UP, Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d1lab import catalog
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1UnavailableError, InputError
from d1lab.ingest.aggregate import aggregate, aggregate_tables
from d1lab.ingest.events import track
from tests.support.examples import examples

Figures = dict[str, dict[tuple, dict[str, Any]]]


def recount(events: list[dict[str, Any]]) -> Figures:
    """Compute all four tables in plain Python, as the headers of ingest/aggregates define them."""
    ordered = sorted(events, key=lambda e: (e["occurred_at"], e["event_id"]))
    discounted = [e for e in ordered if e["discount_id"]]
    named = [e for e in ordered if e["customer_id"]]
    return {
        "discount_analytics": {
            key: discount_row(lines)
            for key, lines in grouped(discounted, "shop", "discount_id", "sku").items()
        },
        "daily_discount_stats": {
            key: day_row(lines) for key, lines in grouped(discounted, "shop", "day").items()
        },
        "product_performance": {
            key: product_row(lines) for key, lines in grouped(ordered, "shop", "sku").items()
        },
        "customer_insights": {
            key: customer_row(lines) for key, lines in grouped(named, "shop", "customer_id").items()
        },
    }


def grouped(events, *names):
    groups = defaultdict(list)
    for e in events:
        groups[tuple((e | {"day": e["occurred_at"][:10]})[name] for name in names)].append(e)
    return groups


def net(lines, name):
    return sum((e[name] * (-1 if e["type"] == "refund" else 1) for e in lines), start=0)


def uses_of(lines):
    return [e for e in lines if e["type"] == "order" and e["discount_id"]]


def customers_of(lines):
    return [e["customer_id"] for e in lines if e["customer_id"]]


def latest(lines, name):
    return next((e[name] for e in reversed(lines) if e[name]), None)


def discount_row(lines):
    uses = uses_of(lines)
    times = [e["occurred_at"] for e in uses]
    return {
        "discount_code": latest(uses, "discount_code"),
        "times_used": len(uses),
        "unique_customers": len(set(customers_of(uses))),
        "repeat_usage_count": len(customers_of(uses)) - len(set(customers_of(uses))),
        "revenue_before_discount": net(lines, "revenue") + net(lines, "discount_amount"),
        "discount_amount": net(lines, "discount_amount"),
        "revenue_after_discount": net(lines, "revenue"),
        "first_used_at": min(times, default=None),
        "last_used_at": max(times, default=None),
    }


def day_row(lines):
    return {
        "total_discounts_used": len(uses_of(lines)),
        "unique_customers": len(set(customers_of(uses_of(lines)))),
        "total_revenue_impact": net(lines, "revenue"),
    }


def product_row(lines):
    with_discount = [e for e in lines if e["discount_id"]]
    without = [e for e in lines if not e["discount_id"]]
    return {
        "product_title": latest(lines, "product_title"),
        "units_sold_with_discount": net(with_discount, "quantity"),
        "units_sold_without_discount": net(without, "quantity"),
        "total_discount_given": net(with_discount, "discount_amount"),
        "revenue_with_discount": net(with_discount, "revenue"),
        "revenue_without_discount": net(without, "revenue"),
        "updated_at": lines[-1]["occurred_at"],
    }


def customer_row(lines):
    bought = [e for e in lines if e["type"] == "order"]
    orders = len({e["order_id"] for e in bought})
    kinds = Counter(e["discount_type"] for e in uses_of(lines) if e["discount_type"])
    return {
        "total_discounts_used": len(uses_of(lines)),
        "total_savings": net([e for e in lines if e["discount_id"]], "discount_amount"),
        "favorite_discount_type": min(kinds, key=lambda kind: (-kinds[kind], kind), default=None),
        "avg_order_value": cents(Decimal(net(lines, "revenue")) / orders) if orders else None,
        "purchase_frequency": orders,
        "last_purchase_date": max((e["occurred_at"][:10] for e in bought), default=None),
    }


def cents(amount):
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def stored(db) -> Figures:
    """Return what D1 has in the columns that aggregate owns."""
    tables: Figures = {}
    for table in aggregate_tables():
        key, names = table.key, table.owned("aggregate")
        rows = db.query(f"SELECT {', '.join((*key, *names))} FROM {table.name}").rows
        tables[table.name] = {
            row[: len(key)]: dict(zip(names, row[len(key) :], strict=True)) for row in rows
        }
    return tables


def require_equal(held: Figures, counted: Figures) -> None:
    """Assert that every counted group is stored as counted, and every other stored one is empty."""
    for name, groups in counted.items():
        table = catalog.table(name)
        for key, row in groups.items():
            for column, value in row.items():
                found = held[name][key][column]
                wanted = pytest.approx(float(value)) if isinstance(value, Decimal) else value
                assert found == wanted, (name, key, column)
        for key in held[name].keys() - groups.keys():
            for column, value in held[name][key].items():
                counts = table.column(column).type in ("integer", "money")
                assert value == (0 if counts and column != "avg_order_value" else None), key


CENTS = st.integers(0, 2_000).map(lambda cents: Decimal(cents) / 100)
EVENT = st.fixed_dictionaries(
    {
        "shop": st.sampled_from(["harbor", "kiosk"]),
        "event_id": st.sampled_from([f"e{n}" for n in range(7)]),
        "type": st.sampled_from(["order", "order", "order", "refund"]),
        "order_id": st.sampled_from(["o1", "o2", "o3"]),
        "customer_id": st.sampled_from(["ada", "bob", None]),
        "sku": st.sampled_from(["SOCK", "HAT"]),
        "product_title": st.sampled_from(["Sock", "Hat", None]),
        "quantity": st.integers(1, 3),
        "discount_id": st.sampled_from(["spring", "late", None]),
        "discount_code": st.sampled_from(["A", "B", None]),
        "discount_type": st.sampled_from(["percentage", "fixed", None]),
        "discount_amount": CENTS,
        "revenue": CENTS,
        "occurred_at": st.sampled_from(
            [f"2026-05-0{day} {hour:02}:00:00" for day in (1, 2, 3) for hour in (8, 8, 20)]
        ),
    }
).map(lambda e: e if e["discount_id"] else e | {"discount_amount": Decimal(0)})
WHICH = st.integers(0, 99)  # of the events that are there, modulo how many
STEP = st.one_of(
    st.tuples(st.just("track"), st.lists(EVENT, min_size=1, max_size=4)),
    st.tuples(st.just("refund"), WHICH, st.integers(1, 3), CENTS),
    st.tuples(st.just("correct"), WHICH, EVENT),
    st.tuples(st.just("again"), WHICH, EVENT),
    st.tuples(st.just("late"), EVENT),
    st.tuples(st.just("delete"), st.sampled_from(["e1", "e2", "SOCK", "HAT", "harbor"])),
    st.tuples(st.just("aggregate")),
    st.tuples(st.just("die"), st.integers(0, 3)),
)
FIRST_DAY = "2026-04-01"
OLDEST = dict.fromkeys(("customer_id", "discount_id", "discount_code", "discount_type")) | {
    "event_id": "oldest",
    "type": "order",
    "order_id": "o0",
    "sku": "CUP",
    "product_title": "Cup",
    "quantity": 1,
    "discount_amount": Decimal(0),
    "revenue": Decimal(1),
    "occurred_at": f"{FIRST_DAY} 08:00:00",
}
"""Each shop's first event, which is never deleted."""


class River:
    """A database, and what its events should be: the steps of an interleaving by name.

    A step on "an event" takes one that an aggregation has counted, if there is any. Each step that
    changes what was counted says so.
    """

    def __init__(self, folder: Path, dying: Any) -> None:
        self.folder, self.db, self._dying = (
            folder,
            SqliteDatabase.create(folder / "d1.sqlite"),
            dying,
        )
        migrate(self.db)
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.counted: set[tuple[str, str]] = set()  # at the last aggregation

    def track(self, events):
        track(self.db, events)
        for e in events:
            self.events.setdefault((e["shop"], e["event_id"]), e)

    def late(self, event):
        """Add an event from before everything that was counted."""
        new = f"late{len(self.events)}"
        self.track([event | {"event_id": new, "occurred_at": f"{FIRST_DAY} 10:00:00"}])
        return bool(self.counted)

    def refund(self, which, quantity, revenue):
        """Refund part of an order line, or more than it sold, days later."""
        if e := self._one(which):
            back = {"type": "refund", "quantity": quantity, "revenue": revenue}
            back |= {"event_id": f"back{len(self.events)}", "occurred_at": "2026-05-09 12:00:00"}
            self.track([e | back])
        return self._is_counted(e)

    def correct(self, which, event):
        """Send a known event again with other values, also of another SKU, day, or customer."""
        if e := self._one(which):
            other = event | {"shop": e["shop"], "event_id": e["event_id"]}
            track(self.db, [other], correct=True)
            self.events[e["shop"], e["event_id"]] = other
            return other != e and self._is_counted(e)
        return False

    def again(self, which, event):
        """Send an event again with other values, but not as a correction: the first one is kept."""
        if e := self._one(which):
            self.track([event | {"shop": e["shop"], "event_id": e["event_id"]}])
        return self._is_counted(e)

    def delete(self, what):
        """Delete events, but not all of a shop's first days: a pull keeps what has grown old."""
        self.track([OLDEST | {"shop": shop} for shop in ("harbor", "kiosk")])
        self.db.execute(
            "DELETE FROM order_events WHERE ?1 IN (event_id, sku, shop) AND event_id <> ?2",
            (what, OLDEST["event_id"]),
        )
        kept = {
            key: e
            for key, e in self.events.items()
            if what not in (e["event_id"], e["sku"], e["shop"]) or key[1] == OLDEST["event_id"]
        }
        gone, self.events = self.events.keys() - kept.keys(), kept
        return bool(self.counted & gone)

    def aggregate(self, writes=99):
        result = aggregate(self._dying(self.db, writes), self.folder, database="demo")
        self.counted = set(self.events)
        return result

    def die(self, writes):
        try:
            self.aggregate(writes)
        except D1UnavailableError:
            return True
        return False

    def require_right(self):
        """Assert that one more aggregation equals a recount, and another one writes nothing."""
        self.aggregate()
        held = stored(self.db)
        require_equal(held, recount(list(self.events.values())))
        again = self.aggregate()
        assert set(again.changed.values()) == {0}
        assert again.rows_written == 0

    def _one(self, which):
        known = [key for key in self.events if key[1] != OLDEST["event_id"]]
        known = [key for key in known if key in self.counted] or known
        return self.events[known[which % len(known)]] if known else None

    def _is_counted(self, e):
        return e is not None and (e["shop"], e["event_id"]) in self.counted


@pytest.fixture(scope="session")
def river(tmp_path_factory, dying):
    """Return a River on an empty database."""

    @contextmanager
    def flowing() -> Iterator[River]:
        opened = River(tmp_path_factory.mktemp("river"), dying)
        with closing(opened.db):
            yield opened

    return flowing


@settings(max_examples=examples(4))
@given(first=st.lists(EVENT, min_size=2, max_size=6), steps=st.lists(STEP, min_size=4, max_size=6))
def test_aggregate_equals_a_recount(river, first, steps):
    """One run is right after new, refunded, corrected, late, or deleted events, and kills."""
    with river() as flowing:
        flowing.track(first)
        flowing.aggregate()
        for verb, *what in steps:
            getattr(flowing, verb)(*what)
        flowing.require_right()


TROUBLES = {
    "late": (),
    "refund": (3, Decimal("30.5")),
    "correct": (),
    "again": (),
    "delete": ("e1",),
    "delete a product": ("SOCK",),
    "delete a shop": ("harbor",),
}


LONG = ("again", "correct", "late", "delete", "delete a product", "delete a shop")


@pytest.mark.parametrize(
    "trouble",
    [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in TROUBLES],
)
def test_each_trouble_with_counted_events_is_met(river, event, trouble):
    """Each case changes what was counted; runs killed before their last write do no harm."""
    verb, given = trouble.split()[0], TROUBLES[trouble]
    event = partial(event, product_title="Sock")
    other = event(9, sku="HAT", customer_id="bob", revenue=5, occurred_at="2026-05-03 08:00:00")
    what = {"late": (other,), "refund": (0, *given), "correct": (0, other), "again": (0, other)}
    with river() as flowing:
        flowing.track([event(n, shop=shop) for n in range(3) for shop in ("harbor", "kiosk")])
        flowing.aggregate()
        assert getattr(flowing, verb)(*what.get(verb, given))
        flowing.track([event(20, customer_id="new", sku="CAP")])
        for writes in range(3):
            assert flowing.die(writes)
        flowing.require_right()


@pytest.fixture
def shop(db, event, tmp_path):
    """Forty events of ten customers and four SKUs, aggregated."""
    track(db, [event(n, customer_id=f"c{n % 10}", sku=f"S{n % 4}") for n in range(40)])
    aggregate(db, tmp_path, database="demo")
    return db


def test_aggregate_writes_only_what_changed(shop, event, tmp_path):
    """One more event costs one row for each group that it is in."""
    track(shop, [event(50, customer_id="c1", sku="S1")])
    result = aggregate(shop, tmp_path, database="demo")
    assert result.changed == dict.fromkeys((t.name for t in aggregate_tables()), 1)
    # the last use is in two of the guide's own indexes, and AUTOINCREMENT keeps a sequence
    # and per table, d1lab_owned names the aggregation and d1lab_counted what it left
    assert result.rows_written == 4 + 2 + 1 + 4 + 4
    assert result.events.events == 41


def test_aggregate_dry_run_writes_nothing(shop, event, tmp_path):
    """A dry run counts what would change."""
    before = stored(shop)
    track(shop, [event(50, customer_id="new")])
    result = aggregate(shop, tmp_path, database="demo", dry_run=True)
    assert result.changed["customer_insights"] == 1
    assert result.rows_written == 0
    assert stored(shop) == before


def test_aggregate_leaves_other_columns_alone(shop, event, tmp_path):
    """Values of the app and of reports in the same rows are kept."""
    shop.execute("UPDATE product_performance SET view_to_purchase_rate = 0.25")
    shop.execute("UPDATE customer_insights SET customer_segment = 'vip', lifetime_value = 12.5")
    track(shop, [event(50 + n, customer_id=f"c{n}", sku=f"S{n % 4}") for n in range(10)])
    aggregate(shop, tmp_path, database="demo")
    rates = shop.query("SELECT DISTINCT view_to_purchase_rate FROM product_performance").rows
    kept = shop.query("SELECT DISTINCT customer_segment, lifetime_value FROM customer_insights")
    assert rates == [(0.25,)]
    assert kept.rows == [("vip", 12.5)]


def test_aggregate_figures_of_one_discount(db, event, tmp_path):
    """The example has three uses by two known customers, one refund, and one unknown customer."""
    track(
        db,
        [
            event(1, customer_id="ada"),
            event(2, customer_id="ada", discount_code="NEWER", occurred_at="2026-05-02"),
            event(3, customer_id="bob"),
            event(4, customer_id=None),
            event(5, type="refund", quantity=1, discount_amount=1, revenue=9),
        ],
    )
    aggregate(db, tmp_path, database="demo")
    row = stored(db)["discount_analytics"]["harbor", "spring", "SOCK"]
    assert row == {
        "discount_code": "NEWER",
        "times_used": 4,
        "unique_customers": 2,
        "repeat_usage_count": 1,
        "revenue_before_discount": 70,
        "discount_amount": 7,
        "revenue_after_discount": 63,
        "first_used_at": "2026-05-01 10:00:00",
        "last_used_at": "2026-05-02 00:00:00",
    }
    assert stored(db)["product_performance"]["harbor", "SOCK"]["units_sold_with_discount"] == 7


def test_aggregate_empties_groups_without_events(shop, tmp_path):
    """If all events were deleted, the figures become zero, and everything else is unchanged."""
    before = stored(shop)
    shop.execute("DELETE FROM order_events WHERE sku = 'S1' OR customer_id = 'c3'")
    aggregate(shop, tmp_path, database="demo")
    after = stored(shop)
    assert after["discount_analytics"]["harbor", "spring", "S1"] == {
        **dict.fromkeys(before["discount_analytics"]["harbor", "spring", "S1"], 0),
        **dict.fromkeys(("discount_code", "first_used_at", "last_used_at")),
    }
    assert after["customer_insights"]["harbor", "c3"]["avg_order_value"] is None
    assert after["product_performance"]["harbor", "S1"]["units_sold_with_discount"] == 0
    assert (
        after["product_performance"]["harbor", "S2"]
        == before["product_performance"]["harbor", "S2"]
    )
    assert set(aggregate(shop, tmp_path, database="demo").changed.values()) == {0}


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_aggregate_breaks_ties_by_name(db, event, tmp_path, order):
    """Of two events in one second, the higher ID is the latest; of two types, the first name."""
    kinds = {1: "percentage", 2: "fixed"}
    for n in order:
        track(db, [event(n, product_title=f"T{n}", discount_code=f"C{n}", discount_type=kinds[n])])
    aggregate(db, tmp_path, database="demo")
    held = stored(db)
    assert held["product_performance"]["harbor", "SOCK"]["product_title"] == "T2"
    assert held["discount_analytics"]["harbor", "spring", "SOCK"]["discount_code"] == "C2"
    assert held["customer_insights"]["harbor", "ada"]["favorite_discount_type"] == "fixed"


def test_aggregate_sees_replaced_events(shop, event, tmp_path):
    """Corrections by INSERT OR REPLACE are counted, although they fire no trigger."""
    shop.execute(
        "INSERT OR REPLACE INTO order_events (shop, event_id, type, order_id, customer_id, sku,"
        " quantity, discount_id, discount_amount, revenue, occurred_at) VALUES"
        " ('harbor', 'e1', 'order', 'o1', 'c1', 'S1', 5, 'spring', 0, 50, '2026-05-01 10:00:00')"
    )
    result = aggregate(shop, tmp_path, database="demo")
    assert result.events.events == 40
    product = stored(shop)["product_performance"]["harbor", "S1"]
    assert product["units_sold_with_discount"] == 9 * 2 + 5


def test_aggregate_counts_what_is_quarantined(shop, tmp_path):
    """A value that is not a number is omitted, not zero, and the result says so."""
    shop.execute("UPDATE order_events SET revenue = 'gratis' WHERE event_id = 'e1'")
    result = aggregate(shop, tmp_path, database="demo")
    assert result.events.quarantined == 1
    product = stored(shop)["product_performance"]["harbor", "S1"]
    assert product["revenue_with_discount"] == 9 * 18


def test_aggregate_asks_for_the_migration(tmp_path):
    """The error names the command that adds d1lab's missing columns."""
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(db)
    db.execute("ALTER TABLE product_performance DROP COLUMN product_title")
    with pytest.raises(InputError, match=r"missing in table 'product_performance': product_title"):
        aggregate(db, tmp_path, database="demo")
    db.close()
