"""Which bytes are HTML and in which encoding they are: order of evidence, labels, decoding, queries."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core import encodings
from crawler.core.encodings import ENCODINGS, LABELS, SAMPLE_BYTES, decode, encode_query, encoding_of, is_html, prescan

KOREAN = "요청하신 페이지를 찾을 수 없습니다. 주소를 확인해 주세요."


def page(text: str, encoding: str, head: str = "") -> bytes:
    return f"<html><head>{head}</head><body><p>{text}</p></body></html>".encode(encoding)


# --- the order of evidence ----------------------------------------------------------------------------------------


def test_a_byte_order_mark_beats_everything():
    assert "utf-8" == encoding_of(b"\xef\xbb\xbf<meta charset=euc-kr>", "text/html; charset=shift_jis")
    assert "utf-16le" == encoding_of(b"\xff\xfe<\0p\0", "text/html; charset=utf-8")
    assert "utf-16be" == encoding_of(b"\xfe\xff\0<\0p", None)


def test_the_header_beats_the_page():
    assert "euc-kr" == encoding_of(b"<meta charset=utf-8>", "text/html; charset=EUC-KR")
    assert "utf-8" == encoding_of(b"<meta charset=euc-kr>", 'text/html;charset="utf-8"')


@pytest.mark.parametrize("nonsense", ["utf-7", "utf-32", "zlib", "rot13", "idna", "base64", "unicode_escape", "", "x" * 100_000])
def test_what_the_standard_does_not_list_is_no_encoding(nonsense):
    """Names that Python's codecs would know must not get there (and `utf-7` is an attack)."""
    assert "windows-1252" == encoding_of(f"<meta charset={nonsense}>".encode(), f"text/html; charset={nonsense}")


def test_a_declaration_in_the_page_beats_the_look_of_its_bytes():
    assert "windows-1251" == encoding_of(page("é", "utf-8", '<meta charset="windows-1251">'), None)


def test_bytes_that_are_valid_utf8_are_utf8():
    assert "utf-8" == encoding_of(page(KOREAN, "utf-8"), "text/html")


def test_a_body_cut_inside_a_character_is_still_utf8():
    """Bodies are cut at a size: the last character may be unfinished."""
    whole = page(KOREAN, "utf-8")
    start = whole.index("요".encode())

    assert {"utf-8"} == {encoding_of(whole[:end], None) for end in range(start + 3, start + 30)}


def test_ascii_alone_proves_nothing():
    """The standard's fallback; it decides how a query with a character reference is encoded."""
    assert "windows-1252" == encoding_of(b"<p>plain</p>", "text/html")


def test_a_late_declaration_counts_when_nothing_else_tells():
    late = b"<!--" + b"x" * 2000 + b"--><meta charset=koi8-r><p>"

    assert "koi8-r" == encoding_of(late, None)
    assert "koi8-r" == encoding_of(late + "Привет".encode("koi8-r"), None)


def test_utf16_without_a_mark_is_seen_by_its_first_character():
    assert "utf-16le" == encoding_of("<html>".encode("utf-16-le"), "text/html")
    assert "utf-16be" == encoding_of("<html>".encode("utf-16-be"), "text/html")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("euc-kr", KOREAN),
        ("shift_jis", "お探しのページは見つかりませんでした。アドレスを確認してください。"),
        ("euc-jp", "お探しのページは見つかりませんでした。アドレスを確認してください。"),
        ("big5", "您要找的網頁不存在，請檢查網址後再試一次。"),
        ("gb18030", "您访问的页面不存在，请检查地址后重试。"),
        ("windows-1251", "Страница не найдена. Проверьте адрес и попробуйте ещё раз позже."),
        ("windows-1252", "Nous sommes désolés, la page demandée n'a pas été trouvée. Vérifiez l'adresse."),
    ],
)
@pytest.mark.parametrize("menu", [0, 500])
def test_undeclared_pages_are_detected_among_markup(encoding, text, menu):
    """However much ASCII lies around the text."""
    markup = "<li><a href='/index.html'>Home page</a>" * menu
    body = f"<ul>{markup}</ul><p>{text}</p><ul>{markup}</ul>".encode(ENCODINGS[encoding][0])

    assert text in decode(body, encoding_of(body, "text/html"))


