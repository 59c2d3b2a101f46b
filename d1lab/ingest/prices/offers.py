"""Extract the selling price from a page's schema.org data, or the reason there is none.

A page can have several products, variants, and sellers. The product has to be unambiguous: the
only one, the one with the given SKU, or several with the same price. Its lowest in-stock offer
counts; used goods, list prices, member prices, and volume prices do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, cast

from d1lab.errors import InputError
from d1lab.ingest.prices.markup import Markup, Node

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
    """Parse a price.

    Args:
        value: A number, or a text such as '12.50', '12,50 €', or '1.234,50'.
        currency: Its ISO 4217 code, which can be next to the digits; some have three decimals.

    Returns:
        The amount, above 0 and below a billion.

    Raises:
        InputError: It is not an amount, not above 0, or ambiguous, such as 1,234.

    >>> amount("1.234,50 EUR", "EUR"), amount(" 12,5"), amount(19.99)
    (Decimal('1234.50'), Decimal('12.5'), Decimal('19.99'))
    """
    number = (
        _written(value) if isinstance(value, int | float) else _read_amount(str(value), currency)
    )
    if not 0 < number < 10**9:
        raise InputError(f"price {_shown(value)} is out of range")
    return number


def _written(value: float) -> Decimal:
    number = Decimal(repr(value)) if not isinstance(value, bool) else Decimal("nan")
    return number if number.is_finite() else Decimal(0)


def _read_amount(text: str, currency: str | None) -> Decimal:
    digits = text.strip().removeprefix(currency or "").removesuffix(currency or "")
    digits = digits.strip(_SIGNS + _SPACES)
    if _ONE_GROUP.fullmatch(digits) and not ("." in digits and currency in _THREE_DECIMALS):
        whole, rest = digits[:-4], digits[-3:]
        raise InputError(f"ambiguous price {digits!r}: could be {whole}{rest} or {whole}.{rest}")
    if _PLAIN.fullmatch(digits):
        return Decimal(digits)
    if _COMMA_GROUPS.fullmatch(digits):
        return Decimal(digits.replace(",", ""))
    if _STOP_GROUPS.fullmatch(digits) or _DECIMAL_COMMA.fullmatch(digits):
        return Decimal(digits.replace(".", "").replace(",", "."))
    if _SPACE_GROUPS.fullmatch(digits):
        return Decimal("".join(digits.split()).replace(",", "."))
    raise InputError(f"invalid price {_shown(text)}. Expected an amount such as 12.50.")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


_PRODUCTS = frozenset(
    ("Product", "ProductGroup", "ProductModel", "IndividualProduct", "SomeProducts", "Vehicle")
)
_LEADING = ("mainEntity", "mainEntityOfPage", "itemListElement", "item", "hasVariant")
_IDS = (
    "sku productID mpn gtin gtin8 gtin12 gtin13 gtin14 isbn productGroupID identifier".split()  # noqa: SIM905
)
_THERE = frozenset("instock instoreonly onlineonly limitedavailability madetoorder".split())  # noqa: SIM905
_NOT_THERE = frozenset(
    "outofstock soldout discontinued backorder preorder presale reserved".split()  # noqa: SIM905
)
_NOT_NEW = frozenset(("usedcondition", "refurbishedcondition", "damagedcondition"))
_NOT_ASKED = frozenset(
    ("listprice", "srp", "msrp", "strikethroughprice", "minimumadvertisedprice", "invoiceprice")
)
_CURRENCY = re.compile(r"[A-Z]{3}")
_DEEPEST = 6


class Offer(NamedTuple):
    """A product's price. Only a product that is out of stock can have none."""

    price: Decimal | None
    currency: str | None  # ISO 4217
    in_stock: bool | None  # None: not stated


class Wanted(NamedTuple):
    """Selects an offer of a page."""

    product: str | None = None  # its SKU, GTIN, or MPN at the competitor; None: the main product
    own_sku: str | None = None  # the shop's SKU, used if it also occurs on the page
    currency: str | None = None  # for a page with several


def find_offer(pages: Iterable[Markup], wanted: Wanted, on: date) -> Offer:
    """Return the selected offer of a page.

    Args:
        pages: The page's data by syntax; the first with a product counts.
        wanted: The product and currency to select.
        on: The day of the observation; prices for other days do not count.

    Raises:
        InputError: There is no offer, or several are possible.
    """
    for page in pages:
        products = list(_products(page))
        if products:
            return _agreed(page, _chosen(page, products, wanted), wanted, on)
    raise InputError("no schema.org product on the page")


def in_stock(value: object) -> bool | None:
    """Whether a schema.org availability, or a plain word for it, means in stock.

    >>> in_stock("https://schema.org/InStock"), in_stock("sold out"), in_stock("maybe")
    (True, False, None)
    """
    word = _word(value)
    return True if word in _THERE else False if word in _NOT_THERE else None


def _word(value: object) -> str:
    """Return the last part of an IRI such as 'http://schema.org/InStock', in lower case."""
    return re.sub(r"[^a-z]", "", re.split(r"[/#:]", str(value).strip().rstrip("/"))[-1].lower())


def _types(node: Node) -> set[str]:
    given: Any = node.get("@type")
    names = cast("list[Any]", given) if isinstance(given, list) else str(given).split()
    return {re.split(r"[/#:]", str(name).rstrip("/"))[-1] for name in names}


# Which product


def _products(page: Markup) -> Iterator[Node]:
    """Return the page's main products, one per variant, without products it only mentions."""
    met: set[int] = set()
    for root in page.roots:
        yield from _within(page, root, met, 0)


