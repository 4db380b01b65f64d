"""Asking again for what is known: what is asked how, what is recorded of it, and what is not done twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from crawler.hooks import Notice, PageStored, PageUnchanged, RequestFailed

ETAG, DATE = '"v1"', "Tue, 15 Nov 1994 12:45:26 GMT"
Answer = Callable[[web.Request], Awaitable[web.Response]]


def links(*targets: str, text: str = "") -> str:
    return f"<!doctype html><title>t</title>{text}" + "".join(f'<a href="{target}">x</a>' for target in targets)


class Versions:
    """Pages with validators: answers 304 to whoever has the version that there is, and remembers what was asked how."""

    def __init__(self) -> None:
        self.conditions: list[tuple[str, str | None, str | None]] = []

    def page(self, text: str, etag: str | None = ETAG, date: str | None = None) -> Answer:
        async def answer(request: web.Request) -> web.Response:
            known, since = request.headers.get("If-None-Match"), request.headers.get("If-Modified-Since")
            self.conditions.append((request.path, known, since))
            headers = {name: value for name, value in (("ETag", etag), ("Last-Modified", date)) if value is not None}
            if (known is not None and known == etag) or (known is None and since is not None and since == date):
                return web.Response(status=304, headers=headers)
            return web.Response(text=text, headers=headers, content_type="text/html")

        return answer


@pytest.fixture
def versions():
    return Versions()


def history(crawl, path: str = "/") -> list[tuple]:
    return crawl.query(f"SELECT run_id, status, body_id FROM fetch f JOIN url USING (url_id) WHERE path = '{path}' ORDER BY f.fetch_id")


def graph(crawl) -> set[tuple[str, str]]:
    return {tuple("/" + url.split("/", 3)[3] for url in row) for row in crawl.query("SELECT src, dst FROM links")}


def counters_agree(crawl) -> bool:
    """Tell whether a count says what the counters say."""
    kept = crawl.query("SELECT sum(queued), sum(delayed), sum(done), sum(failed), sum(excluded) FROM host")[0]
    counted = crawl.query("""SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 0 AND due_at IS NOT NULL),
        count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3) FROM url WHERE kind <> 11""")[0]
    pages = crawl.query("SELECT (SELECT value FROM meta WHERE key = 'pages') + 0, count(*) FROM pages")[0]
    errors = crawl.query("SELECT (SELECT value FROM meta WHERE key = 'errors') + 0, count(*) FROM errors WHERE state IN ('done', 'failed')")[0]
    return kept == counted and pages[0] == pages[1] and errors[0] == errors[1]


async def test_a_page_that_has_not_changed_is_not_sent_again(site, crawl, versions):
    site.pages = {"/": versions.page(links("/a", "/b", "/c")), "/a": versions.page("a", None, DATE), "/b": versions.page("b", ETAG, DATE), "/c": "c"}
    await crawl(site.url("/"))
    before = crawl.query("SELECT url, file, fetched FROM pages"), graph(crawl)
    crawl.events.clear()
    summary = await crawl(recrawl=0.0)

    assert {"/": 2, "/a": 2, "/b": 2, "/c": 2} == site.counts
    assert [("/", ETAG, None), ("/a", None, DATE), ("/b", ETAG, DATE)] == sorted(versions.conditions[3:])
    assert ("finished", 4, 0, 4, 0, 0) == (
        summary.outcome, summary.pages, summary.run_pages, summary.unchanged, summary.changed, summary.gone
    )  # fmt: skip
    assert [(1, 200, 1), (2, 304, None)] == history(crawl)
    assert [200, 304, 304, 304] == sorted(event.status for event in crawl.of(PageUnchanged))
    assert [] == crawl.of(PageStored)
    assert before[1] == graph(crawl)
    assert {row[:2] for row in before[0]} == {row[:2] for row in crawl.query("SELECT url, file, fetched FROM pages")}
    assert 1 == crawl.query("SELECT count(DISTINCT file) FROM pages WHERE url LIKE '%/c'")[0][0]
    assert counters_agree(crawl)


async def test_a_changed_page_is_kept_beside_the_old_one_and_its_links_replace_the_old_ones(site, crawl, versions):
    site.pages = {"/": versions.page(links("/a", "/old")), "/a": "a", "/old": "old", "/new": "new"}
    await crawl(site.url("/"))
    [(old,)] = crawl.query("SELECT file FROM pages WHERE url LIKE '%/'")
    site.pages["/"] = versions.page(links("/a", "/new"), '"v2"')
    summary = await crawl(recrawl=0.0)

    [(new,)] = crawl.query("SELECT file FROM pages WHERE url LIKE '%/'")
    assert [links("/a", "/old"), links("/a", "/new")] == [(crawl.folder / file).read_text() for file in (old, new)]
    assert [(1, 200, 1), (2, 200, 4)] == history(crawl)
    assert (4, 2, 1, 2) == (summary.pages, summary.run_pages, summary.changed, summary.unchanged)
    assert {("/", "/a"), ("/", "/new")} == graph(crawl)
    assert ("done", None) == crawl.states()["/old"]
    assert counters_agree(crawl)


async def test_a_page_that_is_gone_is_none_any_more_and_its_history_stays(site, crawl):
    site.pages = {"/": links("/a", "/b"), "/a": links("/x"), "/b": "b", "/x": "x"}
    await crawl(site.url("/"))
    del site.pages["/a"]
    site.pages["/b"] = (410, {}, "no")
    summary = await crawl(recrawl=0.0)

    assert (2, 0, 2) == (summary.pages, summary.run_pages, summary.gone)
    assert {"/", "/x"} == {"/" + url.split("/", 3)[3] for (url,) in crawl.query("SELECT url FROM pages")}
    assert [(1, 200, 2), (2, 404, None)] == history(crawl, "/a")
    assert {("/", "/a"), ("/", "/b")} == graph(crawl)
    site.pages["/a"] = "again"
    assert (3, 1) == ((await crawl(recrawl=0.0)).pages, len(crawl.query("SELECT 1 FROM errors")))
    assert counters_agree(crawl)


async def test_a_page_that_moved_is_none_any_more_and_its_target_is_one(site, crawl):
    site.pages = {"/": links("/a"), "/a": links("/x"), "/x": "x", "/there": "there"}
    await crawl(site.url("/"))
    site.pages["/a"] = (301, {"Location": "/there"}, "")
    summary = await crawl(recrawl=0.0)

    assert (3, 1, 1) == (summary.pages, summary.run_pages, summary.gone)
    assert {("/", "/a"), ("/a", "/there")} == graph(crawl)
    assert counters_agree(crawl)
    site.pages["/a"] = links("/x")
    assert 4 == (await crawl(recrawl=0.0)).pages
    assert {("/", "/a"), ("/a", "/x")} == graph(crawl)


async def test_trouble_keeps_the_page_that_there_was(site, crawl):
    site.pages = {"/": links("/a", "/b"), "/a": links("/c"), "/b": "b", "/c": "c"}
    await crawl(site.url("/"))
    before = crawl.query("SELECT url, file FROM pages"), graph(crawl)
    site.pages |= {"/a": (500, {}, "no"), "/b": (403, {}, "no")}
    summary = await crawl(recrawl=0.0, tries=1)

    assert (4, 2, 0) == (summary.pages, summary.unchanged, summary.gone)
    assert before == (crawl.query("SELECT url, file FROM pages"), graph(crawl))
    assert counters_agree(crawl)


async def test_what_had_failed_or_was_not_there_is_asked_again_too(site, crawl):
    site.pages = {"/": links("/500", "/404", "/away"), "/500": (500, {}, "no"), "/away": (302, {"Location": "/"}, "")}
    await crawl(site.url("/"), tries=1)
    site.pages |= {"/500": "well", "/404": "there"}
    summary = await crawl(recrawl=0.0)

    assert (3, 2) == (summary.pages, summary.run_pages)
    assert dict.fromkeys(("/", "/500", "/404", "/away"), 2) == site.counts
    assert (0, []) == (crawl.query("SELECT value + 0 FROM meta WHERE key = 'errors'")[0][0], crawl.query("SELECT 1 FROM errors"))
    assert counters_agree(crawl)


async def test_only_what_is_old_enough_is_asked_again(site, crawl):
    site.pages = {"/": links("/a", "/b"), "/a": "a", "/b": "b"}
    await crawl(site.url("/"))
    with crawl.writing() as db:
        db.execute("UPDATE fetch SET at = at - 8 * 86400000 WHERE url_id = (SELECT url_id FROM url WHERE path = '/b')")
    site.asked.clear()
    await crawl(recrawl=7 * 86_400.0)
    assert {"/b": 1} == site.counts
    await crawl(recrawl=7 * 86_400.0)
    assert {"/b": 1} == site.counts


async def test_without_being_told_nothing_is_asked_again(site, crawl):
    site.pages = {"/": "page"}
    await crawl(site.url("/"), recrawl=0.0)
    await crawl()
    assert {"/": 1} == site.counts


async def test_a_304_that_nobody_asked_for_is_trouble(site, crawl):
    site.pages = {"/": links("/a"), "/a": (304, {}, "")}
    await crawl(site.url("/"), tries=1)
    assert [("protocol", "status 304 to a request that made no conditions")] == crawl.query("SELECT fault, detail FROM errors")
    site.pages["/"] = (304, {}, "")
    summary = await crawl(recrawl=0.0, tries=1)
    assert (1, 0, ["protocol", "protocol"]) == (
        summary.pages, summary.unchanged, [event.fault for event in crawl.of(RequestFailed)][1:],
    )  # fmt: skip
    assert counters_agree(crawl)


async def test_a_page_that_is_not_whole_or_whose_file_is_missing_is_asked_for_without_conditions(site, crawl, versions):
    site.pages = {"/": versions.page("x" * 3_000), "/a": versions.page("page")}
    await crawl(site.url("/"), site.url("/a"), max_size=1_000)
    [(file,)] = crawl.query("SELECT file FROM pages WHERE url LIKE '%/a'")
    (crawl.folder / file).rename(crawl.folder / "elsewhere")
    summary = await crawl(recrawl=0.0, max_size=5_000)
    assert [("/", None, None)] * 2 + [("/a", None, None)] * 2 == sorted(versions.conditions)
    assert (1, 3_000) == (summary.changed, crawl.query("SELECT max(bytes) FROM pages")[0][0])


async def test_a_limit_of_pages_holds_and_leaves_what_is_known_to_be_asked_again(site, crawl):
    site.pages = {"/": links("/a", "/b", "/c", "/d"), **{f"/{name}": name for name in "abcd"}}
    await crawl(site.url("/"), max_pages=3)
    assert {"/": 1, "/a": 1, "/b": 1} == site.counts
    site.asked.clear()
    summary = await crawl(max_pages=3, recrawl=0.0)
    assert ("limit", 3, 3) == (summary.outcome, summary.pages, summary.unchanged)
    assert {"/": 1, "/a": 1, "/b": 1} == site.counts
    site.asked.clear()
    del site.pages["/a"]        # leaves room for one
    summary = await crawl(max_pages=3, recrawl=0.0)
    assert ("limit", 3, 1, 1) == (summary.outcome, summary.pages, summary.run_pages, summary.gone)
    assert {"/": 1, "/a": 1, "/b": 1, "/c": 1} == site.counts
    assert counters_agree(crawl)


async def test_a_recrawl_that_was_stopped_goes_on_and_asks_nothing_twice(site, crawl):
    names = [f"/{number}" for number in range(40)]
    site.pages = {"/": links(*names), **dict.fromkeys(names, "page")}
    await crawl(site.url("/"))
    site.asked.clear()

    async def stopping(request: web.Request) -> web.Response:
        crawl.crawler.stop(2)
        return web.Response(text="page", content_type="text/html")

    site.pages["/7"] = stopping
    assert "stopped" == (await crawl(recrawl=0.0, concurrency=2)).outcome
    site.pages["/7"] = "page"
    assert len(site.counts) < 41
    assert "finished" == (await crawl()).outcome        # the flag is not needed to go on
    assert dict.fromkeys(["/", *names], 1) == site.counts
    assert any("goes on with the recrawl" in event.text for event in crawl.of(Notice)) or crawl.query("SELECT 1 FROM meta WHERE key = 'recrawl'") == []
    await crawl(recrawl=0.0)                            # that one is over: this is another
    assert dict.fromkeys(["/", *names], 2) == site.counts


async def test_the_one_that_was_stopped_goes_on_by_the_same_command(site, crawl):
    site.pages = {"/": links("/a"), "/a": "a"}
    await crawl(site.url("/"))
    site.asked.clear()
    assert "limit" == (await crawl(recrawl=0.0, max_bytes=1, concurrency=1)).outcome
    assert 1 == len(site.counts)
    assert "finished" == (await crawl(recrawl=0.0)).outcome
    assert {"/": 1, "/a": 1} == site.counts


async def test_a_sitemap_that_changed_leads_to_what_is_new_and_forgets_what_it_lists_no_longer(site, crawl):
    def sitemap(*paths: str) -> tuple:
        urls = "".join(f"<url><loc>{site.url(path)}</loc><priority>0.5</priority></url>" for path in paths)
        return 200, {}, f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'

    site.pages = {"/robots.txt": f"Sitemap: {site.url('/map.xml')}", "/": "home", "/map.xml": sitemap("/a", "/b"), "/a": "a", "/b": "b", "/c": "c"}
    await crawl(site.url("/"))
    assert 2 == len(crawl.query("SELECT 1 FROM listings"))
    site.pages["/map.xml"] = sitemap("/b", "/c")
    await crawl(recrawl=0.0)
    assert ("done", None) == crawl.states()["/c"]
    assert [("/b",), ("/c",)] == crawl.query("SELECT '/' || replace(url, rtrim(url, 'abc'), '') FROM listings ORDER BY 1")


async def test_what_robots_txt_forbade_is_judged_anew_once_it_is_read_again(site, crawl):
    site.pages = {"/robots.txt": "User-agent: *\nDisallow: /a", "/": links("/a"), "/a": "a"}
    await crawl(site.url("/"))
    site.pages["/robots.txt"] = ""
    await crawl(recrawl=0.0)
    assert ("excluded", "robots") == crawl.states()["/a"]       # it is believed for a day
    with crawl.writing() as db:
        db.execute("UPDATE origin SET robots_at = robots_at - 2 * 86400000")
    await crawl(recrawl=0.0)
    assert ("done", None) == crawl.states()["/a"]
    assert counters_agree(crawl)


async def test_a_page_is_not_near_to_what_it_was(site, crawl):
    words = " ".join(f"word{number} of the old text" for number in range(200))
    site.pages = {"/": f"<title>t</title><p>{words}</p>"}
    await crawl(site.url("/"))
    site.pages["/"] = f"<title>t</title><p>{words} and one more</p>"
    await crawl(recrawl=0.0)
    assert [(None,), (None,)] == crawl.query("SELECT near_id FROM fetch WHERE simhash IS NOT NULL")


async def test_what_stood_back_behind_its_canonical_is_asked_again_and_may_be_a_page_now(site, crawl):
    alias = '<link rel=canonical href="/"><title>t</title>alias'
    site.pages = {"/": links("/alias"), "/alias": alias}
    await crawl(site.url("/"), fold=("canonical",))
    assert ("excluded", "duplicate") == crawl.states()["/alias"]
    site.pages["/alias"] = "a page of its own"
    assert 2 == (await crawl(recrawl=0.0, fold=("canonical",))).pages
    site.pages["/alias"] = alias
    summary = await crawl(recrawl=0.0, fold=("canonical",))
    assert (1, 1) == (summary.pages, summary.gone)
    assert counters_agree(crawl)


@pytest.mark.parametrize("save", ["warc", "none"])
async def test_a_page_in_a_warc_file_or_of_which_no_body_is_kept_is_asked_for_with_conditions_too(site, crawl, versions, save):
    site.pages = {"/": versions.page(links("/a")), "/a": versions.page("a")}
    await crawl(site.url("/"), save=save)
    site.pages["/a"] = versions.page("a new one", '"v2"')
    summary = await crawl(recrawl=0.0, save=save)
    assert [("/", ETAG, None), ("/a", ETAG, None)] == sorted(versions.conditions[2:])
    assert (2, 1, 1) == (summary.pages, summary.unchanged, summary.changed)
    assert counters_agree(crawl)
