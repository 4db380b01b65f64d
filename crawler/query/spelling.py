"""What spelling changed in the text of a URL, in words."""

from __future__ import annotations

import re

_PARTS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):[/\\]*([^/\\?#]*)([^#]*)(#?).*", re.DOTALL)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_IGNORED = str.maketrans("", "", "\t\r\n")


def changes(text: str, url: str) -> tuple[str, ...]:
    """Say how *url*, the spelling of *text*, differs from it; words of the text are not repeated (there may be a password)."""
    clean = text.translate(_IGNORED)
    before, after = _PARTS.fullmatch(clean), _PARTS.fullmatch(url)
    if before is None or after is None:
        return () if text == url else ("spelt as browsers do",)
    found = ["line breaks and tabs removed"] if clean != text else []
    if before[1] != after[1]:
        found.append("scheme in lower case")
    if "\\" in before[0].partition("?")[0]:
        found.append("backslashes read as slashes")
    found += _authority(before[1].lower(), before[2], after[2]) + _path(before[3], after[3])
    if before[4]:
        found.append("fragment removed")
    return tuple(found) if found or text == url else ("spelt as browsers do",)


def _authority(scheme: str, before: str, after: str) -> list[str]:
    """Say what became of user, host and port."""
    found = []
    if "@" in before:
        found.append("user name and password removed")
    (name, port), (new_name, new_port) = (_split(each.rpartition("@")[2]) for each in (before, after))
    if name != new_name:
        found.append("host name in lower case" if name.lower() == new_name else "host name in its ASCII form")
    if port is not None and new_port is None:
        found.append("default port removed" if port and int(port[:9]) == _DEFAULT_PORTS.get(scheme) else "empty port removed")
    return found


def _split(authority: str) -> tuple[str, str | None]:
    if authority.endswith("]"):
        return authority, None
    name, colon, port = authority.rpartition(":")
    return (name, port) if colon and (port.isdigit() or not port) else (authority, None)


def _path(before: str, after: str) -> list[str]:
    """Say what became of path and query."""
    plain = before.replace("\\", "/")
    if after in (plain, before):
        return []
    if not plain.startswith("/"):
        if f"/{plain}" == after:
            return ["path / added"]
        plain = f"/{plain}"
    found = []
    steps = re.sub(r"%2e", ".", plain.partition("?")[0], flags=re.IGNORECASE).split("/")
    if "." in steps or ".." in steps:
        found.append("dot segments removed")
    if after.count("%") > plain.count("%"):
        found.append("other characters percent-encoded")
    return found or ["path spelt as browsers do"]
