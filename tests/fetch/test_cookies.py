"""Cookies stay with their site: who may set which, what is sent back, what is forgotten, and what is written down."""

from __future__ import annotations

import contextlib
import re
import time
from http.cookies import SimpleCookie

import aiohttp
import msgspec
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from crawler.core.model import CookieRow
from crawler.fetch.cookies import SiteJar
from crawler.fetch.netscape import read_netscape
from crawler.fetch.setcookie import LONGEST_LIFE, parse, parse_date, source_of

NOW = 1_800_000_000.0
LOGIN = CookieRow("a.test", "a.test", "login", "/", "secret", None, host_only=False, secure=False, http_only=True, pinned=True)


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def jar(clock):
    return SiteJar(clock=clock)


def told(jar: SiteJar, url: str, *headers: str) -> None:
    jar.update_cookies_from_headers(headers, URL(url))


def sent(jar: SiteJar, url: str) -> dict[str, str]:
    return {name: morsel.coded_value for name, morsel in jar.filter_cookies(URL(url)).items()}


def rows_of(jar: SiteJar) -> dict[str, tuple[CookieRow, ...]]:
    taken = jar.take_changes()
    jar.written(taken)
    return dict(taken)


def row(header: str, url: str = "http://a.test/") -> CookieRow | None:
    return parse(header, source_of(URL(url)), NOW)


# --- whose cookies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "domain"),
    [
        (host, spelling)
        for host, suffix in (("evil.co.uk", "co.uk"), ("evil.com", "com"), ("evil.github.io", "github.io"), ("evil.kobe.jp", "kobe.jp"), ("x.evil.kobe.jp", "evil.kobe.jp"), ("evil.test", "test"))
        for spelling in (suffix, suffix.upper(), f".{suffix}", f"{suffix}.", f"..{suffix}..")
    ],
)
def test_a_public_suffix_is_no_domain_for_a_cookie(jar, host, domain):
    told(jar, f"http://{host}/", f"a=1; Domain={domain}")

    assert 0 == len(jar)


@pytest.mark.parametrize("domain", ["github.io", "GitHub.IO.", ".github.io"])
def test_a_public_suffix_that_is_the_host_itself_has_cookies_for_itself_alone(jar, domain):
    told(jar, "http://github.io/", f"a=1; Domain={domain}")

    assert {"a": "1"} == sent(jar, "http://github.io/")
    assert {} == sent(jar, "http://someone.github.io/")


@pytest.mark.parametrize("domain", ["b.test", "x.a.test", "est", ".test.a.test", "ä.test", "a.test:80", "127.0.0.1"])
def test_a_domain_that_is_not_around_the_host_is_refused(jar, domain):
    told(jar, "http://a.test/", f"a=1; Domain={domain}")

    assert 0 == len(jar)


@pytest.mark.parametrize("domain", ["a.test", ".a.test", "A.Test", "a.test.", ".A.TEST."])
def test_a_domain_is_shared_with_the_names_below_it(jar, domain):
    told(jar, "http://www.a.test/", f"a=1; Domain={domain}")

    assert {"a": "1"} == sent(jar, "http://a.test/")
    assert {"a": "1"} == sent(jar, "http://x.www.a.test/")
    assert {} == sent(jar, "http://nota.test/")


@pytest.mark.parametrize("header", ["a=1", "a=1; Domain=", "a=1; Domain=.", "a=1; Domain=a.test; Domain="])
def test_a_cookie_without_a_domain_stays_with_its_host(jar, header):
    told(jar, "http://a.test/", header)

    assert {"a": "1"} == sent(jar, "http://a.test/")
    assert {} == sent(jar, "http://www.a.test/")


def test_a_dot_at_the_end_of_a_host_makes_no_other_host(jar):
    told(jar, "http://a.test./", "a=1")
    told(jar, "http://evil.co.uk./", "b=1; Domain=co.uk", "c=1; Domain=co.uk.")

    assert {"a": "1"} == sent(jar, "http://a.test/")
    assert 1 == len(jar)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("domain", ["", "; Domain={host}"])
def test_an_address_is_a_site_of_its_own(jar, host, domain):
    told(jar, f"http://{host}/", "a=1" + domain.format(host=host), "b=1; Domain=0.0.1", "c=1; Domain=1")

    assert {"a": "1"} == sent(jar, f"http://{host}:8080/")
    assert {host} == rows_of(jar).keys()
    assert {} == sent(jar, "http://127.0.0.2/")


