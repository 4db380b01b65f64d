"""From the bytes of a page to its distinct, judged links."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import urls
from crawler.core.model import FOLLOWED, KINDS, REQUISITES, Kind, Offers, Parsed
from crawler.core.scope import Rules, Ruleset
from crawler.core.settings import Directive
from crawler.parsing.config import Config
from crawler.parsing.harvest import Harvester
from crawler.parsing.packing import MAX_OFFER_BYTES, NAMED_RULES
from crawler.parsing.wire import HEADER, RESULTS, Page, decode_results, frame

SECRET = b"a secret"
URL = "http://host.test/dir/page.html"
HTML = "text/html; charset=utf-8"
HOST = Rules((Ruleset("host", None, frozenset({"host.test"})),))
ANY = Rules((Ruleset("any", None, frozenset()),))


def harvester(rules: Rules = HOST, **more) -> Harvester:
    settings = {"max_links": 5_000, "parse_size": 1 << 20, "parser": "lexbor"} | more
    return Harvester(Config(rules=rules, secret=SECRET, **settings))


def parsed(markup: str | bytes, rules: Rules = HOST, *, url: str = URL, depth: int = 0, ruleset: int = 0, **more) -> Parsed:
    body = markup if isinstance(markup, bytes) else markup.encode()
    return harvester(rules, **more).harvest(Page(url, HTML, depth, ruleset, body))


def unpacked(offers: Offers) -> Iterator[tuple[str, Kind, tuple[str, str] | None]]:
    """Return (URL, kind, (reason, rule) or None) of each, as a reader of the format would."""
    for url, kind, verdict in zip(offers.urls.split("\n") if offers.kinds else (), offers.kinds, offers.verdicts, strict=True):
        yield url, KINDS[kind], offers.rules[verdict - 1] if verdict else None


def offered(markup: str | bytes, rules: Rules = HOST, **more) -> list[tuple[str, Kind, tuple[str, str] | None]]:
    return list(unpacked(parsed(markup, rules, **more).offers))


def urls_of(markup: str | bytes, rules: Rules = HOST, **more) -> list[str]:
    return [url for url, _, _ in offered(markup, rules, **more)]


# --- which links --------------------------------------------------------------------------------------------------


def test_repeats_are_offered_once_in_the_order_of_the_page() -> None:
    """However they are written: relative, absolute, with a fragment, with other escapes."""
    markup = "<a href=b><a href=a><a href='/dir/a'><a href='http://HOST.test:80/dir/a#x'><a href='%61'><a href=a?><a href='./a'>"
    page = parsed(markup)

    assert ["http://host.test/dir/b", "http://host.test/dir/a", "http://host.test/dir/a?"] == page.offers.urls.split("\n")
    assert 7 == page.links
    assert 3 == len(page.offers)


def test_a_fragment_alone_is_the_page_itself() -> None:
    """A page may link to itself: it is one more known URL, and costs nothing more."""
    assert [URL] == urls_of("<a href='#top'><a href=''><a href=page.html><a href='page.html#end'>")
    assert ["http://host.test/dir/page.html?a=1"] == urls_of("<a href='#top'><a href='?a=1'>", url=URL + "?a=1")


def test_a_url_is_offered_once_in_each_kind() -> None:
    found = offered("<area href=1><a href=1><a href=1#x><iframe src=2></iframe><iframe src=2></iframe>")

    assert [("http://host.test/dir/1", Kind.AREA, None), ("http://host.test/dir/1", Kind.A, None), ("http://host.test/dir/2", Kind.IFRAME, None)] == found


def test_a_repeat_in_one_of_several_kinds_is_a_repeat() -> None:
    found = offered("<a href=1><area href=1><iframe src=1></iframe><a href=./1><area href=./1><iframe src=./1></iframe>")

    assert [Kind.A, Kind.AREA, Kind.IFRAME] == [kind for _, kind, _ in found]


def test_links_are_joined_to_the_base_of_the_page() -> None:
    markup = "<base href='/other/x?y'><a href=1><a href='?2'><a href='/3'><a href=''>"

    assert [f"http://host.test/{path}" for path in ("other/1", "other/x?2", "3", "other/x?y", "other/x?y")] == urls_of(markup)
    assert ("http://host.test/other/x?y", Kind.BASE, ("scope", "kind base: not followed without --follow base")) == offered(markup)[-1]


def test_a_link_that_is_remembered_from_another_directory_is_joined_anew() -> None:
    reader = harvester()
    found = [reader.harvest(Page(url, HTML, 0, 0, b"<a href=x>")).offers.urls for url in (URL, "http://host.test/a/b/c", "http://host.test/a/b/?q=/z/")]

    assert ["http://host.test/dir/x", "http://host.test/a/b/x", "http://host.test/a/b/x"] == found


def test_a_bare_query_is_remembered_for_its_page_only() -> None:
    reader = harvester()
    found = [reader.harvest(Page(url, HTML, 0, 0, b"<a href='?x'><a href=''>")).offers.urls for url in ("http://host.test/1?a", "http://host.test/2?a")]

    assert ["http://host.test/1?x\nhttp://host.test/1?a", "http://host.test/2?x\nhttp://host.test/2?a"] == found


def test_credentials_are_never_offered() -> None:
    assert ["http://host.test/x"] == urls_of("<a href='http://user:secret@host.test/x'><a href='//me@host.test/x'>")
    assert "secret" not in repr(parsed(f"<a href='http://user:secret@host.test/{'x' * 5_000}'>"))
    assert ["http://host.test/y", "http://host.test/"] == urls_of("<base href='http://user:secret@host.test/'><a href=y>")


def test_what_is_no_url_is_left_out() -> None:
    markup = "<a href='http://[broken'><a href='http://host.test:99999/'><a href='mailto:x@y'><a href='http://'><a href='x-y:z'><a href=ok>"

    assert ["http://host.test/dir/ok"] == urls_of(markup)


def test_a_page_without_links_offers_nothing() -> None:
    offers = parsed("<p>x").offers

    assert (0, "", b"", b"", b"") == (len(offers), offers.urls, offers.kinds, offers.verdicts, offers.fingerprints)


def test_what_the_page_says_of_itself_comes_along() -> None:
    page = parsed("<html lang=ko><title> A b </title><meta name=robots content=noindex>")

    assert ("A b", "ko", "utf-8", True, False, None) == (page.title, page.lang, page.charset, page.noindex, page.nofollow, page.fault)


def test_only_the_beginning_of_a_page_is_read() -> None:
    assert ["http://host.test/dir/1"] == urls_of("<a href=1>" + "x" * 100 + "<a href=2>", parse_size=60)


# --- verdicts -----------------------------------------------------------------------------------------------------


def test_a_refused_link_is_offered_with_the_rule_that_refused_it() -> None:
    rules = Rules(HOST.rulesets, exclude=(r"\.jpg$",))
    hrefs = ("ok", "http://other.test/", "i.jpg", "http://other.test/2", "/robots.txt", "/dir/robots.txt")
    markup = "".join(f"<a href='{href}'>" for href in hrefs)
    offers = parsed(markup, rules).offers

    assert bytes([0, 1, 2, 1, 3, 0]) == offers.verdicts
    assert [("scope", "scope host: other.test is no seed's host"), ("scope", r"exclude \.jpg$")] == list(offers.rules[:2])
    assert "skipped" == offers.rules[2][0]


def test_a_link_too_deep_is_refused_for_its_depth_and_one_within_is_not() -> None:
    rules = Rules((Ruleset("host", 2, frozenset({"host.test"})),))

    assert [None] == [verdict for _, _, verdict in offered("<a href=x>", rules, depth=1)]
    assert [("depth", "depth 3 is beyond the limit of 2")] == [verdict for _, _, verdict in offered("<a href=x>", rules, depth=2)]


def test_a_depth_that_is_remembered_counts_for_that_depth_only() -> None:
    reader = harvester(Rules((Ruleset("host", 2, frozenset({"host.test"})), Ruleset("host", None, frozenset({"host.test"})))))
    found = [reader.harvest(Page(URL, HTML, depth, ruleset, b"<a href=x>")).offers for depth, ruleset in ((2, 0), (1, 0), (9, 1), (2, 0))]

    assert [b"\1", b"\0", b"\0", b"\1"] == [offers.verdicts for offers in found]


def test_each_ruleset_has_bounds_of_its_own() -> None:
    rules = Rules((Ruleset("host", None, frozenset({"a.test"})), Ruleset("host", None, frozenset({"b.test"}))))
    markup = "<a href='http://a.test/'><a href='http://b.test/'>"

    assert [b"\0\1", b"\1\0"] == [parsed(markup, rules, ruleset=ruleset).offers.verdicts for ruleset in (0, 1)]


def test_offers_say_how_deep_they_are_and_whose() -> None:
    offers = parsed("<a href=x>", Rules(ANY.rulesets * 2), depth=4, ruleset=1).offers

    assert (5, 1, 0, 5) == (offers.depth, offers.ruleset, offers.hops, offers.priority)


def test_a_nofollow_page_has_all_its_links_recorded_and_none_followed() -> None:
    markup = "<meta name=robots content=nofollow><a href=1><a href='http://other.test/'>"

    assert [("nofollow", "meta robots nofollow")] * 2 == [verdict for _, _, verdict in offered(markup)]
    assert [None, "scope"] == [verdict and verdict[0] for _, _, verdict in offered(markup, disobey=frozenset(get_args(Directive)))]


def test_a_nofollow_link_is_recorded_and_not_followed() -> None:
    markup = "<a href=1 rel=nofollow><a href=2><a rel=ugc href='http://other.test/'>"
    found = {url: verdict and verdict[0] for url, _, verdict in offered(markup)}

    assert {"http://host.test/dir/2": None, "http://host.test/dir/1": "nofollow", "http://other.test/": "scope"} == found
    assert {None} == {verdict for url, _, verdict in offered(markup, disobey=frozenset(get_args(Directive))) if "host.test" in url}
    assert 3 == parsed(markup).links


def test_a_link_that_is_followed_somewhere_on_the_page_is_followed() -> None:
    assert [("http://host.test/dir/1", Kind.A, None)] == offered("<a href=1 rel=nofollow><a href='1#x'>")


def test_a_url_too_long_is_offered_as_refused_and_one_far_too_long_not_at_all() -> None:
    found = offered(f"<a href='/{'x' * 5_000}'><a href='/{'y' * 20_000}'><a href=ok>", ANY)

    assert ["length", None] == [verdict and verdict[0] for _, _, verdict in found]
    assert f"http://host.test/{'x' * 5_000}" == found[0][0]


# --- bounds -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("links", "truncated"), [(9, False), (10, False), (11, True), (10_000, True)])
def test_more_links_than_allowed_are_cut_and_that_is_said(links: int, truncated: bool) -> None:
    page = parsed("".join(f"<a href={number}>" for number in range(links)) + "<a href=0>", max_links=10)

    assert (min(links, 10), truncated, links + 1) == (len(page.offers), page.links_truncated, page.links)
    assert "http://host.test/dir/0" == page.offers.urls.split("\n")[0]


def test_refused_links_count_as_links_too() -> None:
    """Else a page of 200,000 foreign links would be 200,000 rows."""
    page = parsed("".join(f"<a href='http://{number}.test/'>" for number in range(20)), max_links=10)

    assert (10, True) == (len(page.offers), page.links_truncated)


def test_links_that_are_not_to_be_followed_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """And like the others they are not even joined once there is no room: 200,000 of them would take a second."""
    joined: list[str] = []
    monkeypatch.setattr(urls, "fingerprint", lambda identity, secret: joined.append(identity) or len(joined))
    page = parsed("".join(f"<a rel=nofollow href={number}>" for number in range(20)), max_links=10)

    assert (10, True, 20) == (len(page.offers), page.links_truncated, page.links)
    assert 11 == len(joined)


def test_the_urls_of_a_page_have_a_size_limit_in_all() -> None:
    """A few bytes each, below a long base."""
    page = parsed(f"<base href='/{'x' * 4_000}/'>" + "".join(f"<a href={number}>" for number in range(2_000)))

    assert page.links_truncated
    assert MAX_OFFER_BYTES - 5_000 < len(page.offers.urls.replace("\n", "")) <= MAX_OFFER_BYTES


def test_more_rules_than_a_byte_can_number_lose_their_names_and_not_their_verdicts() -> None:
    found = offered("".join(f"<a href='http://h{number}.test/'>" for number in range(300)))

    assert 300 == len(found)
    assert {"scope"} == {verdict[0] for _, _, verdict in found if verdict}
    assert NAMED_RULES == sum(verdict is not None and "no seed's host" in verdict[1] for _, _, verdict in found)
    assert all(verdict for _, _, verdict in found)


# --- fingerprints -------------------------------------------------------------------------------------------------


def test_a_fingerprint_is_that_of_the_key_of_the_url() -> None:
    offers = parsed("<a href=a><a href='%7euser/%2f'><a href='http://other.test/?ä'><a href=b rel=nofollow>").offers
    numbers = struct.unpack(f"<{len(offers)}q", offers.fingerprints)

    assert [urls.fingerprint(urls.key(url), SECRET) for url in offers.urls.split("\n")] == list(numbers)
    assert len(numbers) == len(set(numbers))


def test_the_name_of_a_harvester_tells_what_it_remembers() -> None:
    reader = harvester()
    for _ in range(2):
        reader.harvest(Page(URL, HTML, 0, 0, b"<a href=1><a href=2>"))

    assert "<Harvester lexbor, 2 links remembered, 2 hits, 2 misses>" == repr(reader)


# --- whatever the page --------------------------------------------------------------------------------------------

EVERY_FOLD = ("query-order", "tracking", "session", "index", "canonical")
READER = harvester(
    Rules((Ruleset("host", 3, frozenset({"host.test"})),), exclude=("private",), follow=FOLLOWED | REQUISITES, folds=EVERY_FOLD),
    max_links=20,
)  # fmt: skip
PIECES = st.sampled_from(
    ["<a href='", "'>", "<base href='", "<iframe src='", "http://", "https:", "//", "host.test", "other.test", "/", "..", "?", "#", "&amp;",
     "%41", "%zz", "\\", "@", ":", "user:pw@", "[::1]", "ß", "서울", "\u200b", "\n", "\t", " ",
     "<meta name=robots content=none>", "rel=nofollow", "robots.txt", "xn--", "0x7f.1", "private", "<img srcset='", "<link rel=canonical href='",
     " 2x, ", "<form action='", "<meta property=og:image content='", "index.html", "?utm_source=x", ";jsessionid=0123456789abcdef0123456789ABCDEF"]
)  # fmt: skip


def is_sound(page: Parsed) -> None:
    offers = page.offers
    found = offers.urls.split("\n") if len(offers) else []
    assert len(found) == len(offers.kinds) == len(offers.verdicts) == len(offers.fingerprints) // 8
    assert len(set(found)) <= 20
    assert len(set(zip(found, offers.kinds, strict=True))) == len(found)
    assert all(verdict <= len(offers.rules) for verdict in offers.verdicts)
    assert all(urls.spell(url) == url for url in found if len(url) <= urls.MAX_URL_BYTES)
    assert page.fault is None
    assert page == decode_results(frame(RESULTS, [page])[HEADER.size :])[0]


@given(st.binary(max_size=400), st.sampled_from([None, "text/html", HTML, "text/html; charset=euc-kr", "text/html; charset=utf-16"]))
@settings(deadline=None)
def test_any_bytes_can_be_harvested(body: bytes, content_type: str | None) -> None:
    is_sound(READER.harvest(Page(URL, content_type, 0, 0, body)))


@given(
    st.lists(PIECES, max_size=40),
    st.sampled_from([URL, "http://host.test/", "https://[::1]:8080/a/b?c/d", "http://host.test/?/"]),
    st.integers(0, 5),
)
@settings(deadline=None)
def test_every_offered_url_is_spelt_for_good(pieces: list[str], url: str, depth: int) -> None:
    """Spelt again it is itself: what is stored is what is asked for."""
    is_sound(READER.harvest(Page(url, "text/html; charset=utf-8", depth, 0, ("<a href='" + "".join(pieces) + "'>").encode())))


@pytest.mark.parametrize("parser", ["lexbor", "lxml", "html5lib", "html.parser"])
def test_no_parser_lets_a_lone_surrogate_through(parser: str) -> None:
    """It could not be sent from a parser process, and would cost the process."""
    for charset in ("utf-8", "utf-16le", "euc-kr"):
        text = "<html lang='&#xD800;\ud800'><title>&#xD800;\ud800&#0;&#x110000;</title><a href='&#xDFFF;?\udfff'>"
        body = text.encode("utf-16-le" if charset == "utf-16le" else "utf-8", "surrogatepass")
        page = harvester(parser=parser).harvest(Page(URL, f"text/html; charset={charset}", 0, 0, body))

        assert 1 == page.links
        is_sound(page)


@given(st.lists(PIECES, max_size=12), st.sampled_from(["http://host.test/a/b?c/d", "http://host.test/a/?e", "http://host.test/x/y/z"]))
@settings(deadline=None)
def test_a_remembered_link_is_what_a_fresh_look_would_find(pieces: list[str], url: str) -> None:
    """The memory is keyed by directory; joining to the page itself must come to the same."""
    body = f"""<a href="{''.join(pieces).replace('"', '')}">""".encode()

    assert harvester(ANY).harvest(Page(url, HTML, 0, 0, body)) == _SHARED.harvest(Page(url, HTML, 0, 0, body))
    for found in _SHARED.harvest(Page(url, HTML, 0, 0, b"<a href=q>")).offers.urls.split("\n"):
        assert urls.spell("q", url) == found


_SHARED = harvester(ANY)
