"""What the questions of people who look after sites, archives and crawls make of a crawl that has all their troubles."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crawler.core import urls
from crawler.core.model import FAULT_CODE, KIND_CODE, Fault, Kind, State
from crawler.query import named
from crawler.query.question import bound
from crawler.query.reader import Reader, Row

SECRET = bytes(range(16))
START = 1_790_000_000_000
A, PLAIN, B = "https://a.example", "http://a.example", "https://b.example"
HTML = "text/html"
# Each URL by its number, with origin, path, state, kind and depth.
URLS = {
    1: (1, "/", State.DONE, Kind.SEED, 0),
    2: (1, "/old", State.DONE, Kind.A, 1),
    3: (1, "/older", State.DONE, Kind.A, 1),
    4: (1, "/new", State.DONE, Kind.REDIRECT, 1),
    5: (1, "/gone", State.DONE, Kind.A, 1),
    6: (1, "/to-gone", State.DONE, Kind.A, 1),
    7: (1, "/loop", State.FAILED, Kind.A, 1),
    8: (1, "/de", State.DONE, Kind.A, 1),
    9: (1, "/fr", State.EXCLUDED, Kind.HREFLANG, 1),
    10: (2, "/img.png", State.EXCLUDED, Kind.IMG, 1),
    11: (2, "/plain", State.EXCLUDED, Kind.A, 1),
    12: (1, "/sitemap.xml", State.DONE, Kind.SITEMAP, 1),
    13: (1, "/listed-only", State.DONE, Kind.LISTED, 2),
    14: (1, "/twin", State.DONE, Kind.A, 1),
    15: (1, "/paper.pdf", State.DONE, Kind.A, 2),
    16: (1, "/robots.txt", State.DONE, Kind.ROBOTS, 0),
    17: (3, "/", State.FAILED, Kind.SEED, 0),
    18: (1, "/closed", State.EXCLUDED, Kind.A, 1),
    19: (1, "/" + "long/" * 30, State.QUEUED, Kind.A, 1),
    20: (1, "/flaky", State.DONE, Kind.A, 1),
    21: (1, "/noted", State.DONE, Kind.A, 1),
}
# Of each request the URL, the status or the fault, and how it differs from the usual one.
FETCHES: tuple[tuple[int, int | None, Fault | None, dict[str, object]], ...] = (
    (1, 200, None, {"title": "Home", "lang": "en", "body_id": 1, "links": 12, "simhash": 5}),
    (2, 301, None, {"redirect_id": 3, "mime": None}),
    (3, 302, None, {"redirect_id": 4, "mime": None}),
    (4, 200, None, {"title": "A new page with a title that goes on and on, until nobody reads it any more", "body_id": 2, "links": 1, "simhash": 6}),
    (5, 410, None, {}),
    (6, 308, None, {"redirect_id": 5, "mime": None}),
    (7, 302, Fault.REDIRECT, {"detail": "redirects in a circle", "mime": None}),
    (8, 200, None, {"title": "Home", "lang": "de", "body_id": 3, "links": 0, "noindex": 1, "simhash": 7}),
    (12, 200, None, {"mime": "application/xml", "body_id": 4}),
    (13, 200, None, {"title": "Hi", "body_id": 5, "links": 2, "canonical_id": 5}),
    (14, 200, None, {"title": "Twin", "body_id": 2, "links": 1, "canonical_id": 14, "simhash": 6, "lang": "EN"}),
    (15, 200, None, {"mime": "application/pdf", "body_id": 6, "links": 0}),
    (16, 200, None, {"mime": "text/plain", "ip": "192.0.2.9"}),
    (17, None, Fault.DNS, {"detail": "no address", "mime": None, "ttfb_ms": None, "total_ms": None, "ip": None}),
    (20, 503, None, {}),
    (20, 200, None, {"title": "Flaky", "body_id": 7, "links": 1, "total_ms": 9_000, "reused": 0, "dns_ms": 10, "connect_ms": 20, "tls_ms": 30,
                     "simhash": 8}),
    (21, 200, None, {"title": "Noted", "body_id": 8, "links": 1, "simhash": 9, "canonical_id": 9}),
)  # fmt: skip
BODIES = {1: 900, 2: 1_000, 3: 1_100, 4: 2_000, 5: 300, 6: 50_000, 7: 40_000, 8: 1_200}
# Of each link the page, the target, the kind, and whether it is marked nofollow.
LINKS = (
    (1, 2, Kind.A, 0), (1, 3, Kind.A, 0), (1, 5, Kind.A, 0), (1, 6, Kind.A, 0), (1, 7, Kind.A, 0), (1, 8, Kind.A, 0), (4, 8, Kind.A, 0),
    (1, 8, Kind.HREFLANG, 0), (1, 9, Kind.HREFLANG, 0), (8, 4, Kind.HREFLANG, 0), (4, 8, Kind.HREFLANG, 0), (4, 1, Kind.HREFLANG, 0),
    (1, 10, Kind.IMG, 0), (4, 11, Kind.A, 1), (12, 13, Kind.LISTED, 0), (1, 14, Kind.A, 0), (4, 14, Kind.A, 0), (4, 15, Kind.A, 0),
    (1, 18, Kind.A, 0), (1, 20, Kind.A, 0), (2, 3, Kind.REDIRECT, 0), (3, 4, Kind.REDIRECT, 0), (6, 5, Kind.REDIRECT, 0), (8, 5, Kind.IMG, 0),
    (1, 21, Kind.A, 0), (1, 4, Kind.A, 0),
)  # fmt: skip
LISTED = (1, 2, 5, 8, 13, 18)


def fill_with_troubles(db: sqlite3.Connection) -> None:
    """Make the crawl, in place of another."""
    for table in ("url", "fetch", "link", "body", "host", "origin", "seed"):
        db.execute(f"DELETE FROM {table}")
    db.executemany("INSERT INTO host (host_id, name, site, done, failures, failed) VALUES (?, ?, ?, ?, ?, ?)",
                   [(1, "a.example", "a.example", 15, 0, 1), (2, "b.example", "b.example", 0, 3, 1)])  # fmt: skip
    db.executemany("INSERT INTO origin (origin_id, host_id, origin) VALUES (?, ?, ?)", [(1, 1, A), (2, 1, PLAIN), (3, 2, B)])
    db.executemany("INSERT INTO seed VALUES (?, 0, 'seeds.txt', ?)", [(f"{A}/", 1), (f"{B}/", 2)])
    rules = {9: ("scope", "kind hreflang: not followed"), 18: ("robots", "robots.txt line 2: Disallow: /closed")}
    for number, (origin, path, state, kind, depth) in URLS.items():
        mark = urls.fingerprint(urls.key((A, PLAIN, B)[origin - 1] + path), SECRET)
        place = (number, mark, origin, 2 if origin == 3 else 1, path, state, depth, depth, None if depth == 0 else 1, KIND_CODE[kind])
        columns = "url_id, fingerprint, origin_id, host_id, path, state, depth, priority, parent_id, kind, reason, rule"
        db.execute(f"INSERT INTO url ({columns}) VALUES ({', '.join('?' * 12)})", (*place, *rules.get(number, (None, None))))
    db.executemany("INSERT INTO body (body_id, digest, bytes, file) VALUES (?, ?, ?, ?)",
                   [(body, bytes([body]), size, f"pages/{body}") for body, size in BODIES.items()])  # fmt: skip
    for fetch_id, (url_id, status, fault, more) in enumerate(FETCHES, 1):
        usual: dict[str, object] = {"mime": HTML, "wire_bytes": 400, "ttfb_ms": 20, "total_ms": 25, "ip": "192.0.2.7", "reused": 1}
        row = {"fetch_id": fetch_id, "url_id": url_id, "run_id": 1, "at": START + fetch_id * 1000, "status": status,
               "fault": None if fault is None else FAULT_CODE[fault], **usual, **more}  # fmt: skip
        db.execute(f"INSERT INTO fetch ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", tuple(row.values()))
        page = fetch_id if status == 200 else None
        db.execute("UPDATE url SET fetch_id = ?, page_id = coalesce(?, page_id) WHERE url_id = ?", (fetch_id, page, url_id))
    db.execute("UPDATE fetch SET wire_bytes = 40000 WHERE url_id = 20 AND status = 200")
    db.executemany("INSERT INTO link VALUES (?, ?, ?, ?)", [(src, dst, KIND_CODE[kind], nofollow) for src, dst, kind, nofollow in LINKS])
    db.executemany("INSERT INTO listing VALUES (?, 12, NULL, NULL)", [(number,) for number in LISTED])
    db.execute("INSERT INTO sample VALUES (?, 1, 5, 1, 9, 6, 1, 2, 4000)", (START,))


@pytest.fixture(scope="module")
def reader(new_crawl: Callable[[Callable[[sqlite3.Connection], None]], Path]) -> Iterator[Reader]:
    """Return a reader of that crawl, made once."""
    with Reader.open(new_crawl(fill_with_troubles)) as opened:
        yield opened


def answer(reader: Reader, name: str, **values: str) -> list[Row]:
    """Return the rows of a named query, asked with some values."""
    found = named.find(name)
    assert found is not None
    return list(reader.rows(found.sql, bound(found.sql, values, found.parameters)))


ANSWERS: dict[str, list[tuple[object, ...]]] = {
    "redirect-chains": [(2, f"{A}/old -> {A}/older -> {A}/new", 200, None)],
    "redirect-loops": [(f"{A}/loop", 302, "redirects in a circle")],
    "redirected-links": [
        (1, f"{A}/old", 301, f"{A}/older"), (1, f"{A}/older", 302, f"{A}/new"), (1, f"{A}/to-gone", 308, f"{A}/gone"),
    ],
    "broken-redirects": [(f"{A}/to-gone", 308, f"{A}/gone", 410, None)],
    "permanent-redirects": [(f"{A}/old", 301, f"{A}/older", 1), (f"{A}/to-gone", 308, f"{A}/gone", 1)],
    "temporary-redirects": [(f"{A}/older", 302, f"{A}/new", 1)],
    "hreflang-errors": [
        (f"{A}/", f"{A}/de", "says noindex"), (f"{A}/", f"{A}/fr", "not fetched: scope"), (f"{A}/new", f"{A}/", "does not link back"),
        (f"{A}/new", f"{A}/de", "says noindex"),
    ],
    "mixed-content": [(f"{A}/", f"{PLAIN}/img.png", "img")],
    "insecure-links": [(f"{A}/new", f"{PLAIN}/plain", "a")],
    "nofollow-links": [(f"{A}/new", f"{PLAIN}/plain", "a")],
    "duplicate-titles": [(2, "Home", f"{A}/")],
    "long-titles": [(75, "A new page with a title that goes on and on, until nobody reads it any more", f"{A}/new")],
    "thin-pages": [(f"{A}/listed-only", 300, 2, "Hi")],
    "languages": [("", 4, f"{A}/flaky"), ("de", 1, f"{A}/de"), ("en", 2, f"{A}/")],
    "few-links-to": [
        (0, f"{A}/listed-only", 2, "listed"), (1, f"{A}/flaky", 1, "a"), (1, f"{A}/noted", 1, "a"), (1, f"{A}/paper.pdf", 2, "a"),
    ],
    "sitemap-errors": [
        (f"{A}/closed", "not fetched: robots robots.txt line 2: Disallow: /closed", f"{A}/sitemap.xml"),
        (f"{A}/de", "says noindex", f"{A}/sitemap.xml"), (f"{A}/gone", "status 410", f"{A}/sitemap.xml"),
        (f"{A}/listed-only", "names another address its own", f"{A}/sitemap.xml"), (f"{A}/old", "redirects", f"{A}/sitemap.xml"),
    ],
    "canonical-errors": [(f"{A}/listed-only", f"{A}/gone", "status 410"), (f"{A}/noted", f"{A}/fr", "not fetched: scope")],
    "not-in-sitemaps": [
        (f"{A}/flaky", 1, "Flaky"), (f"{A}/twin", 1, "Twin"),
        (f"{A}/new", 1, "A new page with a title that goes on and on, until nobody reads it any more"),
    ],
    "orphans": [(f"{A}/listed-only", "done", f"{A}/sitemap.xml")],
    "sitemaps": [(f"{A}/sitemap.xml", 200, 2_000, 6, 3, 0)],
    "robots-blocked": [(1, "a.example", "robots.txt line 2: Disallow: /closed", f"{A}/closed")],
    "hosts-by-status": [("a.example", 9, 4, 1, 0, 1), ("b.example", None, None, None, None, 1)],
    "dead-ends": [(f"{A}/de", 1_100, "Home")],
    "not-parsed": [("application/pdf", 1, 50_000, f"{A}/paper.pdf")],
    "documents": [("application/pdf", 50_000, f"{A}/paper.pdf", "pages/6")],
    "storage": [("a.example", 9, 8, 96_500, 1_000, 43_200)],
    "uncompressed": [(40_000, 40_000, HTML, f"{A}/flaky")],
    "timings": [("a.example", 16, 10.0, 20.0, 30.0, 20.0, 586.0, 15)],
    "addresses": [("192.0.2.7", 1, 15, "a.example"), ("192.0.2.9", 1, 1, "a.example")],
    "seed-results": [(f"{A}/", "done", 200, None, None, None, None), (f"{B}/", "failed", None, "dns", None, None, None)],
    "dead-hosts": [("b.example", 3, 0, 1, None)],
    "flaky": [(2, 1, f"{A}/flaky", "status 503")],
    "growth": [("2026-09-21 14:13:20", 1, 5, 1, 9, 6, 1, 2, 4_000)],
    "long-urls": [(168, f"{A}/" + "long/" * 30, "queued")],
    "changed": [],
}  # fmt: skip


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(reader: Reader, name: str) -> None:
    """What each query makes of the crawl, in whatever order."""
    assert sorted(ANSWERS[name], key=repr) == sorted(answer(reader, name), key=repr)


def test_parameters_move_the_bounds_and_come_as_text_from_other_programs(reader: Reader) -> None:
    """Empty or not given is the default: what a form sends, and what an unbound parameter is."""
    assert ["Flaky", "Hi", "Home", "Home", "Noted", "Twin"] == sorted(str(row[1]) for row in answer(reader, "short-titles"))
    assert ["Hi"] == [row[1] for row in answer(reader, "short-titles", length="4")]
    found = named.find("short-titles")
    assert found is not None
    for value, rows in ((None, 6), ("", 6), ("4", 1), (4, 1)):
        assert rows == len(list(reader.rows(found.sql, {"length": value})))
    assert [(f"{A}/gone", 410, 3)] == [(*row[:2], row[3]) for row in answer(reader, "urls-with-status", status="410")]


def test_links_of_one_page_both_ways(reader: Reader) -> None:
    """By its address."""
    assert [(f"{A}/", "a", 0), (f"{A}/de", "img", 0), (f"{A}/to-gone", "redirect", 0)] == sorted(
        answer(reader, "links-to", url=f"{A}/gone"), key=repr
    )
    assert [(f"{PLAIN}/plain", "a", 1, "excluded", None)] == [row for row in answer(reader, "links-from", url=f"{A}/new") if row[2]]
    assert [] == answer(reader, "links-to", url="https://never.example/")


def test_the_latest_and_the_oldest(reader: Reader) -> None:
    """By requests, the latest first or last."""
    assert [f"{A}/flaky", f"{B}/", f"{A}/loop", f"{A}/gone"] == [row[1] for row in answer(reader, "latest-errors")]
    assert [f"{A}/noted", f"{A}/flaky"] == [row[3] for row in answer(reader, "latest-pages")][:2]
    assert [f"{A}/", f"{A}/new"] == [row[1] for row in answer(reader, "oldest-pages")][:2]
    assert (9_000, f"{A}/flaky") == (answer(reader, "slow-pages")[0][0], answer(reader, "slow-pages")[0][3])
    assert (12, f"{A}/", "Home") == answer(reader, "most-links")[0]
    assert {2} == {row[0] for row in answer(reader, "deep-pages")[:2]}
