"""What the elements of an XML document are, and that reading them is safe."""

from __future__ import annotations

import itertools
import time
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.xhtml import MOST_ATTRIBUTES, MOST_TAGS, TITLE_CHARS, elements

XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
SVG = 'xmlns="http://www.w3.org/2000/svg"'
XLINK = 'xmlns:xlink="http://www.w3.org/1999/xlink"'
STRICT = '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">'
MEGABYTE = 1024 * 1024

Found = list[tuple[str, dict[str, str], str]]


def read(document: str | bytes, encoding: str = "utf-8") -> Found | None:
    found = elements(document.encode() if isinstance(document, str) else document, encoding)
    return None if found is None else list(found)


# --- which elements -----------------------------------------------------------------------------------------------


def test_elements_of_an_xhtml_page_come_in_order_with_attributes_and_title():
    found = read(
        f"""<?xml version="1.0" encoding="iso-8859-1"?>{STRICT}<html {XHTML} xml:lang="de" lang="de"><head>
        <title>Öl &amp; <!-- no --><![CDATA[<Essig>]]></title><base href="/b/"/></head>
        <body><p>text</p><a href="x?a=1&amp;b=2" rel="next">y</a></body></html>"""
    )

    assert [
        ("html", {"xml:lang": "de", "lang": "de"}, ""),
        ("head", {}, ""),
        ("title", {}, "Öl & <Essig>"),
        ("base", {"href": "/b/"}, ""),
        ("body", {}, ""),
        ("p", {}, ""),
        ("a", {"href": "x?a=1&b=2", "rel": "next"}, ""),
    ] == found


def test_prefixes_are_but_names():
    found = read(
        """<h:html xmlns:h="http://www.w3.org/1999/xhtml" xmlns:s="http://www.w3.org/2000/svg" xmlns:l="http://www.w3.org/1999/xlink">
        <h:a href="1"/><s:a l:href="2" l:title="t"/></h:html>"""
    )

    assert [("html", {}, ""), ("a", {"href": "1"}, ""), ("a", {"xlink:href": "2", "xlink:title": "t"}, "")] == found


def test_a_title_is_that_of_the_document():
    page = f"<html {XHTML}><svg {SVG}><title>no</title></svg><title>page<b>no</b> title</title></html>"
    drawing = f"<svg {SVG}><title>drawing</title><g><title>no</title></g></svg>"

    assert ["", "page title"] == [text for name, _, text in read(page) or () if name == "title"]
    assert ["drawing", ""] == [text for name, _, text in read(drawing) or () if name == "title"]
    assert TITLE_CHARS == len((read(f"<html {XHTML}><title>{'x' * 2 * TITLE_CHARS}</title></html>") or [])[1][2])


def test_of_other_elements_those_with_an_xlink_come():
    found = read(f'<book {XLINK} xmlns="urn:x"><link href="no" rel="no" xlink:href="1"/><a href="no"/><b xmlns="" xlink:href="2"/></book>')

    assert [("link", {"xlink:href": "1"}, ""), ("b", {"xlink:href": "2"}, "")] == found


def test_attributes_of_other_namespaces_are_left_out():
    assert [("a", {"href": "1"}, "")] == read(f'<a {XHTML} xmlns:x="urn:x" x:href="no" href="1" x:rel="no"/>')


def test_style_sheets_of_the_prolog_come_as_elements():
    found = read(
        f"""<?xml version="1.0"?><?xml-stylesheet type="text/css" href="a.css?x&amp;y"?>
        <?xml-stylesheet alternate='yes' href = 'b.xsl'?><?xml-stylesheet data-href="no"?><?other href="no"?>
        <svg {SVG}><?xml-stylesheet href="no"?></svg><?xml-stylesheet href="no"?>"""
    )

    assert [("xml-stylesheet", {"href": "a.css?x&y"}, ""), ("xml-stylesheet", {"href": "b.xsl"}, ""), ("svg", {}, "")] == found


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16le", "utf-16be", "windows-1252", "euc-kr", "shift_jis", "gb18030"])
def test_the_given_encoding_counts_and_not_the_declared_one(encoding):
    codec = {"windows-1252": "cp1252"}.get(encoding, encoding)
    document = f'<?xml version="1.0" encoding="koi8-r"?><a {XHTML} href="x" title="{"é" if codec == "cp1252" else "あ"}"/>'

    assert read(document) == read(document.encode(codec), encoding) != []


