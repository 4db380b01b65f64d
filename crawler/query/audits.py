"""Further questions under a name: those of people who look after sites, and of whoever looks after a crawl.

Written like those of `named`, from the few rows that matter outwards. Kinds of links are numbers here, as in the tables.
"""

from __future__ import annotations

from crawler.core.model import KIND_CODE, REQUISITES, Kind
from crawler.query.question import Named, Parameter, number

_ROBOTS = KIND_CODE[Kind.ROBOTS]
_HREFLANG = KIND_CODE[Kind.HREFLANG]
_LISTED = KIND_CODE[Kind.LISTED]
_REDIRECT = KIND_CODE[Kind.REDIRECT]
_SEED = KIND_CODE[Kind.SEED]
_SITEMAP = KIND_CODE[Kind.SITEMAP]
_NEEDED = ", ".join(str(KIND_CODE[kind]) for kind in sorted(REQUISITES | {Kind.IFRAME, Kind.FRAME}))
_LEADING = ", ".join(str(KIND_CODE[kind]) for kind in (Kind.A, Kind.AREA, Kind.FORM, Kind.NEXT, Kind.PREV, Kind.REFRESH))
_HTML = "f.mime IN ('text/html', 'application/xhtml+xml')"
_SECOND = "strftime('%Y-%m-%d %H:%M:%S', {} / 1000, 'unixepoch')"
_PAGE = f"""
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.page_id = f.fetch_id AND u.kind <> {_ROBOTS}
          CROSS JOIN origin o USING (origin_id)"""
_OVER_HTTP = """
        WITH plain AS MATERIALIZED (
          SELECT origin_id FROM origin WHERE origin LIKE 'http:%' AND EXISTS (SELECT 1 FROM origin WHERE origin LIKE 'https:%'))
        SELECT os.origin || s.path AS url, od.origin || d.path AS {word}, k.name AS kind
        FROM url d CROSS JOIN link l ON l.dst_id = d.url_id CROSS JOIN url s ON s.url_id = l.src_id
          CROSS JOIN origin os ON os.origin_id = s.origin_id CROSS JOIN origin od ON od.origin_id = d.origin_id
          CROSS JOIN kind k ON k.kind = l.kind
        WHERE d.origin_id IN plain AND l.kind IN ({kinds}) AND os.origin LIKE 'https:%'"""