# --- which requests ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "path", "asked", "fits"),
    [
        ("/", "/", "/x", True),
        ("/", "/docs", "/docs", True),
        ("/", "/docs", "/docs/x", True),
        ("/", "/docs", "/docsx", False),
        ("/", "/docs/", "/docs", False),
        ("/docs/page", "", "/docs/other", True),
        ("/docs/page", "", "/docs", True),
        ("/docs/page", "", "/other", False),
        ("/docs/page", "relative", "/docs/x", True),
        ("/page", "", "/other", True),
        ("/a%20b/c", "", "/a%20b/d", True),
    ],
)
def test_a_cookie_goes_to_its_path_and_below(jar, page, path, asked, fits):
    told(jar, f"http://a.test{page}", f"a=1; Path={path}")

    assert fits == bool(sent(jar, f"http://a.test{asked}"))


def test_the_most_specific_of_a_name_is_sent(jar):
    told(jar, "http://www.a.test/", "a=root; Path=/", "a=deep; Path=/docs/en", "a=docs; Path=/docs", "b=site; Domain=a.test", "b=host")

    assert {"a": "deep", "b": "host"} == sent(jar, "http://www.a.test/docs/en/x")
    assert {"a": "docs", "b": "host"} == sent(jar, "http://www.a.test/docs")


def test_a_secure_cookie_travels_encrypted_only(jar):
    told(jar, "http://a.test/", "clear=1; Secure")
    told(jar, "https://a.test/", "safe=1; Secure")

    assert {} == sent(jar, "http://a.test/")
    assert {"safe": "1"} == sent(jar, "https://a.test/")


@pytest.mark.parametrize(("url", "header"), [("http://a.test/", "s=evil"), ("http://a.test/", "s=; Max-Age=0"), ("http://x.a.test/", "s=evil; Domain=a.test"), ("http://a.test/deep/", "s=evil")])
def test_a_secure_cookie_is_not_changed_in_the_clear(jar, url, header):
    told(jar, "https://a.test/", "s=good; Secure; Path=/; Domain=a.test")
    told(jar, url, header)

    assert {"s": "good"} == sent(jar, "https://x.a.test/deep/")


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("__Secure-a=1; Secure", True),
        ("__Secure-a=1", False),
        ("__SECURE-a=1", False),
        ("__Host-a=1; Secure; Path=/", True),
        ("__host-a=1; Secure; Path=/x", False),
        ("__Host-a=1; Secure; Path=/; Domain=a.test", False),
        ("__Host-a=1; Path=/", False),
    ],
)
def test_the_prefix_of_a_name_is_kept_to(header, kept):
    assert kept == (row(header, "https://a.test/") is not None)


# --- for how long ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "expires"),
    [
        ("", None),
        ("Max-Age=60", NOW + 60),
        ("max-age = 60 ", NOW + 60),
        ("Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:01 GMT", NOW + 60),
        ("Max-Age=1; Max-Age=2", NOW + 2),
        ("Max-Age=0", 0.0),
        ("Max-Age=-9999999999999999999999999", 0.0),
        ("Max-Age=" + "9" * 1000, NOW + LONGEST_LIFE),
        ("Max-Age=" + "9" * 1025, None),
        ("Max-Age=soon", None),
        ("Max-Age=1e3", None),
        ("Max-Age=٣", None),
        ("Max-Age=", None),
        ("Max-Age", None),
        ("Expires=Thu, 01 Jan 1970 00:00:01 GMT", 1.0),
        ("Expires=Fri, 15-Jan-27 08:01:00 GMT", NOW + 60),
        ("Expires=Fri Jan 15 08:01:00 2027", NOW + 60),
        ("Expires=Fri, 31 Dec 9999 23:59:59 GMT", NOW + LONGEST_LIFE),
        ("Expires=Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Expires=Mon, 30 Feb 2027 00:00:00 GMT", None),
        ("Expires=Mon, 01 Jan 1600 00:00:00 GMT", None),
        ("Expires=Mon, 01 Jan 2027 24:00:00 GMT", None),
        ("Expires=Mon, 01 Jan 2027", None),
        ("Expires=0", None),
        ("Expires=never", None),
    ],
)
def test_the_end_of_a_cookie(attributes, expires):
    assert expires == row(f"a=1; {attributes}").expires


@given(st.text())
def test_no_date_is_too_odd(text):
    assert parse_date(text) is None or isinstance(parse_date(text), float)