def _within(page: Markup, node: Node, met: set[int], depth: int) -> Iterator[Node]:
    if id(node) in met:
        return
    met.add(id(node))
    variants = page.nodes(node, "hasVariant")
    if _types(node) & _PRODUCTS and not any(page.values(one, "offers") for one in variants):
        yield node
    elif depth < _DEEPEST:
        for name in _LEADING:
            for inner in page.nodes(node, name):
                yield from _within(page, inner, met, depth + 1)


def _chosen(page: Markup, products: list[Node], wanted: Wanted) -> list[Node]:
    """Return the products with that SKU; without a SKU those with an offer, or all."""
    name = wanted.product or wanted.own_sku or ""
    found = [node for node in products if _plain(name) in map(_plain, _names(page, node))]
    if found:
        return found
    if wanted.product is None:
        return [node for node in products if page.values(node, "offers")] or products
    shown = list(dict.fromkeys(name for node in products for name in _names(page, node)))
    raise InputError(f"the page has no product {name!r}. Products: {_listed(shown) or 'none'}.")


def _names(page: Markup, product: Node) -> Iterator[str]:
    for name in _IDS:
        for value in page.values(product, name):
            yield (
                str(cast("Any", value).get("value", "")) if isinstance(value, dict) else str(value)
            )


def _plain(name: str) -> str:
    return name.strip().casefold()


def _listed(names: Sequence[str], most: int = 5) -> str:
    shown = ", ".join(name[:40] for name in names[:most])
    return f"{shown}, ..." if len(names) > most else shown


# Which offer


def _agreed(page: Markup, products: list[Node], wanted: Wanted, on: date) -> Offer:
    """Return the offer of one product, or of several with the same price."""
    found = [_of_product(page, product, wanted, on) for product in products]
    prices = {offer[:2] for offer in found}
    if len(prices) > 1:
        texts = sorted({f"{price} {currency}" for price, currency in prices})
        raise InputError(
            f"{len(products)} products on the page at different prices "
            f"({_listed(texts)}). Choose one with competitor_sku."
        )
    return max(found, key=lambda offer: (offer.in_stock is True, offer.in_stock is None))


def _of_product(page: Markup, product: Node, wanted: Wanted, on: date) -> Offer:
    offers: list[Offer] = []
    problems: list[str] = []
    for node in _offer_nodes(page, product):
        try:
            offers.append(_read(page, node, on))
        except InputError as error:
            problems.append(str(error))
    if not offers:
        raise InputError(problems[0] if problems else "the product has no offer")
    return _lowest(_in_currency(offers, wanted.currency))


def _offer_nodes(page: Markup, product: Node) -> Iterator[Node]:
    """Return offers of new goods, including those listed in an aggregate."""
    for offer in page.nodes(product, "offers"):
        inner = page.nodes(offer, "offers")
        for node in inner or [offer]:
            conditions = page.values(node, "itemCondition")
            if not any(_word(condition) in _NOT_NEW for condition in conditions):
                shared = {name: offer.get(name) for name in ("priceCurrency", "availability")}
                yield {**shared, **node}


def _read(page: Markup, offer: Node, on: date) -> Offer:
    """Return an offer's price, else its price specification's, else an aggregate's lowest."""
    stock = _first(in_stock(value) for value in page.values(offer, "availability"))
    sources = [offer, *_specifications(page, offer, on)]
    for name in ("price", "lowPrice"):
        for source in sources:
            for value in page.values(source, name):
                if value not in ("", None):
                    currency = _currency(page, source, offer)
                    return Offer(amount(value, currency), currency, stock)
    if stock is False:
        return Offer(None, None, False)
    raise InputError("the offer has no price")


def _first(values: Iterable[bool | None]) -> bool | None:
    return next((value for value in values if value is not None), None)


def _specifications(page: Markup, offer: Node, on: date) -> Iterator[Node]:
    """Return the price specifications valid for one unit, for any customer, on that day."""
    for node in page.nodes(offer, "priceSpecification"):
        kinds = page.values(node, "priceType")
        least = [quantity.get("minValue") for quantity in page.nodes(node, "eligibleQuantity")]
        special = any(_word(kind) in _NOT_ASKED for kind in kinds)
        special = special or any(str(value) not in ("None", "0", "1", "1.0") for value in least)
        if not special and not node.get("validForMemberTier") and _holds(node, on):
            yield node


def _holds(node: Node, on: date) -> bool:
    day = on.isoformat()
    first, last = (str(node.get(name) or day)[:10] for name in ("validFrom", "validThrough"))
    return first <= day <= last


def _currency(page: Markup, *sources: Node) -> str:
    for source in sources:
        for value in page.values(source, "priceCurrency"):
            code = str(value).strip().upper()
            if _CURRENCY.fullmatch(code):
                return code
            raise InputError(f"invalid currency {str(value)[:20]!r}. Use a code such as EUR.")
    raise InputError("the offer has a price but no currency")


def _in_currency(offers: list[Offer], currency: str | None) -> list[Offer]:
    priced = sorted({offer.currency for offer in offers if offer.currency})
    if currency and priced and currency not in priced:
        raise InputError(f"the offers are in {_listed(priced)}, not in {currency} as requested")
    if not currency and len(priced) > 1:
        raise InputError(f"the offers are in {_listed(priced)}. Choose one with currency.")
    return [offer for offer in offers if offer.currency in (currency or offer.currency, None)]


def _lowest(offers: list[Offer]) -> Offer:
    """Return the cheapest in-stock offer; the cheapest of all if none is in stock."""
    there = [offer for offer in offers if offer.in_stock is not False] or offers
    return min(there, key=_rank)


def _rank(offer: Offer) -> tuple[Any, ...]:
    return offer.price is None, offer.price or 0, offer.in_stock is not True
