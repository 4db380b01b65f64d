"""A crawl is steered from the page by whoever has the token, and by nobody else."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from .chromium import DEADLINE, GLANCE
from .test_live import READY, news

pytestmark = pytest.mark.asyncio(loop_scope="package")

CHANGES = """[...document.querySelectorAll('#pause, #stop, #steer input, #steer button, #hosts td button')]
    .filter(each => each.checkVisibility()).map(each => [each.innerText || each.name, !each.matches(':disabled')])"""
ANSWER = "[...document.querySelectorAll('[role=status]')].map(each => each.innerText).join(' ')"


async def until(crawl, wanted):
    """Wait until what the crawl says of itself is as wanted, and return it."""
    end = time.monotonic() + DEADLINE
    while not wanted(said := await crawl.says()):
        assert time.monotonic() < end, said
        await asyncio.sleep(GLANCE)
    return said


async def answered(page, words: str) -> None:
    await page.until(f"({ANSWER}).includes({json.dumps(words)})")


async def test_the_token_leaves_the_address_and_goes_nowhere_but_into_the_header(crawl, steered):
    await (await steered.find("button", "Pause")).click()
    await until(crawl, lambda said: said.paused)
    entries = (await steered.say("Page.getNavigationHistory"))["entries"]
    await steered.go(crawl.url)
    await steered.until(READY)      # it is known again

    told = [name for headers in steered.sent for name, value in headers.items() if crawl.token in value]
    assert {"X-Crawler-Token"} == set(told)
    assert [] == [url for url in [*steered.asked, *(each["url"] for each in entries)] if crawl.token in url]
    assert [] == [headers["Referer"] for headers in steered.sent if "Referer" in headers]
    assert [crawl.url, False, ""] == await steered.js(f"""[location.href,
        document.documentElement.outerHTML.includes({json.dumps(crawl.token)}), document.cookie]""")


async def test_the_button_pauses_the_crawl_and_resumes_it(crawl, steered):
    await (await steered.find("button", "Pause")).click()
    await until(crawl, lambda said: said.paused and not said.snapshot.in_flight)
    asked = crawl.asked()
    await steered.shows("Paused: nothing is asked for until somebody resumes it")
    resume = await steered.find("button", "Resume")
    await news(steered)
    assert asked == crawl.asked()

    await resume.click()
    await until(crawl, lambda said: not said.paused and crawl.asked() > asked)
    await steered.find("button", "Pause")


async def test_the_key_p_pauses_and_resumes_and_is_a_letter_where_somebody_types(crawl, steered):
    box = await steered.find("searchbox", "Filter")
    await box.js("el => el.focus()")
    await steered.press("p")
    assert "p" == await box.js("el => el.value")
    await steered.press("Escape")
    assert not (await crawl.says()).paused

    await box.js("el => el.blur()")
    await steered.press("p")
    await until(crawl, lambda said: said.paused)
    await steered.find("button", "Resume")
    await steered.press("p")
    await until(crawl, lambda said: not said.paused)


async def test_settings_are_changed_and_what_somebody_types_is_not_written_over(crawl, steered):
    delay = await steered.find("textbox", "Delay between two requests to a host: 2s, 1/s")
    await delay.fill("2/s")
    await news(steered)
    assert "2/s" == await delay.js("el => el.value")

    await (await steered.find("button", "Set")).click()
    await until(crawl, lambda said: said.settings["delay"] == 0.5)
    await answered(steered, "delay")
    await steered.until("document.querySelector('[name=delay]').value === '500ms'")


async def test_what_cannot_be_a_setting_is_told_beside_the_field_and_not_sent(crawl, steered):
    before = (await crawl.says()).settings
    delay = await steered.find("textbox", "Delay between two requests to a host: 2s, 1/s")
    await delay.fill("soon")
    await (await steered.find("button", "Set")).click()

    assert "A time like 500ms or 2s, or a rate like 1/s, please." == await delay.js("el => el.validationMessage")
    assert before == (await crawl.says()).settings


async def test_a_seed_is_added_and_its_answer_shown(crawl, steered):
    await (await steered.find("textbox", "Seed")).fill(f"http://127.0.0.1:{crawl.site}/1000001 depth=0")
    await (await steered.find("button", "Add")).click()

    await answered(steered, "Added 1 of 1 seed")
    await steered.until("document.querySelector('#seed input').value === ''")
    await steered.go(f"{crawl.url}explain?url=http://127.0.0.1:{crawl.site}/1000001")
    await steered.shows("seed")


async def test_a_line_that_is_no_seed_is_refused_in_words_and_stays_in_the_field(crawl, steered):
    steered.forgiven = ("400",)
    field = await steered.find("textbox", "Seed")
    await field.fill("htp://example.org/")
    await (await steered.find("button", "Add")).click()

    await answered(steered, "htp")
    assert "htp://example.org/" == await field.js("el => el.value")


async def test_a_pattern_is_left_out_and_its_answer_shown(crawl, steered):
    await (await steered.find("textbox", "Pattern")).fill("/[0-9]*7$")
    await (await steered.find("button", "Leave out")).click()

    await answered(steered, "/[0-9]*7$")


async def test_a_host_is_parked_and_freed(crawl, steered):
    def parked(said) -> list[str]:
        return [host.host for host in said.view.hosts if host.parked]

    await (await steered.find("button", "Park 127.0.0.7")).click()
    await answered(steered, "127.0.0.7")
    await until(crawl, lambda said: parked(said) == ["127.0.0.7"] or "127.0.0.7" not in {host.host for host in said.view.hosts})
    await (await steered.find("button", "Free 127.0.0.7")).click()
    await until(crawl, lambda said: parked(said) == [])


async def test_stopping_asks_first_and_escape_stops_nothing(crawl, steered):
    await (await steered.find("button", "Stop…")).click()
    await steered.find("dialog", "Stop this crawl?")
    await steered.press("Escape")
    await steered.until("!document.querySelector('dialog[open]')")
    await news(steered)

    assert not (await crawl.says()).snapshot.stopping


async def test_without_the_token_nothing_can_be_changed_and_the_page_says_why(crawl, page):
    page.forgiven = ("403",)
    await page.go(crawl.url)
    for token in ("", "#token=wrong"):
        await page.js(f"location.hash = {token!r}")
        await news(page)
        await page.shows("To steer, open the address that the terminal shows.")

        changes = await page.js(CHANGES)
        assert {"Pause", "Stop…", "Set", "Add", "Leave out", "delay"} <= {name for name, _ in changes}
        assert [] == [name for name, enabled in changes if enabled]
        await page.press("p")
        assert not (await crawl.says()).paused
    assert "wrong" not in await page.js("location.href")
