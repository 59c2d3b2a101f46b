"""A run's folder as one HTML file that needs nothing else: no request, no server, no script even.

    render_page(run_dir)               the page as text
    write_page(run_dir, reports_dir)   reports/<database>/<shop>/<report>/..., with its CSV files

The page's policy lets no script run but our own, named by its hash. Whatever stands in the data is
escaped text; charts are plain SVG first, and live once the script has unpacked Vega.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from d1lab.charts.theme import palette_css
from d1lab.config import STALE_AFTER
from d1lab.display import Figure
from d1lab.errors import InputError
from d1lab.pages.changes import what_changed
from d1lab.pages.notebook_blocks import NotebookContent, read_notebook
from d1lab.pages.storage import place, store_page
from d1lab.pages.svg import Script, bundle, csp_hash, pack
from d1lab.pages.wording import STATUSES, day, filters, freshness, next_steps
from d1lab.runs.record import LOG_FILE, NOTEBOOK_FILE, READS_FILE, RunRecord, load_results, load_run

TEMPLATES = Path(__file__).with_name("templates")
LEADING = 3  # key figures on the first screen
LOG_LINES = 120


class PreviousRun(NamedTuple):
    """The run that this one is compared with."""

    run: RunRecord | None
    since: str  # its day in words
    remark: str  # why a comparison needs care; empty if it does not
    figures: tuple[Figure, ...] = ()


def render_page(
    run_dir: Path,
    *,
    static: bool = False,
    now: datetime | None = None,
    cache_dir: Path | None = None,
    files: str = "",
) -> str:
    """A run's page.

    Args:
        run_dir: The run's folder: data/<database>/runs/<run id>.
        static: Without any script, for mail and archive: charts are pictures, and the page is
            at most 150 kB with four of them.
        now: The moment that ages are counted to; the present for None.
        cache_dir: Where the packed Vega is kept; data/cache for None.
        files: The folder of the page's CSV files as its links name it; empty links to none.

    Raises:
        InputError: The folder holds no run.
    """
    run = load_run(run_dir)
    story = _story(run_dir, run)
    previous = _previous(run_dir, run)
    return _render(
        run_dir, run, story, previous, static=static, now=now, cache_dir=cache_dir, files=files
    )


def _render(
    run_dir: Path,
    run: RunRecord,
    story: NotebookContent,
    previous: PreviousRun,
    *,
    static: bool = False,
    now: datetime | None = None,
    cache_dir: Path | None = None,
    files: str = "",
) -> str:
    scripts = None if static else Scripts.of(story, cache_dir or run_dir.parents[2] / "cache")
    changes = what_changed(load_results(run_dir), previous.figures)
    page = (
        environment()
        .get_template("page.html")
        .render(
            run=run,
            story=story,
            scripts=scripts,
            style=Markup(palette_css() + asset("style.css")),
            changes=changes,
            leading=[c for c in changes if c.finding != "gone"][:LEADING],
            previous=previous,
            freshness=freshness(run, now or datetime.now(UTC)),
            reads=_reads(run_dir),
            log=_log(run_dir),
            steps=next_steps(run),
            files=files,
        )
    )
    return page.encode("utf-8", "replace").decode()  # a lone surrogate is no text


def write_page(run_dir: Path, reports_dir: Path, *, cache_dir: Path | None = None) -> Path:
    """Write a run's page and its CSV files under `reports_dir`, and `latest.html` beside it.

    Returns:
        The page. A failed run has its own name and leaves the good page of its day in place.
    """
    run = load_run(run_dir)
    path = place(reports_dir, run)
    story = _story(run_dir, run)
    for numbers in story.cut:
        (run_dir / f"{numbers.name}.csv").unlink(missing_ok=True)
        numbers.save_csv(run_dir)
    previous = _previous(run_dir, run)
    page = _render(run_dir, run, story, previous, cache_dir=cache_dir, files=path.stem)
    tables = sorted(run_dir.glob("*.csv"))
    store_page(path, page, run, load_results(run_dir), tables, before=previous.figures)
    return path


class Scripts(NamedTuple):
    """What a live page carries: our script, the packed charts, and packed Vega where needed."""

    policy: str
    own: Markup
    specs: str
    vega: str

    @classmethod
    def of(cls, story: NotebookContent, cache_dir: Path) -> Scripts:
        """The scripts that this story needs."""
        own = own_script("page.js")
        vega = bundle(cache_dir) if story.specs else Script("", "")
        hashes = " ".join(filter(None, (csp_hash(own), vega.csp_hash)))
        specs = pack(json.dumps(story.specs)) if story.specs else ""
        return cls(hashes, Markup(own), specs, vega.packed)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates: every value is escaped, and a missing one is an error."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters.update(filters())  # pyright: ignore[reportUnknownMemberType]
    names = cast("dict[str, Any]", made.globals)  # pyright: ignore[reportUnknownMemberType]
    names |= {"STATUSES": STATUSES, "STALE_HOURS": STALE_AFTER // timedelta(hours=1)}
    return made


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """A style sheet or a script of ours."""
    return (TEMPLATES / name).read_text(encoding="utf-8")


def own_script(name: str) -> str:
    """A page's script with what all pages share, in a scope of its own."""
    return f"(() => {{\n{asset('ages.js')}\n{asset(name)}}})();"


def _story(run_dir: Path, run: RunRecord) -> NotebookContent:
    path = run_dir / NOTEBOOK_FILE
    if not path.is_file():
        return NotebookContent(None, (), (), {})
    try:
        notebook = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is no notebook: {error}. Run the report again") from None
    failed_cell = run.error.cell_index if run.error else None
    whole = run.status == "done" and not run.reason
    return read_notebook(notebook, failed_cell, whole=whole)


def _previous(run_dir: Path, run: RunRecord) -> PreviousRun:
    """The run to compare with, and what differs between the two but the data."""
    folder = run_dir.parent / run.previous_run_id if run.previous_run_id else None
    if folder is None or not folder.is_dir():
        return PreviousRun(None, "", "")
    previous = load_run(folder)
    ours, theirs = ({**r.parameters, "as_of": None} for r in (run, previous))
    differing = sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k))
    remarks: list[str] = []
    if differing:
        remarks.append(f"that run had other parameters ({', '.join(differing)})")
    if previous.notebook_hash != run.notebook_hash:
        remarks.append("the notebook has changed since")
    figures = tuple(load_results(folder))
    return PreviousRun(previous, day(previous.as_of), " and ".join(remarks), figures)


def _reads(run_dir: Path) -> list[str]:
    """The views that the notebook read, in order, each once."""
    path = run_dir / READS_FILE
    lines = path.read_bytes().splitlines() if path.is_file() else []
    names = [name for line in lines for name in orjson.loads(line).get("reads", ())]
    return list(dict.fromkeys(names))


def _log(run_dir: Path) -> str:
    path = run_dir / LOG_FILE
    if not path.is_file():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LOG_LINES:])[-20_000:]
