r"""Two questions whose SQL is longer than the others': which pages are nearly the same, and which parameters never matter.

Both are bounded: what a hostile site could make expensive is left out, and the notes of the queries say so. Measured on
100,000 pages: 1.2 s for two parameters a page, 5 s for nine; 2 s for texts of a real kind, 6 s for the worst that could be made.
Two habits of SQLite matter here. `LIMIT -1` changes no answer, but lets SQLite compute a column once where it would repeat
its expression for each use (5 s where it were 9). And `min` or `max` in a query says which row the columns beside it come from
only as long as it is the only one of its kind there, so that conditions on groups are written with `sum`.
"""

from __future__ import annotations

MOST_PARAMETERS = 20
"""A query of 4,096 bytes may have 2,000 parameters, and each would make a text of that length."""

LARGEST_GROUP = 200
MOST_PAIRS = 10_000_000
"""Pairs of texts that are compared, smallest groups first."""

_ROBOTS = 11

NO_OP_PARAMETERS = rf"""
WITH page AS MATERIALIZED (
  SELECT u.url_id, u.origin_id, u.path, f.body_id, instr(u.path, '?') AS mark
  FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id
  WHERE f.body_id IS NOT NULL AND f.status BETWEEN 200 AND 299 AND f.truncated = 0 AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}),
asked AS (
  SELECT url_id, origin_id, body_id, substr(path, 1, mark - 1) AS place, '&' || substr(path, mark + 1) || '&' AS query,
    '["' || replace(replace(replace(substr(path, mark + 1), '\', '\\'), '"', '\"'), '&', '","') || '"]' AS pieces
  FROM page WHERE mark > 0 AND length(path) - length(replace(path, '&', '')) < {MOST_PARAMETERS}),
varied AS (
  SELECT a.origin_id, a.body_id, a.url_id, substr(j.value, 1, instr(j.value || '=', '=') - 1) AS parameter,
    a.place || coalesce('?' || nullif(trim(replace(a.query, '&' || j.value || '&', '&'), '&'), ''), '') AS rest
  FROM asked a CROSS JOIN json_each(CASE WHEN json_valid(a.pieces) THEN a.pieces ELSE '[]' END) j WHERE j.value <> ''),
alike AS (
  SELECT origin_id, parameter, rest, count(*) AS pages, min(body_id) AS low, max(body_id) AS high, max(url_id) AS url_id
  FROM varied GROUP BY origin_id, rest, parameter),
compared AS (
  SELECT a.origin_id, a.parameter, a.rest, a.url_id, a.pages + (b.url_id IS NOT NULL) AS pages,
    a.low <> a.high OR coalesce(b.body_id, a.low) <> a.low AS differs
  FROM alike a LEFT JOIN page b ON b.path = a.rest AND b.origin_id = a.origin_id WHERE a.pages > 1 OR b.url_id IS NOT NULL),
same AS (
  SELECT o.host_id, c.parameter, c.rest, sum(c.pages) AS pages, min(c.url_id) AS url_id
  FROM compared c CROSS JOIN origin o ON o.origin_id = c.origin_id GROUP BY o.host_id, c.parameter
  HAVING sum(c.differs) = 0 AND (count(*) > 1 OR sum(c.pages) > 2))
SELECT h.name AS host, s.parameter, s.pages, o.origin || u.path AS example, o.origin || s.rest AS example_without
FROM same s CROSS JOIN url u ON u.url_id = s.url_id CROSS JOIN origin o ON o.origin_id = u.origin_id
  CROSS JOIN host h ON h.host_id = s.host_id
ORDER BY s.pages DESC, h.name, s.parameter"""
"""Pages are put together that are one URL once a parameter is taken out; the URL that never had it is one of them."""

_ALL_BUT_SIGN = 0x7FFF_FFFF_FFFF_FFFF

NEAR_DUPLICATES = f"""
WITH page AS MATERIALIZED (
  SELECT f.fetch_id, f.url_id, f.simhash FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id
  WHERE f.simhash IS NOT NULL AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}),
text AS MATERIALIZED (SELECT simhash, min(fetch_id) AS first FROM page GROUP BY simhash),
quarter AS MATERIALIZED (
  SELECT simhash & 65535 AS bits, simhash, first FROM text
  UNION ALL SELECT (simhash >> 16 & 65535) + 65536, simhash, first FROM text
  UNION ALL SELECT (simhash >> 32 & 65535) + 131072, simhash, first FROM text
  UNION ALL SELECT (simhash >> 48 & 65535) + 196608, simhash, first FROM text),
chosen AS MATERIALIZED (
  SELECT bits FROM (
    SELECT bits, sum(texts * texts) OVER (ORDER BY texts, bits) AS work
    FROM (SELECT bits, count(*) AS texts FROM quarter GROUP BY bits HAVING count(*) BETWEEN 2 AND {LARGEST_GROUP}))
  WHERE work <= {2 * MOST_PAIRS}),
band AS MATERIALIZED (SELECT bits, simhash, first FROM quarter WHERE bits IN chosen),
pair AS (
  SELECT a.simhash, b.first AS near, (a.simhash | b.simhash) - (a.simhash & b.simhash) AS x
  FROM band a CROSS JOIN band b ON b.bits = a.bits AND b.first < a.first LIMIT -1),
magnitude AS (SELECT simhash, near, x < 0 AS sign, x & {_ALL_BUT_SIGN} AS x FROM pair LIMIT -1),
without_one AS (SELECT simhash, near, sign, x, x & (x - 1) AS y FROM magnitude LIMIT -1),
without_two AS (SELECT simhash, near, sign, x, y, y & (y - 1) AS z FROM without_one LIMIT -1),
close AS (
  SELECT simhash, near, sign + (x <> 0) + (y <> 0) + (z <> 0) AS bits FROM without_two
  WHERE z & (z - 1) = 0 AND sign + (x <> 0) + (y <> 0) + (z <> 0) <= 3),
nearest AS MATERIALIZED (SELECT simhash, min(bits << 48 | near) AS best FROM close GROUP BY simhash),
likeness AS (
  SELECT p.url_id, p.fetch_id, iif(p.fetch_id > t.first, 0, n.best >> 48) AS bits,
    iif(p.fetch_id > t.first, t.first, n.best & {(1 << 48) - 1}) AS near
  FROM page p JOIN text t ON t.simhash = p.simhash LEFT JOIN nearest n ON n.simhash = p.simhash
  WHERE p.fetch_id > t.first OR n.best IS NOT NULL)
SELECT o.origin || u.path AS url, oe.origin || e.path AS near, l.bits
FROM likeness l CROSS JOIN url u ON u.url_id = l.url_id CROSS JOIN origin o ON o.origin_id = u.origin_id
  CROSS JOIN fetch f ON f.fetch_id = l.near CROSS JOIN url e ON e.url_id = f.url_id CROSS JOIN origin oe ON oe.origin_id = e.origin_id
ORDER BY l.near, l.bits, l.fetch_id"""
"""Two texts that differ in at most 3 of 64 bits agree in at least one quarter of them, so only those are compared that do.

The bits that differ are counted by clearing the lowest one, x & (x - 1), three times. The sign is kept apart, for below the
smallest integer SQLite goes on with floating point.
"""