@pytest.mark.parametrize(("mark", "encoding"), [(b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16le"), (b"\xfe\xff", "utf-16be")])
def test_a_byte_order_mark_is_no_text(mark, encoding):
    assert [("a", {}, "")] == read(mark + f"<a {XHTML}/>".encode(encoding), encoding)


# --- what is broken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        "",
        " ",
        "text",
        "<",
        f"<html {XHTML}><p></html>",
        f"<html {XHTML}><br></html>",
        f"<a {XHTML} href=x/>",
        f"<a {XHTML} hidden/>",
        f"<a {XHTML} x='1' x='2'/>",
        f"<a {XHTML}>&</a>",
        f"<a {XHTML} href='?a&b'/>",
        f"<a {XHTML}>&unknown;</a>",
        f"<x:a {XHTML}/>",
        f"<a {XHTML}/><a {XHTML}/>",
        f"<a {XHTML}>\x01</a>",
        "<html><a href='x'/></html>",
        "<svg><a href='x'/></svg>",
    ],
)
def test_a_document_that_is_not_well_formed_is_none(document):
    assert read(document) is None


def test_bytes_that_are_no_utf_8_are_not_well_formed():
    assert read(f"<a {XHTML}>".encode() + b"\xff</a>") is None


# --- entities -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("doctype", ["", "<!DOCTYPE html>", STRICT])
def test_entities_of_html_are_known(doctype):
    found = read(f"{doctype}<html {XHTML}><title>a&nbsp;&mdash;&NotEqualTilde;b</title>&copy;<a href='caf&eacute;?a&amp;b&lt;'/></html>")

    assert [("html", {}, ""), ("title", {}, "a\xa0—≂̸b"), ("a", {"href": "café?a&b<"}, "")] == found


def test_entities_that_a_document_declares_are_expanded_in_attributes():
    """So drawing programs write their namespaces. Its own meaning of a name goes before HTML's."""
    found = read('<!DOCTYPE svg [<!ENTITY ns "http://www.w3.org/2000/svg"><!ENTITY eacute "E">]><svg xmlns="&ns;"><a href="&eacute;"/></svg>')

    assert [("svg", {}, ""), ("a", {"href": "E"}, "")] == found


@pytest.mark.parametrize(
    "document",
    [
        '<!DOCTYPE a [<!ENTITY e SYSTEM "{file}">]><svg {SVG}>&e;</svg>',
        '<!DOCTYPE a [<!ENTITY e SYSTEM "{file}">]><svg {SVG} class="&e;"/>',
        '<!DOCTYPE a [<!ENTITY e SYSTEM "{file}">]><svg {SVG}><title>&e;</title></svg>',
        '<!DOCTYPE a [<!ENTITY % e SYSTEM "{dtd}"> %e;]><svg {SVG} class="&from_dtd;"/>',
        '<!DOCTYPE a SYSTEM "{dtd}"><svg {SVG} class="&from_dtd;"/>',
        '<!DOCTYPE svg SYSTEM "{dtd}"><svg {SVG}/>',
        '<svg {SVG} xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{file}"/></svg>',
        '<?xml-model href="{file}"?><svg {SVG}/>',
    ],
)
def test_nothing_outside_of_the_document_is_read(document, tmp_path: Path):
    file, dtd = tmp_path / "secret.xml", tmp_path / "secret.dtd"
    file.write_text(f'<a {XHTML} href="secret">secret</a>')
    dtd.write_text('<!ENTITY from_dtd "secret"><!ATTLIST svg id CDATA "secret">')

    for scheme in ("file://", ""):
        spelt = {"{file}": f"{scheme}{file}", "{dtd}": f"{scheme}{dtd}", "{SVG}": SVG}
        for name, value in spelt.items():
            document = document.replace(name, value)

        assert "secret" not in repr(read(document))


def nested(levels: int) -> str:
    """Ten times the one before, on each level: the last, `&k;`, would be a hundred gigabytes."""
    names = "abcdefghijk"[: levels + 1]
    lines = ['<!ENTITY {} "{}">'.format(name, f"&{before};" * 10) for before, name in itertools.pairwise(names)]
    return f'<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">{"".join(lines)}]>'


LONG = "<!DOCTYPE svg [<!ENTITY a '{}'>]>".format("a" * 100_000)
BOMBS = {
    "nested, in text": f"{nested(10)}<svg {SVG}>&k;</svg>",
    "nested, in an attribute": f"{nested(10)}<svg {SVG} class='&k;'/>",
    "long, in text": f"{LONG}<svg {SVG}>{'&a;' * 100_000}</svg>",
    "long, in an attribute": f"{LONG}<svg {SVG} class='{'&a;' * 100_000}'/>",
    "long, in attributes": "{}<svg {}>{}</svg>".format(LONG, SVG, "<a class='&a;'/>" * 10_000),
    "endless": f"<!DOCTYPE svg [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><svg {SVG} class='&a;'/>",
    "deep": f"<svg {SVG}>{'<g>' * 1_000}{'</g>' * 1_000}</svg>",
    "wide": f"<svg {SVG}>{'<g/>' * (MOST_TAGS - 1)}</svg>",
}


@pytest.mark.parametrize("document", BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(document):
    started = time.process_time()

    assert read(document) is None
    assert time.process_time() - started < 5


def test_of_many_attributes_the_first_are_looked_at():
    """A hundred thousand take half a minute in lxml."""
    started = time.process_time()
    attributes = " ".join(f"a{number}='x'" for number in range(100_000))
    found = read(f"<svg {SVG} {attributes}/>")

    assert found is not None
    assert MOST_ATTRIBUTES == len(found[0][1])
    assert time.process_time() - started < 5


@pytest.mark.parametrize("part", ["<a ", "<a>", "<a/>", "<", "&", "&nbsp;", "&amp;", "&a", "<?a?>", "<!--", "<![CDATA[", "<!ENTITY ", "]]>", "<title/>"])
def test_half_a_megabyte_of_anything_takes_linear_time(part):
    started = time.process_time()
    read(f"<svg {SVG}>{part * (MEGABYTE // 2 // len(part))}</svg>")
    read(f"<?xml-stylesheet {part.strip('<?>') * (MEGABYTE // 2 // len(part))}?><svg {SVG}/>")
    read(f"<!DOCTYPE svg [{part * (MEGABYTE // 2 // len(part))}]><svg {SVG}/>")

    assert time.process_time() - started < 10


PARTS = [f"<svg {SVG}>", "</svg>", f"<a {XHTML} href='&e;'/>", "<!DOCTYPE a [<!ENTITY e 'x'>]>", "<?xml-stylesheet href='x'?>", "&nbsp;", "&e;", "<title>", "</title>", "<!--", "-->", "\0"]


@given(
    st.binary() | (st.lists(st.sampled_from(PARTS)).map("".join) | st.text()).map(lambda text: text.encode("utf-8", "replace")),
    st.sampled_from(["utf-8", "utf-16le", "shift_jis", "iso-2022-jp", "x-user-defined", "replacement", "windows-874"]),
)
def test_any_body_is_read(body, encoding):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, attributes, text in read(body, encoding) or ():
            assert name
            assert all(isinstance(value, str) for value in (text, *attributes, *attributes.values()))
