"""The pace of a host: seconds between two requests where nobody asks for other ones, learned from how its answers come."""

from __future__ import annotations

FIRST_PACE, FASTEST_PACE, SLOWEST_PACE = 1.0, 0.2, 60.0
SHORTER, LONGER = 0.9, 2.0


def learned(pace: float | None, status: int, ttfb: float) -> float | None:
    """Return the pace of a host after an answer: shorter after a quick one, twice as long after a slow one or a refusal."""
    known = FIRST_PACE if pace is None else pace
    if status in (429, 503) or ttfb > known:
        return min(SLOWEST_PACE, known * LONGER)
    return max(FASTEST_PACE, known * SHORTER) if status < 500 and ttfb < known / 2 else pace
