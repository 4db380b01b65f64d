"""A look ahead at real servers: what is asked, what is counted, and that no server can hold it up or lead it astray."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from aiohttp import web

from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import planning
from crawler.engine.planning import Planner
from crawler.engine.prospects import OriginProspect, SeedProspect, SitemapProspect


def urlset(*urls: str) -> tuple:
    return listing("urlset", "url", urls)


def index(*urls: str) -> tuple:
    return listing("sitemapindex", "sitemap", urls)


def listing(root: str, holder: str, urls: tuple[str, ...]) -> tuple:
    entries = "".join(f"<{holder}><loc>{url}</loc></{holder}>" for url in urls)
    return 200, {}, f'<{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{entries}</{root}>'


def planner(*seeds: str, **more) -> Planner:
    settings = {"delay": 0, "header_timeout": 0.3, "connect_timeout": 1.0, **more}
    return Planner(Settings(**settings), [Seed(url, Options(), "test", line) for line, url in enumerate(seeds, 1)])


async def plan(*seeds: str, **more):
    return await planner(*seeds, **more).run()


def by_host(prospect) -> dict:
    return {host.host: host for host in prospect.hosts}


@pytest.fixture
def listed(site):
    """Let the site have an index of two sitemaps, which list one URL twice and one that nobody may ask for."""
    site.pages["/robots.txt"] = f"User-agent: *\nDisallow: /private\nSitemap: {site.url('/index.xml')}\n"
    site.pages["/index.xml"] = index(site.url("/one.xml"), site.url("/two.xml"), site.url("/index.xml"))
    site.pages["/one.xml"] = urlset(site.url("/a"), site.url("/b"), site.url("/private/c"), "http://other.example/")
    site.pages["/two.xml"] = urlset(site.url("/b"), site.url("/d"))
    return site


async def test_robots_txt_and_sitemaps_are_asked_for_and_nothing_else(listed):
    """Each once, however often it is named; the index names itself."""
    found = await plan(listed.url("/"), listed.url("/a"), listed.url("/private/x"))
    [host] = found.hosts

    assert ["/robots.txt", "/index.xml", "/one.xml", "/two.xml"] == listed.asked
    assert (4, 1, True) == (host.urls, host.barred, host.known)        # a, b, d, and the seed that no sitemap lists
    assert (
        SeedProspect(listed.url("/"), allowed=True), SeedProspect(listed.url("/a"), allowed=True),
        SeedProspect(listed.url("/private/x"), allowed=False, rule="robots.txt line 2: Disallow: /private"),
    ) == host.seeds  # fmt: skip
    assert (
        SitemapProspect(listed.url("/index.xml"), sitemaps=3), SitemapProspect(listed.url("/one.xml"), listed=3, refused=1),
        SitemapProspect(listed.url("/two.xml"), listed=2),
    ) == host.sitemaps  # fmt: skip
    assert (1, 3, 1, 0, 3, 4, None) == (
        len(found.hosts), found.seeds, found.forbidden, found.troubled, found.sitemaps, found.urls, found.ended
    )  # fmt: skip


async def test_hosts_that_hang_fail_or_lie_hold_up_nobody(listed):
    """Side by side: one says nothing, one fails, one speaks no TLS, one has no name."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.host.startswith("127.0.0.2"):
            await asyncio.sleep(5)
        if request.host.startswith("127.0.0.3"):
            return web.Response(status=503, headers={"Retry-After": "3600"})
        return web.Response(text=f"Sitemap: {listed.url('/one.xml')}\n")

    listed.pages["/robots.txt"] = answer
    seeds = [listed.url("/"), listed.url("/", "127.0.0.2"), listed.url("/", "127.0.0.3"), f"https://127.0.0.4:{listed.port}/", "http://no.invalid/"]
    async with asyncio.timeout(4):
        found = by_host(await plan(*seeds, dns_timeout=1.0))

    assert 4 == found["127.0.0.1"].urls
    assert "robots.txt: timeout: no complete headers within 0.3 s" == found["127.0.0.2"].trouble
    assert "robots.txt: status 503" == found["127.0.0.3"].trouble
    assert {"connect", "dns"} == {found[name].origins[0].fault for name in ("127.0.0.4", "no.invalid")}
    assert [False] == [seed.allowed for seed in found["127.0.0.3"].seeds]
    assert {"/robots.txt", "/one.xml"} == set(listed.asked)
    assert 2 == sum(host.startswith("127.0.0.2") for host in listed.hosts)      # a timeout may pass; a 503 is an answer
    assert 1 == sum(host.startswith("127.0.0.3") for host in listed.hosts)


