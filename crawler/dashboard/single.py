"""One URL: why it was, was not or will be fetched, and what is stored of it. And pages found by their words."""

from __future__ import annotations

import time
from typing import NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from crawler import words
from crawler.archive.reading import BodyMissing, open_body
from crawler.core import encodings, tokens
from crawler.dashboard.browse import DESK, PIECE, send
from crawler.dashboard.desk import NotThere
from crawler.dashboard.gate import status_of
from crawler.dashboard.rendering import page
from crawler.query import search as searching
from crawler.query import wording
from crawler.query.errors import QueryError
from crawler.query.explain import explain
from crawler.query.facts import Explanation, Stored
from crawler.query.reader import Reader
from crawler.text import safe

SOURCE = 256 * 1024
"""Bytes of a stored page that are shown."""
PARSED = 64 * 1024
"""Bytes of it that are read for its text where no index has it: half a second for the worst of markup, in which nobody else is answered."""
MARKUP = ("text/html", "application/xhtml+xml")
LONGEST_ASKED = 8 * 1024
"""Characters of a URL that somebody may ask for: some more than a crawl takes, as in a line of a seed file."""
RESULTS = 50
_LABEL = 14
"""Columns that the words of an explanation begin at."""
_TEXT = "SELECT t.packed FROM page_text t JOIN url u USING (url_id) WHERE u.url_id = ? AND t.fetch_id = u.page_id"

routes = web.RouteTableDef()


@routes.get("/explain")
async def show_explanation(request: web.Request) -> web.StreamResponse:
    """Explain a URL."""
    asked = asked_url(request)
    found = await request.app[DESK].ask(lambda reader: explain(reader, asked))
    lines = wording.lines(found, time.time(), whole=True)
    kept = found.known is not None and found.known.stored is not None and found.known.stored.file is not None
    return page(
        request, "explain.html", here="explain", title=f"Explain {found.url or asked}", url=asked, lines=lines, facts=_facts(lines),
        stored=_href("/stored", asked) if kept else None, remote=found.url, error=found.problem,
        hint=None if found.problem is None else "Try a whole address, such as https://example.org/page.",
        status=200 if found.problem is None else 400,
    )  # fmt: skip


class Fact(NamedTuple):
    """A line of an explanation; one that goes on has no label."""

    label: str
    text: str


def _facts(lines: list[str]) -> list[Fact]:
    return [Fact(line[2:_LABEL].strip(), line[_LABEL:]) for line in lines[1:] if line.startswith("  ")]


@routes.get("/stored")
async def show_stored(request: web.Request) -> web.StreamResponse:
    """Show the source and the text of a stored page, as text."""
    asked = asked_url(request)

    def read(reader: Reader) -> tuple[Stored, bytes, str | None]:
        found, stored = _stored(reader, asked)
        with open_body(reader.file.parent, stored.file or "", stored.offset, stored.length) as body:
            source = body.read(SOURCE)
        return stored, source, _indexed(reader, found) or _text_of(source, stored)

    try:
        stored, source, text = await request.app[DESK].ask(read)
    except BodyMissing as error:
        raise NotThere(str(error), "Try another copy of the folder, or crawl it again.") from None
    cut = None
    if b"\0" in source and not (stored.charset or "").startswith("utf-16"):
        source, cut = b"", "It is no text; the file can be taken away."
    elif (stored.bytes or 0) > SOURCE:
        cut = f"The first {words.size(SOURCE)} of {words.size(stored.bytes or 0)}."
    return page(
        request, "stored.html", here="explain", title=f"Stored: {asked}", url=asked, cut=cut,
        source=encodings.decode(source, _charset(source, stored)), text=text, mime=safe(stored.mime or "no media type"),
        bytes=words.size(stored.bytes or 0), download=_href("/stored/file", asked), error=None, hint=None,
    )  # fmt: skip


