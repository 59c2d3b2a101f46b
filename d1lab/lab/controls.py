"""Controls: the parameters of a notebook as widgets, which run the cells below when one changes.

The parameters are those of the cell tagged `parameters`, read from the notebook's file, with their
types, ranges, and help texts. A change is checked as in a run, then assigned to the notebook's
variables; d1lab's extension in JupyterLab runs the cells below the parameters.
"""

from __future__ import annotations

import json
import os
import sys
import uuid
from collections.abc import Callable, Mapping, MutableMapping
from datetime import date
from html import escape
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d1lab.errors import InputError
from d1lab.parameter_types import range_of
from d1lab.parameters import Days, ReportParameter, check, declared

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab

TARGET = "d1lab.controls"
_SESSION, _VS_CODE = "JPY_SESSION_NAME", "__vsc_ipynb_file__"
_WHERE = "the parameters cell"
_MOST_STEPS = 400  # of a slider; a wider range has a field for its number


class Controls:
    """Widgets of some parameters, as shown by a cell.

    Args:
        lab: The lab that knows the shops and days.
        parameters: The declared parameters.
        names: The notebook's variables, which the widgets change.
        run: Called with the name of the controls after each valid change.
    """

    def __init__(
        self,
        lab: Lab,
        parameters: Mapping[str, ReportParameter],
        names: MutableMapping[str, Any],
        run: Callable[[str, Callable[[str], None]], None],
    ) -> None:
        ipywidgets = _ipywidgets()
        self._lab, self._parameters, self._names, self._run = lab, parameters, names, run
        self.name = f"d1lab-controls-{uuid.uuid4().hex[:12]}"
        self.widgets: dict[str, Any] = {
            name: _widget(parameter, names.get(name, parameter.default), lab.shops)
            for name, parameter in parameters.items()
        }
        self._said = ipywidgets.HTML()
        for widget in self.widgets.values():
            widget.observe(self._changed, "value")
        self.box = ipywidgets.VBox([*self.widgets.values(), self._said])
        self.box.add_class(self.name)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.box._repr_mimebundle_(**kwargs)

    def _changed(self, _change: object) -> None:
        """Assign the values and run the cells, or say why a value is invalid."""
        try:
            values = self._checked()
        except InputError as error:
            self._say(str(error), is_error=True)
            return
        self._names.update(values)
        self._say("The values are set. Run the cells below.")
        self._run(self.name, self._say)

    def _checked(self) -> dict[str, Any]:
        shown = {name: widget.value for name, widget in self.widgets.items()}
        texts = {n: v for n, v in shown.items() if _is_typed_in(self._parameters[n])}
        values = {n: v for n, v in shown.items() if n not in texts}
        shop = str(values.get("shop", ""))
        days = Days(self._lab.today(shop or None), self._lab.as_of(shop or None))
        return check(self._parameters, values, texts, days, _WHERE)

    def _say(self, text: str, *, is_error: bool = False) -> None:
        color = ' style="color: var(--jp-error-color1, #b00)"' if is_error else ""
        self._said.value = f"<span{color}>{escape(text)}</span>" if text else ""


def _ipywidgets() -> Any:
    """Return ipywidgets, which has no types, and is slow to import."""
    return import_module("ipywidgets")


def notebook_names() -> dict[str, Any]:
    """Return the variables of the running notebook, which can be changed.

    Raises:
        InputError: There is no notebook.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        raise InputError("lab.controls() works in notebooks only.")
    return shell.user_ns


def controls(lab: Lab, names: MutableMapping[str, Any]) -> Controls:
    """Return the controls of the notebook whose variables these are.

    Raises:
        InputError: There is no notebook file, or it has no valid parameters cell.
    """
    return Controls(lab, declared(_parameters_source(names), _WHERE), names, run_cells)


def run_cells(name: str, say: Callable[[str], None]) -> None:
    """Ask JupyterLab to run the cells below; its answer removes the hint to do so by hand.

    Args:
        name: Name of the controls, a CSS class of their box.
        say: Shows a text below the controls.
    """
    from comm import create_comm

    comm = create_comm(target_name=TARGET, data={"controls": name})
    comm.on_msg(lambda _: say(""))


def _parameters_source(names: Mapping[str, Any]) -> str:
    """Return the source of the notebook's parameters cell."""
    path = str(names.get(_VS_CODE) or os.environ.get(_SESSION, ""))
    if not path.endswith(".ipynb") or not Path(path).is_file():
        raise InputError(
            "lab.controls() works in notebooks that are saved as a file. Save the notebook, and "
            "restart its kernel if it was renamed."
        )
    cells = json.loads(Path(path).read_text(encoding="utf-8")).get("cells", [])
    tagged = [cell for cell in cells if "parameters" in cell.get("metadata", {}).get("tags", ())]
    if len(tagged) != 1:
        raise InputError(
            f"{Path(path).name} has {len(tagged)} cells tagged 'parameters'. Tag the cell with the "
            "parameters (the gear at the top right, Cell Tags), and save the notebook."
        )
    return "".join(tagged[0]["source"])


def _is_typed_in(parameter: ReportParameter) -> bool:
    """Whether its value is entered as text: lists, and values that can be missing."""
    return parameter.many or (parameter.optional and parameter.kind != "date")


def _widget(parameter: ReportParameter, value: Any, shops: list[str]) -> Any:
    """Return the widget of a parameter; a value that does not fit is replaced by the default."""
    ipywidgets = _ipywidgets()
    common = {
        "description": parameter.name,
        "tooltip": parameter.help,
        "style": {"description_width": "10em"},
    }
    if parameter.name == "shop" and shops:
        shop = value if value in shops else shops[0]
        return ipywidgets.Dropdown(options=shops, value=shop, **common)
    if _is_typed_in(parameter) or parameter.kind == "text":
        text = _as_text(value)
        return ipywidgets.Text(value=text, continuous_update=False, **common)
    if parameter.kind == "bool":
        return ipywidgets.Checkbox(value=bool(value), indent=True, **common)
    if parameter.kind == "date":
        return ipywidgets.DatePicker(value=_as_date(value), **common)
    return _number(parameter, value, common)


def _number(parameter: ReportParameter, value: Any, common: dict[str, Any]) -> Any:
    """Return a slider for a narrow range, else a field."""
    ipywidgets = _ipywidgets()
    is_whole = parameter.kind == "integer"
    limits = range_of(parameter.name, parameter.help)
    convert = int if is_whole else float
    if limits and limits.most is not None:
        least, most = convert(limits.least), convert(limits.most)
        if not is_whole or most - least <= _MOST_STEPS:
            kind = ipywidgets.IntSlider if is_whole else ipywidgets.FloatSlider
            step = 1 if is_whole else (most - least) / 100
            return kind(
                value=value, min=least, max=most, step=step, continuous_update=False, **common
            )
    kind = ipywidgets.IntText if is_whole else ipywidgets.FloatText
    return kind(value=value, continuous_update=False, **common)


def _as_text(value: Any) -> str:
    if value is None:
        return "null"
    return json.dumps(value) if isinstance(value, list) else str(value)


def _as_date(value: Any) -> date | None:
    """Return a day; None for a word such as 'latest'."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        return None
