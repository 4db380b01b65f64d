"""Pages that are nearly the same, and parameters that never matter: small crawls by hand, and all others against plain Python."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib import resources

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.query import likeness
from crawler.query.reader import Reader

Page = tuple[str, int | None, int | None]
"""URL, body, simhash."""

ROBOTS = 11


@functools.cache
def empty() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.executescript(resources.files("crawler.frontier").joinpath("schema.sql").read_text(encoding="utf-8"))
    if not db.execute("SELECT 1 FROM pragma_table_info('fetch') WHERE name = 'simhash'").fetchone():
        db.execute("ALTER TABLE fetch ADD COLUMN simhash INTEGER")     # until the schema has it
    return db


@contextlib.contextmanager
def crawl_of(pages: Sequence[Page]) -> Iterator[sqlite3.Connection]:
    """Yield the database of a crawl that fetched these pages, one after the other."""
    db = empty()
    db.execute("BEGIN")
    try:
        for number, (url, body, simhash) in enumerate(pages, 1):
            scheme, mark, rest = url.rpartition("://")
            host, slash, path = rest.partition("/")
            origin = scheme + mark + host
            db.execute("INSERT OR IGNORE INTO host (name, site) VALUES (?, ?)", (host, host))
            db.execute("INSERT OR IGNORE INTO origin (host_id, origin) SELECT host_id, ? FROM host WHERE name = ?", (origin, host))
            db.execute(
                """INSERT INTO url (url_id, fingerprint, origin_id, host_id, path, state, depth, priority, kind, fetch_id, page_id)
                SELECT ?1, ?1, origin_id, host_id, ?2, 1, 1, 1, 1, ?1, ?1 FROM origin WHERE origin = ?3""",
                (number, slash + path, origin),
            )
            db.execute(
                "INSERT INTO fetch (fetch_id, url_id, run_id, at, status, body_id, simhash) VALUES (?1, ?1, 1, 0, 200, ?2, ?3)",
                (number, body, simhash),
            )
        yield db
    finally:
        db.execute("ROLLBACK")


# --- parameters that never matter ---------------------------------------------------------------------------------


def no_op(*pages: tuple[str, int | None]) -> list[tuple[object, ...]]:
    with crawl_of([(url, body, None) for url, body in pages]) as db:
        return db.execute(likeness.NO_OP_PARAMETERS).fetchall()


def test_a_parameter_that_changed_nothing_is_told_with_an_example():
    found = no_op(("h/p?id=1&v=a", 1), ("h/p?id=1&v=b", 1), ("h/p?id=2&v=a", 2), ("h/p?id=2&v=b", 2))

    assert [("h", "v", 4, "h/p?id=1&v=b", "h/p?id=1")] == found


def test_two_pages_in_one_place_may_be_chance_three_are_not():
    assert [] == no_op(("h/?v=1", 1), ("h/?v=2", 1))
    assert [("h", "v", 3, "h/?v=3", "h/")] == no_op(("h/?v=1", 1), ("h/?v=2", 1), ("h/?v=3", 1))
    assert [("h", "v", 4, "h/a?v=2", "h/a")] == no_op(("h/a?v=1", 1), ("h/a?v=2", 1), ("h/b?v=1", 2), ("h/b?v=2", 2))


def test_the_url_that_never_had_the_parameter_is_compared_too():
    assert [("h", "v", 4, "h/a?v=1", "h/a")] == no_op(("h/a", 1), ("h/a?v=1", 1), ("h/b?x", 2), ("h/b?x&v=1", 2))
    assert [] == no_op(("h/a", 9), ("h/a?v=1", 1), ("h/a?v=2", 1), ("h/a?v=3", 1))


def test_one_page_that_changed_is_enough():
    pages = [("h/a?v=1", 1), ("h/a?v=2", 1), ("h/a?v=3", 1), ("h/b?v=1", 2), ("h/b?v=2", 3)]

    assert [] == no_op(*pages)
    assert [("h", "v", 3, "h/a?v=3", "h/a")] == no_op(*pages[:3])
    assert [("h", "v", 3, "h/a?v=3", "h/a")] == no_op(*pages[:3], ("other/b?v=1", 2), ("other/b?v=2", 3))


def test_a_host_has_its_parameters_whatever_the_scheme():
    found = no_op(("http://h/a?v=1", 1), ("http://h/a?v=2", 1), ("https://h/a?v=1", 2), ("https://h/a?v=2", 2))

    assert [("h", "v", 4, "http://h/a?v=2", "http://h/a")] == found


@pytest.mark.parametrize(
    "query",
    ["v=%22", "v=\\", 'v=\\"', "v='", "v=[]{}", "v", "v=", "v=a=b?", "v=?", "v=\u00e9\u4e2d"],
)
def test_any_query_can_be_taken_apart(query):
    found = no_op(("h/p?x=1", 1), (f"h/p?{query}&x=1", 1), ("h/p?x=2", 2), (f"h/p?x=2&{query}", 2), (f"h/p?{query}", 3))

    assert [("h", "v", 4, f"h/p?{query}&x=1", "h/p?x=1")] == found


def test_what_no_url_should_hold_is_passed_over():
    assert [] == no_op(("h/?v=\n1", 1), ("h/?v=\x002", 1), ("h/?&&", 1), ("h/?", 1), ("h/", 1))


def test_pages_without_a_query_say_nothing():
    assert [] == no_op(("h/", 1), ("h/a", 1), ("h/b", 1))
    assert [] == no_op()


def test_only_whole_good_pages_are_compared():
    pages = [(f"h/?v={number}", 1, None) for number in range(5)]
    for change in ("truncated = 1", "status = 404", "body_id = NULL"):
        with crawl_of(pages) as db:
            db.execute(f"UPDATE fetch SET {change} WHERE fetch_id > 2")
            assert [] == db.execute(likeness.NO_OP_PARAMETERS).fetchall()
    with crawl_of(pages) as db:
        db.execute("INSERT INTO fetch (fetch_id, url_id, run_id, at, status, body_id) VALUES (9, 1, 1, 0, 200, 7)")
        assert 5 == db.execute(likeness.NO_OP_PARAMETERS).fetchone()[2]
        db.execute("UPDATE url SET page_id = 9 WHERE url_id = 1")
        assert [] == db.execute(likeness.NO_OP_PARAMETERS).fetchall()
        db.execute(f"UPDATE url SET kind = {ROBOTS} WHERE url_id = 1")
        assert 4 == db.execute(likeness.NO_OP_PARAMETERS).fetchone()[2]


def test_urls_of_very_many_parameters_are_left_out():
    most, more = ("&".join(f"p{number}" for number in range(count)) for count in (likeness.MOST_PARAMETERS, likeness.MOST_PARAMETERS + 1))

    assert "p0" in {row[1] for row in no_op(*((f"h/{place}?{most}&".rstrip("&"), place) for place in (1, 2)), *_without_first(most))}
    assert [] == no_op(*((f"h/{place}?{more}", place) for place in (1, 2)), *_without_first(more))


def _without_first(query: str) -> list[tuple[str, int]]:
    return [(f"h/{place}?{query.partition('&')[2]}", place) for place in (1, 2)]


PIECES = st.lists(st.sampled_from(["a=1", "a=2", "b=1", "b=2", "b", "c=\\", 'a"=3', "d=1=2"]), unique=True, max_size=4)
SITES = st.lists(
    st.tuples(st.sampled_from(["h/", "h/x", "g/"]), PIECES, st.integers(1, 2)), max_size=14, unique_by=lambda page: (page[0], *page[1])
)


def expected_no_op(pages: Sequence[tuple[str, list[str], int]]) -> set[tuple[str, str, int]]:
    """Return (host, parameter, pages) by looking at every pair."""
    bodies = {(place, tuple(pieces)): body for place, pieces, body in pages}
    groups: dict[tuple[str, str], dict[tuple[str, tuple[str, ...]], list[int]]] = defaultdict(lambda: defaultdict(list))
    for (place, pieces), body in bodies.items():
        for piece in pieces:
            rest = tuple(other for other in pieces if other != piece)
            groups[place.partition("/")[0], piece.partition("=")[0]][place, rest].append(body)
    found = set()
    for (host, parameter), rests in groups.items():
        compared = [list(members) + ([bodies[rest]] if rest in bodies else []) for rest, members in rests.items()]
        compared = [members for members in compared if len(members) > 1]
        total = sum(map(len, compared))
        if total > 2 and all(len(set(members)) == 1 for members in compared):
            found.add((host, parameter, total))
    return found


@given(SITES)
@example([("h/", ["a=1"], 1), ("h/", ["a=2"], 1), ("h/", [], 2)])
def test_parameters_are_those_that_plain_python_finds(pages):
    urls = [(place + ("?" + "&".join(pieces) if pieces else ""), body) for place, pieces, body in pages]

    assert expected_no_op(pages) == {row[:3] for row in no_op(*urls)}


# --- pages that are nearly the same -------------------------------------------------------------------------------


def near(*simhashes: int | None) -> list[tuple[object, ...]]:
    """Return (page, near, bits) of pages 1, 2, ... by what stands for their texts."""
    with crawl_of([(f"h/{number}", None, simhash) for number, simhash in enumerate(simhashes, 1)]) as db:
        return [(int(url[2:]), int(other[2:]), bits) for url, other, bits in db.execute(likeness.NEAR_DUPLICATES)]


def signed(bits: int) -> int:
    return bits - (1 << 64) if bits >> 63 else bits


def test_up_to_three_bits_are_near():
    assert [(2, 1, 1), (3, 1, 2), (4, 1, 3)] == sorted(near(0, 1, 6, 56))
    assert [] == near(0, 15)
    assert [(2, 1, 0), (3, 1, 0)] == near(5, 5, 5)


def test_pages_without_text_are_near_nothing():
    assert [] == near(None, None)
    assert [(3, 2, 0)] == near(None, 0, 0)


def test_the_nearest_earlier_page_is_told_and_the_first_of_several():
    assert (3, 2, 1) in near(0b0, 0b11, 0b111)
    assert (3, 1, 1) in near(0b01, 0b10, 0b11)
    assert [(2, 1, 1), (3, 2, 0)] == sorted(near(0b0, 0b1, 0b1))


@pytest.mark.parametrize("first", [0, 1, -1, 1 << 62, (1 << 63) - 1, -(1 << 63), 0x5555_5555_5555_5555, signed(0xAAAA_AAAA_AAAA_AAAA)])
def test_every_bit_counts_the_sign_too(first):
    """SQLite's integers end where the sign does; no count may go through floating point."""
    for bits in (1, 2, 3, 4):
        for places in itertools.combinations((0, 31, 32, 62, 63), bits):
            other = signed((first & (1 << 64) - 1) ^ sum(1 << place for place in places))

            assert ([(2, 1, bits)] if bits < 4 else []) == near(first, other)


