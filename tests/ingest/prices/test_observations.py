"""Competitors' prices are loaded once, and an invalid line is rejected with its reason."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from d1lab.errors import InputError, UnknownName
from d1lab.ingest.prices.observations import PricesResult, ingest_prices

HEADER = "shop,sku,competitor,price,currency,in_stock,url,observed_at"
NOW = datetime(2026, 5, 2, 12, tzinfo=UTC)


def stored(db):
    return db.query(
        "SELECT sku, competitor, price, currency, in_stock, url, observed_at, source "
        "FROM competitor_prices ORDER BY sku, observed_at"
    ).rows


def ingest(db, path) -> PricesResult:
    return ingest_prices(db, path, now=NOW)._replace(seconds=0)


def test_prices_are_written_once(db, csv_file):
    """The same file writes nothing again; another price for the same time replaces the first."""
    lines = [
        "harbor,HAT,acme,12.50,EUR,yes,https://acme.example/hat,2026-05-01 10:00",
        "harbor,SOCK,acme,4,eur,,,2026-05-01T12:00:00+02:00",
    ]
    path = csv_file(HEADER, *lines)
    assert ingest(db, path) == PricesResult(2, 2, 0, (), 0)
    assert ingest(db, path) == PricesResult(2, 0, 2, (), 0)
    assert stored(db) == [
        ("HAT", "acme", 12.5, "EUR", 1, "https://acme.example/hat", "2026-05-01 10:00:00", "file"),
        ("SOCK", "acme", 4, "EUR", None, None, "2026-05-01 10:00:00", "file"),
    ]
    changed = csv_file(HEADER, lines[0].replace("12.50", "12.40"), lines[1])
    assert ingest(db, changed) == PricesResult(2, 1, 1, (), 0)
    assert stored(db)[0][2] == 12.4


def test_prices_columns_in_any_order_and_without_optional_ones(db, csv_file):
    """in_stock and url can be missing, and cells are trimmed."""
    path = csv_file(
        "\ufeffobserved_at,currency,price,competitor,sku,shop", "2026-05-01,EUR, 3 ,acme,HAT,harbor"
    )
    assert ingest(db, path).written == 1
    assert stored(db) == [("HAT", "acme", 3, "EUR", None, None, "2026-05-01 00:00:00", "file")]


def test_prices_of_a_parquet_file(db, tmp_path):
    """Typed columns give the same rows as the texts of a CSV file."""
    table = pa.table(
        {
            "shop": ["harbor"] * 2,
            "sku": ["HAT", "SOCK"],
            "competitor": ["acme"] * 2,
            "price": pa.array([12.5, None]),
            "currency": ["EUR", None],
            "in_stock": [True, False],
            "observed_at": pa.array([datetime(2026, 5, 1, 10, tzinfo=UTC)] * 2),
        }
    )
    pq.write_table(table, tmp_path / "prices.parquet")
    assert ingest(db, tmp_path / "prices.parquet") == PricesResult(2, 2, 0, (), 0)
    assert [row[2:5] for row in stored(db)] == [(12.5, "EUR", 1), (None, None, 0)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",HAT,acme,1,EUR,,,2026-05-01", "shop is missing"),
        ("harbor,,acme,1,EUR,,,2026-05-01", "sku is missing"),
        ("harbor,HAT, ,1,EUR,,,2026-05-01", "competitor is missing"),
        ("harbor,HAT,acme,,EUR,,,2026-05-01", "invalid price ''"),
        ("harbor,HAT,acme,,EUR,yes,,2026-05-01", "invalid price ''"),
        ("harbor,HAT,acme,0,EUR,,,2026-05-01", "invalid price '0'"),
        ("harbor,HAT,acme,-1,EUR,,,2026-05-01", "invalid price '-1'"),
        ('harbor,HAT,acme,"1,50",EUR,,,2026-05-01', "invalid price '1,50'"),
        ("harbor,HAT,acme,nan,EUR,,,2026-05-01", "invalid price 'nan'"),
        ("harbor,HAT,acme,1,,,,2026-05-01", "invalid currency ''"),
        ("harbor,HAT,acme,1,€,,,2026-05-01", "invalid currency '€'"),
        ("harbor,HAT,acme,1,EUR,perhaps,,2026-05-01", "invalid in_stock 'perhaps'. Use yes or no."),
        ("harbor,HAT,acme,1,EUR,,file:///etc/passwd,2026-05-01", "url 'file:///etc/passwd' is no"),
        ("harbor,HAT,acme,1,EUR,,javascript:alert(1),2026-05-01", "url 'javascript:alert(1)' is"),
        ("harbor,HAT,acme,1,EUR,,https://a:b@acme.example/,2026-05-01", "url contains a user name"),
        ("harbor,HAT,acme,1,EUR,,http://[::1,2026-05-01", "url 'http://[::1'"),
        ("harbor,HAT,acme,1,EUR,,,", "invalid observed_at ''"),
        ("harbor,HAT,acme,1,EUR,,,01.05.2026", "invalid observed_at '01.05.2026'"),
        ("harbor,HAT,acme,1,EUR,,,2026-02-30", "invalid observed_at '2026-02-30'"),
        ("harbor,HAT,acme,1,EUR,,,9999-12-31 23:00-12:00", "invalid observed_at '9999-12-31"),
        ("harbor,HAT,acme,1,EUR,,,2026-06-01", "observed_at 2026-06-01 is in the future"),
        ("harbor,HAT,acme,1,EUR,,,2026-05-01,more", "9 cells, but the header has 8"),
        ("harbor,HAT", "2 cells, but the header has 8"),
        ("harbor,CAP,acme,9,EUR,,,2026-05-01", "acme has another price, 3 EUR, for 2026-05-01"),
        ("harbor,CAP,acme,3,EUR,,,2026-05-01 00:00", "acme has this price for 2026-05-01"),
    ],
)
def test_prices_reject_a_line_and_load_the_others(db, csv_file, line, reason):
    """The line has its number in the file, and nothing of it is written."""
    first, last = (f"harbor,{sku},acme,3,EUR,,,2026-05-01" for sku in ("CAP", "TIE"))
    result = ingest(db, csv_file(HEADER, first, line, last))
    assert (result.received, result.written, result.known) == (3, 2, 0)
    [refused] = result.rejected
    assert refused.line == 3
    assert refused.reason.startswith(reason)
    assert [row[0] for row in stored(db)] == ["CAP", "TIE"]


def test_prices_sold_out_need_no_price(db, csv_file):
    """A sold-out product is recorded with or without a price."""
    line = "harbor,HAT,acme,,,no,,2026-05-01"
    assert ingest(db, csv_file(HEADER, line)).written == 1
    assert stored(db) == [("HAT", "acme", None, None, 0, None, "2026-05-01 00:00:00", "file")]


def test_prices_reject_an_invalid_file(db, csv_file, tmp_path):
    """A column is misspelled, missing, or duplicate, or the file or its encoding is invalid."""
    with pytest.raises(UnknownName, match="Did you mean 'competitor'"):
        ingest(db, csv_file(HEADER.replace("competitor", "competitr")))
    with pytest.raises(InputError, match="has no column observed_at"):
        ingest(db, csv_file(HEADER.removesuffix(",observed_at")))
    with pytest.raises(InputError, match="'sku' occurs twice"):
        ingest(db, csv_file(HEADER + ",sku"))
    with pytest.raises(InputError, match="does not exist"):
        ingest(db, tmp_path / "absent.csv")
    assert stored(db) == []


def test_prices_dry_run_checks_and_writes_nothing(csv_file):
    """Every line is checked without a database."""
    good, bad = "harbor,HAT,acme,1,EUR,,,2026-05-01", "harbor,HAT,acme,x,EUR,,,2026-05-01"
    result = ingest(None, csv_file(HEADER, good, bad))
    assert (result.received, result.written, result.known, len(result.rejected)) == (2, 0, 0, 1)


def test_prices_report_progress(db, csv_file):
    """After the last call, all rows are written."""
    calls = []
    path = csv_file(HEADER, *(f"harbor,S{i},acme,1,EUR,,,2026-05-01" for i in range(5)))
    ingest_prices(db, path, now=NOW, progress=lambda *call: calls.append(call))
    assert calls == [("prices", 5, 5)]
