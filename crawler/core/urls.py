"""How a URL is spelt, when two are the same, and which origin, host and site it belongs to.

Spelling follows the WHATWG URL standard (ada-url), so that a link means here what it means in a browser. Two things are
kept apart: the *spelling* is what is requested and stored, the *key* decides sameness and is never sent anywhere.
"""

from __future__ import annotations

import functools
import hashlib
import ipaddress
import re
from typing import Protocol

import ada_url

MAX_URL_BYTES = 4096

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
# Not behind a stray percent sign: what is decoded there could become an escape that was none.
_ESCAPE = re.compile(r"(?<!%)(?<!%[0-9A-Fa-f])%([0-9A-Fa-f]{2})")


class UrlError(ValueError):
    """A text that is no usable URL; `reason` is the vocabulary's word for why."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def spell(text: str, base: str | None = None) -> str:
    """Return the one spelling of *text*, joined to *base*: absolute, http or https, no fragment, no credentials.

    Raises UrlError: `scheme` when it is not http(s) or no URL at all, `length` beyond 4,096 bytes.
    """
    text = text.partition("#")[0]
    try:
        url = ada_url.join_url(base, text) if base is not None else ada_url.normalize_url(text)
    except ValueError:
        raise UrlError("no URL by the WHATWG standard", "scheme") from None
    if not url.startswith(("https://", "http://")):
        raise UrlError(f"scheme {url.partition(':')[0]} is not http or https", "scheme")
    if len(url) > MAX_URL_BYTES:
        raise UrlError(f"longer than {MAX_URL_BYTES} bytes", "length")
    if "@" in url:
        url = _without_credentials(url)
    return url


def _without_credentials(url: str) -> str:
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def key(url: str) -> str:
    """Return the identity key of a spelt URL: two URLs with one key are one URL.

    Percent-encoding is made uniform where RFC 3986 6.2.2 says that it cannot matter (upper-case digits, unreserved
    characters bare); nothing else is folded, and case is kept.
    """
    return _ESCAPE.sub(_uniform, url) if "%" in url else url


def _uniform(match: re.Match[str]) -> str:
    char = chr(int(match[1], 16))
    return char if char in _UNRESERVED else match[0].upper()


def fingerprint(identity: str, secret: bytes) -> int:
    """Return the keyed 64-bit hash of an identity key, signed as SQLite stores integers.

    Keyed for each database, so that nobody can craft two URLs that collide (BLAKE2b, RFC 7693).
    """
    digest = hashlib.blake2b(identity.encode(), digest_size=8, key=secret).digest()
    return int.from_bytes(digest, "little", signed=True)


def mark(url: str, secret: bytes) -> bytes:
    """Return the fingerprint of a spelt URL as `Offers` hold it: 8 bytes, little endian."""
    return fingerprint(key(url), secret).to_bytes(8, "little", signed=True)


def split(url: str) -> tuple[str, str]:
    """Return (origin, path and query) of a spelt URL: `https://h:8080` and `/a?b`."""
    slash = url.index("/", 8)
    return url[:slash], url[slash:]


def host_of(origin: str) -> str:
    """Return the host name of an origin, without port: the unit of politeness."""
    authority = origin.partition("://")[2]
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


@functools.lru_cache(maxsize=65_536)
def site_of(host: str) -> str:
    """Return the registrable domain of a host name (public suffix list), or the host itself when it has none."""
    name = host.rstrip(".")
    if is_address(name):
        return host
    return _suffixes().privatesuffix(name) or name


def is_address(host: str) -> bool:
    """Tell whether a host name is an IP address literal."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class _Suffixes(Protocol):
    def privatesuffix(self, domain: str) -> str | None: ...


@functools.cache
def _suffixes() -> _Suffixes:
    from publicsuffixlist import PublicSuffixList  # takes 60 ms to load: only where a site is asked for

    suffixes: _Suffixes = PublicSuffixList()
    return suffixes
