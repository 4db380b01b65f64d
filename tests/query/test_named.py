"""Every named query runs, and says what the crawl's rows say."""

from __future__ import annotations

import re

import pytest

from crawler.core.model import KIND_CODE, Kind
from crawler.query import named
from crawler.query.errors import QueryError
from crawler.query.question import bound, names_in
from crawler.query.reader import Reader, Row

SITE = "https://site.example"
GROWING = {"url", "fetch", "link", "body", "origin", "host", "u", "f", "l", "b", "s", "d", "t", "c", "g", "w", "o", "os", "od", "ot", "h"}
"""Tables that grow, and what queries call them. What a query has computed itself is called otherwise."""



def answer(reader: Reader, name: str, **values: str) -> list[Row]:
    """Return the rows of a named query, asked with some values."""
    found = named.find(name)
    assert found is not None
    return list(reader.rows(found.sql, bound(found.sql, values, found.parameters)))


@pytest.mark.parametrize("query", named.NAMED, ids=lambda query: query.name)
def test_each_runs_on_an_empty_crawl_too(empty: Reader, query: named.Named) -> None:
    """Nobody has to wait for a first page, and every column has a name that can be read."""
    rows = empty.rows(query.sql, bound(query.sql, {"url": SITE} if "url" in names_in(query.sql) else {}, query.parameters))
    assert all(column.replace("_", "").isalnum() for column in rows.columns)
    assert len(set(rows.columns)) == len(rows.columns)
    assert len(list(rows)) in (0, 5, 12)      # states and faults are there from the beginning


@pytest.mark.parametrize("query", named.NAMED, ids=lambda query: query.name)
def test_each_finds_by_an_index_or_a_key_what_it_joins(empty: Reader, query: named.Named) -> None:
    """Only the first table of a join is read from end to end; two tables that grow would be as many steps as one times the other."""
    asked = bound(query.sql, {"url": SITE} if "url" in names_in(query.sql) else {}, query.parameters)
    before: dict[object, str] = {}
    for _, parent, _, step in empty.rows(f"EXPLAIN QUERY PLAN {query.sql}", asked):
        word, _, rest = str(step).partition(" ")
        if word in ("SCAN", "SEARCH"):
            table = rest.partition(" ")[0]
            assert word == "SEARCH" or table not in GROWING or parent not in before, f"{step}, for each of {before[parent]}"
            before.setdefault(parent, table)


@pytest.mark.parametrize("query", named.NAMED, ids=lambda query: query.name)
def test_names_and_meanings_read_well(query: named.Named) -> None:
    """One lower-case name, one line of meaning without a full stop, notes in sentences."""
    assert query.name.replace("-", "").islower()
    assert "\n" not in query.meaning
    assert not query.meaning.endswith(".")
    assert query.notes in ("", query.notes.strip())
    assert query.notes == "" or query.notes.endswith(".")


def test_no_query_looks_at_a_table_through_an_index_that_may_not_be_there() -> None:
    """Plans may change with the schema; results may not: no INDEXED BY."""
    assert not [query.name for query in named.NAMED if re.search(r"\bINDEXED BY\b", query.sql.upper())]


def test_robots_txt_is_the_number_that_the_queries_leave_out() -> None:
    """The queries name the kind by number, as the views do."""
    assert KIND_CODE[Kind.ROBOTS] == named._ROBOTS