def test_a_long_text_is_cut_between_words():
    body = ("<p>" + (KOREAN + " ") * 2000).encode("cp949")

    assert "euc-kr" == encoding_of(body, None)


# --- the prescan --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"<meta charset='utf-16le'>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<META HTTP-EQUIV=Content-Type CONTENT='text/html; charset = \"big5\"'>", "big5"),
        (b"<meta content='text/html; charset=big5'>", None),
        (b"<meta charset=bogus><meta charset=koi8-r>", "koi8-r"),
        (b"</meta charset=koi8-r>", None),
        (b"<?xml version='1.0' encoding='EUC-JP'?><html>", "euc-jp"),
        (b"<?xml version='1.0' encoding='UTF-16'?><html>", "utf-8"),
        (b"<?xml version='1.0' encoding='euc-jp'?><meta charset=koi8-r>", "koi8-r"),
        (b"<?xml encoding='euc-jp'?><meta charset='koi8-r", "euc-jp"),
        (b"<!-- <meta charset=big5> ", None),
        (b"<!--><meta charset=big5>", "big5"),
        (b"<a =charset=big5 charset><meta / charset = big5 >", "big5"),
        (b"<meta charset=>", None),
        (b"", None),
    ],
)
def test_the_prescan_reads_as_the_standard_says(head, expected):
    assert expected == prescan(head)


@given(st.binary(max_size=64) | st.text("<>!-/= \"'metachrsuf8;?x", max_size=80).map(str.encode))
def test_the_prescan_survives_everything(head):
    assert prescan(head) in {None, *ENCODINGS}


