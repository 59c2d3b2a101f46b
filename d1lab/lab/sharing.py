"""Links to one thing on a page: an action, an A/B test, or an item such as a product."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from d1lab.display.ab_test_list import AbTestList, AbTestRow
from d1lab.display.actions import Action, Actions
from d1lab.display.anchors import row_anchor, row_key, slug
from d1lab.display.notebook_style import framed
from d1lab.display.table import DataTable, TableColumn
from d1lab.display.values import as_text
from d1lab.errors import InputError, UnknownName
from d1lab.lab.other_reports import OtherReport, newest_reports
from d1lab.packed_files import is_kept, read_packed
from d1lab.page_places import report_place

_OVERVIEW = "overview"  # what is shared if nothing is named
_VALUES = 3  # of a row, in its sentence


class SharedLink(NamedTuple):
    """A link to a page or to one thing on it, with what it says."""

    text: str  # one sentence
    where: str  # report, shop, and day
    url: str  # of the published page if `pages_url` is set, otherwise of the file
    path: Path  # file of the page
    anchor: str  # of the thing; '' for the whole page

    def __str__(self) -> str:
        return f"{self.text} ({self.where}) {self.url}"

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        link = f'<a href="{escape(self.url)}" target="_blank">{escape(self.text)}</a>'
        below = f'<span class="muted">{escape(self.where)}<br>{escape(self.url)}</span>'
        return {"text/plain": str(self), "text/html": framed(f"{link}<br>{below}")}


class _Thing(NamedTuple):
    """One thing of a run that its page can be linked to for."""

    names: tuple[str, ...]  # what it can be asked for; the first one is suggested
    anchor: str
    text: str
    has_details: bool = False


class _Page(NamedTuple):
    """The page of a report's newest run."""

    report: OtherReport
    path: Path
    run_dir: Path


class SharingMixin:
    """Links of a Lab to the pages of its project."""

    database: str
    folder: Path
    shop: str | None
    reports_dir: Path | None = None
    pages_url: str = ""
    _given_run_dir: Path | None
    _shop: Callable[[str | None], str]  # the shop that a call is about

    def share(
        self, thing: object = None, *, report: str | None = None, shop: str | None = None
    ) -> SharedLink:
        """Return a link to one thing on the newest page that shows it, with its sentence.

        Args:
            thing: An action as `lab.action` returned it, or its key; the ID or name of an A/B
                test; a SKU, customer, discount, or another name that a table begins its rows
                with. None for the whole page.
            report: Report whose page is linked; None for the one with the item's details or the
                first one that shows it, and for the overview without a thing.
            shop: Shop; '' for reports on all data, None for the default shop.

        Returns:
            The link: print it, or use its `url`, `text`, and `path`.

        Raises:
            InputError: There is no page yet; the message has the command that creates it.
            UnknownName: No page shows this thing, or the report has no page.
        """
        if self._given_run_dir is not None or self.reports_dir is None:
            raise InputError(
                "lab.share links to pages that exist, so it works in a notebook of your own, not "
                "in a run, and with a lab from d1lab.open. In a run, lab.action advises an action."
            )
        whose = self._shop(shop)
        pages = self._pages(self.reports_dir, whose, report)
        if thing is None:
            page = _whole(pages, whose)
            return self._link(page, whose, "", page.report.text or page.report.title)
        page, found = _found(pages, thing, whose)
        return self._link(page, whose, found.anchor, found.text)

    def _pages(self, reports_dir: Path, shop: str, report: str | None) -> list[_Page]:
        """Return the newest pages of a shop, of one report if it is given."""
        runs, pages = self.folder / "runs", list[_Page]()
        for each in newest_reports(runs, shop):
            folder = reports_dir / report_place(self.database, shop, each.report)
            path = folder / f"{each.as_of or 'latest'}.html"
            if path.is_file():
                pages.append(_Page(each, path, runs / each.run_id))
        if not pages:
            of = f" --shop {shop}" if shop else ""
            raise InputError(f"{_whose(shop)} has no page yet. Create it with `d1lab run{of}`.")
        chosen = [page for page in pages if report in (None, page.report.report)]
        if not chosen:
            names = [page.report.report for page in pages]
            raise UnknownName("page of report", str(report), names, _whose(shop))
        return chosen

    def _link(self, page: _Page, shop: str, anchor: str, text: str) -> SharedLink:
        from d1lab.stats.periods import day_text  # imports numpy; a run without work does not

        assert self.reports_dir is not None
        base, place = self.pages_url.rstrip("/"), page.path.relative_to(self.reports_dir)
        url = f"{base}/{quote(place.as_posix())}" if base else page.path.resolve().as_uri()
        day = page.report.as_of
        where = (page.report.title, shop or self.database, day_text(day) if day else "")
        shown = " · ".join(filter(None, where))
        return SharedLink(text, shown, f"{url}#{anchor}" if anchor else url, page.path, anchor)


