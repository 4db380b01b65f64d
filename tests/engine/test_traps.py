"""Whole crawls of sites without an end: they end by themselves, what is honest is found, and what was left out is told."""

from __future__ import annotations

import hashlib
import itertools
import socket

import pytest
from aiohttp import web

from crawler.fetch.resolver import ThreadResolver
from crawler.hooks import Notice
from crawler.query import named

HONEST = 300
SAME = "appointments of this month: there are none to be seen here, look at the next month"


def page(*targets: str, text: str = "", more: str = "") -> str:
    return f"<!doctype html><title>t</title>{more}<p>{text}</p>" + "".join(f'<a href="{target}">x</a>' for target in targets)


def words(name: str) -> str:
    """Return a text that no other page has; words are of letters, for numbers do not count."""
    letters = "".join(hashlib.sha256(f"{name} {n}".encode()).hexdigest() for n in range(4))
    return " ".join("".join(chr(ord("a") + int(letter, 16)) for letter in letters[at : at + 6]) for at in range(0, len(letters), 6))


class Pages(dict):
    """What is answered to a path; what is not there is made by `otherwise`."""

    otherwise = None

    def get(self, path, default=None):
        return self[path] if path in self else default if self.otherwise is None or path == "/robots.txt" else self.otherwise(path)


@pytest.fixture
def endless(site):
    """A site of 300 honest pages below /p/, and whatever its `otherwise` makes up."""
    site.pages = Pages({f"/p/{n}": page(*(f"/p/{m}" for m in (2 * n + 1, 2 * n + 2) if m < HONEST), text=words(f"page {n}")) for n in range(HONEST)})
    return site


def calendar(path: str) -> str:
    year, month = map(int, path.strip("/").split("/"))
    return page(f"/{year + month // 12}/{month % 12 + 1}", text=SAME)


def asked_honest(site) -> int:
    return sum(times == 1 for path, times in site.counts.items() if path.startswith("/p/"))


def asked_trap(site) -> list[str]:
    return [path for path in site.counts if path != "/" and not path.startswith("/p/")]


def traps(crawl) -> list[dict[str, object]]:
    names = ("pattern", "damped", "pages", "alike", "left_out", "since", "rule", "undo")
    return [dict(zip(names, row, strict=True)) for row in crawl.query(named.find("traps").sql)]


def refused(crawl, reason: str) -> list[tuple[str, str]]:
    return crawl.query(f"SELECT url, rule FROM urls WHERE state = 'excluded' AND reason = '{reason}' ORDER BY url")


# --- pages that are all alike ------------------------------------------------------------------------------------------


async def test_a_calendar_without_end_ends_by_itself_and_everything_honest_beside_it_is_found(endless, crawl):
    endless.pages.otherwise = calendar
    endless.pages["/"] = page("/2026/1", "/p/0")
    summary = await crawl(endless.url("/"), max_alike=50)
    assert ("finished", HONEST) == (summary.outcome, asked_honest(endless))
    assert 50 < len(asked_trap(endless)) < 60
    [(pattern, alike, damped)] = crawl.query("SELECT pattern, alike, damped FROM pattern")
    assert ("127.0.0.1", "closed") == (pattern.partition(":")[0], damped)
    assert alike >= 50
    [(url, rule)] = refused(crawl, "trap")
    assert (url.rpartition(":")[2].partition("/")[2].count("/"), f"the pages of {pattern} are all alike; --undamp lets it in") == (1, rule)
    [found] = [row for row in traps(crawl) if row["pattern"] == pattern]
    assert ("closed", alike, 1, f"--undamp '{pattern}'") == (found["damped"], found["alike"], found["left_out"], found["undo"])
    [notice] = [event.text for event in crawl.of(Notice)]
    assert f"of {pattern} are alike: the rest is left out; --undamp '{pattern}' lets it in" in notice


