"""Digests in D1 of what an aggregation left."""

from __future__ import annotations

from d1lab.ingest.counted import count_changed, counted_digests, keep_digests


def test_digests_are_those_of_the_last_aggregation_only(db):
    """Another run in d1lab_owned means that an aggregation was interrupted."""
    digests = {"0": (2, "123"), "63": (1, "9")}
    for run in ("first", "second"):
        db.batch([keep_digests("customer_insights", run, digests)], idempotent=True)
    assert counted_digests(db, {"customer_insights": "second"}) == {"customer_insights": digests}
    assert counted_digests(db, {"customer_insights": "third"}) == {}
    assert counted_digests(db, {}) == {}


def test_groups_with_fewer_rows_prove_nothing():
    """Rows were deleted; one more row, or other values of as many, are somebody else's."""
    before = {"0": (2, "a"), "1": (2, "b")}
    assert count_changed(before, {"0": (1, "x")}) == 0
    assert count_changed(before, {"0": (3, "x"), "1": (2, "b")}) == 1
    assert count_changed({}, {"0": (1, "x")}) == 1
