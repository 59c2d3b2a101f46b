"""Cost of discounts, by hand on the tiny shop, and the break-even rules."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd
import pytest

from d1lab.analyses.discount_effect.effect import DiscountEffect
from d1lab.analyses.discount_effect.pooling import estimate
from d1lab.analyses.discounts import earnings, lifts
from d1lab.metrics import evaluate, load_metrics
from validation.simulate_discounts import frame

PERIOD = {"until": "2026-05-08", "days": 97}
SKU = pd.DataFrame(
    {"level": ["sku"], "sku": ["a"], "depth": [0.2], "margin_rate": [None], "units": [10]}
)
SLOPE = DiscountEffect(
    **{**dict.fromkeys(DiscountEffect._fields), "skus": 20, "weeks": 900},
)._replace(slope=-2.0, slope_low=-2.4, slope_high=-1.6, error=0.2)


def test_break_even_is_one_rule_from_both_sides():
    """Break-even lift and break-even margin are inverse functions."""
    lift = earnings.break_even_lift([0.5, 0.4, 0.1], [0.2, 0.3, 0.2])
    assert lift[:2] == pytest.approx([2 / 3, 3.0])
    assert np.isnan(lift[2])  # the depth eats the margin
    assert earnings.break_even_margin(lift[:2], [0.2, 0.3]) == pytest.approx([0.5, 0.4])
    assert np.isnan(earnings.break_even_margin(0.05, 0.5))


def test_earnings_equal_a_count_line_by_line(tiny_lab):
    """Uses, customers, repeat customers, and first-time customers, counted in Python."""
    lines = tiny_lab.sql(
        "SELECT discount_id, order_id, customer_id, revenue, discount_amount, type "
        "FROM order_lines WHERE shop = 'harbor' ORDER BY occurred_at, event_id"
    ).fetchall()
    first: dict[str, str] = {}
    for _, order, customer, *_, kind in lines:
        if kind == "order":
            first.setdefault(customer, order)
    found = tiny_lab.metric("discount_earnings", **PERIOD)
    found = found[found.level == "discount"].set_index("discount_id")
    assert set(found.index) == {"d0", "d1", "d2"}
    for name, row in found.iterrows():
        mine = [line for line in lines if line[0] == name]
        uses = [line for line in mine if line[-1] == "order"]
        orders: dict[str, set[str]] = {}
        for line in uses:
            orders.setdefault(line[2], set()).add(line[1])
        assert row.uses == len(uses)
        assert row.customers == len(orders)
        assert row.repeat_customers == sum(len(of) > 1 for of in orders.values())
        assert row.new_customers == sum(first[c] in of for c, of in orders.items())
        assert row.revenue_after == sum(line[3] for line in mine)
        assert row.revenue_before == sum(line[3] + line[4] for line in mine)
        assert pd.isna(row.margin_before)


def test_margins_take_the_cost_that_is_valid_on_the_day_of_the_sale():
    """The cost rose from 3 to 4 on the day of the sale, and to 5 on the day after."""
    with duckdb.connect() as con:
        con.execute(
            """
            CREATE TABLE order_lines AS SELECT 'harbor' AS shop, 'order' AS type, 'o' AS order_id,
                'e' AS event_id, 'c' AS customer_id, 'x' AS sku, 'X' AS product_title, 'd' AS
                discount_id, 'D' AS discount_code, 2 AS units, 18 AS revenue, 2 AS discount_amount,
                DATE '2026-05-02' AS day, TIMESTAMP '2026-05-02 12:00' AS occurred_at;
            CREATE TABLE product_costs AS SELECT 'harbor' AS shop, 'x' AS sku, 2 + n AS unit_cost,
                DATE '2026-04-30' + n::INTEGER AS valid_from FROM range(1, 4) AS days (n)
            """
        )
        given = {"shop": "harbor", **PERIOD}
        found = evaluate(con, load_metrics()["discount_earnings"], given).df()
    assert set(found["margin_after"]) == {18 - 2 * 4}
    assert set(found["margin_before"]) == {20 - 2 * 4}


def test_first_time_customers_count_once_over_all_discounts(tiny_lab):
    """The row of all discounts counts people; the figure is their share with a first purchase."""
    lines = tiny_lab.sql(
        "SELECT customer_id, order_id, discount_id FROM order_lines WHERE shop = 'harbor' "
        "AND type = 'order' AND customer_id IS NOT NULL ORDER BY occurred_at, event_id"
    ).fetchall()
    first: dict[str, str] = {}
    for customer, order, _ in lines:
        first.setdefault(customer, order)
    users = {customer for customer, _, discount in lines if discount}
    new = {customer for customer, order, of in lines if of and first[customer] == order}
    found = tiny_lab.metric("discount_earnings", **PERIOD)
    [row] = found[found.level == "all"].to_dict("records")
    assert (row["customers"], row["new_customers"]) == (len(users), len(new))
    summed = found[found.level == "discount"]["customers"].sum()
    assert summed > len(users)  # some used two discounts
    stacking = tiny_lab.metric("discount_stacking", **PERIOD)
    whole = found[found.level == "all"]
    share = earnings.summary(stacking, whole, earnings.BaselineShare(None, None))[2]
    assert share["metric"] == "new_customer_share"
    assert share["value"] == len(new) / len(users)


def test_stacking_counts_every_order_once(tiny_lab):
    """The groups add up to all orders, and their discounts to all discounts."""
    stacking = tiny_lab.metric("discount_stacking", **PERIOD)
    [(orders, savings)] = tiny_lab.sql(
        "SELECT count(DISTINCT order_id), sum(discount_amount)::DOUBLE FROM order_lines "
        "WHERE shop = 'harbor' AND type = 'order'"
    ).fetchall()
    assert (stacking.orders.sum(), stacking.savings.sum()) == (orders, savings)
    assert stacking.set_index("stacked").loc["0", "savings"] == 0


def test_leaks_are_unknown_with_few_codes(tiny_lab):
    """Two codes are too few to compare; the sentence says so."""
    codes = tiny_lab.metric("leaking_codes", **PERIOD)
    assert codes.leaks.isna().all()
    assert "Leak check not available" in earnings.leaks(codes)


@pytest.mark.parametrize(
    ("leaks", "said"),
    [
        ([None, None], "Leak check not available: it needs at least eight codes."),
        ([False, None], "No leak found: none of 2 codes stands out from the others."),
        ([True, None], "Possible leaks: c0."),
        ([True] * 7, "Possible leaks: c0, c1, c2, c3, c4."),
    ],
)
def test_leaks_are_told_where_they_are_known(leaks, said):
    codes = [f"c{n}" for n in range(len(leaks))]
    frame = pd.DataFrame({"discount_code": codes, "leaks": pd.Series(leaks, dtype=object)})
    assert earnings.leaks(frame) == said


STACKING = pd.DataFrame(
    {"stacked": ["0", "1", "2"], "orders": [50, 30, 10], "with_full_price": [50, 12, 4]}
)


def test_summary_and_its_words_are_shares_of_discounted_orders():
    """Ten of forty orders stack, and sixteen include a full price; the upper end is 100%."""
    whole = pd.DataFrame({"customers": [20], "new_customers": [5]})
    share = earnings.BaselineShare(0.4, 0.6)
    anyway, stacked, new = earnings.summary(STACKING, whole, share)
    assert (anyway["value"], anyway["low"], anyway["high"]) == (0.6, 0.4, 1.0)
    assert (stacked["value"], new["value"]) == (0.25, 0.25)
    told = earnings.explained(SLOPE, STACKING, share)
    assert told.startswith("Between 40% and 100% of discounted units would have sold")
    assert told.endswith("40% of discounted orders also include a full-price product.")
    unknown = earnings.BaselineShare(None, None)
    missing = earnings.summary(STACKING, whole, unknown)[0]
    assert (missing["value"], missing["low"], missing["high"]) == (None, None, None)
    told = earnings.explained(SLOPE._replace(reason="few_skus"), STACKING, unknown)
    assert told == (
        "40% of discounted orders also include a full-price product. No estimate: fewer than 10 "
        "products were for sale both with and without the discount."
    )
    none = earnings.summary(STACKING[:1], whole * 0, unknown)
    assert [one["value"] for one in none] == [None, 0.0, 0.0]
    assert earnings.explained(SLOPE, STACKING[:1], share).endswith("0% of discounted orders also "
        "include a full-price product.")  # fmt: skip


def test_lists_of_earnings_have_their_order_and_columns():
    """Those that lost most first; those with a lift first; margins only if one is known."""
    found = pd.DataFrame(
        {
            "sku": list("bacd"), "margin_after": [-2.0, -2.0, -5.0, 0.0],
            "observed_lift": [np.nan, 0.1, np.nan, 0.2], "margin_before": np.nan,
            "margin_rate": np.nan, "break_even_lift": np.nan, "lift_pays": None,
        }
    )  # fmt: skip
    assert earnings.losing(found, set())["sku"].tolist() == ["c", "a", "b"]
    assert earnings.losing(found, {"a"})["sku"].tolist() == ["c", "b"]
    assert earnings.lifts_first(found)["sku"].tolist() == ["a", "d", "b", "c"]
    many = pd.concat([found] * 10, ignore_index=True).assign(sku=range(40))
    order = [*many.index[many["observed_lift"].notna()], *many.index[many["observed_lift"].isna()]]
    assert earnings.lifts_first(many)["sku"].tolist() == order
    assert earnings.with_lift(found, 1)["sku"].tolist() == ["a"]
    assert earnings.discount_columns(found).split()[-2:] == ["depth", "margin_after"]
    bare = found.assign(margin_after=np.nan)
    assert earnings.discount_columns(bare) == earnings.GAVE
    assert "lift_pays" not in earnings.lift_columns(bare)
    health = pd.DataFrame({"check_name": ["without_customer", "refunds"], "share": [0.125, 0.0312]})
    assert "12.5% of order lines have no customer, and 3.1% are refunds." in earnings.caution(
        health
    )


def test_leaks_name_the_code():
    """Only codes beyond the fence are named."""
    codes = pd.DataFrame({"discount_code": ["WIDE", "B"], "leaks": [True, False]})
    assert earnings.leaks(codes) == "Possible leaks: WIDE."


def test_a_code_that_was_not_recorded_is_not_called_automatic():
    """An app may not record codes: nothing is said of how its discounts were applied."""
    said = earnings.leaks(pd.DataFrame({"discount_code": [], "leaks": []}))
    assert said == "No code was recorded, so there is no leak to look for."


NO_LIFTS = lifts.observed(estimate(frame(np.full((12, 20), 3), np.zeros((12, 20), dtype=int))))


def test_earned_puts_lift_and_need_side_by_side():
    """20% off at an elasticity of -2: 56% more units, and a break-even margin of 55.6%."""
    row = earnings.earned(SKU.assign(margin_rate=0.5), "sku", SLOPE, NO_LIFTS).iloc[0]
    assert row.shop_lift == pytest.approx(0.5625)
    assert row.shop_lift_low < row.shop_lift < row.shop_lift_high
    assert row.break_even_margin == pytest.approx(0.2 * 1.5625 / 0.5625)
    assert row.break_even_lift == pytest.approx(2 / 3)


def test_earned_takes_the_observed_depth_and_lift_or_else_the_periods():
    """A depth of 20% on offer, or else that of the period, at most 99%."""
    rows = SKU.loc[[0, 0, 0]].assign(sku=["a", "b", "c"], depth=[0.5, 0.4, 1.0], margin_rate=0.9)
    known = {"observed_lift": 0.25, "observed_depth": 0.2, "observed_low": 0.1, "observed_high": 1}
    seen = pd.DataFrame([{"level": "sku", "sku": "a", **known}, {"level": "code", "sku": "b"}])
    found = earnings.earned(rows, "sku", SLOPE, seen).set_index("sku")
    assert found["lift_depth"].tolist() == pytest.approx([0.2, 0.4, 0.99])
    assert found["shop_lift"].tolist() == pytest.approx(
        [(1 - d) ** -2 - 1 for d in (0.2, 0.4, 0.99)]
    )
    assert found.loc["a", "shop_lift_low"] == pytest.approx(0.8**-1.6 - 1)
    assert found.loc["a", "shop_lift_high"] == pytest.approx(0.8**-2.4 - 1)
    assert found.loc["a", "break_even_margin"] == pytest.approx(1.0)  # .2 x 1.25 / .25
    shop = 0.6**-2 - 1
    assert found.loc["b", "break_even_margin"] == pytest.approx(0.4 * (1 + shop) / shop)
    assert found["break_even_lift"].tolist() == pytest.approx([2 / 7, 4 / 5, np.nan], nan_ok=True)
    unknown = SLOPE._replace(slope=None, slope_low=None, slope_high=None)
    bare = earnings.earned(rows, "sku", unknown, seen)
    assert bare["shop_lift"].isna().all()
    assert bare["break_even_margin"].notna().tolist() == [True, False, False]


def test_the_baseline_is_a_mean_by_units():
    """Units returned on balance count 0; without any unit, or any lift, it is not known."""
    skus = pd.DataFrame({"units": [3, 1, -9], "shop_lift": [1.0, 0.0, 3.0]})
    skus = skus.assign(shop_lift_high=[3.0, -0.5, 9.0])
    found = earnings.baseline_share(skus)
    assert found == pytest.approx((3 / 4 / 4 + 1 / 4, 3 / 2 / 4 + 1 / 4))
    assert earnings.baseline_share(skus.assign(units=[0, 0, -1])) == (None, None)
    assert earnings.baseline_share(skus.assign(shop_lift=np.nan)) == (None, None)


def test_break_even_at_its_limits():
    """A margin equal to the depth, no depth, no lift, and a lift that needs the whole price."""
    assert np.isnan(earnings.break_even_lift(0.2, 0.2))
    assert earnings.break_even_lift(0.2, 0.0) == 0
    assert np.isnan(earnings.break_even_margin([0.0, -0.1], [0.2, 0.2])).all()
    assert earnings.break_even_margin([0.25, 0.2499], [0.2, 0.2]).tolist() == pytest.approx(
        [1.0, np.nan], nan_ok=True
    )


def test_baseline_share_is_bounded():
    """The lower bound comes from the upper end of the lift; the upper bound is 100%."""
    found = earnings.baseline_share(earnings.earned(SKU, "sku", SLOPE, NO_LIFTS))
    assert found.low == pytest.approx(0.8**2.4)
    assert found.likely == pytest.approx(0.8**2)
    lowered = SLOPE._replace(slope=1.2, slope_low=-0.4, slope_high=2.8)
    found = earnings.baseline_share(earnings.earned(SKU, "sku", lowered, NO_LIFTS))
    assert found.low == pytest.approx(0.8**0.4)
    assert found.likely == 1  # a discount that seems to lower sales has no lift
    unknown = SLOPE._replace(slope=None, slope_low=None, slope_high=None, reason="few_skus")
    assert earnings.baseline_share(earnings.earned(SKU, "sku", unknown, NO_LIFTS)).low is None
