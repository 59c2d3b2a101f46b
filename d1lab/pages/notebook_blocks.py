"""Conversion of an executed notebook to page blocks (data only, no foreign markup).

From the outputs of a cell, the page uses d1lab's own bundles, Vega-Lite charts, Markdown, images,
and plain text. It never uses text/html or scripts, which could contain text from a shop's data.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

from markupsafe import Markup

from d1lab.charts.plain_svg import live_spec
from d1lab.charts.theme import is_interactive
from d1lab.display import DataTable, Figures, Note, Verdict
from d1lab.display.ab_test_list import AbTestList
from d1lab.display.actions import Actions
from d1lab.display.details import Details
from d1lab.display.table import TableColumn
from d1lab.display.values import sentence_case
from d1lab.pages.markdown import last_level, render_markdown, split_title
from d1lab.pages.sections import PageSection, sections
from d1lab.pages.svg import MIME, draw

RAISES_TAG = "raises-exception"  # a cell whose error is expected
HIDDEN = {"hide", "skip-run"}  # cells without code and output on the page
SILENT = {"parameters", "injected-parameters"}  # the page has its own list of parameters
MAX_TEXT = 8_000  # characters of one plain-text output
MAX_PICTURE = 150_000  # characters of one base64 image
NUMBERS = 80  # rows of a chart shown as a table; its file has all rows


class ProseBlock(NamedTuple):
    """Rendered Markdown."""

    html: Markup
    form: str = "prose"


class ChartBlock(NamedTuple):
    """A chart with its description and numbers, or the reason why it was not drawn."""

    name: str
    title: str
    description: str
    svg: Markup
    numbers: DataTable | None  # rows shown on the page
    whole: DataTable | None  # all rows, if there are more
    problem: str = ""
    is_interactive: bool = False
    form: str = "chart"


class DisplayBlock(NamedTuple):
    """A table, details, a note, a verdict, or a list of tests within the notebook's text."""

    value: DataTable | Details | Note | Verdict | AbTestList
    form: str


class TextBlock(NamedTuple):
    """Plain output: printed lines, warnings, or the text of a value."""

    text: str
    label: str
    form: str = "text"


class ImageBlock(NamedTuple):
    """An image from a cell, as a data URI."""

    source: str
    form: str = "picture"


class CodeBlock(NamedTuple):
    """Source of one code cell."""

    number: int  # counted from 1
    source: str
    failed: bool = False


class NotebookContent(NamedTuple):
    """Content of a notebook, in order."""

    verdict: Verdict | None
    blocks: tuple[Any, ...]
    code: tuple[CodeBlock, ...]
    specs: dict[str, dict[str, Any]]  # specifications of the interactive charts, by name
    details: tuple[DataTable, ...] = ()  # of the items that tables name

    @property
    def sections(self) -> list[PageSection]:
        """Return the blocks grouped by heading, those to fold marked."""
        return sections(self.blocks)

    @property
    def tables(self) -> list[DataTable]:
        """Return the tables, without those of charts."""
        return [b.value for b in self.blocks if b.form == "table"]

    @property
    def forms(self) -> set[str]:
        """Return the kinds of its blocks."""
        return {block.form for block in self.blocks}

    @property
    def cut(self) -> list[DataTable]:
        """Return the full tables of charts whose numbers the page cuts."""
        return [b.whole for b in self.blocks if isinstance(b, ChartBlock) and b.whole]


