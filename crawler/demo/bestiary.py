"""The Keepers' Bestiary: 6 families of 8 creatures, on the host that has no robots.txt."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from crawler.demo.nouns import Manner, Volume, World
from crawler.demo.prose import KEEPERS, TIMES, number, pick, sentence, slug
from crawler.demo.sheets import Binder, a, p, prose, ul

FAMILIES = {
    "Sea Birds": ("Herring Gull", "Kittiwake", "Storm Petrel", "Gannet", "Razorbill", "Puffin", "Cormorant", "Arctic Tern"),
    "Large Swimmers": (
        "Grey Seal", "Harbour Porpoise", "Minke Whale", "Basking Shark", "Common Seal", "Orca, Passing", "Sunfish",
        "Seal Who Wants Something",
    ),
    "Fishes": (
        "Herring", "Pollack", "Conger", "Ballan Wrasse", "Lumpsucker", "Sand Eel", "Gurnard", "Fish That Was Thrown Back",
    ),
    "Things with Shells": (
        "Limpet", "Velvet Crab", "Dog Whelk", "Barnacle", "Hermit Crab", "Blue Mussel", "Lobster Called George",
        "Sea Urchin",
    ),
    "Dwellers in the Tower": (
        "Lamp Moth", "Stair Spider", "Oil Mouse", "Keeper's Cat", "Relief Hen", "Larder Beetle", "Visiting Bat", "The Goat",
    ),
    "Doubtful Creatures": (
        "Kraken, Small", "Selkie", "Sea Bishop", "Fog Horse", "Bell Eel", "Kelp Nanny", "Wick Imp", "Ninth Wave",
    ),
}  # fmt: skip


def bestiary(world: World) -> Volume:
    """Write the volume."""
    book = Binder(world, "bestiary", "The Keepers' Bestiary")
    book.sheet("", book.title, partial(_front, world))
    for family, creatures in FAMILIES.items():
        book.sheet(f"{slug(family)}/", family, partial(_family, family))
        for creature in creatures:
            manner = Manner.GZIP if number(creature, 4) == 0 else Manner.PLAIN
            book.sheet(f"{slug(family)}/{slug(creature)}", creature, partial(_creature, creature), manner=manner)
    book.sheet("doubtful-creatures/dragon", "Dragon", partial(prose, "dragon", 1))
    book.move("unicorn", 302, "doubtful-creatures/fog-horse")
    book.lose("doubtful-creatures/mermaid")
    blurb = "Forty-eight creatures, of which forty exist."
    return Volume(book.name, book.title, blurb, book.entries, lawless=True, never=book.never)


def _front(world: World) -> Iterable[str]:
    yield ul(a(f"./{slug(family)}/", family) for family in FAMILIES)
    yield p(f"The {a('unicorn', 'unicorn')} is filed elsewhere.")
    yield p(f"The {a('./doubtful-creatures/mermaid', 'mermaid')} left no address.")
    feed = world.url("handbook", "kitchen-and-garden/")
    yield p(f"Where they were seen: {a(world.url('atlas'), 'the Atlas')}. How to feed them: {a(feed, 'the Handbook')}.")


def _family(family: str) -> Iterable[str]:
    yield p(sentence(family))
    yield ul(a(slug(creature), creature) for creature in FAMILIES[family])
    if family == "Doubtful Creatures":
        yield p("Here be " + a("dragon", "one more"))


def _creature(creature: str) -> Iterable[str]:
    yield p(f"First described by {pick(creature, KEEPERS)}, {pick(creature, TIMES)}.")
    yield from prose(creature, 4)
    yield p(f"{a('./', 'Its family')}, {a('../', 'the other families')}, {a('../#top', 'and again')}.")
