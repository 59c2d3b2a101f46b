"""The REST client and its errors, without a network and without waiting."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from pydantic import SecretStr

from d1lab.d1 import Statement
from d1lab.d1.rest import RestDatabase
from d1lab.d1.transport import ATTEMPTS, PATIENCE_SECONDS, _retry_wait
from d1lab.errors import (
    D1AuthError,
    D1Error,
    D1LimitError,
    D1OverloadedError,
    D1QueryError,
    D1QuotaError,
    D1TooBigError,
    D1UnavailableError,
    InputError,
    UnknownName,
)

ACCOUNT = "0123456789abcdef0123456789abcdef"
DATABASE = "11111111-2222-3333-4444-555555555555"
URL = f"d1://{ACCOUNT}/{DATABASE}"
READ, WRITE = "read-token-5ecret", "write-token-5ecret"
QUOTA = (
    "Your account has exceeded D1's free tier daily row read limit. Upgrade to a paid plan or "
    "wait until tomorrow (midnight UTC) to continue."
)

Answer = httpx2.Response | Exception


def success(*results: dict) -> httpx2.Response:
    results = results or (rows([[1]], "a"),)
    return httpx2.Response(200, json={"success": True, "errors": [], "result": list(results)})


def rows(cells: list[list], *columns: str, **meta: int) -> dict:
    return {
        "success": True,
        "results": {"columns": list(columns), "rows": cells},
        "meta": {"rows_read": len(cells), "rows_written": 0, "changes": 0} | meta,
    }


def failure(message: str, status: int = 400, code: int = 7500, **headers: str) -> httpx2.Response:
    body = {"success": False, "errors": [{"code": code, "message": message}], "result": None}
    return httpx2.Response(status, json=body, headers=headers)


class Server:
    """Responds with the given answers in turn, repeats the last one, and records the requests."""

    def __init__(self, *answers: Answer | Callable[[httpx2.Request], Answer]) -> None:
        self.answers, self.requests = list(answers), []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer = answer(request) if callable(answer) else answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def bodies(self) -> list[dict]:
        return [json.loads(request.content) for request in self.requests]


def connect(server: Server, url: str = URL, **options) -> RestDatabase:
    options = {"read_token": SecretStr(READ), "write_token": SecretStr(WRITE)} | options
    return RestDatabase(url, handler=httpx2.MockTransport(server), **options)


PASSING = [
    failure("D1 DB reset because its code was updated.", 500),
    failure("D1 DB storage caused object to be reset.", 500),
    failure("Network connection lost."),
    failure("Internal error while starting up D1 DB storage caused object to be reset."),
    failure("Cannot resolve D1 DB due to transient issue on remote node."),
    failure("Too many requests", 429, 10429),
    failure("Request Timeout", 408),
    failure("Too Early", 425),
    httpx2.Response(502, text="<html>bad gateway</html>"),
    httpx2.Response(200, text="<html>a portal of the hotel</html>"),
    httpx2.Response(200, content=b""),
    httpx2.Response(200, content=success().content[:-20]),
    httpx2.Response(400, text="[" * 100_000),
    httpx2.ReadTimeout("timed out"),
    httpx2.ConnectError("connection refused"),
]


@pytest.mark.parametrize("fault", PASSING)
def test_query_is_sent_again_after_a_temporary_error(fault: Answer):
    """Reading twice is harmless."""
    server = Server(fault, fault, success())
    assert connect(server).query("SELECT 1 AS a").rows == [(1,)]
    assert len(server.requests) == 3


@pytest.mark.parametrize("fault", PASSING)
def test_write_is_never_sent_twice(fault: Answer):
    """A write may have taken effect even if its response was lost."""
    for write in (
        lambda db: db.execute("INSERT INTO t VALUES (1)"),
        lambda db: db.batch([Statement("SELECT 1"), Statement("DELETE FROM t")]),
    ):
        server = Server(fault, success())
        with pytest.raises(D1UnavailableError):
            write(connect(server))
        assert len(server.requests) == 1


@pytest.mark.parametrize("fault", PASSING)
def test_idempotent_write_is_sent_again(fault: Answer):
    """A caller can declare that sending a write twice is harmless."""
    server = Server(fault, success())
    connect(server).execute("UPDATE t SET a = 1", idempotent=True)
    assert len(server.requests) == 2


def test_query_gives_up_in_the_end():
    """An error that persists is raised unchanged."""
    server = Server(failure("Network connection lost."))
    with pytest.raises(D1UnavailableError, match="Network connection lost"):
        connect(server).query("SELECT 1")
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failure("no such table: t: SQLITE_ERROR"), D1QueryError),
        (failure("no such table: t: SQLITE_ERROR", 500, 10001), D1QueryError),
        (failure("UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT"), D1QueryError),
        (failure("The database could not be found", 404, 7404), D1QueryError),
        (failure("too many SQL variables at offset 3: SQLITE_ERROR"), D1LimitError),
        (failure("not authorized: SQLITE_AUTH"), D1LimitError),
        (failure("Exceeded maximum DB size"), D1LimitError),
        (failure("string or blob too big: SQLITE_TOOBIG"), D1TooBigError),
        (failure("Payload too large", 413), D1TooBigError),
        (failure("D1 DB is overloaded. Too many requests queued.", 429), D1OverloadedError),
        (failure("D1 DB exceeded its CPU time limit and was reset."), D1OverloadedError),
        (failure("D1 DB exceeded its memory limit and was reset."), D1OverloadedError),
        (failure("D1 DB storage operation exceeded timeout."), D1OverloadedError),
        (failure("Authentication error", 403, 10000), D1AuthError),
        (failure("Invalid request headers", 400, 6003), D1AuthError),
        (failure(QUOTA), D1QuotaError),
        (success({"success": False, "error": "no such table: t"}), D1QueryError),
        (httpx2.Response(404, text="not here"), D1QueryError),
    ],
)  # fmt: skip
def test_permanent_errors_are_raised_immediately(answer: httpx2.Response, error: type[D1Error]):
    """Sending the request again would not help, and HTTP 200 alone does not mean success."""
    server = Server(answer)
    with pytest.raises(error) as raised:
        connect(server).query("SELECT 1")
    assert type(raised.value) is error
    assert len(server.requests) == 1
    assert raised.value.status == answer.status_code


def test_quota_error_says_until_when():
    """A daily limit lasts until the next midnight in UTC."""
    before = datetime.now(UTC)
    with pytest.raises(D1QuotaError, match=r"resets at \d{4}-\d\d-\d\d 00:00 UTC") as raised:
        connect(Server(failure(QUOTA))).query("SELECT 1")
    assert before < raised.value.resets_at <= datetime.now(UTC) + timedelta(days=1)
    assert (raised.value.resets_at.hour, raised.value.resets_at.minute) == (0, 0)


def test_retry_after_is_respected():
    """The server's Retry-After replaces the client's own delay, unless it is too long."""
    server = Server(failure("Too many requests", 429, 10429, **{"retry-after": "17"}), success())
    connect(server).query("SELECT 1")
    with pytest.raises(D1UnavailableError) as raised:
        connect(Server(failure("Too many requests", 429, **{"retry-after": "17"}))).execute(
            "DELETE FROM t"
        )
    assert raised.value.retry_after_seconds == 17
    assert _retry_wait(raised.value) == 17
    assert _retry_wait(D1UnavailableError("lost")) is True
    assert (
        _retry_wait(D1UnavailableError("limit", retry_after_seconds=PATIENCE_SECONDS + 1)) is False
    )
    assert _retry_wait(D1QueryError("wrong")) is False


def test_reads_and_writes_have_a_token_each():
    """A pull has no write token, and a read is never sent with one."""
    server = Server(lambda request: success())
    db = connect(server)
    db.query("SELECT 1")
    db.execute("SELECT 1")
    db.execute("DELETE FROM t")
    tokens = [request.headers["authorization"] for request in server.requests]
    assert tokens == [f"Bearer {READ}", f"Bearer {READ}", f"Bearer {WRITE}"]
    assert {str(request.url) for request in server.requests} == {
        f"https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/d1/database/{DATABASE}/raw"
    }


def test_writes_need_a_write_token():
    """Without a write token nothing is sent, and without any token the database is not opened."""
    server = Server(success())
    with pytest.raises(D1AuthError, match="D1LAB_WRITE_TOKEN"):
        connect(server, write_token=None).execute("DELETE FROM t")
    with pytest.raises(InputError, match="read-only"):
        connect(server, read_only=True).execute("DELETE FROM t")
    assert server.requests == []
    with pytest.raises(D1AuthError, match="D1LAB_READ_TOKEN"):
        connect(server, read_token=None, write_token=None)


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("late"),
        failure("Authentication error", 403, 10000),
        failure(QUOTA),
        httpx2.Response(500, text="<html>"),
    ],
)
def test_tokens_are_never_shown(answer: Answer, caplog: pytest.LogCaptureFixture):
    """No error, cause, log, address, or repr contains a token."""
    caplog.set_level(logging.DEBUG)
    db = connect(Server(answer))
    shown = [repr(db), str(vars(db)), db.url]
    for call in (lambda: db.query("SELECT 1"), lambda: db.execute("DELETE FROM t")):
        try:
            call()
        except D1Error as error:
            shown.append("".join(traceback.format_exception(error)))
            shown.append(repr(vars(error)))
    assert "5ecret" not in "".join(shown) + caplog.text
    assert len(shown) == 7


@pytest.mark.parametrize("token", ["tökén-5ecret", "5ecret\n", "5ecret two", "5ecret\x00"])
def test_tokens_that_cannot_be_sent_are_rejected_without_showing_them(token: str):
    """These tokens are not valid in a header, and the HTTP library's error would show them."""
    for options in ({"read_token": SecretStr(token)}, {"write_token": SecretStr(token)}):
        with pytest.raises(D1AuthError) as refused:
            RestDatabase(URL, handler=httpx2.MockTransport(Server(success())), **options)
        assert "5ecret" not in str(refused.value)


