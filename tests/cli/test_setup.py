"""A shop's time zone on the command line: in d1lab.toml, for files, and for counted days."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import assert_refused

TOML = 'database = "mine"\n[databases.mine]\nurl = "sqlite:d1.sqlite"\ntimezone = {}\n'
ORDERS = "o,s,q,p,t\n1,HAT,1,10.00,2026-03-01 23:30:00\n"
MAP = ("order_id=o", "sku=s", "quantity=q", "list_price=p", "occurred_at=t")


def set_zone(project: Path, zone: str) -> None:
    """Name a time zone in d1lab.toml, as TOML writes it."""
    (project / "d1lab.toml").write_text(TOML.format(zone))


def test_init_writes_the_time_zone(folder, run):
    """The zone is written to d1lab.toml; an unknown one is rejected with the nearest name."""
    assert run("init", "new", "--timezone", "America/New_York").code == 0
    assert 'timezone = "America/New_York"' in Path("new/d1lab.toml").read_text()
    assert_refused(run("init", "other", "--timezone", "America/NewYork"), "America/New_York")
    assert not Path("other").exists()


@pytest.mark.parametrize("zone", ['"Mars"', '"../etc"', '{harbor = "Nowhere/City"}', "3"])
def test_a_zone_that_does_not_exist_stops_every_command(project, run, zone):
    """d1lab.toml is checked first, and the error names the setting."""
    set_zone(project, zone)
    assert_refused(run("pull"), "timezone")


def test_orders_are_read_by_the_shops_clock_and_counted_on_its_day(project, run):
    """23:30 without an offset is evening in New York and counts for that day."""
    set_zone(project, '{harbor = "America/New_York"}')
    Path("orders.csv").write_text(ORDERS)
    maps = [part for pair in MAP for part in ("--map", pair)]
    assert run("ingest", "orders", "orders.csv", "--shop", "harbor", *maps).code == 0
    assert run("pull").code == 0
    sql = "SELECT day, occurred_at FROM order_lines WHERE sku = 'HAT' AND order_id = '1'"
    assert run("sql", sql).out.splitlines()[1] == "2026-03-01\t2026-03-02 04:30:00"
