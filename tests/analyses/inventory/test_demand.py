"""Forecasts compared with plain loops over one SKU, and on simulated demand."""

from __future__ import annotations

from itertools import chain, pairwise
from math import isnan, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings

from d1lab.analyses.inventory import windows
from d1lab.analyses.inventory.classes import variation
from d1lab.analyses.inventory.demand import _coverage, _share, forecast, velocity_interval
from d1lab.analyses.inventory.forecasters import RIVALS
from d1lab.errors import InputError
from tests.analyses.inventory.test_forecasters import BY_HAND, matrices
from tests.support.examples import examples


def _since_first_sale(series: list[float]) -> list[float]:
    first = next((i for i, units in enumerate(series) if units > 0), len(series))
    return [nan] * first + series[first:]


def _tried_by_hand(series: list[float], rival: str) -> dict[int, tuple[float, float, float]]:
    """Total, scale, and later sales at each week where a forecast can be tried."""
    series, tried = _since_first_sale(series), {}
    for week in range(len(series)):
        known = [units for units in series[: week + 1] if not isnan(units)]
        level = BY_HAND[rival](series[: week + 1])
        if len(known) < 8 or isnan(level):
            continue
        later = series[week + 1 : week + 5]
        changes = [b - a for a, b in pairwise(series[: week + 1])]
        changes = [change for change in changes if not isnan(change)]
        scale = (sum(change**2 for change in changes) + 1) / (len(changes) + 1)
        tried[week] = 4 * max(level, 0.0), scale, sum(later) if len(later) == 4 else nan
    return tried


def _unit(total: float, scale: float) -> float:
    return sqrt(max(total, 1) * sqrt(scale))


def _losses_by_hand(weeks: list[list[float]], rival: str, share: float) -> list[dict[int, float]]:
    """Scaled pinball loss of each SKU and window, at the quantile of the errors until then."""
    tried = [_tried_by_hand(series, rival) for series in weeks]
    errors = [
        (week, (sold - total) / _unit(total, scale))
        for one in tried
        for week, (total, scale, sold) in one.items()
        if not isnan(sold)
    ]
    first = min((week for week, _ in errors), default=0) + 4
    losses: list[dict[int, float]] = []
    for one in tried:
        losses.append({})
        for week, (total, scale, sold) in one.items():
            known = [error for when, error in errors if when + 4 <= max(week, first)]
            if isnan(sold) or not known:
                continue
            upper = max(total + float(np.quantile(known, share)) * _unit(total, scale), 0)
            cost = share * (sold - upper) if sold > upper else (1 - share) * (upper - sold)
            losses[-1][week] = cost / sqrt(scale)
    return losses


def _bias_by_hand(weeks: list[list[float]], rival: str, week: int) -> float:
    """Size of the mean scaled error of all SKUs, over the windows complete by the week."""
    errors = [
        (sold - total) / sqrt(scale)
        for series in weeks
        for when, (total, scale, sold) in _tried_by_hand(series, rival).items()
        if when + 4 <= week and not isnan(sold)
    ]
    return abs(sum(errors)) / max(len(errors), 1)


def _choice_by_hand(weeks: list[list[float]], sku: int, week: int) -> list[float]:
    """The totals of the rivals that lost least by `week`; several in a tie."""
    scores, first = [], nan
    for rival in RIVALS:
        bias = _bias_by_hand(weeks, rival, week)
        first = bias if isnan(first) else first
        now = _tried_by_hand(weeks[sku], rival).get(week)
        losses = _losses_by_hand(weeks, rival, 0.95)
        behind = [[loss for when, loss in one.items() if when <= week - 4] for one in losses]
        pool, own = list(chain(*behind)), behind[sku]
        if now and pool:
            shrunk = sum(own) + 8 * sum(pool) / len(pool)
            scores.append((shrunk / (len(own) + 8) + max(bias - first, 0), now[0]))
    least = min((loss for loss, _ in scores), default=nan)
    return [total for loss, total in scores if loss <= least + 1e-9]


