"""Where we never connect, decided on the final address: spelt in any way, found by any name, reached by any redirect."""

from __future__ import annotations

import asyncio
import ipaddress

import aiohttp
import pytest
import yarl

from crawler.core.model import Fault, Kind, Request
from crawler.core.settings import Settings
from crawler.core.urls import UrlError, spell
from crawler.fetch.guard import BAD_PORTS, Guard, GuardRefused, unwrapped


def guard_of(*open_hosts: str, ports=(), allow=(), deny=()) -> Guard:
    return Guard(open_hosts=open_hosts, open_ports=ports, allow=allow, deny=deny)


async def knock(raw, reader, writer) -> None:
    """Anything that arrives here was let through."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
    await writer.drain()


LOOPBACK = (
    "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0x7f.1", "0177.0.0.1", "0177.1", "017700000001",
    "127.0.0.1.", "127.255.255.254", "0.0.0.0", "0", "１２７.0.0.1", "①②⑦.⓪.⓪.①", "127。0。0。1", "127．0．0．1", "%31%32%37.0.0.1",
    "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::FFFF:7F00:1]", "[0:0:0:0:0:ffff:7f00:0001]", "[::127.0.0.1]",
    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[2001:0:7f00:1::80ff:fffe]", "localhost", "name.test", "six.test", "both.test", "mapped.test",
)  # fmt: skip
OTHERS = (
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "169.254.169.254", "100.100.100.200", "168.63.129.16",
    "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.0.2.1", "203.0.113.9", "[fd00:ec2::254]", "[fe80::1]",
    "[fec0::1]", "[fc00::1]", "[ff02::1]", "[2001:db8::1]", "[64:ff9b:1::1]", "[100::1]", "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "2852039166", "0xa9fea9fe", "metadata.test",
)  # fmt: skip
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "name.test": ["127.0.0.1"],
    "six.test": ["::1"],
    "both.test": ["::1", "127.0.0.1"],
    "mapped.test": ["::ffff:127.0.0.1"],
    "metadata.test": ["169.254.169.254"],
    # what getaddrinfo makes of these
    "0x7f000001": ["127.0.0.1"],
    "127.1": ["127.0.0.1"],
    "2130706433": ["127.0.0.1"],
}


@pytest.mark.parametrize("host", LOOPBACK + OTHERS)
async def test_no_spelling_of_a_private_address_is_connected_to(host, raw_server, ask):
    canary = await raw_server(knock)
    try:
        url = spell(f"http://{host}:{canary.port}/")
    except UrlError:
        pytest.fail("every one of these is a URL to a browser")

    asked = await ask(url, guard=guard_of(), names=NAMES)

    assert Fault.GUARD is asked.trouble.fault
    assert "private address" in asked.trouble.detail
    assert 1 == asked.heard
    assert 0 == canary.connections


@pytest.mark.parametrize("host", LOOPBACK)
async def test_not_even_a_url_that_was_not_spelt_by_us_gets_through_the_connector(host, raw_server, open_fetcher):
    canary = await raw_server(knock)
    fetcher = await open_fetcher(guard=guard_of(), names=NAMES)

    with pytest.raises((aiohttp.ClientError, ValueError, GuardRefused)):
        await fetcher._session.get(yarl.URL(f"http://{host}:{canary.port}/"))

    assert 0 == canary.connections


async def test_a_redirect_followed_by_mistake_would_not_get_through_either(raw_server, scenes, open_fetcher):
    canary = await raw_server(knock, "127.0.0.66")
    door = await raw_server(f"HTTP/1.1 302 Found\r\nLocation: {canary.url}/\r\nContent-Length: 0\r\n\r\n".encode())
    fetcher = await open_fetcher(guard=guard_of(allow=["127.0.0.1/32"]))

    with pytest.raises(aiohttp.ClientConnectorError):
        await fetcher._session.get(door.url, allow_redirects=True)

    assert (1, 0) == (door.connections, canary.connections)


async def test_the_host_that_a_seed_names_is_open_and_no_other(raw_server, ask):
    canary = await raw_server(knock)
    names = {"seed.test": ["127.0.0.1"], "other.test": ["127.0.0.1"]}

    assert b"secret" == (await ask(f"http://seed.test:{canary.port}/", guard=guard_of("seed.test"), names=names)).body
    other = await ask(f"http://other.test:{canary.port}/", guard=guard_of("seed.test"), names=names)

    assert Fault.GUARD is other.trouble.fault
    assert 1 == canary.connections


async def test_an_address_that_a_seed_names_is_open(raw_server, ask):
    canary = await raw_server(knock)

    assert b"secret" == (await ask(canary.url, guard=guard_of("127.0.0.1"))).body


@pytest.mark.parametrize("target", ["127.0.0.66", "inside.test"])
async def test_a_robots_txt_of_a_seed_that_redirects_inside_opens_nothing(target, raw_server, ask):
    """The request speaks for the seed's host, but what is asked is another."""
    canary = await raw_server(knock, "127.0.0.66")
    url = f"http://{target}:{canary.port}/robots.txt"
    request = Request(url, "http://seed.test", "seed.test", Kind.ROBOTS, 0, -1, hops=1)

    asked = await ask(request, guard=guard_of("seed.test"), names={"inside.test": ["127.0.0.66"]})

    assert Fault.GUARD is asked.trouble.fault
    assert 0 == canary.connections


