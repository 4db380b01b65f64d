"""Whether the network itself is down, or only some hosts are. Pure; the engine asks it after each attempt.

Suspicion: five hosts have failed within ten seconds, and nothing that was asked for in between was answered. Whether that is
an outage or five dead hosts is then found out by connecting to hosts that have answered before; until then no failure counts.
"""

from __future__ import annotations

from collections import OrderedDict
from enum import Enum

from crawler.core.model import HostId

HOSTS = 5
"""Hosts that must have failed one after another."""
WITHIN = 10.0
"""Seconds in which they must have failed, and for which a failure is held back."""
PROBES = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds between two probes while the network is down; the last goes on."""
WITNESSES = 8
"""Origins that are remembered for having answered lately."""


class Meaning(Enum):
    """What a failure means for its URL."""

    COUNTS = "counts"
    HELD = "held"
    """It may be the network: not judged yet."""
    SUSPECT = "suspect"
    """It is held, and it is time to find out."""
    VOID = "void"
    """The network is down: it says nothing about its URL."""


class Outage:
    """The suspicion of one crawl."""

    def __init__(self) -> None:
        self._failing: dict[HostId, float] = {}
        self._witnesses: OrderedDict[str, None] = OrderedDict()
        self._suspecting = False
        self.since: float | None = None
        """When the network went down; None while it is up."""

    @property
    def paused(self) -> bool:
        """Whether nothing is to be asked: the network is down, or that is being found out."""
        return self._suspecting or self.since is not None

    @property
    def witnesses(self) -> list[str]:
        """Origins that have answered, the latest first."""
        return list(reversed(self._witnesses))

    def answered(self, origin: str, sent: float) -> None:
        """Note an answer to a request that was sent at a moment: whatever failed before that did not fail for the network."""
        if self._failing:
            self._failing = {host: moment for host, moment in self._failing.items() if moment >= sent}
        self._witnesses[origin] = None
        self._witnesses.move_to_end(origin)
        if len(self._witnesses) > WITNESSES:
            self._witnesses.popitem(last=False)

    def failed(self, host_id: HostId, now: float, hosts: int) -> Meaning:
        """Note a failure of a host, of *hosts* that are being crawled."""
        if self.since is not None:
            return Meaning.VOID
        if not self._witnesses or hosts < HOSTS:        # nobody to ask, or too few to tell the network from its hosts
            return Meaning.COUNTS
        self._failing[host_id] = now
        if self._suspecting:
            return Meaning.HELD
        self._failing = {host: moment for host, moment in self._failing.items() if now - moment <= WITHIN}
        if len(self._failing) < HOSTS:
            return Meaning.HELD
        self._suspecting = True
        return Meaning.SUSPECT

    def found_out(self, now: float, *, reachable: bool) -> None:
        """Note what probing came to: the end of a suspicion, or of an outage."""
        self._suspecting = False
        self._failing.clear()
        if reachable:
            self.since = None
        elif self.since is None:
            self.since = now


def wait_before_probe(probes: int) -> float:
    """Return the seconds to wait after so many probes in vain, 1 being the first."""
    return PROBES[min(probes, len(PROBES)) - 1]
