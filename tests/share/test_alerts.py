"""Alerts: conditions on key figures, parsed strictly and never evaluated as code."""

from __future__ import annotations

import pytest

from d1lab.display import Figure
from d1lab.errors import InputError, UnknownName
from d1lab.share.alerts import check_names, parse_alert

FIGURES = (
    Figure.of("cover", 6.5),
    Figure.of("cover", 9, dimension="SKU-1"),
    Figure.of("cover", None, dimension="SKU-2", note="no sales"),
    Figure.of("repeat_rate", 0.24, kind="percent"),
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("cover < 7", [6.5]),
        ("cover<=6.5", [6.5]),
        ("cover > 7", [9]),
        (" cover >= 6.5 ", [6.5, 9]),
        ("cover == 9", [9]),
        ("cover != 9", [6.5]),
        ("cover < -1", []),
        ("repeat_rate < 25%", [0.24]),
        ("repeat_rate < 0.25", [0.24]),
        ("repeat_rate < 24%", []),
    ],
)
def test_alert_matches_the_figures_it_names(text: str, values: list[float]):
    """Each comparison covers all dimensions; a figure without a value matches nothing."""
    assert [figure.value for figure in parse_alert(text).matching(FIGURES)] == values


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cover",
        "cover = 7",
        "cover < seven",
        "cover < 7 days",
        "7 > cover",
        "cover < 7 and cover > 2",
        "cover < 1e3",
        "__import__('os').system('true') < 1",
        "Cover < 7",
        "cover < 7\nx > 1",
    ],
)
def test_alert_rejects_other_texts(text: str):
    """The error shows the form of a condition."""
    with pytest.raises(InputError, match="invalid alert"):
        parse_alert(text)


def test_alert_on_an_unknown_figure_proposes_the_nearest():
    """An alert on a misspelled name would never be sent."""
    with pytest.raises(UnknownName, match="Did you mean 'cover'"):
        check_names([parse_alert("covr < 7")], ["cover", "repeat_rate"])


def test_alert_is_not_checked_before_the_first_run():
    """Without a run, no figure is known."""
    check_names([parse_alert("covr < 7")], [])
