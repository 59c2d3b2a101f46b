"""Controls: each parameter has a fitting widget; a change is checked before it is assigned."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from d1lab.errors import InputError
from d1lab.lab import controls as module
from d1lab.lab.controls import Controls, controls
from d1lab.parameters import declared

SOURCE = """\
shop = "harbor"  # shop of the report
as_of: str | None = None  # last day
days = 30  # length of the period [1 to 90]
rows = 5  # rows to show
share = 0.5  # share of B [0 to 1]
codes: list[str] = []  # only these codes
title: str | None = None
strict = True
"""


@pytest.fixture
def shown(tiny_lab) -> tuple[Controls, dict[str, Any], list[str]]:
    """Controls, the notebook's variables, and the requests to run its cells."""
    names: dict[str, Any] = {"days": 7, "codes": ["A"]}
    asked: list[str] = []
    made = Controls(tiny_lab, declared(SOURCE, "here"), names, lambda name, say: asked.append(name))
    return made, names, asked


def test_widgets_fit_the_parameters(shown):
    """Their kinds follow types and ranges; their values are those of the notebook."""
    made, _, _ = shown
    kinds = {name: type(widget).__name__ for name, widget in made.widgets.items()}
    assert kinds == {
        "shop": "Dropdown",
        "as_of": "DatePicker",
        "days": "IntSlider",
        "rows": "IntText",
        "share": "FloatSlider",
        "codes": "Text",
        "title": "Text",
        "strict": "Checkbox",
    }
    assert made.widgets["days"].value == 7
    assert made.widgets["days"].max == 90
    assert made.widgets["codes"].value == '["A"]'
    assert "harbor" in made.widgets["shop"].options
    assert made.widgets["days"].tooltip == "length of the period [1 to 90]"


def test_a_change_is_assigned_and_runs_the_cells(shown):
    """All values are assigned as in a run: days as text, lists as lists, null as None."""
    made, names, asked = shown
    made.widgets["as_of"].value = date(2026, 5, 4)
    made.widgets["codes"].value = "A,B"
    assert asked == [made.name, made.name]
    assert names == {
        "shop": "harbor",
        "as_of": "2026-05-04",
        "days": 7,
        "rows": 5,
        "share": 0.5,
        "codes": ["A", "B"],
        "title": None,
        "strict": True,
    }


def test_an_invalid_value_is_told_and_runs_nothing(tiny_lab):
    """The sentence is that of a run; the variables stay as they were."""
    names: dict[str, Any] = {}
    asked: list[str] = []
    parameters = declared("weeks = 4  # weeks [1 or more]", "here")
    made = Controls(tiny_lab, parameters, names, lambda name, say: asked.append(name))
    made.widgets["weeks"].value = 0
    assert (names, asked) == ({}, [])
    assert "parameter &#x27;weeks&#x27; is 0. Use 1 or more." in made.box.children[-1].value


def test_parameters_are_those_of_the_notebooks_file(tiny_lab, tmp_path: Path, monkeypatch):
    """JupyterLab names the file in the environment; without a tagged cell, the error says so."""
    cell: dict[str, Any] = {"cell_type": "code", "metadata": {"tags": ["parameters"]}}
    path = tmp_path / "mine.ipynb"
    path.write_text(json.dumps({"cells": [cell | {"source": ["rows = 3\n", "days = 8"]}]}))
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    made = controls(tiny_lab, {"rows": 4})
    assert {name: widget.value for name, widget in made.widgets.items()} == {"rows": 4, "days": 8}
    path.write_text(json.dumps({"cells": []}))
    with pytest.raises(InputError, match=r"mine\.ipynb has 0 cells tagged 'parameters'"):
        controls(tiny_lab, {})
    monkeypatch.delenv("JPY_SESSION_NAME")
    with pytest.raises(InputError, match="saved as a file"):
        controls(tiny_lab, {})


def test_a_run_has_nothing_to_control(tiny_lab, tmp_path: Path, monkeypatch):
    """A report with controls is run as one without; outside of notebooks, they are an error."""
    monkeypatch.setattr(tiny_lab, "_given_run_dir", tmp_path)
    assert tiny_lab.controls() is None
    monkeypatch.setattr(tiny_lab, "_given_run_dir", None)
    monkeypatch.setattr(module.sys, "modules", {})
    with pytest.raises(InputError, match="in notebooks only"):
        tiny_lab.controls()
