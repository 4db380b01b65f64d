"""The earliest page that is nearly the same, as far back as a bounded memory reaches."""

from __future__ import annotations

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.likeness import LONGEST_WALK, PAGES, Likeness
from crawler.core.simhash import NEAR, distance


def signed(bits: int) -> int:
    bits &= (1 << 64) - 1
    return bits - (1 << 64) if bits >> 63 else bits


def flipped(simhash: int, *bits: int) -> int:
    return signed(simhash ^ sum(1 << bit for bit in bits))


def far(number: int) -> int:
    """Fingerprints that share no quarter, for numbers below 65,536."""
    return signed(number * 0x0001_0001_0001_0001)


def test_what_was_never_seen_is_new():
    assert [None, None, None] == [Likeness().find(one, 1) for one in (0, -1, -(2**63))]


@pytest.mark.parametrize("bits", [(), (0,), (63,), (0, 16, 32), (15, 31, 63), (20, 21, 22), (47, 48, 63)])
def test_a_page_within_three_bits_is_found_by_its_row(bits):
    likeness = Likeness()
    likeness.find(-(2**63) + 12345, 7)

    assert 7 == likeness.find(flipped(-(2**63) + 12345, *bits), 8)


@pytest.mark.parametrize("bits", [(0, 1, 2, 3), (0, 16, 32, 48), (60, 61, 62, 63)])
def test_four_bits_are_too_many(bits):
    likeness = Likeness()
    likeness.find(99, 7)

    assert None is likeness.find(flipped(99, *bits), 8)


def test_likeness_is_no_chain():
    """The second page was found, so the third is compared with the first alone."""
    likeness = Likeness()
    found = [likeness.find(flipped(0, *range(count)), count) for count in (0, 2, 4, 6)]

    assert [None, 0, None, 4] == found


def test_a_page_that_shares_any_quarter_is_found():
    """Three bits leave one quarter whole, and they may lie right beside it."""
    edges = [(16 * quarter, 16 * quarter + 15) for quarter in range(4)]
    threes = [bits for three in combinations(edges, 3) for bits in product(*three)]
    found = []
    for bits in threes:
        likeness = Likeness(pages=2)
        likeness.find(0x0123_4567_89AB_CDEF, 5)
        found.append(likeness.find(flipped(0x0123_4567_89AB_CDEF, *bits), 6))

    assert [5] * 32 == found


@pytest.mark.parametrize("others", [[(16, 32, 48), (0, 17, 33)], [(0, 17, 33), (16, 32, 48)]], ids=["first quarter", "last quarter"])
def test_the_earliest_of_several_is_found(others):
    """Whichever quarter it shares, and whichever the later one shares."""
    likeness = Likeness()
    for row, bits in enumerate(others):
        likeness.find(flipped(0, *bits), row)

    assert (2, 0) == (len(likeness), likeness.find(0, 2))


@given(st.lists(st.tuples(st.sampled_from([0, -1, 0x0F0F, -(2**63), 0x1234_5678_9ABC_DEF0]), st.sets(st.integers(0, 63), max_size=3)), max_size=60))
def test_nothing_near_is_ever_missed_and_nothing_far_is_found(drawn):
    """As a plain list would tell it, where fewer pages than a walk is long share a quarter."""
    likeness = Likeness()
    remembered: list[tuple[int, int]] = []
    for row, (start, bits) in enumerate(drawn):
        simhash = flipped(start, *bits)
        expected = next((earlier for other, earlier in remembered if distance(simhash, other) <= NEAR), None)
        if len(remembered) < LONGEST_WALK:
            assert expected == likeness.find(simhash, row)
            if expected is None:
                remembered.append((simhash, row))


def test_what_came_longest_ago_is_forgotten_first():
    likeness = Likeness(pages=10)
    for number in range(1, 13):
        likeness.find(far(number), number)

    assert 10 == len(likeness)
    assert None is likeness.find(far(1), 100)
    assert 12 == likeness.find(far(12), 101)


def test_nothing_is_looked_for_where_a_forgotten_page_was():
    """The page that took its place is met by its own number, and so is not taken for an old one that needs refreshing."""
    likeness = Likeness(pages=10)
    pages = [0x7777, *map(far, range(1, 10)), signed(0xABCD << 48 | 0x7776)]
    for number, simhash in enumerate(pages):
        likeness.find(simhash, number)

    assert 10 == likeness.find(signed(0xABCD << 48 | 0x7777), 11)
    assert 1 == likeness.find(pages[1], 12)


def test_a_page_that_is_still_found_is_not_forgotten():
    likeness = Likeness(pages=10)
    found = []
    for number in range(1, 200):
        likeness.find(far(number), number)
        found.append(likeness.find(flipped(far(1), number % 64), 1000 + number))

    assert [1] * 199 == found


@pytest.mark.parametrize("pages", [1, 2, 3, 7])
def test_the_smallest_memories_work(pages):
    likeness = Likeness(pages=pages)

    assert [None, 1, None, 2, None, 3] == [likeness.find(far(number), number) for number in (1, 1, 2, 2, 3, 3)]
    assert pages >= len(likeness)


def test_a_memory_of_nothing_is_refused():
    with pytest.raises(ValueError, match="positive"):
        Likeness(pages=0)


def test_crafted_pages_that_share_a_quarter_cost_a_bounded_walk():
    """Only so many pages are compared: one behind them is not found although it is near."""
    likeness = Likeness()
    codes = [number << 1 | number.bit_count() & 1 for number in range(1, LONGEST_WALK + 2)]     # two bits apart at least
    crafted = [signed(code * 0x0001_0001_0001_0000 | 7) for code in codes]
    in_the_other_quarters = 1 << 30 | 1 << 46 | 1 << 62
    found = [likeness.find(simhash, row) for row, simhash in enumerate(crafted)]
    again = [likeness.find(signed(simhash ^ in_the_other_quarters), 1000) for simhash in reversed(crafted)]

    assert [None] * len(crafted) == found
    assert [*range(LONGEST_WALK, 0, -1), None] == again


def test_its_name_tells_how_full_it_is():
    likeness = Likeness()
    likeness.find(1, 1)

    assert (f"<Likeness 1 of {PAGES} pages>", 50_000) == (repr(likeness), PAGES)


def test_a_forgotten_page_is_named_no_more_and_the_next_one_like_it_takes_its_place():
    likeness = Likeness(pages=4)
    likeness.find(7, 1)
    likeness.forget({1})

    assert [None, 2] == [likeness.find(7, 2), likeness.find(7, 3)]