async def test_many_hosts_asked_at_once_are_each_judged_by_their_own_name(raw_server, open_fetcher, ask):
    canary = await raw_server(knock)
    names = {f"h{number}.test": ["127.0.0.1"] for number in range(40)}
    fetcher = await open_fetcher(guard=guard_of(*list(names)[::2]), names=names)

    asked = await asyncio.gather(*(ask(f"http://{name}:{canary.port}/", fetcher=fetcher) for name in names))

    assert [b"secret", b""] * 20 == [one.body for one in asked]
    assert 20 == canary.connections


async def test_denied_networks_beat_seeds_and_allowed_networks(raw_server, ask):
    canary = await raw_server(knock, "127.0.0.66")
    guard = guard_of("127.0.0.66", allow=["127.0.0.0/8"], deny=["127.0.0.64/26"])

    asked = await ask(canary.url, guard=guard)

    assert "--deny-net" in asked.trouble.detail
    assert 0 == canary.connections


async def test_allowed_networks_are_let_in_and_no_more(raw_server, ask):
    inside, outside = await raw_server(knock, "127.0.0.66"), await raw_server(knock)
    guard = guard_of(allow=["127.0.0.64/26"])

    assert b"secret" == (await ask(inside.url, guard=guard)).body
    assert Fault.GUARD is (await ask(outside.url, guard=guard)).trouble.fault
    assert 0 == outside.connections


@pytest.mark.parametrize("port", [25, 6379, 22, 11211])
async def test_ports_of_other_services_are_refused_before_anything_is_connected_to(port, ask):
    asked = await ask(f"http://127.0.0.1:{port}/")

    assert Fault.GUARD is asked.trouble.fault
    assert f"port {port} belongs to another service" in asked.trouble.detail
    assert 1 == asked.heard


def test_a_port_that_a_seed_names_is_open():
    assert None is guard_of(ports=[6667]).refused_port(6667)
    assert None is guard_of().refused_port(8080)
    assert {80, 443, 8080, 8443, 3000}.isdisjoint(BAD_PORTS)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "192.0.1.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8",
                                     "64:ff9b::808:808", "2002:808:808::1", "223.255.255.255", "fe80::1%eth0"])  # fmt: skip
def test_public_addresses_are_open(address):
    private = address.startswith("fe80")

    assert private == (guard_of().refusal("h.test", address) is not None)


@pytest.mark.parametrize(
    ("address", "inner"),
    [
        ("::ffff:10.0.0.1", {"10.0.0.1"}),
        ("64:ff9b::a00:1", {"10.0.0.1"}),
        ("2002:a00:1::5", {"2002:a00:1::5", "10.0.0.1"}),
        ("2001:0:a00:1::f5ff:fffd", {"2001:0:a00:1::f5ff:fffd", "10.0.0.1", "10.0.0.2"}),
        ("10.0.0.1", {"10.0.0.1"}),
        ("2606:4700::1111", {"2606:4700::1111"}),
    ],
)
def test_an_address_that_stands_for_another_is_judged_by_both(address, inner):
    assert {ipaddress.ip_address(one) for one in inner} == set(unwrapped(ipaddress.ip_address(address)))


@pytest.mark.parametrize("address", ["::ffff:10.9.9.9", "64:ff9b::a09:909", "2002:a09:909::1", "10.9.9.9"])
def test_a_denied_network_is_denied_in_every_disguise(address):
    guard = guard_of("seed.test", allow=["0.0.0.0/0", "::/0"], deny=["10.0.0.0/8"])

    assert "--deny-net" in (guard.refusal("seed.test", address) or "")


def test_a_refusal_is_an_oserror():
    """With any other exception aiohttp fails on hosts that have several addresses."""
    assert issubclass(GuardRefused, OSError)
    with pytest.raises(GuardRefused):
        guard_of().socket((2, 1, 6, "", ("127.0.0.1", 80)))




async def test_the_address_of_a_proxy_is_no_target_of_the_crawl(raw_server, ask):
    """Whoever names a proxy on his own machine does not open the rest of that machine."""
    server = await raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
    guard = guard_of("seed.test")
    settings = Settings(proxies=(f"*.onion http://127.0.0.1:{server.port}",))

    assert Fault.GUARD is (await ask(f"{server.url}/", settings=settings, guard=guard)).trouble.fault
    assert 0 == server.connections
    assert b"secret" == (await ask("http://a.onion/", settings=settings, guard=guard)).body
