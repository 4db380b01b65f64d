"""The demo site keeps its promises: a walk that knows nothing of its definition finds exactly what it says is there."""

from __future__ import annotations

import asyncio
import errno
import gzip
import socket
import struct
import zlib
from collections import Counter, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote, urldefrag, urljoin, urlsplit

import aiohttp
import pytest
from bs4 import BeautifulSoup, SoupStrainer
from protego import Protego
from yarl import URL

from crawler.core.model import Reason
from crawler.demo import HOSTS, DemoSite
from crawler.demo.answers import Asked, answer
from crawler.demo.nouns import Manner, Page

REDIRECTS = {301, 302, 303, 307, 308}
FOLLOWED = SoupStrainer(["a", "area", "base", "meta"])


def has(address):
    """Tell whether an address can be bound here."""
    try:
        socket.create_server((address, 0)).close()
    except OSError:
        return False
    return True


many_addresses = pytest.mark.skipif(not all(map(has, HOSTS)), reason="this system has no loopback addresses but 127.0.0.1")


@pytest.fixture
async def site():
    """Serve a whole site that wastes no time."""
    async with DemoSite.start(pace=0) as opened:
        yield opened


@asynccontextmanager
async def visitor():
    """Open a client that keeps cookies of addresses, follows no redirect, and undoes no content coding."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, auto_decompress=False) as session:

        @asynccontextmanager
        async def get(url, **more):
            async with session.get(URL(url, encoded=True), allow_redirects=False, **more) as response:
                yield response

        yield get


async def status_of(request):
    """Make a request and return its status alone."""
    async with request as response:
        return response.status


def at(site, volume, path=""):
    """Return the absolute URL of a path in a volume."""
    pages = (page for page in site.truth().pages if urlsplit(page).path == f"/{volume}/")
    return next(pages) + path


# --- a walker, as small and as independent as can be ----------------------------------------------------------------


@dataclass
class Walk:
    """What a walk over the site came to."""

    pages: dict = field(default_factory=dict)
    errors: dict = field(default_factory=dict)
    redirects: dict = field(default_factory=dict)
    refused: set = field(default_factory=set)


async def walk(seeds):
    """Follow every link from the seeds on their hosts that robots.txt and nofollow leave open."""
    found, todo, known = Walk(), deque(seeds), set(seeds)
    hosts = {urlsplit(seed).netloc for seed in seeds}
    robots = {}
    async with visitor() as get:
        while todo:
            url = todo.popleft()
            host = urlsplit(url).netloc
            if host not in hosts:
                found.refused.add(url)
                continue
            if host not in robots:
                async with get(f"http://{host}/robots.txt") as response:
                    robots[host] = Protego.parse(await response.text() if response.ok else "")
            if not robots[host].can_fetch(url, "steadycrawl"):
                found.refused.add(url)
                continue
            for link in await visit(get, url, found):
                if link not in known:
                    known.add(link)
                    todo.append(link)
    return found


async def visit(get, url, found):
    """Ask for a URL until it has its last word; return where that leads."""
    async with get(url) as response:
        body, status, headers = await response.read(), response.status, response.headers
    if status == HTTPStatus.SERVICE_UNAVAILABLE and headers["Retry-After"] == "0":
        return await visit(get, url, found)
    if status in REDIRECTS:
        target = urljoin(url, headers["Location"])
        if target == url:
            return await visit(get, url, found)
        found.redirects[url] = target
        return [target]
    if status != HTTPStatus.OK:
        found.errors[url] = status
        return []
    found.pages[url] = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
    return links(url, found.pages[url], response.charset) if response.content_type == "text/html" else []


def links(url, body, charset):
    """Return the URLs that a page links to, as a browser would spell them."""
    soup = BeautifulSoup(body, "html.parser", parse_only=FOLLOWED, from_encoding=charset)
    if soup.find("meta", attrs={"name": "robots", "content": lambda value: value and "nofollow" in value}):
        return []
    base = soup.find("base")
    base = urljoin(url, base["href"]) if base else url
    anchors = (anchor for anchor in soup.find_all(["a", "area"], href=True) if "nofollow" not in anchor.get("rel", ()))
    spelt = (urldefrag(urljoin(base, anchor["href"].strip())).url for anchor in anchors)
    http = (link for link in spelt if link.startswith(("http://", "https://")))
    return [quote(link if urlsplit(link).path else f"{link}/", safe=":/?&=%+,;@~-._") for link in http]


def agree(site, found):
    """Compare a walk and the record of the site with its truth."""
    truth = site.truth()
    assert truth.pages == found.pages.keys()
    assert truth.errors == found.errors
    assert {**truth.redirects, **truth.loops} == found.redirects
    assert {url: site.body(url) for url in truth.pages} == found.pages
    assert {url for url in found.refused if not truth.forbids(url)} == set()
    asked = Counter(f"http://{seen.host}:{site.port}{seen.path_qs}" for seen in site.requests if seen.path != "/robots.txt")
    assert truth.asked == asked.keys()
    assert {at(site, "curios", "sleeping-keeper"), at(site, "curios", "guest-room")} == {u for u, n in asked.items() if n > 1}
    robots = {reason: url for url, reason in truth.never.items()}
    assert {Reason.SCOPE, Reason.SCHEME, Reason.NOFOLLOW, Reason.ROBOTS} == robots.keys()


# --- the site as a whole --------------------------------------------------------------------------------------------


async def test_a_walk_from_the_seeds_finds_what_the_truth_says(site):
    """Nothing more is reachable, nothing less, and each URL is asked for once but for the two that answer twice."""
    agree(site, await walk(site.seeds))


async def test_one_address_carries_the_whole_site():
    """With 127.0.0.1 alone, as on macOS, every volume is still there, and the host of the slow one slows nobody."""
    async with DemoSite.start(hosts=HOSTS[:1]) as brisk, visitor() as get, get(f"{brisk.seeds[0]}robots.txt") as response:
        assert "Crawl-delay" not in await response.text()
    async with DemoSite.start(pace=0, hosts=HOSTS[:1]) as site:
        assert site.hosts == ("127.0.0.1",)
        agree(site, await walk(site.seeds))


@many_addresses
async def test_addresses_that_are_not_there_are_left_out(monkeypatch):
    """An address that cannot be bound is no error as long as one can be."""
    create = socket.create_server

    def only_some(address, **more):
        if address[0] not in {"127.0.0.2", "127.0.0.3"}:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, **more)

    monkeypatch.setattr(socket, "create_server", only_some)
    async with DemoSite.start(pace=0) as site:
        assert ("127.0.0.2", "127.0.0.3") == site.hosts
        assert tuple(f"http://{host}:{site.port}/" for host in site.hosts) == site.seeds
    with pytest.raises(OSError, match=r"none of the addresses 127\.0\.0\.9 can be had"):
        async with DemoSite.start(hosts=["127.0.0.9"]):
            pass


async def test_a_port_that_was_asked_for_is_not_bargained_over():
    """It is taken, or it is an error."""
    async with DemoSite.start(pace=0, hosts=["127.0.0.1"]) as other:
        with pytest.raises(OSError, match="in use"):
            async with DemoSite.start(other.port):
                pass


@many_addresses
async def test_the_next_port_is_tried(monkeypatch):
    """A port in use on the second address costs a try, not the site, and leaves no socket open."""
    create, calls = socket.create_server, []

    def busy_once(address, **more):
        calls.append(address)
        if len(calls) == 2:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return create(address, **more)

    monkeypatch.setattr(socket, "create_server", busy_once)
    async with DemoSite.start(pace=0, hosts=HOSTS[:2]) as site:
        assert HOSTS[:2] == site.hosts
    assert [HOSTS[0], HOSTS[1]] * 2 == [address[0] for address in calls]


async def test_a_site_needs_a_pace_forwards():
    """A negative pace is refused before anything is opened."""
    with pytest.raises(ValueError, match="pace must not be negative, got -1"):
        async with DemoSite.start(pace=-1):
            pass


async def test_sites_stand_beside_each_other():
    """Two sites in one process share neither port nor record nor first visits."""
    async with DemoSite.start(pace=0) as one, DemoSite.start(pace=0) as two, visitor() as get:
        statuses = []
        for site in (one, two, one):
            async with get(at(site, "curios", "sleeping-keeper")) as response:
                statuses.append(response.status)
        assert [503, 503, 200] == statuses
        assert (2, 1) == (len(one.requests), len(two.requests))
        assert repr(one) == f"<DemoSite open, port {one.port} on {len(one.hosts)} hosts, 2 requests>"
    assert repr(one) == f"<DemoSite closed, port {one.port} on {len(one.hosts)} hosts, 2 requests>"


async def test_a_site_reads_the_same_every_time():
    """The same port gives the same bytes: nothing is drawn by lot."""
    async with DemoSite.start(pace=0) as site:
        port, before = site.port, {url: site.body(url) for url in site.truth().pages}
    async with DemoSite.start(port, pace=0) as again:
        assert before == {url: again.body(url) for url in again.truth().pages}


async def test_closing_ends_what_is_in_progress():
    """A slow answer is cut short, an idle connection dropped, no task left behind."""
    before = asyncio.all_tasks()
    async with asyncio.timeout(5), visitor() as get:
        async with DemoSite.start(pace=1_000) as site:
            async with get(site.seeds[0]) as response:
                await response.read()
            slow = asyncio.create_task(status_of(get(at(site, "curios", "fog-bell"))))
            while len(site.requests) < 2:  # noqa: ASYNC110 - a site has no event that tells of a request
                await asyncio.sleep(0)
        assert HTTPStatus.OK == await slow
    assert before == asyncio.all_tasks()


async def test_a_client_that_leaves_early_leaves_no_trace(caplog):
    """Closing in the middle of a body is the client's right, and no error of the site."""
    async with asyncio.timeout(5), DemoSite.start(pace=1_000) as site:
        for path in ("great-register", "long-song"):
            async with visitor() as get, get(at(site, "curios", path)) as response:
                await response.content.readany()
                response.close()
    assert [] == caplog.records


