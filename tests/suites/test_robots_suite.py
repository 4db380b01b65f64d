"""Published robots.txt cases, read where they lie: Google's parser, Protego, and the HTTP side of RFC 9309."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from crawler.core.robots import ALLOW_ALL, FORBID_ALL, Robots, meaning
from crawler.core.urls import UrlError, spell, split

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "robots"

if not SUITE.is_dir():
    pytest.skip("the published cases are not here", allow_module_level=True)

Case = dict[str, object]

# Where RFC 9309 says otherwise than the case. Section and reason; nothing else may differ.
EXCEPTIONS = {
    "google-0063": "2.2.2: octets beyond ASCII are percent-encoded before they are compared",
    "google-0065": "2.2.2: octets beyond ASCII are percent-encoded before they are compared",
    "google-0066": "2.2.2: an escape of an unreserved octet is undone before it is compared",
    "protego-0279": "2.2.1: a crawler looks for its product token, not for its whole User-Agent header",
    "protego-0404": "2.2.4: other records must not end the list of agents (as google-0019)",
    "protego-0405": "2.2.4: other records must not end the list of agents (as google-0019)",
    "protego-0406": "2.2.4: other records must not end the list of agents (as google-0019)",
    "protego-0413": "2.2.1: a product token has no blanks",
    "protego-0416": "2.2.1: a product token has no wildcards",
    "protego-0461": "2.2.3: a dollar sign at the end is the end, a real one is written %24",
    "protego-0462": "2.2.3: a dollar sign at the end is the end, a real one is written %24",
    "protego-0464": "2.2: a path pattern begins with a slash",
    "protego-0478": "2.2.1: a product token matches as a whole",
    "protego-0481": "2.2.1: a product token matches as a whole",
    "protego-0482": "2.2.1: a product token matches as a whole",
}


def cases(file: str) -> list[Case]:
    return [json.loads(line) for line in (SUITE / file).read_text("utf-8").splitlines()]


def body(case: Case) -> bytes:
    if "robots_b64" in case:
        return base64.b64decode(str(case["robots_b64"]))
    return str(case["robots_txt"]).encode()


def path_of(url: str) -> str:
    """Return path and query as the crawl would ask for them, and what it would never ask for as it stands."""
    try:
        return split(spell(url, "https://site.example/"))[1]
    except UrlError:
        return "/" + url.partition("://")[2].partition("/")[2]


def answer(case: Case) -> object:
    robots = Robots.parse(body(case), str(case["agent"]))
    match case["op"]:
        case "allowed":
            return robots.judge(path_of(str(case["url"]))).allowed
        case "crawl_delay":
            return robots.crawl_delay
        case "request_rate":
            return robots.request_rate and list(robots.request_rate)
        case "sitemaps":
            return list(robots.sitemaps)
        case _:
            return "an unknown question"


def test_every_published_case_is_answered_as_published() -> None:
    """Google's 159 cases and Protego's 385, but for the named exceptions, and those differ indeed."""
    wrong = {str(case["id"]) for case in cases("robots_cases.jsonl") if answer(case) != case["expected"]}

    assert sorted(EXCEPTIONS) == sorted(wrong)


def test_a_status_and_a_body_are_understood_as_the_standard_says() -> None:
    """RFC 9309 2.3 to 2.5, as far as it needs no network; `either` leaves the choice."""
    wrong = []
    for case in cases("robots_http.jsonl"):
        text = base64.b64decode(str(case["body_b64"])) if "body_b64" in case else str(case.get("body", "")).encode()
        if "body_recipe" in case:
            text = b"# a comment line\n" * (511_900 // 17) + b"User-agent: *\nDisallow: /x\n"
        status = int(str(case.get("final_status", case.get("status", 599))))
        robots = {"rules": Robots.parse(text), "allow": ALLOW_ALL, "forbid": FORBID_ALL}[meaning(status)]
        expect = case["expect"]
        assert isinstance(expect, dict)
        wrong += [
            (case["id"], path) for path, allowed in expect.items() if allowed != "either" and robots.judge(path_of(path)).allowed != allowed
        ]

    assert wrong == []
