"""A list of A/B tests, one row each: state, difference, money, checks, advice, and evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, Literal, NamedTuple, cast

from d1lab.counting import counted
from d1lab.display.notebook_style import framed
from d1lab.display.values import UNKNOWN, Kind, as_text, show


class Estimate(NamedTuple):
    """A number with its range; an end is None if it is not bounded."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def sign(self) -> int:
        """1 or -1 if the whole range is on one side of 0, else 0."""
        if self.low is not None and self.low > 0:
            return 1
        return -1 if self.high is not None and self.high < 0 else 0


class CheckOfTest(NamedTuple):
    """One check of a test, in a few words."""

    state: Literal["passed", "open", "failed"]
    text: str


class PerVisitor(NamedTuple):
    """One measure of both variants."""

    label: str
    kind: Kind
    a: float | None
    b: float | None
    difference: Estimate | None = None  # relative


class Course(NamedTuple):
    """The difference and its range at each look; an end is None if it is not bounded."""

    days: tuple[str, ...] = ()  # ISO dates
    values: tuple[float | None, ...] = ()
    lows: tuple[float | None, ...] = ()
    highs: tuple[float | None, ...] = ()


class AbTestRow(NamedTuple):
    """One test."""

    anchor: str
    name: str
    state: Literal["running", "ended", "planned"]
    times: str  # such as 'Running since Dec 12, 2017, day 21, 61% of plan'
    arms: str  # what A and B are
    visitors: int | None
    measure: str  # what the difference is of, such as 'orders'
    difference: Estimate | None  # relative
    month: Estimate | None  # profit in 30 days if all visitors saw B
    checks: tuple[CheckOfTest, ...]
    verb: str
    reason: str
    is_losing: bool = False  # whether it surely loses money while it runs
    action: str = ""  # anchor of its action; '' without one
    change: str = ""  # what the action changes, such as '$2,332 lost a month'
    per_visitor: tuple[PerVisitor, ...] = ()
    course: Course = Course()
    method: str = ""


class AbTestList(NamedTuple):
    """Tests in the order of the page; `total` counts those without a row, too."""

    rows: tuple[AbTestRow, ...]
    total: int
    currency: str = ""
    table: str = ""  # name of the table with all tests

    MIME = "application/vnd.d1lab.ab-tests.v1+json"

    @classmethod
    def from_json(cls, bundle: Mapping[str, Any]) -> AbTestList:
        """Build a list from its JSON bundle."""
        rows = tuple(_row(record) for record in bundle["rows"])
        return cls(rows, bundle["total"], bundle["currency"], bundle["table"])

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        lines = [
            (row.verb, row.name, row.times, _percent(row.difference), row.reason)
            for row in self.rows
        ]
        cells = "".join(
            f"<tr><td><strong>{escape(verb)}</strong></td><td>{escape(name)}</td>"
            f'<td class="muted">{escape(times)}</td><td class="n">{escape(value)}</td>'
            f"<td>{escape(reason)}</td></tr>"
            for verb, name, times, value, reason in lines
        )
        return {
            self.MIME: cast("dict[str, Any]", _plain(self)),
            "text/plain": "\n".join(
                [counted(self.total, "test"), *("  ".join(line) for line in lines)]
            ),
            "text/html": framed(f"<table><tbody>{cells}</tbody></table>"),
        }


def _percent(estimate: Estimate | None) -> str:
    return UNKNOWN if estimate is None else show(estimate.value, "percent", digits=0)


def _plain(value: Any) -> Any:
    """Convert named tuples to JSON objects, and other sequences to lists."""
    if hasattr(value, "_asdict"):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in cast("tuple[Any, ...]", value)]
    return value


def _row(record: Mapping[str, Any]) -> AbTestRow:
    fields: dict[str, Any] = dict(record)
    fields["difference"] = _estimate(record["difference"])
    fields["month"] = _estimate(record["month"])
    fields["checks"] = tuple(CheckOfTest(**check) for check in record["checks"])
    fields["per_visitor"] = tuple(
        PerVisitor(**one)._replace(difference=_estimate(one["difference"]))
        for one in record["per_visitor"]
    )
    course: Mapping[str, Sequence[Any]] = record["course"]
    fields["course"] = Course(**{name: tuple(values) for name, values in course.items()})
    return AbTestRow(**fields)


def _estimate(record: Mapping[str, Any] | None) -> Estimate | None:
    return None if record is None else Estimate(**record)
