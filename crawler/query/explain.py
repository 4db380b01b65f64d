"""Why a URL was, was not or will be fetched: everything the database knows of it, found by its fingerprint.

Works for any text, seen or not. Nothing here depends on how much was crawled: what could be long is bounded.
"""

from __future__ import annotations

import re

import msgspec

from crawler.core import robots, urls
from crawler.core.model import KINDS, MAX_HOPS, Kind, Reason, State
from crawler.folder import is_held
from crawler.query.deciding import decide
from crawler.query.entering import Judge, folded_by
from crawler.query.errors import UNUSABLE, QueryError
from crawler.query.facts import Attempt, Bounds, Explanation, Hop, HostFacts, Known, Listed, RobotsFacts, Step, Stored
from crawler.query.reader import Reader, Row, Value
from crawler.query.spelling import changes
from crawler.query.values import seconds, text, whole, whole_or_none

__all__ = ["Explanation", "explain"]

LONGEST_PATH = 1_000
"""Steps towards the seed that are looked at."""
MOST_ATTEMPTS = 1_000
MOST_COUNTED = 10_000
"""Where links to a URL, or URLs before it in its host's queue, are counted, this means so many or more."""
MOST_SAME = 1_000
"""Other URLs with the same content that are looked for."""
_MOST_PROBES = 64
_NAMED = 3
_HIGHEST = 2**63 - 1
_BARE = re.compile(r"(?:[\w-]+\.)+[\w-]+(?::\d+)?(?:[/?].*)?", re.DOTALL)

_URL = """
SELECT u.url_id, o.origin || u.path, u.host_id, s.name, s.meaning, u.state, u.reason, u.rule, u.depth, k.name, u.hops, u.tries,
  u.due_at, u.priority, u.page_id, u.ruleset, u.kind
FROM url u JOIN origin o USING (origin_id) JOIN state s ON s.state = u.state JOIN kind k ON k.kind = u.kind"""
_PATH = f"""
WITH RECURSIVE up (id, step) AS (
  VALUES (?, 0) UNION ALL
  SELECT u.parent_id, step + 1 FROM up JOIN url u ON u.url_id = up.id WHERE u.parent_id IS NOT NULL AND step < {LONGEST_PATH})
SELECT u.url_id, o.origin || u.path, k.name, u.depth FROM up CROSS JOIN url u ON u.url_id = up.id
  CROSS JOIN origin o USING (origin_id) CROSS JOIN kind k ON k.kind = u.kind ORDER BY step"""
_ATTEMPTS = f"""
SELECT f.at, f.run_id, f.status, x.name, f.detail, f.ttfb_ms, f.total_ms, f.wire_bytes, f.ip, ot.origin || t.path, f.mime,
  f.truncated, f.dns_ms, f.connect_ms, f.tls_ms, f.reused
FROM fetch f LEFT JOIN fault x USING (fault) LEFT JOIN url t ON t.url_id = f.redirect_id LEFT JOIN origin ot ON ot.origin_id = t.origin_id
WHERE f.url_id = ? ORDER BY f.fetch_id DESC LIMIT {MOST_ATTEMPTS}"""
_PAGE = """
SELECT f.at, f.status, f.mime, f.title, f.truncated, b.file, b.bytes, lower(hex(b.digest)), b.offset, b.length, f.noindex, f.nofollow,
  oc.origin || c.path, onr.origin || n.path, f.charset, f.lang, f.links, f.links_truncated, f.body_id
FROM fetch f LEFT JOIN body b USING (body_id) LEFT JOIN url c ON c.url_id = f.canonical_id LEFT JOIN origin oc ON oc.origin_id = c.origin_id
  LEFT JOIN url n ON n.url_id = f.near_id LEFT JOIN origin onr ON onr.origin_id = n.origin_id
WHERE f.fetch_id = ?"""
_HOST = """
SELECT name, queued, delayed, done, failed, excluded, unrecorded, next_at, pace_ms, failures, rest_reason, parked FROM host"""
_ROBOTS = """
SELECT o.robots_at, o.robots_status, x.name, o.crawl_delay_ms, o.robots_txt FROM origin o LEFT JOIN fault x ON x.fault = o.robots_fault
WHERE o.origin = ? AND o.robots_at IS NOT NULL"""
_AHEAD = f"""
SELECT count(*) FROM (SELECT 1 FROM url WHERE host_id = ? AND state = 0 AND due_at IS NULL AND (priority, url_id) < (?, ?)
  LIMIT {MOST_COUNTED})"""
