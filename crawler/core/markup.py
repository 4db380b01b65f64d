"""XML as the web has it: which root a document has, and its elements one after the other, whatever is wrong with it.

Three invariants:
- libxml2 never sees a document type. The prolog is read here and dropped, and a document that brings declarations of its own
  is refused: so there are no entities, external or of a billion laughs, and no default attributes;
- no tree is built, and depth, marks and pieces of text are counted after every piece: time is linear and memory bounded;
- what was read before a document breaks is kept, and what is broken in the usual ways (an ampersand in a URL, HTML's names
  for characters, control characters, white space before the declaration) is put right before it can break anything.
"""

from __future__ import annotations

import abc
import re
from collections.abc import Iterator, Mapping
from html.entities import html5

import msgspec

from crawler.core import encodings

PROLOG_BYTES = 64 * 1024
"""How far the root element is looked for."""
MAX_MARKS = 1_200_000
"""`<` in a document, at most twice for an element: 50,000 pages in ten languages have a million. A second."""
MAX_SPACE = 256
"""Characters of a namespace: it is written once, and becomes a part of every name in it."""
MAX_DEPTH = 200
MAX_TEXTS = 1_000_000
"""Pieces of one text: each reference is one."""
MAX_REPAIRS = 500_000
"""Repairs of one document; then it breaks where it is broken."""

XML = "{http://www.w3.org/XML/1998/namespace}"

_PIECE = 256 * 1024
_LONGEST = 16 * 1024 * 1024
"""How long a piece may be; libxml2 itself breaks off in a text of 10 MB."""
_SPACE = re.compile(rb"[\t-\r \0]*+")
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_UTF8_MARK = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_STATEFUL = frozenset({"iso-2022-jp", "replacement"})
_ROOT = re.compile(rb"<((?:[^\x00-,/:-@\[-^`{-~]+:)?[^\x00-,/:-@\[-^`{-~]+)(?=[\x00-\x20/>])")
_DOCTYPE = re.compile(rb"<!doctype[\x00-\x20]*([^\x00-\x20\[>\"']*)(?:[^\[>\"']|\"[^\"]*\"|'[^']*')*+([\[>])", re.IGNORECASE)
_SUBSET_END = re.compile(rb"\][\x00-\x20]*>")
_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\r"})
_OPEN, _CLOSE = "<![CDATA[", "]]>"
_SURROGATES = r"5529[6-9]|55[3-9]\d\d|56\d{3}|57[0-2]\d\d|573[0-3]\d|5734[0-3]"
_UNREADABLE = re.compile(
    r"&(?:(?!(?:amp|lt|gt|quot|apos|\#(?:[0-9]{1,7}|x[0-9A-Fa-f]{1,6}));)"
    rf"|(?=\#(?:0*(?:[0-8]|1[124-9]|2\d|3[01]|{_SURROGATES})"
    r"|x0*(?:[0-8BCEFbcef]|1[0-9A-Fa-f]|[Dd][89A-Fa-f][0-9A-Fa-f]{2}|[Ff]{3}[EFef]));))"
    r"([A-Za-z][A-Za-z0-9]{1,31};)?",
    re.ASCII,
)
"""An ampersand that is no reference XML knows, with the name it may have in HTML; or a reference to no character."""
_KNOWN_NAMES, _KNOWN_NAME = 200, 200
"""Names that are remembered while a document is read, and how long one may be."""
_WIDTHLESS_AND_WIDE = (0x7F, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x200C), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000, 0xFEFF)
_BLANK = "".join(map(chr, (*range(0x21), *_WIDTHLESS_AND_WIDE)))


class Enough(Exception):
    """Raised by a reader that wants no more of a document."""


class Prolog(msgspec.Struct, frozen=True, gc=False):
    """What stands before the content of a document."""

    root: str
    """The root element's name without its prefix, in lower case; as the document type has it when that takes all the room."""
    at: int
    """Where it begins."""
    declaration: bytes
    """The XML declaration, or nothing."""
    declares: bool
    """The document type has declarations of its own."""


class _Names(dict[str, str]):
    """Names of elements without their namespaces, in lower case."""

    def __missing__(self, tag: str) -> str:
        name = local(tag)
        if len(self) < _KNOWN_NAMES and len(tag) <= _KNOWN_NAME:
            self[tag] = name
        return name


class Reader(abc.ABC):
    """Goes through a document. Subclasses say in `begin` which texts they want, and get them in `take`."""

    def __init__(self) -> None:
        self.path: list[str] = []
        """Names of the elements that are open, without prefixes and in lower case."""
        self.texts: list[str] = []
        """The text since an element began, or since a text was taken."""
        self.data = self.texts.append
        self._names = _Names()
        self.complete = False
        """The root element has been left."""
        self._taking = 0
        """At which depth the text is that is being taken; its elements are part of it."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Enter an element."""
        name = self._names[tag]
        if not self._taking:
            if self.begin(name, tag, attributes):
                self._taking = len(self.path) + 1
            self.texts.clear()
        self.path.append(name)

    def end(self, _tag: str) -> None:
        """Leave an element."""
        path = self.path
        if self._taking == len(path):
            self._taking = 0
            self.take(path[-1], trimmed("".join(self.texts)))
            self.texts.clear()
        path.pop()
        self.complete = not path

    def start_ns(self, _prefix: str, space: str) -> None:
        """Look at the declaration of a namespace; those of an element come before it."""
        if len(space) > MAX_SPACE:
            raise Enough

    @abc.abstractmethod
    def begin(self, name: str, tag: str, attributes: Mapping[str, str]) -> bool:
        """Look at an element; return whether its text is wanted. `tag` has the namespace in braces."""

    @abc.abstractmethod
    def take(self, name: str, text: str) -> None:
        """Take the text of an element that was wanted; `path` ends with it."""

    def close(self) -> None:  # noqa: B027 - the parser calls it
        """Do nothing: what was read is asked for elsewhere."""


