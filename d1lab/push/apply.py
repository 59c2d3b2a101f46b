"""Apply or revert the rows of a before-image.

Reverting is applying with the ends swapped. A row is written only if it still has the values last
read; a row that something else changed is left alone and listed. Written rows are read
back and compared.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from d1lab.d1 import Database, Value
from d1lab.d1.compare_and_set import remove, swap
from d1lab.d1.write import fetch, insert_new
from d1lab.errors import D1QueryError, PushError
from d1lab.push.before_image import BeforeImage, ImageRow, State
from d1lab.push.staged import Key

Progress = Callable[[str, int, int], None]

_SAME_DIGITS = 1e-12  # numbers that agree to twelve digits count as equal
_STEP = 10_000  # rows between two progress reports


class Applied(NamedTuple):
    """The rows of an image after an apply or revert."""

    arrived: int
    left: dict[Key, State]  # neither the previous nor the new values: changed by something else


class Classified(NamedTuple):
    """The rows of an image before an apply or revert."""

    todo: dict[Key, State]  # with their current values
    arrived: int
    left: dict[Key, State]


def states(db: Database, image: BeforeImage, keys: Iterable[Key]) -> dict[Key, State]:
    """Return the current values of the written columns of these rows. Reads each row once."""
    asked = list(keys)
    found = fetch(db, image.table, image.key, image.columns, asked)
    return {key: found.get(key) for key in asked}


def same(one: State, other: State) -> bool:
    """Whether two states have equal values, allowing for SQLite's storage (2.0 becomes 2)."""
    if one is None or other is None:
        return one is other
    return all(map(_equal, one, other))


def is_empty(state: State) -> bool:
    """Whether there is no row, or one in which every written column is NULL."""
    return state is None or all(value is None for value in state)


def classify_apply(image: BeforeImage, now: dict[Key, State]) -> Classified:
    """Sort an image's rows for apply: to write, already written, or changed by something else."""

    def is_unchanged(state: State, change: ImageRow) -> bool:
        is_new = change.before is None and is_empty(state)
        return is_new or same(state, change.before)

    return _classify(image, now, lambda state, change: same(state, change.after), is_unchanged)


def classify_revert(image: BeforeImage, now: dict[Key, State]) -> Classified:
    """Sort an image's rows for revert: to restore, already restored, or changed elsewhere."""
    return _classify(
        image,
        now,
        lambda state, change: _restored(state, change.before),
        lambda state, change: same(state, change.after),
    )


def _classify(
    image: BeforeImage,
    now: dict[Key, State],
    has_arrived: Callable[[State, ImageRow], bool],
    is_unchanged: Callable[[State, ImageRow], bool],
) -> Classified:
    todo: dict[Key, State] = {}
    left: dict[Key, State] = {}
    arrived = 0
    for key, change in image.changes.items():
        if has_arrived(now[key], change):
            arrived += 1
        else:
            group = todo if is_unchanged(now[key], change) else left
            group[key] = now[key]
    return Classified(todo, arrived, left)


def apply(
    db: Database, image: BeforeImage, now: dict[Key, State], progress: Progress | None
) -> Applied:
    """Write the staged values, and read them back.

    Args:
        db: The database.
        image: The rows to change.
        now: Their current values, from `states`.
        progress: Called with the table, the rows done, and the total rows.

    Raises:
        PushError: D1 rejected a row, or a row reads back differently than written.
    """
    rows = classify_apply(image, now)
    for part in _parts(list(rows.todo), image.table, progress):
        _write(db, image, {key: rows.todo[key] for key in part})
    found = states(db, image, rows.todo)
    for key in rows.todo:
        if not same(found[key], image.changes[key].after):
            raise _mismatch(image, key, image.changes[key].after, found[key])
    return Applied(rows.arrived + len(rows.todo), rows.left)


def revert(
    db: Database, image: BeforeImage, now: dict[Key, State], progress: Progress | None
) -> Applied:
    """Restore the previous values, and read them back; arguments and errors as in `apply`.

    A row that the push inserted is deleted if no other column was filled since; otherwise
    it stays, with the d1lab-owned columns NULL.
    """
    rows = classify_revert(image, now)
    for part in _parts(list(rows.todo), image.table, progress):
        _restore(db, image, {key: rows.todo[key] for key in part})
    found = states(db, image, rows.todo)
    for key in rows.todo:
        if not _restored(found[key], image.changes[key].before):
            raise _mismatch(image, key, image.changes[key].before, found[key])
    return Applied(rows.arrived + len(rows.todo), rows.left)


