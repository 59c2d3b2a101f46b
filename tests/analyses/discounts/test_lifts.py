"""Lifts per discount, code, and product: one estimate, compared with break-even, with reasons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect.pooling import estimate
from d1lab.analyses.discounts import earnings, lifts
from validation.simulate_discounts import demand, frame, half_window

SKUS, WEEKS = 40, 40


@pytest.fixture(scope="module")
def estimates():
    """Half of forty products at 20% off in weeks 10 to 24; the discount doubles what they sell."""
    random = np.random.default_rng(2)
    on = half_window(SKUS, WEEKS, 10, 25)
    units = demand(on, 8, 1.0, random)
    weeks = frame(units, np.where(on, units, 0), 0.2, "spring")
    codes = weeks[weeks["level"] == "discount"].assign(level="code", discount_code="SPRING")
    return estimate(pd.concat([weeks, codes], ignore_index=True))


def test_observed_quotes_one_estimate_on_all_levels(estimates):
    """Discount, code, and all together are near 100%; products are those of the product page."""
    found = lifts.observed(estimates)
    for level in ("all", "discount", "code"):
        [row] = found[found.level == level].to_dict("records")
        assert row["observed_low"] < 1 < row["observed_high"]
        assert row["observed_depth"] == pytest.approx(0.2)
        assert (row["lift_skus"], row["why"]) == (20, None)
    [row] = found[found.level == "all"].to_dict("records")
    assert row["observed_lift"] == estimates.shop.lift
    skus = found[found.level == "sku"].set_index("sku")
    assert len(skus) == 20
    slopes = estimates.products.skus.set_index("sku")["slope"]
    expected = 0.8 ** slopes[skus.index] - 1
    assert skus.observed_lift.to_numpy(float) == pytest.approx(expected.to_numpy())
    assert (skus.observed_low < skus.observed_lift).all()
    figure = lifts.figure(estimates.shop)
    assert (figure["value"], figure["low"]) == (estimates.shop.lift, estimates.shop.low)
    assert "20 products" in figure["note"]


def test_earned_weighs_the_observed_lift(estimates):
    """Doubled units pay at a margin of 60% of the price, not at 22%; unknown costs say no."""
    rows = pd.DataFrame(
        {
            "level": "discount",
            "discount_id": ["spring", "spring", "spring", "other"],
            "depth": 0.3,
            "margin_rate": [0.6, 0.22, None, 0.6],
            "units": 10,
        }
    )
    found = earnings.earned(rows, "discount", estimates.shop, lifts.observed(estimates))
    assert found.lift_depth.tolist() == pytest.approx([0.2, 0.2, 0.2, 0.3])
    assert found.lift_pays.tolist()[:2] == ["yes", "no"]
    assert found.lift_pays.isna().tolist() == [False, False, True, True]
    assert found.break_even_lift.iloc[0] == pytest.approx(0.6 / 0.4 - 1)
    lift = found.observed_lift.iloc[0]
    assert found.break_even_margin.iloc[0] == pytest.approx(0.2 * (1 + lift) / lift)
    assert found.why.isna().tolist() == [True, True, True, False]
    assert found.why.iloc[3] == lifts.UNUSED == "used in fewer than 10 orders"
    assert earnings.with_lift(found, 2).index.tolist() == [0, 1]
    assert earnings.lift_columns(found).startswith(earnings.BROUGHT + " break_even_lift lift_pays ")
    predicted = 0.7**estimates.shop.slope - 1
    assert found.iloc[3].break_even_margin == pytest.approx(0.3 * (1 + predicted) / predicted)


@pytest.mark.parametrize(
    ("low", "high", "needed", "margin", "lift", "answer"),
    [
        (0.5, 1.0, 0.49, 0.5, 0.7, "yes"),
        (0.5, 1.0, 0.5, 0.5, 0.7, "not clear"),
        (0.5, 1.0, 1.0, 0.5, 0.7, "not clear"),
        (0.5, 1.0, 1.01, 0.5, 0.7, "no"),
        (0.5, 1.0, np.nan, 0.1, 0.7, "no"),  # the discount eats the margin
        (0.5, 1.0, np.nan, np.nan, 0.7, None),
        (np.nan, np.nan, 0.5, 0.5, np.nan, None),
        (np.nan, np.nan, np.nan, 0.1, np.nan, None),
    ],
)
def test_a_lift_pays_beyond_what_it_needs(low, high, needed, margin, lift, answer):
    """The whole interval is above or below the break-even lift."""
    row = {
        "observed_low": low, "observed_high": high, "break_even_lift": needed,
        "margin_rate": margin, "observed_lift": lift,
    }  # fmt: skip
    assert lifts.pays(pd.DataFrame([row])).tolist() == [answer]


def test_a_missing_lift_has_the_reason_of_its_level(estimates):
    """Too few uses of a discount or code, or no weeks of a product's own to compare."""
    found = lifts.observed(estimates)
    keys = {"discount_id": "spring", "discount_code": "SPRING", "sku": "s00000"}
    for level, why in {"discount": lifts.UNUSED, "code": lifts.UNUSED, "sku": lifts.NO_OWN}.items():
        names = lifts.KEYS[level]
        known = {name: keys[name] for name in names}
        rows = pd.DataFrame([known, known | {names[-1]: "none"}]).assign(units=3)
        joined = lifts.joined(rows, found, level)
        assert joined["why"].isna().tolist() == [True, False]
        assert joined["why"].iloc[1] == why
        assert joined["observed_lift"].notna().tolist() == [True, False]
        assert joined["units"].tolist() == [3, 3]
    skus = found[found["level"] == "sku"]
    assert set(skus["lift_skus"]) == {1}
    assert skus["observed_depth"].tolist() == pytest.approx([0.2] * 20)
    slopes = estimates.products.skus.set_index("sku").loc[skus["sku"]]
    assert skus["lift_weeks"].tolist() == slopes["weeks_on"].tolist()
    for end, slope in {"observed_low": "slope_high", "observed_high": "slope_low"}.items():
        assert skus[end].tolist() == pytest.approx((0.8 ** slopes[slope] - 1).tolist())


