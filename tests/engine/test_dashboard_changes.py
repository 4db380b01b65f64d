"""A crawl that runs, changed from its pages: each change goes through the one door, holds at once, and is written down."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiohttp.test_utils import unused_port

from crawler.control import server
from crawler.dashboard.app import make_app

TOKEN = "t"


def page(*targets: str) -> str:
    return "<!doctype html><title>t</title>" + "".join(f'<a href="{target}">x</a>' for target in targets)


@pytest.fixture
async def watched(site, crawl, aiohttp_client):
    """A crawl of a page with links that is paused, and its pages in the browser; `change` sends a change, `go` lets it run."""
    open_, listening = asyncio.Event(), asyncio.Event()

    async def gate(_request):
        await open_.wait()
        return web.Response(text=page("/a", "/b", "/archive/c", "/missing"), content_type="text/html")

    site.pages |= {"/": gate, "/a": page(), "/b": page(), "/archive/c": page(), "/new": page()}

    @asynccontextmanager
    async def door(steering):
        async with server.serve(crawl.folder, steering):
            listening.set()
            yield

    task = asyncio.create_task(crawl(site.url("/"), door=door, sitemaps="off"))
    await listening.wait()
    port = unused_port()
    app = await asyncio.to_thread(make_app, crawl.folder, hosts=frozenset({f"127.0.0.1:{port}"}), token=TOKEN)
    client = await aiohttp_client(app, server_kwargs={"port": port})

    async def change(path="/api/control", status=200, **sent):
        async with client.post(path, json=sent, headers={"X-Crawler-Token": TOKEN}) as answer:
            found = await answer.json()
            assert status == answer.status, found
            return found

    client.change, client.crawl, client.task, client.go = change, crawl, task, open_.set
    yield client
    open_.set()
    crawl.crawler.stop(2)
    crawl.crawler.stop(2)
    await task


async def look(client):
    async with client.get("/api/live") as answer:
        return await answer.json()


def interventions(crawl):
    return [(command, json.loads(argument)) for command, argument in crawl.query("SELECT command, argument FROM intervention ORDER BY 1")]


async def test_pause_and_resume(watched):
    assert "running" == (await look(watched))["phase"]
    assert "paused; 1 request in flight may still land" == (await watched.change(command="pause"))["text"]
    await asyncio.sleep(0)
    while (found := await look(watched))["phase"] != "paused":
        pass
    assert ("waits", True) == (found["level"], found["steerable"])
    assert "paused already" in (await watched.change(command="pause", status=400))["error"]
    assert "goes on" == (await watched.change(command="resume"))["text"]


async def test_everything_that_can_be_changed_holds_and_is_written_down(watched, site):
    await watched.change(command="pause")
    assert "set delay = 0.01, concurrency = 3" == (await watched.change(command="set", settings={"delay": 0.01, "concurrency": 3}))["text"]
    assert 1 == (await watched.change(command="seed", lines=[f"{site.url('/new')} depth=0  # a comment"]))["urls"]
    await watched.change(command="exclude", pattern="/archive/")
    await watched.change(command="park", host="127.0.0.1")
    await watched.change(command="free", host="127.0.0.1")
    await watched.change(command="resume")
    watched.go()
    await watched.task

    assert {"/", "/a", "/b", "/new", "/missing"} == set(site.counts)
    assert ["exclude", "free", "park", "pause", "resume", "seed", "set"] == [name for name, _ in interventions(watched.crawl)]


async def test_what_failed_is_tried_again_while_it_runs_and_afterwards(watched, site):
    watched.go()
    await watched.task
    assert 1 == site.counts["/missing"]

    later = await watched.change("/api/urls", action="retry")
    none = await watched.change("/api/urls", action="retry", where="status = 500")

    assert ("retry: 1 URL; the next run asks for them", 1) == (later["text"], later["urls"])
    assert "nothing to change" in none["text"]
    assert ("retry", {"why": "all"}) in interventions(watched.crawl)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"command": "set", "settings": {"concurrency": 0}}, "no such value"),
        ({"command": "set", "settings": {"scope": 1}}, "cannot change while a crawl runs"),
        ({"command": "set"}, "no such change"),
        ({"command": "set", "settings": {"delay": "2s"}}, "no such change"),
        ({"command": "seed", "lines": ["example"]}, "line 1, column 1"),
        ({"command": "seed", "lines": ["# nothing"]}, "no URL in those lines"),
        ({"command": "seed"}, "no such change"),
        ({"command": "exclude", "pattern": "("}, "no regular expression"),
        ({"command": "park", "host": "nobody.test"}, "knows no host"),
        ({"command": "shell"}, "no such change"),
        ({"command": "status"}, "no such change"),
        ({"command": "pause", "sudo": True}, "no such change"),
        ([], "no such change"),
    ],
)
async def test_what_makes_no_sense_is_refused_in_words_and_changes_nothing(watched, change, said):
    async with watched.post("/api/control", json=change, headers={"X-Crawler-Token": TOKEN}) as answer:
        assert (400, True) == (answer.status, said in (await answer.json())["error"])
    assert [] == interventions(watched.crawl)


async def test_a_pattern_that_takes_for_ever_is_refused_before_it_can_hold_up_the_crawl(watched, monkeypatch):
    monkeypatch.setattr("crawler.engine.trial.BUDGET", 0.1)
    found = await watched.change(command="exclude", pattern="^(([a-z0-9/:.-])+)+X", status=400)

    assert "takes too long over a URL" in found["error"]
    assert "running" == (await look(watched))["phase"]
    assert [] == interventions(watched.crawl)


async def test_more_seeds_than_fit_into_a_line_of_the_socket_are_added(watched, site):
    lines = [site.url(f"/seed/{number}/{'x' * 1_500}") for number in range(600)]

    await watched.change(command="pause")
    found = await watched.change(command="seed", lines=lines)

    assert ("added 600 of 600 seeds", 600) == (found["text"], found["urls"])


async def test_urls_are_chosen_by_what_narrows_them_down(watched):
    assert "needs to know which" in (await watched.change("/api/urls", status=400, action="forget"))["error"]
    assert "no such column" in (await watched.change("/api/urls", status=400, action="skip", where="nonsense"))["error"]
    await watched.change("/api/urls", status=400, action="skip", where="1); DELETE FROM url; --")
    assert [(1,)] == watched.crawl.query("SELECT count(*) FROM url WHERE kind <> 11")
    assert "nothing to change" in (await watched.change("/api/urls", action="requeue", hosts=["nobody.test"]))["text"]


async def test_a_crawl_that_is_over_takes_no_command_and_says_so(watched):
    watched.go()
    await watched.task

    assert "no crawl is running" in (await watched.change(command="pause", status=409))["error"]
    assert "over" == (await look(watched))["phase"]
