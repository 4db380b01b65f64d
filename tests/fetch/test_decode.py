"""Content codings undone: every one, in any chunking; what is cut, broken or a bomb is named, in bounded memory."""

from __future__ import annotations

import contextlib
import gzip
import sys
import tracemalloc
import zlib

import brotli
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.fetch.decode import MAX_MEMBERS, PIECE, STEPS, DecodeError, Decoder, codings_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PAGE = b"<p>" + bytes(range(256)) * 40


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=1),
    "zstd": zstd.compress,
}


def decode(data: bytes, *codings: str, step: int | None = None) -> tuple[bytes, bool]:
    """Return the decoded bytes, and whether the stream came to its end."""
    decoder = Decoder(list(codings))
    step = step or max(len(data), 1)
    pieces = [piece for start in range(0, len(data), step) for piece in decoder.feed(data[start : start + step])]
    assert all(len(piece) <= 2 * PIECE or piece in data for piece in pieces)
    return b"".join(pieces), decoder.complete()


@pytest.mark.parametrize("step", [None, 1, 7, 1000])
@pytest.mark.parametrize("coding", STEPS)
def test_every_coding_is_undone(coding, step):
    assert (PAGE, True) == decode(ENCODERS[coding](PAGE), coding, step=step)


@pytest.mark.parametrize("step", [None, 1, 7])
def test_deflate_without_its_wrapper_is_undone_too(step):
    assert (PAGE, True) == decode(raw_deflate(PAGE), "deflate", step=step)


