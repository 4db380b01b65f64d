"""What people see: nothing runs off a phone, everything can be read in both schemes, and nothing is asked of anybody else."""

from __future__ import annotations

import asyncio
from urllib.parse import urlencode

import pytest

from crawler.control.dialogue import ask

from .conftest import serving
from .test_live import news

pytestmark = pytest.mark.asyncio(loop_scope="package")

FAINT = """(() => {
    const brush = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d', {willReadFrequently: true});
    const known = new Map();
    const rgba = (colour) => {      // any way of writing a colour, as the browser draws it
        if (!known.has(colour)) {
            brush.clearRect(0, 0, 1, 1);
            brush.fillStyle = colour;
            brush.fillRect(0, 0, 1, 1);
            const [r, g, b, a] = brush.getImageData(0, 0, 1, 1).data;
            known.set(colour, [r, g, b, a / 255]);
        }
        return known.get(colour);
    };
    const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const paper = new Map();
    const behind = (el) => {
        if (!el) return rgba('canvas');
        if (!paper.has(el)) paper.set(el, over(rgba(getComputedStyle(el).backgroundColor), behind(el.parentElement)));
        return paper.get(el);
    };
    const light = ([r, g, b]) => [[r, 0.2126], [g, 0.7152], [b, 0.0722]]
        .map(([value, part]) => [value / 255, part])
        .reduce((sum, [value, part]) => sum + part * (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4), 0);
    const contrast = (one, other) => {
        const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const opacity = (el) => el ? Number(getComputedStyle(el).opacity) * opacity(el.parentElement) : 1;
    const found = [];
    const judge = (el, colour, text) => {
        const back = behind(el);
        const [r, g, b, a] = rgba(colour);
        const got = contrast(over([r, g, b, a * opacity(el)], back), back);
        if (got < 4.5) found.push(`${got.toFixed(2)} ${el.tagName}.${el.className} ${JSON.stringify(text.trim().slice(0, 40))}`);
    };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let texts = 0;
    for (let node; node = walk.nextNode();) {
        const el = node.parentElement;
        if (!node.data.trim() || el.closest('.unseen, .skip, :disabled, option') || !el.checkVisibility({visibilityProperty: true})) continue;
        texts += 1;
        judge(el, getComputedStyle(el).color, node.data);
    }
    for (const el of document.querySelectorAll('input:not(:disabled), textarea')) {
        if (el.placeholder && el.checkVisibility()) judge(el, getComputedStyle(el, '::placeholder').color, el.placeholder);
    }
    return texts > 15 ? [...new Set(found)] : [`only ${texts} texts`];
})()"""
"""Visible text that stands out from what is behind it by less than 4.5 to 1 (WCAG 2.2, 1.4.3). Without motion: colours that change take their time."""
TOO_WIDE = """(() => {
    const inner = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= inner) return [];
    return [...document.querySelectorAll('body *')].filter(el => el.getBoundingClientRect().right > inner + 1 && el.checkVisibility())
        .map(el => `${el.tagName}.${el.className} #${el.id} ${Math.round(el.getBoundingClientRect().right)}`).slice(0, 8);
})()"""




async def test_the_live_page_fits_and_can_be_read(steered, tmp_path):
    for width, height in ((390, 844), (1280, 900)):
        await steered.size(width, height)
        for scheme in ("light", "dark"):
            await steered.prefer(scheme=scheme, motion="reduce")
            await news(steered, 1)
            assert [] == await steered.js(TOO_WIDE)
            assert [] == await steered.js(FAINT)
            await steered.picture(picture := tmp_path / f"live-{scheme}-{width}.png")
            assert await asyncio.to_thread(lambda file: file.read_bytes()[:8], picture) == b"\x89PNG\r\n\x1a\n"


async def test_a_crawl_that_pauses_one_that_rests_and_one_that_is_lost_can_be_read(crawl, page, demo_crawl):
    page.forgiven = ("net::ERR_", "WebSocket")
    for scheme in ("light", "dark"):
        await page.prefer(scheme=scheme, motion="reduce")
        async with serving(demo_crawl) as rest:
            await page.go(rest.url)
            assert [] == await page.js(FAINT)
        await page.shows("tries again by itself")
        assert [] == await page.js(FAINT)
    await ask(crawl.folder, {"command": "pause"})
    try:
        await page.go(crawl.url)
        await page.shows("Paused")
        for scheme in ("light", "dark"):
            await page.prefer(scheme=scheme, motion="reduce")
            assert [] == await page.js(FAINT)
    finally:
        await ask(crawl.folder, {"command": "resume"})


async def test_pages_to_browse_fit_a_phone_and_can_be_read_in_both_schemes(page, demo_crawl):
    page.forgiven = ("status of 4",)
    await page.size(390, 844)
    async with serving(demo_crawl) as served:
        await page.go(f"{served.url}list/pages")
        first = await page.js("new URL(document.querySelector('td a.url').href).searchParams.get('url')")
        about = urlencode({"url": first})
        for path in ("list/errors", "list/skipped", "list/hosts", "list/runs", "ask", "ask/redirects", "ask?sql=SELEKT", f"explain?{about}",
                     f"stored?{about}", "list/nothing", "list/pages"):
            await page.go(served.url + path)
            assert (path, []) == (path, await page.js(TOO_WIDE))
            for scheme in ("light", "dark"):
                await page.prefer(scheme=scheme, motion="reduce")
                assert (path, []) == (path, await page.js(FAINT))


async def test_colours_are_chosen_and_kept(crawl, page):
    await page.go(f"{crawl.url}list/runs")
    paper = "getComputedStyle(document.body).backgroundColor"
    auto = await page.js(paper)
    for name in ("Auto", "Light"):
        await (await page.find("button", f"Colours: {name}")).click()
    await page.find("button", "Colours: Dark")
    await page.until(f"{paper} !== {auto!r}")
    dark = await page.js(paper)
    await page.go(f"{crawl.url}list/pages")

    assert dark == await page.js(paper)
    assert "color-scheme: dark" in str(await page.js("`color-scheme: ${getComputedStyle(document.documentElement).colorScheme}`"))
