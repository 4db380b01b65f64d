"""THREAT_MODEL.md names the tests that show what it says: they are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_test_that_is_named_exists():
    named = set(re.findall(r"`(test_\w+(?:\.py)?)`", (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")))
    files = list((ROOT / "tests").rglob("test_*.py"))
    there = {file.name for file in files} | {
        name for file in files for name in re.findall(r"def (test_\w+)\(", file.read_text(encoding="utf-8"))
    }

    assert len(named) > 20
    assert set() == named - there


def test_every_threat_has_a_guard_and_a_test():
    text = (ROOT / "THREAT_MODEL.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split(" | ") for part in text.split("\n## ")[2:4] for line in part.splitlines() if line.startswith("| ")]

    assert [] == [row[0] for row in rows if len(row) != 3]
    assert [] == [row[0] for row in rows[1:] if row[0].strip() not in ("threat", "---") and "`test_" not in row[2]]
