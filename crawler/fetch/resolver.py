"""Looking names up: on threads of our own or by c-ares, in a bounded time, with failures remembered for a moment.

The system's look-ups can hang for as long as a name server pleases: they must not hold up files or the database, which
share the event loop's own threads.
"""

from __future__ import annotations

import asyncio
import socket
import time
from abc import abstractmethod
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from crawler.core.settings import Settings
from crawler.fetch.timing import asking

THREADS = 64
FAILURES_KEPT = 10_000
FAILURE_KEPT = 10.0
"""Seconds for which a name that was not found is not asked for again: shorter than the wait before its next attempt."""


class Resolver(AbstractResolver):
    """What all ways of looking up have in common."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._failures: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Return the addresses of a host. Raises OSError, also when the answer takes too long."""
        until, why = self._failures.get(host, (0.0, ""))
        if until > time.monotonic():
            raise OSError(None, why)
        limit = asking.get().timeouts.dns or self._timeout
        try:
            async with asyncio.timeout(limit):
                return await self._look_up(host, port, family)
        except TimeoutError:
            why = f"no answer from the name server within {limit:g} s"
        except OSError as error:
            why = error.strerror or str(error)
        except UnicodeError:        # a label of more than 63 bytes, or none: no name server is asked
            why = "the name is too long, or a part of it is empty"
        self._failures[host] = time.monotonic() + FAILURE_KEPT, why
        self._failures.move_to_end(host)
        if len(self._failures) > FAILURES_KEPT:
            self._failures.popitem(last=False)
        raise OSError(None, why)

    def forget_failures(self) -> None:
        """Look everything up anew: the network is back."""
        self._failures.clear()

    @abstractmethod
    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]: ...

    async def close(self) -> None:
        """End what looks up, where there is something to end."""


class ThreadResolver(Resolver):
    """The system's resolver on threads of its own."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="dns")

    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, _look_up, host, port, family)

    async def close(self) -> None:
        """End the threads, without waiting for look-ups that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class CaresResolver(Resolver):
    """c-ares, which needs no threads; it asks name servers alone and reads no mDNS."""

    def __init__(self, timeout: float) -> None:
        super().__init__(timeout)
        self._cares = aiohttp.AsyncResolver(timeout=timeout)

    async def _look_up(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        return await self._cares.resolve(host, port, family)

    async def close(self) -> None:
        """End c-ares."""
        await self._cares.close()


def open_resolver(settings: Settings) -> Resolver:
    """Return the resolver that the settings ask for; that its extra is there has been seen to by Routes."""
    return CaresResolver(settings.dns_timeout) if settings.resolver == "c-ares" else ThreadResolver(settings.dns_timeout)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]  # fmt: skip
