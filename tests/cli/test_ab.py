"""`d1lab ab`: two variants on the command line; results as a sentence, figures, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from d1lab.cli.ab import app
from d1lab.lab import Lab
from d1lab.warehouse import open_warehouse
from tests.analyses.ab_tests.test_planner import ROW

pytestmark = pytest.mark.usefixtures("folder")


def test_ab_prints_every_field_as_json(run):
    """The figures for 500 of 10,000 and 560 of 10,000 are those of the published methods."""
    result = run("ab", "500/10000", "560/10000", "--json").json
    assert result["p_value"] == pytest.approx(0.0582578060, abs=1e-9)
    assert result["difference_low"] == pytest.approx(-0.00021025, abs=1e-6)
    assert result["ratio_high"] == pytest.approx(1.25940660, abs=1e-6)
    assert result["chance_b_better"] == pytest.approx(0.97083766, abs=1e-6)
    assert (result["winner"], result["confidence_level"]) == ("none", 94.17)


def test_ab_counts_alone_need_the_declared_share(run):
    """Without visitors the planned split is required, and the exact binomial test decides."""
    refused = run("ab", "122", "189", "--json").json
    assert (refused["status"], refused["p_value"]) == ("not_declared", None)
    decided = run("ab", "122", "189", "--share-b", ".5", "--json")
    assert decided.json["p_value"] == pytest.approx(0.000172805, abs=1e-9)


AB_FIELDS = (
    "status reason method p_value confidence_level winner rate_a rate_b difference difference_low"
    " difference_high ratio ratio_low ratio_high chance_b_better expected_loss_b sample_ratio_p"
)


@pytest.mark.parametrize("arms", [["500/10000", "560/10000"], ["122", "189"], ["0/9", "0/9"]])
def test_ab_json_always_has_every_field(run, arms):
    """The promised fields come first and in their order; an unavailable one is null."""
    ended = run("ab", *arms, "--json")
    assert list(ended.json)[:17] == AB_FIELDS.split()
    assert ended.code == 0  # a refusal is an answer


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["500/10000", "700/10000"], "Roll out B: it converts 40% more than A"),
        (
            ["500/10000", "560/10000"],
            "Inconclusive: B converts 12% more than A (95% interval −0.4% to",
        ),
        (["122", "189"], "No result: visitors were not counted"),
        (["122", "189", "--share-b", ".5"], "Roll out B: it brought 55% more orders"),
    ],
)
def test_ab_prints_a_sentence_first(run, arguments, sentence):
    """A sentence that needs no statistics comes before the figures."""
    first, header, *_ = run("ab", *arguments).out.splitlines()
    assert first.startswith(sentence)
    assert header == "field\tvalue"


def test_ab_size_gives_the_visitors(run):
    """Detecting 5.5% instead of 5% at 80% power takes 31,234 visitors per variant."""
    ask = ("ab", "size", "--base", "5%", "--to", "5.5%")
    size = run(*ask, "--json").json
    assert size["exact_a"] == pytest.approx(31233.438, abs=1e-3)
    assert run(*ask).out.splitlines()[1].startswith("a\t31234\t31233.43")


@pytest.mark.parametrize(
    "arguments",
    [
        ["ab", "5"],
        ["ab", "x", "y"],
        ["ab", "size"],
        ["ab", "9/8", "1/2", "--alpha", "2"],
        ["ab", "12", "18", "--share-b", "1.5"],
        ["ab", "5/80", "6/80", "--looks", "5", "--look", "7"],
        ["ab", "5/80", "6/80", "--look", "2"],
    ],
)
def test_ab_rejects_invalid_input_in_one_line(run, arguments):
    """A missing variant, words instead of numbers, missing rates, and an impossible alpha are
    rejected.
    """
    ended = run(*arguments)
    assert ended.code == 2
    assert ended.err.startswith("error: ")
    assert ended.err.count("\n") == 1


@pytest.fixture
def shop_lab(
    tiny_warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    """The tiny shop with the orders of a larger one, as `d1lab ab plan` opens it."""
    with open_warehouse(tiny_warehouse.parent) as con:
        lab = Lab(con, database="demo", folder=tmp_path, shop="harbor")
        orders = pd.DataFrame([ROW])
        monkeypatch.setattr(lab, "metric", lambda *_, **__: orders)
        monkeypatch.setattr("d1lab.lab.open", lambda **_: lab)
        yield lab


@pytest.mark.usefixtures("shop_lab")
def test_ab_plan_sizes_the_next_test() -> None:
    """One sentence, then days and visitors by metric and rule; JSON has every field."""
    asked = CliRunner().invoke(app, ["plan", "--lift", "10%"])
    first, header, *rows = asked.stdout.splitlines()
    assert first == "A lift of +10% in conversions takes 70 days (167,630 visitors) to detect."
    assert header.split("\t")[:3] == ["metric", "lift", "rule"]
    assert len(rows) == 6
    plans = json.loads(CliRunner().invoke(app, ["plan", "--json"]).stdout)
    assert {one["metric"] for one in plans} == {"conversions", "revenue", "profit"}
    assert {one["lift"] for one in plans} == {0.05, 0.1, 0.2}


def test_three_variants_are_compared_with_a():
    """The leading variant by name, then each comparison; `--json` has the winner's name."""
    arms = ["500/10000", "520/10000", "590/10000"]
    first, header, *rows = CliRunner().invoke(app, arms).stdout.splitlines()
    assert first.startswith("Roll out C: it converts 18% more than A")
    assert header.split()[:3] == ["variant", "correction", "status"]
    assert [row.split()[:2] for row in rows] == [["B", "holm"], ["C", "holm"]]
    found = json.loads(CliRunner().invoke(app, [*arms, "--json"]).stdout)
    assert found["winner"] == "c"
    assert found["arms"][1]["result"]["p_value"] == found["result"]["p_value"]
    refused = CliRunner().invoke(app, [*arms, "--looks", "3"])
    assert "more, a test is evaluated once" in str(refused.exception)