def _whose(shop: str) -> str:
    return f"shop {shop!r}" if shop else "all data"


def _whole(pages: list[_Page], shop: str) -> _Page:
    """Return the overview's page, or the only one."""
    overview = [page for page in pages if page.report.report == _OVERVIEW]
    if overview or len(pages) == 1:
        return (overview or pages)[0]
    names = ", ".join(page.report.report for page in pages)
    raise InputError(f"{_whose(shop)} has no overview. Pass report=..., one of: {names}")


def _found(pages: list[_Page], thing: object, shop: str) -> tuple[_Page, _Thing]:
    """Return the page that shows a thing best: with its details, or else the first one."""
    wanted, known = _wanted(thing), list[str]()
    hits: list[tuple[_Page, _Thing]] = []
    for page in pages:
        html = page.path.read_text(encoding="utf-8")
        for one in _things(page):
            known.append(one.names[0])
            names = {name.casefold() for name in one.names}
            shown = _shown(one, html) if {wanted.casefold(), slug(wanted)} & names else None
            if shown is not None:
                hits.append((page, shown))
                break
    if not hits:
        where = f"the pages of {_whose(shop)}"
        raise UnknownName("action, test, or item", wanted, set(known), where)
    return next((hit for hit in hits if hit[1].has_details), hits[0])


def _wanted(thing: object) -> str:
    if isinstance(thing, Actions):
        if len(thing.actions) != 1:
            raise InputError(f"share one action, not {len(thing.actions)}. Pass the key of one.")
        thing = thing.actions[0]
    return thing.key if isinstance(thing, Action) else str(thing)


def _shown(thing: _Thing, html: str) -> _Thing | None:
    """Return a thing as a page shows it, with its details if it has any; None if it does not."""
    details = f"about-{thing.anchor}"
    if f'id="{details}"' in html or f'<data value="{details}"' in html:
        return thing._replace(anchor=details, has_details=True)
    return thing if f'id="{thing.anchor}"' in html else None


def _things(page: _Page) -> Iterator[_Thing]:
    """Yield what a page can be linked to for: actions, tests, and rows of tables, in this order."""
    for action in page.report.actions:
        yield _Thing((action.key,), action.anchor, action.line)
    bundles = list(_bundles(page.run_dir))
    for bundle in bundles:
        if AbTestList.MIME in bundle:
            yield from map(_test, AbTestList.from_json(bundle[AbTestList.MIME]).rows)
    for bundle in bundles:
        if DataTable.MIME in bundle:
            yield from _rows(DataTable.from_json(bundle[DataTable.MIME]))


def _bundles(run_dir: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the outputs of a run's notebook; none if its files were removed."""
    path = run_dir / "notebook.ipynb"
    cells = json.loads(read_packed(path))["cells"] if is_kept(path) else ()
    yield from (o.get("data", {}) for cell in cells for o in cell.get("outputs", ()))


def _test(row: AbTestRow) -> _Thing:
    text = " ".join(filter(None, (f"{row.name}: {row.verb}. {row.reason}", row.change)))
    return _Thing((row.anchor.removeprefix("test-"), row.name), row.anchor, text)


def _rows(table: DataTable) -> Iterator[_Thing]:
    for row in table.rows:
        anchor = row_anchor(table.columns[0], row[0])
        if anchor:
            values = zip(table.columns[1:], row[1:], strict=True)
            told = [_told(column, value) for column, value in values if _is_plain(value)]
            text = ": ".join(filter(None, (table.title, str(row[0]), ", ".join(told[:_VALUES]))))
            yield _Thing((row_key(row[0]), str(row[0])), anchor, text)


def _is_plain(value: object) -> bool:
    return value not in (None, "") and not isinstance(value, list)


def _told(column: TableColumn, value: Any) -> str:
    label = column.header
    is_name = not label[1:2].islower()  # such as ABC class
    return f"{label if is_name else label[:1].lower() + label[1:]} {column.shown(value)}"
