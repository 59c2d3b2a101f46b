"""A real shop's year, Online Retail: orders read, customers labeled, weeks forecast."""

from __future__ import annotations

from math import sqrt
from pathlib import Path

import numpy as np
import pytest
from pydantic import SecretStr

from d1lab.ingest.orders import ingest_orders
from tests.support.outside import real_data
from validation import customers as customers_proof
from validation import demand_backtest as demand

RETAIL = real_data("online_retail.parquet")
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def proof() -> customers_proof.Proof:
    return customers_proof.prove(RETAIL)


def test_real_orders_keep_the_promises(proof):
    """4,372 customers; labels that stay; groups that hold what comes next."""
    assert proof.faults() == []
    assert proof.customers == 4372
    assert proof.events + proof.refused == 541_909


def test_rolling_quintiles_flicker(proof):
    """Without confirmation the labels of 37% of silent customers change in a month."""
    rolling = customers_proof.mean(proof.courses["rolling"].changes)
    assert rolling.moved == pytest.approx(0.44, abs=0.01)
    assert rolling.of_silent == pytest.approx(0.37, abs=0.01)
    confirmed = customers_proof.mean(proof.courses["confirmed"].changes)
    assert confirmed.unprompted < rolling.unprompted / 2


def test_page_tells_the_figures(proof):
    """The page in docs/ is what the command writes."""
    page = customers_proof.page(proof)
    assert "**Not kept**" not in page
    assert customers_proof.PAGE.read_text(encoding="utf-8") == page


def test_every_line_is_an_event_or_refused():
    """A real shop's year: every line is an event or is refused, and the odd ones are known."""
    result = ingest_orders(
        None,
        RETAIL,
        shop="retail",
        salt=SecretStr("a salt for the tests only"),
        map_file=Path(__file__).parent / "online_retail.toml",
    )
    assert (result.lines, result.events) == (541_909, 540_571)
    assert (result.refunds, result.refunds_of_money) == (9_288, 77)
    assert len(result.rejected) == 1_338  # 1,336 corrections of the stock, 2 negative prices
    assert result.without_customer == 133_359


@pytest.fixture(scope="module")
def retail() -> demand.Windows:
    return demand.windows(demand.weekly_units(RETAIL))


def test_demand_measures_what_the_anchors_measure(retail):
    """The same windows, and the textbook's scores within .003 of the earlier study's."""
    assert len(retail.sold) == 17_711
    for name, rmsse in demand.PUBLISHED.items():
        assert retail.rmsse(name) == pytest.approx(rmsse, abs=0.0025), name
    assert retail.rmsse(demand.SHOPIFY) == pytest.approx(0.847, abs=0.0006)


def test_demand_choice_beats_the_four_week_mean(retail):
    """By more than chance: the mean difference is many standard errors below zero."""
    assert retail.rmsse(demand.CHOSEN) < 0.84 < retail.rmsse(demand.SHOPIFY)
    errors = {
        name: np.sqrt(((retail.sold - retail.per_week[name][:, None]) ** 2).mean(axis=1))
        / retail.scale
        for name in (demand.CHOSEN, demand.SHOPIFY)
    }
    gain = errors[demand.SHOPIFY] - errors[demand.CHOSEN]
    assert gain.mean() > 4 * gain.std() / sqrt(len(gain))
    assert retail.rmsse(demand.UNTUNED) < retail.rmsse(demand.SHOPIFY) - 0.003
    assert -0.1 < retail.bias(demand.CHOSEN) < 0


def test_demand_intervals_cover(retail):
    """80% intervals hold 75 to 85%, among slow and fast sellers alike."""
    assert 0.75 <= retail.covered() <= 0.85
    expected = 4 * retail.per_week[demand.CHOSEN]
    for low, high in ((4, 20), (20, 100), (100, np.inf)):
        assert 0.75 <= retail.covered((expected >= low) & (expected < high)) <= 0.85
    assert 0.93 <= retail.served() <= 0.97


def test_velocity_intervals_cover(retail):
    """90% intervals hold 87 to 93%, among slow and fast sellers alike."""
    assert 0.87 <= retail.velocity_covered() <= 0.93
    expected = 4 * retail.per_week[demand.CHOSEN]
    for low, high in ((0, 4), (4, 20), (20, 100), (100, np.inf)):
        assert 0.85 <= retail.velocity_covered((expected >= low) & (expected < high)) <= 0.95
