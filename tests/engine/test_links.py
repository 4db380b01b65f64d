"""Whole crawls of small sites: which links lead on, which are only recorded and by what rule, and what becomes of that at resume."""

from __future__ import annotations

import asyncio
import gzip
import signal
import socket

import pytest
from aiohttp import web

from crawler.fetch.resolver import ThreadResolver
from crawler.query.explain import explain
from crawler.query.reader import Reader

ANY = {"allow_net": ("127.0.0.0/8",)}


def page(*targets: str, head: str = "", body: str = "", title: str = "t") -> str:
    return f"<!doctype html><head><title>{title}</title>{head}</head>{body}" + "".join(f'<a href="{target}">x</a>' for target in targets)


def served(body: str | bytes, content_type: str = "text/html", **headers: str):
    """Return a page that is answered with this type and these headers (`X_Y` is X-Y)."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body.encode() if isinstance(body, str) else body

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=content, headers=sent, content_type=content_type)

    return answer


def urlset(*locs: str) -> str:
    """Return a sitemap; what stands behind a bar is written into the entry as it is."""
    entries = "".join(f"<url><loc>{loc.partition('|')[0]}</loc>{loc.partition('|')[2]}</url>" for loc in locs)
    return f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</urlset>'


def index(*locs: str) -> str:
    entries = "".join(f"<sitemap><loc>{loc}</loc></sitemap>" for loc in locs)
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</sitemapindex>'


def rules(crawl) -> dict[str, tuple[str, str | None]]:
    """Return path or URL -> (state or reason, rule) of everything but robots.txt; paths stand for the host of the seeds."""
    rows = crawl.query("SELECT url, state, reason, rule FROM urls WHERE seen_as <> 'robots'")
    return {_short(url): (reason or state, rule) for url, state, reason, rule in rows}


def _short(url: str) -> str:
    host, _, path = url.partition("://")[2].partition("/")
    return f"/{path}" if host.startswith("127.0.0.1:") else url


def done(crawl) -> set[str]:
    return {url for url, (state, _) in rules(crawl).items() if state == "done"}


def of(crawl, column: str) -> dict[str, object]:
    """Return path -> a column of pages."""
    return {_short(url): value for url, value in crawl.query(f"SELECT url, {column} FROM pages")}


def links_of(crawl) -> set[tuple[str, str, str]]:
    return {(_short(src), _short(dst), kind) for src, dst, kind in crawl.query("SELECT src, dst, kind FROM links")}


@pytest.fixture
def names(monkeypatch):
    """Every name is this machine."""

    async def here(self, host, port, family):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST, "family": socket.AF_INET}]

    monkeypatch.setattr(ThreadResolver, "_look_up", here)


# --- sitemaps ------------------------------------------------------------------------------------------------------------


async def test_sitemaps_that_robots_txt_names_are_followed_and_their_pages_found(site, crawl):
    site.pages = {
        "/robots.txt": f"User-agent: *\nDisallow: /no\nSitemap: {site.url('/index.xml')}\nSitemap: {site.url('/list.txt')}",
        "/": page(),
        "/index.xml": served(index(site.url("/packed.xml.gz")), "application/xml"),
        "/packed.xml.gz": served(gzip.compress(urlset(site.url("/a"), site.url("/no")).encode()), "application/x-gzip"),
        "/list.txt": served(f"{site.url('/b')}\n{site.url('/c')}\n", "text/plain"),
        "/a": page("/d"), "/b": page(), "/c": page(), "/d": page(),
    }  # fmt: skip
    summary = await crawl(site.url("/"))
    assert "finished" == summary.outcome
    assert {"/", "/index.xml", "/packed.xml.gz", "/list.txt", "/a", "/b", "/c", "/d"} == done(crawl)
    assert "robots" == rules(crawl)["/no"][0]
    assert {1} == set(site.counts.values())
    assert {("/robots.txt", "/index.xml", "sitemap"), ("/robots.txt", "/list.txt", "sitemap"), ("/index.xml", "/packed.xml.gz", "sitemap"),
            ("/packed.xml.gz", "/a", "listed")} <= links_of(crawl)  # fmt: skip
    [(seen_on,)] = crawl.query("SELECT seen_on FROM urls WHERE url LIKE '%/index.xml'")
    assert site.url("/robots.txt") == seen_on


async def test_what_a_sitemap_says_of_its_pages_is_in_listings(site, crawl):
    entries = (f"{site.url('/a')}|<lastmod>2024-02-03</lastmod><priority>0.25</priority>", site.url("/b"), f"{site.url('/gone')}|<lastmod>rubbish</lastmod>")
    site.pages = {"/robots.txt": f"Sitemap: {site.url('/s.xml')}", "/": page(), "/s.xml": served(urlset(*entries), "text/xml"), "/a": page(), "/b": page()}
    await crawl(site.url("/"))
    rows = {_short(url): (lastmod, priority, _short(sitemap), state) for url, lastmod, priority, sitemap, state in
            crawl.query("SELECT url, lastmod, priority, sitemap, state FROM listings")}  # fmt: skip
    assert {"/a": ("2024-02-03 00:00:00", 0.25, "/s.xml", "done"), "/b": (None, None, "/s.xml", "done"), "/gone": (None, None, "/s.xml", "done")} == rows


@pytest.mark.parametrize(("setting", "asked"), [("robots", {"/", "/named.xml"}), ("guess", {"/", "/named.xml", "/sitemap.xml", "/a"}), ("off", {"/"})])
async def test_where_sitemaps_are_looked_for_is_a_setting(site, crawl, setting, asked):
    site.pages = {"/robots.txt": "Sitemap: /named.xml", "/": page(), "/named.xml": served(urlset(), "text/xml"),
                  "/sitemap.xml": served(urlset(site.url("/a")), "text/xml"), "/a": page()}  # fmt: skip
    await crawl(site.url("/"), sitemaps=setting)
    assert asked == set(site.counts)


async def test_sitemaps_are_looked_for_at_resume_when_the_setting_says_so(site, crawl):
    site.pages = {"/robots.txt": f"Sitemap: {site.url('/named.xml')}", "/": page(), "/named.xml": served(urlset(site.url("/b")), "text/xml"),
                  "/sitemap.xml": served(urlset(site.url("/a")), "text/xml"), "/a": page(), "/b": page()}  # fmt: skip
    await crawl(site.url("/"), sitemaps="off")
    assert {"/"} == set(site.counts)
    await crawl(sitemaps="robots")
    assert {"/", "/named.xml", "/b"} == set(site.counts)
    await crawl(sitemaps="guess")
    assert {"/", "/named.xml", "/b", "/sitemap.xml", "/a"} == set(site.counts)
    assert {1} == set(site.counts.values())


async def test_a_sitemap_may_lie_on_another_host_of_the_same_site_and_not_on_another_site(site, crawl, names):
    near, far = site.url("/near.xml", "maps.site.test"), site.url("/far.xml", "maps.other.test")
    a = site.url("/a", "www.site.test")
    site.pages = {"/robots.txt": f"Sitemap: {near}\nSitemap: {far}", "/": page(), "/near.xml": served(urlset(a, site.url("/b", "maps.site.test")), "text/xml"),
                  "/far.xml": served(urlset(a), "text/xml"), "/a": page()}  # fmt: skip
    await crawl(site.url("/", "www.site.test"), **ANY)
    found = rules(crawl)
    assert ("scope", "sitemap: other.test is no seed's site") == found[far]
    assert ("done", "done") == (found[near][0], found[a][0])
    assert "scope" == found[site.url("/b", "maps.site.test")][0]
    assert "/far.xml" not in site.counts


async def test_a_robots_txt_that_redirects_names_sitemaps_too(site, crawl):
    site.pages = {"/robots.txt": (301, {"Location": "/r.txt"}, ""), "/r.txt": f"Sitemap: {site.url('/s.xml')}", "/": page(),
                  "/s.xml": served(urlset(site.url("/a")), "text/xml"), "/a": page()}  # fmt: skip
    await crawl(site.url("/"))
    assert 1 == site.counts["/a"]


async def test_a_sitemap_that_redirects_is_still_read_as_one(site, crawl):
    """It says plain text, which nobody reads for links in a page."""
    site.pages = {"/robots.txt": f"Sitemap: {site.url('/s')}", "/": page(), "/s": (302, {"Location": "/t"}, ""),
                  "/t": served(f"{site.url('/a')}\n", "text/plain"), "/a": page()}  # fmt: skip
    await crawl(site.url("/"))
    assert 1 == site.counts["/a"]
    assert {("/t", "sitemap")} == {(_short(url), kind) for url, kind in crawl.query("SELECT url, seen_as FROM urls WHERE url LIKE '%/t'")}


async def test_sitemap_indexes_are_followed_three_levels_down_and_each_is_asked_once(site, crawl):
    site.pages = {"/robots.txt": f"Sitemap: {site.url('/0')}", "/": page()}
    site.pages |= {f"/{n}": served(index(site.url("/0"), site.url(f"/{n + 1}")), "text/xml") for n in range(10)}
    await crawl(site.url("/"))
    assert {"/": 1, "/0": 1, "/1": 1, "/2": 1, "/3": 1} == site.counts
    assert ("trap", "more than 3 sitemap indexes below one another") == rules(crawl)["/4"]


async def test_pages_of_a_sitemap_are_as_deep_as_what_the_seed_s_links_lead_to(site, crawl):
    site.pages = {"/robots.txt": f"Sitemap: {site.url('/s.xml')}", "/": page(), "/s.xml": served(urlset(site.url("/a")), "text/xml"), "/a": page("/b"), "/b": "b"}
    await crawl(site.url("/"), depth=2)
    assert [("/a", 2), ("/b", 3), ("/s.xml", 1)] == sorted((_short(url), depth) for url, depth in crawl.query("SELECT url, depth FROM urls WHERE depth > 0"))
    assert "depth" == rules(crawl)["/b"][0]


async def test_without_robots_no_sitemap_is_known_of_and_guessed_ones_are(site, crawl):
    site.pages = {"/robots.txt": "Sitemap: /named.xml", "/": page(), "/sitemap.xml": served(urlset(site.url("/a")), "text/xml"), "/a": page()}
    await crawl(site.url("/"), robots=False, sitemaps="guess")
    assert {"/", "/sitemap.xml", "/a"} == set(site.asked)


# --- kinds ---------------------------------------------------------------------------------------------------------------

REQUISITES = ('<link rel=stylesheet href="{far}s.css"><script src="{far}s.js"></script><link rel=icon href="{far}i.ico">', '<img src="{far}i.png">')


def dressed(site, host: str = "127.0.0.2") -> str:
    head, body = (text.format(far=site.url("/", host)) for text in REQUISITES)
    return page("/a", head=head, body=body)


async def test_page_requisites_come_from_any_host_with_the_option_only_and_lead_no_further(site, crawl):
    far = site.url("/", "127.0.0.2")
    site.pages = {"/": dressed(site), "/a": page(far), "/s.css": served("@import 'more.css'; a { background: url(bg.png) }", "text/css"),
                  "/more.css": served("b { color: red }", "text/css"), "/s.js": served("1", "text/javascript"),
                  "/bg.png": served(b"png", "image/png"), "/i.png": served(page("/never"), "image/svg+xml"), "/i.ico": served(b"ico", "image/x-icon")}  # fmt: skip
    await crawl(site.url("/"), **ANY)
    assert {"/", "/a"} == set(site.counts)
    assert ("scope", "kind img: not followed without --page-requisites") == rules(crawl)[f"{far}i.png"]
    await crawl(page_requisites=True, **ANY)
    assert {"/", "/a", "/s.css", "/s.js", "/i.ico", "/i.png", "/more.css", "/bg.png"} == set(site.counts)
    assert {1} == set(site.counts.values())
    assert ("scope", "scope host: 127.0.0.2 is no seed's host") == rules(crawl)[far]


async def test_page_requisites_are_fetched_at_the_last_depth_too(site, crawl):
    site.pages = {"/": dressed(site, "127.0.0.1"), "/s.css": served("", "text/css"), "/s.js": "1", "/i.ico": "1", "/i.png": "1"}
    await crawl(site.url("/"), depth=0, page_requisites=True)
    assert {"/", "/s.css", "/s.js", "/i.ico", "/i.png"} == set(site.counts)


async def test_a_page_that_is_framed_or_pictured_elsewhere_is_no_requisite(site, crawl):
    """What an image's host answers with a page is not gone through for its links."""
    site.pages = {"/": page(body=f'<img src="{site.url("/i", "127.0.0.2")}">'), "/i": page(site.url("/never", "127.0.0.2"), "/never")}
    await crawl(site.url("/"), page_requisites=True, **ANY)
    assert {"/", "/i"} == set(site.counts)