async def test_sitemaps_that_are_none_are_told(site):
    """Missing, broken, a page in its place, a redirect, a redirect out of the seeds' part of the web, one that is forbidden."""
    site.pages["/robots.txt"] = "User-agent: *\nDisallow: /no\n" + "".join(
        f"Sitemap: {site.url(path)}\n" for path in ("/missing", "/page", "/moved", "/away", "/no.xml", "/empty", "/fails")
    )
    site.pages["/page"] = '<html><a href="/x">x</a></html>'
    site.pages["/moved"] = 301, {"Location": "/there"}, ""
    site.pages["/there"] = urlset(site.url("/a"))
    site.pages["/away"] = 302, {"Location": site.url("/there", "127.0.0.2")}, ""
    site.pages["/empty"] = 200, {}, ""
    site.pages["/fails"] = 500, {}, ""
    [host] = (await plan(site.url("/"))).hosts

    assert {
        site.url("/missing"): "status 404",
        site.url("/page"): "it is no sitemap",
        site.url("/moved"): f"status 301 to {site.url('/there')}",
        site.url("/away"): f"status 302 to {site.url('/there', '127.0.0.2')}, which may not be read: sitemap: 127.0.0.2 is no seed's site",
        site.url("/no.xml"): "robots.txt line 2: Disallow: /no",
        site.url("/empty"): "it lists nothing",
        site.url("/fails"): "status 500",
        site.url("/there"): None,
    } == {sitemap.url: sitemap.trouble for sitemap in host.sitemaps}
    assert "/no.xml" not in site.asked
    assert {f"127.0.0.1:{site.port}"} == set(site.hosts)


async def test_a_tree_of_sitemaps_is_followed_three_levels_deep_and_so_many_wide(site, monkeypatch):
    """Every index names two more, without end."""
    monkeypatch.setattr(planning, "MOST_FILES", 9)

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            return web.Response(text=f"Sitemap: {site.url('/s')}\n")
        return web.Response(text=index(site.url(f"{request.path}0"), site.url(f"{request.path}1"))[2], content_type="text/xml")

    site.pages = type("Everything", (), {"get": lambda _, __: answer})()
    [host] = (await plan(site.url("/"))).hosts

    assert ["/robots.txt", "/s", "/s0", "/s1", "/s00", "/s01", "/s10", "/s11", "/s000", "/s001"] == site.asked
    assert (9, 6, False) == (len(host.sitemaps), host.unread, host.known)
    monkeypatch.setattr(planning, "MOST_FILES", 100)
    site.asked.clear()
    [host] = (await plan(site.url("/"))).hosts
    assert (16, 15, 16) == (len(site.asked), len(host.sitemaps), sum(sitemap.refused for sitemap in host.sitemaps))


async def test_the_gap_that_robots_txt_asks_for_is_kept_from_its_own_answer_on(site):
    """Looked at where it counts: on the server. A longer one than is honoured puts the host off, and it is asked nothing more."""
    times: list[float] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.host.startswith("127.0.0.2"):
            return web.Response(text=f"User-agent: *\nCrawl-delay: 61\nSitemap: {site.url('/one.xml', '127.0.0.2')}\n")
        times.append(asyncio.get_running_loop().time())
        if request.path == "/robots.txt":
            named = "".join(f"Sitemap: {site.url(f'/{number}.xml')}\n" for number in range(3))
            return web.Response(text=f"User-agent: *\nCrawl-delay: 0.3\n{named}")
        return web.Response(text=urlset(site.url("/a"))[2], content_type="text/xml")

    site.pages = type("Everything", (), {"get": lambda _, __: answer})()
    found = by_host(await plan(site.url("/"), site.url("/", "127.0.0.2")))

    assert 4 == len(times)
    assert min(b - a for a, b in itertools.pairwise(times)) >= 0.3
    assert pytest.approx((0.3, 0.3, 1.5)) == (found["127.0.0.1"].gap, found["127.0.0.1"].fastest, found["127.0.0.1"].low)
    assert "Crawl-delay of 61 s is longer than 60 s" == found["127.0.0.2"].trouble
    assert ["/robots.txt"] == [path for path, host in zip(site.asked, site.hosts, strict=True) if host.startswith("127.0.0.2")]


