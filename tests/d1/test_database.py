"""The same tests for every kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from d1lab.d1 import Database, Statement, open_database
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.errors import D1Error, D1LimitError, D1QueryError, D1TooBigError, InputError
from tests.support.worker_database import READER, WRITER, WorkerDatabase

BIG = 2**53 + 1
SETUP = (
    "CREATE TABLE items (id INTEGER PRIMARY KEY, label TEXT, amount DECIMAL(10,2), data BLOB, v)",
    "CREATE INDEX items_label ON items (label)",
    'CREATE TABLE "odd ""name" (a TEXT, b INT, PRIMARY KEY (b, a)) WITHOUT ROWID',
    "CREATE TABLE empty (a, b)",
    "CREATE TABLE d1_migrations (id INTEGER PRIMARY KEY, name TEXT)",
    "CREATE VIEW labels AS SELECT label FROM items",
)
ITEMS = (
    (1, "plain", "10.10", None, 1),
    (2, "Ünïcødé 😀 \u2028 \x00 end", "10.00", b"\x00\xff", BIG),
    (3, "'); DROP TABLE items; --", None, b"", 0.1 + 0.2),
    (4, "line\none\r\ntwo", "-0.5", b"'", -BIG),
    (5, "", "99999999.99", None, None),
)
KINDS = ("embedded", "engine", "gateway", "state", "dump")
REST_KINDS = ("engine", "gateway")


def fill(db: Database) -> None:
    insert = "INSERT INTO items VALUES (?1, ?2, ?3, ?4, ?5)"
    db.batch([*map(Statement, SETUP), *(Statement(insert, row) for row in ITEMS)])


@pytest.fixture(scope="module")
def filled_engine(engine) -> str:
    url = engine.fresh()
    db = open_database(url)
    fill(db)
    db.close()
    return url


@pytest.fixture(scope="module")
def filled_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of a database with the rows above, of the kind that the test asks for."""
    kind = request.param
    if kind == "embedded":
        path = tmp_path_factory.mktemp("embedded") / "d1.sqlite"
        db = SqliteDatabase.create(path)
        fill(db)
        db.close()
        return f"sqlite:{path}"
    url = request.getfixturevalue("filled_engine")
    engine = request.getfixturevalue("engine")
    if kind == "gateway":
        return WorkerDatabase(engine, url).gateway
    if kind == "state":
        return f"sqlite:{engine.file(url)}"
    if kind == "dump":
        path = tmp_path_factory.mktemp("dump") / "dump.sql"
        engine.wrangler("d1", "export", url.rpartition("/")[2], "--local", "--output", str(path))
        return f"dump:{path}"
    return url


def kinds(*names: str) -> pytest.MarkDecorator:
    marked = [
        name if name == "embedded" else pytest.param(name, marks=pytest.mark.engine)
        for name in names
    ]
    return pytest.mark.parametrize("filled_url", marked, indirect=True)


@pytest.fixture
def db(filled_url: str) -> Iterator[Database]:
    database = open_database(filled_url, read_token=READER, write_token=WRITER)
    yield database
    database.close()


@kinds("embedded", "engine", "state")
def test_query_returns_every_value_exactly(db: Database):
    """Integers beyond 2^53, reals, texts, blobs, and NULL are returned as they were written."""
    rows = db.query("SELECT id, label, data, v FROM items ORDER BY id").rows
    assert rows == [(i, label, data, v) for i, label, _, data, v in ITEMS]
    assert [type(cell) for row in rows for cell in row] == [
        type(cell) for i, label, _, data, v in ITEMS for cell in (i, label, data, v)
    ]


@kinds("dump")
def test_dump_is_as_exact_as_d1s_export(db: Database):
    """A dump is exact except for integers beyond 2^53, which D1 itself rounds in an export."""
    rows = db.query("SELECT id, label, data, v FROM items ORDER BY id").rows
    rounded = {BIG: 2**53, -BIG: -(2**53)}
    assert rows == [(i, label, data, rounded.get(v, v)) for i, label, _, data, v in ITEMS]


@kinds(*KINDS)
def test_query_returns_decimals_as_sqlite_stores_them(db: Database):
    """In a DECIMAL(10,2) column, whole amounts are integers and the others are reals."""
    rows = db.query("SELECT amount, typeof(amount) FROM items ORDER BY id").rows
    assert rows == [
        (10.1, "real"),
        (10, "integer"),
        (None, "null"),
        (-0.5, "real"),
        (99999999.99, "real"),
    ]


@kinds(*KINDS)
def test_query_keeps_duplicate_column_names(db: Database):
    """Two columns of the same name are both returned, in their order."""
    result = db.query("SELECT id, label, id, v AS label FROM items WHERE id = 1")
    assert result.columns == ("id", "label", "id", "label")
    assert result.rows == [(1, "plain", 1, 1)]


@kinds(*KINDS)
def test_query_names_the_columns_of_an_empty_result(db: Database):
    """A result without rows still has its columns."""
    result = db.query("SELECT a, b AS c FROM empty")
    assert (result.columns, result.rows) == (("a", "c"), [])


