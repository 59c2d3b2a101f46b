"""Products are loaded from Shopify's export: one per SKU, with new unit costs."""

from __future__ import annotations

from datetime import date

import pytest

from d1lab.errors import InputError
from d1lab.ingest.products import ingest_products
from d1lab.lab import Lab
from d1lab.pull import pull
from d1lab.warehouse import open_warehouse

HEADER = (
    "Handle,Title,Vendor,Type,Option1 Value,Variant SKU,Variant Price,Cost per item,Image Src\n"
)
FILE = (
    f"{HEADER}sock,Wool sock,Mill,Socks,M,SOCK-M,12.50,4.00,a.png\n"
    "sock,,,,L,SOCK-L,13.50,4.50,\nsock,,,,,,,,b.png\n"
    'card,Card,Press,,Default Title,,"1,003.00",,\n'
)


def test_products_are_written_once(db, tmp_path):
    """A variant has its product's fields, pictures are skipped, and the title replaces a missing
    SKU.
    """
    path = tmp_path / "products_export.csv"
    path.write_text(FILE)
    result = ingest_products(db, path, shop="harbor", day=date(2026, 5, 1))
    assert result == (3, 3, 0, 2, ())
    assert db.query("SELECT * FROM d1lab_products ORDER BY sku").rows == [
        ("harbor", "Card", "Card", None, "Press", 1003),
        ("harbor", "SOCK-L", "Wool sock - L", "Socks", "Mill", 13.5),
        ("harbor", "SOCK-M", "Wool sock - M", "Socks", "Mill", 12.5),
    ]
    path.write_text(FILE.replace("4.50", "5.00"))
    assert ingest_products(db, path, shop="harbor", day=date(2026, 6, 1)) == (3, 0, 3, 1, ())
    costs = db.query("SELECT sku, unit_cost, valid_from FROM product_costs ORDER BY 1, 3").rows
    assert costs == [
        ("SOCK-L", 4.5, "2026-05-01"),
        ("SOCK-L", 5, "2026-06-01"),
        ("SOCK-M", 4, "2026-05-01"),
    ]


def test_invalid_line_is_rejected(db, tmp_path):
    """A price is invalid or a SKU has two prices; another kind of file is an error."""
    path = tmp_path / "products_export.csv"
    path.write_text(f"{HEADER}a,A,,,,X,ten,,\nb,B,,,,Y,1,,\nc,C,,,,Y,2,,\n")
    result = ingest_products(None, path, shop="harbor")
    assert [(line.line, line.about["sku"]) for line in result.rejected] == [(2, "X"), (4, "Y")]
    path.write_text("a,b\n")
    with pytest.raises(InputError, match="handle, title, variant sku"):
        ingest_products(db, path, shop="harbor")


def test_loaded_products_are_in_the_view_unsold(db, tmp_path):
    """They have title, category, vendor, and price, next to what the app counts."""
    path = tmp_path / "products_export.csv"
    path.write_text(FILE)
    ingest_products(db, path, shop="harbor", day=date(2026, 5, 1))
    pull(db, tmp_path / "data", database="x")
    with open_warehouse(tmp_path / "data") as con:
        assert Lab(con, database="x", folder=tmp_path).shops == []  # a product is no sale
    db.execute(
        "INSERT INTO product_performance (shop, sku, product_title, units_sold_with_discount) "
        "VALUES ('harbor', 'SOCK-M', 'Sock, medium', 4), ('harbor', 'HAT', 'Hat', 1)"
    )
    pull(db, tmp_path / "data", database="x")
    with open_warehouse(tmp_path / "data") as con:
        rows = con.sql(
            "SELECT sku, product_title, category, price::DOUBLE, units_sold_with_discount, "
            "counted_by FROM products ORDER BY sku"
        ).fetchall()
    assert rows == [
        ("Card", "Card", None, 1003, None, None),
        ("HAT", "Hat", None, None, 1, "app"),
        ("SOCK-L", "Wool sock - L", "Socks", 13.5, None, None),
        ("SOCK-M", "Sock, medium", "Socks", 12.5, 4, "app"),
    ]