@pytest.mark.parametrize("piece", [b"<", b"<!--", b"<meta ", b"<meta charset", b"<a b='", b"<a =", b"<?xml ", b"charset=", b"\xff", b"<!"])
def test_the_search_for_an_encoding_is_linear(piece):
    """A megabyte of anything is over before anyone notices (the tests' own timeout is the judge)."""
    assert encoding_of(piece * (1_000_000 // len(piece)), None) in ENCODINGS


# --- labels and decoding ------------------------------------------------------------------------------------------


def test_the_labels_are_those_of_the_standard():
    """webencodings carries the standard's own table."""
    labels = pytest.importorskip("webencodings.labels")

    assert dict(labels.LABELS) == LABELS


def test_labels_that_mean_something_else_than_they_say():
    assert ("euc-kr", "windows-1252", "windows-1252", "gbk", "shift_jis", "windows-1254", "windows-874") == tuple(
        LABELS[label] for label in ("ks_c_5601-1987", "iso-8859-1", "ascii", "gb2312", "windows-31j", "latin5", "tis-620")
    )


@pytest.mark.parametrize(
    ("encoding", "data", "text"),
    [
        ("euc-kr", b"\x8c\x63", "\ub620"),     # in cp949 only, not in the old EUC-KR
        ("shift_jis", b"\x87\x40", "①"),
        ("gbk", b"\x81\x30\x81\x30", "\x80"),
        ("windows-1252", b"\x80\x81", "€\x81"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("replacement", b"anything", "\ufffd"),
        ("replacement", b"", ""),
        ("utf-8", b"\xef\xbb\xbfa\xff", "a\ufffd"),
        ("utf-16le", b"\xff\xfea\0", "a"),
        ("utf-16be", b"\xfe\xff\0a", "a"),
    ],
)
def test_bytes_become_what_a_browser_makes_of_them(encoding, data, text):
    assert text == decode(data, encoding)


@given(st.binary(max_size=40), st.sampled_from(sorted(ENCODINGS)))
def test_every_encoding_decodes_everything(data, encoding):
    decode(data, encoding).encode()


def test_every_codec_exists():
    for codec, _ in ENCODINGS.values():
        if codec:
            codecs.lookup(codec)


# --- queries ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("href", "encoding", "expected"),
    [
        ("/♥/you?c=€", "iso-8859-15", "/♥/you?c=%A4"),
        ("?q=한글#한글", "euc-kr", "?q=%C7%D1%B1%DB#한글"),
        ("?q=表", "shift_jis", "?q=%95\\"),
        ("?q=한", "windows-1252", "?q=%26%2354620%3B"),
        ("?a=%41&b=é", "windows-1252", "?a=%41&b=%E9"),
        ("/é", "windows-1252", "/é"),
        ("?é", "utf-8", "?é"),
        ("?é", "utf-16le", "?é"),
        ("?é", "replacement", "?é"),
    ],
)
def test_a_query_is_in_the_encoding_of_its_page(href, encoding, expected):
    assert expected == encode_query(href, encoding)


# --- what is HTML -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content_type", "body", "expected"),
    [
        ("text/html", b"anything", True),
        ("Text/HTML; charset=x", b"", True),
        ("application/xhtml+xml", b"", True),
        ("text/plain", b"<!doctype html>", False),
        ("image/png", b"<html>", False),
        ("application/json", b"<html>", False),
        (None, b" \n<!DOCTYPE HTML>", True),
        ("", b"<html>", True),
        ("nonsense", b"<A HREF=x>", True),
        ("application/unknown", b"<!-- a --><p>", True),
        (None, b"<?xml version='1.0'?>\n<html xmlns='x'>", True),
        (None, b"<?xml version='1.0'?><rss>", False),
        (None, b"<abbr>", False),
        (None, b"plain", False),
        (None, "<html>".encode("utf-16"), True),
        (None, b"\xef\xbb\xbf<html>", True),
        (None, b"", False),
        ("text/html", b"\x89PNG\r\n\x1a\n<a href=x>", False),
        ("text/html", b"%PDF-1.7 <a href=x>", False),
    ],
)
def test_what_is_read_as_html(content_type, body, expected):
    assert expected is is_html(body, content_type)


def test_no_remote_word_reaches_the_codecs(monkeypatch):
    def lookup(name):
        raise AssertionError(f"codecs.lookup({name!r})")

    monkeypatch.setattr(codecs, "lookup", lookup)

    assert "windows-1252" == encodings.encoding_of(b"<meta charset=zlib_codec>", "text/html; charset=bz2")


# --- longer texts, wrong words, arbitrary bytes ----------------------------------------------------------------------

LONG_KOREAN = "서울의 날씨는 오늘 맑고 따뜻하겠습니다. 내일은 전국적으로 비가 내릴 것으로 보입니다. 우산을 꼭 챙기시기 바랍니다. "
JAPANESE = "東京の天気は今日晴れて暖かいでしょう。明日は全国的に雨が降る見込みです。傘を忘れずにお持ちください。"
RUSSIAN = "Сегодня в Москве ясно и тепло. Завтра по всей стране ожидаются дожди, не забудьте взять с собой зонт. "


def passage(text: str, codec: str = "utf-8") -> bytes:
    return f"<!doctype html><title>x</title><p>{text}</p>".encode(codec)


def declared(label: str) -> bytes:
    return f'<!doctype html><meta charset="{label}">'.encode()


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        (LONG_KOREAN, "cp949", "euc-kr"),
        (LONG_KOREAN, "euc_kr", "euc-kr"),
        (JAPANESE, "shift_jis", "shift_jis"),
        (JAPANESE, "euc_jp", "euc-jp"),
        (JAPANESE, "iso2022_jp", "iso-2022-jp"),
        (RUSSIAN, "cp1251", "windows-1251"),
        (RUSSIAN, "koi8_r", "koi8-r"),
    ],
)
def test_an_undeclared_page_is_detected_and_reads_as_it_was_written(text: str, codec: str, name: str):
    body = passage(text, codec)
    found = encoding_of(body, "text/html")

    assert text in decode(body, name)
    if codec != "iso2022_jp":   # seven bits only: to a browser, too, an undeclared one is ASCII
        assert name == found