async def test_session_ids_in_paths_without_end_end_by_themselves(endless, crawl):
    """Each page leads to three more, each below a token of its own: what waits when the family is closed is left out, too."""
    numbers = itertools.count()

    def tokens(path: str) -> str:
        return page(*(f"/s/{hashlib.sha256(str(next(numbers)).encode()).hexdigest()[:32]}/page.html" for _ in range(3)), text=SAME)

    endless.pages.otherwise = tokens
    endless.pages["/"] = page("/s/" + "0f" * 16 + "/page.html", "/p/0")
    summary = await crawl(endless.url("/"), max_alike=250)
    assert ("finished", HONEST) == (summary.outcome, asked_honest(endless))
    [(pattern, damped)] = crawl.query("SELECT pattern, damped FROM pattern")
    assert (f"127.0.0.1:{endless.port}/s/T/*.html", "closed") == (pattern, damped)
    assert 50 < len(asked_trap(endless)) < 50 + 64 + 16, "families of tokens have a fifth of the budget"
    assert {f"the pages of {pattern} are all alike; --undamp lets it in"} == {rule for _, rule in refused(crawl, "trap")}
    assert len(refused(crawl, "trap")) > 50


async def test_a_large_family_of_different_pages_is_no_trap(endless, crawl):
    summary = await crawl(endless.url("/p/0"), max_alike=50)
    assert (HONEST, []) == (summary.pages, crawl.query("SELECT * FROM pattern"))


async def test_the_count_goes_on_in_the_next_run(endless, crawl):
    endless.pages.otherwise = calendar
    await crawl(endless.url("/2026/1"), max_alike=250, max_pages=200, concurrency=1)
    assert [(200, None)] == crawl.query("SELECT pages, damped FROM pattern")
    summary = await crawl(max_alike=250)
    assert "finished" == summary.outcome
    assert 250 < len(asked_trap(endless)) < 265
    assert [("closed",)] == crawl.query("SELECT damped FROM pattern")


async def test_a_count_below_a_hundred_goes_on_too_where_the_limit_is_that_low(endless, crawl):
    endless.pages.otherwise = calendar
    for most in (30, 60, 90, 120):
        summary = await crawl(endless.url("/2026/1"), max_alike=50, max_pages=most)
    assert "finished" == summary.outcome
    assert len(asked_trap(endless)) < 80


async def test_a_closed_pattern_stays_closed_in_the_next_run(endless, crawl):
    endless.pages.otherwise = calendar
    endless.pages["/"] = page("/2026/1", "/p/0")
    await crawl(endless.url("/"), max_alike=50)
    before = len(asked_trap(endless))
    await crawl(endless.url("/1999/1"), exclude=("nothing",), max_alike=50)
    assert before + 1 == len(asked_trap(endless)), "the seed alone: seeds are always asked for"


async def test_a_closed_pattern_of_tokens_stays_closed_in_the_next_run(endless, crawl):
    """It has a fifth of the budget, in every run."""
    numbers = itertools.count()
    endless.pages.otherwise = lambda path: page(f"/s/{hashlib.sha256(str(next(numbers)).encode()).hexdigest()[:32]}/page.html", text=SAME)
    await crawl(endless.url("/s/" + "0f" * 16 + "/page.html"), max_alike=250)
    before = len(asked_trap(endless))
    await crawl(exclude=("nothing",), max_alike=250)
    assert before == len(asked_trap(endless))


async def test_a_pattern_is_let_in_again_at_resume(endless, crawl):
    endless.pages.otherwise = calendar
    await crawl(endless.url("/2026/1"), max_alike=50)
    before = len(asked_trap(endless))
    [(pattern,)] = crawl.query("SELECT pattern FROM pattern")
    summary = await crawl(max_alike=50, undamp=(pattern,), max_pages=before + 100)
    assert ("limit", before + 100) == (summary.outcome, len(asked_trap(endless)))
    assert [] == crawl.query("SELECT * FROM pattern")


async def test_all_patterns_are_let_in_again_at_resume(endless, crawl):
    endless.pages.otherwise = calendar
    await crawl(endless.url("/2026/1"), max_alike=50)
    before = len(asked_trap(endless))
    await crawl(max_alike=50, undamp=("all",), max_pages=before + 100)
    assert before + 100 == len(asked_trap(endless))


