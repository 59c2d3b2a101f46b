"""Display objects of a notebook: verdict, key figures, tables, and notes, stored as data.

Each object returns a JSON bundle (`application/vnd.d1lab.<kind>.v1+json`), which the page is
rendered from, and plain text and escaped HTML for the notebook itself. Text from a shop's data is
therefore never interpreted as HTML.
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
