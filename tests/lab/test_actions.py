"""`lab.action` in a notebook and in a run."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from d1lab.display.actions import Action, load_actions
from d1lab.errors import InputError, UnknownName
from d1lab.lab import Lab


def test_action_keeps_items_amounts_and_a_file_without_formulas(tiny_lab):
    frame = pd.DataFrame({"sku": ["=1+1", "b"], "amount": [2.0, None], "why": ["x", "y"]})
    tiny_lab.currency = "EUR"
    shown = tiny_lab.action(
        "Order", "{items}", basis="estimate", amount=2, items=frame, item="product",
        link="list-short",
    )  # fmt: skip
    [one] = load_actions(tiny_lab.run_dir)
    assert shown.actions == (one,)
    assert (one.key, one.sentence, one.currency) == ("order", "Order 2 products", "EUR")
    assert (one.items, one.amounts) == (("=1+1", "b"), (2.0, None))
    assert one.link == "list-short"
    lines = (tiny_lab.run_dir / one.csv).read_text("utf-8-sig").splitlines()
    assert lines == ["sku,amount,why", "'=1+1,2.0,x", "b,,y"]


def test_action_takes_a_list_and_can_be_run_again_in_a_notebook(tiny_lab):
    for amount in (1, 2):
        tiny_lab.action("Win back", "{items}", basis="counted", amount=amount, items=["c1"])
    [one] = load_actions(tiny_lab.run_dir)
    assert (one.key, one.amount, one.items, one.csv) == ("win-back", 2, ("c1",), "")


def test_actions_declares_many_and_quotes_others(tiny_lab):
    quoted = Action.of_fields(
        key="ab-tests-stop", verb="Stop", what="it", basis="tested", amount=9, report="ab_tests"
    )
    shown = tiny_lab.actions([{"verb": "Clear", "what": "it", "basis": "counted"}, quoted])
    assert [one.key for one in shown.actions] == ["ab-tests-stop", "clear"]
    assert load_actions(tiny_lab.run_dir)[0] == quoted


@pytest.mark.parametrize(
    ("error", "fields"),
    [(InputError, {"amount": -3}), (UnknownName, {"urgent": True}), (UnknownName, {"basis": "x"})],
)
def test_action_refuses_what_it_cannot_show(tiny_lab, error, fields):
    with pytest.raises(error):
        tiny_lab.action("Order", "it", **{"basis": "counted", **fields})


def test_other_reports_in_a_notebook_are_the_newest_runs_of_the_shop(tiny_lab: Lab):
    runs = tiny_lab.folder / "runs"
    records = {
        "1-inventory": {"report": "inventory", "shop": "harbor", "status": "done"},
        "2-inventory": {"report": "inventory", "shop": "harbor", "status": "done",
                        "as_of": "2026-05-09", "verdict": {"text": "Fine.", "status": "good"}},
        "3-inventory": {"report": "inventory", "shop": "harbor", "status": "failed"},
        "4-inventory": {"report": "inventory", "shop": "harbor", "status": "done",
                        "given": ["shop", "days"]},
        "5-discounts": {"report": "discounts", "shop": "other", "status": "done"},
    }  # fmt: skip
    for name, record in records.items():
        (runs / name).mkdir(parents=True)
        (runs / name / "run.json").write_text(json.dumps(record))
    (runs / "6-broken").mkdir()
    (runs / "6-broken" / "run.json").write_text("{")
    (runs / "2-inventory" / "actions.json").write_text("{")
    [found] = tiny_lab.other_reports()
    assert (found.run_id, found.text, str(found.as_of)) == ("2-inventory", "Fine.", "2026-05-09")
    assert found.actions == ()
    assert tiny_lab.missing_reports() == []
