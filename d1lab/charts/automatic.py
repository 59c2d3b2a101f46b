"""A picture of any frame: which columns to draw, in which form, chosen by their kinds.

    dates and numbers       a line, one per name if a column has at most six names
    names and numbers       bars, the 40 largest
    two columns of names    a heat map, or bars of counts
    two columns of numbers  points
    one column of numbers   its distribution

Rows that share a place are added up; percentages are averaged. The title says so.
"""

# pyright: standard

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from d1lab.charts.forms import MAX_BARS, MAX_MARKS, MAX_ROWS, bar, heatmap, line, points
from d1lab.display.labels import Labels, column_meanings
from d1lab.display.table import TableColumn, describe_columns
from d1lab.display.values import plain, sentence_case, show
from d1lab.errors import InputError, UnknownName

if TYPE_CHECKING:
    import pandas as pd

SERIES = 6
BINS = 30
_ROWS = "rows"
_SAMPLE = 1_000  # rows that decide the kind of a column


class _Choice(NamedTuple):
    """The columns to draw."""

    x: str
    y: str | None  # None: rows are counted
    color: str | None


class _Picture:
    """A frame with the meaning of its columns, about to be drawn."""

    def __init__(self, frame: pd.DataFrame, labels: Labels, currency: str) -> None:
        self.frame = frame
        names = list(frame.columns)
        top: list[Sequence[Any]] = list(frame.head(_SAMPLE).itertuples(index=False, name=None))
        rows = tuple(tuple(map(plain, row)) for row in top)
        words = column_meanings(names, {}, labels, currency)
        described = describe_columns(names, top, rows, *(words[k] for k in _MEANINGS))
        self.columns = {column.name: _unless_id(column) for column in described}
        self.labels, self.currency = labels, currency

    def choose(self, x: str | None, y: str | None, color: str | None) -> _Choice:
        """Complete the given columns by the kinds of the others."""
        for name in filter(None, (x, y, color)):
            if name not in self.columns:
                raise UnknownName("column", name, self.columns, "the frame")
        left = [name for name in self.columns if name not in (x, y, color)]
        names = self._of(left, "text")
        numbers = [name for name in left if self.columns[name].numeric]
        if x is None:
            x = next(iter([*self._periods(left), *names, *self._of(left, "date"), *numbers]))
        numbers = [name for name in numbers if name != x]
        if y is None and numbers:
            y = numbers[0]
        if color is None and self.columns[x].kind == "date":
            color = next((n for n in names if n != x and 1 < self._variety(n) <= SERIES), None)
        return _Choice(x, y, color)

    def _of(self, names: list[str], kind: str) -> list[str]:
        return [name for name in names if self.columns[name].kind == kind]

    def _periods(self, names: list[str]) -> list[str]:
        """Return the columns of dates before the first number: later ones rarely are periods."""
        numeric = [self.columns[name].numeric for name in names]
        before = numeric.index(True) if any(numeric) else len(names)
        return self._of(names[:before], "date")

    def _variety(self, name: str) -> int:
        return self.frame[name].astype(str).nunique()

    def draw(self, chosen: _Choice, title: str) -> Any:
        """Draw the chosen columns in the form that suits their kinds."""
        kind = self.columns[chosen.x].kind
        is_number = self.columns[chosen.x].numeric
        if is_number and chosen.y is None:
            return self._distribution(chosen.x, title)
        if is_number:
            return self._cloud(chosen, title)
        second = next((n for n in self._of(list(self.columns), "text") if n != chosen.x), None)
        if kind == "text" and chosen.y and second and self._is_grid(chosen.x, second):
            return self._grid(chosen.x, second, chosen.y, title)
        frame, y, how = self._by_place(chosen)
        words = self._words(title or f"{self._label(y)} by {self._in_words(chosen)}{how}", frame, y)
        if kind == "date":
            return line(frame, chosen.x, y, color=chosen.color, **words)
        return self._bars(frame, chosen.x, y, words)

    def _by_place(self, chosen: _Choice) -> tuple[pd.DataFrame, str, str]:
        """Return one row per place, the column of heights, and how rows were combined."""
        keys = [chosen.x, *([chosen.color] if chosen.color else [])]
        frame = self.frame.dropna(subset=[chosen.x])
        if self.columns[chosen.x].kind == "date" and frame[chosen.x].nunique() > MAX_ROWS // SERIES:
            import pandas as pd

            days = pd.to_datetime(frame[chosen.x]).dt.normalize()
            frame = frame.assign(**{chosen.x: days})
        grouped = frame.groupby(keys, sort=self.columns[chosen.x].kind == "date", dropna=False)
        if chosen.y is None:
            return grouped.size().reset_index(name=_ROWS), _ROWS, ""
        if not frame.duplicated(keys).any():
            return frame[[*keys, chosen.y]], chosen.y, ""
        averaged = self.columns[chosen.y].kind == "percent"
        values = grouped[chosen.y].mean() if averaged else grouped[chosen.y].sum(min_count=1)
        return values.reset_index(), chosen.y, ", mean" if averaged else ", total"

    def _bars(self, frame: pd.DataFrame, x: str, y: str, words: dict[str, Any]) -> Any:
        total = len(frame)
        if total > MAX_BARS:
            order = frame[y].astype(float).abs().sort_values(ascending=False, kind="stable").index
            frame = frame.loc[order[:MAX_BARS]]
            words["title"] += f" ({MAX_BARS} largest of {total:,})"
        return bar(frame.assign(**{x: frame[x].astype(str)}), x, y, **words)

    def _is_grid(self, x: str, y: str) -> bool:
        cells = self._variety(x) * self._variety(y)
        return 1 < self._variety(y) <= MAX_BARS and cells <= MAX_MARKS and self._fills(x, y, cells)

    def _fills(self, x: str, y: str, cells: int) -> bool:
        pairs = self.frame[[x, y]].astype(str)
        return not pairs.duplicated().any() and len(pairs) >= 0.4 * cells

    def _grid(self, x: str, y: str, value: str, title: str) -> Any:
        wide, high = sorted((x, y), key=self._variety)
        text = title or f"{self._label(value)} by {self._label(high)} and {self._label(wide)}"
        return heatmap(self.frame, wide, high, value, **self._words(text, self.frame, value))

    def _cloud(self, chosen: _Choice, title: str) -> Any:
        assert chosen.y is not None
        step = math.ceil(len(self.frame) / MAX_MARKS)
        frame, how = self.frame.iloc[::step], f", every {step:,}th row" if step > 1 else ""
        text = title or f"{self._label(chosen.y)} and {self._label(chosen.x)}{how}"
        words = self._words(text, frame, chosen.y)
        return points(frame, chosen.x, chosen.y, color=chosen.color, **words)

    def _distribution(self, name: str, title: str) -> Any:
        import numpy as np
        import pandas as pd

        values = self.frame[name].dropna().astype(float)
        values = values[np.isfinite(values)]
        whole = bool((values == values.round()).all()) and values.nunique() <= BINS
        edges = np.arange(values.min(), values.max() + 2) if whole else BINS
        counts, ends = np.histogram(values, bins=edges)
        frame = pd.DataFrame({name: ends[:-1], "to": ends[1:], _ROWS: counts})
        words = self._words(title or f"Distribution of {self._label(name)}", frame, _ROWS)
        return bar(frame, name, _ROWS, x_end="to", **words)

    def _label(self, name: str) -> str:
        return self.columns[name].label if name in self.columns else sentence_case(name)

    def _in_words(self, chosen: _Choice) -> str:
        parts = [chosen.x, chosen.color] if chosen.color else [chosen.x]
        return " and ".join(self._label(name).lower() for name in parts)

    def _words(self, title: str, frame: pd.DataFrame, y: str) -> dict[str, Any]:
        """Return title, description, and labels for a form."""
        column = self.columns.get(y) or TableColumn(y, sentence_case(y), "", "integer")
        known = frame[y].dropna()
        ends = [show(plain(end), column.kind, column.unit) for end in (known.min(), known.max())]
        description = f"{title}: {len(frame):,} values, from {ends[0]} to {ends[1]}."
        meaning = {"known_labels": self.labels, "currency": self.currency}
        return {"title": title, "description": description, **meaning}


