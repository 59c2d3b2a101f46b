"""Valid files and texts, mutated, given to the commands that take them.

Every answer is fine but a traceback, an exit code that is not documented, or silence about what is
wrong.
"""

from __future__ import annotations

import io
import random
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from traceback import format_exception_only
from typing import NamedTuple
from unittest import mock

from d1lab.cli import main
from d1lab.d1.migrate import migrate
from d1lab.d1.sqlite import SqliteDatabase
from d1lab.ingest.events import track
from d1lab.pull import pull
from tests.support import small_shop
from validation.chaos import shop
from validation.chaos.tally import Outcome, unforeseen

CODES = frozenset((0, 1, 2, 3, 4, 75))
NASTY = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"'", b",", b";", b"\t", b"\r\n", b"=", b"[", b"{",
    b"-1", b"1e999", b"NaN", b"9" * 30, b"2026-02-30", b"0000-00-00", b"\xf0\x9f\x98\x80", b"null",
    b"../../x", b"%s", b"{{7*7}}", "١٢".encode(), b"\xed\xa0\x80", b"1.23457E+12", b"a" * 5_000,
)  # fmt: skip
METRIC = """-- own: orders and revenue of each day
-- unit: orders, money      grain: day      reads: order_lines
-- revenue: Revenue, money
SELECT day, count(DISTINCT order_id) AS orders, sum(revenue) AS revenue
FROM order_lines WHERE shop = $shop GROUP BY day ORDER BY day
"""
MAP = 'order_id = "Name"\nsku = "Lineitem sku"\nquantity = "Lineitem quantity"\n'


class Target(NamedTuple):
    """A file to mutate, and the command that reads it; without a file, its last argument."""

    arguments: tuple[str, ...]
    file: str = ""
    content: bytes = b""  # of a file that the project does not have


def _dry(*arguments: str) -> tuple[str, ...]:
    return (*arguments, "--dry-run")


TARGETS = (
    Target(_dry("track", "events.jsonl"), "events.jsonl"),
    Target(_dry("ingest", "orders", "orders.csv", "--shop", "corner"), "orders.csv"),
    Target(_dry("ingest", "costs", "costs.csv"), "costs.csv"),
    Target(_dry("ingest", "prices", "prices.csv"), "prices.csv"),
    Target(_dry("ingest", "products", "products.csv", "--shop", "corner"), "products.csv"),
    Target(_dry("ingest", "stock", "stock.csv", "--shop", "corner", "--day", "2026-04-29"),
           "stock.csv"),
    Target(_dry("ingest", "orders", "orders.csv", "--shop", "corner", "--map-file", "map.toml"),
           "map.toml", MAP.encode()),
    Target(("tables",), "d1lab.toml"),
    Target(("metrics", "own", "--set", "shop=corner"), "metrics/own.sql", METRIC.encode()),
    Target(("sql", "SELECT day, sum(revenue) FROM order_lines GROUP BY day LIMIT 3")),
    Target(("sql", "--d1", "SELECT count(*) FROM order_events WHERE shop = 'corner'")),
    Target(("search", "winter sock")),
    Target(("metrics", "turnover", "--set", "shop=corner", "--set", "days=30")),
    Target(("ab", "500/10000", "560/10000")),
    Target(_dry("prune", "--keep", "90d")),
)  # fmt: skip


@cache
def _project() -> Path:
    """A project with a database and a warehouse."""
    folder = shop.create(Path(mkdtemp(prefix="chaos-inputs-")))
    for target in TARGETS:
        if target.content:
            path = folder / target.file
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(target.content)
    shop.empty_database(folder / "d1.sqlite")
    with closing(SqliteDatabase(folder / "d1.sqlite")) as db:
        migrate(db)
        track(db, small_shop.events())
        pull(db, folder / "data" / shop.DATABASE, database=shop.DATABASE)
    return folder


def cases(inputs: int, seed: int) -> Iterator[tuple[int, int]]:
    """Targets in turn, each with a seed of its own."""
    for number in range(inputs):
        yield number % len(TARGETS), seed + number


def attempt(case: tuple[int, int]) -> Outcome:
    """Mutate one input, and run its command."""
    place, seed = case
    target, drawn = TARGETS[place], random.Random(seed)
    folder = _project()
    if not target.file:
        last = mutated(target.arguments[-1].encode(), drawn).decode(errors="surrogateescape")
        return _outcome(folder, (*target.arguments[:-1], last.replace("\0", "")), seed)
    path = folder / target.file
    before = path.read_bytes()
    path.write_bytes(mutated(before, drawn))
    try:
        return _outcome(folder, target.arguments, seed)
    finally:
        path.write_bytes(before)


def mutated(content: bytes, drawn: random.Random) -> bytes:
    """Content with one to four changes."""
    for _ in range(drawn.randint(1, 4)):
        content = drawn.choice(CHANGES)(content, drawn)
    return content


def _cut(content: bytes, drawn: random.Random) -> bytes:
    return content[: drawn.randint(0, len(content))]


def _without(content: bytes, drawn: random.Random) -> bytes:
    start = drawn.randint(0, len(content))
    return content[:start] + content[start + drawn.randint(1, 40) :]


def _flipped(content: bytes, drawn: random.Random) -> bytes:
    if not content:
        return content
    place = drawn.randrange(len(content))
    return content[:place] + bytes([drawn.randrange(256)]) + content[place + 1 :]


def _inserted(content: bytes, drawn: random.Random) -> bytes:
    place = drawn.randint(0, len(content))
    return content[:place] + drawn.choice(NASTY) + content[place:]


def _replaced_cell(content: bytes, drawn: random.Random) -> bytes:
    cells = content.split(b",")
    cells[drawn.randrange(len(cells))] = drawn.choice(NASTY)
    return b",".join(cells)


def _repeated_line(content: bytes, drawn: random.Random) -> bytes:
    lines = content.splitlines(keepends=True)
    if lines:
        lines.insert(drawn.randint(0, len(lines)), drawn.choice(lines))
    return b"".join(lines)


CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut, _without, _flipped, _inserted, _replaced_cell, _repeated_line,
)  # fmt: skip


def _outcome(folder: Path, arguments: tuple[str, ...], seed: int) -> Outcome:
    case = f"{' '.join(arguments[:2])!r}, seed {seed}"
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        try:
            code = _call(arguments)
        except Exception as error:  # noqa: BLE001  this is what the campaign looks for
            return Outcome(case, traceback=format_exception_only(error)[-1].strip())
    said = err.getvalue()
    if error := unforeseen(said):
        return Outcome(case, traceback=error)
    is_silent = code not in (0, 1) and not said.strip()
    return Outcome(case, wrong=code not in CODES or is_silent)


def _call(arguments: tuple[str, ...]) -> int:
    with mock.patch.object(sys, "argv", ["d1lab", *arguments]), _no_settings():
        try:
            main()
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    return 0


@contextmanager
def _no_settings() -> Generator[None]:
    import os

    kept: Mapping[str, str] = {k: v for k, v in os.environ.items() if not k.startswith("D1LAB_")}
    with mock.patch.dict(os.environ, {**kept, "D1LAB_SALT": "a salt of this campaign"}, clear=True):
        yield


def forget_starts() -> None:
    """Remove what the attempts worked on."""
    if _project.cache_info().currsize:
        shutil.rmtree(_project(), ignore_errors=True)
    _project.cache_clear()
