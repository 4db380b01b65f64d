"""Which volume lies on which host, what lies at each URL, and what a right crawl of it all comes to.

The truth is read off the definition: what has a body is a page, what is forbidden was noted by whoever wrote the link. Nothing
here follows a link, so a crawl that agrees with it has found every page by itself. The calendar without end has no URL in
it but the month that is linked, as one of `Truth.never`; the rest of it lies below `Truth.closed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from urllib.parse import urljoin

from crawler.demo.almanac import almanac, logbook
from crawler.demo.atlas import atlas
from crawler.demo.bestiary import bestiary
from crawler.demo.curios import curios
from crawler.demo.handbook import handbook
from crawler.demo.nouns import HTML, Entry, Missing, Moved, Page, Truth, Volume, World
from crawler.demo.sheets import a, html, p, ul

VOLUMES: Mapping[str, Callable[[World], Volume]] = {
    "handbook": handbook,
    "atlas": atlas,
    "almanac": almanac,
    "logbook": logbook,
    "curios": curios,
    "bestiary": bestiary,
}
"""In the order in which they are given to the hosts."""
TITLE = "The Society of Harbour Lights"
NOWHERE = Missing()


class Catalogue:
    """Everything that a site on these hosts has to say, before anyone asks."""

    def __init__(self, hosts: Sequence[str], port: int, *, pace: float) -> None:
        self.origins = {host: f"http://{host}:{port}" for host in hosts}
        self._places = {name: hosts[place % len(hosts)] for place, name in enumerate(VOLUMES)}
        world = World({name: self.origins[host] for name, host in self._places.items()})
        self.volumes = tuple(write(world) for write in VOLUMES.values())
        self.robots = {host: _robots(self._on(host), pace) for host in hosts}
        self._entries = {host: self._collected(host) for host in hosts}

    def find(self, host: str, path: str) -> Entry:
        """Return what lies at a path (with its query) of a host: `Missing` where there is nothing."""
        if path == "/robots.txt":
            text = self.robots[host]
            return NOWHERE if text is None else Page(text.encode, mime="text/plain; charset=utf-8")
        entry = self._entries[host].get(path)
        if entry is not None:
            return entry
        hidden = (volume.endless(path) for volume in self._on(host) if volume.endless is not None)
        return next((page for page in hidden if page is not None), NOWHERE)

    def truth(self) -> Truth:
        """Work out what a right crawl comes to."""
        never = {urljoin(self._origin(of), link): reason for of in self.volumes for link, reason in of.never.items()}
        entries = {self.origins[host] + path: entry for host, named in self._entries.items() for path, entry in named.items()}
        pages = {url: entry for url, entry in entries.items() if isinstance(entry, Page) and url not in never}
        moved = {url: urljoin(url, entry.to) for url, entry in entries.items() if isinstance(entry, Moved)}
        loops = {url: to for url, to in moved.items() if _returns(url, moved)}
        return Truth(
            pages=frozenset(pages),
            errors=MappingProxyType({url: entry.status for url, entry in entries.items() if isinstance(entry, Missing)}),
            redirects=MappingProxyType({url: to for url, to in moved.items() if url not in loops}),
            loops=MappingProxyType(loops),
            never=MappingProxyType(never),
            closed=tuple(self._origin(volume) + path for volume in self.volumes for path in volume.closed),
            titles=MappingProxyType({url: page.title for url, page in pages.items() if page.mime.startswith("text/html")}),
        )

    def _on(self, host: str) -> tuple[Volume, ...]:
        return tuple(volume for volume in self.volumes if self._places[volume.name] == host)

    def _origin(self, volume: Volume) -> str:
        return self.origins[self._places[volume.name]]

    def _collected(self, host: str) -> dict[str, Entry]:
        front = Page(partial(self._front, host), TITLE, HTML, dated=True)
        collected: dict[str, Entry] = {"/": front}
        for volume in self._on(host):
            collected |= volume.entries
        return collected

    def _front(self, host: str) -> bytes:
        """Write the page at the root of a host."""
        here = (f"{a(f'/{volume.name}/', volume.title)}: {volume.blurb}" for volume in self._on(host))
        away = (a(origin, origin) for other, origin in self.origins.items() if other != host)
        blocks = (p("On these shelves:"), ul(here), p("Our other houses:"), ul(away))
        return html(TITLE, blocks).encode()


def _robots(volumes: Iterable[Volume], pace: float) -> str | None:
    """Return the robots.txt of the host of these volumes, None when there is none.

    A Crawl-delay would slow down whatever else is on the host, so it is only asked for by a volume that is alone.
    """
    volumes = tuple(volumes)
    if all(volume.lawless for volume in volumes):
        return None
    lines = ["User-agent: gullbot", "Disallow: /", "", "User-agent: *"]
    lines += [line for volume in volumes for line in volume.rules] or ["Disallow:"]
    if len(volumes) == 1 and volumes[0].delay * pace:
        lines.append(f"Crawl-delay: {volumes[0].delay * pace:g}")
    return "\n".join(lines) + "\n"


def _returns(url: str, moved: Mapping[str, str]) -> bool:
    """Tell whether a redirect leads back to where it has been."""
    chain = set()
    while url in moved and url not in chain:
        chain.add(url)
        url = moved[url]
    return url in chain
