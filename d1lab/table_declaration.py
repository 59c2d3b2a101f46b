"""The declaration of a D1 table: its key, columns, types, and how changes are detected."""

from __future__ import annotations

from typing import Literal, NamedTuple

from d1lab.errors import UnknownName
from d1lab.types import Type

Owner = Literal["app", "aggregate", "analysis", "worker"]


class Column(NamedTuple):
    """One column of a D1 table.

    `fits` is the app's declared type of a result column if it is narrower than `type`:
    'INTEGER' or 'DECIMAL(digits,places)'. A push rounds to it.
    """

    name: str
    type: Type
    owner: Owner = "app"
    fits: str = ""


class Table(NamedTuple):
    """One D1 table.

    A pull continues from the highest rowid in the warehouse. `reread_days` is the length of the
    tail that it rereads to detect updates and deletions: 0 for rows that never change,
    None for the whole table. `day` is the column that these days are counted in; views omit rows
    whose day is in the future. The warehouse stores the shop's local day of the time `shop_day`.
    d1lab adds rows day by day to a table with `added_on`, the column with that day: what a pull
    rereads of it depends on the time since the last read, see `d1lab.pull.rhythm`.
    """

    name: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    reread_days: int | None = None
    day: str | None = None
    shop_day: str | None = None
    added_on: str | None = None
    touched: str | None = None  # the column that every update of the app sets
    write: Literal["update", "upsert"] = "update"  # update: only the app inserts rows
    is_guides: bool = False  # an app's table: d1lab adds nothing to it
    is_keyed: bool = True  # whether the key is unique in D1

    def column(self, name: str) -> Column:
        """Return the column with that name.

        Raises:
            UnknownName: The table has no such column; the message suggests the closest.
        """
        for column in self.columns:
            if column.name == name:
                return column
        names = [column.name for column in self.columns]
        raise UnknownName("column", name, names, f"table {self.name!r}")

    def owned(self, owner: Owner) -> tuple[str, ...]:
        """Return the names of the columns that `owner` writes."""
        return tuple(column.name for column in self.columns if column.owner == owner)

    @property
    def has_day(self) -> bool:
        """Whether a day is part of the key; otherwise the table has one state."""
        return any(self.column(name).type == "date" for name in self.key)


def columns_of(owner: Owner = "app", **types: str) -> tuple[Column, ...]:
    """Build the columns of one owner, by type: `text="shop sku"`, in this order."""
    return tuple(
        Column(name, kind, owner)  # pyright: ignore[reportArgumentType]
        for kind, names in types.items()
        for name in names.split()
    )
