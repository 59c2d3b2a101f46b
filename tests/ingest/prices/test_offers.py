"""The offer that a page's data describes, or the reason why there is none."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d1lab.errors import InputError
from d1lab.ingest.prices.markup import markups
from d1lab.ingest.prices.offers import Offer, Wanted, find_offer, in_stock

from .conftest import json_ld

DAY = date(2026, 5, 1)
IN = "https://schema.org/InStock"


def found(html: str | bytes, charset: str | None = None, **wanted: str) -> Offer:
    page = html.encode() if isinstance(html, str) else html
    return find_offer(markups(page, charset), Wanted(**wanted), DAY)


def reason(html: str | bytes, **wanted: str) -> str:
    with pytest.raises(InputError) as caught:
        found(html, **wanted)
    return str(caught.value)


def product(*offers: object, **more: object) -> dict:
    return {"@type": "Product", "name": "Sock", "offers": list(offers), **more}


def offer(price: object, currency: str = "EUR", **more: object) -> dict:
    return {"@type": "Offer", "price": price, "priceCurrency": currency, **more}


def test_offer_of_a_product():
    """@type can be a name, a full IRI, or a list."""
    data = product(offer("12.50", availability=IN))
    assert found(json_ld(data)) == Offer(Decimal("12.50"), "EUR", True)
    for kind in ("https://schema.org/Product", ["Book", "Product"], "schema:Product"):
        assert found(json_ld({**data, "@type": kind})).price == Decimal("12.50")


def test_offer_in_a_graph_by_reference():
    """In @graph, the offer can be a node of its own that the product refers to."""
    graph = [
        {"@type": "WebPage", "mainEntity": {"@id": "#it"}},
        {"@id": "#it", "@type": "Product", "offers": {"@id": "#offer"}},
        {"@id": "#offer", **offer(9)},
    ]
    assert found(json_ld({"@context": "https://schema.org", "@graph": graph})).price == 9


def test_offer_aggregated():
    """Offers inside an aggregate are read one by one; without them, its lowest price is used."""
    inside = {
        "@type": "AggregateOffer",
        "lowPrice": 5,
        "priceCurrency": "EUR",
        "offers": [offer(8, availability=IN), offer(6, availability="OutOfStock")],
    }
    assert found(json_ld(product(inside))) == Offer(Decimal(8), "EUR", True)
    bare = {"@type": "AggregateOffer", "lowPrice": "5.00", "highPrice": 9, "priceCurrency": "EUR"}
    assert found(json_ld(product(bare))) == Offer(Decimal("5.00"), "EUR", None)


def test_offer_is_the_lowest_in_stock():
    """Sold-out and used goods are ignored; if all are sold out, the lowest price is used."""
    used = offer(2, itemCondition="https://schema.org/UsedCondition", availability=IN)
    cheap = offer(5, availability="http://schema.org/SoldOut")
    assert found(json_ld(product(used, cheap, offer(7, availability=IN)))).price == 7
    assert found(json_ld(product(used, cheap))) == Offer(Decimal(5), "EUR", False)
    assert reason(json_ld(product(used))) == "the product has no offer"


def test_offer_price_of_a_specification():
    """The price is for one unit today: no list price, member price, bulk price, or future price."""
    specifications = [
        {"price": 20, "priceCurrency": "EUR", "priceType": "https://schema.org/ListPrice"},
        {"price": 9, "priceCurrency": "EUR", "eligibleQuantity": {"minValue": 10}},
        {"price": 8, "priceCurrency": "EUR", "validForMemberTier": {"name": "gold"}},
        {"price": 7, "priceCurrency": "EUR", "validFrom": "2026-06-01"},
        {"price": 6, "priceCurrency": "EUR", "validThrough": "2026-04-30T23:59"},
        {"price": 15, "priceCurrency": "EUR", "validThrough": "2026-05-01T12:00"},
    ]
    data = product({"@type": "Offer", "priceSpecification": specifications})
    assert found(json_ld(data)).price == 15
    only = product({"@type": "Offer", "priceSpecification": specifications[:1]})
    assert reason(json_ld(only)) == "the offer has no price"


def test_offer_of_a_variant():
    """If variants have several prices, the line must name one of them."""
    group = {
        "@type": "ProductGroup",
        "hasVariant": [
            {"@type": "Product", "sku": "S-38", "gtin13": "4006381333931", "offers": offer(10)},
            {"@type": "Product", "sku": "S-42", "offers": offer(12)},
        ],
    }
    page = json_ld(group)
    assert reason(page) == (
        "2 products on the page at different prices (10 EUR, 12 EUR). "
        "Choose one with competitor_sku."
    )
    assert found(page, product="s-42").price == 12
    assert found(page, product="4006381333931").price == 10
    assert found(page, own_sku="S-42").price == 12
    assert "no product 'S-50'. Products: S-38" in reason(page, product="S-50")
    group["hasVariant"][1]["offers"] = offer(10, availability=IN)
    assert found(page := json_ld(group)) == Offer(Decimal(10), "EUR", True), page


def test_offer_of_a_group_whose_variants_have_no_price():
    """Variants can be listed by name only, with the price at the group."""
    group = {"@type": "ProductGroup", "offers": offer(10), "hasVariant": [{"@type": "Product"}]}
    assert found(json_ld(group)).price == 10


def test_offer_ignores_other_products_on_the_page():
    """Similar products and the items of reviews are not what the page sells."""
    data = product(offer(10), isSimilarTo=product(offer(3)), isRelatedTo=[product(offer(4))])
    assert found(json_ld(data)).price == 10


def test_offer_in_several_currencies():
    """The line must name one of them, and one that the page does not have is an error."""
    page = json_ld(product(offer(10, "EUR"), offer(11, "USD")))
    assert reason(page) == "the offers are in EUR, USD. Choose one with currency."
    assert found(page, currency="USD") == Offer(Decimal(11), "USD", None)
    assert "not in GBP as requested" in reason(page, currency="GBP")


def test_offer_sold_out_without_a_price():
    """Many pages omit the price of a sold-out product."""
    sold_out = {"@type": "Offer", "availability": "https://schema.org/OutOfStock"}
    assert found(json_ld(product(sold_out))) == Offer(None, None, False)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"@type": "Organization"}, "no schema.org product on the page"),
        ({"@type": "Product"}, "the product has no offer"),
        (product({"@type": "Offer", "availability": IN}), "the offer has no price"),
        (product({"@type": "Offer", "price": 5}), "the offer has a price but no currency"),
        (product(offer(5, "€")), "invalid currency '€'. Use a code such as EUR."),
        (product(offer("1,234")), "ambiguous price '1,234': could be 1234 or 1.234"),
        (product(offer("call us")), "invalid price 'call us'. Expected an amount such as 12.50."),
        (product(offer(0)), "price 0 is out of range"),
        (product(offer({"a": 1})), "invalid price {'a': 1}. Expected an amount such as 12.50."),
    ],
)
def test_offer_rejected_with_a_reason(data, said):
    """An incomplete offer is not completed by a guess."""
    assert reason(json_ld(data)).replace('"', "") == said


def test_offer_of_microdata():
    """The page follows W3C's microdata: price in content, availability as a link, nested scopes."""
    page = """
    <div itemscope itemtype="https://schema.org/Product"><h1 itemprop="name">Sock</h1>
    <div itemprop="offers" itemscope itemtype="https://schema.org/Offer">
    <span itemprop="price" content="1299.00">1.299,00</span><meta itemprop="priceCurrency"
    content="EUR"><link itemprop="availability" href="https://schema.org/InStock"></div></div>
    """
    assert found(page) == Offer(Decimal("1299.00"), "EUR", True)


