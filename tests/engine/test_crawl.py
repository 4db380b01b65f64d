"""Whole crawls of small scripted sites: what is asked, what is recorded, how it ends."""

from __future__ import annotations

import asyncio
import signal

import pytest
from aiohttp import web

from crawler.core.scope import Options
from crawler.folder import CrawlError, InUse, StorageError
from crawler.hooks import HostRested, Notice, PageStored, RequestFailed, RunStarted, SettingsApplied


def links(*targets: str) -> str:
    return "<!doctype html><title>t</title>" + "".join(f'<a href="{target}">x</a>' for target in targets)




async def test_every_page_is_asked_for_once_and_stored_byte_for_byte(site, crawl):
    site.pages = {"/": links("a", "b#x", "b#y", "/a"), "/a": links("/"), "/b": links("a?q=1"), "/a?q=1": "end"}
    summary = await crawl(site.url("/"))
    assert ("finished", 4, 4) == (summary.outcome, summary.pages, summary.run_pages)
    assert dict.fromkeys(site.pages, 1) == site.counts
    for url, file in crawl.query("SELECT url, file FROM pages"):
        assert site.pages["/" + url.split("/", 3)[3]] == (crawl.folder / file).read_text()
    assert 4 == len(crawl.of(PageStored))


async def test_robots_is_asked_first_and_once_for_each_origin(site, crawl):
    site.pages = {"/robots.txt": "User-agent: *\nDisallow: /private", "/": links("/private/x", "/ok"), "/ok": "ok"}
    await crawl(site.url("/"), site.url("/", "127.0.0.2"))
    assert "/robots.txt" == site.asked[0]
    assert 2 == site.asked.count("/robots.txt")
    assert "/private/x" not in site.asked
    [(rule,)] = crawl.query("SELECT DISTINCT rule FROM urls WHERE reason = 'robots'")
    assert "robots.txt line 2: Disallow: /private" == rule


async def test_a_robots_txt_that_cannot_be_had_forbids_for_now_and_the_host_is_parked(site, crawl, monkeypatch):
    monkeypatch.setattr("crawler.core.policy.ROBOTS_WAIT", 0.1)
    site.pages = {"/robots.txt": (503, {}, "later"), "/": "page"}
    summary = await crawl(site.url("/"), tries=1)
    assert ("parked", {"/": ("parked", "robots.txt: status 503")}) == (summary.outcome, crawl.states())
    assert {"/robots.txt"} == set(site.asked)
    del site.pages["/robots.txt"]
    assert "finished" == (await crawl()).outcome
    assert {"/": ("done", None)} == crawl.states()


async def test_a_robots_txt_is_followed_through_five_redirects_to_another_host(site, crawl):
    for hop in range(5):
        site.pages["/robots.txt" if hop == 0 else f"/r{hop}"] = (301, {"Location": site.url(f"/r{hop + 1}", "127.0.0.2")}, "")
    site.pages |= {"/r5": "User-agent: *\nDisallow: /no", "/": links("/no", "/yes"), "/yes": "y"}
    await crawl(site.url("/"), allow_net=("127.0.0.2/32",))
    assert ("excluded", "robots") == crawl.states()["/no"]


async def test_a_robots_txt_that_leads_where_we_do_not_connect_forbids(site, crawl):
    site.pages = {"/robots.txt": (301, {"Location": site.url("/r", "127.0.0.2")}, ""), "/r": "", "/": "x"}
    assert "parked" == (await crawl(site.url("/"))).outcome
    assert ["/robots.txt"] == site.asked


async def test_a_sixth_redirect_of_robots_txt_allows(site, crawl):
    for hop in range(6):
        site.pages["/robots.txt" if hop == 0 else f"/r{hop}"] = (301, {"Location": f"/r{hop + 1}"}, "")
    site.pages |= {"/r6": "User-agent: *\nDisallow: /", "/": "x"}
    assert 1 == (await crawl(site.url("/"))).pages
    assert "/r6" not in site.asked


