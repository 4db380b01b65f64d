"""The live page while a crawl runs: it moves, keeps what somebody has set up, and tells when it hears no more."""

from __future__ import annotations

import pytest

from .chromium import eventually
from .conftest import serving

pytestmark = pytest.mark.asyncio(loop_scope="package")

PAGES = "Number((document.querySelector('[data-key=pages] .value') ?? {}).textContent?.replaceAll(',', ''))"
SHOWN_HOSTS = "[...document.querySelectorAll('#hosts tbody tr')].map(row => row.cells[0].innerText)"
READY = "document.querySelector('#pause:not(:disabled)')"
LOST = "[...document.querySelectorAll('[role=alert]')].find(each => each.checkVisibility())?.innerText"


async def news(page, times: int = 2) -> None:
    """Wait until the page has heard of the crawl so many times more, and shows it."""
    known = page.frames
    await eventually(lambda: page.frames >= known + times)
    await page.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


async def new_pages(page) -> None:
    """Wait until the page shows more pages of the crawl."""
    await page.until(f"{PAGES} > {await page.js(PAGES)}")


async def test_numbers_move_without_a_reload(crawl, steered):
    page = steered
    began = await page.js(PAGES)
    await page.until(f"{PAGES} > {began + 1}")

    verdict, title = await page.js("[document.querySelector('main h1').textContent, document.title]")
    assert f"{verdict} · crawl" == title
    assert 1 == sum(url.startswith(crawl.url) and url.endswith("/") for url in page.asked)


async def test_what_is_shown_is_what_the_crawl_says(crawl, steered):
    page = steered
    await page.until(f"{SHOWN_HOSTS}.length === 20")
    said = await crawl.says()
    await page.until(f"{PAGES} >= {said.snapshot.pages}")
    later = (await crawl.says()).snapshot.pages

    assert said.snapshot.pages <= await page.js(PAGES) <= later + 20
    assert {host.host for host in said.view.hosts} == set(await page.js(SHOWN_HOSTS))


async def test_filter_order_and_scrolling_of_the_hosts_are_kept_while_data_arrives(crawl, steered):
    page = steered
    await page.until(f"{SHOWN_HOSTS}.length === 20")
    await page.js("document.querySelector('#hosts thead [data-key=host] button').click()")
    box = await page.find("searchbox", "Filter")
    await box.fill("0.0.1")
    await page.until(f"{SHOWN_HOSTS}.length === 11")
    await page.js("document.querySelector('#hosts').closest('.scroll').style.setProperty('max-height', '120px')")
    await page.js("document.querySelector('#hosts').closest('.scroll').scrollTop = 100")
    await news(page)
    await new_pages(page)

    assert "0.0.1" == await box.js("el => el.value")
    assert [f"127.0.0.{host}" for host in (1, *range(10, 20))] == await page.js(SHOWN_HOSTS)
    assert "ascending" == await page.js("document.querySelector('#hosts thead [data-key=host]').getAttribute('aria-sort')")
    assert 100 == await page.js("document.querySelector('#hosts').closest('.scroll').scrollTop")


async def test_nothing_moves_for_those_who_ask_for_no_motion(steered):
    for motion, moves in (("no-preference", True), ("reduce", False)):
        await steered.prefer(motion=motion)
        await steered.until("document.getAnimations().length === 0")
        moved = await steered.js("""(async () => {
            let most = 0;
            for (const times of [1, 2, 3]) {        // through all colours and back
                document.querySelector('#theme').click();
                await new Promise(requestAnimationFrame);
                most = Math.max(most, document.getAnimations().length);
            }
            return most;
        })()""")

        assert (motion, moves) == (motion, moved > 0)


async def test_a_server_that_goes_away_is_told_and_found_again_when_it_is_back(crawl, page):
    page.forgiven = ("net::ERR_", "WebSocket", "403")
    async with serving(crawl.folder) as first:
        await page.go(first.secret_url)
        await page.until(READY)
    await page.shows("The dashboard has ended")
    assert "tries again by itself" in await page.js(LOST)
    assert [True, "Not connected: nothing can be changed now."] == await page.js(
        "[document.querySelector('#pause').disabled, document.querySelector('.acts .steer-note').innerText]"
    )

    async with serving(crawl.folder, port=first.port, token=first.token):
        await page.until(f"!({LOST}) && {READY}")
        await new_pages(page)
    await page.until(LOST)
    async with serving(crawl.folder, port=first.port):      # another token: pages of before may look on
        await page.shows("To steer, open the address that the terminal shows.")
        assert await page.js("document.querySelector('#pause').disabled")
        await new_pages(page)
