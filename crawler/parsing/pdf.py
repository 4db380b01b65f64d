"""The links of PDF documents, with pypdf where it is installed (`pip install steadycrawl[pdf]`).

pypdf is written in Python and reads what it can of broken files; whoever calls this bounds its time, as a parser process is
bounded. Only the objects on the way to the links are read, never what the pages show.
"""

from __future__ import annotations

import io
import itertools
import logging
import warnings
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pypdf import PdfReader

MAX_PAGES = 2_000
MAX_LINKS = 5_000
MAX_NODES = 20_000
"""Entries of the page tree that are looked at; a hostile tree names one page a thousand times on each of ten levels."""
MAX_ANNOTATIONS = 50_000
"""Of all pages together, links or not."""

_TYPES = frozenset({"application/pdf", "application/x-pdf"})
_UNKNOWN_TYPES = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})
_MARK = b"%PDF-"
_HEAD_BYTES = 1024
"""How far into a file its mark may stand (PDF 1.7, implementation note 13)."""
_SILENT = logging.CRITICAL + 1
_STRIPPED = "".join(map(chr, range(0x21)))


def is_pdf(body: bytes, content_type: str | None) -> bool:
    """Tell whether a body is to be read as PDF: it says so and is, or says nothing and begins like one (MIME Sniffing, 7.1)."""
    mime = (content_type or "").partition(";")[0].strip().lower()
    if mime in _TYPES:
        return _MARK in body[:_HEAD_BYTES]
    return (mime in _UNKNOWN_TYPES or "/" not in mime) and body.startswith(_MARK)


def links(body: bytes) -> tuple[str, ...] | None:
    """Return the URLs that a document's links open, in page order and without repeats.

    None when the file cannot be read, or when pypdf is not there to do it.
    """
    try:
        import pypdf  # an extra, and 200 ms to load: only where there is a PDF
    except ImportError:
        return None
    logging.getLogger("pypdf").setLevel(_SILENT)    # a broken file is worth hundreds of lines to it
    found: dict[str, None] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for written in _uris(pypdf.PdfReader(io.BytesIO(body), strict=False)):
                if url := written.strip(_STRIPPED):
                    found[url] = None
                if len(found) == MAX_LINKS:
                    break
        except Exception:  # noqa: BLE001 - what a broken file makes pypdf raise is anything: its own errors, KeyError, RecursionError
            return tuple(found) or None
    return tuple(found)


def _uris(reader: PdfReader) -> Iterator[str]:
    """Yield what the link annotations of a document open."""
    left = MAX_ANNOTATIONS
    for page in itertools.islice(_pages(reader), MAX_PAGES):
        annotations = _resolved(page.get("/Annots"))
        for annotation in annotations[:left] if isinstance(annotations, list) else ():
            left -= 1
            found = _resolved(annotation)
            action = _resolved(found.get("/A")) if isinstance(found, dict) and found.get("/Subtype") == "/Link" else None
            uri = _resolved(action.get("/URI")) if isinstance(action, dict) and action.get("/S") == "/URI" else None
            if isinstance(uri, bytes):      # one that is in no encoding of a PDF
                yield uri.decode("utf-8", "replace")
            elif isinstance(uri, str):
                yield uri


def _pages(reader: PdfReader) -> Iterator[dict[object, object]]:
    """Yield the pages of a document, each object once: `reader.pages` would first expand the whole tree."""
    waiting: list[object] = [dict.get(reader.root_object, "/Pages")]
    seen = set()
    left = MAX_NODES
    while waiting:
        node = waiting.pop()
        if isinstance(node, Hashable):      # a reference; what stands in the tree itself is a dictionary
            if node in seen:
                continue
            seen.add(node)
        node = _resolved(node)
        if not isinstance(node, dict):
            continue
        kids = _resolved(node.get("/Kids"))
        if isinstance(kids, list):
            waiting += reversed(kids[:left])
            left -= min(left, len(kids))
        else:
            yield node


def _resolved(value: object) -> object:
    """Return what a reference stands for."""
    from pypdf.generic import PdfObject  # loaded by now, if it is there at all

    return value.get_object() if isinstance(value, PdfObject) else value