AUDITS: tuple[Named, ...] = (
    Named(
        "redirect-chains",
        "redirects that lead to a further redirect, or back to where they began",
        f"""
        WITH RECURSIVE hop (start, at, hops, way, loop) AS (
          SELECT u.url_id, f.redirect_id, 1, o.origin || u.path, 0
          FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id CROSS JOIN origin o USING (origin_id)
          WHERE f.redirect_id IS NOT NULL AND u.kind <> {_ROBOTS} AND NOT EXISTS (
            SELECT 1 FROM link l WHERE l.dst_id = u.url_id AND l.kind = {_REDIRECT})
          UNION ALL
          SELECT h.start, f.redirect_id, h.hops + 1, h.way || ' -> ' || o.origin || u.path,
            f.redirect_id = h.start OR f.redirect_id = u.url_id
          FROM hop h CROSS JOIN url u ON u.url_id = h.at CROSS JOIN fetch f ON f.fetch_id = u.fetch_id
            CROSS JOIN origin o USING (origin_id)
          WHERE f.redirect_id IS NOT NULL AND h.loop = 0 AND h.hops < 12)
        SELECT max(h.hops) AS hops, substr(h.way || ' -> ' || o.origin || u.path, 1, 2000) AS chain, f.status AS ends_with,
          x.name AS fault
        FROM hop h CROSS JOIN url u ON u.url_id = h.at CROSS JOIN origin o USING (origin_id)
          LEFT JOIN fetch f ON f.fetch_id = u.fetch_id LEFT JOIN fault x ON x.fault = f.fault
        GROUP BY h.start HAVING max(h.hops) > 1 ORDER BY hops DESC""",
        "From the first URL of each chain on. One that goes round in a circle ends in the fault redirect: see redirect-loops. Needs the "
        "link graph (--links all).",
    ),
    Named(
        "redirect-loops",
        "redirects that go round in a circle, or on for ever",
        f"""
        SELECT o.origin || u.path AS url, f.status, f.detail
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id CROSS JOIN origin o USING (origin_id)
        WHERE f.fault = (SELECT fault FROM fault WHERE name = 'redirect') AND u.kind <> {_ROBOTS}""",
        "Also redirects that name no place to go to.",
    ),
    Named(
        "redirected-links",
        "links that lead to a redirect, most linked first",
        f"""
        SELECT count(DISTINCT l.src_id) AS pages, o.origin || u.path AS url, f.status, ot.origin || t.path AS target
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id CROSS JOIN link l ON l.dst_id = u.url_id
          CROSS JOIN origin o ON o.origin_id = u.origin_id CROSS JOIN url t ON t.url_id = f.redirect_id
          CROSS JOIN origin ot ON ot.origin_id = t.origin_id
        WHERE f.redirect_id IS NOT NULL AND l.kind <> {_REDIRECT} AND u.kind <> {_ROBOTS} GROUP BY u.url_id ORDER BY pages DESC""",
        "A link to the target itself would save its readers a step. Needs the link graph (--links all).",
    ),
    Named(
        "hreflang-errors",
        "pages that name another language's version which does not answer, or does not name them",
        f"""
        SELECT os.origin || s.path AS url, od.origin || d.path AS version,
          CASE WHEN d.state = 3 THEN 'not fetched: ' || coalesce(d.reason, '') WHEN d.state = 0 THEN 'not fetched yet'
            WHEN f.redirect_id IS NOT NULL THEN 'redirects' WHEN f.fault IS NOT NULL THEN 'does not answer'
            WHEN f.status >= 400 THEN 'status ' || f.status WHEN f.noindex <> 0 THEN 'says noindex'
            WHEN f.canonical_id <> d.url_id THEN 'names another address its own' ELSE 'does not link back' END AS problem
        FROM link l CROSS JOIN url s ON s.url_id = l.src_id CROSS JOIN url d ON d.url_id = l.dst_id
          CROSS JOIN origin os ON os.origin_id = s.origin_id CROSS JOIN origin od ON od.origin_id = d.origin_id
          LEFT JOIN fetch f ON f.fetch_id = d.fetch_id
        WHERE l.kind = {_HREFLANG} AND l.src_id <> l.dst_id AND (d.page_id IS NULL OR f.noindex <> 0 OR f.canonical_id <> d.url_id
          OR NOT EXISTS (SELECT 1 FROM link b WHERE b.src_id = l.dst_id AND b.dst_id = l.src_id AND b.kind = {_HREFLANG}))""",
        "Needs the link graph (--links all); versions are fetched with --follow hreflang, or where something else links to them.",
    ),
    Named(
        "mixed-content",
        "https pages that need something over plain http",
        f"""
{_OVER_HTTP.format(kinds=_NEEDED, word="needs")}""",
        "Images, scripts, style sheets, frames and so on; links to http pages do not count: see insecure-links. Needs the link graph "
        "(--links all).",
    ),
    Named(
        "insecure-links",
        "https pages that link to plain http, or send a form there",
        f"""
{_OVER_HTTP.format(kinds=_LEADING, word="target")}""",
        "Needs the link graph (--links all).",
    ),
    Named(
        "duplicate-titles",
        "titles that several pages have",
        f"""
        SELECT count(*) AS pages, f.title, min(o.origin || u.path) AS example{_PAGE}
        WHERE coalesce(f.title, '') <> '' AND {_HTML} GROUP BY f.title HAVING count(*) > 1 ORDER BY pages DESC""",
        "The example is the first URL in alphabetical order.",
    ),
    Named(
        "long-titles",
        "titles that are longer than search results show",
        f"""
        SELECT length(f.title) AS characters, f.title, o.origin || u.path AS url{_PAGE}
        WHERE length(f.title) > {number("length", 60)} ORDER BY characters DESC""",
        "More than 60 characters, or as many as --param length=N says.",
        (Parameter("length", "60", "characters that a title may have"),),
    ),
    Named(
        "short-titles",
        "titles that hardly say anything",
        f"""
        SELECT length(f.title) AS characters, f.title, o.origin || u.path AS url{_PAGE}
        WHERE length(f.title) BETWEEN 1 AND {number("length", 10)} - 1 ORDER BY characters, u.url_id""",
        "Fewer than 10 characters, or than --param length=N says. Pages without a title are in missing-titles.",
        (Parameter("length", "10", "characters that a title should have"),),
    ),
    Named(
        "thin-pages",
        "HTML pages with hardly any text",
        f"""
        SELECT o.origin || u.path AS url, b.bytes, f.links, f.title{_PAGE} LEFT JOIN body b USING (body_id)
        WHERE {_HTML} AND f.simhash IS NULL AND f.status = 200""",
        "Fewer than eight words besides navigation. Not known where texts are not compared (--no-novelty).",
    ),
    Named(
        "slow-pages",
        "the 50 pages that took longest",
        f"""
        SELECT f.total_ms, f.ttfb_ms, b.bytes, o.origin || u.path AS url{_PAGE} LEFT JOIN body b USING (body_id)
        WHERE f.total_ms IS NOT NULL ORDER BY f.total_ms DESC LIMIT 50""",
        "Milliseconds for the whole request, and to the end of its headers.",
    ),
    Named(
        "deep-pages",
        "the 100 pages that lie furthest from a seed",
        f"""
        SELECT u.depth, o.origin || u.path AS url, f.title{_PAGE} ORDER BY u.depth DESC, u.url_id LIMIT 100""",
    ),
    Named(
        "languages",
        "pages by the language that they name",
        f"""
        SELECT coalesce(lower(f.lang), '') AS lang, count(*) AS pages, min(o.origin || u.path) AS example{_PAGE}
        WHERE {_HTML} GROUP BY 1 ORDER BY pages DESC""",
        "As the html element says it; empty where it says nothing.",
    ),
    Named(
        "charsets",
        "pages by their character encoding",
        f"""
        SELECT coalesce(f.charset, '') AS charset, count(*) AS pages, min(o.origin || u.path) AS example{_PAGE}
        WHERE {_HTML} GROUP BY 1 ORDER BY pages DESC""",
    ),
    Named(
        "few-links-to",
        "pages that only one page links to, or none",
        f"""
        SELECT n.links, o.origin || u.path AS url, u.depth, k.name AS seen_as
        FROM (SELECT u.url_id, (SELECT count(*) FROM (SELECT DISTINCT src_id FROM link l WHERE l.dst_id = u.url_id AND l.src_id <> l.dst_id
            AND l.kind NOT IN ({_LISTED}, {_REDIRECT}) LIMIT 2)) AS links
          FROM url u WHERE u.page_id IS NOT NULL AND u.kind NOT IN ({_ROBOTS}, {_SEED}, {_SITEMAP})) n
          CROSS JOIN url u USING (url_id) CROSS JOIN origin o USING (origin_id) CROSS JOIN kind k ON k.kind = u.kind
        WHERE n.links < 2 ORDER BY n.links, u.url_id""",
        "Seeds and sitemaps are left out. Needs the link graph (--links all).",
    ),
    Named(
        "sitemap-errors",
        "URLs that a sitemap lists and that are no page for a search engine",
        """
        SELECT o.origin || u.path AS url,
          CASE WHEN u.state = 3 THEN 'not fetched: ' || coalesce(u.reason || ' ', '') || coalesce(u.rule, '')
            WHEN f.redirect_id IS NOT NULL THEN 'redirects' WHEN f.fault IS NOT NULL THEN coalesce(x.name, 'fault')
            WHEN f.status >= 400 THEN 'status ' || f.status WHEN f.noindex <> 0 THEN 'says noindex'
            ELSE 'names another address its own' END AS problem, os.origin || s.path AS sitemap
        FROM listing i CROSS JOIN url u ON u.url_id = i.url_id CROSS JOIN origin o USING (origin_id)
          CROSS JOIN url s ON s.url_id = i.sitemap_id CROSS JOIN origin os ON os.origin_id = s.origin_id
          LEFT JOIN fetch f ON f.fetch_id = u.fetch_id LEFT JOIN fault x ON x.fault = f.fault
        WHERE u.state = 3 OR f.redirect_id IS NOT NULL OR f.fault IS NOT NULL OR f.status >= 400 OR f.noindex <> 0
          OR f.canonical_id <> u.url_id""",
    ),
    Named(
        "robots-blocked",
        "URLs that robots.txt forbids, by the line that does",
        """
        SELECT r.urls, r.host, r.rule, o.origin || u.path AS example
        FROM (SELECT count(*) AS urls, h.name AS host, u.rule, min(u.url_id) AS url_id FROM url u CROSS JOIN host h ON h.host_id = u.host_id
          WHERE u.state = 3 AND u.reason = 'robots' GROUP BY u.host_id, u.rule) r
          CROSS JOIN url u USING (url_id) CROSS JOIN origin o USING (origin_id) ORDER BY r.urls DESC""",
    ),
    Named(
        "links-elsewhere",
        "other sites that are linked to, by how many pages",
        """
        SELECT h.site, count(*) AS urls, min(o.origin || u.path) AS example
        FROM url u CROSS JOIN host h ON h.host_id = u.host_id CROSS JOIN origin o USING (origin_id)
        WHERE u.state = 3 AND u.reason = 'scope' AND h.done = 0 AND h.queued = 0 GROUP BY h.site ORDER BY urls DESC LIMIT 200""",
        "Distinct URLs of hosts of which nothing was asked; at most 10,000 of a host have a row.",
    ),
    Named(
        "hosts-by-status",
        "how each host answered",
        f"""
        SELECT h.name AS host, sum(f.status BETWEEN 200 AND 299) AS ok, sum(f.status BETWEEN 300 AND 399) AS redirects,
          sum(f.status BETWEEN 400 AND 499) AS client_errors, sum(f.status >= 500) AS server_errors, sum(f.fault IS NOT NULL) AS faults
        FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id CROSS JOIN host h ON h.host_id = u.host_id
        WHERE u.kind <> {_ROBOTS} GROUP BY u.host_id ORDER BY ok DESC LIMIT 200""",
        "The latest request of each URL.",
    ),
    Named(
        "changed",
        "pages whose content has changed since they were first stored",
        f"""
        SELECT o.origin || u.path AS url, count(DISTINCT v.body_id) AS versions, count(*) AS requests,
          {_SECOND.format("f.at")} AS latest_change
        FROM (SELECT url_id FROM fetch WHERE body_id IS NOT NULL GROUP BY url_id HAVING count(*) > 1) c
          CROSS JOIN fetch v ON v.url_id = c.url_id AND v.body_id IS NOT NULL CROSS JOIN url u ON u.url_id = c.url_id
          CROSS JOIN origin o USING (origin_id) LEFT JOIN fetch f ON f.fetch_id = u.page_id
        WHERE u.kind <> {_ROBOTS} GROUP BY u.url_id HAVING count(DISTINCT v.body_id) > 1 ORDER BY versions DESC""",
        "Known once pages are asked for again: --recrawl.",
    ),
    Named(
        "growth",
        "how the frontier grew and shrank over time",
        f"""
        SELECT {_SECOND.format("at")} AS at, run_id, pages, errors, queued, done, failed, excluded, wire_bytes
        FROM sample ORDER BY at""",
        "The counters of the whole crawl; wire_bytes is what the run had received.",
    ),
)
