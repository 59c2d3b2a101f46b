"""Nothing that d1lab keeps names a forgotten customer or shop."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d1lab.d1 import open_database
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError
from d1lab.ops import forget as ops
from d1lab.ops import forget_archive
from d1lab.ops.archive import archive
from d1lab.ops.forget import Subject, forget
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse
from tests.support.kills import Killed, kill_before

pytestmark = pytest.mark.usefixtures("few_views")

ANN, BOB = "ann-4711", "bob-0815"
SALES = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 150) "
    "INSERT INTO order_events (shop, event_id, type, order_id, customer_id, sku, quantity, "
    "revenue, occurred_at) SELECT iif(i % 2, 'corner', 'mall'), 'e' || i, 'order', 'o' || i, "
    "iif(i % 3, ?1, ?2), 'sku', 1, 2, datetime('2026-01-01', '+' || i || ' days') FROM n"
)
"""150 events of two customers in two shops."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two customers of two shops over five months, archived in part, with a run and pages."""
    tmp_path = tmp_path_factory.mktemp("made")
    with_data = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(with_data)
    with_data.execute(SALES, (ANN, BOB))
    for customer in (ANN, BOB):
        with_data.execute(
            "INSERT INTO d1lab_customer_scores (shop, customer_id) VALUES ('corner', ?1)",
            (customer,),
        )
        with_data.execute(
            "INSERT INTO d1lab_voucher_customers VALUES ('corner', 'winback', ?1, 1, 1, 9.5)",
            (customer,),
        )
        with_data.execute(
            "INSERT INTO customer_insights (shop, customer_id) VALUES ('corner', ?1)", (customer,)
        )
    folder = tmp_path / "shop"
    pull(with_data, folder, database="shop")
    archive(with_data, folder, database="shop", delete=True, to=str(tmp_path / "copies"))
    with_data.close()
    run = folder / "runs" / "20260601T000000Z-customers" / "push"
    run.mkdir(parents=True)
    (run.parent / "run.json").write_text(json.dumps({"shop": "mall"}))
    (run.parent / "notebook.ipynb").write_text(f'{{"text": "{ANN} is overdue"}}')
    for name, who in (("notebook.ipynb", ANN), ("overdue.csv", ANN), ("others.csv", BOB)):
        packed = gzip.compress(f"customer_id\n{who}\n".encode())
        (run.parent / f"{name}.gz").write_bytes(packed)
    (run.parent / "cut.csv.gz").write_bytes(packed[:-9])
    cells = pa.table({"shop": ["corner"] * 2, "customer_id": [f'"{ANN}"', f'"{BOB}"']})
    pq.write_table(cells, run / "customers.before.parquet")
    pages = tmp_path / "pages" / "corner" / "customers"
    pages.mkdir(parents=True)
    (pages / "2026-06-01.html").write_text(f"<td>{ANN}</td>")
    (pages / "2026-06-02.html").write_text(f"<td>{ANN}9 and others</td>")
    return tmp_path


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    """The same, to write to."""
    return _copy(made, tmp_path / "home")


def _copy(made: Path, to: Path) -> Path:
    """Copy all, with its own copies of the archive."""
    shutil.copytree(made, to)
    manifest = to / "shop" / "archive" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(str(made), str(to)))
    return to


def everything(home: Path) -> bytes:
    """All bytes that are kept, with those of Parquet files as text."""
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".sqlite"]
    texts = [
        str(pq.read_table(path).to_pydict()).encode()
        if path.suffix == ".parquet"
        else gzip.decompress(path.read_bytes())
        if path.suffix == ".gz" and path.stem != "cut.csv"
        else path.read_bytes()
        for path in files
    ]
    return b"\n".join(texts)


def test_a_customer_is_forgotten_everywhere_and_the_sales_stay(home: Path):
    """D1, warehouse, archive, its copies, runs, before-images, pages; the other customer stays."""
    db = SqliteDatabase(home / "d1.sqlite")
    subject = Subject("customer", ANN)
    where = {"database": "shop"}
    dry = forget(db, home / "shop", home / "pages", subject, dry_run=True, **where)
    assert (dry.d1_rows, dry.archive_files, dry.files) == (
        {"order_events": 61, "d1lab_customer_scores": 1, "d1lab_voucher_customers": 1}, 2, 6,
    )  # fmt: skip
    assert ANN.encode() in everything(home)
    done = forget(db, home / "shop", home / "pages", subject, **where)
    assert done._replace(seconds=0, rows_written=0, dry_run=True) == dry._replace(seconds=0)
    assert done.apps == ("customer_insights",)
    db.execute("DELETE FROM customer_insights WHERE customer_id = ?1", (ANN,))  # the app's part
    pull(db, home / "shop", database="shop", full=True, compact=True)
    left = everything(home)
    assert left.count(ANN.encode()) == left.count(f"{ANN}9".encode()) == 1
    assert BOB.encode() in left
    kept = {path.name for path in (home / "shop").glob("runs/*/*.gz")}
    assert kept == {"others.csv.gz"}, "compressed files that have the name, or cannot be read"
    with open_warehouse(home / "shop") as con:
        found = con.sql("SELECT count(*), sum(revenue), count(customer_id) FROM order_lines")
        assert found.fetchall() == [(150, 300, 50)]
    audit = db.query("SELECT kind, rows_changed, files_changed FROM d1lab_forgotten").rows
    assert audit == [("customer", 102, 8)]
    db.close()


