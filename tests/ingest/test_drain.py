"""The pull consumer of a queue: leases that end, messages that come twice, D1 that fails."""

from __future__ import annotations

import base64
import json
from contextlib import closing
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from d1lab.errors import D1UnavailableError
from d1lab.ingest.drain import Queue, drain
from d1lab.ingest.views import OLDEST_DAYS

ACCOUNT, QUEUE = "0123456789abcdef0123456789abcdef", "feedc0de"


class FakeQueue:
    """Cloudflare's pull consumer: a lease hides a message until its time is over.

    `tick` moves its clock. It delivers a message as JSON in Base64 or as it is, as Cloudflare does
    by content type; `twice` delivers each a second time although it is leased.
    """

    def __init__(self, *bodies: Any, twice: bool = False) -> None:
        self.waiting = dict(enumerate(bodies))
        self.twice, self.now_ms, self.acknowledged = twice, 0, 0
        self._visible_at = dict.fromkeys(self.waiting, 0)
        self._leases: dict[str, tuple[int, int]] = {}  # message and end, by lease
        self._numbers, self._repeated = count(), set[int]()

    def tick(self, milliseconds: int) -> None:
        self.now_ms += milliseconds

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == "Bearer token"
        path, asked = request.url.path, json.loads(request.content)
        assert path.startswith(f"/client/v4/accounts/{ACCOUNT}/queues/{QUEUE}/messages/")
        result = self._pull(asked) if path.endswith("/pull") else self._ack(asked)
        return httpx2.Response(200, json={"success": True, "errors": [], "result": result})

    def _pull(self, asked: dict[str, Any]) -> dict[str, Any]:
        ready = [n for n, at in self._visible_at.items() if at <= self.now_ms and n in self.waiting]
        chosen = ready[: asked["batch_size"]]
        if self.twice:
            chosen += [n for n in self.waiting if n not in chosen and n not in self._repeated][:5]
            self._repeated |= {*chosen} - {*ready}
        until = self.now_ms + asked["visibility_timeout_ms"]
        return {"message_backlog_count": 0, "messages": [self._leased(n, until) for n in chosen]}

    def _leased(self, number: int, until: int) -> dict[str, Any]:
        lease = f"lease{next(self._numbers)}"
        self._leases[lease], self._visible_at[number] = (number, until), until
        body = self.waiting[number]
        text = body if isinstance(body, str) else json.dumps(body)
        if number % 2:
            text = base64.b64encode(text.encode()).decode()
        return {"id": str(number), "lease_id": lease, "attempts": 1, "body": text, "metadata": {}}

    def _ack(self, asked: dict[str, Any]) -> dict[str, Any]:
        for ack in asked["acks"]:
            number, until = self._leases.pop(ack["lease_id"])
            if until > self.now_ms and self.waiting.pop(number, None) is not None:
                self.acknowledged += 1
        return {"ackCount": len(asked["acks"]), "retryCount": 0, "warnings": []}


def opened(fake: FakeQueue) -> Queue:
    return Queue(ACCOUNT, QUEUE, SecretStr("token"), handler=httpx2.MockTransport(fake))


def numbers(db) -> list[str]:
    return [row[0] for row in db.query("SELECT event_id FROM order_events ORDER BY seq").rows]


def test_drain_empties_the_queue(db, event):
    """All messages, of one event or several, in several pulls."""
    fake = FakeQueue([event(0), event(1)], *(event(number) for number in range(2, 250)))
    with closing(opened(fake)) as queue:
        result = drain(db, queue)
    assert (result.messages, result.events, result.written, result.known) == (249, 250, 250, 0)
    assert (fake.waiting, fake.acknowledged) == ({}, 249)
    assert len(numbers(db)) == 250


def test_drain_stops_at_the_limit(db, event):
    """After the pull that reaches it."""
    fake = FakeQueue(*(event(number) for number in range(250)))
    assert drain(db, opened(fake), max_messages=120).messages == 200
    assert len(fake.waiting) == 50


def test_nothing_is_acknowledged_before_d1_has_it(db, event, dying):
    """D1 fails: the messages come again when their lease is over, and count once."""
    fake = FakeQueue(*(event(number) for number in range(3)))
    with pytest.raises(D1UnavailableError):
        drain(dying(db, writes=0), opened(fake))
    assert (fake.acknowledged, len(fake.waiting)) == (0, 3)
    assert drain(db, opened(fake)).messages == 0  # still leased
    fake.tick(200_000)
    assert drain(db, opened(fake)).written == 3
    assert fake.waiting == {}


def test_a_lease_that_ends_too_early_writes_nothing_twice(db, event):
    """D1 was slow: the acknowledgment is of no use, and the message is delivered again."""
    fake = FakeQueue(event(1), event(2))
    slow = _Slow(db, fake)
    result = drain(slow, opened(fake), max_messages=1)
    assert (result.written, len(fake.waiting)) == (2, 2)
    result = drain(db, opened(fake))
    assert (result.written, result.known, fake.waiting) == (0, 2, {})
    assert numbers(db) == ["e1", "e2"]


class _Slow:
    """A database whose writes take longer than a lease."""

    def __init__(self, db: Any, fake: FakeQueue) -> None:
        self._db, self._fake = db, fake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def batch(self, *what: Any, **how: Any) -> Any:
        self._fake.tick(300_000)
        return self._db.batch(*what, **how)


def test_duplicate_deliveries_write_each_event_once(db, event):
    """Also within one pull."""
    fake = FakeQueue(*(event(number) for number in range(20)), event(3), twice=True)
    result = drain(db, opened(fake))
    assert result.written == 20
    assert sorted(numbers(db)) == sorted(f"e{number}" for number in range(20))


def test_rejected_events_are_recorded_and_acknowledged(db, event):
    """Each with its reason; a body that is not JSON, too."""
    fake = FakeQueue(event(1), "no JSON {", event(2, revenue=-1), [1], _view(1, shop=""))
    result = drain(db, opened(fake))
    assert (result.written, result.rejected, fake.waiting) == (1, 4, {})
    rows = db.query("SELECT reason FROM d1lab_rejected_events ORDER BY id").rows
    reasons = [str(reason) for (reason,) in rows]
    assert reasons[2:] == ["shop is missing", "the message is not JSON"]
    assert "revenue" in reasons[0]
    assert "not an object" in reasons[1]


def _view(number: int, **fields: Any) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    base = {"type": "view", "shop": "harbor", "sku": "SOCK", "event_id": f"v{number}"}
    return {**base, "occurred_at": now, **fields}


def test_views_and_carts_are_counted_once(db):
    """Delivered twice, and again later; too old to recognize a repeat is rejected."""
    some = [_view(number) for number in range(4)] + [_view(9, type="cart", sku="HAT")]
    assert drain(db, opened(FakeQueue(*some, some[0]))).views == 6
    assert drain(db, opened(FakeQueue(*some, _view(4)))).views == 6
    counts = "SELECT sku, sum(views), sum(carts) FROM d1lab_sku_days GROUP BY 1 ORDER BY 1"
    assert db.query(counts).rows == [("HAT", 0, 1), ("SOCK", 5, 0)]
    old = _view(5, occurred_at="2020-01-01T00:00:00Z")
    never = _view(6, occurred_at="soon")
    assert drain(db, opened(FakeQueue(old, never, _view(7, sku="x" * 1001)))).rejected == 3
    assert OLDEST_DAYS == 15