def test_near_pages_are_found_in_any_quarter():
    for quarter in range(4):
        spread = sum(1 << (16 * other + 5) for other in range(4) if other != quarter)

        assert [(2, 1, 3)] == near(0, signed(spread))


def test_a_quarter_that_too_many_texts_share_is_not_looked_at():
    alone = [signed((number * 0x9E37_79B9_7F4A_7C15 % (1 << 48)) << 16) for number in range(1, likeness.LARGEST_GROUP)]
    pair = [signed(0x1111 << 48 | 0x2222 << 32 | 0x3333 << 16), signed(0x1110 << 48 | 0x2220 << 32 | 0x3331 << 16)]

    assert [(200, 1, 3)] == near(pair[0], *alone[:198], pair[1])
    assert [] == near(pair[0], *alone, pair[1])


def test_quarters_are_counted_each_for_itself():
    low = [signed(number << 48 | number << 32 | number << 16 | 7) for number in range(1000, 1150)]
    high = [signed(7 << 48 | number << 32 | number << 16 | number) for number in range(2000, 2150)]
    spread = signed(low[0] ^ (1 << 62 | 1 << 40 | 1 << 20))

    assert (301, 1, 3) in near(*low, *high, spread)


def test_comparisons_have_an_end_and_the_smallest_groups_come_first(monkeypatch):
    """What costs most is what is left out."""
    bounded = likeness.NEAR_DUPLICATES.replace(f"work <= {2 * likeness.MOST_PAIRS}", "work <= 16")
    pair = [1 << 48 | 0x0111 << 32 | 0x0222 << 16 | 0x0333, 1 << 48 | 0x0110 << 32 | 0x0220 << 16 | 0x0332]
    four = [2 << 48 | 0x1111 << 32 | 0x1222 << 16 | 0x1333, 2 << 48 | 0x1110 << 32 | 0x1220 << 16 | 0x1332]
    four += [2 << 48 | 0x4444 << 32 | 0x4444 << 16 | 0x4444, 2 << 48 | 0x5555 << 32 | 0x5555 << 16 | 0x5555]

    assert [(2, 1, 3), (4, 3, 3)] == near(*pair, *four)
    assert bounded != likeness.NEAR_DUPLICATES
    monkeypatch.setattr(likeness, "NEAR_DUPLICATES", bounded)
    assert [(2, 1, 3)] == near(*pair, *four)


