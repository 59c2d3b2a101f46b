"""lab.search: the search index of the lab's warehouse, opened once."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from d1lab.search import Hit, SearchIndex, open_index

if TYPE_CHECKING:
    import pandas as pd


class Finding:
    """What a Lab can find by words; it brings the warehouse."""

    _con: duckdb.DuckDBPyConnection
    folder: Path

    def search(
        self, text: str, *, kind: str | None = None, shop: str | None = None, limit: int = 20
    ) -> pd.DataFrame:
        """Discounts, codes, articles, customers and tests by their words, best first.

        Args:
            text: Words, their beginnings, or nearly so: case, accents and typing errors aside.
            kind: Only one of discount, code, sku, customer and test.
            shop: Only of this shop.
            limit: At most so many.

        Raises:
            UnknownName: There is no such kind.
            InputError: The text holds no letter or digit, or the limit is below 1.
        """
        import pandas as pd

        kinds = [kind] if kind else None
        hits = self._index.search(text, kinds=kinds, shop=shop, limit=limit)
        return pd.DataFrame(hits, columns=list(Hit._fields))

    @cached_property
    def _index(self) -> SearchIndex:
        return open_index(self._con, self.folder)
