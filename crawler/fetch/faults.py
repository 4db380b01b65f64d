"""Every exception of the HTTP client becomes one fault, by one ordered table, the most specific row first.

Types alone do not tell: a refusal of our own arrives inside a connection error, and the client's parser dresses its
errors as an answer with a made-up status 400, which must never be taken for one.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

import aiohttp
from aiohttp import http_exceptions

from crawler.core.model import Fault
from crawler.fetch.connector import HandshakeTimeout
from crawler.fetch.decode import DecodeError
from crawler.fetch.guard import REFUSED, GuardRefused

Row = tuple[type[BaseException], Callable[[BaseException], bool] | None, Fault]


class TooSlow(Exception):
    """A limit of our own on time or rate was passed; the text says which."""


def _refused(error: BaseException) -> bool:
    return _refusal(error) is not None


def _refusal(error: BaseException) -> OSError | None:
    return next((cause for cause in reversed(chain(error)) if isinstance(cause, OSError) and cause.errno == REFUSED), None)


def _certificate(error: BaseException) -> bool:
    return any(isinstance(cause, ssl.SSLError | ssl.CertificateError) for cause in chain(error))


def _slow_handshake(error: BaseException) -> bool:
    return _handshake(error) is not None


def _handshake(error: BaseException) -> HandshakeTimeout | None:
    return next((cause for cause in chain(error) if isinstance(cause, HandshakeTimeout)), None)


FAULTS: tuple[Row, ...] = (
    (GuardRefused, None, Fault.GUARD),
    (aiohttp.ClientConnectorError, _refused, Fault.GUARD),
    (OSError, _refused, Fault.GUARD),
    (DecodeError, None, Fault.DECODE),
    (TooSlow, None, Fault.TIMEOUT),
    (aiohttp.ClientConnectorDNSError, None, Fault.DNS),
    (aiohttp.ClientSSLError, None, Fault.TLS),
    (aiohttp.ClientConnectorError, _certificate, Fault.TLS),
    (aiohttp.ClientConnectorError, None, Fault.CONNECT),
    (aiohttp.ConnectionTimeoutError, _slow_handshake, Fault.TIMEOUT),
    (aiohttp.ConnectionTimeoutError, None, Fault.CONNECT),
    (aiohttp.ServerTimeoutError, None, Fault.TIMEOUT),
    (aiohttp.ServerDisconnectedError, None, Fault.RESET),
    (aiohttp.ClientPayloadError, None, Fault.TRUNCATED),
    (aiohttp.ClientConnectionResetError, None, Fault.RESET),
    (aiohttp.ClientOSError, _certificate, Fault.TLS),
    (aiohttp.ClientOSError, None, Fault.RESET),
    (aiohttp.ClientHttpProxyError, None, Fault.CONNECT),
    (aiohttp.ClientResponseError, None, Fault.PROTOCOL),
    (aiohttp.InvalidURL, None, Fault.PROTOCOL),
    (http_exceptions.HttpProcessingError, None, Fault.PROTOCOL),
    (aiohttp.ClientConnectionError, None, Fault.RESET),
    (aiohttp.ClientError, None, Fault.PROTOCOL),
    (asyncio.TimeoutError, None, Fault.TIMEOUT),
    (ssl.SSLError, None, Fault.TLS),
    (ConnectionError, None, Fault.RESET),
)


def fault_of(error: BaseException) -> Fault | None:
    """Return the fault that an exception stands for, None when it is no trouble on the network but a bug."""
    for kind, applies, fault in FAULTS:
        if isinstance(error, kind) and (applies is None or applies(error)):
            return fault
    return None


def detail_of(error: BaseException) -> str:
    """Say in one line what happened, with the innermost cause, at most 300 characters."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        text = f"the proxy refused the tunnel: status {error.status} {error.message}"
    elif isinstance(error, aiohttp.ClientResponseError):
        text = f"the answer is not valid HTTP: {error.message}"
    elif (handshake := _handshake(error)) is not None:
        text = str(handshake)
    elif (refusal := _refusal(error)) is not None:
        text = str(refusal.strerror).removeprefix("Multiple exceptions: ")
    else:
        innermost = chain(error)[-1]
        text = str(error) or str(innermost) or type(innermost).__name__
    return " ".join(text.split())[:300]


def chain(error: BaseException) -> list[BaseException]:
    """Return an exception and everything that caused it, outermost first, groups opened."""
    found: list[BaseException] = []
    todo: list[BaseException | None] = [error]
    while todo:
        one = todo.pop()
        if one is None or one in found:
            continue
        found.append(one)
        todo += [one.__context__, one.__cause__, getattr(one, "os_error", None)]
        if isinstance(one, BaseExceptionGroup):
            todo += one.exceptions
    return found
