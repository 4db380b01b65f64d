"""The one door by which a running crawl is changed from outside: each change is judged, carried out, and written down.

What may change while it runs are limits, load and pace, what is left out, and what becomes of single URLs and hosts. Nothing
here goes past `offer` and `settle`: what is withdrawn is put back into the frontier, and changed there in a transaction.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from crawler import words
from crawler.clock import Clock
from crawler.core import urls
from crawler.core.metrics import Snapshot, View
from crawler.core.model import Request
from crawler.core.schedule import Schedule
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine.feeder import Feeder
from crawler.engine.looking import Lookout, memory
from crawler.engine.trial import HINT, MOST_TEXTS, slow_one
from crawler.finishing import finish
from crawler.folder import CrawlError
from crawler.frontier import editing
from crawler.frontier.editing import Action
from crawler.frontier.sqlite import SqliteFrontier
from crawler.hooks import Hooks, Notice

CHANGEABLE = ("concurrency", "per_host", "delay", "max_pages", "max_time", "max_bytes", "max_rest", "tries")
"""Settings that can change while a crawl runs; the others hold from the next run on."""
MOST_WORKERS = 1_000
"""Requests in flight that a running crawl can be raised to, unless it began with more."""
MOST_URLS = 10_000
"""URLs that one command may name; more are sent in several."""


class Look(msgspec.Struct, frozen=True, tag_field="command", tag="status"):
    """Ask where the crawl stands; *closely*: with hosts, requests in flight, and what came of late."""

    closely: bool = False


class Pause(msgspec.Struct, frozen=True, tag_field="command", tag="pause"):
    """Ask for nothing further until `Resume`; what is in flight lands."""


class Resume(msgspec.Struct, frozen=True, tag_field="command", tag="resume"):
    """Go on after a pause."""


class Stop(msgspec.Struct, frozen=True, tag_field="command", tag="stop"):
    """Stop like Ctrl-C; again, or *now*: drop what is in flight."""

    now: bool = False


class Set(msgspec.Struct, frozen=True, tag_field="command", tag="set"):
    """Change settings: field -> value, as in Settings."""

    settings: dict[str, object]


class Sow(msgspec.Struct, frozen=True, tag_field="command", tag="seed"):
    """Add seeds."""

    seeds: tuple[Seed, ...]


class Exclude(msgspec.Struct, frozen=True, tag_field="command", tag="exclude"):
    """Follow nothing that matches a regular expression from now on, and leave out what waits of it."""

    pattern: str


class Park(msgspec.Struct, frozen=True, tag_field="command", tag="park"):
    """Put a host off beyond this run."""

    host: str


class Free(msgspec.Struct, frozen=True, tag_field="command", tag="free"):
    """End the rest of a host, or take it up again after it was put off."""

    host: str


class Edit(msgspec.Struct, frozen=True, tag_field="command", tag="urls"):
    """Retry, requeue, skip or forget URLs, by their rows."""

    action: Action
    rows: tuple[int, ...]
    why: str = ""
    """How they were chosen, in words."""


Command = Look | Pause | Resume | Stop | Set | Sow | Exclude | Park | Free | Edit


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a command."""

    text: str
    """In words, for people."""
    urls: int | None = None
    """URLs that were changed."""
    busy: int = 0
    """URLs that were left alone, since they are being fetched right now."""
    snapshot: Snapshot | None = None
    view: View | None = None
    paused: bool = False
    settings: dict[str, object] = {}
    """The settings that can be changed, as they are now."""


class Refused(CrawlError):
    """A command that cannot be carried out; nothing was changed."""

    exit_code = 2


class Steered(Protocol):
    """The part of the crawler that a change may touch."""

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""

    def stop(self, signum: int) -> None:
        """Stop feeding."""

    def snapshot(self) -> Snapshot:
        """Return where the crawl stands."""

    def wrong(self) -> Mapping[str, int]:
        """Return what went wrong how often in this run."""

    async def apply(self, settings: Settings) -> None:
        """Go by changed settings from now on."""

    def forget(self, rows: Collection[int]) -> None:
        """Name no page any more that has been forgotten."""

    async def sow(self, seeds: Sequence[Seed]) -> int:
        """Take in further seeds; return how many are new."""

    async def exclude(self, pattern: str) -> None:
        """Leave out what matches a pattern from now on, and what waits of it in the background."""


