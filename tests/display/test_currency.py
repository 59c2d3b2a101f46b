"""Currencies: signs and decimals."""

from __future__ import annotations

import pandas as pd
import pytest

from d1lab.display import DataTable, Figure, money, show
from d1lab.display.currency import decimals_of, is_currency, sign_of


@pytest.mark.parametrize(
    ("code", "amount", "shown"),
    [
        ("USD", 1234.5, "$1,234.50"),
        ("EUR", -3.2, "−€3.20"),
        ("JPY", 1234.5, "¥1,234"),
        ("KWD", 12.3456, "12.346 KWD"),
        ("CHF", 12.5, "12.50 CHF"),
        ("CAD", 12.5, "CA$12.50"),
        ("", 12.5, "12.50"),
    ],
)
def test_amounts_have_the_sign_and_decimals_of_their_currency(code, amount, shown):
    """Yen have no decimals and dinars three; a currency without a sign follows the number."""
    assert show(amount, "money", code) == shown


def test_columns_align_by_their_currency():
    """All cells of a column have equal decimals; the header has the unit if cells do not."""
    frame = pd.DataFrame({"yen": [120, 35], "dinars": [1.5, 2.25], "francs": [1.5, 2.0]})
    units = {"yen": "JPY", "dinars": "KWD", "francs": "CHF"}
    table = DataTable.from_frame(frame, title="Amounts", units=units)
    assert [column.kind for column in table.columns] == ["money"] * 3
    assert [column.header for column in table.columns] == ["Yen", "Dinars (KWD)", "Francs (CHF)"]
    first = [column.shown(cell) for column, cell in zip(table.columns, table.rows[0], strict=True)]
    assert first == ["¥120", "1.500", "1.50"]


def test_intervals_and_texts_follow():
    """Interval ends have the decimals of the value; round amounts in sentences have none."""
    figure = Figure.of("spend", 250.0, kind="money", unit="JPY", low=200.0, high=300.4)
    assert figure.interval().startswith("¥200 to ¥300")
    assert (money(99.5, "JPY"), money(99.5, "KWD"), money(99, "KWD")) == (
        "¥100",
        "99.500 KWD",
        "99 KWD",
    )


def test_other_units_are_no_currencies():
    """Three capital letters alone are not a currency."""
    for unit in ("SKU", "days", "", "Eur", "€"):
        assert not is_currency(unit)
        assert (sign_of(unit), decimals_of(unit)) == ("", 2)