async def test_a_requisite_that_redirects_is_one_still(site, crawl):
    far = site.url("/i.png", "127.0.0.2")
    site.pages = {"/": page(body='<img src="/i">'), "/i": (302, {"Location": far}, ""), "/i.png": served(b"png", "image/png")}
    await crawl(site.url("/"), page_requisites=True, **ANY)
    assert ("done", None) == rules(crawl)[far]


@pytest.mark.parametrize(("kind", "markup"), [
    ("hreflang", '<link rel=alternate hreflang=de href="/x">'), ("amp", '<link rel=amphtml href="/x">'), ("prev", '<link rel=prev href="/x">'),
    ("alternate", '<link rel=alternate media=print href="/x">'), ("form", '<form action="/x"><input name=q></form>'), ("other", '<link rel=help href="/x">'),
])  # fmt: skip
async def test_a_kind_that_is_not_followed_is_recorded_with_its_rule_and_let_in_when_it_is(site, crawl, kind, markup):
    site.pages = {"/": page(body=markup), "/x": page("/y"), "/y": "y"}
    await crawl(site.url("/"))
    assert {"/"} == set(site.counts)
    assert ("scope", f"kind {kind}: not followed without --follow {kind}") == rules(crawl)["/x"]
    await crawl(follow=(kind,))
    assert {"/": 1, "/x": 1, "/y": 1} == site.counts


