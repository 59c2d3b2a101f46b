"""Reports: which notebooks are reports, and how unreadable ones are handled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from d1lab.config import Settings
from d1lab.errors import InputError
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
