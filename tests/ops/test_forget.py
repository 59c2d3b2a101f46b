"""Nothing that d1lab keeps names a forgotten customer or shop."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import InputError
from d1lab.ops.archive import archive
from d1lab.ops.forget import Subject, forget
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse

ANN, BOB = "ann-4711", "bob-0815"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two customers of two shops over five months, archived in part, with a run and pages."""
    with_data = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(with_data)
    with_data.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 150) "
        "INSERT INTO order_events (shop, event_id, type, order_id, customer_id, sku, quantity, "
        "revenue, occurred_at) SELECT iif(i % 2, 'corner', 'mall'), 'e' || i, 'order', 'o' || i, "
        "iif(i % 3, ?1, ?2), 'sku', 1, 2, datetime('2026-01-01', '+' || i || ' days') FROM n",
        (ANN, BOB),
    )
    for customer in (ANN, BOB):
        with_data.execute(
            "INSERT INTO d1lab_customer_scores (shop, customer_id) VALUES ('corner', ?1)",
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
    cells = pa.table({"shop": ["corner"] * 2, "customer_id": [f'"{ANN}"', f'"{BOB}"']})
    pq.write_table(cells, run / "customers.before.parquet")
    pages = tmp_path / "pages" / "corner" / "customers"
    pages.mkdir(parents=True)
    (pages / "2026-06-01.html").write_text(f"<td>{ANN}</td>")
    (pages / "2026-06-02.html").write_text(f"<td>{ANN}9 and others</td>")
    return tmp_path


def everything(home: Path) -> bytes:
    """All bytes that are kept, with those of Parquet files as text."""
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix != ".sqlite"]
    texts = [
        str(pq.read_table(path).to_pydict()).encode()
        if path.suffix == ".parquet"
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
        {"order_events": 61, "d1lab_customer_scores": 1}, 2, 3,
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
    with open_warehouse(home / "shop") as con:
        found = con.sql("SELECT count(*), sum(revenue), count(customer_id) FROM order_lines")
        assert found.fetchall() == [(150, 300, 50)]
    audit = db.query("SELECT kind, rows_changed, files_changed FROM d1lab_forgotten").rows
    assert audit == [("customer", 101, 5)]
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