_SAME = f"""
SELECT o.origin || u.path FROM (SELECT fetch_id, url_id FROM fetch WHERE body_id = ? AND url_id <> ? LIMIT {MOST_SAME}) same
  CROSS JOIN url u ON u.url_id = same.url_id AND u.page_id = same.fetch_id CROSS JOIN origin o USING (origin_id)"""
_REDIRECTS = f"""
WITH RECURSIVE way (id, hop) AS (
  SELECT f.redirect_id, 1 FROM url u CROSS JOIN fetch f ON f.fetch_id = u.fetch_id WHERE u.url_id = ? AND f.redirect_id IS NOT NULL
  UNION
  SELECT f.redirect_id, hop + 1 FROM way CROSS JOIN url u ON u.url_id = way.id CROSS JOIN fetch f ON f.fetch_id = u.fetch_id
  WHERE f.redirect_id IS NOT NULL AND hop <= {MAX_HOPS})
SELECT o.origin || u.path, s.name, f.status, x.name FROM way CROSS JOIN url u ON u.url_id = way.id CROSS JOIN origin o USING (origin_id)
  CROSS JOIN state s ON s.state = u.state LEFT JOIN fetch f ON f.fetch_id = u.fetch_id LEFT JOIN fault x ON x.fault = f.fault
ORDER BY hop"""
_LISTED = """
SELECT os.origin || s.path, l.lastmod, l.priority FROM listing l CROSS JOIN url s ON s.url_id = l.sitemap_id
  CROSS JOIN origin os ON os.origin_id = s.origin_id WHERE l.url_id = ?"""
_RUN = "SELECT outcome FROM run ORDER BY run_id DESC LIMIT 1"
_PAGES = "SELECT value FROM meta WHERE key = 'pages'"
_LINKS = f"SELECT count(*) FROM (SELECT 1 FROM link WHERE dst_id = ? LIMIT {MOST_COUNTED})"


def explain(reader: Reader, asked: str) -> Explanation:
    """Return what the crawl knows of the URL in *asked*; a bare host name is taken for https, as in a seed file."""
    asked = asked.strip()
    bare = _BARE.fullmatch(asked) is not None
    full = f"https://{asked}" if bare else asked
    try:
        url = urls.spell(full)
    except urls.UrlError as error:
        return Explanation(asked, None, problem=str(error))
    changed = ("https:// put in front",) if bare else ()
    running = is_held(reader.file.parent) is not None
    with reader.snapshot():
        secret = _secret(reader)
        row = _find(reader, url, secret)
        origin, path = urls.split(url)
        host = reader.one(f"{_HOST} WHERE name = ?", (urls.host_of(origin),))
        judge = Judge(reader, url if row is None else str(row[1]))
        run = reader.one(_RUN)
        found = Explanation(
            asked=asked,
            url=url,
            changes=changed + changes(full, url),
            known=None if row is None else _known(reader, row, host),
            similar=() if row is not None else tuple(each for each in _variants(url) if _find(reader, each, secret)),
            host=None if host is None else _host(host),
            robots=_robots(reader, origin, path, obeyed=judge.settings.robots),
            bounds=judge.unseen() if row is None else _bounds(judge, row),
            running=running,
            last_run=None if run is None else text(run[0]),
        )
        pages = whole((reader.one(_PAGES) or (0,))[0])
        decision = decide(found, judge.settings, pages=pages)
        return msgspec.structs.replace(found, decision=decision)