@many_addresses
async def test_a_site_is_of_the_promised_size(site):
    """Five hosts and more, 250 to 350 pages, a dozen of them on the host that asks for patience."""
    hosts = Counter(urlsplit(page).hostname for page in site.truth().pages)
    assert set(HOSTS) == hosts.keys()
    assert 250 <= hosts.total() <= 350
    assert 12 == hosts[urlsplit(at(site, "logbook")).hostname]


async def test_requests_are_written_down_as_they_were_made(site):
    """Byte for byte, in order, with their status, on a clock that only goes forward."""
    async with visitor() as get:
        async with get(f"{site.seeds[-1]}no%2fsuch?a=%20b&&c") as response:
            assert response.status == HTTPStatus.NOT_FOUND
        async with get(f"{site.seeds[0]}robots.txt") as response:
            assert response.status == HTTPStatus.OK
    first, second = site.requests
    assert (site.hosts[-1], "/no%2fsuch?a=%20b&&c", 404, "GET") == (first.host, first.path_qs, first.status, first.method)
    assert ("/no%2fsuch", "/robots.txt") == (first.path, second.path)
    assert first.at <= second.at


async def test_a_body_can_be_had_without_a_request(site):
    """Tests compare stored files with it."""
    assert b"<title>The Lighthouse Keepers' Handbook</title>" in site.body(at(site, "handbook"))
    for nowhere in ("http://example.com/", f"{site.seeds[0]}nowhere"):
        with pytest.raises(LookupError, match="no page of this site"):
            site.body(nowhere)
    assert [] == site.requests


