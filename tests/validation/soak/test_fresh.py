"""Comparison of a result with that of a fresh installation."""

from __future__ import annotations

from validation.soak.fresh import differences


def test_differences_are_found_wherever_they_are():
    """A missing row, another number, or another text differ; the last digit of a sum does not."""
    ours = {"rows": [[1, 0.1 + 0.2], ["a", None]], "status": "done"}
    assert list(differences(ours, {"rows": [[1, 0.3], ["a", None]], "status": "done"})) == []
    theirs = {"rows": [[1, 0.31]], "status": "failed", "more": 1}
    assert [found.partition(":")[0] for found in differences(ours, theirs)] == [
        "/more", "/rows", "/rows/0/1", "/status",
    ]  # fmt: skip