@settings(max_examples=examples(15))
@given(matrices(3, 24))
def test_forecast_equals_plain_choice(weeks):
    """The chosen method and its forecast equal those of loops over SKUs and weeks."""
    demand = forecast(weeks).demand
    for sku in range(len(weeks)):
        totals = _choice_by_hand(weeks, sku, 23)
        if demand.reason[sku] is None:
            assert any(demand.forecast_units[sku] == pytest.approx(t, abs=1e-9) for t in totals)
        else:
            assert demand.rival[sku] is None
            assert np.isnan(demand.forecast_units[sku])


def test_forecast_of_biased_methods_is_not_biased():
    """Quantiles of their own errors would hide that a smoother method forecasts half."""
    rng = np.random.default_rng(6)
    units = rng.poisson(10, size=(60, 40)).astype(float)
    rivals = {
        "4-week mean": RIVALS["4-week mean"],
        "half": lambda weeks: RIVALS["blend"](weeks) / 2,
    }
    assert (forecast(units, rivals=rivals).demand.rival == "4-week mean").all()


def test_forecast_gives_its_reason():
    """Never sold, too short, too many unknown weeks; the other SKU has a forecast."""
    weeks = np.full((4, 30), 3.0)
    weeks[0] = 0
    weeks[1, :20] = 0
    weeks[2, 1::2] = np.nan
    demand = forecast(weeks).demand
    assert demand.reason.tolist() == ["no_demand", "short_history", "unknown_weeks", None]
    assert demand.forecast_units[3] == 12
    assert np.isnan(demand.forecast_units[:3]).all()


@pytest.mark.parametrize(
    ("weeks", "unknown", "reason"),
    [
        (14, 0, "short_history"),
        (15, 0, None),
        (15, 1, "unknown_weeks"),  # a window less than four
        (16, 1, None),
        (40, 40, "no_demand"),
    ],
)
def test_forecast_needs_15_weeks_and_four_windows(weeks, unknown, reason):
    """Since the first sale, which another product had long before."""
    units = np.full((2, 40), 3.0)
    units[1, : 40 - weeks] = 0
    units[1, 40 - unknown :] = nan
    if unknown == 1:
        units[1, [39, -weeks + 1]] = 3.0, nan  # its second week
    demand = forecast(units).demand
    assert demand.reason.tolist() == [None, reason]
    assert np.isnan(demand.forecast_units[1]) == (reason is not None)


def _squares_by_hand(series: list[float], rival: str) -> dict[int, float]:
    """Root mean squared scaled error of each window."""
    found, series = {}, _since_first_sale(series)
    for week, (total, scale, sold) in _tried_by_hand(series, rival).items():
        if not isnan(sold):
            errors = [(units - total / 4) ** 2 for units in series[week + 1 : week + 5]]
            found[week] = sqrt(sum(errors) / 4 / scale)
    return found