async def test_a_host_that_asks_for_more_than_a_minute_between_requests_is_parked(site, crawl):
    site.pages = {"/robots.txt": "User-agent: *\nCrawl-delay: 61", "/": "page"}
    summary = await crawl(site.url("/"))
    assert ("parked", 1) == (summary.outcome, len(summary.parked))
    assert "Crawl-delay" in summary.parked[0][1]


async def test_a_page_that_is_busy_is_asked_again_when_it_said(site, crawl):
    tries = []

    async def busy(request: web.Request) -> web.Response:
        tries.append(asyncio.get_running_loop().time())
        return web.Response(status=503, headers={"Retry-After": "1"}) if len(tries) == 1 else web.Response(text="now")

    site.pages = {"/": busy}
    summary = await crawl(site.url("/"))
    assert ("finished", 1) == (summary.outcome, summary.pages)
    assert 2 == len(tries)
    assert tries[1] - tries[0] >= 1
    assert [False] == [event.final for event in crawl.of(RequestFailed)]
    assert crawl.of(HostRested)


async def test_a_server_error_is_given_up_after_its_tries(site, crawl):
    site.pages = {"/": (500, {}, "no")}
    summary = await crawl(site.url("/"), tries=2)
    assert {"/": ("failed", None)} == crawl.states()
    assert (("500", 1),) == summary.errors
    assert 2 == site.counts["/"]


async def test_a_retry_after_of_days_parks_the_host_and_the_next_run_asks_again(site, crawl):
    site.pages = {"/": (429, {"Retry-After": "999999999"}, "")}
    assert "parked" == (await crawl(site.url("/"))).outcome
    assert 1 == site.counts["/"]


@pytest.mark.parametrize("links_kept", ["all", "first", "none"])
async def test_a_depth_limit_holds_and_lifting_it_lets_in_what_it_kept_out(site, crawl, links_kept):
    site.pages = {"/": links("1"), "/1": links("2"), "/2": links("3"), "/3": links("4"), "/4": "end"}
    await crawl(site.url("/"), depth=2, links=links_kept)
    assert {"/", "/1", "/2"} == set(site.counts)
    assert ("excluded", "depth") == crawl.states()["/3"]
    await crawl(depth=3, links=links_kept)
    assert {"/", "/1", "/2", "/3"} == set(site.counts)
    assert [SettingsApplied(1, 0)] == crawl.of(SettingsApplied)
    assert max(site.counts.values()) == 1


async def test_a_shorter_way_found_later_counts_even_for_pages_behind_it(site, crawl):
    """/far is found over three links first; the page that links to it directly answers last."""
    far_is_done = asyncio.Event()

    async def late(request: web.Request) -> web.Response:
        await far_is_done.wait()
        return web.Response(text=links("/far"), content_type="text/html")

    async def far(request: web.Request) -> web.Response:
        far_is_done.set()
        return web.Response(text=links("/behind"), content_type="text/html")

    site.pages = {"/": links("/a", "/late"), "/a": links("/b"), "/b": links("/far"), "/late": late, "/far": far, "/behind": "x"}
    await crawl(site.url("/"), depth=3)
    assert [(2, 3)] == crawl.query("SELECT (SELECT depth FROM urls WHERE url LIKE '%/far'), (SELECT depth FROM urls WHERE url LIKE '%/behind')")
    assert ("done", None) == crawl.states()["/behind"]


async def test_other_hosts_are_recorded_and_never_asked(site, crawl):
    site.pages = {"/": links(site.url("/x", "127.0.0.2"), "http://example.test/y")}
    await crawl(site.url("/"))
    assert {"127.0.0.1:" + str(site.port)} == set(site.hosts)
    assert 2 == crawl.query("SELECT count(*) FROM urls WHERE reason = 'scope'")[0][0]


