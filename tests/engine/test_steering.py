"""A crawl that runs is changed from outside: what is said to it holds at once, is written down, and loses nothing."""

from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import web

from crawler.control.editing import edit
from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.engine.steering import Edit, Exclude, Free, Look, Park, Pause, Refused, Resume, Set, Sow, Stop
from crawler.frontier.editing import Action
from crawler.hooks import PageStored, RequestFailed, RunStarted


def page(*targets: str) -> str:
    return "<!doctype html><title>t</title>" + "".join(f'<a href="{target}">x</a>' for target in targets)


class Gate:
    """A page that is answered once the gate is open; `knocked` tells that so many wait before it."""

    def __init__(self, text: str = "") -> None:
        self.text = text or page()
        self.open = asyncio.Event()
        self.waiting = 0
        self._knock = asyncio.Event()

    async def __call__(self, _request) -> web.Response:
        self.waiting += 1
        self._knock.set()
        await self.open.wait()
        return web.Response(text=self.text, content_type="text/html")

    async def knocked(self, times: int = 1) -> None:
        while self.waiting < times:
            self._knock.clear()
            await self._knock.wait()


@pytest.fixture
async def paused(site, crawl):
    """Start a crawl that is paused while its first page is on its way, and let that page lead to *targets*."""
    tasks = []

    async def start(*targets: str, **settings):
        gate = site.pages["/"] = Gate(page(*targets))
        task = asyncio.create_task(crawl(site.url("/"), **settings))
        tasks.append(task)
        steering = await crawl.begun()
        await gate.knocked()
        await steering.do(Pause())
        gate.open.set()
        await crawl.until(PageStored)
        return steering, task

    yield start
    for task in tasks:
        if not task.done():
            crawl.crawler.stop(2)
            crawl.crawler.stop(2)
            await task


def counters_are_true(crawl) -> bool:
    """Compare what is counted with what is there."""
    columns = ("queued", "done", "failed", "excluded")
    counted = crawl.query(f"SELECT {', '.join(f'sum({name})' for name in columns)} FROM host")[0]
    rows = dict(crawl.query("SELECT state, count(*) FROM url WHERE kind <> 11 GROUP BY 1"))
    states = dict(crawl.query("SELECT state, urls FROM state"))
    pages, errors = (int(crawl.query(f"SELECT value FROM meta WHERE key = '{key}'")[0][0]) for key in ("pages", "errors"))
    wrong = crawl.query("""SELECT count(*) FROM url u LEFT JOIN fetch f USING (fetch_id) WHERE u.kind <> 11
        AND (u.state = 2 OR (u.state = 1 AND (f.fault IS NOT NULL OR f.status >= 400)))""")[0][0]
    stored = crawl.query("SELECT count(*) FROM url WHERE page_id IS NOT NULL AND kind <> 11")[0][0]
    return (
        counted == tuple(rows.get(state, 0) for state in range(4))
        and all(states[state] == rows.get(state, 0) for state in range(4))
        and (pages, errors) == (stored, wrong)
        and not crawl.query("PRAGMA foreign_key_check")
    )


async def test_while_it_is_paused_nothing_is_asked_for_and_afterwards_everything(site, crawl, paused):
    site.pages |= {"/a": page(), "/b": page()}
    steering, task = await paused("/a", "/b")
    for _ in range(100):
        await asyncio.sleep(0)
    seen = await steering.do(Look())

    assert {"/": 1} == site.counts
    assert (True, 0, 2) == (seen.paused, seen.snapshot.in_flight, seen.snapshot.queued)
    assert seen.view is None

    await steering.do(Resume())
    assert "finished" == (await task).outcome
    assert {"/": 1, "/a": 1, "/b": 1} == site.counts
    assert [("pause",), ("resume",)] == crawl.query("SELECT command FROM interventions ORDER BY intervention_id")


