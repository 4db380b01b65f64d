"""A bystander at 127.0.0.1, and every other address of 127/8 as a host that may take its time. Its log is the witness.

    python slow_hosts.py PAGES SECONDS

Imports nothing of the crawler. Prints `PORT n`, then `moment host path` for each request.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sys
import time

BYSTANDER = "127.0.0.1"


def answer(host: str, path: str, pages: int) -> tuple[str, bytes]:
    """Return status and body: the bystander's root links to all its pages, the others' to two."""
    if path == "/robots.txt":
        return "404 Not Found", b""
    if path != "/":
        return "200 OK", b"<p>page</p>" * 200
    return "200 OK", b"".join(b"<a href='/p%d'>x</a>" % number for number in range(pages if host == BYSTANDER else 2))


async def serve(pages: int, seconds: float) -> None:
    """Serve until standard input is closed."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = writer.get_extra_info("sockname")[0]
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                sys.stdout.write(f"{time.monotonic():.6f} {host} {path}\n")
                sys.stdout.flush()
                if host != BYSTANDER:
                    await asyncio.sleep(seconds)
                status, body = answer(host, path, pages)
                writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()

    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65_536, hard), hard))
    server = await asyncio.start_server(connection, "0.0.0.0", 0, backlog=4_096)
    sys.stdout.write(f"PORT {server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
