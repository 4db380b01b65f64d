"""Who is let in: this machine's own browser, by our name, from our own pages; and a change only with the token."""

from __future__ import annotations

import asyncio
from io import BytesIO

import pytest

PATHS = ("/", "/list/pages", "/ask?sql=SELECT+1", "/explain?url=example.org", "/api/live", "/metrics", "/healthz", "/static/style.css", "/nope")
CHANGES = (("/api/control", {"command": "pause"}), ("/api/urls", {"action": "retry"}))


def own_origin(client) -> str:
    return f"http://127.0.0.1:{client.port}"


@pytest.mark.parametrize("path", PATHS)
async def test_a_name_that_is_not_ours_is_not_answered(client, path):
    """DNS rebinding: the browser believes that evil.example is this machine, and says so in Host."""
    for host in ("evil.example", f"evil.example:{client.port}", "127.0.0.1", f"localhost.evil.example:{client.port}", ""):
        async with client.get(path, headers={"Host": host}) as answer:
            assert (421, True) == (answer.status, "not served under that name" in await answer.text())


async def test_two_names_are_none(client):
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write(f"GET /api/live HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())

    assert (await reader.readline()).split()[1] in (b"421", b"400")
    writer.close()


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://evil.example:8765"])
async def test_what_another_site_sets_off_is_refused(client, token, origin):
    for path, change in CHANGES:
        async with client.post(path, json=change, headers={"Origin": origin, "X-Crawler-Token": token}) as answer:
            assert 403 == answer.status
    async with client.get("/api/live", headers={"Origin": origin}) as answer:
        assert 403 == answer.status
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_socket_for_another_site_is_not_opened(client):
    with pytest.raises(Exception, match="403"):
        await client.ws_connect("/api/live/socket", headers={"Origin": "http://evil.example"})


async def test_other_sites_can_link_to_the_first_page_and_set_nothing_else_off(client):
    visit = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    image = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}

    assert 200 == (await client.get("/", headers=visit)).status
    assert 403 == (await client.get("/", headers=image)).status
    assert 403 == (await client.get("/ask?sql=SELECT+1", headers=visit)).status
    assert 403 == (await client.get("/ask?sql=SELECT+1", headers={**image, "Sec-Fetch-Site": "same-site"})).status      # another port
    assert 200 == (await client.get("/ask?sql=SELECT+1", headers={**visit, "Sec-Fetch-Site": "same-origin"})).status
    assert 200 == (await client.get("/ask?sql=SELECT+1", headers={**visit, "Sec-Fetch-Site": "none"})).status           # typed in


@pytest.mark.parametrize("given", [None, "", "wrong", "the-right-tokens", "the-right-toke", "\u00e9"])
@pytest.mark.parametrize(("path", "change"), CHANGES)
async def test_a_change_without_the_token_is_refused(client, path, change, given):
    headers = {} if given is None else {"X-Crawler-Token": given}
    async with client.post(path, json=change, headers=headers) as answer:
        assert 403 == answer.status
        assert "token" in (await answer.json())["error"]


async def test_the_token_counts_in_its_header_alone(client, token):
    for where in ({"params": {"token": token}}, {"cookies": {"X-Crawler-Token": token}}, {"headers": {"Authorization": f"Bearer {token}"}}):
        async with client.post("/api/control", json={"command": "pause"}, **where) as answer:
            assert 403 == answer.status


async def test_whether_a_token_is_right_can_be_asked(client, token):
    assert 204 == (await client.get("/api/token", headers={"X-Crawler-Token": token})).status
    assert 403 == (await client.get("/api/token", headers={"X-Crawler-Token": "wrong"})).status


async def test_a_form_of_another_site_could_not_send_what_a_change_is(client, token):
    """A form sends no JSON, and a script may not send it without asking first."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        headers = {"X-Crawler-Token": token, "Content-Type": kind}
        async with client.post("/api/control", data=b'{"command":"pause"}', headers=headers) as answer:
            assert 415 == answer.status
    async with client.options("/api/control", headers={"Access-Control-Request-Method": "POST"}) as answer:
        assert 405 == answer.status
        assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", [*PATHS, "/api/nope", "/ask?sql=nonsense", "/stored?url=http://a.test/"])
async def test_no_answer_may_run_or_frame_or_be_kept(client, path):
    async with client.get(path) as answer:
        headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))

        assert "'none'" == policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"]
        assert "'self'" == policy["script-src"] == policy["style-src"] == policy["form-action"]
        assert f"'self' ws://127.0.0.1:{client.port}" == policy["connect-src"]
        assert ("nosniff", "no-referrer", "no-store", "DENY") == tuple(
            headers[name] for name in ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control", "X-Frame-Options")
        )
        assert "same-origin" == headers["Cross-Origin-Resource-Policy"] == headers["Cross-Origin-Opener-Policy"]
        assert "Server" not in headers


async def test_what_is_sent_is_bounded(client, token):
    headers = {"X-Crawler-Token": token, "Content-Type": "application/json"}
    for status, sent in ((413, b'{"command":"seed","lines":["' + b"x" * 2_000_000 + b'"]}'), (400, b"[" * 100_000)):
        async with client.post("/api/control", data=BytesIO(sent), headers=headers) as answer:
            assert status == answer.status


async def test_no_file_but_our_own_is_served(client):
    for path in ("/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/", "/crawl.db"):
        assert 404 == (await client.get(path)).status


async def test_a_bug_ends_one_answer_and_tells_nothing_of_the_machine(client, monkeypatch, caplog):
    async def broken(*_):
        raise RuntimeError("secret of the machine")

    monkeypatch.setattr(client.app[next(key for key in client.app if "watch" in str(key))], "look", broken)
    async with client.get("/api/live") as answer:
        assert (500, False) == (answer.status, "secret" in await answer.text())
    assert "secret of the machine" in caplog.text
    assert 200 == (await client.get("/healthz")).status
