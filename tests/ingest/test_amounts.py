"""Amounts as people and programs write them."""

from __future__ import annotations

import pytest

from d1lab.errors import InputError
from d1lab.ingest.amounts import decimal_sign, plain_amounts, unsettled


@pytest.mark.parametrize(
    ("text", "sign", "plain"),
    [
        ("$25.00", ".", "25.00"),
        ("USD 1,234.50", ".", "1234.50"),
        ("1.234,50 €", ",", "1234.50"),
        ("1 234,50", ",", "1234.50"),
        ("1\u202f234,50", ",", "1234.50"),
        ("CHF 1'234.50", ".", "1234.50"),
        ("1,23,456.00", ".", "123456.00"),
        ("(5.00)", ".", "-5.00"),
        ("5.00-", ".", "-5.00"),
        ("−$2.00", ".", "-2.00"),
        ("kr 12,-", ",", "12"),
        ("2,5 kg", ",", "2.5"),
        (".5", ".", "0.5"),
        ("1.234", ",", "1234"),
        ("ten", ".", None),
        ("1.2.3", ".", None),
        ("1,2,3", ".", None),
    ],
)
def test_amount_is_converted_to_plain_digits(text, sign, plain):
    """Currency signs, thousands separators, and all minus signs are read; other texts are
    unchanged.
    """
    assert plain_amounts([text], sign).get(text) == plain


@pytest.mark.parametrize(
    ("texts", "sign"),
    [
        (["1.234,50"], ","),
        (["1,234", "10.50"], "."),
        (["1.234.567"], ","),
        (["0,005"], ","),
        (["1234,567"], ","),
        (["1,234"], None),
        (["7", "x"], None),
    ],
)
def test_file_shows_its_decimal_sign(texts, sign):
    """One unambiguous amount is enough."""
    assert decimal_sign(texts) == sign


def test_file_with_both_decimal_signs_is_rejected():
    """With 10.50 and 10,50 in one file, 1.234 would be a guess."""
    with pytest.raises(InputError, match=r"'10\.50'.*'10,50'"):
        decimal_sign(["10.50", "10,50"])


def test_amount_with_two_readings_is_named():
    """These amounts have three digits after one separator."""
    assert unsettled(["5", "1,234"]) == "1,234"
    assert unsettled(["0,234", "1,23", "1234,567"]) is None
