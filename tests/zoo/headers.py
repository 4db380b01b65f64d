"""Animals whose first lines are not what they should be."""

from __future__ import annotations

from .animal import animal
from .line import Ask, head, html, reply

EITHER = "done 200|failed protocol"
FIRST_LINES = {
    "/999": b"HTTP/1.1 999 Denied", "/000": b"HTTP/1.1 000 Nothing", "/99999": b"HTTP/1.1 99999 Much", "/version": b"HTTP/9.9 200 OK",
    "/ssh": b"SSH-2.0-OpenSSH_9.2p1 Debian-2", "/word": b"HTTP/1.1 OK 200", "/icy": b"ICY 200 OK",
}  # fmt: skip
ODD = {
    "/nul": b"X-Odd: a\0b", "/esc": b"X-Odd: \x1b]52;c;aGk=\x07\x1b[31m", "/fold": b"X-Odd: a\r\n b", "/latin": b"X-Odd: caf\xe9",
    "/bidi": "X-Odd: \u202egnp.exe".encode(), "/colon": b"X Odd : a", "/none": b"no colon at all", "/cr": b"X-Odd: a\rb",
}  # fmt: skip


@animal(38, "too many headers", "5,000 headers; a header of 9 KB; one that never ends", seeds=("/many", "/long", "/endless"),
        expect={"/many": "failed protocol", "/long": EITHER, "/endless": "failed protocol"})
async def too_many_headers(ask: Ask) -> bytes | None:
    if ask.path == "/many":
        return reply(200, b"x", *(f"X-{n}: {n}" for n in range(5_000)))
    if ask.path == "/long":
        return ask.page("long", f"X-Long: {'x' * 9_000}")
    await ask.send(b"HTTP/1.1 200 OK\r\nX-Endless: ")
    while not ask.over.is_set():
        await ask.send(b"x" * 4_096)
    return None


@animal(39, "no status that there is", "status 999, 000, 99999; HTTP/9.9; an SSH banner; HTTP/0.9", seeds=(*FIRST_LINES, "/old"),
        others="failed protocol", exit_code=3)
async def no_status_that_there_is(ask: Ask) -> None:
    if ask.path == "/old":
        await ask.send(b"<html>as in 1991</html>")
    else:
        await ask.send(FIRST_LINES[ask.path] + b"\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx")


@animal(40, "odd bytes in headers", "NUL, ESC, folded lines, lone CR, latin-1, bidi; lines that end with LF alone", seeds=(*ODD, "/lf"), others=EITHER)
async def odd_bytes_in_headers(ask: Ask) -> bytes | None:
    body = ask.path.encode()
    if ask.path == "/lf":
        await ask.send(b"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: 3\n\n/lf")
        return None
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + ODD[ask.path] + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


@animal(114, "large headers", "a hundred headers of 500 bytes", expect="done 200")
async def large_headers(ask: Ask) -> bytes:
    return ask.page("behind large headers", *(f"X-{n}: {'x' * 500}" for n in range(100)))


@animal(130, "hostile words of status", "a reason phrase with escapes, and a 404 with bidi", expect={"/": EITHER, "/404": "done 404|failed protocol"},
        seeds=("/", "/404"))
async def hostile_words_of_status(ask: Ask) -> bytes:
    if ask.path == "/":
        return b"HTTP/1.1 200 \x1b]0;owned\x07\r\nContent-Type: text/html\r\nContent-Length: 1\r\n\r\nx"
    return "HTTP/1.1 404 \u202eon\u202c [red]\r\nContent-Length: 0\r\n\r\n".encode()


@animal(111, "empty Content-Type", "an empty Content-Type, and none, around HTML", others="done 200",
        expect={"/": "done 200", "/none": "done 200", "/end": "done 200"})
async def empty_content_type(ask: Ask) -> bytes:
    body = html({"/": "/none", "/none": "/end"}.get(ask.path, "/"), title=ask.path)
    if ask.path == "/none":
        ask.page(body)
        return head(200, f"Content-Length: {len(body)}") + body.encode()
    return ask.page(body, mime="")
