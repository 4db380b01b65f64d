"""Is what a crawler stored right and whole? Compared with what the server serves and with what a site holds."""

from __future__ import annotations

import hashlib
import http.client
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml"})


@dataclass(frozen=True, slots=True)
class Served:
    """What the server answers for a URL."""

    status: int
    mime: str
    digest: bytes

    @property
    def is_page(self) -> bool:
        """A page is HTML that is there."""
        return self.status == 200 and self.mime in _PAGE_TYPES


@dataclass(frozen=True, slots=True)
class Found:
    """What one crawl stored."""

    bodies: int  # files of every kind, robots.txt left out
    pages: frozenset[str]
    wrong: int  # files that differ from what the server serves, or are missing


class Reference:
    """Asks the server itself, once per URL."""

    def __init__(self) -> None:
        self._served: dict[str, Served] = {}
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def check(self, stored: dict[str, Path]) -> Found:
        """Compare each stored file with the server's answer."""
        stored = {url: file for url, file in stored.items() if urlsplit(url).path != "/robots.txt"}
        wrong = sum(_digest(file) != self.served(url).digest for url, file in stored.items())
        pages = frozenset(url for url in stored if self.served(url).is_page)
        return Found(len(stored), pages, wrong)

    def served(self, url: str) -> Served:
        """Return the server's answer to a GET of *url*; redirects are not followed."""
        if url not in self._served:
            self._served[url] = self._ask(url)
        return self._served[url]

    def _ask(self, url: str) -> Served:
        parts = urlsplit(url)
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = self._connections.setdefault(parts.netloc, make(parts.netloc, timeout=30))
        connection.request("GET", parts._replace(scheme="", netloc="", fragment="").geturl() or "/")
        response = connection.getresponse()
        return Served(response.status, response.headers.get_content_type(), hashlib.sha256(response.read()).digest())


def _digest(file: Path) -> bytes | None:
    try:
        return hashlib.sha256(file.read_bytes()).digest()
    except OSError:
        return None


def read_truth(file: Path, start: str) -> frozenset[str]:
    """Return the pages of a truth file as URLs of the host of *start*."""
    pages: list[str] = json.loads(file.read_text(encoding="utf-8"))["pages"]
    return on_host(pages, start)


def on_host(paths: Iterable[str], start: str) -> frozenset[str]:
    """Return *paths* as URLs of the host of *start*."""
    url = urlsplit(start)
    return frozenset(f"{url.scheme}://{url.netloc}{path}" for path in paths)