def test_a_cookie_ends_when_its_time_is_up(jar, clock):
    told(jar, "http://a.test/", "a=1; Max-Age=60", "b=1")
    jar.take_changes()

    clock.now += 59
    assert {"a": "1", "b": "1"} == sent(jar, "http://a.test/")
    clock.now += 1
    assert 1 == len(jar)
    assert {"b": "1"} == sent(jar, "http://a.test/")
    assert ["b"] == [one.name for one in rows_of(jar)["a.test"]]


@pytest.mark.parametrize("end", ["Max-Age=0", "Max-Age=-1", "Expires=Thu, 01 Jan 1970 00:00:00 GMT"])
def test_a_cookie_is_removed_by_setting_one_that_has_ended(jar, end):
    told(jar, "http://a.test/", "a=1", "b=1")
    told(jar, "http://a.test/", f"a=; {end}", f"unknown=; {end}")

    assert {"b": "1"} == sent(jar, "http://a.test/")


def test_a_replacement_does_not_inherit_the_end(jar, clock):
    told(jar, "http://a.test/", "a=1; Max-Age=60")
    told(jar, "http://a.test/", "a=2")
    clock.now += 100

    assert {"a": "2"} == sent(jar, "http://a.test/")


# --- what a server may say ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "1", '"quoted"', "a b", "a=b", 'x"y', "{json:1,2}", "ünï", "%00", "a,b"])
def test_a_value_is_sent_back_as_it_came(jar, value):
    told(jar, "http://a.test/", f"a={value}; Path=/")

    assert {"a": value} == sent(jar, "http://a.test/")


@pytest.mark.parametrize("header", ["", "a", "=1", ";", " ; a=1", "a=\0", "a\x01=1", "a=\x7f", "a=1; Path=/\r\nX: y", "a=x\ty", "a=\udcff", "a=1; Comment=\udcff", "a=" + "x" * 4095, "a=1; b=" + "ä" * 2048])
def test_a_header_that_is_no_cookie_is_refused(jar, header):
    told(jar, "http://a.test/", header, "good=1")

    assert {"good": "1"} == sent(jar, "http://a.test/")


def test_a_cookie_has_at_most_4096_bytes_with_its_attributes(jar):
    tail = "; Path=/; Max-Age=100"
    told(jar, "http://a.test/", "a=" + "x" * (4094 - len(tail)) + tail, "b=" + "x" * (4095 - len(tail)) + tail)

    assert {"a"} == sent(jar, "http://a.test/").keys()


PIECES = st.sampled_from([b"a=", b";", b"=", b"Domain=", b"co.uk", b".", b"a.test", b"Path=/", b"Max-Age=", b"-", b"9" * 50, b"Expires=", b"Thu, 01 Jan 1970", b'"', b"\0", b"\xff", b"__Host-", b"Secure", b"[::1]", b" "])
HOSTS = st.sampled_from(["http://a.test/x/y", "https://www.a.test./", "http://127.0.0.1/", "http://[::1]/", "http://co.uk/", "http://localhost", "http://xn--bcher-kva.test/"])


@given(st.lists(st.one_of(st.binary(max_size=80), st.lists(PIECES, max_size=12).map(b"".join)), max_size=6), HOSTS)
def test_no_bytes_raise_and_whatever_is_kept_can_be_sent(headers, url):
    """As the client decodes them: bytes that are no text become lone surrogates."""
    jar = SiteJar(clock=Clock())
    jar.update_cookies_from_headers([header.decode("utf-8", "surrogateescape") for header in headers], URL(url))
    jar.update_cookies_from_headers(headers, URL(url))

    for name, value in sent(jar, url).items():
        assert not re.search(r"[\x00-\x1f\x7f;]", name + value)
        (name + value).encode()
    assert {site for site, _ in jar.take_changes()} <= {"a.test", "127.0.0.1", "[::1]", "co.uk", "localhost", "xn--bcher-kva.test"}


@pytest.mark.parametrize("header", ["a=1" + ";" * 60_000, "a=1;" + " " * 60_000 + "x", "a=" + '"\\' * 30_000, "a=1; Expires=" + "1:" * 1000, "a=1; Expires=" + "," * 2000, "a=1;Domain=" + "." * 60_000])
def test_a_long_header_takes_no_long_time(jar, header):
    began = time.process_time()
    for _ in range(20):
        told(jar, "http://a.test/", header)

    assert time.process_time() - began < 1


# --- bounds ------------------------------------------------------------------------------------------------------------


def test_a_site_keeps_180_cookies_over_all_its_hosts_the_latest(jar):
    for number in range(50):
        told(jar, f"http://h{number}.a.test/", *(f"c{one}=1; Domain=a.test; Path=/{number}" for one in range(4)))
    kept = rows_of(jar)["a.test"]

    assert [f"/{number}" for number in range(5, 50) for _ in range(4)] == [one.path for one in kept]


