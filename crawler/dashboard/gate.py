"""Who is let in: every request passes here first.

A page of any site can make the browser send requests to this machine. So the name it came by must be ours (DNS rebinding),
what other sites set off is refused (CSRF, cross-site WebSocket), and a change needs a token that no other site can know.
Nothing that crawled servers sent is ever run here: no script but our own files, no frame, no form to elsewhere.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from crawler.control.client import Unanswered
from crawler.dashboard.desk import NotThere
from crawler.dashboard.rendering import as_json, error_page
from crawler.folder import CrawlError
from crawler.query.errors import NOTHING_HERE, WRONG_QUERY, GivenUp, QueryError
from crawler.text import encodable

TOKEN_HEADER = "X-Crawler-Token"    # noqa: S105 - the name of a header
LONGEST_BODY = 1024 * 1024
"""Bytes of one request."""
PLAIN = ("/metrics", "/healthz")
"""Paths that answer in plain text, whatever becomes of it."""

log = logging.getLogger("crawler.dashboard")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self' ws://{host}; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}


class Gate:
    """Judges requests. *hosts*: what Host may say; *token*: what a change has to bring."""

    def __init__(self, hosts: frozenset[str], token: str) -> None:
        self._hosts = hosts
        self._token = token.encode()
        self._origins = frozenset(f"{scheme}://{host}" for host in hosts for scheme in ("http", "https"))

    @web.middleware
    async def let_in(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass, or say why not. Whatever goes wrong behind is told as a page, or as JSON below /api/."""
        try:
            self._judge(request)
            return await handler(request)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return told(request, error.status, error.text or error.reason, allow=error.headers.get("Allow"))
        except CrawlError as error:
            return told(request, status_of(error), error.message, error.hint)
        except ConnectionError:     # nobody is there any more to be told
            raise
        except Exception:       # a bug of ours ends one answer
            log.exception("%s %s", request.method, request.path)
            return told(request, 500, "something went wrong in the dashboard", "The log has the details; the crawl is not touched by it.")

    def _judge(self, request: web.Request) -> None:
        """Raise what a request is refused with."""
        named = request.headers.getall("Host", [])
        if len(named) != 1 or named[0].lower() not in self._hosts:
            raise web.HTTPMisdirectedRequest(text="this address is not served under that name")
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() not in self._origins:
            raise web.HTTPForbidden(text="another site may not ask for this")
        # Browsers say where a request comes from; a link from elsewhere may lead to the first page, and to nothing else.
        if request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site") and not _is_visit(request):
            raise web.HTTPForbidden(text="another site may not ask for this")
        missing = request.match_info.http_exception
        if missing is not None:     # told to everybody: a wrong path or method is not a matter of the token
            raise missing
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            self.admit(request)
            if request.content_type != "application/json":
                raise web.HTTPUnsupportedMediaType(text="a change is sent as application/json")

    def admit(self, request: web.Request) -> None:
        """Raise HTTPForbidden unless the request brings the token."""
        given = request.headers.get(TOKEN_HEADER, "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token):
            raise web.HTTPForbidden(text="a change needs the token in the address that the terminal shows")

    async def guard(self, request: web.Request, response: web.StreamResponse) -> None:
        """Add the headers that keep a browser from running, framing, guessing or keeping anything; see on_response_prepare."""
        response.headers.update(_HEADERS)
        response.headers.setdefault("Content-Security-Policy", _POLICY.format(host=_host(request, self._hosts)))
        response.headers.pop("Server", None)


GATE = web.AppKey("gate", Gate)


class Told(msgspec.Struct, frozen=True):
    """What a refusal says as JSON."""

    error: str
    hint: str = ""


def told(request: web.Request, status: int, message: str, hint: str = "", *, allow: str | None = None) -> web.Response:
    """Return a refusal in words: a page for people, JSON below /api/, plain text to whoever scrapes or probes."""
    message, hint = encodable(message), encodable(hint)
    if request.path.startswith("/api/"):
        response = as_json(Told(message, hint), status)
    elif request.path in PLAIN:
        response = web.Response(text="".join(f"{line}\n" for line in (message, hint) if line), status=status, content_type="text/plain")
    else:
        response = web.Response(text=error_page(request, status, message, hint), status=status, content_type="text/html")
    if allow is not None:
        response.headers["Allow"] = allow
    return response


def _is_visit(request: web.Request) -> bool:
    return request.path == "/" and request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"


def _host(request: web.Request, hosts: frozenset[str]) -> str:
    """Return the Host that was asked for where it is one of ours: it is written into a header."""
    host = request.headers.get("Host", "").lower()
    return host if host in hosts else next(iter(sorted(hosts)))


def status_of(error: CrawlError) -> int:
    """Return the status that fits: what was asked wrongly is 400, what there is not 404, what cannot be had now 503."""
    if isinstance(error, GivenUp | Unanswered):
        return 503
    if isinstance(error, NotThere):
        return 404
    if isinstance(error, QueryError):
        return {NOTHING_HERE: 404, WRONG_QUERY: 400}.get(error.exit_code, 503)
    return {1: 409, 2: 400, 4: 503, 5: 409, 6: 503}.get(error.exit_code, 500)
