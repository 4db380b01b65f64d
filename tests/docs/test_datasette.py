"""The metadata for Datasette says what the pages of docs/ and the named queries say.

Run this file to write it anew: python tests/docs/test_datasette.py
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from crawler.query.named import NAMED

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs/datasette.json"

SORTED = {
    "errors": {"sort_desc": "at"}, "broken_links": {"sort_desc": "status"}, "duplicates": {"sort_desc": "copies"}, "hosts": {"sort_desc": "queued"},
    "interventions": {"sort_desc": "intervention_id"}, "patterns": {"sort_desc": "pages"}, "runs": {"sort_desc": "run_id"},
    "samples": {"sort_desc": "at"}, "seeds": {"sort": "line"},
}
FACETS = {
    "pages": ["host", "status", "mime", "lang"], "urls": ["state", "reason", "seen_as", "host"], "errors": ["status", "fault", "host"],
    "queue": ["host"], "links": ["kind"], "broken_links": ["status", "fault"], "redirects": ["status"], "robots": ["status", "fault"],
    "listings": ["state"], "interventions": ["command"], "cookies": ["site"],
}
SECRET = ("meta", "cookie")


def described(heading: str) -> dict[str, dict]:
    """Return what docs/database.md says of views or tables, and of their columns."""
    text = (ROOT / "docs/database.md").read_text(encoding="utf-8")
    part = re.search(rf"^## {heading}$(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)[1]
    found = {}
    for name, body in re.findall(r"^### `(\w+)`$(.*?)(?=^### |\Z)", part, re.DOTALL | re.MULTILINE):
        said = " ".join(line for line in body.split("\n") if line and not line.startswith("|"))
        columns = dict(re.findall(r"^\| `(\w+)` \| (.*?) \|$", body, re.MULTILINE))
        found[name] = {"description": plain(said), "columns": {column: plain(meaning) for column, meaning in columns.items()}}
    return found


def plain(markdown: str) -> str:
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown).replace("`", "").replace("\\|", "|")


def metadata() -> dict:
    """Return what docs/datasette.json should have."""
    tables = {name: {**said, **SORTED.get(name, {}), **({"facets": FACETS[name]} if name in FACETS else {})} for name, said in described("Views").items()}
    for name, said in described("Tables").items():
        tables[name] = {**said, "hidden": True}
    for name in SECRET:
        tables[name]["allow"] = False
    queries = {named_apart(each.name, tables): {"title": each.meaning, "description": each.notes, "sql": re.sub(r"\s*\n\s*", "\n", each.sql).strip()} for each in NAMED}
    return {
        "title": "A crawl",
        "description": "Begin with the views pages, errors, urls and hosts, or with one of the queries. The tables, which are hidden at first, are the program's own.",
        "databases": {"crawl": {"tables": tables, "queries": queries}},
    }


def named_apart(query: str, tables: dict[str, dict]) -> str:
    """Return the name of a query at Datasette, where a query would hide the view of its name."""
    return f"query-{query}" if query in tables else query


def text_of(found: dict) -> str:
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def test_the_metadata_for_datasette_is_that_of_the_pages_and_the_named_queries():
    """When it is not: python tests/docs/test_datasette.py."""
    assert metadata() == json.loads(FILE.read_text(encoding="utf-8"))


def test_what_the_metadata_sorts_and_counts_is_there():
    known = {name: set(said["columns"]) for heading in ("Views", "Tables") for name, said in described(heading).items()}
    named = {name: {*FACETS.get(name, ()), *SORTED.get(name, {}).values()} for name in {*FACETS, *SORTED}}

    assert {} == {name: columns - known[name] for name, columns in named.items() if columns - known[name]}


def test_no_query_hides_a_view():
    found = json.loads(FILE.read_text(encoding="utf-8"))["databases"]["crawl"]

    assert set() == set(found["tables"]) & set(found["queries"])
    assert {"query-errors", "broken-links"} <= set(found["queries"])


if __name__ == "__main__":
    FILE.write_text(text_of(metadata()), encoding="utf-8")
