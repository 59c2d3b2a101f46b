"""Consume a Cloudflare Queue over HTTP: pull, write to D1, and only then acknowledge.

For apps that send events to a queue without d1lab's events Worker. A message that is delivered
again, because its lease ended or an answer was lost, writes nothing twice: events are identified by
`(shop, event_id)`. Invalid events are recorded in `d1lab_rejected_events`, each with its reason.

Source of the API: developers.cloudflare.com/queues/configuration/pull-consumers.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import httpx2
import orjson
from pydantic import SecretStr

from d1lab.catalog import REJECTED
from d1lab.d1 import envelope
from d1lab.d1.database import Database
from d1lab.d1.encoding import to_json
from d1lab.d1.rest import CLOUDFLARE
from d1lab.d1.transport import Transport
from d1lab.ingest.events import track
from d1lab.ingest.views import count_views, is_view

BATCH_MESSAGES = 100  # the most that Cloudflare gives in one pull
LEASE_MILLISECONDS = 120_000  # time to write them to D1

_BODY_CHARACTERS = 10_000  # of a rejected event, as recorded
_REJECT = """
INSERT INTO d1lab_rejected_events (reason, body, rejected_at)
SELECT value ->> 0, value ->> 1, datetime('now') FROM json_each(?1)
"""


class Message(NamedTuple):
    """A leased message: its events, or why it has none."""

    lease_id: str
    events: tuple[object, ...]
    reason: str = ""  # its body cannot be read


class DrainResult(NamedTuple):
    """Counts of what was consumed: events = written + known + rejected + views."""

    messages: int  # acknowledged
    events: int
    written: int
    known: int  # already in D1
    rejected: int
    views: int  # views and carts, counted now or before


class Queue:
    """A queue's pull consumer.

    Args:
        account: The Cloudflare account's ID.
        queue: The queue's ID.
        token: An API token with the permission Queues:Edit.
        handler: The HTTP transport; tests pass `httpx2.MockTransport`.
    """

    def __init__(
        self,
        account: str,
        queue: str,
        token: SecretStr,
        *,
        handler: httpx2.BaseTransport | None = None,
    ) -> None:
        self._token = token
        base = f"{CLOUDFLARE}{account}/queues/{queue}/messages"
        self._transport = Transport(base, handler=handler)

    def pull(self) -> list[Message]:
        """Lease the next messages; empty if there are none at the moment."""
        body = {"batch_size": BATCH_MESSAGES, "visibility_timeout_ms": LEASE_MILLISECONDS}
        return self._transport.post("/pull", self._token, body, _messages, again=True)

    def acknowledge(self, messages: Sequence[Message]) -> None:
        """Remove messages from the queue."""
        body = {"acks": [{"lease_id": message.lease_id} for message in messages], "retries": []}
        self._transport.post("/ack", self._token, body, envelope.object_of, again=True)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


def drain(db: Database, queue: Queue, *, max_messages: int | None = None) -> DrainResult:
    """Consume a queue until it gives no more messages.

    Args:
        db: A database with `order_events` and the events Worker's tables.
        queue: The queue.
        max_messages: Stop after so many messages, rounded up to a pull. None for no limit.

    Raises:
        D1Error: Cloudflare or D1 failed. What was not acknowledged comes again.
    """
    total = DrainResult(0, 0, 0, 0, 0, 0)
    while max_messages is None or total.messages < max_messages:
        messages = queue.pull()
        if not messages:
            break
        done = _write(db, messages)
        queue.acknowledge(messages)
        total = DrainResult(*(ours + more for ours, more in zip(total, done, strict=True)))
    return total


def _write(db: Database, messages: Sequence[Message]) -> DrainResult:
    events = [event for message in messages for event in message.events]
    views = [event for event in events if is_view(event)]
    lines = [event for event in events if not is_view(event)]
    result = track(db, cast("list[dict[str, Any]]", lines))
    reasons = count_views(db, cast("list[dict[str, Any]]", views)) if views else []
    rejected = [(each.reason, lines[each.position - 1]) for each in result.rejected]
    rejected += [(why, view) for why, view in zip(reasons, views, strict=True) if why]
    unreadable = [(message.reason, "") for message in messages if message.reason]
    _record(db, [*rejected, *unreadable])
    return DrainResult(
        len(messages),
        len(events),
        result.written,
        result.known,
        len(rejected) + len(unreadable),
        sum(not why for why in reasons),
    )


def _record(db: Database, rejected: Sequence[tuple[str, object]]) -> None:
    if rejected:
        rows = [(reason, _shown(body)) for reason, body in rejected]
        db.execute(_REJECT, (to_json(rows),), table=REJECTED)


def _shown(body: object) -> str:
    return orjson.dumps(body, default=str).decode(errors="replace")[:_BODY_CHARACTERS]


def _messages(found: Any) -> list[Message]:
    """Read the response of a pull."""
    listed = envelope.object_of(found).get("messages")
    if not isinstance(listed, list):
        raise envelope.MisshapenError("no list of messages")
    return [_message(envelope.object_of(each)) for each in cast("list[Any]", listed)]


def _message(pulled: dict[str, Any]) -> Message:
    lease = pulled.get("lease_id")
    if not isinstance(lease, str):
        raise envelope.MisshapenError("a message has no lease")
    for text in _spellings(pulled.get("body")):
        try:
            body: object = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        return Message(
            lease, tuple(cast("list[object]", body)) if isinstance(body, list) else (body,)
        )
    return Message(lease, (), "the message is not JSON")


def _spellings(body: object) -> Iterator[bytes | str]:
    """Yield what a body can be: JSON as it is, or in Base64, as the content type decides."""
    if not isinstance(body, str):
        yield orjson.dumps(body)
        return
    yield body
    try:
        yield base64.b64decode(body, validate=True)
    except ValueError:
        return
