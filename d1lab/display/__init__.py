"""What a notebook shows: a verdict, key figures, tables, notes; as data, never as HTML.

Each object gives Jupyter a JSON bundle (`application/vnd.d1lab.<kind>.v1+json`), from which the
page is rendered, a plain text, and an escaped HTML for the notebook itself. Whatever stands in a
merchant's data stays data.
"""

from d1lab.display.figures import Figure, Figures
from d1lab.display.table import DataTable
from d1lab.display.values import Kind, money, show
from d1lab.display.words import Note, Verdict

__all__ = [
    "DataTable",
    "Figure",
    "Figures",
    "Kind",
    "Note",
    "Verdict",
    "money",
    "show",
]