def test_only_the_kept_answer_of_a_page_counts():
    with crawl_of([("h/1", None, 0), ("h/2", None, 0), ("h/robots.txt", None, 0)]) as db:
        db.execute(f"UPDATE url SET kind = {ROBOTS} WHERE url_id = 3")
        assert [("h/2", "h/1", 0)] == db.execute(likeness.NEAR_DUPLICATES).fetchall()
        db.execute("INSERT INTO fetch (fetch_id, url_id, run_id, at, status, simhash) VALUES (9, 1, 1, 0, 200, 1)")
        db.execute("UPDATE url SET page_id = 9 WHERE url_id = 1")
        assert [("h/1", "h/2", 1)] == db.execute(likeness.NEAR_DUPLICATES).fetchall()


WORDS = st.lists(st.sampled_from([0, 1, 2, 15, 16, 31, 32, 47, 48, 62, 63]), max_size=5).map(
    lambda places: signed(sum(1 << place for place in set(places)))
)


@given(st.lists(st.one_of(st.none(), WORDS), max_size=12))
@example([0, 1, 3, 3, 1, None, -1])
def test_near_pages_are_those_that_plain_python_finds(simhashes):
    expected = []
    for late, simhash in enumerate(simhashes, 1):
        before = [] if simhash is None else [
            (((simhash ^ other) & (1 << 64) - 1).bit_count(), early)
            for early, other in enumerate(simhashes[: late - 1], 1)
            if other is not None
        ]  # fmt: skip
        bits, early = min(before, default=(64, 0))
        if bits <= 3:
            expected.append((late, early, bits))

    assert expected == sorted(near(*simhashes))


@pytest.mark.parametrize("sql", [likeness.NO_OP_PARAMETERS, likeness.NEAR_DUPLICATES], ids=["no-op-parameters", "near-duplicates"])
def test_a_guarded_reader_may_ask(reader: Reader, sql: str) -> None:
    """Nothing in them needs a function or a table that a reader is not given."""
    assert [] == reader.all(sql)
