"""The sort-friendly spelling of a URL that indexes of web archives are ordered by: `org,example)/path?query`.

Two URLs that an archive should answer alike get one key: without scheme, `www`, usual ports, letter case, session ids and the
order of the query. The rules are those that replay tools look up by; they are coarser than a crawl's own idea of sameness.
"""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

_PARTS = re.compile(r"(?:([a-z][a-z0-9+.-]*):)?//(?:[^/?#@]*@)?(\[[^\]]*\]|[^/?#:]*)(?::(\d*))?([^?#]*)(?:\?([^#]*))?", re.IGNORECASE)
_WWW = re.compile(r"www\d*\.(?=[^.]+)")
_PORTS = {"http": "80", "https": "443"}
_SLASHES = re.compile(r"/{2,}")
_ASPX_SESSION = re.compile(r"/\((?:[a-z]\([0-9a-z]{24}\))+\)(?=/[^?]+\.aspx)")
_SESSION = re.compile(
    r"(?:^|(?<=&))(?:(?:jsessionid|phpsessid|sid)=[0-9a-z]{32}|aspsessionid[a-z]{8}=[a-z]{24}|cfid=[^&]+&cftoken=[^&]+)(?:&|$)"
)
_KEPT = "!\"$&'()*+,-./:;<=>?@[\\]^_`{|}~"
"""What is not escaped again; `%`, `#`, white space, controls and what is no ASCII are."""
_IPV4 = re.compile(r"\d+(?:\.\d+){3}")


def surt(url: str) -> str:
    """Return the key of an absolute URL; what is none is its own key."""
    match = _PARTS.match(url)
    if match is None:
        return url
    scheme, host, port, path, query = (part or "" for part in match.groups())
    key = f"{_reversed(host.lower())}{_port(scheme.lower(), port)})"
    key += _path(path)
    query = _query(query)
    return f"{key}?{query}" if query else key


def _reversed(host: str) -> str:
    if host.startswith("["):
        return host.strip("[]")
    host = host.strip(".")
    if not _IPV4.fullmatch(host):
        host = _WWW.sub("", host, count=1) if _WWW.match(host) else host
    return ",".join(reversed(host.split(".")))


def _port(scheme: str, port: str) -> str:
    return f":{port}" if port and port != _PORTS.get(scheme) else ""


def _path(path: str) -> str:
    plain = _escaped(path).lower()
    kept: list[str] = []
    for segment in plain.split("/"):
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    plain = _SLASHES.sub("/", "/" + "/".join(kept))
    plain = _ASPX_SESSION.sub("", plain)
    return plain.rstrip("/") or "/"


def _query(query: str) -> str:
    whole = _escaped(query).lower()
    plain = _SESSION.sub("", whole)
    if plain != whole:
        plain = plain.removesuffix("&")
    return "&".join(sorted(plain.split("&")))


def _escaped(text: str) -> str:
    """Return text with its escapes undone as often as there are any, and only what needs it escaped."""
    raw = text.encode("utf-8", "surrogatepass")
    for _ in range(16):     # nobody nests them deeper in good faith
        plain = unquote_to_bytes(raw)
        if plain == raw:
            break
        raw = plain
    return quote_from_bytes(raw, safe=_KEPT)
