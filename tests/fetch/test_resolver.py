"""Names: looked up in a bounded time, failures remembered for a moment, and several addresses tried side by side."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
import threading
from types import SimpleNamespace

import aiohttp
import pytest

from crawler.core.model import Fault
from crawler.core.settings import Settings
from crawler.core.targets import Timeouts
from crawler.fetch import resolver as resolving
from crawler.fetch.client import Fetcher
from crawler.fetch.guard import Guard
from crawler.fetch.resolver import FAILURE_KEPT, CaresResolver, Resolver, ThreadResolver, open_resolver
from crawler.fetch.routes import Routes, WrongSettings
from crawler.fetch.timing import Asking, asking

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
HOSTS = ("host.test", "localhost", "127.0.0.1", "[::1]", "nowhere.test")


class Known(Resolver):
    """Knows a few names and remembers what it was asked; what it does not know does not exist."""

    def __init__(self, names: dict[str, list[str]] | None = None) -> None:
        super().__init__(5.0)
        self.names = names or {}
        self.asked: list[str] = []

    async def _look_up(self, host, port, family):
        self.asked.append(host)
        if host not in self.names:
            raise OSError(None, "no such name")
        return [
            {"hostname": host, "host": address, "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST,
             "family": socket.AF_INET6 if ":" in address else socket.AF_INET}
            for address in self.names[host]
        ]  # fmt: skip


@pytest.fixture
def clock(monkeypatch):
    """Return the time by which failures are remembered."""
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr(resolving, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


@pytest.fixture
async def open_known(monkeypatch):
    """Return a function that opens a fetcher over a resolver of ours, as a crawl does."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(resolver, *, guard=None, settings=None) -> Fetcher:
            guard = guard or Guard(open_hosts=HOSTS, open_ports=(), allow=(), deny=())
            with monkeypatch.context() as patch:
                patch.setattr("crawler.fetch.client.open_resolver", lambda _: resolver)
                return await stack.enter_async_context(Fetcher.open(settings or Settings(), guard))

        yield open_


async def failing(resolver: Resolver, host: str, why: str) -> None:
    with pytest.raises(OSError, match=f"^{why}$") as caught:
        await resolver.resolve(host, 80)
    assert None is caught.value.errno


def dns_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("dns")]


