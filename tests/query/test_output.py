"""Rows for people are aligned and harmless, rows for programs exact."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest

from crawler import text
from crawler.query import output
from crawler.query.reader import Reader, Row

HOSTILE = "\x1b]52;c;AAAA\x07 \x9b31m [bold]\u202egnp.\u2066\u200b\x7f"


class Table:
    """Rows that were not read from anywhere."""

    def __init__(self, columns: tuple[str, ...], rows: list[Row]) -> None:
        self.columns = columns
        self.rows = rows

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def written(form: output.Format, columns: tuple[str, ...], *rows: Row, terminal: bool = False, **style: object) -> str:
    """Return what is written."""
    stream = Terminal(newline="") if terminal else io.StringIO(newline="")
    assert len(rows) == output.write(Table(columns, list(rows)), form, stream, **style)  # type: ignore[arg-type] # passed on
    return stream.getvalue()


# --- tables -------------------------------------------------------------------------------------------------------


def test_a_table_is_aligned() -> None:
    """Numbers to the right with separators, text to the left, NULL as nothing, no blanks at the end of a line."""
    shown = written("table", ("status", "n", "url_id", "ratio", "note"), (200, 1455, 12345, 0.5, "ok"), (None, 3, 7, 1234567.8, None))
    assert [
        "status      n  url_id      ratio  note",
        "   200  1,455   12345        0.5  ok",
        "            3       7  1,234,568",
    ] == shown.splitlines()


def test_wide_characters_take_two_columns() -> None:
    """Korean titles, also decomposed ones, and combining accents stay in line."""
    rows: list[Row] = [("한국어", 1), ("\u1112\u1161\u11ab", 2), ("e\u0301", 3), ("abcdef", 4)]
    lines = written("table", ("title", "n"), *rows).splitlines()
    assert {9} == {text.width(line) for line in lines}


def test_long_cells_are_cut_to_the_terminal() -> None:
    """Addresses in the middle, where they differ least; other text at its end; numbers never."""
    row: Row = (123_456_789, "https://site.example/a/very/long/path/to/a/page.html", "A title that goes on and on and on")
    head, line = written("table", ("n", "url", "title"), row, width=50).splitlines()
    assert "123,456,789  https://…age.html  A title that goe…" == line
    assert "          n  url                title" == head


def test_more_columns_than_fit() -> None:
    """Nothing breaks when the terminal is too narrow; every column keeps a few letters."""
    line = written("table", tuple("abcdef"), tuple(["a long text"] * 6), width=20).splitlines()[1]
    assert ["a lon…"] * 6 == line.split("  ")


def test_remote_text_cannot_act_on_the_terminal() -> None:
    """Neither in cells nor in names of columns, whatever the stream."""
    for shown in (
        written("table", (HOSTILE,), (HOSTILE,)),
        written("table", ("t",), (HOSTILE,), width=30),
        *(written(form, ("t", HOSTILE), (HOSTILE, 1), terminal=True) for form in output.FORMATS),
    ):
        assert not [char for char in shown if text.is_hidden(char) and char not in "\r\n\t"]
        assert "[bold]" in shown or "…" in shown


def test_of_a_huge_cell_only_what_is_seen_is_looked_at() -> None:
    """Its beginning and its end: the middle is cut out anyway."""
    line = written("table", ("url",), ("https://x/" + "a" * 5_000_000 + "/end",), width=40).splitlines()[1]
    assert line.startswith("https://x/")
    assert line.endswith("a/end")
    assert 40 == len(line)


def test_a_pile_of_accents_is_no_single_letter() -> None:
    """Marks take no column, but a thousand of them are drawn over the neighbours."""
    line = written("table", ("t",), ("e" + "\u0301" * 10_000,), width=20).splitlines()[1]
    assert len(line) < 100


def test_blobs_are_shown_as_hex() -> None:
    """And a long one by its beginning."""
    assert ["b", "00ff", "00" * 32 + "…"] == written("table", ("b",), (b"\x00\xff",), (bytes(100),)).splitlines()


def test_rows_beyond_the_sample_are_written_too() -> None:
    """The widths are those of the first rows; later ones are not held back."""
    lines = written("table", ("n", "t"), *[(number, "x") for number in range(output.SAMPLE + 2)]).splitlines()
    assert output.SAMPLE + 3 == len(lines)
    assert "501  x" == lines[-1]


def test_an_empty_table_has_its_columns() -> None:
    """So that people see what was asked."""
    assert "a  b\n" == written("table", ("a", "b"))


# --- exact formats ------------------------------------------------------------------------------------------------

ODD: Row = (None, 1, -2.5, "a\tb\nc\\d\re", b"\x00\xff", 'say "a, b"')


def test_tsv_escapes_what_would_break_a_line() -> None:
    """Each row is one line with as many tabs as columns less one; it can be read back."""
    head, line = written("tsv", tuple("abcdef"), ODD).splitlines()
    assert "a\tb\tc\td\te\tf" == head
    assert '\t1\t-2.5\ta\\tb\\nc\\\\d\\re\t00ff\tsay "a, b"' == line
    assert HOSTILE in written("tsv", ("t",), (HOSTILE,))


def test_csv_is_rfc_4180() -> None:
    """CRLF, quotes where needed, quotes in quotes doubled; a reader gets back what was written."""
    shown = written("csv", tuple("abcdef"), ODD)
    assert shown.endswith('\r\n,1,-2.5,"a\tb\nc\\d\re",00ff,"say ""a, b"""\r\n')
    cells = ["", "1", "-2.5", "a\tb\nc\\d\re", "00ff", 'say "a, b"']
    assert [list("abcdef"), cells] == list(csv.reader(io.StringIO(shown, newline="")))
    assert HOSTILE in written("csv", ("t",), (HOSTILE,))
    assert "=1+1" in written("csv", ("t",), ("=1+1",)).splitlines()


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\xa0=1", "\u3000 =1", "\ufeff=1", "\x00=1"]
FORMULAS += ["\uff1d1", "\uff0b1", "\uff0d1", "\uff201"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_excel_safe_makes_text_of_formulas(cell: str) -> None:
    """OWASP's list, its full-width twins, and what a spreadsheet skips before it."""
    shown = written("csv", (cell,), (cell,), excel_safe=True)
    assert [[f"'{cell}"], [f"'{cell}"]] == list(csv.reader(io.StringIO(shown, newline="")))


@pytest.mark.parametrize("cell", ["a=1", "", "'=1", "https://x/?a=1", "한=1", " a"])
def test_excel_safe_leaves_other_text_and_numbers_alone(cell: str) -> None:
    """A number is a number, also a negative one."""
    shown = written("csv", ("a", "b"), (cell, -5), excel_safe=True)
    assert [["a", "b"], [cell, "-5"]] == list(csv.reader(io.StringIO(shown, newline="")))


def test_json_lines_are_exact_and_harmless() -> None:
    """One object a row; what a terminal would act on is escaped, which means the same to a program."""
    rows: list[Row] = [(HOSTILE, None, 1, b"\x00\xff", "한\U000e0041"), (float("inf"), 2**53 + 1, "", 0.1, "")]
    first, second = written("json", ("a", "b", "a", "c", "d"), *rows).splitlines()
    assert {"a": HOSTILE, "b": None, "a_2": 1, "c": "00ff", "d": "한\U000e0041"} == json.loads(first)
    assert {"a": None, "b": 2**53 + 1, "a_2": "", "c": 0.1, "d": ""} == json.loads(second)
    assert "한" in first
    assert not [char for char in first if text.is_hidden(char)]


@pytest.mark.parametrize("form", output.FORMATS)
def test_what_was_read_can_be_written(reader: Reader, form: output.Format) -> None:
    """A reader's rows go straight out, and are counted."""
    stream = io.StringIO()
    assert 5 == output.write(reader.rows("SELECT * FROM pages"), form, stream, width=80)
    assert stream.getvalue().count("\n") == 5 + (form != "json") or form == "csv"


# --- text ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain text", "plain text"),
        ("한국어 العربية", "한국어 العربية"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\nb\tc\rd", "a\\nb\\tc\\rd"),
        ("\x00\x7f\x85\x9b", "\\x00\\x7f\\x85\\x9b"),
        ("\u202a\u202e\u2066\u2069\u200e\u061c", "\\u202a\\u202e\\u2066\\u2069\\u200e\\u061c"),
        ("\u200b\u200d\u2060\ufeff\u00ad", "\\u200b\\u200d\\u2060\\ufeff\\xad"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\u3164\u115f", "\\u3164\\u115f"),
        ("\U000e0041\U000e0101", "\\U000e0041\\U000e0101"),
        ("\udc80", "\\udc80"),
        ("\\x1b", "\\x1b"),
        ("", ""),
    ],
)
def test_safe(raw: str, shown: str) -> None:
    """Controls, bidi, zero width, separators, fillers, tags and lone surrogates become visible."""
    assert shown == text.safe(raw)
    assert not [char for char in text.safe(raw) if text.is_hidden(char)]


@pytest.mark.parametrize("columns", range(8))
@pytest.mark.parametrize("middle", [True, False])
@pytest.mark.parametrize("raw", ["abcdefghij", "한국어한국어", "e\u0301" * 10, "ab", "", "a한b한c한d"])
def test_cut_text_fits(raw: str, *, middle: bool, columns: int) -> None:
    """Whatever the text; what fits is left alone."""
    short = text.cut(raw, columns, middle=middle)
    assert text.width(short) <= columns
    assert short == raw or short == text.ELLIPSIS[:columns] or text.ELLIPSIS in short
    if text.width(raw) <= columns and len(raw) <= 4 * columns:
        assert raw == short
