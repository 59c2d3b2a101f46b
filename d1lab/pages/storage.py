"""Page storage and the metadata used by the index.

    reports/<database>/<shop>/<report>/<as_of>.html, and latest.html; <shop> is _ for all data

The CSV files of a page are in a folder of the same name. `<as_of>.json` has the metadata for the
index, so that `reports/` can be copied anywhere and the index rebuilt from its files.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from filelock import FileLock, Timeout

from d1lab.display import Figure
from d1lab.display.actions import Action
from d1lab.errors import InputError
from d1lab.files import digest, link, write
from d1lab.page_places import report_place
from d1lab.runs.record import RunRecord

_log = logging.getLogger(__name__)

LATEST = "latest.html"
_LEADS_TO = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>The newest page</title>
<script>location.replace("PAGE" + location.hash)</script>
<meta http-equiv="refresh" content="0; url=PAGE"></head>
<body><p><a href="PAGE">The newest page</a></p></body></html>
"""
"""`latest.html` where the file system has no links; the script keeps an anchor of the address."""
KEPT, KEPT_ACTIONS = 6, 3  # key figures and actions in the metadata
LOCK = ".lock"
LOCK_SECONDS = 60.0


class PageMeta(NamedTuple):
    """Metadata of one page, for the index."""

    path: str  # path of the page, relative to reports/
    run: RunRecord
    figures: tuple[Figure, ...]  # its first key figures
    before: tuple[Figure, ...] = ()  # key figures of the previous run
    actions: tuple[Action, ...] = ()  # the first actions by money, without their items
    total_actions: int = 0  # of the page


def place(reports_dir: Path, run: RunRecord) -> Path:
    """Return the path of a run's page; different for failed runs, to keep successful pages."""
    day = run.as_of.isoformat() if run.as_of else f"{run.started_at:%Y-%m-%d}"
    chosen = json.dumps(run.chosen, sort_keys=True, default=str)
    mark = f"-{_digest(chosen)}" if run.chosen else ""
    status = "" if run.status == "done" else f"-{run.status}"
    folder = report_place(run.database, run.shop, run.report)
    return reports_dir / folder / f"{day}{mark}{status}.html"


