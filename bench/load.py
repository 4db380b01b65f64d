"""Raw speed of a server: how many pages per second it hands to a client that does nothing with them.

A crawler measured against a server tells something about the crawler only while it stays well below this figure.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.content import path_of


async def drain(host: str, port: int, targets: Iterator[str]) -> tuple[int, int]:
    """Ask for *targets* one after the other on one connection; return answers and bytes of bodies."""
    reader, writer = await asyncio.open_connection(host, port, limit=2**20)
    answers = size = 0
    for target in targets:
        writer.write(f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r", 1)[0])
        await reader.readexactly(length)
        answers += 1
        size += length
    writer.close()
    return answers, size


async def measure(options: argparse.Namespace) -> str:
    """Share the targets out to the connections and say how fast they were answered."""
    url = urlsplit(options.url)
    one = url.path or "/"
    targets = iter([path_of(n) if options.pages else one for n in range(options.pages or options.requests)])
    begun = time.monotonic()
    connections = [drain(url.hostname or "", url.port or 80, targets) for _ in range(options.connections)]
    results = await asyncio.gather(*connections)
    seconds = time.monotonic() - begun
    answers, size = (sum(column) for column in zip(*results, strict=True))
    return f"{answers:,} answers in {seconds:.2f} s: {answers / seconds:,.0f}/s, {size / seconds / 1e6:,.0f} MB/s"


def main() -> int:
    """Run the measurement."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__.partition("\n")[0])
    parser.add_argument("url", help="a server's start URL")
    parser.add_argument(
        "--pages", type=int, default=0, metavar="N", help="ask for the first N pages of a synthetic site"
    )
    parser.add_argument("--requests", type=int, default=20_000, metavar="N", help="else ask for the URL itself N times")
    parser.add_argument("--connections", type=int, default=16, metavar="N")
    options = parser.parse_args()
    try:
        import uvloop  # an extra: else the client may be slower than the server
    except ImportError:
        print(asyncio.run(measure(options)))
    else:
        print(uvloop.run(measure(options)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