def test_a_cookie_that_is_set_again_is_not_the_oldest(jar):
    told(jar, "http://a.test/", "first=1", *(f"c{one}=1" for one in range(179)))
    told(jar, "http://a.test/", "first=1", "new=1")
    names = [one.name for one in rows_of(jar)["a.test"]]

    assert ("first" in names, "c0" in names, 180) == (True, False, len(names))


def test_the_cookies_of_a_site_are_bounded_in_bytes(jar):
    for one in range(170):
        told(jar, "http://a.test/", f"c{one}=" + "x" * 3500)

    assert 64 * 1024 >= sum(len(one.value) for one in rows_of(jar)["a.test"]) > 60 * 1024


def test_one_header_carries_at_most_150_cookies_and_8190_bytes(jar):
    told(jar, "http://a.test/", *(f"c{one}=1" for one in range(180)))
    told(jar, "http://b.test/", *(f"c{one}=" + "x" * 3000 for one in range(10)), *(f"d{one}=" + "y" * 100 for one in range(30)))

    assert 150 == len(sent(jar, "http://a.test/"))
    size = len("Cookie: " + "; ".join(f"{name}={value}" for name, value in sent(jar, "http://b.test/").items()))
    assert 8190 >= size > 8000


def test_pinned_cookies_are_never_pushed_out_and_go_first(jar):
    jar.restore([LOGIN])
    told(jar, "http://a.test/deep/", *(f"c{one}=" + "x" * 3500 for one in range(60)), *(f"d{one}=1" for one in range(400)))

    assert "secret" == sent(jar, "http://a.test/deep/")["login"]
    assert 150 == len(sent(jar, "http://a.test/deep/"))
    assert 180 == len(jar)


def test_a_server_may_replace_a_pinned_cookie_which_stays_pinned(jar):
    jar.restore([LOGIN])
    told(jar, "http://a.test/", "login=rotated; Domain=a.test; Path=/")
    told(jar, "http://a.test/", *(f"d{one}=1" for one in range(400)))

    assert "rotated" == sent(jar, "http://a.test/")["login"]
    assert [True] == [one.pinned for one in rows_of(jar)["a.test"] if one.name == "login"]


def test_a_server_may_end_a_pinned_cookie(jar):
    jar.restore([LOGIN])
    told(jar, "http://a.test/", "login=; Domain=a.test; Path=/; Max-Age=0")

    assert {} == sent(jar, "http://a.test/")
    assert {"a.test": ()} == rows_of(jar)


def test_more_than_180_pinned_cookies_all_stay(jar):
    jar.restore([msgspec.structs.replace(LOGIN, name=f"p{one}") for one in range(200)])
    told(jar, "http://a.test/", "x=1")

    assert 200 == len(jar)


def test_a_login_outlives_any_number_of_other_sites(jar):
    jar.restore([LOGIN])
    for number in range(200):
        told(jar, f"http://host{number}.test/", *(f"c{one}=1" for one in range(50)))
    for number in range(4000):
        told(jar, f"http://small{number}.test/", "c=1")

    assert {"login": "secret"} == sent(jar, "http://a.test/")
    assert 50 == len(sent(jar, "http://host0.test/"))


def test_the_sites_used_longest_ago_are_forgotten_when_they_are_written_down(clock):
    jar = SiteJar(most_sites=3, clock=clock)
    jar.restore([LOGIN])
    told(jar, "http://b.test/", "b=1")
    told(jar, "http://c.test/", "c=1")
    written = rows_of(jar)
    sent(jar, "http://b.test/")
    told(jar, "http://d.test/", "d=1")

    assert [True, True, False, True] == [jar.knows(f"{site}.test") for site in "abcd"]
    jar.restore(written["c.test"])
    assert {"c": "1"} == sent(jar, "http://c.test/")
    assert not jar.knows("b.test")


def test_a_site_with_a_change_to_be_taken_is_not_forgotten(clock):
    jar = SiteJar(most_sites=2, clock=clock)
    for site in "abcd":
        told(jar, f"http://{site}.test/", "x=1")

    taken = jar.take_changes()
    assert ["a.test", "b.test", "c.test", "d.test"] == [site for site, _ in taken]
    assert all(jar.knows(f"{site}.test") for site in "abcd")      # not before they are written down
    jar.written(taken)
    assert [False, False, True, True] == [jar.knows(f"{site}.test") for site in "abcd"]


