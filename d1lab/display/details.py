"""Details of the items in a page's tables, opened by a tap on an item's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from d1lab.counting import counted
from d1lab.display.table import DataTable
from d1lab.display.values import as_text


class Details(NamedTuple):
    """A table whose rows are shown one at a time: the first column names the item.

    An item is stored once, however many tables of the page name it.
    """

    table: DataTable

    MIME = "application/vnd.d1lab.details.v1+json"

    @classmethod
    def from_json(cls, bundle: Mapping[str, Any]) -> Details:
        """Build details from their JSON bundle."""
        return cls(DataTable.from_json(bundle))

    _repr_pretty_ = as_text

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:
        told = f"{self.table.title}: details of {counted(len(self.table.rows), 'item')}"
        return {self.MIME: self.table.to_json(), "text/plain": told}
