"""Animals that take their time."""

from __future__ import annotations

from .animal import animal
from .line import Ask, head, html

SLOW_HOSTS = 64
GIVEN_UP = "failed timeout"


@animal(2, "mute", "takes requests and never answers", expect=GIVEN_UP)
async def mute(ask: Ask) -> None:
    await ask.hang()


@animal(3, "mute before TLS", "accepts connections and never answers a ClientHello", seeds=("https://{host}:{second}/",), second="plain",
        deaf=True, expect={"https://127.44.0.3:{second}/": "failed connect|failed timeout"}, settings={"robots": False}, crowd="parked")
async def mute_before_tls(ask: Ask) -> None:
    await ask.hang()


@animal(4, "dripping body", "sends a byte of its body at a time", expect=GIVEN_UP)
async def dripping_body(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Content-Length: 100000"))
    while not ask.over.is_set():
        await ask.send(b"x")
        await ask.nap(0.3)


@animal(5, "dripping headers", "sends a byte of its headers at a time", expect=GIVEN_UP)
async def dripping_headers(ask: Ask) -> None:
    await ask.send(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not ask.over.is_set():
        await ask.send(b"x")
        await ask.nap(0.3)


def _cut_and_closed(cage, seen) -> None:
    assert cage.animal.settings.get("max_size", 8 << 20) <= len(seen.body(cage.url())) <= 8 << 20
    assert cage.sent["/"] < 64 << 20, "went on reading"


@animal(6, "endless body", "sends for ever", expect="done 200 truncated", check=_cut_and_closed)
async def endless_body(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html"), html("/").encode())
    while not ask.over.is_set():
        await ask.send(b"radio " * 8_192)


@animal(7, "a quintillion bytes", "announces 10^18 bytes, sends ten and stalls", expect=GIVEN_UP)
async def a_quintillion_bytes(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", f"Content-Length: {10**18}"), b"ten bytes.")
    await ask.hang()


def _at_the_same_time(cage, seen) -> None:
    pages = [one.moment for one in cage.heard if one.path == "/"]
    assert max(pages) - min(pages) < SLOW_HOSTS * 0.3 / 2, "one after another"


@animal(61, "slow hosts", f"{SLOW_HOSTS} hosts that take 0.3 s for every answer", others="done 200", check=_at_the_same_time,
        hosts=tuple(f"127.61.0.{n}" for n in range(1, SLOW_HOSTS + 1)),
        seeds=tuple(f"http://127.61.0.{n}:{{port}}/" for n in range(1, SLOW_HOSTS + 1)),
        netns="2,000 hosts of 10 s each are figures of a marked run")
async def slow_hosts(ask: Ask) -> bytes:
    await ask.nap(0.3)
    return ask.page(html(title=ask.host))


@animal(102, "late", "sends headers at once and the body later, or all of it later", seeds=("/body", "/all"), others="done 200")
async def late(ask: Ask) -> bytes | None:
    body = b"late, but whole"
    whole = ask.page(body)
    start = whole[: -len(body)] if ask.path == "/body" else b""
    await ask.send(start)
    await ask.nap(0.5)
    return whole[len(start) :]


@animal(110, "stall in the body", "sends headers and some bytes, and nothing more", expect=GIVEN_UP)
async def stall_in_the_body(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Transfer-Encoding: chunked"), b"a\r\nsome bytes\r\n")
    await ask.hang()


@animal(120, "endless interim answers", "says 103 Early Hints for ever", expect=GIVEN_UP)
async def endless_interim_answers(ask: Ask) -> None:
    while not ask.over.is_set():
        await ask.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")
        await ask.nap(0.02)
