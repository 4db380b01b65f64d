"""What programs read: the live numbers over a WebSocket or one at a time, charts, answers as JSON, metrics, health."""

from __future__ import annotations

import asyncio
import contextlib
from importlib import resources

from aiohttp import web

from crawler.dashboard import metrics
from crawler.dashboard.browse import DESK, questions, whole_number
from crawler.dashboard.live import Watch
from crawler.dashboard.rendering import as_json
from crawler.dashboard.series import read_series
from crawler.dashboard.single import asked_url, search
from crawler.query import question
from crawler.query.explain import explain
from crawler.query.output import distinct
from crawler.query.reader import Reader

WATCH = web.AppKey("watch", Watch)
SOCKETS: web.AppKey[set[web.WebSocketResponse]] = web.AppKey("sockets", set)
MOST_SOCKETS = 32
"""Tabs that may watch at once."""
STALLED = 10.0
"""Seconds for which a tab may read nothing before it is dropped."""
MOST_ROWS = 1_000

routes = web.RouteTableDef()


@routes.get("/api/live")
async def live(request: web.Request) -> web.Response:
    """Answer with one look at the crawl."""
    looked = await request.app[WATCH].look()
    return web.Response(body=looked.encoded, content_type="application/json")


@routes.get("/api/live/socket")
async def follow(request: web.Request) -> web.StreamResponse:
    """Send a look each second. A tab that reads slowly misses some; one that does not read at all is dropped."""
    sockets = request.app[SOCKETS]
    if len(sockets) >= MOST_SOCKETS:
        raise web.HTTPServiceUnavailable(text=f"{MOST_SOCKETS} tabs are watching already")
    socket = web.WebSocketResponse(heartbeat=STALLED, max_msg_size=1024, compress=False)
    await socket.prepare(request)
    sockets.add(socket)
    sending = asyncio.create_task(_send(request.app[WATCH], socket, request.transport))
    try:
        async for _ in socket:      # nothing is expected; this notices that the tab has gone
            pass
    finally:
        sockets.discard(socket)
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sending
    return socket


async def _send(watch: Watch, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
    try:
        async for look in watch.follow():
            async with asyncio.timeout(STALLED):
                await socket.send_frame(look, web.WSMsgType.TEXT)
    except (TimeoutError, ConnectionError):
        if transport is not None:
            transport.abort()


@routes.get("/api/samples")
async def samples(request: web.Request) -> web.Response:
    """Answer with how a run went over time."""
    given = request.query.get("run")
    run = None if given is None else whole_number(given)
    if given is not None and run is None:
        raise web.HTTPBadRequest(text="run is the number of a run")
    return as_json(await request.app[DESK].ask(lambda reader: read_series(reader, run)))


@routes.get("/api/status")
async def status(request: web.Request) -> web.Response:
    """Answer with what `crawler status --json` tells."""
    return as_json(await request.app[WATCH].status())


@routes.get("/api/questions")
async def list_questions(request: web.Request) -> web.Response:
    """Answer with the questions that have a name."""
    told = [
        {"name": each.name, "group": group, "meaning": each.meaning, "notes": each.notes,
         "parameters": [parameter._asdict() for parameter in each.parameters]}
        for group, members in await questions(request) for each in members
    ]  # fmt: skip
    return as_json(told)


@routes.get("/api/ask/{name}")
async def answer(request: web.Request) -> web.Response:
    """Answer a question that has a name; at most a thousand rows."""
    name = request.match_info["name"]
    given = dict(request.query)
    found = next((each for _, members in await questions(request) for each in members if each.name == name), None)
    if found is None:
        raise web.HTTPNotFound(text=f"there is no question named {name}")

    def rows(reader: Reader) -> dict[str, object]:
        answered = reader.rows(found.sql, question.bound(found.sql, given, found.parameters), limit=MOST_ROWS)
        cells = [[value.hex() if isinstance(value, bytes) else value for value in row] for row in answered]
        return {"columns": distinct(answered.columns), "rows": cells, "more": answered.truncated}

    return as_json(await request.app[DESK].ask(rows))


@routes.get("/api/explain")
async def explain_url(request: web.Request) -> web.Response:
    """Answer with all that is known of a URL."""
    asked = asked_url(request)
    return as_json(await request.app[DESK].ask(lambda reader: explain(reader, asked)))


@routes.get("/api/search")
async def search_pages(request: web.Request) -> web.Response:
    """Answer with the best pages for some words."""
    asked = request.query.get("q", "").strip()
    if not asked:
        raise web.HTTPBadRequest(text="which words? The address has to say ?q=...")
    found, total = await request.app[DESK].ask(lambda reader: search(reader, asked))
    return as_json({"total": total, "results": found})


@routes.get("/api/openapi.json")
async def openapi(request: web.Request) -> web.Response:
    """Answer with the description of all this."""
    return web.Response(body=await request.app[DESK].run(_description), content_type="application/json")


def _description() -> bytes:
    return resources.files("crawler.dashboard").joinpath("openapi.json").read_bytes()


@routes.get("/metrics")
async def prometheus(request: web.Request) -> web.Response:
    """Answer with metrics in the text format of Prometheus, or in that of OpenMetrics where it is asked for.

    It is 200 even when the crawl cannot be read: then `crawler_up` is 0, and what scrapes knows that this process is well.
    """
    looked = await request.app[WATCH].look()
    accept = ",".join(request.headers.getall("Accept", []))
    body, content_type = metrics.exposition(looked.status, looked.reply, accept)
    return web.Response(body=body, headers={"Content-Type": content_type})


@routes.get("/healthz")
async def health(request: web.Request) -> web.Response:
    """Answer 200 where the crawl can be read; whether it is well, /api/live says."""
    desk = request.app[DESK]

    def read() -> None:
        with Reader.open(desk.folder) as reader:
            reader.one("SELECT 1")

    await desk.run(read)        # however many questions are asked: whoever is restarted for those has nothing from it
    return web.Response(text="ok\n", content_type="text/plain")
