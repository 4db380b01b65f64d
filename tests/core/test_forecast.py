"""Where a crawl goes, from its samples: rates, verdicts on the frontier, and ends that can be foretold."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from crawler.core import forecast
from crawler.core.forecast import Eta, NoEta, Point, Queue, Trend, Until


def course(seconds: float, *, answers: float, found: float, queued: int = 1_000, step: float = 10.0, pages: float | None = None):
    """Return the samples of a crawl that answers and finds so many URLs a second."""
    return [
        Point(
            number * step, round(number * step * (answers if pages is None else pages)), round(queued + number * step * (found - answers)),
            round(number * step * answers), 0, round(number * step * answers * 1_000),
        )
        for number in range(int(seconds / step) + 1)
    ]  # fmt: skip


# --- rates --------------------------------------------------------------------------------------------------------


def test_rates_are_those_of_the_last_minute_and_of_the_whole_run():
    points = [*course(600, answers=2, found=2), Point(660, 1200 + 60, 1_000, 1200 + 60, 0, 1_260_000)]

    assert forecast.Rates(60, 1, 1, 1_000) == forecast.rates(points, 60)
    assert pytest.approx((660, 1260 / 660)) == (forecast.rates(points).seconds, forecast.rates(points).pages)


def test_a_moment_without_the_bytes_tells_the_other_rates():
    """While a crawl runs its counters are newer than its last sample."""
    points = [*course(60, answers=2, found=2), Point(65, 130, 1_000, 130, 0)]
    found = forecast.rates(points)

    assert (65, 2, 2000) == (found.seconds, found.pages, found.bytes)


@pytest.mark.parametrize("points", [[], [Point(5, 1, 1, 1, 0, 0)], [Point(5, 1, 1, 1, 0, 0), Point(5, 2, 1, 2, 0, 0)]])
def test_one_moment_says_nothing(points):
    assert forecast.rates(points) is None
    assert forecast.growth(points) is None
    assert NoEta("it is too early to say", 7.0) == forecast.eta(points, waiting=1, bound=7.0)


# --- verdicts -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "found", "trend"),
    [(2, 1, Trend.CONVERGING), (2, 6, Trend.GROWING), (2, 2, Trend.STEADY), (2, 2.05, Trend.STEADY), (0, 0, Trend.STILL), (0, 1, Trend.GROWING)],
)
def test_a_frontier_is_judged_by_how_many_urls_each_answer_brings(answers, found, trend):
    verdict = forecast.judged(course(600, answers=answers, found=found))

    assert trend is verdict.trend
    assert (300 * answers, 300 * found) == (verdict.answered, verdict.found)


def test_what_it_did_lately_counts_more_than_how_it_began():
    """Every crawl grows first."""
    points = course(600, answers=2, found=10)
    last = points[-1]
    points += [Point(last.at + second, 0, last.queued - second, last.done + 2 * second, 0, 0) for second in range(10, 310, 10)]

    assert Trend.CONVERGING is forecast.judged(points).trend
    assert Trend.GROWING is forecast.growth(points).trend


def test_a_short_run_is_judged_by_its_later_half():
    """A sitemap brings thousands of URLs in the first seconds, and nothing afterwards."""
    points = [Point(0, 0, 1, 0, 0), Point(10, 20, 5_000, 20, 0), *(Point(at, 5 * at, 5_000 - 5 * at, 5 * at, 0) for at in range(20, 50, 10))]

    assert Trend.CONVERGING is forecast.judged(points).trend


def test_a_slow_crawl_is_judged_by_its_whole_run():
    """One answer a minute says nothing within five minutes, but something within an hour."""
    verdict = forecast.judged(course(3_600, answers=1 / 60, found=0, step=60))

    assert (Trend.CONVERGING, 3_600) == (verdict.trend, verdict.seconds)


def test_it_is_too_early_in_the_first_seconds_and_over_when_nothing_waits():
    assert Trend.UNKNOWN is forecast.judged(course(10, answers=50, found=0, step=5)).trend
    assert Trend.EMPTY is forecast.judged(course(10, answers=100, found=0)).trend


counters = some.integers(0, 10**9)
points_at = some.builds(Point, some.floats(0, 1e9), counters, counters, counters, counters, some.none() | counters)
any_points = some.lists(points_at, max_size=30).map(lambda points: sorted(points, key=lambda point: point.at))


@given(any_points, some.floats(0, 1e6))
def test_whatever_the_counters_say_rates_are_not_negative_and_the_balance_holds(points, seconds):
    """Counters can go back: what is tried again by hand is not done any more."""
    speed, change = forecast.rates(points, seconds), forecast.growth(points, seconds)

    assert (speed is None) == (change is None)
    if speed is not None:
        assert min(speed.pages, speed.answers, speed.bytes or 0) >= 0
        assert change.found >= 0
        assert change.found >= change.after - change.before + change.answered


# --- ends ---------------------------------------------------------------------------------------------------------


def test_a_frontier_that_drains_ends_between_all_answers_and_what_it_shrank_by():
    """400 URLs wait: at 2 answers a second and nothing new 200 s, at one fewer each second 400 s."""
    assert Eta(200, 400, Until.END) == forecast.eta(course(600, answers=2, found=1), waiting=400)


def test_politeness_is_a_lower_bound():
    assert Eta(3_000, 3_000, Until.END) == forecast.eta(course(600, answers=2, found=1), waiting=400, bound=3_000)


def test_a_frontier_that_grows_has_no_end():
    assert NoEta("the frontier grows", 90) == forecast.eta(course(600, answers=1, found=9), waiting=5_000, bound=90)
    assert NoEta("about as many URLs are found as are answered") == forecast.eta(course(600, answers=1, found=1), waiting=5_000)
    assert NoEta("nothing was answered lately") == forecast.eta(course(600, answers=0, found=0), waiting=5_000)


def test_the_last_minute_can_take_the_upper_end_away():
    """It converged for five minutes, and now it does not."""
    points = course(600, answers=2, found=1, queued=4_000)
    last = points[-1]
    points += [Point(last.at + second, 0, last.queued + second, last.done + second, 0, 0) for second in (30, 60)]

    assert None is forecast.eta(points, waiting=400).high


def test_limits_end_what_would_go_on_for_ever():
    """The nearer one is named."""
    growing = course(600, answers=2, found=9)

    assert Eta(500, 500, Until.PAGES) == forecast.eta(growing, waiting=5_000, pages_left=1_000)
    assert Eta(60, 60, Until.TIME) == forecast.eta(growing, waiting=5_000, pages_left=1_000, time_left=60)
    assert Eta(0, 0, Until.PAGES) == forecast.eta(growing, waiting=5_000, pages_left=0)
    assert Eta(30, 60, Until.TIME) == forecast.eta([], waiting=5_000, bound=30, time_left=60)


def test_nothing_that_waits_is_the_end():
    assert Eta(0, 0, Until.END) == forecast.eta([], waiting=0)


@given(
    any_points, some.integers(0, 10**9), some.floats(0, 1e9), some.none() | some.integers(-5, 10**9),
    some.none() | some.floats(-10, 1e9),
)  # fmt: skip
def test_an_end_is_a_range_that_limits_hold(points, waiting, bound, pages_left, time_left):
    end = forecast.eta(points, waiting=waiting, bound=bound, pages_left=pages_left, time_left=time_left)

    if isinstance(end, NoEta):
        assert time_left is None
    else:
        assert 0 <= end.low <= (math.inf if end.high is None else end.high)
        assert time_left is None or end.high <= max(time_left, 0)
        assert waiting == 0 or pages_left is not None or time_left is not None or end.low >= bound


@given(some.integers(10, 500), some.floats(0, 0.9), some.integers(100, 10_000))
def test_a_crawl_that_drains_steadily_ends_within_its_range(answers, share, waiting):
    """The true end of an even course: every second so many answers, each with a constant share of new URLs."""
    points = [
        Point(float(second), 0, 10**7 - round(second * answers * (1 - share)), second * answers, 0, 0) for second in range(0, 610, 10)
    ]
    end = forecast.eta(points, waiting=waiting)
    truth = waiting / (answers * (1 - share))

    assert end.low * 0.99 <= truth
    assert end.high >= truth * 0.98


# --- politeness ---------------------------------------------------------------------------------------------------


def test_the_gap_is_the_crawl_delay_then_the_setting_then_the_pace():
    assert 7 == forecast.gap(0.2, crawl_delay=7, delay=2)
    assert 9 == forecast.gap(0.2, crawl_delay=7, delay=9)
    assert 0 == forecast.gap(0.2, crawl_delay=None, delay=0)
    assert 0.2 == forecast.gap(0.2, crawl_delay=None, delay=None)
    assert 1.0 == forecast.gap(None, crawl_delay=None, delay=None)


def test_the_slowest_host_is_not_the_one_with_the_longest_queue():
    """Nor does a host count at which nothing waits, however long it rests."""
    many, few, none = Queue("many", 1_000, 0.2), Queue("few", 100, 5.0, wait=3.0), Queue("none", 0, 60.0, wait=9e9)

    assert few is forecast.slowest([many, few, none])
    assert 3 + 99 * 5 == few.seconds
    assert None is forecast.slowest([none])


def test_a_fixed_pace_takes_its_time_and_an_adaptive_one_between_its_best_and_its_first():
    assert (180.0, 180.0) == forecast.duration(10, crawl_delay=20, delay=None)
    assert (18.0, 18.0) == forecast.duration(10, crawl_delay=None, delay=2)
    assert (0, 0) == forecast.duration(10, crawl_delay=None, delay=0)
    low, high = forecast.duration(1_001, crawl_delay=None, delay=None)
    assert pytest.approx((205, 1_000), rel=0.02) == (low, high)
    assert (0, 0) == forecast.duration(1, crawl_delay=None, delay=None)


@given(some.integers(0, 10**6), some.none() | some.floats(0, 60), some.none() | some.floats(0, 3_600))
def test_more_requests_never_take_less_time(requests, crawl_delay, delay):
    low, high = forecast.duration(requests, crawl_delay=crawl_delay, delay=delay)
    longer = forecast.duration(requests + 1, crawl_delay=crawl_delay, delay=delay)

    assert 0 <= low <= high
    assert low <= longer[0]
    assert high <= longer[1]
