"""The gateway on the real engine: a reader only reads, and the app sees what was pushed."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from itertools import product
from pathlib import Path

import httpx2
import orjson
import pyarrow as pa
import pytest

from d1lab.d1 import Database, Statement, open_database
from d1lab.d1.gateway import GatewayDatabase, sign
from d1lab.d1.migrate import migrate
from d1lab.outbox import stage
from d1lab.push.push import push
from tests.support.worker_database import READER, WRITER, WorkerDatabase

pytestmark = pytest.mark.engine

WRITES = [
    "DELETE FROM t",
    "UPDATE t SET a = 9",
    "INSERT INTO t VALUES (9)",
    "REPLACE INTO t VALUES (9)",
    "DROP TABLE t",
    "ALTER TABLE t ADD COLUMN b",
    "CREATE TABLE u (a)",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "CREATE VIEW v AS SELECT 1",
    "CREATE INDEX i ON t (a)",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "PRAGMA writable_schema = 1",
    "PRAGMA user_version = 5",
    "PRAGMA optimize",
    "PRAGMA journal_mode(DELETE)",
    "ATTACH 'x' AS y",
    "DETACH y",
    "BEGIN",
    "DELETE FROM t RETURNING a",
    "INSERT INTO t SELECT a FROM t",
    "WITH q AS (SELECT 1) DELETE FROM t",
    "WITH q(x) AS (VALUES (1)) UPDATE t SET a = (SELECT x FROM q)",
    "WITH RECURSIVE q AS (SELECT 1) INSERT INTO t SELECT * FROM q",
]
DISGUISES = [
    "{}",
    "SELECT 1; {}",
    "SELECT 1 ;/* */; {} --",
    "/* SELECT */ {}",
    "-- SELECT\n{}",
    "--\r\n{}",
    "\t\n {} ;",
    "SELECT 1) ; {} ; --",
    "SELECT 1) LIMIT 0; {}; SELECT * FROM (SELECT 2",
    "SELECT '--'; {}",
    "SELECT ';' /* ' */; {}",
    'SELECT ";" AS "--"; {}',
    "SELECT [;]; {}",
    "SELECT `'`; {}; SELECT `'`",
    "VALUES (1); {}",
    "SELECT (\n{}\n)",
    "SELECT * FROM ({})",
    "WITH q AS ({}) SELECT * FROM q",
    "EXPLAIN QUERY PLAN SELECT 1; {}",
    "PRAGMA table_info(t); {}",
    "\ufeff{}",
]
HOSTILE = [disguise.format(write) for disguise, write in product(DISGUISES, WRITES)]


@pytest.fixture
def worker(engine) -> WorkerDatabase:
    return WorkerDatabase(engine)


def _opened(worker: WorkerDatabase, cache: str = "") -> Database:
    return open_database(worker.gateway + cache, read_token=READER, write_token=WRITER)


def _send(
    worker: WorkerDatabase,
    body: object,
    secret=READER,
    late: int = 0,
    path: str = "query",
    cache: str = "",
):
    """A request of somebody who has the secret, and is not d1lab."""
    address = worker.gateway.removeprefix("gateway+") + f"{cache}/{path}"
    method = "POST" if body is not None else "GET"
    content = orjson.dumps(body) if body is not None else b""
    request = httpx2.Request(method, address, content=content)
    headers = sign(secret, request)
    if late:
        headers["x-d1lab-time"] = str(int(time.time()) - late)
    return httpx2.request(method, address, content=content, headers=headers, timeout=60)


def test_a_reader_cannot_write_whatever_the_statement(worker: WorkerDatabase):
    """Every write in every disguise: rejected, and the database is as before."""
    assert len(HOSTILE) >= 500
    with closing(open_database(worker.url)) as db:
        db.batch([Statement("CREATE TABLE t (a)"), Statement("INSERT INTO t VALUES (1)")])
        state = "SELECT (SELECT group_concat(a) FROM t), group_concat(sql) FROM sqlite_schema"
        before = db.query(state).rows
        with httpx2.Client() as client:
            for sql in HOSTILE:
                content = orjson.dumps({"statements": [[sql, []]], "write": False})
                address = worker.gateway.removeprefix("gateway+") + "/query"
                request = httpx2.Request("POST", address, content=content)
                answer = client.post(address, content=content, headers=sign(READER, request))
                assert answer.status_code in (400, 403), (sql, answer.text)
        assert db.query(state).rows == before
    told = _send(worker, {"statements": [["DELETE FROM t", []]], "write": True})
    assert (told.status_code, "writer's secret" in told.text) == (403, True)


@pytest.mark.parametrize(
    ("body", "how", "status"),
    [
        ({"statements": [["SELECT 1", []]]}, {}, 200),
        ({"statements": [["SELECT 1", []]]}, {"late": 3600}, 401),
        ({"statements": []}, {}, 400),
        ({"statements": "SELECT 1"}, {}, 400),
        ([], {}, 400),
        (None, {"path": "results?shop=x"}, 404),
        (None, {"path": "dashboard"}, 400),
    ],
)
def test_requests_that_are_late_or_malformed_are_rejected(worker, body, how, status):
    """With Cloudflare's form of an error."""
    answer = _send(worker, body, **how)
    assert answer.status_code == status, answer.text
    assert answer.json()["success"] is (status == 200)