def test_offer_of_microdata_with_a_part_elsewhere():
    """The offer is linked by itemref, and the price is the text of its element."""
    page = """
    <div itemscope itemtype="https://schema.org/Thing https://schema.org/Product"
    itemref="o no o"></div><p itemprop="price">7</p><div id=o><span itemprop="offers" itemscope
    itemtype="https://schema.org/Offer"><b itemprop="price"> 12.<i>50</i> </b>
    <data itemprop="priceCurrency price2" value="EUR">euros</data></span></div>
    """
    assert found(page) == Offer(Decimal("12.50"), "EUR", None)


def test_offer_of_microdata_that_refers_to_itself_or_repeats_too_much():
    """Cycles end, and a page whose items take too long to read is rejected with a reason."""
    circle = '<p id=a itemscope itemtype="https://schema.org/Product" itemref=b></p>'
    assert reason(f"{circle}<i id=b itemprop=isPartOf itemscope itemref='a b'></i>").startswith(
        "the p"
    )
    part = "<div id=a>" + "<p>x</p>" * 3_000 + "<b itemprop=x>y</b></div>"
    assert "too much nested microdata" in reason(part + "<p itemscope itemref=a></p>" * 1_000)


def test_offer_skips_microdata_if_json_ld_has_it():
    """Thousands of reviews in microdata do not matter if JSON-LD has the price."""
    reviews = '<p itemprop="review">good' * 3_000
    assert found(json_ld(product(offer(4))).replace("Hello", reviews)).price == 4