async def test_seeds_that_are_added_later_open_their_hosts(site, crawl):
    site.pages = {"/": links(site.url("/x", "127.0.0.2")), "/x": "x"}
    await crawl(site.url("/"))
    assert "/x" not in site.counts
    await crawl(site.url("/"), site.url("/other", "127.0.0.2"))
    assert 1 == site.counts["/x"]


async def test_options_of_a_seed_hold_for_what_it_leads_to(site, crawl):
    site.pages = {"/a": links("/b"), "/b": links("/c"), "/c": "c"}
    await crawl(site.url("/a"), options=Options(depth=1))
    assert {"/a", "/b"} == set(site.counts)


async def test_redirects_are_requests_of_their_own(site, crawl):
    site.pages = {"/": (302, {"Location": "/to"}, ""), "/to": (301, {"Location": "/end"}, ""), "/end": links("/")}
    summary = await crawl(site.url("/"))
    assert 1 == summary.pages
    rows = crawl.query("SELECT status, target FROM redirects ORDER BY 1")
    assert [(301, site.url("/end")), (302, site.url("/to"))] == rows
    assert {0} == {depth for (depth,) in crawl.query("SELECT depth FROM urls")}


async def test_a_redirect_out_of_scope_or_to_a_forbidden_page_is_not_followed(site, crawl):
    site.pages = {
        "/robots.txt": "User-agent: *\nDisallow: /no",
        "/": links("/out", "/in"),
        "/out": (302, {"Location": site.url("/x", "127.0.0.2")}, ""),
        "/in": (302, {"Location": "/no"}, ""),
    }
    await crawl(site.url("/"))
    assert ("excluded", "robots") == crawl.states()["/no"]
    assert ("excluded", "scope") == crawl.states()["/x"]


async def test_endless_redirects_and_circles_end_as_faults(site, crawl):
    async def onwards(request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"/n?{int(request.query_string or 0) + 1}"})

    site.pages = {"/": links("/n?0", "/a"), "/a": (302, {"Location": "/b"}, ""), "/b": (302, {"Location": "/a"}, "")}
    site.pages |= {f"/n?{number}": onwards for number in range(20)}
    await crawl(site.url("/"))
    faults = crawl.query("SELECT url, fault, detail FROM errors ORDER BY 1")
    assert ["redirect", "redirect"] == [fault for _, fault, _ in faults]
    assert "circle" in faults[0][2]
    assert "more than 10" in faults[1][2]
    assert "/n?11" not in site.counts


async def test_a_cookie_wall_is_passed(site, crawl):
    async def wall(request: web.Request) -> web.Response:
        if request.cookies.get("in") == "1":
            return web.Response(text=links("/inside"), content_type="text/html")
        return web.Response(status=302, headers={"Location": "/", "Set-Cookie": "in=1"})

    site.pages = {"/": wall, "/inside": "hello"}
    summary = await crawl(site.url("/"))
    assert ("finished", 2, 0) == (summary.outcome, summary.pages, summary.queued)


async def test_the_same_body_under_two_urls_is_one_file(site, crawl):
    site.pages = {"/": links("/a", "/b"), "/a": "same", "/b": "same"}
    await crawl(site.url("/"))
    assert [(2,)] == crawl.query("SELECT copies FROM duplicates")
    assert 2 == crawl.query("SELECT count(*) FROM body")[0][0]
    assert 2 == sum(path.is_file() for path in (crawl.folder / "pages").rglob("*"))


async def test_a_body_beyond_the_limit_is_kept_as_far_as_it_goes_and_flagged(site, crawl):
    site.pages = {"/": links("/big"), "/big": links("/found") + "x" * 900_000, "/found": "f"}
    await crawl(site.url("/"), max_size=400_000)
    assert [(1, 400_000)] == crawl.query("SELECT truncated, bytes FROM pages WHERE url LIKE '%big'")
    assert 1 == site.counts["/found"]


