"""How XHTML, SVG and other XML is read for links: its elements, as XML parsers see them and HTML parsers do not.

Nothing outside of the document is ever loaded. Entities that it declares itself are expanded in attributes only (drawing
programs keep their namespaces in them); libxml2 refuses those that grow out of proportion. Those of HTML are known in every
document, not only in those that name the W3C's DTD.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from html.entities import html5

from lxml import etree

from crawler.core import encodings

MOST_TAGS = 400_000
"""Tags of a document, counted by their `<`; a tree of more would take over 100 MB, so it counts as broken."""
MOST_ATTRIBUTES = 256
"""Of one element. Each is looked up among those before it: 100,000 would take a minute."""
TITLE_CHARS = 16 * 1024

XHTML = "http://www.w3.org/1999/xhtml"
SVG = "http://www.w3.org/2000/svg"
XLINK_HREF = "xlink:href"

_NAMES = {f"{{http://www.w3.org/1999/xlink}}{name}": f"xlink:{name}" for name in ("href", "title", "type", "show", "role")} | {
    f"{{http://www.w3.org/XML/1998/namespace}}{name}": f"xml:{name}" for name in ("lang", "base", "id", "space")
}
_WITHOUT_NAMESPACE = frozenset({"html", "svg"})
_STYLESHEET = "xml-stylesheet"
_PSEUDO_HREF = re.compile(r"(?<![^\s])href\s*+=\s*+(?:\"([^\"]*+)\"|'([^']*+)')")
_XML_ENTITIES = frozenset({b"amp", b"lt", b"gt", b"quot", b"apos"})
_ENTITY = re.compile(rb"&([A-Za-z][0-9A-Za-z]{0,31}+);")
_HTML_ENTITIES = {
    name[:-1].encode(): "".join(f"&#{ord(char)};" for char in text).encode()
    for name, text in html5.items()
    if name.endswith(";") and name[:-1].encode() not in _XML_ENTITIES
}
_DECLARED = re.compile(rb"<!ENTITY\s++([0-9A-Za-z]++)\s")

Element = tuple[str, dict[str, str], str]


def elements(body: bytes, encoding: str) -> Iterator[Element] | None:
    """Return (local name, attributes, text) of a document's elements, in its order; None when it is not well-formed.

    Elements of XHTML and SVG come with all attributes that have no namespace, and with `xlink:` and `xml:` ones under these
    names; of other elements those with an `xlink:href` come, with that alone. Text is what a title says: that of an XHTML
    page, or of an SVG document as a whole. `<?xml-stylesheet?>` comes as an element of that name. A root `html` or `svg`
    that lacks its namespace makes a document that browsers would show as bare XML; it counts as broken, too.
    """
    if encoding != "utf-8":
        body = encodings.decode(body, encoding).encode("utf-8", "replace")
    body = body.removeprefix(b"\xef\xbb\xbf")
    if body.count(b"<") > MOST_TAGS:
        return None
    try:
        root = etree.fromstring(_without_html_entities(body), _parser())
    except (etree.LxmlError, ValueError):
        return None
    return None if root.tag in _WITHOUT_NAMESPACE else _elements(root)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",       # whatever the document declares: it was decoded before
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=False,
        remove_comments=True,
    )       # and not collect_ids=False, for which libxml2 loads the DTD after all


def _without_html_entities(body: bytes) -> bytes:
    """Spell HTML's named characters as numbers, but for those that the document declares itself."""
    if b"&" not in body:
        return body
    own = frozenset(_DECLARED.findall(body)) if b"<!ENTITY" in body else frozenset()
    return _ENTITY.sub(lambda found: found[0] if found[1] in own else _HTML_ENTITIES.get(found[1], found[0]), body)


def _elements(root: etree._Element) -> Iterator[Element]:
    before = [node for node in root.itersiblings(preceding=True) if isinstance(node, etree._ProcessingInstruction)]  # noqa: SLF001 - the class has no other name
    for instruction in reversed(before):
        if instruction.target == _STYLESHEET and (found := _PSEUDO_HREF.search(instruction.text or "")):
            yield _STYLESHEET, {"href": html.unescape(found[1] if found[2] is None else found[2])}, ""
    for element in root.iter(etree.Element):
        namespace, _, name = str(element.tag)[1:].rpartition("}")
        if namespace in (XHTML, SVG):
            titled = name == "title" and (namespace == XHTML or element.getparent() is root)
            yield name, _attributes(element), _text(element) if titled else ""
        elif href := element.get("{http://www.w3.org/1999/xlink}href"):
            yield name or str(element.tag), {XLINK_HREF: href}, ""


def _attributes(element: etree._Element) -> dict[str, str]:
    keys = element.keys()[:MOST_ATTRIBUTES]
    return {_NAMES.get(key, key): element.get(key, "") for key in keys if key[0] != "{" or key in _NAMES}


def _text(title: etree._Element) -> str:
    """Return the text of a title itself, not that of elements inside: of titles in titles each is looked at once."""
    return "".join((title.text or "", *(child.tail or "" for child in title)))[:TITLE_CHARS]
