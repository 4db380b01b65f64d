"""Animals whose robots.txt or sitemap is the trouble."""

from __future__ import annotations

from itertools import pairwise

from .animal import CANARY, animal
from .line import Ask, html, moved, reply

KIB = 1024


def _text(body: str | bytes) -> bytes:
    return reply(200, body, "Content-Type: text/plain")


@animal(51, "robots.txt of 12 MB", "a rule at 480 KiB counts, one behind 512 KiB does not", robots=True,
        expect={"/": "done 200", "/early": "excluded robots", "/late": "done 200"})
async def robots_of_twelve_megabytes(ask: Ask) -> bytes:
    if ask.path != "/robots.txt":
        return ask.links("/early", "/late", title=ask.path)
    early = b"User-agent: *\n" + b"# padding\n" * (48 * KIB) + b"Disallow: /early\n"
    return _text(early + b"# padding\n" * (4 * KIB) + b"Disallow: /late\n" + b"# padding\n" * 1_150_000)


@animal(52, "robots.txt that explodes", "one line of wildcards that a backtracking matcher never finishes", robots=True,
        expect={"/": "done 200", "/" + "a" * 2_000: "done 200|excluded robots"})
async def robots_that_explodes(ask: Ask) -> bytes:
    if ask.path == "/robots.txt":
        return _text("User-agent: *\nDisallow: /" + "*a" * 2_000 + "*b$\n")
    return ask.links("/" + "a" * 2_000, title=ask.path[:9])


ROBOTS = {1: "503", 2: "hangs", 3: "five redirects", 4: "six redirects", 5: "404", 6: "HTML"}


@animal(53, "robots.txt of every kind", "503; hangs; five redirects; six; 404; HTML that is none", robots=True,
        hosts=tuple(f"127.53.0.{n}" for n in ROBOTS), seeds=tuple(f"http://127.53.0.{n}:{{port}}{path}" for n in ROBOTS for path in ("/", "/no")), exit_code=7,
        expect={f"http://127.53.0.{n}:{{port}}{path}": "parked|failed timeout" if n < 3 else "excluded robots" if n == 3 and path == "/no" else "done 200"
                for n in ROBOTS for path in ("/", "/no")})
async def robots_of_every_kind(ask: Ask) -> bytes | None:
    kind = int(ask.host.rpartition(".")[2])
    if ask.path in ("/", "/no"):
        return ask.page(f"{ask.host}{ask.path}")
    hops = len(ask.path) - len("/robots.txt")
    if kind in (3, 4) and hops < kind + 2:
        return moved(f"{ask.path}x")
    if kind == 2:
        await ask.hang()
        return None
    return {1: reply(503), 5: reply(404), 6: reply(200, html("/no"), "Content-Type: text/html")}.get(kind) or _text("User-agent: *\nDisallow: /no\n")


DELAYS = {1: "1" + "0" * 20, 2: "inf", 3: "-1", 4: "0.5", 5: "NaN"}


def _delay_kept(cage, seen) -> None:
    moments = [one.moment for one in cage.heard if one.host == "127.54.0.4" and one.path != "/robots.txt"]
    assert len(moments) == 3
    assert all(later - earlier >= 0.45 for earlier, later in pairwise(moments)), moments


@animal(54, "Crawl-delay of every kind", "10^20 parks; inf, -1 and NaN are nothing; half a second is kept", robots=True, check=_delay_kept, exit_code=7,
        hosts=tuple(f"127.54.0.{n}" for n in DELAYS), seeds=tuple(f"http://127.54.0.{n}:{{port}}/{page}" for n in DELAYS for page in range(3)),
        expect={f"http://127.54.0.{n}:{{port}}/{page}": "parked" if n == 1 else "done 200" for n in DELAYS for page in range(3)})
async def crawl_delay_of_every_kind(ask: Ask) -> bytes:
    if ask.path != "/robots.txt":
        return ask.page(f"{ask.host}{ask.path}")
    return _text(f"User-agent: *\nCrawl-delay: {DELAYS[int(ask.host.rpartition('.')[2])]}\n")


def _asked_once(*names: str):
    """Return a check that these, and nothing else besides the page, were asked for, each once."""
    def check(cage, seen) -> None:
        assert sorted(cage.paths) == sorted(("/", *names))
        assert b"root:" not in (seen.folder / "crawl.db").read_bytes()

    return check


async def _with_sitemap(ask: Ask, text: str) -> bytes:
    if ask.path == "/robots.txt":
        return _text(f"Sitemap: http://{ask.host}:{ask.port}/sitemap.xml\n")
    if ask.path == "/":
        return ask.page(f"see the sitemap of {ask.host}")
    return ask.page(text, mime="application/xml")


@animal(55, "sitemaps with entities", "entities that read a file and ask the canary, within a document and for its own type", robots=True,
        check=_asked_once("/sitemap.xml", "/typed.xml"), others="done 200")
async def sitemaps_with_entities(ask: Ask) -> bytes:
    page = f"http://{ask.host}:{ask.port}/"
    asks = f'<!ENTITY f SYSTEM "file:///etc/passwd"><!ENTITY c SYSTEM "http://{CANARY}:{ask.port}/z55">'
    typed = f'<!ENTITY % p SYSTEM "http://{CANARY}:{ask.port}/z55.dtd"> %p;'
    match ask.path:
        case "/robots.txt":
            return _text(f"Sitemap: {page}sitemap.xml\nSitemap: {page}typed.xml\n")
        case "/sitemap.xml" | "/typed.xml":
            declared = asks if ask.path == "/sitemap.xml" else typed
            entries = f"<url><loc>{page}honest</loc></url><url><loc>{page}&f;&c;</loc></url>"
            return ask.page(f"<!DOCTYPE urlset [{declared}]><urlset>{entries}</urlset>", mime="application/xml")
        case _:
            return ask.page(f"page {ask.path}")


@animal(56, "a billion laughs", "entities of entities of entities", robots=True, check=_asked_once("/sitemap.xml"),
        expect={"/": "done 200", "/sitemap.xml": "done 200|done parse"})
async def a_billion_laughs(ask: Ask) -> bytes:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return await _with_sitemap(ask, f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><urlset><url><loc>http://127.44.0.56/&l9;</loc></url></urlset>')


DEEP = 10
INDEXES = ("/sitemap.xml", "/deeper-1.xml", "/deeper-2.xml", "/deeper-3.xml")


@animal(57, "sitemap of itself", f"a sitemap index that names itself and one below, and so on {DEEP} deep", robots=True, check=_asked_once(*INDEXES),
        expect={"/": "done 200", **dict.fromkeys(INDEXES, "done 200"), "/deeper-4.xml": "excluded trap"})
async def sitemap_of_itself(ask: Ask) -> bytes:
    n = int(ask.path.partition("-")[2].partition(".")[0] or 0)
    names = (f"http://{ask.host}:{ask.port}/{name}" for name in ("sitemap.xml", f"deeper-{n}.xml", *([f"deeper-{n + 1}.xml"] if n < DEEP else [])) if name != "deeper-0.xml")
    return await _with_sitemap(ask, "<sitemapindex>" + "".join(f"<sitemap><loc>{name}</loc></sitemap>" for name in names) + "</sitemapindex>")
