"""Prices as pages write them, and those with two readings."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d1lab.errors import InputError
from d1lab.ingest.prices.offers import amount


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("12.50", "12.50"),
        ("12", "12"),
        (12.5, "12.5"),
        (7, "7"),
        (1234.567, "1234.567"),  # a number is no text: nothing to misread
        ("12,50", "12.50"),
        ("12,5 €", "12.5"),
        ("$1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1,234,567", "1234567"),
        ("1.234.567,8", "1234567.8"),
        ("1 234,50", "1234.50"),
        ("1\u202f234\u00a0€", "1234"),
        ("EUR 9.99", "9.99"),
        ("0.125", "0.125"),  # no thousands begin with 0
        ("1234.567", "1234.567"),
    ],
)
def test_amount_reads_unambiguous_numbers(written, meant):
    """These are schema.org's format and any other format with only one reading."""
    assert amount(written, "EUR") == Decimal(meant)


@pytest.mark.parametrize("written", ["1,234", "1.234", "12.345", "999,000", "$1,234"])
def test_amount_rejects_what_could_be_thousands(written):
    """One group of three digits can be thousands or decimals."""
    with pytest.raises(InputError, match="ambiguous price"):
        amount(written, "EUR")


def test_amount_knows_currencies_of_three_decimals():
    """In dinars, 1.234 is a price; with a comma it is still ambiguous."""
    assert amount("1.234", "KWD") == Decimal("1.234")
    with pytest.raises(InputError, match="ambiguous price"):
        amount("1,234", "KWD")


@pytest.mark.parametrize(
    "written",
    ["", "free", "from 12", "12-15", "0", "0.00", "-5", 0, -1, True, 1e12, float("nan"),
     float("inf"), "1e3", "12.", "١٢", "1,23,456", "12 13", "9" * 400, {}, [12]],
)  # fmt: skip
def test_amount_rejects_what_is_not_an_amount(written):
    """Words, ranges, empty and negative values, and other digits give a short reason."""
    with pytest.raises(InputError) as caught:
        amount(written, "EUR")
    assert len(str(caught.value)) < 150


@given(st.decimals(min_value=Decimal("0.01"), max_value=Decimal("999999.99"), places=2))
def test_amount_reads_each_way_of_writing_alike(price):
    """With two decimals, every common format gives the same amount."""
    english, plain = f"{price:,.2f}", f"{price:.2f}"
    continental = english.replace(",", " ").replace(".", ",")
    dotted = english.replace(",", "_").replace(".", ",").replace("_", ".")
    texts = (english, plain, continental, dotted, f"€ {dotted}")
    assert {amount(text, "EUR") for text in texts} == {price}
