"""Range bars of the list of tests: one axis per column, cut where one test is far out."""

from __future__ import annotations

import pytest

from d1lab.display.ab_test_list import AbTestList, Course, Estimate, PerVisitor
from d1lab.pages.ab_test_rows import DOT, WIDTH, Axis, per_visitor_text, shown_tests, span_text
from tests.support.ab_advice import ROW


def test_all_bars_of_a_column_share_an_axis_that_holds_zero():
    axis = Axis.of([Estimate(0.2, 0.1, 0.3), None, Estimate(0.1, 0.05, 0.2)])
    assert axis == (0.0, 0.3)
    bar = axis.bar(Estimate(0.15, 0.0, 0.3))
    assert (bar.zero, bar.start, bar.end) == (DOT, DOT, WIDTH - DOT)
    assert bar.dot == pytest.approx(WIDTH / 2)
    assert Axis.of([None]) is None
    assert Axis.of([Estimate(0.0)]) is None


def test_a_range_far_out_is_cut_at_the_end_of_the_axis():
    """One end of 900% leaves the other bars readable."""
    axis = Axis.of([Estimate(0.2, 0.1, 9.0), Estimate(0.1, -0.1, 0.3)])
    assert axis
    assert axis.high == pytest.approx(0.6)
    assert axis.bar(Estimate(0.2, 0.1, 9.0)).end == WIDTH - DOT
    assert axis.bar(Estimate(0.2, 0.1, None)).end == WIDTH - DOT


def test_a_row_says_the_range_and_colors_only_what_is_sure():
    rows = [ROW, ROW._replace(month=Estimate(5.0, -1.0, 9.0), difference=None)]
    list_of = shown_tests(AbTestList(tuple(rows), 2, "USD"))
    first, second = list_of.rows
    assert (first.difference.value, first.difference.span) == ("+10%", "+1% or more")
    assert (first.month.value, first.month.span) == ("−$5.00", "−$9.00 to −$1.00")
    assert (first.month.tone, second.month.tone, second.difference.value) == ("bad", "", "")
    assert list_of.states == []
    assert (0.0, "0") not in list_of.month_axis
    assert "0" in [text for _, text in list_of.month_axis]


def test_states_can_be_chosen_where_there_are_several():
    rows = (ROW, ROW._replace(state="ended"), ROW._replace(state="ended"))
    assert shown_tests(AbTestList(rows, 3)).states == [("running", 1), ("ended", 2)]


def test_the_picture_of_looks_has_a_tip_for_each():
    [row] = shown_tests(AbTestList((ROW,), 1)).rows
    assert row.chart
    assert row.chart.tips == "0 667 May 1, 2026: +10% (up to +20%)"
    empty = ROW._replace(course=Course(("2026-05-01",), (0.1,), (0.0,), (0.2,)))
    assert shown_tests(AbTestList((empty,), 1)).rows[0].chart is None


def test_values_of_variants_have_units():
    orders = PerVisitor("Orders per visitor", "percent", 0.03833, None)
    assert per_visitor_text(orders, orders.a, "USD") == "3.83%"
    assert per_visitor_text(orders, orders.b, "USD") == "–"
    assert per_visitor_text(PerVisitor("Profit", "money", 0.266, 1), 0.266, "USD") == "$0.27"
    assert span_text(Estimate(-0.004, -0.1, 0.2)) == ("−0.4%", "−10% to +20%")
    assert span_text(None) == ("–", "")
