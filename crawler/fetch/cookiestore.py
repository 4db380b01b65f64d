"""The cookies of one site: bounded, so that what is set last pushes out what was set longest ago, but nothing pinned."""

from __future__ import annotations

import msgspec

from crawler.core.model import CookieRow
from crawler.fetch.setcookie import matches_host, matches_path

MOST_COOKIES = 180
"""Of one site, however many subdomains it has."""
MOST_SITE_BYTES = 64 * 1024
"""Of the cookies of one site: many times what one request can carry."""

Key = tuple[str, str, str]
"""Host, path and name: a cookie with the same key replaces the other."""


class SiteCookies:
    """The cookies of one site, the one set longest ago first."""

    __slots__ = ("pinned", "rows", "size")

    def __init__(self) -> None:
        self.rows: dict[Key, CookieRow] = {}
        self.size = 0
        self.pinned = 0

    def put(self, row: CookieRow) -> None:
        """Add a cookie, or replace it; the oldest ones go where there are too many."""
        self.drop(row)
        self.rows[key_of(row)] = row
        self.size += _size(row)
        self.pinned += row.pinned
        while len(self.rows) > MOST_COOKIES or self.size > MOST_SITE_BYTES:
            oldest = next((one for one in self.rows.values() if not one.pinned), None)
            if oldest is None:
                return
            self.drop(oldest)

    def drop(self, row: CookieRow) -> bool:
        """Remove the cookie with this key; tell whether there was one."""
        old = self.rows.pop(key_of(row), None)
        if old is None:
            return False
        self.size -= _size(old)
        self.pinned -= old.pinned
        return True


def key_of(row: CookieRow) -> Key:
    """Return what a cookie is found by."""
    return row.host, row.path, row.name


def _size(row: CookieRow) -> int:
    return len(row.host) + len(row.path) + len(row.name) + len(row.value)


def says_the_same(old: CookieRow, new: CookieRow, now: float) -> bool:
    """Tell whether nothing is to be written down: many servers renew a cookie with every page.

    An end that moves by less than a hundredth of what is left is no news; the cookie ends that much earlier.
    """
    if old.expires is None or new.expires is None:
        return old == new
    near = 0 <= new.expires - old.expires < (new.expires - now) / 100
    return near and msgspec.structs.replace(new, expires=old.expires) == old


def hides_a_secure_one(row: CookieRow, kept: SiteCookies) -> bool:
    """Tell whether a cookie set in the clear would stand before one that came encrypted (RFC 6265bis 5.7)."""
    return any(
        (matches_host(one, row.host) or matches_host(row, one.host)) and matches_path(one.path, row.path)
        for one in kept.rows.values()
        if one.secure and one.name == row.name
    )
