"""The lists that people browse: each a query with a few filters, newest or most first, written to begin at once on a large crawl."""

from __future__ import annotations

from typing import NamedTuple

from crawler.core.model import Fault, Reason

ROBOTS = 11
"""The kind of robots.txt, which is no page."""


class Field(NamedTuple):
    """A field of the form above a list. Its value is bound under its name; an empty filter lets everything through."""

    name: str
    label: str
    placeholder: str = ""
    choices: tuple[str, ...] = ()
    value: str = ""


class List(NamedTuple):
    """A list."""

    name: str
    heading: str
    meaning: str
    sql: str
    filters: tuple[Field, ...] = ()


_MOMENT = "strftime('%Y-%m-%d %H:%M:%S', {} / 1000, 'unixepoch')"
_TEXT = Field("text", "containing", "a part of the URL")
_HOST = Field("host", "host", "example.org")

LISTS: dict[str, List] = {
    each.name: each
    for each in (
        List(
            "pages", "Pages", "What is stored, the newest first.",
            f"""
            SELECT f.at_utc AS fetched, o.origin || u.path AS url, f.status, f.title, f.mime, b.bytes, f.ttfb_ms, u.depth
            FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.page_id = f.fetch_id CROSS JOIN origin o USING (origin_id)
              CROSS JOIN host h ON h.host_id = u.host_id LEFT JOIN body b USING (body_id)
            WHERE u.kind <> {ROBOTS} AND (:host = '' OR h.name = :host) AND (:status = '' OR f.status = CAST(:status AS INTEGER))
              AND (:text = '' OR instr(lower(o.origin || u.path), lower(:text)) OR instr(lower(f.title), lower(:text)))
            ORDER BY f.fetch_id DESC""",
            (Field("text", "containing", "a part of URL or title"), _HOST, Field("status", "status", "200")),
        ),
        List(
            "errors", "Errors", "URLs whose latest request went wrong, the newest first; those that are tried again are queued.",
            f"""
            SELECT f.at_utc AS at, o.origin || u.path AS url, f.status, x.name AS fault, f.detail, u.tries, s.name AS state
            FROM (SELECT fetch_id FROM fetch WHERE fault IS NOT NULL OR status >= 400 ORDER BY fetch_id DESC) e
              CROSS JOIN fetch f USING (fetch_id) CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id
              CROSS JOIN origin o USING (origin_id) CROSS JOIN host h ON h.host_id = u.host_id CROSS JOIN state s ON s.state = u.state
              LEFT JOIN fault x ON x.fault = f.fault
            WHERE u.kind <> {ROBOTS} AND (:host = '' OR h.name = :host) AND (:status = '' OR f.status = CAST(:status AS INTEGER))
              AND (:fault = '' OR x.name = :fault) AND (:text = '' OR instr(lower(o.origin || u.path), lower(:text)))
            ORDER BY f.fetch_id DESC""",
            (_TEXT, _HOST, Field("status", "status", "404"), Field("fault", "fault", "any", tuple(fault.value for fault in Fault))),
        ),
        List(
            "broken-links", "Broken links", "Pages with a link to something that went wrong. Needs the link graph (--links all).",
            f"""
            SELECT os.origin || s.path AS page, o.origin || u.path AS leads_to, f.status, x.name AS fault, k.name AS kind
            FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id CROSS JOIN link l ON l.dst_id = u.url_id
              CROSS JOIN url s ON s.url_id = l.src_id CROSS JOIN origin os ON os.origin_id = s.origin_id
              CROSS JOIN origin o ON o.origin_id = u.origin_id CROSS JOIN kind k ON k.kind = l.kind LEFT JOIN fault x ON x.fault = f.fault
            WHERE (f.fault IS NOT NULL OR f.status >= 400) AND u.state IN (1, 2) AND u.kind <> {ROBOTS}
              AND (:status = '' OR f.status = CAST(:status AS INTEGER))
              AND (:text = '' OR instr(lower(os.origin || s.path), lower(:text)) OR instr(lower(o.origin || u.path), lower(:text)))""",
            (Field("text", "containing", "a part of either URL"), Field("status", "status", "404")),
        ),
        List(
            "duplicates", "Duplicates", "The same content, to the last byte, under several URLs.",
            """
            SELECT count(*) AS copies, b.bytes, min(o.origin || u.path) AS example, max(o.origin || u.path) AS another
            FROM (SELECT body_id FROM fetch WHERE body_id IS NOT NULL GROUP BY body_id HAVING count(*) > 1) d
              CROSS JOIN fetch f ON f.body_id = d.body_id CROSS JOIN url u ON u.url_id = f.url_id AND u.page_id = f.fetch_id
              CROSS JOIN origin o USING (origin_id) CROSS JOIN body b ON b.body_id = d.body_id
            GROUP BY d.body_id HAVING count(*) > 1 ORDER BY copies DESC""",
        ),
        List(
            "skipped", "Left out", "URLs that were found and not asked for, with the reason and the rule, the newest first.",
            f"""
            SELECT o.origin || u.path AS url, u.reason, u.rule, u.depth, po.origin || p.path AS seen_on
            FROM url u CROSS JOIN origin o USING (origin_id) CROSS JOIN host h ON h.host_id = u.host_id
              LEFT JOIN url p ON p.url_id = u.parent_id LEFT JOIN origin po ON po.origin_id = p.origin_id
            WHERE u.state = 3 AND u.kind <> {ROBOTS} AND (:reason = '' OR u.reason = :reason) AND (:host = '' OR h.name = :host)
              AND (:text = '' OR instr(lower(o.origin || u.path), lower(:text)))
            ORDER BY u.url_id DESC""",
            (_TEXT, _HOST, Field("reason", "reason", "any", tuple(reason.value for reason in Reason))),
        ),
        List(
            "hosts", "Hosts", "All hosts that were met, those with most to do first.",
            f"""
            SELECT h.name AS host, h.queued, h.done, h.failed, h.excluded, h.pace_ms,
              coalesce('put off: ' || h.parked, h.rest_reason) AS why,
              CASE WHEN h.next_at > 0 THEN {_MOMENT.format("h.next_at")} END AS next_request, h.site
            FROM host h WHERE :text = '' OR instr(h.name, lower(:text)) ORDER BY h.queued DESC, h.done DESC""",
            (Field("text", "containing", "a part of the name"),),
        ),
        List(
            "runs", "Runs", "Each time the crawl was started, the latest first.",
            """
            SELECT r.run_id, datetime(r.started_at / 1000, 'unixepoch') AS started, datetime(r.ended_at / 1000, 'unixepoch') AS ended,
              r.outcome, r.requests, r.version, r.argv FROM run r ORDER BY r.run_id DESC""",
        ),
        List(
            "changes", "Changes", "What was changed by hand while it ran or rested, the latest first.",
            f"""
            SELECT {_MOMENT.format("i.at")} AS at, i.run_id, i.command, i.argument, i.urls FROM intervention i
            ORDER BY i.intervention_id DESC""",
        ),
    )
}  # fmt: skip
