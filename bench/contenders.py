"""Contenders that load one table into a DuckDB file, each in its own process.

    python -m bench.contenders NAME SOURCE TARGET    prints seconds, rows, rows read, peak MB

Import time is not counted. Each contender is used as its own documentation recommends.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import duckdb
import pyarrow as pa

TABLE = "order_events"
COLUMNS = (
    "seq", "shop", "event_id", "order_id", "customer_id", "sku", "quantity", "revenue",
    "occurred_at",
)  # fmt: skip
RAW_PAGE = 10_000
CHUNK = 50_000


def ours(source: str, target: Path) -> tuple[int, int]:
    """Run `d1lab pull` with all its steps: type checks, quarantine, digests, and views."""
    from d1lab.d1 import open_database
    from d1lab.pull import pull

    db = open_database(source)
    result = pull(db, target.parent, database="bench")
    db.close()
    return result.rows_pulled, result.rows_read


def adbc(source: str, target: Path) -> tuple[int, int]:
    """Load with ADBC's SQLite driver directly into DuckDB."""
    from adbc_driver_sqlite import dbapi

    with dbapi.connect(f"file:{source}?mode=ro") as connection, connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**{"adbc.sqlite.query.batch_rows": CHUNK})
        cursor.execute(f"SELECT * FROM {TABLE}")
        return _load(cursor.fetch_record_batch(), target), 0


def plain_raw(source: str, target: Path) -> tuple[int, int]:
    """Load D1's plain responses in keyset pages of 10,000 rows with one streaming INSERT."""
    return _plain(source, target, {})


def plain_raw_uncompressed(source: str, target: Path) -> tuple[int, int]:
    """Load as `plain_raw`, without requesting compressed responses."""
    return _plain(source, target, {"accept-encoding": "identity"})


def _plain(source: str, target: Path, headers: dict[str, str]) -> tuple[int, int]:
    import httpx2
    import orjson

    kinds = {"seq": pa.int64(), "quantity": pa.int64(), "revenue": pa.float64()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    sql = f"SELECT * FROM {TABLE} WHERE seq > ?1 ORDER BY seq LIMIT {RAW_PAGE}"
    read = 0

    def pages() -> Iterator[pa.RecordBatch]:
        nonlocal read
        last = 0
        with httpx2.Client(timeout=60, headers=headers) as client:
            while True:
                answer = client.post(source, json={"sql": sql, "params": [str(last)]})
                [result] = orjson.loads(answer.content)["result"]
                read += result["meta"]["rows_read"]
                rows = result["results"]["rows"]
                if not rows:
                    return
                last = rows[-1][0]
                columns = zip(*rows, strict=True)
                arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return _load(pa.RecordBatchReader.from_batches(schema, pages()), target), read


def pandas_sqlalchemy(source: str, target: Path) -> tuple[int, int]:
    """Load with pandas.read_sql and SQLAlchemy, in chunks appended to DuckDB."""
    import pandas as pd
    from sqlalchemy import create_engine, text

    con = duckdb.connect(str(target))
    with create_engine(f"sqlite:///{source}").connect() as connection:
        chunks = pd.read_sql(text(f"SELECT * FROM {TABLE}"), connection, chunksize=2 * CHUNK)
        for number, chunk in enumerate(chunks):
            con.register("chunk", chunk)
            head = "INSERT INTO t" if number else "CREATE TABLE t AS"
            con.execute(f"{head} SELECT * FROM chunk")
            con.unregister("chunk")
    return _close(con), 0


def dlt(source: str, target: Path) -> tuple[int, int]:
    """Load with dlt's sql_table and its Arrow backend into its DuckDB destination."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    import dlt as dlt_package
    from dlt.sources.sql_database import sql_table

    pipeline = dlt_package.pipeline(
        "bench",
        destination=dlt_package.destinations.duckdb(str(target)),
        dataset_name="raw",
        pipelines_dir=str(target.parent / "pipelines"),
    )
    table = sql_table(
        credentials=f"sqlite:///{source}", table=TABLE, backend="pyarrow", chunk_size=CHUNK
    )
    pipeline.run(table, write_disposition="replace")
    with duckdb.connect(str(target)) as con:
        return con.execute(f"SELECT count(*) FROM raw.{TABLE}").fetchall()[0][0], 0


CONTENDERS: dict[str, Callable[[str, Path], tuple[int, int]]] = {
    each.__name__: each
    for each in (ours, adbc, plain_raw, plain_raw_uncompressed, pandas_sqlalchemy, dlt)
}
_HEAVY = {
    "ours": ("d1lab.pull", "d1lab.d1.rest", "adbc_driver_sqlite"),
    "adbc": ("adbc_driver_sqlite.dbapi",),
    "plain_raw": ("httpx2", "orjson"),
    "plain_raw_uncompressed": ("httpx2", "orjson"),
    "pandas_sqlalchemy": ("pandas", "sqlalchemy"),
    "dlt": ("dlt", "dlt.sources.sql_database"),
}


def _load(reader: pa.RecordBatchReader, target: Path) -> int:
    con = duckdb.connect(str(target))
    con.register("stream", reader)
    con.execute("CREATE TABLE t AS SELECT * FROM stream")
    con.unregister("stream")
    return _close(con)


def _close(con: duckdb.DuckDBPyConnection) -> int:
    con.execute("CHECKPOINT")
    rows = con.execute("SELECT count(*) FROM t").fetchall()[0][0]
    con.close()
    return rows


def _peak_mb() -> float:
    """Return the peak memory of this process; on Linux, without that of its parent."""
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(name: str, source: str, target: str) -> None:
    """Run one contender and print its time, rows, and peak memory."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    for module in _HEAVY[name]:
        __import__(module)
    began = perf_counter()
    rows, rows_read = CONTENDERS[name](source, Path(target))
    seconds = perf_counter() - began
    said = {"seconds": seconds, "rows": rows, "rows_read": rows_read, "peak_mb": _peak_mb()}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
