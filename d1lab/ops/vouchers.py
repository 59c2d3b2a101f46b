"""Voucher tests: choose the customers, write a test to D1 once, and read it back.

    overdue customers of a day -> a random half of each stratum -> d1lab_voucher_tests and
    d1lab_voucher_customers, in one transaction

A test that is written never changes: the same command returns it as it is.
"""

# ruff: noqa: S608  (names are constants, values are bound)
# pyright: standard
from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pandas as pd

from d1lab.analyses.customers import groups
from d1lab.analyses.customers.voucher_assignment import assign, seed_of
from d1lab.analyses.customers.voucher_power import (
    FEWEST_CUSTOMERS,
    LIFTS,
    VoucherPower,
    power,
    usual,
)
from d1lab.catalog import VOUCHER_CUSTOMERS, VOUCHERS
from d1lab.d1 import Database, Statement
from d1lab.d1.write import upsert_statements
from d1lab.display import DataTable
from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab

LONGEST_DAYS = 365

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
_TESTS = f"SELECT voucher, discount_code, chosen_on, sent_on, window_days, seed FROM {VOUCHERS}"
_ONE = f"{_TESTS} WHERE shop = ?1 AND voucher = ?2"
_ALL = f"{_TESTS} WHERE shop = ?1 ORDER BY sent_on, voucher"
_CUSTOMERS = (
    f"SELECT customer_id, stratum, is_sent, pace FROM {VOUCHER_CUSTOMERS} "
    "WHERE shop = ?1 AND voucher = ?2 ORDER BY stratum, pace DESC, customer_id"
)
_WAITING = (
    f"SELECT DISTINCT customer_id FROM {VOUCHER_CUSTOMERS} JOIN {VOUCHERS} USING (shop, voucher) "
    "WHERE shop = ?1 AND date(sent_on, '+' || window_days || ' days') > ?2"
)
_INSERT = f"INSERT INTO {VOUCHERS} VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
_DELETE = "DELETE FROM {} WHERE shop = ?1 AND voucher = ?2"
_COLUMNS = ("shop", "voucher", "customer_id", "stratum", "is_sent", "pace")


class VoucherTest(NamedTuple):
    """A voucher test: the row of `d1lab_voucher_tests`, without the shop."""

    voucher: str
    discount_code: str
    chosen_on: date  # last day of the data that the customers were chosen by
    sent_on: date  # first day on which purchases count
    window_days: int
    seed: int

    @property
    def last_day(self) -> date:
        """Last day on which purchases count."""
        return self.sent_on + timedelta(self.window_days - 1)


class AssignedVoucher(NamedTuple):
    """A voucher test with its customers."""

    test: VoucherTest
    customers: pd.DataFrame  # customer_id, stratum, is_sent, pace
    is_new: bool  # False if D1 had the test already

    def half(self, *, is_sent: bool) -> pd.DataFrame:
        """Return the customers of one half."""
        drawn = self.customers
        return drawn[drawn["is_sent"].astype(bool) == is_sent].reset_index(drop=True)


def plan(
    lab: Lab,
    until: date,
    *,
    window_days: int,
    lifts: Sequence[float] = LIFTS,
    wanted: float = 0.8,
    available: int | None = None,
) -> list[VoucherPower]:
    """Return what a test of the customers who are overdue can show.

    Args:
        lab: The lab of one shop.
        until: Last day of the data.
        window_days: Days in which purchases count, 1 to 365.
        lifts: Lifts of revenue per customer, such as 0.5 for 50%.
        wanted: Probability of an interval that excludes 0.
        available: Customers that can be drawn; None for all who are overdue.

    Raises:
        InputError: A number is out of range.
    """
    _check_window(window_days)
    count = len(overdue_on(lab, until)) if available is None else available
    before = overdue_on(lab, until - timedelta(window_days))
    window = lab.metric("purchase_summary", until=until, later_days=window_days)
    return power(usual(before, window), count, lifts, wanted=wanted)


def overdue_on(lab: Lab, day: date) -> Any:
    """Return the customers who are overdue on a day, as the customer report lists them."""
    return groups.overdue(lab.metric("customer_scores", until=day, mode="quintile"))


def assign_voucher(
    db: Database,
    lab: Lab,
    test: VoucherTest,
    *,
    dry_run: bool = False,
) -> AssignedVoucher:
    """Choose the halves of a test and write it, unless D1 has it.

    Customers who wait for the end of another test are left out.

    Args:
        db: The database, opened for writing unless `dry_run`.
        lab: The lab of one shop, of the same database.
        test: The test.
        dry_run: Whether to write nothing.

    Raises:
        InputError: A field is invalid, a migration is missing, D1 has another test of this name,
            or the customers are too few to learn anything.
    """
    _check(test)
    shop = str(lab.shop)
    _require(db)
    known = _read(db, shop, test.voucher)
    if known:
        return _same(known, test)
    waiting = {str(row[0]) for row in db.query(_WAITING, (shop, test.sent_on.isoformat())).rows}
    made = AssignedVoucher(test, _drawn(lab, test, waiting), is_new=True)
    if not dry_run:
        _write(db, shop, made)
    return made


def new_test(
    shop: str,
    voucher: str,
    discount_code: str,
    chosen_on: date,
    *,
    sent_on: date | None,
    window_days: int,
    seed: int | None,
) -> VoucherTest:
    """Return a test with its defaults: sent the day after, with a seed of its shop and name."""
    return VoucherTest(
        voucher,
        discount_code.strip(),
        chosen_on,
        sent_on or chosen_on + timedelta(1),
        window_days,
        seed_of(shop, voucher) if seed is None else seed,
    )


