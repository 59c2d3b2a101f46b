"""Orders from files: every cent is assigned to a line, and every invalid line is listed."""

from __future__ import annotations

import csv
import hashlib
import hmac
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from d1lab.errors import D1UnavailableError, InputError, UnknownName
from d1lab.ingest.orders import Reading, ingest_orders
from d1lab.ingest.rejected import RejectedLine, write_rejected
from tests.support.examples import examples

SALT = SecretStr("a salt for the tests only")
COLUMNS = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Taxes,Total,"
    "Discount Code,Discount Amount,Created at,Lineitem quantity,Lineitem name,Lineitem price,"
    "Lineitem compare at price,Lineitem sku,Lineitem discount,Notes,Cancelled at,Refunded Amount,Id"
)
HEADER = COLUMNS.split(",")
FIRST = {
    "Name": "#1001",
    "Email": "Ada@Example.com",
    "Financial Status": "paid",
    "Currency": "EUR",
    "Created at": "2026-05-01 09:30:00 +0200",
    "Lineitem quantity": "1",
    "Lineitem name": "Wool sock",
    "Lineitem price": "10.00",
    "Lineitem sku": "SOCK",
    "Lineitem discount": "0.00",
    "Id": "501",
}
MORE = {
    "Name": "#1001",
    "Email": "Ada@Example.com",
    "Lineitem quantity": "1",
    "Lineitem name": "Cap",
    "Lineitem price": "10.00",
    "Lineitem sku": "CAP",
}


@pytest.fixture
def export(tmp_path: Path):
    """Write lines of Shopify's export, each given by its nonempty cells."""

    def write(*lines: dict[str, str], header: list[str] = HEADER) -> Path:
        path = tmp_path / "orders_export.csv"
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, header, restval="", extrasaction="ignore")
            writer.writeheader()
            writer.writerows(lines)
        return path

    return write


def ingest(db, path, **options):
    told = {name: options.pop(name) for name in Reading._fields if name in options}
    reading = Reading(**told)
    return ingest_orders(
        db, path, **{"shop": "harbor", "salt": SALT, "reading": reading, **options}
    )


def stored(db, columns, where="true"):
    sql = f"SELECT {columns} FROM order_events WHERE {where} ORDER BY seq"
    return db.query(sql).rows


def test_order_of_one_line_becomes_one_event(db, export):
    """Every field is set; the time is in UTC, and the customer a hash of the address."""
    result = ingest(db, export(FIRST | {"Subtotal": "10.00", "Discount Amount": "0.00"}))
    assert result[:9] == ("shopify", 1, 1, 0, 0, 0, 1, 1, 0)
    assert result.rejected == ()
    customer = hmac.digest(SALT.get_secret_value().encode(), b"ada@example.com", hashlib.sha256)
    assert stored(
        db,
        "shop, event_id, type, order_id, customer_id, sku, product_title, quantity, list_price,"
        " discount_id, discount_code, discount_type, discount_amount, revenue, occurred_at",
    ) == [
        (
            *("harbor", "501-1", "order", "501", customer.hex()[:32], "SOCK", "Wool sock", 1, 10),
            *(None, None, None, 0, 10, "2026-05-01 07:30:00"),
        )
    ]


