"""Actions: what they say, what they refuse, their order, and their file."""

from __future__ import annotations

import pytest

from d1lab.display.actions import (
    ACTIONS_FILE,
    Action,
    Actions,
    add_action,
    load_actions,
    ranked,
)
from d1lab.errors import InputError, UnknownName


def make(**fields) -> Action:
    known = {"key": "order", "verb": "Order", "what": "{items} today", "basis": "estimate"}
    return Action.of_fields(**{**known, "item": "product", "currency": "USD", **fields})


def test_action_says_sentence_amount_meaning_and_range():
    one = make(items=("a", "b"), amount=1234.4, low=-44.2, high=2000, meaning="lost")
    assert one.sentence == "Order 2 products today"
    assert (one.amount_text, one.meaning_text) == ("$1,234", "lost a month")
    assert one.basis_text == "Estimate, −$44 to $2,000"
    assert one.anchor == "action-order"


@pytest.mark.parametrize(
    ("fields", "texts"),
    [
        ({}, ("–", "not known", "Estimate")),
        ({"amount": 4.5}, ("$4.50", "more a month", "Estimate")),
        ({"amount": 99.0, "at_most": True}, ("up to $99", "more a month", "Estimate, at most")),
        ({"amount": 99.0, "per": "once"}, ("$99", "more, once", "Estimate")),
        ({"amount": 99.0, "meaning": "tied up"}, ("$99", "tied up, once", "Estimate")),
        (
            {"amount": 99.0, "of": "sales", "meaning": "at risk"},
            ("$99", "of sales at risk a month", "Estimate"),
        ),
    ],
)
def test_action_words_of_amounts(fields, texts):
    one = make(**fields)
    assert (one.amount_text, one.meaning_text, one.basis_text) == texts


def test_action_is_a_loss_if_counted_or_surely_above_zero():
    assert make(amount=5, meaning="lost", basis="counted").is_loss
    assert make(amount=5, meaning="lost", low=1, high=9).is_loss
    assert not make(amount=5, meaning="lost", low=-1, high=9).is_loss
    assert not make(amount=5, basis="counted").is_loss
    assert not make(meaning="lost", basis="counted").is_loss


@pytest.mark.parametrize(
    "fields",
    [
        {"key": "Not a key"},
        {"verb": " "},
        {"amount": -1},
        {"amount": float("inf")},
        {"amount": "many"},
        {"amount": 5, "low": 6, "high": 9},
        {"amount": 5, "low": 1},
        {"low": 1, "high": 2},
        {"at_most": True},
        {"amount": 5, "low": 1, "high": 9, "at_most": True},
        {"items": ("a",), "amounts": (1.0, 2.0)},
    ],
)
def test_action_refuses(fields):
    with pytest.raises(InputError):
        make(**fields)


@pytest.mark.parametrize("fields", [{"basis": "guessed"}, {"meaning": "won"}, {"money": 3}])
def test_action_refuses_unknown_names(fields):
    with pytest.raises(UnknownName):
        make(**fields)


def test_ranked_by_money_and_unknown_amounts_last():
    keys = {"a": None, "b": 3.0, "c": 20.0, "d": None}
    actions = [make(key=key, amount=amount) for key, amount in keys.items()]
    assert [one.key for one in ranked(actions)] == ["c", "b", "a", "d"]


def test_keeping_sums_the_amounts_of_the_items_left():
    one = make(items=("a", "b", "c"), amounts=(1.0, None, 4.0), amount=5.0, low=1, high=9)
    assert one.keeping(["a", "b", "c"]) is one
    assert one.keeping([]) is None
    left = one.keeping(["b", "c", "x"])
    assert (left.items, left.amount, left.low) == (("b", "c"), 4.0, None)
    assert left.sentence == "Order 2 products today"


def test_keeping_without_amounts_per_item_is_an_upper_limit():
    left = make(items=("a", "b"), amount=5.0, low=1, high=9).keeping(["a"])
    assert (left.amount, left.at_most, left.basis_text) == (5.0, True, "Estimate, at most")


def test_actions_are_kept_with_a_run_in_the_order_of_money(tmp_path):
    assert load_actions(tmp_path) == []
    add_action(tmp_path, make(key="small", amount=1, items=("x",), amounts=(1.0,)))
    add_action(tmp_path, make(key="large", amount=2))
    add_action(tmp_path, make(key="large", amount=2))
    assert [one.key for one in load_actions(tmp_path)] == ["large", "small"]
    assert load_actions(tmp_path)[1].items == ("x",)


def test_an_action_is_not_declared_twice_unless_it_is_replaced(tmp_path):
    add_action(tmp_path, make(amount=1))
    with pytest.raises(InputError, match="declared twice"):
        add_action(tmp_path, make(amount=2))
    add_action(tmp_path, make(amount=2), replace=True)
    assert [one.amount for one in load_actions(tmp_path)] == [2]


@pytest.mark.parametrize("content", ["{", "[1]", '[{"key": "a"}]'])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / ACTIONS_FILE).write_text(content)
    with pytest.raises(InputError):
        load_actions(tmp_path)


def test_a_later_versions_fields_are_dropped():
    assert Action.from_json({**make()._asdict(), "urgency": 3}) == make()


def test_brief_keeps_the_sentence_without_the_items():
    one = make(items=("a", "b"), amounts=(1.0, 2.0), csv="action-order.csv").brief()
    assert (one.sentence, one.items, one.csv) == ("Order 2 products today", (), "")


def test_actions_show_in_a_notebook_as_escaped_html():
    bundle = Actions((make(what="<b>all</b>"),))._repr_mimebundle_()
    assert bundle["text/plain"] == "– not known: Order <b>all</b> (Estimate)"
    assert "<b>all" not in bundle["text/html"]
