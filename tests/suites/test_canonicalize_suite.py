"""Published cases of which URLs are one, read where they lie: w3lib's and url-normalize's.

Both libraries rewrite a URL, we compare keys: a case agrees when its input and its expected URL have one key after the folds
that do what the library always does. What they decide otherwise has its reason here.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from crawler.core.encodings import encode_query
from crawler.core.folds import Folds
from crawler.core.urls import UrlError, key, spell

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "url"

if not SUITE.is_dir():
    pytest.skip("the published cases are not here", allow_module_level=True)

Case = dict[str, object]

BASE = "https://example.com/"
"""What a text that is no URL of its own is joined to, for both libraries take such texts."""

FOLDS = {
    "w3lib/canonicalize_url": Folds(["query-order"]),
    "url-normalize/filter_params": Folds(["tracking"]),
}
"""What each function of a library does to every URL; all the others only spell."""

ENCODINGS = {"latin1": "windows-1252", "iso-8859-1": "windows-1252", "cp1251": "windows-1251"}
"""The encodings that a case gives to the page, by the names of the encoding standard."""

DIFFERENCES = {
    "w3lib takes another separator when told so; between parameters stands `&` (URL standard, 5.1)": ["w3lib-0417"],
    "w3lib sorts by value too; parameters of one name may be a list, whose order counts": ["w3lib-0420"],
    "w3lib drops parameters without a value when told so; they may be flags": ["w3lib-0421", "w3lib-0423"],
    "w3lib writes `=` after a name without a value; servers may tell the two apart": ["w3lib-0424"],
    "w3lib writes a query anew; reserved characters are not the same encoded and bare (RFC 3986, 2.2)": ["w3lib-0425", "w3lib-0447"],
    "w3lib writes spaces as `+`; that is the same as %20 in forms only (URL standard, 5.1)": ["w3lib-0426", "w3lib-0428"],
    "w3lib falls back to UTF-8 where an encoding lacks a character; on the web latin1 is windows-1252, which has the euro sign, and "
    "what is lacking becomes a reference (URL standard, 1.3)": ["w3lib-0433", "w3lib-0434"],
    "w3lib takes a path for text of any encoding when told so; a path is spelt in UTF-8 (URL standard, 4.4)": ["w3lib-0378"],
    "url-normalize drops empty segments; for a server they are segments (RFC 3986, 3.3)": ["url-normalize-0515", "url-normalize-0516"],
    "url-normalize takes bytes that are no UTF-8 for U+FFFD, which makes one of many URLs": ["url-normalize-0535"],
    "url-normalize composes characters (NFC); in a query they are data": ["url-normalize-0536"],
    "url-normalize turns `#!` into a parameter; search engines gave that scheme up": ["url-normalize-0541"],
    "url-normalize drops the dot after a host name; for a browser these are two hosts": [
        "url-normalize-0543", "url-normalize-0545", "url-normalize-0546",
    ],
    "url-normalize guesses that a text is a host name; as a link it is a relative path": ["url-normalize-0549"],
    "url-normalize drops `ref`; it often names a branch or a commit": ["url-normalize-0561", "url-normalize-0562"],
    "url-normalize drops all parameters that are not on its list": ["url-normalize-0566"],
}  # fmt: skip
"""Reason -> cases."""


def cases() -> list[Case]:
    with (SUITE / "canonicalize.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def text_of(field: object) -> str:
    return base64.b64decode(field["b64"]).decode() if isinstance(field, dict) else str(field)


def found_in(case: Case) -> str:
    """Return the input as a link on a page of the encoding that the case gives."""
    text, encoding = text_of(case["input"]), case["options"].get("encoding")
    return encode_query(text, ENCODINGS[encoding]) if encoding else text


def identity(text: str, folds: Folds | None) -> str | None:
    """Return what decides sameness, None for what is no web page's URL."""
    try:
        url = spell(text)
    except UrlError:
        try:
            url = spell(text, BASE)
        except UrlError:
            return None
    folded = folds.fold(url) if folds else None
    return key(folded[0] if folded else url)


def test_urls_that_w3lib_and_url_normalize_make_one_have_one_key():
    table = cases()
    reasons = {case: reason for reason, listed in DIFFERENCES.items() for case in listed}
    found = {
        case["id"]: (case["input"], case["expected"])
        for case in table
        if identity(found_in(case), FOLDS.get(case["suite"])) != identity(text_of(case["expected"]), FOLDS.get(case["suite"]))
    }

    assert 190 < len(table)
    assert {} == {case: pair for case, pair in found.items() if case not in reasons}
    assert set() == reasons.keys() - found.keys()


def test_only_what_is_no_web_page_has_no_key():
    refused = {text_of(case["input"]) for case in cases() if identity(text_of(case["input"]), None) is None}

    assert 10 < len(refused)
    assert [] == sorted(text for text in refused if text.startswith(("http:", "https:", "/")))


def test_the_folds_are_needed_where_they_are_taken():
    """Without them the same cases differ: the comparison sees what they do."""
    for suite in FOLDS:
        agree = [
            identity(text_of(case["input"]), None) == identity(text_of(case["expected"]), None)
            for case in cases()
            if case["suite"] == suite
        ]

        assert False in agree
