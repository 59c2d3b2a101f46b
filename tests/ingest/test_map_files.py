"""Exports of other shop systems are detected by their header, with sales and what is not a sale."""

from __future__ import annotations

import json

import pytest

from d1lab.errors import InputError
from d1lab.ingest.map_files import find_map, shipped_maps
from tests.support.exports import load

FILES = {
    "Etsy": (
        "items.csv",
        "Sale Date,Item Name,Buyer,Quantity,Price,Coupon Code,Discount Amount,Item Total,Currency,"
        "Transaction ID,Listing ID,Ship Country,Order ID,SKU\n"
        "03/01/25,Mug,joe,2,10.00,TEN,2.00,20.00,USD,111,999,United States,777,MUG\n",
        [("order", "777", "MUG", 2, 18, "2025-03-01 00:00:00")],
        {},
    ),
    "Square": (
        "items.csv",
        "Date,Time,Item,Qty,SKU,Gross Sales,Discounts,Net Sales,Tax,Transaction ID,Event Type\n"
        "3/14/25,10:15:00 AM,Tea,1.5,T,$6.00,-$1.00,$5.00,$0.40,X1,Payment\n"
        "3/14/25,11:15:00 AM,Tea,-1,T,-$4.00,$0.00,($4.00),$0.00,X2,Refund\n"
        "3/14/25,11:15:00 AM,Tip,1,,$4.00,$0.00,$4.00,$0.00,X3,Payment\n",
        [
            ("order", "X1", "T", 1.5, 5, "2025-03-14 10:15:00"),
            ("refund", "X2", "T", 1, 4, "2025-03-14 11:15:00"),
        ],
        {"tip": 1},
    ),
    "Amazon": (
        "orders.txt",
        "amazon-order-id\tpurchase-date\torder-status\tproduct-name\tsku\tquantity\tcurrency\t"
        "item-price\titem-promotion-discount\n"
        '1-1\t2025-03-01T10:00:00+00:00\tShipped\t"Big" mug\tMUG\t2\tUSD\t20.0\t2.0\n'
        "1-2\t2025-03-01T10:00:00+00:00\tCancelled\tA mug\tMUG\t0\tUSD\t\t\n",
        [("order", "1-1", "MUG", 2, 18, "2025-03-01 10:00:00")],
        {"canceled": 1},
    ),
    "WooCommerce": (
        "orders.csv",
        "Order Number,Order Status,Order Date,Email (Billing),SKU,Item Name,Quantity (- Refund),"
        "Item Cost,Coupon Code\n"
        "71,Completed,2025-03-01 10:00,a@x.test,HAT,Hat,2,17.50,SAVE5\n"
        "72,Refunded,2025-03-01 10:00,a@x.test,HAT,Hat,1,20,\n"
        "73,Failed,2025-03-01 10:00,b@x.test,HAT,Hat,1,20,\n"
        "74,Pending payment,2025-03-01 10:00,b@x.test,HAT,Hat,1,20,\n"
        "75,Processing,2025-03-01 10:00,b@x.test,,Hat,1,20,\n",
        [
            ("order", "71", "HAT", 2, 35, "2025-03-01 10:00:00"),
            ("order", "72", "HAT", 1, 20, "2025-03-01 10:00:00"),
            ("refund", "72", "HAT", 1, 20, "2025-03-01 10:00:00"),
            ("order", "75", "Hat", 1, 20, "2025-03-01 10:00:00"),
        ],
        {"failed": 1, "not placed": 1},
    ),
    "Stripe": (
        "payments.csv",
        "id,Created (UTC),Amount,Amount Refunded,Currency,Status,Customer Email,Description\n"
        "ch_1,2025-03-01 15:04,49.00,0,usd,Paid,a@x.test,Plan\n"
        "ch_2,2025-03-01 15:04,49.00,49.00,usd,Refunded,a@x.test,\n"
        "ch_3,2025-03-01 15:04,49.00,9,usd,Paid,a@x.test,\n"
        "ch_4,2025-03-01 15:04,49.00,0,usd,Failed,a@x.test,\n",
        [
            ("order", "ch_1", "Plan", 1, 49, "2025-03-01 15:04:00"),
            ("order", "ch_2", "payment", 1, 49, "2025-03-01 15:04:00"),
            ("refund", "ch_2", "payment", 1, 49, "2025-03-01 15:04:00"),
            ("order", "ch_3", "payment", 1, 49, "2025-03-01 15:04:00"),
            ("refund", "ch_3", "payment", 0, 9, "2025-03-01 15:04:00"),
        ],
        {"failed": 1},
    ),
    "BigCommerce": (
        "orders.csv",
        "Order ID,Order Date,Order Status,Product Details\n"
        '100,13/03/2025,Completed,"Product ID: 1, Product Qty: 2, Product SKU: A, Product Name: '
        "Shirt, red, Product Unit Price: 10.00, Product Total Price: 20.00|Product ID: 2, "
        'Product Qty: 1, Product SKU: B, Product Unit Price: 5.00, Product Total Price: 5.00"\n',
        [
            ("order", "100", "A", 2, 20, "2025-03-13 00:00:00"),
            ("order", "100", "B", 1, 5, "2025-03-13 00:00:00"),
        ],
        {},
    ),
    "Matrixify": (
        "orders.csv",
        "ID,Name,Processed At,Line: Type,Line: SKU,Line: Quantity,Line: Price,Line: Discount,"
        "Line: Total,Payment: Status\n"
        "9,#1,2025-03-01 10:00:00 -0500,Line Item,A,2,10.00,-4.00,16.00,paid\n"
        "9,#1,2025-03-01 10:00:00 -0500,Shipping Line,,,5.00,,5.00,paid\n"
        "9,#1,2025-03-01 10:00:00 -0500,Refund Line,A,-1,10.00,,-8.00,paid\n"
        "8,#2,2025-03-01 10:00:00 -0500,Line Item,A,2,10.00,,20.00,voided\n",
        [
            ("order", "9", "A", 2, 16, "2025-03-01 15:00:00"),
            ("refund", "9", "A", 1, 8, "2025-03-01 15:00:00"),
        ],
        {"filtered out": 1, "voided": 1},
    ),
}


