"""Reports: notebooks in `notebooks/` whose `parameters` cell declares `shop`."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, cast

from d1lab.config import Settings
from d1lab.errors import InputError, UnknownName
from d1lab.files import digest
from d1lab.parameters import ReportParameter, declared

_PACKAGE = Path(__file__).parents[1]

AFTER = "after"
"""Name in the `parameters` cell that declares the reports to run first. It is no parameter."""

ALL_OTHERS = "*"

DAYS_OF = "days_of"
"""Name in the `parameters` cell that declares what a report's days are. It is no parameter."""

USAGE = "usage"
"""The days of a report on D1's usage: those of the meter, in UTC."""


def notebook_folder(settings: Settings) -> Path:
    """Return the folder of the reports' notebooks: the project's, or else the package's.

    A folder named in the settings is used without this fallback.
    """
    own = settings.notebooks_dir
    return own if own.is_dir() or own != settings.root / "notebooks" else _shipped()


def _shipped() -> Path:
    """Return the notebooks' folder in the installed package, or in the checkout."""
    for folder in (_PACKAGE / "notebooks", _PACKAGE.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise InputError("this installation contains no notebooks. Reinstall d1lab.")


def copy_notebooks(target: Path) -> list[Path]:
    """Copy the shipped notebooks to `target`, without overwriting existing files.

    Returns:
        The files written.
    """
    target.mkdir(parents=True, exist_ok=True)
    missing = [
        path for path in sorted(_shipped().glob("*.ipynb")) if not (target / path.name).exists()
    ]
    return [Path(shutil.copyfile(path, target / path.name)) for path in missing]


class Report(NamedTuple):
    """One report, as declared in its notebook."""

    name: str  # the notebook's stem
    path: Path
    title: str  # the first heading, else the name
    parameters: dict[str, ReportParameter]
    digest: str  # of the cells' types, tags, and sources; unchanged by saving again
    after: tuple[str, ...] = ()  # reports that it summarizes, which run first; '*' for all others
    is_of_usage: bool = False  # its days are those of D1's usage, not of the shops' data

    @property
    def is_by_shop(self) -> bool:
        """Whether it runs for each shop; otherwise once, for all data."""
        return "shop" in self.parameters

    @property
    def default_shop(self) -> str:
        """The shop of the report unless another is named; '' for a report on all data."""
        return str(self.parameters["shop"].default) if self.is_by_shop else ""

    @property
    def where(self) -> str:
        """The report's name for messages."""
        return f"report {self.name!r}"


class BrokenReport(NamedTuple):
    """A notebook that may be a report, but cannot be read as one."""

    name: str  # the notebook's stem
    path: Path
    problem: str  # one sentence that names the file


def list_reports(settings: Settings) -> list[Report]:
    """Return all reports of the project, by name.

    Notebooks without a `parameters` cell are not reports; those that cannot be read are left out.
    """
    return [found for found in _found(settings) if isinstance(found, Report)]


def broken_reports(settings: Settings) -> list[BrokenReport]:
    """Return the project's unreadable notebooks by name, each with the reason."""
    return [found for found in _found(settings) if isinstance(found, BrokenReport)]


def chosen_reports(
    settings: Settings, names: Sequence[str]
) -> tuple[list[Report], list[BrokenReport]]:
    """Return the named reports, and those of them whose notebooks are unreadable.

    Args:
        settings: The project's settings.
        names: Their names; empty for all.

    Raises:
        UnknownName: There is no report with one of the names.
        InputError: All named notebooks are unreadable.
    """
    if not names:
        return list_reports(settings), broken_reports(settings)
    good: list[Report] = []
    unreadable: dict[str, InputError] = {}
    for name in names:
        try:
            good.append(load_report(settings, name))
        except UnknownName:
            raise
        except InputError as error:
            unreadable[name] = error
    if not good:
        raise next(iter(unreadable.values()))
    return good, [each for each in broken_reports(settings) if each.name in unreadable]


def _found(settings: Settings) -> Iterator[Report | BrokenReport]:
    found: dict[str, Path] = {}
    for path in notebooks(settings):
        try:
            report = load_notebook(path)
            if report is not None and (other := found.setdefault(path.stem, path)) != path:
                raise InputError(f"{path}: {other} has the same name. Rename one of them.")
        except InputError as error:
            where = "" if str(path) in str(error) else f"{path}: "
            yield BrokenReport(path.stem, path, f"{where}{error}")
        else:
            if report is not None:
                yield report


def notebooks(settings: Settings) -> list[Path]:
    """Return the notebooks of a folder and its sub-folders; those of runs and hidden ones are not.

    Notebooks of the folder itself come first.
    """
    folder = notebook_folder(settings)
    others = (settings.data_dir, settings.reports_dir)
    paths = [
        path
        for path in folder.rglob("*.ipynb")
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and not any(path.is_relative_to(other) for other in others)
    ]
    return sorted(paths, key=lambda path: (len(path.parts), path))


def load_report(settings: Settings, name: str) -> Report:
    """Return the report with that name.

    Raises:
        UnknownName: No notebook has that stem, or it is not a report.
        InputError: The notebook cannot be read, or its `parameters` cell is invalid.
    """
    for path in notebooks(settings):
        if path.stem == name and (report := load_notebook(path)):
            return report
    raise UnknownName("report", name, [report.name for report in list_reports(settings)])


def load_notebook(path: Path) -> Report | None:
    """Return the report in a notebook; None if it has no `parameters` cell.

    Raises:
        InputError: The notebook cannot be read, or its `parameters` cell is invalid.
    """
    return _report_in(path, _content(path))


@lru_cache(maxsize=256)
def _report_in(path: Path, content: bytes) -> Report | None:
    """Return the report in a notebook's content: a plan needs each one several times."""
    notebook = _parsed(path, content)
    return _report(path, notebook) if _is_report(notebook) else None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"notebook {path}: cannot be read: {error.strerror}") from None


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        notebook: Any = json.loads(content) if content.strip() else None
    except (ValueError, RecursionError) as error:
        raise InputError(f"notebook {path}: not readable as JSON: {error}") from None
    if not content.strip():
        raise InputError(f"notebook {path}: the file is empty")
    found = cast("dict[str, Any]", notebook if isinstance(notebook, dict) else {})
    cells = found.get("cells", [])
    is_list = found.get("nbformat") == 4 and isinstance(cells, list)
    if not is_list or not all(map(_is_cell, cast("list[object]", cells))):
        raise InputError(f"notebook {path}: expected nbformat 4; open and save it in Jupyter")
    return found


