"""What the bytes of a page are: byte order mark, HTTP, prescan, UTF-8 trial and detection, in this order and by the standard's names."""

from __future__ import annotations

import codecs

import pytest
import webencodings.labels
from hypothesis import given
from hypothesis import strategies as st

from crawler.core import encodings
from crawler.core.encodings import ENCODINGS, LABELS, PRESCAN_BYTES, SAMPLE_BYTES, decode, encode_query, encoding_of, is_html, prescan

KOREAN = "서울의 날씨는 오늘 맑고 따뜻하겠습니다. 내일은 전국적으로 비가 내릴 것으로 보입니다. 우산을 꼭 챙기시기 바랍니다. "
JAPANESE = "東京の天気は今日晴れて暖かいでしょう。明日は全国的に雨が降る見込みです。傘を忘れずにお持ちください。"
RUSSIAN = "Сегодня в Москве ясно и тепло. Завтра по всей стране ожидаются дожди, не забудьте взять с собой зонт. "
FORBIDDEN = ("zlib", "idna", "utf-7", "rot13", "punycode", "unicode_escape", "base64", "hex", "bz2", "utf-32", "cp037", "mbcs", "undefined")
"""Names that Python's `codecs` knows, and the Encoding standard does not."""


def page(text: str, codec: str = "utf-8") -> bytes:
    return f"<!doctype html><title>x</title><p>{text}</p>".encode(codec)


def declared(label: str, *, at: int = 0) -> bytes:
    return b"<!doctype html>" + b" " * at + f'<meta charset="{label}">'.encode()


# --- what counts before what --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mark", "name"), [("\ufeff".encode(), "utf-8"), (codecs.BOM_UTF16_BE, "utf-16be"), (codecs.BOM_UTF16_LE, "utf-16le")])
def test_a_byte_order_mark_beats_every_declaration(mark: bytes, name: str) -> None:
    """HTML standard, 13.2.3.2: the mark is certain, HTTP only says so."""
    body = mark + declared("euc-kr")

    assert name == encoding_of(body, "text/html; charset=shift_jis")


def test_http_beats_the_page_itself() -> None:
    assert "shift_jis" == encoding_of(declared("euc-kr"), "text/html; charset=Shift_JIS")


def test_the_page_beats_the_utf_8_trial() -> None:
    """A declared page is what it says, even where its bytes would pass for UTF-8."""
    assert "iso-8859-2" == encoding_of(declared("latin2") + "é".encode(), "text/html")


def test_valid_utf_8_needs_no_declaration() -> None:
    assert ["utf-8"] * 3 == [encoding_of(page(text), "text/html") for text in (KOREAN, JAPANESE, "naïve")]


def test_ascii_alone_falls_back_to_windows_1252() -> None:
    """The standard's fallback: it decides how a query is encoded."""
    assert "windows-1252" == encoding_of(page("plain"), None)
    assert "windows-1252" == encoding_of(b"", None)


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (KOREAN, "cp949", "euc-kr"),
        (KOREAN, "euc_kr", "euc-kr"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8_r", "koi8-r"),
    ],
)
def test_an_undeclared_page_is_detected_and_reads_as_it_was_written(text: str, codec: str, name: str) -> None:
    body = page(text, codec)
    found = encoding_of(body, "text/html")

    assert text in decode(body, name)
    if codec != "iso2022_jp":   # seven bits only: to a browser, too, an undeclared one is ASCII
        assert name == found


@pytest.mark.parametrize(("text", "codec", "name"), [(KOREAN, "cp949", "euc-kr"), (JAPANESE, "euc_jp", "euc-jp"), (JAPANESE, "cp932", "shift_jis")])
def test_a_character_cut_at_the_end_of_the_sample_misleads_nobody(text: str, codec: str, name: str) -> None:
    """Long text without a space or a tag, shifted by one byte: one of the two is cut in the middle of a character."""
    raw = (text.replace(" ", "") * 400).encode(codec)

    assert 2 * SAMPLE_BYTES < len(raw)
    assert [name, name] == [encoding_of(b"<p>" + shift + raw, None) for shift in (b"", b"x")]


def test_a_body_cut_inside_a_character_is_utf_8_all_the_same() -> None:
    """A body may be cut at parse_size or in transit, so its last character may be unfinished, and no other."""
    body = "<p>한국어".encode()

    assert ["utf-8", "utf-8"] == [encoding_of(body[:-cut], None) for cut in (1, 2)]
    assert "utf-8" != encoding_of(body[:-1] + b"</p>", None)


