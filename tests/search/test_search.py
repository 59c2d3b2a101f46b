"""Search: best matches first, typos, and no outdated results."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from d1lab import catalog
from d1lab.errors import InputError, UnknownName
from d1lab.search import FILE_NAME, KINDS, open_index
from d1lab.types import TYPES
from d1lab.warehouse import create_views, next_warehouse, open_warehouse

LINES = [  # sku, title, discount, code, customer
    ("SOCK-M", "Winter sock, medium", "spring", "SPRING10", "ada"),
    ("SOCK-M", "Winter sock, medium", "spring", "SPRING10", "bob"),
    ("SOCK-L", "Winter sock, large", None, None, "ada"),
    ("CAP", "Winter cap for socks", None, None, "9e107d9d372bb6826bd81d3542a419d6"),
    ("sock", "Plain one", None, None, "ada"),
    ("COAT", "Café raincoat", "spring-vip", "SPRING1000", "ada"),
    ("EVIL", "</script><script>\x1b[31m'; DROP TABLE words; --", None, None, "ada"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A warehouse of seven order lines and a test."""
    with next_warehouse(tmp_path) as con:
        for table in catalog.TABLES.values():
            columns = ", ".join(f"{c.name} {TYPES[c.type].duckdb}" for c in table.columns)
            con.execute(f"CREATE TABLE raw.{table.name} ({columns}, _rowid BIGINT)")
        create_views(con)
        for line in LINES:
            add(con, *line)
        con.execute(
            "INSERT INTO raw.ab_test_results (test_id, shop, test_name)"
            " VALUES ('t-1', 'harbor', 'Free delivery in winter')"
        )
        con.execute("INSERT INTO d1lab.tables (table_name, digest) VALUES ('order_events', 'one')")
    return tmp_path


def add(con, sku, title, discount, code, customer, shop="harbor"):
    con.execute(
        "INSERT INTO raw.order_events (shop, event_id, type, order_id, sku, product_title,"
        " quantity, discount_id, discount_code, customer_id, revenue, occurred_at)"
        " VALUES (?, uuid(), 'order', 'o', ?, ?, 1, ?, ?, ?, 1, now())",
        [shop, sku, title, discount, code, customer],
    )


def found(folder: Path, text: str, **options):
    with open_warehouse(folder) as con:
        index = open_index(con, folder)
        hits = index.search(text, **options)
        index.close()
    return hits


def keys(hits):
    return [(hit.match, hit.key) for hit in hits]


def test_ranking_is_exact_then_prefix_then_words(folder):
    """The product named 'sock' comes first, then keys with the prefix, then titles with it."""
    assert keys(found(folder, "SOCK")) == [
        ("exact", "sock"),
        ("prefix", "SOCK-M"),  # sold more often
        ("prefix", "SOCK-L"),
        ("words", "CAP"),
    ]


def test_every_word_must_be_there(folder):
    """Words in any order, by prefix; entries with some words only if none has all."""
    assert keys(found(folder, "sock winter")) == [
        ("words", "SOCK-M"),
        ("words", "SOCK-L"),
        ("words", "CAP"),
    ]
    assert keys(found(folder, "med wint")) == [("words", "SOCK-M")]
    assert {hit.match for hit in found(folder, "medium elephant")} == {"some"}


@pytest.mark.parametrize(
    ("text", "match", "key"),
    [
        ("wintre capp", "typo", "CAP"),  # two letters swapped, one too many
        ("rianccoat", "typo", "COAT"),  # two errors in a long word
        ("sping1000", "typo", "SPRING1000"),
        ("cafe", "prefix", "COAT"),  # accents aside
        ("incoat", "inside", "COAT"),
        ("9e107d9d372bb6826bd81d3542a419dX", "typo", "9e107d9d372bb6826bd81d3542a419d6"),
        ("delivery", "words", "t-1"),
        ("sock-m", "exact", "SOCK-M"),
    ],
)
def test_first_hit(folder, text, match, key):
    """Typos and the expected results."""
    first = found(folder, text)[0]
    assert (first.match, first.key) == (match, key)