def test_a_shop_without_codes_has_none_to_join(estimates):
    """A column without any value has another type in the lifts than in the metric."""
    found = lifts.observed(estimates)
    without = found[found["level"] != "code"].assign(discount_code=np.nan)
    rows = pd.DataFrame(columns=["discount_id", "discount_code"], dtype=object)
    assert lifts.joined(rows, without, "code").empty


def test_the_sample_is_told_with_its_depth(estimates):
    shop = estimates.shop._replace(depth=0.2, skus=1, weeks=40)
    assert lifts.sample(shop) == "at 20% off on average, 1 product, 40 product-weeks"
    assert lifts.sample(shop._replace(depth=None, skus=2)) == "2 products, 40 product-weeks"


def test_earned_never_pays_where_the_depth_eats_the_margin(estimates):
    """No lift is enough below cost: the answer is no, though the break-even lift is not known."""
    rows = pd.DataFrame(
        {"level": ["discount"], "discount_id": ["spring"], "depth": [0.2], "margin_rate": [0.1]}
    )
    found = earnings.earned(rows, "discount", estimates.shop, lifts.observed(estimates))
    assert found.lift_pays.tolist() == ["no"]


def test_observed_is_silent_with_reasons():
    """Always on offer: no comparison; the figure and the chart say the same."""
    units = np.full((SKUS, WEEKS), 5)
    always = estimate(frame(units, units // 2))
    found = lifts.observed(always)
    assert found.observed_lift.isna().all()
    assert set(found.why) == {"never off: no comparison"}
    assert lifts.figure(always.shop)["note"] == "Not available: never off: no comparison."
    assert lifts.silent(found).endswith("Most common reason: never off: no comparison.")


def test_observed_takes_a_shop_without_discounts(tiny_lab):
    """Where no discount was used in ten orders, nothing is compared, and no error raised."""
    weeks = tiny_lab.metric("discount_weeks", until="2026-05-08", days=97)
    found = lifts.observed(estimate(weeks[weeks["level"] == "sku"]))
    assert found.level.tolist() == ["all"]
    assert lifts.silent(found) == f"No comparison is possible: {lifts.UNUSED}."
