"""What is said of one origin or of some hosts: every right spelling is understood, every wrong one refused with a sentence."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import secrets, targets
from crawler.core.targets import Certificate, Header, ProxyRule, TimeoutRule, Timeouts

READERS = (targets.header, targets.credentials, targets.proxy, targets.timeouts, targets.certificate, targets.pattern)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X-Team: crawling", Header(None, "X-Team", "crawling")),
        ("X-Team:crawling  ", Header(None, "X-Team", "crawling")),
        ("X-Empty:", Header(None, "X-Empty", "")),
        ("X-Name: Zoë", Header(None, "X-Name", "Zoë")),
        ("Referer: https://auth.example.org/token:1", Header(None, "Referer", "https://auth.example.org/token:1")),
        ("https://example.org X-Api-Key: a: b", Header("https://example.org", "X-Api-Key", "a: b")),
        ("HTTPS://EXAMPLE.org:443/ Authorization: x", Header("https://example.org", "Authorization", "x")),
        ("http://example.org:8080\tX-A: 1", Header("http://example.org:8080", "X-A", "1")),
        ("http://127.1:80 X-A: 1", Header("http://127.0.0.1", "X-A", "1")),
        ("http://[::0001] X-A: 1", Header("http://[::1]", "X-A", "1")),
        ("https://münchen.example X-A: 1", Header("https://xn--mnchen-3ya.example", "X-A", "1")),
    ],
)
def test_headers_are_read(text, expected):
    assert expected == targets.header(text)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "X-Team", "X Team: a", "X-Team : a", ": a", "X-Ü: a", "X-A: a\r\nX-B: b", "X-A: a\nb", "X-A: \x00", "X-A: \x1b[2J",
        "X-A: \udcff", "https://example.org", "https://example.org X-A", "https://example.org/path X-A: 1", "https://example.org/? X-A: 1",
        "https://u:p@example.org X-A: 1", "ftp://example.org X-A: 1", "https:// X-A: 1", "https://a b X-A: 1", "https://[::1 X-A: 1",
        "https:example.org X-Team: 1", "https:/example.org X-Team: 1",
    ],
)  # fmt: skip
def test_a_header_that_is_spelt_wrong_is_refused(text):
    with pytest.raises(ValueError, match=r"^(a header like|for an origin|one header)"):
        targets.header(text)


@pytest.mark.parametrize("name", ["Authorization", "authorization", "Cookie", "X-Api-Key", "X-ApiKey", "X-Auth-Token", "PRIVATE-TOKEN",
                                  "Ocp-Apim-Subscription-Key", "X-Session", "Proxy-Authenticate", "X-Signature"])  # fmt: skip
def test_a_secret_must_be_for_one_origin(name):
    with pytest.raises(ValueError, match=f"^for one origin, since {name} is a secret: 'https://example.org {name}: ...'$"):
        targets.header(f"{name}: abc")
    assert name == targets.header(f"https://example.org {name}: abc").name


@pytest.mark.parametrize("place", ["example.org:8080", "localhost:8080", "https:example.org", "https:/example.org", "//example.org:80"])
def test_an_origin_without_its_scheme_does_not_make_a_secret_public(place):
    """The place would else be the name of a header, and the secret a part of its value, which every host is sent."""
    with pytest.raises(ValueError, match="header"):
        targets.header(f"{place} X-Api-Key: abc")


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection", "ACCEPT-ENCODING", "Proxy-Authorization"])
@pytest.mark.parametrize("origin", ["", "https://example.org "])
def test_headers_that_the_crawler_sets_itself_are_refused(name, origin):
    with pytest.raises(ValueError, match=f"^another header than {name}, which the crawler sets itself$"):
        targets.header(f"{origin}{name}: x")


@pytest.mark.parametrize(
    ("text", "origin", "value"),
    [
        ("http://h.test:8080 basic u:p", "http://h.test:8080", basic("u:p")),
        ("https://h.test/ BASIC u:p:q r", "https://h.test", basic("u:p:q r")),
        ("https://h.test basic :", "https://h.test", basic(":")),
        ("https://h.test basic Zoë:пароль", "https://h.test", basic("Zoë:пароль")),
        ("https://h.test Bearer a.b-c_d~e+/=", "https://h.test", "Bearer a.b-c_d~e+/="),
    ],
)
def test_credentials_are_read(text, origin, value):
    assert Header(origin, "Authorization", value) == targets.credentials(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "basic u:p", "https://h.test", "https://h.test basic", "https://h.test basic ", "https://h.test basic up", "https://h.test u:p",
        "https://h.test digest u:p", "https://h.test bearer a b", "https://h.test bearer é", "https://h.test basic u:p\x00",
        "https://h.test basic u:p\r\nX: y", "https://h.test basic u:\udcff", "https://h.test/a basic u:p", "https://u@h.test basic u:p",
        "ftp://h.test basic u:p", "h.test basic u:p", "https:h.test basic u:p",
    ],
)  # fmt: skip
def test_credentials_that_are_spelt_wrong_are_refused_without_being_repeated(text):
    with pytest.raises(ValueError, match=r"^an origin with its credentials, like 'https://example.org basic USER:PASSWORD'") as caught:
        targets.credentials(text)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://proxy.test:3128", ProxyRule("*", "http://proxy.test:3128")),
        ("HTTPS://proxy.test/", ProxyRule("*", "https://proxy.test")),
        ("http://u:p%40%2f@10.0.0.1:1", ProxyRule("*", "http://u:p%40%2f@10.0.0.1:1")),
        ("*.Example.org socks5://u:p@[::1]:1080", ProxyRule("*.example.org", "socks5://u:p@[::1]:1080")),
        ("*.münchen.example socks5h://p", ProxyRule("*.xn--mnchen-3ya.example", "socks5h://p:1080")),
        ("[::1] direct", ProxyRule("[::1]", None)),
        ("direct", ProxyRule("*", None)),
    ],
)
def test_proxies_are_read(text, expected):
    assert expected == targets.proxy(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "proxy.test:3128", "ftp://proxy.test", "http://", "http:///", "http://proxy.test/path", "http://proxy.test:", "http://proxy.test:0",
        "http://proxy.test:65536", "http://proxy.test:٣", "http://u:p@ss@proxy.test", "http://u:p/ss@proxy.test", "http://u:p?s@proxy.test",
        "http://evil.test#u@proxy.test", "http://evil.test?u@proxy.test", "http://evil.test\\u@proxy.test", "http://[::zz]", "http://[1.2.3.4]",
        "a b http://proxy.test", "http://proxy.test direct x", "a/b http://proxy.test", "example.org:80 direct", "[x] direct",
        "http://proxy\x00.test", "http://u:\udcff@proxy.test", "http://é.test",
    ],
)  # fmt: skip
def test_a_proxy_that_is_spelt_wrong_is_refused_without_its_password(text):
    with pytest.raises(ValueError, match=r"^a proxy like http://USER:PASSWORD@proxy.example.org:3128, or ") as caught:
        targets.proxy(text)
    assert "ss@" not in str(caught.value)


@pytest.mark.parametrize("login", ["u€:p", "u:%E2%82%AC", "a%3Ab:p"])
def test_a_login_that_cannot_be_said_to_an_http_proxy_is_refused_and_one_for_socks_is_not(login):
    with pytest.raises(ValueError, match=r"^a proxy whose user has no colon in it, and neither user nor password a letter beyond Latin-1$"):
        targets.proxy(f"http://{login}@h:1")
    assert f"socks5://{login}@h:1" == targets.proxy(f"socks5://{login}@h:1").url


@pytest.mark.parametrize("url", ["http://h", "http://h:1", "http://u:p@h:1", "socks5://u@h", "http://@h"])
def test_the_host_of_a_proxy_is_what_is_connected_to(url):
    assert "h" == targets.host_of_proxy(targets.proxy(url).url)


def test_the_host_of_a_proxy_can_be_an_address():
    assert "::1" == targets.host_of_proxy("http://u:p@[::1]:3128")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*.example.org total=120 read=60.5", TimeoutRule("*.example.org", Timeouts(total=120, read=60.5))),
        ("EXAMPLE.org min_rate=0", TimeoutRule("example.org", Timeouts(min_rate=0))),
        ("* dns=1 connect=2 tls=3 header=4e+06", TimeoutRule("*", Timeouts(dns=1, connect=2, tls=3, header=4e6))),
    ],
)
def test_timeouts_are_read(text, expected):
    assert expected == targets.timeouts(text)


@pytest.mark.parametrize("text", ["", "*", "* total", "* total=", "* total=x", "* total=nan", "* total=inf", "* total=-1", "* total=0",
                                  "* read=0", "* min_rate=-1", "* foo=1", "total=1", "a/b total=1", "* total=1_0", "* total=1e999"])  # fmt: skip
def test_timeouts_that_are_spelt_wrong_are_refused(text):
    with pytest.raises(ValueError, match=r"^a host pattern with timeouts in seconds"):
        targets.timeouts(text)


def test_certificates_are_read():
    assert Certificate("https://h.test", "c.pem", None) == targets.certificate("https://h.test c.pem")
    assert Certificate("https://h.test:8443", "c.pem", "k.pem") == targets.certificate(" HTTPS://h.test:8443/  c.pem\tk.pem ")


@pytest.mark.parametrize("text", ["", "c.pem", "https://h.test", "http://h.test c.pem", "https://h.test/a c.pem", "https://h.test a b c"])
def test_certificates_that_are_spelt_wrong_are_refused(text):
    with pytest.raises(ValueError, match=r"^an origin with PEM files, like "):
        targets.certificate(text)


@pytest.mark.parametrize(
    ("pattern", "host", "expected"),
    [
        ("*", "a.test", True), ("*", "[::1]", True), ("a.test", "a.test", True), ("a.test", "b.a.test", False), ("a.test", "a.test.", True),
        ("*.a.test", "b.a.test", True), ("*.a.test", "c.b.a.test", True), ("*.a.test", "a.test", False), ("*.a.test", "ba.test", False),
        ("[::1]", "[::1]", True), ("[::1]", ":", False), ("10.0.0.*", "10.0.0.7", True), ("10.0.0.*", "10.0.1.7", False),
        ("a.test", "axtest", False), ("www*.test", "www2.test", True),
    ],
)  # fmt: skip
def test_a_pattern_matches_hosts(pattern, host, expected):
    assert expected == (targets.first_match([ProxyRule(pattern, None)], host) is not None)


def test_the_first_pattern_that_matches_holds():
    rules = [ProxyRule("b.test", None), ProxyRule("*.test", "http://one"), ProxyRule("*", "http://two")]

    assert [None, "http://one", "http://two"] == [targets.first_match(rules, host).url for host in ("b.test", "c.test", "d.example")]
    assert targets.first_match([], "b.test") is None


SCRAPS = st.sampled_from(["https://h.test", "http://[::1]", "basic", "bearer", "direct", "socks5://", "u:p@", "*.h.test", "total=", "min_rate=",
                          "1", "nan", "X-Api-Key:", " ", "\t", ":", "=", "é", "\udcff", "\x00", "[", "]", "@", "/", "#", "%"])  # fmt: skip
TEXTS = st.text(max_size=40) | st.lists(SCRAPS | st.text(st.characters(), max_size=3), max_size=8).map("".join)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@settings(max_examples=60)
@given(text=TEXTS)
def test_no_text_raises_anything_but_a_sentence(read, text):
    said: list[ValueError] = []
    try:
        read(text)
    except ValueError as error:
        said.append(error)
    assert [ValueError] * len(said) == [type(error) for error in said]
    assert all(str(error).isprintable() for error in said)


@settings(max_examples=60)
@given(text=TEXTS)
def test_a_header_that_all_hosts_are_sent_is_no_secret_and_can_be_sent(text):
    try:
        header = targets.header(text)
    except ValueError:
        return
    assert header.origin is not None or not secrets.is_secret(header.name)
    assert header.value == header.value.encode().decode()
    assert {"\r", "\n", "\0"}.isdisjoint(header.name + header.value)
