"""Codes with an ending of their own are counted as the campaign that they belong to."""

from __future__ import annotations

import pytest

from d1lab.ingest.campaigns import Family, folded, found_in
from tests.support.exports import FIRST, load, write_export

ENDINGS = [f"{n * 2_654_435_761 % 16**5:05X}" for n in range(1, 41)]
WELCOME = [f"WELCOME-{ending}" for ending in ENDINGS]


@pytest.mark.parametrize(
    ("used", "patterns"),
    [
        (dict.fromkeys(WELCOME, 1), ["WELCOME*"]),
        ({**dict.fromkeys(WELCOME, 1), "WELCOME10": 300, "WELL": 3}, ["WELCOME*"]),
        (dict.fromkeys([f"thx{ending}" for ending in ENDINGS], 1), ["THX*"]),
        (dict.fromkeys(WELCOME[:5], 1), []),
        (dict.fromkeys(WELCOME, 9), []),
        ({f"SUMMER{year}": 1 for year in range(2000, 2026)}, []),
    ],
)
def test_family_is_found_by_its_beginning(used, patterns):
    """Many codes used once with the same beginning are a campaign; a few codes are not."""
    assert [family.pattern for family in found_in(used)] == patterns


def test_code_of_the_same_beginning_stays_a_code():
    """WELCOME10 is shared by customers; several codes of an order are folded one by one."""
    family = Family("welcome*", "WELCOME*", 4)
    assert folded("WELCOME10", [family]) == "welcome10"
    assert folded("VIP, welcome-1a2b3", [family]) == "vip, welcome*"
    assert folded("WELCOME10", [Family("hello", "WELCOME*")]) == "hello"


def discounts(db):
    return db.query(
        "SELECT discount_id, count(DISTINCT discount_code) FROM order_events GROUP BY 1 ORDER BY 1"
    ).rows


def write_codes(tmp_path, codes, start=1):
    lines = [
        FIRST
        | {"Name": f"#{n}", "Id": str(n), "Discount Code": code, "Discount Amount": "1.00"}
        | {"Subtotal": "9.00"}
        for n, code in enumerate(codes, start)
    ]
    return write_export(tmp_path / "export.csv", *lines)


def test_family_includes_earlier_and_later_codes(db, tmp_path):
    """Two codes are two discounts; once there are forty, they and later ones are a campaign."""
    load(db, write_codes(tmp_path, [*WELCOME[:2], "VIP"]))
    assert [codes for _, codes in discounts(db)] == [1, 1, 1]
    result = load(db, write_codes(tmp_path, WELCOME[2:30], start=10))
    assert result.campaigns == {"welcome*": 28}
    assert discounts(db) == [("vip", 1), ("welcome*", 30)]
    load(db, write_codes(tmp_path, [WELCOME[-1], "WELCOME10"], start=90))
    assert discounts(db) == [("vip", 1), ("welcome*", 31), ("welcome10", 1)]


def test_settings_name_a_campaign(db, tmp_path):
    """d1lab.toml can assign all codes with a beginning to a campaign."""
    path = write_codes(tmp_path, [*WELCOME[:2], "WELCOME10", "VIP"])
    load(db, path, campaigns={"hello": "WELCOME*", "friends": ["VIP", "FRIEND*"]})
    assert discounts(db) == [("friends", 1), ("hello", 3)]


def test_stored_codes_are_folded_in_one_scan(db, tmp_path):
    """A new family: the stored events are read once, and those with its codes found by key."""
    codes = [*WELCOME[:15], *(f"{n * 7919:x}-{n}" for n in range(1, 400))]
    load(db, write_codes(tmp_path, codes))
    events = db.query("SELECT count(*) FROM order_events").rows[0][0]
    later = write_codes(tmp_path, WELCOME[15:], start=1_000)
    before = db.meter.by_table["order_events"].rows_read
    load(db, later)
    assert ("welcome*", 40) in discounts(db)
    # once for the codes, for the orders, and for their events; then by key
    assert db.meter.by_table["order_events"].rows_read - before <= 3 * events + 400
