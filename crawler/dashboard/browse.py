"""Lists and questions, as pages and as files to take away."""

from __future__ import annotations

import asyncio
import itertools
import re
import tempfile
import time
from collections.abc import Mapping
from io import TextIOWrapper
from typing import IO, NamedTuple
from urllib.parse import urlencode

from aiohttp import web

from crawler import words
from crawler.dashboard.desk import Desk
from crawler.dashboard.gate import status_of
from crawler.dashboard.lists import LISTS, Field
from crawler.dashboard.rendering import page
from crawler.query import named, own, question
from crawler.query.errors import QueryError
from crawler.query.output import Format, shown, write
from crawler.query.question import Named
from crawler.query.reader import Parameters, Reader, Value

DESK = web.AppKey("desk", Desk)
PAGE = 100
"""Rows of one page."""
FURTHEST = 100_000
"""Rows behind which one turns no further; a download has all of them."""
WORTH_TELLING = 0.1
"""Seconds that an answer took from which it is told."""
LONGEST = 300
"""Characters of a value that are shown."""
DOWNLOAD_TIMEOUT = 120.0
LARGEST_DOWNLOAD = 2**30
"""Characters of an answer that is taken away: it lies on the crawl's disk until it is sent."""
STALLED = 30.0
"""Seconds for which whoever takes something away may read nothing."""
PIECE = 64 * 1024
_TYPES: dict[Format, str] = {"csv": "text/csv", "json": "application/x-ndjson"}
_NUMBER = re.compile(r"[0-9]{1,9}")

routes = web.RouteTableDef()


class Listing(NamedTuple):
    """What a page of rows is about."""

    name: str
    here: str
    heading: str
    meaning: str
    notes: str
    sql: str
    filters: tuple[Field, ...] = ()
    params: tuple[Field, ...] = ()


class Cell(NamedTuple):
    """A value as it is shown."""

    text: str
    numeric: bool = False
    url: str | None = None
    """The URL that it is, to be explained."""


class Sheet(NamedTuple):
    """Rows as they are shown."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    more: bool = False
    took: float = 0.0
    """Seconds."""


@routes.get("/list/{name}")
async def show_list(request: web.Request) -> web.StreamResponse:
    """Show one of the lists."""
    chosen = LISTS.get(request.match_info["name"])
    if chosen is None:
        raise web.HTTPNotFound(text="there is no such list")
    values = {each.name: request.query.get(each.name, "").strip() for each in chosen.filters}
    filters = tuple(each._replace(value=values[each.name]) for each in chosen.filters)
    return await _show(request, Listing(chosen.name, chosen.name, chosen.heading, chosen.meaning, "", chosen.sql, filters), values)


@routes.get("/ask")
async def ask(request: web.Request) -> web.StreamResponse:
    """Show the questions that have a name, or the answer to some SQL."""
    sql = request.query.get("sql", "").strip()
    if sql:
        return await _answer(request, Named("", "", sql))
    groups = [
        {"title": title, "questions": [{"name": each.name, "meaning": each.meaning} for each in members]}
        for title, members in await questions(request)
    ]
    return page(request, "ask.html", here="ask", title="Ask", groups=groups, sql="")


@routes.get("/ask/{name}")
async def ask_named(request: web.Request) -> web.StreamResponse:
    """Show the answer to a question that has a name, or all of a table or view."""
    name = request.match_info["name"]
    mine = await _own(request)
    return await _answer(request, await request.app[DESK].ask(lambda reader: named.resolve(name, reader.tables(), mine)))


async def questions(request: web.Request) -> list[tuple[str, list[Named]]]:
    """Return the questions that have a name, in their groups; those that lie in the crawl's folder come last."""
    mine = await _own(request)
    groups = [(title, [each for name in names if name not in mine and (each := named.find(name))]) for title, names in named.GROUPS.items()]
    return [*groups, ("Your own", list(mine.values()))] if mine else groups


async def _own(request: web.Request) -> Mapping[str, Named]:
    """Return the questions in the crawl's folder. What is wrong with a file is told by `crawler query`."""
    desk = request.app[DESK]

    def read() -> dict[str, Named]:
        found: dict[str, Named] = {}
        for file in own.standing_files(desk.folder):
            try:
                found.update(own.read_own([file]))
            except QueryError:
                continue
        return found

    return await desk.run(read)


async def _answer(request: web.Request, asked: Named) -> web.StreamResponse:
    declared = {each.name: each for each in asked.parameters}
    names = [*declared, *(name for name in question.names_in(asked.sql) if name not in declared)]
    given = {name: value for name in names if (value := request.query.get(name))}
    params = tuple(
        Field(name, each.meaning or name, each.default or "", value=given.get(name, ""))
        if (each := declared.get(name)) is not None else Field(name, name, value=given.get(name, ""))
        for name in names
    )  # fmt: skip
    heading = asked.name or "Your question"
    listing = Listing(asked.name or "answer", "ask", heading, asked.meaning, asked.notes, asked.sql.strip(), (), params)
    missing = any(name not in given and (name not in declared or declared[name].default is None) for name in names)
    return await _show(request, listing, None if missing else question.bound(asked.sql, given, asked.parameters))