def closed_port(host: str = "127.0.0.1") -> socket.socket:
    """Return a socket that holds a port on which nobody listens."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.bind((host, 0))
    return sock


# --- failures --------------------------------------------------------------------------------------------------------


async def test_a_name_that_was_not_found_is_asked_for_once_within_its_time(clock):
    resolver = Known()
    for _ in range(3):
        await failing(resolver, "nowhere.test", ".*no such name")
    clock.seconds += FAILURE_KEPT - 0.1
    await failing(resolver, "nowhere.test", ".*no such name")

    assert ["nowhere.test"] == resolver.asked

    clock.seconds += 0.2
    await failing(resolver, "nowhere.test", ".*no such name")

    assert ["nowhere.test"] * 2 == resolver.asked


async def test_a_failure_speaks_for_its_own_name_alone(clock):
    resolver = Known({"host.test": ["192.0.2.1"]})
    await failing(resolver, "nowhere.test", ".*no such name")

    assert ["192.0.2.1"] == [found["host"] for found in await resolver.resolve("host.test", 80)]


async def test_a_name_that_turned_up_is_found_after_failures_are_forgotten(clock):
    resolver = Known()
    await failing(resolver, "host.test", ".*no such name")
    resolver.names["host.test"] = ["192.0.2.1"]
    await failing(resolver, "host.test", ".*no such name")
    resolver.forget_failures()

    assert ["192.0.2.1"] == [found["host"] for found in await resolver.resolve("host.test", 80)]
    assert ["host.test"] * 2 == resolver.asked


async def test_only_the_newest_failures_are_remembered(clock, monkeypatch):
    monkeypatch.setattr(resolving, "FAILURES_KEPT", 3)
    resolver = Known()
    for host in ("a.test", "b.test", "c.test", "d.test", "b.test", "a.test", "d.test"):
        await failing(resolver, host, ".*no such name")

    assert ["a.test", "b.test", "c.test", "d.test", "a.test"] == resolver.asked
    assert 3 == len(resolver._failures)


async def test_a_look_up_that_failed_again_is_remembered_as_a_new_one(clock, monkeypatch):
    monkeypatch.setattr(resolving, "FAILURES_KEPT", 2)
    resolver = Known()
    await failing(resolver, "a.test", ".*no such name")
    await failing(resolver, "b.test", ".*no such name")
    clock.seconds += FAILURE_KEPT + 1
    await failing(resolver, "a.test", ".*no such name")
    await failing(resolver, "c.test", ".*no such name")

    assert ["a.test", "c.test"] == list(resolver._failures)


async def test_two_urls_of_a_name_that_does_not_exist_ask_for_it_once(open_known, ask):
    resolver = Known()
    fetcher = await open_known(resolver)
    troubles = [(await ask(f"http://nowhere.test:{port}/", fetcher=fetcher)).trouble for port in (80, 80, 8080)]

    assert [Fault.DNS] * 3 == [trouble.fault for trouble in troubles]
    assert all("no such name" in trouble.detail for trouble in troubles)
    assert ["nowhere.test"] == resolver.asked


async def test_many_requests_that_wait_for_one_name_ask_for_it_once_and_all_fail(open_known, ask):
    resolver = Known()
    fetcher = await open_known(resolver)
    asked = await asyncio.gather(*(ask(f"http://nowhere.test/{number}", fetcher=fetcher) for number in range(20)))

    assert {Fault.DNS} == {one.trouble.fault for one in asked}
    assert ["nowhere.test"] == resolver.asked


# --- time ------------------------------------------------------------------------------------------------------------


async def test_a_look_up_takes_as_long_as_its_host_may_and_is_remembered_as_failed(clock):
    class Hanging(Known):
        async def _look_up(self, host, port, family):
            self.asked.append(host)
            await asyncio.Event().wait()

    resolver = Hanging()
    asking.set(Asking("slow.test", Timeouts(dns=0.05)))
    await failing(resolver, "slow.test", r".*no answer from the name server within 0\.05 s")
    await failing(resolver, "slow.test", r".*no answer from the name server within 0\.05 s")

    assert ["slow.test"] == resolver.asked


async def test_a_look_up_that_is_given_up_by_whoever_asked_is_no_failure():
    started = asyncio.Event()

    class Hanging(Known):
        async def _look_up(self, host, port, family):
            started.set()
            await asyncio.Event().wait()

    resolver = Hanging()
    task = asyncio.ensure_future(resolver.resolve("host.test", 80))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert {} == resolver._failures


# --- the system's resolver on threads --------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "a..test", "." + "b" * 300])
async def test_a_name_that_no_name_server_could_know_fails_cleanly(host):
    resolver = ThreadResolver(5.0)
    try:
        with pytest.raises(OSError):
            await resolver.resolve(host, 80)
    finally:
        await resolver.close()


async def test_the_system_says_why_a_name_was_not_found(monkeypatch):
    def nothing(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    resolver = ThreadResolver(5.0)
    await failing(resolver, "nowhere.test", ".*Name or service not known")
    await resolver.close()


async def test_the_threads_are_our_own_and_end_with_the_resolver(monkeypatch):
    used = []
    monkeypatch.setattr(resolving, "_look_up", lambda *_: used.append(threading.current_thread()) or [])
    resolver = ThreadResolver(5.0)
    await asyncio.gather(*(resolver.resolve(f"h{number}.test", 80) for number in range(8)))

    assert used
    assert all(thread.name.startswith("dns") for thread in used)

    await resolver.close()
    for thread in used:
        await asyncio.to_thread(thread.join, 5.0)

    assert not set(used) & set(dns_threads())


async def test_closing_waits_for_no_look_up_that_hangs(monkeypatch):
    started, over, used = threading.Event(), threading.Event(), []

    def hanging(*_):
        used.append(threading.current_thread())
        started.set()
        over.wait(10.0)
        return []

    monkeypatch.setattr(resolving, "_look_up", hanging)
    resolver = ThreadResolver(5.0)
    task = asyncio.ensure_future(resolver.resolve("slow.test", 80))
    try:
        await asyncio.to_thread(started.wait, 5.0)
        await asyncio.wait_for(resolver.close(), 1.0)
        assert used[0].is_alive()
        task.cancel()
    finally:
        over.set()
    await asyncio.wait([task])
    await asyncio.to_thread(used[0].join, 5.0)

    assert not used[0].is_alive()


async def test_a_fetcher_that_is_closed_leaves_no_thread_behind(raw_server, ask):
    before, server = dns_threads(), await raw_server(OK)
    async with Fetcher.open(Settings(), Guard(open_hosts=("localhost",), open_ports=(), allow=(), deny=())) as fetcher:
        assert b"hi" == (await ask(f"http://localhost:{server.port}/", fetcher=fetcher)).body
        started = [thread for thread in dns_threads() if thread not in before]
    for thread in started:
        await asyncio.to_thread(thread.join, 5.0)

    assert 1 == len(started)
    assert not set(started) & set(dns_threads())


# --- c-ares ----------------------------------------------------------------------------------------------------------


class NameServer(asyncio.DatagramProtocol):
    """Says of every name that it does not exist, or nothing."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        self.asked = 0

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.asked += 1
        if not self.silent:
            question = data[12 : data.index(0, 12) + 5]
            self.transport.sendto(data[:2] + b"\x81\x83" + b"\0\1" + bytes(6) + question, address)     # RFC 1035 4.1.1: NXDOMAIN