async def test_errors_keep_their_bodies_only_when_asked_to(site, crawl):
    site.pages = {"/": links("/gone"), "/gone": (410, {}, "gone for good")}
    await crawl(site.url("/"), save_errors=True)
    assert [(1,)] == crawl.query("SELECT count(*) FROM fetch WHERE status = 410 AND body_id IS NOT NULL")
    assert 1 == crawl.query("SELECT count(*) FROM pages")[0][0]


async def test_a_listener_that_raises_breaks_nothing(site, crawl, caplog):
    site.pages = {"/": links("/a"), "/a": "a"}

    def broken(event: object) -> None:
        raise ZeroDivisionError

    crawl.events = []
    from crawler.hooks import Hooks

    subscribe = Hooks.subscribe

    def both(self, listener):
        subscribe(self, broken)
        subscribe(self, listener)

    Hooks.subscribe = both
    try:
        assert "finished" == (await crawl(site.url("/"))).outcome
    finally:
        Hooks.subscribe = subscribe
    assert "ZeroDivisionError" in caplog.text


async def test_a_bug_in_a_visit_becomes_the_fault_crash_with_its_traceback(site, crawl, monkeypatch):
    from crawler.engine.visiting import Visitor

    parse = Visitor._parse

    async def buggy(self, request, reply, draft):
        if request.url.endswith("/bad"):
            raise ZeroDivisionError("planted")
        return await parse(self, request, reply, draft)

    monkeypatch.setattr(Visitor, "_parse", buggy)
    site.pages = {"/": links("/bad", "/good"), "/bad": "b", "/good": "g"}
    summary = await crawl(site.url("/"))
    assert (("crash", 1),) == summary.errors
    [(detail,)] = crawl.query("SELECT detail FROM errors")
    assert "ZeroDivisionError: planted" in detail
    assert 1 == site.counts["/good"]


async def test_a_bug_in_the_frontier_stops_the_crawl_loudly(site, crawl, monkeypatch):
    from crawler.frontier.sqlite import SqliteFrontier

    async def broken(self, batch, cookies=()):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(SqliteFrontier, "commit", broken)
    site.pages = {"/": "x"}
    with pytest.raises(ZeroDivisionError):
        await crawl(site.url("/"))
    monkeypatch.undo()
    assert "finished" == (await crawl()).outcome
    assert 1 == crawl.query("SELECT count(*) FROM pages")[0][0]


async def test_a_full_disk_stops_with_everything_in_flight_still_queued(site, crawl, monkeypatch):
    from crawler.archive.files import FileArchive

    site.pages = {"/": links("/a"), "/a": "a"}
    announce = FileArchive._announce
    monkeypatch.setattr(FileArchive, "_announce", lambda self, names: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError) as caught:
        await crawl(site.url("/"))
    assert "no space left on device" in caught.value.message
    monkeypatch.setattr(FileArchive, "_announce", announce)
    summary = await crawl()
    assert ("finished", 2) == (summary.outcome, summary.pages)


async def test_stop_lets_what_is_in_flight_land_and_says_how_many_wait(site, crawl):
    async def slow(request: web.Request) -> web.Response:
        crawl.crawler.stop(signal.SIGINT)
        return web.Response(text=links("/later"), content_type="text/html")

    site.pages = {"/": slow, "/later": "x"}
    summary = await crawl(site.url("/"))
    assert ("stopped", 1, 1, 0, signal.SIGINT) == (summary.outcome, summary.pages, summary.queued, summary.dropped, summary.signal)
    assert "finished" == (await crawl()).outcome
    started = crawl.of(RunStarted)[-1]
    assert (True, True, 0) == (started.resumed, started.clean, started.repeated)


