"""A bounded memory of URLs seen lately: their row, and how good the best offer of them was.

Within one site over 95 % of links are repeats, so most links are answered here and never reach the database. Keyed by the
spelling itself: a hit is exact, there is nothing to collide. Two generations stand in for a least-recently-used order.
"""

from __future__ import annotations

REFUSED = 1 << 15
"""Added to the rank of an offer that was refused: any allowed offer beats any refused one."""
_DEPTH_MASK = REFUSED - 1
_RANK_BITS = 16
_RANK_MASK = (1 << _RANK_BITS) - 1


def rank_of(depth: int, *, refused: bool) -> int:
    """Return how good an offer is, smaller is better: allowed before refused, then fewer links from a seed."""
    depth = min(depth, _DEPTH_MASK)
    return depth | REFUSED if refused else depth


class Known:
    """URL -> (row id, rank), for at most *size* of the latest URLs (about 200 bytes each)."""

    def __init__(self, size: int = 200_000) -> None:
        self._half = max(size // 2, 1)
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def find(self, url: str, rank: int) -> int | None:
        """Return the row of a URL that was offered at least as well before; None sends the offer to the database."""
        packed = self._young.get(url)
        if packed is None:
            packed = self._old.get(url)
            if packed is None:
                return None
            self._young[url] = packed
        return packed >> _RANK_BITS if packed & _RANK_MASK <= rank else None

    def row(self, url: str) -> int | None:
        """Return the row of a URL, however it was offered; None when it is not remembered."""
        packed = self._young.get(url, self._old.get(url))
        return None if packed is None else packed >> _RANK_BITS

    def learn(self, url: str, row: int, rank: int) -> None:
        """Remember a URL's row and the rank of its best offer, once both are durable."""
        if len(self._young) >= self._half:
            self._old = self._young
            self._young = {}
        self._young[url] = row << _RANK_BITS | rank

    def clear(self) -> None:
        """Forget everything: what was learnt may not be true."""
        self._young.clear()
        self._old.clear()