class Steering:
    """Carries out commands, one after another."""

    def __init__(
        self, crawl: Steered, *, feeder: Feeder, frontier: SqliteFrontier, schedule: Schedule, hooks: Hooks, clock: Clock,
        lookout: Lookout, terminate: int,
    ) -> None:  # fmt: skip
        self._crawl = crawl
        self._feeder = feeder
        self._frontier = frontier
        self._schedule = schedule
        self._hooks = hooks
        self._clock = clock
        self._lookout = lookout
        self._terminate = terminate
        self._doing: dict[type[Command], Callable[..., Awaitable[Answer]]] = {
            Look: self._look, Pause: self._pause, Resume: self._resume, Stop: self._stop, Set: self._set, Sow: self._sow,
            Exclude: self._exclude, Park: self._park, Free: self._free, Edit: self._edit,
        }  # fmt: skip

    async def do(self, command: Command) -> Answer:
        """Carry a command out; when it returns, it is true and written down. Raises Refused, with nothing changed."""
        return await finish(self._done(command))

    async def _done(self, command: Command) -> Answer:
        answer = await self._doing[type(command)](command)
        if not isinstance(command, Look):
            await self._note(command, answer)
        return answer

    async def _note(self, command: Command, answer: Answer) -> None:
        told: dict[str, object] = msgspec.to_builtins(command)
        name = str(told.pop("command"))
        if isinstance(command, Edit):
            name, told = command.action.value, {"why": command.why}
        async with self._frontier.exclusive():
            await editing.note(self._frontier, name, told, answer.urls, now=self._clock.now())
        await self._hooks.send(Notice(answer.text))

    # --- the run -------------------------------------------------------------------------------------------------

    async def _look(self, command: Look) -> Answer:
        settings: dict[str, object] = msgspec.to_builtins(self._crawl.settings)
        now = {name: settings[name] for name in CHANGEABLE}
        words = "paused" if self._feeder.paused else "running"
        seen = None
        if command.closely:
            held = await asyncio.to_thread(memory)
            seen = self._lookout.view(self._schedule, self._crawl.wrong(), self._clock.now(), held)
        return Answer(words, snapshot=self._crawl.snapshot(), view=seen, paused=self._feeder.paused, settings=now)

    async def _pause(self, _: Pause) -> Answer:
        if self._feeder.paused:
            raise Refused("the crawl is paused already", "Try crawler control resume.")
        self._feeder.pause(paused=True)
        flying = words.count(self._feeder.busy, "request")
        return Answer(f"paused; {flying} in flight may still land" if self._feeder.busy else "paused; nothing is in flight", paused=True)

    async def _resume(self, _: Resume) -> Answer:
        if not self._feeder.paused:
            raise Refused("the crawl is not paused", "Try crawler control pause.")
        self._feeder.pause(paused=False)
        return Answer("goes on")

    async def _stop(self, command: Stop) -> Answer:
        self._crawl.stop(self._terminate)
        if command.now:
            self._crawl.stop(self._terminate)
        flying = words.count(self._feeder.busy, "request")
        return Answer("stops; what is in flight is dropped" if command.now else f"stops; {flying} in flight may land")

    async def _set(self, command: Set) -> Answer:
        before = self._crawl.settings
        fixed = [name for name in command.settings if name not in CHANGEABLE]
        if fixed:
            hint = f"While a crawl runs, there are {', '.join(CHANGEABLE)}. Others hold when it is started again with them."
            raise Refused(f"{', '.join(fixed)} cannot change while a crawl runs", hint)
        plain: dict[str, object] = msgspec.to_builtins(before)
        try:
            after = msgspec.convert(plain | command.settings, Settings)
        except msgspec.ValidationError as error:
            raise Refused(f"no such value: {error}", "Try crawler crawl --help for what a setting can be.") from None
        most = max(MOST_WORKERS, before.concurrency)
        if after.concurrency > most:
            hint = "Try stopping it, and starting it again with more."
            raise Refused(f"concurrency can be raised to {most:,} while a crawl runs, not to {after.concurrency:,}", hint)
        await self._crawl.apply(after)
        said = ", ".join(f"{name} = {'none' if value is None else value}" for name, value in command.settings.items())
        return Answer(f"set {said}")

    # --- what is crawled -----------------------------------------------------------------------------------------

    async def _sow(self, command: Sow) -> Answer:
        async with self._feeder.idle_hands():
            new = await self._crawl.sow(command.seeds)
        self._feeder.look()
        return Answer(f"added {new:,} of {words.count(len(command.seeds), 'seed')}", urls=new)

    async def _exclude(self, command: Exclude) -> Answer:
        try:
            pattern = re.compile(command.pattern)
        except re.error as error:
            raise Refused(f"{command.pattern!r} is no regular expression: {error}", "Try one like '/archive/'.") from None
        if await slow_one([command.pattern], self._schedule.urls(MOST_TEXTS)) is not None:
            raise Refused(f"{command.pattern!r} takes too long over a URL", HINT)
        async with self._feeder.idle_hands():
            await self._crawl.exclude(command.pattern)
            async with self._frontier.exclusive():
                back = self._withdraw(lambda request: pattern.search(request.url) is not None)
        found = words.count(len(back), "URL")
        return Answer(f"leaves out what matches {command.pattern}, {found} in hand and all others that wait", urls=None)

    # --- hosts ---------------------------------------------------------------------------------------------------

    async def _park(self, command: Park) -> Answer:
        host_id = await self._host(command.host)
        async with self._feeder.idle_hands(), self._frontier.exclusive():
            self._withdraw(lambda request: request.host_id == host_id)
            why = "by hand"
            self._schedule.park(host_id, why, self._clock.now())
            await editing.put_off(self._frontier, host_id, why)
        return Answer(f"{command.host} is put off beyond this run")

    async def _free(self, command: Free) -> Answer:
        host_id = await self._host(command.host)
        async with self._feeder.idle_hands(), self._frontier.exclusive():
            self._schedule.free(host_id, self._clock.now())
            await editing.take_up(self._frontier, host_id, now=self._clock.now())
        self._feeder.look()
        return Answer(f"{command.host} is asked again")

    async def _host(self, name: str) -> int:
        host = _host_name(name)
        host_id = await editing.host_named(self._frontier, host)
        if host_id is None:
            raise Refused(f"this crawl knows no host {host}", "Try crawler query hosts for those it knows.")
        return host_id

    # --- URLs ----------------------------------------------------------------------------------------------------

    async def _edit(self, command: Edit) -> Answer:
        if len(command.rows) > MOST_URLS:
            raise Refused(f"{len(command.rows):,} URLs in one command are more than {MOST_URLS:,}", "Try several commands.")
        changed = busy = 0
        rows = frozenset(command.rows)
        async with self._feeder.idle_hands(), self._frontier.exclusive():
            if command.action in (Action.SKIP, Action.FORGET):
                self._withdraw(lambda request: request.id in rows)
            for start in range(0, len(command.rows), editing.AT_ONCE):
                edited = await editing.edit(self._frontier, command.action, command.rows[start : start + editing.AT_ONCE])
                changed, busy = changed + edited.changed, busy + edited.busy
            if command.action is Action.FORGET:
                self._crawl.forget(rows)
        self._schedule.stirred(self._frontier.grown_hosts())
        self._feeder.look()
        return Answer(f"{command.action}: {words.count(changed, 'URL')}", urls=changed, busy=busy)

    def _withdraw(self, unwanted: Callable[[Request], bool]) -> list[Request]:
        """Take out of hand what is not to be asked for, and give it back to the frontier."""
        back = self._schedule.withdraw(unwanted, self._clock.now())
        self._frontier.put_back(back)
        return back


def _host_name(text: str) -> str:
    """Return the host that somebody means: a name, or the URL of a page there."""
    try:
        return urls.host_of(urls.split(urls.spell(text if "://" in text else f"https://{text}"))[0])
    except urls.UrlError as error:
        raise Refused(f"{text!r} is no host name: {error}", "Try one like example.org.") from None