def _write(db: Database, image: BeforeImage, rows: dict[Key, State]) -> None:
    after = {key: image.changes[key].after for key in rows}
    held = [(key, now, after[key]) for key, now in rows.items() if now is not None]
    new = [(*key, *after[key]) for key, now in rows.items() if now is None]
    try:
        if held:
            swap(db, image.table, image.key, image.columns, held)
        if new:
            insert_new(db, image.table, image.key, (*image.key, *image.columns), new)
    except D1QueryError as error:
        raise PushError(
            f"D1 rejected results for {image.table!r}: {error}. Rows written before "
            "the error stay. Fix the cause and push again, or undo with `d1lab "
            "rollback`."
        ) from error


def _restore(db: Database, image: BeforeImage, rows: dict[Key, State]) -> None:
    before = {key: image.changes[key].before for key in rows}
    made = {key: now for key, now in rows.items() if now is not None and before[key] is None}
    if made:
        _delete_inserted(db, image, made)
    held = [
        (key, now, old)
        for key, now in rows.items()
        if now is not None and (old := before[key]) is not None
    ]
    if held:
        swap(db, image.table, image.key, image.columns, held)


def _delete_inserted(db: Database, image: BeforeImage, rows: dict[Key, tuple[Value, ...]]) -> None:
    """Delete inserted rows without other values; set d1lab-owned columns to NULL in the rest."""
    defaults = _defaults(db, image)
    if defaults is not None:
        names = (*image.columns, *defaults)
        untouched = [(key, (*now, *defaults.values())) for key, now in rows.items()]
        remove(db, image.table, image.key, names, untouched)
    nothing = (None,) * len(image.columns)
    kept = [(key, now, nothing) for key, now in rows.items()]
    swap(db, image.table, image.key, image.columns, kept)


def _defaults(db: Database, image: BeforeImage) -> dict[str, Value] | None:
    """Return the values that a row inserted by the push has in all other columns.

    None if a default is not a plain literal, such as CURRENT_TIMESTAMP: then a later change to
    the row cannot be detected.
    """
    ours = {*image.key, *image.columns}
    sql = "SELECT name, dflt_value FROM pragma_table_xinfo(?1) WHERE hidden = 0"
    found: dict[str, Value] = {}
    for name, text in db.query(sql, (image.table,), table=image.table).rows:
        if name in ours:
            continue
        try:
            found[str(name)] = _literal(text)
        except ValueError:
            return None
    return found


def _literal(text: Value) -> Value:
    """Parse a column default as SQLite shows it: NULL, a number, or a quoted text.

    >>> _literal("0"), _literal("'it''s'"), _literal(None)
    (0, "it's", None)
    """
    if text is None or str(text).upper() == "NULL":
        return None
    word = str(text)
    if len(word) >= 2 and word[0] == word[-1] == "'":
        return word[1:-1].replace("''", "'")
    return int(word) if word.lstrip("+-").isdigit() else float(word)


def _restored(now: State, before: State) -> bool:
    return is_empty(now) if before is None else same(now, before)


def _equal(one: Value, other: Value) -> bool:
    if isinstance(one, float) or isinstance(other, float) or type(one) is not type(other):
        return _close(one, other)
    return one == other


def _close(one: Value, other: Value) -> bool:
    """Compare numbers to twelve digits; a column with TEXT affinity returns a number as text."""
    if one is None or other is None or isinstance(one, bytes) or isinstance(other, bytes):
        return one == other
    try:
        return math.isclose(float(one), float(other), rel_tol=_SAME_DIGITS)
    except ValueError:
        return one == other


def _parts(keys: list[Key], table: str, progress: Progress | None) -> Iterable[list[Key]]:
    for start in range(0, len(keys), _STEP):
        yield keys[start : start + _STEP]
        if progress:
            progress(table, min(start + _STEP, len(keys)), len(keys))


def _mismatch(image: BeforeImage, key: Key, expected: State, found: State) -> PushError:
    named = ", ".join(f"{name} {value!r}" for name, value in zip(image.key, key, strict=True))
    where = f"row ({named}) of {image.table!r}"
    advice = (
        "Another process wrote it at the same time, or a trigger of the app changes it. "
        "Rows written so far stay. Push again, or undo with `d1lab rollback`."
    )
    if expected is None or found is None:
        was = "no row" if expected is None else "the row"
        return PushError(
            f"{where}: wrote {was}, read back {'no row' if found is None else found}. {advice}"
        )
    name, want, got = next(
        (name, want, got)
        for name, want, got in zip(image.columns, expected, found, strict=True)
        if not _equal(want, got)
    )
    return PushError(f"{where}, column {name!r}: wrote {want!r}, read back {got!r}. {advice}")
