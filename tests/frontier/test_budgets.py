"""How many URLs of a host and of a site may enter, and how many hosts of a site: judged where URLs are written."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crawler.core import urls
from crawler.core.model import Kind, Link, Reason, Rejected, Request
from crawler.frontier import budgets
from crawler.frontier.sqlite import SqliteFrontier


def request(url: str, kind: Kind = Kind.A, depth: int = 1) -> Request:
    origin = urls.split(url)[0]
    return Request(url, origin, urls.host_of(origin), kind, depth, depth)


def pages(host: str, count: int, first: int = 0) -> list[Request]:
    return [request(f"http://{host}/{n}") for n in range(first, first + count)]


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "crawl.db"


@pytest.fixture
async def frontier(path):
    async with SqliteFrontier.open(path, durability="normal") as one:
        yield one


def judged(path: Path) -> dict[str, tuple[str, str | None]]:
    """Return URL without scheme -> (state, rule)."""
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT url, state, reason, rule FROM urls").fetchall()
    db.close()
    return {url.removeprefix("http://"): (state if reason is None else reason, rule) for url, state, reason, rule in rows}


def let_in(path: Path) -> list[str]:
    return sorted(url for url, (state, _) in judged(path).items() if state == "queued")


async def test_without_limits_everything_enters_and_the_database_is_not_asked(frontier, path, monkeypatch):
    async def asked(self, key):
        raise AssertionError(key)

    monkeypatch.setattr(budgets.Budgets, "_host", asked)
    monkeypatch.setattr(budgets.Budgets, "_site", asked)
    await frontier.add([request("http://a.site.test/x"), request("http://b.site.test/x")])
    assert ["a.site.test/x", "b.site.test/x"] == let_in(path)


async def test_a_host_is_full_after_so_many_urls_and_the_rule_says_so(frontier, path):
    frontier.writer.budgets.per_host = 2
    await frontier.add([*pages("a.site.test", 3), *pages("b.site.test", 1)])
    assert ["a.site.test/0", "a.site.test/1", "b.site.test/0"] == let_in(path)
    assert ("limit", "more than 2 URLs of one host (--max-per-host)") == judged(path)["a.site.test/2"]


async def test_a_site_is_full_after_so_many_urls_of_all_its_hosts(frontier, path):
    frontier.writer.budgets.per_site = 3
    await frontier.add([*pages("a.site.test", 2), *pages("b.site.test", 2), *pages("a.other.test", 1)])
    assert ["a.other.test/0", "a.site.test/0", "a.site.test/1", "b.site.test/0"] == let_in(path)
    assert ("limit", "more than 3 URLs of site.test (--max-per-site)") == judged(path)["b.site.test/1"]


async def test_a_site_has_room_for_so_many_hosts_and_those_that_are_in_go_on(frontier, path):
    frontier.writer.budgets.hosts_per_site = 2
    await frontier.add([request(f"http://{host}.site.test/0") for host in "abc"])
    await frontier.add([*pages("a.site.test", 2, 1), *pages("c.site.test", 1, 1), *pages("a.other.test", 1)])
    assert ["a.other.test/0", "a.site.test/0", "a.site.test/1", "a.site.test/2", "b.site.test/0"] == let_in(path)
    rule = "more than 2 hosts of site.test (--max-hosts-per-site)"
    assert [("trap", rule)] * 2 == [judged(path)[f"c.site.test/{n}"] for n in (0, 1)]


async def test_many_urls_of_a_new_host_in_one_batch_count_as_one_host(frontier, path):
    frontier.writer.budgets.hosts_per_site = 2
    await frontier.add([*pages("a.site.test", 5), *pages("b.site.test", 5), *pages("c.site.test", 5)])
    assert {"a.site.test", "b.site.test"} == {url.partition("/")[0] for url in let_in(path)}
    assert 10 == len(let_in(path))


async def test_the_count_goes_on_when_the_database_is_opened_again(path):
    for first in (0, 10):
        async with SqliteFrontier.open(path, durability="normal") as one:
            one.writer.budgets.per_host, one.writer.budgets.per_site, one.writer.budgets.hosts_per_site = 3, 4, 2
            await one.add([*pages("a.site.test", 2, first), request(f"http://{'bc'[first // 10]}.site.test/0")])
    assert ["a.site.test/0", "a.site.test/1", "a.site.test/10", "b.site.test/0"] == let_in(path)


async def test_what_was_visited_or_failed_counts_like_what_waits(frontier, path):
    await frontier.add(pages("a.site.test", 2))
    await frontier.writer.db.execute("UPDATE host SET queued = 0, done = 1, failed = 1")
    frontier.writer.budgets.per_host = 2
    await frontier.add(pages("a.site.test", 1, 2))
    assert "limit" == judged(path)["a.site.test/2"][0]


async def test_seeds_enter_whatever_the_budgets_and_count_for_their_host_and_site(path):
    async with SqliteFrontier.open(path, durability="normal") as one:
        one.writer.budgets.per_host, one.writer.budgets.hosts_per_site = 2, 1
        await one.add([request(f"http://{host}.site.test/{n}", Kind.SEED, 0) for host in "ab" for n in range(3)])
        await one.add([*pages("a.site.test", 1, 9), *pages("c.site.test", 1)])
    assert [f"{host}.site.test/{n}" for host in "ab" for n in range(3)] == let_in(path)
    assert ("limit", "trap") == (judged(path)["a.site.test/9"][0], judged(path)["c.site.test/0"][0])


async def test_what_is_refused_for_another_reason_uses_up_no_budget(frontier, path):
    frontier.writer.budgets.per_host = 1
    link = Link("http://a.site.test/no", Kind.A, 1)
    await frontier.add([Rejected(link, Reason.SCOPE, "exclude no"), *pages("a.site.test", 1)])
    assert ["a.site.test/0"] == let_in(path)
    assert ("scope", "exclude no") == judged(path)["a.site.test/no"]


async def test_the_same_url_again_uses_up_no_budget(frontier, path):
    frontier.writer.budgets.per_host = 2
    for _ in range(3):
        await frontier.add(pages("a.site.test", 1))
    await frontier.add(pages("a.site.test", 1, 1))
    assert ["a.site.test/0", "a.site.test/1"] == let_in(path)


async def test_what_a_budget_refused_stays_out_when_it_is_offered_again(path):
    """In the same run memory answers; in the next one the database does, and a shorter way is an offer of its own."""
    for depth in (2, 2, 1):
        async with SqliteFrontier.open(path, durability="normal") as one:
            one.writer.budgets.per_host, one.writer.budgets.hosts_per_site = 1, 1
            await one.add([request(f"http://{url}", depth=depth) for url in ("a.site.test/0", "a.site.test/1", "b.site.test/0")])
            assert {"a.site.test/0": "queued", "a.site.test/1": "limit", "b.site.test/0": "trap"} == {url: word for url, (word, _) in judged(path).items()}


async def test_what_a_budget_refused_stays_out_when_a_shorter_way_to_it_is_found(frontier, path):
    frontier.writer.budgets.hosts_per_site = 1
    for depth in (2, 1):
        await frontier.add([request(f"http://{host}.site.test/0", depth=depth) for host in "ab"])
    assert ["a.site.test/0"] == let_in(path)


async def test_what_is_let_in_by_a_better_offer_uses_up_budget(frontier, path):
    frontier.writer.budgets.per_host = 2
    refused = [Rejected(Link(entry.url, Kind.IMG, 1), Reason.SCOPE, "kind img") for entry in pages("a.site.test", 3)]
    await frontier.add(refused)
    await frontier.add(pages("a.site.test", 3))
    await frontier.add(pages("a.site.test", 3, 3))
    assert 2 == len(let_in(path))


async def test_a_batch_that_fails_uses_up_no_budget(frontier, path, monkeypatch):
    frontier.writer.budgets.per_host, frontier.writer.budgets.per_site = 2, 2
    await frontier.add(pages("a.site.test", 1))

    async def fails(*_):
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(frontier.writer, "_link", fails)
        with pytest.raises(ZeroDivisionError):
            await frontier.add(pages("a.site.test", 1, 1))
    await frontier.add(pages("a.site.test", 1, 2))
    assert ["a.site.test/0", "a.site.test/2"] == let_in(path)


async def test_hosts_beyond_what_memory_holds_are_counted_from_the_database(frontier, path, monkeypatch):
    monkeypatch.setattr(budgets, "MOST_REMEMBERED", 3)
    frontier.writer.budgets.per_host, frontier.writer.budgets.hosts_per_site = 1, 1_000
    for n in range(2):
        for host in range(12):
            await frontier.add([request(f"http://h{host}.site.test/{n}")])
    assert sorted(f"h{host}.site.test/0" for host in range(12)) == let_in(path)


async def test_refusals_of_a_budget_are_counted_only_beyond_so_many_rows(frontier, path, monkeypatch):
    from crawler.frontier import origins

    monkeypatch.setattr(origins, "UNRECORDED_AFTER", 3)
    frontier.writer.budgets.per_host = 1
    await frontier.add(pages("a.site.test", 10))
    assert 4 == len(judged(path))
    assert [(3, 6)] == list(map(tuple, await frontier.writer.db.execute_fetchall("SELECT excluded, unrecorded FROM host")))
