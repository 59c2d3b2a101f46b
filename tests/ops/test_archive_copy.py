"""Each file of the archive has a copy on an S3 server, and comes back from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1labError, InputError
from d1lab.ops.archive import archive
from d1lab.ops.forget import Subject, forget
from d1lab.warehouse import archive_folder, open_warehouse, read_manifest
from tests.support import s3

pytestmark = pytest.mark.usefixtures("few_views")

BUCKET = "years"
PLACE = f"{BUCKET}/d1lab/shop/order_events/"


@pytest.fixture(scope="module")
def host() -> Iterator[Any]:
    """The server's file system."""
    with s3.running(BUCKET) as fs:
        yield fs


@pytest.fixture
def shop(tmp_path: Path, host: Any) -> Iterator[SqliteDatabase]:
    """Five months of events of two customers, and an empty bucket."""
    if host.exists(f"{BUCKET}/d1lab"):
        host.rm(f"{BUCKET}/d1lab", recursive=True)
    db = SqliteDatabase.create(tmp_path / "d1.sqlite")
    migrate(db)
    db.execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 150) "
        "INSERT INTO order_events (shop, event_id, type, order_id, customer_id, sku, quantity, "
        "revenue, occurred_at) SELECT 'corner', 'e' || i, 'order', 'o' || i, 'c-' || (i % 2), "
        "'sku', 1, 2, datetime('2026-01-01', '+' || i || ' days') FROM n"
    )
    yield db
    db.close()


def _run(db: SqliteDatabase, home: Path, **given: Any) -> Any:
    return archive(db, home / "shop", database="shop", to=f"s3://{BUCKET}/d1lab", **given)


def _bucket(host: Any) -> dict[str, bytes]:
    host.invalidate_cache()
    return {path.removeprefix(PLACE): host.cat_file(path) for path in host.find(PLACE)}


def _files(home: Path) -> dict[str, bytes]:
    root = archive_folder(home / "shop") / "order_events"
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.glob("*/*.parquet")}


def test_each_file_is_copied_once_and_comes_back(shop: SqliteDatabase, tmp_path: Path, host: Any):
    """Byte for byte; a damaged copy is written again, and a lost file is fetched."""
    first = _run(shop, tmp_path, delete=True)
    assert (first.copied, len(_files(tmp_path)), _bucket(host)) == (2, 2, _files(tmp_path))
    assert _run(shop, tmp_path).copied == 0
    name, whole = next(iter(_files(tmp_path).items()))
    host.pipe_file(PLACE + name, whole[:-9])
    assert (_run(shop, tmp_path).copied, _bucket(host)[name]) == (1, whole)
    (archive_folder(tmp_path / "shop") / "order_events" / name).unlink()
    assert _run(shop, tmp_path).repaired == (f"order_events/{name}",)
    assert _files(tmp_path)[name] == whole
    with open_warehouse(tmp_path / "shop") as con:
        assert con.sql("SELECT count(*) FROM order_lines").fetchall() == [(150,)]


def test_a_failing_host_keeps_the_files_and_the_rows(
    shop: SqliteDatabase, tmp_path: Path, host: Any
):
    """A misspelled bucket is not made; D1 keeps its rows; the message has no credential."""
    with pytest.raises(D1labError, match="bucket does not exist") as failed:
        archive(shop, tmp_path / "shop", database="shop", to="s3://yaers/d1lab", delete=True)
    assert s3.SECRET not in str(failed.value)
    assert not host.exists("yaers")
    assert shop.query("SELECT count(*) FROM order_events").rows == [(150,)]
    assert len(read_manifest(tmp_path / "shop").files) == 2
    assert (_run(shop, tmp_path, delete=True).copied, len(_bucket(host))) == (2, 2)
    with pytest.raises(InputError, match="remove the password"):
        archive(shop, tmp_path / "shop", database="shop", to="s3://key:secret@years/d1lab")


@pytest.mark.long
def test_forgetting_reaches_the_copies(shop: SqliteDatabase, tmp_path: Path, host: Any):
    """The old objects are gone, and the new ones are the new files."""
    _run(shop, tmp_path, delete=True)
    before = set(_bucket(host))
    forget(shop, tmp_path / "shop", tmp_path / "pages", Subject("customer", "c-1"), database="shop")
    after = _bucket(host)
    assert after == _files(tmp_path)
    assert not before & set(after)
