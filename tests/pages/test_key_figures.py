"""Key figures by the length of their period, and their trends."""

from __future__ import annotations

from d1lab.display import Figure
from d1lab.pages.changes import what_changed
from d1lab.pages.key_figures import leading, of_first_period, small_spark, spark


def _figure(name: str, period: str = "Week", **fields) -> Figure:
    trend = {"values": (2.0, None, 4.0, 0.0), "low": 1.0, "high": 3.0, "period": period}
    return Figure.of(name, 0.0, trend={**trend, "dates": period}, better="higher", **fields)


def test_figures_are_grouped_by_the_length_of_their_period():
    found = what_changed(
        [_figure("a"), _figure("b"), _figure("a_4", "4 weeks")], [Figure.of("gone", 1)]
    )
    groups = leading(found)
    assert [(g.period, [c.figure.metric for c in g.changes]) for g in groups] == [
        ("Week", ["a", "b"]),
        ("4 weeks", ["a_4"]),
    ]
    assert groups[0].has_range
    assert [c.figure.metric for c in of_first_period(found)] == ["a", "b"]


def test_more_than_six_figures_are_cut_to_four():
    plain = what_changed([Figure.of(f"f{number}", number) for number in range(7)], [])
    (group,) = leading(plain)
    assert (group.period, len(group.changes), group.has_range) == ("", 4, False)
    assert leading([]) == of_first_period([]) == []


def test_spark_leaves_gaps_and_marks_an_unusually_bad_end():
    drawn = spark(_figure("a", kind="integer"))
    assert 'class="spark bad"' in drawn
    assert 'aria-label="A, 4 periods: from 2 to 0; usual: 1 to 3"' in drawn
    assert '<rect y="8" width="150" height="8"/>' in drawn
    assert '<polyline points="3,12 99,3 147,21"/><circle cx="147" cy="21" r="3"/>' in drawn
    assert '<polyline points="3,10 50,3 73,17"/>' in small_spark(_figure("a"))


def test_spark_needs_two_values():
    one = Figure.of("a", 1.0, trend={"values": (None, 1.0)})
    assert spark(one) == small_spark(one) == spark(Figure.of("a", 1.0)) == ""
