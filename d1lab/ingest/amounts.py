"""Parse amounts in the formats of people and programs: '$1.234,50' is 1234.50.

The decimal separator is inferred from the whole file: '10,50' and '1.234,50' have one
reading, '1,234' has two. If no amount in the file is unambiguous, nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from d1lab.errors import InputError

_SPACES = (
    "[ \u00a0\u2009\u202f'\u2019]"  # thousands separators: spaces of all widths, Swiss apostrophes
)
_SIGN = r"(?:[$€£¥₹₩₺₽₪₫₱฿₴₦₡¢]|[A-Za-zÀ-ž]{1,3}[$€£]?\.?)"
_AMOUNT = re.compile(
    rf"(?P<minus>[-−(])?\s*{_SIGN}?\s*(?P<late>[-−])?"
    rf"(?P<digits>\d[\d.,]*|[.,]\d+)\s*{_SIGN}?\s*(?P<end>[-−)])?"
)
_PLAIN = re.compile(r"-?\d+(\.\d*)?([eE][-+]?\d+)?")
_GROUPS = re.compile(r"\d{1,3}([.,]\d{2,3})*[.,]\d{3}")  # India: 1,23,456


def is_plain(text: str) -> bool:
    """Whether the text already is a plain number."""
    return _PLAIN.fullmatch(text) is not None


def decimal_sign(texts: Iterable[str]) -> str | None:
    """Return the decimal separator implied by unambiguous amounts; None if there are none.

    >>> decimal_sign(["1.234,50", "7"]), decimal_sign(["1,234"])
    (',', None)

    Raises:
        InputError: Some amounts need one separator, some the other.
    """
    found: dict[str, str] = {}
    for text in texts:
        sign = _sign_of(_digits(text))
        if sign:
            found.setdefault(sign, text)
    if len(found) > 1:
        raise InputError(
            f"amounts use two formats: {found['.']!r} has a decimal point, {found[',']!r} a "
            "decimal comma. Use one of them in the whole file."
        )
    return next(iter(found), None)


def unsettled(texts: Iterable[str]) -> str | None:
    """Return an ambiguous amount, such as '1,234'; None if there is none."""
    return next((text for text in texts if _is_either(_digits(text))), None)


def plain_amounts(texts: Iterable[str], sign: str) -> Mapping[str, str]:
    """Return the plain form of each text that is an amount in another format.

    >>> plain_amounts(["(1.234,50)", "ten", "2,5 kg"], ",")
    {'(1.234,50)': '-1234.50', '2,5 kg': '2.5'}
    """
    made = {text: _plain(text, sign) for text in texts}
    return {text: plain for text, plain in made.items() if plain not in (None, text)}


def _plain(text: str, sign: str) -> str | None:
    match = _AMOUNT.fullmatch(_joined(text))
    if not match:
        return None
    digits = match["digits"].rstrip(",.")
    whole, found, decimals = digits.rpartition(sign)
    whole, decimals = (whole, decimals) if found else (digits, "")
    other = "." if sign == "," else ","
    if other in decimals or (other in whole and not _GROUPS.fullmatch(whole)) or sign in whole:
        return None
    is_negative = match["minus"] or match["late"] or match["end"] in ("-", "−")
    number = whole.replace(other, "") or "0"
    return f"{'-' if is_negative else ''}{number}{f'.{decimals}' if decimals else ''}"


def _joined(text: str) -> str:
    text = re.sub(r"[.,][-–—]$", "", text.strip())  # 12,- is 12
    return re.sub(rf"(?<=\d){_SPACES}(?=\d{{3}}(?!\d))", "", text)


def _digits(text: str) -> str:
    match = _AMOUNT.fullmatch(_joined(text))
    return match["digits"] if match else ""


def _sign_of(digits: str) -> str | None:
    """Return the decimal separator of one amount if only one is possible."""
    signs = [char for char in digits if char in ".,"]
    if not signs or _is_either(digits):
        return None
    if len(set(signs)) == 2:
        return signs[-1]
    if len(signs) > 1:  # thousands, millions
        return "," if signs[0] == "." else "."
    return signs[0]


def _is_either(digits: str) -> bool:
    """Whether an amount has one separator, up to three digits before, and three after it."""
    return re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", digits) is not None
