"""Which earlier page is this one nearly the same as? A bounded memory of the fingerprints of recent pages.

Two fingerprints that differ in three bits are equal in one of four quarters at least, so only pages that share a quarter
are compared. The pages lie in a ring of arrays, chained by quarter, so that nothing grows: 4.4 MB whatever comes, a few
microseconds a page.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection

from crawler.core.simhash import NEAR

PAGES = 50_000
LONGEST_WALK = 32
"""Pages that are compared for one quarter, the latest first: crafted pages could share it all."""

_QUARTERS = 4
_QUARTER_BITS = 16
_QUARTER = (1 << _QUARTER_BITS) - 1
_ALL = (1 << 64) - 1
_FORGOTTEN = -1
_NONE = -1


class Likeness:
    """Remembers the latest pages that were new, so many at most; one that is still found stays."""

    def __init__(self, *, pages: int = PAGES) -> None:
        if pages < 1:
            raise ValueError(f"pages must be positive, got {pages!r}")
        self._most = pages
        self._count = 0     # pages ever taken: the next one's number, and its place in the ring that number modulo `_most`
        self._hashes = array("Q", [0]) * pages
        self._rows = array("q", [0]) * pages
        # For each value of each quarter the number of the latest page that has it; for each page and quarter the one before.
        self._latest = array("q", [_NONE]) * (_QUARTERS << _QUARTER_BITS)
        self._before = array("q", [_NONE]) * (_QUARTERS * pages)

    def __repr__(self) -> str:
        return f"<Likeness {len(self)} of {self._most} pages>"

    def __len__(self) -> int:
        return min(self._count, self._most)

    def find(self, simhash: int, row: int) -> int | None:
        """Return the row of the earliest page within NEAR bits; None when there is none, and then remember this one.

        The page that was found is the one that others are compared with, not those that it was found for: likeness is no
        chain that leads from one text to another.
        """
        bits = simhash & _ALL
        number = self._nearest(bits)
        if number is None:
            self._remember(bits, row)
            return None
        place = number % self._most
        found = self._rows[place]
        if found == _FORGOTTEN:
            self._rows[place] = row
            return None
        if self._count - number > self._most // 2:
            self._remember(self._hashes[place], found)      # before it is overwritten, as the page of a large family
        return found

    def forget(self, rows: Collection[int]) -> None:
        """Name none of these rows any more: the next page that is like one of them takes its place."""
        for place in range(len(self)):
            if self._rows[place] in rows:
                self._rows[place] = _FORGOTTEN

    def _nearest(self, bits: int) -> int | None:
        """Return the number of the earliest page that is near, as far as the walks go."""
        most, hashes, before = self._most, self._hashes, self._before
        found = self._count
        oldest = found - most if found > most else 0
        latest = self._latest
        quarter = 0
        for value in _quarters(bits):
            number = latest[value]
            steps = LONGEST_WALK
            while number >= oldest and steps:
                place = number % most
                if number < found and (hashes[place] ^ bits).bit_count() <= NEAR:
                    found = number
                number = before[_QUARTERS * place + quarter]
                steps -= 1
            quarter += 1    # noqa: SIM113 - enumerate costs a tenth of the whole
        return None if found == self._count else found

    def _remember(self, bits: int, row: int) -> None:
        number = self._count
        place = number % self._most
        self._count = number + 1
        self._hashes[place] = bits
        self._rows[place] = row
        at = _QUARTERS * place
        for value in _quarters(bits):
            self._before[at] = self._latest[value]
            self._latest[value] = number
            at += 1


def _quarters(bits: int) -> tuple[int, int, int, int]:
    """Return where the four quarters of a fingerprint are looked up."""
    return (
        bits & _QUARTER,
        bits >> 16 & _QUARTER | 0x10000,
        bits >> 32 & _QUARTER | 0x20000,
        bits >> 48 | 0x30000,
    )