def test_scores_equal_plain_loops():
    """Of a method that is chosen everywhere, and of one over the same windows; per SKU and in all.

    The third SKU sells so little that its windows have no sale.
    """
    rng = np.random.default_rng(9)
    units = rng.poisson([[6.0], [2.0], [0.0]], (3, 22)).astype(float)
    units[2, 0], units[1, 9] = 1.0, nan
    weeks, bad = units.tolist(), "smoothing"
    rivals = {"8-week mean": RIVALS["8-week mean"], bad: lambda one: 5 + 0 * RIVALS[bad](one)}
    found = forecast(units, rivals=rivals)
    errors = [_squares_by_hand(series, "8-week mean") for series in weeks]
    first = min(week for one in errors for week in one) + 4
    errors = [{w: e for w, e in one.items() if w >= first} for one in errors]
    losses = _losses_by_hand(weeks, "8-week mean", 0.95)
    totals, sums = [], []
    for sku, series in enumerate(weeks):
        tried = _tried_by_hand(series, "8-week mean")
        kept = [tried[week] for week in errors[sku]]
        totals.append(sum(total for total, _, _ in kept))
        sums.append(sum(sold for _, _, sold in kept))
        assert found.demand.windows[sku] == len(kept)
        mean = sum(errors[sku].values()) / len(kept)
        assert found.demand.rmsse[sku] == pytest.approx(mean)
        assert found.demand.benchmark_rmsse[sku] == pytest.approx(mean)
    bias = [total / sold - 1 if sold else nan for total, sold in zip(totals, sums, strict=True)]
    assert found.demand.bias.tolist() == pytest.approx(bias, nan_ok=True)
    assert isnan(bias[2])
    chosen, benchmark, other = found.rivals
    assert chosen[1:5] == pytest.approx(benchmark[1:5])
    assert [one.rival for one in found.rivals] == ["chosen per SKU", "8-week mean", bad]
    every = [error for one in errors for error in one.values()]
    pinball = [losses[sku][week] for sku, one in enumerate(errors) for week in one]
    assert chosen.rmsse == pytest.approx(np.mean(every))
    assert chosen.pinball == pytest.approx(np.mean(pinball))
    assert chosen.bias == pytest.approx(sum(totals) / sum(sums) - 1)
    assert chosen.windows == len(every)
    assert (chosen.chosen_for, benchmark.chosen_for, other.chosen_for) == (0, 3, 0)
    assert other.bias == pytest.approx(20 * len(every) / sum(sums) - 1)
    nothing = forecast(np.where(np.arange(30) == 0, 1.0, np.zeros((2, 30))))
    assert {one.bias for one in nothing.rivals} == {None}


def test_intervals_are_quantiles_of_all_past_errors():
    """80% and the service level, in the unit of each SKU, and never below 0."""
    rng = np.random.default_rng(11)
    units = rng.poisson(rng.gamma(1, 3, (12, 1)), (12, 30)).astype(float)
    units[:, 0] = 1.0
    name = "8-week mean"
    demand = forecast(units, rivals={name: RIVALS[name]}, service_level=0.9).demand
    tried = [_tried_by_hand(series, name) for series in units.tolist()]
    scaled = [
        (sold - total) / _unit(total, scale)
        for one in tried
        for week, (total, scale, sold) in one.items()
        if week >= 11 and not isnan(sold)
    ]
    ends = np.quantile(scaled, [0.1, 0.9, 0.9])
    for sku, one in enumerate(tried):
        total, scale, _ = one[29]
        wanted = np.maximum(total + ends * _unit(total, scale), 0)
        found = (demand.forecast_low, demand.forecast_high, demand.service_units)
        assert [each[sku] for each in found] == pytest.approx(wanted)


def test_coverage_is_of_the_last_window_by_those_before_it():
    """Errors of 0 to 24 in four weeks; in the last window, two of four lie at the ends."""
    weeks = 16
    scaled = np.full((25, weeks), nan)
    scaled[:, 4:8] = np.arange(25.0)[:, None]  # 100 errors, complete when the last window begins
    scaled[:, 8:11] = 1e6  # not complete then
    then = weeks - 5
    scaled[:4, then] = 0.0
    low, high = 10 + 2 * 6.0, 10 + 2 * 18.0
    last = np.tile([0.0, 10, 2], (25, 1))
    last[:4, 0] = low, high, low - 1e-6, high + 1e-6
    tails = np.array([0.25, 0.75])
    assert _coverage(last, scaled, tails) == 0.5
    scaled[0, 4] = nan
    assert _coverage(last, scaled, tails) is None  # 99
    assert _coverage(np.zeros((2, 3)), np.zeros((2, 4)), tails) is None
    few = scaled.copy()
    few[0, 4], few[:, then] = 0, nan
    assert _coverage(last, few, tails) is None  # nothing to test


