"""Patterns that would hold up a crawl are found out before it begins, in a process that can be killed."""

from __future__ import annotations

import sys

import pytest

from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import Crawler, trial
from crawler.engine.planning import Planner
from crawler.fetch.routes import WrongSettings

SLOW = "^(([a-z0-9/:.-])+)+X"
"""Tries every way to part a URL: 2 to the power of its length."""


@pytest.fixture(autouse=True)
def _little_patience(monkeypatch) -> None:
    monkeypatch.setattr(trial, "BUDGET", 0.1)


async def test_the_first_pattern_that_is_slow_is_named():
    assert SLOW == await trial.slow_one(["/archive/", SLOW, f"{SLOW}Y", "[+"])     # what comes behind it is not even compiled


async def test_patterns_that_are_quick_pass():
    assert await trial.slow_one([r"\.pdf$", "(?i)/(login|logout)/", r"[?&]page=\d{3,}"]) is None


@pytest.mark.parametrize("pattern", ["/tag/([a-z]+-?)+$", r"(_+)+\.php", "(x+x+)+y", r"^https?://shop\.test/(?:[a-z]+/?)+$"])
async def test_what_only_goes_far_behind_its_own_words_or_host_is_found_out(pattern):
    assert pattern == await trial.slow_one(["/fine/", pattern], ["http://shop.test/"])


async def test_a_pattern_is_tried_on_urls_of_the_crawl():
    greedy, hard = r"([^\W\d_a-zA-Z]+)+c", "http://host.test/" + "\u00e9" * 60
    assert (None, greedy) == (await trial.slow_one([greedy]), await trial.slow_one([greedy], [hard]))


async def test_a_hundred_thousand_plain_patterns_need_no_trial(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert await trial.slow_one([f"^https://www{number}[.]example[.]org/" for number in range(100_000)]) is None


async def test_what_could_not_be_tried_is_not_called_slow(monkeypatch):
    monkeypatch.setattr(trial, "DEADLINE", 0.01)
    with pytest.raises(trial.CrawlError, match="1 pattern could not be tried within"):
        await trial.slow_one(["a+"])
    monkeypatch.undo()
    with pytest.raises(trial.CrawlError, match="ended with 1"):
        await trial.slow_one(["(+"])
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(trial.CrawlError, match="No such file"):
        await trial.slow_one(["x*"])


@pytest.mark.parametrize("name", ["include", "exclude"])
async def test_a_crawl_with_such_a_pattern_does_not_begin(tmp_path, name):
    """Its parser processes would end one after another, and its seeds would be judged for ever."""
    settings = Settings(**{name: ("/fine/", SLOW)})
    seeds = [Seed("http://127.0.0.1:1/", Options(), "test", 1)]

    for one in (Crawler(settings, output=tmp_path / "out", seeds=seeds), Planner(settings, seeds)):
        with pytest.raises(WrongSettings, match=f"{name} .*takes too long over a URL"):
            await one.run()

    assert not (tmp_path / "out").exists()
