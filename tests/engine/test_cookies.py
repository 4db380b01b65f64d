"""Cookies in a crawl: kept for the site that set them, across restarts, and none when there are to be none."""

from __future__ import annotations

from aiohttp import web

from crawler.fetch.cookies import SiteJar

LOGIN = "127.0.0.1\tFALSE\t/\tFALSE\t0\tlogin\tsecret\n"


def behind_a_login(page: str):
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.cookies.get("login") != "secret":
            return web.Response(status=403, text="log in first")
        return web.Response(text=page, content_type="text/html")

    return answer


async def test_a_crawl_that_goes_on_is_still_logged_in(site, crawl):
    links = "<a href='/a'>a</a><a href='/b'>b</a>"
    site.pages = {"/": (200, {"Set-Cookie": "login=secret"}, links), "/a": behind_a_login("a"), "/b": behind_a_login("b")}
    await crawl(site.url("/"), max_pages=1)
    summary = await crawl(site.url("/"))

    assert (3, ()) == (summary.pages, summary.errors)
    assert [("127.0.0.1", "login", 1, 0)] == crawl.query("SELECT host, name, host_only, pinned FROM cookies")


async def test_without_cookies_none_is_sent_and_none_is_kept(site, crawl):
    site.pages = {"/": (200, {"Set-Cookie": "login=secret"}, "<a href='/a'>a</a>"), "/a": behind_a_login("a")}
    summary = await crawl(site.url("/"), cookies="off")

    assert (("403", 1),) == summary.errors
    assert [(0,)] == crawl.query("SELECT count(*) FROM cookie")


async def test_the_cookies_of_a_file_are_sent_to_their_site_alone(site, crawl, tmp_path):
    (tmp_path / "cookies.txt").write_text(LOGIN, encoding="utf-8")
    seen = []

    async def see(request: web.Request) -> web.StreamResponse:
        seen.append((request.host.partition(":")[0], request.cookies.get("login")))
        return web.Response(text="x", content_type="text/html")

    site.pages = {"/": see}
    await crawl(site.url("/"), site.url("/", "127.0.0.2"), cookies=str(tmp_path / "cookies.txt"))

    assert {("127.0.0.1", "secret"), ("127.0.0.2", None)} == set(seen)
    assert [("login", 1)] == crawl.query("SELECT name, pinned FROM cookies")


async def test_a_login_that_the_server_has_ended_does_not_come_back_with_the_same_file(site, crawl, tmp_path):
    file = tmp_path / "cookies.txt"
    file.write_text(LOGIN, encoding="utf-8")
    site.pages = {"/": (200, {"Set-Cookie": "login=; Max-Age=0"}, "<a href='/a'>a</a>"), "/a": behind_a_login("a")}
    await crawl(site.url("/"), cookies=str(file), max_pages=1)
    same = await crawl(site.url("/"), cookies=str(file))

    assert (("403", 1),) == same.errors

    site.pages["/"] = "x"
    file.write_text("# a new login\n" + LOGIN, encoding="utf-8")
    await crawl(site.url("/"), site.url("/a?again"), cookies=str(file))

    assert [("login", 1)] == crawl.query("SELECT name, pinned FROM cookies")


async def test_a_site_that_the_jar_has_let_go_keeps_its_cookies(site, crawl, monkeypatch):
    """The jar holds some sites only; whoever is asked again gets what is written down of him."""
    from crawler.engine import crawler as engine

    monkeypatch.setattr(engine, "SiteJar", lambda clock: SiteJar(most_sites=2, clock=clock))
    links = "".join(f"<a href='/{number}'>x</a>" for number in range(6))

    async def more(request: web.Request) -> web.StreamResponse:
        response = web.Response(text=request.cookies.get("login", "none"), content_type="text/html")
        response.set_cookie(f"seen{request.path[1:]}", "1")
        return response

    site.pages = {"/": (200, {"Set-Cookie": "login=secret"}, links)} | {f"/{number}": more for number in range(6)}
    await crawl(site.url("/"), site.url("/", "127.0.0.2"), site.url("/", "127.0.0.3"), per_host=1, concurrency=1)

    assert [("127.0.0.1", 7), ("127.0.0.2", 7), ("127.0.0.3", 7)] == crawl.query("SELECT site, count(*) FROM cookie GROUP BY 1 ORDER BY 1")
    assert [(2,)] == crawl.query("SELECT count(DISTINCT body_id) FROM pages")      # the links, and "secret" behind each of them
