"""Rates of now, trends and ends that are foretold only when that is honest; the clock is an argument."""

from __future__ import annotations

from crawler.core.metrics import TREND_OVER, Fold

START = 1000.0


def test_rates_are_over_the_last_ten_seconds_only():
    fold = Fold(START)
    fold.settled(START + 1, 1000, 10_000)
    fold.settled(START + 95, 30, 2_000)
    fold.settled(START + 100, 20, 3_000)

    assert (5.0, 500.0) == fold.rates(START + 100)
    assert (2.0, 300.0) == fold.rates(START + 105.5)
    assert (0.0, 0.0) == fold.rates(START + 200)


def test_the_rate_of_a_young_crawl_is_over_its_age():
    fold = Fold(START)
    fold.settled(START + 2, 10, 100)

    assert (5.0, 50.0) == fold.rates(START + 2)


def test_a_rate_at_the_very_start_is_finite():
    fold = Fold(START)
    assert (0.0, 0.0) == fold.rates(START)

    fold.settled(START, 1, 1)

    assert fold.rates(START)[0] < 10_000


def test_pages_and_bytes_of_the_run_are_summed():
    fold = Fold(START)
    for number in range(5):
        fold.settled(START + 60 * number, 2, 7)

    assert (10, 35) == (fold.run_pages, fold.bytes)


def test_errors_and_skips_are_counted_by_their_word():
    fold = Fold(START)
    for word in ("404", "dns", "404"):
        fold.error(word)
    fold.skip("robots")

    assert [("404", 2), ("dns", 1)] == fold.errors.most_common()
    assert {"robots": 1} == fold.skipped


def test_the_trend_compares_with_a_few_seconds_ago():
    fold = Fold(START)
    assert 0 == fold.trend(5)
    for second in range(100):
        fold.frontier(START + second, 1000 - second)
    then = 1000 - (99 - int(TREND_OVER))

    assert [-1, 0, 1] == [fold.trend(then - 1), fold.trend(then), fold.trend(then + 1)]


def test_the_length_of_the_frontier_is_remembered_once_a_second_and_not_for_ever():
    fold = Fold(START)
    for tick in range(10_000):
        fold.frontier(START + tick / 10, tick)

    assert 32 >= len(fold._frontier) >= 30


def shrinking(seconds: int) -> Fold:
    fold = Fold(START)
    for second in range(seconds + 1):
        fold.settled(START + second, 2, 100)
        fold.frontier(START + second, 1000 - 2 * second)
    return fold


def test_the_end_is_foretold_once_the_frontier_has_shrunk_for_half_a_minute():
    assert None is shrinking(29).eta(START + 29, 942, 58, None)
    fold = shrinking(60)
    rate = fold.rates(START + 60)[0]

    assert 880 / rate == fold.eta(START + 60, 880, 120, None)


def test_a_frontier_that_grew_once_foretells_nothing():
    fold = shrinking(50)
    fold.frontier(START + 51, 5000)
    fold.frontier(START + 52, 4000)

    assert None is fold.eta(START + 52, 4000, 100, None)


def test_a_page_limit_within_reach_foretells_the_end_at_once():
    fold = Fold(START)
    fold.settled(START + 1, 10, 0)

    assert 9.0 == fold.eta(START + 1, 500, 10, 100)
    assert 0.0 == fold.eta(START + 1, 500, 200, 100)
    assert None is fold.eta(START + 1, 50, 10, 100)


def test_without_progress_nothing_is_foretold():
    fold = shrinking(60)

    assert None is fold.eta(START + 200, 880, 120, 1000)
    assert None is Fold(START).eta(START, 10, 0, 5)