@pytest.mark.parametrize(
    ("text", "codec", "name"), [(LONG_KOREAN, "cp949", "euc-kr"), (JAPANESE, "euc_jp", "euc-jp"), (JAPANESE, "cp932", "shift_jis")]
)
def test_a_character_cut_at_the_end_of_the_sample_misleads_nobody(text: str, codec: str, name: str):
    """Long text without a space or a tag, shifted by one byte: one of the two is cut in the middle of a character."""
    raw = (text.replace(" ", "") * 400).encode(codec)

    assert 2 * SAMPLE_BYTES < len(raw)
    assert [name, name] == [encoding_of(b"<p>" + shift + raw, None) for shift in (b"", b"x")]


def test_an_ignored_label_of_http_leaves_the_word_to_the_page():
    assert "euc-kr" == encoding_of(declared("euc-kr"), "text/html; charset=zlib")


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
def test_a_declaration_is_found_wherever_the_standard_looks(head: bytes):
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
def test_what_only_looks_like_a_declaration_is_none(head: bytes):
    assert prescan(head) is None


@pytest.mark.parametrize(
    "said", ["utf-8", "euc-kr", "shift_jis", "iso-2022-jp", "utf-16le", "big5", "gb18030", "windows-1255", "replacement"]
)
def test_a_wrong_declaration_costs_characters_and_nothing_else(said: str):
    body = passage(RUSSIAN, "koi8_r") + b"\xff\xfe\x80"

    assert said == encoding_of(body, f"text/html; charset={said}")
    assert decode(body, said)


@given(st.binary(max_size=400), st.none() | st.text(max_size=40) | st.sampled_from([f"text/html; charset={label}" for label in LABELS]))
def test_whatever_the_bytes_an_encoding_is_named_and_decodes_them(body: bytes, content_type: str | None):
    name = encoding_of(body, content_type)

    assert name in ENCODINGS
    assert isinstance(decode(body, name), str)
    assert is_html(body, content_type) in (True, False)


@given(st.text(max_size=30), st.sampled_from(sorted(ENCODINGS)))
def test_any_query_can_be_encoded(text: str, name: str):
    href = "/?" + text
    spelt = encode_query(href, name)

    assert spelt.startswith("/?")
    assert "#" in spelt or "#" not in href


def test_detection_loads_its_detector_only_when_it_must(monkeypatch: pytest.MonkeyPatch):
    """It takes 60 ms: pages that declare, are ASCII or are UTF-8 never pay."""
    monkeypatch.setattr(encodings, "_detect", lambda _body: pytest.fail("asked without need"))

    encoding_of(passage("x"), None)
    encoding_of(passage(LONG_KOREAN), None)
    encoding_of(passage(LONG_KOREAN, "cp949"), "text/html; charset=euc-kr")


def test_a_late_declaration_beats_a_guess():
    """What no detector can know: one letter, in an encoding that is rare."""
    assert "iso-8859-2" == encoding_of(b"<p>" + b" " * 1024 + b"<meta charset=latin2>\xb1", None)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("서울", ("utf-8", "utf-16le", "utf-16be", "euc-kr", "gb18030")),
        ("日本語", ("utf-8", "shift_jis", "euc-jp", "iso-2022-jp", "gbk")),
        ("漢字", ("big5", "gbk", "gb18030")),
        ("Привет", ("windows-1251", "koi8-r", "koi8-u", "ibm866", "iso-8859-5", "x-mac-cyrillic")),
        ("Ελλάδα", ("windows-1253", "iso-8859-7")),
        ("żółw", ("windows-1250", "iso-8859-2")),
        ("שלום", ("windows-1255", "iso-8859-8", "iso-8859-8-i")),
        ("سلام", ("windows-1256", "iso-8859-6")),
        ("ไทย", ("windows-874",)),
        ("İstanbul", ("windows-1254",)),
        ("é", ("windows-1252", "macintosh", "iso-8859-15", "windows-1258")),
    ],
)
def test_an_encoding_reads_its_own_letters(text, names):
    pythons = {"iso-8859-8-i": "iso-8859-8", "macintosh": "mac-roman", "windows-874": "cp874", "x-mac-cyrillic": "mac-cyrillic"}
    for name in names:
        assert text == decode(text.encode(pythons.get(name, name)), name)