@pytest.fixture
async def cares(request):
    """Return c-ares with a name server on loopback."""
    silent = getattr(request, "param", False)
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(lambda: NameServer(silent=silent), ("127.0.0.1", 0))
    resolver = CaresResolver(5.0)
    await resolver._cares.close()
    port = transport.get_extra_info("sockname")[1]
    resolver._cares = aiohttp.AsyncResolver(nameservers=["127.0.0.1"], udp_port=port, tcp_port=port, timeout=5.0, tries=1)
    yield resolver, server
    await resolver.close()
    transport.close()


async def test_c_ares_opens_finds_what_the_machine_knows_and_closes():
    resolver = open_resolver(Settings(resolver="c-ares"))
    try:
        assert isinstance(resolver, CaresResolver)
        assert "127.0.0.1" in [found["host"] for found in await resolver.resolve("localhost", 80, socket.AF_UNSPEC)]
    finally:
        await resolver.close()


async def test_c_ares_fails_cleanly_on_a_name_that_does_not_exist(cares):
    resolver, server = cares
    for _ in range(2):
        with pytest.raises(OSError) as caught:
            await resolver.resolve("nowhere.test", 80, socket.AF_INET)

    assert "not found" in caught.value.strerror.lower()
    assert 1 == server.asked


@pytest.mark.parametrize("cares", [True], indirect=True)
async def test_c_ares_ends_in_time_when_the_name_server_is_silent_and_closes(cares):
    resolver, _ = cares
    asking.set(Asking("slow.test", Timeouts(dns=0.1)))
    await failing(resolver, "slow.test", r".*no answer from the name server within 0\.1 s")
    await asyncio.wait_for(resolver.close(), 1.0)


@pytest.mark.parametrize("host", ["a" * 64 + ".test", "a..test", "nowhere.onion", "." + "b" * 300])
async def test_c_ares_fails_cleanly_on_a_name_that_no_name_server_is_asked_for(host):
    resolver = CaresResolver(5.0)
    try:
        with pytest.raises(OSError):
            await resolver.resolve(host, 80)
    finally:
        await resolver.close()


