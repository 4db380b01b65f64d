"""What a body's file is called. No remote text ever shapes a path: a fixed alphabet, a digest, a fixed list of endings."""

from __future__ import annotations

import hashlib
import re

from crawler.core import urls

SLUG_LENGTH = 40
HOST_LENGTH = 100
DIGEST_HEX = 32

EXTENSIONS = {
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "text/plain": ".txt",
    "text/css": ".css",
    "text/csv": ".csv",
    "text/markdown": ".md",
    "text/javascript": ".js",
    "application/javascript": ".js",
    "application/json": ".json",
    "application/ld+json": ".json",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/rss+xml": ".xml",
    "application/atom+xml": ".xml",
    "application/pdf": ".pdf",
    "application/zip": ".zip",
    "application/gzip": ".gz",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "image/webp": ".webp",
    "image/svg+xml": ".svg",
    "image/avif": ".avif",
    "font/woff2": ".woff2",
    "audio/mpeg": ".mp3",
    "video/mp4": ".mp4",
}

_UNSAFE_IN_HOST = re.compile(r"[^a-z0-9.-]")
_UNSAFE_IN_SLUG = re.compile(r"[^a-z0-9]+")
_FILE = re.compile(r"pages/[a-z0-9_](?:[a-z0-9._-]{0,98}[a-z0-9_])?/[0-9a-f]{2}/[a-z0-9-]{1,40}-[0-9a-f]{32}\.[a-z0-9]{1,5}")
_ENDING = re.compile(r"\.[a-z0-9]{1,5}$")


def folder_of(host: str) -> str:
    """Return the folder name of a host: its ASCII name, never `.` or `..`, never too long for a file system."""
    name = _UNSAFE_IN_HOST.sub("_", host.lower()).strip(".-") or "_"
    if len(name) > HOST_LENGTH:
        name = f"{name[:60]}_{hashlib.sha256(host.encode()).hexdigest()[:16]}"
    return name


def file_of(url: str, mime: str | None, digest: bytes) -> str:
    """Return the path of a body below the output folder: `pages/<host>/<2 hex>/<slug>-<32 hex><ext>`."""
    origin, path = urls.split(url)
    name = _ENDING.sub("", path.partition("?")[0].lower().rstrip("/"))
    slug = _UNSAFE_IN_SLUG.sub("-", name)[-SLUG_LENGTH:].strip("-") or "index"
    mark = digest.hex()[:DIGEST_HEX]
    return f"pages/{folder_of(urls.host_of(origin))}/{mark[:2]}/{slug}-{mark}{EXTENSIONS.get(mime or '', '.bin')}"


def is_file_of(name: str) -> bool:
    """Tell whether a path is one that `file_of` gives."""
    return _FILE.fullmatch(name) is not None