def _bounds(judge: Judge, row: Row) -> Bounds | None:
    """Return what the bounds make of a URL that was seen, now; None where another kind of link may lead to it as well."""
    depth, hops, ruleset, code = whole(row[8]), whole(row[10]), whole(row[15]), whole(row[16])
    kind = KINDS[code] if 0 <= code < len(KINDS) else Kind.OTHER
    if kind is Kind.ROBOTS or (kind in judge.scope.left_out and row[5] != State.EXCLUDED):
        return None
    return judge.seen(kind, depth, ruleset, hops)


def _secret(reader: Reader) -> bytes:
    row = reader.one("SELECT value FROM meta WHERE key = 'secret'")
    try:
        return bytes.fromhex(str(row[0] if row else None))
    except ValueError:
        hint = "Try a copy of the folder, or --fresh to start anew beside it."
        raise QueryError("the database lacks the key of its fingerprints", hint, UNUSABLE) from None


def _find(reader: Reader, url: str, secret: bytes) -> Row | None:
    """Return the row of a spelt URL. A fingerprint that another URL holds is followed to the next value, as on insertion."""
    identity = urls.key(url)
    mark = urls.fingerprint(identity, secret)
    for _ in range(_MOST_PROBES):
        row = reader.one(f"{_URL} WHERE u.fingerprint = ?", (mark,))
        if row is None or urls.key(str(row[1])) == identity:
            return row
        mark = mark + 1 if mark < _HIGHEST else -_HIGHEST - 1
    return None


def _variants(url: str) -> list[str]:
    """Return the addresses that people mean when they ask for a slightly different one."""
    scheme, _, rest = url.partition("://")
    other = "http" if scheme == "https" else "https"
    twin = rest.removeprefix("www.") if rest.startswith("www.") else f"www.{rest}"
    rests = [rest, twin]
    if "?" not in rest and rest.count("/") + (not rest.endswith("/")) > 1:
        rests.append(rest.removesuffix("/") if rest.endswith("/") else f"{rest}/")
    return [f"{each}://{tail}" for tail in rests for each in (scheme, other) if (each, tail) != (scheme, rest)]


def _known(reader: Reader, row: Row, host: Row | None) -> Known:
    url_id, url, host_id, state, meaning, code, reason, rule, depth, seen_as, hops, tries, due, priority, page_id, *_ = row
    parked = None if host is None else host[11]
    waits = code == State.QUEUED and due is None
    if code == State.QUEUED and parked is not None:
        [(state, meaning)] = reader.all("SELECT name, meaning FROM state WHERE state = ?", (int(State.PARKED),))
        reason = parked
    return Known(
        url_id=whole(url_id),
        url=str(url),
        state=str(state),
        meaning=str(meaning),
        reason=text(reason),
        rule=text(rule),
        depth=whole(depth),
        seen_as=str(seen_as),
        hops=whole(hops),
        tries=whole(tries),
        due=seconds(due),
        ahead=whole(reader.all(_AHEAD, (host_id, priority, url_id))[0][0]) if waits else None,
        links=whole(reader.all(_LINKS, (url_id,))[0][0]),
        path=_path(reader, url_id),
        attempts=tuple(_attempt(each) for each in reader.all(_ATTEMPTS, (url_id,))),
        stored=_stored(reader, page_id, url_id),
        redirects=tuple(_hop(each) for each in reader.all(_REDIRECTS, (url_id,))),
        listed=_listed(reader, url_id),
        duplicate_of=folded_by(str(rule), str(url)) if reason == Reason.DUPLICATE and rule is not None else None,
    )


def _hop(row: Row) -> Hop:
    url, state, status, fault = row
    return Hop(str(url), str(state), whole_or_none(status), text(fault))


def _listed(reader: Reader, url_id: Value) -> Listed | None:
    row = reader.one(_LISTED, (url_id,))
    if row is None:
        return None
    sitemap, lastmod, priority = row
    return Listed(str(sitemap), whole_or_none(lastmod), float(priority) if isinstance(priority, float | int) else None)