@kinds(*KINDS)
@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (BIG, "integer"),
        (-(2**63), "integer"),
        (2**63 - 1, "integer"),
        (True, "integer"),
        (1.0, "real"),
        (0.1 + 0.2, "real"),
        (1e300, "real"),
        ("007", "text"),
        ("", "text"),
        ("a\x00b ?1 'é'", "text"),
        (b"\x00\xff", "blob"),
        (b"", "blob"),
        (None, "null"),
    ],
)
def test_parameters_arrive_exactly(db: Database, value, kind):
    """In the database, a parameter has the same type and is equal to the given value."""
    sql = "SELECT typeof(?1), ?1 + 0, ?1 IS ?2, typeof(?3), '?1', hex(?1) FROM items WHERE id = ?4"
    found, number, same, other, literal, digits = db.query(sql, (value, value, "7", 1)).rows[0]
    assert (found, same, other, literal) == (kind, 1, "text", "?1")
    if isinstance(value, int):
        assert number == value
    if isinstance(value, (str, bytes)):
        data = value.encode() if isinstance(value, str) else value
        assert digits == data.hex().upper()
    if isinstance(value, float) and abs(value) < 2:
        assert db.query("SELECT ?1 AS v", (value,)).rows == [(value,)]


@kinds(*KINDS)
def test_placeholders_count_as_in_sqlite(db: Database):
    """`?` continues from the highest number so far, and a number can be used twice."""
    assert db.query("SELECT ?2, ?, ?1 -- ?9", (1, "b", 2.5)).rows == [("b", 2.5, 1)]


@kinds(*KINDS)
@pytest.mark.parametrize("params", [(), (1,), (1, 2, 3)])
def test_query_requires_exactly_its_parameters(db: Database, params):
    """Too few or too many values are an error; none of them becomes NULL."""
    with pytest.raises(D1QueryError):
        db.query("SELECT ?1, ?2", params)


@kinds(*KINDS)
def test_query_packs_a_page_exactly(db: Database):
    """A page packed as JSON arrays keeps large integers and bills one row read per row."""
    before = db.meter.by_table.get("items")
    page = "SELECT id, label FROM items WHERE id > ?1 AND id <= ?2 ORDER BY id LIMIT ?3"
    result = db.query(
        f"SELECT max(id), json_group_array(id), json_group_array(label) FROM ({page})",
        (1, 4, 2),
        table="items",
    )
    assert before is None
    assert result.rows[0][:2] == (3, "[2,3]")
    assert result.usage == db.meter.by_table["items"] == (1, 2, 0)


@kinds(*KINDS)
def test_meter_counts_per_table(db: Database):
    """Each call is counted for the table that it names, and for no other."""
    db.query("SELECT id FROM items", table="items")
    db.query("SELECT label FROM items", table="items")
    db.query("SELECT * FROM empty", table="empty")
    assert db.meter.by_table["items"] == (2, 10, 0)
    assert db.meter.by_table["empty"].calls == 1
    assert db.meter.total.calls == 3


@kinds(*KINDS)
def test_tables_describes_the_users_tables(db: Database):
    """Columns have their type, affinity, and key; SQLite's own tables are omitted."""
    tables = db.tables()
    assert set(tables) == {"items", 'odd "name', "empty"}
    items = tables["items"]
    assert [(c.name, c.declared, c.affinity) for c in items.columns] == [
        ("id", "INTEGER", "INTEGER"),
        ("label", "TEXT", "TEXT"),
        ("amount", "DECIMAL(10,2)", "NUMERIC"),
        ("data", "BLOB", "BLOB"),
        ("v", "", "BLOB"),
    ]
    assert (items.has_rowid, items.primary_key) == (True, ("id",))
    odd = tables['odd "name']
    assert (odd.has_rowid, odd.primary_key) == (False, ("b", "a"))


@kinds(*KINDS)
@pytest.mark.parametrize(
    ("sql", "error", "message"),
    [
        ("SELECT * FROM nowhere", D1QueryError, "no such table: nowhere"),
        ("SELECT missing FROM items", D1QueryError, "no such column: missing"),
        ("SELEC 1", InputError, "statement that writes"),
        ("SELECT 1 +", D1QueryError, "incomplete input|syntax error"),
        ("", InputError, "statement that writes"),
        ("SELECT 1; SELECT 2", D1QueryError, "more than one statement"),
        ("SELECT median(v) FROM items", D1Error, "median"),
        ("SELECT sqlite_version()", D1LimitError, "not authorized"),
        ("PRAGMA journal_mode", InputError, "statement that writes"),
        (f"SELECT {', '.join(['1'] * 101)}", D1LimitError, "too many columns"),
        (" UNION ".join(["SELECT 1"] * 6), D1LimitError, "too many terms"),
        (f"SELECT 'a' LIKE '{'a' * 51}'", D1LimitError, "pattern too complex"),
        (f"SELECT 1 /*{'x' * 100_000}*/", D1LimitError, "bytes, D1 allows 100,000"),
        (f"SELECT max({', '.join(['1'] * 33)})", D1LimitError, "too many arguments"),
    ],
)
def test_query_rejects_what_d1_rejects(db: Database, sql, error, message):
    """Every kind of database raises the same class of error with the same message."""
    with pytest.raises(error, match=message):
        db.query(sql)


