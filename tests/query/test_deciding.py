"""Of every URL, seen or not, one rule is told: that which decided, or that which decides next."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import msgspec
import pytest

from crawler.core.model import FAULT_CODE, Fault, Reason
from crawler.core.patterns import pattern_of
from crawler.folder import held
from crawler.query.deciding import WORDS
from crawler.query.entering import folded_by
from crawler.query.explain import explain
from crawler.query.facts import Bounds, Decision
from crawler.query.reader import Reader
from crawler.query.wording import lines

SITE = "https://site.example"
START = 1_790_000_000.0


def decided(reader: Reader, url: str) -> Decision:
    """Return what decided over a URL."""
    found = explain(reader, url).decision
    assert found is not None
    return found


def bounds(reader: Reader, url: str) -> Bounds:
    """Return what the bounds make of a URL."""
    found = explain(reader, url).bounds
    assert found is not None
    return found


def set_to(writer: sqlite3.Connection, **settings: object) -> None:
    """Let the folder remember settings."""
    writer.execute("INSERT OR REPLACE INTO meta VALUES ('settings', ?)", (json.dumps(settings),))


# --- seen ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "by", "rule"),
    [
        ("/", "stored", "status 200, stored whole"),
        ("/missing", "status", "status 404, which is final"),
        ("/moved", "redirect", f"status 301 sends to {SITE}/a"),
        ("/broken", "timeout", "it was timeout, given up after 3 tries"),
        ("/queued", "rest", "site.example rests: answered 503"),
        ("/retry", "status", "status 503; try 2 of 3 is to come"),
        ("/hostile", "size", "it is larger than may be kept (--max-size), so only its beginning is: 900,000 bytes"),
        ("/copy", "type", "application/pdf is not read for links without --pdf"),
        ("/robots.txt", "skipped", "robots.txt is read for its rules, not kept as a page"),
    ],
)
def test_what_decided_over_what_was_seen(reader: Reader, path: str, by: str, rule: str) -> None:
    """One word and one sentence."""
    found = decided(reader, f"{SITE}{path}")
    assert (by, rule) == (found.by, found.rule)


def test_an_excluded_url_has_its_rule_and_a_parked_one_its_host_s(reader: Reader) -> None:
    """As the table has them."""
    assert Decision("scope", "scope host: out.example is no seed's host") == decided(reader, "https://out.example/")
    assert Decision("parked", "does not answer", START) == decided(reader, "https://other.example/x")


def test_a_duplicate_names_what_it_is_taken_for(reader: Reader, writer: sqlite3.Connection) -> None:
    """The canonical that the rule names, or what its fold makes of the URL."""
    writer.execute("UPDATE url SET state = 3, reason = 'duplicate', rule = ? WHERE url_id = 6", (f"fold canonical: {SITE}/a",))
    assert Decision("duplicate", f"fold canonical: {SITE}/a") == decided(reader, f"{SITE}/queued")
    writer.execute("UPDATE url SET state = 3, reason = 'duplicate', rule = 'fold tracking: without q' WHERE url_id = 14")
    assert "fold tracking: without q" == decided(reader, f"{SITE}/%ea%b0%80?q=1").rule, "it is no tracking parameter: nothing is made up"


def test_what_a_fold_made_of_a_url_is_made_again() -> None:
    """By the names of the folds in its rule."""
    assert f"{SITE}/?a=1" == folded_by("fold tracking: without utm_source", f"{SITE}/?a=1&utm_source=x")
    assert f"{SITE}/?a=1&b" == folded_by("fold query-order: sorted by name; fold index: without index.html", f"{SITE}/index.html?b&a=1")
    assert folded_by("fold novelty: x", f"{SITE}/") is None


@pytest.mark.parametrize(
    ("change", "by", "rule"),
    [
        ("truncated = 0, links_truncated = 1", "links", "it has more than 5,000 distinct links (--max-links), and the rest does not count"),
        ("truncated = 0", "stored", "status 200, stored whole"),
        ("truncated = 0, status = 304", "unchanged", "status 304: it is what was stored before"),
        ("mime = 'image/png', truncated = 0", "type", "image/png is not read for links"),
        ("truncated = 0, body_id = NULL", "stored", "status 200; its body is not kept"),
        (f"fault = {FAULT_CODE[Fault.PARSE]}, detail = 'longer than 2 s'", "parse", "longer than 2 s"),
        (f"fault = {FAULT_CODE[Fault.CRASH]}, detail = 'Traceback\n  x\nKeyError: 1\n'", "crash", "KeyError: 1, which is final"),
    ],
)
def test_what_is_missing_of_a_page(reader: Reader, writer: sqlite3.Connection, change: str, by: str, rule: str) -> None:
    """Size, links, type and fault each have a word."""
    writer.execute("UPDATE fetch SET links_truncated = 0 WHERE fetch_id = 9")
    writer.execute(f"UPDATE fetch SET {change} WHERE fetch_id = 9")
    found = decided(reader, f"{SITE}/hostile")
    assert (by, rule) == (found.by, found.rule)


def test_what_waits_tells_what_will_decide(reader: Reader, writer: sqlite3.Connection) -> None:
    """Changed bounds, robots.txt, the number of pages, the host, and at last its turn."""
    writer.execute("UPDATE host SET rest_reason = NULL WHERE host_id = 1")
    assert Decision("turn", "it is the next of its host", START + 0.5) == decided(reader, f"{SITE}/queued")
    set_to(writer, max_pages=5)
    assert Decision("pages", "the crawl has its 5 pages (--max-pages 5)") == decided(reader, f"{SITE}/queued")
    writer.execute("UPDATE origin SET robots_txt = ? WHERE origin_id = 1", (b"User-agent: *\nDisallow: /q",))
    assert Decision("robots", "robots.txt line 2: Disallow: /q; it is left out when its turn comes") == decided(reader, f"{SITE}/queued")
    set_to(writer, depth=1)
    found = decided(reader, f"{SITE}/queued")
    assert Decision("depth", "depth 2 is beyond the limit of 1; it is left out when its turn comes") == found
    set_to(writer, robots=False)
    assert "turn" == decided(reader, f"{SITE}/queued").by
    assert any("but not obeyed (--no-robots)" in line for line in lines(explain(reader, f"{SITE}/queued")))


def test_it_is_said_when_nobody_crawls(crawl: Path, reader: Reader) -> None:
    """What waits goes on waiting then."""
    assert any("nobody crawls at the moment (the last run was killed)" in line for line in lines(explain(reader, f"{SITE}/queued")))
    with held(crawl):
        found = explain(reader, f"{SITE}/queued")
    assert found.running
    assert not any("nobody crawls" in line for line in lines(found))


# --- not seen -----------------------------------------------------------------------------------------------------


def test_an_unseen_url_would_be_let_in(reader: Reader) -> None:
    """Then only a link to it is missing."""
    assert Bounds(allowed=True, reason=None, rule="scope host: site.example is a seed's host") == bounds(reader, f"{SITE}/new")
    assert "unseen" == decided(reader, f"{SITE}/new").by
    assert "  scope       allowed: scope host: site.example is a seed's host" in lines(explain(reader, f"{SITE}/new"))


def test_a_seen_url_is_judged_as_what_it_is(reader: Reader) -> None:
    """By its own kind and depth; robots.txt is not judged at all."""
    assert "it is a seed" == bounds(reader, f"{SITE}/").rule
    assert "scope host: out.example is no seed's host" == bounds(reader, "https://out.example/").rule
    assert explain(reader, f"{SITE}/retry").bounds is None, "an image that is queued was let in by another link, or other settings"
    assert explain(reader, f"{SITE}/robots.txt").bounds is None


@pytest.mark.parametrize(
    ("settings", "url", "reason", "rule"),
    [
        ({}, "https://new.example/", "scope", "scope host: new.example is no seed's host"),
        ({"scope": "site"}, "https://new.example/", "scope", "scope host: new.example is no seed's host"),
        ({"depth": 0}, f"{SITE}/new", "depth", "depth 1 is beyond the limit of 0"),
        ({"exclude": ["new$"]}, f"{SITE}/new", "scope", "exclude new$"),
        ({"include": ["/a"]}, f"{SITE}/new", "scope", "include: no pattern matches"),
        ({}, f"{SITE}/x/x/x/x", "trap", "path segment 'x' occurs 4 times, more than 3"),
        ({"leave": ["a"]}, f"{SITE}/new", "scope", "kind a: --leave a"),
        ({}, "http://site.example/robots.txt", "skipped", "robots.txt is read for its rules, not kept as a page"),
        ({"max_per_host": 3}, f"{SITE}/new", "limit", "more than 3 URLs of one host (--max-per-host)"),
        ({"max_per_site": 4}, f"{SITE}/new", "limit", "more than 4 URLs of site.example (--max-per-site)"),
    ],
)
def test_an_unseen_url_would_be_refused(
    reader: Reader, writer: sqlite3.Connection, settings: dict[str, object], url: str, reason: str, rule: str
) -> None:
    """By the rule that a link to it would meet, under the settings that the folder remembers."""
    set_to(writer, **settings)
    assert Bounds(allowed=False, reason=reason, rule=rule) == bounds(reader, url)
    assert Decision(reason, rule) == decided(reader, url)


def test_an_unseen_url_that_folds_names_the_other(reader: Reader, writer: sqlite3.Connection) -> None:
    """It would never be asked for; the other would."""
    set_to(writer, fold=["tracking"])
    assert Bounds(
        allowed=False, reason="duplicate", rule="fold tracking: without utm_source", duplicate_of=f"{SITE}/a"
    ) == bounds(reader, f"{SITE}/a?utm_source=x")  # fmt: skip
    assert f"fold tracking: without utm_source: the same page as {SITE}/a" == decided(reader, f"{SITE}/a?utm_source=x").rule


def test_a_damped_pattern_keeps_an_unseen_url_out(reader: Reader, writer: sqlite3.Connection) -> None:
    """As it would a link to it."""
    pattern = pattern_of(f"{SITE}/calendar/2030/1", whole_site=None)
    writer.execute("INSERT INTO pattern VALUES (?, 900, 899, 'closed', 1)", (pattern,))
    assert Decision("trap", f"the pages of {pattern} are all alike; --undamp lets it in") == decided(reader, f"{SITE}/calendar/2030/1")
    set_to(writer, undamp=["all"])
    assert "unseen" == decided(reader, f"{SITE}/calendar/2030/1").by


def test_hosts_that_no_seed_names_share_their_patterns_with_their_site(reader: Reader, writer: sqlite3.Connection) -> None:
    """As in a crawl: one trap may have a host of its own for every page."""
    set_to(writer, scope="any")
    writer.execute("""UPDATE ruleset SET options = '{}'""")
    for url, site in (("https://out.example/calendar/2030/1", "out.example"), ("https://x.new.example/calendar/2030/1", "new.example")):
        assert "unseen" == decided(reader, url).by
        writer.execute("INSERT INTO pattern VALUES (?, 900, 899, 'closed', 1)", (pattern_of(url, whole_site=site),))
        assert "trap" == decided(reader, url).by


def test_robots_txt_decides_over_an_unseen_url(reader: Reader, writer: sqlite3.Connection) -> None:
    """By its line; and where it could not be read, by that."""
    assert Decision("robots", "robots.txt line 2: Disallow: /private") == decided(reader, f"{SITE}/private/x")
    set_to(writer, robots=False)
    assert "unseen" == decided(reader, f"{SITE}/private/x").by
    set_to(writer)
    writer.execute("INSERT INTO seed VALUES ('https://other.example/', 0, 'seeds.txt', 2)")
    found = decided(reader, "https://other.example/new")
    assert Decision("robots", "robots.txt could not be read (connect), so nothing is asked for now") == found


def test_the_twin_that_a_seed_led_to_is_let_in(reader: Reader, writer: sqlite3.Connection) -> None:
    """The folder remembers it."""
    assert "scope" == bounds(reader, "https://www.site.example/new").reason
    writer.execute("INSERT INTO meta VALUES ('twins', '[[0, \"www.site.example\"]]')")
    assert bounds(reader, "https://www.site.example/new").allowed


def test_of_several_groups_of_seeds_the_kindest_counts(reader: Reader, writer: sqlite3.Connection) -> None:
    """Each group has bounds of its own, and a group without seeds has none."""
    writer.execute("""INSERT INTO ruleset VALUES (1, '{"scope": "any", "depth": 0}'), (2, '{"scope": "any"}')""")
    assert "scope host: new.example is no seed's host" == bounds(reader, "https://new.example/").rule
    writer.execute("INSERT INTO seed VALUES ('https://third.example/', 1, 'seeds.txt', 2)")
    assert "depth 1 is beyond the limit of 0" == bounds(reader, "https://new.example/").rule
    writer.execute("INSERT INTO seed VALUES ('https://fourth.example/', 2, 'seeds.txt', 3)")
    assert "the scope is any" == bounds(reader, "https://new.example/").rule


def test_a_scope_of_a_site_is_judged_by_the_site(reader: Reader, writer: sqlite3.Connection) -> None:
    """Of the seeds only those are read that can matter."""
    writer.execute("""UPDATE ruleset SET options = '{"scope": "site"}'""")
    assert "scope site: site.example is a seed's site" == bounds(reader, "https://deep.below.site.example/").rule
    assert "scope site: new.example is no seed's site" == bounds(reader, "https://www.new.example/").rule


def test_memories_that_nobody_can_read_are_left_out(reader: Reader, writer: sqlite3.Connection) -> None:
    """Anyone may have written to them: the rest is judged all the same."""
    set_to(writer, depth="deep", unknown=1, exclude=["new$"])
    writer.execute("INSERT OR REPLACE INTO meta VALUES ('twins', 'x')")
    writer.execute("INSERT INTO seed VALUES ('no url', 0, 'seeds.txt', 2)")
    assert "exclude new$" == bounds(reader, f"{SITE}/new").rule


# --- what else is told --------------------------------------------------------------------------------------------


def test_every_request_has_all_its_times(reader: Reader, writer: sqlite3.Connection) -> None:
    """Each step of it, in seconds; in words, in milliseconds."""
    writer.execute("UPDATE fetch SET dns_ms = 4, connect_ms = 11, tls_ms = 23, reused = 0 WHERE fetch_id = 2")
    found = explain(reader, f"{SITE}/a")
    assert found.known is not None
    [attempt] = found.known.attempts
    assert (0.004, 0.011, 0.023, 0.08, 0.09, False) == (
        attempt.dns, attempt.connect, attempt.tls, attempt.ttfb, attempt.total, attempt.reused,
    )  # fmt: skip
    assert "look-up 4 ms, connection 11 ms, TLS 23 ms, first byte 80 ms, in all 90 ms" in "\n".join(lines(found))
    writer.execute("UPDATE fetch SET dns_ms = NULL, connect_ms = NULL, tls_ms = NULL, reused = 1 WHERE fetch_id = 2")
    assert "over an open connection, first byte 80 ms" in "\n".join(lines(explain(reader, f"{SITE}/a")))


def test_redirects_are_followed_to_their_end(reader: Reader, writer: sqlite3.Connection) -> None:
    """Hop by hop; one that goes round in a circle ends."""
    writer.execute("UPDATE fetch SET status = 302, redirect_id = 1 WHERE fetch_id = 2")
    found = explain(reader, f"{SITE}/moved")
    assert found.known is not None
    assert [(f"{SITE}/a", 302), (f"{SITE}/", 200)] == [(hop.url, hop.status) for hop in found.known.redirects]
    assert f"  redirects   to {SITE}/a (status 302)" in lines(found)
    writer.execute("UPDATE fetch SET status = 302, redirect_id = 4 WHERE fetch_id = 1")
    circle = explain(reader, f"{SITE}/moved").known
    assert circle is not None
    assert 11 == len(circle.redirects)


def test_pages_of_the_same_content_are_named(reader: Reader) -> None:
    """Both ways round, by the digest of their bodies."""
    for url, other in ((f"{SITE}/a", f"{SITE}/copy"), (f"{SITE}/copy", f"{SITE}/a")):
        found = explain(reader, url)
        assert found.known is not None
        assert found.known.stored is not None
        assert (1, (other,)) == (found.known.stored.copies, found.known.stored.same_as)
        assert f"  same as     {other}" in lines(found)


def test_a_sitemap_that_lists_the_url_is_named(reader: Reader, writer: sqlite3.Connection) -> None:
    """With what it says of it."""
    writer.execute("INSERT INTO listing VALUES (2, 1, 1790000000, 0.8)")
    found = explain(reader, f"{SITE}/a")
    assert f"  listed in   {SITE}/ (changed 2026-09-21 14:13:20 UTC, priority 0.8)" in lines(found)
    writer.execute("UPDATE listing SET lastmod = NULL, priority = NULL")
    assert f"  listed in   {SITE}/" in lines(explain(reader, f"{SITE}/a"))


def test_every_word_that_decides_is_told_apart() -> None:
    """No word means two things."""
    assert not set(WORDS) & ({str(reason) for reason in Reason} | {str(fault) for fault in Fault} - {"redirect"})


def test_an_explanation_is_json(reader: Reader) -> None:
    """All of it, for a program."""
    told = json.loads(msgspec.json.encode(explain(reader, f"{SITE}/missing")))
    assert ("status", 404) == (told["decision"]["by"], told["known"]["attempts"][0]["status"])


# --- how fast -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", [f"{SITE}/a", f"{SITE}/queued", f"{SITE}/new", "https://never.example/"])
def test_no_table_that_grows_is_read_from_end_to_end(crawl: Path, url: str) -> None:
    """Every statement finds its rows by an index or a key, in a database of any size."""
    asked: list[tuple[str, object]] = []

    class Listening(Reader):
        def rows(self, sql, parameters=(), *, limit=None):      # type: ignore[no-untyped-def] # as in the class above
            if not sql.startswith(("EXPLAIN", "SELECT name FROM sqlite_schema")):
                asked.append((sql, parameters))
            return super().rows(sql, parameters, limit=limit)

    with Listening.open(crawl) as reader:
        explain(reader, url)
        grows = {"u", "f", "url", "fetch", "l", "link", "b", "body", "c", "n", "p", "t", "s", "origin", "o", "host", "listing"}
        for sql, parameters in asked:
            for *_, step in reader.all(f"EXPLAIN QUERY PLAN {sql}", parameters):    # type: ignore[arg-type] # what was asked with
                words = str(step).split()
                small = "FROM seed" in sql or "FROM run " in sql or "JOIN state s" in sql
                assert words[0] != "SCAN" or words[1] not in grows or small, f"{step} in {sql}"
    assert asked