def test_unknown_id_says_what_to_check():
    """Cloudflare responds alike for a wrong account, a wrong database, and no permission."""
    db = connect(Server(failure("gone", 404)))
    with pytest.raises(D1QueryError, match=r"^gone\. Check the account and database in the URL"):
        db.tables()


@pytest.mark.parametrize(
    "url",
    [
        "d1://only-account",
        f"d1://{ACCOUNT}/{DATABASE}/raw",
        f"d1://{ACCOUNT}/../../user",
        f"d1://token@{ACCOUNT}/{DATABASE}",
        f"d1://{ACCOUNT}/{DATABASE}?token=x",
        "wrangler+http://127.0.0.1/db",
        "wrangler+http://127.0.0.1:80/a/b",
        "wrangler+http://user:secret@127.0.0.1:80/db",
        "wrangler+http://example.com:8787/db",
        "wrangler+http://10.0.0.1:8787/db",
        "wrangler+http://localhost.example.com:8787/db",
    ],
)
def test_open_rejects_unsafe_addresses(url: str):
    """Malformed URLs, secrets in URLs, and plain HTTP to another machine are rejected."""
    with pytest.raises(InputError):
        connect(Server(success()), url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.0.0.2"])
def test_open_uses_plain_http_to_this_machine(host: str):
    """The local engine needs no token and gets none."""
    listed = httpx2.Response(200, json={"success": True, "result": [{"name": "DB", "uuid": "x1"}]})
    server = Server(listed, listed, success())
    assert connect(server, f"wrangler+http://{host}:8787/DB").query("SELECT 1").rows == [(1,)]
    assert "authorization" not in server.requests[-1].headers
    assert server.requests[-1].url.path.endswith("/d1/database/x1/raw")


def test_database_is_found_by_name_over_pages():
    """A name is looked up once, in a list of any number of pages."""
    pages = [
        [{"name": f"db{i}", "uuid": f"id{i}"} for i in range(start, start + 3)] for start in (0, 3)
    ]
    answers = [
        httpx2.Response(200, json={"success": True, "result": page}) for page in (*pages, [])
    ]
    server = Server(*answers, lambda request: success())
    db = connect(server, f"d1://{ACCOUNT}/db4")
    db.query("SELECT 1")
    db.query("SELECT 1")
    assert [request.url.path.rpartition("/")[2] for request in server.requests[3:]] == ["raw"] * 2
    assert server.requests[-1].url.path.endswith("/id4/raw")


def test_unknown_database_is_rejected_before_it_is_created():
    """The local engine would create an empty database for any ID, so its list is checked first."""
    listed = httpx2.Response(200, json={"success": True, "result": [{"name": "shop", "uuid": "x"}]})
    server = Server(lambda request: listed)
    with pytest.raises(UnknownName, match="Did you mean 'shop'"):
        connect(server, "wrangler+http://127.0.0.1:8787/shopp").query("SELECT 1")
    assert {request.method for request in server.requests} == {"GET"}


def test_parameters_are_sent_as_text():
    """The API binds only text, so other values are sent inside one JSON text."""
    server = Server(success())
    connect(server).query("SELECT ?1, ?2, '?3', ?3", ("a", 2**53 + 1, b"\x00"))
    body = server.bodies[0]
    assert body["params"] == ["a", '[9007199254740993,{"blob":"00"}]']
    assert "SELECT ?1, json_extract(?2, '$[0]'), '?3', CASE" in body["sql"]


def test_texts_are_sent_as_they_are():
    """A statement with only text parameters is not rewritten."""
    server = Server(success())
    connect(server).query("SELECT value FROM json_each(?1)", ("[1]",))
    assert server.bodies == [{"sql": "SELECT value FROM json_each(?1)", "params": ["[1]"]}]


def test_batch_is_one_request():
    """The statements of a batch are sent together, and their results are in the same order."""
    server = Server(success(rows([[1]], "a"), rows([], rows_written=2, changes=1)))
    db = connect(server)
    delete = Statement("DELETE FROM t WHERE a = ?1", ("x",))
    results = db.batch([Statement("SELECT 1 AS a"), delete], table="t")
    assert [list(body) for body in server.bodies] == [["batch"]]
    assert [result.changes for result in results] == [0, 1]
    assert db.meter.by_table == {"t": (1, 1, 2)}


def test_rounded_integers_are_read_again():
    """An integer that JSON rounded is detected, and a second read returns every cell exactly."""
    first = rows([[1, 9007199254740992, "x"]], "id", "big", "name")
    second = rows([["i1", "i9007199254740993", "tx"]], "c0", "c1", "c2")
    server = Server(success(first), success(second))
    result = connect(server).query("SELECT id, big, name FROM t WHERE id = ?1", ("1",))
    assert result.rows == [(1, 9007199254740993, "x")]
    assert result.columns == ("id", "big", "name")
    assert result.usage == (2, 2, 0)
    assert "WITH q(c0, c1, c2) AS (\nSELECT id, big, name" in server.bodies[1]["sql"]
    assert server.bodies[1]["params"] == ["1"]


def test_rounded_integers_of_a_write_are_not_passed_on():
    """RETURNING cannot be read again, so a rounded integer in it is an error."""
    server = Server(success(rows([[9007199254740992]], "big", changes=1)))
    with pytest.raises(D1QueryError, match="the write succeeded"):
        connect(server).execute("INSERT INTO t VALUES (1) RETURNING big")
    assert len(server.requests) == 1


def test_bookmark_is_time_travels():
    """The bookmark is Cloudflare's own, or None if there is none; it is never an error."""
    found = httpx2.Response(200, json={"success": True, "result": {"bookmark": "0000-1"}})
    server = Server(found)
    assert connect(server).bookmark() == "0000-1"
    assert server.requests[0].url.path.endswith(f"/{DATABASE}/time_travel/bookmark")
    assert connect(Server(failure("not allowed", 403, 10000))).bookmark() is None
    nothing = httpx2.Response(200, json={"success": True, "result": None})
    assert connect(Server(nothing)).bookmark() is None


def test_answers_that_orjson_rejects_are_read():
    """A lone surrogate does not make a read fail."""
    results = rb'{"columns":["a","b"],"rows":[["\ud800",Infinity]]}'
    body = rb'{"success":true,"result":[{"success":true,"results":%b,"meta":{}}]}' % results
    result = connect(Server(httpx2.Response(200, content=body))).query("SELECT 1")
    assert result.rows == [("\ud800", float("inf"))]


def _without(result: dict, *path: str, value: object = None) -> httpx2.Response:
    """Return a successful response with another value at one place of its only result."""
    part = result
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value
    return success(result)


def _one() -> dict:
    return rows([[1, "x"]], "a", "b")


MISSHAPEN = [
    httpx2.Response(200, json=None),
    httpx2.Response(200, json=[]),
    httpx2.Response(200, json={"result": [_one()]}),
    httpx2.Response(200, json={"success": "yes", "result": [_one()]}),
    httpx2.Response(200, json={"success": False, "errors": [], "result": [_one()]}),
    httpx2.Response(200, json={"success": False, "errors": "x", "result": [_one()]}),
    *(
        httpx2.Response(200, json={"success": True, "result": result})
        for result in (None, {}, [], "x", [None], [[]], [_one(), _one()])
    ),
    *(
        _without(_one(), "results", value=value)
        for value in (None, {}, [], "x", 1, {"rows": []}, {"columns": []}, {"columns": ["a"]})
    ),
    *(_without(_one(), "results", "columns", value=v) for v in (None, "ab", [], ["a"], ["a", 1])),
    *(
        _without(_one(), "results", "rows", value=value)
        for value in (None, "x", {}, [1], [None], [[1]], [[1, 2, 3]], [[1, {}]], [[1, True]])
    ),
    *(_without(_one(), "results", "rows", value=[[1, blob]]) for blob in ([256], [None], ["x"])),
    *(_without(_one(), "meta", value=value) for value in (None, [], "x")),
    *(
        _without(_one(), "meta", "rows_read", value=value)
        for value in ("x", -1, True, [], {}, 2**70)
    ),
    _without(_one(), "success", value="yes"),
]


@pytest.mark.parametrize("answer", MISSHAPEN)
def test_a_malformed_response_is_not_a_result(answer: httpx2.Response):
    """It is requested again and never counts as "no rows"; a write is not sent twice."""
    server = Server(answer, success(_one()))
    assert connect(server).query("SELECT a, b FROM t").rows == [(1, "x")]
    assert len(server.requests) == 2
    with pytest.raises(D1UnavailableError):
        connect(Server(answer)).batch([Statement("SELECT a, b FROM t")])


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, json={"success": True, "result": None}),
        _without(_one(), "results", "rows", value=[[1]]),
        _without(_one(), "meta", "changes", value="x"),
    ],
)
def test_a_malformed_response_to_a_write_is_an_error(answer: httpx2.Response):
    """Whether the write took effect is unknown, so it is reported and not sent again."""
    server = Server(answer)
    with pytest.raises(D1UnavailableError, match="incomplete or damaged"):
        connect(server).execute("DELETE FROM t RETURNING a, b")
    assert len(server.requests) == 1