async def test_a_second_stop_drops_what_is_in_flight_and_it_stays_queued(site, crawl):
    never = asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        crawl.crawler.stop(signal.SIGTERM)
        crawl.crawler.stop(signal.SIGTERM)
        await never.wait()
        return web.Response()

    site.pages = {"/": hang}
    summary = await crawl(site.url("/"))
    assert ("stopped", 1, 1) == (summary.outcome, summary.dropped, summary.queued)
    site.pages = {"/": "now"}
    assert ("finished", 1) == ((again := await crawl()).outcome, again.pages)
    assert not crawl.of(RunStarted)[-1].clean


async def test_limits_on_bytes_and_time_end_a_run_and_the_next_goes_on(site, crawl):
    site.pages = {"/": links(*(f"/{n}" for n in range(50)))} | {f"/{n}": "x" * 10_000 for n in range(50)}
    summary = await crawl(site.url("/"), max_bytes=50_000, concurrency=2)
    assert ("limit", "50,000 bytes") == (summary.outcome, summary.limit)
    assert summary.pages < 20
    assert "limit" == (await crawl(max_time=1e-6)).outcome
    assert ("finished", 51) == ((end := await crawl()).outcome, end.pages)
    assert {1} == set(site.counts.values())


async def test_a_page_limit_counts_pages_only(site, crawl):
    site.pages = {"/": links(*(f"/{n}" for n in range(40)), "/moved"), "/moved": (301, {"Location": "/0"}, "")}
    site.pages |= {f"/{n}": "x" for n in range(0, 40, 2)}
    summary = await crawl(site.url("/"), max_pages=10)
    assert ("limit", 10) == (summary.outcome, summary.pages)
    assert 10 == sum(site.counts[path] for path in site.pages if path != "/moved")


async def test_two_crawlers_never_share_a_folder(site, crawl):
    async def second(request: web.Request) -> web.Response:
        with pytest.raises(InUse) as caught:
            await type(crawl)(crawl.folder)(site.url("/"))
        return web.Response(text=caught.value.message)

    site.pages = {"/": second}
    assert 1 == (await crawl(site.url("/"))).pages
    [(file,)] = crawl.query("SELECT file FROM pages")
    assert "is being crawled by process" in (crawl.folder / file).read_text()


async def test_a_private_address_is_refused_unless_a_seed_names_it(site, crawl):
    site.pages = {"/": links(site.url("/x", "127.0.0.2"), site.url("/y", "127.0.0.3")), "/x": "x", "/y": "y"}
    await crawl(site.url("/"), scope="any", allow_net=("127.0.0.3/32",))
    assert ("excluded", "guard") == crawl.states()["/x"]
    assert ("done", None) == crawl.states()["/y"]


async def test_a_refused_connection_is_a_fault_of_the_host_and_parks_it(crawl):
    summary = await crawl("http://127.0.0.1:9999/", tries=1)
    assert "parked" == summary.outcome
    assert "robots.txt: connect" == summary.parked[0][1]


async def test_a_finished_crawl_has_nothing_more_to_do(site, crawl):
    site.pages = {"/": "x"}
    await crawl(site.url("/"))
    asked = len(site.asked)
    assert ("finished", 0) == ((again := await crawl(site.url("/"))).outcome, again.run_pages)
    assert asked == len(site.asked)


async def test_without_robots_nothing_is_asked_about_them(site, crawl):
    site.pages = {"/robots.txt": "User-agent: *\nDisallow: /", "/": "x"}
    assert 1 == (await crawl(site.url("/"), robots=False)).pages
    assert ["/"] == site.asked


async def test_links_that_a_page_asks_not_to_follow_stay_out_when_bounds_change(site, crawl):
    site.pages = {"/": '<a rel="nofollow" href="/no">x</a>', "/no": "n"}
    await crawl(site.url("/"))
    assert ("excluded", "nofollow") == crawl.states()["/no"]
    await crawl(max_segments=19)
    assert "/no" not in site.counts
    await crawl(robots=False)
    assert 1 == site.counts["/no"]


