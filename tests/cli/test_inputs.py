"""What the words of a command line name, and what is read from them."""

import gzip
import hashlib
import io
import os
from pathlib import Path

import pytest

from crawler.cli import inputs, plan
from crawler.cli.errors import Wrong, lines_of
from crawler.cli.inputs import BadSeeds, Inputs, kind_of, place_for, read, strangers
from crawler.cli.memory import Memory, newest, recall
from crawler.core.scope import Options
from crawler.core.seeds import MAX_LINE, Seed, Source
from crawler.folder import NotACrawl

ONE = b"https://a.example/\n"


def urls_of(found):
    return [seed.url for seed in found.seeds]


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("-", "stdin"),
        ("https://a.example/", "url"),
        ("htp://a.example/", "url"),
        ("example.com", "url"),
        ("example.com/path", "url"),
        ("localhost:8080", "url"),
        ("127.0.0.1", "url"),
        ("[::1]:80", "url"),
        ("here.txt", "file"),
        ("missing.txt", None),
        ("readme.md", None),
        ("crawl", None),
        ("name.unheardof", None),
    ],
)
def test_a_word_is_a_file_a_url_or_nothing(word, kind):
    Path("here.txt").write_bytes(ONE)

    assert kind == kind_of(word)


def test_a_file_that_looks_like_a_host_is_a_file():
    Path("example.com").write_bytes(ONE)

    assert "file" == kind_of("example.com")


def test_seeds_of_several_places_are_kept_once():
    Path("a.txt").write_bytes(ONE + b"b.example depth=2\n")

    found = read(["a.txt", "https://a.example/", "https://c.example"])

    assert ["https://a.example/", "https://b.example/", "https://c.example/"] == urls_of(found)
    assert ["a.txt", "https://a.example/", "https://c.example/"] == [source.name for source in found.sources]
    assert Seed("https://b.example/", Options(depth=2), "a.txt", 2) == found.seeds[1]


def test_a_packed_file_has_the_digest_of_what_is_in_it():
    Path("plain.txt").write_bytes(ONE)
    Path("packed.txt.gz").write_bytes(gzip.compress(ONE))

    plain, packed = read(["plain.txt"]), read(["packed.txt.gz"])

    assert urls_of(plain) == urls_of(packed)
    assert {hashlib.sha256(ONE).hexdigest()} == {plain.sources[0].digest, packed.sources[0].digest}


def test_a_broken_packed_file_says_so():
    Path("x.gz").write_bytes(gzip.compress(ONE * 1000)[:-10])

    with pytest.raises(Wrong, match=r"x\.gz is no whole gzip file"):
        read(["x.gz"])


def test_a_file_is_remembered_by_its_place_below_here(tmp_path):
    Path("seeds").mkdir()
    Path("seeds/a.txt").write_bytes(ONE)
    (tmp_path / "far.txt").write_bytes(ONE)

    found = read([str(Path("seeds/a.txt").absolute()), "./seeds/a.txt", "../far.txt"])

    assert ["seeds/a.txt", str(tmp_path / "far.txt")] == [source.name for source in found.sources]


def test_standard_input_is_read_line_by_line():
    found = read(["-"], io.BytesIO(ONE + b"htp://b/\n"))

    assert (["https://a.example/"], [("-", 2)]) == (urls_of(found), [(each.source, each.line) for each in found.bad])


def test_a_line_without_end_takes_no_memory_and_spoils_nothing():
    class Endless(io.RawIOBase):
        left = 64 * 2**20

        def readable(self):
            return True

        def readinto(self, buffer):
            size = min(len(buffer), self.left)
            self.left -= size
            buffer[:size] = b"x" * size
            return size

    found = read(["-"], io.BufferedReader(Endless()))

    [bad] = found.bad
    assert len(bad.text) <= 4 * (MAX_LINE + 1)
    assert "the line is longer than 8,192 characters" == bad.message


def test_a_pipe_can_be_read_but_gives_no_name():
    reading, writing = os.pipe()
    os.write(writing, ONE)
    os.close(writing)
    word = f"/dev/fd/{reading}"

    with pytest.raises(Wrong, match="have no name to call the output folder by"):
        place_for([word], None)
    assert ["https://a.example/"] == urls_of(read([word]))
    os.close(reading)


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("seeds/docs.txt", "output/docs"),
        ("seeds/docs.txt.gz", "output/docs"),
        ("https://Example.org:8080/x", "output/example.org"),
        ("example.org", "output/example.org"),
        ("http://[::1]:8080/", "output/ipv6---1"),
    ],
)
def test_the_output_folder_is_called_after_the_first_seed(word, place):
    Path("seeds").mkdir()
    for name in ("docs.txt", "docs.txt.gz"):
        Path("seeds", name).write_bytes(ONE)

    assert Path(place) == place_for([word, "https://other.example/"], None)
    assert Path("there") == place_for([word], Path("there"))


@pytest.mark.parametrize("word", ["-", "..txt"])
def test_where_there_is_no_name_one_must_be_given(word):
    Path("..txt").write_bytes(ONE)

    with pytest.raises(Wrong, match="have no name") as caught:
        place_for([word], None)
    assert "Try -o output/NAME." == caught.value.hint


def test_a_missing_file_names_the_one_that_was_meant():
    Path("seeds").mkdir()
    Path("seeds/docs.txt").write_bytes(ONE)

    for word, hint in (("seeds/dcs.txt", "Did you mean seeds/docs.txt?"), ("docs.txt", "Did you mean seeds/docs.txt?")):
        with pytest.raises(Wrong) as caught:
            read([word])
        assert [f"error: there is no file {word}", hint] == lines_of(caught.value)


