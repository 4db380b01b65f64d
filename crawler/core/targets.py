"""What is said of one origin, or of some hosts only: headers, credentials, timeouts, proxies, client certificates.

A secret belongs to one origin (scheme, host and port) and goes nowhere else; what is no secret may be said of hosts by a
pattern: `www.example.org`, `*.example.org`, `*`. Where several patterns match, the first that was given holds.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterable
from typing import Protocol, TypeVar
from urllib.parse import unquote

import msgspec

from crawler.core import secrets, urls

_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([^\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]*)")  # RFC 9110 5.1, 5.5
_TOKEN = re.compile(r"[\x21-\x7e]+")
_PATTERN = re.compile(r"[\w.*-]+|\[[0-9a-fA-F:.]+\]")
_PROXY_PLACE = re.compile(r"(?:[^\s@/?#\\\[\]]*@)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+)(?::([0-9]{1,5}))?/?")
_AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,12})?(?:e[+-]?[0-9]{1,2})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
PROXY_SCHEMES = ("http", "https", "socks4", "socks5", "socks5h")
DIRECT = "direct"
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "proxy-authorization"})
"""Headers that the client makes itself; another value would break its reading of the answer."""


class Header(msgspec.Struct, frozen=True):
    """A request header; *origin* is the only one that it is sent to, None for all."""

    origin: str | None
    name: str
    value: str


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds on one request, in seconds and bytes per second; None is what the whole crawl has."""

    total: float | None = None
    connect: float | None = None
    dns: float | None = None
    tls: float | None = None
    header: float | None = None
    read: float | None = None
    min_rate: float | None = None


TIMEOUTS = Timeouts.__struct_fields__
"""The names of all timeouts."""


class TimeoutRule(msgspec.Struct, frozen=True):
    """Timeouts of the hosts that a pattern matches."""

    pattern: str
    timeouts: Timeouts


class ProxyRule(msgspec.Struct, frozen=True):
    """The proxy of the hosts that a pattern matches; None is a direct connection."""

    pattern: str
    url: str | None

    @property
    def socks(self) -> bool:
        """Whether it speaks SOCKS instead of HTTP."""
        return self.url is not None and self.url.startswith("socks")


class Certificate(msgspec.Struct, frozen=True):
    """A client certificate for one origin: PEM files; *key* None when it stands in the same file."""

    origin: str
    file: str
    key: str | None


class _Patterned(Protocol):
    @property
    def pattern(self) -> str: ...


Rule = TypeVar("Rule", bound=_Patterned)


def first_match(rules: Iterable[Rule], host: str) -> Rule | None:
    """Return the first rule whose pattern matches a host name, None when none does."""
    name = host.rstrip(".")     # a dot at the end makes no other host
    return next((rule for rule in rules if _matcher(rule.pattern).fullmatch(name)), None)


@functools.lru_cache(maxsize=1024)
def _matcher(pattern: str) -> re.Pattern[str]:
    """Return what an address in brackets matches, too: only the star is special."""
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def header(text: str) -> Header:
    """Read `Name: value`, or `ORIGIN Name: value`. Raises ValueError with the words that belong after "must be"."""
    origin, rest = _origin_first(text.strip())
    match = _HEADER.fullmatch(rest)
    if match is None:
        raise ValueError("a header like 'Name: value', or for one origin 'https://example.org Name: value'")
    name, value = match[1], match[2].strip()
    if name.lower() in _OURS:
        raise ValueError(f"another header than {name}, which the crawler sets itself")
    if origin is None and (secrets.names_secret(value) or name.lower() in ("http", "https")):     # 'example.org:8080 X-Api-Key: ...'
        raise ValueError("one header, and an origin before it with its scheme, like 'https://example.org:8080 Name: value'")
    if origin is None and secrets.is_secret(name):
        raise ValueError(f"for one origin, since {name} is a secret: 'https://example.org {name}: ...'")
    return Header(origin, name, value)


def credentials(text: str) -> Header:
    """Read `ORIGIN basic USER:PASSWORD` or `ORIGIN bearer TOKEN`. Raises ValueError like `header`."""
    expected = "an origin with its credentials, like 'https://example.org basic USER:PASSWORD' or 'https://example.org bearer TOKEN'"
    try:
        origin, rest = _origin_first(text.strip())
    except ValueError:
        raise ValueError(expected) from None
    scheme, _, secret = rest.partition(" ")
    secret = secret.strip()
    if origin is None or not secret or _CONTROL.search(secret):
        raise ValueError(expected)
    match scheme.lower():
        case "basic" if ":" in secret:
            packed = base64.b64encode(secret.encode()).decode("ascii")      # RFC 7617 2.1: UTF-8
            return Header(origin, "Authorization", f"Basic {packed}")
        case "bearer" if _TOKEN.fullmatch(secret):
            return Header(origin, "Authorization", f"Bearer {secret}")
        case _:
            raise ValueError(expected)


