"""Whatever servers send is text: it runs nothing, asks for nothing and leads nowhere, on no page and without the policy's help."""

from __future__ import annotations

import asyncio
import contextlib
import html
import json
import sqlite3
import time
from urllib.parse import quote, urlencode

import pytest
import pytest_asyncio
from aiohttp import web

from crawler.control import server
from crawler.core.metrics import Flying, HostView, Recent, Snapshot, View, Waiting
from crawler.engine.steering import Answer

from .chromium import eventually
from .conftest import Crawling, serving, site, together

pytestmark = pytest.mark.asyncio(loop_scope="package")

OWN = "document.title = 'hit'"
"""What pages of the site run."""
REFUSED = ("status of 4",)
STRANGE = """[...document.querySelectorAll('*')].filter(el =>
    el.matches('img, iframe, object, embed, base, meta[http-equiv], script:not([src^="/static/"]), link:not([href^="/static/"]), [srcdoc]')
    || el.getAttributeNames().some(name => name.startsWith('on'))
    || ['href', 'src', 'action', 'formaction', 'xlink:href'].some(name => /^[\\s\\x00-\\x20]*(javascript|data|vbscript):/i.test(el.getAttribute(name) ?? ''))
).map(el => el.outerHTML.slice(0, 200))"""
"""What no page of ours has."""
TURNED = """[...function* () {
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node; node = walk.nextNode();) {
        if (!/[\\u202a-\\u202e\\u2066-\\u2069]/.test(node.data) || node.parentElement.closest('pre, textarea')) continue;
        let el = node.parentElement;
        while (el !== document.body && !/isolate|plaintext/.test(getComputedStyle(el).unicodeBidi)) el = el.parentElement;
        const beside = el.textContent.split(/[\\u202a-\\u202e\\u2066-\\u2069]/).at(-1).split('\\n')[0].trim();
        if (!/^(<\\/a>|b)?[T….]*$/.test(beside)) yield `${beside} in ${el.outerHTML.slice(0, 300)}`;
    }
}()]"""
"""What stands behind text that turns the direction, and is turned with it."""


