"""Events of a crawl, fanned out to whoever listens. A listener that raises is logged and cannot break the crawl."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import msgspec

from crawler.core.metrics import Snapshot, Summary

log = logging.getLogger("crawler")


class RunStarted(msgspec.Struct, frozen=True, tag="start"):
    """A run begins: fresh, or going on where the last one ended."""

    output: str
    resumed: bool
    pages: int
    queued: int
    clean: bool
    """The run before ended by itself; if not, up to `repeated` requests may be repeated."""
    repeated: int
    seeds: int
    new_seeds: int


class PageStored(msgspec.Struct, frozen=True, tag="page"):
    """A page is durable: body, row and links."""

    url: str
    status: int
    mime: str | None
    bytes: int
    file: str
    depth: int
    title: str | None


class RequestFailed(msgspec.Struct, frozen=True, tag="error"):
    """A URL ended in a fault or a status of 400 and above; `final` is False when it will be tried again."""

    url: str
    status: int | None
    fault: str | None
    detail: str | None
    final: bool


class HostRested(msgspec.Struct, frozen=True, tag="rest"):
    """A host is left alone for a while."""

    host: str
    seconds: float
    why: str


class SettingsApplied(msgspec.Struct, frozen=True, tag="applied"):
    """Changed settings were applied to what waits."""

    allowed: int
    refused: int


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """Where the crawl stands, a few times a second."""

    snapshot: Snapshot


class Stopping(msgspec.Struct, frozen=True, tag="stopping"):
    """A stop was asked for: `in_flight` requests still run, for at most `seconds`."""

    in_flight: int
    seconds: float
    times: int


class Notice(msgspec.Struct, frozen=True, tag="notice"):
    """Something a person should know."""

    text: str


class RunEnded(msgspec.Struct, frozen=True, tag="summary"):
    """A run has ended and everything is durable."""

    summary: Summary


Event = RunStarted | PageStored | RequestFailed | HostRested | SettingsApplied | Progress | Stopping | Notice | RunEnded
Listener = Callable[[Event], Awaitable[None] | None]


class Hooks:
    """The listeners of one crawl."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call *listener* with every event from now on."""
        self._listeners.append(listener)

    @property
    def heard(self) -> bool:
        """Whether anyone listens; without listeners an event need not be made."""
        return bool(self._listeners)

    async def send(self, event: Event) -> None:
        """Tell every listener, in order of subscription."""
        for listener in self._listeners:
            try:
                answer = listener(event)
                if answer is not None:
                    await answer
            except Exception:  # a plug-in's bug must not end a crawl; it is written down with its traceback
                log.exception("a listener failed on %s", type(event).__name__)
