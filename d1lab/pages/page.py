"""Page of a run: one HTML file that needs no server, no requests, and no scripts.

    render_page(run_dir)               returns the HTML
    write_page(run_dir, reports_dir)   writes reports/<database>/<shop>/<report>/..., with CSV files

The content security policy allows only d1lab's own script and style, by hash. Text from the data is
escaped. Charts are SVG with tips; those that a notebook declares interactive bring Vega along.
"""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from d1lab.charts.drawing import drawing_css
from d1lab.charts.theme import palette_css
from d1lab.config import STALE_AFTER
from d1lab.display import Figure
from d1lab.display.actions import load_actions
from d1lab.display.anchors import row_anchor
from d1lab.display.table import TableColumn
from d1lab.errors import InputError
from d1lab.outbox import read_notes
from d1lab.packed_files import is_kept, kept_names, read_packed
from d1lab.pages.action_rows import action_rows
from d1lab.pages.changes import what_changed
from d1lab.pages.item_details import ItemDetails, item_details
from d1lab.pages.key_figures import leading, spark
from d1lab.pages.notebook_blocks import NotebookContent, read_notebook
from d1lab.pages.periods import periods_of
from d1lab.pages.report_cards import report_cards
from d1lab.pages.storage import place, store_page
from d1lab.pages.svg import Script, bundle, csp_hash, pack
from d1lab.pages.table_layout import MOST_CLASSES, Anchors, column_css, table_class
from d1lab.pages.terms import UsedTerms
from d1lab.pages.wording import STATUSES, day, filters, freshness, next_steps
from d1lab.runs.record import LOG_FILE, NOTEBOOK_FILE, RunRecord, load_results, load_run

_logger = logging.getLogger(__name__)

TEMPLATES = Path(__file__).with_name("templates")
STYLES = ("style.css", "actions.css", "drawers.css")
TOP_ROWS = 10  # rows of a table before "Show all"
LOG_LINES = 120


class PreviousRun(NamedTuple):
    """The previous run, for comparison."""

    run: RunRecord | None
    since: str  # its day in words
    remark: str  # differences that affect the comparison; empty without any
    figures: tuple[Figure, ...] = ()


def render_page(
    run_dir: Path,
    *,
    static: bool = False,
    now: datetime | None = None,
    cache_dir: Path | None = None,
    files: str = "",
) -> str:
    """Render the page of a run.

    Args:
        run_dir: Folder of the run: data/<database>/runs/<run id>.
        static: Whether to omit all scripts, for mail and archives. Charts are then static, and a
            page with four charts has at most 150 kB.
        now: Reference time for ages; None for the current time.
        cache_dir: Folder of the packed Vega; None for data/cache.
        files: Relative folder of the CSV files for links; '' for no links.

    Raises:
        InputError: The folder is not one of a run.
    """
    run = load_run(run_dir)
    content = _content(run_dir, run)
    previous = _previous(run_dir, run)
    return _render(
        run_dir, run, content, previous, static=static, now=now, cache_dir=cache_dir, files=files
    )


def _render(
    run_dir: Path,
    run: RunRecord,
    content: NotebookContent,
    previous: PreviousRun,
    *,
    static: bool = False,
    now: datetime | None = None,
    cache_dir: Path | None = None,
    files: str = "",
) -> str:
    scripts = None if static else Scripts.of(content, cache_dir or run_dir.parents[2] / "cache")
    changes = what_changed(load_results(run_dir), previous.figures)
    listed = "ab_tests" in content.forms  # each test has its figures and its action in its row
    sheets = (*STYLES, "ab_tests.css") if listed else STYLES
    style = palette_css() + drawing_css() + "".join(map(asset, sheets)) + column_css()
    page = (
        environment()
        .get_template("page.html")
        .render(
            run=run,
            content=content,
            scripts=scripts,
            style=Markup(style),
            style_policy=_style_policy(style, scripts),
            actions=[] if listed else action_rows(load_actions(run_dir), _stem(run), files),
            cards=report_cards(run_dir, _stem(run), files),
            changes=changes,
            groups=leading(() if listed else changes),
            previous=previous,
            freshness=freshness(run, now or datetime.now(UTC)),
            reads=_reads(run_dir),
            periods=periods_of(run, read_notes(run_dir)),
            log=_log(run_dir),
            steps=next_steps(run),
            view=PageView(
                files,
                scripts is not None,
                Anchors(),
                _drawers(content, static),
                UsedTerms(is_live=scripts is not None),
            ),
            files=files,
        )
    )
    return page.encode("utf-8", "replace").decode()  # lone surrogates cannot be encoded


def write_page(run_dir: Path, reports_dir: Path, *, cache_dir: Path | None = None) -> Path:
    """Write the page and CSV files of a run under `reports_dir`, and update `latest.html`.

    Returns:
        Path of the page. The page of a failed run has a different name, so that it does not
        replace a successful one of the same day.
    """
    run = load_run(run_dir)
    path = place(reports_dir, run)
    content = _content(run_dir, run)
    previous = _previous(run_dir, run)
    page = _render(run_dir, run, content, previous, cache_dir=cache_dir, files=path.stem)
    tables = {name: read_packed(run_dir / name) for name in kept_names(run_dir, ".csv")}
    tables |= {f"{numbers.name}.csv": numbers.csv_content() for numbers in content.cut}
    results, actions = load_results(run_dir), load_actions(run_dir)
    store_page(path, page, run, results, tables, before=previous.figures, actions=actions)
    return path


