"""The Cabinet of Curios: everything about HTTP and HTML that is honest and awkward, one page for each.

Slow, dripping, large and busy pages, a cookie wall, other alphabets, files that are no HTML, redirects of every status,
links that must not be followed, and text that only looks like a link.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from functools import partial
from urllib.parse import quote

from crawler.core.model import Reason
from crawler.demo.nouns import Manner, Page, Volume, World
from crawler.demo.prose import number, pick, sentence, slug
from crawler.demo.sheets import Binder, Script, a, p, prose, ul

ALARM = "\x1b[31mThe Red Light\x1b[0m\x1b]0;Ahoy\x07"
"""A title that would paint a terminal red and rename its window, were it printed as it is."""
REGISTER_ROWS = 5_200
"""Rows of the great register: about 600 KB."""
GIVEN = ("Good", "Bonny", "Old", "Second", "Little")
CALLED = ("Intent", "Agnes", "Hope", "Heron")
LOADS = ("slate", "herring", "salt", "oranges", "letters")
LANTERN = """
........................
....#..............:::::
....#.........::::::::::
....##...:::::::::::::::
....###:::::::::::::::::
....##...:::::::::::::::
...+++........::::::::::
...+++.............:::::
...+++..................
...+++..................
..+++++.................
..+++++.................
..+++++........o........
.+++++++......ooo.......
~~~~~~~~~~~~~~~~~~~~~~~~
~~~~~~~~~~~~~~~~~~~~~~~~
"""
GREYS = {".": 30, "#": 255, ":": 220, "+": 130, "o": 90, "~": 60}
ROPE = "rope/end"
DISPLAY = (
    ("fog-bell", "The Patient Fog Bell", Manner.SLOW),
    ("long-song", "A Long Song", Manner.DRIP),
    ("pressed-flowers", "Pressed Flowers", Manner.GZIP),
    ("sleeping-keeper", "The Sleeping Keeper", Manner.BUSY),
    ("guest-room", "The Guest Room", Manner.COOKIE),
)
OFFSITE = ("http://example.com/ships?flag=none", "https://example.com/charts", "//example.com/buoys")
SCHEMES = ("mailto:curator@example.com?subject=Lamps", "javascript:alert('ahoy')", "tel:+441632960123", "data:text/plain,ahoy")


def curios(world: World) -> Volume:
    """Write the volume."""
    book = Binder(world, "curios", "The Cabinet of Curios")
    book.sheet("", book.title, partial(_front, world), dated=True)
    for path, title, manner in DISPLAY:
        book.sheet(path, title, partial(_curio, path, title), manner=manner)
        book.sheet(f"{path}/label", f"Label: {title}", partial(prose, f"label {path}", 1))
    book.sheet("great-register", "The Great Register of Ships", _register)
    book.sheet("great-register/errata", "Errata to the Great Register", partial(prose, "errata", 2))
    _add_tongues(book)
    _add_files(book)
    _add_titles(book)
    _add_redirects(book)
    _add_refusals(book)
    _add_untidy(book)
    book.lose("cursed-compass")
    book.lose("cursed-compass?again")
    return Volume(book.name, book.title, "What the other volumes did not know where to put.", book.entries, never=book.never)


def _front(world: World) -> Iterable[str]:
    yield ul(a(path, title) for path, title, _ in DISPLAY)
    yield p(f"The {a('great-register', 'great register')} is heavy.")
    yield p(f"Rare leaves: {a('deungdae', 'Korean')}, {a('todai', 'Japanese')}.")
    yield p(f"No leaves at all: {a('lantern.png', 'a lantern')}, {a('song.txt', 'a song')}.")
    yield p(f"Labelled badly: {a('red-light', 'a lamp')}, {a('bracket', 'a bracket')}, {a('untitled', 'a thing')}.")
    yield p(f"{a('moved', 'Moved pieces')}, {a('refusals', 'what we refuse')}, {a('untidy', 'the untidy drawer')}.")
    yield p(f"{a('whisper', 'A whisper')}, heard near {a(world.url('handbook', 'tower'), 'the tower')}.")
    yield p(f"Missing: {a('cursed-compass', 'the compass')}, {a('cursed-compass?again', 'and again')}.")


def _curio(path: str, title: str) -> Iterable[str]:
    yield from prose(title, 6)
    yield p(f"Read {a(f'{path}/label', 'its label')}, {a(f'{path}/label#more', 'to the end')}.")


def _register() -> Iterable[str]:
    yield "<table>"
    for row in range(REGISTER_ROWS):
        name = f"{pick(f'given {row}', GIVEN)} {pick(f'name {row}', CALLED)}"
        cells = row, name, f"{40 + number(f'tons {row}', 900)} tons", f"{pick(f'load {row}', LOADS)}, seen once, waved back"
        yield f'<tr id="ship-{row}">' + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"
    yield "</table>"
    yield p(a("great-register/errata", "Errata"))


def _add_tongues(book: Binder) -> None:
    """Add a page in EUC-KR that only its header declares, and one in Shift_JIS that only its meta declares."""
    keeper = "등대지기", "灯台守"

    def korean() -> Iterable[str]:
        yield p("밤마다 불을 켜는 사람이 있어 배들은 길을 잃지 않는다. 안개가 짙은 날에는 종을 친다.")
        yield p(a(keeper[0], keeper[0]))

    def japanese() -> Iterable[str]:
        yield p("毎晩、灯をともす人がいるので、船は迷わない。霧の深い日には鐘を鳴らす。")
        yield p(a(keeper[1], keeper[1]))

    by_header = Script("ko", "text/html; charset=euc-kr", "euc-kr")
    by_meta = Script("ja", "text/html", "shift_jis", '<meta charset="shift_jis">\n')
    book.sheet("deungdae", "등대 이야기", korean, script=by_header)
    book.sheet("todai", "灯台の話", japanese, script=by_meta)
    for name, lang in zip(keeper, ("ko", "ja"), strict=True):
        book.sheet(quote(name), name, partial(prose, name, 1), script=Script(lang))


def _add_files(book: Binder) -> None:
    book.file("lantern.png", Page(_picture, mime="image/png", dated=True))
    book.file("song.txt", Page(_song, mime="text/plain; charset=utf-8"))


def _song() -> bytes:
    return "\n".join(sentence(f"song {line}") for line in range(12)).encode()


def _picture() -> bytes:
    """Return the lantern as a PNG in grey: signature, header, rows each with its filter byte, end."""
    rows = LANTERN.split()
    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = b"".join(b"\0" + bytes(GREYS[pixel] for pixel in row) for row in rows)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(pixels, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _add_titles(book: Binder) -> None:
    """Add titles that hurt whoever prints them unread: a terminal's escapes, markup of two kinds, none at all."""

    def alarm() -> Iterable[str]:
        yield p("A red light means: do not print me as I am. &#27;[31mNor this.&#27;[0m")

    book.sheet("red-light", ALARM, alarm)
    book.sheet("bracket", "[bold red]A Bracket[/bold red] <b>&amp;</b>", partial(prose, "bracket", 1))
    book.sheet("untitled", None, partial(prose, "untitled", 1))