def test_order_discount_is_spread_to_the_cent(db, export):
    """10 off three lines of 10 is 3.34, 3.33, and 3.33; several codes are one combination."""
    first = FIRST | {
        "Subtotal": "20.00",
        "Discount Amount": "10.00",
        "Discount Code": "VIP, SPRING10",
    }
    ingest(db, export(first, MORE, MORE))
    assert stored(db, "discount_amount, revenue, discount_id, discount_code, discount_type") == [
        (3.34, 6.66, "spring10, vip", "SPRING10, VIP", "code"),
        (3.33, 6.67, "spring10, vip", "SPRING10, VIP", "code"),
        (3.33, 6.67, "spring10, vip", "SPRING10, VIP", "code"),
    ]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        # the order's discount stands beside the line's: 20 - 2 - 4
        (
            {"Subtotal": "14.00", "Discount Amount": "4.00", "Discount Code": "A"},
            [(3.78, 6.22, "a", "code"), (2.22, 7.78, "a", "code")],
        ),
        # the order's discount holds the line's: 20 - 4
        (
            {"Subtotal": "16.00", "Discount Amount": "4.00", "Discount Code": ""},
            [(2.89, 7.11, "automatic", "automatic"), (1.11, 8.89, "automatic", "automatic")],
        ),
        # the order's discount is off the shipping: 20 - 2
        (
            {"Subtotal": "18.00", "Discount Amount": "5.00", "Discount Code": "FREESHIP"},
            [(2, 8, "freeship", "code"), (0, 10, None, None)],
        ),
    ],
)
def test_subtotal_shows_the_discount(db, export, cells, expected):
    """A line has its own discount of 2, and the order's discount follows from the Subtotal."""
    ingest(db, export(FIRST | cells | {"Lineitem discount": "2.00"}, MORE))
    assert stored(db, "discount_amount, revenue, discount_id, discount_type") == expected


def test_free_shipping_counts_as_a_use_without_amount(db, export):
    """A code that does not reduce the price of goods was still used."""
    ingest(
        db,
        export(
            FIRST | {"Subtotal": "10.00", "Discount Amount": "5.00", "Discount Code": "FREESHIP"}
        ),
    )
    assert stored(db, "discount_id, discount_type, discount_amount, revenue") == [
        ("freeship", "shipping", 0, 10)
    ]


def test_amounts_that_do_not_add_up_are_rejected(db, export):
    """Each line of the order is listed, and other orders are loaded."""
    other = FIRST | {"Name": "#1002", "Id": "502", "Subtotal": "10.00"}
    path = export(FIRST | {"Subtotal": "15.00", "Discount Amount": "2.00"}, MORE, other)
    result = ingest(db, path)
    assert [(line.line, *line.about.values()) for line in result.rejected] == [
        (2, "#1001", "SOCK"),
        (3, "#1001", "CAP"),
    ]
    assert result.rejected[0].reason == (
        "the lines total 20.00; minus discounts of 0.00 and 2.00, this is not the Subtotal, 15.00"
    )
    assert stored(db, "order_id") == [("502",)]


def test_canceled_order_is_refunded_at_its_cancellation(db, export):
    """The refunds have the units, discount, and revenue of each line, at that time."""
    cells = {"Subtotal": "16.00", "Discount Amount": "4.00", "Discount Code": "A"}
    first = FIRST | cells | {"Cancelled at": "2026-05-03 00:30:00 +0200"}
    result = ingest(db, export(first, MORE | {"Lineitem quantity": "1"}))
    assert (result.orders, result.refunds, result.refunds_of_money) == (1, 2, 0)
    assert stored(
        db,
        "event_id, quantity, discount_id, discount_amount, revenue, occurred_at",
        "type = 'refund'",
    ) == [
        ("501-1-refund", 1, "a", 2, 8, "2026-05-02 22:30:00"),
        ("501-2-refund", 1, "a", 2, 8, "2026-05-02 22:30:00"),
    ]


def test_refunded_amount_is_spread_as_money_without_units(db, export):
    """5 of 23.80 with tax is 4.20 of the goods' 20, which is 2.10 per line."""
    first = FIRST | {
        "Subtotal": "20.00",
        "Shipping": "0.00",
        "Taxes": "3.80",
        "Total": "23.80",
        "Refunded Amount": "5.00",
    }
    result = ingest(db, export(first, MORE))
    assert (result.refunds, result.refunds_of_money) == (2, 2)
    columns = "quantity, discount_amount, revenue, occurred_at"
    assert stored(db, columns, "type = 'refund'") == [(0, 0, 2.1, "2026-05-01 07:30:00")] * 2


def test_refund_of_the_whole_total_returns_the_units(db, export):
    """If goods, tax, and shipping are refunded, the units are as well."""
    cells = {"Subtotal": "10.00", "Shipping": "5.00", "Total": "15.00", "Refunded Amount": "15.00"}
    ingest(db, export(FIRST | cells))
    assert stored(db, "quantity, revenue", "type = 'refund'") == [(1, 10)]