@pytest.mark.parametrize(("kind", "markup"), [
    ("a", '<a href="/x">x</a>'), ("area", '<map><area href="/x"></map>'), ("iframe", '<iframe src="/x"></iframe>'), ("next", '<link rel=next href="/x">'),
    ("canonical", '<link rel=canonical href="/x">'), ("refresh", '<meta http-equiv=refresh content="1; url=/x">'),
    ("feed", '<link rel=alternate type="application/rss+xml" href="/x">'),
])  # fmt: skip
async def test_a_kind_is_left_and_followed_again(site, crawl, kind, markup):
    site.pages = {"/": page(body=markup), "/x": "x"}
    await crawl(site.url("/"), leave=(kind,))
    assert ("scope", f"kind {kind}: --leave {kind}") == rules(crawl)["/x"]
    await crawl()
    assert {"/": 1, "/x": 1} == site.counts


async def test_a_kind_that_is_left_at_resume_is_taken_out_of_what_waits(site, crawl):
    site.pages = {"/": page("/a", "/b", head='<link rel=next href="/x">'), "/a": "a", "/b": "b", "/x": "x"}
    await crawl(site.url("/"), max_pages=1)
    await crawl(leave=("next",))
    assert {"/": 1, "/a": 1, "/b": 1} == site.counts
    assert ("scope", "kind next: --leave next") == rules(crawl)["/x"]