def test_a_pragma_answers_for_its_own_argument(worker: WorkerDatabase):
    """Its columns are remembered by name: with an argument, with another, and without one."""
    with closing(_opened(worker)) as db:
        db.batch([Statement("CREATE TABLE t (a)"), Statement("CREATE TABLE u (b, c)")])
        for name in ("t", "u"):
            assert [row[1] for row in db.query(f"PRAGMA table_list({name})").rows] == [name]
        assert {"t", "u"} <= {row[1] for row in db.query("PRAGMA table_list").rows}


def test_a_changed_body_or_an_unknown_database_is_rejected(worker: WorkerDatabase):
    """The signature covers the body; only bound databases are served."""
    address = worker.gateway.removeprefix("gateway+") + "/query"
    headers = sign(READER, httpx2.Request("POST", address, content=b"{}"))
    assert httpx2.post(address, content=b"[]", headers=headers).status_code == 401
    assert httpx2.post(address, content=b"{}").status_code == 401


def test_a_write_that_is_sent_again_takes_effect_once(worker: WorkerDatabase):
    """A copy of a signed request is rejected as a whole; d1lab's own second write is another."""
    sent: list[httpx2.Request] = []

    class Line(httpx2.HTTPTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            sent.append(request)
            return super().handle_request(request)

    add = [Statement("INSERT INTO t VALUES (1)"), Statement("INSERT INTO t VALUES (2)")]
    with closing(GatewayDatabase(worker.gateway, writer=WRITER, handler=Line())) as db:
        db.execute("CREATE TABLE t (a)")
        before = db.meter.total, db.meter.overhead
        db.batch(add)
        assert db.meter.total.rows_written - before[0].rows_written == 2
        assert db.meter.overhead.rows_written - before[1].rows_written == 1
        copy = sent[-1]
        again = httpx2.post(copy.url, content=copy.content, headers=copy.headers)
        assert (again.status_code, "takes effect once" in again.text) == (409, True)
        assert db.query("SELECT count(*) FROM t").rows == [(2,)]
        db.batch(add)
        assert db.query("SELECT count(*) FROM t").rows == [(4,)]
        assert list(db.tables()) == ["t"]
        db.execute("UPDATE d1lab_requests SET at = at - 200")
        db.execute("DELETE FROM t")
        assert db.query("SELECT count(*) FROM d1lab_requests").rows == [(2,)]


@pytest.mark.parametrize(
    ("cache", "name"),
    [("", "Cache API"), (".kv", "KV"), pytest.param(".hurried", "KV", marks=pytest.mark.long)],
)
def test_the_app_sees_what_was_pushed(worker: WorkerDatabase, tmp_path, cache, name):
    """Columns and the day of the data; from the cache until a push comes, also if KV is hurried."""
    ask = partial(_send, worker, None, cache=cache)
    assert ask(path="version").json()["result"]["cache"] == name
    with closing(_opened(worker, cache)) as db:
        migrate(db)
        db.execute("INSERT INTO customer_insights (shop, customer_id) VALUES ('harbor', 'ada')")
        db.execute(
            "INSERT INTO discount_analytics (shop, discount_id, sku, times_used, discount_amount,"
            " last_used_at) VALUES ('harbor', 'd1', 'S1', 3, 4.5, datetime('now'))"
        )
        path = "results?shop=harbor&report=customers"
        assert ask(path=path).json()["tables"] == []
        first = ask(path="dashboard?shop=harbor")
        assert first.headers["x-d1lab-from"] == "d1"
        assert ask(path="dashboard?shop=harbor").headers["x-d1lab-from"] == "cache"
        push(db, _staged(tmp_path / "run1"))
        [table] = ask(path=path).json()["tables"]
        assert (table["as_of"], table["columns"], table["rows"]) == (
            "2026-05-01",
            ["shop", "customer_id", "customer_segment"],
            [["harbor", "ada", "vip"]],
        )
        shown = ask(path="dashboard?shop=harbor")
        assert shown.headers["x-d1lab-from"] == "d1"
        figures = shown.json()
        assert figures["reports"]["customers"]["as_of"] == "2026-05-01"
        assert [figures[name] for name in ("total_discounts", "total_uses", "total_savings")] == [
            1,
            3,
            4.5,
        ]


def _staged(run_dir: Path) -> Path:
    """A run of the report customers that has staged a segment."""
    rows = {"shop": ["harbor"], "customer_id": ["ada"], "customer_segment": ["vip"]}
    stage(pa.table(rows), "customer_insights", run_dir)
    record = {"status": "done", "report": "customers", "shop": "harbor", "as_of": "2026-05-01"}
    (run_dir / "run.json").write_text(orjson.dumps(record).decode())
    return run_dir