def test_a_site_that_was_written_down_and_has_changed_since_is_not_forgotten(clock):
    jar = SiteJar(most_sites=1, clock=clock)
    told(jar, "http://a.test/", "x=1")
    jar.written(jar.take_changes())
    told(jar, "http://a.test/", "x=2")
    told(jar, "http://b.test/", "x=1")

    assert {"x": "2"} == sent(jar, "http://a.test/")
    assert {"a.test": ["2"], "b.test": ["1"]} == {site: [one.value for one in rows] for site, rows in jar.take_changes()}


def test_memory_has_an_end_even_if_nobody_takes_the_changes(clock):
    jar = SiteJar(most_sites=10, clock=clock)
    jar.restore([LOGIN])
    told(jar, "http://a.test/", "x=1; Path=/")
    for number in range(100):
        told(jar, f"http://h{number}.test/", "x=1")

    assert 20 == len({morsel["domain"] for morsel in jar})
    assert {"login": "secret", "x": "1"} == sent(jar, "http://a.test/")
    assert 20 == len(jar.take_changes())


# --- written down, and back --------------------------------------------------------------------------------------------


def test_a_change_is_told_once_with_all_cookies_of_its_site(jar):
    told(jar, "https://www.a.test/x/", "a=1; Max-Age=60; Secure; HttpOnly", "b=2; Domain=a.test; Path=/")
    told(jar, "http://b.test/", "c=3")

    assert [
        (
            "a.test",
            (
                CookieRow("a.test", "www.a.test", "a", "/x", "1", NOW + 60, host_only=True, secure=True, http_only=True, pinned=False),
                CookieRow("a.test", "a.test", "b", "/", "2", None, host_only=False, secure=False, http_only=False, pinned=False),
            ),
        ),
        ("b.test", (CookieRow("b.test", "b.test", "c", "/", "3", None, host_only=True, secure=False, http_only=False, pinned=False),)),
    ] == jar.take_changes()
    assert [] == jar.take_changes()
    told(jar, "http://b.test/", "c=; Max-Age=0")
    assert [("b.test", ())] == jar.take_changes()


def test_what_is_said_again_is_no_change(jar, clock):
    told(jar, "http://a.test/", "a=1; Max-Age=1000", "b=1")
    jar.take_changes()
    clock.now += 9
    told(jar, "http://a.test/", "a=1; Max-Age=1000", "b=1")

    assert [] == jar.take_changes()


@pytest.mark.parametrize(("seconds", "header"), [(20, "a=1; Max-Age=1000"), (0, "a=1; Max-Age=999"), (0, "a=1"), (0, "a=2; Max-Age=1000"), (0, "a=1; Max-Age=1000; HttpOnly")])
def test_what_is_said_differently_is_a_change(jar, clock, seconds, header):
    told(jar, "http://a.test/", "a=1; Max-Age=1000")
    jar.take_changes()
    clock.now += seconds
    told(jar, "http://a.test/", header)

    assert [row(header).value] == [one.value for one in rows_of(jar)["a.test"]]


def test_restoring_is_no_change_and_makes_a_site_known(jar):
    jar.restore([LOGIN], sites=["empty.test"])

    assert [] == jar.take_changes()
    assert [True, True, False] == [jar.knows("a.test"), jar.knows("empty.test"), jar.knows("b.test")]


def test_what_a_server_has_just_said_is_newer_than_what_is_restored_unless_that_is_pinned(jar):
    told(jar, "http://a.test/", "login=now; Domain=a.test; Path=/")
    jar.restore([msgspec.structs.replace(LOGIN, pinned=False)])
    assert {"login": "now"} == sent(jar, "http://a.test/")

    jar.restore([LOGIN])
    assert {"login": "secret"} == sent(jar, "http://a.test/")


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires": NOW}, {"expires": float("nan")}, {"site": "b.test"}, {"host": "test", "site": "test"}, {"host": "x.b.test"},
        {"value": "x\r\nHost: y"}, {"value": "x; y"}, {"name": ""}, {"name": "a=b"}, {"name": "\udcff"}, {"value": "x" * 5000}, {"path": "x"}, {"name": "__Secure-x"},
    ],
)  # fmt: skip
def test_rows_that_no_site_could_have_set_are_not_restored(jar, wrong):
    jar.restore([msgspec.structs.replace(LOGIN, **wrong)])

    assert 0 == len(jar)


