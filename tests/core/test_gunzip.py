"""gzip files: members, ends, bombs."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

from hypothesis import given
from hypothesis import strategies as st

from crawler.core import gunzip
from crawler.core.gunzip import MAX_BYTES, MAX_MEMBERS, RATIO_FROM, unpacked

NOISE = bytes((i * i * 7919 + i // 3) % 251 for i in range(400_000))


def test_what_is_no_gzip_is_itself():
    assert (b"<urlset/>", True) == unpacked(b"<urlset/>")
    assert (b"", True) == unpacked(b"")
    assert (b"abc", False) == unpacked(b"abcdef", 3)


def test_a_packed_body_is_unpacked():
    assert (NOISE, True) == unpacked(gzip.compress(NOISE))
    assert (b"", True) == unpacked(gzip.compress(b""))


def test_members_are_joined_and_padding_is_left_out():
    packed = gzip.compress(b"one,") + gzip.compress(b"") + gzip.compress(b"two")

    assert (b"one,two", True) == unpacked(packed)
    assert (b"one,two", True) == unpacked(packed + b"\0" * 100)


def test_what_was_packed_twice_is_unpacked_twice():
    assert (NOISE, True) == unpacked(gzip.compress(gzip.compress(NOISE)))
    assert b"\x1f\x8b" == unpacked(gzip.compress(gzip.compress(gzip.compress(b"x"))))[0][:2]


def test_a_body_that_breaks_off_is_read_until_then():
    packed = gzip.compress(NOISE)
    for end in (len(packed) // 2, len(packed) - 1, 12, 2):
        found, whole = unpacked(packed[:end])

        assert (True, False) == (NOISE.startswith(found), whole)
    assert 100_000 < len(unpacked(packed[: len(packed) // 2])[0])


def test_a_body_that_is_broken_is_read_until_then():
    packed = bytearray(gzip.compress(NOISE, 0))
    packed[200_000:] = b"\xff" * 1000
    found, whole = unpacked(bytes(packed))

    assert (True, False) == (NOISE.startswith(found[:150_000]), whole)
    assert (b"", False) == unpacked(b"\x1f\x8b and no more")


def test_no_more_is_unpacked_than_was_asked_for():
    packed = gzip.compress(NOISE)

    assert (NOISE[:1000], False) == unpacked(packed, 1000)
    assert (NOISE, True) == unpacked(packed, len(NOISE))
    assert (NOISE[:-1], False) == unpacked(packed, len(NOISE) - 1)


def test_a_bomb_is_left_early_and_takes_no_memory():
    bomb = _zeros(100 * 1024 * 1024)
    tracemalloc.start()
    try:
        found, whole = unpacked(bomb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert whole is False
    assert len(found) <= 200 * 64 * 1024 + RATIO_FROM
    assert peak < 64 * 1024 * 1024


def test_a_bomb_in_a_bomb_is_no_worse():
    assert len(unpacked(gzip.compress(_zeros(100 * 1024 * 1024)))[0]) <= MAX_BYTES


def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)), packer.flush()])


def test_less_than_a_mebibyte_is_no_bomb():
    assert (bytes(RATIO_FROM), True) == unpacked(gzip.compress(bytes(RATIO_FROM)))


def test_there_are_so_many_members_and_no_more():
    """A flood of empty ones would cost a second and more otherwise: each copies what is left."""
    member = gzip.compress(b"x")

    assert (b"x" * MAX_MEMBERS, True) == unpacked(member * MAX_MEMBERS)
    assert (b"x" * MAX_MEMBERS, False) == unpacked(member * (MAX_MEMBERS + 1))


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(0, 400))
def test_bodies_come_back_whole_or_as_a_beginning(parts, missing):
    packed = b"".join(gzip.compress(part, mtime=0) for part in parts)
    text = b"".join(parts)
    if not text.startswith(b"\x1f\x8b"):
        assert (text, True) == unpacked(packed)
        assert text.startswith(unpacked(packed[: max(2, len(packed) - missing)])[0]) or not packed


@given(st.binary(max_size=200))
def test_nothing_raises(data):
    unpacked(data)
    unpacked(b"\x1f\x8b\x08\x00" + data)


def test_the_bound_is_that_of_the_sitemaps():
    assert 52_428_800 == gunzip.MAX_BYTES
