"""Search for discounts, codes, products, customers, and tests by words of their names.

The index is a DuckDB file in the folder of the warehouse. The first search after a change of the
data builds it in a temporary file and then replaces the old one. The `.sql` files in this folder
define how words are matched and ranked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import duckdb

from d1lab.errors import InputError, StaleDataError, UnknownName
from d1lab.files import digest, own_prefix, remove_leftovers
from d1lab.warehouse import OWN_FIRST, looking_in, records, scratch

FILE_NAME = "search.duckdb"
KINDS = ("discount", "code", "sku", "customer", "test")
MAX_WORDS = 8
MIN_INSIDE = 3  # minimum letters of a part of a word; shorter parts match too many words
MEMORY = "512MB"  # limit while building the index

_SQL = Path(__file__).parent
_READ = (
    "order_events",
    "discount_analytics",
    "product_performance",
    "customer_insights",
    "ab_test_results",
)


# With millions of rows, a search takes milliseconds only if it reads a small part of the index.
# Words, hashes, and numbers are therefore constants in the filters, and tables are sorted in small
# row groups, so that DuckDB skips groups without a match.
_NEAR = "CREATE OR REPLACE TEMP TABLE near (place BIGINT, word_id BIGINT, grade BIGINT)"
_PREFIXED = """
INSERT INTO near SELECT $place, word_id, (word <> $word)::BIGINT
FROM index.words WHERE word BETWEEN $word AND $word_end AND starts_with(word, $word)
"""
_KNOWN = "SELECT place, min(grade) = 0 FROM near GROUP BY place"
_INSIDE = """
INSERT INTO near SELECT $place, word_id, 2 FROM index.parts
WHERE contains(word, $word) AND NOT starts_with(word, $word)
"""
_HASHES = "SELECT DISTINCT hash(unnest(variants(word))) FROM (SELECT unnest($words) AS word)"
_ALIKE = "SELECT DISTINCT word_id FROM index.variants WHERE variant IN ({numbers})"
# Materialized; otherwise DuckDB would compute the distance for every word of the index.
_MISSPELT = """
INSERT INTO near
WITH alike AS MATERIALIZED (SELECT word_id, word FROM index.words WHERE word_id IN ({numbers})),
asked AS (SELECT unnest($places::BIGINT[]) AS place, unnest($words::VARCHAR[]) AS asked_word)
SELECT place, word_id, 2 + damerau_levenshtein(word, asked_word) AS grade
FROM alike, asked WHERE grade <= 2 + errors_allowed(asked_word)
"""
_CANDIDATES = """
CREATE OR REPLACE TEMP TABLE candidates AS
SELECT entry, count(*) AS words, max(grade) AS worst, sum(grade) AS total
FROM (
    SELECT entry, place, min(grade) AS grade
    FROM near JOIN (FROM index.places WHERE {there}) USING (word_id)
    GROUP BY entry, place
)
GROUP BY entry
"""
_NARROWED = """
entry IN (
    SELECT entry FROM index.entries
    WHERE ($kinds IS NULL OR list_contains($kinds::VARCHAR[], kind))
        AND ($shop IS NULL OR shop = $shop)
)
"""
_LISTED = """
SELECT entry, kind, shop, key, title, events FROM index.entries WHERE entry IN ({numbers})
"""
_LAST_LETTER = "\U0010ffff"
_FEW = 1_000  # maximum length of an IN list; beyond it, a range filter is used
_GROUP_ROWS = 8192


class Hit(NamedTuple):
    """One search result."""

    match: str  # exact, prefix, words, inside, typo, or some
    kind: str  # one of KINDS
    shop: str
    key: str
    title: str | None  # of a product or test; for a discount its code, for a code its discount
    events: int  # number of order lines and refunds with it


class SearchIndex:
    """Search index opened for reading; see `open_index`."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def search(
        self,
        text: str,
        *,
        kinds: Sequence[str] | None = None,
        shop: str | None = None,
        limit: int = 20,
    ) -> list[Hit]:
        """Return the matches of a query, best first: exact, prefix, words, parts of words, typos.

        Parts of words and typos are considered only if a word has no other match, and entries with
        only some of the words only if no entry has all of them.

        Args:
            text: Query; only the first 8 words count, ignoring case and accents.
            kinds: Kinds to include, of KINDS; None for all.
            shop: Shop to include; None for all.
            limit: Maximum number of results; 1 or more.

        Raises:
            UnknownName: A kind does not exist.
            InputError: The query has no letter or digit, or the limit is below 1.
        """
        _require(kinds, limit)
        words, plain = self._query(text)
        options: dict[str, Any] = {
            "asked": len(words),
            "text": plain,
            "text_end": plain + _LAST_LETTER,
            "limit": limit,
        }
        if kinds or shop is not None:
            options |= {"kinds": list(kinds) if kinds else None, "shop": shop}
        self._con.execute(_NEAR)
        for place, word in enumerate(words):
            given = {"place": place, "word": word, "word_end": word + _LAST_LETTER}
            self._con.execute(_PREFIXED, given)
        known = self._known()
        hits = self._ranked(options) if len(known) == len(words) else []
        if not hits or hits[0].match == "some":
            unknown = {n: word for n, word in enumerate(words) if not known.get(n)}
            self._find_inside(unknown)
            self._find_misspelt(unknown)
            hits = self._ranked(options)
        return hits

    def close(self) -> None:
        """Close the file."""
        self._con.close()

    def _query(self, text: str) -> tuple[list[str], str]:
        """Return the words of a query and the whole query in the spelling of the index."""
        sql = "SELECT words_of($text), trim(plain($text))"
        ((words, plain),) = self._con.execute(sql, {"text": text}).fetchall()
        if not words:
            raise InputError(f"search {text!r:.80}: no letter or digit. Enter a word or a part.")
        return words[:MAX_WORDS], plain

    def _known(self) -> dict[int, bool]:
        """Return the positions of words with an exact or prefix match, and whether it is exact."""
        return dict(self._con.execute(_KNOWN).fetchall())

    def _find_inside(self, words: Mapping[int, str]) -> None:
        for place, word in words.items():
            if len(word) >= MIN_INSIDE:
                self._con.execute(_INSIDE, {"place": place, "word": word})

    def _find_misspelt(self, words: Mapping[int, str]) -> None:
        asked = list(words.values())
        hashes = self._numbers(_HASHES, {"words": asked}) if asked else ""
        alike = self._numbers(_ALIKE.format(numbers=hashes)) if hashes else ""
        if alike:
            given = {"places": list(words), "words": asked}
            self._con.execute(_MISSPELT.format(numbers=alike), given)

    def _numbers(self, sql: str, given: Mapping[str, object] | None = None) -> str:
        """Return the integers of a query as a list of SQL constants."""
        found = self._con.execute(sql, given or {}).fetchall()
        return ", ".join(str(int(number)) for (number,) in found)

    def _ranked(self, options: Mapping[str, object]) -> list[Hit]:
        """Return the best entries with words of `near`; reads only these entries in full."""
        self._con.execute(_CANDIDATES.format(there=self._among("word_id", "near")))
        sql = _sql("ranked")
        if "shop" in options:
            sql = sql.replace("true /* narrowed */", _NARROWED)
        best = self._con.execute(sql, options).fetchall()
        numbers = ", ".join(str(int(entry)) for entry, _ in best)
        listed = self._con.execute(_LISTED.format(numbers=numbers or "NULL")).fetchall()
        found = {entry: rest for entry, *rest in listed}
        return [Hit(match, *found[entry]) for entry, match in best]

    def _among(self, name: str, table: str) -> str:
        """Return a filter that matches all numbers of a table, and few others."""
        sql = f"SELECT count(DISTINCT {name}), min({name}), max({name}) FROM {table}"  # noqa: S608
        ((count, least, most),) = self._con.execute(sql).fetchall()
        if count == 0:
            return "false"
        if count > _FEW:
            return f"{name} BETWEEN {int(least)} AND {int(most)}"
        return f"{name} IN ({self._numbers(f'SELECT DISTINCT {name} FROM {table}')})"  # noqa: S608