async def test_other_methods_are_refused_and_head_has_no_body(site):
    """The site can be read and nothing else."""
    async with aiohttp.ClientSession() as session:
        async with session.post(site.seeds[0]) as response:
            assert (405, "GET, HEAD") == (response.status, response.headers["Allow"])
        async with session.head(at(site, "curios", "long-song")) as response:
            assert (200, b"") == (response.status, await response.read())


# --- robots.txt -----------------------------------------------------------------------------------------------------


@many_addresses
async def test_robots_txt_differs_from_host_to_host():
    """One closes a part with an exception, one asks for half a second, one is not there."""
    async with DemoSite.start() as site, visitor() as get:

        async def rules(volume):
            async with get(urljoin(at(site, volume), "/robots.txt")) as response:
                return response.status, await response.text()

        status, text = await rules("atlas")
        atlas = Protego.parse(text)
        open_ = [
            path for path in ("private/", "private/keys", "private/visitors") if atlas.can_fetch(at(site, "atlas", path), "x")
        ]
        assert (200, ["private/visitors"]) == (status, open_)
        assert not atlas.can_fetch(at(site, "atlas"), "gullbot")
        assert 0.5 == Protego.parse((await rules("logbook"))[1]).crawl_delay("steadycrawl")
        assert HTTPStatus.NOT_FOUND == (await rules("bestiary"))[0]


