"""Patterns that would hold up a crawl are found out before it begins, in a process that can be killed."""

from __future__ import annotations

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
    assert SLOW == await trial.slow_one(["/archive/", SLOW, f"{SLOW}Y", "["])     # what comes behind it is not even compiled


async def test_patterns_that_are_quick_pass():
    assert await trial.slow_one([r"\.pdf$", "(?i)/(login|logout)/", r"[?&]page=\d{3,}"]) is None


async def test_a_pattern_is_tried_on_further_texts():
    hard = "b" * 60
    assert (None, "(b+)+c") == (await trial.slow_one(["(b+)+c"]), await trial.slow_one(["(b+)+c"], [hard]))


async def test_a_process_that_cannot_be_started_is_told(monkeypatch):
    monkeypatch.setattr(trial.sys, "executable", "/nowhere/python")
    with pytest.raises(trial.CrawlError, match="No such file"):
        await trial.slow_one(["x"])


@pytest.mark.parametrize("name", ["include", "exclude"])
async def test_a_crawl_with_such_a_pattern_does_not_begin(tmp_path, name):
    """Its parser processes would end one after another, and its seeds would be judged for ever."""
    settings = Settings(**{name: ("/fine/", SLOW)})
    seeds = [Seed("http://127.0.0.1:1/", Options(), "test", 1)]

    for one in (Crawler(settings, output=tmp_path / "out", seeds=seeds), Planner(settings, seeds)):
        with pytest.raises(WrongSettings, match=f"{name} .*takes too long over a URL"):
            await one.run()

    assert not (tmp_path / "out").exists()