async def test_whoever_looks_closely_sees_hosts_and_requests_and_what_came_of_late(site, crawl, paused):
    gate = Gate()
    site.pages |= {"/slow": gate}
    steering, task = await paused("/slow", "/gone")
    await steering.do(Resume())
    await gate.knocked()
    await crawl.until(RequestFailed)
    view = (await steering.do(Look(closely=True))).view
    gate.open.set()
    await task

    assert [(site.url("/slow"), "127.0.0.1")] == [(flying.url, flying.host) for flying in view.flying]
    assert [("127.0.0.1", 1)] == [(host.host, host.in_flight) for host in view.hosts]
    assert [site.url("/")] == [page.url for page in view.pages]
    assert [(site.url("/gone"), 404)] == [(fault.url, fault.status) for fault in view.faults]
    assert view.memory > 10_000_000


async def test_a_paused_crawl_that_has_nothing_left_does_not_end(paused):
    steering, task = await paused()
    for _ in range(100):
        await asyncio.sleep(0)

    assert not task.done()
    await steering.do(Resume())
    assert "finished" == (await task).outcome


async def test_what_makes_no_sense_is_refused_and_nothing_is_written_down(crawl, paused):
    steering, _ = await paused("/a")
    for command, words in (
        (Pause(), "paused already"),
        (Set({"depth": 3}), "depth cannot change while a crawl runs"),
        (Set({"concurrency": 0}), "no such value"),
        (Set({"concurrency": 5_000}), "raised to 1,000"),
        (Exclude("["), "no regular expression"),
        (Park("nowhere.example"), "knows no host"),
        (Free("exa mple"), "no host name"),
    ):
        with pytest.raises(Refused, match=words):
            await steering.do(command)

    assert [("pause",)] == crawl.query("SELECT command FROM interventions")


async def test_more_concurrency_holds_at_once_and_for_the_next_run(site, crawl, paused):
    gates = {f"/{n}": Gate() for n in range(5)}
    site.pages |= gates
    steering, task = await paused(*gates, concurrency=1)
    await steering.do(Resume())
    async with asyncio.timeout(5):
        await asyncio.wait([asyncio.ensure_future(gate.knocked()) for gate in gates.values()], return_when=asyncio.FIRST_COMPLETED)
        assert 1 == sum(gate.waiting for gate in gates.values())
        await steering.do(Set({"concurrency": 5, "per_host": 5}))
        for gate in gates.values():
            await gate.knocked()
    for gate in gates.values():
        gate.open.set()
    await task

    remembered = json.loads(crawl.query("SELECT value FROM meta WHERE key = 'settings'")[0][0])
    assert (5, 5) == (remembered["concurrency"], remembered["per_host"])


async def test_a_page_limit_that_is_lowered_is_exact(site, paused):
    site.pages |= {f"/{n}": page() for n in range(9)}
    steering, task = await paused(*(f"/{n}" for n in range(9)), concurrency=3)
    await steering.do(Set({"max_pages": 4}))
    await steering.do(Resume())

    assert ("limit", 4) == ((summary := await task).outcome, summary.pages)


async def test_what_is_excluded_is_not_asked_for_though_it_was_in_hand(site, crawl, paused):
    site.pages |= {"/x/1": page(), "/x/2": page(), "/y": page("/x/3")}
    steering, task = await paused("/x/1", "/x/2", "/y")
    await steering.do(Exclude("/x/"))
    await steering.do(Resume())
    await task

    assert {"/": 1, "/y": 1} == site.counts
    assert ("excluded", "scope") == crawl.states()["/x/1"] == crawl.states()["/x/3"]
    assert [("exclude /x/",)] == crawl.query("SELECT DISTINCT rule FROM urls WHERE state = 'excluded'")
    assert ["/x/"] == json.loads(crawl.query("SELECT value FROM meta WHERE key = 'settings'")[0][0])["exclude"]
    assert counters_are_true(crawl)


async def test_a_seed_that_is_added_lets_in_its_host_and_what_was_refused_of_it(site, crawl, paused):
    elsewhere = site.url("/far", host="127.0.0.2")
    site.pages |= {"/far": page(), "/new": page()}
    steering, task = await paused(elsewhere)
    assert ("excluded", "scope") == crawl.states()["/far"]

    answer = await steering.do(Sow((Seed(site.url("/new", host="127.0.0.2"), Options(), "by hand", 1),)))
    again = await steering.do(Sow((Seed(site.url("/new", host="127.0.0.2"), Options(), "by hand", 1),)))
    await steering.do(Resume())
    await task

    assert (1, 0) == (answer.urls, again.urls)
    assert {"/": 1, "/new": 1, "/far": 1} == site.counts
    assert counters_are_true(crawl)