NAMES = st.text("abc", min_size=1, max_size=2)
SET_COOKIES = st.builds(
    lambda name, value, attributes: f"{name}={value}" + "".join(attributes),
    NAMES,
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=";"), max_size=5),
    st.lists(st.sampled_from(["; Domain=a.test", "; Domain=.A.TEST", "; Domain=www.a.test", "; Path=/x", "; Path=/", "; Secure", "; HttpOnly", "; Max-Age=60", "; Max-Age=0"]), max_size=4),
)
URLS = st.builds("{}://{}/{}".format, st.sampled_from(["http", "https"]), st.sampled_from(["a.test", "www.a.test", "x.www.a.test"]), st.sampled_from(["", "x", "x/y"]))


@given(st.lists(st.tuples(URLS, SET_COOKIES), max_size=12), st.lists(URLS, min_size=1, max_size=6), st.booleans())
def test_a_restored_jar_answers_like_the_one_it_came_from(said, asked, pinned):
    clock = Clock()
    jar, again = SiteJar(clock=clock), SiteJar(clock=clock)
    if pinned:
        jar.restore([LOGIN])
    for url, header in said:
        told(jar, url, header)
    rows = [one for _, rows in jar.take_changes() for one in rows]
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(rows), type=list[CookieRow]))
    if pinned and not rows:
        again.restore([LOGIN])

    for later in (0, 59, 60):
        clock.now = NOW + later
        assert [sent(jar, url) for url in asked] == [sent(again, url) for url in asked]
        assert jar.host_only_cookies == again.host_only_cookies


@given(st.lists(st.tuples(URLS, SET_COOKIES), max_size=12))
def test_rows_come_back_as_they_went(said):
    jar, again = SiteJar(clock=Clock()), SiteJar(clock=Clock())
    for url, header in said:
        told(jar, url, header)
    rows = [one for _, rows in jar.take_changes() for one in rows]
    again.restore(rows)
    told(again, "http://a.test/", "other=1")

    assert rows == [one for _, rows in again.take_changes() for one in rows if one.name != "other"]


# --- aiohttp's interface -----------------------------------------------------------------------------------------------


def test_a_program_sets_cookies_for_a_url(jar):
    simple = SimpleCookie()
    simple["m"] = "1"
    simple["m"]["domain"], simple["m"]["path"], simple["m"]["max-age"], simple["m"]["httponly"] = "a.test", "/", 60, True
    jar.update_cookies(simple, URL("http://www.a.test/"))
    jar.update_cookies({"plain": "a b", "bad": "x;y"}, URL("http://www.a.test/"))
    jar.update_cookies([("pair", "1")], URL("http://www.a.test/"))

    assert {"m": "1", "plain": "a b", "pair": "1"} == sent(jar, "http://www.a.test/")
    assert {"m": "1"} == sent(jar, "http://a.test/")
    assert [NOW + 60, None, None] == [one.expires for one in rows_of(jar)["a.test"]]


def test_cookies_for_every_site_are_refused(jar):
    with pytest.raises(ValueError, match="belong to a site"):
        jar.update_cookies({"a": "1"})
    jar.update_cookies_from_headers(["a=1"], URL())

    assert 0 == len(jar)
    assert 0 == len(jar.filter_cookies(URL()))


def test_the_jar_can_be_looked_through(jar):
    told(jar, "https://a.test/", "a=1; Path=/x; Secure; HttpOnly; Max-Age=60", "b=2; Domain=a.test")

    assert 2 == len(jar)
    assert ["1", "2"] == [morsel.value for morsel in jar]
    assert {("a.test", "/x"): {"a": "1"}, ("a.test", "/"): {"b": "2"}} == {
        key: {name: morsel.value for name, morsel in simple.items()} for key, simple in jar.cookies.items()
    }
    assert frozenset({("a.test", "/x", "a")}) == jar.host_only_cookies
    first = next(iter(jar))
    assert ("a.test", "/x", True, True, "Fri, 15 Jan 2027 08:01:00 GMT") == tuple(first[name] for name in ("domain", "path", "secure", "httponly", "expires"))
    assert (True, False, frozenset()) == (jar.unsafe, jar.quote_cookie, jar.treat_as_secure_origin)


def test_neither_jar_nor_row_shows_a_value(jar):
    jar.restore([LOGIN])

    assert "<SiteJar 1 cookies of 1 sites, 0 to be written>" == repr(jar)
    assert "<CookieRow login of a.test/, pinned>" == repr(LOGIN)


