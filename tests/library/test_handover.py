"""The bound between a crawl and whoever takes its pages."""

from __future__ import annotations

import asyncio

from crawler.hooks import Notice, PageStored
from crawler.library.handover import ROOM, Handover


def stored(number: int) -> PageStored:
    return PageStored(f"http://a.example/{number}", 200, "text/html", 10, "pages/x", 0, None)


async def fill(handover: Handover) -> asyncio.Task[None]:
    """Fill it, and return the task that waits with the last page."""
    for number in range(ROOM - 1):
        await handover.put(stored(number))
    task = asyncio.create_task(handover.put(stored(ROOM - 1)))
    await asyncio.sleep(0)
    return task


async def test_a_crawl_waits_for_whoever_takes_its_pages_slowly():
    handover = Handover()
    waiting = await fill(handover)
    assert not waiting.done()

    assert ROOM == len(handover.take().result(0))
    await asyncio.wait_for(waiting, 5)


async def test_a_crawl_that_is_left_waits_no_more():
    handover = Handover()
    waiting = await fill(handover)
    handover.end(left=True)
    await asyncio.wait_for(waiting, 5)
    await handover.put(stored(1))

    assert [] == handover.take().result(0)


async def test_the_end_comes_after_the_last_page():
    handover = Handover()
    await handover.put(stored(1))
    handover.end()

    assert ["http://a.example/1"] == [page.url for page in handover.take().result(0)]
    assert [] == handover.take().result(0)


async def test_whoever_waits_gets_the_next_page():
    handover = Handover()
    taken = handover.take()
    await handover.put(Notice("nothing for him"))
    assert not taken.done()
    await handover.put(stored(1))

    assert 1 == len(taken.result(0))


async def test_nothing_is_given_to_whoever_has_gone():
    handover = Handover()
    handover.take().cancel()
    await handover.put(stored(1))

    assert 1 == len(handover.take().result(0))