async def test_a_url_that_is_linked_in_two_kinds_is_let_in_by_either(site, crawl):
    """It has one row, and that row has one kind."""
    site.pages = {"/": page(body='<img src="/x"><link rel=alternate hreflang=de href="/x">'), "/x": "x"}
    await crawl(site.url("/"))
    assert {"/": 1} == site.counts
    await crawl(follow=("hreflang",))
    assert 1 == site.counts["/x"]


async def test_what_was_refused_as_an_image_and_is_linked_later_is_fetched_and_explained(site, crawl):
    site.pages = {"/": page("/a", body='<img src="/x">'), "/a": page("/x"), "/x": page("/y"), "/y": "y"}
    await crawl(site.url("/"), max_pages=1)
    assert ("scope", "kind img: not followed without --page-requisites") == rules(crawl)["/x"]
    await crawl()
    assert {"/": 1, "/a": 1, "/x": 1, "/y": 1} == site.counts
    assert {("/", "/x", "img"), ("/a", "/x", "a")} <= links_of(crawl)
    assert [("a", 2)] == crawl.query("SELECT seen_as, depth FROM urls WHERE url LIKE '%/x'")
    told = await asyncio.to_thread(_explained, crawl.folder, site.url("/x"))
    assert ("done", "a", None, [site.url(path) for path in ("/x", "/a", "/")]) == (told.state, told.seen_as, told.rule, [step.url for step in told.path])


def _explained(folder, url):
    with Reader.open(folder) as reader:
        return explain(reader, url).known


# --- what a page asks for ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["nofollow", "ugc", "sponsored"])
async def test_each_word_of_rel_is_obeyed_or_not_by_itself(site, crawl, word):
    others = [other for other in ("nofollow", "ugc", "sponsored") if other != word]
    site.pages = {"/": page(body=f'<a rel="noopener {word}" href="/x">x</a><a rel="{word} {others[0]}" href="/y">y</a>'), "/x": "x", "/y": "y"}
    await crawl(site.url("/"))
    assert ("nofollow", f"rel {word} on the link") == rules(crawl)["/x"]
    await crawl(disobey=tuple(others))
    assert {"/": 1} == site.counts
    await crawl(disobey=(word,))
    assert {"/": 1, "/x": 1} == site.counts
    await crawl(disobey=(word, others[0]))
    assert {"/": 1, "/x": 1, "/y": 1} == site.counts


async def test_a_link_of_two_words_waits_for_both_of_them_to_be_disobeyed(site, crawl):
    site.pages = {"/": page(body='<a rel="ugc nofollow" href="/x">x</a>'), "/x": "x"}
    await crawl(site.url("/"), disobey=("ugc",))
    await crawl(disobey=("nofollow",))
    assert {"/": 1} == site.counts
    assert ("nofollow", "rel nofollow ugc on the link") == rules(crawl)["/x"]


async def test_a_directive_that_is_not_obeyed_in_the_first_run_lets_in_at_once(site, crawl):
    site.pages = {"/": page(body='<a rel=ugc href="/x">x</a>'), "/x": "x"}
    await crawl(site.url("/"), disobey=("ugc",))
    assert {"/": 1, "/x": 1} == site.counts


async def test_meta_nofollow_keeps_all_links_of_a_page_out_unless_it_is_disobeyed(site, crawl):
    site.pages = {"/": page("/x", head='<meta name=robots content="nofollow">'), "/x": "x"}
    await crawl(site.url("/"))
    assert ("nofollow", "meta robots nofollow") == rules(crawl)["/x"]
    assert 1 == of(crawl, "nofollow")["/"]
    await crawl(disobey=("x-robots-tag",))
    assert {"/": 1} == site.counts
    await crawl(disobey=("meta",))
    assert {"/": 1, "/x": 1} == site.counts


async def test_x_robots_tag_nofollow_does_the_same(site, crawl):
    site.pages = {"/": (200, {"X-Robots-Tag": "nofollow"}, page("/x")), "/x": "x"}
    await crawl(site.url("/"))
    assert ("nofollow", "X-Robots-Tag nofollow") == rules(crawl)["/x"]
    await crawl(disobey=("x-robots-tag",))
    assert {"/": 1, "/x": 1} == site.counts


async def test_x_robots_tag_of_another_crawler_is_none_of_ours(site, crawl):
    site.pages = {"/": (200, {"X-Robots-Tag": "otherbot: nofollow, noindex"}, page("/x")), "/x": "x"}
    await crawl(site.url("/"))
    assert {"/": 1, "/x": 1} == site.counts
    assert 0 == of(crawl, "noindex")["/"]


