"""Reports: which notebooks are reports, and how unreadable ones are handled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.errors import InputError, UnknownName
from d1lab.runs.report import broken_reports, list_reports, load_report


def _notebook(source: object = 'shop = "x"', tags: object = ("parameters",), **fields) -> str:
    cell = {"cell_type": "code", "metadata": {"tags": tags}, "source": source, "outputs": []}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": [cell], **fields})


BROKEN = {
    "empty": b"",
    "blank": b" \n",
    "half": _notebook().encode()[:60],
    "nested": b"[" * 100_000,
    "latin": b'{"cells": "caf\xe9"}',
    "list": b"[]",
    "old": _notebook(nbformat=3).encode(),
    "no_cells": _notebook(cells=None).encode(),
    "cells": _notebook(cells=[1]).encode(),
    "tags": _notebook(tags=5).encode(),
    "source": _notebook(source=[1]).encode(),
    "no_type": _notebook(source='shop = "x"\nmsg = None').encode(),
    "number": _notebook(source="shop = 5").encode(),
    "syntax": _notebook(source="shop = 'x").encode(),
    "nul": _notebook(source="shop = 'x'\x00").encode(),
    "deep": _notebook(source="shop = 'x'\nd = " + "[" * 3_000 + "]" * 3_000).encode(),
    "computed": _notebook(source='shop = "x".upper()').encode(),
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "good.ipynb").write_text(_notebook())
    (tmp_path / "notebooks" / "plain.ipynb").write_text(_notebook(tags=[]))
    return Settings(root=tmp_path)


def test_a_notebook_that_cannot_be_read_stops_no_other(settings: Settings):
    """Each one is listed with a sentence; a notebook without `shop` is not a report."""
    for name, content in BROKEN.items():
        (settings.notebooks_dir / f"{name}.ipynb").write_bytes(content)
    (settings.notebooks_dir / "away.ipynb").symlink_to(settings.root / "nowhere")
    (settings.notebooks_dir / "folder.ipynb").mkdir()
    assert [report.name for report in list_reports(settings)] == ["good"]
    broken = {each.name: each.problem for each in broken_reports(settings)}
    assert broken.keys() == {*BROKEN, "away", "folder"}
    for name, problem in broken.items():
        assert f"{name}.ipynb" in problem
        assert "\n" not in problem
        assert len(problem) < 300
    assert "the file is empty" in broken["empty"]
    with pytest.raises(InputError, match=r"half\.ipynb: not readable as JSON"):
        load_report(settings, "half")


def test_reports_in_sub_folders_are_found(settings: Settings):
    """A report may stand in a folder of its own; copies and the data of runs are none."""
    for place in ("weekly/sales", ".ipynb_checkpoints/good-checkpoint", "weekly/.old/hidden"):
        path = settings.notebooks_dir / f"{place}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_notebook())
    assert [report.name for report in list_reports(settings)] == ["good", "sales"]
    assert load_report(settings, "sales").path.parent.name == "weekly"
    with pytest.raises(UnknownName):
        load_report(settings, "hidden")
    everywhere = settings.model_copy(update={"notebooks_dir": settings.root})
    run = settings.data_dir / "demo" / "runs" / "r1" / "executed.ipynb"
    run.parent.mkdir(parents=True)
    run.write_text(_notebook())
    assert "executed" not in [report.name for report in list_reports(everywhere)]


def test_two_reports_of_one_name_are_told(settings: Settings):
    """The one in the folder itself runs; the other is named with both paths."""
    (settings.notebooks_dir / "old").mkdir()
    (settings.notebooks_dir / "old" / "good.ipynb").write_text(_notebook())
    assert [report.path.parent.name for report in list_reports(settings)] == ["notebooks"]
    [broken] = broken_reports(settings)
    assert "has the same name. Rename one" in broken.problem
    assert "old" in broken.problem


def test_notebook_of_another_language_says_so(settings: Settings):
    """An R notebook is not run as Python: one sentence names its language."""
    kernel = {"kernelspec": {"name": "ir", "language": "R", "display_name": "R"}}
    path = settings.notebooks_dir / "in_r.ipynb"
    path.write_text(_notebook(source='shop <- "x"', metadata=kernel))
    [broken] = broken_reports(settings)
    assert "its language is r, but d1lab runs Python only" in broken.problem
    with pytest.raises(InputError, match="Python only"):
        load_report(settings, "in_r")
    path.write_text(_notebook(tags=[], source='shop <- "x"', metadata=kernel))
    assert broken_reports(settings) == []


def test_a_report_on_usage_has_days_of_its_own(settings: Settings):
    """The declaration is no parameter, has one value, and is for a report of all shops."""
    folder = settings.root / "notebooks"
    (folder / "usage.ipynb").write_text(_notebook(source='days_of = "usage"\ndays = 3'))
    (folder / "weeks.ipynb").write_text(_notebook(source='days_of = "weeks"'))
    (folder / "both.ipynb").write_text(_notebook(source='days_of = "usage"\nshop = "x"'))
    found = load_report(settings, "usage")
    assert (found.is_of_usage, list(found.parameters)) == (True, ["days"])
    assert not load_report(settings, "good").is_of_usage
    for name in ("weeks", "both"):
        with pytest.raises(InputError, match=f"'{name}': 'days_of' can only be"):
            load_report(settings, name)
