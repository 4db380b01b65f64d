"""Changes to a crawl: whatever is asked for here goes to the running crawl's one door, over its socket, or is done at rest.

The gate has seen the token before anything here is called.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError
from msgspec import Meta

from crawler import words
from crawler.control import seeding
from crawler.control.dialogue import ask
from crawler.control.editing import edit
from crawler.core import seeds
from crawler.dashboard.browse import DESK
from crawler.dashboard.gate import GATE
from crawler.dashboard.rendering import as_json
from crawler.folder import CrawlError
from crawler.query.selecting import Selection, choose

SOURCE = "dashboard"
"""What seeds that are added here have as their source."""


routes = web.RouteTableDef()
T = TypeVar("T")
Text = Annotated[str, Meta(min_length=1)]


class _Command(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="command", tag=str.lower):
    """A command to a running crawl, named in the field `command`."""


class Pause(_Command, frozen=True):
    """Ask for nothing further; what is in flight lands."""


class Resume(_Command, frozen=True):
    """Go on after a pause."""


class Stop(_Command, frozen=True):
    """Stop like Ctrl-C: what is in flight may land."""

    now: bool = False
    """Drop what is in flight."""


class Set(_Command, frozen=True):
    """Change settings that can change while a crawl runs."""

    settings: Annotated[dict[str, int | float | None], Meta(min_length=1)]
    """Field -> value."""


class Seed(_Command, frozen=True):
    """Add seeds."""

    lines: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Lines as in a seed file: a URL, and options such as `depth=2`."""


class Exclude(_Command, frozen=True):
    """Follow nothing that matches from now on, and leave out what waits of it."""

    pattern: Text
    """A regular expression."""


class Park(_Command, frozen=True):
    """Put a host off beyond this run."""

    host: Text
    """Its name, or the URL of a page there."""


class Free(_Command, frozen=True):
    """Ask a host again that rests or was put off."""

    host: Text
    """Its name, or the URL of a page there."""


Control = Pause | Resume | Stop | Set | Seed | Exclude | Park | Free


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


_control: msgspec.json.Decoder[Control] = msgspec.json.Decoder(Control)
_urls = msgspec.json.Decoder(Urls)


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
    wanted: Control = await _read(request, _control)
    if isinstance(wanted, Seed):
        return as_json(await _sow(request, _seeds(wanted)))
    reply = await ask(request.app[DESK].folder, msgspec.to_builtins(wanted))
    return as_json(Changed(reply.text, reply.urls, reply.busy))


@routes.post("/api/urls")
async def urls(request: web.Request) -> web.Response:
    """Retry, requeue, skip or forget URLs."""
    wanted = await _read(request, _urls)
    selection = Selection(wanted.action, wanted.where or None, tuple(host.strip().lower() for host in wanted.hosts), wanted.faults)
    if selection.is_everything and wanted.action != "retry" and not wanted.all:
        raise BadRequest(f"{wanted.action} needs to know which URLs", "Try a condition, a host, a fault, or all.")
    desk = request.app[DESK]
    chosen = await desk.ask(lambda reader: choose(reader, selection))
    if not chosen.rows:
        return as_json(Changed("0 URLs: nothing to change", 0))
    changed, busy, running = await desk.run(lambda: edit(desk.folder, wanted.action, chosen.rows, selection.words, lambda _: None))
    later = "" if running else "; the next run asks for them" if wanted.action in ("retry", "requeue") else ""
    return as_json(Changed(f"{wanted.action}: {words.count(changed, 'URL')}{later}", changed, busy))


async def _sow(request: web.Request, found: list[seeds.Seed]) -> Changed:
    new = 0
    for command in seeding(found):
        new += (await ask(request.app[DESK].folder, command)).urls or 0
    return Changed(f"added {new:,} of {words.count(len(found), 'seed')}", new)


def _seeds(wanted: Seed) -> list[seeds.Seed]:
    """Return what the lines say. Raises BadRequest."""
    found, bad = seeds.read_lines(wanted.lines, SOURCE)
    if bad:
        raise BadRequest(f"line {bad[0].line}, column {bad[0].column}: {bad[0].message}", bad[0].hint)
    if not found:
        raise BadRequest("there is no URL in those lines", "Try one like https://example.org/ depth=2.")
    return found


async def _read(request: web.Request, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return decoder.decode(await request.read())
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, RequestPayloadError) as error:
        raise BadRequest(f"no such change: {error}", "See /api/openapi.json.") from None
