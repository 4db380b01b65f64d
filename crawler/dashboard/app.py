"""The application: gate, routes, and what they share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib import resources
from pathlib import Path

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from crawler.dashboard import api, browse, changes, single
from crawler.dashboard.desk import Desk
from crawler.dashboard.gate import GATE, LONGEST_BODY, Gate
from crawler.dashboard.live import Watch
from crawler.dashboard.rendering import FOLDER, NAME, SEARCHABLE, page, templates
from crawler.folder import CrawlError
from crawler.text import encodable

GOODBYE = 2.0
"""Seconds that open tabs have to hear that the pages go away."""

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

routes = web.RouteTableDef()


def make_app(folder: Path, *, hosts: frozenset[str], token: str) -> web.Application:
    """Return the pages of the crawl in a folder. *hosts*: what Host may say, *token*: what a change has to bring.

    Looks at the disk: not to be called in an event loop.
    """
    gate = Gate(hosts, token)
    app = web.Application(middlewares=[gate.let_in], client_max_size=LONGEST_BODY)
    app[GATE] = gate
    app[browse.DESK] = desk = Desk(folder)
    app[api.WATCH] = watch = Watch(folder, desk)
    app[api.SOCKETS] = set()
    app[NAME], app[FOLDER], app[SEARCHABLE] = watch.name, encodable(str(folder)), lambda: watch.searchable
    app.on_response_prepare.append(gate.guard)
    app.cleanup_ctx.append(_open)
    app.on_shutdown.append(say_goodbye)
    for table in (routes, api.routes, browse.routes, single.routes, changes.routes):
        app.add_routes(table)
    return app


@routes.get("/")
async def live_page(request: web.Request) -> web.Response:
    """Show the live page."""
    looked = await request.app[api.WATCH].look()
    return page(request, "live.html", here="live", title="Live", live=msgspec.to_builtins(looked.live))


@routes.get("/static/{name}")
async def static(request: web.Request) -> web.Response:
    """Answer with one of our own files; there are no others below this path."""
    name = request.match_info["name"]
    content = _files().get(name)
    if content is None:
        raise web.HTTPNotFound(text="there is no such file")
    return web.Response(body=content, content_type=_TYPES.get(Path(name).suffix, "text/plain"), charset="utf-8")


@routes.get("/favicon.ico")
async def favicon(_: web.Request) -> web.Response:
    """Say that there is none: pages name theirs."""
    return web.Response(status=204)


def _files() -> dict[str, bytes]:
    """Return the files below static/ by name, read once."""
    if not _FILES:
        folder = resources.files("crawler.dashboard").joinpath("static")
        _FILES.update({file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()})
    return _FILES


_FILES: dict[str, bytes] = {}


async def _open(app: web.Application) -> AsyncIterator[None]:
    await asyncio.to_thread(_files)
    await asyncio.to_thread(templates)
    with contextlib.suppress(CrawlError):       # a database that cannot be read is told where it is asked
        await app[api.WATCH].status()
    yield
    app[browse.DESK].close()


async def say_goodbye(app: web.Application) -> None:
    """Tell all who watch how things stand, and that nobody will be here any more; nor for the answers to long questions."""
    app[browse.DESK].stop()
    sockets = app[api.SOCKETS].copy()
    if not sockets:
        return
    bye = msgspec.json.encode({"bye": "The dashboard has ended. To look at the crawl again: crawler serve."})

    last = await app[api.WATCH].look(fresh=True)

    async def leave(socket: web.WebSocketResponse) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await socket.send_frame(last.encoded, WSMsgType.TEXT)
            await socket.send_frame(bye, WSMsgType.TEXT)
            await socket.close(code=WSCloseCode.GOING_AWAY, drain=False)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GOODBYE):
            await asyncio.gather(*(leave(socket) for socket in sockets))
