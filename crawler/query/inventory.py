"""Further questions under a name: of those who keep what was crawled, build on it, or look after the crawl at night.

Written like those of `named`. Those that ask for one URL look at every URL once: there is no index by text.
"""

from __future__ import annotations

from crawler.core.model import KIND_CODE, Kind
from crawler.query.question import Named, Parameter, number

_ROBOTS = KIND_CODE[Kind.ROBOTS]
_REDIRECT = KIND_CODE[Kind.REDIRECT]
_SITEMAP = KIND_CODE[Kind.SITEMAP]
_SECOND = "strftime('%Y-%m-%d %H:%M:%S', {} / 1000, 'unixepoch')"
_HTML = "('text/html', 'application/xhtml+xml')"
_PAGE = f"""
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}
          CROSS JOIN origin o USING (origin_id)"""
_LATEST = f"""
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id AND u.kind <> {_ROBOTS}
          CROSS JOIN origin o ON o.origin_id = u.origin_id"""
_REDIRECTS = f"""
        SELECT o.origin || u.path AS url, f.status, ot.origin || t.path AS target,
          (SELECT count(*) FROM (SELECT DISTINCT src_id FROM link l WHERE l.dst_id = u.url_id AND l.kind <> {_REDIRECT})) AS linked_from
        {_LATEST} CROSS JOIN url t ON t.url_id = f.redirect_id CROSS JOIN origin ot ON ot.origin_id = t.origin_id
        WHERE f.redirect_id IS NOT NULL AND f.status IN ({{}}) ORDER BY linked_from DESC, u.url_id"""
_THE_URL = "(SELECT u.url_id FROM url u CROSS JOIN origin o USING (origin_id) WHERE o.origin || u.path = :url)"
_URL = (Parameter("url", None, "the URL, as the view urls shows it"),)
_CANONICAL_PROBLEM = """
        CASE WHEN c.state = 3 THEN 'not fetched: ' || coalesce(c.reason, '') WHEN c.state IN (0, 4) THEN 'not fetched yet'
            WHEN g.redirect_id IS NOT NULL THEN 'redirects' WHEN g.fault IS NOT NULL AND c.page_id IS NULL THEN 'does not answer'
            WHEN g.status >= 400 THEN 'status ' || g.status WHEN g.noindex <> 0 THEN 'says noindex'
            WHEN g.canonical_id <> c.url_id THEN 'names a further address' WHEN c.host_id <> u.host_id THEN 'is on another host' END"""

