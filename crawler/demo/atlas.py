"""The Atlas of Lights: 8 coasts of 7 lights, a list by name in pages (`?page=2`), and a host with rules.

Its robots.txt closes `/atlas/private/` but for the visitors' page, everything that ends in `.draft`, and `/calendar/`: a
calendar without end, each month linking to the next for ever. Paths like its months look honest to every trap guard, so
only the rule keeps a crawl out; one that ignores robots.txt ends by its page budget or its depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial

from crawler.core.model import Reason
from crawler.demo.nouns import Page, Volume, World
from crawler.demo.prose import number, pick, sentence, slug
from crawler.demo.sheets import Binder, a, html, p, prose, ul

COASTS = {
    "The Skerry Coast": "Rock",
    "The Bight of Oars": "Head",
    "Widow's Reach": "Point",
    "North Tangle": "Spit",
    "The Lettered Isles": "Holm",
    "Gannet Shelf": "Ledge",
    "The Drowned Parish": "Steeple",
    "Far Roads": "Ness",
}
NAMES = ("Saint Brannoc", "Black Hen", "Old Margaret", "Cold Kettle", "Candle", "Three Sisters", "Wether")
LIGHTS = {f"{name} {kind}": coast for coast, kind in COASTS.items() for name in NAMES}
CHARACTERS = ("Fl W 5s", "Fl(2) W 10s", "Oc R 6s", "Iso G 4s", "Q(9) 15s", "LFl WR 12s", "F W", "Mo(K) 20s")
A_PAGE = 14
RULES = (
    "# The private part is private. Visitors are welcome on Thursdays.",
    "Disallow: /atlas/private/",
    "Allow: /atlas/private/visitors",
    "Disallow: /*.draft$",
    "Disallow: /calendar/",
)
_MONTH = re.compile(r"/calendar/([0-9]{4,6})/(0[1-9]|1[0-2])")


def atlas(world: World) -> Volume:
    """Write the volume."""
    book = Binder(world, "atlas", "The Atlas of Lights")
    book.sheet("", book.title, partial(_front, world), dated=True)
    for coast in COASTS:
        book.sheet(f"{slug(coast)}/", coast, partial(_coast, coast), dated=True)
    for light, coast in LIGHTS.items():
        blocks = partial(_light, world, light, coast)
        book.sheet(f"{slug(coast)}/{slug(light)}", light, blocks, dated=number(light, 3) == 0)
    _add_list(book)
    _add_private(book)
    return Volume(
        book.name,
        book.title,
        "Every light of the coast, with its character and its keeper.",
        book.entries,
        rules=RULES,
        never=book.never,
        closed=("/calendar/",),
        endless=_month,
    )


def _front(world: World) -> Iterable[str]:
    yield ul(a(f"{slug(coast)}/", coast) for coast in COASTS)
    yield p(f"The same {a('by-name', 'by name')}, or from {a('by-name?page=2', 'the second page')} on.")
    yield p(f"Days: {a('/calendar/1901/01', 'the perpetual calendar')}, which has no last page.")
    yield p(f"{a('private/', 'Private')}: {a('private/keys', 'the keys')}. But do read {a('private/visitors', 'this')}.")
    yield p(f"Not finished: {a('far-roads.draft', 'a draft')} and {a('far-roads.draft.old', 'an older one')}.")
    yield p(f"How to keep them: {a(world.url('handbook').removeprefix('http:'), 'the Handbook')}.")


def _coast(coast: str) -> Iterable[str]:
    yield p(sentence(coast))
    yield ul(a(slug(light), light) for light, where in LIGHTS.items() if where == coast)
    yield p(a("../", "All coasts"))


def _light(world: World, light: str, coast: str) -> Iterable[str]:
    yield f"<table><tr><th>Character<td>{pick(light, CHARACTERS)}<tr><th>Height<td>{9 + number(light, 60)} m</table>"
    yield from prose(light, 3)
    others = list(LIGHTS)
    near = others[(others.index(light) + 1) % len(others)]
    yield p(f"Next along the coast: {a(f'/atlas/{slug(LIGHTS[near])}/{slug(near)}#more', near)}. Back to {a('./', coast)}.")
    yield p(f"Birds seen here: {a(world.url('bestiary', 'sea-birds/'), 'see the Bestiary')}.")


def _add_list(book: Binder) -> None:
    """Add the list by name; its first page has two URLs, as such lists do."""
    names = sorted(LIGHTS)
    pages = range(1, 1 + -(-len(names) // A_PAGE))
    listed = {}
    for page in pages:
        some = names[(page - 1) * A_PAGE : page * A_PAGE]
        listed[page] = book.sheet(f"by-name?page={page}", "Lights by Name", partial(_listed, some, pages))
    book.file("by-name", listed[1])


def _listed(names: list[str], pages: range) -> Iterable[str]:
    yield ul(a(f"{slug(LIGHTS[name])}/{slug(name)}", name) for name in names)
    yield p("Page " + " ".join(a(f"?page={page}", str(page)) for page in pages))


def _add_private(book: Binder) -> None:
    """Add the pages that only rules keep a crawl from, and the two that the same rules let through."""
    book.forbid("/calendar/1901/01", Reason.ROBOTS)
    closed = {"private/": "Private", "private/keys": "Where the Keys Hang", "far-roads.draft": "Far Roads, a Draft"}
    for path, title in closed.items():
        book.forbid(book.path(path), Reason.ROBOTS)
        book.sheet(path, title, partial(prose, title, 2))
    book.sheet("private/visitors", "Visitors, Thursdays Two to Four", partial(prose, "visitors", 3))
    book.sheet("far-roads.draft.old", "Far Roads, an Older Draft", partial(prose, "older draft", 2))


def _month(path: str) -> Page | None:
    """Find a month of the calendar without end."""
    found = _MONTH.fullmatch(path)
    if found is None:
        return None
    year, month = int(found[1]), int(found[2])
    following = f"{year + month // 12:04}/{month % 12 + 1:02}"
    title = f"Month {month} of {year}"
    blocks = (p(sentence(path)), p(a(f"/calendar/{following}", "The next month")), p(a("/atlas/", "Enough")))
    return Page(partial(_written, title, blocks), title)


def _written(title: str, blocks: Iterable[str]) -> bytes:
    return html(title, blocks).encode()
