"""Queries of one's own: read from files, by name, with values that are bound and never pasted."""

from __future__ import annotations

import pytest

from crawler.query import named, own
from crawler.query.errors import QueryError
from crawler.query.reader import Reader


@pytest.fixture
def file(tmp_path):
    def write(text: str, name: str = "my.sql"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_each_query_has_its_name_its_meaning_and_its_sql(file):
    found = own.read_own([file("-- name: One_Two\n-- what it is\n-- A note.\nSELECT 1;\n\n-- name: three\nSELECT ';' -- x\n")])

    assert {
        "one-two": ("one-two", "what it is", "SELECT 1", "A note.", ()), "three": ("three", "from my.sql", "SELECT ';' -- x", "", ()),
    } == {name: tuple(query) for name, query in found.items()}  # fmt: skip


def test_a_query_says_what_it_can_be_asked_with(file):
    """What has no line of its own has to be given; a default in quotes may hold blanks."""
    text = '-- name: x\n-- pages\n-- param: least = 5 bytes at least\n-- param: word="a b"\nSELECT :least, :word, :other, \':no\' -- :no\n'
    [query] = own.read_own([file(text)]).values()

    assert ("pages", "") == (query.meaning, query.notes)
    assert (("least", "5", "bytes at least"), ("word", "a b", ""), ("other", None, "")) == query.parameters


def test_one_of_ones_own_comes_before_one_that_is_built_in(file, crawl):
    mine = own.read_own([file("-- name: errors\nSELECT 7 AS seven")])
    with Reader.open(crawl) as reader:
        assert [(7,)] == reader.all(named.resolve("errors", reader.tables(), mine).sql)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT 1", "line 1: a query without a name"),
        ("", "line 1: a query without a name"),
        ("-- a comment\n\nSELECT 2\n-- name: x\nSELECT 1", "line 3: a query without a name"),
        ("-- name: x\n-- nothing\n", "line 1: x has no SQL"),
        ("-- name: é\nSELECT 1", "is no name of a query"),
        ("-- name: a b\nSELECT 1", "line 1: 'a b' is no name of a query"),
        ("-- name: x\nSELECT 1\n-- name: X\nSELECT 2", "line 3: there are two queries named x"),
        ("-- name: x\n-- param: y\nSELECT 1", "line 1: x has no :y in its SQL"),
        ("-- name: x\nSELECT 'a", "line 1: the SQL of x is not complete"),
        ("-- name: x\nSELECT 1" + " " * own.LARGEST_FILE, "more than 1,000,000 bytes"),
    ],
    ids=range(10),
)
def test_a_file_that_is_none_says_where_and_why(file, text, words):
    path = file(text)
    with pytest.raises(QueryError, match=words) as caught:
        own.read_own([path])
    assert str(path) in caught.value.message


def test_a_file_that_is_not_there_or_no_text_says_so(file, tmp_path):
    (tmp_path / "b.sql").write_bytes(b"\xff\xfe\x00")
    for path, words in ((tmp_path / "no.sql", "no such file"), (tmp_path / "b.sql", "no UTF-8")):
        with pytest.raises(QueryError, match=words):
            own.read_own([path])


def test_values_are_bound_and_stay_data(crawl):
    with Reader.open(crawl) as reader:
        assert [("'; DROP TABLE url; --",)] == list(reader.rows("SELECT :x", {"x": "'; DROP TABLE url; --"}))
        with pytest.raises(QueryError, match="no value for :y") as caught:
            reader.rows("SELECT :y", {"x": 1})
    assert "--param y=" in caught.value.hint


def test_files_that_stand_in_a_folder_for_them_are_found_in_order(tmp_path):
    (tmp_path / own.FOLDER).mkdir()
    for name in ("b.sql", "a.sql", "c.txt"):
        (tmp_path / own.FOLDER / name).touch()

    assert ["a.sql", "b.sql"] == [file.name for file in own.standing_files(tmp_path, tmp_path / "none")]
