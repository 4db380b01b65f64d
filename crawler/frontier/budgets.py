"""How many URLs of one host and of one registrable domain may enter, and how many hosts of one domain (wildcard DNS).

Counted are URLs that wait, were answered or failed. A host's first URL asks whether the host may enter at all.
"""

from __future__ import annotations

import aiosqlite

from crawler.core.model import Reason

MOST_REMEMBERED = 20_000
"""Hosts and sites whose counts are kept in memory; others are counted anew, by index."""
_HOST = "SELECT site, queued + done + failed FROM host WHERE host_id = ?"
_SITE = "SELECT coalesce(sum(queued + done + failed), 0), coalesce(sum(queued + done + failed > 0), 0) FROM host WHERE site = ?"


class _Count:
    """What was let in of a site."""

    __slots__ = ("hosts", "urls")

    def __init__(self, urls: int, hosts: int) -> None:
        self.urls = urls
        self.hosts = hosts


class Budgets:
    """Judges new URLs within the writer's transaction. Without limits it lets everything in and asks nobody."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self.per_host: int | None = None
        self.per_site: int | None = None
        self.hosts_per_site: int | None = None
        self._hosts: dict[int, tuple[str, int]] = {}
        self._sites: dict[str, _Count] = {}

    def forget(self) -> None:
        """Forget what was counted: a transaction failed, or what was let in has been refused since; the tables know."""
        self._hosts.clear()
        self._sites.clear()

    async def judge(self, host_id: int) -> tuple[Reason, str] | None:
        """Let one more URL of a host in, or say why not."""
        if self.per_host is None and self.per_site is None and self.hosts_per_site is None:
            return None
        if len(self._hosts) > MOST_REMEMBERED or len(self._sites) > MOST_REMEMBERED:
            self.forget()       # what was let in within this transaction is not in the tables yet: at most a batch too many
        site, entered = self._hosts.get(host_id) or await self._host(host_id)
        if self.per_host is not None and entered >= self.per_host:
            return Reason.LIMIT, f"more than {self.per_host:,} URLs of one host (--max-per-host)"
        if self.per_site is not None or (self.hosts_per_site is not None and not entered):
            count = self._sites.get(site) or await self._site(site)
            if self.per_site is not None and count.urls >= self.per_site:
                return Reason.LIMIT, f"more than {self.per_site:,} URLs of {site} (--max-per-site)"
            if not entered:
                if self.hosts_per_site is not None and count.hosts >= self.hosts_per_site:
                    return Reason.TRAP, f"more than {self.hosts_per_site:,} hosts of {site} (--max-hosts-per-site)"
                count.hosts += 1
            count.urls += 1
        self._hosts[host_id] = site, entered + 1
        return None

    async def _host(self, host_id: int) -> tuple[str, int]:
        [row] = await self._db.execute_fetchall(_HOST, (host_id,))
        return str(row[0]), int(row[1])

    async def _site(self, site: str) -> _Count:
        [row] = await self._db.execute_fetchall(_SITE, (site,))
        count = self._sites[site] = _Count(int(row[0]), int(row[1]))
        return count
