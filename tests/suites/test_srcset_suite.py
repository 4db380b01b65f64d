"""The web platform tests' cases of `srcset`, read where they lie. They name the one image that a browser would choose."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.core.srcset import candidates

SUITE = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "html" / "srcset.jsonl"

if not SUITE.is_file():
    pytest.skip("the published cases are not here", allow_module_level=True)

_OLD_DRAFT = "of an early draft that ignored unknown descriptors; now they make a candidate invalid (HTML standard, 4.8.4.3.10)"

DIFFER = {
    "srcset-0037": _OLD_DRAFT,
    "srcset-0038": _OLD_DRAFT,
    "srcset-0045": _OLD_DRAFT,
    "srcset-0046": _OLD_DRAFT,
    "srcset-0048": _OLD_DRAFT,
}


def right(case: dict[str, str]) -> bool:
    found = candidates(case["srcset"])
    return case["selected"] in found if case["selected"] else found == ()


def test_candidates_are_found_as_published():
    cases = [json.loads(line) for line in SUITE.read_text("utf-8").splitlines()]
    wrong = {case["id"] for case in cases if not right(case)}

    assert set(DIFFER) == wrong
    assert len(cases) > 50