@pytest.mark.parametrize("marks", [("<!--", "-->"), ("//<![CDATA[", "//]]>"), ("\n// <!--", "")])
def test_offer_of_json_ld_within_comment_marks(marks):
    """Old templates put the script in a comment; line breaks inside a text are accepted."""
    text = json.dumps({**product(offer(4)), "name": "two|lines"}).replace("|", "\n")
    script = f"{marks[0]}\n{text}\n{marks[1]}"
    page = f'<script type="Application/LD+json; charset=utf-8">{script}</script>'
    assert found(page).price == 4


def test_offer_json_ld_comes_before_microdata():
    """If a page has both, JSON-LD is used, and an invalid script is skipped."""
    micro = """<div itemscope itemtype="http://schema.org/Product"><div itemprop="offers" itemscope>
    <b itemprop="price">5</b><b itemprop="priceCurrency">EUR</b></div></div>"""
    told_twice = json_ld("{broken", product(offer(4))).replace("Hello", micro)
    assert found(told_twice).price == 4
    broken = json_ld("{broken", '"text"', "[1, null]").replace("Hello", micro)
    assert found(broken).price == 5


def test_offer_reads_the_charset():
    """It is that of the header, else UTF-8 if valid, else the one that the page declares."""
    page = json_ld(product(offer("12,50\u00a0€")))
    latin = page.replace("€", "").encode("latin-1")
    assert found(latin, "iso-8859-1").price == Decimal("12.5")
    assert found(page.encode()).price == Decimal("12.5")
    assert found(latin.replace(b"<head>", b'<head><meta charset="latin1">')).price == Decimal(
        "12.5"
    )
    assert "is not HTML: unknown encoding" in reason_of(page.encode(), "no-such-charset")


def reason_of(html: bytes, charset: str) -> str:
    with pytest.raises(InputError) as caught:
        found(html, charset)
    return str(caught.value)


@pytest.mark.parametrize(
    "html",
    [
        b"",
        b"\x00\x01\xff" * 100,
        b"<html>" + b"<div>" * 20_000,
        json_ld("[" * 50_000).encode(),
        json_ld('{"a":' * 50_000).encode(),
        json_ld({"@type": "Product", "offers": [[[[offer(1)]]]]}).encode(),
        json_ld({"@id": "#a", "@type": "Product", "hasVariant": {"@id": "#a"}}).encode(),
        json_ld({"@type": {"x": 1}, "@graph": {"@graph": 5}}).encode(),
        json_ld({"@type": ["Product", None, 5], "offers": "none", "sku": [{}]}).encode(),
        b'<p itemscope itemtype="http://schema.org/Product" id=a itemref="a a b"><b itemprop=x>',
        b'<p itemprop="offers">' * 3_000,
    ],
)
def test_offer_hostile_pages_have_a_reason(html):
    """For any content of a page there is a reason, and no other error."""
    assert reason(html)


def test_offer_many_variants_that_refer_to_each_other():
    """Each node is read once; 300 that name all others would otherwise never end."""
    names = [{"@id": f"#{i}"} for i in range(300)]
    graph = [{**name, "@type": "ProductGroup", "hasVariant": names} for name in names]
    assert reason(json_ld({"@graph": graph})) == "the product has no offer"


WORDS = [
    "@type",
    "@id",
    "@graph",
    "offers",
    "price",
    "priceCurrency",
    "availability",
    "hasVariant",
    "sku",
    "mainEntity",
    "priceSpecification",
    "itemCondition",
    "eligibleQuantity",
    "minValue",
]

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(WORDS),
            inner | st.sampled_from(["Product", "Offer", "EUR", "12.50", "InStock"]),
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(json_values)
def test_offer_any_json_ends_as_an_offer_or_a_reason(value):
    """Random data with schema.org's terms raises only errors with a reason."""
    try:
        result = found(json_ld(value if isinstance(value, dict) else {"@graph": value}))
    except InputError:
        return
    assert result.price is None or result.price > 0


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("https://schema.org/InStock", True),
        ("http://schema.org/LimitedAvailability/", True),
        ("in stock", True),
        ("InStock", True),
        ("https://schema.org/BackOrder", False),
        ("PreOrder", False),
        ("Out of stock", False),
        ("yes", None),
        (None, None),
    ],
)
def test_in_stock_by_word_or_iri(word, meant):
    """Products that can be ordered but not shipped today do not count as in stock."""
    assert in_stock(word) is meant
