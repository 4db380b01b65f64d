"""Where the pages are served, and by which names: this machine unless told otherwise."""

from __future__ import annotations

import socket

import pytest

from crawler.dashboard import address
from crawler.dashboard.address import PORT, Address, BadAddress, bind, read


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("9000", "127.0.0.1", 9000),
        (":9000", "127.0.0.1", 9000),
        ("127.0.0.1:9000", "127.0.0.1", 9000),
        ("localhost:0", "localhost", 0),
        ("LOCALHOST", "localhost", None),
        ("[::1]:9000", "::1", 9000),
        ("[::1]", "::1", None),
        ("0.0.0.0:80", "0.0.0.0", 80),
    ],
)
def test_an_address_is_read_as_people_write_it(text, host, port):
    assert Address(host, port) == read(text)


@pytest.mark.parametrize("text", ["", " ", "example.org:80", "127.0.0.1:x", "99999", "127.0.0.1:70000", "::1:80", "http://127.0.0.1/", "a b"])
def test_what_is_no_address_of_a_machine_is_refused(text):
    with pytest.raises(BadAddress):
        read(text)


def bound(address, names=()):
    found = bind(address, names)
    found.sock.close()
    return found


def test_a_browser_may_come_by_the_names_of_this_machine_and_no_others():
    found = bound(Address("127.0.0.1", 0))
    port = found.url.rpartition(":")[2].strip("/")

    assert {f"127.0.0.1:{port}", f"localhost:{port}", f"[::1]:{port}"} == found.hosts
    assert f"http://127.0.0.1:{port}/" == found.url


def test_names_that_are_given_are_answered_with_and_without_the_port():
    found = bound(Address("0.0.0.0", 0), ("Crawler.Example.org.",))
    port = found.url.rpartition(":")[2].strip("/")

    assert {f"crawler.example.org:{port}", "crawler.example.org"} == found.hosts
    assert f"http://crawler.example.org:{port}/" == found.url


def test_whoever_listens_to_everybody_has_to_say_by_what_name():
    for host in ("0.0.0.0", "::"):
        with pytest.raises(BadAddress, match="has to know its name"):
            bind(Address(host, 0))
    with pytest.raises(BadAddress, match="no host name"):
        bind(Address("127.0.0.1", 0), ("example.org:80",))


def test_nobody_else_is_meant_by_loopback():
    assert [True, True, True, False, False, False] == [
        Address(host).is_loopback for host in ("127.0.0.1", "127.8.0.1", "::1", "0.0.0.0", "10.0.0.1", "::")
    ]
    assert Address("localhost").is_loopback


def test_a_port_that_is_taken_is_told_and_the_usual_one_is_not_insisted_on(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BadAddress, match=f"port {port}: address already in use"):
            bind(Address("127.0.0.1", port))
        monkeypatch.setattr("crawler.dashboard.address.PORT", port)
        assert not bound(Address()).url.endswith(f":{port}/")
    assert PORT == 8765


def test_an_address_of_another_machine_is_told():
    with pytest.raises(BadAddress, match="cannot listen on 192"):
        bind(Address("192.0.2.1", 0))


def test_by_the_port_of_http_browsers_come_without_naming_it(monkeypatch):
    sock = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr(address, "HTTP_PORT", sock.getsockname()[1])       # the real one is for the superuser
    monkeypatch.setattr(address, "_listening", lambda _: sock)
    with sock:
        found = bind(Address())

    assert {"127.0.0.1", "localhost", "[::1]"} < found.hosts
