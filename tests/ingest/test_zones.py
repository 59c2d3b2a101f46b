"""The offsets in an export show the time zone of the shop."""

from __future__ import annotations

import pytest

from d1lab.ingest.zones import zone_of
from tests.support.exports import FIRST, load, write_export


@pytest.mark.parametrize(
    ("times", "zone"),
    [
        (["2026-01-05T10:00:00-08:00", "2026-07-05T10:00:00-07:00"], "America/Los_Angeles"),
        (["2026-01-05T10:00:00-07:00", "2026-07-05T10:00:00-07:00"], "America/Phoenix"),
        (["2026-01-05T10:00:00+01:00", "2026-07-05T10:00:00+02:00"], "Europe/Berlin"),
        (["2026-01-05T10:00:00+05:30"], "Asia/Kolkata"),
        (["2026-01-05T10:00:00+11:00", "2026-07-05T10:00:00+10:00"], "Australia/Sydney"),
        (["2026-01-05T10:00:00+00:00"], None),
        (["2026-01-05T10:00:00+01:00", "2026-01-05T10:00:00-05:00"], None),
        (["2026-01-05T10:00:99+01:00", "2026-01-05T10:00:00+01:00"], "Europe/Berlin"),
        ([], None),
    ],
)
def test_zone_is_the_one_with_all_offsets(times, zone):
    """Summer and winter narrow it down; two shops in one file, or UTC, show nothing."""
    assert zone_of(times) == zone


def test_zone_is_proposed_until_one_is_set(db, tmp_path):
    """A shop with a zone needs no proposal."""
    path = write_export(tmp_path / "export.csv", FIRST)
    assert load(db, path).proposed_timezone == "Europe/Berlin"
    assert load(db, path, timezone="Europe/Paris").proposed_timezone is None