@pytest.mark.parametrize(("headers", "head"), [({"X-Robots-Tag": "noindex"}, ""), ({}, "<meta name=robots content=noindex>")])
async def test_noindex_is_recorded_and_keeps_a_body_out_only_on_demand(site, tmp_path, headers, head):
    from .conftest import Crawl

    site.pages = {"/": (200, headers, page("/x", head=head)), "/x": "x"}
    plain, obeying = Crawl(tmp_path / "plain"), Crawl(tmp_path / "obeying")
    await plain(site.url("/"))
    assert (1, 0) == (of(plain, "noindex")["/"], of(plain, "noindex")["/x"])
    assert of(plain, "file")["/"]
    await obeying(site.url("/"), obey_noindex=True)
    assert (None, 1, None) == (of(obeying, "file")["/"], of(obeying, "noindex")["/"], of(obeying, "bytes")["/"])
    assert of(obeying, "file")["/x"], "its links are followed all the same"


# --- canonical -----------------------------------------------------------------------------------------------------------


TEXT = "<p>eight words are the fewest that a text of its own must have to be compared"


def named(canonical: str, *targets: str) -> str:
    return page(*targets, head=f'<link rel=canonical href="{canonical}">')


async def test_what_a_page_calls_its_address_is_recorded_and_followed(site, crawl):
    site.pages = {"/": named("/home"), "/home": (200, {"Link": "</>; rel=canonical"}, page())}
    await crawl(site.url("/"))
    assert {"/": site.url("/home"), "/home": site.url("/")} == of(crawl, "canonical")
    assert {("/", "/home", "canonical"), ("/home", "/", "canonical")} <= links_of(crawl)


async def test_a_page_stands_back_behind_its_canonical_with_the_fold_and_comes_back_without(site, crawl):
    site.pages = {"/": page("/a?x=1"), "/a?x=1": named("/a", "/b") + TEXT, "/a": named("/a"), "/b": "b"}
    summary = await crawl(site.url("/"), fold=("canonical",))
    assert (3, {"/", "/a", "/b"}) == (summary.pages, done(crawl))
    assert ("duplicate", f"fold canonical: {site.url('/a')}") == rules(crawl)["/a?x=1"]
    assert {"/", "/a", "/b"} == set(of(crawl, "file"))
    again = await crawl()
    assert (4, {"/", "/a", "/b", "/a?x=1"}) == (again.pages, done(crawl))
    assert {"/": 1, "/a": 1, "/b": 1, "/a?x=1": 2} == site.counts


async def test_a_page_that_is_fetched_again_is_not_near_to_itself(site, crawl):
    site.pages = {"/": page("/a?x=1"), "/a?x=1": named("/a") + TEXT, "/a": named("/a")}
    await crawl(site.url("/"), fold=("canonical",))
    await crawl()
    assert None is of(crawl, "near")["/a?x=1"]


async def test_of_two_pages_that_name_each_other_one_stays(site, crawl):
    site.pages = {"/": page("/a", "/b"), "/a": named("/b"), "/b": named("/a")}
    await crawl(site.url("/"), fold=("canonical",))
    assert 2 == len(done(crawl))
    assert ["done", "duplicate"] == sorted(rules(crawl)[path][0] for path in ("/a", "/b"))


async def test_of_two_pages_that_name_each_other_one_stays_over_two_runs(site, crawl):
    async def last(request: web.Request) -> web.Response:
        crawl.crawler.stop(signal.SIGINT)
        return web.Response(text=named("/b"), content_type="text/html")

    site.pages = {"/": page("/a"), "/a": last, "/b": named("/a")}
    await crawl(site.url("/"), fold=("canonical",))
    assert ("duplicate", "queued") == (rules(crawl)["/a"][0], rules(crawl)["/b"][0])
    await crawl(fold=("canonical",))
    assert ("duplicate", "done") == (rules(crawl)["/a"][0], rules(crawl)["/b"][0])


async def test_of_pages_that_name_each_other_in_a_ring_one_stays(site, crawl):
    site.pages = {"/": page("/a", "/b", "/c"), "/a": named("/b"), "/b": named("/c"), "/c": named("/a")}
    await crawl(site.url("/"), fold=("canonical",))
    assert "done" in {rules(crawl)[path][0] for path in ("/a", "/b", "/c")}


async def test_a_seed_and_a_page_whose_canonical_may_not_enter_stay(site, crawl):
    far = site.url("/x", "127.0.0.2")
    site.pages = {"/": named("/home", "/out"), "/out": named(far), "/home": "h"}
    await crawl(site.url("/"), fold=("canonical",))
    assert {"/", "/out", "/home"} == done(crawl)


async def test_a_page_stays_whose_canonical_its_own_nofollow_keeps_out(site, crawl):
    site.pages = {"/": page("/a"), "/a": page(head='<meta name=robots content=nofollow><link rel=canonical href="/b">'), "/b": "b"}
    await crawl(site.url("/"), fold=("canonical",))
    assert {"/a", "/b"} & done(crawl), "neither the page nor what it stands back behind was kept"


