"""Changes to a crawl: whatever is asked for here goes to the running crawl's one door, over its socket, or is done at rest.

The gate has seen the token before anything here is called.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import msgspec
from aiohttp import web

from crawler.control.dialogue import ask
from crawler.control.editing import edit
from crawler.core import seeds
from crawler.dashboard.browse import DESK
from crawler.dashboard.gate import GATE
from crawler.folder import CrawlError
from crawler.query.selecting import Selection, choose

SOURCE = "dashboard"
"""What seeds that are added here have as their source."""


routes = web.RouteTableDef()
T = TypeVar("T")


class Control(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A command to a running crawl; each takes the one field that it is about."""

    command: Literal["pause", "resume", "stop", "set", "seed", "exclude", "park", "free"]
    now: bool = False
    """With stop: drop what is in flight."""
    settings: dict[str, int | float | None] = {}
    """With set: field -> value."""
    lines: tuple[str, ...] = ()
    """With seed: lines as in a seed file."""
    pattern: str = ""
    """With exclude: a regular expression."""
    host: str = ""
    """With park and free."""


class Urls(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A change to URLs, in a crawl that runs or rests; see `crawler retry --help` for what the fields choose."""

    action: Literal["retry", "requeue", "skip", "forget"]
    where: str | None = None
    hosts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    all: bool = False
    """All that the action can mean, where nothing narrows it down."""


class Changed(msgspec.Struct, frozen=True):
    """What came of a change."""

    text: str
    urls: int | None = None
    busy: int = 0
    """URLs that were left alone, since they are being fetched right now."""


class BadRequest(CrawlError):
    """What was sent means nothing."""

    exit_code = 2


@routes.get("/api/token")
async def check_token(request: web.Request) -> web.Response:
    """Say whether the token that came along is right."""
    request.app[GATE].admit(request)
    return web.Response(status=204)


@routes.post("/api/control")
async def control(request: web.Request) -> web.Response:
    """Hand a command to the running crawl."""
    wanted = await _read(request, Control)
    reply = await ask(request.app[DESK].folder, _command(wanted))
    return _json(Changed(reply.text, reply.urls, reply.busy))


@routes.post("/api/urls")
async def urls(request: web.Request) -> web.Response:
    """Retry, requeue, skip or forget URLs."""
    wanted = await _read(request, Urls)
    selection = Selection(wanted.action, wanted.where or None, tuple(host.strip().lower() for host in wanted.hosts), wanted.faults)
    if selection.is_everything and wanted.action != "retry" and not wanted.all:
        raise BadRequest(f"{wanted.action} needs to know which URLs", "Try a condition, a host, a fault, or all.")
    desk = request.app[DESK]
    chosen = await desk.ask(lambda reader: choose(reader, selection))
    if not chosen.rows:
        return _json(Changed("0 URLs: nothing to change", 0))
    changed, busy, running = await desk.run(lambda: edit(desk.folder, wanted.action, chosen.rows, selection.words, lambda _: None))
    later = "" if running else "; the next run asks for them" if wanted.action in ("retry", "requeue") else ""
    return _json(Changed(f"{wanted.action}: {changed:,} URLs{later}", changed, busy))


def _command(wanted: Control) -> dict[str, object]:
    """Return the command as the socket takes it. Raises BadRequest for one that lacks what it is about."""
    name = wanted.command
    match name:
        case "pause" | "resume":
            return {"command": name}
        case "stop":
            return {"command": name, "now": wanted.now}
        case "set":
            return {"command": name, "settings": _needed(name, "settings", wanted.settings)}
        case "seed":
            found, bad = seeds.read_lines(_needed(name, "lines", wanted.lines), SOURCE)
            if bad:
                raise BadRequest(f"line {bad[0].line}, column {bad[0].column}: {bad[0].message}", bad[0].hint)
            if not found:
                raise BadRequest("there is no URL in those lines", "Try one like https://example.org/ depth=2.")
            return {"command": name, "seeds": msgspec.to_builtins(found)}
        case "exclude":
            return {"command": name, "pattern": _needed(name, "pattern", wanted.pattern)}
        case "park" | "free":
            return {"command": name, "host": _needed(name, "host", wanted.host)}


def _needed(name: str, field: str, value: T) -> T:
    if not value:
        raise BadRequest(f"{name} needs to know what", f"Try {field}.")
    return value


async def _read(request: web.Request, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.read(), type=shape)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadRequest(f"no such change: {error}", "See /api/openapi.json.") from None


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
