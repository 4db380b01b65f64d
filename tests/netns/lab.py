"""What a scenario is made of, in a network of its own: pages on many addresses, a name server, and the real crawler.

Imports nothing of the crawler. Everything runs in one event loop; the crawl is a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from dnslib import AAAA, QTYPE, RCODE, RR, A, DNSRecord

ROOT = Path(__file__).resolve().parents[2]
PORT = 8080
SILENT = "silent"


def link(state: str) -> None:
    """Take the network up or down."""
    subprocess.run(["ip", "link", "set", "lo", state], check=True)


def address(text: str) -> None:
    """Give the network one more address."""
    subprocess.run(["ip", "address", "add", text, "dev", "lo"], check=True)


def mount(file: Path, place: str) -> None:
    """Show a file in another's place."""
    subprocess.run(["mount", "--bind", str(file), place], check=True)


class Site:
    """The same pages on every address that it listens at: a root with links to all of them."""

    def __init__(self, pages: int, *, keep_alive: bool = False, links: tuple[str, ...] = ()) -> None:
        self.asked: list[tuple[float, str, str]] = []
        """Moment, Host header, path."""
        self.connections: list[str] = []
        """Addresses that were connected to."""
        self._links = "".join(f"<a href='{target}'>x</a>" for target in (*links, *(f"/{number}" for number in range(pages))))
        self._keep_alive = keep_alive
        self._more = asyncio.Condition()
        self._servers: list[asyncio.Server] = []

    async def listen(self, *places: str, port: int = PORT) -> None:
        """Serve at further addresses."""
        for place in places:
            self._servers.append(await asyncio.start_server(self._serve, place, port))

    async def until(self, requests: int) -> None:
        """Return when so many requests have come."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.asked) >= requests)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer.get_extra_info("sockname")[0])
        # what is cancelled at the end must not look cancelled: asyncio's own callback raises then
        with contextlib.suppress(asyncio.IncompleteReadError, asyncio.CancelledError, OSError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._answer(head, writer)
                if not self._keep_alive:
                    break
        writer.close()

    async def _answer(self, head: str, writer: asyncio.StreamWriter) -> None:
        path = head.split(" ", 2)[1]
        host = next(line[6:] for line in head.split("\r\n") if line.lower().startswith("host: "))
        self.asked.append((time.monotonic(), host, path))
        async with self._more:
            self._more.notify_all()
        body = f"<title>{path}</title>{self._links if path == '/' else ''}".encode()
        status = "404 Not Found" if path == "/robots.txt" else "200 OK"
        ending = "" if self._keep_alive else "Connection: close\r\n"
        writer.write(f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\n{ending}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


class Names(asyncio.DatagramProtocol):
    """A name server: a name has addresses, a code of failure, `silent`, or a function that says what it has this time."""

    def __init__(self, zone: dict[str, list[str] | str | Callable[[], list[str]]], late: dict[str, float] | None = None) -> None:
        self.asked: list[str] = []
        """Names that were asked for, once for each query of an IPv4 address."""
        self._zone = zone
        self._late = late or {}
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def serve(cls, folder: Path, zone: dict, late: dict[str, float] | None = None) -> Names:
        """Answer for this network: its resolv.conf names nobody else, and failures come from here alone."""
        configuration = folder / "resolv.conf"
        configuration.write_text("nameserver 127.0.0.1\noptions timeout:5 attempts:1\n", encoding="ascii")
        mount(configuration, "/etc/resolv.conf")
        _, one = await asyncio.get_running_loop().create_datagram_endpoint(lambda: cls(zone, late), ("127.0.0.1", 53))
        return one

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        query = DNSRecord.parse(data)
        name = str(query.q.qname).rstrip(".").lower()
        entry = self._zone.get(name, "NXDOMAIN")
        if query.q.qtype == QTYPE.A:
            self.asked.append(name)
        if entry == SILENT:
            return
        reply = query.reply()
        if isinstance(entry, str):
            reply.header.rcode = getattr(RCODE, entry)
        elif query.q.qtype in {QTYPE.A, QTYPE.AAAA}:
            wanted = query.q.qtype == QTYPE.AAAA
            # what changes with each query must not change with queries of the other kind
            found = entry if isinstance(entry, list) else [] if wanted else entry()
            for text in found:
                if (":" in text) == wanted:
                    reply.add_answer(RR(query.q.qname, query.q.qtype, ttl=0, rdata=AAAA(text) if wanted else A(text)))
        asyncio.get_running_loop().call_later(self._late.get(name, 0.0), self._send, reply.pack(), sender)

    def _send(self, data: bytes, sender: tuple[str, int]) -> None:
        self._transport.sendto(data, sender)


class Crawl:
    """One run of the crawler, and what it says."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self.events: list[dict] = []
        self.moments: list[float] = []
        """When each event was read."""
        self._words = words
        self._more = asyncio.Condition()

    async def __aenter__(self) -> Self:
        words = [*self._words, "-o", str(self.folder), "--json", "--no-config", "--min-free", "0"]
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "crawler", *words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT, env=_environment(), limit=2**20,
        )  # fmt: skip
        self._readers = asyncio.gather(self._read(), self._process.stderr.read())
        return self

    async def __aexit__(self, *trouble: object) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._readers

    async def _read(self) -> None:
        async for line in self._process.stdout:
            async with self._more:
                self.events.append(json.loads(line))
                self.moments.append(time.monotonic())
                self._more.notify_all()

    async def until(self, kind: str) -> None:
        """Return when an event has been told of."""
        async with self._more:
            await self._more.wait_for(lambda: any(event["type"] == kind for event in self.events))

    async def status(self) -> dict:
        """Ask the crawl how far it is."""
        return json.loads(await self._output("status", "-o", str(self.folder), "--json"))

    async def status_in_words(self) -> str:
        """Ask the crawl how far it is, as people do."""
        return await self._output("status", "-o", str(self.folder))

    async def _output(self, *words: str) -> str:
        asking = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "crawler", *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, env=_environment(),
        )  # fmt: skip
        output, _ = await asking.communicate()
        return output.decode()

    async def ended(self) -> dict:
        """Wait for the end, and return what the database, the events and the exit say."""
        _, errors = await self._readers
        code = await self._process.wait()
        lingering = time.monotonic() - self.moments[-1] if self.moments else 0.0
        with contextlib.closing(sqlite3.connect(f"file:{self.folder}/crawl.db?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            urls = [dict(row) for row in database.execute("SELECT url, state, reason, tries, seen_as, host FROM urls ORDER BY url_id")]
            fetches = [dict(row) for row in database.execute(
                "SELECT u.url, x.name AS fault, f.detail, f.status, f.ip, f.total_ms FROM fetch f JOIN urls u USING (url_id)"
                " JOIN fault x USING (fault) ORDER BY fetch_id",
            )]  # fmt: skip
            pages = [row[0] for row in database.execute("SELECT url FROM pages ORDER BY url")]
        told = {"events": self.events, "moments": self.moments, "lingering": lingering, "code": code, "stderr": errors.decode()}
        return told | {"urls": urls, "faults": fetches, "pages": pages}


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    return {**kept, "CRAWLER_CONTACT": "tests", "NO_COLOR": "1", "COLUMNS": "160"}
