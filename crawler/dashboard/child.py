"""The dashboard of a crawl that runs: a process beside it, which ends when the crawl closes the line to it, however that ends."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path

import msgspec

from crawler import signals
from crawler.dashboard.address import Bound
from crawler.dashboard.beside import Order
from crawler.dashboard.serving import served

LONGEST_ORDER = 1024 * 1024
NICENESS = 5
"""The crawl comes first."""


def main() -> None:
    """Serve until standard input ends."""
    signals.ignore()
    os.nice(NICENESS)
    order = msgspec.json.decode(sys.stdin.buffer.readline(LONGEST_ORDER), type=Order)
    asyncio.run(_serve(order))


async def _serve(order: Order) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    bound = Bound(socket.socket(fileno=order.descriptor), "", order.hosts)
    async with served(Path(order.folder), bound, order.token):
        await ended.wait()
    asyncio.get_running_loop().remove_reader(sys.stdin.fileno())


if __name__ == "__main__":
    main()
