"""Links and drawn ranges of a page's list of actions."""

from __future__ import annotations

import json

from d1lab.display.actions import Action, save_actions
from d1lab.lab.other_reports import AFTER_FILE
from d1lab.pages.action_rows import WIDTH, action_rows
from d1lab.pages.page import render_page, write_page
from tests.support.sample_run import HOSTILE, turnover_cells, write_run


def _action(**fields) -> Action:
    known = {"key": "order", "verb": "Order", "what": "it", "basis": "estimate"}
    return Action.of_fields(**{**known, **fields})


def test_links_of_a_reports_own_action():
    [row] = action_rows([_action(link="list-short", csv="action-order.csv")], "2026-05-31", "2026")
    assert (row.rank, row.href, row.csv_href) == (1, "#list-short", "2026/action-order.csv")


def test_links_of_a_quoted_action_lead_to_its_report_of_the_same_day():
    one = _action(report="ab_tests", report_title="A/B tests", csv="a b.csv")
    [row] = action_rows([one], "2026-05-31", "2026-05-31")
    assert row.href == "../ab_tests/2026-05-31.html#action-order"
    assert row.csv_href == "../ab_tests/2026-05-31/a%20b.csv"
    assert row.see == "See A/B tests"


def test_a_page_without_files_links_to_nothing_outside():
    [row] = action_rows([_action(report="ab_tests", csv="a.csv")], "2026-05-31", "")
    assert (row.href, row.csv_href) == ("", "")


def test_ranges_are_on_one_axis_with_its_zero():
    amounts = [
        {"amount": 50.0, "low": -50.0, "high": 100.0},
        {"amount": 100.0, "low": 50.0, "high": 100.0},
        {"amount": 25.0, "at_most": True},
        {"amount": 900.0, "per": "once"},
        {},
    ]
    bars = [row.bar for row in action_rows([_action(**each) for each in amounts], "d", "d")]
    assert bars[3:] == [None, None]
    assert len({bar.zero for bar in bars[:3]}) == 1
    assert 0 < bars[0].start < bars[0].zero < bars[0].dot < bars[0].end < WIDTH
    assert bars[1].end == bars[0].end
    assert (bars[2].start, bars[2].dot) == (bars[2].zero, None)
    assert [bar.tone for bar in bars[:3]] == ["", "sure", ""]


def test_a_counted_loss_is_red():
    one = _action(amount=5, meaning="lost", basis="counted")
    assert action_rows([one], "d", "d")[0].bar.tone == "bad"


def test_a_page_shows_the_actions_after_its_figures_and_before_its_tables(tmp_path):
    run_dir = write_run(tmp_path, turnover_cells())
    many = [_action(key=f"order-{place}", amount=place, currency="USD") for place in range(8)]
    save_actions(run_dir, [_action(key="first", amount=99, reason=HOSTILE), *many])
    page = write_page(run_dir, tmp_path / "reports").read_text()
    places = [page.index(text) for text in ('class="figures"', 'id="action-first"', "<table")]
    assert places == sorted(places)
    assert page.count('class="rest"') == 3
    assert "Show all 9" in page
    assert HOSTILE not in page


def test_a_page_without_actions_and_a_failed_one_have_no_list(tmp_path):
    assert 'id="actions"' not in render_page(write_run(tmp_path, turnover_cells()))
    error = {"cell_index": 2, "ename": "InputError", "message": "no"}
    run_dir = write_run(tmp_path, turnover_cells(), run_id="f", status="failed", error=error)
    save_actions(run_dir, [_action()])
    assert 'id="actions"' not in render_page(run_dir)


def test_rows_that_name_a_thing_have_an_address_of_their_own(tmp_path):
    page = write_page(write_run(tmp_path, turnover_cells()), tmp_path / "reports").read_text()
    ids = [part.split('"')[0] for part in page.split(' id="')[1:]]
    assert len(set(ids)) == len(ids)
    assert any(each.startswith("list-") for each in ids)


def test_a_summary_lists_its_reports_with_their_findings(tmp_path):
    write_run(tmp_path, turnover_cells(), run_id="r1", title="Stock")
    summary = write_run(tmp_path, [], run_id="r2", report="overview", title="Overview")
    (summary / AFTER_FILE).write_text(json.dumps({"inventory": "r1", "customers": ""}))
    page = write_page(summary, tmp_path / "reports").read_text()
    assert 'id="report-inventory"' in page
    assert '<a href="../inventory/2026-05-31.html">Stock</a>' in page
    assert '<a href="../inventory' not in render_page(summary, static=True)