def test_a_folder_is_no_seed_file():
    Path("seeds").mkdir()

    with pytest.raises(Wrong, match="seeds is a folder, not a seed file"):
        read(["seeds"])


def test_a_mistyped_url_says_what_was_meant():
    with pytest.raises(Wrong) as caught:
        read(["htp://user:secret@a.example/"])

    assert "secret" not in caught.value.message.partition("Did you")[0]
    assert "Did you mean http://" in caught.value.message


def test_bad_lines_are_shown_with_their_places():
    Path("mixed.txt").write_text("# c\n\nhtp://example.org/\n" + "# x\n" * 13 + "https://exa mple.org/\n", encoding="utf-8")

    error = BadSeeds(read(["mixed.txt"]).bad)

    assert [
        "error: mixed.txt has 2 lines that are no usable URL; nothing was fetched",
        "   3 | htp://example.org/",
        '     | ^^^ scheme "htp" is not http or https. Did you mean http://example.org/ ?',
        "  17 | https://exa mple.org/",
        "     |            ^ host names contain no spaces",
        "Try fixing the lines, or --skip-bad-seeds to leave them out.",
    ] == "\n".join(lines_of(error)).splitlines()
    assert 2 == error.exit_code


def test_what_a_bad_line_holds_cannot_steer_a_terminal():
    Path("evil.txt").write_bytes(b"\x1b]0;owned\x07htp://a/\n" + b"x" * 9000 + b"\xe2\x80\xae\n")

    text = "\n".join(lines_of(BadSeeds(read(["evil.txt"]).bad)))

    assert not set("\x1b\x07\u202e") & set(text)
    assert max(map(len, text.splitlines())) < 260


def test_bad_lines_of_several_files_name_their_file_and_too_many_are_counted():
    Path("a.txt").write_text("x\n" * 60, encoding="utf-8")
    Path("b.txt").write_text("y\n", encoding="utf-8")

    text = "\n".join(lines_of(BadSeeds(read(["a.txt", "b.txt"]).bad)))

    assert "2 seed files have 61 lines" in text
    assert "a.txt:1 | x" in text
    assert "… and 11 more" in text


# --- what a folder remembers ------------------------------------------------------------------------------------


def inputs_of(*pairs, seeds=("https://new.example/",)):
    sources = tuple(Source(name, digest) for name, digest in pairs)
    return Inputs(tuple(Seed(url, Options(), "s", 1) for url in seeds), (), sources)


@pytest.mark.parametrize(
    ("found", "unknown"),
    [
        (inputs_of(("seeds.txt", "changed")), []),
        (inputs_of(("moved.txt", "d1")), []),
        (inputs_of(("moved.txt", "grown"), seeds=("https://a.example/", "https://new.example/")), []),
        (inputs_of(("other.txt", "d9")), ["other.txt"]),
        (inputs_of(("seeds.txt", "d1"), ("other.txt", "d9")), ["other.txt"]),
        (inputs_of(("-", "d9")), ["-"]),
    ],
)
def test_a_source_is_known_by_name_content_or_what_it_holds(found, unknown):
    memory = Memory({}, (Source("seeds.txt", "d1"), Source("-", "d2")), frozenset({"https://a.example/"}))

    assert unknown == strangers(found, memory)


def test_a_folder_is_recalled(made):
    folder = made(Path("output/docs"), settings={"depth": 3})

    memory = recall(folder)

    assert Memory({"depth": 3}, (Source("seeds.txt", "d1"),), frozenset({"https://a.example/"})) == memory


def test_an_older_folder_without_sources_is_recalled_by_its_seeds(made):
    assert (Source("seeds.txt", ""),) == recall(made(Path("o"), sources=None)).sources


def test_a_folder_without_a_crawl_remembers_nothing():
    Path("empty").mkdir()
    Path("unborn").mkdir()
    Path("unborn/crawl.db").touch()

    assert (None, None, None) == tuple(recall(Path(name)) for name in ("nowhere", "empty", "unborn"))


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"SQLite format 3\0" + b"\0" * 5000])
def test_a_damaged_database_is_told(content):
    Path("o").mkdir()
    Path("o/crawl.db").write_bytes(content)

    with pytest.raises(NotACrawl):
        recall(Path("o"))


def test_memory_that_is_no_json_is_told(made):
    folder = made(Path("o"), meta={"sources": "{"})

    with pytest.raises(NotACrawl, match="remembers what nobody can read"):
        recall(folder)


def test_the_newest_crawl_is_the_one_written_to_last_and_none_that_was_put_aside(made):
    for age, name in ((300, "old"), (200, "new"), (100, "old.2026-11-24-064501")):
        folder = made(Path("output") / name)
        os.utime(folder / "crawl.db", (10_000_000 - age, 10_000_000 - age))
    Path("output/no-crawl").mkdir()

    assert Path("output/new") == newest()


def test_without_crawls_there_is_no_newest():
    assert newest() is None


def test_sources_of_the_crawl_are_kept_beside_those_named_now(made):
    made(Path("output/seeds"), sources=(("seeds.txt", "d1"), ("other.txt", "d2")))
    Path("seeds.txt").write_bytes(ONE)

    outline = plan.for_crawl(["seeds.txt"], None, {}, None, fresh=False, voice=None)

    assert [("other.txt", "d2"), ("seeds.txt", hashlib.sha256(ONE).hexdigest())] == [
        (source.name, source.digest) for source in outline.inputs.sources
    ]


def test_only_a_crawl_is_put_aside_and_under_a_new_name(made):
    folder = made(Path("output/docs"))

    name = plan.aside_for(folder)

    assert (folder.parent, True) == (name.parent, name.name.startswith("docs.20"))
    assert not inputs.Path(name).exists()
