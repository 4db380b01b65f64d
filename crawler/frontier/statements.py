"""The writer's SQL, and how values become its rows: moments in milliseconds, faults by their number."""

from __future__ import annotations

from collections.abc import Container, Iterable

import aiosqlite
import msgspec

from crawler.core.model import FAULT_CODE, KIND_CODE, KINDS, CookieRow, Kind, UrlId
from crawler.frontier import Attempt

LINK_CODES = 64
"""More than there are kinds of links, so that a link is one number."""
LOOK_UP = """
SELECT u.url_id, u.fingerprint, o.origin || u.path, u.host_id, u.state, u.depth, u.priority, u.reason,
  u.due_at IS NOT NULL, u.ruleset, u.kind, u.fetch_id IS NOT NULL
FROM url u JOIN origin o USING (origin_id) WHERE u.fingerprint IN (SELECT value FROM json_each(?))"""
CHILDREN = """
SELECT u.url_id, u.fingerprint, o.origin || u.path, u.host_id, u.state, u.depth, u.priority, u.reason,
  u.due_at IS NOT NULL, u.ruleset, u.kind, u.fetch_id IS NOT NULL, l.kind
FROM link l JOIN url u ON u.url_id = l.dst_id JOIN origin o USING (origin_id)
WHERE l.src_id = ? AND l.nofollow = 0 AND l.kind IN (SELECT value FROM json_each(?))"""
ADD_URL = """
INSERT INTO url (url_id, fingerprint, origin_id, host_id, path, state, depth, priority, parent_id, kind, hops, ruleset, reason, rule)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
BETTER_URL = """
UPDATE url SET state = ?, depth = ?, priority = min(priority, ?), parent_id = coalesce(?, parent_id), ruleset = ?,
  hops = coalesce(?, hops), kind = ?, reason = ?,
  rule = ? WHERE url_id = ?"""
SETTLE_URL = """
UPDATE url SET state = ?, tries = ?, due_at = ?, fetch_id = coalesce(?, fetch_id),
  page_id = CASE WHEN ? THEN NULL ELSE coalesce(?, page_id) END, reason = ?, rule = ? WHERE url_id = ?"""
OTHER_LINKS = f"""
DELETE FROM link WHERE src_id = ? AND (dst_id * {LINK_CODES} + kind) * 2 + nofollow NOT IN (SELECT value FROM json_each(?))
RETURNING dst_id, kind"""
ADD_FETCH = """
INSERT INTO fetch (fetch_id, url_id, run_id, at, status, fault, detail, truncated, mime, charset, wire_bytes, ttfb_ms, total_ms, ip,
  redirect_id, body_id, etag, last_modified, title, lang, noindex, links, links_truncated, headers,
  dns_ms, connect_ms, tls_ms, reused, canonical_id, nofollow, simhash, near_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
LIST_URL = """
INSERT INTO listing (url_id, sitemap_id, lastmod, priority) VALUES (?, ?, ?, ?)
ON CONFLICT (url_id) DO UPDATE SET sitemap_id = excluded.sitemap_id, lastmod = excluded.lastmod, priority = excluded.priority"""
WAYS = f"""
SELECT l.dst_id, l.kind, min(s.depth + (l.kind <> {KIND_CODE[Kind.REDIRECT]})) FROM link l JOIN url s ON s.url_id = l.src_id
WHERE l.dst_id IN (SELECT value FROM json_each(?)) AND l.nofollow = 0 GROUP BY l.dst_id, l.kind"""
STANDING_BACK_BEHIND_NOTHING = """
SELECT u.url_id, u.host_id FROM url u JOIN fetch f ON f.fetch_id = u.fetch_id LEFT JOIN url c ON c.url_id = f.canonical_id
WHERE u.state = 3 AND u.reason = 'duplicate' AND u.rule LIKE 'fold canonical%' AND c.page_id IS NULL AND c.state IS NOT 0"""
COUNT_HOST = """
UPDATE host SET queued = queued + ?, delayed = delayed + ?, done = done + ?, failed = failed + ?, excluded = excluded + ?,
  unrecorded = unrecorded + ? WHERE host_id = ?"""
STATE_HOST = """
UPDATE host SET next_at = ?, pace_ms = ?, failures = ?, rest_reason = ?, parked = ? WHERE host_id = ?"""
WAKE_HOST = """
UPDATE host SET wake_at = max(next_at, CASE WHEN queued > delayed THEN 0 ELSE
  coalesce((SELECT min(due_at) FROM url WHERE url.host_id = host.host_id AND due_at IS NOT NULL), 0) END)
WHERE host_id IN (SELECT value FROM json_each(?))"""
STATE_ORIGIN = """
UPDATE origin SET robots_at = ?, robots_status = ?, robots_fault = ?, robots_txt = ?, crawl_delay_ms = ? WHERE origin_id = ?"""
COUNT_RUN = "UPDATE run SET requests = requests + ?, connections = connections + ? WHERE run_id = ?"
ADD_COOKIE = "INSERT INTO cookie VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
SET_COOKIE = """value = excluded.value, expires = excluded.expires, host_only = excluded.host_only, secure = excluded.secure,
  http_only = excluded.http_only, pinned = excluded.pinned"""
ADD_RECORD = "INSERT INTO warc_record (fetch_id, warc_id, offset, length) VALUES (?, ?, ?, ?)"
COOKIES = "SELECT site, host, name, path, value, expires, host_only, secure, http_only, pinned FROM cookie WHERE site = ?"
DIGESTS_A_QUERY = 32
FIND_BODIES = f"SELECT digest, body_id, file FROM body WHERE digest IN ({', '.join('?' * DIGESTS_A_QUERY)})"


async def stored_bodies(db: aiosqlite.Connection, digests: Iterable[bytes]) -> dict[bytes, tuple[int, str]]:
    """Return the row and the file of those digests that are stored."""
    ids: dict[bytes, tuple[int, str]] = {}
    left = list(digests)
    while left:
        chunk, left = left[:DIGESTS_A_QUERY], left[DIGESTS_A_QUERY:]
        padded = chunk + [None] * (DIGESTS_A_QUERY - len(chunk))      # one statement for every length
        ids.update({row[0]: (row[1], row[2]) for row in await db.execute_fetchall(FIND_BODIES, padded)})
    return ids


async def ways_to(db: aiosqlite.Connection, rows: Iterable[UrlId], followed: Container[Kind]) -> dict[UrlId, tuple[Kind, int]]:
    """Return by what kind of followed link each of these rows can be reached, and how deep it lies by it; marked links are none."""
    ways: dict[UrlId, tuple[Kind, int]] = {}
    for row, code, depth in await db.execute_fetchall(WAYS, (msgspec.json.encode(list(rows)).decode(),)):
        kind = KINDS[code]
        if kind in followed and (row not in ways or depth < ways[row][1]):
            ways[row] = kind, depth
    return ways


def attempt_row(
    attempt: Attempt, redirect_id: int | None, body_id: int | None, canonical_id: int | None
) -> tuple[object, ...]:  # fmt: skip
    """Return an attempt as the columns of `fetch` after the first three."""
    return (
        ms(attempt.at), attempt.status, None if attempt.fault is None else FAULT_CODE[attempt.fault], attempt.detail,
        attempt.truncated, attempt.mime, attempt.charset, attempt.wire_bytes, ms(attempt.ttfb), ms(attempt.total), attempt.ip,
        redirect_id, body_id, attempt.etag, attempt.last_modified, attempt.title, attempt.lang, attempt.noindex, attempt.links,
        attempt.links_truncated, attempt.headers, ms(attempt.dns), ms(attempt.connect), ms(attempt.tls), attempt.reused,
        canonical_id, attempt.nofollow, attempt.simhash, attempt.near,
    )  # fmt: skip


def cookie_row(row: CookieRow) -> tuple[object, ...]:
    """Return a cookie as the columns of `cookie`."""
    return (row.site, row.host, row.path, row.name, row.value, row.expires, row.host_only, row.secure, row.http_only, row.pinned)


def ms(seconds: float | None) -> int | None:
    """Return seconds as whole milliseconds."""
    return None if seconds is None else round(seconds * 1000)
