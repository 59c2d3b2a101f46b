"""The gateway's client: signed requests, and sessions beside a replica that lags."""

from __future__ import annotations

import hashlib
import hmac
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from d1lab.config import load_settings
from d1lab.d1.connect import connect, open_database
from d1lab.d1.gateway import GatewayDatabase, ServedBy, gateway_endpoint, sign
from d1lab.errors import D1AuthError, InputError
from tests.support.d1_api import D1Api
from tests.support.examples import examples
from tests.support.lagging import URL, LaggingD1
from tests.support.worker_database import READER, WRITER

STEPS = st.lists(
    st.one_of(
        st.just("write"),
        st.just("read"),
        st.just("own write"),
        st.just("other read"),
        st.tuples(st.just("copy"), st.integers(1, 3)),
    ),
    max_size=25,
)


@contextmanager
def lagging(**how: bool) -> Iterator[LaggingD1]:
    with tempfile.TemporaryDirectory() as folder, closing(LaggingD1(Path(folder), **how)) as d1:
        yield d1


def interleave(d1: LaggingD1, steps: list) -> None:
    """Run the steps; a connection never sees less than it has seen, or written."""
    db, other, seen = d1.open(), d1.open(), {}
    for step in steps:
        if step == "write":
            d1.write()
        elif step in ("read", "other read"):
            session = db if step == "read" else other
            [(rows, last)] = session.query("SELECT count(*), max(id) FROM log").rows
            assert rows == (last or 0), "a row below the watermark is missing"
            assert rows >= seen.get(session, 0), "an earlier state than was read before"
            seen[session] = rows
        elif step == "own write":
            d1.version += 1
            db.execute("INSERT INTO log VALUES (?1, ?1)", (d1.version,))
            seen[db] = d1.version
        else:
            d1.copy(step[1])


@pytest.fixture(scope="module")
def beside() -> Iterator[LaggingD1]:
    with lagging() as d1:
        yield d1


@given(steps=STEPS)
@settings(max_examples=examples(150))
def test_a_session_never_reads_before_its_bookmark(beside, steps):
    """Writes, copies, and reads of two connections in any order, with a replica that lags."""
    beside.reset()
    interleave(beside, steps)


def test_the_interleavings_find_a_replica_that_ignores_bookmarks():
    """The property is not true of everything."""
    with lagging(honest=False) as d1, pytest.raises(AssertionError, match="earlier state"):
        interleave(d1, ["write", "read", "read"])


def test_a_connection_begins_at_the_primary_and_goes_on_with_the_newest_bookmark():
    """A bookmark that the primary renews, after a restore, replaces a higher one."""
    with lagging() as d1:
        d1.write()
        db = d1.open()
        db.query("SELECT 1")
        d1.copy(1)
        db.query("SELECT 2")
        assert d1.asked == ["first-primary", "00000001"]
        assert db.served == {ServedBy("WEUR", True): 1, ServedBy("WEUR", False): 1}
        d1.version = d1.copied = 0
        db.query("SELECT 3")
        d1.renews = True
        db.query("SELECT 4")
        d1.renews = False
        db.query("SELECT 5")
        assert d1.asked[2:] == ["00000001", "00000001", "00000000"]
        assert (db.bookmark(), db.size_bytes(), repr(db)) == (
            None,
            None,
            f"GatewayDatabase('{URL}')",
        )


def test_a_request_is_signed_over_time_address_and_body():
    """As the Worker computes it; no two requests are the same."""
    request = httpx2.Request("POST", "https://x.example/shop/query?a=1", content=b"body")
    headers = sign(SecretStr("key"), request)
    at, nonce = headers["x-d1lab-time"], headers["x-d1lab-nonce"]
    text = f"{at}\n{nonce}\nPOST\n/shop/query?a=1\nbody".encode()
    assert headers["x-d1lab-signature"] == hmac.new(b"key", text, hashlib.sha256).hexdigest()
    assert nonce != sign(SecretStr("key"), request)["x-d1lab-nonce"]


@pytest.mark.parametrize(
    "url",
    [
        "gateway+http://gateway.example:80/shop",
        "gateway+http://127.0.0.1/shop",
        "gateway+https://gateway.example",
        "gateway+https://gateway.example/a/b",
        "gateway+https://user@gateway.example/shop",
        "gateway+https://gateway.example/shop?x=1",
        "gateway+https:///shop",
        "gateway+ftp://gateway.example/shop",
    ],
)
def test_an_address_that_is_malformed_or_would_send_plain_http_is_rejected(url):
    """Before anything is sent."""
    with pytest.raises(InputError):
        gateway_endpoint(url)


def test_secrets_are_needed_and_are_not_in_errors():
    """A writer's secret also reads; a reader's never writes."""
    with pytest.raises(D1AuthError, match="D1LAB_GATEWAY_READER"):
        open_database(URL)
    with pytest.raises(D1AuthError, match="invalid character"):
        GatewayDatabase(URL, reader=SecretStr("a\nb"))
    db = GatewayDatabase(URL, reader=READER, handler=httpx2.MockTransport(_unsigned))
    with pytest.raises(D1AuthError, match="D1LAB_GATEWAY_WRITER") as error:
        db.execute("DELETE FROM t")
    with pytest.raises(D1AuthError, match="the signature is missing") as other:
        db.query("SELECT 1")
    assert READER.get_secret_value() not in f"{error.value}{other.value}".replace("READER", "")
    assert WRITER.get_secret_value()


def _unsigned(_request: httpx2.Request) -> httpx2.Response:
    errors = [{"code": 7500, "message": "the signature is missing"}]
    return httpx2.Response(401, json={"success": False, "errors": errors, "result": None})


def test_a_gateway_that_does_not_answer_is_replaced_by_the_fallback(tmp_path, monkeypatch, caplog):
    """With a remark; without a fallback it is an error."""
    from d1lab.d1.sqlite import SqliteDatabase
    from d1lab.d1.transport import Transport

    (tmp_path / "notebooks").mkdir()
    inner = SqliteDatabase.create(tmp_path / "d1.sqlite")
    api = D1Api(inner)

    def send(_self, request: httpx2.Request, **_how) -> httpx2.Response:
        if request.url.host == "gateway.example":
            raise httpx2.ConnectError("down")
        return api(request)

    monkeypatch.setattr(httpx2.Client, "send", send)
    assert Transport
    rest = "d1://0123456789abcdef0123456789abcdef/11111111-2222-3333-4444-555555555555"
    chosen = {"url": URL, "fallback": rest}
    found = load_settings(
        root=tmp_path,
        databases={"shop": chosen},
        database="shop",
        read_token="read",
        gateway_reader="reader",
    )
    with closing(connect(found)) as db:
        assert db.url == rest
        assert db.query("SELECT 1").rows == [(1,)]
    assert "Continuing with d1://" in caplog.text
    inner.close()
