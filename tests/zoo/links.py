"""Animals whose pages are hard to read or whose links are hard to keep."""

from __future__ import annotations

from .animal import animal
from .line import Ask

READ_OR_NOT = "done 200|done parse"
HOSTILE = (
    "/../../x", "/%2e%2e/%2e%2e/etc/passwd", "/%2e%2e%2fetc", r"/\..\..\win.ini", "/C:/boot", "/C:%5Cboot", "/CON", "/con.html", "/nul%00.html",
    "/%0d%0aX-Forged:%201", "/" + "l" * 3_000, "/🦊", "/%F0%9F%A6%8A2", "/Case", "/case", "/a", "/a/", "/a/b", "/a.", "/a%20", "/.wgetrc",
    "/crawl.db", "/pages/", "/~root", "/-rf", "/$(id)", "/`id`", "/'or'1'='1", "/?a=../../x", "/" + "한글" * 40, "/%FF%FE", "/;x", "/a//b", "/%",
    "/%zz", "/a?", "/=cmd()", "/\u202egnp.exe", "/%1b]52;c;aGk=%07",
)  # fmt: skip


def _each_on_its_own(cage, seen) -> None:
    asked = {cage.url(path) for path in cage.paths}
    assert len(asked) >= len(HOSTILE) - 3, "links were lost"
    assert set(seen.stored) >= asked
    assert len({seen.stored[url] for url in asked}) == len(asked)


@animal(42, "hostile paths", f"{len(HOSTILE)} paths that mean something to a file system or a shell", others="done 200", check=_each_on_its_own)
async def hostile_paths(ask: Ask) -> bytes:
    return ask.links(*HOSTILE) if ask.path == "/" else ask.page(f"page {ask.path}")


def _five_thousand(cage, seen) -> None:
    assert cage.url() in seen.flooded
    assert len(seen.of(cage)) == 5_001


@animal(43, "link flood", "200,000 links on one page", expect={"/": "done 200"}, others="excluded depth", options={"depth": 0}, check=_five_thousand,
        crowd="done parse")      # where too many others compute, the processes that read it reach their deadline
async def link_flood(ask: Ask) -> bytes:
    return ask.page("<!doctype html><title>flood</title>" + "".join(f"<a href=/{n}>x</a>" for n in range(200_000)))


@animal(44, "unclosed tags", "`<a ` fifty thousand times", expect={"/": READ_OR_NOT, "/end": "done 200"}, others="done 200|done 404")
async def unclosed_tags(ask: Ask) -> bytes:
    return ask.page("<!doctype html><a href=/end>x</a>" + "<a " * 50_000) if ask.path == "/" else ask.page("end")


def _found_or_said(cage, seen) -> None:
    assert cage.url("/end") in seen.words or seen.words[cage.url()] == "done parse"


@animal(45, "deep nest", "a hundred thousand nested <div>", expect={"/": READ_OR_NOT}, others="done 200", check=_found_or_said)
async def deep_nest(ask: Ask) -> bytes:
    return ask.page("<!doctype html>" + "<div>" * 100_000 + "<a href=/end>x</a>") if ask.path == "/" else ask.page("end")


OPEN_ENDS = {"/comments": "<!--", "/cdata": "<![", "/quotes": '<a href="', "/single": "<a href='", "/script": "<script>", "/svg": "<svg><desc>",
             "/textarea": "<textarea>", "/attributes": "<a x", "/table": "<table><tr><td>", "/formatting": "<b><i><a href=x>", "/entities": "&lt"}  # fmt: skip


@animal(46, "open ends", "what is never closed, fifty thousand times: comments, quotes, scripts, tables", seeds=tuple(OPEN_ENDS), options={"depth": 0},
        others=f"{READ_OR_NOT}|excluded depth|excluded length")
async def open_ends(ask: Ask) -> bytes:
    return ask.page(f"<!doctype html><title>{ask.path}</title>" + OPEN_ENDS.get(ask.path, "") * 50_000)


@animal(131, "many attributes", "one element with 20,000 attributes", expect=READ_OR_NOT)
async def many_attributes(ask: Ask) -> bytes:
    return ask.page("<!doctype html><p " + " ".join(f"a{n}={n}" for n in range(20_000)) + ">")


@animal(132, "links that are none", "href of javascript:, data:, file:, ftp:, mailto:, and what no URL can be", expect={"/": "done 200"},
        others="excluded scheme|excluded length|excluded scope")
async def links_that_are_none(ask: Ask) -> bytes:
    return ask.links("javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "ftp://127.0.0.66/", "mailto:a@b.test", "http://",
                     "http://[::1", "http://a b/", "http://127.44.0.132:99999/", "/" + "x" * 5_000, "#top", "", "blob:x", "http://%00/", "tel:1")
