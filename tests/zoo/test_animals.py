"""Every animal of the zoo met alone: what becomes of its URLs is what the register says."""

from __future__ import annotations

import pytest

from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import Crawler

from . import oracle
from .animal import ANIMALS, DENIED

NUMBERS = sorted(set(ANIMALS) - {200})
ENDS = {"finished": 0, "parked": 7}
SHORT = {
    "delay": 0, "tries": 1, "timeout": 3.0, "connect_timeout": 1.0, "dns_timeout": 1.0, "header_timeout": 1.0, "read_timeout": 1.0,
    "max_size": 8 << 20, "max_rest": 20.0, "min_free": 0, "parsers": 1, "deny_net": (DENIED,), "allow_net": ("127.44.0.0/16", "127.46.0.0/16"),
}  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS, ids=[f"Z{number:02}-{ANIMALS[number].name.replace(' ', '-')}" for number in NUMBERS])
async def test_what_becomes_of_an_animal_is_what_the_register_says(zoo, tmp_path, number):
    cage = zoo.cages[number]
    folder = tmp_path / "crawl"
    seeds = [Seed(url, Options(**cage.animal.options), "zoo", line) for line, url in enumerate(cage.seeds, 1)]
    given = {name: tuple(one.format(port=cage.port) for one in value) if isinstance(value, tuple) else value for name, value in cage.animal.settings.items()}
    summary = await Crawler(Settings(**{**SHORT, **given}), output=folder, seeds=seeds).run()
    if cage.animal.again:
        summary = await Crawler(Settings(**{**SHORT, **given}, recrawl=0.0), output=folder, seeds=seeds).run()
    seen = oracle.Seen(folder)
    oracle.check_outcomes(cage, seen)
    oracle.check_bodies([cage], seen)
    oracle.check_files(folder)
    if cage.animal.check:
        cage.animal.check(cage, seen)
    assert (7 if cage.animal.exit_code == 7 else 0) == ENDS[summary.outcome]
    assert [] == zoo.canary


def test_all_sixty_four_behaviours_are_in_the_zoo():
    assert set(range(1, 65)) <= set(ANIMALS)