async def test_a_canonical_in_a_header_that_differs_by_its_fragment_is_the_page_itself(site, crawl):
    site.pages = {"/": page("/a"), "/a": (200, {"Link": '</a#top>; rel="canonical"'}, page())}
    await crawl(site.url("/"), fold=("canonical",))
    assert {"/", "/a"} == done(crawl)


@pytest.mark.parametrize("canonical", ["/gone", "/forbidden/b", "/moved"])
async def test_a_page_comes_back_whose_canonical_turns_out_to_be_no_page(site, crawl, canonical):
    """An error, forbidden by robots.txt, or a redirect back to the page itself: what it says would be nowhere."""
    site.pages = {
        "/robots.txt": "User-agent: *\nDisallow: /forbidden/", "/": page("/a"), "/a": named(canonical), "/moved": (302, {"Location": "/a"}, ""),
    }  # fmt: skip
    summary = await crawl(site.url("/"), fold=("canonical",))
    assert ("finished", {"/", "/a"}) == (summary.outcome, set(of(crawl, "title")))


async def test_sitemaps_that_wait_are_left_when_they_are_not_wanted_any_more(site, crawl):
    site.pages = {"/robots.txt": f"Sitemap: {site.url('/s.xml')}", "/": page(), "/s.xml": served(urlset(site.url("/a")), "text/xml"), "/a": page()}
    await crawl(site.url("/"), max_pages=1)
    assert "queued" == rules(crawl)["/s.xml"][0]
    await crawl(max_pages=None, sitemaps="off")
    assert ("scope", "kind sitemap: --sitemaps off") == rules(crawl)["/s.xml"]
    assert "/a" not in rules(crawl)


# --- folds ---------------------------------------------------------------------------------------------------------------

SESSION = "0123456789abcdef0123456789abcdef"
FOLDED = [
    ("tracking", "/p?id=1&utm_source=x", "/p?id=1", "fold tracking: without utm_source"),
    ("session", f"/p;jsessionid={SESSION}", "/p", "fold session: without ;jsessionid"),
    ("index", "/p/index.html", "/p/", "fold index: without index.html"),
    ("query-order", "/p?b=1&a=2", "/p?a=2&b=1", "fold query-order: sorted by name"),
]


@pytest.mark.parametrize(("fold", "url", "into", "rule"), FOLDED, ids=[fold for fold, *_ in FOLDED])
async def test_a_fold_leaves_the_url_out_and_fetches_what_it_folds_into(site, crawl, fold, url, into, rule):
    site.pages = {"/": page(url.replace("&", "&amp;")), url: page("/original"), into: page("/folded"), "/folded": "f", "/original": "o"}
    await crawl(site.url("/"), fold=(fold,))
    assert {"/": 1, into: 1, "/folded": 1} == site.counts
    assert ("duplicate", rule) == rules(crawl)[url]
    assert {("/", url, "a"), ("/", into, "a")} <= links_of(crawl)


@pytest.mark.parametrize(("fold", "url", "into", "rule"), FOLDED, ids=[fold for fold, *_ in FOLDED])
async def test_a_fold_is_switched_on_and_off_at_resume(site, crawl, fold, url, into, rule):
    site.pages = {"/": page(url.replace("&", "&amp;")), url: "o", into: "f"}
    await crawl(site.url("/"), max_pages=1)
    assert "queued" == rules(crawl)[url][0]
    await crawl(fold=(fold,))
    assert {"/": 1, into: 1} == site.counts
    assert ("duplicate", rule) == rules(crawl)[url]
    await crawl()
    assert {"/": 1, into: 1, url: 1} == site.counts
    assert ("done", None) == rules(crawl)[url]


async def test_what_waits_is_folded_when_a_fold_is_switched_on_but_for_what_is_in_hand(site, crawl, monkeypatch):
    from crawler.engine import feeder

    monkeypatch.setattr(feeder, "MOST_PER_HOST", 4)
    monkeypatch.setattr(feeder, "FEWEST_PER_HOST", 4)
    waiting = {f"/p?b=1&a={n}": f"/p?a={n}&b=1" for n in range(40)}
    site.pages = {"/": page(*(url.replace("&", "&amp;") for url in waiting))} | dict.fromkeys([*waiting, *waiting.values()], "p")
    await crawl(site.url("/"), max_pages=1)
    await crawl(fold=("query-order",), concurrency=1)
    assert {1} == {site.counts[url] + site.counts[into] for url, into in waiting.items()}
    folded = [url for url, into in waiting.items() if site.counts[into]]
    assert len(folded) >= 20
    assert {("duplicate", "fold query-order: sorted by name")} == {rules(crawl)[url] for url in folded}
    await crawl()
    assert {1} == {site.counts[url] for url in waiting}, "the originals come back"


async def test_what_is_fetched_already_stays_when_a_fold_is_switched_on(site, crawl):
    site.pages = {"/": page("/p?b=1&amp;a=2"), "/p?b=1&a=2": "o", "/p?a=2&b=1": "f"}
    await crawl(site.url("/"))
    summary = await crawl(fold=("query-order",))
    assert (2, ("done", None)) == (summary.pages, rules(crawl)["/p?b=1&a=2"])