def voucher_tests(db: Database, shop: str) -> list[VoucherTest]:
    """Return the tests of a shop, oldest first.

    Raises:
        InputError: A migration is missing.
    """
    _require(db)
    return [_test(row) for row in db.query(_ALL, (shop,), table=VOUCHERS).rows]


def voucher(db: Database, shop: str, name: str) -> AssignedVoucher:
    """Return one test with its customers.

    Raises:
        InputError: A migration is missing.
        UnknownName: The shop has no such test.
    """
    _require(db)
    found = _read(db, shop, name)
    if found is None:
        names = [test.voucher for test in voucher_tests(db, shop)]
        raise UnknownName("voucher test", name, names, f"shop {shop!r}")
    return found


def drop_voucher(db: Database, shop: str, name: str, *, dry_run: bool = False) -> AssignedVoucher:
    """Delete a test and return what it was.

    Raises:
        InputError: A migration is missing.
        UnknownName: The shop has no such test.
    """
    found = voucher(db, shop, name)
    if not dry_run:
        tables = VOUCHER_CUSTOMERS, VOUCHERS
        statements = [Statement(_DELETE.format(table), (shop, name)) for table in tables]
        db.batch(statements, table=VOUCHERS, idempotent=True)
    return found


def save_halves(found: AssignedVoucher, folder: Path) -> list[Path]:
    """Write NAME-sent.csv and NAME-held-out.csv, and return their paths.

    Files with other content are kept: the name of a new one then ends with a number.
    """
    paths = []
    for is_sent, name in ((True, "sent"), (False, "held-out")):
        half, stem = found.half(is_sent=is_sent), f"{found.test.voucher}-{name}"
        half = half[["customer_id", "stratum", "pace"]]
        if is_sent:
            half = half.assign(discount_code=found.test.discount_code)
        table = DataTable.from_frame(half, title=stem, name=stem, limit=1, run_dir=folder)
        paths.append(table.save_csv(folder))
    return paths


def _check(test: VoucherTest) -> None:
    if not _NAME.fullmatch(test.voucher):
        raise InputError(
            f"invalid name {test.voucher[:80]!r}. Use up to 60 letters, digits, hyphens, and "
            "underscores, such as winback-june."
        )
    code = test.discount_code
    if not code or len(code) > 255 or "," in code or not code.isprintable():
        raise InputError(f"invalid --code {code[:80]!r}. Pass one discount code, such as BACK10.")
    if test.sent_on <= test.chosen_on:
        raise InputError(
            f"--sent-on {test.sent_on} must be after {test.chosen_on}, the last day that the "
            "customers are chosen by. Pass an earlier --as-of."
        )
    _check_window(test.window_days)


def _check_window(days: int) -> None:
    if not 1 <= days <= LONGEST_DAYS:
        raise InputError(f"--window-days {days} is out of range. Use 1 to {LONGEST_DAYS}.")


def _require(db: Database) -> None:
    if {VOUCHERS, VOUCHER_CUSTOMERS} - db.tables().keys():
        raise InputError(f"{db.url} has no table {VOUCHERS}. Run: d1lab migrate")


def _drawn(lab: Lab, test: VoucherTest, waiting: Collection[str]) -> pd.DataFrame:
    due = overdue_on(lab, test.chosen_on)
    free = due[~due["customer_id"].isin(waiting)]
    if len(free) < FEWEST_CUSTOMERS:
        others = len(due) - len(free)
        left_out = f" ({others:,} more wait for the end of another test)" if others else ""
        raise InputError(
            f"too few to learn: {len(free):,} overdue customers{left_out}, at least "
            f"{FEWEST_CUSTOMERS} are required. Nothing was written."
        )
    return assign(free, test.seed)


def _same(known: AssignedVoucher, test: VoucherTest) -> AssignedVoucher:
    """Return the recorded test; the day it was chosen on may differ: customers are drawn once."""
    if known.test._replace(chosen_on=test.chosen_on) == test:
        return known
    pairs = zip(test._fields, known.test, test, strict=True)
    differs = [f"{name} {a}" for name, a, b in pairs if a != b and name != "chosen_on"]
    raise InputError(
        f"voucher test {test.voucher!r} exists with {', '.join(differs)}. Pass another name, or "
        f"delete it: d1lab voucher drop {test.voucher}"
    )


def _read(db: Database, shop: str, name: str) -> AssignedVoucher | None:
    rows = db.query(_ONE, (shop, name), table=VOUCHERS).rows
    if not rows:
        return None
    drawn = db.query(_CUSTOMERS, (shop, name), table=VOUCHER_CUSTOMERS)
    customers = pd.DataFrame(drawn.rows, columns=pd.Index(_COLUMNS[2:]))
    customers["is_sent"] = customers["is_sent"].astype(bool)
    return AssignedVoucher(_test(rows[0]), customers, is_new=False)


def _test(row: Sequence[Any]) -> VoucherTest:
    name, code, chosen, sent, days, seed = row
    days_of = date.fromisoformat(str(chosen)), date.fromisoformat(str(sent))
    return VoucherTest(str(name), str(code), *days_of, int(days), int(seed))


def _write(db: Database, shop: str, made: AssignedVoucher) -> None:
    """Write a test and its customers in one transaction; it fails if D1 has the name."""
    test = made.test
    chosen, sent = test.chosen_on.isoformat(), test.sent_on.isoformat()
    row = (shop, test.voucher, test.discount_code, chosen, sent, test.window_days, test.seed)
    lines = [
        orjson.dumps([shop, test.voucher, c, int(s), int(is_sent), float(pace)]).decode()
        for c, s, is_sent, pace in made.customers.itertuples(index=False)
    ]
    customers = upsert_statements(VOUCHER_CUSTOMERS, _COLUMNS[:3], _COLUMNS, lines)
    db.batch([Statement(_INSERT, row), *customers], table=VOUCHERS)
