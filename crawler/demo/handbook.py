"""The Lighthouse Keepers' Handbook: the main volume, 8 parts of 7 sections, with links of every honest kind.

Relative, absolute and protocol-relative links, fragments, repeats, a page with `<base href>`, a plan with `<area>`, one page
under three URLs, an old edition that moved, went missing, or is gone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from crawler.demo.nouns import Manner, Volume, World
from crawler.demo.prose import KEEPERS, THINGS, TIMES, TOOLS, pick, sentence, slug
from crawler.demo.sheets import Binder, Script, a, p, prose, ul

PARTS = {
    "The Lamp": (
        "Lighting Up", "Putting Out", "The First Hour of Dark", "When the Flame Turns Blue", "Spare Mantles",
        "Lamp Black and Its Uses", "What the Moths Want",
    ),
    "The Lens": (
        "Polishing Without Swearing", "The Bullseye and Its Moods", "Prisms by Number", "Chips, Cracks and Confessions",
        "Mercury, Carefully", "Winding the Clockwork", "Curtains by Day",
    ),
    "Oil and Wick": (
        "Colza, Whale and Paraffin", "Measuring by Dipstick", "On Trimming", "Spills", "Carrying Cans Upstairs", "Winter Oil",
        "The Art of the Round Wick",
    ),
    "The Watch": (
        "Four Hours On", "Staying Awake", "Cocoa", "Relieving the Other Keeper", "Counting Ships",
        "Letters to the Next Watch", "Silence and What Lives in It",
    ),
    "Fog and Signals": (
        "The Bell", "The Horn", "Gun-cotton, Sparingly", "Flags You Will Need", "Flags You Will Not", "Answering a Steamer",
        "Fog Dreams",
    ),
    "Weather": (
        "Reading the Glass", "Mackerel Skies", "The Smell of Snow", "Barometers That Lie", "Lightning and the Rod",
        "Green Water", "Fine Days and How to Bear Them",
    ),
    "The Boat": (
        "Landing on a Swell", "The Davits", "Relief Day", "Mail, Flour, Newspapers", "Rowing Backwards",
        "When the Boat Does Not Come", "Naming Your Boat",
    ),
    "Kitchen and Garden": (
        "Bread at Sea", "Kale in a Gale", "Keeping Hens on a Rock", "Forty Dishes of Limpet", "Rainwater", "The Goat Question",
        "Jam",
    ),
}  # fmt: skip
ROOMS = ("Lantern Room", "Watch Room", "Bunk Room", "Kitchen", "Oil Store")
TOOLBOX = ("Wick Trimmer", "Goose Feather", "Brass Oil Can", "Long Tweezers", "Storm Glass")
WORDS = ("wick", "watch", "relief", "swell", "loom", "gallery")


def handbook(world: World) -> Volume:
    """Write the volume."""
    book = Binder(world, "handbook", "The Lighthouse Keepers' Handbook")
    book.sheet("", book.title, partial(_contents, world), dated=True)
    sections = [(part, section) for part, named in PARTS.items() for section in named]
    for part in PARTS:
        book.sheet(f"{slug(part)}/", f"Part: {part}", partial(_part, part), dated=True)
    for place, (part, section) in enumerate(sections):
        ends = sections[place - 1], sections[(place + 1) % len(sections)]
        manner = Manner.GZIP if place % 3 == 0 else Manner.PLAIN
        blocks = partial(_section, world, part, section, *ends)
        book.sheet(f"{slug(part)}/{slug(section)}", section, blocks, manner=manner, dated=place % 2 == 0)
    _add_glossary(book)
    _add_tower(book)
    _add_tools(book)
    _add_editions(book)
    return Volume(book.name, book.title, "Everything about keeping a light, in eight parts.", book.entries, never=book.never)


def _contents(world: World) -> Iterable[str]:
    yield p("For those who sit up so that others may sleep. Read it in any order; the sea does.")
    yield ul(a(f"{slug(part)}/", part) for part in PARTS)
    yield p(f"Start with {a('the-lamp/lighting-up', 'Lighting Up')}, then {a('the-watch/cocoa#recipe', 'Cocoa')}.")
    yield p(f"See also {a('glossary', 'the glossary')}, {a('tower', 'the plan of the tower')}, {a('tools', 'the tool box')}.")
    yield p(f"Notices: {a('notice', 'to all keepers')} ({a('notice.html', 'again')}, {a('notice?print=1', 'to print')}).")
    yield p(f"Older editions: {a('editions', 'what became of them')}. The lights are in the {a(world.url('atlas'), 'Atlas')}.")


def _part(part: str) -> Iterable[str]:
    yield p(sentence(part))
    yield ul(a(slug(section), section) for section in PARTS[part])
    yield ul(a(f"../{slug(other)}/", other) for other in PARTS if other != part)
    yield p(a("/handbook/", "Contents") + " " + a("/handbook/#top", "to the top of it"))


def _section(world: World, part: str, section: str, before: tuple[str, str], after: tuple[str, str]) -> Iterable[str]:
    yield from prose(section, 5)
    yield p(f"Words to know: {' '.join(a(f'../glossary#{word}', word) for word in WORDS[:3])}.")
    see = world.url("bestiary"), world.url("almanac").removeprefix("http:")
    yield p(f"Compare the {a(see[0], 'Bestiary')} and the {a(see[1], 'Almanac')}.")
    links = (_relative(part, before, "Before", "prev"), a("./", part), _relative(part, after, "After", "next"))
    yield p(" | ".join(links))
    yield p(f"{a('./', part)} again, {a('#more', 'the remarks above')}, {a('/handbook/', 'contents')}.")


def _relative(part: str, to: tuple[str, str], text: str, rel: str) -> str:
    """Link to another section the way an author would: its bare name within the part, `../` beyond it."""
    folder = "" if to[0] == part else f"../{slug(to[0])}/"
    return a(f"{folder}{slug(to[1])}", f"{text}: {to[1]}", f'rel="{rel}"')


def _add_glossary(book: Binder) -> None:
    def blocks() -> Iterable[str]:
        yield p(" ".join(a(f"#{word}", word) for word in WORDS))
        for word in WORDS:
            yield f'<h2 id="{word}">{word}</h2>'
            yield p(sentence(word) + " " + a(f"/handbook/glossary#{word}", "Permanent link"))

    book.sheet("glossary", "Glossary", blocks)


def _add_tower(book: Binder) -> None:
    """Add a plan whose rooms can be reached through `<area>` only."""

    def plan() -> Iterable[str]:
        yield f'<img src="{book.world.url("curios", "lantern.png")}" alt="Section through the tower" usemap="#tower">'
        areas = (
            f'<area shape="rect" coords="0,{i * 20},60,{i * 20 + 20}" href="tower/{slug(room)}" alt="{room}">'
            for i, room in enumerate(ROOMS)
        )
        yield '<map name="tower">' + "".join(areas) + "</map>"

    book.sheet("tower", "Plan of the Tower", plan)
    for room in ROOMS:
        book.sheet(f"tower/{slug(room)}", f"The {room}", partial(_leaf, room, "../tower", "the plan"))


def _add_tools(book: Binder) -> None:
    """Add a page whose links are right only for whoever reads its `<base href>`."""

    def box() -> Iterable[str]:
        yield p("Count them at the start of the watch and at the end of it.")
        yield ul(a(slug(tool), tool) for tool in TOOLBOX)

    book.sheet("tools", "The Tool Box", box, script=Script(head='<base href="/handbook/tools/">\n'))
    for tool in TOOLBOX:
        book.sheet(f"tools/{slug(tool)}", tool, partial(_leaf, tool, "../tools", "the box"))


def _leaf(key: str, back: str, text: str) -> Iterable[str]:
    yield from prose(key, 3)
    yield p(f"{pick(key, KEEPERS).capitalize()} prefers {pick(key, TOOLS)} and {pick(key, THINGS)}, {pick(key, TIMES)}.")
    yield p("Back to " + a(back, text))


def _add_editions(book: Binder) -> None:
    """Add what old sites are full of: copies, moved chapters, lost chapters."""

    def editions() -> Iterable[str]:
        yield p(f"1861, {a('1861/trimming', 'on trimming')} and {a('1861/lens', 'on lenses')}: both moved.")
        yield p(f"1868, {a('1868/the-lost-chapter', 'the chapter that was left in the boat')}.")
        yield p(f"1874, {a('1874', 'withdrawn after the goat')}.")
        yield p(f"1880, {a('/handbook/1880/appendix-c', 'appendix C')}, if it exists.")

    notice = book.sheet("notice", "Notice to All Keepers", partial(_leaf, "notice", "/handbook/", "the contents"))
    book.file("notice.html", notice)
    book.file("notice?print=1", notice)
    book.sheet("editions", "Older Editions", editions)
    book.move("1861/trimming", 301, "/handbook/oil-and-wick/on-trimming")
    book.move("1861/lens", 308, "../the-lens/")
    book.lose("1868/the-lost-chapter")
    book.lose("1874", 410)
    book.lose("1880/appendix-c")
