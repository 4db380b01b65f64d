"""The crawler's end of the socket: reads commands, has them carried out, and answers. A peer that stalls holds up nobody."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec

from crawler.control import LONGEST_LINE, place
from crawler.engine.steering import Answer, Command, Steering
from crawler.folder import CrawlError

log = logging.getLogger("crawler")

PATIENCE = 60.0
"""Seconds that a peer may let us wait for its next command, or with the reading of an answer."""
MOST_PEERS = 16
GRACE = 2.0
"""Seconds that a crawl which is over waits for the answers that it owes."""

_decode = msgspec.json.Decoder(Command).decode
_encode = msgspec.json.Encoder().encode


@asynccontextmanager
async def serve(folder: Path, steering: Steering) -> AsyncIterator[None]:
    """Listen in an output folder that is held, for the length of the block. Where no socket can be made, nobody can connect."""
    peers: set[asyncio.Task[None]] = set()
    asking: set[asyncio.Task[None]] = set()
    ending = asyncio.Event()

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(peers) >= MOST_PEERS:
            writer.close()
            return
        peers.add(task)
        try:
            await _talk(reader, writer, _Answering(steering, asking, ending))
        finally:
            peers.discard(task)
            asking.discard(task)

    server = await _listen(folder, meet)
    try:
        yield
    finally:
        if server is not None:
            server.close()
            ending.set()
            if asking:      # whoever asked for the end above all: with nothing in flight, it comes before the answer
                await asyncio.wait(tuple(asking), timeout=GRACE)
            for peer in tuple(peers):
                peer.cancel()
            if peers:
                await asyncio.wait(peers)
            await server.wait_closed()
            await asyncio.to_thread(place.clear, folder)


async def _listen(folder: Path, meet: object) -> asyncio.Server | None:
    try:
        sock = await asyncio.to_thread(_bound, folder)
    except OSError as error:        # a file system without sockets: the crawl is worth more than its being steered
        log.warning("no control socket in %s: %s", folder, error)
        return None
    return await asyncio.start_unix_server(meet, sock=sock, limit=LONGEST_LINE)  # type: ignore[arg-type]  # typeshed's name is private


def _bound(folder: Path) -> socket.socket:
    path = place.prepare(folder)
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(str(path))
        path.chmod(0o600)       # the folder lets nobody else in meanwhile
    except BaseException:
        sock.close()
        raise
    return sock


class _Answering(NamedTuple):
    """What all conversations share."""

    steering: Steering
    asking: set[asyncio.Task[None]]
    """Those that owe an answer."""
    ending: asyncio.Event
    """The crawl is over: an answer that is owed is the last."""


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: _Answering) -> None:
    task = asyncio.current_task()
    if task is None:
        return
    with contextlib.suppress(OSError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(None) as patience:
            while True:
                patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
                line = await _line(reader)
                if not line:
                    break
                patience.reschedule(None)
                answering.asking.add(task)
                answer = await _answer(line, answering.steering)
                patience.reschedule(asyncio.get_running_loop().time() + PATIENCE)
                writer.write(answer + b"\n")
                await writer.drain()
                if answering.ending.is_set():
                    break
                answering.asking.discard(task)
    writer.close()
    with contextlib.suppress(OSError, asyncio.CancelledError):
        await writer.wait_closed()


async def _line(reader: asyncio.StreamReader) -> bytes:
    """Return the next line; nothing when the peer has gone, or says what has no end."""
    try:
        return await reader.readuntil(b"\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        return b""


async def _answer(line: bytes, steering: Steering) -> bytes:
    try:
        return _told(await steering.do(_decode(line)))
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        return _refused(f"no such command: {error}", "Try crawler control --help.")
    except CrawlError as error:
        return _refused(error.message, error.hint)


def _told(answer: Answer) -> bytes:
    return _encode({"v": 1, "ok": True, **msgspec.to_builtins(answer)})


def _refused(message: str, hint: str) -> bytes:
    return _encode({"v": 1, "ok": False, "error": message, "hint": hint})