def test_same_file_writes_nothing_and_a_later_one_corrects(db, export):
    """A later refund is added, and a changed amount replaces the old one."""
    cells = {"Subtotal": "10.00", "Total": "10.00"}
    assert ingest(db, export(FIRST | cells)).written == 1
    assert ingest(db, export(FIRST | cells))[6:9] == (1, 0, 1)
    assert ingest(db, export(FIRST | cells | {"Refunded Amount": "4.00"})).written == 1
    assert ingest(db, export(FIRST | cells | {"Refunded Amount": "10.00"})).written == 1
    assert stored(db, "type, quantity, revenue") == [("order", 1, 10), ("refund", 1, 10)]


def test_load_resumes_after_a_kill(db, export, dying, monkeypatch):
    """Written rows are kept and count as known; the next run writes the rest."""
    monkeypatch.setattr("d1lab.ingest.replace.GROUP_ROWS", 100)
    lines = [FIRST | {"Name": f"#{n}", "Id": f"{n}"} for n in range(300)]
    path, told = export(*lines), []
    with pytest.raises(D1UnavailableError):
        ingest(dying(db, writes=1), path)
    [(before,)] = stored(db, "count(*)")
    assert 0 < before < 300
    result = ingest(db, path, progress=lambda *done: told.append(done))
    assert (result.written, result.known) == (300 - before, before)
    assert stored(db, "count(*)") == [(300,)]
    assert told[-1] == ("events", 300, 300)


def test_one_shop_has_one_currency(db, export):
    """A file with two currencies is an error; if one is named, lines in the other are rejected."""
    other = FIRST | {"Name": "#1002", "Id": "502", "Currency": "USD"}
    path = export(FIRST, FIRST | {"Name": "#1003", "Id": "503"}, other)
    with pytest.raises(InputError, match=r"EUR \(2 lines\), USD \(1 line\).*--currency EUR"):
        ingest(db, path)
    result = ingest(db, path, currency="eur")
    about = {"order_id": "#1002", "sku": "SOCK"}
    assert result.rejected == (RejectedLine(4, "the currency is USD, not EUR", about),)


def test_currency_without_cents_is_spread_in_whole_units(db, export):
    """100 yen off three lines are 34, 33, and 33."""
    first = FIRST | {"Currency": "JPY", "Discount Amount": "100", "Lineitem price": "500"}
    more = MORE | {"Lineitem price": "500"}
    ingest(db, export(first, more, more))
    assert stored(db, "discount_amount, revenue") == [(34, 466), (33, 467), (33, 467)]


def test_markdown_counts_as_a_discount_only_if_asked(db, export):
    """10 instead of the compare-at price of 12.50 is a discount of 2.50."""
    path = export(FIRST | {"Lineitem compare at price": "12.50", "Subtotal": "10.00"})
    columns = "list_price, discount_id, discount_amount, revenue"
    ingest(db, path)
    assert stored(db, columns) == [(10, None, 0, 10)]
    ingest(db, path, markdowns=True)
    assert stored(db, columns) == [(12.5, "markdown", 2.5, 10)]


def test_addresses_stay_plain_without_a_salt(db, export):
    """They are in lower case, so that a customer is counted once."""
    ingest(db, export(FIRST), salt=None)
    assert stored(db, "customer_id") == [("ada@example.com",)]


def test_product_without_a_sku_is_identified_by_its_name(db, export):
    """Many shops use no SKUs."""
    ingest(db, export(FIRST | {"Lineitem sku": ""}))
    assert stored(db, "sku, product_title") == [("Wool sock", "Wool sock")]


def test_dry_run_lists_rejected_lines_without_a_database(export):
    """The checks are the same, and nothing is written."""
    lines = [FIRST | {"Created at": "yesterday", "Name": "#9", "Id": "9"}, FIRST]
    result = ingest(None, export(*lines))
    assert (result.events, result.written) == (1, 0)
    assert [(line.line, line.reason) for line in result.rejected] == [
        (2, "occurred_at 'yesterday' is not an ISO 8601 time")
    ]


