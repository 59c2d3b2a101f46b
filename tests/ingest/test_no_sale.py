"""Entries that are not sales are omitted and counted; sales that look like them are loaded."""

from __future__ import annotations

import pytest

from tests.support.exports import FIRST, MORE, load, sums, write_export


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"Financial Status": "voided"}, "voided"),
        ({"Financial Status": "expired"}, "expired"),
        ({"Payment Method": "(for testing) Bogus Gateway"}, "test order"),
    ],
)
def test_order_that_is_not_a_sale_is_omitted(db, tmp_path, cells, kind):
    """It is counted by its kind, and the other order is loaded."""
    other = FIRST | {"Name": "#2", "Id": "502"}
    result = load(db, write_export(tmp_path / "export.csv", FIRST | cells, other))
    assert (result.no_sale, result.rejected) == ({kind: 1}, ())
    assert sums(db) == (1, 1, 10)


@pytest.mark.parametrize(
    ("line", "subtotal", "kind"),
    [
        ({"Lineitem name": "Tip", "Lineitem sku": ""}, "10.00", "tip"),
        ({"Lineitem name": "Trinkgeld", "Lineitem sku": ""}, "20.00", "tip"),
        ({"Lineitem name": "Gift Card - $10.00", "Lineitem sku": ""}, "20.00", "gift card"),
        ({"Lineitem name": "Geschenkgutschein", "Lineitem sku": "GC"}, "20.00", "gift card"),
        ({"Lineitem quantity": "0"}, "10.00", "removed line"),
    ],
)
def test_line_that_is_not_a_sale_is_omitted(db, tmp_path, line, subtotal, kind):
    """Whether or not Subtotal includes it, the order's discount applies only to goods."""
    first = FIRST | {"Subtotal": subtotal}
    result = load(db, write_export(tmp_path / "export.csv", first, MORE | line))
    assert (result.no_sale, result.rejected) == ({kind: 1}, ())
    assert sums(db) == (1, 1, 10)


@pytest.mark.parametrize(
    "line",
    [
        {"Lineitem name": "Gift card holder"},
        {"Lineitem name": "Gift card", "Lineitem requires shipping": "true"},
        {"Lineitem name": "Tip", "Lineitem sku": "TIP-1"},
        {"Lineitem name": "Tipi tent", "Lineitem sku": ""},
        {"Lineitem name": "Gift box"},
    ],
)
def test_goods_with_unusual_names_are_sales(db, tmp_path, line):
    """What is shipped or has a SKU is neither a tip nor a gift card."""
    path = write_export(tmp_path / "export.csv", FIRST | {"Subtotal": "20.00"}, MORE | line)
    assert load(db, path).no_sale == {}
    assert sums(db) == (1, 2, 20)


def test_additional_charges_are_counted(db, tmp_path):
    """Tax, shipping, and duties are in the total, not in revenue; canceled orders are refunded."""
    cells = {"Taxes": "1.00", "Shipping": "5.00", "Duties": "2.00", "Total": "18.00"}
    first = FIRST | cells | {"Subtotal": "10.00", "Cancelled at": "2026-05-02 10:00:00 +0200"}
    result = load(db, write_export(tmp_path / "export.csv", first))
    assert result.no_sale == {"canceled": 1, "duties": 1, "shipping": 1, "tax": 1}
    assert sums(db) == sums(db, "refund") == (1, 1, 10)
