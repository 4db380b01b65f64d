"""Whose certificate is believed, whom we show ours, and what a handshake that goes wrong is called."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from crawler.core.model import Fault
from crawler.core.settings import Settings
from crawler.fetch.guard import Guard
from crawler.fetch.routes import Routes, WrongSettings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
NAMES = {"host.test": ["127.0.0.1"], "seed.test": ["127.0.0.1"]}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
CLOSED = datetime(2021, 1, 1, tzinfo=UTC)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def stranger():
    return trustme.CA(organization_name="nobody knows it")


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def client_pem(authority, tmp_path_factory):
    """Return the files of a client's certificate: the certificate, its key, both in one."""
    folder = tmp_path_factory.mktemp("client")
    leaf = authority.issue_cert("crawler@host.test")
    leaf.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    leaf.private_key_pem.write_to_path(str(folder / "key.pem"))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "both.pem"))
    return folder


def server_context(certificate: trustme.LeafCert, *, clients: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        clients.configure_trust(context)
    return context


def self_signed(ca: trustme.CA, folder) -> ssl.SSLContext:
    """Serve an authority's own certificate, which nobody but itself has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.cert_pem.write_to_path(str(folder / "own.pem"))
    ca.private_key_pem.write_to_path(str(folder / "own.key"))
    context.load_cert_chain(folder / "own.pem", folder / "own.key")
    return context


class Tls:
    """What a server over TLS was sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.heads: list[bytes] = []


@pytest.fixture
async def tls_server():
    """Return a function that starts a server with a context; it answers everything with `hi`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(context: ssl.SSLContext) -> Tls:
            async def serve(reader, writer):
                with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                    while True:
                        served.heads.append(await reader.readuntil(b"\r\n\r\n"))
                        writer.write(OK)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

            server = await stack.enter_async_context(await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
            served = Tls(server.sockets[0].getsockname()[1])
            return served

        yield start


@pytest.fixture
def blunt_server():
    """Return a function that starts a server which refuses a handshake as most do: it says why, and then hangs up.

    asyncio's own hangs up without a word. Returns its port.
    """
    with contextlib.ExitStack() as stack:

        def start(context: ssl.SSLContext) -> int:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=refuse, args=(listening, context), daemon=True)
            thread.start()
            stack.callback(thread.join, 5.0)
            stack.callback(listening.shutdown, socket.SHUT_RDWR)
            return listening.getsockname()[1]

        yield start


def refuse(listening: socket.socket, context: ssl.SSLContext) -> None:
    """Make the handshake, and be surprised when it goes well; end with the listening socket."""
    while True:
        try:
            sock, _ = listening.accept()
        except OSError:
            return
        sock.settimeout(5.0)
        with context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False) as secured, contextlib.suppress(OSError):
            try:
                secured.do_handshake()
                secured.sendall(OK)
            except ssl.SSLError:
                secured.shutdown(socket.SHUT_WR)
                while secured.recv(10_000):     # what is left unread would turn the end into a reset
                    pass


# --- whose certificate is believed -----------------------------------------------------------------------------------


async def test_an_authority_of_the_users_own_is_trusted(authority, ca_file, tls_server, ask):
    server = await tls_server(server_context(authority.issue_cert("host.test")))
    asked = await ask(f"https://host.test:{server.port}/", settings=Settings(ca_file=ca_file), names=NAMES)

    assert (b"hi", 1) == (asked.body, asked.heard)


async def test_an_address_is_trusted_when_the_certificate_names_it(authority, ca_file, tls_server, ask):
    server = await tls_server(server_context(authority.issue_cert("127.0.0.1")))

    assert b"hi" == (await ask(f"https://127.0.0.1:{server.port}/", settings=Settings(ca_file=ca_file))).body


async def test_a_certificate_of_an_unknown_authority_is_the_fault_tls(authority, tls_server, ask):
    server = await tls_server(server_context(authority.issue_cert("host.test")))
    asked = await ask(f"https://host.test:{server.port}/", names=NAMES)

    assert Fault.TLS is asked.trouble.fault
    assert "unable to get local issuer certificate" in asked.trouble.detail
    assert [] == server.heads


async def test_one_authority_of_the_users_own_does_not_open_the_door_to_others(stranger, ca_file, tls_server, ask):
    server = await tls_server(server_context(stranger.issue_cert("host.test")))
    asked = await ask(f"https://host.test:{server.port}/", settings=Settings(ca_file=ca_file), names=NAMES)

    assert Fault.TLS is asked.trouble.fault
    assert "unable to get local issuer certificate" in asked.trouble.detail


async def test_a_self_signed_certificate_is_called_that(stranger, tls_server, ask, tmp_path):
    server = await tls_server(self_signed(stranger, tmp_path))
    asked = await ask(f"https://host.test:{server.port}/", names=NAMES)

    assert Fault.TLS is asked.trouble.fault
    assert "self-signed certificate" in asked.trouble.detail.replace("self signed", "self-signed")


async def test_an_expired_certificate_is_called_that(authority, ca_file, tls_server, ask):
    server = await tls_server(server_context(authority.issue_cert("host.test", not_before=LONG_AGO, not_after=CLOSED)))
    asked = await ask(f"https://host.test:{server.port}/", settings=Settings(ca_file=ca_file), names=NAMES)

    assert Fault.TLS is asked.trouble.fault
    assert "certificate has expired" in asked.trouble.detail


async def test_a_certificate_for_another_host_is_called_that(authority, ca_file, tls_server, ask):
    server = await tls_server(server_context(authority.issue_cert("other.test")))
    asked = await ask(f"https://host.test:{server.port}/", settings=Settings(ca_file=ca_file), names=NAMES)

    assert Fault.TLS is asked.trouble.fault
    assert "certificate is not valid for 'host.test'" in asked.trouble.detail


@pytest.mark.parametrize("ca", [False, True], ids=["no-ca-file", "ca-file"])
async def test_one_insecure_host_does_not_make_the_others_insecure(ca, stranger, ca_file, tls_server, open_fetcher, ask):
    server = await tls_server(server_context(stranger.issue_cert("neither.test")))
    fetcher = await open_fetcher(Settings(insecure=("host.test",), ca_file=ca_file if ca else None), names=NAMES)

    assert b"hi" == (await ask(f"https://host.test:{server.port}/", fetcher=fetcher)).body
    other = await ask(f"https://seed.test:{server.port}/", fetcher=fetcher)

    assert Fault.TLS is other.trouble.fault
    assert 1 == len(server.heads)


# --- to whom we show ours --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("files", ["cert.pem key.pem", "both.pem"])
async def test_a_server_that_demands_a_client_certificate_is_shown_it(files, version, authority, ca_file, client_pem, tls_server, ask):
    context = server_context(authority.issue_cert("host.test"), clients=authority)
    context.maximum_version = version
    server = await tls_server(context)
    shown = " ".join(str(client_pem / file) for file in files.split())
    settings = Settings(ca_file=ca_file, client_certs=(f"https://host.test:{server.port} {shown}",))

    assert b"hi" == (await ask(f"https://host.test:{server.port}/", settings=settings, names=NAMES)).body


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_client_certificate_that_is_demanded_and_not_there_is_the_fault_tls(version, authority, ca_file, blunt_server, ask):
    context = server_context(authority.issue_cert("host.test"), clients=authority)
    context.maximum_version = version
    url = f"https://host.test:{blunt_server(context)}/"
    asked = await ask(url, settings=Settings(ca_file=ca_file), names=NAMES)

    assert (Fault.TLS, b"") == (asked.trouble.fault, asked.body), asked.trouble.detail
    assert re.search("certificate required|handshake failure", asked.trouble.detail, re.IGNORECASE)


async def test_a_client_certificate_is_shown_to_its_own_origin_alone(authority, ca_file, client_pem, tls_server, open_fetcher, ask):
    """The same server by another name, and another port of the same name, do not get to see it."""
    context = server_context(authority.issue_cert("host.test", "seed.test"), clients=authority)
    one, two = await tls_server(context), await tls_server(context)
    shown = f"https://host.test:{one.port} {client_pem / 'both.pem'}"
    fetcher = await open_fetcher(Settings(ca_file=ca_file, client_certs=(shown,)), names=NAMES)

    assert b"hi" == (await ask(f"https://host.test:{one.port}/", fetcher=fetcher)).body
    assert (await ask(f"https://seed.test:{one.port}/", fetcher=fetcher)).trouble
    assert (await ask(f"https://host.test:{two.port}/", fetcher=fetcher)).trouble
    assert (1, 0) == (len(one.heads), len(two.heads))


async def test_whoever_is_shown_a_client_certificate_is_checked_all_the_same(authority, stranger, client_pem, tls_server, ask):
    server = await tls_server(server_context(stranger.issue_cert("host.test"), clients=authority))
    settings = Settings(client_certs=(f"https://host.test:{server.port} {client_pem / 'both.pem'}",))

    assert Fault.TLS is (await ask(f"https://host.test:{server.port}/", settings=settings, names=NAMES)).trouble.fault


async def test_an_insecure_host_can_be_shown_a_client_certificate(authority, stranger, client_pem, tls_server, ask):
    server = await tls_server(server_context(stranger.issue_cert("host.test"), clients=authority))
    certs = (f"https://host.test:{server.port} {client_pem / 'both.pem'}",)
    settings = Settings(client_certs=certs, insecure=("host.test",))

    assert b"hi" == (await ask(f"https://host.test:{server.port}/", settings=settings, names=NAMES)).body


# --- files that are no good ------------------------------------------------------------------------------------------


def encrypt(plain: Path, path: Path, form: serialization.PrivateFormat) -> None:
    key = serialization.load_pem_private_key(plain.read_bytes(), None)
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret")))


@pytest.fixture(params=["empty", "garbage", "missing", "folder", "key-missing", "no-key", "another-key", "encrypted", "encrypted-old"])
def bad_client_pem(request, client_pem, authority, tmp_path):
    """Return the words that name the files of a client certificate with one thing wrong."""
    cert, bad = client_pem / "cert.pem", tmp_path / "bad.pem"
    match request.param:
        case "empty":
            bad.write_bytes(b"")
        case "garbage":
            bad.write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        case "missing":
            pass
        case "folder":
            bad.mkdir()
        case "key-missing":
            return f"{cert} {bad}"
        case "no-key":
            return f"{cert}"
        case "another-key":
            authority.issue_cert("another@host.test").private_key_pem.write_to_path(str(bad))
            return f"{cert} {bad}"
        case "encrypted":
            encrypt(client_pem / "key.pem", bad, serialization.PrivateFormat.PKCS8)
            return f"{cert} {bad}"
        case "encrypted-old":
            encrypt(client_pem / "key.pem", bad, serialization.PrivateFormat.TraditionalOpenSSL)
            return f"{cert} {bad}"
    return str(bad)


def test_a_client_certificate_that_cannot_be_read_is_a_wrong_setting(bad_client_pem):
    with pytest.raises(WrongSettings) as caught:
        Routes(Settings(client_certs=(f"https://host.test {bad_client_pem}",)))

    assert 2 == caught.value.exit_code
    assert "cannot read the client certificate for https://host.test from" in caught.value.message
    assert "--client-cert" in caught.value.hint


AT_A_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from crawler.core.settings import Settings
from crawler.fetch.routes import Routes, WrongSettings
try:
    Routes(Settings(client_certs=(sys.argv[1],)))
except WrongSettings as error:
    print(error.exit_code)
"""


def test_nobody_at_a_terminal_is_asked_for_the_password_of_a_key(client_pem, tmp_path):
    """OpenSSL asks the terminal itself, whatever standard input is; so there has to be one, and a process that it controls."""
    encrypt(client_pem / "key.pem", tmp_path / "key.pem", serialization.PrivateFormat.PKCS8)
    setting = f"https://host.test {client_pem / 'cert.pem'} {tmp_path / 'key.pem'}"
    ours, terminal = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as seen, os.fdopen(terminal, "wb", buffering=0) as there:
        command = [sys.executable, "-c", AT_A_TERMINAL, setting]
        with subprocess.Popen(command, stdin=there, stdout=subprocess.PIPE, stderr=there, start_new_session=True) as child:
            try:
                said, _ = child.communicate(timeout=20.0)
            finally:
                child.kill()
        asked = select.select([seen], [], [], 0)[0]

        assert (b"2\n", []) == (said, asked), asked and seen.read(1000)


@pytest.mark.parametrize("contents", [None, b"", b"no PEM", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
                         ids=["missing", "empty", "garbage", "broken"])  # fmt: skip
def test_a_file_of_authorities_that_cannot_be_read_is_a_wrong_setting(contents, tmp_path):
    path = tmp_path / "ca.pem"
    if contents is not None:
        path.write_bytes(contents)
    with pytest.raises(WrongSettings) as caught:
        Routes(Settings(ca_file=str(path)))

    assert 2 == caught.value.exit_code
    assert f"cannot read authorities from {path}: " in caught.value.message
    assert "--ca-file" in caught.value.hint


async def test_opening_a_fetcher_says_so_before_anything_is_asked(open_fetcher, tmp_path):
    with pytest.raises(WrongSettings):
        await open_fetcher(Settings(ca_file=str(tmp_path / "ca.pem")))


# --- handshakes that go wrong ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "host.test"])
async def test_a_server_that_never_answers_the_handshake_is_the_fault_timeout(host, raw_server, ask):
    async def scene(raw, reader, writer):
        raw.heads.append(await reader.read(1))
        await raw.over.wait()

    server = await raw_server(scene)
    asked = await ask(f"https://{host}:{server.port}/", settings=Settings(tls_timeout=0.1), names=NAMES)

    assert (Fault.TIMEOUT, 1) == (asked.trouble.fault, asked.heard)
    assert [b"\x16"] == server.heads


@pytest.mark.xfail(reason="the client's own words hide those of the handshake's timeout")
async def test_a_handshake_that_takes_too_long_is_told_as_that(raw_server, ask):
    async def scene(raw, reader, writer):
        await raw.over.wait()

    server = await raw_server(scene)
    asked = await ask(f"https://127.0.0.1:{server.port}/", settings=Settings(tls_timeout=0.1))

    assert "no TLS handshake within 0.1 s" == asked.trouble.detail


async def test_a_server_that_hangs_up_within_the_handshake_is_told_as_that(raw_server, ask):
    async def scene(raw, reader, writer):
        await reader.read(10_000)

    server = await raw_server(scene)
    asked = await ask(f"https://127.0.0.1:{server.port}/")

    assert (Fault.TLS, 1) == (asked.trouble.fault, asked.heard)
    assert "hung up within the TLS handshake" in asked.trouble.detail


async def test_a_handshake_cannot_outlast_the_time_to_connect(ask):
    """`tls_timeout` lies within `connect_timeout` and the look-up."""
    with socket.create_server(("127.0.0.1", 0)) as unanswered:
        url = f"https://127.0.0.1:{unanswered.getsockname()[1]}/"
        asked = await ask(url, settings=Settings(tls_timeout=60.0, connect_timeout=0.1, dns_timeout=0.1))

    assert asked.trouble.fault in {Fault.TIMEOUT, Fault.CONNECT}
    assert 1 == asked.heard


@pytest.mark.parametrize("garbage", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x28", bytes(100)], ids=["ssh", "alert", "zeros"])
async def test_garbage_instead_of_a_handshake_is_the_fault_tls(garbage, raw_server, ask):
    async def scene(raw, reader, writer):
        await reader.read(10_000)
        writer.write(garbage)
        await writer.drain()
        await reader.read()     # until the other side gives up

    server = await raw_server(scene)
    asked = await ask(f"https://127.0.0.1:{server.port}/")

    assert (Fault.TLS, 1) == (asked.trouble.fault, asked.heard), asked.trouble.detail
    assert asked.trouble.detail


async def test_a_refused_address_is_refused_before_the_handshake(authority, ca_file, tls_server, ask):
    server = await tls_server(server_context(authority.issue_cert("host.test")))
    guard = Guard(open_hosts=(), open_ports=(), allow=(), deny=())
    asked = await ask(f"https://host.test:{server.port}/", settings=Settings(ca_file=ca_file), guard=guard, names=NAMES)

    assert Fault.GUARD is asked.trouble.fault
