"""The promises on real orders: Online Retail through D1 and out again."""

from __future__ import annotations

from pathlib import Path

import pytest

from validation import customers as customers_proof


@pytest.fixture(scope="module")
def proof(shared_data: Path) -> customers_proof.Proof:
    return customers_proof.prove(shared_data / "online_retail.parquet")


def test_real_orders_keep_the_promises(proof):
    """4,372 customers; labels that stay; groups that hold what comes next."""
    assert proof.faults() == []
    assert proof.customers == 4372
    assert proof.events + proof.refused == 541_909


def test_rolling_quintiles_flicker(proof):
    """Without confirmation the labels of 37 % of silent customers change in a month."""
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
