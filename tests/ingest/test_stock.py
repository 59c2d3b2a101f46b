"""Stock comes from Shopify's inventory export: a snapshot of a day, by location."""

from __future__ import annotations

from datetime import date

import pytest

from d1lab.errors import InputError
from d1lab.ingest.stock import ingest_stock

NEW = (
    "Handle,Title,Option1 Value,SKU,Location,Available,On hand (current),On hand (new)\n"
    "sock,Wool sock,M,SOCK,Main,3,5,\nsock,Wool sock,M,SOCK,Store,2,2,\n"
    "hat,Hat,Default Title,,Main,0,-1,\nhat,Hat,Default Title,,Store,not stocked,not stocked,\n"
)
OLD = (
    "Handle,Title,Option1 Value,SKU,HS Code,COO,Main,Store\n"
    "sock,Wool sock,M,SOCK,,,5,2\nhat,Hat,Default Title,,,,-1,not stocked\n"
)


@pytest.mark.parametrize("text", [NEW, OLD])
def test_snapshot_is_written_once(db, tmp_path, text):
    """What is on hand in each location; where an article is not stocked it has no count."""
    path = tmp_path / "inventory_export.csv"
    path.write_text(text)
    result = ingest_stock(db, path, shop="harbor", day=date(2026, 5, 1))
    assert result == (3, 3, 0, "2026-05-01", 6, ())
    assert ingest_stock(db, path, shop="harbor", day=date(2026, 5, 1))[1:3] == (0, 3)
    rows = db.query("SELECT sku, location, date, units FROM d1lab_stock ORDER BY 1, 2").rows
    assert [(sku, place.lower(), day, units) for sku, place, day, units in rows] == [
        ("Hat", "main", "2026-05-01", -1),
        ("SOCK", "main", "2026-05-01", 5),
        ("SOCK", "store", "2026-05-01", 2),
    ]


def test_count_that_is_none_is_rejected(tmp_path):
    """The other counts go in; a file without counts stops."""
    path = tmp_path / "inventory_export.csv"
    path.write_text(NEW.replace("Main,3,5", "Main,3,some"))
    result = ingest_stock(None, path, shop="harbor")
    assert (result.received, [line.line for line in result.refused]) == (2, [2])
    path.write_text("Handle,Title,SKU,COO\na,A,X,\n")
    with pytest.raises(InputError, match="no counts"):
        ingest_stock(None, path, shop="harbor")
