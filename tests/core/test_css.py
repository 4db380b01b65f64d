"""What a style sheet refers to, and what only looks like it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.css import MAX_URLS, urls_of

QUARTER = 256 * 1024


@pytest.mark.parametrize(
    "sheet",
    [
        "a { background: url(x.png) }",
        "a{background:url('x.png')}",
        'a{background:URL( "x.png" )no-repeat}',
        "a{background:url(\n\tx.png\f)}",
        "url(x.png",
        "url('x.png",
        "src('x.png')",
        "@import 'x.png';",
        '@IMPORT"x.png"screen;',
        "@import/**/url(x.png) layer(a) supports(display: grid) screen;",
        "@import url('x.png');",
        "@import 'x.png",
        r"\75rl(x.png)",
        "\\000075\r\nRL(x.png)",
        r"@\69mport 'x.png'",
        r"url(\78 .png)",
        r"url('\78.png')",
        "url('x\\\n.png')",
        "--photo:url(x.png)",
        "}}url(x.png)",
        "'it\\'s' url(x.png)",
        "'cut off\nurl(x.png)",
        "/* ' */url(x.png)/* \" */",
        "/**/url(x.png)/*",
        "a/url(x.png)/b",
        "10%url(x.png)",
        "calc(1px*(2 + 3))url(x.png)",
        "url(x.png)url( x.png)",
        "<!-- @import 'x.png'; -->",
        "<!--url(x.png)-->",
        "@media print{a{background:url(x.png)}}",
        "\\\nurl(x.png)",
    ],
)
def test_references_in_every_spelling(sheet):
    assert ("x.png",) == urls_of(sheet)


@pytest.mark.parametrize(
    "sheet",
    [
        "",
        "/* url(x) */",
        "/* url(x)",
        "a::before{content:'url(x)'}",
        'a::before{content:"\\"url(x)"}',
        "xurl(x)",
        "-url(x)",
        "url-prefix(x)",
        "url (x)",
        "#url(x)",
        "@url(x)",
        "1url(x)",
        "éurl(x)",
        r"\url\(x)",
        r"x\url(x)",
        "url()",
        "url('')",
        "url(  )",
        "url(a b)",
        "url(a'b)",
        "url(a(b)",
        "url('x\n')",
        "url(a\x01b)",
        "url(data:image/png;base64,AA==)",
        "url('DATA:,x')",
        "url( ' data:,x')",
        "url(#gradient)",
        "url('#gradient')",
        "@namespace url(http://www.w3.org/1999/xhtml);",
        "@namespace svg url('http://www.w3.org/2000/svg');",
        "@namespace 'http://www.w3.org/2000/svg';",
        "@charset 'utf-8';",
        "@font-feature-values 'x';",
        "@imports 'x';",
        "@import x;",
        "format('woff2')",
        "image-set(type('x') 1x)",
        "image-set()",
        "image-set('x\n)",
    ],
)
def test_what_is_no_reference(sheet):
    assert () == urls_of(sheet)


def test_references_come_in_order_and_without_repeats():
    sheet = """@import "a.css"; @import url(b.css) print;
    @font-face { src: url(f.woff2) format("woff2") tech(variations), local("no"), url("f.ttf") }
    .x { background: url(c.png), url(a.css); mask: url( bad url ) url(d.png) }"""

    assert ("a.css", "b.css", "f.woff2", "f.ttf", "c.png", "d.png") == urls_of(sheet)


def test_strings_of_an_image_set_are_references_and_those_of_functions_inside_are_not():
    sheet = """a { background: -webkit-image-set("1" 1x, url(2) 2x type("no"), url("3") calc((1 + 1) * 1x), '4' 3x); content: "no" }
    b { background: IMAGE-SET( /* "no" */ "5" type('no') 1dppx, \\75rl(6) 2x, src("7"), image-set("no") ) "no" }"""

    assert ("1", "2", "3", "4", "5", "6", "7") == urls_of(sheet)


@pytest.mark.parametrize("end", [";", "}", "{"])
def test_an_image_set_that_is_never_closed_does_not_run_on(end):
    assert ("1", "2") == urls_of(f"image-set('1' 1x {end} content: 'no' url(2)")


def test_escapes_are_resolved():
    assert ("a)b", "é", "(", "x y") == urls_of(r"url(a\)b) url(\e9) url('\28') url(x\20y)")


@pytest.mark.parametrize("escape", ["0", "000000", "d800", "DFFF", "110000", "ffffff"])
def test_an_escape_of_no_character_is_a_replacement(escape):
    assert ("\ufffdx",) == urls_of(rf"url(\{escape} x)")


def test_a_bad_reference_ends_at_its_parenthesis():
    assert ("2",) == urls_of(r"url(a b\) url(1) url(2)")


def test_there_is_a_limit():
    assert MAX_URLS == len(urls_of(" ".join(f"url({number})" for number in range(MAX_URLS + 1))))
    assert MAX_URLS == len(urls_of("image-set(" + ",".join(f"'{number}'" for number in range(MAX_URLS + 1))))


@pytest.mark.parametrize(
    "part",
    [
        *("url(", 'url("', "url(a)", "url(a b)", "/*", "/**/", "a", "a ", "a(", "\\", "\\a ", "a\\", "@", "@import", '@import "', "'", '"\n', "#"),
        *("image-set(", 'image-set("a', "image-set(a ", "url(\\", "é", "{", "@namespace ", "@namespace/**/", "/", "src(", "u\\72l(x)", "-"),
    ],
)
def test_a_quarter_of_a_megabyte_of_anything_takes_linear_time(part):
    """Half a second at most each (2 cores of 2020); what is not linear takes minutes."""
    started = time.process_time()
    urls_of(part * (QUARTER // len(part)))

    assert time.process_time() - started < 10


PARTS = ["url(", "u\\72l(", ")", "'", '"', "image-set(", "@import", "@namespace", "/*", "*/", "\\", "\n", " ", "a", "#", ";", "{", "data:", "\0", "\ud800"]


@given(st.lists(st.sampled_from(PARTS)).map("".join) | st.text())
def test_any_text_is_read(sheet):
    for url in urls_of(sheet):
        assert url
        assert url[0] != "#"
        assert not url.lower().startswith("data:")
