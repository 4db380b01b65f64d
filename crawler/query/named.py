"""The questions that people ask most, each under a name.

Written against tables and indexes where a view would look at every URL. Each answers in well under a second on 300,000
URLs, 100,000 requests and 1.8 million links, with and without ANALYZE; what its answer does not say is in its notes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from crawler.query import likeness
from crawler.query.audits import AUDITS
from crawler.query.errors import QueryError, nearest
from crawler.query.inventory import INVENTORY
from crawler.query.question import Named

_ROBOTS = 11
"""The kind of robots.txt: not a page, and in no count of pages (crawler.core.model.KIND_CODE)."""

_MINUTE = "strftime('%Y-%m-%d %H:%M', {}, 'unixepoch')"
_SECOND = "strftime('%Y-%m-%d %H:%M:%S', {} / 1000, 'unixepoch')"

NAMED: tuple[Named, ...] = (
    Named(
        "progress",
        "how many URLs are in each state",
        """
        WITH put_off (urls) AS (SELECT coalesce(sum(queued), 0) FROM host WHERE parked IS NOT NULL)
        SELECT s.name AS state, s.urls + CASE s.state WHEN 0 THEN -p.urls WHEN 4 THEN p.urls ELSE 0 END AS urls, s.meaning
        FROM state s, put_off p ORDER BY s.state""",
        "What is queued at a parked host counts as parked. robots.txt is not counted.",
    ),
    Named(
        "status-codes",
        "how the URLs answered last",
        f"""
        SELECT f.status, x.name AS fault, count(*) AS urls
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id LEFT JOIN fault x ON x.fault = f.fault
        WHERE u.fetch_id = f.fetch_id AND u.kind <> {_ROBOTS} GROUP BY f.status, f.fault ORDER BY urls DESC""",
        "The latest request of each URL; a URL that never answered has a fault instead of a status.",
    ),
    Named(
        "errors",
        "what went wrong for good, with an example of each",
        f"""
        WITH wrong AS (
          SELECT f.status, f.fault, count(*) AS urls, max(u.url_id) AS url_id
          FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id
          WHERE (f.fault IS NOT NULL OR f.status >= 400) AND u.fetch_id = f.fetch_id AND u.state IN (1, 2) AND u.kind <> {_ROBOTS}
          GROUP BY f.status, f.fault)
        SELECT w.status, x.name AS fault, w.urls, o.origin || u.path AS example, x.meaning
        FROM wrong w JOIN url u USING (url_id) JOIN origin o USING (origin_id) LEFT JOIN fault x ON x.fault = w.fault
        ORDER BY w.urls DESC""",
        "One row for each status and fault. The view errors has a row for each URL, also for those that are tried again.",
    ),
    Named(
        "broken-links",
        "pages with a link to something that went wrong",
        f"""
        SELECT os.origin || s.path AS src, o.origin || u.path AS dst, f.status, x.name AS fault, k.name AS kind
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN link l ON l.dst_id = u.url_id
          CROSS JOIN url s ON s.url_id = l.src_id CROSS JOIN origin os ON os.origin_id = s.origin_id
          CROSS JOIN origin o ON o.origin_id = u.origin_id LEFT JOIN fault x ON x.fault = f.fault JOIN kind k ON k.kind = l.kind
        WHERE (f.fault IS NOT NULL OR f.status >= 400) AND u.fetch_id = f.fetch_id AND u.state IN (1, 2) AND u.kind <> {_ROBOTS}""",
        "Grouped by status. Needs the link graph (--links all); with --links first the view urls has seen_on.",
    ),
    Named(
        "queue",
        "what is left at each host",
        f"""
        SELECT name AS host, queued, delayed, done, failed, {_SECOND.format("nullif(wake_at, 0)")} AS next_request,
          coalesce('parked: ' || parked, rest_reason) AS why
        FROM host WHERE queued > 0 ORDER BY queued DESC, name""",
        "Of the queued URLs, the delayed ones wait for a moment of their own, such as their next try.",
    ),
    Named(
        "slow-hosts",
        "the hosts that take longest to answer",
        f"""
        SELECT h.name AS host, count(*) AS requests, round(avg(f.ttfb_ms)) AS average_ms, max(f.ttfb_ms) AS longest_ms, h.pace_ms
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN host h ON h.host_id = u.host_id
        WHERE f.fetch_id > (SELECT max(fetch_id) FROM fetch) - 200000 AND f.ttfb_ms IS NOT NULL AND u.kind <> {_ROBOTS}
        GROUP BY u.host_id HAVING count(*) >= 5 ORDER BY average_ms DESC LIMIT 20""",
        "Milliseconds to the first byte, hosts with at least 5 answers, of the last 200,000 requests.",
    ),
    Named(
        "biggest-pages",
        "the 20 largest pages",
        f"""
        SELECT b.bytes, f.mime, o.origin || u.path AS url, b.file
        FROM (SELECT body_id, bytes, file FROM body ORDER BY bytes DESC LIMIT 200) b
          CROSS JOIN fetch f ON f.body_id = b.body_id CROSS JOIN url u ON u.page_id = f.fetch_id AND u.url_id = f.url_id
          CROSS JOIN origin o USING (origin_id)
        WHERE u.kind <> {_ROBOTS} ORDER BY b.bytes DESC LIMIT 20""",
    ),
    Named(
        "most-linked",
        "the 50 URLs with the most links to them",
        """
        SELECT n.links, o.origin || u.path AS url, s.name AS state
        FROM (SELECT dst_id, count(DISTINCT src_id) AS links FROM link WHERE src_id <> dst_id GROUP BY dst_id
          ORDER BY links DESC LIMIT 50) n
          CROSS JOIN url u ON u.url_id = n.dst_id CROSS JOIN origin o USING (origin_id) CROSS JOIN state s ON s.state = u.state
        ORDER BY n.links DESC""",
        "Pages that link to it in whatever way; its own links to itself do not count.",
    ),
    Named(
        "duplicates",
        "the same content under several URLs",
        """
        SELECT count(*) AS copies, b.bytes, min(o.origin || u.path) AS example, b.file
        FROM (SELECT body_id FROM fetch WHERE body_id IS NOT NULL GROUP BY body_id HAVING count(*) > 1) d
          CROSS JOIN fetch f ON f.body_id = d.body_id CROSS JOIN url u ON u.url_id = f.url_id AND u.page_id = f.fetch_id
          CROSS JOIN origin o USING (origin_id) CROSS JOIN body b ON b.body_id = d.body_id
        GROUP BY d.body_id HAVING count(*) > 1 ORDER BY copies DESC""",
        "Equal to the last byte. The example is the first URL in alphabetical order.",
    ),
    Named(
        "near-duplicates",
        "pages whose text is nearly that of an earlier page",
        likeness.NEAR_DUPLICATES,
        "Of the 64 bits that stand for a text at most 3 differ; with 0 there is hardly a difference. The nearest of the earlier "
        "pages is told, the first of them if several are as near. Where more than 200 texts share a quarter of their bits, that "
        "quarter is not looked at, nor what goes beyond 10,000,000 comparisons.",
    ),
    Named(
        "no-op-parameters",
        "query parameters that never changed a page",
        likeness.NO_OP_PARAMETERS,
        "Pages of a host that differ in nothing but this parameter, be it in its value or in having it, are equal to the last byte: "
        "at least 3 of them, or 2 in two places. URLs with more than 20 parameters are left out.",
    ),
    Named(
        "speed",
        "requests, errors and bytes of each minute",
        f"""
        SELECT {_MINUTE.format("at / 60000 * 60")} AS minute, count(*) AS requests, count(body_id) AS with_body,
          sum(fault IS NOT NULL OR coalesce(status >= 400, 0)) AS errors, round(sum(wire_bytes) / 1e6, 1) AS megabytes
        FROM fetch WHERE fetch_id > (SELECT max(fetch_id) FROM fetch) - 200000 GROUP BY at / 60000 ORDER BY at / 60000""",
        "The last 200,000 requests, robots.txt among them; bytes as received, before decoding. Minutes are UTC.",
    ),
    Named(
        "missing-titles",
        "HTML pages without a title",
        f"""
        SELECT o.origin || u.path AS url, f.status, f.noindex
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN origin o USING (origin_id)
        WHERE f.mime IN ('text/html', 'application/xhtml+xml') AND coalesce(f.title, '') = ''
          AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}""",
    ),
    Named(
        "redirects",
        "URLs that send elsewhere",
        f"""
        SELECT o.origin || u.path AS url, f.status, ot.origin || t.path AS target, s.name AS target_state
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN origin o ON o.origin_id = u.origin_id
          CROSS JOIN url t ON t.url_id = f.redirect_id CROSS JOIN origin ot ON ot.origin_id = t.origin_id
          CROSS JOIN state s ON s.state = t.state
        WHERE f.redirect_id IS NOT NULL AND u.fetch_id = f.fetch_id AND u.kind <> {_ROBOTS}""",
        "One row a hop: the target may redirect again.",
    ),
    Named(
        "waiting",
        "hosts that wait, how long and why",
        f"""
        SELECT name AS host, queued, {_SECOND.format("wake_at")} AS next_request,
          max(0, wake_at / 1000 - CAST(strftime('%s', 'now') AS INTEGER)) AS seconds,
          coalesce(rest_reason, CASE WHEN delayed >= queued THEN 'all its URLs wait for their next try' ELSE 'its pace' END) AS why
        FROM host WHERE queued > 0 AND parked IS NULL AND wake_at > CAST(strftime('%s', 'now') AS INTEGER) * 1000
        ORDER BY wake_at DESC""",
        "Longest wait first, by this machine's clock. A host that is being asked right now is not in the list.",
    ),
    Named(
        "excluded",
        "URLs not fetched on purpose, by reason and rule, with an example of each",
        f"""
        WITH barred AS (
          SELECT reason, rule, count(*) AS urls, min(url_id) AS url_id FROM url
          WHERE state = 3 AND kind <> {_ROBOTS} GROUP BY reason, rule)
        SELECT b.reason, b.rule, b.urls, o.origin || u.path AS example
        FROM barred b CROSS JOIN url u USING (url_id) CROSS JOIN origin o USING (origin_id)
        UNION ALL
        SELECT 'unrecorded', 'refused links beyond the number that a host gets rows for', sum(unrecorded), NULL
        FROM host HAVING sum(unrecorded) > 0
        ORDER BY 3 DESC""",
    ),
    Named(
        "robots",
        "what the robots.txt of each origin says",
        f"""
        SELECT o.origin, o.robots_status AS status, x.name AS fault,
          CASE WHEN o.robots_fault IS NOT NULL OR o.robots_status >= 500 OR o.robots_status = 429 THEN 'forbids all for now'
            WHEN o.robots_txt IS NULL THEN 'allows all' ELSE 'has rules' END AS meaning,
          o.crawl_delay_ms / 1000.0 AS crawl_delay, {_SECOND.format("o.robots_at")} AS fetched, CAST(o.robots_txt AS TEXT) AS text
        FROM origin o LEFT JOIN fault x ON x.fault = o.robots_fault WHERE o.robots_at IS NOT NULL ORDER BY o.origin""",
        "crawl_delay is in seconds.",
    ),
    Named(
        "depths",
        "pages and URLs by their distance from a seed",
        f"""
        SELECT depth, count(*) AS urls, count(page_id) AS pages, sum(state = 0) AS queued, sum(state = 2) AS failed,
          sum(state = 3) AS excluded
        FROM url WHERE kind <> {_ROBOTS} GROUP BY depth ORDER BY depth""",
    ),
    Named(
        "types",
        "pages by media type",
        f"""
        SELECT f.mime, count(*) AS pages, sum(b.bytes) AS bytes, max(b.bytes) AS largest
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id LEFT JOIN body b ON b.body_id = f.body_id
        WHERE u.page_id = f.fetch_id AND u.kind <> {_ROBOTS} GROUP BY f.mime ORDER BY pages DESC""",
        "Content stored once and found under several URLs counts for each of them.",
    ),
    Named(
        "truncated",
        "pages of which only the beginning was kept, or not all links counted",
        f"""
        SELECT o.origin || u.path AS url, b.bytes, f.truncated AS body_cut, f.links_truncated AS links_cut, f.links
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN origin o USING (origin_id)
          LEFT JOIN body b ON b.body_id = f.body_id
        WHERE (f.truncated <> 0 OR f.links_truncated <> 0) AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}""",
    ),
    Named(
        "noindex",
        "pages that ask not to be indexed",
        f"""
        SELECT o.origin || u.path AS url, f.title
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN origin o USING (origin_id)
        WHERE f.noindex <> 0 AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}""",
    ),
    Named(
        "traps",
        "what was damped or left out as a trap, why, and how to let it in",
        f"""
        WITH refused AS (
          SELECT rule, count(*) AS urls, min(url_id) AS url_id FROM url WHERE state = 3 AND reason IN ('trap', 'limit') GROUP BY rule)
        SELECT p.pattern, p.damped, p.pages, p.alike,
          (SELECT coalesce(sum(r.urls), 0) FROM refused r WHERE instr(r.rule, 'the pages of ' || p.pattern || ' are all alike') = 1)
            AS left_out,
          {_SECOND.format("p.at")} AS since, 'its pages are all alike' AS rule, '--undamp ' || quote(p.pattern) AS undo
        FROM pattern p WHERE p.damped IS NOT NULL
        UNION ALL
        SELECT o.origin || u.path, u.reason, NULL, NULL, r.urls, NULL, r.rule, NULL
        FROM refused r JOIN url u USING (url_id) JOIN origin o USING (origin_id) WHERE r.rule NOT LIKE 'the pages of %'
        ORDER BY 5 DESC""",
        "A pattern that is alike comes last in its host, and not beyond 2,000 links from a seed; one that is closed is left out.",
    ),
    Named(
        "canonicals",
        "pages that call another address their own",
        f"""
        SELECT o.origin || u.path AS url, oc.origin || c.path AS canonical, s.name AS canonical_state
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN origin o ON o.origin_id = u.origin_id
          CROSS JOIN url c ON c.url_id = f.canonical_id CROSS JOIN origin oc ON oc.origin_id = c.origin_id
          CROSS JOIN state s ON s.state = c.state
        WHERE f.canonical_id IS NOT NULL AND f.canonical_id <> f.url_id AND u.fetch_id = f.fetch_id AND u.kind <> {_ROBOTS}""",
        "With --fold canonical they stand back behind it; else they are pages like any other.",
    ),
    Named(
        "orphans",
        "URLs that a sitemap lists and no page links to",
        """
        SELECT o.origin || u.path AS url, t.name AS state, os.origin || s.path AS sitemap
        FROM link l CROSS JOIN url s ON s.url_id = l.src_id CROSS JOIN origin os ON os.origin_id = s.origin_id
          CROSS JOIN url u ON u.url_id = l.dst_id CROSS JOIN origin o ON o.origin_id = u.origin_id
          CROSS JOIN state t ON t.state = u.state
        WHERE l.kind = 33 AND u.kind <> 0 AND NOT EXISTS (
          SELECT 1 FROM link k JOIN url p ON p.url_id = k.src_id WHERE k.dst_id = l.dst_id AND k.src_id <> l.dst_id AND p.kind <> 4)""",
        "Needs the link graph (--links all).",
    ),
    Named(
        "runs",
        "when the crawler ran, and how each run ended",
        f"""
        SELECT run_id, {_SECOND.format("started_at")} AS started, {_SECOND.format("ended_at")} AS ended,
          (ended_at - started_at) / 1000 AS seconds, coalesce(outcome, 'running or killed') AS outcome, version, argv
        FROM run ORDER BY run_id""",
    ),
    Named(
        "faults",
        "what each fault means, and how many requests ended in it",
        """
        WITH met AS (
          SELECT fault, count(*) AS requests FROM fetch WHERE (fault IS NOT NULL OR status >= 400) AND fault IS NOT NULL
          GROUP BY fault)
        SELECT x.name AS fault, coalesce(m.requests, 0) AS requests, x.meaning
        FROM fault x LEFT JOIN met m ON m.fault = x.fault ORDER BY requests DESC, x.fault""",
        "All requests, also those that were tried again with success, and those for robots.txt.",
    ),
    Named(
        "parked",
        "what is put off beyond this run, and why",
        f"""
        SELECT name AS host, queued AS urls, parked AS reason, {_SECOND.format("nullif(next_at, 0)")} AS not_before
        FROM host WHERE parked IS NOT NULL AND queued > 0
        UNION ALL
        SELECT h.name, p.urls, p.reason, {_SECOND.format("nullif(h.next_at, 0)")}
        FROM (SELECT host_id, reason, count(*) AS urls FROM url WHERE state = 4 GROUP BY host_id, reason) p
          CROSS JOIN host h ON h.host_id = p.host_id
        ORDER BY 2 DESC""",
        "The next run takes it up again.",
    ),
    Named(
        "retries",
        "URLs that went wrong and are tried again",
        f"""
        SELECT o.origin || u.path AS url, u.tries, {_SECOND.format("u.due_at")} AS due, f.status, x.name AS fault, f.detail
        FROM url u CROSS JOIN origin o USING (origin_id) LEFT JOIN fetch f ON f.fetch_id = u.fetch_id
          LEFT JOIN fault x ON x.fault = f.fault
        WHERE u.due_at IS NOT NULL AND u.state = 0 AND u.tries > 0 AND u.kind <> {_ROBOTS} ORDER BY u.due_at""",
        "tries counts the attempts of this run that have ended.",
    ),
)

NAMED += AUDITS + INVENTORY

GROUPS: dict[str, tuple[str, ...]] = {
    "How it goes": (
        "progress", "speed", "growth", "runs", "queue", "waiting", "parked", "retries", "seed-results", "latest-pages", "oldest-pages",
        "changed",
    ),
    "What went wrong": (
        "errors", "latest-errors", "status-codes", "urls-with-status", "faults", "broken-links", "hosts-by-status", "dead-hosts", "flaky",
        "truncated",
    ),
    "What is left out": ("excluded", "robots", "robots-blocked", "traps", "links-elsewhere", "not-parsed", "no-op-parameters"),
    "Redirects": (
        "redirects", "redirect-chains", "redirect-loops", "broken-redirects", "permanent-redirects", "temporary-redirects",
        "redirected-links",
    ),
    "Links": (
        "links-to", "links-from", "most-linked", "few-links-to", "most-links", "dead-ends", "nofollow-links", "insecure-links",
        "mixed-content", "depths", "deep-pages",
    ),
    "Search engines": (
        "missing-titles", "duplicate-titles", "long-titles", "short-titles", "noindex", "canonicals", "canonical-errors", "hreflang-errors",
        "sitemaps", "sitemap-errors", "orphans", "not-in-sitemaps", "thin-pages", "long-urls",
    ),
    "Content": ("types", "documents", "languages", "charsets", "duplicates", "near-duplicates", "biggest-pages", "uncompressed", "storage"),
    "Servers": ("slow-hosts", "slow-pages", "timings", "addresses"),
}  # fmt: skip
"""The names in the order in which they are shown, under what they are about."""

_BY_NAME = {named.name: named for named in NAMED}


def names() -> tuple[str, ...]:
    """Return the names, in the order in which they are shown."""
    return tuple(name for group in GROUPS.values() for name in group)


def find(name: str, own: Mapping[str, Named] = MappingProxyType({})) -> Named | None:
    """Return the query of that name, one's own first; underscores are as good as hyphens."""
    word = name.strip().lower().replace("_", "-")
    return own.get(word) or _BY_NAME.get(word)


def resolve(question: str, tables: Iterable[str], own: Mapping[str, Named] = MappingProxyType({})) -> Named:
    """Return what a question stands for: a query by its name, a table or view (all of it), or SQL itself, which has no name.

    Raises QueryError for a single word that is none of these.
    """
    word = question.strip().rstrip("; \t\r\n")
    if any(char.isspace() for char in word):
        return Named("", "", question)
    if found := find(word, own):
        return found
    known = {table.lower(): table for table in tables}
    if word.lower() in known:
        return Named(known[word.lower()], "", f'SELECT * FROM "{known[word.lower()]}"')
    near = nearest(word, [*own, *_BY_NAME, *known])
    hint = f"Try {' or '.join(near)}." if near else "Try crawler query without a query for the list."
    raise QueryError(f"there is no query, table or view named {word!r}" if word else "the query is empty", hint)