async def test_seeds_and_redirects_are_never_folded(site, crawl):
    site.pages = {"/?utm_source=x": page("/go"), "/go": (302, {"Location": "/to?utm_source=y"}, ""), "/to?utm_source=y": "t"}
    await crawl(site.url("/?utm_source=x"), fold=("tracking",))
    assert {"/?utm_source=x": 1, "/go": 1, "/to?utm_source=y": 1} == site.counts
    await crawl(site.url("/?utm_source=x"), fold=("tracking", "index"))
    assert {"/?utm_source=x": 1, "/go": 1, "/to?utm_source=y": 1} == site.counts


async def test_a_redirect_to_what_was_folded_is_fetched(site, crawl):
    """The server insists: /p?b&a is where it sends."""
    site.pages = {"/": page("/p?b=1&amp;a=2"), "/p?a=2&b=1": (302, {"Location": "/p?b=1&a=2"}, ""), "/p?b=1&a=2": "p"}
    await crawl(site.url("/"), fold=("query-order",))
    assert {"/": 1, "/p?a=2&b=1": 1, "/p?b=1&a=2": 1} == site.counts


async def test_what_a_link_folds_into_is_judged_like_any_other(site, crawl):
    site.pages = {"/": page("/no/index.html"), "/no/": "n"}
    await crawl(site.url("/"), fold=("index",), exclude=("/no/$",))
    assert {"/": 1} == site.counts
    assert ("scope", "exclude /no/$") == rules(crawl)["/no/"]


# --- headers and other documents -----------------------------------------------------------------------------------------


async def test_links_in_headers_count_like_those_in_the_page(site, crawl):
    link = '</next>; rel="next", </style.css>; rel=stylesheet, </de>; rel=alternate; hreflang=de'
    site.pages = {"/": (200, {"Link": link, "Refresh": "5; url=/later", "Content-Location": "/en"}, page()), "/next": "n", "/later": "l", "/en": "e"}
    await crawl(site.url("/"))
    assert {"/": 1, "/next": 1, "/later": 1} == site.counts
    assert {("/", "/next", "next"), ("/", "/style.css", "stylesheet"), ("/", "/de", "hreflang"), ("/", "/later", "refresh"),
            ("/", "/en", "content_location")} == {(src, dst, kind.replace("-", "_")) for src, dst, kind in links_of(crawl)}  # fmt: skip
    await crawl(follow=("content-location",))
    assert 1 == site.counts["/en"]


async def test_links_in_headers_of_what_is_no_page_count_too(site, crawl):
    site.pages = {"/": served(b"%PNG", "image/png", Link='</about>; rel="next"'), "/about": "a"}
    await crawl(site.url("/"))
    assert {"/": 1, "/about": 1} == site.counts


RSS = '<?xml version="1.0"?><rss version="2.0"><channel><title>t</title><link>{0}</link><item><link>{1}</link></item></channel></rss>'


async def test_a_feed_that_says_text_xml_is_followed_and_its_items_found(site, crawl):
    feed = RSS.format(site.url("/"), site.url("/item"))
    site.pages = {"/": page(head='<link rel=alternate type="application/rss+xml" href="/feed">'), "/feed": served(feed, "text/xml"), "/item": page("/deep"), "/deep": "d"}
    await crawl(site.url("/"))
    assert {"/": 1, "/feed": 1, "/item": 1, "/deep": 1} == site.counts
    assert {("/", "/feed", "feed"), ("/feed", "/item", "a")} <= links_of(crawl)


XHTML = ('<?xml version="1.0" encoding="utf-8"?><html xmlns="http://www.w3.org/1999/xhtml"><head><title>Ti&amp;tle</title></head>'
         '<body><a href="a"/><p>words</p><a rel="nofollow" href="/no">x</a><script>if (1 &lt; 2) "&lt;a href=\'/js\'>"</script></body></html>')  # fmt: skip


async def test_an_xhtml_page_is_read_as_one(site, crawl):
    site.pages = {"/": served(XHTML, "application/xhtml+xml"), "/a": "a", "/no": "n", "/js": "j"}
    await crawl(site.url("/"))
    assert "Ti&tle" == of(crawl, "title")["/"]
    assert 1 == site.counts["/a"]
    assert 0 == site.counts["/js"]


async def test_nofollow_on_a_link_counts_in_xhtml_too(site, crawl):
    site.pages = {"/": served(XHTML, "application/xhtml+xml"), "/a": "a", "/no": "n"}
    await crawl(site.url("/"))
    assert ("nofollow", "rel nofollow on the link") == rules(crawl)["/no"]


# --- what a change of mind must not break --------------------------------------------------------------------------------


async def test_a_page_with_two_canonicals_does_not_go_round_for_ever(site, crawl):
    """What the header names is no page, what the markup names is one."""
    site.pages = {"/": page("/p", "/good"), "/p": (200, {"Link": '</missing>; rel="canonical"'}, named("/good")), "/good": "g"}
    summary = await crawl(site.url("/"), fold=("canonical",))
    assert "finished" == summary.outcome
    assert {"/", "/p", "/good"} == done(crawl) - {"/missing"}
    assert site.counts["/p"] <= 2