class Canary:
    """Where everything hostile wants to go."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        return web.Response(text="", headers={"Access-Control-Allow-Origin": "*"})

    def tempting(self, name: str) -> str:
        """Return text that asks the canary wherever it becomes markup, script, style or a link that somebody follows."""
        there = f"//127.0.0.1:{self.port}/{name}"
        return (
            f"<img src=x onerror=fetch('{there}-img')></title></textarea></pre></script><script>fetch('{there}-script')</script>"
            f"\"'><svg onload=fetch('{there}-svg')><link rel=stylesheet href={there}-link><iframe src={there}-frame></iframe>"
            f"<style>@import '{there}-style'</style><base href={there}-base/><meta http-equiv=refresh content='0;url=http:{there}-meta'>"
            f"{{{{7*7}}}}\u202e\u2066</a>"
        )


@together
async def canary():
    one = Canary()
    async with site(one.answer) as one.port:
        yield one


@pytest_asyncio.fixture(loop_scope="package")
async def exposed(page, canary, monkeypatch):
    """A tab that nothing protects but what the pages themselves do: the policy that they come with is left aside."""
    await page.say("Page.setBypassCSP", enabled=True)
    yield page
    assert [] == canary.asked


async def harmless(page) -> None:
    """Raise unless nothing on the page is of anybody else, and all of it keeps within its bounds."""
    assert [] == await page.js(STRANGE)
    assert [] == await page.js(TURNED)
    assert await page.js("document.documentElement.scrollWidth <= innerWidth")


class HostileSite:
    """Pages that nobody should trust, and answers that are none."""

    def __init__(self, canary: Canary) -> None:
        self.canary = canary
        whole, bare = (quote(canary.tempting("u"), safe=safe) for safe in ("", "'()/<>"))
        self.paths = ["/", f"/{whole}", f"/?q={bare}", "/huge", "/mime", "/gone", "/away", "/reset", "/blunt"]

    async def answer(self, request: web.Request) -> web.Response:
        text = self.canary.tempting("t")
        if request.path == "/robots.txt":
            return web.Response(text=f"User-agent: *\nDisallow: /private\nDisallow: /*{text}\n")
        if request.path == "/reset":
            request.transport.close()
        if request.path in ("/gone", "/blunt"):
            return web.Response(status=503 if request.path == "/blunt" else 404, reason=text, text=text)
        if request.path == "/away":
            return web.Response(status=302, headers={"Location": f"javascript:fetch('//127.0.0.1:{self.canary.port}/away')"})
        links = "".join(f'<a href="{path}">x</a>' for path in [*self.paths, "/private", f"javascript:{text}", f"//{quote(text)}/"])
        title = f"{text}{'T' * 2_000_000}" if request.path == "/huge" else text
        title, body = html.escape(title), html.escape(text)
        page = f"<!doctype html><html lang='{body}'><title>{title}</title><p>needle {body}</p><script>{OWN}</script>{links}"
        return web.Response(body=page.encode(), headers={"Content-Type": f"text/{text}" if request.path == "/mime" else "text/html"})


@together
async def hostile(canary, tmp_path_factory, parser_class):
    """A crawl of such a site, at rest, and its pages."""
    folder = tmp_path_factory.mktemp("hostile") / "<b>&crawl"
    answers = HostileSite(canary)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("crawler.engine.crawler.ParserPool", parser_class)
        async with site(answers.answer) as port:
            crawling = Crawling(folder, [f"http://127.0.0.1:{port}{path}" for path in answers.paths], delay=0, index="text", tries=1, max_rest=0)
            await crawling.crawler.run()
    canary.asked.clear()        # the crawl may have gone there
    await asyncio.to_thread(spoil, folder, canary.tempting("d"))
    async with serving(folder) as one:
        one.urls = [f"http://127.0.0.1:{port}{path}" for path in answers.paths]
        yield one


def spoil(folder, text: str) -> None:
    """Write into the database what no server could have it say, as if one had."""
    with contextlib.closing(sqlite3.connect(folder / "crawl.db")) as db, db:
        for table, column in (("fetch", "detail"), ("fetch", "mime"), ("host", "rest_reason"), ("url", "rule"), ("run", "argv"), ("run", "version")):
            db.execute(f"UPDATE {table} SET {column} = coalesce({column}, '') || ?", (text,))
        db.execute("UPDATE host SET name = name || ?", (text,))
        db.execute("INSERT INTO intervention VALUES (NULL, 1, 1, ?, json_object('why', ?), 1)", (text, text))


# --- at rest --------------------------------------------------------------------------------------------------------

LISTS = ("pages", "errors", "broken-links", "duplicates", "skipped", "hosts", "runs", "changes")


async def test_lists_and_answers_show_markup_as_text(hostile, exposed, canary):
    for path in [*(f"list/{name}" for name in LISTS), f"ask?{urlencode({'sql': 'SELECT url, title, mime FROM pages'})}", "ask/robots", "ask"]:
        await exposed.go(hostile.url + path)
        await harmless(exposed)
    assert "<img src=x onerror=" in await shown(exposed, f"{hostile.url}list/pages")


async def shown(page, url: str) -> str:
    await page.go(url)
    return await page.text()


async def test_what_is_known_and_stored_of_a_url_is_shown_as_text(hostile, exposed):
    exposed.forgiven = REFUSED
    for url in [*hostile.urls[1:3], *hostile.urls[-4:], "javascript:alert(1)"]:
        await exposed.go(f"{hostile.url}explain?{urlencode({'url': url})}")
        await harmless(exposed)
    for url in hostile.urls[1:5]:
        await exposed.go(f"{hostile.url}stored?{urlencode({'url': url})}")
        assert f"<script>{OWN}</script>" in await exposed.js("document.body.textContent") or " of 2.0 MB" in await exposed.text()
        await harmless(exposed)


async def test_what_is_searched_and_what_is_not_there_is_shown_as_text(hostile, exposed, canary):
    exposed.forgiven = REFUSED
    text = canary.tempting("q")
    await exposed.go(f"{hostile.url}search?q=needle")
    assert "needle" in await exposed.text()
    await harmless(exposed)
    for path in (f"search?{urlencode({'q': text})}", f"search?{urlencode({'q': chr(34) + text})}", f"list/{quote(text, safe='')}", quote(text),
                 f"stored?{urlencode({'url': text})}", f"explain?{urlencode({'url': text})}", f"ask/{quote(text, safe='')}",
                 f"ask?{urlencode({'sql': text})}", f"ask?{urlencode({'sql': 'SELECT :x', 'x': text})}", f"list/pages?{urlencode({'text': text, 'host': text})}"):
        await exposed.go(hostile.url + path)
        await harmless(exposed)


async def test_a_stored_page_is_never_opened_as_a_page(hostile, page, tmp_path):
    await page.browser.say("Browser.setDownloadBehavior", behavior="allowAndName", browserContextId=page.browser.profile,
                           downloadPath=str(tmp_path), eventsEnabled=True)  # fmt: skip
    await page.go(f"{hostile.url}stored?{urlencode({'url': hostile.urls[0]})}")
    with pytest.raises(RuntimeError, match="ERR_ABORTED"):
        await page.go(f"{hostile.url}stored/file?{urlencode({'url': hostile.urls[0]})}")
    done = await eventually(lambda: next((each for each in page.browser.downloads.values() if each.get("state") == "completed"), None))

    assert "page.txt" == done["suggestedFilename"]
    assert f"<script>{OWN}</script>" in (tmp_path / done["guid"]).read_text()
    assert (await page.js("location.pathname")) == "/stored"


# --- while it runs --------------------------------------------------------------------------------------------------


class Liar:
    """A crawl that says nothing but what is hostile."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def do(self, command: object) -> Answer:
        text, now, long = self.text, time.time(), self.text + "T" * 5_000
        url = f"http://a.example/{text}"
        view = View(
            hosts=(HostView(text, 1, 1, 1.0, 1.0, text, None), HostView(f"b{text}", 1, 0, 1.0, 9.0, "", text), HostView("c", 1, 0, 1.0, 9.0, text, None)),
            flying=(Flying(url, text, 1.0, 0), Flying(f"javascript:{text}", text, 1.0, 0)),
            pages=(Recent(now, url, 200, text, 5), Recent(now, "javascript:alert(1)", 200, long, 5), Recent(now, f"{url}\u202e", 200, "\u202eb\u2067", 5)),
            faults=(Recent(now, url, 503, text, fault=text, final=True), Recent(now, "data:text/html,x", None, text, fault=text)),
            wrong={text: 3, "__proto__": 1, "constructor": 2}, lag=0.0, memory=1,
        )  # fmt: skip
        seen = Snapshot(1.0, 1, 1, 1, 1, 1, 0.0, 0.0, 1, 1, 1, waiting=(Waiting(text, 9.0, text),))
        return Answer(text, snapshot=seen, view=view, settings={"delay": 1.0, "concurrency": 2})


