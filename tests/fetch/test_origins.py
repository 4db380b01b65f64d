"""What is for one origin goes there and nowhere else: not to another port, scheme or host, and not along a redirect."""

from __future__ import annotations

import pytest
from aiohttp import web

from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import Crawler
from crawler.fetch.guard import Guard

GUARD = Guard(open_hosts=["a.test", "b.test", "127.0.0.1"], open_ports=(), allow=(), deny=())
NAMES = {"a.test": ["127.0.0.1"], "b.test": ["127.0.0.1"]}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"


def of_interest(head: bytes) -> dict[str, str]:
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:] if line]
    return {name.lower(): value for name, _, value in lines if name.lower() in ("x-api-key", "x-team", "authorization", "cookie")}


async def test_headers_and_credentials_reach_their_origin_alone(raw_server, ask, open_fetcher):
    server, other = await raw_server(OK), await raw_server(OK)
    origin = f"http://a.test:{server.port}"
    settings = Settings(headers=(f"{origin} X-Api-Key: abc", "X-Team: all", f"{origin} x-team: own"), auth=(f"{origin} basic u:p",))
    fetcher = await open_fetcher(settings, guard=GUARD, names=NAMES | {"127.0.0.1": ["127.0.0.1"]})
    for url in (f"{origin}/", f"{origin}/robots.txt", f"http://b.test:{server.port}/", f"http://127.0.0.1:{server.port}/"):
        await ask(url, fetcher=fetcher)
    await ask(f"http://a.test:{other.port}/", fetcher=fetcher)

    own = {"x-api-key": "abc", "x-team": "own", "authorization": "Basic dTpw"}
    assert [own, own, {"x-team": "all"}, {"x-team": "all"}] == list(map(of_interest, server.heads))
    assert [{"x-team": "all"}] == list(map(of_interest, other.heads))


async def test_what_is_for_https_is_not_sent_in_the_clear(raw_server, ask):
    server = await raw_server(OK)
    settings = Settings(auth=(f"https://a.test:{server.port} bearer abc",))
    await ask(f"http://a.test:{server.port}/", settings=settings, guard=GUARD, names=NAMES)

    assert [{}] == list(map(of_interest, server.heads))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_in_a_crawl_takes_nothing_along(status, aiohttp_server, tmp_path):
    seen: dict[str, list[tuple[str, str | None, str | None]]] = {"one": [], "two": []}

    async def serve(name: str, location: str | None = None):
        async def answer(request: web.Request) -> web.StreamResponse:
            seen[name].append((request.path, request.headers.get("X-Api-Key"), request.headers.get("Authorization")))
            if request.path == "/robots.txt":
                raise web.HTTPNotFound
            if location is not None:
                return web.Response(status=status, headers={"Location": location})
            return web.Response(text="x", content_type="text/html")

        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", answer)
        return await aiohttp_server(app, host="127.0.0.1")

    two = await serve("two")
    one = await serve("one", f"http://127.0.0.1:{two.port}/there")
    origin = f"http://127.0.0.1:{one.port}"
    settings = Settings(delay=0, min_free=0, parsers=1, scope="any", headers=(f"{origin} X-Api-Key: abc",), auth=(f"{origin} bearer xyz",))
    await Crawler(settings, output=tmp_path / "o", seeds=[Seed(f"{origin}/", Options(), "test", 1)]).run()

    assert {("/robots.txt", "abc", "Bearer xyz"), ("/", "abc", "Bearer xyz")} == set(seen["one"])
    assert {("/robots.txt", None, None), ("/there", None, None)} == set(seen["two"])
