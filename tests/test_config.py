"""Settings: what d1lab.toml says of a database."""

from __future__ import annotations

from d1lab.config_sections import DatabaseSettings


def test_zones_are_of_all_shops_or_by_shop():
    """A shop that is not named has none."""
    of_all = DatabaseSettings(url="sqlite:x", timezone="Europe/Berlin")
    assert (of_all.timezone_of("a"), of_all.zones) == ("Europe/Berlin", {"": "Europe/Berlin"})
    by_shop = DatabaseSettings(url="sqlite:x", timezone={"a": "Europe/Berlin", "b": ""})
    assert [by_shop.timezone_of(shop) for shop in "abc"] == ["Europe/Berlin", "", ""]
    assert by_shop.zones == {"a": "Europe/Berlin"}