def test_parts_of_hashed_names_are_not_looked_for(folder):
    """A word of more than 24 letters is found by prefix or as a whole, not by a part."""
    assert keys(found(folder, "9e107d9d372b")) == [("prefix", "9e107d9d372bb6826bd81d3542a419d6")]
    assert found(folder, "6826bd81d354") == []


def test_many_answers_are_ranked_as_few_are(folder):
    """More than a thousand words and entries use range filters; shop and rank still apply."""
    with next_warehouse(folder) as con:
        con.execute(
            "INSERT INTO raw.order_events (shop, event_id, type, order_id, sku, product_title,"
            " quantity, revenue, occurred_at)"
            " SELECT 'harbor', 'm' || i, 'order', 'o', 'mug-' || i, 'Mug mark' || i || ' tea', 1,"
            " 1, now() FROM range(3000) AS t (i)"
        )
        con.execute("UPDATE d1lab.tables SET digest = 'many'")
    hits = found(folder, "mark tea", limit=5_000)
    assert len(hits) == 3_000
    assert {hit.match for hit in hits} == {"words"}
    assert keys(found(folder, "mark2999 tae"))[0] == ("some", "mug-2999")
    assert keys(found(folder, "mark2999 tea"))[0] == ("words", "mug-2999")
    assert found(folder, "mark", shop="village") == []


def test_code_with_more_errors_than_one_is_another_code(folder):
    """Numbers allow one typo: SPRING99 does not match SPRING10."""
    assert found(folder, "sprinh99", kinds=["code"]) == []


def test_kinds_shops_and_limit(folder):
    """Each option reduces the results; a result has the shop of the product."""
    assert {hit.kind for hit in found(folder, "spring")} == {"discount", "code"}
    assert [hit.kind for hit in found(folder, "spring10", kinds=["code"])] == ["code", "code"]
    assert found(folder, "sock", shop="village") == []
    assert len(found(folder, "sock", limit=2)) == 2
    hit = found(folder, "spring10", kinds=["code"])[0]
    assert hit == ("exact", "code", "harbor", "SPRING10", "spring", 2)


@pytest.mark.parametrize("text", ["'; DROP TABLE words; --", "</script>", "drop table"])
def test_hostile_text_is_only_text(folder, text):
    """The same in a query as in the data."""
    assert "EVIL" in [hit.key for hit in found(folder, text)]
    assert keys(found(folder, "cap"))[0] == ("exact", "CAP")


def test_bad_input_is_named(folder):
    """An unknown kind, no word, and a limit of 0 are rejected."""
    with pytest.raises(UnknownName, match="Did you mean 'customer'"):
        found(folder, "x", kinds=["costumer"])
    with pytest.raises(InputError, match="limit=0"):
        found(folder, "x", limit=0)
    with pytest.raises(InputError, match="no letter or digit"):
        found(folder, "%")
    assert KINDS == ("discount", "code", "sku", "customer", "test")


def test_index_is_made_once_and_again_when_the_data_changed(folder):
    """A search finds newly pulled rows; without a change, the file is reused."""
    assert found(folder, "scarf") == []
    made = (folder / FILE_NAME).stat().st_ino
    found(folder, "sock")
    assert (folder / FILE_NAME).stat().st_ino == made
    with next_warehouse(folder) as con:
        add(con, "SCARF", "Silk scarf", None, None, "eve")
        con.execute("UPDATE d1lab.tables SET digest = 'two'")
    assert keys(found(folder, "scarf")) == [("exact", "SCARF")]
    assert list(folder.glob("search-*")) == []


def test_index_that_is_broken_is_made_anew(folder):
    """Any other file in its place is replaced."""
    (folder / FILE_NAME).write_bytes(b"no database")
    assert found(folder, "scarf") == []
    assert keys(found(folder, "cap"))[0] == ("exact", "CAP")
    with duckdb.connect() as con:
        assert con.sql("SELECT 1").fetchall() == [(1,)]


def test_lab_search_gives_a_frame(tiny_lab):
    """Hostile titles are cells, which a notebook escapes."""
    frame = tiny_lab.search("SPRING10", kind="code")
    assert list(frame["key"]) == ["SPRING10"]
    evil = tiny_lab.search("script alert")
    assert evil["key"].tolist() == ["evil"]
    assert "<script>" not in evil.to_html()
