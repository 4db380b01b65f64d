"""Animals that compress: too much, twice, not whole, not at all."""

from __future__ import annotations

import functools
import gzip
import sys
import zlib

import brotli

from .animal import animal
from .line import Ask, html, reply

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
BOMB = "done 200 truncated|failed decode"
CUT = 20


@functools.cache
def gzip_bomb() -> bytes:
    """Return what decodes to a gigabyte: one compressed megabyte over and over (its checksum is never reached)."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packer.compress(b"")
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + block * 1024


@functools.cache
def brotli_bomb() -> bytes:
    return brotli.compress(bytes(64 * MIB), quality=5, lgwin=24)


@animal(31, "gzip bomb", "a gigabyte of zeros in a megabyte of gzip", expect=BOMB)
async def a_gzip_bomb(ask: Ask) -> bytes:
    return reply(200, gzip_bomb(), "Content-Type: text/html", "Content-Encoding: gzip")


@animal(32, "brotli bomb", "64 MB of zeros in a few hundred bytes of brotli", expect=BOMB)
async def a_brotli_bomb(ask: Ask) -> bytes:
    return reply(200, brotli_bomb(), "Content-Type: text/html", "Content-Encoding: br")


def _never_packed_text(cage, seen) -> None:
    for url, page in seen.pages.items():
        if page[5] and seen.words[url].startswith("done 200") and url.startswith(cage.url("/")):
            assert not seen.body(url).startswith(b"\x1f\x8b"), url


@animal(33, "packed twice", "gzip, gzip; as one header and as two; a hundred codings", check=_never_packed_text,
        expect={"/one": "done 200", "/two": "done 200", "/many": "failed decode"}, seeds=("/one", "/two", "/many"))
async def packed_twice(ask: Ask) -> bytes:
    body = html(title=ask.path)
    twice = gzip.compress(gzip.compress(body.encode()))
    headers = {"/one": ["Content-Encoding: gzip, gzip"], "/two": ["Content-Encoding: gzip"] * 2, "/many": ["Content-Encoding: " + "gzip, " * 99 + "gzip"]}
    return ask.page(body, *headers[ask.path], coded=twice)


def _beginning_kept(cage, seen) -> None:
    body = seen.body(cage.url())
    assert body
    assert _numbers().encode().startswith(body)


def _numbers() -> str:
    return html() + "\n".join(map(str, range(5_000)))


@animal(34, "gzip cut short", f"the last {CUT} bytes of a gzip body are missing", expect="done 200 truncated", check=_beginning_kept)
async def gzip_cut_short(ask: Ask) -> bytes:
    return reply(200, gzip.compress(_numbers().encode())[:-CUT], "Content-Type: text/html", "Content-Encoding: gzip")


@animal(35, "says gzip, is plain", "Content-Encoding: gzip on plain text", expect="done 200")
async def says_gzip_is_plain(ask: Ask) -> bytes:
    return ask.page("plain as day", "Content-Encoding: gzip")


@animal(36, "unknown coding", "Content-Encoding: foo", expect="failed decode", exit_code=3)
async def unknown_coding(ask: Ask) -> bytes:
    return reply(200, b"foo", "Content-Type: text/html", "Content-Encoding: foo")


def _raw(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


PACKERS = {
    "/zlib": ("deflate", zlib.compress), "/raw": ("deflate", _raw), "/x-gzip": ("x-gzip", gzip.compress), "/zstd": ("zstd", zstd.compress),
    "/br": ("br", brotli.compress), "/members": ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])),
    "/case": ("GZip", gzip.compress), "/identity": ("identity", bytes),
}  # fmt: skip


@animal(37, "every coding", "deflate raw and wrapped, x-gzip, zstd, br, two members", seeds=tuple(PACKERS), others="done 200")
async def every_coding(ask: Ask) -> bytes:
    coding, pack = PACKERS[ask.path]
    body = html(title=ask.path)
    return ask.page(body, f"Content-Encoding: {coding}", coded=pack(body.encode()))


@animal(116, "packs what it is asked for", "compresses with the first coding that Accept-Encoding names", expect="done 200")
async def packs_what_it_is_asked_for(ask: Ask) -> bytes:
    first = (ask.header("accept-encoding") or "").split(",")[0].strip()
    if first != "gzip":
        return reply(406)
    return ask.page("packed", "Content-Encoding: gzip", coded=gzip.compress(b"packed"))


@animal(128, "flood of members", "20,000 empty gzip members in a row", expect="failed decode", exit_code=3)
async def flood_of_members(ask: Ask) -> bytes:
    return reply(200, gzip.compress(b"") * 20_000, "Content-Type: text/html", "Content-Encoding: gzip")


@animal(129, "bombs where no page is", "a gzip bomb as robots.txt, on a redirect and on a 404", robots=True, seeds=("/moved", "/gone"),
        expect={"/moved": "done 302", "/gone": "done 404", "/there": "done 200"})
async def bombs_where_no_page_is(ask: Ask) -> bytes:
    status = {"/moved": 302, "/gone": 404, "/robots.txt": 404}.get(ask.path)
    if status is None:
        return ask.page("there")
    return reply(status, gzip_bomb(), "Content-Encoding: gzip", "Location: /there")