INVENTORY: tuple[Named, ...] = (
    Named(
        "permanent-redirects",
        "redirects for good (301, 308): links to them are out of date",
        _REDIRECTS.format("301, 308"),
        "linked_from counts pages; 0 without the link graph (--links all).",
    ),
    Named(
        "temporary-redirects",
        "redirects for now (302, 303, 307)",
        _REDIRECTS.format("302, 303, 307"),
        "linked_from counts pages; 0 without the link graph (--links all).",
    ),
    Named(
        "broken-redirects",
        "redirects that lead to something that went wrong",
        f"""
        SELECT o.origin || u.path AS url, f.status, ot.origin || t.path AS target, g.status AS target_status, x.name AS target_fault
        {_LATEST} CROSS JOIN url t ON t.url_id = f.redirect_id CROSS JOIN origin ot ON ot.origin_id = t.origin_id
          CROSS JOIN fetch g ON g.fetch_id = t.fetch_id LEFT JOIN fault x ON x.fault = g.fault
        WHERE f.redirect_id IS NOT NULL AND (g.fault IS NOT NULL OR g.status >= 400)""",
        "Of a chain only its last hop.",
    ),
    Named(
        "canonical-errors",
        "pages that call an address their own which is no good one",
        f"""
        SELECT o.origin || u.path AS url, oc.origin || c.path AS canonical,{_CANONICAL_PROBLEM} AS problem
        {_PAGE} CROSS JOIN url c ON c.url_id = f.canonical_id CROSS JOIN origin oc ON oc.origin_id = c.origin_id
          LEFT JOIN fetch g ON g.fetch_id = c.fetch_id
        WHERE f.canonical_id IS NOT NULL AND f.canonical_id <> f.url_id AND {_CANONICAL_PROBLEM} IS NOT NULL""",
        "It redirects, went wrong, may not be indexed, names a further one, is on another host, or was not fetched.",
    ),
    Named(
        "not-in-sitemaps",
        "pages for a search engine that no sitemap lists",
        f"""
        SELECT o.origin || u.path AS url, u.depth, f.title{_PAGE}
        WHERE f.mime IN {_HTML} AND f.noindex = 0 AND coalesce(f.canonical_id, f.url_id) = f.url_id
          AND NOT EXISTS (SELECT 1 FROM listing i WHERE i.url_id = u.url_id) AND EXISTS (SELECT 1 FROM listing)""",
        "Nothing where no sitemap was read.",
    ),
    Named(
        "sitemaps",
        "sitemaps that were read, and what became of the URLs in them",
        f"""
        SELECT o.origin || u.path AS sitemap, f.status, b.bytes, coalesce(n.listed, 0) AS listed, coalesce(n.pages, 0) AS pages,
          coalesce(n.waiting, 0) AS waiting
        FROM url u CROSS JOIN origin o USING (origin_id) LEFT JOIN fetch f ON f.fetch_id = u.fetch_id
          LEFT JOIN body b ON b.body_id = f.body_id
          LEFT JOIN (SELECT i.sitemap_id, count(*) AS listed, count(p.page_id) AS pages, sum(p.state = 0) AS waiting
            FROM listing i CROSS JOIN url p ON p.url_id = i.url_id GROUP BY i.sitemap_id) n ON n.sitemap_id = u.url_id
        WHERE u.kind = {_SITEMAP} ORDER BY listed DESC, u.url_id""",
        "A URL in several sitemaps counts for the one that was read last. Indexes of sitemaps list none themselves.",
    ),
    Named(
        "nofollow-links",
        "links that the page asks not to follow",
        """
        SELECT os.origin || s.path AS src, od.origin || d.path AS dst, k.name AS kind
        FROM link l CROSS JOIN url s ON s.url_id = l.src_id CROSS JOIN origin os ON os.origin_id = s.origin_id
          CROSS JOIN url d ON d.url_id = l.dst_id CROSS JOIN origin od ON od.origin_id = d.origin_id CROSS JOIN kind k ON k.kind = l.kind
        WHERE l.nofollow <> 0""",
        "Where that is obeyed. Needs the link graph (--links all).",
    ),
    Named(
        "dead-ends",
        "HTML pages without a link",
        f"""
        SELECT o.origin || u.path AS url, b.bytes, f.title{_PAGE} LEFT JOIN body b USING (body_id)
        WHERE f.mime IN {_HTML} AND f.links = 0""",
    ),
    Named(
        "most-links",
        "the 50 pages with the most links in them",
        f"""
        SELECT f.links, o.origin || u.path AS url, f.title{_PAGE} WHERE f.links > 0 ORDER BY f.links DESC, u.url_id LIMIT 50""",
        "Repeats included.",
    ),
    Named(
        "long-urls",
        "URLs that are longer than is handy",
        f"""
        SELECT length(o.origin) + length(u.path) AS characters, o.origin || u.path AS url, s.name AS state
        FROM url u CROSS JOIN origin o USING (origin_id) CROSS JOIN state s ON s.state = u.state
        WHERE length(u.path) + length(o.origin) > {number("length", 115)} ORDER BY characters DESC LIMIT 1000""",
        "More than 115 characters, or as many as --param length=N says; the longest 1,000.",
        (Parameter("length", "115", "characters that a URL may have"),),
    ),
    Named(
        "urls-with-status",
        "URLs that answered with one status, and how many pages link to each",
        f"""
        SELECT o.origin || u.path AS url, f.status, {_SECOND.format("f.at")} AS at,
          (SELECT count(*) FROM (SELECT DISTINCT src_id FROM link l WHERE l.dst_id = u.url_id)) AS linked_from
        {_LATEST} WHERE f.status = {number("status", 404)} ORDER BY linked_from DESC, u.url_id""",
        "404, or what --param status=N says.",
        (Parameter("status", "404", "the HTTP status"),),
    ),
    Named(
        "links-to",
        "pages that link to one URL",
        f"""
        SELECT os.origin || s.path AS src, k.name AS kind, l.nofollow
        FROM link l CROSS JOIN url s ON s.url_id = l.src_id CROSS JOIN origin os ON os.origin_id = s.origin_id
          CROSS JOIN kind k ON k.kind = l.kind
        WHERE l.dst_id = {_THE_URL}""",
        "--param url=URL. Needs the link graph (--links all).",
        _URL,
    ),
    Named(
        "links-from",
        "what one page links to, and what became of that",
        f"""
        SELECT od.origin || d.path AS dst, k.name AS kind, l.nofollow, t.name AS state, d.reason
        FROM link l CROSS JOIN url d ON d.url_id = l.dst_id CROSS JOIN origin od ON od.origin_id = d.origin_id
          CROSS JOIN kind k ON k.kind = l.kind CROSS JOIN state t ON t.state = d.state
        WHERE l.src_id = {_THE_URL}""",
        "--param url=URL. Needs the link graph (--links all).",
        _URL,
    ),
    Named(
        "not-parsed",
        "stored pages of types that are not read for links",
        f"""
        SELECT f.mime, count(*) AS pages, sum(b.bytes) AS bytes, min(o.origin || u.path) AS example{_PAGE} LEFT JOIN body b USING (body_id)
        WHERE f.mime NOT LIKE '%html%' AND f.mime NOT LIKE '%xml%' AND f.mime NOT LIKE '%json%' AND f.mime <> 'text/css'
          AND (f.mime <> 'application/pdf' OR f.links IS NULL OR f.links = 0) AND u.kind <> {_SITEMAP}
        GROUP BY f.mime ORDER BY pages DESC""",
        "PDF is read with --pdf.",
    ),
    Named(
        "documents",
        "files that are no HTML, with where they are stored",
        f"""
        SELECT f.mime, b.bytes, o.origin || u.path AS url, b.file{_PAGE} LEFT JOIN body b USING (body_id)
        WHERE f.mime NOT IN {_HTML} AND u.kind <> {_SITEMAP} ORDER BY f.mime, u.url_id""",
    ),
    Named(
        "storage",
        "what each host takes on the disk, and what equal content saves",
        f"""
        WITH page AS MATERIALIZED (
          SELECT u.host_id, f.body_id, count(*) AS pages, sum(f.wire_bytes) AS wire_bytes
          FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}
          WHERE f.body_id IS NOT NULL GROUP BY u.host_id, f.body_id)
        SELECT h.name AS host, sum(p.pages) AS pages, count(*) AS bodies, sum(b.bytes) AS bytes,
          sum((p.pages - 1) * b.bytes) AS saved_bytes, sum(p.wire_bytes) AS wire_bytes
        FROM page p CROSS JOIN body b ON b.body_id = p.body_id CROSS JOIN host h ON h.host_id = p.host_id
        GROUP BY p.host_id ORDER BY bytes DESC LIMIT 200""",
        "Content that several hosts have counts for each of them.",
    ),
    Named(
        "uncompressed",
        "large pages that were sent without compression",
        f"""
        SELECT b.bytes, f.wire_bytes, f.mime, o.origin || u.path AS url{_PAGE} CROSS JOIN body b USING (body_id)
        WHERE f.wire_bytes >= b.bytes AND b.bytes > {number("bytes", 10_000)} AND f.truncated = 0
          AND (f.mime LIKE 'text/%' OR f.mime LIKE '%xml%' OR f.mime LIKE '%json%') ORDER BY b.bytes DESC""",
        "Text of more than 10,000 bytes, or as many as --param bytes=N says.",
        (Parameter("bytes", "10000", "bytes of a page that need no compression"),),
    ),
    Named(
        "timings",
        "how long each step of a request took, by host",
        """
        SELECT h.name AS host, count(*) AS requests, round(avg(f.dns_ms)) AS dns_ms, round(avg(f.connect_ms)) AS connect_ms,
          round(avg(f.tls_ms)) AS tls_ms, round(avg(f.ttfb_ms)) AS ttfb_ms, round(avg(f.total_ms)) AS total_ms, sum(f.reused) AS reused
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN host h ON h.host_id = u.host_id
        WHERE f.fetch_id > (SELECT max(fetch_id) FROM fetch) - 200000 AND f.total_ms IS NOT NULL
        GROUP BY u.host_id ORDER BY total_ms DESC LIMIT 200""",
        "Averages in milliseconds over the last 200,000 requests, robots.txt among them; a step counts only where it took place. "
        "reused counts requests over a connection that was there already.",
    ),
    Named(
        "addresses",
        "addresses that answered, with the hosts behind each",
        """
        SELECT f.ip, count(DISTINCT u.host_id) AS hosts, count(*) AS requests, min(h.name) AS example
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN host h ON h.host_id = u.host_id
        WHERE f.ip IS NOT NULL AND f.fetch_id > (SELECT max(fetch_id) FROM fetch) - 200000
        GROUP BY f.ip ORDER BY requests DESC LIMIT 1000""",
        "Of the last 200,000 requests.",
    ),
    Named(
        "seed-results",
        "what became of each seed",
        """
        SELECT s.url AS seed, k.name AS state, f.status, x.name AS fault, ot.origin || d.path AS redirects_to, u.reason, u.rule
        FROM url u CROSS JOIN origin o ON o.origin_id = u.origin_id CROSS JOIN seed s ON s.url = o.origin || u.path
          CROSS JOIN state k ON k.state = u.state LEFT JOIN fetch f ON f.fetch_id = u.fetch_id LEFT JOIN fault x ON x.fault = f.fault
          LEFT JOIN url d ON d.url_id = f.redirect_id LEFT JOIN origin ot ON ot.origin_id = d.origin_id
        WHERE u.depth = 0
        ORDER BY s.source, s.line""",
    ),
    Named(
        "dead-hosts",
        "hosts that never answered",
        """
        SELECT name AS host, failures, queued, failed, coalesce('parked: ' || parked, rest_reason) AS why
        FROM host WHERE done = 0 AND (failures > 0 OR failed > 0) ORDER BY queued + failed DESC, name""",
        "failures counts network faults one after another.",
    ),
    Named(
        "flaky",
        "URLs that answered well only when they were asked again",
        f"""
        SELECT count(*) AS requests, sum(f.fault IS NOT NULL OR coalesce(f.status >= 400, 0)) AS failures, o.origin || u.path AS url,
          (SELECT coalesce(x.name, 'status ' || g.status) FROM fetch g LEFT JOIN fault x ON x.fault = g.fault
            WHERE g.url_id = u.url_id AND (g.fault IS NOT NULL OR g.status >= 400) ORDER BY g.fetch_id DESC LIMIT 1) AS latest_failure
        FROM (SELECT DISTINCT url_id FROM fetch WHERE fault IS NOT NULL OR status >= 400) w
          CROSS JOIN url u ON u.url_id = w.url_id AND u.page_id = u.fetch_id AND u.kind <> {_ROBOTS} CROSS JOIN origin o USING (origin_id)
          CROSS JOIN fetch f ON f.url_id = u.url_id
        GROUP BY u.url_id HAVING count(*) > 1 ORDER BY failures DESC, u.url_id""",
    ),
    Named(
        "latest-errors",
        "the 50 latest requests that went wrong",
        f"""
        SELECT {_SECOND.format("f.at")} AS at, o.origin || u.path AS url, f.status, x.name AS fault, substr(f.detail, 1, 200) AS detail
        FROM (SELECT fetch_id FROM fetch WHERE fault IS NOT NULL OR status >= 400 ORDER BY fetch_id DESC LIMIT 50) w
          CROSS JOIN fetch f ON f.fetch_id = w.fetch_id CROSS JOIN url u ON u.url_id = f.url_id CROSS JOIN origin o USING (origin_id)
          LEFT JOIN fault x ON x.fault = f.fault
        ORDER BY f.fetch_id DESC""",
        "Also those that are tried again, and those for robots.txt.",
    ),
    Named(
        "latest-pages",
        "the 50 pages that were stored last",
        f"""
        SELECT {_SECOND.format("f.at")} AS at, f.status, b.bytes, o.origin || u.path AS url, f.title
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}
          CROSS JOIN origin o USING (origin_id) LEFT JOIN body b USING (body_id)
        ORDER BY f.fetch_id DESC LIMIT 50""",
    ),
    Named(
        "oldest-pages",
        "the 50 pages that were asked for longest ago",
        f"""
        SELECT {_SECOND.format("l.at")} AS checked, o.origin || u.path AS url
        FROM fetch l CROSS JOIN url u ON u.url_id = l.url_id AND u.fetch_id = l.fetch_id AND u.page_id IS NOT NULL AND u.kind <> {_ROBOTS}
          CROSS JOIN origin o USING (origin_id)
        ORDER BY l.fetch_id LIMIT 50""",
    ),
)
