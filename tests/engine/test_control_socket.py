"""The socket in the output folder: one line is a command, one its answer, and nothing that comes over it harms the crawl."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager, suppress
from glob import glob

import pytest
from aiohttp import web

from crawler.control import LONGEST_LINE, SOCKET, place, server
from crawler.control.client import NotRunning, Unanswered, Unwilling, connected
from crawler.engine.steering import Answer, Refused
from crawler.folder import held


@pytest.fixture
async def running(site, crawl):
    """A crawl whose one page waits to be let go, with its socket; it ends with the test."""
    go = asyncio.Event()

    async def gate(_request):
        await go.wait()
        return web.Response(text="<title>t</title>", content_type="text/html")

    site.pages["/"] = gate
    listening = asyncio.Event()

    @asynccontextmanager
    async def door(steering):
        async with server.serve(crawl.folder, steering):
            listening.set()
            yield

    task = asyncio.create_task(crawl(site.url("/"), door=door))
    await listening.wait()
    yield crawl
    go.set()
    await task
    assert [] == await asyncio.to_thread(glob, "control.sock", root_dir=crawl.folder)


async def said(folder, *lines: bytes) -> list[bytes]:
    """Say lines to the socket; return what is answered until it closes or has answered each."""
    reader, writer = await asyncio.open_unix_connection(folder / SOCKET, limit=2 * LONGEST_LINE)
    answers = []
    for line in lines:
        writer.write(line)
        answers.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answers


async def ask(folder, **command):
    def talk():
        with connected(folder) as send:
            return send(command)

    return await asyncio.to_thread(talk)


async def test_a_command_is_answered_and_several_come_over_one_connection(running):
    first, second, third = (json.loads(answer) for answer in await said(running.folder, *[b'{"command": "pause"}\n'] * 2, b'{"command":"resume"}\n'))

    assert (True, 1, True) == (first["ok"], first["v"], first["paused"])
    assert (False, "the crawl is paused already") == (second["ok"], second["error"])
    assert third["ok"]


async def test_only_the_owner_can_connect(running):
    socket_, folder = await asyncio.to_thread(lambda: ((running.folder / SOCKET).stat(), running.folder.stat()))

    assert (0o600, 0o700) == (socket_.st_mode & 0o777, folder.st_mode & 0o777)


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"null\n", b'{"command":"x"}\n', b"\xff\x00\n", b'{"command":"urls","action":"eat","rows":[1]}\n',
                                  b'{"command":"urls","action":"skip","rows":["1; DROP TABLE url"]}\n', b"[" * 9_000 + b"\n"],
                         ids=range(8))
async def test_what_is_no_command_is_refused(running, line):
    [answer] = await said(running.folder, line)

    assert not json.loads(answer)["ok"]
    assert (await ask(running.folder, command="status")).ok


async def test_a_line_without_an_end_is_not_kept(running):
    reader, writer = await asyncio.open_unix_connection(running.folder / SOCKET)
    writer.write(b"x" * (LONGEST_LINE + 70_000))
    with suppress(ConnectionResetError):        # closed before all of it was read
        assert b"" == await reader.read()
    writer.close()
    assert (await ask(running.folder, command="status")).ok


async def test_a_peer_that_says_nothing_holds_nobody_up(running):
    silent = [await asyncio.open_unix_connection(running.folder / SOCKET) for _ in range(server.MOST_PEERS - 1)]

    assert (await ask(running.folder, command="status")).ok
    for _, writer in silent:
        writer.close()


async def test_more_peers_than_are_borne_are_sent_away(running):
    crowd = [await asyncio.open_unix_connection(running.folder / SOCKET) for _ in range(server.MOST_PEERS)]
    reader, writer = await asyncio.open_unix_connection(running.folder / SOCKET)

    assert b"" == await reader.read()
    for _, each in (*crowd, (reader, writer)):
        each.close()


async def test_the_client_tells_a_refusal_from_an_answer(running):
    with pytest.raises(Unwilling, match="no host nowhere"):
        await ask(running.folder, command="park", host="nowhere.example")
    assert Unwilling.exit_code == Refused.exit_code


async def test_where_nobody_crawls_there_is_nobody_to_steer(tmp_path):
    with pytest.raises(NotRunning, match="no crawl is running"):
        await ask(tmp_path, command="status")


async def test_the_socket_of_a_killed_run_is_replaced(site, crawl):
    await asyncio.to_thread(crawl.folder.mkdir, mode=0o700)
    await asyncio.to_thread((crawl.folder / SOCKET).touch)
    with pytest.raises(NotRunning):
        await ask(crawl.folder, command="status")

    site.pages["/"] = "<title>t</title>"
    answers = []

    @asynccontextmanager
    async def door(steering):
        async with server.serve(crawl.folder, steering):
            answers.append(await ask(crawl.folder, command="status"))
            yield

    await crawl(site.url("/"), door=door)
    assert [True] == [answer.ok for answer in answers]


def test_a_folder_may_lie_deeper_than_a_socket_may(tmp_path):
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    path = place.prepare(folder)
    with socket.socket(socket.AF_UNIX) as listening, socket.socket(socket.AF_UNIX) as peer:
        listening.bind(str(path))
        listening.listen()
        peer.connect(str(place.found(folder)))
    place.clear(folder)

    assert [] == os.listdir(folder)
    assert not path.parent.exists()


def test_a_link_that_leads_elsewhere_is_removed_and_what_it_leads_to_is_not(tmp_path):
    (tmp_path / "precious").write_text("x")
    (tmp_path / SOCKET).symlink_to(tmp_path / "precious")
    place.clear(tmp_path)

    assert ["precious"] == os.listdir(tmp_path)


def test_who_holds_the_folder_without_a_socket_is_told_of(tmp_path):
    with held(tmp_path), pytest.raises(Unanswered, match=f"process {os.getpid()} crawls"), connected(tmp_path):
        pass


async def test_an_answer_that_is_owed_when_the_crawl_ends_is_still_given(tmp_path):
    asked, answer = asyncio.Event(), asyncio.Event()

    class Slow:
        async def do(self, _command):
            asked.set()
            await answer.wait()
            return Answer("stops")

    async def ended():
        async with server.serve(tmp_path, Slow()):
            talk = asyncio.create_task(said(tmp_path, b'{"command": "stop"}\n'))
            await asked.wait()
            asyncio.get_running_loop().call_soon(answer.set)
        return await talk

    assert [{"v": 1, "ok": True, "text": "stops"}] == [json.loads(line) for line in await ended()]
