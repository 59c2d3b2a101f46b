"""Faults in queries, and the tests that must find them."""

from __future__ import annotations

import random

from validation import mutants


def test_a_query_gets_one_fault_outside_its_comments() -> None:
    """Each fault changes one line, and no comment."""
    path = mutants.ROOT / "d1lab" / "analyses" / "ab_tests" / "ab_test_looks.sql"
    faults = list(mutants.sql_faults(path, random.Random(1), 50))
    assert any("PARTITION BY variant" in fault.text for fault in faults)
    for fault in faults:
        _, removed, added = fault.diff().splitlines()
        assert removed.startswith("-"), fault.diff()
        assert added.startswith("+")
        assert not removed.lstrip("- ").startswith("--")


def test_the_tests_of_a_folder_find_its_faults() -> None:
    """Statistics are tested by their own tests and by those of A/B tests."""
    assert mutants.tests_of("d1lab/analyses/customers/none.py") == ["tests/analyses/customers"]
    assert mutants.tests_of("d1lab/stats/means.py") == [
        "tests/stats/test_means.py",
        "tests/stats",
        "tests/analyses/ab_tests",
    ]