def test_lines_are_those_of_the_file(db, export, tmp_path):
    """A note of three lines, an invalid price, and a short line have their line numbers and
    reasons.
    """
    path = export(
        FIRST | {"Notes": "to\nthe\ndoor"},
        FIRST | {"Name": "#2", "Id": "2", "Lineitem price": "ten"},
        FIRST | {"Name": "#3", "Id": "3"},
        FIRST | {"Name": "#5", "Id": "4"},
    )
    path.write_text(path.read_text(encoding="utf-8") + "#4,too,short\r\n", encoding="utf-8")
    result = ingest(db, path)
    reasons = {line.line: line.reason for line in result.rejected}
    assert set(reasons) == {5, 8}
    assert reasons[5] == "Lineitem price 'ten' is not an amount of 0 or more"
    assert reasons[8].startswith("3 cells, but the header has 23")
    assert result.orders == 3
    report = tmp_path / "refused.csv"
    write_rejected(report, [RejectedLine(2, "why", {"order_id": "=1+1", "sku": "@x"})])
    assert report.read_text().splitlines() == ["line,order_id,sku,reason", "2,'=1+1,'@x,why"]


def test_header_can_be_spelled_as_in_newer_exports(db, export):
    """'Canceled at', 'Lineitem SKU', and 'Lineitem compare-at price' are the same columns."""
    newer = {"Cancelled at": "Canceled at", "Lineitem sku": "Lineitem SKU"}
    line = FIRST | {"Cancelled at": "2026-05-02 10:00:00 +0200"}
    path = export(
        {newer.get(name, name): cell for name, cell in line.items()},
        header=[newer.get(name, name) for name in HEADER],
    )
    result = ingest(db, path)
    assert (result.refunds, stored(db, "sku")) == (1, [("SOCK",), ("SOCK",)])


@pytest.mark.parametrize("text", ['a,b\n1,"2\n', "a,b\n1,\x81\n"])
def test_file_that_cannot_be_read_to_its_end_writes_nothing(db, tmp_path, text):
    """It has an open quote or another encoding."""
    path = tmp_path / "orders.csv"
    path.write_bytes(text.encode("latin-1"))
    pairs = ["order_id=a", "sku=a", "quantity=b", "occurred_at=b", "revenue=b"]
    with pytest.raises(InputError, match=r"near line|not in UTF-8"):
        ingest(db, path, pairs=pairs)
    assert stored(db, "1") == []


def test_shopify_needs_its_columns(db, tmp_path):
    """Any other file needs a map, and the error says how to pass one."""
    path = tmp_path / "orders.csv"
    path.write_text("InvoiceNo,Amount\n1,2\n")
    with pytest.raises(InputError, match=r"supported export .*Shopify.*--map order_id=InvoiceNo"):
        ingest(db, path)


PLAIN = ["order_id=no", "sku=art", "quantity=n", "occurred_at=at", "list_price=each", "email=who"]


def test_column_map_reads_any_csv(db, tmp_path):
    """A negative quantity is a refund, times use the map's zone, and addresses are hashed."""
    path, toml = tmp_path / "sales.csv", tmp_path / "map.toml"
    path.write_text(
        "no,art,n,at,each,who\n1,A,2,05/01/2026 10:00,2.50,ada@x.org\n"
        "C1,A,-2,11/01/2026 10:00,2.50,ada@x.org\n2,D,-1,05/01/2026 10:00,3,\n"
        "3,A,-1,05/01/2026 10:00,0,\n4,A,1,1.5.2026,1,\n5,A,a few,05/01/2026 10:00,1,\n"
    )
    toml.write_text(
        'timezone = "Europe/London"\ntime_format = "%m/%d/%Y %H:%M"\ndiscount_skus = ["D"]\n'
    )
    result = ingest(db, path, map_file=toml, pairs=PLAIN)
    assert stored(db, "event_id, type, quantity, revenue, occurred_at") == [
        ("1-1", "order", 2, 5, "2026-05-01 09:00:00"),
        ("C1-1", "refund", 2, 5, "2026-11-01 10:00:00"),
        ("2-1", "refund", 0, 3, "2026-05-01 09:00:00"),
    ]
    assert {line.line: line.reason for line in result.rejected} == {
        5: "negative quantity without revenue: a stock correction, not a refund",
        6: "occurred_at '1.5.2026' is not of the form %m/%d/%Y %H:%M",
        7: "quantity 'a few' is not a number",
    }
    (customers,) = {row for row in stored(db, "customer_id", "sku = 'A'")}
    assert len(customers[0]) == 32


