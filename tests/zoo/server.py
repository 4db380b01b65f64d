"""The zoo itself: every animal on its address, the canary, and a thread to keep them in."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from . import families  # noqa: F401 - the animals enter the register by being imported
from .animal import ANIMALS, CANARY, Animal, Cage
from .line import Ask, reply

PKI = Path(__file__).with_name("pki")
TRIES = 20


class Zoo:
    """Serves animals until it is closed."""

    def __init__(self, animals: Iterable[Animal]) -> None:
        self._animals = tuple(animals)
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = asyncio.Event()
        self.cages: dict[int, Cage] = {}
        self.canary: list[float] = []
        self.port = 0

    async def open(self, port: int = 0) -> None:
        """Listen everywhere on one port, chosen freely unless it is given."""
        for _ in range(TRIES):
            try:
                await self._open(port)
            except OSError as error:
                await self._stop_listening()
                if error.errno != errno.EADDRINUSE or port:
                    raise
            else:
                return
        raise OSError(errno.EADDRINUSE, "no port is free on every address of the zoo")

    async def _open(self, port: int) -> None:
        canary = await asyncio.start_server(self._touched, CANARY, port)
        self._servers.append(canary)
        self.port = canary.sockets[0].getsockname()[1]
        for animal in self._animals:
            cage = self.cages[animal.number] = Cage(animal, self.port)
            for host in dict.fromkeys((animal.host, *animal.hosts)):
                await self._listen(cage, host, self.port)
            if animal.second:
                context = _certified(animal.second)
                cage.second_port = await self._listen(cage, animal.host, 0, context)

    async def _listen(self, cage: Cage, host: str, port: int, context: ssl.SSLContext | None = None) -> int:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._serve(cage, reader, writer)

        server = await asyncio.start_server(serve, host, port, limit=1 << 20, backlog=1024, ssl=context)
        self._servers.append(server)
        return server.sockets[0].getsockname()[1]

    async def _serve(self, cage: Cage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        cage.connections.append(time.monotonic())
        ask = Ask(cage, reader, writer, self._over)
        try:
            with contextlib.suppress(ConnectionError):
                await _converse(ask)
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError, ssl.SSLError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _touched(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.canary.append(time.monotonic())
        writer.close()

    async def close(self) -> None:
        self._over.set()
        await self._stop_listening()
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _stop_listening(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()
        self.cages.clear() if not self._over.is_set() else None


async def _converse(ask: Ask) -> None:
    animal = ask.cage.animal
    if animal.deaf:
        await animal.answer(ask)
        return
    while await ask.next():
        if ask.path == "/robots.txt" and not animal.robots:
            await ask.send(reply(404))
            continue
        said = await animal.answer(ask)
        if said is None:
            return
        await ask.send(said)


def _certified(name: str) -> ssl.SSLContext | None:
    if name == "plain":
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PKI / f"{name}.pem")
    return context


@contextlib.contextmanager
def zoo_in_a_thread(animals: Iterable[Animal] | None = None) -> Iterator[Zoo]:
    """Keep a zoo on an event loop and a thread of its own while the block runs."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, context: None)      # a client that goes away in a handshake is what is wanted here
    thread = threading.Thread(target=loop.run_forever, name="zoo")
    thread.start()

    def call(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

    async def made() -> Zoo:
        return Zoo(ANIMALS.values() if animals is None else animals)

    zoo = call(made())
    try:
        call(zoo.open())
        yield zoo
    finally:
        call(zoo.close())
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