@pytest.mark.parametrize("results", [None, {}, [], {"columns": [], "rows": []}])
def test_a_write_needs_no_rows(results: object):
    """The engine returns no results for a statement without RETURNING, in several forms."""
    answer = _without(rows([], changes=3), "results", value=results)
    assert connect(Server(answer)).execute("DELETE FROM t").changes == 3


def test_a_response_with_too_few_rows_is_not_a_result():
    """An aggregate always has one row; without it, the response is incomplete."""
    server = Server(success(rows([], "a")), success(rows([[0]], "a")))
    sql = "SELECT count(*) AS a FROM t"
    assert connect(server).batch([Statement(sql, least_rows=1)])[0].rows == [(0,)]
    assert len(server.requests) == 2


@pytest.mark.parametrize("lists", [rows([], "schema", "name", "type", "wr"), rows([["main"]], "x")])
def test_an_empty_list_of_tables_is_an_error(lists: dict):
    """Every database lists at least `sqlite_schema`, so an empty list means a damaged response."""
    with pytest.raises(D1UnavailableError):
        connect(Server(success(lists))).tables()


def test_the_list_of_databases_and_the_size_are_checked():
    """Their shape is checked too: a missing part is requested again and is not an unknown name."""
    broken = httpx2.Response(200, json={"success": True, "result": [{"name": "db4"}]})
    listed = [{"name": "db4", "uuid": "id4"}]
    whole = [httpx2.Response(200, json={"success": True, "result": r}) for r in (listed, [])]
    server = Server(broken, *whole, lambda request: success())
    assert connect(server, f"d1://{ACCOUNT}/db4").query("SELECT 1").rows == [(1,)]
    sizes = [{"file_size": "x"}, None, {"file_size": 12}]
    answers = [httpx2.Response(200, json={"success": True, "result": size}) for size in sizes]
    assert connect(Server(*answers)).size_bytes() == 12


def test_the_newest_answer_with_a_size_is_the_databases_size():
    """D1 sends it with each result; an answer without it changes nothing."""
    answers = [success(rows([[1]], "a", size_after=size)) for size in (8192, 4096)]
    db = connect(Server(*answers, success(rows([[1]], "a"))))
    assert db.meter.size_bytes is None
    for _ in range(3):
        db.query("SELECT 1")
    assert db.meter.size_bytes == 4096


@pytest.mark.parametrize(
    "about", [{"jurisdiction": 3}, {"read_replication": {"mode": []}}, {"created_at": "soon"}]
)
def test_details_of_another_form_are_an_error(about: dict):
    """They are asked for again, and never taken for an unset property."""
    answer = httpx2.Response(200, json={"success": True, "result": about})
    with pytest.raises(D1UnavailableError, match="incomplete or damaged"):
        connect(Server(answer)).details()