@pytest.mark.parametrize("coding", STEPS)
def test_an_empty_body_is_empty_under_every_coding(coding):
    assert (b"", True) == decode(ENCODERS[coding](b""), coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_no_bytes_at_all_are_a_whole_body(coding):
    assert (b"", True) == decode(b"", coding)


def test_two_codings_are_undone_last_first():
    assert (PAGE, True) == decode(brotli.compress(gzip.compress(PAGE)), "gzip", "br", step=10)
    assert (PAGE, True) == decode(gzip.compress(gzip.compress(PAGE)), "gzip", "gzip", step=3)


def test_more_than_two_codings_are_refused():
    with pytest.raises(DecodeError, match="3 content codings"):
        Decoder(["gzip", "gzip", "gzip"])


@pytest.mark.parametrize("coding", ["compress", "sdch", "utf-8", "x" * 1000])
def test_an_unknown_coding_is_refused_by_name(coding):
    with pytest.raises(DecodeError, match="unknown content coding") as unknown:
        Decoder(["gzip", coding])

    assert len(str(unknown.value)) < 100


def test_codings_of_all_headers_count_in_order_and_identity_does_not():
    assert ["gzip", "br", "zstd"] == codings_of(["GZip , identity,", " br", "", "zstd"])
    assert [] == codings_of(["identity", ""])


@pytest.mark.parametrize("coding", STEPS)
def test_a_stream_that_was_cut_is_kept_and_flagged(coding):
    whole = ENCODERS[coding](bytes(range(256)) * 4000 + PAGE)
    decoded, complete = decode(whole[: len(whole) * 2 // 3], coding, step=100)

    assert not complete
    assert (bytes(range(256)) * 4000 + PAGE).startswith(decoded)


def test_a_gzip_stream_without_its_check_sum_is_cut():
    assert (PAGE, False) == decode(gzip.compress(PAGE)[:-8], "gzip")


@pytest.mark.parametrize("step", [None, 1, 5])
def test_a_page_that_only_says_gzip_is_kept_as_it_is(step):
    for page in (b"<!doctype html><p>plain", b"a", b"\x1fa", b"\0\0<p>"):
        assert (page, True) == decode(page, "gzip", step=step)


def test_a_single_byte_of_gzip_is_a_cut_stream():
    assert (b"", False) == decode(b"\x1f", "gzip")


@pytest.mark.parametrize("step", [None, 1, 2, 3, 11])
def test_members_of_gzip_are_one_body_wherever_the_chunks_end(step):
    members = [gzip.compress(part) for part in (b"one ", b"", b"two ", b"three")]

    assert (b"one two three", True) == decode(b"".join(members), "gzip", step=step)
    assert (b"one two three", True) == decode(b"\0\0\0".join(members) + b"\0\0", "gzip", step=step)


def test_a_member_that_begins_with_a_chunk_is_not_lost():
    decoder = Decoder(["gzip"])

    assert [b"one", b"two"] == [b"".join(decoder.feed(gzip.compress(part))) for part in (b"one", b"two")]
    assert decoder.complete()


def test_a_last_member_that_was_cut_is_flagged():
    assert (b"one", False) == decode(gzip.compress(b"one") + gzip.compress(b"two")[:10], "gzip")


@pytest.mark.parametrize("step", [None, 1, 4])
def test_what_follows_the_last_member_is_no_part_of_the_body(step):
    assert (PAGE, True) == decode(gzip.compress(PAGE) + b"garbage" + gzip.compress(b"more"), "gzip", step=step)


@pytest.mark.parametrize("step", [None, 1, 3])
def test_frames_of_zstd_are_one_body_wherever_the_chunks_end(step):
    assert (b"one two", True) == decode(zstd.compress(b"one ") + zstd.compress(b"two"), "zstd", step=step)


def test_a_frame_of_zstd_that_begins_with_a_chunk_is_not_lost():
    decoder = Decoder(["zstd"])

    assert [b"one", b"two"] == [b"".join(decoder.feed(zstd.compress(part))) for part in (b"one", b"two")]
    assert decoder.complete()


@pytest.mark.parametrize(("coding", "member"), [("gzip", gzip.compress(b"", mtime=0)), ("zstd", zstd.compress(b""))])
def test_a_flood_of_empty_members_is_refused(coding, member):
    assert (b"", True) == decode(member * MAX_MEMBERS, coding)
    with pytest.raises(DecodeError, match="more than 100"):
        decode(member * 20_000, coding)


@pytest.mark.parametrize(
    ("coding", "data"),
    [
        ("gzip", b"\x1f\x8b\x08\x00" + b"\xff" * 100),
        ("gzip", gzip.compress(PAGE)[:-8] + bytes(8)),
        ("deflate", b"\x78\x9c" + b"\xff" * 100),
        ("deflate", b"\xff" * 100),
        ("br", b"\xff" * 100),
        ("zstd", b"\xff" * 100),
    ],
)
def test_a_broken_stream_is_named(coding, data):
    with pytest.raises(DecodeError, match="broken"):
        decode(data, coding, step=16)


@given(st.sampled_from(sorted(STEPS)), st.binary(max_size=300), st.integers(1, 40))
def test_no_bytes_bring_the_decoder_down(coding, data, step):
    with contextlib.suppress(DecodeError):
        decode(data, coding, step=step)


@given(
    st.lists(st.sampled_from([*sorted(STEPS), "raw"]), min_size=1, max_size=2),
    st.binary(max_size=400).map(lambda data: data * 5),
    st.lists(st.integers(1, 60), min_size=1, max_size=20),
)
@example(["gzip"], b"", [1])
@example(["raw", "zstd"], b"abc", [2, 1])
def test_whatever_the_chunks_a_body_comes_back_as_it_was(codings, data, steps):
    wire = data
    for coding in codings:
        wire = raw_deflate(wire) if coding == "raw" else ENCODERS[coding](wire)
    decoder = Decoder(["deflate" if coding == "raw" else coding for coding in codings])
    decoded, at, turn = b"", 0, 0
    while at < len(wire):
        step = steps[turn % len(steps)]
        decoded += b"".join(decoder.feed(wire[at : at + step]))
        at, turn = at + step, turn + 1

    assert (data, True) == (decoded, decoder.complete())


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=6), st.integers(1, 30), st.integers(0, 4))
def test_whatever_the_chunks_members_are_one_body(parts, step, padding):
    wire = (b"\0" * padding).join(gzip.compress(part) for part in parts)

    assert (b"".join(parts), True) == decode(wire, "gzip", step=step)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_refused_by_its_ratio_in_bounded_memory(coding):
    bomb = ENCODERS[coding](bytes(100 * 1024 * 1024))
    decoder = Decoder([coding])
    sizes: list[int] = []
    pieces = (piece for start in range(0, len(bomb), 65_536) for piece in decoder.feed(bomb[start : start + 65_536]))
    tracemalloc.start()
    try:
        with pytest.raises(DecodeError, match="a bomb"):
            sizes.extend(map(len, pieces))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert max(sizes) <= 2 * PIECE      # brotli's own limit is a soft one
    assert sum(sizes) <= 200 * len(bomb) + 1024 * 1024
    assert peak < 8 * 1024 * 1024


def test_a_bomb_inside_a_coding_is_refused_by_the_bytes_on_the_wire():
    bomb = gzip.compress(gzip.compress(bytes(60 * 1024 * 1024)))
    decoder = Decoder(["gzip", "gzip"])

    with pytest.raises(DecodeError, match="a bomb"):
        for _ in decoder.feed(bomb):
            pass


def test_up_to_a_mebibyte_any_ratio_is_fine():
    page = bytes(1024 * 1024)

    assert (page, True) == decode(brotli.compress(page, quality=1), "br")
