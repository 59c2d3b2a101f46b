"""Normalize phone numbers: E.164 if valid, else the digits.

For cash on delivery, the phone is the only customer identifier: '0171 2345678',
'+49 171 2345678', and '0049-171-2345678' are the same person in Germany.
"""

# pyright: standard

from __future__ import annotations

from contextlib import suppress

import duckdb
import pyarrow as pa

_FEWEST_DIGITS = 6
_NUMBERS = """
SELECT DISTINCT given(phone), upper(given({country})) FROM source WHERE given(phone) IS NOT NULL
"""
_COUNTRIES = {  # currencies used by a single country
    "USD": "US", "GBP": "GB", "CAD": "CA", "AUD": "AU", "NZD": "NZ", "INR": "IN", "BDT": "BD",
    "PKR": "PK", "LKR": "LK", "JPY": "JP", "CNY": "CN", "KRW": "KR", "SGD": "SG", "MYR": "MY",
    "IDR": "ID", "PHP": "PH", "THB": "TH", "VND": "VN", "AED": "AE", "SAR": "SA", "QAR": "QA",
    "KWD": "KW", "BHD": "BH", "OMR": "OM", "JOD": "JO", "EGP": "EG", "MAD": "MA", "TND": "TN",
    "NGN": "NG", "KES": "KE", "GHS": "GH", "ZAR": "ZA", "BRL": "BR", "MXN": "MX", "ARS": "AR",
    "CLP": "CL", "COP": "CO", "PEN": "PE", "CHF": "CH", "SEK": "SE", "NOK": "NO", "DKK": "DK",
    "PLN": "PL", "CZK": "CZ", "HUF": "HU", "RON": "RO", "BGN": "BG", "TRY": "TR", "UAH": "UA",
    "ILS": "IL", "HKD": "HK", "TWD": "TW",
}  # fmt: skip


def normalize_phones(
    con: duckdb.DuckDBPyConnection, country: str | None, currency: str | None
) -> None:
    """Normalize the phones of `source`; texts that are not phone numbers become empty.

    Args:
        con: The connection with `source`.
        country: The shop's country, ISO 3166, for numbers and lines without a country.
        currency: The shop's currency, which implies the country as a last resort.
    """
    default = country or _COUNTRIES.get(currency or "")
    rows = con.sql(_NUMBERS.format(country="country")).fetchall()
    if not rows:
        return
    made = [normal(phone, place if place and len(place) == 2 else default) for phone, place in rows]
    texts, places = zip(*rows, strict=True)
    table = pa.table(
        {
            "text": pa.array(texts, pa.string()),
            "place": pa.array(places, pa.string()),
            "normal": pa.array(made, pa.string()),
        }
    )
    con.register("phones", table)
    con.execute(
        "UPDATE source SET phone = phones.normal FROM phones WHERE given(source.phone) = "
        "phones.text AND upper(given(source.country)) IS NOT DISTINCT FROM phones.place"
    )


def normal(phone: str, country: str | None) -> str | None:
    """Return a number in E.164; its digits if invalid in that country; None if not a number.

    >>> normal("0171 2345678", "DE"), normal("00491712345678", None), normal("5.1E+11", None)
    ('+491712345678', '+491712345678', None)
    """
    import phonenumbers

    text = phone.strip().lstrip("'").removesuffix(".0")
    if "E+" in text.upper():
        return None
    text = f"+{text[2:]}" if text.startswith("00") else text
    digits = "".join(filter(str.isdigit, text))
    for one in (text, f"+{digits}"):  # spreadsheets drop the plus sign
        with suppress(phonenumbers.NumberParseException):
            number = phonenumbers.parse(one, country)
            if phonenumbers.is_valid_number(number):
                return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return digits if len(digits) >= _FEWEST_DIGITS else None