def proxy(text: str) -> ProxyRule:
    """Read `URL`, `PATTERN URL` or `PATTERN direct`. Raises ValueError like `header`."""
    expected = "a proxy like http://USER:PASSWORD@proxy.example.org:3128, or for some hosts '*.example.org http://...' or '... direct'"
    words = text.split()
    if len(words) not in (1, 2) or _CONTROL.search(text):
        raise ValueError(expected)
    pattern = _pattern(words[0], expected) if len(words) == 2 else "*"
    url = words[-1]
    if url == DIRECT:
        return ProxyRule(pattern, None)
    scheme, mark, rest = url.partition("://")
    place = _PROXY_PLACE.fullmatch(rest)
    if not mark or scheme.lower() not in PROXY_SCHEMES or place is None or not 0 < int(place[2] or 80) < 65536:
        raise ValueError(expected)
    if place[1].startswith("[") and (":" not in place[1] or not urls.is_address(place[1])):
        raise ValueError(expected)
    if not scheme.lower().startswith("socks") and not _fits_basic(rest.rpartition("@")[0]):
        raise ValueError("a proxy whose user has no colon in it, and neither user nor password a letter beyond Latin-1")
    usual = ":1080" if scheme.lower().startswith("socks") and place[2] is None else ""     # RFC 1928 3
    return ProxyRule(pattern, f"{scheme.lower()}://{rest.rstrip('/')}{usual}")


def _fits_basic(login: str) -> bool:
    """Tell whether the client can say `user:password` to a proxy: RFC 7617 parts them at the first colon, and aiohttp says Latin-1."""
    user, _, password = login.partition(":")
    return ":" not in unquote(user) and all(ord(char) < 256 for char in unquote(user) + unquote(password))


def timeouts(text: str) -> TimeoutRule:
    """Read `PATTERN total=120 read=60`, in seconds (the rate in bytes per second), as the settings hold it."""
    expected = f"a host pattern with timeouts in seconds, like '*.example.org total=120 read=60'; there are {', '.join(TIMEOUTS)}"
    first, *rest = text.split() or [""]
    read: dict[str, float] = {}
    for name, _, amount in (word.partition("=") for word in rest):
        if name not in TIMEOUTS or not _AMOUNT.fullmatch(amount) or (float(amount) <= 0 and name != "min_rate"):
            raise ValueError(expected)
        read[name] = float(amount)
    if not read:
        raise ValueError(expected)
    return TimeoutRule(_pattern(first, expected), Timeouts(**read))


def certificate(text: str) -> Certificate:
    """Read `ORIGIN CERTIFICATE.pem` or `ORIGIN CERTIFICATE.pem KEY.pem`. Raises ValueError like `header`."""
    expected = "an origin with PEM files, like 'https://example.org client.pem' or 'https://example.org client.pem client.key'"
    try:
        origin, rest = _origin_first(text.strip())
    except ValueError:
        raise ValueError(expected) from None
    files = rest.split()
    if origin is None or not origin.startswith("https:") or len(files) not in (1, 2):
        raise ValueError(expected)
    return Certificate(origin, files[0], files[1] if len(files) > 1 else None)


def host_of_proxy(url: str) -> str:
    """Return the host name of a proxy's URL."""
    rest = url.partition("://")[2].rpartition("@")[2]
    if rest.startswith("["):
        return rest[1:].partition("]")[0]
    return rest.partition(":")[0]


def pattern(text: str) -> str:
    """Read a host pattern. Raises ValueError like `header`."""
    return _pattern(text, "a host name or a pattern like *.example.org")


def _pattern(text: str, expected: str) -> str:
    if not _PATTERN.fullmatch(text):
        raise ValueError(expected)
    if text.isascii():
        return text.lower()
    try:
        return urls.host_of(urls.split(urls.spell(f"http://{text}"))[0])    # as hosts are spelt: xn--...
    except urls.UrlError:
        raise ValueError(expected) from None


def _origin_first(text: str) -> tuple[str | None, str]:
    """Part `https://example.org rest` into the origin and the rest; no origin when there is no URL at the beginning."""
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
        return None, text
    first, *words = text.split(maxsplit=1)
    rest = words[0] if words else ""
    try:
        origin, path = urls.split(urls.spell(first))
    except urls.UrlError:
        raise ValueError("for an origin like https://example.org or http://example.org:8080") from None
    if path not in ("", "/") or "@" in first:
        raise ValueError("for an origin, scheme, host and port alone, like https://example.org")
    return origin, rest.strip()
