"""One spelling for each URL, one key for all spellings of it, a fingerprint that nobody can foresee."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.core.urls import MAX_URL_BYTES, UrlError, fingerprint, host_of, is_address, key, site_of, spell, split

SECRET = bytes(range(16))


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("HTTP://EXAMPLE.com", "http://example.com/"),
        ("http://example.com:80/a", "http://example.com/a"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("http://example.com/a/../b/./c", "http://example.com/b/c"),
        ("http://example.com/a#part", "http://example.com/a"),
        ("http://example.com/?q=a b", "http://example.com/?q=a%20b"),
        ("http://example.com/?", "http://example.com/?"),
        ("  http://example.com/\t\n ", "http://example.com/"),
        ("http:\\\\example.com\\a", "http://example.com/a"),
        ("http://münchen.de/ü", "http://xn--mnchen-3ya.de/%C3%BC"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://[::FFFF:7f00:1]:81/", "http://[::ffff:7f00:1]:81/"),
        ("http://example.com/%7Ea%2fb", "http://example.com/%7Ea%2fb"),
    ],
)
def test_a_url_is_spelt_as_a_browser_spells_it(text, spelt):
    assert spelt == spell(text)


@pytest.mark.parametrize(
    ("link", "spelt"),
    [
        ("c", "http://h.test/a/c"),
        ("/c", "http://h.test/c"),
        ("?c", "http://h.test/a/b?c"),
        ("#c", "http://h.test/a/b?q"),
        ("", "http://h.test/a/b?q"),
        ("//other.test", "http://other.test/"),
        ("../../../c", "http://h.test/c"),
        ("https:c", "https://c/"),
    ],
)
def test_a_link_is_joined_to_its_page(link, spelt):
    assert spelt == spell(link, "http://h.test/a/b?q#part")


@pytest.mark.parametrize(
    "text",
    [
        "http://user:secret@h.test/a",
        "http://user@h.test/a",
        "http://:secret@h.test/a",
        "http://a@b:c@h.test/a",
        "http://user%40mail:p%2fw@h.test/a",
        "http://@h.test/a",
    ],
)
def test_credentials_are_stripped(text):
    assert "http://h.test/a" == spell(text)


def test_an_at_sign_outside_the_authority_stays():
    assert "http://h.test/@me?x=a@b" == spell("http://h.test/@me?x=a@b")
    assert "http://h.test/?a@b" == spell("http://user@h.test?a@b")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "scheme"),
        ("relative", "scheme"),
        ("ftp://h.test/", "scheme"),
        ("mailto:me@h.test", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("data:text/html,x", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("http://", "scheme"),
        ("http://h.test:99999/", "scheme"),
        ("http://a b/", "scheme"),
        ("http://1.2.3.4.5/", "scheme"),
        ("http://h.test/\ud800", "scheme"),
        ("http://h.test/" + "a" * MAX_URL_BYTES, "length"),
    ],
)
def test_what_cannot_be_fetched_is_refused_with_its_reason(text, reason):
    with pytest.raises(UrlError) as refused:
        spell(text)

    assert reason == refused.value.reason


def test_a_url_of_exactly_4096_bytes_is_let_in():
    longest = "http://h.test/" + "a" * (MAX_URL_BYTES - 14)

    assert longest == spell(longest)


TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="htp:/.@#?%&=+ ab4130Ff\\[]", max_size=60),
    st.builds(
        "{}://{}{}{}".format,
        st.sampled_from(["http", "https", "HTTP"]),
        st.sampled_from(["", "u@", "u:p@", "a@b@"]),
        st.sampled_from(["h.test", "H.test:80", "[::1]:8", "127.1", "bücher.de"]),
        st.text(alphabet="/%@?#ab4130Ff;=&.+ ~\\é", max_size=40),
    ),
)


def spelt(text: str) -> str | None:
    try:
        return spell(text)
    except UrlError:
        return None


@given(TEXTS)
def test_spelling_a_spelt_url_changes_nothing(text):
    url = spelt(text)

    assert url is None or url == spell(url)


@given(TEXTS)
def test_a_spelt_url_is_plain_ascii_without_fragment_credentials_or_line_feeds(text):
    url = spelt(text)

    assert url is None or (url.isascii() and url.isprintable() and not {"#", " "} & set(url) and "@" not in split(url)[0])


@given(st.one_of(TEXTS, st.text(alphabet="%4123Ff/", max_size=30)))
@example("%%341")
@example("%4%31")
@example("%2%35%30")
def test_the_key_of_a_key_is_the_key(text):
    assert key(text) == key(key(text))


@pytest.mark.parametrize(
    ("one", "other"),
    [("http://h.test/%7ea", "http://h.test/~a"), ("http://h.test/%41", "http://h.test/A"), ("http://h.test/%c3%bc", "http://h.test/%C3%BC"),
     ("http://h.test/?%2d", "http://h.test/?-")],
)  # fmt: skip
def test_spellings_that_mean_the_same_by_rfc_3986_share_a_key(one, other):
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("/a%2Fb", "/a/b"), ("/a", "/A"), ("/a?x=1&y=2", "/a?y=2&x=1"), ("/a", "/a/"), ("/a?", "/a"), ("/a+b", "/a%20b"), ("/%2541", "/%41"),
     ("/%%341", "/%41"), ("/%%341", "/A")],
)  # fmt: skip
def test_spellings_that_a_server_may_tell_apart_have_different_keys(one, other):
    assert key(f"http://h.test{one}") != key(f"http://h.test{other}")


def test_a_fingerprint_depends_on_the_key_of_its_database():
    url = "http://h.test/a"

    assert fingerprint(url, SECRET) == fingerprint(url, SECRET)
    assert fingerprint(url, SECRET) != fingerprint(url, bytes(16))
    assert fingerprint(url, SECRET) != fingerprint(url + "b", SECRET)


def test_fingerprints_fill_the_signed_64_bits_of_sqlite():
    marks = [fingerprint(f"http://h.test/{number}", SECRET) for number in range(2000)]

    assert len(marks) == len(set(marks))
    assert -(1 << 63) <= min(marks) < -(1 << 62)
    assert 1 << 62 < max(marks) < 1 << 63
    assert 800 < sum(mark < 0 for mark in marks) < 1200


def test_origin_and_host_are_cut_where_they_end():
    assert ("https://h.test:8080", "/a?b") == split("https://h.test:8080/a?b")
    assert "h.test" == host_of("https://h.test:8080")
    assert "[::1]" == host_of("http://[::1]:80")
    assert "[::1]" == host_of("http://[::1]")


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("www.example.com", "example.com"),
        ("a.b.example.co.uk", "example.co.uk"),
        ("me.github.io", "me.github.io"),
        ("github.io", "github.io"),
        ("localhost", "localhost"),
        ("example.com.", "example.com"),
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "[::1]"),
    ],
)
def test_a_site_is_the_registrable_domain(host, site):
    assert site == site_of(host)


def test_address_literals_are_told_from_names():
    assert [True, True, False, False] == [is_address(host) for host in ("127.0.0.1", "[fe80::1]", "h.test", "1.2.3")]