async def test_the_live_page_shows_markup_as_text(hostile, exposed, canary):
    liar = Liar(canary.tempting("l"))
    async with server.serve(hostile.folder, liar):
        await exposed.go(hostile.secret_url)
        await harmless(exposed)             # as the server has made it
        await exposed.until("!document.querySelector('#pause').disabled")
        await harmless(exposed)             # as the script has
        liar.text = canary.tempting("m")    # and as it writes over it
        await exposed.until("document.body.innerText.includes('m-img') && !document.querySelector('#tables').innerText.includes('l-img')")
        box = await exposed.find("searchbox", "Filter")
        await box.fill("<img src=x")
        await (await exposed.find("button", "Pause")).click()
        await exposed.until("document.querySelector('#answer').innerText.includes('<img src=x')")
        await harmless(exposed)


# --- had it got in all the same ------------------------------------------------------------------------------------

BREAK_IN = """new Promise(done => {
    const box = document.body.appendChild(document.createElement('div'));
    box.innerHTML = `<img src=/favicon.ico onerror="document.broke = true; fetch('//127.0.0.1:%(port)d/broke-in')">`;
    box.append(Object.assign(document.createElement('script'), {textContent: `document.broke = true; fetch('//127.0.0.1:%(port)d/broke-in')`}));
    box.append(Object.assign(document.createElement('img'), {src: '//127.0.0.1:%(port)d/broke-in', onload: done, onerror: done}));
})"""


@pytest.mark.parametrize("bypassed", [True, False])
async def test_the_policy_stops_what_would_have_got_in(hostile, page, canary, bypassed):
    await page.say("Page.setBypassCSP", enabled=bypassed)
    await page.go(hostile.url + "list/pages")
    await page.js(BREAK_IN % {"port": canary.port})
    page.forgiven = ("ERR_", "Content Security Policy", "ContentSecurityPolicyIssue", "status of")
    if bypassed:        # these tests would have noticed
        await eventually(lambda: len(canary.asked) >= 3)
        canary.asked.clear()
    page.asked.clear()

    assert bypassed == bool(await page.js("document.broke"))
    assert bypassed != any("Content Security Policy" in line for line in page.said)
    assert [] == canary.asked


async def test_a_stored_script_is_no_script_of_ours(hostile, page):
    await page.go(hostile.url)
    page.forgiven = ("MIME type",)
    path = f"/stored/file?{urlencode({'url': hostile.urls[0]})}"
    ran = await page.js(f"""new Promise(done => document.body.append(Object.assign(document.createElement('script'),
        {{src: {json.dumps(path)}, onload: () => done(true), onerror: () => done(false)}})))""")

    assert not ran
    assert any("MIME type" in line for line in page.said)