# --- names and labels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("euc-kr", "euc-kr"),
        ("ks_c_5601-1987", "euc-kr"),
        ("windows-949", "euc-kr"),
        ("iso-8859-1", "windows-1252"),
        ("us-ascii", "windows-1252"),
        ("latin1", "windows-1252"),
        ("iso-8859-9", "windows-1254"),
        ("tis-620", "windows-874"),
        ("shift_jis", "shift_jis"),
        ("x-sjis", "shift_jis"),
        ("gb2312", "gbk"),
        ("utf8", "utf-8"),
        ("iso-2022-kr", "replacement"),
    ],
)
def test_a_label_means_what_the_encoding_standard_says(label: str, name: str) -> None:
    assert name == encoding_of(page("x"), f"text/html; charset={label}")
    assert name == encoding_of(page("x"), f'text/html;charset="{label.upper()}"')
    assert name == prescan(declared(label))


def test_every_label_of_an_independent_table_is_ours_too() -> None:
    """webencodings lists the standard's labels of 2012; since then only new ones came, and two moved to `replacement`."""
    differ = {label for label, name in webencodings.labels.LABELS.items() if LABELS.get(label) != name}

    assert set() == differ
    assert len(webencodings.labels.LABELS) < len(LABELS)


def test_characters_beyond_the_old_standards_are_read_as_browsers_do() -> None:
    """EUC-KR is Windows code page 949, Shift_JIS 932, GB 2312 is GB 18030, ISO 8859-1 is windows-1252."""
    assert "똠" == decode("똠".encode("cp949"), "euc-kr")
    assert "①髙" == decode("①髙".encode("cp932"), "shift_jis")
    assert "镕😀" == decode("镕😀".encode("gb18030"), "gbk")
    assert "“€”\x81" == decode(b"\x93\x80\x94\x81", "windows-1252")
    assert "\uf780a" == decode(b"\x80a", "x-user-defined")
    assert "\ufffd" == decode(b"~{whatever", "replacement")


def test_every_encoding_can_decode_every_byte() -> None:
    every = bytes(range(256)) * 2

    assert all(isinstance(decode(every, name), str) for name in ENCODINGS)
    assert "" == decode(b"", "replacement")


@pytest.mark.parametrize("label", [*FORBIDDEN, "", "no-such-thing", "../../etc/passwd", "x" * 5000, "utf-8\0", "ｕｔｆ-8"])
def test_a_label_outside_the_standard_is_ignored_everywhere(label: str) -> None:
    """Above all the codecs that unpack or look things up; what remains is the guess."""
    body = declared(label) + KOREAN.encode()

    assert label.lower() not in LABELS
    assert "utf-8" == encoding_of(body, f"text/html; charset={label}")
    assert prescan(declared(label)) is None


def test_an_ignored_label_of_http_leaves_the_word_to_the_page() -> None:
    assert "euc-kr" == encoding_of(declared("euc-kr"), "text/html; charset=zlib")


# --- the prescan --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [
        b"<meta charset=euc-kr>",
        b"<META CHARSET='EUC-KR'>",
        b"<meta name=x charset=euc-kr/>".replace(b"/>", b" />"),
        b"<meta\x0ccharset\n=\t euc-kr\r>",
        b'<meta http-equiv=Content-Type content="text/html; charset=euc-kr">',
        b"<meta content='text/html; charset = \"euc-kr\"' http-equiv=content-type>",
        b"<!-- <meta charset=utf-8> --><meta charset=euc-kr>",
        b"<p title='<meta charset=utf-8>'><meta charset=euc-kr>",
        b"<meta charset=zlib><meta charset=euc-kr>",
        b"<meta charset=euc-kr charset=utf-8>",
        b"<!--><meta charset=euc-kr>",
        b'<?xml version="1.0" encoding="euc-kr"?><html>',
    ],
)
def test_a_declaration_is_found_wherever_the_standard_looks(head: bytes) -> None:
    assert "euc-kr" == prescan(head)


@pytest.mark.parametrize(
    "head",
    [
        b"<!-- <meta charset=euc-kr> -->",
        b"<p title='<meta charset=euc-kr>'>",
        b"</p title='<meta charset=euc-kr>'>",
        b"<metal charset=euc-kr>",
        b'<meta content="text/html; charset=euc-kr">',
        b'<meta http-equiv=refresh content="text/html; charset=euc-kr">',
        b"<meta charset=euc-kr",
        b"<meta charset='euc-kr",
        b"charset=euc-kr",
        b"<!-- <meta charset=euc-kr>",
        b"",
        b"<",
    ],
)
def test_what_only_looks_like_a_declaration_is_none(head: bytes) -> None:
    assert prescan(head) is None


def test_utf_16_in_a_declaration_that_reads_as_ascii_is_utf_8() -> None:
    assert ["utf-8"] * 3 == [prescan(declared(label)) for label in ("utf-16", "utf-16le", "utf-16be")]
    assert "windows-1252" == prescan(declared("x-user-defined"))


@pytest.mark.parametrize("name", ["utf-16le", "utf-16be"])
def test_utf_16_without_a_mark_is_seen_by_its_zeros(name: str) -> None:
    body = "<p>한국어".encode(name)

    assert name == encoding_of(body, None)
    assert "<p>한국어" == decode(body, name)
    assert is_html(body, None)