def _is_cell(cell: object) -> bool:
    metadata = cast("dict[str, Any]", cell).get("metadata") if isinstance(cell, dict) else None
    if not isinstance(metadata, dict):
        return False
    source = cast("dict[str, Any]", cell).get("source", "")
    tags = cast("dict[str, Any]", metadata).get("tags", [])
    is_source = isinstance(source, str) or _are_texts(source)
    return is_source and _are_texts(tags)


def _are_texts(found: object) -> bool:
    return isinstance(found, list) and all(
        isinstance(each, str) for each in cast("list[object]", found)
    )


def _report(path: Path, notebook: dict[str, Any]) -> Report:
    where = f"report {path.stem!r}"
    if (language := _language(notebook)) != "python":
        raise InputError(
            f"notebook {path}: its language is {language}, but d1lab runs Python only. Rewrite it, "
            "or remove the tag 'parameters' to keep it out of `d1lab run`."
        )
    cells = _parameters_cells(notebook)
    if len(cells) > 1:
        raise InputError(f"{where}: {len(cells)} cells are tagged 'parameters'. Keep one.")
    parameters = declared(_source(cells[0]), where)
    if (shop := parameters.get("shop")) and (shop.kind != "text" or shop.many):
        raise InputError(f"{where}: parameter 'shop' must be a text, the name of a shop")
    after = _after(parameters.pop(AFTER, None), where)
    is_of_usage = _is_of_usage(parameters.pop(DAYS_OF, None), parameters, where)
    title = _title(notebook) or path.stem
    return Report(path.stem, path, title, parameters, _digest(notebook), after, is_of_usage)


def _after(declared: ReportParameter | None, where: str) -> tuple[str, ...]:
    """Return the reports that a report runs after."""
    names = declared.default if declared else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{where}: '{AFTER}' must be a list of names of reports, or [\"*\"]")
    return tuple(str(name) for name in names)


def _is_of_usage(
    declared: ReportParameter | None, parameters: Mapping[str, object], where: str
) -> bool:
    """Whether a report's days are those of D1's usage."""
    if declared is None:
        return False
    if declared.default != USAGE or "shop" in parameters:
        raise InputError(
            f"{where}: '{DAYS_OF}' can only be \"{USAGE}\", in a report without 'shop'"
        )
    return True


def language_of(path: Path) -> str:
    """Return the language of a notebook, in lowercase.

    Raises:
        InputError: The notebook cannot be read.
    """
    return _language(_parsed(path, _content(path)))


def _language(notebook: dict[str, Any]) -> str:
    """Return the language of a notebook's kernel, as far as its metadata tell, in lowercase."""
    metadata: dict[str, Any] = notebook.get("metadata") or {}
    kernel: dict[str, Any] = metadata.get("kernelspec") or {}
    info: dict[str, Any] = metadata.get("language_info") or {}
    return str(kernel.get("language") or info.get("name") or "python").lower()


def _is_report(notebook: dict[str, Any]) -> bool:
    return bool(_parameters_cells(notebook))


def _parameters_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        cell
        for cell in notebook.get("cells", ())
        if cell.get("cell_type") == "code" and "parameters" in cell["metadata"].get("tags", ())
    ]


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _title(notebook: dict[str, Any]) -> str | None:
    """Return the first heading of the first markdown cell with one."""
    for cell in notebook.get("cells", ()):
        match = re.search(r"^#+\s+(.+?)\s*#*$", _source(cell), re.MULTILINE)
        if cell.get("cell_type") == "markdown" and match:
            return match[1]
    return None


def _digest(notebook: dict[str, Any]) -> str:
    parts = [
        (cell.get("cell_type"), sorted(cell["metadata"].get("tags", ())), _source(cell))
        for cell in notebook.get("cells", ())
    ]
    return digest(json.dumps(parts))