def stored(db):
    sql = "SELECT type, order_id, sku, quantity, revenue, occurred_at FROM order_events"
    return db.query(f"{sql} ORDER BY order_id, type, event_id").rows


@pytest.mark.parametrize("title", FILES)
def test_export_is_detected_by_its_header(db, tmp_path, title):
    """Sold lines and refunds are loaded, and what each system marks as no sale is not."""
    name, text, rows, no_sale = FILES[title]
    path = tmp_path / name
    path.write_text(text)
    result = load(db, path)
    assert (result.map, result.rejected, result.no_sale) == (title, (), no_sale)
    assert stored(db) == rows


def test_bulk_export_of_shopify_is_read_like_the_csv(db, tmp_path):
    """Items are below their order, amounts in shopMoney, and a test order is omitted."""
    money = {"shopMoney": {"amount": "10.0", "currencyCode": "USD"}}
    order = {"name": "#1", "createdAt": "2025-03-01T15:00:00Z", "discountCodes": ["X"]}
    item = {"sku": "A", "quantity": 2, "originalUnitPriceSet": money}
    objects = [
        {"id": "gid://shopify/Order/1", **order, "subtotalPriceSet": {"amount": "17.0"}}
        | {"totalDiscountsSet": {"shopMoney": {"amount": "3.0"}}},
        {"id": "gid://shopify/LineItem/1", **item, "__parentId": "gid://shopify/Order/1"},
        {"id": "gid://shopify/Fulfillment/1", "__parentId": "gid://shopify/Order/1"},
        {"id": "gid://shopify/Order/2", **order, "test": True, "lineItems": {"nodes": [item]}},
    ]
    path = tmp_path / "bulk.jsonl"
    path.write_text("\n".join(map(json.dumps, objects)))
    result = load(db, path)
    assert (result.map, result.no_sale) == ("Shopify", {"test order": 1})
    assert stored(db) == [("order", "1", "A", 2, 17, "2025-03-01 15:00:00")]


