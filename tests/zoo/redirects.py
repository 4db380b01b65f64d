"""Animals that send one elsewhere."""

from __future__ import annotations

from .animal import animal
from .line import Ask, moved, reply

NOWHERE = {"file": "file:///etc/passwd", "ftp": "ftp://127.0.0.66/x", "data": "data:text/html,hello", "script": "javascript:alert(1)",
           "gopher": "gopher://127.0.0.66/_x", "mail": "mailto:a@b.test", "none": "", "port": "http://127.44.0.24:99999/",
           "host": "http:///", "space": "http://a b/"}  # fmt: skip


@animal(20, "nine redirects", "a chain of nine, then a page", seeds=("/9",), expect={"/0": "done 200"}, others="done 302")
async def nine_redirects(ask: Ask) -> bytes:
    left = int(ask.path[1:])
    return moved(f"/{left - 1}") if left else ask.page("here")


def _ten_hops(cage, seen) -> None:
    assert len(cage.paths) == 11, cage.paths


@animal(21, "endless redirects", "each answer leads to a new one", expect={"/": "done 302", "/10": "failed redirect"}, others="done 302",
        exit_code=3, check=_ten_hops)
async def endless_redirects(ask: Ask) -> bytes:
    return moved(f"/{int(ask.path[1:] or 0) + 1}")


def _asked_once_each(cage, seen) -> None:
    assert sorted(cage.paths) == ["/", "/b"]


@animal(22, "ping and pong", "/ leads to /b, /b leads to /", expect={"/": "done 302|failed redirect", "/b": "failed redirect|done 302"},
        exit_code=3, check=_asked_once_each)
async def ping_and_pong(ask: Ask) -> bytes:
    return moved("/b" if ask.path == "/" else "/")


@animal(23, "cookie wall", "leads to itself until its cookie comes back", expect="done 200")
async def cookie_wall(ask: Ask) -> bytes:
    return ask.page("welcome") if "in=1" in (ask.header("cookie") or "") else moved("/", "Set-Cookie: in=1; Path=/")


def _nothing_of_a_file(cage, seen) -> None:
    assert all(b"root:" not in path.read_bytes() for path in seen.folder.rglob("*") if path.is_file())


@animal(24, "redirects to nowhere", "leads to file:, ftp:, data:, javascript:, gopher: and what is no URL", check=_nothing_of_a_file,
        seeds=tuple(f"/{name}" for name in NOWHERE), expect={"/none": "done 302|failed redirect"}, others="failed redirect", exit_code=3)
async def redirects_to_nowhere(ask: Ask) -> bytes:
    return moved(NOWHERE[ask.path[1:]])


@animal(115, "redirect with a page in it", "a redirect whose body leads elsewhere by meta refresh", others="done 200",
        expect={"/": "done 301", "/there": "done 200"})
async def redirect_with_a_page_in_it(ask: Ask) -> bytes:
    if ask.path != "/":
        return ask.page("there")
    return reply(301, '<meta http-equiv="refresh" content="0;url=/elsewhere">', "Location: /there", "Content-Type: text/html")


@animal(119, "redirect without a Location", "302 and no word of where", expect="failed redirect", exit_code=3)
async def redirect_without_a_location(ask: Ask) -> bytes:
    return reply(302, b"somewhere")


@animal(127, "redirect with a hostile Location", "a Location with escapes, bidi and a megabyte of path", others="done 302|done 404|failed redirect|failed protocol",
        seeds=("/escape", "/bidi", "/long", "/raw", "/scheme"))
async def redirect_with_a_hostile_location(ask: Ask) -> bytes:
    where = {"/escape": "/\x1b]52;c;aGk=\x07", "/bidi": "/\u202egnp.exe".encode().decode("latin-1"), "/long": "/" + "x" * 50_000, "/raw": "/\xe9", "/scheme": "evil:\x1b]52;c;aGk=\x07"}
    return moved(where[ask.path]) if ask.path in where else reply(404)
