"""The benchmark's web server: one process that answers faster than a crawler asks.

``python -m bench.site folder PATH`` serves files, ``python -m bench.site synthetic --pages N`` computed pages. It
prints the start URL of each host, one a line, when it listens, and ends on SIGTERM. HTTP/1.1 is reduced to what a
crawler needs: GET and HEAD, keep-alive, answers in the order of the requests.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast
from urllib.parse import urlsplit

from bench.content import Content, Folder, Shape, Synthetic

_REASONS = {200: "OK", 301: "Moved Permanently", 404: "Not Found", 405: "Method Not Allowed"}
_LONGEST_HEAD = 65_536
_FLUSH = 0.1  # seconds between two writes of the access log
_CACHE = 256 * 2**20  # bytes of whole answers kept


@dataclass(frozen=True, slots=True)
class Wire:
    """An answer as it goes out."""

    status: int
    head: bytes
    body: bytes
    whole: bytes  # head and body in one piece: one write, one packet for small answers


class Answers:
    """Finished answers by host and target; computed once while the cache has room."""

    def __init__(self, content: Content) -> None:
        self._content = content
        self._kept: dict[tuple[int, str], Wire] = {}
        self._room = _CACHE

    def get(self, host: int, target: str) -> Wire:
        """Return the answer to a GET of *target*."""
        wire = self._kept.get((host, target))
        if wire is None:
            wire = self._make(host, target)
            self._room -= len(wire.whole)
            if (
                self._room > 0
            ):  # when full, nothing is dropped: a crawl asks for each page once, in the same order every run
                self._kept[host, target] = wire
        return wire

    def warm(self, hosts: int) -> None:
        """Compute answers ahead until the cache is full."""
        for host in range(hosts):
            for target in self._content.targets():
                if self._room <= 0:
                    return
                self.get(host, target)

    def _make(self, host: int, target: str) -> Wire:
        answer = self._content.answer(host, target)
        lines = [
            f"HTTP/1.1 {answer.status} {_REASONS[answer.status]}",
            "Server: bench",
            f"Content-Type: {answer.mime}",
            f"Content-Length: {len(answer.body)}",
        ]
        if answer.location is not None:
            lines.append(f"Location: {answer.location}")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
        return Wire(answer.status, head, answer.body, head + answer.body)


class AccessLog:
    """One line per request: monotonic time of arrival, host, target, status, bytes of the body, separated by tabs."""

    def __init__(self, file: TextIO | None) -> None:
        self._file = file
        self._lines: list[str] = []

    def note(self, at: float, host: str, target: str, status: int, size: int) -> None:
        """Remember a request; it is written within a tenth of a second."""
        if self._file is not None:
            self._lines.append(f"{at:.6f}\t{host}\t{target}\t{status}\t{size}\n")

    def flush(self) -> None:
        """Write what is remembered."""
        if self._file is not None and self._lines:
            self._file.write("".join(self._lines))
            self._file.flush()
            self._lines.clear()

    async def keep_flushing(self) -> None:
        """Write ten times a second until cancelled."""
        while True:
            await asyncio.sleep(_FLUSH)
            self.flush()


class Connection(asyncio.Protocol):
    """One client's connection; its requests are answered one after the other."""

    def __init__(self, answers: Answers, log: AccessLog, *, latency: float) -> None:
        self._answers = answers
        self._log = log
        self._latency = latency
        self._buffer = b""
        self._waiting: deque[tuple[bytes, float]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Learn which of the hosts the client has called."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        self._host: str = transport.get_extra_info("sockname")[0]
        self._number = int(self._host.rpartition(".")[2]) - 1

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what the client no longer waits for."""
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Answer every whole request; keep the rest."""
        now = time.monotonic()
        heads = (self._buffer + data).split(b"\r\n\r\n")
        self._buffer = heads.pop()
        if len(self._buffer) > _LONGEST_HEAD:
            self._transport.abort()
        for head in heads:
            if not self._latency:
                self._respond(head, now)
                continue
            self._waiting.append((head, now))
            if self._timer is None:
                self._wait()

    def _wait(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._latency, self._late)

    def _late(self) -> None:
        self._timer = None
        self._respond(*self._waiting.popleft())
        if self._waiting:
            self._wait()

    def _respond(self, head: bytes, arrived: float) -> None:
        method, _, rest = head.partition(b" ")
        target = rest.partition(b" ")[0].decode("latin-1")
        if not target.startswith("/"):
            target = urlsplit(target)._replace(scheme="", netloc="").geturl() or "/"
        if method == b"GET":
            wire = self._answers.get(self._number, target)
            self._transport.write(wire.whole)
        elif method == b"HEAD":
            wire = self._answers.get(self._number, target)
            self._transport.write(wire.head)
        else:
            self._transport.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self._transport.close()
            return
        self._log.note(arrived, self._host, target, wire.status, len(wire.body) if method == b"GET" else 0)
        if b"\nconnection: close" in head.lower() or b" HTTP/1.0\r" in head:
            self._transport.close()


async def listen(make: Callable[[], Connection], hosts: Sequence[str], port: int) -> int:
    """Listen on the same port of every host and return it; port 0 picks a free one."""
    loop = asyncio.get_running_loop()
    for host in hosts:
        server = await loop.create_server(make, host, port, backlog=4096, reuse_address=True)
        port = server.sockets[0].getsockname()[1]
    return port


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    hosts = [f"127.0.0.{number + 1}" for number in range(options.hosts)]
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    log = AccessLog(options.log.open("a", encoding="utf-8") if options.log else None)
    made: list[Answers] = []  # filled when the port is known: cross-host links name it
    port = await listen(lambda: Connection(made[0], log, latency=options.latency), hosts, options.port)
    origins = [f"http://{host}:{port}" for host in hosts]
    answers = Answers(_content(options, origins))
    if options.warm:
        answers.warm(options.hosts)
    made.append(answers)
    print("\n".join(f"{origin}{options.start}" for origin in origins), flush=True)
    flushing = asyncio.create_task(log.keep_flushing())
    await ended.wait()
    flushing.cancel()
    log.flush()


def _content(options: argparse.Namespace, origins: list[str]) -> Content:
    if options.kind == "folder":
        return Folder(options.path, crawl_delay=options.crawl_delay)
    return Synthetic(_shape(options), origins)


def _shape(options: argparse.Namespace) -> Shape:
    return Shape(
        options.pages,
        hosts=options.hosts,
        fanout=options.fanout,
        links=options.links,
        size=options.size,
        grow_from=options.grow_from,
        seed=options.seed,
        crawl_delay=options.crawl_delay,
    )


def arguments() -> argparse.ArgumentParser:
    """Return the command line."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--port", type=int, default=0, help="0 picks a free one (default)")
    common.add_argument("--hosts", type=int, default=1, metavar="N", help="serve on 127.0.0.1 to 127.0.0.N (default 1)")
    common.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="wait before each answer (default 0)"
    )
    common.add_argument("--crawl-delay", type=float, metavar="SECONDS", help="ask for it in robots.txt")
    common.add_argument("--log", type=Path, metavar="FILE", help="append a line per request")
    common.add_argument("--warm", action="store_true", help="compute answers before the start until the cache is full")
    common.add_argument(
        "--start", default="/", metavar="PATH", help="path of the start URL that is printed (default /)"
    )
    parser = argparse.ArgumentParser(prog="python -m bench.site", description=__doc__.partition("\n")[0])
    kinds = parser.add_subparsers(dest="kind", required=True)
    folder = kinds.add_parser("folder", parents=[common], help="serve the files of a folder")
    folder.add_argument("path", type=Path)
    synthetic = kinds.add_parser("synthetic", parents=[common], help="serve computed pages")
    synthetic.add_argument("--pages", type=int, default=1_000, metavar="N", help="over all hosts (default 1000)")
    synthetic.add_argument("--fanout", type=int, default=5, metavar="N", help="new pages a page links to")
    synthetic.add_argument("--links", type=int, default=54, metavar="N", help="links on a page, repeats included")
    synthetic.add_argument("--size", type=int, default=15_000, metavar="BYTES", help="of a page")
    synthetic.add_argument("--grow-from", type=int, default=0, metavar="N", help="new pages lie beyond number N")
    synthetic.add_argument("--seed", type=int, default=0, help="another seed, another site")
    return parser


def main() -> int:
    """Run the server."""
    options = arguments().parse_args()
    try:
        import uvloop  # an extra: the server is twice as fast with it
    except ImportError:
        asyncio.run(serve(options))
    else:
        uvloop.run(serve(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