def test_a_late_declaration_counts_only_where_nothing_else_tells() -> None:
    """Browsers find it while they parse and start again; valid UTF-8 is UTF-8."""
    late = declared("koi8-r", at=PRESCAN_BYTES)

    assert prescan(late[:PRESCAN_BYTES]) is None
    assert "koi8-r" == encoding_of(late, None)
    assert "koi8-r" == encoding_of(late + RUSSIAN.encode("koi8_r"), None)
    assert "utf-8" == encoding_of(late + RUSSIAN.encode(), None)


# --- wrong declarations, arbitrary bytes --------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["utf-8", "euc-kr", "shift_jis", "iso-2022-jp", "utf-16le", "big5", "gb18030", "windows-1255", "replacement"])
def test_a_wrong_declaration_costs_characters_and_nothing_else(said: str) -> None:
    body = page(RUSSIAN, "koi8_r") + b"\xff\xfe\x80"

    assert said == encoding_of(body, f"text/html; charset={said}")
    assert decode(body, said)


@given(st.binary(max_size=400), st.none() | st.text(max_size=40) | st.sampled_from([f"text/html; charset={label}" for label in LABELS]))
def test_whatever_the_bytes_an_encoding_is_named_and_decodes_them(body: bytes, content_type: str | None) -> None:
    name = encoding_of(body, content_type)

    assert name in ENCODINGS
    assert isinstance(decode(body, name), str)
    assert is_html(body, content_type) in (True, False)


@given(st.lists(st.sampled_from([b"<meta ", b"charset", b"=", b"'", b'"', b"utf-8", b">", b"<", b"/", b"!--", b"-->", b" ", b"a", b"<p", b"?xml"]), max_size=40))
def test_no_head_however_broken_stops_the_prescan(parts: list[bytes]) -> None:
    assert prescan(b"".join(parts)) in {None, "utf-8"}


def test_a_head_full_of_openings_is_prescanned_in_linear_time() -> None:
    """100 times the bytes that anyone looks at, in shapes that backtrack: the test's own timeout is the judge."""
    for shape in (b"<meta charset=", b"<", b"<!--", b"<a b=c ", b"<a '", b"charset=<meta content=charset ", b"<?xml encoding="):
        assert prescan(shape * (100 * PRESCAN_BYTES // len(shape))) in LABELS.values() or True


# --- queries ------------------------------------------------------------------------------------------------------


def test_a_query_is_spelt_in_the_encoding_of_its_page() -> None:
    """URL standard, percent-encode after encoding; path and fragment are not touched."""
    assert "/날?q=%BC%AD%BF%EF&r=a b#서" == encode_query("/날?q=서울&r=a b#서", "euc-kr").replace("%20", " ")
    assert "?q=%93%FA" == encode_query("?q=日", "shift_jis")
    assert "?q=%D0" == encode_query("?q=п", "koi8-r")


def test_a_character_that_the_encoding_lacks_becomes_a_reference() -> None:
    assert "?q=%26%2349436%3B" == encode_query("?q=서", "windows-1252")


@pytest.mark.parametrize("name", ["utf-8", "utf-16le", "utf-16be", "x-user-defined", "replacement"])
def test_a_page_in_utf_leaves_its_queries_alone(name: str) -> None:
    assert "?q=서" == encode_query("?q=서", name)


@given(st.text(max_size=30), st.sampled_from(sorted(ENCODINGS)))
def test_any_query_can_be_encoded(text: str, name: str) -> None:
    href = "/?" + text
    spelt = encode_query(href, name)

    assert spelt.startswith("/?")
    assert "#" in spelt or "#" not in href


# --- HTML or not --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "is_page"),
    [
        (b"plain", "text/html", True),
        (b"plain", "TEXT/HTML ; charset=x", True),
        (b"<p>", "application/xhtml+xml", True),
        (b"<p>", "text/plain", False),
        (b"<p>", "application/pdf", False),
        (b"<html>", "image/svg+xml", False),
        (b"%PDF-1.4 <p>", "text/html", False),
        (b"\x89PNG\r\n", "text/html", False),
        (b"<!doctype html>", None, True),
        (b" \n<P>", "", True),
        (b"<?xml version='1.0'?><html >", None, True),
        (b"<rss>", None, False),
        (b"plain", None, False),
        (b"", None, False),
        (b"<p>", "garbage", True),
        (b"\xef\xbb\xbf<p>", None, True),
    ],
)
def test_a_body_is_a_page_when_it_says_so_or_looks_so(body: bytes, content_type: str | None, is_page: bool) -> None:  # noqa: FBT001
    assert is_page == is_html(body, content_type)


def test_detection_loads_its_detector_only_when_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 60 ms: pages that declare, are ASCII or are UTF-8 never pay."""
    monkeypatch.setattr(encodings, "_detect", lambda _body: pytest.fail("asked without need"))

    for body, content_type in ((page("x"), None), (page(KOREAN), None), (page(KOREAN, "cp949"), "text/html; charset=euc-kr")):
        encoding_of(body, content_type)
