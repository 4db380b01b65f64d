"""Published cases of what a page links to and how it is encoded, read where they lie: Heritrix, Nutch, Scrapy, StormCrawler,
w3lib, the web platform tests and html5lib's. Every case is compared; what differs has its reason here, by its id or its tag.

Where a case is about links to pages, these come in the order of the page and are compared so. Where it is about everything
that a page holds, what rarely holds a link comes behind what always does, so such cases are compared as sets.
"""

from __future__ import annotations

import base64
import codecs
import json
from collections.abc import Collection
from pathlib import Path

import pytest

from crawler.core import parse, urls
from crawler.core.encodings import encoding_of
from crawler.core.model import FOLLOWED, Kind
from crawler.core.parse import Page

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "html"

if not SUITE.is_dir():
    pytest.skip("the published cases are not here", allow_module_level=True)

Case = dict[str, object]

OTHER_FEATURES = {
    "needs options": "options of Scrapy's extractor: which elements and attributes are read, what their URLs and texts must match",
    "javascript-or-flash-guessing": "scripts and the variables of Flash films are not searched for what looks like a URL: mostly it is none",
    "conditional comments": "markup in comments is for browsers that nobody uses any more; today's take no notice",
}
"""Tags of cases that may differ, and why. A case that does not is none the worse."""

EMBEDDED = "pages and embedded resources"
"""Cases that expect whatever a page refers to. The others are about navigation, and forms where their tags say so."""
NAVIGATION = frozenset({Kind.A, Kind.AREA, Kind.FRAME, Kind.IFRAME})
FORMS = "GET form actions"

LINKS_DIFFER = {
    "links-0000": "a `frame` outside of a frameset does not exist (HTML standard, 13.2.6.4.7)",
    "links-0001": "a `form` within a form does not exist (HTML standard, 13.2.6.4.7), and none of these is ever closed",
    "links-0003": "Heritrix drops the links of a page with `nofollow`; we record them as refused",
    "links-0016": "a candidate with a descriptor that is none, `480w(data:,foo, ,)`, is dropped (HTML standard, 4.8.4.3.10); Heritrix keeps it",
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


def joined(case: Case, page: Page, kinds: Collection[Kind]) -> list[str]:
    found = []
    for kind, href, *_ in (*page.links, *page.unfollowed):
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


def tags(case: Case) -> frozenset[str]:
    return frozenset(case.get("tags") or ())


def linked_right(case: Case) -> bool:
    everything = case.get("scope") == EMBEDDED
    kinds = set(Kind) - {Kind.BASE} if everything else NAVIGATION | {Kind.FORM} if FORMS in tags(case) else NAVIGATION
    found = joined(case, read(case, body(case, "html")), kinds)
    expected = case["expected"]
    match case["mode"]:
        case "count":
            return len(found) == expected
        case "contains_substring":
            return all(any(part in url for url in found) for part in expected)
        case "contains":
            return set(spelt(expected)) <= set(found)
        case _ if everything:
            return set(found) == set(spelt(expected))
        case _:
            return found == spelt(expected)


LINK_CASES = [case for case in cases("links.jsonl") if case["mode"] != "attributes"]


def test_links_are_found_as_published():
    wrong = {case["id"] for case in LINK_CASES if tags(case).isdisjoint(OTHER_FEATURES) and not linked_right(case)}

    assert set(LINKS_DIFFER) == wrong


@pytest.mark.parametrize("tag", OTHER_FEATURES)
def test_what_asks_for_another_feature_differs_indeed(tag: str):
    """Else its reason here would be wrong."""
    asking = [case for case in LINK_CASES if tag in tags(case)]

    assert not all(map(linked_right, asking))


def test_no_form_is_followed_where_forms_are_off():
    """As they are unless somebody asks for them."""
    assert Kind.FORM not in FOLLOWED
    assert [[]] == [joined(case, read(case, body(case, "html")), FOLLOWED) for case in LINK_CASES if "forms off" in tags(case)]


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
