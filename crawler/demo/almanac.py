"""The Almanac and the Logbook: a calendar that ends after 24 months, winds and feasts, and a host that asks for patience.

The Logbook is alone on its host with a dozen pages and `Crawl-delay: 0.5`.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from functools import partial

from crawler.demo.nouns import Manner, Page, Volume, World
from crawler.demo.prose import number, sentence, slug
from crawler.demo.sheets import Binder, a, p, prose, ul

MONTHS = tuple((year, month) for year in (1911, 1912) for month in range(1, 13))
NAMES = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
WINDS = (
    "The Elder Norther", "Thin Peter", "The Laundry Wind", "The Bishop", "Sou'wester Proper", "The Slate Breeze", "Black Annis",
    "The Onion Wind", "The Widow's Breath", "The Half Gale", "The Long Easterly", "Kittiwake Air", "The Postman",
    "The Nightly Draught", "The Wind That Opens Doors", "No Wind at All",
)  # fmt: skip
FEASTS = (
    "Lighting-Up Sunday", "The Feast of the Clean Lens", "Oil Monday", "Gull Forgiveness", "The Day of Two Tides",
    "Saint Brannoc's Eve", "Kettle Thursday", "The Blessing of the Boots", "Wick Night", "Relief Sunday", "The Fast of Fog",
    "Old Year's Last Watch",
)  # fmt: skip
ENTRIES = (
    "Came ashore, counted the stairs", "Rain", "Rain, differently", "The bell rang by itself", "Visitors, two, damp",
    "The cat is promoted", "Nothing to report, at length", "A bottle, with a letter", "The letter answered", "Relieved",
)  # fmt: skip
PATIENCE = 0.5
"""Seconds between two requests that the Logbook asks for."""


def almanac(world: World) -> Volume:
    """Write the volume with the calendar that ends."""
    book = Binder(world, "almanac", "The Keepers' Almanac")
    book.sheet("", book.title, partial(_front, world), dated=True)
    for year, month in MONTHS:
        book.sheet(f"calendar/{year}/{month:02}", f"{NAMES[month - 1]} {year}", partial(_month, year, month), dated=True)
    for folder, titles in (("winds", WINDS), ("feasts", FEASTS)):
        book.sheet(f"{folder}/", folder.capitalize(), partial(_index, titles), manner=Manner.GZIP)
        for title in titles:
            book.sheet(f"{folder}/{slug(title)}", title, partial(_entry, title, titles), dated=number(title, 2) == 0)
    book.file("tides.txt", Page(_tides, mime="text/plain; charset=utf-8", dated=True))
    book.lose("calendar/1913/01")
    return Volume(book.name, book.title, "Two years of days, sixteen winds, twelve feasts.", book.entries, never=book.never)


def _front(world: World) -> Iterable[str]:
    yield p(f"Begin with {a('calendar/1911/01', 'January 1911')} and go on; it ends, as years do.")
    yield p(f"{a('winds/', 'Winds')}, {a('feasts/', 'feasts')}, {a('tides.txt', 'tides as plain text')}.")
    yield p(f"What happened is in the {a(world.url('logbook'), 'Logbook')}.")
    yield p(f"What was odd is in the {a(world.url('curios'), 'Cabinet')}.")


def _month(year: int, month: int) -> Iterable[str]:
    weeks = calendar.monthcalendar(year, month)
    rows = ("<tr>" + "".join(f"<td>{day or ''}</td>" for day in week) + "</tr>" for week in weeks)
    yield "<table>\n" + "\n".join(rows) + "\n</table>"
    yield from prose(f"{year} {month}", 2)
    if (year, month) != MONTHS[-1]:
        yield p(a(f"../{year + month // 12}/{month % 12 + 1:02}", "The next month", 'rel="next"'))
    else:
        yield p(f"The next month is {a('../1913/01', 'not printed yet')}.")


def _index(titles: Iterable[str]) -> Iterable[str]:
    yield ul(a(slug(title), title) for title in titles)


def _entry(title: str, titles: tuple[str, ...]) -> Iterable[str]:
    yield from prose(title, 4)
    following = titles[(titles.index(title) + 1) % len(titles)]
    yield p(f"{a('./', 'All of them')}, or the next: {a(slug(following), following)}.")


def _tides() -> bytes:
    """Return a table in plain text; what looks like a link in it is none."""
    rows = (f"{hour:02}:00  {number(f'tide {hour}', 640) / 100:5.2f} m" for hour in range(24))
    return ("HEIGHTS OF THE TIDE\n\n" + "\n".join(rows) + '\n\nThis is no link: <a href="/almanac/no-link">no</a>\n').encode()


def logbook(world: World) -> Volume:
    """Write the volume whose host wants to be asked slowly."""
    book = Binder(world, "logbook", "The Logbook of Saint Brannoc Rock")
    book.sheet("", book.title, partial(_cover, world))
    for place, title in enumerate(ENTRIES):
        book.sheet(f"{place + 1}", f"Entry {place + 1}: {title}", partial(_written, place), dated=True)
    return Volume(book.name, book.title, "Ten entries in a slow hand.", book.entries, delay=PATIENCE, never=book.never)


def _cover(world: World) -> Iterable[str]:
    yield p("Please do not hurry this book.")
    yield ul(a(f"{place + 1}", title) for place, title in enumerate(ENTRIES))
    yield p(f"The light is on {a(world.url('atlas', 'the-skerry-coast/saint-brannoc-rock'), 'this page of the Atlas')}.")


def _written(place: int) -> Iterable[str]:
    yield from prose(ENTRIES[place], 2)
    yield p(sentence(f"log {place}"))
    if place + 1 < len(ENTRIES):
        yield p(a(f"{place + 2}", "Turn the page"))