async def test_a_raised_limit_lets_in_at_resume_what_was_left_out_as_alike(endless, crawl):
    endless.pages.otherwise = calendar
    await crawl(endless.url("/2026/1"), max_alike=50)
    await crawl(max_alike=150)
    assert 150 < len(asked_trap(endless)) < 170
    assert [("closed",)] == crawl.query("SELECT damped FROM pattern")


async def test_a_pattern_whose_pages_are_alike_comes_last_in_its_host_and_not_beyond_a_depth(endless, crawl, monkeypatch):
    from crawler.core import patterns, scope
    from crawler.engine import novelty

    monkeypatch.setattr(patterns, "ALIKE_FROM", 20)
    monkeypatch.setattr(scope, "ALIKE_DEPTH", 40)
    monkeypatch.setattr(novelty, "ALIKE_DEPTH", 40)
    endless.pages.otherwise = calendar
    endless.pages["/"] = page("/2026/1")
    endless.pages["/2027/6"] = page("/2027/7", "/p/0", text=SAME)
    summary = await crawl(endless.url("/"), concurrency=1)
    assert ("finished", HONEST) == (summary.outcome, asked_honest(endless))
    assert [("alike",)] == crawl.query("SELECT damped FROM pattern")
    order = [path for path in endless.asked if path != "/robots.txt"]
    late = [path for path in order[order.index("/p/299") :] if not path.startswith("/p/")]
    assert len(late) > 10, "months came before the honest pages that were found at the same time"
    [(_, rule)] = refused(crawl, "trap")
    assert f"the pages of 127.0.0.1:{endless.port}/N/* are all alike, and depth 41 is beyond 40; --undamp lets it in" == rule


async def test_what_is_alike_on_hosts_that_no_seed_names_counts_for_their_site(endless, crawl, names):
    """A new host name with every page (wildcard DNS) is one family."""
    numbers = itertools.count()
    endless.pages.otherwise = lambda path: page(f"http://h{next(numbers)}.site.test:{endless.port}/day", text=SAME)
    endless.pages["/"] = page(f"http://h.site.test:{endless.port}/day", "/p/0")
    summary = await crawl(endless.url("/"), scope="any", allow_net=("127.0.0.0/8",), max_alike=50)
    assert ("finished", HONEST) == (summary.outcome, asked_honest(endless))
    [(pattern,)] = crawl.query("SELECT pattern FROM pattern")
    assert pattern.startswith("*.site.test")
    assert 50 < len([path for path in endless.asked if path == "/day"]) < 60


# --- budgets -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def names(monkeypatch):
    """Every name below .test is this machine."""

    async def here(self, host, port, family):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST, "family": socket.AF_INET}]

    monkeypatch.setattr(ThreadResolver, "_look_up", here)


async def test_a_host_is_full_after_so_many_urls_and_more_enter_when_the_limit_is_raised(site, crawl):
    site.pages = {"/": page(*(f"/{n}" for n in range(30)))} | {f"/{n}": page(text=words(str(n))) for n in range(30)}
    summary = await crawl(site.url("/"), max_per_host=10)
    assert ("finished", 10) == (summary.outcome, summary.pages)
    assert 21 == len(refused(crawl, "limit"))
    assert {"more than 10 URLs of one host (--max-per-host)"} == {rule for _, rule in refused(crawl, "limit")}
    assert 15 == (await crawl(max_per_host=15)).pages
    assert 16 == len(refused(crawl, "limit"))
    assert 31 == (await crawl()).pages
    assert {1} == set(site.counts.values())


async def test_a_budget_goes_on_in_the_next_run(site, crawl):
    site.pages = {f"/{n}": page(f"/{n + 1}", text=words(str(n))) for n in range(40)}
    await crawl(site.url("/0"), max_per_host=20, max_pages=10)
    assert ("finished", 20) == ((summary := await crawl(max_per_host=20)).outcome, summary.pages)


