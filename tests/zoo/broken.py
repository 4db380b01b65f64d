"""Animals whose HTTP is cut, reset, or says one thing and does another."""

from __future__ import annotations

from .animal import animal
from .line import Ask, head, html, reply


@animal(8, "shorter than announced", "closes before its Content-Length", expect="failed truncated")
async def shorter_than_announced(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Content-Length: 1000"), html("/x").encode())


def _not_poisoned(cage, seen) -> None:
    assert seen.body(cage.url()) == html("/next").encode()
    assert b"honest" in seen.body(cage.url("/next"))


@animal(9, "longer than announced", "sends a forged answer behind the end of its body", expect={"/": "done 200", "/next": "done 200"},
        settings={"concurrency": 1}, check=_not_poisoned)
async def longer_than_announced(ask: Ask) -> bytes | None:
    if ask.path == "/next":
        return ask.page("honest")
    answer = ask.page(html("/next"))
    await ask.send(answer[:90], answer[90:] + reply(200, b"poison", "Content-Type: text/html"))
    await ask.hang()
    return None


@animal(10, "no length", "ends its body by closing", expect={"/": "done 200", "/x": "done 200"})
async def no_length(ask: Ask) -> None:
    body = html("/x") if ask.path == "/" else "x"
    ask.page(body)
    await ask.send(head(200, "Content-Type: text/html"), body.encode())


@animal(11, "cut chunk", "closes in the middle of a chunk", expect="failed truncated")
async def cut_chunk(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Transfer-Encoding: chunked"), b"1000\r\nsome of it")


@animal(12, "reset after the headers", "sends headers and a RST", expect="failed reset|failed truncated")
async def reset_after_the_headers(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Content-Length: 1000"))
    await ask.nap(0.05)
    ask.reset()


def _asked_again(cage, seen) -> None:
    assert 2 <= cage.times("/") <= 3


@animal(13, "second time lucky", "closes without a byte the first time", expect="done 200", settings={"tries": 2}, alone=True, check=_asked_again)
async def second_time_lucky(ask: Ask) -> bytes | None:
    return None if ask.times == 1 else ask.page("fine")


@animal(104, "drop", "announces 1,024 bytes, sends a line and closes", expect="failed truncated")
async def drop(ask: Ask) -> None:
    await ask.send(head(200, "Content-Length: 1024"), b"this connection will be dropped\n")


@animal(105, "drop with a reset", "announces 1,024 bytes, sends a line and resets", expect="failed reset|failed truncated")
async def drop_with_a_reset(ask: Ask) -> None:
    await ask.send(head(200, "Content-Length: 1024"), b"this connection will be reset\n")
    await ask.nap(0.05)
    ask.reset()


@animal(106, "nearly HTTP", "says HTTP 1.1 without the slash", expect="failed protocol")
async def nearly_http(ask: Ask) -> None:
    await ask.send(b"HTTP 1.1 200 OK\n")


@animal(108, "many chunks", "sends a megabyte in 1,024 chunks", expect="done 200")
async def many_chunks(ask: Ask) -> bytes:
    piece = b"x" * 1024
    ask.page(piece * 1024)
    return head(200, "Content-Type: text/plain", "Transfer-Encoding: chunked") + b"400\r\n%b\r\n" % piece * 1024 + b"0\r\n\r\n"


@animal(109, "no last chunk", "sends whole chunks and closes without the last", expect="failed truncated")
async def no_last_chunk(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Transfer-Encoding: chunked"), b"8\r\nchunked \r\n", b"8\r\ncontent\n\r\n")


@animal(121, "nonsense chunk size", "says a chunk is `zz` bytes long", expect="failed protocol|failed truncated")
async def nonsense_chunk_size(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Transfer-Encoding: chunked") + b"zz\r\nwhat\r\n0\r\n\r\n")


@animal(135, "nonsense chunk size, later", "the same, behind good chunks in a packet of its own", expect="failed protocol|failed truncated|failed reset")
async def nonsense_chunk_size_later(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Transfer-Encoding: chunked"), b"4\r\ngood\r\n")
    await ask.nap(0.1)
    await ask.send(b"zz\r\nwhat\r\n0\r\n\r\n")


@animal(122, "two lengths", "sends two Content-Lengths that differ", expect="failed protocol")
async def two_lengths(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Content-Length: 4", "Content-Length: 40"), b"four and more")


@animal(123, "length and chunks", "sends Content-Length and chunks at once", expect="failed protocol|done 200")
async def length_and_chunks(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Content-Length: 4", "Transfer-Encoding: chunked"), b"4\r\nfour\r\n0\r\n\r\n")


@animal(124, "negative length", "says that its body is -1 bytes long", expect="failed protocol")
async def negative_length(ask: Ask) -> None:
    await ask.send(head(200, "Content-Type: text/html", "Content-Length: -1"), b"x")
