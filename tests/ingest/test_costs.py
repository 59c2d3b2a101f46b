"""Unit costs are loaded once, and an invalid line is rejected with its reason."""

from __future__ import annotations

import pytest

from d1lab.errors import D1UnavailableError, InputError, UnknownName
from d1lab.ingest.costs import CostsResult, ingest_costs

HEADER = "shop,sku,unit_cost,valid_from\n"


@pytest.fixture
def costs(tmp_path):
    """Write a file of these lines under the header, and return its path."""

    def write(*lines: str, header: str = HEADER):
        path = tmp_path / "costs.csv"
        path.write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    return write


def stored(db):
    return db.query(
        "SELECT shop, sku, unit_cost, valid_from FROM product_costs ORDER BY sku, valid_from"
    ).rows


def test_costs_are_written_once(db, costs):
    """The same file writes nothing again; a changed cost is replaced; a later day adds a row."""
    path = costs("harbor,HAT,4.25,2026-01-01", "harbor,SOCK,1,2026-01-01")
    assert ingest_costs(db, path) == CostsResult(2, 2, 0, ())
    assert ingest_costs(db, path) == CostsResult(2, 0, 2, ())
    path = costs("harbor,HAT,4.50,2026-01-01", "harbor,HAT,5,2026-03-01")
    assert ingest_costs(db, path) == CostsResult(2, 2, 0, ())
    assert stored(db) == [
        ("harbor", "HAT", 4.5, "2026-01-01"),
        ("harbor", "HAT", 5, "2026-03-01"),
        ("harbor", "SOCK", 1, "2026-01-01"),
    ]


def test_costs_of_a_file_are_real_ones(db, costs):
    """A simulated cost that the file contains is no longer simulated, even if it is equal."""
    db.execute("INSERT INTO product_costs VALUES ('harbor', 'HAT', 4, '2026-01-01', 'simulated')")
    db.execute("INSERT INTO product_costs VALUES ('harbor', 'TIE', 4, '2026-01-01', 'simulated')")
    path = costs("harbor,HAT,4,2026-01-01")
    assert ingest_costs(db, path) == CostsResult(1, 1, 0, ())
    assert ingest_costs(db, path) == CostsResult(1, 0, 1, ())
    sources = db.query("SELECT sku, source FROM product_costs ORDER BY sku").rows
    assert sources == [("HAT", None), ("TIE", "simulated")]


def test_costs_need_no_source_column(db, costs):
    """A database without the last migration stores them as before."""
    db.execute("ALTER TABLE product_costs DROP COLUMN source")
    path = costs("harbor,HAT,4,2026-01-01")
    assert ingest_costs(db, path) == CostsResult(1, 1, 0, ())
    assert ingest_costs(db, path) == CostsResult(1, 0, 1, ())
    assert stored(db) == [("harbor", "HAT", 4, "2026-01-01")]


def test_costs_dry_run_lists_rejected_lines_without_a_database(costs):
    """The checks are the same, and nothing is written."""
    result = ingest_costs(None, costs("harbor,HAT,4,2026-01-01", "harbor,SOCK,free,2026-01-01"))
    assert result[:3] == (2, 0, 0)
    assert [(line.line, line.reason) for line in result.rejected] == [
        (3, "invalid unit_cost 'free'. Use an amount of 0 or more, such as 12.50.")
    ]


def test_costs_resume_after_a_kill(db, costs, dying):
    """Written rows are kept and count as known; the next run writes the rest."""
    path, told = costs(*(f"harbor,S{n},1,2026-01-01" for n in range(25_000))), []
    with pytest.raises(D1UnavailableError):
        ingest_costs(dying(db, writes=2), path)
    assert len(stored(db)) == 20_000
    result = ingest_costs(db, path, progress=lambda *done: told.append(done))
    assert result == CostsResult(25_000, 5_000, 20_000, ())
    assert [done for _, done, _ in told] == [10_000, 20_000, 25_000]
    assert {(name, expected) for name, _, expected in told} == {("costs", 25_000)}


def test_costs_columns_in_any_order(db, costs):
    """A byte order mark is accepted, and cells are trimmed."""
    header = "\ufeffvalid_from,unit_cost,sku,shop\n"
    assert ingest_costs(db, costs("2026-01-01, 2.5 ,HAT,harbor", header=header)).written == 1
    assert stored(db) == [("harbor", "HAT", 2.5, "2026-01-01")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",HAT,1,2026-01-01", "shop is missing"),
        ("harbor, ,1,2026-01-01", "sku is missing"),
        ("harbor,HAT,,2026-01-01", "invalid unit_cost ''"),
        ("harbor,HAT,-1,2026-01-01", "invalid unit_cost '-1'"),
        ("harbor,HAT,nan,2026-01-01", "invalid unit_cost 'nan'"),
        ('harbor,HAT,"1,5",2026-01-01', "invalid unit_cost '1,5'"),
        ("harbor,HAT,1e3,2026-01-01", "invalid unit_cost '1e3'"),
        ("harbor,HAT,1,2026-02-30", "invalid valid_from '2026-02-30'"),
        ("harbor,HAT,1,01.02.2026", "invalid valid_from '01.02.2026'"),
        ("harbor,HAT,1", "expected 4 cells"),
        ("harbor,HAT,1,2026-01-01,USD", "expected 4 cells"),
        (
            "harbor,CAP,9,2026-01-01",
            "conflicting cost for CAP on 2026-01-01: an earlier line has 3",
        ),
        ("harbor,CAP,3,2026-01-01", "CAP has this cost for 2026-01-01 in an earlier line"),
    ],
)
def test_costs_reject_a_line_and_load_the_others(db, costs, line, reason):
    """The line has its number in the file, and nothing of it is written."""
    result = ingest_costs(db, costs("harbor,CAP,3,2026-01-01", line, "harbor,TIE,7,2026-01-01"))
    assert (result.received, result.written, result.known) == (3, 2, 0)
    [(number, said, _)] = result.rejected
    assert number == 3
    assert said.startswith(reason)
    assert [row[1] for row in stored(db)] == ["CAP", "TIE"]


def test_costs_reject_an_invalid_file(db, costs, tmp_path):
    """A column is unknown, missing, or duplicate, or the file or its encoding is invalid."""
    with pytest.raises(UnknownName, match="Did you mean 'unit_cost'"):
        ingest_costs(db, costs(header="shop,sku,unit_costs,valid_from\n"))
    with pytest.raises(InputError, match="found shop, sku, unit_cost"):
        ingest_costs(db, costs(header="shop,sku,unit_cost\n"))
    with pytest.raises(InputError, match="each once"):
        ingest_costs(db, costs(header="shop,sku,sku,unit_cost,valid_from\n"))
    with pytest.raises(InputError, match="does not exist"):
        ingest_costs(db, tmp_path / "absent.csv")
    path = costs()
    path.write_bytes(HEADER.encode() + b"harbor,H\x81T,1,2026-01-01\n")
    with pytest.raises(InputError, match="not in UTF-8"):
        ingest_costs(db, path)
    assert stored(db) == []
