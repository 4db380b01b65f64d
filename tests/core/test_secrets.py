"""Nothing that is written down shows a secret: not in settings, not in a command line, not in what is told of a wrong spelling."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import secrets

# No word of the surroundings contains one of these.
SECRETS = st.text("QZJ@:/?#%&=+~é", max_size=20).map(lambda text: f"QZ{text}ZQ")
PLAIN_SECRETS = st.text("QZJ%&=+~é:", max_size=20).map(lambda text: f"QZ{text}ZQ")
NAMES = st.sampled_from(["Authorization", "cookie", "X-Api-Key", "X-APIKEY", "X-Auth-Token", "Private-Token", "X-Session", "Api-Signature"])
ORIGINS = st.sampled_from(["", "https://h.test ", "http://[::1]:80\t", "https://h.test/p?q  "])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("X-Team: crawling", "X-Team: crawling"),
        ("https://h.test X-Team: crawling", "https://h.test X-Team: crawling"),
        ("Referer: https://u:p@h.test/a", "Referer: https://***@h.test/a"),
        ("Authorization: Basic abc", "Authorization: ***"),
        ("https://h.test:8080 X-Api-Key:abc", "https://h.test:8080 X-Api-Key: ***"),
        ("https://u:p@h.test X-Api-Key: abc", "https://***@h.test X-Api-Key: ***"),
        ("h.test:8080 X-Api-Key: abc", "***"),
        ("X-Api-Key : abc", "***"),
        ("Authorization Bearer abc", "***"),
        ("X-A: b\r\nCookie: abc", "***"),
        ("Referer: https://auth.h.test/token", "Referer: https://auth.h.test/token"),
        ("", ""),
    ],
)
def test_a_header_as_it_is_written_down(header, expected):
    assert expected == secrets.redact_header(header)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://h.test basic u:p", "https://h.test basic ***"),
        ("https://h.test Bearer abc", "https://h.test Bearer ***"),
        ("https://u:p@h.test basic a b c", "https://***@h.test basic ***"),
        ("https://h.test u:p with a space", "***"),
        ("https://h.test abc", "***"),
        ("abc basic u:p", "***"),
        ("", "***"),
    ],
)
def test_credentials_as_they_are_written_down(text, expected):
    assert expected == secrets.redact_credentials(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://p.test:3128", "http://p.test:3128"),
        ("http://u:p@p.test:3128", "http://***@p.test:3128"),
        ("http://u:p@s/s@p.test", "http://***@p.test"),
        ("*.h.test socks5://u:p@p.test", "*.h.test socks5://***@p.test"),
        ("u:p@p.test:3128", "***@p.test:3128"),
        ("*.h.test direct", "*.h.test direct"),
    ],
)
def test_a_proxy_as_it_is_written_down(text, expected):
    assert expected == secrets.redact_proxy(text)


def test_a_seed_keeps_an_at_in_its_path():
    assert ("https://h.test/@me", "https://***@h.test/@me?to=a@b.test") == secrets.redact_argv(["https://h.test/@me", "https://u:p@h.test/@me?to=a@b.test"])


def test_a_password_with_an_at_in_it_is_hidden_to_its_end():
    assert ("http://***@h.test/", "http://***@h.test?q=a@b") == secrets.redact_argv(["http://u:p@ss@h.test/", "http://u@x:p@@h.test?q=a@b"])
    assert "http://h.test\\@me" == secrets.redact_url("http://h.test\\@me")


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["-H", "Cookie: abc", "x"], ["-H", "Cookie: ***", "x"]),
        (["-HCookie: abc"], ["-HCookie: ***"]),
        (["-qH", "Cookie: abc"], ["-qH", "Cookie: ***"]),
        (["-qHCookie: abc"], ["-qHCookie: ***"]),
        (["--header=https://h.test Cookie: abc"], ["--header=https://h.test Cookie: ***"]),
        (["--auth", "https://h.test basic u:p"], ["--auth", "https://h.test basic ***"]),
        (["--auth=https://h.test basic u:p"], ["--auth=https://h.test basic ***"]),
        (["--proxy", "http://u:p/q@p.test", "--proxy=http://u:p/q@p.test"], ["--proxy", "http://***@p.test", "--proxy=http://***@p.test"]),
        (["--header"], ["--header"]),
        (["--user-agent", "a/1", "https://h.test/"], ["--user-agent", "a/1", "https://h.test/"]),
    ],
)
def test_a_command_line_as_it_is_written_down(argv, expected):
    assert tuple(expected) == secrets.redact_argv(argv)


@settings(max_examples=60)
@given(origin=ORIGINS, name=NAMES, colon=st.sampled_from([": ", ":", " : ", " ", "=", " = "]), secret=SECRETS)
def test_no_spelling_of_a_secret_header_shows_it(origin, name, colon, secret):
    header = f"{origin}{name}{colon}{secret}"

    for text in (secrets.redact_header(header), *secrets.redact_argv(["-H", header, f"-H{header}", "--header", header, f"--header={header}"])):
        assert secret not in text
        assert text in ("-H", "--header") or secrets.is_redacted(text)


@settings(max_examples=60)
@given(text=st.sampled_from(["{}", "https://h.test {}", "https://h.test basic {}", "https://h.test BEARER  {}", "basic {}", "https://h.test basic u:{} {}",
                             "https://u:{}@h.test basic {}", "{} {} {}", "https://h.test {} a b", "https://h.test basic a\n{}"]), secret=SECRETS)  # fmt: skip
def test_no_spelling_of_credentials_shows_them(text, secret):
    for told in (secrets.redact_credentials(text.format(*[secret] * 3)), *secrets.redact_argv(["--auth", text.format(*[secret] * 3)])):
        assert secret not in told


@settings(max_examples=60)
@given(text=st.sampled_from(["http://u:{}@p.test:1", "socks5://{}@p.test", "*.h.test http://u:{}@p.test", "u:{}@p.test", "* {}@p.test"]), secret=SECRETS)
def test_no_spelling_of_a_proxy_shows_its_password(text, secret):
    proxy = text.format(secret)

    for told in (secrets.redact_proxy(proxy), *secrets.redact_argv(["--proxy", proxy, f"--proxy={proxy}"])):
        assert secret not in told


@settings(max_examples=60)
@given(secret=PLAIN_SECRETS)
def test_settings_are_written_down_without_their_secrets(secret):
    plain = {
        "headers": [f"https://h.test X-Api-Key: {secret}", "X-Team: a"], "auth": (f"https://h.test bearer {secret}",),
        "proxies": [f"http://u:{secret}@p.test"], "depth": 3,
    }  # fmt: skip
    told = secrets.redact_settings(plain)

    assert secret not in str(told)
    assert (3, "X-Team: a") == (told["depth"], told["headers"][1])
    assert [True, False, True, True] == [secrets.is_redacted(text) for text in (*told["headers"], *told["auth"], *told["proxies"])]