async def _show(request: web.Request, listing: Listing, values: Parameters | None) -> web.StreamResponse:
    """Show rows, or send them as a file; without *values* something has to be given first, and the form says what."""
    if values is None:
        return _page(request, listing, Sheet(), start=1)
    form: Format | None = next((each for each in _TYPES if each == request.query.get("form")), None)
    if form is not None:
        return await _download(request, listing, values, form)
    start = min(max(whole_number(request.query.get("start", "")) or 1, 1), FURTHEST)
    try:
        sheet = await request.app[DESK].ask(lambda reader: read_sheet(reader, listing.sql, values, start))
    except QueryError as error:
        return _page(request, listing, Sheet(), start=1, error=error)
    return _page(request, listing, sheet, start=start)


def whole_number(text: str) -> int | None:
    """Return what is written in up to nine digits, None for everything else."""
    return int(text) if _NUMBER.fullmatch(text) else None


def read_sheet(reader: Reader, sql: str, values: Parameters, start: int) -> Sheet:
    """Return the rows of a query from the *start*-th on, as many as a page holds."""
    began = time.monotonic()
    rows = reader.rows(sql, values, limit=start - 1 + PAGE)
    plain = [column.endswith("_id") for column in rows.columns]     # an identifier is no quantity
    turned = itertools.islice(rows, start - 1, None)
    cells = tuple(tuple(_cell(value, grouped=not plain[i]) for i, value in enumerate(row)) for row in turned)
    return Sheet(rows.columns, cells, rows.truncated, time.monotonic() - began)


def _cell(value: Value, *, grouped: bool) -> Cell:
    if isinstance(value, str):
        url = value if value.startswith(("http://", "https://")) and not any(map(str.isspace, value)) else None
        return Cell(shown(value[:LONGEST] + "…" if len(value) > LONGEST else value, None, grouped=False), url=url)
    return Cell(shown(value, LONGEST, grouped=grouped), isinstance(value, int | float))


def _page(request: web.Request, listing: Listing, sheet: Sheet, *, start: int, error: QueryError | None = None) -> web.Response:
    turns = {"next": start + PAGE if sheet.more and start + PAGE <= FURTHEST else None, "previous": start - PAGE if start > 1 else None}
    links = {name: None if to is None else _href(request, start=str(max(to, 1))) for name, to in turns.items()}
    downloads = {form: _href(request, form=form) if sheet.columns else None for form in _TYPES}
    return page(
        request, "list.html", here=listing.here, title=listing.heading, heading=listing.heading, meaning=listing.meaning,
        notes=listing.notes, sql=listing.sql, filters=listing.filters, params=listing.params, columns=sheet.columns, rows=sheet.rows,
        start=start, took=words.span(sheet.took) if sheet.took >= WORTH_TELLING else "",
        error=error and error.message, hint=error and error.hint,
        status=200 if error is None else status_of(error), **links, **downloads,
    )  # fmt: skip


def _href(request: web.Request, **changed: str) -> str:
    kept = {name: value for name, value in request.query.items() if name not in ("start", "form")}
    return f"{request.rel_url.raw_path}?{urlencode(kept | changed)}"


async def _download(request: web.Request, listing: Listing, values: Parameters, form: Format) -> web.StreamResponse:
    """Send all rows. They are written to a file first: a tab that reads slowly must not hold the crawl's log open."""
    with request.app[DESK].sending(), tempfile.TemporaryFile() as file:
        await request.app[DESK].ask(lambda reader: _write(reader, listing.sql, values, form, file), DOWNLOAD_TIMEOUT)
        headers = {"Content-Disposition": f'attachment; filename="{listing.name}.{"jsonl" if form == "json" else form}"'}
        response = web.StreamResponse(headers=headers)
        response.content_type, response.charset = _TYPES[form], "utf-8"
        await response.prepare(request)
        while piece := await request.app[DESK].run(lambda: file.read(PIECE)):
            await send(request, response, piece)
        return response


async def send(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece of a file; whoever does not read it is dropped. Raises ConnectionError."""
    try:
        async with asyncio.timeout(STALLED):
            await response.write(piece)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionAbortedError from None


class _Bounded(TextIOWrapper):
    """Text on its way to a file, no more of it than may lie on the disk."""

    left = LARGEST_DOWNLOAD

    def write(self, text: str) -> int:
        """Write *text*. Raises QueryError where that is too much."""
        self.left -= len(text)
        if self.left < 0:
            raise QueryError(f"the answer is larger than {words.size(LARGEST_DOWNLOAD)}", "Try crawler query, which has no bound.")
        return super().write(text)


def _write(reader: Reader, sql: str, values: Parameters, form: Format, file: IO[bytes]) -> None:
    text = _Bounded(file, encoding="utf-8", errors="replace", newline="")
    write(reader.rows(sql, values), form, text, excel_safe=form == "csv")
    text.detach()
    file.seek(0)