ANSWERS: dict[str, list[tuple[object, ...]]] = {
    "status-codes": [(200, None, 5), (301, None, 1), (404, None, 1), (503, None, 1), (None, "timeout", 1)],
    "broken-links": [
        (f"{SITE}/", f"{SITE}/missing", 404, None, "a"),
        (f"{SITE}/a", f"{SITE}/broken", None, "timeout", "a"),
        (f"{SITE}/a", f"{SITE}/missing", 404, None, "a"),
        (f"{SITE}/hostile", f"{SITE}/missing", 404, None, "img"),
    ],
    "queue": [
        ("other.example", 1, 0, 0, 0, "2026-09-21 14:13:20", "parked: does not answer"),
        ("site.example", 2, 1, 7, 1, "2096-10-02 07:06:40", "answered 503"),
    ],
    "slow-hosts": [("site.example", 8, 45.0, 120, 500)],
    "biggest-pages": [
        (50, "text/html", f"{SITE}/%ea%b0%80?q=1", "pages/site.example/00/ga.html"),
        (2_500, "application/pdf", f"{SITE}/copy", "pages/site.example/00/a.html"),
        (2_500, "text/html", f"{SITE}/a", "pages/site.example/00/a.html"),
        (12_000, "text/html", f"{SITE}/", "pages/site.example/00/start.html"),
        (900_000, "text/html", f"{SITE}/hostile", "pages/site.example/00/hostile.html"),
    ],
    "duplicates": [(2, 2_500, f"{SITE}/a", "pages/site.example/00/a.html")],
    "speed": [("2026-09-21 14:13", 12, 5, 5, 0.1)],
    "missing-titles": [(f"{SITE}/%ea%b0%80?q=1", 200, 0)],
    "redirects": [(f"{SITE}/moved", 301, f"{SITE}/a", "done")],
    "robots": [
        ("https://other.example", None, "connect", "forbids all for now", None, "2026-09-21 14:13:20", None),
        (SITE, 200, None, "has rules", 2.0, "2026-09-21 14:13:20", "User-agent: *\nDisallow: /private\nCrawl-delay: 2\n"),
    ],
    "depths": [(0, 1, 1, 0, 0, 0), (1, 6, 2, 1, 0, 0), (2, 5, 2, 2, 1, 0), (3, 1, 0, 0, 0, 1)],
    "types": [("application/pdf", 1, 2_500, 2_500), ("text/html", 4, 914_550, 900_000)],
    "truncated": [(f"{SITE}/hostile", 900_000, 1, 1, None)],
    "parked": [
        ("other.example", 1, "does not answer", "2026-09-21 14:13:20"),
        ("other.example", 1, "robots", "2026-09-21 14:13:20"),
    ],
    "retries": [(f"{SITE}/retry", 1, "2026-09-21 14:14:20", 503, None, None)],
    "excluded": [
        ("scope", "scope host: out.example is no seed's host", 1, "https://out.example/"),
        ("unrecorded", "refused links beyond the number that a host gets rows for", 6, None),
    ],
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers(reader: Reader, name: str) -> None:
    """What each query makes of the small crawl, in whatever order."""
    assert sorted(ANSWERS[name], key=repr) == sorted(answer(reader, name), key=repr)


def test_progress_counts_what_a_parked_host_has_as_parked(reader: Reader) -> None:
    """As the view urls does, URL by URL, robots.txt aside."""
    progress = {row[0]: row[1] for row in answer(reader, "progress")}
    assert {"queued": 2, "done": 7, "failed": 1, "excluded": 1, "parked": 2} == progress
    shown = reader.all("SELECT state, count(*) FROM urls WHERE seen_as <> 'robots' GROUP BY state")
    assert dict(shown) == progress  # type: ignore[arg-type] # rows of two


def test_errors_are_those_for_good(reader: Reader) -> None:
    """As many as the crawl itself counts; what is tried again is none."""
    rows = answer(reader, "errors")
    assert {(404, None, 1, f"{SITE}/missing"), (None, "timeout", 1, f"{SITE}/broken")} == {row[:4] for row in rows}


def test_most_linked(reader: Reader) -> None:
    """By links, most first."""
    assert (3, f"{SITE}/missing", "done") == answer(reader, "most-linked")[0]


def test_waiting_hosts_say_why_and_how_long(reader: Reader) -> None:
    """Parked hosts do not wait, they are put off."""
    [(host, queued, moment, seconds, why)] = answer(reader, "waiting")
    assert ("site.example", 2, "2096-10-02 07:06:40", "answered 503") == (host, queued, moment, why)
    assert isinstance(seconds, int)
    assert 0 < seconds < 4_000_000_000


def test_a_hostile_page_is_in_noindex(reader: Reader) -> None:
    """Titles come back exactly as they were; making them fit for a terminal is the output's business."""
    [(url, title)] = answer(reader, "noindex")
    assert f"{SITE}/hostile" == url
    assert str(title).startswith("\x1b]52")


def test_faults_have_their_meanings(reader: Reader) -> None:
    """All of the vocabulary, those that were met first."""
    rows = answer(reader, "faults")
    assert [("reset", 2), ("timeout", 1)] == [row[:2] for row in rows[:2]]
    assert 12 == len(rows)
    assert all(row[2] for row in rows)


def test_runs_tell_which_did_not_end(reader: Reader) -> None:
    """A run without an end goes on, or was killed."""
    assert [("stopped", 90), ("running or killed", None)] == [(row[4], row[3]) for row in answer(reader, "runs")]


# --- questions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["broken-links", "Broken_Links", " broken-links ; "])
def test_a_name_is_found_however_it_is_written(question: str) -> None:
    """Hyphens or underscores, as views have them."""
    found = named.find("broken-links")
    assert found is not None
    assert found == named.resolve(question, ["broken_links"])


def test_a_question_is_a_name_a_table_or_sql(reader: Reader) -> None:
    """What is more than a word is SQL and left alone."""
    assert "SELECT 1" == named.resolve("SELECT 1", []).sql
    assert 'SELECT * FROM "pages"' == named.resolve("Pages;", reader.tables()).sql
    assert 5 == len(reader.all(named.resolve("pages", reader.tables()).sql))


@pytest.mark.parametrize(
    ("question", "message", "hint"),
    [
        ("eror", "there is no query, table or view named 'eror'", "Try errors."),
        ("zzz", "there is no query, table or view named 'zzz'", "Try crawler query without a query for the list."),
        ("  ", "the query is empty", None),
    ],
)
def test_a_word_that_is_nothing(reader: Reader, question: str, message: str, hint: str | None) -> None:
    """Told with the nearest names."""
    with pytest.raises(QueryError) as caught:
        named.resolve(question, reader.tables())
    assert message == caught.value.message
    assert hint in (None, caught.value.hint)


def test_every_name_stands_once_in_one_group() -> None:
    """Under what it is about."""
    assert sorted(query.name for query in named.NAMED) == sorted(named.names())