def test_every_built_in_map_is_detected_by_its_columns():
    """No two maps match one header."""
    for name, one in shipped_maps().items():
        known_by = one["known_by"]
        for header in known_by if isinstance(known_by[0], list) else [known_by]:
            found = find_map([column.upper() for column in header])
            assert found, name
            assert found["title"] == one["title"]


def test_map_can_be_named_and_extended(db, tmp_path):
    """`--map woocommerce` and an additional pair work; an unknown name is an error."""
    name, text, _, _ = FILES["WooCommerce"]
    path = tmp_path / name
    path.write_text(text)
    assert load(db, path, ["woocommerce", "sku=Item Name"]).map == "WooCommerce"
    assert {row[2] for row in stored(db)} == {"Hat"}
    with pytest.raises(InputError, match=r"one of amazon, .*woocommerce"):
        load(db, path, ["woo"])


PAIRS = ["order_id=o", "sku=s", "quantity=q", "list_price=p", "occurred_at=t"]


@pytest.mark.parametrize(
    ("text", "told", "message"),
    [
        ("o,s,q,p,t\n1,A,1,5,3/1/2025\n", {"dates": "month-first"}, "--dates day-first"),
        ("o;s;q;p;t\n1;A;1;1.234;2025-03-01\n", {"decimal": ","}, "--decimal"),
    ],
)
def test_ambiguous_values_need_an_option(db, tmp_path, text, told, message):
    """Nothing is written before."""
    path = tmp_path / "orders.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load(db, path, PAIRS)
    assert stored(db) == []
    assert load(db, path, PAIRS, **told).events == 1


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("o,s,q,p,t\n1,4.00743E+12,1,5,2025-03-01\n2,A,1,5,2025-03-01\n", {2: "cut its digits"}),
        ("o,s,q,p,t\n5.1E+12,A,1,5,2025-03-01\n2,A,1,5,2025-03-01\n", {2: "cut its digits"}),
        ("o,s,q,p,t\n1,A,1,5,1899-12-30\n2,A,1,5,2025-03-01\n", {2: "is before 1970"}),
        ("o,s,q,p,t\n1,A,1,5,2199-12-31\n2,A,1,5,2025-03-01\n", {2: "is in the future"}),
        ("o,s,q,p,t\n1,B,0,5,2025-03-01\n1,A,1,5,2025-03-01\n", {}),
    ],
)
def test_impossible_lines_are_rejected(db, tmp_path, text, reasons):
    """Truncated digits and impossible days are rejected; a quantity of 0 is accepted."""
    path = tmp_path / "orders.csv"
    path.write_text(text)
    found = {line.line: line.reason for line in load(db, path, PAIRS).rejected}
    assert found.keys() == reasons.keys()
    assert all(reasons[line] in found[line] for line in reasons)
    assert len(stored(db)) == 1


def test_duplicate_columns_are_rejected_if_used(db, tmp_path):
    """Otherwise the first one would be used silently; unused duplicates are accepted."""
    path = tmp_path / "orders.csv"
    path.write_text("o,s,q,p,t,p,x,x\n1,A,1,5,2025-03-01,7,,\n")
    with pytest.raises(InputError, match="'p' occurs twice"):
        load(db, path, PAIRS)


def test_map_applies_its_filter(db, tmp_path):
    """Lines of any other status are omitted; a filter on a missing column is an error."""
    path, toml = tmp_path / "orders.csv", tmp_path / "map.toml"
    path.write_text("o,s,q,p,t,State\n1,A,1,5,2025-03-01,Done\n2,A,1,5,2025-03-01,open\n")
    toml.write_text('[filter]\nstatus = ["done"]\n')
    with pytest.raises(InputError, match="column missing"):
        load(db, path, PAIRS, toml)
    result = load(db, path, [*PAIRS, "status=State"], toml)
    assert (result.orders, result.no_sale) == (1, {"filtered out": 1})


def test_stripes_newer_header_is_known_too():
    """The column of the time has two names."""
    header = ["id", "Created date (UTC)", "Amount", "Currency", "Status"]
    found = find_map(header)
    assert found is not None
    assert found["title"] == "Stripe"