async def test_a_crawl_over_c_ares_asks_and_ends(raw_server, open_fetcher, ask):
    server, fetcher = await raw_server(OK), await open_fetcher(Settings(resolver="c-ares"))

    assert b"hi" == (await ask(f"http://localhost:{server.port}/", fetcher=fetcher)).body
    assert Fault.DNS is (await ask("http://nowhere.onion/", fetcher=fetcher)).trouble.fault


# --- extras ----------------------------------------------------------------------------------------------------------


async def test_c_ares_without_its_extra_is_a_wrong_setting(open_fetcher, monkeypatch):
    monkeypatch.setitem(sys.modules, "aiodns", None)
    with pytest.raises(WrongSettings) as caught:
        await open_fetcher(Settings(resolver="c-ares"))

    assert (2, "--resolver c-ares needs the extra `dns`") == (caught.value.exit_code, caught.value.message)
    assert "steadycrawl[dns]" in caught.value.hint


async def test_a_socks_proxy_without_its_extra_is_a_wrong_setting(open_fetcher, monkeypatch):
    monkeypatch.setitem(sys.modules, "python_socks", None)
    with pytest.raises(WrongSettings) as caught:
        await open_fetcher(Settings(proxies=("socks5://127.0.0.1:1080",)))

    assert 2 == caught.value.exit_code
    assert "steadycrawl[socks]" in caught.value.hint


def test_what_is_not_used_needs_no_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "aiodns", None)
    monkeypatch.setitem(sys.modules, "python_socks", None)

    assert None is Routes(Settings()).of("http://host.test").socks


# --- several addresses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("addresses", [["::1", "127.0.0.1"], ["127.0.0.1", "::1"], ["127.0.0.66", "::1", "127.0.0.1"]])
async def test_a_name_of_which_one_address_is_alive_is_answered(addresses, raw_server, open_known, ask):
    server = await raw_server(OK)
    fetcher = await open_known(Known({"host.test": addresses}), settings=Settings(connect_timeout=5.0))
    asked = await ask(f"http://host.test:{server.port}/", fetcher=fetcher)

    assert (b"hi", "127.0.0.1") == (asked.body, asked.reply.ip)
    assert asked.reply.connect < 0.5     # refused at once, or overtaken after a quarter of a second


