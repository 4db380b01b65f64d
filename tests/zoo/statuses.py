"""Animals that answer with a status and mean it, or not."""

from __future__ import annotations

from .animal import animal
from .line import Ask, head, html, reply

SOON = 2
NONSENSE = ("-1", "NaN", "soon", "Thu, 01 Jan 1970 00:00:00 GMT", "0x10", "")
NO_PAGE = (400, 401, 403, 404, 405, 406, 410, 418, 451, 501, 505, 511, 599)


def _waited(cage, seen) -> None:
    gaps = cage.gaps()
    assert gaps[-1] >= SOON, gaps


@animal(14, "come back soon", f"503 with Retry-After: {SOON}, then fine", expect="done 200", settings={"tries": 2}, alone=True, check=_waited)
async def come_back_soon(ask: Ask) -> bytes:
    return reply(503, b"busy", f"Retry-After: {SOON}") if ask.times == 1 else ask.page("fine")


def _asked_once(cage, seen) -> None:
    assert cage.times("/") == 1


@animal(15, "come back in thirty years", "503 with Retry-After: 999999999", expect="parked", exit_code=7, check=_asked_once)
async def come_back_in_thirty_years(ask: Ask) -> bytes:
    return reply(503, b"busy", "Retry-After: 999999999")


@animal(16, "nonsense in Retry-After", "500 with Retry-After: -1, NaN, words, a date long past", others="failed 500",
        seeds=tuple(f"/{n}" for n in range(len(NONSENSE))), exit_code=3)
async def nonsense_in_retry_after(ask: Ask) -> bytes:
    return reply(500, b"", f"Retry-After: {NONSENSE[int(ask.path[1:])]}")


def _rested(cage, seen) -> None:
    refused = cage.notes["refused"]
    for moment in refused:
        later = [one.moment for one in cage.heard if one.moment > moment]
        assert not later or later[0] - moment >= 0.95, "asked on while the host rests"


@animal(17, "too many requests", "429 with Retry-After: 1 on every third request", others="done 200", check=_rested,
        seeds=tuple(f"/{n}" for n in range(5)), settings={"tries": 3, "concurrency": 1}, alone=True)
async def too_many_requests(ask: Ask) -> bytes:
    if len(ask.cage.paths) % 3:
        return ask.page(f"fine {ask.path}")
    ask.cage.notes.setdefault("refused", []).append(ask.cage.heard[-1].moment)
    return reply(429, b"slow down", "Retry-After: 1")


def _tried_twice(cage, seen) -> None:
    assert (cage.times("/"), seen.tries[cage.url()]) == (2, 2)


@animal(18, "always broken", "500 for ever", expect="failed 500", settings={"tries": 2}, exit_code=3, check=_tried_twice)
async def always_broken(ask: Ask) -> bytes:
    return reply(500, b"broken")


def _no_link_of_an_error(cage, seen) -> None:
    assert cage.paths == ["/"]


@animal(19, "404 with links", "a 404 page full of links", expect="done 404", exit_code=3, check=_no_link_of_an_error)
async def not_found_with_links(ask: Ask) -> bytes:
    return reply(404, html("/a", "/b"), "Content-Type: text/html")


@animal(101, "a status for every path", "answers /N with status N", seeds=(*(f"/{n}" for n in NO_PAGE), "/200", "/201", "/204", "/205", "/226"),
        expect={**{f"/{n}": f"done {n}" for n in NO_PAGE}, **{f"/{n}": f"done {n}" for n in (200, 201, 204, 205, 226)}})
async def a_status_for_every_path(ask: Ask) -> bytes:
    status = int(ask.path[1:])
    if status == 200:
        return ask.page("good")
    return head(status, *(["Content-Length: 0"] if status == 205 else [])) if status in (204, 205) else reply(status, str(status), "Content-Type: text/html")


@animal(125, "part of it unasked", "206 with a Content-Range that nobody wanted", expect="done 206 truncated")
async def part_of_it_unasked(ask: Ask) -> bytes:
    return reply(206, b"some", "Content-Type: text/html", "Content-Range: bytes 0-3/1000")


@animal(126, "unasked 304", "says that what was never fetched has not changed", expect="done 304|failed protocol|done 404", exit_code=3)
async def unasked_not_modified(ask: Ask) -> bytes:
    return head(304, 'ETag: "never"')
