"""A site in a process of its own, whose log is the witness: every request is a line on standard output, in order.

    python site.py PAGES HOSTS CRAWL_DELAY

Imports nothing of the crawler. Page I of a host is a pure function of (host, I), so that whoever checks a crawl can work
out every body and every link by itself. Prints `PORT n` first, then `moment host path` for each request. From `/version/2` on every
third page is another one, with another link, and every seventh is gone; every second tells its version by an ETag.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time

LARGE_EVERY, TWIN_EVERY = 97, 13


def links(page: int, pages: int, version: int = 1) -> list[int]:
    """Return the pages that a page links to: a tree that reaches all, neighbours, and home."""
    far = page + (11 if version > 1 and page % 3 == 0 else 7)
    wanted = [2 * page + 1, 2 * page + 2, page + 1, far, page // 3, 0]
    return [target for target in dict.fromkeys(wanted) if target < pages]


def is_gone(page: int, version: int) -> bool:
    return version > 1 and page % 7 == 6


def shown_as(page: int) -> int:
    return page - 1 if page % TWIN_EVERY == TWIN_EVERY - 1 else page


def etag(page: int, version: int) -> str | None:
    shown = shown_as(page)
    return f'"{shown}-{version if shown % 3 == 0 else 1}"' if page % 2 else None


def body(host: str, page: int, pages: int, version: int = 1) -> bytes:
    """Return the body of a page; every 13th is the twin of the one before, every 97th is too large for memory."""
    shown = shown_as(page)
    anchors = "".join(f'<p>{"word " * 40}<a href="/p/{target}#top">page {target}</a></p>' for target in links(shown, pages, version))
    filler = f"<pre>{host} {shown} {'again ' if version > 1 and shown % 3 == 0 else ''}" + "0123456789abcdef" * (30_000 if shown % LARGE_EVERY == LARGE_EVERY - 1 else 100) + "</pre>"
    return f"<!doctype html><html lang=en><title>Page {shown}</title><body>{anchors}{filler}</body></html>".encode()


def answer(host: str, path: str, pages: int, delay: float, version: int = 1, known: str | None = None) -> tuple[int, str, bytes]:
    """Return status, type with further headers, and body; *known* is what the client has by its If-None-Match."""
    if path == "/robots.txt" and delay:
        return 200, "text/plain", f"User-agent: *\nCrawl-delay: {delay}\n".encode()
    if path.startswith("/p/") and path[3:].isdigit() and int(path[3:]) < pages and not is_gone(int(path[3:]), version):
        tag = etag(int(path[3:]), version)
        if tag is not None and tag == known:
            return 304, f"text/html\r\nETag: {tag}", b""
        headers = "text/html; charset=utf-8" + (f"\r\nETag: {tag}" if tag else "")
        return 200, headers, body(host, int(path[3:]), pages, version)
    return 404, "text/plain", b"nothing here"


async def serve(pages: int, hosts: int, delay: float) -> None:
    """Serve until standard input is closed."""

    version = 1

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal version
        host = writer.get_extra_info("sockname")[0]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                sys.stdout.write(f"{time.monotonic():.6f} {host} {path}\n")
                sys.stdout.flush()
                if path.startswith("/version/"):
                    version = int(path.rpartition("/")[2])
                known = [line[15:].strip().decode() for line in head.split(b"\r\n") if line.lower().startswith(b"if-none-match:")]
                status, kind, content = answer(host, path, pages, delay, version, next(iter(known), None))
                writer.write(f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content)
                await writer.drain()
        writer.close()

    first = await asyncio.start_server(connection, "127.0.0.1", 0)
    port = first.sockets[0].getsockname()[1]
    others = [await asyncio.start_server(connection, f"127.0.0.{n}", port) for n in range(2, hosts + 1)]
    sys.stdout.write(f"PORT {port}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in (first, *others):
        server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])))
