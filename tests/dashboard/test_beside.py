"""What troubles of the dashboard come to the log of the crawl."""

from __future__ import annotations

import asyncio
import io
import logging
from urllib.parse import quote

import aiohttp

from crawler.dashboard import address
from crawler.dashboard.address import Address
from crawler.dashboard.beside import MOST_LINES, _hear
from crawler.dashboard.serving import served


def test_a_dashboard_that_complains_without_end_leaves_room_in_the_log_of_the_crawl(caplog):
    with caplog.at_level(logging.WARNING, "crawler.dashboard"):
        _hear(io.BytesIO(b"trouble\n" * (MOST_LINES * 2)))

    assert [*["dashboard: trouble"] * MOST_LINES, "dashboard: further lines are left out"] == caplog.messages


async def test_a_body_that_cannot_be_unpacked_is_no_trouble_of_ours(demo_crawl, token, caplog):
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json", "Connection": "close"}
    bound = await asyncio.to_thread(address.bind, Address(port=0))

    async with served(demo_crawl, bound, token), aiohttp.ClientSession(bound.url) as client:
        async with client.post("/api/control", data=b"abc", headers=packed) as answer:
            assert 403 == answer.status
        async with client.get("/", data=b"abc", headers={**packed, "Host": "evil.example"}) as answer:
            assert 421 == answer.status
        async with client.post("/api/control", data=b"abc", headers={**packed, "X-Crawler-Token": token}) as answer:
            assert (400, True) == (answer.status, "no such change" in (await answer.json())["error"])
    assert [] == caplog.messages


async def test_long_questions_do_not_hold_up_the_end(demo_crawl, token):
    endless = quote("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    bound = await asyncio.to_thread(address.bind, Address(port=0))

    async with aiohttp.ClientSession(bound.url) as client:
        async with served(demo_crawl, bound, token), client.ws_connect("/api/live/socket") as socket:
            asking = [asyncio.create_task(client.get(f"/ask?sql={endless}")) for _ in range(3)]
            await socket.receive_json()     # by then they are asked
        assert [503] * 3 == [(await each).status for each in asking]        # stopped, not waited for and cut off
