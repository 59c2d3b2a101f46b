"""Voucher tests in D1: written once, read back the same, and dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from d1lab.d1 import open_database
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError, UnknownName
from d1lab.ops import vouchers
from d1lab.ops.vouchers import assign_voucher, drop_voucher, save_halves, voucher, voucher_tests

LAB: Any = SimpleNamespace(shop="harbor")
MAY = date(2026, 5, 31)


def overdue(count: int) -> pd.DataFrame:
    """Overdue customers; the first has an ID that a spreadsheet would evaluate."""
    names = ["=cmd()", *(f"c{place}" for place in range(1, count))]
    return pd.DataFrame({"customer_id": names, "pace": [900.125 - n for n in range(count)]})


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteDatabase]:
    """An empty database, of a shop with 60 overdue customers."""
    monkeypatch.setattr(vouchers, "overdue_on", lambda *_: overdue(60))
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(db)
    yield db
    db.close()


def planned(name: str = "winback", **fields: Any) -> vouchers.VoucherTest:
    defaults: dict[str, Any] = {"sent_on": None, "window_days": 60, "seed": None}
    code = fields.pop("code", " BACK10 ")
    return vouchers.new_test("harbor", name, code, MAY, **defaults | fields)


def test_a_dry_run_shows_what_the_next_run_writes(db: SqliteDatabase) -> None:
    """Nothing is written first; then D1 has the same halves, and the command changes no more."""
    dry = assign_voucher(db, LAB, planned(), dry_run=True)
    assert voucher_tests(db, "harbor") == []
    made = assign_voucher(db, LAB, planned())
    known = voucher(db, "harbor", "winback")
    assert (made.is_new, known.is_new) == (True, False)
    assert dry.test == made.test == known.test
    assert known.test.discount_code == "BACK10"
    assert (known.test.sent_on, known.test.last_day) == (date(2026, 6, 1), date(2026, 7, 30))
    by_id = [each.customers.set_index("customer_id").sort_index() for each in (dry, made, known)]
    for other in by_id[1:]:
        pd.testing.assert_frame_equal(by_id[0], other, check_dtype=False)
    written = db.meter.total.rows_written
    later = planned()._replace(chosen_on=date(2026, 6, 15), sent_on=known.test.sent_on)
    with pytest.raises(InputError, match="--sent-on 2026-06-01 must be after 2026-06-15"):
        assign_voucher(db, LAB, later)
    again = assign_voucher(db, LAB, planned())
    assert (again.is_new, db.meter.total.rows_written) == (False, written)
    assert len(again.half(is_sent=True)) == len(again.half(is_sent=False)) == 30


def test_a_name_is_one_test(db: SqliteDatabase) -> None:
    """Another code under the same name is refused, and another writer's test is not mixed in."""
    made = assign_voucher(db, LAB, planned())
    with pytest.raises(InputError, match=r"exists with discount_code BACK10\. Pass another name"):
        assign_voucher(db, LAB, planned(code="BACK20"))
    with pytest.raises(Exception, match="UNIQUE"):
        vouchers._write(db, "harbor", made._replace(customers=made.customers.head(3)))
    assert len(voucher(db, "harbor", "winback").customers) == 60


def test_customers_wait_for_the_end_of_their_test(db: SqliteDatabase) -> None:
    """The next test can draw no customer until the window is over, and then all."""
    assign_voucher(db, LAB, planned(window_days=10))  # June 1 to June 10
    with pytest.raises(InputError, match=r"0 overdue customers \(60 more wait for the end"):
        assign_voucher(db, LAB, planned("next", sent_on=date(2026, 6, 10)))
    made = assign_voucher(db, LAB, planned("next", sent_on=date(2026, 6, 11)))
    assert len(made.customers) == 60
    assert [test.voucher for test in voucher_tests(db, "harbor")] == ["winback", "next"]
    assert voucher_tests(db, "other") == []


def test_too_few_customers_are_not_drawn(db: SqliteDatabase, monkeypatch) -> None:
    """With 49, not even a shop where all buy gets 25 buyers in each half."""
    monkeypatch.setattr(vouchers, "overdue_on", lambda *_: overdue(49))
    with pytest.raises(InputError, match="too few to learn: 49 overdue customers, at least 50"):
        assign_voucher(db, LAB, planned())
    assert voucher_tests(db, "harbor") == []


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "../x"}, "invalid name"),
        ({"name": "a\nb"}, "invalid name"),
        ({"name": "x" * 61}, "invalid name"),
        ({"code": " "}, "invalid --code"),
        ({"code": "A,B"}, "invalid --code"),
        ({"code": "A\x1b[31m"}, "invalid --code"),
        ({"sent_on": MAY}, "must be after 2026-05-31"),
        ({"window_days": 0}, "out of range"),
        ({"window_days": 366}, "out of range"),
    ],
)
def test_invalid_input_is_refused(db: SqliteDatabase, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        assign_voucher(db, LAB, planned(**fields))


def test_files_have_one_half_each_and_no_formula(db: SqliteDatabase, tmp_path: Path) -> None:
    """The code is beside those who get it; a file is never written over with another content."""
    made = assign_voucher(db, LAB, planned())
    sent, held_out = save_halves(made, tmp_path / "out")
    assert (sent.name, held_out.name) == ("winback-sent.csv", "winback-held-out.csv")
    first, *lines = sent.read_text(encoding="utf-8-sig").splitlines()
    assert first == "customer_id,stratum,pace,discount_code"
    others = held_out.read_text(encoding="utf-8-sig").splitlines()[1:]
    assert len(lines) == len(others) == 30
    assert all(line.endswith(",BACK10") for line in lines)
    assert not any("BACK10" in line for line in others)
    [formula] = [line for line in (*lines, *others) if "cmd" in line]
    assert formula.startswith("'=cmd()")
    assert save_halves(made, tmp_path / "out") == [sent, held_out]


def test_a_dropped_test_is_gone(db: SqliteDatabase) -> None:
    """Its customers, too; a dry run keeps it, and an unknown name is told with the known ones."""
    assign_voucher(db, LAB, planned())
    drop_voucher(db, "harbor", "winback", dry_run=True)
    assert len(voucher_tests(db, "harbor")) == 1
    with pytest.raises(UnknownName, match=r"'winbak'.*winback"):
        drop_voucher(db, "harbor", "winbak")
    drop_voucher(db, "harbor", "winback")
    assert db.query("SELECT count(*) FROM d1lab_voucher_customers").rows == [(0,)]
    assert voucher_tests(db, "harbor") == []


def test_a_database_without_the_migration_says_so(tmp_path: Path) -> None:
    db = SqliteDatabase.create(tmp_path / "empty.sqlite")
    with pytest.raises(InputError, match="Run: d1lab migrate"):
        assign_voucher(db, LAB, planned())
    db.close()


def test_d1_keeps_a_large_test(engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real engine writes 20,000 customers at once or not at all, and returns the same."""
    monkeypatch.setattr(vouchers, "overdue_on", lambda *_: overdue(20_000))
    with closing(open_database(engine.fresh())) as db:
        migrate(db)
        made = assign_voucher(db, LAB, planned())
        again = assign_voucher(db, LAB, planned())
        assert again.test == made.test
        by_id = [each.customers.set_index("customer_id").sort_index() for each in (made, again)]
        pd.testing.assert_frame_equal(*by_id, check_dtype=False)
        assert len(again.half(is_sent=True)) == len(again.half(is_sent=False)) == 10_000
        drop_voucher(db, "harbor", "winback")
        assert db.query("SELECT count(*) FROM d1lab_voucher_customers").rows == [(0,)]
