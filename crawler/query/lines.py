"""A stored body as lines of text, so that two versions of it can be compared. For the eye: what a page says, not how it looks."""

from __future__ import annotations

from selectolax.lexbor import LexborHTMLParser

from crawler.core import encodings

BLOCKS = (
    "address,article,aside,blockquote,br,caption,dd,details,dialog,div,dl,dt,fieldset,figcaption,figure,footer,form,h1,h2,h3,h4,h5,h6,"
    "header,hr,legend,li,main,nav,ol,option,p,pre,section,summary,table,tbody,td,tfoot,th,thead,title,tr,ul"
)
"""What begins and ends a line. A cell of a table is one, for a row may be long."""
SILENT = "script,style,template,noscript"
_BREAK = "\x1e"     # a control character that HTML does not let through into a text


def is_text(mime: str | None, body: bytes) -> bool:
    """Tell whether a body is worth comparing line by line."""
    kind = (mime or "").lower()
    if kind.startswith("text/") or kind.endswith(("json", "xml", "javascript")):
        return True
    return not kind and b"\0" not in body[:8_192]


def source_lines(body: bytes, mime: str | None, charset: str | None) -> list[str]:
    """Return the lines of a body as it was sent."""
    return _decoded(body, mime, charset).splitlines()


def text_lines(body: bytes, mime: str | None, charset: str | None) -> list[str]:
    """Return what a page says, a line for each block; of what is no HTML the lines as they are."""
    text = _decoded(body, mime, charset)
    if not encodings.is_html(body, mime):
        return text.splitlines()
    tree = LexborHTMLParser(text.replace(_BREAK, " "))
    for node in reversed(tree.css(SILENT)):      # the inner ones first: what is within an element goes with it
        node.decompose()
    for node in tree.css("pre"):
        node.replace_with(_BREAK.join(["", *node.text(deep=True).splitlines(), ""]))
    for node in tree.css(BLOCKS):
        node.insert_before(_BREAK)
        node.insert_after(_BREAK)
        if node.first_child is not None:
            node.first_child.insert_before(_BREAK)
    root = tree.root
    said = "" if root is None else root.text(deep=True, separator="")
    return [line for part in said.split(_BREAK) if (line := " ".join(part.split()))]


def _decoded(body: bytes, mime: str | None, charset: str | None) -> str:
    encoding = charset if charset in encodings.ENCODINGS else encodings.encoding_of(body, mime)
    return encodings.decode(body, encoding)