@kinds(*KINDS)
def test_query_rejects_too_many_or_too_big_parameters(db: Database):
    """More than 100 parameters, or one above 2 MB, are rejected before anything is sent."""
    marks = ", ".join("?" * 101)
    with pytest.raises(D1LimitError, match="too many parameters: 101"):
        db.query(f"SELECT 1 WHERE 1 IN ({marks})", (1,) * 101)
    with pytest.raises(D1TooBigError, match="2,000,001 bytes"):
        db.query("SELECT length(?1)", ("x" * 2_000_001,))
    assert db.query("SELECT length(?1)", ("x" * 2_000_000,)).rows == [(2_000_000,)]


@kinds(*KINDS)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**63, "\ud800", object()])
def test_query_rejects_values_that_sqlite_cannot_store(db: Database, value):
    """A value that would be changed on its way to the database is rejected."""
    with pytest.raises(InputError, match="parameter 1"):
        db.query("SELECT ?1", (value,))


@kinds(*KINDS)
@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM items",
        "WITH q AS (SELECT 1) INSERT INTO empty SELECT 1, 2 FROM q",
        "/* SELECT */ UPDATE items SET v = 1 RETURNING v",
        "CREATE TABLE other (a)",
        "PRAGMA foreign_keys = OFF",
    ],
)
def test_query_does_not_write(db: Database, sql):
    """A statement that writes is rejected when it is sent as a query."""
    with pytest.raises(InputError, match="statement that writes"):
        db.query(sql)
    assert len(db.query("SELECT 1 FROM items").rows) == len(ITEMS)


@kinds(*KINDS)
def test_read_only_databases_reject_every_write(filled_url: str):
    """Dumps, wrangler's own files, and databases opened read-only cannot be written to."""
    db = open_database(filled_url, read_token=READER, read_only=True)
    try:
        for write in (
            lambda: db.execute("DELETE FROM items"),
            lambda: db.batch([Statement("SELECT 1"), Statement("DELETE FROM items")]),
        ):
            with pytest.raises(InputError, match="read-only"):
                write()
        assert db.execute("SELECT count(*) FROM items").rows == [(5,)]
    finally:
        db.close()


@pytest.mark.engine
def test_state_file_is_read_while_the_engine_writes(engine, filled_engine: str):
    """Wrangler's own file is never written to, and shows what the engine has committed."""
    rest = open_database(engine.fresh())
    rest.execute("CREATE TABLE t (a)")
    file = open_database(f"sqlite:{engine.file(rest.url)}")
    try:
        rest.execute("INSERT INTO t VALUES (1)")
        assert file.query("SELECT a FROM t").rows == [(1,)]
        with pytest.raises(InputError, match="read-only"):
            file.execute("INSERT INTO t VALUES (2)")
        assert file.bookmark() is None  # a file with a write-ahead log
    finally:
        file.close()
        rest.close()


def test_open_rejects_unknown_urls(tmp_path: Path):
    """URLs of an unknown kind and missing files are rejected."""
    with pytest.raises(InputError, match="expected d1://"):
        open_database("postgres://x")
    for kind in ("sqlite", "dump"):
        with pytest.raises(InputError, match="does not exist"):
            open_database(f"{kind}:{tmp_path}/nothing")


@pytest.mark.parametrize("text", ["CREATE TABLE t (a", "SELECT 1;\nGARBAGE;", "ATTACH 'x' AS y;"])
def test_open_rejects_a_broken_dump(tmp_path: Path, text: str):
    """A truncated, invalid, or hostile dump is rejected and leaves no file behind."""
    path = tmp_path / "dump.sql"
    path.write_text(text)
    with pytest.raises(InputError, match=r"dump\.sql"):
        open_database(f"dump:{path}")
    assert [file.name for file in tmp_path.iterdir()] == ["dump.sql"]


def test_open_rejects_a_file_that_is_not_a_database(tmp_path: Path):
    """A file in another format than SQLite's is rejected."""
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to be looked at " * 50)
    with pytest.raises(InputError, match="not a database"):
        open_database(f"sqlite:{path}")


def test_dump_bookmark_is_that_of_its_text(tmp_path: Path):
    """The bookmark is the same for the same dump and different for any other."""
    marks = []
    for text in ("CREATE TABLE t (a);", "CREATE TABLE t (a);", "CREATE TABLE t (b);"):
        (tmp_path / "dump.sql").write_text(text)
        db = open_database(f"dump:{tmp_path}/dump.sql")
        marks.append(db.bookmark())
        db.close()
    assert marks[0] == marks[1] != marks[2]
