"""A notebook in front of an analyst: tables of frames, errors as one sentence, completion.

`set_up` changes the running IPython once, when the first lab is opened. In `d1lab run`, pages are
made from plain values and tracebacks, so only the magic is registered there.
"""

from __future__ import annotations

import sys
import traceback
from html import escape
from typing import TYPE_CHECKING, Any

import duckdb

from d1lab.charts import theme
from d1lab.display import results
from d1lab.display.frame_html import first_rows
from d1lab.display.notebook_style import framed
from d1lab.errors import D1labError
from d1lab.lab import completion, magic
from d1lab.select_statements import message_of

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab

_MARK = "_d1lab_is_set_up"
_FRAMES = (("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame"))
_POLARS = ("polars.dataframe.frame", "DataFrame")
_RED, _PLAIN = "\x1b[31m", "\x1b[0m"


def set_up(lab: Lab, *, is_watched: bool) -> bool:
    """Prepare the running IPython for a lab; return whether there is one.

    Args:
        lab: The lab that was opened.
        is_watched: Whether a person looks at the notebook; False in a run.
    """
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    if shell is None:
        return False
    magic.register(lab, shell)
    results.load_ipython_extension(shell)
    theme.load_ipython_extension(shell)
    if is_watched:
        completion.register(lab, shell)
    if is_watched and hasattr(shell, "kernel") and not hasattr(shell, _MARK):
        _show_frames(shell.display_formatter.mimebundle_formatter)
        shell.set_custom_exc((Exception,), _show_error)
        setattr(shell, _MARK, True)
    return True


def _show_frames(formatter: Any) -> None:
    """Show frames and relations as tables that can be sorted and searched."""
    formatter.for_type(duckdb.DuckDBPyRelation, _bundle)
    for module, name in (*_FRAMES, _POLARS):
        formatter.for_type_by_name(module, name, _bundle)


def _bundle(shown: Any, include: object = None, exclude: object = None) -> dict[str, str]:
    try:
        first = first_rows(shown)
    except duckdb.Error as error:  # a relation is computed when it is shown
        text = f"SQL: {message_of(error)}"
        return {"text/html": framed(f'<p class="error">{escape(text)}</p>'), "text/plain": text}
    return {"text/html": first.html(), "text/plain": first.text()}


def _show_error(shell: Any, kind: Any, error: BaseException, trace: Any, tb_offset: Any) -> None:
    """Show an error of d1lab or DuckDB as its sentence, with the traceback behind a fold."""
    sentence = sentence_of(error)
    if sentence is None:
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    shell._showtraceback(kind, sentence, [f"{_RED}{sentence}{_PLAIN}"])
    from IPython.core.display import HTML
    from IPython.display import display  # pyright: ignore[reportUnknownVariableType]

    display(HTML(_folded(kind, error, trace)))


def sentence_of(error: BaseException) -> str | None:
    """Return the sentence that says what happened; None if only the traceback can.

    >>> sentence_of(ModuleNotFoundError("No module named 'polars'", name="polars"))
    'polars is not installed. Install it with `pip install polars`, or use .df() for pandas.'
    """
    if isinstance(error, D1labError):
        return str(error)
    if isinstance(error, duckdb.Error):
        return f"SQL: {message_of(error)}"
    if isinstance(error, ModuleNotFoundError) and error.name == "polars":
        return (
            "polars is not installed. Install it with `pip install polars`, or use .df() for "
            "pandas."
        )
    return None


def _folded(kind: Any, error: BaseException, trace: Any) -> str:
    """Return the traceback as HTML behind a fold."""
    lines = traceback.format_exception(kind, error, trace.tb_next or trace)
    text = escape("".join(lines))
    return framed(f'<details class="muted"><summary>Traceback</summary><pre>{text}</pre></details>')