@contextmanager
def locked(reports_dir: Path) -> Generator[None]:
    """Let one process at a time read the cards and write what follows from them.

    Another one that takes longer than a minute is not waited for.
    """
    reports_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(reports_dir / LOCK, timeout=LOCK_SECONDS)
    with suppress(Timeout):
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def store_page(
    path: Path,
    page: str,
    run: RunRecord,
    figures: Sequence[Figure],
    tables: Mapping[str, bytes],
    *,
    before: Sequence[Figure] = (),
    actions: Sequence[Action] = (),
) -> None:
    """Write a page with its files and metadata, and update `latest.html`.

    Args:
        path: Path of the page.
        page: HTML of the page.
        run: Record of the run.
        figures: Key figures of the run, in order.
        tables: Content of the CSV files next to the page, by name.
        before: Key figures of the previous run, so that the index shows the same changes.
        actions: Actions of the run, by money.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = path.with_suffix("")
    shutil.rmtree(files, ignore_errors=True)
    for name, content in tables.items():
        write(files / name, content)
    path.with_suffix(".pdf").unlink(missing_ok=True)  # PDF of the previous version of the page
    shown = {figure.key for figure in figures[:KEPT]}
    known = tuple(figure for figure in before if figure.key in shown)
    first = tuple(action.brief() for action in actions[:KEPT_ACTIONS])
    meta = meta_to_json(PageMeta(path.name, run, tuple(figures[:KEPT]), known, first, len(actions)))
    with locked(path.parents[3]):  # the index sets menus in pages
        write(path, page)
        write(path.with_suffix(".json"), json.dumps(meta))
        point_latest(path.parent)


def remove_page(reports_dir: Path, page: str) -> None:
    """Delete a page with its files and metadata; `latest.html` shows the previous one again.

    Args:
        page: Path of the page, relative to `reports_dir`. A missing page is ignored.
    """
    path = reports_dir / page
    for suffix in (".html", ".json", ".pdf"):
        path.with_suffix(suffix).unlink(missing_ok=True)
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    if path.parent.is_dir():
        with locked(reports_dir):
            point_latest(path.parent)


def read_pages(reports_dir: Path) -> Iterator[PageMeta]:
    """Yield the metadata of all pages under `reports_dir`.

    Metadata without a page is ignored; unreadable metadata is left out with a warning.
    """
    for folder in report_folders(reports_dir):
        yield from read_folder(folder)


def report_folders(reports_dir: Path) -> list[Path]:
    """Return the folders of all reports, sorted."""
    return sorted(reports_dir.glob("*/*/*/"))


def latest_runs(reports_dir: Path) -> set[str]:
    """Return the IDs of the runs shown by `latest.html`, for all reports."""
    newest: dict[str, PageMeta] = {}
    for meta in filter(_is_standard, read_pages(reports_dir)):
        folder = meta.path.rpartition("/")[0]
        newest[folder] = max(newest.get(folder, meta), meta, key=_recency)
    return {meta.run.run_id for meta in newest.values()}


def point_latest(folder: Path) -> None:
    """Point `latest.html` to the newest successful page of a report, or to the newest one.

    Runs with custom parameters and runs for a future day are never chosen.
    """
    newest = max(filter(_is_standard, read_folder(folder)), key=_recency, default=None)
    latest = folder / LATEST
    if newest is None:
        latest.unlink(missing_ok=True)
    else:
        link_latest(folder / Path(newest.path).name)


def link_latest(page: Path) -> None:
    """Make `latest.html` another name of a page, or a small page that leads to it."""
    link(page, page.with_name(LATEST), _LEADS_TO.replace("PAGE", quote(page.name)))


def read_folder(folder: Path) -> Iterator[PageMeta]:
    """Yield the metadata of the pages in a report's folder."""
    for path in sorted(folder.glob("*.json")):
        page = path.with_suffix(".html")
        if path.name.startswith(".") or not page.is_file():
            continue
        try:
            meta = json.loads(path.read_bytes())
            yield meta_from_json(meta | {"path": page.relative_to(folder.parents[2]).as_posix()})
        except FileNotFoundError:
            continue  # another process has just removed the page
        except (OSError, ValueError, TypeError, KeyError, AttributeError, InputError):
            _log.warning("%s is not readable: its page is not listed. Run the report again.", path)


def meta_to_json(meta: PageMeta) -> dict[str, Any]:
    """Return the metadata of a page as JSON; `meta_from_json` reads it."""
    return {
        "path": meta.path,
        "run": _listed(meta.run).model_dump(mode="json"),
        "figures": [figure.to_json() for figure in meta.figures],
        "before": [figure._replace(trend=None)._asdict() for figure in meta.before],
        "actions": [action._asdict() for action in meta.actions],
        "total_actions": meta.total_actions,
    }


def meta_from_json(meta: dict[str, Any]) -> PageMeta:
    """Build the metadata of a page from JSON.

    Raises:
        ValueError, TypeError, KeyError, AttributeError, InputError: It is not the metadata of a
            page.
    """
    return PageMeta(
        meta["path"],
        RunRecord.model_validate(meta["run"]),
        _figures(meta["figures"]),
        _figures(meta.get("before", ())),
        tuple(Action.from_json(record) for record in meta.get("actions", ())),
        meta.get("total_actions", len(meta.get("actions", ()))),
    )


def _figures(records: Iterable[dict[str, Any]]) -> tuple[Figure, ...]:
    return tuple(Figure.from_json(record) for record in records)


def _is_standard(meta: PageMeta) -> bool:
    return meta.run.is_standard


def _recency(meta: PageMeta) -> tuple[bool, str, str]:
    run = meta.run
    day = run.as_of.isoformat() if run.as_of else ""
    return run.status == "done", day, run.started_at.isoformat()


def _listed(run: RunRecord) -> RunRecord:
    """Return a run record reduced to the fields shown by the index."""
    data = run.data.model_copy(update={"tables": ()})
    unlisted = {"parameters": run.chosen, "versions": {}, "error": None, "data": data}
    return run.model_copy(update=unlisted)


def _digest(text: str) -> str:
    return digest(text)[:8]
