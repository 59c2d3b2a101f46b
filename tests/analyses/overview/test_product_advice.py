"""The advice that comes before a report's own, from the metrics and defaults that decide it."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from d1lab.analyses.overview import product_advice
from d1lab.analyses.overview.advice import PRECEDENCE, Advice
from d1lab.analyses.overview.product_advice import advised, below_cost, sentences, stock_advice

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
UNTIL = date(2026, 5, 30)


def ledger(sku: str, on_hand: int, idle: int | None = 1, **given: Any) -> dict[str, Any]:
    """A row of `turnover`: a unit is sold on each of 90 days, the last one `idle` days ago."""
    known = dict.fromkeys(("period_days", "observed_days", "in_stock_days", "tracked_days"), 90)
    last = pd.NaT if idle is None else pd.Timestamp(UNTIL - timedelta(days=idle))
    return {
        "sku": sku, **known, "stockout_days": 0, "units_sold": 90, "average_units": 50,
        "starting_units": 100, "ending_units": on_hand, "received_units": 0, "recent_days": 28,
        "recent_units": 28, "last_sale_day": last, **given,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "kinds"),
    [
        (ledger("a", 13), ["order"]),  # 13 days of supply, and 14 until a delivery
        (ledger("a", 14), []),
        (ledger("a", 50, 90), ["clear"]),
        (ledger("a", 50, 89), []),
        (ledger("a", 1, 90), ["order", "clear"]),
        (ledger("a", 0, 90), ["order"]),  # nothing is left to clear
        (ledger("a", 50, None), ["clear"]),  # never sold in the period
        (ledger("a", 50, None, units_sold=0), ["clear"]),
        (ledger("a", 50, 90, observed_days=62), []),  # 69% of the days are known
        (ledger("a", 50, 90, tracked_days=0), []),  # what is on hand is not known
        (ledger("a", 50, 29, period_days=30, **dict.fromkeys(
            ("observed_days", "in_stock_days", "tracked_days"), 30)), []),
        (ledger("a", 50, None, period_days=30, **dict.fromkeys(
            ("observed_days", "in_stock_days", "tracked_days"), 30)), ["clear"]),
    ],
)  # fmt: skip
def test_stock_is_ordered_before_it_runs_out_and_cleared_if_it_does_not_sell(row, kinds):
    found = stock_advice(pd.DataFrame([row, ledger("fine", 80)]), UNTIL)
    assert found == {kind: ["a"] if kind in kinds else [] for kind in ("order", "clear")}
    assert stock_advice(pd.DataFrame([row]).head(0), UNTIL) == {}


def test_another_lead_time_moves_what_to_order():
    stock = pd.DataFrame([ledger("a", 20), ledger("b", 21)])
    assert stock_advice(stock, UNTIL, 21)["order"] == ["a"]


def test_below_cost_are_discounted_skus_that_lost_money():
    """Categories are no products; without a cost nothing is known."""
    earned = pd.DataFrame(
        [("sku", "a", -0.01), ("sku", "b", 0), ("sku", "c", None), ("category", "d", -9)],
        columns=["level", "sku", "margin_after"],
    )
    assert below_cost(earned)["sku"].tolist() == ["a"]


class OneProductEach:
    """A lab whose metrics name one product for each advice, and what was asked of it."""

    currency = "USD"

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        some = pd.DataFrame({"sku": ["x"]})
        earned = pd.DataFrame({"level": ["sku"], "sku": ["cap"], "margin_after": [-1.0]})
        stock = pd.DataFrame([ledger("order", 3), ledger("clear", 50, None)])
        self.frames = {
            "turnover": stock, "discount_earnings": earned, "competitor_prices": some,
            "recommendations": some,
        }  # fmt: skip
        prices = pd.DataFrame({"sku": ["price", "as it is"], "answer_action": ["match", None]})
        told = pd.DataFrame({"sku": ["test", "discount"], "decision": ["test", "discount"],
                             "gain": [1.0, 2.0], "regular_units": [1.0, 1.0]})  # fmt: skip
        for name, found in (
            ("price_study", SimpleNamespace(products=prices)), ("advise", told),
        ):  # fmt: skip
            monkeypatch.setattr(product_advice, name, self._answer(name, found))

    def metric(self, name: str, **given: Any) -> pd.DataFrame:
        self.asked.append((name, given))
        return self.frames[name]

    def _answer(self, name: str, found: Any) -> Any:
        def answer(rows: Any, *others: Any, **given: Any) -> Any:
            tables = [rows, *others]
            assert any(one is self.frames["turnover"] for one in tables)
            assert any(one is self.frames["recommendations"] for one in tables) or "until" in given
            self.asked.append((name, given))
            return found

        return answer


ASKED = [
    ("turnover", {"until": UNTIL, "days": 90}),
    ("discount_earnings", {"until": UNTIL, "days": 30}),
    ("competitor_prices",
     {"until": UNTIL, "currency": "USD", "max_age_days": 14, "own_days": 90}),
    ("price_study", {"until": UNTIL, "currency": "USD", "rule": product_advice.PRICE_RULE}),
    ("recommendations", {"until": UNTIL, "days": 364, "horizon_days": 28}),
    ("advise", {"made_on": UNTIL, "horizon_days": 28, "lead_time_days": 14}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "asked"),
    [("order", 1), ("cap", 1), ("clear", 2), ("price", 2), ("discount", 4), ("test", 6),
     ("pause", 6), ("without", 6)],
)  # fmt: skip
def test_advice_before_a_kind_is_that_of_earlier_kinds(
    before: Advice, asked: int, monkeypatch: pytest.MonkeyPatch
):
    """Metrics that no earlier advice needs are not read."""
    lab: Any = OneProductEach(monkeypatch)
    given: Any = SimpleNamespace()
    earlier = PRECEDENCE[: PRECEDENCE.index(before)]
    kinds = [kind for kind in earlier if kind not in ("pause", "keep")]
    assert advised(lab, UNTIL, before, found=given) == {kind: kind for kind in kinds}
    assert lab.asked == ASKED[:asked]


def test_what_is_not_known_gives_no_advice(monkeypatch: pytest.MonkeyPatch):
    """No currency, no prices of competitors, no effects of discounts, no sale in four weeks."""
    lab: Any = OneProductEach(monkeypatch)
    lab.frames["recommendations"] = lab.frames["recommendations"].head(0)
    stock = {"order": "order", "cap": "cap", "clear": "clear"}
    given: Any = SimpleNamespace()
    assert advised(lab, UNTIL, "keep", found=given) == {**stock, "price": "price"}
    lab.frames["competitor_prices"] = lab.frames["competitor_prices"].head(0)
    assert advised(lab, UNTIL, "keep", found=given) == stock
    lab.currency, lab.asked = "", []
    assert advised(lab, UNTIL, "keep") == stock
    assert lab.asked == ASKED[:2]


def _defaults(report: str) -> dict[str, float]:
    """The parameters of a report with a number."""
    cells = json.loads((NOTEBOOKS / f"{report}.ipynb").read_text(encoding="utf-8"))["cells"]
    first = next(cell for cell in cells if cell["cell_type"] == "code")
    pairs = (line.split("#")[0].split(" = ") for line in first["source"])
    return {
        pair[0]: float(pair[1])
        for pair in pairs
        if len(pair) == 2 and pair[1].strip().replace(".", "").isdigit()
    }


def test_defaults_are_those_of_the_reports_that_decide():
    """So all pages of a day agree."""
    stock, prices, rule = (
        _defaults(name) for name in ("inventory", "competitor_prices", "recommendations")
    )
    ours = product_advice
    assert (stock["days"], stock["lead_time_days"]) == (ours.STOCK_DAYS, ours.LEAD_DAYS)
    assert (prices["max_age_days"], prices["own_days"]) == (ours.PRICE_AGE_DAYS, ours.STOCK_DAYS)
    wanted = (prices["undercut"], prices["margin_floor"], prices["lead_time_days"])
    assert wanted == ours.PRICE_RULE
    assert tuple(
        rule[name] for name in ("elasticity_days", "horizon_days", "lead_time_days", "stock_days")
    ) == (ours.HISTORY_DAYS, ours.HORIZON_DAYS, ours.LEAD_DAYS, ours.STOCK_DAYS)
    assert _defaults("discounts")["days"] == ours.SOLD_DAYS


def test_each_advice_has_its_sentence():
    assert set(product_advice.SENTENCES) == set(PRECEDENCE)
    assert sentences({"a": "order", "b": "keep"}) == {
        "a": "Order it: it runs out before a delivery can arrive. No discount meanwhile",
        "b": "Keep the regular price: it sells without a discount",
    }