async def test_a_host_that_is_put_off_is_asked_in_the_next_run(site, crawl, paused):
    site.pages |= {"/a": page()}
    steering, task = await paused("/a")
    await steering.do(Park("127.0.0.1"))
    await steering.do(Resume())

    assert ("parked", (("127.0.0.1", "by hand", 1),)) == ((summary := await task).outcome, summary.parked)
    assert {"/": 1} == site.counts
    await crawl(site.url("/"))
    assert 1 == site.counts["/a"]


async def test_a_host_that_rests_or_was_put_off_is_asked_again_when_somebody_says_so(site, crawl, paused):
    site.pages |= {"/a": page()}
    steering, task = await paused("/a")
    await steering.do(Park("127.0.0.1"))
    await steering.do(Free(site.url("/whatever")))
    await steering.do(Resume())

    assert "finished" == (await task).outcome
    assert 1 == site.counts["/a"]


async def test_a_rest_that_a_server_asked_for_ends_when_somebody_says_so(site, crawl):
    answers = [web.Response(status=503, headers={"Retry-After": "3000"}), web.Response(text=page(), content_type="text/html")]

    async def later(_request):
        return answers.pop(0)

    site.pages["/"] = later
    task = asyncio.create_task(crawl(site.url("/"), max_rest=4000))
    steering = await crawl.begun()
    await crawl.until(RequestFailed)
    await steering.do(Edit(Action.RETRY, tuple(row for (row,) in crawl.query("SELECT url_id FROM url WHERE kind <> 11"))))
    await steering.do(Free("127.0.0.1"))

    assert ("finished", 1) == ((summary := await task).outcome, summary.pages)


async def test_urls_are_skipped_or_forgotten_though_they_are_in_hand(site, crawl, paused):
    site.pages |= {"/a": page(), "/b": page(), "/c": page()}
    steering, task = await paused("/a", "/b", "/c")
    rows = dict(crawl.query("SELECT replace(path, '/', ''), url_id FROM url"))
    skipped = await steering.do(Edit(Action.SKIP, (rows["a"],), "by me"))
    forgotten = await steering.do(Edit(Action.FORGET, (rows["b"],)))
    await steering.do(Resume())
    await task

    assert (1, 1) == (skipped.urls, forgotten.urls)
    assert {"/": 1, "/c": 1} == site.counts
    assert {"/": ("done", None), "/a": ("excluded", "skipped"), "/c": ("done", None)} == crawl.states()
    told = crawl.query("SELECT command, argument, urls FROM interventions WHERE urls IS NOT NULL ORDER BY intervention_id")
    assert [("skip", '{"why":"by me"}', 1), ("forget", '{"why":""}', 1)] == told
    assert counters_are_true(crawl)


async def test_what_is_being_fetched_is_left_alone(site, crawl):
    gate = site.pages["/"] = Gate()
    task = asyncio.create_task(crawl(site.url("/")))
    steering = await crawl.begun()
    await gate.knocked()
    [(row,)] = crawl.query("SELECT url_id FROM url WHERE kind <> 11")
    answer = await steering.do(Edit(Action.FORGET, (row,)))
    gate.open.set()
    await task

    assert (0, 1) == (answer.urls, answer.busy)
    assert {"/": ("done", None)} == crawl.states()


async def test_what_failed_is_tried_again_by_the_same_run(site, crawl, paused):
    answers = [web.Response(status=404), web.Response(text=page(), content_type="text/html")]

    async def second_time(_request):
        return answers.pop(0)

    gate = Gate()
    site.pages |= {"/late": second_time, "/gate": gate}
    steering, task = await paused("/late", "/gate")
    await steering.do(Resume())
    await crawl.until(RequestFailed)
    [(row,)] = crawl.query("SELECT url_id FROM url WHERE path = '/late'")
    answer = await steering.do(Edit(Action.RETRY, (row,)))
    gate.open.set()
    summary = await task

    assert (1, 3) == (answer.urls, summary.pages)
    assert counters_are_true(crawl)


