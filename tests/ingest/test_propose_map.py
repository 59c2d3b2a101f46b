"""A map is proposed from the names of a file's columns."""

from __future__ import annotations

import tomllib

from d1lab.ingest.propose_map import guessed_columns, proposed_map
from tests.support.exports import load


def test_proposed_map_reads_the_file(db, tmp_path):
    """The proposed map can be used unchanged."""
    path, toml = tmp_path / "sales.csv", tmp_path / "map.toml"
    path.write_text(
        'Invoice No,Date,Article,"Say ""hi""",Qty,Unit Price,Customer Email\n'
        "1,2026-05-01,HAT,x,2,10.00,ada@x.test\n"
    )
    toml.write_text(proposed_map(path))
    assert tomllib.loads(toml.read_text())["columns"]["order_id"] == "Invoice No"
    assert load(db, path, map_file=toml).rejected == ()
    assert db.query("SELECT sku, quantity, revenue FROM order_events").rows == [("HAT", 2, 20)]


def test_proposed_map_says_what_is_missing(tmp_path):
    """It lists unused columns and fields without a column, and detects known exports."""
    path = tmp_path / "sales.csv"
    path.write_text("Order,Color\n")
    text = proposed_map(path)
    assert "# missing: sku" in text
    assert "# missing: list_price (or revenue)" in text
    assert "# not used: Color" in text
    path.write_text("Sale Date,Item Name,Quantity,Price,Order ID,Transaction ID\n")
    assert "is an export of Etsy" in proposed_map(path)


def test_each_column_has_one_field():
    """The most specific name decides: 'order id' is not an item, and 'total' not a price."""
    assert guessed_columns(["ID", "Order ID", "Item", "Item SKU", "Total", "Price"]) == {
        "order_id": "Order ID",
        "sku": "Item SKU",
        "list_price": "Price",
        "revenue": "Total",
    }
