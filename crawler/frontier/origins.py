"""Origins and their hosts: those that the writer knows the rows of, and new rows for others."""

from __future__ import annotations

from typing import NamedTuple

import aiosqlite
import msgspec

from crawler.core import urls
from crawler.core.model import HostId, OriginId

UNRECORDED_AFTER = 10_000
"""Refusals of one host that get a row; further ones are only counted, so that a link farm cannot fill the disk."""
MOST_KNOWN = 10_000
"""Origins that are remembered."""


class Next(NamedTuple):
    """Numbers of the rows that are added next."""

    host: HostId
    origin: OriginId


class Origins:
    """What is known of origins. Works through the writer's connection, in its transactions."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self._known: dict[str, tuple[OriginId, HostId]] = {}
        self._refusals: dict[HostId, int] = {}      # those with a row
        self.next = Next(1, 1)

    async def load(self) -> None:
        """Read which rows there are."""
        sql = "SELECT (SELECT coalesce(max(host_id), 0) + 1 FROM host), (SELECT coalesce(max(origin_id), 0) + 1 FROM origin)"
        [row] = await self._db.execute_fetchall(sql)
        self.next = Next(*row)

    def forget(self, next_: Next) -> None:
        """Forget everything that a transaction has taught which was rolled back; *next_* is from before it."""
        self._known.clear()
        self._refusals.clear()
        self.next = next_

    def __getitem__(self, origin: str) -> tuple[OriginId, HostId]:
        """Return the rows of an origin that was found, and of its host."""
        return self._known[origin]

    def takes_refusal(self, host_id: HostId) -> bool:
        """Tell whether a refusal of a host gets a row, and count it."""
        known = self._refusals.get(host_id, 0)
        if known < UNRECORDED_AFTER:
            self._refusals[host_id] = known + 1
        return known < UNRECORDED_AFTER

    async def find(self, origins: set[str]) -> None:
        """Make sure that each origin and its host have a row and are known here."""
        unknown = sorted(origins - self._known.keys())
        if not unknown:
            return
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
            self._refusals.clear()
            unknown = sorted(origins)
        hosts = await self._find_hosts({urls.host_of(origin) for origin in unknown})
        sql = "SELECT origin, origin_id, host_id FROM origin WHERE origin IN (SELECT value FROM json_each(?))"
        rows = await self._db.execute_fetchall(sql, (msgspec.json.encode(unknown).decode(),))
        self._known.update({row[0]: (row[1], row[2]) for row in rows})
        missing = [origin for origin in unknown if origin not in self._known]
        new = [(number, hosts[urls.host_of(origin)], origin) for number, origin in enumerate(missing, self.next.origin)]
        self._known.update({origin: (number, host_id) for number, host_id, origin in new})
        self.next = self.next._replace(origin=self.next.origin + len(new))
        if new:
            await self._db.executemany("INSERT INTO origin (origin_id, host_id, origin) VALUES (?, ?, ?)", new)

    async def _find_hosts(self, names: set[str]) -> dict[str, HostId]:
        sql = "SELECT name, host_id, excluded FROM host WHERE name IN (SELECT value FROM json_each(?))"
        rows = await self._db.execute_fetchall(sql, (msgspec.json.encode(sorted(names)).decode(),))
        self._refusals.update({row[1]: row[2] for row in rows})
        ids = {row[0]: row[1] for row in rows}
        new = [(number, name, urls.site_of(name)) for number, name in enumerate(sorted(names - ids.keys()), self.next.host)]
        self.next = self.next._replace(host=self.next.host + len(new))
        if new:
            await self._db.executemany("INSERT INTO host (host_id, name, site) VALUES (?, ?, ?)", new)
        return ids | {name: host_id for host_id, name, _ in new}