async def test_stop_stops_and_the_same_command_goes_on(site, crawl, paused):
    site.pages |= {"/a": page()}
    steering, task = await paused("/a")
    await steering.do(Stop())

    assert "stopped" == (await task).outcome
    assert "finished" == (await crawl(site.url("/"))).outcome
    assert {"/": 1, "/a": 1} == site.counts


# --- at rest ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def ended(site, crawl):
    """A crawl at rest: three pages of which two have the same body, something that is missing, and something that is left out."""
    site.pages |= {"/": page("/one", "/two", "/gone", "http://far.example/"), "/one": "<title>same</title>", "/two": "<title>same</title>"}
    await crawl(site.url("/"))

    def row(path: str) -> int:
        return crawl.query(f"SELECT url_id FROM urls WHERE url LIKE '%{path}' AND seen_as <> 'robots'")[0][0]

    async def change(action: str, *paths: str) -> tuple[int, int, bool]:
        return await asyncio.to_thread(edit, crawl.folder, action, [row(path) for path in paths], "test", lambda _: None)

    return change


async def test_what_failed_is_tried_again_in_the_next_run(site, crawl, ended):
    changed = await ended("retry", "/gone", "/one")
    assert (1, 0, False) == changed
    assert counters_are_true(crawl)

    site.pages["/gone"] = page()
    await crawl(site.url("/"))
    assert ("done", None) == crawl.states()["/gone"]
    assert {"/": 1, "/one": 1, "/two": 1, "/gone": 2} == site.counts
    assert counters_are_true(crawl)


async def test_what_is_forgotten_leaves_no_trace_but_bodies_that_others_share(site, crawl, ended):
    files = {url.rpartition("/")[2]: crawl.folder / file for url, file in crawl.query("SELECT url, file FROM pages")}
    assert (1, 0, False) == await ended("forget", "/one")
    assert files["two"].exists()
    assert (1, 0, False) == await ended("forget", "/two")

    assert not files["two"].exists()
    assert files[""].exists()
    assert {"/", "/gone"} == set(crawl.states())
    assert [] == crawl.query("SELECT * FROM meta WHERE key = 'forgotten'")
    assert 1 == crawl.query("SELECT count(*) FROM body")[0][0]
    assert counters_are_true(crawl)


async def test_a_kill_between_the_rows_and_the_files_leaves_no_orphan(site, crawl, ended, monkeypatch):
    [(file,)] = crawl.query("SELECT file FROM pages WHERE url LIKE '%/'")

    def killed(_path, **_):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.unlink", killed)
        with pytest.raises(OSError, match="Input/output"):
            await ended("forget", "127.0.0.1:" + str(site.port) + "/")
    assert (crawl.folder / file).exists()
    assert [] == crawl.query(f"SELECT * FROM body WHERE file = '{file}'")

    site.pages["/"] = page("/other")
    await crawl(site.url("/two"))
    assert not (crawl.folder / file).exists()


async def test_a_run_is_noted_only_where_there_is_one(crawl, ended):
    await ended("retry", "/gone")

    assert [("retry", None, 1)] == crawl.query("SELECT command, run_id, urls FROM interventions")
    assert 1 == len(crawl.of(RunStarted))
async def test_what_was_skipped_waits_for_ever_until_it_is_queued_again(site, crawl, ended):
    await ended("requeue", "/one", "/gone")
    assert (1, 0, False) == await ended("skip", "/one")
    await crawl(site.url("/"))
    assert ("excluded", "skipped") == crawl.states()["/one"]
    assert {"/": 1, "/one": 1, "/two": 1, "/gone": 2} == site.counts

    assert (1, 0, False) == await ended("requeue", "/one", "far.example/")
    assert ("excluded", "scope") == crawl.states()["/"] or counters_are_true(crawl)
    await crawl(site.url("/"))
    assert 2 == site.counts["/one"]
    assert counters_are_true(crawl)


async def test_a_forgotten_page_comes_back_when_a_link_to_it_is_found(site, crawl, ended):
    await ended("forget", "/one")
    await ended("requeue", "127.0.0.1:" + str(site.port) + "/")
    site.pages["/"] = page("/one", "/two", "/more")
    await crawl(site.url("/"))

    assert 2 == site.counts["/one"]
    assert ("done", None) == crawl.states()["/one"]
    assert counters_are_true(crawl)


