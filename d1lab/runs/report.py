"""Reports: notebooks in `notebooks/` whose `parameters` cell declares `shop`."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple, cast

from d1lab.config import Settings
from d1lab.errors import InputError, UnknownName
from d1lab.files import digest
from d1lab.runs.parameters import ReportParameter, declared

_PACKAGE = Path(__file__).parents[1]


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

    @property
    def is_by_shop(self) -> bool:
        """Whether it runs for each shop; otherwise once, for all data."""
        return "shop" in self.parameters

    @property
    def default_shop(self) -> str:
        """The shop that it is of unless another is named; '' for a report of all data."""
        return str(self.parameters["shop"].default) if self.is_by_shop else ""

    @property
    def where(self) -> str:
        """The report's name for messages."""
        return f"report {self.name!r}"


def list_reports(settings: Settings) -> list[Report]:
    """Return all reports of the project, by name. Notebooks without a `shop` parameter are skipped.

    Raises:
        InputError: A notebook cannot be read, or its `parameters` cell is invalid.
    """
    folder = notebook_folder(settings)
    notebooks = {path: _read(path) for path in sorted(folder.glob("*.ipynb"))}
    return [_report(path, read) for path, read in notebooks.items() if _is_report(read)]


def load_report(settings: Settings, name: str) -> Report:
    """Return the report with that name.

    Raises:
        UnknownName: No notebook has that stem, or it is not a report.
        InputError: The notebook cannot be read, or its `parameters` cell is invalid.
    """
    folder = notebook_folder(settings)
    path = folder / f"{name}.ipynb"
    if path.parent == folder and path.is_file():
        notebook = _read(path)
        if _is_report(notebook):
            return _report(path, notebook)
    raise UnknownName("report", name, [report.name for report in list_reports(settings)])


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"notebook {path.name}: not readable as JSON: {error}") from None
    is_notebook = type(notebook) is dict and notebook.get("nbformat") == 4
    if not is_notebook or not all(map(_is_cell, notebook.get("cells", ()))):
        raise InputError(f"notebook {path.name}: expected nbformat 4. Open and save it in Jupyter.")
    return notebook


def _is_cell(cell: object) -> bool:
    return isinstance(cell, dict) and isinstance(cast("dict[str, Any]", cell).get("metadata"), dict)


def _report(path: Path, notebook: dict[str, Any]) -> Report:
    where = f"report {path.stem!r}"
    cells = _parameters_cells(notebook)
    if len(cells) > 1:
        raise InputError(f"{where}: {len(cells)} cells are tagged 'parameters'. Keep one.")
    parameters = declared(_source(cells[0]), where)
    if (shop := parameters.get("shop")) and (shop.kind != "text" or shop.many):
        raise InputError(f"{where}: parameter 'shop' must be a text, the name of a shop")
    return Report(path.stem, path, _title(notebook) or path.stem, parameters, _digest(notebook))


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
