"""Published cases of what a page links to and how it is encoded, read where they lie: Heritrix, Nutch, Scrapy, StormCrawler,
w3lib, the web platform tests and html5lib's. What asks for a feature that is not ours (images, forms, options of another
crawler) is left out by its tags; every other difference has its reason here.
"""

from __future__ import annotations

import base64
import codecs
import json
from pathlib import Path

import pytest

from crawler.core import parse, urls
from crawler.core.encodings import encoding_of
from crawler.core.model import Kind
from crawler.core.parse import Page

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "html"

if not SUITE.is_dir():
    pytest.skip("the published cases are not here", allow_module_level=True)

Case = dict[str, object]

OTHER_FEATURES = frozenset(
    {"needs options", "GET form actions", "javascript-or-flash-guessing", "conditional comments", "og meta content"}
)
"""Options of Scrapy's extractor, forms, guesses in scripts, markup in comments and social metadata: not what this crawler reads."""

EMBEDDED = "pages and embedded resources"
"""Cases that also expect images and the like; of those the links alone are compared where they have any."""

LINKS_DIFFER = {
    "links-0000": "a `frame` outside of a frameset does not exist (HTML standard, 13.2.6.4.7)",
    "links-0003": "Heritrix drops the links of a page with `nofollow`; we record them as refused",
    "links-0037": "Nutch drops links with rel=nofollow; we record them as refused",
    "links-0038": "Nutch drops links with rel=nofollow; we record them as refused",
    "links-0057": "Scrapy marks links with rel=nofollow; we keep them apart, which changes the order",
    "links-0070": "Scrapy leaves out links whose names end in .jpg; what a URL holds is for its server to say",
    "links-0091": "Scrapy marks links with rel=nofollow; we keep them apart, which changes the order",
    "links-0092": "Scrapy marks links with rel=nofollow; we keep them apart, which changes the order",
    "links-0094": "Scrapy keeps ftp: links; only http and https are fetched",
}

BASE_DIFFERS = {
    "meta_refresh_and_base-0079": "we run no scripts: for us `noscript` is markup, as for a browser without them",
    "meta_refresh_and_base-0082": "we run no scripts: for us `noscript` is markup, as for a browser without them",
}

REFRESH_DIFFERS = {
    "meta_refresh_and_base-0093": "a tag that the page ends in does not exist (HTML standard, 13.2.5.32: eof-in-tag)",
    "meta_refresh_and_base-0098": "of an attribute that is there twice the first counts (HTML standard, 13.2.5.33)",
    "meta_refresh_and_base-0114": "we run no scripts: for us `noscript` is markup, as for a browser without them",
    "meta_refresh_and_base-0117": "an option of w3lib to look into scripts",
}


def cases(file: str, *operations: str) -> list[Case]:
    found = [json.loads(line) for line in (SUITE / file).read_text("utf-8").splitlines()]
    return [case for case in found if not operations or case["op"] in operations]


def body(case: Case, field: str) -> bytes | None:
    if f"{field}_b64" in case:
        return base64.b64decode(str(case[f"{field}_b64"]))
    text = case[field]
    if text is None:
        return None
    if isinstance(text, dict):
        return base64.b64decode(text["b64"])
    return str(text).encode(charset(case), "xmlcharrefreplace")


def charset(case: Case) -> str:
    return str(case.get("encoding") or "utf-8")


def read(case: Case, html: bytes) -> Page:
    base = case["base_url"]
    url = str(base) if isinstance(base, str) else "https://example.org"
    return parse.read(html, url=urls.spell(url), content_type=f"text/html; charset={charset(case)}")


def joined(case: Case, page: Page, kinds: set[Kind]) -> list[str]:
    found = []
    for kind, href in (*page.links, *page.unfollowed):
        try:
            url = urls.spell(href, page.base or urls.spell(str(case["base_url"])))
        except urls.UrlError:
            continue
        if kind in kinds and url not in found:
            found.append(url)
    return found


def spelt(expected: object) -> list[str]:
    assert isinstance(expected, list)
    found = [urls.spell(url) if url.startswith("http") else url for url in expected]
    return list(dict.fromkeys(found))


def applies(case: Case) -> bool:
    return OTHER_FEATURES.isdisjoint(case["tags"]) and case["mode"] != "attributes" if "tags" in case else True


def linked_right(case: Case) -> bool:
    found = joined(case, read(case, body(case, "html")), {Kind.A, Kind.AREA, Kind.FRAME, Kind.IFRAME})
    expected = case["expected"]
    match case["mode"]:
        case "count":
            return len(found) == expected
        case "contains_substring":
            return all(any(part in url for url in found) for part in expected)
        case "contains":
            return set(spelt(expected)) <= set(found)
        case _ if case["scope"] == EMBEDDED:
            return set(found) <= set(spelt(expected))
        case _:
            return found == spelt(expected)


def test_links_are_found_as_published():
    wrong = {case["id"] for case in cases("links.jsonl") if applies(case) and has_links(case) and not linked_right(case)}

    assert set(LINKS_DIFFER) == wrong


def has_links(case: Case) -> bool:
    """Cases about images, style sheets and forms alone have nothing that we look for."""
    return any(tag in body(case, "html") for tag in (b"<a ", b"<A ", b"<area", b"<frame", b"<iframe"))


def test_elements_are_found_as_a_browsers_parser_finds_them():
    """html5lib's tree construction: attribute values in tree order, of malformed pages."""
    for case in cases("links.jsonl"):
        if case["mode"] == "attributes":
            expected = [value for element, _, value in case["expected"] if element == "a"]

            assert expected == [href for _, href in read(case, body(case, "html")).links], case["id"]


def test_a_base_is_found_as_published():
    wrong = {case["id"] for case in cases("meta_refresh_and_base.jsonl", "base_url") if not based_right(case)}

    assert set(BASE_DIFFERS) == wrong


def based_right(case: Case) -> bool:
    html = body(case, "html")
    if html is None or case["expected"] == "":      # w3lib's answer for no page, or for no base and no URL
        return html is None or read(case, html).base is None
    default = case["base_url"]
    own = urls.spell(default) if isinstance(default, str) else "https://example.org/"
    return urls.spell(str(case["expected"])) == (read(case, html).base or own)


def test_meta_refresh_is_read_as_published():
    for case in cases("meta_refresh_and_base.jsonl", "meta_refresh_content"):
        found = parse.meta_refresh(str(case["content"]))

        assert case["expected"] == (found and list(found)), case["id"]


def test_a_pages_refresh_is_found_as_published():
    wrong = {case["id"] for case in cases("meta_refresh_and_base.jsonl", "meta_refresh_document") if not refreshed_right(case)}

    assert set(REFRESH_DIFFERS) == wrong


def refreshed_right(case: Case) -> bool:
    if case["base_url"] is None:
        case["base_url"] = "http://example.org"
    found = joined(case, read(case, body(case, "html") or b""), {Kind.REFRESH})
    target = case["expected"][1]
    return found == ([] if target is None else [urls.spell(target)])


def test_encodings_are_told_as_published():
    for case in cases("encodings.jsonl", "sniff"):
        if case["needs_script"]:
            continue    # a script writes the declaration
        found = encoding_of(base64.b64decode(str(case["body_b64"])), case["content_type"])

        assert codecs.lookup(str(case["expected"])).name == codecs.lookup(found).name, case["id"]