async def test_a_site_is_full_after_so_many_urls_of_all_its_hosts(site, crawl, names):
    hosts = [f"{name}.site.test" for name in "abc"]
    site.pages = {"/": page(*(site.url(f"/{n}", host) for n in range(10) for host in hosts))} | {f"/{n}": page(text=words(str(n))) for n in range(10)}
    summary = await crawl(site.url("/", "a.site.test"), scope="site", max_per_site=12, allow_net=("127.0.0.0/8",))
    assert ("finished", 12) == (summary.outcome, summary.pages)
    assert {"more than 12 URLs of site.test (--max-per-site)"} == {rule for _, rule in refused(crawl, "limit")}
    assert 31 == (await crawl(scope="site", max_per_site=100, allow_net=("127.0.0.0/8",))).pages


async def test_a_site_has_room_for_so_many_hosts_and_for_more_when_the_limit_is_raised(site, crawl, names):
    """Each host leads to three hosts of its own: names without end cost one address."""
    numbers = itertools.count()

    async def host_page(request: web.Request) -> web.Response:
        more = (site.url(f"/{path}", f"h{next(numbers)}.site.test") for path in "xy" for _ in range(2))
        return web.Response(text=page("/x", "/y", *more, text=words(request.host)), content_type="text/html")

    site.pages = {"/": host_page, "/x": host_page, "/y": host_page}
    settings = {"scope": "site", "allow_net": ("127.0.0.0/8",)}
    summary = await crawl(site.url("/", "a.site.test"), max_hosts_per_site=5, **settings)
    assert ("finished", 5) == (summary.outcome, len(set(site.hosts)))
    assert {"more than 5 hosts of site.test (--max-hosts-per-site)"} == {rule for _, rule in refused(crawl, "trap")}
    assert any(row["rule"] == "more than 5 hosts of site.test (--max-hosts-per-site)" and row["left_out"] > 10 for row in traps(crawl))
    await crawl(max_hosts_per_site=8, **settings)
    assert 8 == len(set(site.hosts))


async def test_a_host_that_is_refused_stays_so_in_the_next_run_though_its_pages_are_linked_again(site, crawl, names):
    far = site.url("/", "b.site.test")
    site.pages = {"/": page(far, "/1"), "/1": page("/2"), "/2": page(far, text=words("two"))}
    settings = {"scope": "site", "allow_net": ("127.0.0.0/8",), "max_hosts_per_site": 1}
    await crawl(site.url("/", "a.site.test"), max_pages=2, **settings)
    await crawl(**settings)
    assert {f"a.site.test:{site.port}"} == set(site.hosts)
    assert [far] == [url for url, _ in refused(crawl, "trap")]


async def test_hosts_of_seeds_always_enter(site, crawl, names):
    site.pages = {"/": page("/x", text=words("start")), "/x": "x"}
    await crawl(*(site.url("/", f"{name}.site.test") for name in "abc"), max_hosts_per_site=1, allow_net=("127.0.0.0/8",))
    assert 6 == crawl.query("SELECT count(*) FROM pages")[0][0]


# --- texts that are nearly the same --------------------------------------------------------------------------------------


async def test_a_page_whose_text_is_nearly_that_of_an_earlier_one_names_it(site, crawl):
    text = " ".join(words(str(n)) for n in range(10))
    site.pages = {"/": page("/a", text=words("start")), "/a": page("/b", text=text), "/b": page("/c", text=f"{text} 17"), "/c": page(text=words("other"))}
    await crawl(site.url("/"))
    near = dict(crawl.query("SELECT url, near FROM pages"))
    assert {site.url("/"): None, site.url("/a"): None, site.url("/b"): site.url("/a"), site.url("/c"): None} == near


async def test_pages_of_earlier_runs_are_named_too(site, crawl):
    text = " ".join(words(str(n)) for n in range(10))
    site.pages = {"/a": page("/b", text=text), "/b": page(text=f"{text} 17")}
    await crawl(site.url("/a"), depth=0)
    await crawl(depth=1)
    assert [(site.url("/a"), None), (site.url("/b"), site.url("/a"))] == crawl.query("SELECT url, near FROM pages ORDER BY url")


async def test_pages_of_few_words_are_near_to_nothing(site, crawl):
    site.pages = {"/": page("/a", "/b", text=words("start")), "/a": page(text="two words"), "/b": page(text="two words")}
    await crawl(site.url("/"))
    assert {None} == {near for (near,) in crawl.query("SELECT near FROM pages")}
