"""Several users of one database in step: what all of them wait for goes out in one request.

    together = Together(db, 7)
    with together.member() as mine:      in each of seven threads
        mine.query(...)                  waits until all seven ask, or have left

Every request is a round trip, and one of Cloudflare's 1,200 in 5 minutes. Users that do the same
with different rows, such as the pushes of several reports, then take as many requests as one of
them. Each still sees its own results, errors, and usage, as if it were alone. A user that takes one
step more than the others does so before they go on: bookmarks come before reads, and these before
writes, so that all are soon in step again.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from threading import Condition

from d1lab.d1 import limits
from d1lab.d1.database import Database, Meter, Result, Statement, TableInfo, Usage, Value
from d1lab.d1.schema import read_tables
from d1lab.errors import D1LimitError, D1OverloadedError, D1QueryError, D1TooBigError

_MOST_STATEMENTS = 200  # of one batch
_MOST_BYTES = 2_000_000  # of its parameters: D1 has to finish it within 30 seconds
_OF_ONE = (D1QueryError, D1LimitError, D1TooBigError, D1OverloadedError)
"""Errors of a batch that may come from one of its calls alone."""


class _Call:
    """What a member asks; without statements, the bookmark."""

    def __init__(self, statements: Sequence[Statement] = (), *, idempotent: bool = False) -> None:
        self.statements = list(statements)
        self.is_read = all(limits.is_read(each.sql) for each in statements)
        self.is_alone = not (self.is_read or idempotent)  # it must not be repeated for others
        self.order = 0 if not statements else 1 if self.is_read else 2
        self.idempotent = idempotent
        self.is_answered = False
        self.results: list[Result] = []
        self.bookmark: str | None = None
        self.error: BaseException | None = None

    @property
    def bytes(self) -> int:
        """The size of its parameters."""
        params = (value for each in self.statements for value in each.params)
        return sum(len(value) for value in params if isinstance(value, str | bytes))

    def follow(self, leader: _Call) -> None:
        """Take the answer to an equal call, which is billed only once."""
        if leader is not self:
            self.error = leader.error
            self.results = [each._replace(usage=Usage()) for each in leader.results]


class Together:
    """Joins the calls of several threads.

    Args:
        db: The database, over HTTP.
        members: The number of threads that will be a member, each once.
    """

    def __init__(self, db: Database, members: int) -> None:
        self.db, self._members = db, members
        self._waiting: list[_Call] = []
        self._turn = Condition()

    @contextmanager
    def member(self) -> Generator[Database]:
        """Yield the database as this member sees it; the others wait for its calls."""
        try:
            yield _Member(self)
        finally:
            with self._turn:
                self._members -= 1
                self._answer()

    def ask(self, call: _Call) -> _Call:
        """Wait until all members ask, and return the call with its answer."""
        with self._turn:
            self._waiting.append(call)
            self._answer()
            self._turn.wait_for(lambda: call.is_answered)
        if call.error is not None:
            raise call.error
        return call

    def _answer(self) -> None:
        """Answer the calls of one kind, if all members ask."""
        if not self._waiting or len(self._waiting) < self._members:
            return
        first = min(call.order for call in self._waiting)
        calls = [call for call in self._waiting if call.order == first]
        self._waiting = [call for call in self._waiting if call.order != first]
        if first == 0:
            self._mark(calls)
        else:
            leaders = _leaders(calls)
            for group in _groups(call for call in calls if leaders[id(call)] is call):
                self._send(group)
            for call in calls:
                call.follow(leaders[id(call)])
        for call in calls:
            call.is_answered = True
        self._turn.notify_all()

    def _mark(self, calls: list[_Call]) -> None:
        """Ask for the bookmark, once."""
        try:
            bookmark = self.db.bookmark()
        except BaseException as error:  # noqa: BLE001  each member raises it
            for call in calls:
                call.error = error
        else:
            for call in calls:
                call.bookmark = bookmark

    def _send(self, group: list[_Call]) -> None:
        """Send calls in one batch; after an error that may be of one of them, each by itself."""
        statements = [each for call in group for each in call.statements]
        try:
            results = self.db.batch(statements, idempotent=group[0].idempotent)
        except _OF_ONE as error:
            if len(group) == 1:
                group[0].error = error
            else:
                for call in group:
                    self._send([call])
        except BaseException as error:  # noqa: BLE001  each member raises it
            for call in group:
                call.error = error
        else:
            rest = iter(results)
            for call in group:
                call.results = [next(rest) for _ in call.statements]


def _leaders(calls: Iterable[_Call]) -> dict[int, _Call]:
    """Return for each call the one to send: members often read the same."""
    first: dict[tuple[Statement, ...], _Call] = {}
    return {
        id(call): first.setdefault(tuple(call.statements), call) if call.is_read else call
        for call in calls
    }


def _groups(calls: Iterable[_Call]) -> Iterator[list[_Call]]:
    """Yield the calls of each request: neither too many nor too large."""
    group: list[_Call] = []
    for call in calls:
        if call.is_alone:
            yield [call]
            continue
        joined = [*group, call]
        is_small = sum(len(each.statements) for each in joined) <= _MOST_STATEMENTS
        if group and not (is_small and sum(each.bytes for each in joined) <= _MOST_BYTES):
            yield group
            joined = [call]
        group = joined
    if group:
        yield group


class _Member:
    """The database as one of several users sees it: see `Database`."""

    def __init__(self, together: Together) -> None:
        self._together = together
        self.url, self.meter = together.db.url, Meter()

    def query(self, sql: str, params: Sequence[Value] = (), *, table: str = "") -> Result:
        """Run one read statement."""
        limits.require_read(sql)
        return self.batch([Statement(sql, tuple(params))], table=table)[0]

    def execute(
        self, sql: str, params: Sequence[Value] = (), *, table: str = "", idempotent: bool = False
    ) -> Result:
        """Run one statement that can write."""
        return self.batch([Statement(sql, tuple(params))], table=table, idempotent=idempotent)[0]

    def batch(
        self, statements: Sequence[Statement], *, table: str = "", idempotent: bool = False
    ) -> list[Result]:
        """Run statements in one transaction, perhaps with those of others."""
        if not statements:
            return []
        results = self._together.ask(_Call(statements, idempotent=idempotent)).results
        used = sum((result.usage for result in results), Usage())
        self.meter.add(table, used)
        shared = self._together.db.meter  # it has counted them for no table
        shared.add("", Usage() - used)
        shared.add(table, used)
        return results

    def tables(self) -> dict[str, TableInfo]:
        """Return the user's tables by name."""
        return read_tables(self)

    def bookmark(self) -> str | None:
        """Return the database's bookmark."""
        return self._together.ask(_Call()).bookmark

    def others_mark(self) -> None:
        """Return None: other members write through the same connection."""

    def size_bytes(self) -> int | None:
        """Return the database's size."""
        return self._together.db.size_bytes()

    def close(self) -> None:
        """Nothing to close: the connection is that of all members."""
