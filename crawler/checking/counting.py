"""What the counters of a database must say: the same sums for the check and for the repair."""

from __future__ import annotations

from crawler.core.model import KIND_CODE, Kind

ROBOTS = KIND_CODE[Kind.ROBOTS]
"""robots.txt is in none of the counters."""

HOST_COUNTERS = ("queued", "delayed", "done", "failed", "excluded")

BY_HOST = f"""
SELECT host_id, sum(state = 0) AS queued, sum(due_at IS NOT NULL) AS delayed, sum(state = 1) AS done,
  sum(state = 2) AS failed, sum(state = 3) AS excluded FROM url WHERE kind <> {ROBOTS} GROUP BY host_id"""

PAGES = f"SELECT count(*) FROM url WHERE page_id IS NOT NULL AND kind <> {ROBOTS}"

IS_ERROR = "(u.state = 2 OR (u.state = 1 AND (f.fault IS NOT NULL OR coalesce(f.status, 0) >= 400)))"
"""A URL that counts as an error for good: u is its row, f its latest request."""

ERRORS = f"""
SELECT (SELECT count(*) FROM url WHERE state = 2 AND kind <> {ROBOTS})
  + (SELECT count(*) FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id
     WHERE (f.fault IS NOT NULL OR f.status >= 400) AND u.state = 1 AND u.kind <> {ROBOTS})"""
"""From the few requests that went wrong outwards, not from all URLs."""

STATES = f"SELECT state, count(*) AS urls FROM url WHERE kind <> {ROBOTS} GROUP BY state"
