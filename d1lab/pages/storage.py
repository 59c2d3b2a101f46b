"""Page storage and the metadata used by the index.

    reports/<database>/<shop>/<report>/<as_of>.html, and latest.html; <shop> is _ for all data

Beside a page lie its CSV files, in a folder of its name, and `<as_of>.json`: the card by which the
index lists it. So `reports/` can be copied anywhere, and its index made again from itself.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from d1lab.display import Figure
from d1lab.files import digest, write
from d1lab.runs.record import RunRecord

LATEST = "latest.html"
ALL_DATA = "_"  # the folder of reports of all data, in the place of a shop's
KEPT = 6  # key figures on a card


class PageMeta(NamedTuple):
    """One page, as the index lists it."""

    path: str  # of the page, below reports/
    run: RunRecord
    figures: tuple[Figure, ...]  # the first of its key figures
    before: tuple[Figure, ...] = ()  # those that the page compares them with


def place(reports_dir: Path, run: RunRecord) -> Path:
    """Where a run's page stands; a run that did not end well takes no good page's place."""
    day = run.as_of.isoformat() if run.as_of else f"{run.started_at:%Y-%m-%d}"
    chosen = json.dumps(run.chosen, sort_keys=True, default=str)
    mark = f"-{_digest(chosen)}" if run.chosen else ""
    status = "" if run.status == "done" else f"-{run.status}"
    shop = file_name(run.shop) if run.shop else ALL_DATA
    folder = reports_dir / file_name(run.database) / shop / file_name(run.report)
    return folder / f"{day}{mark}{status}.html"


def file_name(text: str) -> str:
    """A name as one path segment; a name that had to be changed keeps a mark of what it was."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip(".-")[:60]
    return safe if safe and safe == text != ALL_DATA else f"{safe or 'shop'}-{_digest(text)}"


def store_page(
    path: Path,
    page: str,
    run: RunRecord,
    figures: Sequence[Figure],
    tables: Iterable[Path],
    *,
    before: Sequence[Figure] = (),
) -> None:
    """Put a page in its place with its files and its card, and make it `latest.html` if it is.

    Args:
        path: The page's place.
        page: Its HTML.
        run: What it is the page of.
        figures: Its key figures, in order.
        tables: Its CSV files.
        before: The key figures that it compares with; the index then compares with the same.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    files = path.with_suffix("")
    shutil.rmtree(files, ignore_errors=True)
    for table in tables:
        files.mkdir(exist_ok=True)
        shutil.copyfile(table, files / table.name)
    path.with_suffix(".pdf").unlink(missing_ok=True)  # of the page that stood here before
    write(path, page)
    shown = {figure.key for figure in figures[:KEPT]}
    card = {
        "run": _listed(run).model_dump(mode="json"),
        "figures": [figure._asdict() for figure in figures[:KEPT]],
        "before": [figure._asdict() for figure in before if figure.key in shown],
    }
    write(path.with_suffix(".json"), json.dumps(card))
    point_latest(path.parent)


def remove_page(reports_dir: Path, page: str) -> None:
    """Take a page away with its files and its card; `latest.html` goes back to the one before.

    Args:
        page: The page's path below `reports_dir`. An absent page is no error.
    """
    path = reports_dir / page
    for suffix in (".html", ".json", ".pdf"):
        path.with_suffix(suffix).unlink(missing_ok=True)
    shutil.rmtree(path.with_suffix(""), ignore_errors=True)
    if path.parent.is_dir():
        point_latest(path.parent)


def read_pages(reports_dir: Path) -> Iterator[PageMeta]:
    """The cards of all pages under `reports_dir`; a card without its page counts for nothing."""
    for folder in sorted(reports_dir.glob("*/*/*/")):
        yield from _cards(folder)


def latest_runs(reports_dir: Path) -> set[str]:
    """The runs that `latest.html` shows, of all reports."""
    newest: dict[str, PageMeta] = {}
    for card in filter(_is_standard, read_pages(reports_dir)):
        folder = card.path.rpartition("/")[0]
        newest[folder] = max(newest.get(folder, card), card, key=_recency)
    return {card.run.run_id for card in newest.values()}


def point_latest(folder: Path) -> None:
    """Make `latest.html` the newest good page of a report, or the newest at all.

    A variant, which somebody's own parameters made, never is; nor is a run of a day to come.
    """
    newest = max(filter(_is_standard, _cards(folder)), key=_recency, default=None)
    latest = folder / LATEST
    if newest is None:
        latest.unlink(missing_ok=True)
    else:
        write(latest, (folder / Path(newest.path).name).read_text(encoding="utf-8"))


def _cards(folder: Path) -> Iterator[PageMeta]:
    for path in sorted(folder.glob("*.json")):
        page = path.with_suffix(".html")
        if page.is_file():
            card = json.loads(path.read_text(encoding="utf-8"))
            run = RunRecord.model_validate(card["run"])
            shown = page.relative_to(folder.parents[2]).as_posix()
            yield PageMeta(shown, run, _figures(card["figures"]), _figures(card.get("before", ())))


def _figures(records: Iterable[dict[str, Any]]) -> tuple[Figure, ...]:
    return tuple(Figure.from_json(record) for record in records)


def _is_standard(card: PageMeta) -> bool:
    return card.run.is_standard


def _recency(card: PageMeta) -> tuple[bool, str, str]:
    run = card.run
    day = run.as_of.isoformat() if run.as_of else ""
    return run.status == "done", day, run.started_at.isoformat()


def _listed(run: RunRecord) -> RunRecord:
    """A record without what the index does not show."""
    data = run.data.model_copy(update={"tables": ()})
    unlisted = {"parameters": run.chosen, "versions": {}, "error": None, "data": data}
    return run.model_copy(update=unlisted)


def _digest(text: str) -> str:
    return digest(text)[:8]
