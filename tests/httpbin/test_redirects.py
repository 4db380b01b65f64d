"""Redirects of httpbin: each hop is a request of its own, and a chain that does not end is a fault."""

from __future__ import annotations

import socket
from urllib.parse import quote

import pytest


def to(url: str, status: int = 302) -> str:
    return f"/redirect-to?url={quote(url, safe='')}" + (f"&status_code={status}" if status != 302 else "")


@pytest.fixture(scope="module")
def closed() -> str:
    """Return a URL at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def crawl(new_crawl, secure, closed):
    return new_crawl().run(
        "/redirect/3", "/relative-redirect/4", "/absolute-redirect/3", "/redirect/15?absolute=true", "/relative-redirect/30",
        to(to("/get?two")), to("/get?307", 307), to("/get?308", 308), to("/get?301", 301), to("/get?303", 303), to("/get?300", 300),
        to(""), to("#only"), to("ftp://127.0.0.1/"), to("file:///etc/passwd"), to("http://"), to("http://127.0.0.1:1/"), to(closed),
        to("/deny"), to("http://192.0.2.1/"), to(f"{secure}/get?secure"), to("//user:secret@" + secure.partition("//")[2] + "/get?who"),
        to("/status/404"), to("/get#part"), "/status/301", "/status/302", "/status/303", "/status/305", "/status/307", "/status/308",
        insecure=("127.0.0.1",), tries=1,
    )  # fmt: skip


def chain(crawl, path: str) -> list[str]:
    way = [path]
    while (target := crawl.target(way[-1])) is not None:
        way.append(target)
    return way


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("/redirect/3", ["/relative-redirect/2", "/relative-redirect/1", "/get"]),
        ("/relative-redirect/4", ["/relative-redirect/3", "/relative-redirect/2", "/relative-redirect/1", "/get"]),
        ("/absolute-redirect/3", ["/absolute-redirect/2", "/absolute-redirect/1", "/get"]),
        (to(to("/get?two")), [to("/get?two"), "/get?two"]),
        (to("/get?301", 301), ["/get?301"]),
        (to("/get?303", 303), ["/get?303"]),
        (to("/get?307", 307), ["/get?307"]),
        (to("/get?308", 308), ["/get?308"]),
    ],
)
def test_a_chain_is_recorded_hop_by_hop_and_ends_in_a_page(crawl, first, expected):
    assert [first, *expected] == chain(crawl, first)
    assert 200 == crawl.page(expected[-1])["status"]
    assert [0] * (len(expected) + 1) == [crawl.known(hop)["depth"] for hop in (first, *expected)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_status_of_a_redirect_is_recorded_and_is_no_page_and_no_error(crawl, status):
    path = to(f"/get?{status}", status) if status != 302 else to("/status/404")
    assert (status, None) == (crawl.fetched(path)["status"], crawl.fetched(path)["body_id"])
    assert ("done", None, None) == (crawl.known(path)["state"], crawl.page(path), crawl.error(path))


@pytest.mark.parametrize("status", [301, 302, 303, 307])
def test_httpbins_own_redirects_lead_where_they_say(crawl, status):
    assert [f"/status/{status}", "/redirect/1", "/get"] == chain(crawl, f"/status/{status}")


@pytest.mark.parametrize("path", ["/status/305", to("/get?300", 300)])
def test_a_status_that_does_not_redirect_is_not_followed_whatever_its_location(crawl, path):
    assert "location" in crawl.headers(path)
    assert (None, None, "done") == (crawl.target(path), crawl.page(path), crawl.known(path)["state"])


def test_a_redirect_without_a_location_is_a_fault(crawl):
    error = crawl.error("/status/308")
    assert (308, "redirect", "status 308 has no Location", "failed") == (error["status"], error["fault"], error["detail"], error["state"])


def test_a_target_that_many_lead_to_is_asked_for_once(crawl):
    assert [(1,)] == [tuple(row) for row in crawl.query("SELECT count(*) FROM fetch JOIN urls USING (url_id) WHERE url = ?", crawl.url("/get"))]


@pytest.mark.parametrize(
    ("first", "last"), [("/redirect/15?absolute=true", "/absolute-redirect/5"), ("/relative-redirect/30", "/relative-redirect/20")]
)
def test_an_eleventh_redirect_is_not_followed_and_is_a_fault(crawl, first, last):
    way = chain(crawl, first)
    error = crawl.error(last)
    assert (11, last) == (len(way), way[-1])
    assert (302, "redirect", "failed", 1) == (error["status"], error["fault"], error["state"], error["tries"])
    assert "more than 10" in error["detail"]


@pytest.mark.parametrize("path", [to(""), to("#only")])
def test_a_redirect_to_itself_is_a_fault(crawl, path):
    error = crawl.error(path)
    assert ("redirect", "failed") == (error["fault"], error["state"])
    assert "circle" in error["detail"]


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/", "file:///etc/passwd", "http://"])
def test_a_redirect_to_what_is_no_http_is_a_fault_that_names_it(crawl, target):
    error = crawl.error(to(target))
    assert (302, "redirect") == (error["status"], error["fault"])
    assert target in error["detail"]


def test_a_redirect_to_a_port_of_another_service_is_recorded_and_not_followed(crawl):
    target = crawl.known("http://127.0.0.1:1/")
    assert "http://127.0.0.1:1/" == crawl.target(to("http://127.0.0.1:1/"))
    assert ("excluded", "guard") == (target["state"], target["reason"])


def test_a_redirect_to_where_nobody_listens_is_a_fault_of_its_target(crawl, closed):
    error = crawl.error(closed)
    assert (None, "connect", closed) == (error["status"], error["fault"], crawl.target(to(closed)))
    assert None is crawl.error(to(closed))


def test_robots_txt_holds_for_targets_too(crawl):
    target = crawl.known("/deny")
    assert ("excluded", "robots") == (target["state"], target["reason"])


def test_a_redirect_to_another_host_is_recorded_and_out_of_scope(crawl):
    target = crawl.known("http://192.0.2.1/")
    assert ("excluded", "scope", "redirect") == (target["state"], target["reason"], target["seen_as"])


def test_a_redirect_may_lead_to_https_of_the_same_host(crawl, secure):
    assert f"{secure}/get?secure" == crawl.target(to(f"{secure}/get?secure"))
    assert {"secure": ""} == crawl.json(f"{secure}/get?secure")["args"]


def test_https_has_a_robots_txt_of_its_own(crawl, secure):
    # One origin forbids a page by its own rules, never by those of its neighbour on another port.
    assert {crawl.origin: 200, secure: 200} == {
        row["origin"]: row["status"] for row in crawl.query("SELECT origin, status FROM robots") if row["status"]
    }


def test_credentials_in_a_location_are_neither_sent_nor_recorded(crawl, secure):
    location = to("//user:secret@" + secure.partition("//")[2] + "/get?who")
    target = crawl.target(location)
    assert "secret" not in target
    assert target.endswith("/get?who")


def test_what_a_redirect_leads_to_fails_by_itself(crawl):
    assert (404, None) == (crawl.error("/status/404")["status"], crawl.error(to("/status/404")))


def test_a_fragment_of_a_target_is_dropped(crawl):
    assert [to("/get#part"), "/get"] == chain(crawl, to("/get#part"))
