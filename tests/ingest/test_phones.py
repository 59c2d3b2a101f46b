"""A phone number identifies a customer without an email address."""

from __future__ import annotations

import pytest

from d1lab.ingest.phones import normal
from tests.support.exports import FIRST, load, write_export


@pytest.mark.parametrize(
    ("phone", "country", "text"),
    [
        ("0171 2345678", "DE", "+491712345678"),
        ("+49 (0)171 2345678", None, "+491712345678"),
        ("00491712345678", None, "+491712345678"),
        ("'+8801700000001", None, "+8801700000001"),
        ("8801700000001.0", "US", "+8801700000001"),
        ("(212) 555-0123", "US", "+12125550123"),
        ("555 1234", "US", "5551234"),
        ("8.8017E+12", "BD", None),
        ("n/a", "US", None),
    ],
)
def test_phone_is_one_text(phone, country, text):
    """The result is E.164, else the digits, else nothing."""
    assert normal(phone, country) == text


def test_phone_is_the_customer_without_an_address(db, tmp_path):
    """The country is that of the order or of the currency, and the number is hashed."""
    cells = [
        {"Phone": "+8801700000001"},
        {"Phone": "01700 000001", "Billing Country": "BD"},
        {"Phone": "01700000001"},
        {"Phone": "+8801700000002", "Email": "ada@x.test"},
    ]
    lines = [
        FIRST | {"Name": f"#{n}", "Id": str(n), "Currency": "BDT"} | cell
        for n, cell in enumerate(cells, 1)
    ]
    load(db, write_export(tmp_path / "export.csv", *lines))
    customers = db.query("SELECT customer_id FROM order_events ORDER BY order_id").rows
    assert customers[0] == customers[1] == customers[2] != customers[3]
    assert len(customers[0][0]) == 32