async def test_without_parser_processes_the_crawl_stops_loudly_and_loses_nothing(site, crawl, monkeypatch, real_parsers):
    from crawler.parsing import pool

    def broken(deadline: float) -> None:
        raise OSError(12, "Cannot allocate memory")

    site.pages = {"/": "x"}
    monkeypatch.setattr(pool, "start", broken)
    with pytest.raises(CrawlError) as caught:
        await crawl(site.url("/"))
    assert "parser process" in caught.value.message
    monkeypatch.undo()
    assert ("finished", 1) == ((again := await crawl()).outcome, again.pages)


async def test_an_address_that_was_refused_is_asked_once_it_is_allowed(site, crawl):
    site.pages = {"/": links(site.url("/x", "127.0.0.2")), "/x": "x"}
    await crawl(site.url("/"), scope="any")
    assert ("excluded", "guard") == crawl.states()["/x"]
    await crawl(scope="any", allow_net=("127.0.0.0/8",))
    assert ("done", None) == crawl.states()["/x"]


async def test_options_of_a_seed_that_change_later_are_said_to_have_no_effect(site, crawl):
    site.pages = {"/": links("/a"), "/a": "a"}
    await crawl(site.url("/"), options=Options(depth=0))
    await crawl(site.url("/"), options=Options(depth=1))
    [notice] = crawl.of(Notice)
    assert site.url("/") in notice.text
    assert "/a" not in site.counts


async def test_more_hosts_than_can_be_held_take_turns_and_all_are_crawled_to_the_end(site, crawl, monkeypatch):
    from crawler.engine import feeder

    monkeypatch.setattr(feeder, "hosts_in_hand", lambda settings: 1)
    monkeypatch.setattr(feeder, "MOST_PER_HOST", 4)
    site.pages = {"/": links(*(f"/{n}" for n in range(20)))} | {f"/{n}": links(f"/{n}/x") for n in range(20)}
    site.pages |= {f"/{n}/x": "x" for n in range(20)}
    summary = await crawl(*(site.url("/", f"127.0.0.{host}") for host in (1, 2, 3)), concurrency=4)
    assert ("finished", 3 * 41) == (summary.outcome, summary.pages)
    assert {3} == set(site.counts.values())
    pages = [host for host, path in zip(site.hosts, site.asked, strict=True) if path != "/robots.txt"]
    assert 3 == len(set(pages[:40])), "one host was crawled to its end before the others had a turn"


async def test_seeds_are_remembered_only_once_they_are_queued(site, crawl, monkeypatch):
    """A process that dies in between queues them in its next run."""
    from crawler.frontier.sqlite import SqliteFrontier

    async def dies(self, offers):
        raise ZeroDivisionError

    site.pages = {"/": "x"}
    monkeypatch.setattr(SqliteFrontier, "add", dies)
    with pytest.raises(ZeroDivisionError):
        await crawl(site.url("/"))
    monkeypatch.undo()
    assert ("finished", 1) == ((again := await crawl(site.url("/"))).outcome, again.pages)


async def test_counters_stay_right_while_narrower_bounds_are_applied_to_a_running_crawl(site, crawl):
    site.pages = {"/": links(*(f"/{n}" for n in range(600)))} | {f"/{n}": "x" for n in range(600)}
    await crawl(site.url("/"), max_pages=5)
    summary = await crawl(site.url("/"), exclude=("/1",), max_pages=1000)
    assert ("finished", 0) == (summary.outcome, summary.queued)
    kept = crawl.query("SELECT sum(queued), sum(done), sum(excluded) FROM host")
    assert kept == crawl.query("SELECT sum(state = 0), sum(state = 1), sum(state = 3) FROM url WHERE kind <> 11")


async def test_patterns_say_what_is_followed_and_seeds_are_always_asked_for(site, crawl):
    site.pages = {"/": links("/good", "/bad"), "/good": "g", "/bad": "b"}
    await crawl(site.url("/"), include=("good",))
    assert {"/", "/good"} == set(site.counts)


