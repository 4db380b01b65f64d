"""What robots.txt says, held to RFC 9309, to an obvious reference matcher, and to Protego where both must agree."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from protego import Protego

from crawler.core.robots import ALLOW_ALL, FORBID_ALL, MAX_BYTES, MAX_LINE, MAX_WORK, Robots, Verdict, meaning

if TYPE_CHECKING:
    from collections.abc import Callable

NO_RULE = Verdict(allowed=True)


def robots(*lines: str, agent: str = "steadycrawl") -> Robots:
    return Robots.parse("\n".join(lines).encode(), agent)


def everyone(*rules: str) -> Robots:
    return robots("User-agent: *", *rules)


def allows(rules: Robots, path: str) -> bool:
    return rules.judge(path).allowed


# --- which line decides -------------------------------------------------------------------------------------------


def test_a_verdict_names_the_line_that_decided() -> None:
    """The number counts from 1 and the text is the line as it stands there, without the blanks around it."""
    rules = robots("# hello", "User-agent: *", "", "  Disallow: /*?utm_  # tracking", "Allow: /shop")

    assert Verdict(allowed=False, line=4, text="Disallow: /*?utm_  # tracking") == rules.judge("/a?utm_source=x")
    assert Verdict(allowed=True, line=5, text="Allow: /shop") == rules.judge("/shop/a")
    assert NO_RULE == rules.judge("/a")


def test_the_longest_rule_wins_wherever_it_stands() -> None:
    """RFC 9309 2.2.2: the most specific match has the most octets; order means nothing."""
    rules = everyone("Disallow: /a/b", "Allow: /a/b/c", "Allow: /a", "Disallow: /a/b/c/d")

    assert [4, 2, 3, 5] == [rules.judge(path).line for path in ("/a", "/a/b", "/a/b/c", "/a/b/c/d/e")]


def test_a_wildcard_counts_as_an_octet() -> None:
    """The length of a rule is the length of its pattern, not of what it matched."""
    rules = everyone("Allow: /page", "Disallow: /*.htm", "Allow: /long/path")

    assert 3 == rules.judge("/page.htm").line
    assert 4 == rules.judge("/long/path.htm").line


def test_allow_wins_a_tie() -> None:
    """RFC 9309 2.2.2: of two equivalent rules the one that allows is used."""
    assert 3 == everyone("Disallow: /a", "Allow: /a").judge("/a").line
    assert 2 == everyone("Allow: /*b", "Disallow: /ab").judge("/ab").line


def test_of_equal_rules_the_first_is_named() -> None:
    """A repeated rule changes nothing, its first line stays the one that is quoted."""
    assert 2 == everyone("Disallow: /a", "Disallow: /a").judge("/a").line
    assert 2 == everyone("Disallow: /*a", "Disallow: /*a").judge("/xa").line


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_lines_are_counted_whatever_ends_them(end: str) -> None:
    """CR, LF and CRLF each end one line (RFC 9309 2.2)."""
    body = end.join(("User-agent: *", "", "", "Disallow: /a", "")).encode()

    assert 4 == Robots.parse(body).judge("/a").line


def test_mixed_line_ends_are_counted_as_google_counts_them() -> None:
    """LF CR LF is two ends of line, and a form feed or a NEL ends none."""
    assert 4 == Robots.parse(b"User-agent: *\n\r\n\nDisallow: /a").judge("/a").line
    assert 2 == Robots.parse(b"User-agent: *\x0c\nDisallow: /a").judge("/a").line
    assert 2 == Robots.parse(b"User-agent: *\nDisallow: /a\xc2\x85b").judge("/a%C2%85b").line


# --- groups -------------------------------------------------------------------------------------------------------


def test_a_group_may_name_several_agents() -> None:
    """Agents in a row share the rules that follow them."""
    rules = ("User-agent: one", "User-agent: two", "Disallow: /a", "User-agent: three", "Disallow: /b")

    assert [False, False, True] == [allows(robots(*rules, agent=name), "/a") for name in ("one", "two", "three")]
    assert [True, True, False] == [allows(robots(*rules, agent=name), "/b") for name in ("one", "two", "three")]


def test_groups_of_one_agent_are_merged() -> None:
    """RFC 9309 2.2.1: all groups that match are combined into one."""
    rules = robots(
        "User-agent: steadycrawl",
        "Disallow: /a",
        "User-agent: x",
        "Disallow: /b",
        "User-agent: SteadyCrawl",
        "Disallow: /c",
    )

    assert [False, True, False] == [allows(rules, path) for path in ("/a", "/b", "/c")]


def test_groups_of_everyone_are_merged_too() -> None:
    """The asterisk is a name like any other in this."""
    rules = robots("User-agent: *", "Disallow: /a", "User-agent: x", "Disallow: /b", "User-agent: *", "Disallow: /c")

    assert [False, True, False] == [allows(rules, path) for path in ("/a", "/b", "/c")]


def test_an_own_group_hides_the_one_for_everyone() -> None:
    """Whoever is named obeys only what is said to that name, even where that is nothing."""
    assert allows(robots("User-agent: *", "Disallow: /", "User-agent: steadycrawl", "Disallow: /x"), "/a")
    assert allows(robots("User-agent: *", "Disallow: /", "User-agent: steadycrawl"), "/a")
    assert not allows(robots("User-agent: steadycrawl", "User-agent: *", "Disallow: /"), "/a")


@pytest.mark.parametrize("name", ["steadycrawl", "SteadyCrawl", "STEADYCRAWL/1.0", "steadycrawl (bot)", "steadycrawl*"])
def test_a_product_token_matches_in_any_case_and_with_a_version(name: str) -> None:
    """RFC 9309 2.2.1 for the case; Google for what follows the token."""
    assert not allows(robots(f"User-agent: {name}", "Disallow: /"), "/a")


@pytest.mark.parametrize("name", ["steady", "crawl", "steadycrawler", "steadycrawl-images", "the steadycrawl", "", "*steadycrawl"])
def test_a_product_token_matches_only_as_a_whole(name: str) -> None:
    """RFC 9309 2.2.1: neither a beginning nor a part of another name is a name."""
    assert allows(robots(f"User-agent: {name}", "Disallow: /"), "/a")


def test_a_token_beyond_the_standard_matches_its_whole_word() -> None:
    """A name with a digit is no product token, but whoever writes it means it."""
    rules = ("User-agent: bot2", "Disallow: /a", "User-agent: bot", "Disallow: /b")

    assert [False, True] == [allows(robots(*rules, agent="Bot2"), path) for path in ("/a", "/b")]


def test_an_asterisk_followed_by_words_is_still_everyone() -> None:
    """Google: `*` and a space begin a group for everyone."""
    assert not allows(robots("User-agent: * all of you", "Disallow: /"), "/a")


def test_rules_before_the_first_agent_are_ignored() -> None:
    """RFC 9309 2.2.2: a rule that is in no group says nothing to anyone."""
    assert allows(robots("Disallow: /", "Crawl-delay: 9", "User-agent: *", "Disallow: /x"), "/a")
    assert robots("Disallow: /", "Crawl-delay: 9", "User-agent: *").crawl_delay is None


@pytest.mark.parametrize("record", ["Sitemap: https://a.example/s.xml", "Crawl-delay: 5", "Host: a.example", "What: ever", "???"])
def test_only_a_rule_ends_the_list_of_agents(record: str) -> None:
    """RFC 9309 2.2.4: other records must not interfere, so both agents own the rule."""
    lines = ("User-agent: one", record, "User-agent: two", "Disallow: /a")

    assert not allows(robots(*lines, agent="one"), "/a")
    assert not allows(robots(*lines, agent="two"), "/a")


def test_an_empty_rule_ends_the_list_of_agents() -> None:
    """`Disallow:` says nothing about any path, but it is a rule."""
    lines = ("User-agent: one", "Disallow:", "User-agent: two", "Disallow: /")

    assert NO_RULE == robots(*lines, agent="one").judge("/a")
    assert not allows(robots(*lines, agent="two"), "/a")


def test_nothing_is_forbidden_where_nobody_is_meant() -> None:
    """RFC 9309 2.2.1: without a group that matches no rules apply."""
    assert NO_RULE == robots("User-agent: other", "Disallow: /").judge("/a")


# --- patterns -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        (
            "/fish",
            ["/fish", "/fish.html", "/fish/salmon", "/fishheads", "/fish?id=1"],
            ["/Fish", "/catfish", "/?id=fish"],
        ),
        ("/fish/", ["/fish/", "/fish/?a"], ["/fish", "/fish.html"]),
        ("/*.php", ["/a.php", "/a/b.php?c", "/a.php/", "/.php"], ["/", "/a.PHP"]),
        ("/*.php$", ["/a.php", "/a.php.php"], ["/a.php?b", "/a.php/", "/a.php5"]),
        ("/fish*.php", ["/fish.php", "/fishheads/catfish.php?a"], ["/Fish.php"]),
        ("/$", ["/"], ["/a", "/?a"]),
        ("*", ["/", "/a"], []),
        ("*$", ["/", "/a"], []),
        ("*a", ["/a", "/ba"], ["/b"]),
        ("/a**b", ["/ab", "/axb", "/axbx"], ["/ax"]),
        ("/a*b*", ["/ab", "/axbx"], ["/ax"]),
        ("/*ab*ab$", ["/abab", "/ab-ab-ab"], ["/ab", "/aba", "/abab-"]),
        ("/a$b", ["/a$b", "/a$bc", "/a%24b"], ["/a", "/ab"]),
        ("/a$$", ["/a$", "/a%24"], ["/a", "/a$$"]),
        ("/a$*", ["/a$", "/a$b"], ["/a"]),
        ("a", [], ["/a", "/"]),
        ("$", [], ["/"]),
    ],
)
def test_a_pattern_matches_from_the_first_octet(pattern: str, hits: list[str], misses: list[str]) -> None:
    """RFC 9309 2.2.3: `*` is any octets, a `$` at the end is the end, all else is itself."""
    rules = everyone(f"Disallow: {pattern}")

    assert [] == [path for path in hits if allows(rules, path)]
    assert [] == [path for path in misses if not allows(rules, path)]


def test_special_characters_are_matched_verbatim_when_escaped() -> None:
    """RFC 9309 2.2.3: `%2A` and `%24` in a rule are a real asterisk and a real dollar sign."""
    rules = everyone("Disallow: /file-with-a-%2A.html", "Disallow: /foo-%24")

    assert not allows(rules, "/file-with-a-*.html")
    assert not allows(rules, "/file-with-a-%2a.html")
    assert allows(rules, "/file-with-a-b.html")
    assert not allows(rules, "/foo-$")
    assert not allows(rules, "/foo-$bar")
    assert allows(rules, "/foo-")


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https://foo.bar"),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
        ("/foo/bar?baz=https%3a%2f%2ffoo.bar", "/foo/bar?baz=https://foo.bar"),
        ("/foo/bar/ツ", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%e3%83%84", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/ツ"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
        ("/foo/bar/baz", "/foo/bar/%62%61%7a"),
        ("/%7Ejoe/", "/~joe/index.html"),
        ("/~joe/", "/%7ejoe/index.html"),
        ("/wiki/Special:", "/wiki/Special%3ASearch"),
        ("/wiki/Special%3A", "/wiki/Special:Search"),
        ("/*[]=", "/list?filter%5B%5D=a"),
        ("/a b", "/a%20b"),
        ("/{id}", "/%7Bid%7D"),
        ("/100%", "/100%"),
        ("/100%zz", "/100%zz"),
        ("/*=*https:", "/?u=https%3A%2F%2Fa"),
        ("/*/admin", "/?next=/admin"),
        ("/*%2Fadmin", "/?next=%2Fadmin"),
    ],
)
def test_two_spellings_of_one_path_are_equal(rule: str, path: str) -> None:
    """RFC 9309 2.2.2: both sides are brought to one percent-encoding before they are compared."""
    assert not allows(everyone(f"Disallow: {rule}"), path)


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        ("/a%2Fb", "/a/b"),
        ("/a/b", "/a%2Fb"),
        ("/a?b", "/a%3Fb"),
        ("/?q=a%26b", "/?q=a&b"),
        ("/?q=a+b", "/?q=a%2Bb"),
        ("/A", "/a"),
    ],
)
def test_what_means_something_else_is_not_equal(rule: str, path: str) -> None:
    """A delimiter that delimits is not its escape, and case is kept."""
    assert allows(everyone(f"Disallow: {rule}"), path)


def test_octets_that_are_no_utf8_are_compared_as_they_are() -> None:
    """Latin-1 files are common; a NUL or a broken octet harms neither its line nor the next one."""
    rules = Robots.parse(b"User-agent: *\nDisallow: /caf\xe9\nDisallow: /n\x00l\nDisallow: /x\n")

    assert Verdict(allowed=False, line=2, text="Disallow: /caf\ufffd") == rules.judge("/caf%E9")
    assert 3 == rules.judge("/n%00l").line
    assert 4 == rules.judge("/x").line
    assert allows(rules, "/n")


def test_nuls_around_a_line_are_padding() -> None:
    """Files written in blocks end in NULs."""
    assert not allows(Robots.parse(b"\x00User-agent: *\nDisallow: /a\x00\x00\x00"), "/a")


def test_robots_txt_itself_is_always_allowed() -> None:
    """RFC 9309 2.2.2; only that very path, in any spelling."""
    for rules in (everyone("Disallow: /"), everyone("Disallow: /robots.txt"), everyone("Disallow: /*txt"), FORBID_ALL):
        assert NO_RULE == rules.judge("/robots.txt")
        assert NO_RULE == rules.judge("/%72obots.txt")
    assert not allows(everyone("Disallow: /"), "/robots.txt.bak")
    assert not allows(everyone("Disallow: /"), "/a/robots.txt")


def test_who_allows_the_index_page_allows_its_folder() -> None:
    """Google: `Allow: /a/index.html` speaks of `/a/` too, but of nothing else in it; disallowing does not."""
    rules = everyone("Disallow: /", "Allow: /a/index.html")

    assert [3, 3, 2, 2] == [rules.judge(path).line for path in ("/a/index.html", "/a/", "/a/index.htm", "/a/b")]
    assert allows(everyone("Disallow: /a/index.html"), "/a/")


# --- lines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "Disallow:/a", "disallow : /a", "\t DISALLOW \t:\t /a \t", "Disallow: /a#b", "Disallow: /a # b",
        "disallow /a", "Disallow\t/a",
        "Dissallow: /a", "Dissalow: /a", "Disalow: /a", "Diasllow: /a", "Disallaw: /a", "Disallowed: /a",
    ],
)  # fmt: skip
def test_a_rule_is_read_as_generously_as_google_reads_it(line: str) -> None:
    """Blanks, case, comments, a missing colon and the frequent typos do not hide a rule."""
    assert not allows(everyone(line), "/a")


@pytest.mark.parametrize(
    "line",
    ["Dissallaw: /a", "Dis allow: /a", "Forbid: /a", "# Disallow: /a", ": /a", "disallow /a b", "/a", "Disallow"],
)
def test_a_line_that_google_does_not_read_says_nothing(line: str) -> None:
    """What is no record is skipped, and the next line still counts."""
    rules = everyone(line, "Disallow: /b")

    assert [True, False] == [allows(rules, "/a"), allows(rules, "/b")]


@pytest.mark.parametrize("line", ["user-agent: steadycrawl", "USERAGENT:steadycrawl", "User Agent: steadycrawl", "user-agent steadycrawl"])
def test_an_agent_line_is_read_as_generously_as_google_reads_it(line: str) -> None:
    """The same tolerance as for rules."""
    assert not allows(robots(line, "Disallow: /"), "/a")


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xef\xbb", b"\xef"])
def test_a_byte_order_mark_hides_nothing(mark: bytes) -> None:
    """A whole mark is dropped, and so is a torn one at Google."""
    assert 2 == Robots.parse(mark + b"User-agent: *\nDisallow: /a").judge("/a").line


def test_a_page_instead_of_a_robots_txt_allows_everything() -> None:
    """Soft errors answer with HTML and status 200: there is no rule in it."""
    assert NO_RULE == Robots.parse(b"<!doctype html>\n<title>Not found: sorry</title>\n").judge("/a")


def test_a_body_is_cut_at_its_last_whole_line() -> None:
    """Half a rule could forbid far more than the whole one."""
    start = b"User-agent: *\nDisallow: /first\n"
    fill = b"#" * (MAX_BYTES - len(start) - 11) + b"\n"
    rules = Robots.parse(start + fill + b"Disallow: /abcdef\nDisallow: /late\n")

    assert MAX_BYTES == len(start + fill) + len(b"Disallow: ")
    assert [False, True, True] == [allows(rules, path) for path in ("/first", "/abcdef", "/late")]


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_a_line_that_just_fits_counts(end: bytes) -> None:
    """The last line that ends within the limit is whole."""
    rule = b"Disallow: /last"
    body = b"User-agent: *\n" + b"#" * (MAX_BYTES - 15 - len(rule)) + b"\n" + rule

    assert MAX_BYTES == len(body)
    assert not allows(Robots.parse(body + end + b"Disallow: /more"), "/last")
    assert allows(Robots.parse(body + end + b"Disallow: /more"), "/more")


def test_one_endless_line_is_no_rule() -> None:
    """Without any end of line there is no whole line to keep."""
    assert NO_RULE == Robots.parse(b"a" * (MAX_BYTES + 1)).judge("/")


def test_the_end_of_a_very_long_line_is_ignored() -> None:
    """Google reads the first 16,663 bytes of a line."""
    path = "/" + "a" * MAX_LINE
    rules = everyone("Disallow: " + path + "b")

    assert MAX_LINE - len("Disallow: ") == len(path[: MAX_LINE - 10])
    assert not allows(rules, path)
    assert allows(rules, path[: MAX_LINE - 11])


# --- other records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5.0),
        ("0", 0.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5.", 5.0),
        ("5 # s", 5.0),
        ("99999999", 99_999_999.0),
        ("1" + "0" * 200, 1e9),
    ],
)
def test_a_crawl_delay_is_seconds(text: str, seconds: float) -> None:
    """What is too long to wait is not for this module to say, but no number is too large to be written down."""
    assert seconds == everyone(f"Crawl-delay: {text}").crawl_delay


@pytest.mark.parametrize(
    "text", ["", "-1", "nan", "inf", "Infinity", "1e999", "9" * 400, "1_0", "5s", "1,5", "ten", "1 2", "٣", "0x5", "--"]
)
def test_a_senseless_crawl_delay_is_none(text: str) -> None:
    """Neither a trap for arithmetic nor a guess."""
    assert everyone(f"Crawl-delay: {text}").crawl_delay is None


def test_a_crawl_delay_belongs_to_the_agents_above_it() -> None:
    """Also where no rule stands between it and the next agent."""
    lines = ("User-agent: one", "User-agent: two", "Crawl-delay: 5", "User-agent: *", "Crawl-delay: 7", "Disallow: /")

    assert [5.0, 5.0, 7.0] == [robots(*lines, agent=name).crawl_delay for name in ("one", "two", "three")]


def test_a_crawl_delay_for_everyone_is_not_for_who_is_named() -> None:
    """An own group without a delay has none."""
    assert robots("User-agent: *", "Crawl-delay: 7", "User-agent: steadycrawl", "Disallow: /x").crawl_delay is None


def test_the_longest_of_several_delays_counts() -> None:
    """Who asks twice gets the politer one, and garbage between them is no answer."""
    assert 9.0 == everyone("Crawl-delay: 3", "Crawl-delay: 9", "Crawl-delay: x", "Crawl-delay: 4").crawl_delay


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1/10", (1, 10.0)),
        ("1/10s", (1, 10.0)),
        ("100/15M 1300-1400", (100, 900.0)),
        ("400 / 1h", (400, 3600.0)),
        ("9/1d", (9, 86_400.0)),
    ],
)
def test_a_request_rate_is_requests_and_seconds(text: str, rate: tuple[int, float]) -> None:
    """The hours it may be limited to are not kept."""
    assert rate == everyone(f"Request-rate: {text}").request_rate


@pytest.mark.parametrize("text", ["", "1", "0/5", "5/0", "-1/5", "1/x", "1/5w", "1" * 5000 + "/1", "1/5/6"])
def test_a_senseless_request_rate_is_none(text: str) -> None:
    """No zero to divide by and no number without end."""
    assert everyone(f"Request-rate: {text}").request_rate is None


def test_the_slowest_of_several_rates_counts() -> None:
    """The same politeness as for delays."""
    rates = ("Request-rate: 1/10", "Request-rate: 1/1m", "Request-rate: 9/1h", "Request-rate: 99/1h")

    assert (9, 3600.0) == everyone(*rates).request_rate


def test_records_of_the_site_are_read_wherever_they_stand() -> None:
    """Sitemaps, host and clean-param belong to no group; repeats are dropped and order is kept."""
    rules = robots(
        "Sitemap: https://a.example/1.xml", "User-agent: other", "SITEMAP:https://a.example/ü.xml # all", "Disallow: /",
        "Site-map: /2.xml", "Sitemap: https://a.example/1.xml", "Sitemap:", "Host: a.example", "Host: b.example",
        "Clean-param: ref /shop", "Clean-param: sid", "Visit-time: 0100-0200",
    )  # fmt: skip

    assert ("https://a.example/1.xml", "https://a.example/ü.xml", "/2.xml") == rules.sitemaps
    assert "a.example" == rules.host
    assert ("ref /shop", "sid") == rules.clean_params
    assert rules.visit_time is None
    assert "0600-0845" == everyone("Visit-time: 0600-0845").visit_time


# --- no file ------------------------------------------------------------------------------------------------------


def test_without_a_file_all_or_nothing_is_allowed() -> None:
    """No line decides, since there is none."""
    assert NO_RULE == ALLOW_ALL.judge("/a")
    assert Verdict(allowed=False) == FORBID_ALL.judge("/a")
    assert Verdict(allowed=False) == FORBID_ALL.judge("/%41?b=:/")
    assert (None, (), None) == (FORBID_ALL.crawl_delay, FORBID_ALL.sitemaps, FORBID_ALL.request_rate)
    assert ALLOW_ALL == Robots.parse(b"")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ((200, 204, 206, 299), "rules"),
        ((300, 301, 308, 399), "redirect"),
        ((400, 401, 403, 404, 410, 418, 428, 430, 451, 499), "allow"),
        ((429, 500, 503, 599, 100, 199, 600, 999, 0, -1), "forbid"),
    ],
)
def test_a_status_stands_for_rules_or_their_absence(statuses: tuple[int, ...], expected: str) -> None:
    """RFC 9309 2.3.1: unavailable allows, unreachable forbids, and what nobody knows forbids too."""
    assert [expected] * len(statuses) == [meaning(status) for status in statuses]


# --- against a reference ------------------------------------------------------------------------------------------


def slowly_matches(pattern: str, path: str) -> bool:
    """Tell whether *pattern* matches, by trying everything."""
    if pattern == "$":
        return path == ""
    if not pattern:
        return True
    if pattern[0] == "*":
        return any(slowly_matches(pattern[1:], path[skipped:]) for skipped in range(len(path) + 1))
    return path[:1] == pattern[0] and slowly_matches(pattern[1:], path[1:])


def slowly_judged(rules: list[tuple[bool, str]], path: str) -> tuple[bool, int | None]:
    """Judge by asking every rule: most octets, then allow, then the first line; the first rule is line 2."""
    matching = [(len(pattern), allow, -line) for line, (allow, pattern) in enumerate(rules, 2) if pattern and slowly_matches(pattern, path)]
    _, allow, line = max(matching, default=(0, True, None))
    return allow, None if line is None else -line


PATTERNS = st.text("/ab*$", max_size=7)
PATHS = st.text("/ab$*", max_size=9).map("/{}".format)
FEW_RULES = st.lists(st.tuples(st.booleans(), PATTERNS), max_size=8)
MANY_RULES = st.lists(st.tuples(st.booleans(), st.text("/ab*", min_size=3, max_size=9).map("/*{}".format)), min_size=40, max_size=70)


def written(rules: list[tuple[bool, str]]) -> Robots:
    return everyone(*(f"{'Allow' if allow else 'Disallow'}: {pattern}" for allow, pattern in rules))


@given(FEW_RULES, PATHS)
@example([(False, "/*a*b$")], "/abab")
@example([(False, "*$"), (True, "$*")], "/")
def test_every_verdict_is_that_of_an_obvious_matcher(rules: list[tuple[bool, str]], path: str) -> None:
    """The decision and its line are what trying every rule at every place gives."""
    verdict = written(rules).judge(path)

    assert slowly_judged(rules, path) == (verdict.allowed, verdict.line)


@settings(max_examples=50)
@given(MANY_RULES, st.lists(PATHS, min_size=1, max_size=5))
def test_a_crowd_of_wildcard_rules_is_judged_like_a_few(rules: list[tuple[bool, str]], paths: list[str]) -> None:
    """Dividing many rules by what a path must hold loses none of them."""
    crowd = written(rules)

    assert [slowly_judged(rules, path) for path in paths] == [(verdict.allowed, verdict.line) for verdict in map(crowd.judge, paths)]


PIECES = st.sampled_from('abc-._~:@[]{}| "<>\\^`é%ツ')
ESCAPES = st.sampled_from(["{}", "%{:02x}", "%{:02X}"])


def spelt(char: str, escape: str) -> str:
    """Write a character bare or as its escapes; a bare percent sign would be no spelling of it."""
    if escape == "{}":
        return char if char != "%" else "%25"
    return "".join(escape.format(octet) for octet in char.encode())


@given(st.lists(st.tuples(PIECES, ESCAPES, ESCAPES), max_size=12))
def test_any_spelling_of_a_path_meets_any_spelling_of_its_rule(pieces: list[tuple[str, str, str]]) -> None:
    """Escaping more or less than needed, in either case of the digits, changes no verdict."""
    rule = "".join(spelt(char, escape) for char, escape, _ in pieces)
    path = "".join(spelt(char, escape) for char, _, escape in pieces)

    assert 2 == everyone(f"Disallow: /{rule}$").judge(f"/{path}").line


KEYS = (b"user-agent:", b"disallow:", b"allow", b"crawl-delay:", b"request-rate:", b"sitemap:", b"steadycrawl")
MARKS = (b"*", b"/", b"$", b"%", b"%2", b"#", b"?", b":", b"1", b"-", b"index.htm", b" ", b"\n", b"\r", b"\0", b"\xff", b"\xef")
SCRAPS = st.lists(st.sampled_from(KEYS + MARKS)).map(b"".join)


@given(st.binary(max_size=200) | SCRAPS, st.text(max_size=20))
def test_nothing_in_a_file_or_a_path_is_an_error(body: bytes, path: str) -> None:
    """Whatever the wire brings, there is a verdict and a delay that can be slept."""
    rules = Robots.parse(body)

    assert rules.judge(path) == rules.judge(path)
    assert rules.crawl_delay is None or 0 <= rules.crawl_delay < math.inf
    assert NO_RULE == rules.judge("/robots.txt")


# Where Protego must agree: no record between agents, no dollar sign in a path, whole product tokens.
RULE = st.builds(
    "{}: /{}{}".format,
    st.sampled_from(["Allow", "Disallow"]),
    st.text("ab/*?.", max_size=6),
    st.sampled_from(["", "", "$"]),
)
GROUP = st.builds(
    lambda agents, rules: [f"User-agent: {agent}" for agent in agents] + rules,
    st.lists(st.sampled_from(["*", "steadycrawl", "SteadyCrawl", "other"]), min_size=1, max_size=3),
    st.lists(RULE | st.sampled_from(["Disallow:", "Allow:", "# note", "", "Sitemap: https://a.example/"]), max_size=6),
)


@given(st.lists(GROUP, max_size=4), st.text("ab/?.", max_size=8), st.sampled_from(["steadycrawl", "other", "third"]))
def test_protego_agrees(groups: list[list[str]], rest: str, agent: str) -> None:
    """An independent parser and matcher gives the same verdicts and sitemaps."""
    body = "\n".join(line for group in groups for line in group)
    theirs, ours = Protego.parse(body), Robots.parse(body.encode(), agent)

    assert theirs.can_fetch(f"https://a.example/{rest}", agent) == ours.judge(f"/{rest}").allowed
    assert set(theirs.sitemaps) == set(ours.sitemaps)


# --- hostile files ------------------------------------------------------------------------------------------------


def steps(action: Callable[[], object]) -> int:
    """Count the calls that *action* makes, of Python and of C functions: a clock that no machine slows down."""
    count = 0

    def tick(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(tick)
    try:
        action()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("stars", [10, 100, 1000, 8000])
@pytest.mark.parametrize("length", [10, 100, 4000])
def test_a_rule_of_many_wildcards_is_answered_in_linear_time(stars: int, length: int) -> None:
    """`/*a*a*a...*b$` sends a matcher that goes back into the next century."""
    rules = everyone("Disallow: /" + "*a" * stars + "*b$")
    path = "/" + "a" * length

    assert allows(rules, path)
    assert steps(lambda: rules.judge(path)) <= 2 * min(stars, length) + 20


def test_ten_thousand_plain_rules_cost_a_query_no_more_than_ten() -> None:
    """Rules are looked up by length, not asked one by one."""
    few, many = (everyone(*(f"Disallow: /{number:05}" for number in range(count))) for count in (10, 10_000))

    assert 10_001 == many.judge("/09999/a").line
    assert steps(lambda: few.judge("/a/b/c")) == steps(lambda: many.judge("/a/b/c"))


@pytest.mark.parametrize("pattern", ["/*word{:05}", "/*word{:05}$", "/dir{:05}/*.html$", "/*a*{:05}"])
def test_ten_thousand_wildcard_rules_are_not_asked_one_by_one(pattern: str) -> None:
    """Most of them need three octets in a row that the path does not hold."""
    rules = everyone(*(f"Disallow: {pattern.format(number)}" for number in range(10_000)))
    hit = pattern.format(9_876).replace("*", "/x/").rstrip("$")

    assert 9_878 == rules.judge(hit).line
    assert steps(lambda: rules.judge("/some/quite/ordinary/path?with=a&query=string")) < 500


def test_what_would_take_too_long_to_decide_is_forbidden() -> None:
    """A file made to be slow stops itself, and nobody else; the verdict says so, and names no line."""
    rules = everyone(*(f"Disallow: /*{'a' * 90}b{number}" for number in range(5000)))
    verdict = rules.judge("/" + "a" * 4000)

    assert 5000 * 90 * 4000 > MAX_WORK
    assert (False, None) == (verdict.allowed, verdict.line)
    assert "too many wildcard rules" in str(verdict.text)
    assert allows(rules, "/" + "a" * 40)


def test_a_large_honest_file_is_far_from_too_much() -> None:
    """A thousand wildcard rules and a path of two thousand octets are decided as usual."""
    rules = everyone("Allow: /", *(f"Disallow: /*{'a' * 20}b{number}" for number in range(1000)))

    assert 2 == rules.judge("/" + "a" * 2000).line