@many_addresses
async def test_pace_scales_what_the_site_asks_for():
    """A tenth of the pace is a tenth of the delay."""
    async with DemoSite.start(pace=0.1) as site, visitor() as get:
        async with get(urljoin(at(site, "logbook"), "/robots.txt")) as response:
            assert (await response.text()).endswith("Crawl-delay: 0.05\n")
        async with get(at(site, "curios", "sleeping-keeper")) as response:
            assert (503, "1") == (response.status, response.headers["Retry-After"])


async def test_one_calendar_ends_and_the_other_does_not(site):
    """The endless one is closed by robots.txt, so the truth knows its first month as forbidden and no other at all."""
    truth = site.truth()
    endless = urljoin(at(site, "atlas"), "/calendar/")
    assert (endless,) == truth.closed
    assert Reason.ROBOTS == truth.never[f"{endless}1901/01"]
    assert truth.forbids(f"{endless}2525/07")
    month = f"{endless}9999/12"
    async with visitor() as get:
        for following in ("10000/01", "10000/02", "10000/03"):
            async with get(month) as response:
                (month,) = (link for link in links(month, await response.read(), "utf-8") if link.startswith(endless))
            assert f"{endless}{following}" == month
        async with get(f"{endless}1901/13") as response:
            assert HTTPStatus.NOT_FOUND == response.status
    assert 24 == sum("/almanac/calendar/" in page for page in truth.pages)


# --- one behaviour after the other ----------------------------------------------------------------------------------


async def test_redirects_of_every_status_lead_where_the_truth_says(site):
    """301, 302, 303, 307, 308; a chain of three; to another host, off the site, into the closed part."""
    truth, statuses = site.truth(), {}
    async with visitor() as get:
        for url, target in {**truth.redirects, **truth.loops}.items():
            async with get(url) as response:
                statuses[url] = response.status
                assert target == urljoin(url, response.headers["Location"])
    assert REDIRECTS == set(statuses.values())
    chain = [at(site, "curios", "moved/rope")]
    while chain[-1] in truth.redirects:
        chain.append(truth.redirects[chain[-1]])
    assert (4, True) == (len(chain), chain[-1] in truth.pages)
    assert truth.redirects[at(site, "curios", "moved/to-the-atlas")].startswith(at(site, "atlas"))
    assert Reason.SCOPE == truth.never[truth.redirects[at(site, "curios", "moved/offshore")]]
    assert Reason.ROBOTS == truth.never[truth.redirects[at(site, "curios", "moved/to-the-keys")]]


async def test_a_loop_of_redirects_is_no_redirect_to_a_page(site):
    """Both ends of it are known as a loop."""
    loops = site.truth().loops
    assert {at(site, "curios", "moved/whirlpool"), at(site, "curios", "moved/maelstrom")} == set(loops) == set(loops.values())


async def test_a_busy_page_is_there_at_the_second_request():
    """503 and Retry-After first, then 200."""
    async with DemoSite.start() as site, visitor() as get:
        url = at(site, "curios", "sleeping-keeper")
        async with get(url) as first, get(url) as second:
            assert (503, "1", 200) == (first.status, first.headers["Retry-After"], second.status)


async def test_a_cookie_opens_the_guest_room(site):
    """Without it the page redirects to itself, for ever."""
    url = at(site, "curios", "guest-room")
    async with visitor() as get:
        async with get(url) as first:
            assert (302, url) == (first.status, urljoin(url, first.headers["Location"]))
        async with get(url) as second:
            assert (200, site.body(url)) == (second.status, await second.read())
    async with visitor() as get, get(url) as stranger:
        assert 302 == stranger.status


