"""Published cases of sitemaps and of feeds in their place, read where they lie: crawler-commons, StormCrawler and Scrapy.

A sitemap is read as one that robots.txt has named. Of a feed the items' links are published, and ours are all of its links.
"""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.core import feeds, sitemap
from crawler.core.model import Kind

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "sitemaps"

if not SUITE.is_dir():
    pytest.skip("the published cases are not here", allow_module_level=True)

Case = dict[str, object]

DIFFERS = {
    "sm-001": "a document type that declares entities makes us refuse the whole document, which the case allows",
    "sm-036": "an end tag that is cut off ends nothing: the URL could be cut off as well; to refuse is allowed too",
    "sm-066": "a document type that declares entities makes us refuse the whole document; Scrapy reads the URL without them",
}
"""Nothing is found here; each says that it was not read to its end."""

MORE = {
    "sm-032": ("the feed's own page, and the item's page in another form", ["http://example.org/", "http://example.org/2003/12/13/atom03.html"]),
    "sm-033": ("the feed's own page", ["https://www.example.com/main.html"]),
    "sm-034": ("the feed's own page", ["http://www.example.com/pub"]),
    "sm-035": ("the feed's own page", ["http://www.example.com/rss.xml"]),
}
"""Feeds of which more is read than the links of items, which are what is published: why, and what."""


def cases() -> list[Case]:
    return [json.loads(line) for line in (SUITE / "docs.jsonl").read_text("utf-8").splitlines()]


def body(case: Case) -> bytes:
    return base64.b64decode(str(case["body_b64"]))


def content_type(case: Case) -> str | None:
    return None if case["content_type"] is None else str(case["content_type"])


def read(case: Case) -> sitemap.Sitemap | None:
    return sitemap.read(body(case), content_type=content_type(case), expected=True)


def found(case: Case) -> list[str]:
    """Return the pages, or the further sitemaps, or what a feed in the place of a sitemap links to."""
    listed = read(case)
    if listed is not None:
        return [entry.href for entry in (*listed.sitemaps, *listed.entries)]
    feed = feeds.read(body(case), content_type=content_type(case))
    return [href for kind, href in feed.links if kind is Kind.A] if feed else []


def is_right(case: Case) -> bool:
    urls, expected = found(case), case["expected_urls"]
    if str(case["id"]) in MORE:
        return [url for url in urls if url in expected] == expected and sorted({*urls} - {*expected}) == sorted(MORE[str(case["id"])][1])
    return (expected is None or urls == expected) and len(urls) == case["expected_count"] and {*case.get("must_contain", [])} <= {*urls}


def test_every_published_case_is_read_as_published():
    """All 67, but for the named differences, and those differ indeed."""
    wrong = {str(case["id"]) for case in cases() if not is_right(case)}

    assert sorted(DIFFERS) == sorted(wrong)


def test_what_is_not_read_says_so():
    for case in cases():
        listed = read(case)
        if str(case["id"]) in DIFFERS:
            assert (True, [], case["id"]) == (listed is not None and listed.cut, found(case), case["id"])


def test_dates_and_priorities_are_read_as_published():
    """Where cases have them: in W3C's format, and not there at all."""
    compared = 0
    for case in cases():
        dates = case.get("lastmod") or [row.get("lastmod") for row in case.get("rows", [])]
        if not dates or case["id"] in DIFFERS:
            continue
        listed = read(case)
        entries = (*listed.sitemaps, *listed.entries)
        priorities = [row.get("priority") for row in case.get("rows", [])] or [None] * len(entries)

        assert [published(date) for date in dates] == [entry.lastmod for entry in entries], case["id"]
        assert [text and float(text) for text in priorities] == [entry.priority for entry in entries], case["id"]
        compared += 1
    assert 10 == compared


def published(date: str | None) -> int | None:
    """Read a date by the standard library: those that are published have the day at least."""
    if not date:
        return None
    when = datetime.fromisoformat(date)
    return int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())


def test_other_languages_are_found_as_published():
    rows = {case["id"]: [row["alternate"] for row in case["rows"] if "alternate" in row] for case in cases() if "rows" in case}
    listed = {case["id"]: list(read(case).alternates) for case in cases() if case["id"] in rows}

    assert {name: [href for group in groups for href in group] for name, groups in rows.items()} == listed
    assert 3 == sum(map(len, listed.values()))


def test_no_entity_is_ever_read():
    """Nothing of a file that entities and inclusions name, and nothing that they would expand to."""
    for case in cases():
        if case["kind"] == "security" or case["id"] == "sm-066":
            assert "root:" not in repr(read(case)), case["id"]
            assert not any("xxe" in url or "test" in url for url in found(case)), case["id"]
