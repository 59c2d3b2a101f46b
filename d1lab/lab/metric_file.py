"""Write a metric file from SQL: the header from what the SQL tells, for its author to complete."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from d1lab.errors import InputError
from d1lab.files import write
from d1lab.lab.local_tables import Namespace, local_table
from d1lab.metrics import load_metrics, parse_metric
from d1lab.select_statements import check_select, tables_read

if TYPE_CHECKING:
    from d1lab.lab.lab import Lab


def save_metric(lab: Lab, name: str, sql: str, names: Namespace) -> Path:
    """Write the SQL of a cell as a metric of the project; the same text twice is no error.

    Args:
        lab: The lab that ran it.
        name: Name of the metric, and of its file.
        sql: One SELECT.
        names: The notebook's variables.

    Raises:
        InputError: The SQL reads frames of the notebook, or another metric has this name.
    """
    frames = [
        t for t in tables_read(sql) if t not in lab.tables and local_table(t, names) is not None
    ]
    if frames:
        raise InputError(
            f"a metric reads the warehouse only, but this SQL reads {', '.join(frames)} of the "
            "notebook. Write it as WITH ... in the same cell."
        )
    if lab.metrics_folder is None:
        raise InputError("there is no project folder to write a metric to. Run `d1lab init`.")
    text = metric_text(name, sql, tables_read(sql))
    return write_metric(lab.metrics_folder, name, text)


def metric_text(name: str, sql: str, reads: Sequence[str], sentence: str = "") -> str:
    """Return the text of a metric file.

    Args:
        name: Name of the metric.
        sql: One SELECT.
        reads: Tables and views that it reads.
        sentence: What it computes; empty for a text that asks to be replaced.
    """
    what = sentence or f"{name.replace('_', ' ')} (describe it here)"
    notes = [f"-- ${parameter}: value of {parameter}" for parameter in sorted(check_select(sql))]
    fields = f"-- unit: rows      grain: row      reads: {', '.join(reads) or 'nothing'}"
    return "\n".join([f"-- {name}: {what}", fields, *notes, sql.strip().rstrip(";"), ""])


def write_metric(folder: Path, name: str, text: str) -> Path:
    """Write a metric file, unless it exists with another text.

    Raises:
        InputError: The name is taken, or the text is not a valid metric.
    """
    if not name.isidentifier():
        raise InputError(f"invalid metric name {name!r}. Use letters, digits, and underscores.")
    parse_metric(text)
    path = folder / f"{name}.sql"
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return path
    if path.exists() or name in load_metrics(None):
        raise InputError(f"metric {name!r} already exists. Choose another name.")
    return write(path, text)