_MEANINGS = ("labels", "units", "kinds")


def _unless_id(column: TableColumn) -> TableColumn:
    """Return the column; as text if its numbers are keys, which no one adds up."""
    is_id = column.kind == "integer" and (column.name == "id" or column.name.endswith("_id"))
    return column._replace(kind="text") if is_id else column


def plot(
    frame: pd.DataFrame,
    *,
    x: str | None,
    y: str | None,
    color: str | None,
    title: str,
    labels: Labels,
    currency: str,
) -> Any:
    """Draw a frame in the form that suits its columns.

    Args:
        frame: Rows, from `as_frame`.
        x: Column across; None to choose it.
        y: Column of the values; None to choose it.
        color: Column of names that splits the rows; None to choose it.
        title: Title; empty to name the columns.
        labels: Labels by column.
        currency: Currency of amounts.

    Raises:
        UnknownName: A column does not exist.
        InputError: There is nothing to draw.
    """
    frame = frame.dropna(axis=1, how="all")
    if frame.empty:
        raise InputError("there are no values to plot")
    picture = _Picture(frame, labels, currency)
    return picture.draw(picture.choose(x, y, color), title)


def as_frame(shown: Any) -> pd.DataFrame:
    """Convert a frame, relation, Arrow table, series, or list of values to a pandas frame.

    An index with names or dates becomes a column.

    Raises:
        InputError: It is none of these.
    """
    import pandas as pd

    for name in ("df", "to_pandas"):  # DuckDB; Arrow and polars
        if hasattr(shown, name):
            shown = getattr(shown, name)()
    if isinstance(shown, list | tuple) or (
        hasattr(shown, "__array__") and not hasattr(shown, "loc")
    ):
        shown = pd.Series(shown)
    if isinstance(shown, pd.Series):
        shown = shown.to_frame(shown.name if shown.name is not None else "value")
    if not isinstance(shown, pd.DataFrame):
        raise InputError(f"a plot requires a frame, a relation, or a series, not {_kind(shown)}")
    bare = isinstance(shown.index, pd.RangeIndex) or shown.index.dtype.kind in "iu"
    if not (bare and shown.index.name is None):
        shown = shown.reset_index()
    names: list[str] = []
    for name in map(str, shown.columns):
        names.append(name if name not in names else f"{name}_{len(names)}")
    return shown.set_axis(names, axis=1)


def _kind(shown: object) -> str:
    return type(shown).__name__