def read_notebook(
    notebook: Mapping[str, Any], failed_cell: int | None = None, *, whole: bool = True
) -> NotebookContent:
    """Read the content of an executed notebook.

    The first verdict and the key figures are in the page header, so they are not repeated.

    Args:
        notebook: nbformat 4, as JSON.
        failed_cell: Index of the cell that failed, if any.
        whole: Whether the run completed. Otherwise the content ends with the last started cell,
            to avoid headings without content.
    """
    cells = notebook.get("cells", ())
    cells = cells if whole else cells[: _last_begun(cells, failed_cell) + 1]
    blocks: list[Any] = []
    code: list[CodeBlock] = []
    level, titled = 1, False
    for index, cell in enumerate(cells):
        tags = set(cell.get("metadata", {}).get("tags", ()))
        if tags & HIDDEN or any(tag.startswith("papermill-error") for tag in tags):
            continue
        source = _text(cell.get("source", ""))
        if cell.get("cell_type") == "markdown":
            if not titled:
                title, source = split_title(source)
                titled = bool(title)
            prose = render_markdown(source, level)
            level = last_level(prose) if "<h" in prose else level
            blocks += [ProseBlock(prose)] if prose.strip() else []
        elif cell.get("cell_type") == "code":
            if not tags & SILENT and source.strip():
                code.append(CodeBlock(index + 1, source, index == failed_cell))
            blocks += _outputs(cell.get("outputs", ()), index, may_raise=RAISES_TAG in tags)
    while not whole and blocks and _is_bare_heading(blocks[-1]):
        blocks.pop()
    return _assembled(blocks, code)


def _is_bare_heading(block: Any) -> bool:
    return isinstance(block, ProseBlock) and bool(re.fullmatch(r"<h(\d)>.*</h\1>\s*", block.html))


def _last_begun(cells: Sequence[Mapping[str, Any]], failed_cell: int | None) -> int:
    """Return the index of the last started code cell; -1 if none was started."""
    if failed_cell is not None:
        return failed_cell
    begun = (index for index, cell in enumerate(cells) if cell.get("execution_count"))
    return max(begun, default=-1)


def _assembled(blocks: list[Any], code: list[CodeBlock]) -> NotebookContent:
    verdicts = [block for block in blocks if block.form == "verdict"]
    rest = [block for block in blocks if block is not (verdicts[0] if verdicts else None)]
    drawn = [block for block in rest if isinstance(block, _Drawn)]
    live = [block for block in drawn if block.chart.is_interactive and block.chart.svg]
    specs = {block.chart.name: live_spec(block.spec) for block in live}
    shown = tuple(block.chart if isinstance(block, _Drawn) else block for block in rest)
    details = tuple(
        b.value.table for b in shown if isinstance(b, DisplayBlock) and isinstance(b.value, Details)
    )
    shown = tuple(block for block in shown if block.form != "details")
    verdict = verdicts[0].value if verdicts else None
    return NotebookContent(verdict, shown, tuple(code), specs, details)


def _outputs(outputs: Any, index: int, *, may_raise: bool = False) -> Iterator[Any]:
    """Yield the outputs of a code cell as blocks."""
    for position, output in enumerate(outputs):
        kind = output.get("output_type")
        if kind == "stream":
            label = "Printed" if output.get("name") == "stdout" else "Warnings"
            yield _plain(output.get("text", ""), label)
        elif kind == "error" and may_raise:
            error = f"{output.get('ename', '')}: {output.get('evalue', '')}"
            yield _plain(error, "Expected error")
        elif kind in ("display_data", "execute_result"):
            block = _display(output.get("data", {}), f"chart-{index + 1}-{position + 1}")
            if block is not None:
                yield block


def _display(data: Mapping[str, Any], name: str) -> Any:
    """Convert a displayed value from the richest MIME type that the page accepts."""
    if Verdict.MIME in data:
        return DisplayBlock(Verdict.of(**data[Verdict.MIME]), "verdict")
    if Figures.MIME in data or Actions.MIME in data:
        return None  # shown at the top of the page
    if AbTestList.MIME in data:
        return DisplayBlock(AbTestList.from_json(data[AbTestList.MIME]), "ab_tests")
    if DataTable.MIME in data:
        return DisplayBlock(DataTable.from_json(data[DataTable.MIME]), "table")
    if Details.MIME in data:
        return DisplayBlock(Details.from_json(data[Details.MIME]), "details")
    if Note.MIME in data:
        return DisplayBlock(Note.of(**data[Note.MIME]), "note")
    for mime, value in data.items():
        if mime.startswith(MIME):
            return _chart(value, name)
    if "text/markdown" in data:
        return ProseBlock(render_markdown(_text(data["text/markdown"]), 3))
    if "image/png" in data:
        return _picture(_text(data["image/png"]))
    return _plain(data["text/plain"], "Value") if "text/plain" in data else None