async def test_a_closed_port_of_a_host_does_not_take_the_rest_of_the_host_with_it(site, crawl):
    site.pages = {"/": links("http://127.0.0.1:9998/", "/a", "/b"), "/a": links("/a/x"), "/b": "b", "/a/x": "x"}
    summary = await crawl(site.url("/"))
    assert ("finished", 4) == (summary.outcome, summary.pages)
    assert (("connect", 1),) == summary.errors


async def test_a_closed_port_that_is_a_seed_does_not_stand_in_the_way_of_another(site, crawl, monkeypatch):
    monkeypatch.setattr("crawler.core.policy.ROBOTS_WAIT", 0.1)
    site.pages = {"/": links("/a"), "/a": "a"}
    summary = await crawl("http://127.0.0.1:9998/", site.url("/"), max_rest=30)
    assert ("finished", 2) == (summary.outcome, summary.pages)
    assert (("connect", 1),) == summary.errors


async def test_a_pass_over_changed_bounds_that_was_interrupted_is_made_up_for(site, crawl, monkeypatch):
    """The new settings are remembered by then, so the next run could not tell that they were never applied."""
    from crawler.frontier.ledger import Ledger

    async def dies(self, rows, scope, settings):
        raise ZeroDivisionError

    site.pages = {"/": links("/a"), "/a": links("/b"), "/b": "b"}
    await crawl(site.url("/"), depth=1)
    monkeypatch.setattr(Ledger, "_apply", dies)
    with pytest.raises(ZeroDivisionError):
        await crawl(depth=2)
    monkeypatch.undo()
    await crawl(depth=2)
    assert 1 == site.counts["/b"]


async def test_a_stop_does_not_wait_for_a_pass_over_changed_bounds_and_the_next_run_makes_it(site, crawl, monkeypatch):
    from crawler.frontier import ledger

    monkeypatch.setattr(ledger, "REJUDGED_AT_ONCE", 1)
    passes = []
    apply = ledger.Ledger._apply

    async def counted(self, rows, scope, settings):
        passes.append(rows)
        crawl.crawler.stop(signal.SIGINT)
        return await apply(self, rows, scope, settings)

    site.pages = {"/": links(*(f"/{n}" for n in range(50)))} | {f"/{n}": str(n) for n in range(50)}
    await crawl(site.url("/"), depth=0)
    monkeypatch.setattr(ledger.Ledger, "_apply", counted)
    assert "stopped" == (await crawl(depth=1)).outcome
    assert len(passes) < 10
    monkeypatch.undo()
    assert 51 == (await crawl(depth=1)).pages


async def test_the_same_settings_again_cause_no_pass(site, crawl, monkeypatch):
    from crawler.frontier.ledger import Ledger

    passes = []
    apply = Ledger._apply

    async def counted(self, rows, scope, settings):
        passes.append(rows)
        return await apply(self, rows, scope, settings)

    monkeypatch.setattr(Ledger, "_apply", counted)
    site.pages = {"/": links("/a", "/b"), "/a": "a", "/b": "b"}
    for _ in range(2):
        await crawl(site.url("/"), exclude=("b",), allow_net=("127.0.0.0/8",))
    assert [] == passes


async def test_a_run_leaves_samples_of_its_beginning_and_its_end(site, crawl):
    """Whoever looks later sees where it began and what it came to, however short it was."""
    site.pages["/"] = '<a href="/a">a</a>'
    site.pages["/a"] = "page"
    summary = await crawl(site.url("/"))
    await crawl(site.url("/"))
    samples = crawl.query("SELECT run_id, pages, queued, done, wire_bytes FROM sample ORDER BY at")

    assert [(1, 0, 1, 0, 0), (1, 2, 0, 2, summary.bytes), (2, 2, 0, 2, 0), (2, 2, 0, 2, 0)] == samples