@pytest.mark.parametrize(
    ("pairs", "toml", "error", "message"),
    [
        ([*PLAIN, "price=each"], "", UnknownName, "no field 'price'"),
        ([*PLAIN, "revenue=eech"], "", UnknownName, "Did you mean 'each'"),
        (PLAIN[1:], "", InputError, "add order_id"),
        (PLAIN[:4], "", InputError, "add list_price or revenue"),
        (["order_id"], "", InputError, "Use field=column"),
        (PLAIN, 'timezone = "Mars"', InputError, "timezone 'Mars'"),
        (PLAIN, "timezones = 1", UnknownName, "Did you mean 'timezone'"),
        (PLAIN, "discount_skus = 'D'", InputError, "Use a list"),
        (PLAIN, "columns = 1", InputError, r"\[columns\]"),
        (PLAIN, "=", InputError, "is not valid TOML"),
    ],
)
def test_column_map_is_strict(db, tmp_path, pairs, toml, error, message):
    """An unknown column is an error that suggests the nearest one."""
    path, map_file = tmp_path / "sales.csv", tmp_path / "map.toml"
    path.write_text("no,art,n,at,each,who\n")
    map_file.write_text(toml)
    with pytest.raises(error, match=message):
        ingest(db, path, map_file=map_file, pairs=pairs)


CENTS = st.integers(0, 5_000)


@settings(max_examples=examples(15))
@given(st.data())
def test_every_cent_is_assigned_to_a_line(export, data):
    """For any prices, discounts, and refunds, revenue adds up to Subtotal and to the refund."""
    from d1lab.ingest import orders

    lines = data.draw(st.lists(st.tuples(CENTS, st.integers(1, 9)), min_size=1, max_size=6))
    gross = sum(price * units for price, units in lines)
    off = data.draw(st.integers(0, gross))
    back = data.draw(st.integers(0, gross - off))
    first = FIRST | {
        "Subtotal": f"{(gross - off) / 100:.2f}",
        "Discount Amount": f"{off / 100:.2f}",
        "Refunded Amount": f"{back / 100:.2f}",
    }
    rows = [
        (first if place == 0 else MORE)
        | {"Lineitem price": f"{price / 100:.2f}", "Lineitem quantity": str(units)}
        for place, (price, units) in enumerate(lines)
    ]
    kept: list[tuple] = []

    def keep(con):
        kept.extend(con.sql("SELECT type, discount_amount, revenue FROM sent").fetchall())
        return ()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(orders, "first_orders", keep)
        assert ingest(None, export(*rows)).rejected == ()
    sold = [row for row in kept if row[0] == "order"]
    returned = [row for row in kept if row[0] == "refund"]
    assert sum(row[1] for row in sold) == Decimal(off) / 100
    assert sum(row[2] for row in sold) == Decimal(gross - off) / 100
    assert sum(row[2] for row in returned) == Decimal(back) / 100
    assert min(row[2] for row in kept) >= 0


@pytest.mark.parametrize("currency", ["JPY", "KRW"])
def test_a_currency_without_cents_has_no_decimals(db, tmp_path, currency):
    """The shop's currency settles what a comma is; in another one both readings are shown."""
    path = tmp_path / "orders.csv"
    path.write_text('o,s,q,p,t\n1,A,2,"\u00a51,200",2025-02-13 14:05\n', encoding="utf-8")
    pairs = ["order_id=o", "sku=s", "quantity=q", "list_price=p", "occurred_at=t"]
    with pytest.raises(InputError, match="ambiguous amount"):
        ingest(db, path, pairs=pairs, currency="EUR")
    ingest(db, path, pairs=pairs, currency=currency)
    assert stored(db, "list_price, revenue") == [(1200, 2400)]