def test_how_many_skus_are_taken_at_a_time_changes_nothing(monkeypatch):
    """Of 23 SKUs of three categories, of which eight are new, all or three at a time.

    Sums over all windows, the scores, differ in their last digit.
    """
    rng = np.random.default_rng(5)
    units = rng.poisson(rng.gamma(1, 4, (23, 1)), (23, 110)).astype(float)
    units[15:, :100], units[3, 40:44] = 0, nan
    units[20:22, :60] = rng.poisson(3, (2, 60))
    categories = np.array([["tea", "mugs", None][sku % 3] for sku in range(23)], dtype=object)

    def found():
        return (
            forecast(units, categories=categories),
            velocity_interval(units, units[:, -8:].mean(axis=1) / 7, length=8),
            variation(units),
        )

    (whole, *others), _ = found(), monkeypatch.setattr(windows, "TOGETHER", 3)
    parts, *others_in_parts = found()
    assert "category start" in whole.demand.rival
    assert parts.coverage == whole.coverage
    pairs = zip((parts.demand, *others_in_parts), (whole.demand, *others), strict=True)
    for one, other in chain.from_iterable(zip(*pair, strict=True) for pair in pairs):
        np.testing.assert_array_equal(one, other)
    for score, other in zip(parts.rivals, whole.rivals, strict=True):
        assert score[1:4] == pytest.approx(other[1:4], rel=1e-12)
        assert (score.rival, *score[4:]) == (other.rival, *other[4:])


def test_forecast_has_no_interval_without_enough_windows():
    """Nineteen windows of one SKU are too few for quantiles: a forecast without interval."""
    found = forecast(np.full((1, 30), 3.0))
    assert found.demand.forecast_units.tolist() == [12]
    assert np.isnan(found.demand.forecast_low).all()
    assert np.isnan(found.demand.service_units).all()
    assert found.coverage is None


def test_forecast_follows_what_stops():
    """The forecast of a SKU that stopped selling decreases, and is never negative."""
    weeks = np.tile([2.0, 0.0, 5.0], (50, 14))
    weeks[0, 22:] = 0
    weeks[1, 36:] = -1  # returns alone
    demand = forecast(weeks).demand
    assert demand.forecast_units[0] < 0.5 < demand.forecast_units[2]
    assert (demand.forecast_low >= 0).all()
    assert (demand.forecast_units >= 0).all()


@pytest.mark.parametrize("rate", [0.3, 3.0, 40.0])
def test_forecast_intervals_cover_known_chance(rate):
    """Poisson demand of many SKUs: 80% of later totals are inside, and 95% below."""
    rng = np.random.default_rng(6)
    units = rng.poisson(rate * rng.gamma(2, 0.5, size=(3_000, 1)), size=(3_000, 44)).astype(float)
    found = forecast(units[:, :40])
    demand, sold = found.demand, units[:, 40:].sum(axis=1)
    given_one = np.isfinite(demand.forecast_low)
    inside = (demand.forecast_low <= sold) & (sold <= demand.forecast_high)
    assert 0.75 <= inside[given_one].mean() <= 0.88  # whole units cannot hold a share exactly
    assert 0.93 <= (sold <= demand.service_units)[given_one].mean() <= 0.98
    assert found.coverage == pytest.approx(0.8, abs=0.08)


def test_forecast_learns_a_season():
    """If the same month has high sales every year, last year is chosen and accurate."""
    rng = np.random.default_rng(7)
    year = np.where(np.arange(52) < 26, 2.0, 30.0)
    weeks = rng.poisson(np.tile(year, 3)[:154], size=(60, 154)).astype(float)
    demand = forecast(weeks[:, :130]).demand
    assert np.isin(demand.rival.tolist(), ("last year", "season")).mean() > 0.9
    assert np.median(demand.forecast_units) == pytest.approx(120, rel=0.15)


