"""HTTPS with a certificate by an authority that nobody knows: refused by name, unless the host is trusted or the authority given."""

from __future__ import annotations

import pytest

PATHS = ("/get", "/gzip", "/redirect/1", "/cookies/set?a=1")


@pytest.fixture(scope="module")
def refused(new_crawl, secure):
    return new_crawl().run("/get", *(secure + path for path in PATHS), tries=1)


@pytest.fixture(scope="module")
def trusted(new_crawl, secure):
    return new_crawl().run(*(secure + path for path in PATHS), insecure=("127.0.0.1",))


@pytest.mark.parametrize("path", PATHS)
def test_a_certificate_that_cannot_be_checked_is_the_fault_tls_with_its_trouble_named(refused, secure, path):
    error = refused.error(secure + path)
    assert (None, "tls", "failed") == (error["status"], error["fault"], error["state"])
    assert "certificate verify failed: unable to get local issuer certificate" in error["detail"]


def test_nothing_of_a_host_that_could_not_be_checked_is_stored(refused):
    assert ["/get"] == [refused.path(row["url"]) for row in refused.query("SELECT url FROM pages")]


def test_plain_http_of_the_same_host_goes_on(refused):
    assert 200 == refused.page("/get")["status"]


def test_a_host_whose_certificate_need_not_be_checked_is_crawled(trusted, secure):
    assert [] == trusted.query("SELECT * FROM errors")
    assert f"{secure}/get" == trusted.json(f"{secure}/get")["url"]
    assert True is trusted.json(f"{secure}/gzip")["gzipped"]


def test_redirects_over_https_stay_there(trusted, secure):
    assert f"{secure}/get" == trusted.target(f"{secure}/redirect/1")


def test_trust_in_one_host_is_none_in_another(new_crawl, secure):
    other = secure.replace("127.0.0.1", "localhost")
    crawl = new_crawl().run(f"{other}/get", f"{secure}/get", insecure=("127.0.0.1",), tries=1, robots=False)
    assert ("tls", 200) == (crawl.error(f"{other}/get")["fault"], crawl.page(f"{secure}/get")["status"])


def test_the_wrong_scheme_at_a_port_is_a_fault_and_no_page(new_crawl, plain, secure):
    http, https = secure.replace("https:", "http:") + "/get", plain.replace("http:", "https:") + "/get"
    crawl = new_crawl().run(http, https, tries=1, robots=False)
    assert [] == crawl.query("SELECT * FROM pages")
    assert ("reset", "tls") == (crawl.error(http)["fault"], crawl.error(https)["fault"])


def test_a_host_whose_robots_txt_cannot_be_had_for_its_certificate_is_put_off(new_crawl, secure):
    crawl = new_crawl().run(f"{secure}/get", tries=1)
    known, robots = crawl.known(f"{secure}/get"), crawl.fetched(f"{secure}/robots.txt")
    assert ("parked", "robots.txt: tls") == (known["state"], known["reason"])
    assert "certificate verify failed" in robots["detail"]


def test_a_host_whose_authority_is_given_is_crawled_and_checked(new_crawl, secure, authority):
    crawl = new_crawl().run(f"{secure}/get", f"{secure.replace('127.0.0.1', 'localhost')}/get", ca_file=authority)
    assert [] == crawl.query("SELECT * FROM errors")
    assert 2 == crawl.summary.pages