def _add_redirects(book: Binder) -> None:
    """Add a redirect of each status, a chain of three, a loop of two, and three that lead away."""
    world = book.world
    statuses = {301: "cabinet", 302: "shelf", 303: "drawer", 307: "box", 308: "case"}

    def moved() -> Iterable[str]:
        yield ul(a(f"old/{name}", f"The {name}") for name in statuses.values())
        away = ("rope", "whirlpool", "to-the-atlas", "offshore", "to-the-keys")
        yield ul(a(f"moved/{path}", path.replace("-", " ")) for path in away)

    book.sheet("moved", "Moved Pieces", moved)
    for status, name in statuses.items():
        book.sheet(f"new/{name}", f"The New {name.capitalize()}", partial(prose, name, 1))
        to = f"../new/{name}" if status % 2 else world.url("curios", f"new/{name}")
        book.move(f"old/{name}", status, to)
    book.move("moved/rope", 301, book.path("rope/2"))
    book.move("rope/2", 302, "3")
    book.move("rope/3", 308, world.url("curios", ROPE))
    book.sheet(ROPE, "The End of the Rope", partial(prose, "rope", 1))
    book.move("moved/whirlpool", 302, book.path("moved/maelstrom"))
    book.move("moved/maelstrom", 302, book.path("moved/whirlpool"))
    book.move("moved/to-the-atlas", 301, world.url("atlas", f"{slug('Far Roads')}/{slug('Wether Ness')}"))
    book.move("moved/offshore", 302, book.forbid("http://example.com/moved", Reason.SCOPE))
    book.move("moved/to-the-keys", 302, world.url("atlas", "private/keys"))


def _add_refusals(book: Binder) -> None:
    """Add links that a polite crawl leaves alone: by attribute, by the page's own wish, off the site, and no HTTP at all."""
    lamp = book.forbid(book.path("wreckers-lamp"), Reason.NOFOLLOW)
    book.forbid(book.path("secret-stair"), Reason.NOFOLLOW)
    for link in OFFSITE:
        book.forbid(link, Reason.SCOPE)
    for link in SCHEMES:
        book.forbid(link, Reason.SCHEME)

    def refusals() -> Iterable[str]:
        yield p(a(lamp, "The wreckers' lamp", 'rel="nofollow"') + " " + a(lamp, "again", 'class="x" rel="noopener nofollow"'))
        yield ul(a(link, link.partition(":")[0] or "elsewhere") for link in (*OFFSITE, *SCHEMES))

    def whisper() -> Iterable[str]:
        yield p(f"Please do not go {a('secret-stair', 'up the secret stair')}. {a('/curios/', 'Back')}")

    book.sheet("refusals", "What We Refuse", refusals)
    silent = Script(head='<meta name="robots" content="index, nofollow">\n')
    book.sheet("whisper", "A Whisper", whisper, script=silent)
    book.sheet("wreckers-lamp", "The Wreckers' Lamp", partial(prose, "wreckers", 1))
    book.sheet("secret-stair", "The Secret Stair", partial(prose, "stair", 1))


def _add_untidy(book: Binder) -> None:
    """Add hrefs as people write them, and two that are none: in a comment and in a script. Both lead nowhere."""
    origin = book.world.origins["curios"]

    def untidy() -> Iterable[str]:
        yield '<p><a href="">here</a> <a href="#">top</a> <a>nowhere</a> <a href="  found/spoon\n">a spoon</a>'
        yield "<A HREF=found/fork>a fork</A>"
        yield f"<p><a href='./found/../found/./knife'>a knife</a> <a href=\"{origin.replace('http', 'HTTP')}\">home</a>"
        yield '<p><a href="found/list?a=1&amp;b=2">a list</a> <a href="found/list?a=1&b=2">the same</a>'
        yield '<!-- <a href="found/ghost">not a link</a> -->'
        yield "<script>document.title = '<a href=\"found/phantom\">nor this</a>'</script>"

    book.sheet("untidy", "The Untidy Drawer", untidy)
    for name in ("spoon", "fork", "knife", "list?a=1&b=2"):
        book.sheet(f"found/{name}", f"Found: {slug(name)}", partial(prose, name, 1))