@pytest.mark.parametrize(
    "weeks", [[1.0, 2.0], [["a"]], [[float("inf")] * 20], np.empty((2, 0)), [[1.0], [1.0, 2.0]]]
)
def test_forecast_refuses_what_is_no_matrix(weeks):
    """A vector, strings, infinity, no weeks, and rows of different lengths are rejected."""
    with pytest.raises(InputError):
        forecast(weeks)


def test_forecast_takes_no_sku():
    """A shop without stock gives empty arrays."""
    found = forecast(np.empty((0, 30)))
    assert len(found.demand.forecast_units) == 0
    assert found.rivals == ()


def test_velocity_interval_holds_where_customers_buy_several_units():
    """Batches of 1 to 40 units: 90% of the next four weeks are inside, and around the velocity."""
    rng = np.random.default_rng(26)
    orders = rng.poisson(rng.gamma(2, 1.5, size=(400, 1)), size=(400, 56))
    weeks = np.where(orders > 0, orders * rng.integers(1, 40, size=orders.shape), 0).astype(float)
    past, next_days = weeks[:, :52], weeks[:, 52:].sum(axis=1) / 28
    velocity = past[:, -12:].mean(axis=1) / 7
    low, high = velocity_interval(past, velocity, length=12)
    assert ((low <= velocity) & (velocity <= high)).all()
    assert 0.87 <= ((low <= next_days) & (next_days <= high)).mean() <= 0.93
    narrow, wide = velocity_interval(past, velocity, length=12, level=0.5)
    assert ((low <= narrow) & (wide <= high)).all()


@pytest.mark.parametrize("length", [1, 3])
def test_velocity_interval_is_that_of_means_over_its_weeks(length):
    """By loops; a length of 0, of a period below a week, counts as one week."""
    rng = np.random.default_rng(12)
    units = rng.poisson(rng.gamma(2, 2, (6, 1)), (6, 40)).astype(float)
    units[:, 0] = 1.0
    scaled = []
    for series in units:
        for week in range(7, 36):
            total = 4 * series[max(week - length + 1, 0) : week + 1].mean()
            steps = np.diff(series[: week + 1])
            scale = ((steps**2).sum() + 1) / (len(steps) + 1)
            scaled.append((series[week + 1 : week + 5].sum() - total) / _unit(total, scale))
    ends = np.quantile(scaled, [0.05, 0.95])
    velocity = units[:, -4:].mean(axis=1) / 7
    found = np.array(velocity_interval(units, velocity, length=length))
    for sku, series in enumerate(units):
        scale = ((np.diff(series) ** 2).sum() + 1) / 40
        middle = 28 * velocity[sku]
        wanted = np.maximum(middle + ends * _unit(middle, scale), 0) / 28
        assert found[:, sku] == pytest.approx(wanted)
    if length == 1:
        assert (found == velocity_interval(units, velocity, length=0)).all()


def test_velocity_interval_abstains_without_a_past():
    """Too few windows over all SKUs, or an unknown velocity, give no interval."""
    rng = np.random.default_rng(27)
    weeks = rng.poisson(3, size=(20, 52)).astype(float)
    low, high = velocity_interval(weeks[:3, :20], [1, 2, 3], length=12)
    assert np.isnan([low, high]).all()
    low, high = velocity_interval(weeks, [nan] * 19 + [0.4], length=12)
    assert np.isnan([low[:19], high[:19]]).all()
    assert low[19] < 0.4 < high[19]


def test_coverage_knows_nothing_of_its_own_window():
    """Sales ten times as high as ever before are outside: only earlier windows calibrate."""
    rng = np.random.default_rng(8)
    units = rng.poisson(10, size=(300, 24)).astype(float)
    units[:, -4:] *= 10
    assert forecast(units).coverage == 0


def test_a_share_of_nothing_is_not_known():
    """Neither 0 nor what memory happens to hold, below 0 and at 0."""
    shares = _share(np.array([1.0, 2, 3]), np.array([0.0, 4, -1]))
    assert shares == pytest.approx([nan, 0.5, nan], nan_ok=True)