class _Drawn(NamedTuple):
    """A chart with its specification, for the page's script."""

    chart: ChartBlock
    spec: Mapping[str, Any]
    form: str = "chart"


def _chart(spec: Mapping[str, Any], name: str) -> _Drawn:
    declared: Any = spec.get("title") or ""
    title = str(cast("Any", declared).get("text", "") if type(declared) is dict else declared)
    description = str(spec.get("description") or title or "A chart without a description.")
    rows = _rows(spec)
    svg, problem = "", ""
    if rows == []:
        problem = "The chart has no rows."
    else:
        try:
            svg = draw(spec, f"{name}-")
        except (ValueError, ET.ParseError) as error:
            problem = f"This chart could not be drawn: {str(error).splitlines()[-1][:300]}"
    whole = _numbers(spec, rows, title or description, name) if rows else None
    numbers = _top(whole) if whole else None
    cut = whole if numbers and numbers.csv else None
    live = is_interactive(spec)
    drawn = ChartBlock(name, title, description, Markup(svg), numbers, cut, problem, live)
    return _Drawn(drawn, spec)


def _rows(spec: Mapping[str, Any]) -> list[Mapping[str, Any]] | None:
    """Return the rows of a chart; None if it does not have exactly one inline data set."""
    data: dict[str, Any] = spec.get("data") or {}
    values: Any = data.get("values")
    if values is None and "name" in data:
        datasets: dict[str, Any] = spec.get("datasets") or {}
        values = datasets.get(data["name"])
    return cast("list[Mapping[str, Any]]", values) if isinstance(values, list) else None


def _numbers(
    spec: Mapping[str, Any], rows: list[Mapping[str, Any]], title: str, name: str
) -> DataTable:
    """Return the rows of a chart as a table, so that all numbers are readable as text."""
    usermeta: dict[str, Any] = spec.get("usermeta") or {}
    declared: Any = usermeta.get("d1lab", {}).get("columns")
    if declared:
        columns = tuple(TableColumn(*(c[name] for name in TableColumn._fields)) for c in declared)
    else:
        columns = tuple(TableColumn(name, sentence_case(name)) for name in rows[0])
    cells = tuple(tuple(_cell(row.get(c.name)) for c in columns) for row in rows)
    named = tuple(column._replace(name=column.header) for column in columns)
    return DataTable(title, named, cells, len(rows), name=name)


def _top(table: DataTable) -> DataTable:
    """Cut a table to the rows shown on the page, with a link to the file with all rows."""
    if table.total_rows <= NUMBERS:
        return table
    return table._replace(rows=table.rows[:NUMBERS], csv=f"{table.name}.csv")


def _cell(value: Any) -> Any:
    return value.replace("T00:00:00", "") if isinstance(value, str) else value


def _plain(text: Any, label: str) -> TextBlock:
    whole = _text(text).rstrip()
    cut = len(whole) - MAX_TEXT
    if cut <= 0:
        return TextBlock(whole, label)
    return TextBlock(f"{whole[:MAX_TEXT]}\n… ({cut:,} more characters)", label)


def _picture(base64: str) -> ImageBlock | TextBlock:
    """Return a PNG as a data URI if it is small and valid base64, else a note."""
    packed = "".join(base64.split())
    if len(packed) > MAX_PICTURE:
        return TextBlock(f"an image of {len(packed) * 3 // 4:,} bytes was skipped", "Note")
    if not packed.replace("+", "").replace("/", "").rstrip("=").isalnum():
        return TextBlock("an image that is not a PNG was skipped", "Note")
    return ImageBlock(f"data:image/png;base64,{packed}")


def _text(value: Any) -> str:
    """Join nbformat text, which is a string or a list of lines."""
    return "".join(cast("list[str]", value)) if isinstance(value, list) else str(value)
