"""The engine that the tests run."""

import httpx2


def test_engine_serves_empty_databases(engine):
    """Each fresh URL is another database, and none has a table."""
    one, other = engine.fresh(), engine.fresh()
    assert one != other
    for url in (one, other):
        address = f"{engine.address}/{url.rpartition('/')[2]}/raw"
        body = httpx2.post(address, json={"sql": "PRAGMA table_list"}).json()
        names = {row[1] for row in body["result"][0]["results"]["rows"]}
        assert names <= {"sqlite_schema", "sqlite_temp_schema", "_cf_METADATA"}
