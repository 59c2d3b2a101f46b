"""A price as a page writes it, as an exact number; refused where it could mean two.

schema.org asks for digits with a full stop before the decimals and nothing else. Pages write more
than that, and what can mean only one number is taken: 1.234,50 and 1,234.50 are both 1234.50.
"""

from __future__ import annotations

import re
from decimal import Decimal

from d1lab.errors import InputError

_SIGNS = "€$£¥"
_SPACES = " \u00a0\u2009\u202f"
_PLAIN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?")
_DECIMAL_COMMA = re.compile(r"[0-9]{1,9},[0-9]{1,2}")
_COMMA_GROUPS = re.compile(r"[1-9][0-9]{0,2}((,[0-9]{3})+\.[0-9]{1,2}|(,[0-9]{3}){2,})")
_STOP_GROUPS = re.compile(r"[1-9][0-9]{0,2}((\.[0-9]{3})+,[0-9]{1,2}|(\.[0-9]{3}){2,})")
_SPACE_GROUPS = re.compile(rf"[1-9][0-9]{{0,2}}([{_SPACES}][0-9]{{3}})+([.,][0-9]{{1,2}})?")
_ONE_GROUP = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")
_THREE_DECIMALS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))  # ISO 4217


def amount(value: object, currency: str | None = None) -> Decimal:
    """The number that a price means.

    Args:
        value: A number, or a text such as '12.50', '12,50 €' or '1.234,50'.
        currency: Its ISO 4217 code: it may stand beside the digits, and some have three decimals.

    Returns:
        The amount, above 0 and below a thousand million.

    Raises:
        InputError: It is none, is not above 0, or could mean two amounts, as 1,234 could.

    >>> amount("1.234,50 EUR", "EUR"), amount(" 12,5"), amount(19.99)
    (Decimal('1234.50'), Decimal('12.5'), Decimal('19.99'))
    """
    number = _written(value) if isinstance(value, int | float) else _read(str(value), currency)
    if not 0 < number < 10**9:
        raise InputError(f"price {_shown(value)} is no amount that anything is sold at")
    return number


def _written(value: float) -> Decimal:
    number = Decimal(repr(value)) if not isinstance(value, bool) else Decimal("nan")
    return number if number.is_finite() else Decimal(0)


def _read(text: str, currency: str | None) -> Decimal:
    digits = text.strip().removeprefix(currency or "").removesuffix(currency or "")
    digits = digits.strip(_SIGNS + _SPACES)
    if _ONE_GROUP.fullmatch(digits) and not ("." in digits and currency in _THREE_DECIMALS):
        whole, rest = digits[:-4], digits[-3:]
        raise InputError(f"price {digits!r} is ambiguous: {whole}{rest} or {whole} and a fraction")
    if _PLAIN.fullmatch(digits):
        return Decimal(digits)
    if _COMMA_GROUPS.fullmatch(digits):
        return Decimal(digits.replace(",", ""))
    if _STOP_GROUPS.fullmatch(digits) or _DECIMAL_COMMA.fullmatch(digits):
        return Decimal(digits.replace(".", "").replace(",", "."))
    if _SPACE_GROUPS.fullmatch(digits):
        return Decimal("".join(digits.split()).replace(",", "."))
    raise InputError(f"price {_shown(text)} is no amount such as 12.50")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
