"""What one cookie is, and whether a site may set it: RFC 6265 with the stricter rules of its successor (RFC 6265bis).

No store and no clock: values in, a row or None out. Headers are taken apart as browsers do it, in linear time and without
quoting rules, so that a value is sent back byte for byte as it came.
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
import re
from collections.abc import Mapping

import msgspec
from yarl import URL

from crawler.core.model import CookieRow
from crawler.core.urls import is_address, site_of

MOST_BYTES = 4096
"""Of one cookie: name, value and attributes together."""
LONGEST_ATTRIBUTE = 1024
LONGEST_LIFE = 400 * 86_400
"""Seconds. RFC 6265bis 5.5: nothing is remembered longer than that, whatever a server asks for."""

# A tab may stand between attributes, but newer Pythons refuse to send one within a value.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f;]")
_WHOLE_NUMBER = re.compile(r"-?[0-9]+")


class Source(msgspec.Struct, frozen=True, gc=False):
    """Who sets a cookie."""

    host: str
    site: str
    path: str
    secure: bool


@functools.lru_cache(maxsize=65_536)
def home_of(raw_host: str | None) -> tuple[str, str]:
    """Return (host, site) of a URL's host: lower case, no dot at the end, IPv6 in brackets as everywhere in the crawler."""
    host = (raw_host or "").lower().strip(".")
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return host, site_of(host)


def source_of(url: URL) -> Source:
    """Return who answers at a URL."""
    host, site = home_of(url.raw_host)
    return Source(host, site, url.raw_path or "/", is_secure(url))


def is_secure(url: URL) -> bool:
    """Tell whether Secure cookies may travel to a URL."""
    return url.scheme in {"https", "wss"}


def is_public_suffix(domain: str) -> bool:
    """Tell whether the names below a domain belong to different owners: any such name would be a site of its own."""
    below = f"-.{domain}"
    return site_of(below) == below


def parse(header: str | bytes, source: Source, now: float) -> CookieRow | None:
    """Return the cookie that a Set-Cookie header sets, or None when it is refused. One that is to be removed has expired already."""
    text = header if isinstance(header, str) else header.decode("utf-8", "surrogateescape")
    if len(text) > MOST_BYTES or _FORBIDDEN.search(text) or not _fits(text):
        return None
    pair, _, rest = text.partition(";")
    name, equals, value = pair.partition("=")
    if not equals:
        return None
    attributes: dict[str, str] = {}
    for piece in rest.split(";"):
        key, _, said = piece.partition("=")
        if len(said := said.strip()) <= LONGEST_ATTRIBUTE:
            attributes[key.strip().lower()] = said
    return judge(name.strip(" \t"), value.strip(" \t"), attributes, source, now)


def judge(name: str, value: str, attributes: Mapping[str, str], source: Source, now: float) -> CookieRow | None:
    """Return the row for a cookie, its attributes by lower-case name, or None when its source may not set it."""
    secure = "secure" in attributes
    if not source.host or (secure and not source.secure):
        return None
    domain = attributes.get("domain", "").lower().strip(".")
    if domain and not _may_set(source, domain):
        return None
    path = attributes.get("path", "")
    row = CookieRow(
        site=source.site,
        host=domain or source.host,
        name=name,
        path=path if path.startswith("/") else _default_path(source.path),
        value=value,
        expires=_expiry(attributes, now),
        host_only=not domain or is_address(domain) or is_public_suffix(domain),
        secure=secure,
        http_only="httponly" in attributes,
        pinned=False,
    )
    return row if is_sound(row) else None


def is_sound(row: CookieRow) -> bool:
    """Tell whether a cookie can be sent as it is, is small enough, keeps to its site and keeps what its name promises."""
    whole = row.name + row.value
    if not row.name or not row.path.startswith("/") or "=" in row.name or _UNSENDABLE.search(whole) or _UNSENDABLE.search(row.path):
        return False
    if not _fits(whole + row.host + row.path) or site_of(row.host) != row.site:
        return False
    if not row.host_only and is_public_suffix(row.host):
        return False
    prefix = row.name[:9].lower()
    if prefix.startswith("__host-"):
        return row.secure and row.host_only and row.path == "/"
    return row.secure or prefix != "__secure-"


def is_sent_to(row: CookieRow, host: str, path: str, *, secure: bool) -> bool:
    """Tell whether a cookie belongs into a request (RFC 6265 5.4)."""
    if row.secure and not secure:
        return False
    return matches_host(row, host) and matches_path(row.path, path)


def matches_host(row: CookieRow, host: str) -> bool:
    """Tell whether a host is the cookie's own, or one below it where it has a Domain (RFC 6265 5.1.3)."""
    return row.host == host or (not row.host_only and host.endswith(f".{row.host}"))


def matches_path(path: str, asked: str) -> bool:
    """Tell whether a request's path is *path* or lies below it (RFC 6265 5.1.4)."""
    return asked.startswith(path) and (len(asked) == len(path) or path.endswith("/") or asked[len(path)] == "/")


def _may_set(source: Source, domain: str) -> bool:
    # A public suffix is a site of its own, so it is never the site of a host below it; the host itself may name it.
    if domain == source.host:
        return True
    return domain.isascii() and source.host.endswith(f".{domain}") and site_of(domain) == source.site


def _fits(text: str) -> bool:
    try:
        return len(text.encode()) <= MOST_BYTES
    except UnicodeEncodeError:      # bytes that were no text
        return False


def _default_path(path: str) -> str:
    return path[: path.rindex("/")] or "/" if path.startswith("/") else "/"


def _expiry(attributes: Mapping[str, str], now: float) -> float | None:
    age = attributes.get("max-age", "")
    if _WHOLE_NUMBER.fullmatch(age):
        return now + min(int(age), LONGEST_LIFE) if int(age) > 0 else 0.0
    moment = parse_date(attributes.get("expires", ""))
    return None if moment is None else min(moment, now + LONGEST_LIFE)


_DELIMITERS = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}


def parse_date(text: str) -> float | None:
    """Return the Unix seconds of a cookie's date in any of its many spellings (RFC 6265 5.1.1), or None."""
    time = day = month = year = None
    for token in _DELIMITERS.split(text):
        if time is None and (match := _TIME.match(token)):
            time = int(match[1]), int(match[2]), int(match[3])
        elif day is None and (match := _DAY.match(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS[token[:3].lower()]
        elif year is None and (match := _YEAR.match(token)):
            year = int(match[1])
    if time is None or day is None or month is None or year is None:
        return None
    if year < 100:
        year += 1900 if year >= 70 else 2000
    if year < 1601:
        return None
    try:
        moment = dt.datetime(year, month, day, *time, tzinfo=dt.UTC)
    except ValueError:      # the 30th of February, 25:00:00
        return None
    return float(calendar.timegm(moment.utctimetuple()))