async def test_a_robots_txt_may_be_elsewhere_but_not_for_ever(site):
    """Five redirects are followed, as in a crawl; then all is allowed."""
    site.pages["/robots.txt"] = 301, {"Location": "/r1"}, ""
    for number in range(1, 9):
        site.pages[f"/r{number}"] = 301, {"Location": f"/r{number + 1}"}, ""
    [host] = (await plan(site.url("/"))).hosts
    site.pages["/r2"] = "User-agent: *\nDisallow: /\n"
    [other] = (await plan(site.url("/"))).hosts

    assert ["/robots.txt", "/r1", "/r2", "/r3", "/r4", "/r5", "/robots.txt", "/r1", "/r2"] == site.asked
    assert (OriginProspect(site.url(""), "none", 301),) == host.origins
    assert SeedProspect(site.url("/"), allowed=False, rule="robots.txt line 2: Disallow: /") == other.seeds[0]


async def test_settings_say_what_is_asked(listed):
    """Without robots.txt nobody names a sitemap; a guess is one; a page alone needs none, and its time is known."""
    listed.pages["/sitemap.xml"] = urlset(listed.url("/a"))
    await plan(listed.url("/"), robots=False)
    assert [] == listed.asked
    [host] = (await plan(listed.url("/"), robots=False, sitemaps="guess")).hosts
    assert (["/sitemap.xml"], 2, "ignored") == (listed.asked, host.urls, host.origins[0].robots)
    listed.asked.clear()
    [host] = (await plan(listed.url("/"), sitemaps="off")).hosts
    assert (["/robots.txt"], 1, False) == (listed.asked, host.urls, host.known)
    listed.asked.clear()
    [host] = (await plan(listed.url("/"), scope="page", delay=2.0)).hosts
    assert (["/robots.txt"], 1, True, 2.0) == (listed.asked, host.urls, host.known, host.low)


@pytest.mark.parametrize("how", ["stop", "time", "bytes"])
async def test_what_is_known_when_it_is_ended_is_the_plan(listed, how):
    """A sitemap that never comes is left out, and said to be."""
    asked = asyncio.Event()

    async def hang(_: web.Request) -> web.StreamResponse:
        asked.set()
        await asyncio.sleep(5)
        return web.Response()

    if how != "bytes":
        listed.pages["/one.xml"] = hang
    more = {"stop": {}, "time": {"max_time": 0.8}, "bytes": {"max_bytes": 300}}[how]
    one = planner(listed.url("/"), header_timeout=4.0, **more)
    running = asyncio.create_task(one.run())
    if how == "stop":
        await asked.wait()
        one.stop()
    found = await running

    assert {"stop": "stopped", "time": "--max-time 0.8 s", "bytes": "--max-bytes 300"}[how] == found.ended
    assert 2 >= found.hosts[0].unread > 0
    assert how == "time" or SitemapProspect(listed.url("/index.xml"), sitemaps=3) in found.hosts[0].sitemaps


async def test_a_private_address_that_no_seed_names_is_not_connected_to(listed):
    """The guard is that of the crawl: a network that is denied is not asked, not even for robots.txt."""
    [host] = (await plan(listed.url("/"), deny_net=("127.0.0.0/8",))).hosts

    assert [] == listed.asked
    assert "robots.txt: guard: 127.0.0.1 lies in a network given by --deny-net" == host.trouble
    assert not host.seeds[0].allowed