async def test_gzip_is_for_those_who_accept_it(site):
    """The coding differs, the page does not."""
    url = at(site, "curios", "pressed-flowers")
    async with visitor() as get:
        async with get(url, headers={"Accept-Encoding": "gzip"}) as packed:
            assert ("gzip", "Accept-Encoding") == (packed.headers["Content-Encoding"], packed.headers["Vary"])
            assert site.body(url) == gzip.decompress(await packed.read())
        async with get(url, headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert site.body(url) == await plain.read()


@pytest.mark.parametrize(("pace", "seconds"), [(1.0, 1.5), (0.5, 0.75), (0.0, 0.0)])
def test_the_slow_page_takes_its_time(pace, seconds):
    """A second and a half at full pace."""
    page = Page(bytes, manner=Manner.SLOW)
    assert seconds == answer(page, b"", Asked("/"), first=True, pace=pace).wait


async def test_a_page_comes_in_pieces_of_unknown_number(site):
    """No length is announced, and what was sent first can be read first."""
    url = at(site, "curios", "long-song")
    async with visitor() as get, get(url) as response:
        assert ("chunked", None) == (response.headers["Transfer-Encoding"], response.content_length)
        assert site.body(url) == await response.read()


async def test_a_rest_between_pieces_ends_with_the_site():
    """A body that would drip for minutes is finished at once when the site closes."""
    async with asyncio.timeout(5), visitor() as get:
        async with DemoSite.start(pace=1_000) as site:
            url = at(site, "curios", "long-song")
            request = get(url)
            response = await request.__aenter__()
            beginning = await response.content.readany()
        assert site.body(url) == beginning + await response.content.read()
        await request.__aexit__(None, None, None)


async def test_a_page_is_large(site):
    """About 600 KB, so that it does not fit where small bodies wait."""
    assert 550_000 < len(site.body(at(site, "curios", "great-register"))) < 650_000


@pytest.mark.parametrize(("path", "encoding", "header", "title"), [
    ("deungdae", "euc-kr", "text/html; charset=euc-kr", "등대 이야기"),
    ("todai", "shift_jis", "text/html", "灯台の話"),
])  # fmt: skip
async def test_other_alphabets_are_declared_in_one_place_only(site, path, encoding, header, title):
    """Korean in the header, Japanese in a meta tag; both link to a path in their own letters."""
    url = at(site, "curios", path)
    async with visitor() as get, get(url) as response:
        body = await response.read()
        assert header == response.headers["Content-Type"]
    assert (b"shift_jis" in body) == (encoding == "shift_jis")
    assert f"<title>{title}</title>" in body.decode(encoding)
    assert title == site.truth().titles[url]
    assert site.truth().pages.issuperset(links(url, body, response.charset))


async def test_files_that_are_no_pages(site):
    """A picture that is whole, and text whose link is none."""
    async with visitor() as get:
        async with get(at(site, "curios", "lantern.png")) as response:
            picture = await response.read()
            assert ("image/png", b"\x89PNG\r\n\x1a\n") == (response.content_type, picture[:8])
        async with get(at(site, "almanac", "tides.txt")) as response:
            assert "text/plain" == response.content_type
            assert '<a href="/almanac/no-link">' in await response.text()
    width, height = struct.unpack(">II", picture[16:24])
    size, kind = struct.unpack(">I4s", picture[33:41])
    assert ((24, 16), b"IDAT") == ((width, height), kind)
    assert (width + 1) * height == len(zlib.decompress(picture[41 : 41 + size]))
    assert at(site, "almanac", "no-link") not in site.truth().asked


async def test_titles_are_not_to_be_trusted(site):
    """One would paint a terminal, one is markup, one is missing."""
    titles = site.truth().titles
    assert titles[at(site, "curios", "red-light")].startswith("\x1b[31m")
    assert b"<title>\x1b[31mThe Red Light\x1b[0m\x1b]0;Ahoy\x07</title>" in site.body(at(site, "curios", "red-light"))
    assert "[bold red]A Bracket[/bold red] <b>&amp;</b>" == titles[at(site, "curios", "bracket")]
    assert None is titles[at(site, "curios", "untitled")]
    assert b"<title>" not in site.body(at(site, "curios", "untitled"))


async def test_titles_are_as_written(site):
    """What the truth says of a title is what an HTML parser reads."""
    encodings = {at(site, "curios", "deungdae"): "euc-kr", at(site, "curios", "todai"): "shift_jis"}
    for url, title in site.truth().titles.items():
        head = site.body(url).partition(b"</head>")[0].decode(encodings.get(url, "utf-8"))
        soup = BeautifulSoup(head, "html.parser")
        assert title == (soup.title.string if soup.title else None)


async def test_one_page_has_several_urls(site):
    """Exact copies, byte for byte."""
    notices = {site.body(at(site, "handbook", path)) for path in ("notice", "notice.html", "notice?print=1")}
    lists = {site.body(at(site, "atlas", path)) for path in ("by-name", "by-name?page=1")}
    assert (1, 1) == (len(notices), len(lists))
    assert {at(site, "handbook", "notice?print=1"), at(site, "atlas", "by-name?page=1")} < site.truth().pages


async def test_links_come_in_every_spelling(site):
    """Relative, absolute, without scheme, with fragment, repeated; a base, areas, and hrefs as people write them."""
    section = site.body(at(site, "handbook", "the-watch/cocoa")).decode()
    hrefs = [anchor["href"] for anchor in BeautifulSoup(section, "html.parser").find_all("a")]
    for beginning in ("./", "../glossary#", "/handbook/", "http://", "//127.", "#more", "mailto:"):
        assert any(href.startswith(beginning) for href in hrefs), beginning
    assert len(hrefs) > len(set(hrefs))
    assert b'<base href="/handbook/tools/">' in site.body(at(site, "handbook", "tools"))
    assert 5 == site.body(at(site, "handbook", "tower")).count(b"<area ")
    untidy = site.body(at(site, "curios", "untidy"))
    assert {b"found/ghost" in untidy, b"found/phantom" in untidy} == {True}
    assert {at(site, "curios", "found/ghost"), at(site, "curios", "found/phantom")}.isdisjoint(site.truth().asked)


async def test_links_that_nobody_should_follow(site):
    """By attribute, by the page's own wish, off the site, or no HTTP; what is forbidden on the site would answer."""
    never = site.truth().never
    expected = {
        at(site, "curios", "wreckers-lamp"): Reason.NOFOLLOW,
        at(site, "curios", "secret-stair"): Reason.NOFOLLOW,
        at(site, "atlas", "private/keys"): Reason.ROBOTS,
        at(site, "atlas", "far-roads.draft"): Reason.ROBOTS,
        "http://example.com/ships?flag=none": Reason.SCOPE,
        "http://example.com/buoys": Reason.SCOPE,
        "tel:+441632960123": Reason.SCHEME,
    }
    assert expected.items() <= never.items()
    assert site.truth().asked.isdisjoint(never)
    async with visitor() as get:
        for url in never:
            if url.startswith("http://127."):
                async with get(url) as response:
                    assert HTTPStatus.OK == response.status


async def test_missing_pages_say_how_they_are_missing(site):
    """404s on several hosts, and a 410."""
    errors = site.truth().errors
    async with visitor() as get:
        for url, status in errors.items():
            async with get(url) as response:
                assert status == response.status
    assert {404: 6, 410: 1} == Counter(errors.values())


@pytest.mark.parametrize("path", ["the-lamp/lighting-up", "the-lamp/the-first-hour-of-dark"])
async def test_pages_that_did_not_change_say_so(site, path):
    """304 to the ETag or the date; the ETag beats the date; a weak one where there is gzip as well."""
    url = at(site, "handbook", path)
    async with visitor() as get:

        async def status(**headers):
            async with get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}) as response:
                return response.status

        async with get(url) as response:
            tag, date = response.headers["ETag"], response.headers["Last-Modified"]
            assert tag.startswith("W/") == ("Content-Encoding" in response.headers)
        assert 304 == await status(If_None_Match=tag)
        assert 304 == await status(If_None_Match=f'"other", {tag}')
        assert 304 == await status(If_None_Match="*")
        assert 304 == await status(If_Modified_Since=date)
        assert 200 == await status(If_None_Match='"other"', If_Modified_Since=date)
        assert 200 == await status(If_Modified_Since="Thu, 01 Jan 1970 00:00:00 GMT")