@routes.get("/stored/file")
async def send_stored(request: web.Request) -> web.StreamResponse:
    """Send a stored body, as a file that no browser opens as a page."""
    asked = asked_url(request)
    desk = request.app[DESK]
    _, stored = await desk.ask(lambda reader: _stored(reader, asked))
    headers = {"Content-Disposition": 'attachment; filename="page.txt"', "Content-Security-Policy": "sandbox; default-src 'none'"}
    opened = open_body(desk.folder, stored.file or "", stored.offset, stored.length)
    try:
        body = await desk.run(opened.__enter__)
        try:
            piece = await desk.run(lambda: body.read(PIECE))
            response = web.StreamResponse(headers=headers)
            response.content_type = "text/plain"
            await response.prepare(request)
            while piece:
                await send(request, response, piece)
                piece = await desk.run(lambda: body.read(PIECE))
        finally:
            opened.__exit__(None, None, None)
    except BodyMissing as error:
        raise NotThere(str(error), "Try another copy of the folder, or crawl it again.") from None
    return response


@routes.get("/search")
async def show_results(request: web.Request) -> web.StreamResponse:
    """Search the text of pages."""
    asked = request.query.get("q", "").strip()
    found: list[dict[str, object]] = []
    total, error = 0, None
    if asked:
        try:
            found, total = await request.app[DESK].ask(lambda reader: search(reader, asked))
        except QueryError as refused:
            error = refused
    return page(
        request, "search.html", here="search", title="Search", q=asked, results=found, total=total, error=error and error.message,
        hint=error and error.hint, status=200 if error is None else status_of(error),
    )  # fmt: skip


def search(reader: Reader, asked: str) -> tuple[list[dict[str, object]], int]:
    """Return the best pages for some words, and how many there are. Raises QueryError."""
    if len(asked) > tokens.MOST_QUESTION:
        raise QueryError(f"that is longer than {tokens.MOST_QUESTION:,} characters", "Try fewer words.")
    searching.has_gaps(reader)
    results = searching.search(reader, asked, limit=RESULTS)
    found: list[dict[str, object]] = [
        {"url": each.url, "title": _pieces(each.title), "excerpt": _pieces(each.excerpt), "lang": each.lang} for each in results
    ]
    return found, results.total


def _pieces(pieces: tuple[tuple[str, bool], ...]) -> list[dict[str, object]]:
    return [{"text": text, "hit": hit} for text, hit in pieces]


def _href(path: str, asked: str) -> str:
    return f"{path}?{urlencode({'url': asked})}"


def asked_url(request: web.Request) -> str:
    """Return the URL that a request is about."""
    asked = request.query.get("url", "")
    if not asked:
        raise web.HTTPBadRequest(text="which URL? The address has to say ?url=...")
    if len(asked) > LONGEST_ASKED:
        raise web.HTTPBadRequest(text="that URL is longer than any that is crawled")
    return asked.strip()


def _stored(reader: Reader, asked: str) -> tuple[Explanation, Stored]:
    found = explain(reader, asked)
    stored = None if found.known is None else found.known.stored
    if stored is None or stored.file is None:
        raise NotThere(f"no body of {found.url or asked} is stored", "Its explanation says why.")
    return found, stored


def _text_of(source: bytes, stored: Stored) -> str | None:
    """Return the text of a page that is in no index, of its beginning."""
    if stored.mime not in MARKUP:
        return None
    from crawler.core import soup  # bs4 and lexbor take 100 ms that whoever looks at numbers must not

    return soup.whole_of(encodings.decode(source[:PARSED], _charset(source, stored)))


def _charset(source: bytes, stored: Stored) -> str:
    """Return the encoding in which a page was read for links; where it was not, the one that it has."""
    known = stored.charset
    return known if known is not None and known in encodings.ENCODINGS else encodings.encoding_of(source, stored.mime)


def _indexed(reader: Reader, found: Explanation) -> str | None:
    """Return the text of a page that is in the search index."""
    if found.known is None or reader.one("SELECT 1 FROM meta WHERE key = 'index'") is None:
        return None
    row = reader.one(_TEXT, (found.known.url_id,))
    return tokens.unpacked(row[0])[1] if row is not None and isinstance(row[0], bytes) else None
