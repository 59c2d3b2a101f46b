"""The overview's figures by period, and its one list of actions."""

from __future__ import annotations

import re
from datetime import date, timedelta
from types import SimpleNamespace

import pandas as pd
import pytest

from d1lab.analyses.overview.report import LABELS, figures, limits, tables, verdict
from d1lab.analyses.overview.study import (
    ADVICE_OF,
    MEASURES,
    PeriodFigure,
    all_actions,
    period_figures,
    recent_margin,
)
from d1lab.display.actions import Action
from d1lab.stats.usual import Usual, usual

UNTIL = date(2026, 5, 31)


def periods(weeks: int, last: float = 100.0, margin: float | None = 0.25) -> pd.DataFrame:
    """Rows of `shop_periods` of a shop with so many whole weeks, the last with another revenue."""
    rows = []
    for length in (7, 28, 91):
        for back in reversed(range(weeks * 7 // length)):
            end = UNTIL - timedelta(days=back * length)
            revenue = (100.0 + back % 3) * length / 7 if back else last * length / 7
            rows.append(
                {
                    "length_days": length,
                    "first_day": pd.Timestamp(end - timedelta(days=length - 1)),
                    "last_day": pd.Timestamp(end),
                    "revenue": revenue,
                    "orders": 10,
                    "order_value": revenue / 10,
                    "gross_margin_rate": margin,
                    "given_share": 0.1,
                    "customers": 8,
                    "costed_share": None if margin is None else 0.9,
                }
            )
    return pd.DataFrame(rows)


def _one(found, measure: str, length: int):
    return next(f for f in found if (f.measure, f.length_days) == (measure, length))


def test_period_figures_of_each_length_with_change_and_judgment():
    found = period_figures(periods(30, last=150.0))
    assert len(found) == 3 * len(MEASURES)
    week = _one(found, "revenue", 7)
    assert (week.value, week.before) == (150.0, 101.0)
    assert week.change == pytest.approx(150 / 101 - 1)
    assert week.usual.position == "high"
    assert (week.first_day, week.last_day) == (date(2026, 5, 25), UNTIL)
    quarter = _one(found, "revenue", 91)
    assert quarter.usual.reason == "only 1 period before, 12 needed"


def test_period_figures_of_a_young_shop():
    found = period_figures(periods(1))
    assert {one.length_days for one in found} == {7}
    assert _one(found, "revenue", 7).change is None
    assert [one.measure for one in found] == list(MEASURES)
    assert period_figures(periods(1).head(0)) == []


def test_a_trend_has_the_last_13_periods_and_the_range_those_of_all():
    """Revenue of 100, 101, and 102 by turns, then 60; each figure has its own column."""
    rows = periods(30, last=60.0)
    rows.loc[rows["length_days"] == 7, "orders"] = range(30)
    found = period_figures(rows)
    assert [(one.length_days, one.measure) for one in found] == [
        (length, measure) for length in (7, 28, 91) for measure in MEASURES
    ]
    week = _one(found, "revenue", 7)
    assert week.values == (*([100.0, 102.0, 101.0] * 4), 60.0)
    assert (week.usual.periods, week.usual.position) == (29, "low")
    assert _one(found, "orders", 7).values == tuple(range(17, 30))
    assert len(_one(found, "revenue", 28).values) == 7


@pytest.mark.parametrize(
    ("measure", "value", "before", "change"),
    [
        ("revenue", 15.0, 10.0, 0.5), ("revenue", 15.0, 0.0, None), ("revenue", 15.0, -1.0, None),
        ("revenue", 15.0, 0.5, 29.0), ("revenue", None, 10.0, None), ("revenue", 15.0, None, None),
        ("given_share", 0.3, 0.1, 0.2), ("given_share", 0.3, 0.0, 0.3),
    ],
)  # fmt: skip
def test_a_change_is_relative_to_what_was_above_0(measure, value, before, change):
    one = PeriodFigure(measure, 7, UNTIL, UNTIL, value, before, usual([]))
    assert one.change == (None if change is None else pytest.approx(change))
    assert one.values == ()


def test_a_share_changes_in_points():
    rows = periods(3)
    rows.loc[rows.index[2], "given_share"] = 0.13
    assert _one(period_figures(rows), "given_share", 7).change == pytest.approx(0.03)


def test_margin_without_costs_is_not_available():
    rows = periods(20, margin=None)
    assert recent_margin(rows) is None
    shown = figures(period_figures(rows), "USD")
    margin = next(each for each in shown if each["metric"] == "gross_margin_rate")
    unknown = Usual(None, None, 0, None, "no unit cost is known")
    assert _one(period_figures(rows), "gross_margin_rate", 7).usual == unknown
    rows.loc[rows["length_days"] == 7, "order_value"] = None
    found = _one(period_figures(rows), "order_value", 7)
    assert found.usual == unknown._replace(reason="no sale is left after refunds")
    assert margin["value"] is None
    assert margin["note"] == "Not available: no unit cost is known."
    assert "No unit cost is known" in limits(rows, [], (), UNTIL)


def test_recent_margin_is_that_of_the_longest_period():
    rows = periods(20)
    rows.loc[rows["length_days"] == 91, "gross_margin_rate"] = 0.4
    assert recent_margin(rows) == 0.4
    assert recent_margin(rows.head(0)) is None
    rows.loc[rows.index[-1], "gross_margin_rate"] = None
    assert recent_margin(rows) is None
    month = periods(7)
    month.loc[month.index[-1], "gross_margin_rate"] = 0.1  # of the 28 days; a week has 0.25
    assert recent_margin(month) == 0.1


def test_figures_and_tables_name_change_and_usual_range():
    found = period_figures(periods(30, last=150.0))
    note = figures(found, "USD")[0]["note"]
    assert re.match(r"\+49% vs\. \$[\d,.]+\. Unusually high\.", note)
    shown = tables(found, "USD")
    assert list(shown) == ["7", "28", "91"]
    row = shown["7"].frame.iloc[0]
    assert (row["figure"], row["this_period"], row["changed_by"]) == ("Revenue", "$150", "+49%")
    young = tables(period_figures(periods(1)), "USD")
    assert list(young) == ["7"]
    assert young["7"].frame.iloc[0].to_dict() == {
        "figure": "Revenue", "this_period": "$100", "period_before": "–", "changed_by": "–",
        "usual": "Not judged: only 0 periods before, 12 needed",
    }  # fmt: skip
    assert list(young["7"].frame["figure"]) == list(LABELS.values())
    assert shown["91"].frame["usual"][0] == "Not judged: only 1 period before, 12 needed"


def test_figures_have_their_name_unit_and_trend():
    """Of weeks without a suffix; only money has a currency, and less given away is better."""
    shown = {one["metric"]: one for one in figures(period_figures(periods(60)), "USD")}
    assert list(shown) == [
        f"{measure}{suffix}" for suffix in ("", "_4_weeks", "_13_weeks") for measure in MEASURES
    ]
    assert {name: one["unit"] for name, one in shown.items() if "weeks" not in name} == {
        "revenue": "USD", "orders": "", "order_value": "USD", "gross_margin_rate": "",
        "given_share": "", "customers": "",
    }  # fmt: skip
    assert [name for name, one in shown.items() if one["better"] == "lower"] == [
        "given_share", "given_share_4_weeks", "given_share_13_weeks",
    ]  # fmt: skip
    month = shown["revenue_4_weeks"]
    assert (month["kind"], month["value"], month["trend"]["period"]) == ("money", 400.0, "4 weeks")
    assert len(month["trend"]["values"]) == 13
    assert month["trend"]["low"] < 400 < month["trend"]["high"]
    assert month["trend"]["dates"] == "May 4 to May 31, 2026, vs. Apr 6 to May 3, 2026"
    assert shown["revenue_13_weeks"]["trend"]["low"] is None


def test_only_a_margin_can_be_below_0():
    """Usual ranges of counts and money begin at 0."""
    ends = {}
    for measure in ("revenue", "gross_margin_rate"):
        rows = periods(30)
        weekly = rows["length_days"] == 7
        rows.loc[weekly, measure] = [0.01 if week % 4 else 0.5 for week in range(30)]
        made = {one["metric"]: one for one in figures(period_figures(rows), "USD")}[measure]
        usual_range = tables(period_figures(rows), "USD")["7"].frame.set_index("figure")["usual"]
        ends[measure] = (made["trend"]["low"], usual_range[LABELS[measure]])
    assert ends["revenue"][0] == 0
    assert ends["revenue"][1].startswith("Usual ($0 to $0.")
    assert ends["gross_margin_rate"][0] < 0
    assert ends["gross_margin_rate"][1].startswith("Usual (−")


def test_limits_names_reports_without_a_result():
    assert limits(periods(2), ["inventory"], (), UNTIL).endswith(
        "No result for 2026-05-31: inventory."
    )


def _action(key: str, amount: float | None = None, **fields) -> Action:
    known = {"verb": "Do", "what": "{items}", "basis": "estimate", "item": "product"}
    return Action.of_fields(key=key, amount=amount, **{**known, **fields})


def _report(name: str, *actions: Action):
    return SimpleNamespace(report=name, title=name.title(), actions=actions)


def test_verdict_says_what_happened_and_what_to_do_first():
    found = period_figures(periods(30, last=60.0))
    words = {"verb": "Stop", "what": "the test", "meaning": "lost", "currency": "USD"}
    first = _action("stop", 50, basis="counted", **words)
    told = verdict(found, [first], "USD")
    assert told["text"] == (
        "Revenue fell 41% to $60 last week, unusually low. First: stop the test: $50 lost a month."
    )
    assert told["status"] == "bad"
    found = period_figures(periods(30))
    assert verdict(found[::-1], [], "") == {
        "text": "Revenue fell 1% to 100 last week, within its usual range. No report advises an "
        "action.",
        "status": "neutral",
    }
    gain = _action("take", 50, **{**words, "meaning": "gained"})
    assert verdict(found, [gain, first], "USD")["status"] == "neutral"
    assert verdict(found, [first, gain], "USD")["status"] == "bad"
    rose = period_figures(periods(30, last=150.0))
    assert verdict(rose, [], "USD")["text"].startswith(
        "Revenue rose 49% to $150 last week, unusually high. No"
    )
    assert verdict(rose, [], "USD")["status"] == "neutral"


def test_all_actions_by_money_with_their_report():
    win_back = _action("win-back", 10, item="customer", items=("c1",))
    order = _action("order", None, items=("a",), link="list-short")
    found = all_actions([_report("inventory", order), _report("ab_tests", win_back)])
    assert [one.key for one in found] == ["ab-tests-win-back", "inventory-order"]
    unordered = [_action(key, amount, item="page", items=("p",)) for key, amount in (
        ("d", None), ("z", 0.0), ("y", 0.5), ("b", 7), ("a", 7), ("c", None), ("x", 99),
    )]  # fmt: skip
    ranked = all_actions([_report("mine", *unordered)])
    assert [one.key.removeprefix("mine-") for one in ranked] == list("xabyzcd")
    assert (found[1].report, found[1].report_title, found[1].link) == (
        "inventory", "Inventory", "list-short",
    )  # fmt: skip
    assert found[0].link == "action-win-back"


def test_all_actions_name_a_product_once():
    """Order comes before a price test, and that before a discount; unknown advice comes last."""
    reports = [
        _report("recommendations", _action("discount", 9, items=("a", "b"), amounts=(4.0, 5.0))),
        _report("competitor_prices", _action("test-lower-price", items=("b", "c"))),
        _report("inventory", _action("order", 3, items=("c",), amounts=(3.0,))),
        _report("mine", _action("look", 99, items=("a", "c"))),
    ]
    found = {one.key: (one.items, one.amount) for one in all_actions(reports)}
    assert found == {
        "inventory-order": (("c",), 3),
        "competitor-prices-test-lower-price": (("b",), None),
        "recommendations-discount": (("a",), 4.0),
    }


def test_every_advice_has_an_action():
    from d1lab.analyses.overview.advice import PRECEDENCE

    assert set(ADVICE_OF.values()) == set(PRECEDENCE)
