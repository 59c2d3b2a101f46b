"""The course of a key figure over periods."""

from __future__ import annotations

import json

import pytest

from d1lab.display import Figure
from d1lab.display.trends import FigureTrend
from d1lab.errors import InputError, UnknownName


@pytest.mark.parametrize(
    ("last", "position"), [(84.9, "low"), (85.0, "usual"), (120.0, "usual"), (121.0, "high")]
)
def test_position_of_the_last_value(last: float, position: str):
    trend = FigureTrend.of({"values": (90, None, last), "low": 85.0, "high": 120.0})
    assert (trend.position, trend.before) == (position, None)


def test_position_is_unknown_without_a_range_or_a_value():
    assert FigureTrend((1.0, 2.0)).position is None
    assert FigureTrend((1.0, None), 0.0, 2.0).position is None


def test_figure_with_a_trend_survives_json():
    figure = Figure.of("revenue", 80.0, trend=((90.0, 80.0), 85.0, 120.0, "Week", "May 25"))
    assert Figure.from_json(json.loads(json.dumps(figure.to_json()))) == figure
    assert Figure.from_json(Figure.of("orders", 1).to_json()).trend is None


def test_invalid_trends_are_rejected():
    for given in ("abc", 3, {"values": ()}, {"values": (1,), "low": 2}, {"values": ("x",)}):
        with pytest.raises(InputError):
            FigureTrend.of(given)
    with pytest.raises(UnknownName):
        FigureTrend.of({"values": (1,), "hihg": 2})