def test_cookies_are_cleared_and_that_is_a_change(jar):
    for host in ("a.test", "www.a.test", "b.test"):
        told(jar, f"http://{host}/", "x=1", "y=1")
    jar.take_changes()

    jar.clear(lambda morsel: morsel.key == "x")
    assert 3 == len(jar)
    jar.clear_domain("WWW.a.test.")
    assert {("a.test", "/"), ("b.test", "/")} == jar.cookies.keys()
    jar.take_changes()
    jar.clear()
    assert {"a.test": (), "b.test": ()} == rows_of(jar)


# --- cookie files ------------------------------------------------------------------------------------------------------

FILE = """# Netscape HTTP Cookie File
# https://curl.se/docs/http-cookies.html

.A.test\tTRUE\t/\tTRUE\t1900000000\tsid\tabc=d
#HttpOnly_www.a.test\tFALSE\t/x\tfalse\t0\tlogin\t
127.0.0.1\tFALSE\t/\tFALSE\t1900000000.5\tn\t1
localhost\tFALSE\t/\tFALSE\t0\tn\t1
"""


@pytest.mark.parametrize("text", [FILE, "\ufeff" + FILE.replace("\n", "\r\n")])
def test_a_cookie_file_is_read(text):
    assert [
        CookieRow("a.test", "a.test", "sid", "/", "abc=d", 1_900_000_000.0, host_only=False, secure=True, http_only=False, pinned=True),
        CookieRow("a.test", "www.a.test", "login", "/x", "", None, host_only=True, secure=False, http_only=True, pinned=True),
        CookieRow("127.0.0.1", "127.0.0.1", "n", "/", "1", 1_900_000_000.5, host_only=True, secure=False, http_only=False, pinned=True),
        CookieRow("localhost", "localhost", "n", "/", "1", None, host_only=True, secure=False, http_only=False, pinned=True),
    ] == read_netscape(text)


def test_an_empty_cookie_file_has_no_cookies():
    assert [] == read_netscape("")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a.test\tTRUE\t/\tTRUE\t0\tname", "6 fields between tabs instead of 7"),
        ("a.test TRUE / TRUE 0 name value", "1 fields between tabs instead of 7"),
        ("#HttpOnly_", "1 fields"),
        ("a b\tTRUE\t/\tTRUE\t0\tn\tv", "'a b' is no host name"),
        ("\tTRUE\t/\tTRUE\t0\tn\tv", "'' is no host name"),
        ("a.test:80\tTRUE\t/\tTRUE\t0\tn\tv", "no host name"),
        ("co.uk\tTRUE\t/\tTRUE\t0\tn\tv", "public suffix"),
        (".github.io\tTRUE\t/\tTRUE\t0\tn\tv", "public suffix"),
        ("github.io\tFALSE\t/\tTRUE\t0\tn\tv", "public suffix"),
        (".COM\tTRUE\t/\tTRUE\t0\tn\tv", "public suffix"),
        ("a.test\tYES\t/\tTRUE\t0\tn\tv", "subdomains must be TRUE or FALSE, not 'YES'"),
        ("a.test\tTRUE\t/\t1\t0\tn\tv", "secure must be TRUE or FALSE"),
        ("a.test\tTRUE\tx\tTRUE\t0\tn\tv", "the path 'x' does not begin with /"),
        ("a.test\tTRUE\t/\tTRUE\tsoon\tn\tv", "the expiry must be 0 .session. or Unix seconds, not 'soon'"),
        ("a.test\tTRUE\t/\tTRUE\t-1\tn\tv", "the expiry"),
        ("a.test\tTRUE\t/\tTRUE\t" + "9" * 400 + "\tn\tv", "the expiry"),
        ("a.test\tTRUE\t/\tTRUE\t0\t\tv", "no name"),
        ("a.test\tTRUE\t/\tFALSE\t0\t__Secure-n\tv", "prefix"),
        ("a.test\tTRUE\t/\tFALSE\t0\tn\tv\x00", "control characters"),
        ("a.test\tTRUE\t/\tFALSE\t0\tn\t" + "v" * 4096, "4,096 bytes"),
    ],
)
def test_a_wrong_line_of_a_cookie_file_is_named(line, message):
    with pytest.raises(ValueError, match=f"^line 2: .*{message}"):
        read_netscape(f"# c\n{line}\n")


def test_all_wrong_lines_are_told_at_once_and_no_value():
    with pytest.raises(ValueError) as caught:
        read_netscape("x\n\n" + FILE + "co.uk\tTRUE\t/\tTRUE\t0\tn\tsecret\n")

    assert ["line 1", "line 10"] == [line.partition(":")[0] for line in str(caught.value).split("\n")]
    assert "secret" not in str(caught.value)