def test_a_shop_is_forgotten_with_its_sales(home: Path):
    """Its rows, runs, and files of the archive go; the other shop stays."""
    db = SqliteDatabase(home / "d1.sqlite")
    forget(db, home / "shop", home / "pages", Subject("shop", "mall"), database="shop")
    assert db.query("SELECT count(*) FROM order_events WHERE shop = 'mall'").rows == [(0,)]
    assert not list((home / "shop" / "runs").iterdir())
    with open_warehouse(home / "shop") as con:
        found = con.sql("SELECT shop, count(*) FROM order_lines GROUP BY shop").fetchall()
    assert found == [("corner", 75)]
    assert b"mall" not in everything(home)
    db.close()


def test_what_names_nobody_is_refused(home: Path):
    """An empty name would be everybody's; without the audit's table nothing begins."""
    db = SqliteDatabase(home / "d1.sqlite")
    with pytest.raises(InputError, match="--customer is empty"):
        forget(db, home / "shop", home / "pages", Subject("customer", " "), database="shop")
    db.execute("DROP TABLE d1lab_forgotten")
    with pytest.raises(InputError, match="Run: d1lab migrate"):
        forget(db, home / "shop", home / "pages", Subject("shop", "mall"), database="shop")
    db.close()


def _all_of(home: Path) -> dict[str, Any]:
    """D1's rows, what reports see, and the names of all files, apart from the audit."""
    db = SqliteDatabase(home / "d1.sqlite")
    named = ("order_events", "d1lab_customer_scores", "customer_insights")
    rows = {name: db.query(f"SELECT * FROM {name} ORDER BY 1, 2").rows for name in named}
    db.close()
    with open_warehouse(home / "shop") as con:
        seen = con.sql("FROM order_lines ORDER BY event_id").fetchall()
    kept = (p for p in home.rglob("*") if p.is_file() and not {"pull", ".cache"} & {*p.parts})
    # A half-made file took the next free number, and is gone again.
    files = {p.relative_to(home).as_posix().replace("-2.parquet", ".parquet") for p in kept}
    return {"d1": rows, "seen": seen, "files": files - {"shop/archive.lock"}}


@pytest.fixture(scope="module")
def straight(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Subject], Any]:
    """What is left after a call that nobody killed."""

    @cache
    def state(subject: Subject) -> dict[str, Any]:
        home = _copy(made, tmp_path_factory.mktemp("straight") / "home")
        _forget(home, subject)
        return _all_of(home)

    return state


@pytest.mark.parametrize(
    "subject",
    [Subject("customer", ANN), pytest.param(Subject("shop", "mall"), marks=pytest.mark.long)],
    ids=str,
)
@pytest.mark.parametrize(
    "kill",
    [
        kill_before(ops._Forgetting, "_remove", 1, long=True),
        kill_before(forget_archive, "copy_file", 1),
        kill_before(forget_archive, "delete_copy", 2, long=True),
        kill_before(forget_archive, "write_manifest", 2, long=True),
        kill_before(Path, "unlink", 1),
        kill_before(ops, "pull", 1, long=True),
        kill_before(ops, "forget_in_file", 3, long=True),
        kill_before(ops._Forgetting, "read_back", 1, long=True),
        kill_before(ops, "_audit", 1, long=True),
    ],
)
def test_a_kill_at_any_step_is_completed_by_the_same_command(
    home: Path,
    straight: Callable[[Subject], Any],
    kill: Callable[[pytest.MonkeyPatch], None],
    subject: Subject,
):
    """The end is that of a call that nobody killed: the same rows, sales, and files."""
    with pytest.MonkeyPatch.context() as patch:
        kill(patch)
        with pytest.raises(Killed):
            _forget(home, subject)
    _forget(home, subject)
    assert _all_of(home) == straight(subject)


def _forget(home: Path, subject: Subject) -> None:
    db = SqliteDatabase(home / "d1.sqlite")
    try:
        forget(db, home / "shop", home / "pages", subject, database="shop")
    finally:
        db.close()


@pytest.mark.engine
@pytest.mark.parametrize(
    ("kind", "name", "rows", "most_read"), [("customer", ANN, 100, 900), ("shop", "mall", 75, 400)]
)
def test_forgetting_costs_two_written_rows_a_row(
    engine: Any, tmp_path: Path, kind: Any, name: str, rows: int, most_read: int
):
    """As the real engine bills it: a row and its entry in the change log, and two for the audit."""
    db = open_database(engine.fresh())
    migrate(db)
    db.execute(SALES, (ANN, BOB))
    pull(db, tmp_path / "shop", database="shop")
    before = db.meter.total.rows_read
    done = forget(db, tmp_path / "shop", tmp_path / "pages", Subject(kind, name), database="shop")
    assert (done.d1_rows, done.rows_written) == ({"order_events": rows}, 2 * rows + 2)
    assert db.meter.total.rows_read - before <= most_read  # with the whole pull at the end
    db.close()
