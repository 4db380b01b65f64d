"""What a web app manifest names (W3C, Web Application Manifest): where the app begins, its shortcuts and its pictures."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from crawler.core.model import Kind

MAX_BYTES = 1024 * 1024
"""A longer one is no manifest; read as objects, this much takes at most some 50 MB."""
MAX_LINKS = 1_000

_STRIPPED = "".join(map(chr, range(0x21)))


def read(body: bytes) -> tuple[tuple[Kind, str], ...] | None:
    """Return what a manifest names, without repeats; None for what is no manifest.

    A member of the wrong type counts as none, as the specification has it.
    """
    if len(body) > MAX_BYTES:
        return None
    try:
        manifest: object = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace"))
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None
    if not isinstance(manifest, dict):
        return None
    found: dict[tuple[Kind, str], None] = {}
    for kind, written in _members(manifest):
        url = written.strip(_STRIPPED) if isinstance(written, str) else ""
        if url and url[:5].lower() != "data:":
            found[kind, url] = None
        if len(found) == MAX_LINKS:
            break
    return tuple(found)


def _members(manifest: dict[object, object]) -> Iterator[tuple[Kind, object]]:
    yield Kind.A, manifest.get("start_url")
    for shortcut in _objects(manifest, "shortcuts"):
        yield Kind.A, shortcut.get("url")
        for icon in _objects(shortcut, "icons"):
            yield Kind.ICON, icon.get("src")
    for icon in _objects(manifest, "icons"):
        yield Kind.ICON, icon.get("src")
    for screenshot in _objects(manifest, "screenshots"):
        yield Kind.IMG, screenshot.get("src")


def _objects(parent: dict[object, object], name: str) -> Iterator[dict[object, object]]:
    members = parent.get(name)
    return (member for member in members if isinstance(member, dict)) if isinstance(members, list) else iter(())
