"""Holds failures back until it is clear whose fault they are, and waits while the network itself is down.

A failure that may be the network's is judged once another host has answered, ten seconds have passed, or the network turned
out to be down: then it never happened. Nothing is asked meanwhile but whether a host that answered before can be reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from crawler.clock import Clock
from crawler.core.model import NETWORK_FAULTS, Failed, RobotsRead, State, Visited
from crawler.core.outage import WITHIN, Meaning, Outage, wait_before_probe
from crawler.core.policy import Next
from crawler.core.schedule import Schedule
from crawler.engine.recording import Landed
from crawler.fetch.client import Fetcher
from crawler.finishing import finish
from crawler.frontier.ledger import Ledger
from crawler.hooks import Hooks, NetworkDown, NetworkUp

ASKED = 3
"""Hosts that are tried, side by side, before the network counts as down."""
FIRST_LOOK = 3.0
"""Seconds in which one of them has to be reached; an outage can be over before a connection is given up for good."""


class Network:
    """Watches all attempts of a crawl."""

    def __init__(
        self, *, fetcher: Fetcher, schedule: Schedule, ledger: Ledger, hooks: Hooks, clock: Clock, group: asyncio.TaskGroup,
        settle: Callable[[Landed | Visited], None], stir: Callable[[], None],
    ) -> None:  # fmt: skip
        self._fetcher = fetcher
        self._schedule = schedule
        self._ledger = ledger
        self._hooks = hooks
        self._clock = clock
        self._group = group
        self._settle = settle
        self._stir = stir
        self._outage = Outage()
        self._held: list[tuple[float, Visited]] = []
        self._probing: asyncio.Task[None] | None = None

    @property
    def since(self) -> float | None:
        """When the network went down; None while it is up."""
        return self._outage.since

    @property
    def paused(self) -> bool:
        """Whether nothing is to be asked."""
        return self._outage.paused

    @property
    def holding(self) -> bool:
        """Whether something is not judged yet."""
        return bool(self._held) or self._outage.paused

    def holds_back(self, outcome: Visited, sent: float) -> bool:
        """Tell whether judgement on the outcome of a request sent at a moment is to wait; then it is settled from here, later."""
        if outcome.reply is not None:
            self._outage.answered(outcome.request.origin, sent)
            if self._held and not self._outage.paused:
                self._release(before=sent)
            return False
        if not isinstance(outcome, Failed | RobotsRead) or outcome.fault not in NETWORK_FAULTS:
            return False
        now = self._clock.now()
        meaning = self._outage.failed(outcome.request.host_id, now, len(self._schedule))
        if meaning is Meaning.COUNTS:
            return False
        if meaning is Meaning.VOID:
            self._undo(outcome)
            return True
        self._held.append((now, outcome))
        self._schedule.suspect(outcome.request.host_id, now + WITHIN, now)
        if meaning is Meaning.SUSPECT:
            self._probing = self._group.create_task(self._find_out())
        return True

    def air(self, *, everything: bool = False) -> None:
        """Judge what was held for long enough: nobody answered, but too few failed to blame the network."""
        if self._held and not self._outage.paused and (everything or self._clock.now() - self._held[0][0] >= WITHIN):
            self._release()

    async def close(self) -> None:
        """Judge what is still held, and stop probing."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.wait([self._probing])
        if self._outage.since is not None:
            self._void()
        else:
            self._release()

    def _release(self, *, before: float = float("inf")) -> None:
        held, self._held = self._held, []
        for moment, outcome in held:
            if moment < before:
                self._schedule.clear(outcome.request.host_id, self._clock.now())
                self._settle(outcome)
            else:
                self._held.append((moment, outcome))

    def _void(self) -> None:
        held, self._held = self._held, []
        for _, outcome in held:
            self._undo(outcome)

    def _undo(self, outcome: Visited) -> None:
        """Put a URL back as if it had not been asked for."""
        request = outcome.request
        now = self._clock.now()
        self._schedule.forgive(request, now, robots=isinstance(outcome, RobotsRead))
        state = State.FAILED if isinstance(outcome, RobotsRead) else State.QUEUED       # a robots.txt waits in no queue
        self._settle(Landed(outcome, Next(state, request.tries), now, void=True))

    async def _find_out(self) -> None:
        """Ask hosts that have answered before whether they can be reached, until one can."""
        probes = 0
        while not await self._reachable(FIRST_LOOK if probes == 0 else float("inf")):
            if probes == 0:
                self._outage.found_out(self._clock.now(), reachable=False)
                down = self._outage.since or 0.0
                self._void()
                await finish(self._ledger.network_down(down))
                await self._hooks.send(NetworkDown(down))
            probes += 1
            await asyncio.sleep(wait_before_probe(probes))
        since = self._outage.since
        self._outage.found_out(self._clock.now(), reachable=True)
        if since is None:
            self._release()     # these hosts are dead, the network is not
        else:
            await finish(self._ledger.network_down(None))
            await self._hooks.send(NetworkUp(self._clock.now() - since))
        self._stir()

    async def _reachable(self, within: float) -> bool:
        looks = [asyncio.create_task(self._fetcher.reaches(origin, within)) for origin in self._outage.witnesses[:ASKED]]
        try:
            for look in asyncio.as_completed(looks):
                if await look:
                    return True
            return False
        finally:
            for look in looks:
                look.cancel()
            await asyncio.wait(looks)
