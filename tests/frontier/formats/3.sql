-- The results database, format 3. Needs SQLite >= 3.37 (STRICT).
-- Tables are singular and compact, for the machine; the plural views are what people query.
-- Moments are INTEGER Unix milliseconds in tables and UTC text in views. docs/database.md describes every column.

CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE run (
  run_id INTEGER PRIMARY KEY, started_at INTEGER NOT NULL, ended_at INTEGER,
  outcome TEXT CHECK (outcome IN ('finished', 'limit', 'stopped', 'parked', 'failed')),
  version TEXT NOT NULL, argv TEXT NOT NULL, config TEXT NOT NULL CHECK (json_valid(config)),
  requests INTEGER NOT NULL DEFAULT 0, connections INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE state (state INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, meaning TEXT NOT NULL, urls INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE fault (fault INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, meaning TEXT NOT NULL) STRICT;
CREATE TABLE kind (kind INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE ruleset (ruleset INTEGER PRIMARY KEY, options TEXT NOT NULL CHECK (json_valid(options))) STRICT;
CREATE TABLE seed (url TEXT PRIMARY KEY, ruleset INTEGER NOT NULL REFERENCES ruleset, source TEXT NOT NULL, line INTEGER NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE host (
  host_id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, site TEXT NOT NULL,
  queued INTEGER NOT NULL DEFAULT 0, delayed INTEGER NOT NULL DEFAULT 0, done INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0, excluded INTEGER NOT NULL DEFAULT 0, unrecorded INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL DEFAULT 0, wake_at INTEGER NOT NULL DEFAULT 0,
  pace_ms INTEGER, failures INTEGER NOT NULL DEFAULT 0, rest_reason TEXT, parked TEXT
) STRICT;
CREATE INDEX host_wake ON host(wake_at) WHERE queued > 0 AND parked IS NULL;
CREATE INDEX host_parked ON host(host_id) WHERE parked IS NOT NULL;
CREATE INDEX host_site ON host(site);

CREATE TABLE origin (
  origin_id INTEGER PRIMARY KEY, host_id INTEGER NOT NULL REFERENCES host, origin TEXT NOT NULL UNIQUE,
  robots_at INTEGER, robots_status INTEGER, robots_fault INTEGER REFERENCES fault, robots_txt BLOB, crawl_delay_ms INTEGER
) STRICT;

CREATE TABLE url (
  url_id INTEGER PRIMARY KEY, fingerprint INTEGER NOT NULL,
  origin_id INTEGER NOT NULL REFERENCES origin, host_id INTEGER NOT NULL REFERENCES host, path TEXT NOT NULL,
  state INTEGER NOT NULL REFERENCES state, depth INTEGER NOT NULL, priority INTEGER NOT NULL,
  parent_id INTEGER REFERENCES url, kind INTEGER NOT NULL REFERENCES kind, hops INTEGER NOT NULL DEFAULT 0,
  ruleset INTEGER NOT NULL DEFAULT 0 REFERENCES ruleset, tries INTEGER NOT NULL DEFAULT 0, due_at INTEGER,
  fetch_id INTEGER REFERENCES fetch, page_id INTEGER REFERENCES fetch, reason TEXT, rule TEXT
) STRICT;
CREATE UNIQUE INDEX url_fingerprint ON url(fingerprint);
CREATE INDEX url_queue ON url(host_id, priority, url_id) WHERE state = 0 AND due_at IS NULL;
CREATE INDEX url_due ON url(host_id, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE body (
  body_id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, bytes INTEGER NOT NULL, file TEXT NOT NULL
) STRICT;

CREATE TABLE fetch (
  fetch_id INTEGER PRIMARY KEY, url_id INTEGER NOT NULL REFERENCES url, run_id INTEGER NOT NULL REFERENCES run,
  at INTEGER NOT NULL, status INTEGER, fault INTEGER REFERENCES fault, detail TEXT, truncated INTEGER NOT NULL DEFAULT 0,
  mime TEXT, charset TEXT, wire_bytes INTEGER, ttfb_ms INTEGER, total_ms INTEGER, ip TEXT,
  redirect_id INTEGER REFERENCES url, body_id INTEGER REFERENCES body,
  etag TEXT, last_modified TEXT, title TEXT, lang TEXT, noindex INTEGER NOT NULL DEFAULT 0,
  links INTEGER, links_truncated INTEGER NOT NULL DEFAULT 0, headers TEXT,
  dns_ms INTEGER, connect_ms INTEGER, tls_ms INTEGER, reused INTEGER NOT NULL DEFAULT 0,
  canonical_id INTEGER REFERENCES url, nofollow INTEGER NOT NULL DEFAULT 0, simhash INTEGER, near_id INTEGER REFERENCES url,
  at_utc TEXT GENERATED ALWAYS AS (strftime('%Y-%m-%d %H:%M:%S', at / 1000, 'unixepoch')) VIRTUAL
) STRICT;
CREATE INDEX fetch_url ON fetch(url_id);
CREATE INDEX fetch_error ON fetch(status, fault) WHERE fault IS NOT NULL OR status >= 400;
CREATE INDEX fetch_body ON fetch(body_id) WHERE body_id IS NOT NULL;

CREATE TABLE link (
  src_id INTEGER NOT NULL REFERENCES url, dst_id INTEGER NOT NULL REFERENCES url, kind INTEGER NOT NULL REFERENCES kind,
  nofollow INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (src_id, dst_id, kind)
) STRICT, WITHOUT ROWID;
CREATE INDEX link_dst ON link(dst_id);

CREATE TABLE listing (
  url_id INTEGER PRIMARY KEY REFERENCES url, sitemap_id INTEGER NOT NULL REFERENCES url, lastmod INTEGER, priority REAL
) STRICT;

CREATE TABLE pattern (
  pattern TEXT PRIMARY KEY, pages INTEGER NOT NULL, alike INTEGER NOT NULL, damped TEXT CHECK (damped IN ('alike', 'closed')), at INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE cookie (
  site TEXT NOT NULL, host TEXT NOT NULL, path TEXT NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, expires REAL,
  host_only INTEGER NOT NULL, secure INTEGER NOT NULL, http_only INTEGER NOT NULL, pinned INTEGER NOT NULL,
  PRIMARY KEY (site, host, path, name)
) STRICT, WITHOUT ROWID;

CREATE VIEW urls AS
  SELECT u.url_id, o.origin || u.path AS url,
    CASE WHEN u.state = 0 AND h.parked IS NOT NULL THEN 'parked' ELSE s.name END AS state,
    CASE WHEN u.state = 0 AND h.parked IS NOT NULL THEN h.parked ELSE u.reason END AS reason, u.rule,
    u.depth, k.name AS seen_as, po.origin || p.path AS seen_on, u.tries,
    strftime('%Y-%m-%d %H:%M:%S', u.due_at / 1000, 'unixepoch') AS due, h.name AS host, h.site
  FROM url u JOIN origin o USING (origin_id) JOIN host h ON h.host_id = u.host_id JOIN state s ON s.state = u.state
    JOIN kind k ON k.kind = u.kind LEFT JOIN url p ON p.url_id = u.parent_id LEFT JOIN origin po ON po.origin_id = p.origin_id;

CREATE VIEW pages AS
  SELECT u.url_id, o.origin || u.path AS url, f.at_utc AS fetched, f.status, f.mime, f.charset, f.title, f.lang, b.bytes,
    f.wire_bytes, f.dns_ms, f.connect_ms, f.tls_ms, f.ttfb_ms, f.total_ms, f.reused, f.truncated, f.noindex, f.nofollow, f.links, u.depth, h.name AS host, h.site, b.file, f.body_id,
    oc.origin || c.path AS canonical, f.simhash, onr.origin || n.path AS near
  FROM url u JOIN fetch f ON f.fetch_id = u.page_id JOIN origin o USING (origin_id) JOIN host h ON h.host_id = u.host_id
    LEFT JOIN body b USING (body_id) LEFT JOIN url c ON c.url_id = f.canonical_id LEFT JOIN origin oc ON oc.origin_id = c.origin_id
    LEFT JOIN url n ON n.url_id = f.near_id LEFT JOIN origin onr ON onr.origin_id = n.origin_id WHERE u.kind <> 11;

-- CROSS JOIN keeps SQLite to the order that is written: from the few errors outwards (0.1 s instead of 30 on 300,000 URLs).
CREATE VIEW errors AS
  SELECT u.url_id, o.origin || u.path AS url, f.at_utc AS at, f.status, x.name AS fault, f.detail, u.tries, s.name AS state,
    h.name AS host, h.site
  FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id JOIN origin o USING (origin_id)
    JOIN host h ON h.host_id = u.host_id JOIN state s ON s.state = u.state LEFT JOIN fault x ON x.fault = f.fault
  WHERE (f.fault IS NOT NULL OR f.status >= 400) AND u.kind <> 11;

CREATE VIEW queue AS
  SELECT u.url_id, o.origin || u.path AS url, u.priority, u.depth, u.tries,
    strftime('%Y-%m-%d %H:%M:%S', u.due_at / 1000, 'unixepoch') AS due, h.name AS host, h.site, h.parked
  FROM url u JOIN origin o USING (origin_id) JOIN host h ON h.host_id = u.host_id WHERE u.state = 0;

CREATE VIEW links AS
  SELECT os.origin || s.path AS src, od.origin || d.path AS dst, k.name AS kind, l.nofollow, l.src_id, l.dst_id
  FROM link l JOIN url s ON s.url_id = l.src_id JOIN origin os ON os.origin_id = s.origin_id
    JOIN url d ON d.url_id = l.dst_id JOIN origin od ON od.origin_id = d.origin_id JOIN kind k ON k.kind = l.kind;

CREATE VIEW broken_links AS
  SELECT os.origin || s.path AS src, e.url AS dst, e.status, e.fault
  FROM errors e CROSS JOIN link l ON l.dst_id = e.url_id JOIN url s ON s.url_id = l.src_id JOIN origin os ON os.origin_id = s.origin_id;

CREATE VIEW redirects AS
  SELECT u.url_id, o.origin || u.path AS url, f.status, ot.origin || t.path AS target
  FROM url u JOIN fetch f ON f.fetch_id = u.fetch_id JOIN origin o USING (origin_id)
    JOIN url t ON t.url_id = f.redirect_id JOIN origin ot ON ot.origin_id = t.origin_id WHERE u.kind <> 11;

CREATE VIEW duplicates AS
  SELECT body_id, count(*) AS copies, min(url) AS example FROM pages WHERE body_id IS NOT NULL GROUP BY body_id HAVING count(*) > 1;

CREATE VIEW listings AS
  SELECT o.origin || u.path AS url, strftime('%Y-%m-%d %H:%M:%S', l.lastmod, 'unixepoch') AS lastmod, l.priority,
    os.origin || s.path AS sitemap, t.name AS state
  FROM listing l JOIN url u ON u.url_id = l.url_id JOIN origin o USING (origin_id) JOIN url s ON s.url_id = l.sitemap_id
    JOIN origin os ON os.origin_id = s.origin_id JOIN state t ON t.state = u.state;

CREATE VIEW patterns AS
  SELECT pattern, pages, alike, damped, strftime('%Y-%m-%d %H:%M:%S', at / 1000, 'unixepoch') AS since FROM pattern;

CREATE VIEW hosts AS
  SELECT h.name AS host, h.site, h.queued, h.done, h.failed, h.excluded, h.unrecorded, h.pace_ms, h.rest_reason, h.parked,
    strftime('%Y-%m-%d %H:%M:%S', h.next_at / 1000, 'unixepoch') AS next_request
  FROM host h;

CREATE VIEW robots AS
  SELECT o.origin, strftime('%Y-%m-%d %H:%M:%S', o.robots_at / 1000, 'unixepoch') AS fetched, o.robots_status AS status,
    x.name AS fault, o.crawl_delay_ms, CAST(o.robots_txt AS TEXT) AS text
  FROM origin o LEFT JOIN fault x ON x.fault = o.robots_fault WHERE o.robots_at IS NOT NULL;

CREATE VIEW seeds AS
  SELECT s.url, r.options, s.source, s.line FROM seed s JOIN ruleset r USING (ruleset);

CREATE VIEW runs AS
  SELECT run_id, datetime(started_at / 1000, 'unixepoch') AS started, datetime(ended_at / 1000, 'unixepoch') AS ended,
    outcome, version, argv, requests, connections, round(1 - 1.0 * connections / nullif(requests, 0), 3) AS reused FROM run;

CREATE VIEW cookies AS
  SELECT site, host, path, name, length(value) AS bytes, strftime('%Y-%m-%d %H:%M:%S', expires, 'unixepoch') AS expires,
    host_only, secure, http_only, pinned FROM cookie;