async def test_an_address_that_says_nothing_is_overtaken(raw_server, open_known, ask):
    """The first one's queue of connections is full, so that it neither takes nor refuses another."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.66", 0), backlog=0))
        port = listening.getsockname()[1]
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.66", port))
        await raw_server(OK, port=port)
        fetcher = await open_known(Known({"host.test": ["127.0.0.66", "127.0.0.1"]}))
        asked = await ask(f"http://host.test:{port}/", fetcher=fetcher)

    assert (b"hi", "127.0.0.1") == (asked.body, asked.reply.ip)
    assert 0.2 < asked.reply.connect < 0.9


async def test_a_name_of_which_no_address_is_alive_is_the_fault_connect(open_known, ask):
    with closed_port() as held:
        fetcher = await open_known(Known({"host.test": ["::1", "127.0.0.1"]}))
        asked = await ask(f"http://host.test:{held.getsockname()[1]}/", fetcher=fetcher)

    assert Fault.CONNECT is asked.trouble.fault


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["::1", "127.0.0.1"], ["10.0.0.1", "169.254.169.254", "fd00::1", "::ffff:10.0.0.1"]])
async def test_a_name_of_which_every_address_is_refused_is_the_fault_guard(addresses, raw_server, open_known, ask):
    server = await raw_server(OK)
    fetcher = await open_known(Known({"other.test": addresses}))
    asked = await ask(f"http://other.test:{server.port}/", fetcher=fetcher)

    assert Fault.GUARD is asked.trouble.fault
    assert "private address" in asked.trouble.detail
    assert 0 == server.connections


async def test_a_refused_address_does_not_keep_a_name_from_its_others(raw_server, open_known, ask):
    server = await raw_server(OK)
    guard = Guard(open_hosts=(), open_ports=(), allow=("127.0.0.1/32",), deny=())
    fetcher = await open_known(Known({"other.test": ["::1", "10.0.0.1", "127.0.0.1"]}), guard=guard)

    assert b"hi" == (await ask(f"http://other.test:{server.port}/", fetcher=fetcher)).body


# --- can it be reached -----------------------------------------------------------------------------------------------


@pytest.fixture
async def door():
    """Return a port with somebody behind it, and what every visitor said until he left."""
    said: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader, writer):
        with contextlib.suppress(ConnectionError):
            await said.put(await reader.read())
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], said


@pytest.mark.parametrize("origin", ["http://127.0.0.1", "https://127.0.0.1", "http://host.test", "https://host.test"])
async def test_an_origin_with_a_listener_is_reached_and_nothing_is_said(origin, door, open_known):
    port, said = door
    fetcher = await open_known(Known({"host.test": ["::1", "127.0.0.1"]}))

    assert await fetcher.reaches(f"{origin}:{port}")
    assert b"" == await asyncio.wait_for(said.get(), 5.0)
    assert said.empty()


async def test_an_origin_on_ipv6_is_reached(raw_server, open_known):
    server = await raw_server(OK, "::1")

    assert await (await open_known(Known())).reaches(server.url)


async def test_a_silent_address_does_not_hide_the_others_of_its_name(door, open_known):
    """A machine whose IPv6 leads nowhere is not one whose network is down."""
    port, _ = door
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket(socket.AF_INET6))
        full.bind(("::1", port))
        full.listen(0)
        for _ in range(3):      # what comes after these waits for a place in the queue
            knocking = stack.enter_context(socket.socket(socket.AF_INET6))
            knocking.setblocking(False)
            knocking.connect_ex(("::1", port))
        fetcher = await open_known(Known({"host.test": ["::1", "127.0.0.1"]}))

        assert await asyncio.wait_for(fetcher.reaches(f"http://host.test:{port}"), 2.0)


@pytest.mark.parametrize("host", ["127.0.0.1", "host.test"])
async def test_a_closed_port_is_not_reached(host, open_known):
    fetcher = await open_known(Known({"host.test": ["127.0.0.1"]}))
    with closed_port() as held:
        assert not await fetcher.reaches(f"http://{host}:{held.getsockname()[1]}")


async def test_a_name_that_does_not_exist_is_not_reached_and_looked_up_anew_each_time(door, open_known):
    port, _ = door
    resolver = Known()
    fetcher = await open_known(resolver)

    assert not await fetcher.reaches(f"http://host.test:{port}")
    resolver.names["host.test"] = ["127.0.0.1"]
    assert await fetcher.reaches(f"http://host.test:{port}")
    assert ["host.test"] * 2 == resolver.asked


async def test_a_name_that_no_name_server_could_know_is_not_reached(open_fetcher):
    assert not await (await open_fetcher()).reaches(f"http://{'a' * 64}.test")


async def test_a_refused_address_is_not_reached_either(door, open_known):
    port, said = door
    fetcher = await open_known(Known({"other.test": ["127.0.0.1"]}))

    assert not await fetcher.reaches(f"http://other.test:{port}")
    assert said.empty()


async def test_a_look_up_that_hangs_is_not_waited_for(open_known):
    class Hanging(Known):
        async def _look_up(self, host, port, family):
            await asyncio.Event().wait()

    fetcher = await open_known(Hanging(), settings=Settings(dns_timeout=0.05))

    assert not await asyncio.wait_for(fetcher.reaches("http://host.test"), 2.0)