async def test_what_waits_as_an_image_and_is_linked_to_as_well_survives_the_end_of_page_requisites(site, crawl):
    site.pages = {"/": "".join(f"<img src=/p{n}><a href=/p{n}>x</a>" for n in range(30))} | {f"/p{n}": page() for n in range(30)}
    await crawl(site.url("/"), page_requisites=True, max_pages=6)
    await crawl(page_requisites=False, max_pages=None)
    assert 31 == len(done(crawl))


async def test_a_link_that_is_marked_is_no_other_way_to_what_was_refused_as_an_image(site, crawl):
    site.pages = {"/": page("/b", body="<img src=/secret>"), "/b": "<a rel=nofollow href=/secret>x</a>", "/secret": page()}
    await crawl(site.url("/"))
    await crawl(exclude=("zzz",))
    assert 0 == site.counts["/secret"]


async def test_a_marked_link_that_folds_is_still_marked_when_it_does_not_fold_any_more(site, crawl):
    site.pages = {"/": '<a rel=nofollow href="/other?utm_source=1">x</a>', "/other": page()}
    await crawl(site.url("/"), fold=("tracking",))
    await crawl(fold=())
    assert {"/"} == set(site.counts) - {"/robots.txt"}


async def test_all_marks_of_a_link_have_to_be_disobeyed(site, crawl):
    marked = page("/x1", head="<meta name=robots content=nofollow>", body="<a rel=ugc href=/x2>x</a>")
    site.pages = {"/": (200, {"X-Robots-Tag": "nofollow"}, marked), "/x1": page(), "/x2": page()}
    await crawl(site.url("/"))
    await crawl(disobey=("meta",))
    assert {"/"} == done(crawl)
    await crawl(disobey=("meta", "x-robots-tag"))
    assert {"/", "/x1"} == done(crawl)
    await crawl(disobey=("meta", "x-robots-tag", "ugc"))
    assert {"/", "/x1", "/x2"} == done(crawl)


async def test_an_image_is_as_deep_as_its_followed_links_say(site, crawl):
    site.pages = {"/": page("/1", body="<img src=/c>"), "/1": page("/2"), "/2": page("/3"), "/3": page("/c"), "/c": page("/c1"), "/c1": page()}
    await crawl(site.url("/"), depth=3)
    await crawl(depth=3, exclude=("zzz",))
    assert "/c" not in done(crawl)
    await crawl(depth=4)
    assert "/c" in done(crawl)
    assert "depth" == rules(crawl)["/c1"][0]


async def test_a_sitemap_that_moves_costs_no_depth(site, crawl):
    site.pages = {
        "/robots.txt": f"Sitemap: {site.url('/r.xml')}", "/": page(), "/r.xml": (302, {"Location": "/r2.xml"}, ""),
        "/r2.xml": served(urlset(site.url("/a")), "text/xml"), "/a": page(),
    }  # fmt: skip
    await crawl(site.url("/"), depth=2)
    assert "/a" in done(crawl)


async def test_what_robots_bars_leaves_its_room_to_others(site, crawl):
    site.pages = {"/robots.txt": "User-agent: *\nDisallow: /a", "/": page(*(f"/a{n}" for n in range(4)), "/b0"), "/b0": page("/c0", "/c1"), "/c0": "c", "/c1": "c"}
    await crawl(site.url("/"), max_per_host=6)
    assert {"/", "/b0", "/c0", "/c1"} == done(crawl)


async def test_depths_do_not_come_by_links_that_are_marked(site, crawl):
    """A page that is read late and lies nearer hands its depth on, but not over a link that is not followed."""
    late = asyncio.Event()

    async def third(request: web.Request) -> web.Response:
        late.set()
        return web.Response(text=page("/l4"), content_type="text/html")

    async def slow(request: web.Request) -> web.Response:
        await late.wait()
        return web.Response(text=page("/n"), content_type="text/html")

    site.pages = {
        "/": page("/slow", "/l1"), "/slow": slow, "/l1": page("/l2"), "/l2": page("/n", "/l3"), "/l3": third, "/l4": page("/c"),
        "/n": "<a rel=nofollow href=/c>x</a>", "/c": page("/c1"), "/c1": page(),
    }  # fmt: skip
    await crawl(site.url("/"), depth=5)
    assert ("done", "depth") == (rules(crawl)["/c"][0], rules(crawl)["/c1"][0])


async def test_what_is_still_refused_tells_the_rule_that_refuses_it_now(site, crawl):
    site.pages = {"/": page(body="<img src=/c.png>")}
    await crawl(site.url("/"), page_requisites=True, exclude=("png$",))
    assert ("scope", "exclude png$") == rules(crawl)["/c.png"]
    await crawl(page_requisites=False, exclude=())
    assert ("scope", "kind img: not followed without --page-requisites") == rules(crawl)["/c.png"]