def prolog(body: bytes) -> Prolog | None:
    """Return what stands before the content; None for what has no root element near its beginning."""
    head = narrow(body[:PROLOG_BYTES])
    at = _after_space(head, len(_UTF8_MARK) if head.startswith(_UTF8_MARK) else 0)
    declaration, name, declares = b"", b"", False
    while head.startswith((b"<?", b"<!"), at):
        if head.startswith(b"<?", at):
            end = head.find(b"?>", at) + 2
            if head.startswith(b"<?xml", at) and not declaration:
                declaration = head[at:end]
        elif head.startswith(b"<!--", at):
            end = head.find(b"-->", at + 4) + 3
        else:
            kind = _DOCTYPE.match(head, at)
            if kind is None:
                return None
            end = kind.end()
            if kind[2] == b"[":
                after = _SUBSET_END.search(head, end)
                name, declares, end = kind[1], True, after.end() if after else 0
        if end <= at:
            break
        at = _after_space(head, end)
    if root := _ROOT.match(head, at):
        name = root[1]
    return Prolog(local(name.decode("utf-8", "replace")), at, declaration, declares) if name else None


def walk(body: bytes, content_type: str | None, reader: Reader) -> bool:
    """Lead *reader* through a document; return whether it went to the end."""
    import lxml.etree  # 30 ms, and many crawls meet no XML

    body = narrow(body)
    opening = prolog(body)
    if opening is None or opening.declares:
        return False
    parser = lxml.etree.XMLParser(
        target=reader, encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
    )
    repair, marks = _Repair(), 0
    try:
        for piece in pieces(body, opening.at, encoding_of(body, opening.declaration, content_type)):
            parser.feed(repair(piece).encode("utf-8", "replace").translate(None, _CONTROLS))
            marks += piece.count("<")
            if marks > MAX_MARKS or len(reader.path) > MAX_DEPTH or len(reader.texts) > MAX_TEXTS:
                return reader.complete
        parser.close()
    except (Enough, lxml.etree.LxmlError):
        return reader.complete
    return True


def pieces(body: bytes, at: int, encoding: str, end: bytes = b">") -> Iterator[str]:
    """Yield the text from *at* on in pieces of 256 KiB and up to the next *end*.

    Neither a reference nor the mark of a CDATA section can be cut in two then; and no encoding but the stateful ones has that
    byte within a character.
    """
    while at < len(body):
        stop = (body.find(end, at + _PIECE, at + _LONGEST) + 1 or at + _LONGEST) if encoding not in _STATEFUL else len(body)
        piece = body[at:stop]
        yield piece.decode("ascii") if piece.isascii() and encoding not in _STATEFUL else encodings.decode(piece, encoding)
        at = stop


def trimmed(text: str) -> str:
    """Strip white space of every kind, also what has no width: people paste it."""
    text = text.strip()
    return text.strip(_BLANK) if text[:1] in _BLANK or text[-1:] in _BLANK else text


def local(tag: str) -> str:
    """Return the name of an element without namespace and prefix, in lower case."""
    return tag.rpartition("}")[2].rpartition(":")[2].lower()


def _after_space(head: bytes, at: int) -> int:
    found = _SPACE.match(head, at)
    return found.end() if found else at


def narrow(body: bytes) -> bytes:
    """Return UTF-16 as UTF-8 with its mark, and all else as it is."""
    if not body.startswith(_WIDE):
        return body
    encoding = encodings.encoding_of(body[:2] + b"\0", None)
    return _UTF8_MARK + encodings.decode(body, encoding).encode("utf-8", "replace")


def encoding_of(body: bytes, declaration: bytes, content_type: str | None) -> str:
    """Tell by mark, header and declaration; and by the look of the first bytes that could tell, where none of these does."""
    if body.startswith(_UTF8_MARK):
        return "utf-8"
    if encodings.prescan(declaration):
        return encodings.encoding_of(declaration, content_type)
    first = _NOT_ASCII.search(body)
    return encodings.encoding_of(body[first.start() : first.start() + _PIECE], content_type) if first else "utf-8"


class _Repair:
    """Puts right what would break a document. CDATA sections, where everything stands for itself, are left alone."""

    def __init__(self) -> None:
        self._inside = False
        self._left = MAX_REPAIRS

    def __call__(self, text: str) -> str:
        found, at = [], 0
        while at < len(text):
            mark = _CLOSE if self._inside else _OPEN
            end = text.find(mark, at)
            stop = len(text) if end < 0 else end + len(mark)
            found.append(text[at:stop] if self._inside else self._readable(text[at:stop]))
            self._inside = self._inside != (end >= 0)
            at = stop
        return "".join(found)

    def _readable(self, text: str) -> str:
        text, repairs = _UNREADABLE.subn(_reference, text, max(1, self._left))
        self._left -= repairs
        return text


def _reference(found: re.Match[str]) -> str:
    name = found[1] or ""
    chars = html5.get(name)
    return "&amp;" + name if chars is None else "".join(f"&#{ord(char)};" for char in chars)
