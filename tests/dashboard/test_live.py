"""What one sees first: whether a crawl is well, what it waits for, and numbers that move while somebody looks."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from crawler.control.client import Reply
from crawler.core.forecast import Eta, Until
from crawler.core.metrics import HostView, Snapshot, View, Waiting
from crawler.dashboard import api, live, series, verdict
from crawler.folder import Holder, held
from crawler.query.hosts import HostStatus
from crawler.query.hosts import Waiting as HostsWaiting
from crawler.query.reader import Reader
from crawler.query.status import RunStatus, Status, read_status

SNAPSHOT = Snapshot(
    elapsed=60.0, pages=1_200, run_pages=1_200, queued=300, errors=2, bytes=5_000_000, pages_per_second=20.0, bytes_per_second=80_000.0, hosts=3,
    in_flight=5, trend=-1,
)  # fmt: skip
VIEW = View(hosts=(), flying=(), pages=(), faults=(), wrong={"404": 2}, lag=0.002, memory=90_000_000)
RUN = RunStatus(3, 1_000.0, None, None, "1", 1_202, 3)
STATUS = Status("d/crawl.db", {"queued": 300, "done": 1_200}, 1_200, 2, 3, 0, RUN, Holder(7, "here", 1_000.0), (), 1_000_000)


def change(struct, **more):
    return msgspec.structs.replace(struct, **more)


def judged(snapshot=SNAPSHOT, view=VIEW, status=STATUS, phase="running"):
    found = verdict.running(status, snapshot, view, phase)
    return found.level, found.words, found.detail


# --- the verdict ----------------------------------------------------------------------------------------------------


def test_a_crawl_that_runs_well_says_how_fast_and_how_long():
    ends = change(STATUS, eta=Eta(60.0, 60.0, Until.END))

    assert ("well", "Runs well: 20 pages a second", "") == judged()
    assert ("well", "Runs well: 20 pages a second, ends in 1 min 00 s", "") == judged(status=ends)


def test_what_it_waits_for_is_said_with_the_reason():
    waits = change(SNAPSHOT, waiting=(Waiting("slow.test", 9.0, "Crawl-delay of 10 s"),))

    assert "Waits for slow.test: Crawl-delay of 10 s, next in 9.0 s" == judged(waits)[2]
    assert ("waits", "Waits for slow.test: Crawl-delay of 10 s, next in 9.0 s", "") == judged(change(waits, pages_per_second=0.0))
    assert "" == judged(change(SNAPSHOT, waiting=(Waiting("quick.test", 0.2, "pace"),)))[2]


def test_a_crawl_that_has_only_begun_is_not_blamed_for_seconds_that_were_not():
    assert ("waits", "No page in the last ten seconds", "5 requests in flight.") == judged(change(SNAPSHOT, pages_per_second=0.0))
    assert ("waits", "Begins: no page yet", "5 requests in flight.") == judged(change(SNAPSHOT, pages_per_second=0.0, elapsed=3.0))


def test_trouble_comes_before_speed():
    assert ("trouble", "The network has been down for 30 s") == judged(change(SNAPSHOT, network_down=30.0))[:2]
    assert ("trouble", "This machine has too much to do") == judged(view=change(VIEW, lag=2.0))[:2]
    assert ("trouble", "Much goes wrong: 40 % of the answers were errors", "Mostly 503 (800 times).") == judged(
        view=change(VIEW, wrong={"503": 800})
    )
    assert "well" == judged(change(SNAPSHOT, run_pages=3), change(VIEW, wrong={"404": 4}))[0]      # too few to tell


def test_what_somebody_did_comes_before_everything():
    down = change(SNAPSHOT, network_down=30.0, in_flight=0)

    assert ("waits", "Paused: nothing is asked for until somebody resumes it", "") == judged(down, phase="paused")
    assert "Stopping: 0 requests in flight may land" == judged(down, phase="stopping")[1]


@pytest.mark.parametrize(
    ("status", "snapshot", "paused", "phase"),
    [
        (STATUS, SNAPSHOT, False, "running"),
        (STATUS, SNAPSHOT, True, "paused"),
        (STATUS, change(SNAPSHOT, stopping=True), True, "stopping"),
        (STATUS, None, False, "unreachable"),
        (change(STATUS, holder=None), None, False, "killed"),
        (change(STATUS, holder=None, run=change(RUN, ended=1_060.0, outcome="finished")), None, False, "over"),
        (change(STATUS, holder=None, failure="disk full", run=change(RUN, ended=1_060.0, outcome="failed")), None, False, "killed"),
        (None, None, False, "unreachable"),
    ],
)
def test_the_phase_is_what_the_crawl_says_or_else_the_database(status, snapshot, paused, phase):
    assert phase == verdict.phase_of(status, snapshot, paused=paused)


def test_hostile_words_of_servers_are_made_visible():
    waits = change(SNAPSHOT, pages_per_second=0.0, waiting=(Waiting("a\u202etest", 5.0, "x\x1b[31m"),))

    assert "Waits for a\\u202etest: x\\x1b[31m, next in 5.0 s" == judged(waits)[1]


def test_a_look_has_what_runs_and_what_is_stored(tmp_path):
    reply = Reply(True, "running", snapshot=SNAPSHOT, view=change(VIEW, hosts=(HostView("a.test", 1, 0, 1.0, 0.5, "", None),)))
    looked = live.seen("docs", tmp_path, STATUS, reply, 1_060.0)
    rest = live.seen("docs", tmp_path, change(STATUS, holder=None), None, 1_060.0)

    assert ("running", True, "1,200", "a.test") == (looked.phase, looked.steerable, looked.tiles[0].value, looked.hosts[0].host)
    assert ["pages", "speed", "received", "errors", "waiting", "end", "flight", "lag", "memory"] == [tile.key for tile in looked.tiles]
    assert ("killed", False, (), {}) == (rest.phase, rest.steerable, rest.hosts, rest.settings)
    assert "the same command goes on" in rest.verdict


def test_hosts_that_are_not_in_hand_are_shown_with_the_reason(tmp_path):
    def host(name, **more):
        return HostStatus(name, 4, 0, 0, 0, 1.0, 1_090.0, more.get("rest"), more.get("parked"))

    resting, parked, idle = host("slow.test", rest="429"), host("gone.test", parked="robots.txt: connect"), change(host("idle.test"), queued=0)
    status = change(STATUS, waiting=HostsWaiting(named=(resting,), parked=(parked,)), top=(resting, idle, host("a.test")))
    reply = Reply(True, "running", snapshot=SNAPSHOT, view=change(VIEW, hosts=(HostView("a.test", 1, 0, 1.0, 0.5, "", None),)))
    found = {view.host: view for view in live.seen("docs", tmp_path, status, reply, 1_060.0).hosts}

    assert ["a.test", "slow.test", "gone.test"] == list(found)
    assert (30.0, "429", 4) == (found["slow.test"].next_in, found["slow.test"].why, found["slow.test"].waiting)
    assert "robots.txt: connect" == found["gone.test"].parked


# --- a crawl at rest ------------------------------------------------------------------------------------------------


async def test_the_page_has_the_numbers_before_any_script_runs(client, demo_crawl):
    status = await asyncio.to_thread(read_status, demo_crawl)
    async with client.get("/") as answer:
        text = await answer.text()

    assert f"{status.pages:,}" in text
    assert "topped at a limit" in text


async def test_who_asks_for_a_look_gets_what_the_socket_sends(client):
    async with client.get("/api/live") as answer:
        once = await answer.json()
    async with client.ws_connect("/api/live/socket") as socket:
        sent = await socket.receive_json()

    assert {**once, "now": 0, "phase_words": "", "verdict": ""} == {**sent, "now": 0, "phase_words": "", "verdict": ""}
    assert ("over", "over", False) == (once["phase"], once["level"], once["steerable"])


async def test_one_look_serves_all_who_watch(client, monkeypatch):
    monkeypatch.setattr(live, "EVERY", 0.2)
    looks = []
    looked = live.Watch._looked

    async def counted(self):
        looks.append(1)
        return await looked(self)

    monkeypatch.setattr(live.Watch, "_looked", counted)
    sockets = [await client.ws_connect("/api/live/socket") for _ in range(8)]
    for _ in range(3):
        await asyncio.gather(*(socket.receive_json() for socket in sockets))

    assert len(looks) <= 5
    await asyncio.gather(*(socket.close() for socket in sockets))


async def test_more_tabs_than_anybody_has_are_turned_away(client, monkeypatch):
    monkeypatch.setattr(api, "MOST_SOCKETS", 1)
    async with client.ws_connect("/api/live/socket"):
        with pytest.raises(Exception, match="503"):
            await client.ws_connect("/api/live/socket")


async def test_what_a_tab_sends_means_nothing_and_is_bounded(client):
    async with client.ws_connect("/api/live/socket") as socket:
        await socket.send_json({"command": "stop"})
        assert "over" == (await socket.receive_json())["phase"]
        await socket.send_str("x" * 100_000)
        while not (await socket.receive()).type.name.startswith("CLOS"):
            pass
    assert 200 == (await client.get("/healthz")).status


async def test_a_tab_that_reads_nothing_is_dropped_and_holds_up_nobody(client, monkeypatch):
    """The other end takes nothing in: what is sent piles up to one buffer of the system, and then the tab is let go."""
    monkeypatch.setattr(api, "STALLED", 0.3)
    monkeypatch.setattr(live, "EVERY", 0.01)
    looked = live.Watch._looked

    async def large(self):
        return (await looked(self))._replace(encoded=json.dumps({"x": "x" * 500_000}).encode())

    monkeypatch.setattr(live.Watch, "_looked", large)
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1_000)
    writer.write(
        f"GET /api/live/socket HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    writer.transport.pause_reading()
    sockets = client.app[api.SOCKETS]
    async with client.ws_connect("/api/live/socket", max_msg_size=0) as other:
        await other.receive_json()
        while len(sockets) > 1:
            assert "x" in await other.receive_json()     # whoever reads gets on meanwhile

    assert 200 == (await client.get("/healthz")).status
    writer.transport.abort()


async def test_a_folder_without_a_crawl_yet_is_said_to_be_so(serving, tmp_path):
    client = await serving(tmp_path / "later")
    async with client.get("/api/live") as answer:
        found = await answer.json()

    assert ("unreachable", "trouble") == (found["phase"], found["level"])
    assert 200 == (await client.get("/")).status
    assert "crawler_up 0.0\n" in await (await client.get("/metrics")).text()
    assert 503 == (await client.get("/healthz")).status


async def test_a_crawl_that_is_about_to_make_its_folder_begins(serving, tmp_path):
    lock = held(tmp_path / "new")
    await asyncio.to_thread(lock.__enter__)
    try:
        client = await serving(tmp_path / "new")
        found = await (await client.get("/api/live")).json()
    finally:
        await asyncio.to_thread(lock.__exit__, None, None, None)

    assert ("unreachable", "waits", "The crawl begins") == (found["phase"], found["level"], found["verdict"])


async def test_the_last_word_is_said_when_the_pages_go_away(serving, demo_crawl):
    client = await serving(demo_crawl)
    socket = await client.ws_connect("/api/live/socket")
    await socket.receive_json()
    closing = asyncio.create_task(client.server.close())
    heard = []
    while (message := await socket.receive()).type.name == "TEXT":
        heard.append(json.loads(message.data))

    assert ("over", True) == (heard[-2]["phase"], "crawler serve" in heard[-1]["bye"])
    await socket.close()
    await closing


# --- charts ---------------------------------------------------------------------------------------------------------


async def test_a_chart_has_the_samples_of_a_run(client, demo_crawl):
    async with client.get("/api/samples") as answer:
        found = await answer.json()

    assert 1 == found["run"]
    assert len(found["at"]) == len(found["pages"]) == len(found["queued"]) == len(found["bytes"]) >= 2
    assert [60, 0] == [found["pages"][-1], found["pages"][0]]
    assert 400 == (await client.get("/api/samples?run=x")).status
    assert [] == (await (await client.get("/api/samples?run=99")).json())["at"]


def test_a_long_run_is_thinned_to_what_a_screen_shows(demo_crawl, tmp_path):
    import shutil
    import sqlite3

    folder = shutil.copytree(demo_crawl, tmp_path / "long")
    with sqlite3.connect(folder / "crawl.db") as db:
        started = db.execute("SELECT started_at FROM run").fetchone()[0]
        db.execute("DELETE FROM sample")
        db.executemany(
            "INSERT INTO sample VALUES (?, 1, ?, 0, 0, 0, 0, 0, 0)", ((started + 10_000 * number, number) for number in range(10_000))
        )
    db.close()
    with Reader.open(folder) as reader:
        found = series.read_series(reader)

    assert series.POINTS * 0.9 <= len(found.at) <= series.POINTS
    assert list(found.at) == sorted(found.at)
    assert 9_999 == found.pages[-1]
