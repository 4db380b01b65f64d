"""Cookie files as curl and the extensions of browsers write them: the Netscape format, seven fields between tabs."""

from __future__ import annotations

import re

from crawler.core.model import CookieRow
from crawler.core.urls import is_address
from crawler.fetch.setcookie import home_of, is_public_suffix, is_sound

_HTTP_ONLY = "#HttpOnly_"
_FIELDS = ("domain", "subdomains", "path", "secure", "expiry", "name", "value")
_FLAGS = {"TRUE": True, "FALSE": False}
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_MOMENT = re.compile(r"([0-9]{1,15})(\.[0-9]{1,9})?")   # some extensions write fractions of a second


def read_netscape(text: str) -> list[CookieRow]:
    """Return the cookies of a file, all pinned.

    Raises ValueError with a sentence for every line that is wrong; values are never repeated in it.
    """
    rows: list[CookieRow] = []
    wrong: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        entry = line.removesuffix("\r")
        http_only = entry.startswith(_HTTP_ONLY)
        entry = entry.removeprefix(_HTTP_ONLY)
        if not http_only and (not entry.strip() or entry.startswith("#")):
            continue
        try:
            rows.append(_row(entry.split("\t"), http_only=http_only))
        except ValueError as error:
            wrong.append(f"line {number}: {error}")
    if wrong:
        raise ValueError("\n".join(wrong))
    return rows


def _row(fields: list[str], *, http_only: bool) -> CookieRow:
    if len(fields) != len(_FIELDS):
        raise ValueError(f"{len(fields)} fields between tabs instead of {len(_FIELDS)} ({', '.join(_FIELDS)})")
    domain, subdomains, path, secure, expiry, name, value = fields
    host, site = home_of(domain)
    address = is_address(host)
    if not address and not _NAME.fullmatch(host):
        raise ValueError(f"the domain {domain!r} is no host name")
    if not path.startswith("/"):
        raise ValueError(f"the path {path!r} does not begin with /")
    if not name:
        raise ValueError("the cookie has no name")
    shared = _flag("subdomains", subdomains)
    # A host without a dot is a suffix only because no list knows it: localhost, or a machine of an intranet.
    if not address and is_public_suffix(host) and (shared or "." in host):
        raise ValueError(f"the domain {domain!r} is a public suffix: its cookies would go to sites of different owners")
    row = CookieRow(
        site=site,
        host=host,
        name=name,
        path=path,
        value=value,
        expires=_moment(expiry),
        host_only=address or not shared,
        secure=_flag("secure", secure),
        http_only=http_only,
        pinned=True,
    )
    if not is_sound(row):
        raise ValueError(f"the cookie {name!r} cannot be sent: control characters, more than 4,096 bytes, or not what its prefix promises")
    return row


def _flag(field: str, text: str) -> bool:
    try:
        return _FLAGS[text.upper()]
    except KeyError:
        raise ValueError(f"the field {field} must be TRUE or FALSE, not {text!r}") from None


def _moment(text: str) -> float | None:
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"the expiry must be 0 (session) or Unix seconds, not {text!r}")
    return float(text) or None
