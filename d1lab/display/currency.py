"""Currencies by ISO 4217 code: sign and number of decimals."""

from __future__ import annotations

from functools import cache

_LOCALE = "en_US"  # the language of the pages


@cache
def is_currency(unit: str) -> bool:
    """Return whether a unit is a currency code.

    >>> is_currency("EUR"), is_currency("SKU"), is_currency("")
    (True, False, False)
    """
    if not (len(unit) == 3 and unit.isascii() and unit.isupper()):
        return False
    from babel import Locale

    return unit in Locale.parse(_LOCALE).currencies


@cache
def sign_of(unit: str) -> str:
    """Return the sign of a currency; empty for one without a sign and for other units.

    >>> sign_of("USD"), sign_of("CAD"), sign_of("CHF"), sign_of("days")
    ('$', 'CA$', '', '')
    """
    if not is_currency(unit):
        return ""
    from babel.numbers import get_currency_symbol

    sign = get_currency_symbol(unit, _LOCALE)
    return "" if sign == unit else sign


@cache
def decimals_of(unit: str) -> int:
    """Return the number of decimals of a currency; 2 for other units.

    >>> decimals_of("EUR"), decimals_of("JPY"), decimals_of("KWD")
    (2, 0, 3)
    """
    if not is_currency(unit):
        return 2
    from babel.numbers import get_currency_precision

    return get_currency_precision(unit)
