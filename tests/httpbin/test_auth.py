"""Credentials and headers for one origin: sent there and nowhere else, and found nowhere in what is kept."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest

BASIC, HIDDEN, BEARER = "/basic-auth/user/pass:wd", "/hidden-basic-auth/user/pass:wd", "/bearer"
ECHO = "/anything/echo"


@pytest.fixture(scope="module")
def basic(new_crawl, plain, secure):
    """One origin has credentials and a header, its neighbour on another port has nothing."""
    return new_crawl().run(
        BASIC, HIDDEN, BEARER, ECHO, "/basic-auth/other/pass:wd", f"/redirect-to?url={quote(f'{secure}/headers', safe='')}",
        f"{secure}/basic-auth/user/pass:wd", f"/redirect-to?url={quote(ECHO + '?again', safe='')}",
        auth=(f"{plain} basic user:pass:wd",), headers=(f"{plain} X-Only: here", "X-All: everywhere"), insecure=("127.0.0.1",),
    )  # fmt: skip


@pytest.mark.parametrize("path", [BASIC, HIDDEN])
def test_a_page_behind_a_password_is_a_page_with_it(basic, path):
    assert {"authenticated": True, "user": "user"} == basic.json(path)
    assert 1 == basic.known(path)["tries"]


def test_other_credentials_than_are_asked_for_are_an_error(basic):
    assert {401} == {basic.error(path)["status"] for path in (BEARER, "/basic-auth/other/pass:wd")}


def test_credentials_are_sent_before_they_are_asked_for(basic):
    assert f"Basic {base64.b64encode(b'user:pass:wd').decode()}" == basic.json(ECHO)["headers"]["Authorization"]


def test_a_redirect_within_the_origin_keeps_what_belongs_to_it(basic):
    sent = basic.json(ECHO + "?again")["headers"]
    assert ("here", "everywhere", True) == (sent["X-Only"], sent["X-All"], "Authorization" in sent)


def test_neither_credentials_nor_headers_of_one_origin_reach_another(basic, secure):
    sent = basic.json(f"{secure}/headers")["headers"]
    assert (None, None, "everywhere") == (sent.get("Authorization"), sent.get("X-Only"), sent.get("X-All"))
    assert 401 == basic.error(f"{secure}/basic-auth/user/pass:wd")["status"]


def test_credentials_are_in_no_file_but_the_page_that_repeats_them(basic):
    kept = [path for path in basic.folder.rglob("*") if path.is_file()]
    sent = base64.b64encode(b"user:pass:wd")
    echoes = {basic.folder / basic.page(path)["file"] for path in (ECHO, ECHO + "?again")}
    assert echoes == {path for path in kept if sent in path.read_bytes()}
    assert not [path for path in kept if b"user:pass:wd" in path.read_bytes()]


def test_a_token_opens_what_asks_for_one_and_is_sent_to_its_origin_alone(new_crawl, plain, secure):
    crawl = new_crawl().run(BEARER, f"{secure}/bearer", auth=(f"{plain} bearer to.ken",), insecure=("127.0.0.1",))
    assert {"authenticated": True, "token": "to.ken"} == crawl.json(BEARER)
    assert 401 == crawl.error(f"{secure}/bearer")["status"]


def test_a_wrong_password_is_told_once(new_crawl, plain):
    error = new_crawl().run("/basic-auth/user/right", auth=(f"{plain} basic user:wrong",)).error("/basic-auth/user/right")
    assert (401, None, 1) == (error["status"], error["fault"], error["tries"])
