"""Published URL cases, read where they lie: the web platform's own, RFC 3986 and crawler-commons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.core.urls import UrlError, key, spell

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "url"

if not SUITE.is_dir():
    pytest.skip("the published cases are not here", allow_module_level=True)

Case = dict[str, object]


def cases(name: str) -> list[Case]:
    with (SUITE / name).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def spelt(text: str, base: str | None) -> str | None:
    try:
        return spell(text, base)
    except UrlError:
        return None


def bare(url: str) -> str:
    """Return a URL as we keep them: without fragment and credentials."""
    scheme, _, rest = url.partition("#")[0].partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def agrees(case: Case) -> bool:
    expected = [url for url in (case["expected"], *case.get("also_ok", ())) if url is not None]
    web = [bare(url) for url in expected if url.startswith(("http://", "https://"))]
    found = spelt(case["input"], case["base"])
    return found in web or (not web and found is None)


def test_the_http_cases_of_the_web_platform_are_spelt_as_browsers_do():
    scope = [case for case in cases("wpt_urltestdata.jsonl") if case["crawler_scope"] and not case["lone_surrogate"]]
    wrong = [(case["id"], case["input"], case["expected"], spelt(case["input"], case["base"])) for case in scope if not agrees(case)]

    assert 400 < len(scope)
    assert len(wrong) <= len(scope) // 100, wrong


def test_links_are_joined_as_rfc_3986_and_crawler_commons_say():
    table = cases("join.jsonl")
    wrong = [
        (case["id"], case["input"], case["base"], case["expected"], spelt(case["input"], case["base"]))
        for case in table
        if str(case["expected"]).startswith("http") and spelt(case["input"], case["base"]) not in
        {spelt(url, None) for url in (case["expected"], *case["also_ok"])}
    ]  # fmt: skip

    assert 50 < len(table)
    assert [] == wrong


def test_every_spelling_of_the_suites_has_a_stable_key():
    for name in ("wpt_urltestdata.jsonl", "join.jsonl"):
        for case in cases(name):
            url = spelt(case["input"], case["base"])
            assert url is None or (spell(url) == url and key(key(url)) == key(url))
