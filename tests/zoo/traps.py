"""Sites without an end, and one that has one."""

from __future__ import annotations

import hashlib
from itertools import combinations, permutations

from .animal import animal
from .line import Ask, html

PAGES = 300
WITHIN = "done 200|excluded trap"
MOST_ALIKE = 50
FACETS = ("brand", "colour", "material", "price", "shop", "size")


def words(n: int) -> str:
    """Return the words of page N, which no other page has: numbers alone would be no difference."""
    letters = "".join(hashlib.sha256(f"{n} {part}".encode()).hexdigest() for part in range(4)).translate(str.maketrans("0123456789", "ghijklmnop"))
    return " ".join(letters[start : start + 6] for start in range(0, len(letters), 6))


def site(ask: Ask, pages: int) -> bytes:
    """Return page N of a site of so many, linked in every spelling that there is."""
    n = int(ask.path.rpartition("/")[2] or 0)
    ways = (f"/p/{2 * n + 1}", f"http://{ask.host}:{ask.port}/p/{2 * n + 2}", f"//{ask.host}:{ask.port}/p/{2 * n + 1}", f"{n // 2}#part", f"../p/{n // 3}")
    known = [way for way in ways if int(way.partition("#")[0].rpartition("/")[2]) < pages]
    return ask.page(html(*known, *known[:1], "#top", title=f"page {n}") + f"<p>{words(n)}</p>")


def each_once(cage, seen, pages: int = PAGES) -> None:
    assert sorted(cage.paths) == sorted(f"/p/{n}" for n in range(pages))
    assert set(seen.of(cage)) == {cage.url(f"/p/{n}") for n in range(pages)}


@animal(1, "honest site", f"{PAGES} pages, links in every spelling, each page often linked", others="done 200", seeds=("/p/0",), check=each_once,
        settings={"header_timeout": 5.0, "connect_timeout": 5.0, "timeout": 9.0})
async def honest_site(ask: Ask) -> bytes:
    return site(ask, PAGES)


@animal(200, "bystander", f"{PAGES} honest pages, whose speed is measured", others="done 200", seeds=("/p/0",), check=each_once)
async def bystander(ask: Ask) -> bytes:
    return site(ask, PAGES)


def _closed(*endings: str):
    """Return a check that a trap came to its end by itself: its patterns are closed, and not much more than that was asked for."""
    def check(cage, seen) -> None:
        assert "excluded trap" in seen.of(cage).values()
        assert len(cage.paths) <= len(endings) * (MOST_ALIKE + 40)
        assert {"closed"} == {seen.patterns.get(f"{cage.animal.host}:{cage.port}{ending}") for ending in endings}

    return check


@animal(47, "calendar", "a next month for ever", others=WITHIN, settings={"max_alike": MOST_ALIKE}, check=_closed("/N/*"), seeds=("/2026/1",))
async def calendar(ask: Ask) -> bytes:
    year, month = map(int, ask.path.split("/")[1:])
    return ask.links(f"/{year + month // 12}/{month % 12 + 1}", title=ask.path)


@animal(48, "session in every link", "a new session number in path and query of each link", others=WITHIN, settings={"max_alike": MOST_ALIKE},
        check=_closed("/s/Na/", "/?sid"))
async def session_in_every_link(ask: Ask) -> bytes:
    number = len(ask.cage.heard)
    return ask.links(f"/s/{number}a/", f"/?sid={number}", title=ask.path)


def _trapped(cage, seen) -> None:
    assert "excluded trap" in seen.of(cage).values()
    assert len(cage.paths) <= 20


@animal(49, "path that repeats itself", "relative links that lead to /a/b/a/b/a/b", others="done 200|excluded trap", check=_trapped)
async def path_that_repeats_itself(ask: Ask) -> bytes:
    return ask.links("a/b/", "b/a/", title=ask.path)


def _each_choice_once(cage, seen) -> None:
    """However a choice was linked, it was asked for in the order of its names only; all 64 choices were."""
    choices = {"/", *("/?" + "&".join(f"{name}=1" for name in chosen) for n in range(1, len(FACETS) + 1) for chosen in combinations(FACETS, n))}
    assert sorted(cage.paths) == sorted(choices)
    assert len(choices) == 2 ** len(FACETS)
    assert "excluded duplicate" in seen.of(cage).values()


@animal(50, "facets", "six query parameters in every order", others="done 200|excluded duplicate", settings={"fold": ("query-order",)}, check=_each_choice_once,
        crowd="excluded trap")
async def facets(ask: Ask) -> bytes:
    chosen = ask.path.partition("?")[2].split("&") if "?" in ask.path else []
    left = [name for name in FACETS if f"{name}=1" not in chosen]
    orders = permutations(chosen) if len(chosen) < 4 else [tuple(chosen)]
    return ask.links(*{"/?" + "&amp;".join([*order, f"{name}=1"]) for order in orders for name in left}, title=ask.path)


@animal(103, "countdown", "links to the next lower number, down to one", others="done 200", seeds=("/?n=20",))
async def countdown(ask: Ask) -> bytes:
    n = int(ask.path.partition("=")[2])
    return ask.links(*([f"/?n={n - 1}"] if n > 1 else []), title=ask.path)
