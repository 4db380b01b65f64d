"""When each host may be asked next: at most one entry a host that counts, and the earliest at hand."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from crawler.core.model import HostId

ROOM = 64, 8
"""So many entries that no longer count are borne with, and so many for each host."""


class Calendar:
    """Moments of hosts, quick hosts and others apart. An entry that was replaced stays in its heap until it comes to the head."""

    def __init__(self) -> None:
        self._heaps: tuple[list[tuple[float, int, HostId]], list[tuple[float, int, HostId]]] = ([], [])      # the quick ones are second
        self._counts: dict[HostId, int] = {}
        """The number of each host's entry that counts. Numbers are never used twice, so that a host which leaves and comes back
        does not meet its old entries."""
        self._number = 0

    def enter(self, host_id: HostId, moment: float, *, quick: bool) -> None:
        """Put a host at a moment; whatever stood there of it before no longer counts."""
        self._number += 1
        self._counts[host_id] = self._number
        heapq.heappush(self._heaps[quick], (moment, self._number, host_id))
        if len(self) > ROOM[0] + ROOM[1] * len(self._counts):
            self._sweep()

    def leave(self, host_id: HostId) -> None:
        """Take a host out, if it is there."""
        self._counts.pop(host_id, None)

    def head(self, *, quick: bool) -> tuple[float, HostId] | None:
        """Return the earliest moment and its host."""
        heap = self._heaps[quick]
        while heap:
            moment, number, host_id = heap[0]
            if self._counts.get(host_id) == number:
                return moment, host_id
            heapq.heappop(heap)
        return None

    def __iter__(self) -> Iterator[tuple[HostId, float]]:
        """Iterate over hosts and their moments, the quick ones first, otherwise in no order."""
        for heap in reversed(self._heaps):
            yield from ((host_id, moment) for moment, number, host_id in heap if self._counts.get(host_id) == number)

    def __len__(self) -> int:
        """Return how many entries are kept, those too that no longer count."""
        others, quick = self._heaps
        return len(others) + len(quick)

    def _sweep(self) -> None:
        """Drop what no longer counts, so that the calendar stays as small as the hosts in it."""
        for heap in self._heaps:
            heap[:] = [entry for entry in heap if self._counts.get(entry[2]) == entry[1]]
            heapq.heapify(heap)