@given(st.text(st.sampled_from("a.\t\n\r#/0TRUEFALS\x00\ufeff\udcff;=[]:")))
def test_a_cookie_file_is_read_or_is_a_clear_error(text):
    with contextlib.suppress(ValueError):
        for one in read_netscape(text):
            jar = SiteJar(clock=Clock(0.0))
            jar.restore([one])
            assert 1 == len(jar)


# --- on the wire -------------------------------------------------------------------------------------------------------


class Anywhere(aiohttp.abc.AbstractResolver):
    """Every name is loopback."""

    async def resolve(self, host, port=0, family=0):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "proto": 0, "flags": 0, "family": 2}]

    async def close(self):
        pass


class Web:
    """Sites of any name on one server, which answers as told, and what was sent to them."""

    def __init__(self, session, port):
        self._session, self._port = session, port
        self.heard: list[tuple[str, str | None]] = []

    async def get(self, host, *set_cookies, path="/"):
        """Ask a host for a page that sets these cookies; return the Cookie header it got."""
        self.answer = set_cookies
        async with self._session.get(f"http://{host}:{self._port}{path}") as response:
            assert 200 == response.status
            await response.read()
        return self.heard[-1][1]


@pytest.fixture
async def wire(aiohttp_server, jar):
    async def answer(request):
        web_.heard.append((request.host.partition(":")[0], request.headers.get("Cookie")))
        response = web.Response(text="hi")
        for one in web_.answer:
            response.headers.add("Set-Cookie", one)
        return response

    app = web.Application()
    app.router.add_get("/{rest:.*}", answer)
    server = await aiohttp_server(app, host="127.0.0.1")
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=Anywhere()), cookie_jar=jar) as session:
        web_ = Web(session, server.port)
        yield web_


@pytest.mark.parametrize(("evil", "bank", "suffix"), [("evil.co.uk", "bank.co.uk", "co.uk"), ("evil.com", "bank.com", "com"), ("evil.github.io", "bank.github.io", "github.io")])
async def test_a_neighbour_never_gets_the_cookies_of_another(wire, evil, bank, suffix):
    spellings = (suffix, suffix.upper(), f".{suffix}", f"{suffix}.", bank)
    await wire.get(evil, *(f"c{number}=1; Path=/; Domain={one}" for number, one in enumerate(spellings)), f"own=1; Domain={evil}")

    assert await wire.get(bank) is None
    assert await wire.get(suffix) is None
    assert "own=1" == await wire.get(f"www.{evil}")


async def test_a_cookie_goes_to_the_server_as_it_came(wire):
    await wire.get("a.test", 'q="a b"', "j={x:1,2}", "u=ünï", "z=")

    assert {'q="a b"', "j={x:1,2}", "u=ünï", "z="} == set((await wire.get("a.test")).split("; "))


async def test_a_cookie_bomb_does_not_break_the_next_page(wire):
    sizes = []
    for page in range(100):
        bomb = [f"p{page}c{one}=" + "x" * 3500 for one in range(60)]
        sizes.append(len("Cookie: " + (await wire.get("bomb.test", *bomb, path=f"/{page}") or "")))

    assert max(sizes) <= 8190
    assert min(sizes[1:]) > 7000


async def test_a_login_lives_on_among_thousands_of_cookies(wire, jar):
    jar.restore([LOGIN])
    for number in range(200):
        await wire.get(f"h{number}.test", *(f"c{one}=1" for one in range(50)))
    for number in range(4000):
        told(jar, f"http://s{number}.test/", "c=1")
    await wire.get("sub.a.test", *(f"c{one}=1; Domain=a.test" for one in range(60)))

    assert "login=secret" in await wire.get("a.test")


async def test_a_login_on_the_wire_is_replaced_and_survives_a_restart(wire, jar, clock):
    jar.restore([LOGIN])
    await wire.get("a.test", "login=rotated; Domain=a.test; Path=/")
    rows = [one for _, rows in jar.take_changes() for one in rows]
    jar.clear()
    assert await wire.get("a.test") is None
    jar.restore(rows)

    assert "login=rotated" == await wire.get("www.a.test")


# --- speed -------------------------------------------------------------------------------------------------------------


def test_a_request_to_a_site_without_cookies_costs_next_to_nothing(jar):
    """Half a microsecond, measured; the bound leaves room for a busy machine."""
    told(jar, "http://other.test/", "a=1")
    url = URL("http://www.a.test/x")
    jar.filter_cookies(url)
    began = time.process_time()
    for _ in range(20_000):
        jar.filter_cookies(url)

    assert (time.process_time() - began) / 20_000 < 20e-6