def _stem(run: RunRecord) -> str:
    """Return the file name, without '.html', of a standard page of the run's day."""
    standard = run.model_copy(update={"given": (), "status": "done"})
    return place(Path(), standard).stem


def _drawers(content: NotebookContent, static: bool) -> dict[str, ItemDetails]:
    """Return the drawers by the anchor of the row; none in mail, which cannot open them."""
    found = [] if static else item_details(content.details, content.tables)
    return {one.row: one for one in found}


def _style_policy(style: str, scripts: Scripts | None) -> str:
    """Return the source expression for styles: the page's own only, unless Vega adds its own."""
    return "'unsafe-inline'" if scripts and scripts.specs else csp_hash(style)


class PageView(NamedTuple):
    """What the parts of a page share."""

    files: str  # relative folder of the CSV files; '' for no links
    is_live: bool  # whether the page has scripts
    anchors: Anchors
    drawers: dict[str, ItemDetails]  # by the anchor of the item's row
    terms: UsedTerms

    def drawer(self, column: TableColumn, cell: Any) -> ItemDetails | None:
        """Return the drawer of a row's item; None without one."""
        return self.drawers.get(row_anchor(column, cell))

    @property
    def open_drawers(self) -> list[ItemDetails]:
        """The drawers that open without scripts."""
        return [one for one in self.drawers.values() if not one.is_packed]

    @property
    def packed_drawers(self) -> str:
        """The HTML of the other drawers, compressed; '' without any."""
        packed = [one for one in self.drawers.values() if one.is_packed]
        parts: Any = environment().get_template("parts.html").module
        return pack(parts.drawers(packed)) if packed else ""


class Scripts(NamedTuple):
    """Scripts of a page: d1lab's own, and for interactive charts their data and Vega."""

    policy: str
    own: Markup
    specs: str
    vega: str

    @classmethod
    def of(cls, content: NotebookContent, cache_dir: Path) -> Scripts:
        """Return the scripts required for the content."""
        own = own_script("page.js")
        vega = bundle(cache_dir) if content.specs else Script("", "")
        hashes = " ".join(filter(None, (csp_hash(own), vega.csp_hash)))
        specs = pack(json.dumps(content.specs)) if content.specs else ""
        return cls(hashes, Markup(own), specs, vega.packed)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the template environment; values are escaped, and a missing value is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters.update(filters() | {"spark": spark, "table_class": table_class})  # pyright: ignore[reportUnknownMemberType]
    names = cast("dict[str, Any]", made.globals)  # pyright: ignore[reportUnknownMemberType]
    names |= {
        "STATUSES": STATUSES,
        "TOP_ROWS": TOP_ROWS,
        "MOST_CLASSES": MOST_CLASSES,
        "STALE_HOURS": STALE_AFTER // timedelta(hours=1),
    }
    return made


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """Return a style sheet or script in `templates/`, without comments and indentation."""
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    if name.endswith(".js"):
        lines = (line.strip() for line in text.splitlines())
        return "\n".join(line for line in lines if line and not line.startswith("//"))
    text = re.sub(r"/\*.*?\*/|\s*\n\s*", " ", text, flags=re.DOTALL)
    text = re.sub(r" *([{};,>]) *|(:) ", r"\1\2", text).replace(";}", "}").strip()
    return re.sub(r"\b0(?=\.\d)", "", text)


def own_script(name: str) -> str:
    """Return a page's script with the shared code, in its own scope."""
    parts = "\n".join(map(asset, ("ages.js", "tables.js", name)))
    return f"(() => {{\n{parts}}})();"


def _content(run_dir: Path, run: RunRecord) -> NotebookContent:
    path = run_dir / NOTEBOOK_FILE
    if not is_kept(path):
        return NotebookContent(None, (), (), {})
    try:
        notebook = json.loads(read_packed(path))
    except ValueError as error:
        raise InputError(f"{path} is not a notebook: {error}. Run the report again.") from None
    failed_cell = run.error.cell_index if run.error else None
    whole = run.status == "done" and not run.reason
    return read_notebook(notebook, failed_cell, whole=whole)


def _previous(run_dir: Path, run: RunRecord) -> PreviousRun:
    """Return the run to compare with, and the differences between the two except the data."""
    folder = run_dir.parent / run.previous_run_id if run.previous_run_id else None
    if folder is None or not folder.is_dir():
        return PreviousRun(None, "", "")
    try:
        previous, figures = load_run(folder), tuple(load_results(folder))
    except InputError as error:
        _logger.warning("%s. The page is not compared with that run.", error)
        return PreviousRun(None, "", "")
    ours, theirs = ({**r.parameters, "as_of": None} for r in (run, previous))
    differing = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    remarks: list[str] = []
    if differing:
        remarks.append(f"that run had other parameters ({', '.join(differing)})")
    if previous.notebook_hash != run.notebook_hash:
        remarks.append("the notebook has changed since")
    return PreviousRun(previous, day(previous.as_of), " and ".join(remarks), figures)


def _reads(run_dir: Path) -> list[str]:
    """Return the distinct views read by the notebook, in order."""
    names = [name for note in read_notes(run_dir) for name in note["reads"]]
    return list(dict.fromkeys(names))


def _log(run_dir: Path) -> str:
    path = run_dir / LOG_FILE
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_LINES:])[-20_000:]
