"""Templates on their way out: what came from the wire is text in them, for every value is escaped."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import jinja2
import msgspec
from aiohttp import web

from crawler.text import encodable, safe
from crawler.version import __version__

NAME = web.AppKey("name", str)
FOLDER = web.AppKey("place", str)
SEARCHABLE: web.AppKey[Callable[[], bool]] = web.AppKey("searchable", Callable)  # type: ignore[arg-type]  # keys take no callables
"""Tells whether there is an index to search, as far as is known."""


@cache
def templates() -> jinja2.Environment:
    """Return the templates of this package, all of them read: that waits for the disk, so not in an event loop."""
    found = jinja2.Environment(
        loader=jinja2.PackageLoader("crawler.dashboard", "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined, auto_reload=False,
    )  # fmt: skip
    for name in found.list_templates():
        found.get_template(name)
    return found


def render(request: web.Request, template: str, *, here: str, title: str, **values: object) -> str:
    """Return a page as text."""
    app = request.app
    text = templates().get_template(template).render(
        name=app[NAME], folder=app[FOLDER], here=here, title=safe(title), version=__version__, searchable=app[SEARCHABLE](), **values
    )
    return encodable(text)


def page(request: web.Request, template: str, *, here: str, title: str, status: int = 200, **values: object) -> web.Response:
    """Return a page."""
    text = render(request, template, here=here, title=title, **values)
    return web.Response(text=text, status=status, content_type="text/html")


def as_json(value: object, status: int = 200) -> web.Response:
    """Return a value as JSON."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def error_page(request: web.Request, status: int, message: str, hint: str = "") -> str:
    """Return the page that says what went wrong."""
    message, hint = safe(message), safe(hint)       # they quote what was asked for
    return render(request, "error.html", here="", title=message, status=status, message=message, hint=hint)
