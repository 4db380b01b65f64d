"""Events of a crawl, fanned out to whoever listens. A listener that raises is logged and cannot break the crawl."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiosignal import Signal

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


class RequestSent(msgspec.Struct, frozen=True, tag="request"):
    """A worker begins to ask for a URL, robots.txt included. For its own signal only: see Hooks."""

    url: str
    host: str
    kind: str
    tries: int
    """Attempts that have ended already: 0 before the first."""


class ResponseReceived(msgspec.Struct, frozen=True, tag="response"):
    """An answer is here with its body, whatever its status. For its own signal only: see Hooks."""

    url: str
    status: int
    wire_bytes: int
    dns: float | None
    """Seconds of each step, None for one that was not made."""
    connect: float | None
    tls: float | None
    ttfb: float
    total: float
    reused: bool
    """Over a connection that had served an earlier request."""


class PageStored(msgspec.Struct, frozen=True, tag="page"):
    """A page is durable: body, row and links."""

    url: str
    status: int
    mime: str | None
    bytes: int
    file: str | None
    """None where no body is kept."""
    depth: int
    title: str | None


class PageUnchanged(msgspec.Struct, frozen=True, tag="unchanged"):
    """A page that was asked for again is what it was: 304, or the same bytes once more (200)."""

    url: str
    status: int
    depth: int


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


class NetworkDown(msgspec.Struct, frozen=True, tag="network_down"):
    """No host can be reached: nothing is asked for, and no failure since then counts."""

    since: float
    """Unix seconds."""


class NetworkUp(msgspec.Struct, frozen=True, tag="network_up"):
    """The network is back, and the crawl goes on."""

    seconds: float
    """How long it was away."""


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


Event = (
    RunStarted | RequestSent | ResponseReceived | PageStored | PageUnchanged | RequestFailed | HostRested | NetworkDown | NetworkUp
    | SettingsApplied | Progress | Stopping | Notice | RunEnded
)
Listener = Callable[[Any], Awaitable[None] | None]
"""Takes an event; a function or a coroutine function."""

SIGNALS: dict[type[Event], str] = {
    RunStarted: "on_run_start",
    RequestSent: "on_request",
    ResponseReceived: "on_response",
    PageStored: "on_page",
    PageUnchanged: "on_unchanged",
    RequestFailed: "on_failure",
    HostRested: "on_host_rest",
    NetworkDown: "on_network_down",
    NetworkUp: "on_network_up",
    SettingsApplied: "on_settings_applied",
    Progress: "on_progress",
    Stopping: "on_stopping",
    Notice: "on_notice",
    RunEnded: "on_run_end",
}
"""The signal that each event is sent to."""


class Hooks:
    """The signals of one crawl: `hooks.on_page.append(listener)`; they are frozen when the run begins.

    Listeners are called in order, and the crawl waits for them: whoever takes long hands the work on. One that raises is
    logged with its traceback, and the crawl goes on.
    """

    def __init__(self) -> None:
        self.on_run_start: Signal[RunStarted] = Signal(self)
        self.on_request: Signal[RequestSent] = Signal(self)
        self.on_response: Signal[ResponseReceived] = Signal(self)
        self.on_page: Signal[PageStored] = Signal(self)
        self.on_unchanged: Signal[PageUnchanged] = Signal(self)
        self.on_failure: Signal[RequestFailed] = Signal(self)
        self.on_host_rest: Signal[HostRested] = Signal(self)
        self.on_network_down: Signal[NetworkDown] = Signal(self)
        self.on_network_up: Signal[NetworkUp] = Signal(self)
        self.on_settings_applied: Signal[SettingsApplied] = Signal(self)
        self.on_progress: Signal[Progress] = Signal(self)
        self.on_stopping: Signal[Stopping] = Signal(self)
        self.on_notice: Signal[Notice] = Signal(self)
        self.on_run_end: Signal[RunEnded] = Signal(self)
        self._by_event: dict[type[Event], Signal[Any]] = {event: getattr(self, name) for event, name in SIGNALS.items()}
        self._everything: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call *listener* with every event but requests and responses, of which there are too many for whoever did not ask."""
        self._everything.append(listener)

    def for_run(self, *more: Listener) -> Hooks:
        """Return hooks that tell the same listeners, and *more* of everything, in one run. These are frozen, and serve the next run too."""
        run = Hooks()
        for event, signal in self._by_event.items():
            signal.freeze()
            run._by_event[event].extend(signal)
        run._everything = [*self._everything, *more]
        return run

    @property
    def heard(self) -> bool:
        """Whether anyone listens; without listeners an event need not be made."""
        return bool(self._everything) or any(self._by_event.values())

    async def send(self, event: Event) -> None:
        """Tell every listener, those to everything first."""
        signal = self._by_event[type(event)]
        if isinstance(event, RunStarted):
            for each in self._by_event.values():
                each.freeze()
        if not isinstance(event, RequestSent | ResponseReceived):
            for listener in self._everything:
                await _tell(listener, event)
        for receiver in signal:
            await _tell(receiver, event)


async def _tell(listener: Callable[[Any], Awaitable[object] | None], event: Event) -> None:
    try:
        answer = listener(event)
        if answer is not None:
            await answer
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        log.exception("a listener cancelled itself on %s", type(event).__name__)     # that is no reason to end the crawl
    except Exception:  # a plug-in's bug must not end a crawl; it is written down with its traceback
        log.exception("a listener failed on %s", type(event).__name__)
