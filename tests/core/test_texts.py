"""The whole text of a page, word for word."""

from __future__ import annotations

import pytest

from crawler.core import parse, soup
from crawler.core.model import Kind
from crawler.core.tokens import clean


def whole(body: str, content_type: str = "text/html; charset=utf-8", parser: str = "lexbor") -> str | None:
    text = parse.read(body.encode(), url="http://h.test/", content_type=content_type, parser=parser, kind=Kind.A, whole=True).whole
    return None if text is None else clean(text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<p><b>W</b>ort und <a href=x>Verweis</a>e", "Wort und Verweise"),
        ("<ul><li>one<li>two</ul>three<br>four<img>five", "one two three four five"),
        ("<a><div>card</div></a>text<p>a</p><!-- -->b", "card text a b"),
        ("<p>Re<!-- -->act", "React"),
        ("<p><ruby>漢<rp>(</rp><rt>かん</rt><rp>)</rp>字</ruby>だ", "漢字だ"),
        ("<h1>話</h1>\n<p>毎晩\n灯を</p>", "話 毎晩灯を"),
        ("<div><h1>話</h1>\n毎晩</div>", "話 毎晩"),
        ("<p>one</p><b><i>two</i></b>, <code>three</code>.", "one two, three."),
        ("<nav>menu</nav><p>said<aside>aside</aside><footer>foot</footer><script>x()</script><style>y{}</style>", "said"),
        (f"<p>around<main><nav>contents</nav>{'main ' * 50}<aside>note</aside></main>", f"{'main ' * 50}note"),
        ("no markup at all", "no markup at all"),
        ("", ""),
    ],
)
def test_what_may_stand_within_a_word_does_not_part_it(body: str, text: str):
    assert text == whole(body)


@pytest.mark.parametrize("parser", ["lexbor", "lxml", "html.parser", "html5lib"])
def test_it_is_the_same_whatever_reads_the_links(parser: str):
    assert "Wörter und mehr" == whole("<nav>menu</nav><p>W<i>ör</i>ter<p>und mehr", parser=parser)


def test_xhtml_has_one_too_and_a_style_sheet_has_none():
    xhtml = '<html xmlns="http://www.w3.org/1999/xhtml"><head><title>t</title></head><body><p>a<b>b</b></p><p>c</p></body></html>'

    assert "ab c" == whole(xhtml, "application/xhtml+xml")
    assert whole("a { b: c }", "text/css") is None


def test_it_is_not_taken_unless_asked_for_and_changes_nothing_else():
    body = "<main>" + "<p>some <b>words</b> here</p>" * 20 + "<a href=x>x</a></main>"
    with_it, without = (
        parse.read(body.encode(), url="http://h.test/", content_type="text/html", kind=Kind.A, whole=asked) for asked in (True, False)
    )

    assert (without.whole, without.text, without.links) == (None, with_it.text, with_it.links)


def test_it_is_bounded():
    assert soup.WHOLE_CHARS >= len(soup.whole_of("<p>" + "word " * soup.WHOLE_CHARS))
    assert soup.MOST_NODES >= len(soup.whole_of("<i>x</i>" * 2 * soup.MOST_NODES))


@pytest.mark.parametrize(("body", "text"), [("Möwen".encode(), "Möwen"), ("\ufeffMöwen".encode("utf-16-le"), "Möwen"), (b"\0\1binary", None)])
def test_plain_text_is_text_unless_it_is_none(body: bytes, text: str | None):
    assert text == parse.plain(body, "text/plain")