def _path(reader: Reader, url_id: object) -> tuple[Step, ...]:
    """Return the steps to the seed; a circle, which better ways to a page can close, is left where it closes."""
    steps: dict[object, Step] = {}
    for row_id, url, seen_as, depth in reader.rows(_PATH, (whole(url_id),)):
        if row_id in steps:
            break
        steps[row_id] = Step(str(url), str(seen_as), whole(depth))
    return tuple(steps.values())


def _attempt(row: Row) -> Attempt:
    at, run_id, status, fault, detail, ttfb, total, wire_bytes, ip, target, mime, truncated, dns, connect, tls, reused = row
    return Attempt(
        seconds(at) or 0.0,
        whole(run_id),
        whole_or_none(status),
        text(fault),
        text(detail),
        seconds(ttfb),
        seconds(total),
        whole_or_none(wire_bytes),
        text(ip),
        text(target),
        text(mime),
        bool(truncated),
        seconds(dns),
        seconds(connect),
        seconds(tls),
        bool(reused),
    )


def _stored(reader: Reader, page_id: object, url_id: Value) -> Stored | None:
    row = None if page_id is None else reader.one(_PAGE, (whole(page_id),))
    if row is None:
        return None
    at, status, mime, title, truncated, file, size, digest, offset, length, noindex, nofollow, canonical, near, *more = row
    charset, lang, links, cut, body_id = more
    same = [] if body_id is None else [str(url) for (url,) in reader.all(_SAME, (body_id, url_id))]
    return Stored(
        at=seconds(at) or 0.0,
        status=whole_or_none(status),
        mime=text(mime),
        title=text(title),
        truncated=bool(truncated),
        file=text(file),
        bytes=whole_or_none(size),
        sha256=text(digest),
        noindex=bool(noindex),
        nofollow=bool(nofollow),
        canonical=text(canonical),
        near=text(near),
        offset=whole_or_none(offset),
        length=whole_or_none(length),
        charset=text(charset),
        lang=text(lang),
        links=whole_or_none(links),
        links_truncated=bool(cut),
        copies=len(same),
        same_as=tuple(same[:_NAMED]),
    )


def _host(row: Row) -> HostFacts:
    name, queued, delayed, done, failed, excluded, unrecorded, next_at, pace, failures, rest_reason, parked = row
    return HostFacts(
        str(name),
        whole(queued),
        whole(delayed),
        whole(done),
        whole(failed),
        whole(excluded),
        whole(unrecorded),
        seconds(next_at) or None,
        seconds(pace),
        whole(failures),
        text(rest_reason),
        text(parked),
    )


def _robots(reader: Reader, origin: str, path: str, *, obeyed: bool) -> RobotsFacts | None:
    """Return what the origin's robots.txt, as it was read last, says to a path."""
    row = reader.one(_ROBOTS, (origin,))
    if row is None:
        return None
    at, status, fault, delay, body = row
    meaning = "forbid" if fault is not None else robots.meaning(whole_or_none(status) or 0)
    rules = robots.Robots.parse(body) if meaning == "rules" and isinstance(body, bytes) else None
    verdict = robots.Verdict(allowed=meaning != "forbid") if rules is None else rules.judge(path)
    found = (verdict.allowed, verdict.line, verdict.text, () if rules is None else _more(rules))
    return RobotsFacts(seconds(at) or 0.0, whole_or_none(status), text(fault), seconds(delay), *found, obeyed)


def _more(rules: robots.Robots) -> tuple[str, ...]:
    """Say what a robots.txt holds besides rules and a Crawl-delay."""
    said = []
    if rules.request_rate is not None:
        said.append(f"Request-rate {rules.request_rate[0]} in {rules.request_rate[1]:g} s")
    if rules.visit_time is not None:
        said.append(f"Visit-time {rules.visit_time}")
    if rules.host is not None:
        said.append(f"Host {rules.host}")
    said += [f"Clean-param {each}" for each in rules.clean_params[:_NAMED]]
    if rules.sitemaps:
        more = len(rules.sitemaps) - 1
        said.append(f"Sitemap {rules.sitemaps[0]}" + (f" and {more:,} more" if more else ""))
    return tuple(said)
