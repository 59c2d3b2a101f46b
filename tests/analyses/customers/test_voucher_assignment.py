"""The halves of a voucher test: random, equal in each stratum, and always the same."""

from __future__ import annotations

import pandas as pd
import pytest

from d1lab.analyses.customers.voucher_assignment import WINDOW_DAYS, assign, seed_of


def overdue(count: int) -> pd.DataFrame:
    """Customers whose spend a year falls from `count` to 1."""
    names = [f"c{place}" for place in range(count)]
    return pd.DataFrame({"customer_id": names, "pace": [float(count - n) for n in range(count)]})


def test_the_draw_depends_on_customers_and_seed_alone() -> None:
    """Rows in another order give the same halves, another seed gives others; pinned forever."""
    drawn = assign(overdue(60), 7)
    rows = overdue(60).sample(frac=1, random_state=1).reset_index(drop=True)
    shuffled = assign(rows, 7)
    assert drawn.equals(shuffled)
    assert not drawn["is_sent"].equals(assign(overdue(60), 8)["is_sent"])
    few = assign(overdue(6), 7)
    assert few.loc[few["is_sent"], "customer_id"].tolist() == PINNED
    assert seed_of("harbor", "winback") == 184352847402527


PINNED = ["c1", "c2", "c3"]


@pytest.mark.parametrize(
    ("count", "sent", "held_out"),
    [
        (60, [6] * 5, [6] * 5),
        (55, [6, 5, 6, 5, 6], [5, 6, 5, 6, 5]),  # of 11, odd strata send one more
        (29, [8, 7], [7, 7]),
        (20, [5, 5], [5, 5]),
        (19, [10], [9]),
        (70, [7] * 5, [7] * 5),
        (1, [1], [0]),
    ],
)
def test_halves_are_equal_in_each_stratum(count: int, sent: list[int], held_out: list[int]) -> None:
    """At most five strata of at least ten customers; the first has the highest values."""
    drawn = assign(overdue(count), 1)
    grouped = drawn.groupby("stratum")["is_sent"]
    assert grouped.sum().tolist() == sent
    assert (grouped.size() - grouped.sum()).tolist() == held_out
    assert drawn["pace"].is_monotonic_decreasing
    assert drawn["stratum"].is_monotonic_increasing


def test_values_that_are_equal_to_the_cent_are_in_the_order_of_customers() -> None:
    few = pd.DataFrame({"customer_id": ["b", "a", "c"], "pace": [2.0, 2.001, 2.009]})
    drawn = assign(few, 3)
    assert drawn["customer_id"].tolist() == ["c", "a", "b"]
    assert drawn["pace"].tolist() == [2.01, 2.0, 2.0]


def test_the_draw_is_random_and_the_halves_are_alike() -> None:
    """Of 4,000 customers in order of value, neighbors share a half half of the time, 1,872 to 2,128
    times in 9,999 of 10,000 draws; the halves spent about the same.
    """
    drawn = assign(overdue(4_000), 1)
    alike = (drawn["is_sent"] == drawn["is_sent"].shift()).sum()
    assert 1_872 <= alike <= 2_128
    spent = drawn.groupby("is_sent")["pace"].mean()
    assert spent[True] == pytest.approx(spent[False], rel=0.02)


def test_purchases_of_sixty_days_count() -> None:
    assert WINDOW_DAYS == 60


def test_no_overdue_customer_is_no_draw() -> None:
    assert assign(overdue(0), 1).empty