def open_index(con: duckdb.DuckDBPyConnection, folder: Path) -> SearchIndex:
    """Open the index of the current data, and build it first if it is missing or outdated.

    Args:
        con: Connection to the warehouse, used to build the index.
        folder: Folder of the warehouse and the index.
    """
    key = _key(con)
    index = _attached(folder / FILE_NAME, key)
    if index is None:
        build_index(con, folder)
        index = _attached(folder / FILE_NAME, key)
    if index is None:
        raise StaleDataError(
            f"the search index of {folder.name!r} was deleted during the search. Search again."
        )
    return SearchIndex(index)


def build_index(con: duckdb.DuckDBPyConnection, folder: Path) -> Path:
    """Build the index in a temporary file, replace the old one, and return its path.

    Args:
        con: The warehouse.
        folder: Folder of the index.
    """
    remove_leftovers(folder, "search-*")
    with TemporaryDirectory(prefix=own_prefix("search"), dir=folder) as aside:
        path = Path(aside) / FILE_NAME
        with scratch(memory_limit=MEMORY, temp_directory=aside) as index:
            index.execute(f"ATTACH {_literal(path)} AS index (ROW_GROUP_SIZE {_GROUP_ROWS})")
            index.execute(f"USE index; {_sql('macros')}")
            entries = looking_in(con, OWN_FIRST).sql(_sql("entries"))
            index.register("incoming", entries.to_arrow_reader())
            index.execute(_sql("index"))
            index.execute("CREATE TABLE index.made_of AS SELECT $key AS key", {"key": _key(con)})
            index.execute("USE memory; DETACH index")
        return path.replace(folder / FILE_NAME)


def _require(kinds: Sequence[str] | None, limit: int) -> None:
    for kind in kinds or ():
        if kind not in KINDS:
            raise UnknownName("kind", kind, KINDS, "search")
    if limit < 1:
        raise InputError(f"invalid limit={limit}. Use 1 or more.")


def _attached(path: Path, key: str) -> duckdb.DuckDBPyConnection | None:
    """Connect to the index; None if it was built from other data or is not an index."""
    if not path.is_file():
        return None
    index = scratch()
    try:
        index.execute(f"ATTACH {_literal(path)} AS index (READ_ONLY)")
        if index.execute("SELECT key FROM index.made_of").fetchall() == [(key,)]:
            index.execute("USE index")  # its macros
            return index
    except duckdb.Error:
        index.close()  # it is rebuilt
        return None
    index.close()
    return None


def _key(con: duckdb.DuckDBPyConnection) -> str:
    """Return a key that changes with the searchable data and with the index format."""
    tables = records(con).tables
    parts = [tables[name].digest if name in tables else "" for name in _READ]
    parts += [path.read_text(encoding="utf-8") for path in sorted(_SQL.glob("*.sql"))]
    return digest(*parts)


def _sql(name: str) -> str:
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def _literal(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"
