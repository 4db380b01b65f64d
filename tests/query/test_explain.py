"""Any URL can be explained, seen or not."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crawler.core import urls
from crawler.query.errors import UNUSABLE, QueryError
from crawler.query.explain import LONGEST_PATH, explain
from crawler.query.facts import Known
from crawler.query.reader import Reader
from crawler.query.spelling import changes
from crawler.query.wording import _moment, lines
from crawler.text import is_hidden

SITE = "https://site.example"
START = 1_790_000_000.0
SECRET = bytes(range(16))


def known(reader: Reader, url: str) -> Known:
    """Return what is recorded of a URL that was seen."""
    found = explain(reader, url).known
    assert found is not None
    return found


def mark(url: str) -> int:
    """Return the fingerprint of a spelt URL."""
    return urls.fingerprint(urls.key(url), SECRET)


# --- states -------------------------------------------------------------------------------------------------------


def test_a_page(reader: Reader) -> None:
    """Where it was found, how it was fetched, where it lies."""
    page = known(reader, f"{SITE}/a")
    assert (2, "done", 1, "a", 1, None, None) == (page.url_id, page.state, page.depth, page.seen_as, page.links, page.ahead, page.due)
    assert [f"{SITE}/a", f"{SITE}/"] == [step.url for step in page.path]
    [attempt] = page.attempts
    assert (START + 2, 1, 200, None, 0.08, 0.09, 900, "192.0.2.7") == (
        attempt.at, attempt.run_id, attempt.status, attempt.fault, attempt.ttfb, attempt.total, attempt.wire_bytes, attempt.ip,
    )  # fmt: skip
    assert page.stored is not None
    assert ("pages/site.example/00/a.html", 2_500, "text/html", "한국어 제목", False) == (
        page.stored.file, page.stored.bytes, page.stored.mime, page.stored.title, page.stored.truncated,
    )  # fmt: skip
    assert 64 == len(page.stored.sha256 or "")


def test_a_url_that_was_given_up(reader: Reader) -> None:
    """With every request, the latest first."""
    broken = known(reader, f"{SITE}/broken")
    assert ("failed", 3, None) == (broken.state, broken.tries, broken.stored)
    assert ["timeout", "reset", "reset"] == [attempt.fault for attempt in broken.attempts]
    assert "it was timeout" == broken.attempts[0].detail


def test_a_redirect(reader: Reader) -> None:
    """Names where it leads."""
    assert (301, f"{SITE}/a") == (known(reader, f"{SITE}/moved").attempts[0].status, known(reader, f"{SITE}/moved").attempts[0].target)


def test_a_url_that_waits_its_turn(reader: Reader, writer: sqlite3.Connection) -> None:
    """Behind those of its host that come first."""
    assert 0 == known(reader, f"{SITE}/queued").ahead
    writer.execute("UPDATE url SET state = 0 WHERE url_id IN (3, 4)")
    assert 2 == known(reader, f"{SITE}/queued").ahead
    assert START + 60 == known(reader, f"{SITE}/retry").due
    assert known(reader, f"{SITE}/retry").ahead is None


def test_a_url_of_a_parked_host_is_parked(reader: Reader) -> None:
    """As in the view urls."""
    put_off = known(reader, "https://other.example/x")
    assert ("parked", "does not answer") == (put_off.state, put_off.reason)
    assert "put off" in put_off.meaning
    assert ("parked", "robots") == (known(reader, "https://other.example/late").state, known(reader, "https://other.example/late").reason)


def test_an_excluded_url(reader: Reader) -> None:
    """With the rule, and the whole way to it."""
    out = known(reader, "https://out.example/")
    assert ("excluded", "scope", "scope host: out.example is no seed's host") == (out.state, out.reason, out.rule)
    assert [f"{SITE}/", f"{SITE}/a", f"{SITE}/hostile", "https://out.example/"] == [step.url for step in out.path[::-1]]


def test_every_url_of_the_view_is_explained_alike(reader: Reader) -> None:
    """State, reason and origin are what the view says."""
    for url, state, reason, seen_on in reader.all("SELECT url, state, reason, seen_on FROM urls"):
        found = known(reader, str(url))
        assert (url, state, reason) == (found.url, found.state, found.reason)
        assert (None if seen_on is None else seen_on) == (found.path[1].url if len(found.path) > 1 else None)


# --- spelling and sameness ----------------------------------------------------------------------------------------


def test_any_spelling_finds_the_row(reader: Reader) -> None:
    """The identity key decides, and the row shows how the URL was found."""
    found = explain(reader, "HTTPS://user:secret@Site.Example:443/./b/../%EA%B0%80?q=1#top")
    assert f"{SITE}/%EA%B0%80?q=1" == found.url
    assert found.known is not None
    assert f"{SITE}/%ea%b0%80?q=1" == found.known.url
    assert (
        "scheme in lower case", "user name and password removed", "host name in lower case", "default port removed",
        "dot segments removed", "fragment removed",
    ) == found.changes  # fmt: skip
    shown = "\n".join(lines(found))
    assert "known as" in shown
    assert "secret" not in shown


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("https://site.example/a", ()),
        ("https://site.example", ("path / added",)),
        ("https://site.example?a", ("path / added",)),
        ("https:\\\\site.example\\a", ("backslashes read as slashes",)),
        ("https:/site.example/a", ("spelt as browsers do",)),
        ("https://bücher.example/", ("host name in its ASCII form",)),
        ("https://site.example:/a", ("empty port removed",)),
        ("https://site.example:80/a", ()),
        ("http://[::1]:80/a", ("default port removed",)),
        ("https://0x7f.1/", ("host name in its ASCII form",)),
        ("https://site.example/a b/가", ("other characters percent-encoded",)),
        ("https://site.example/%2E%2e/a", ("dot segments removed",)),
        ("https://site.ex\nample/a", ("line breaks and tabs removed",)),
    ],
)
def test_what_spelling_changed(text: str, said: tuple[str, ...]) -> None:
    """In words that a person can check."""
    assert said == changes(text, urls.spell(text))


def test_a_bare_host_name_is_taken_for_https(reader: Reader) -> None:
    """As in a seed file; what looks like a scheme is left one."""
    found = explain(reader, "site.example/a")
    assert found.known is not None
    assert ("https:// put in front",) == found.changes
    assert "scheme mailto is not http or https" == explain(reader, "mailto:me@site.example").problem


NO_URLS = ["", "   ", "http://", "ftp://x/", "javascript:alert(1)", "https://exa mple/", "https://x/" + "a" * 5_000, "\x1b[31m"]


@pytest.mark.parametrize("text", NO_URLS)
def test_texts_that_are_no_url(reader: Reader, text: str) -> None:
    """Said, and shown without effect on the terminal."""
    found = explain(reader, text)
    assert (None, None) == (found.url, found.known)
    assert found.problem
    shown = lines(found)
    assert 3 == len(shown)
    assert not [char for line in shown for char in line if is_hidden(char)]


def test_a_collision_is_followed_to_the_next_free_value(reader: Reader, writer: sqlite3.Connection) -> None:
    """As the writer places it: the key decides, not the fingerprint."""
    first = mark(f"{SITE}/new")
    writer.execute("UPDATE url SET fingerprint = ? WHERE url_id = 3", (first,))
    writer.execute("UPDATE url SET fingerprint = ? WHERE url_id = 4", (first + 1,))
    columns = "url_id, fingerprint, origin_id, host_id, path, state, depth, priority, kind"
    writer.execute(f"INSERT INTO url ({columns}) VALUES (50, ?, 1, 1, '/new', 0, 1, 1, 1)", (first + 2,))
    assert 50 == known(reader, f"{SITE}/new").url_id
    writer.execute("DELETE FROM url WHERE url_id = 50")
    assert explain(reader, f"{SITE}/new").known is None


def test_probing_goes_round_at_the_highest_value(reader: Reader, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fingerprint is a signed 64-bit number."""
    monkeypatch.setattr(urls, "fingerprint", lambda *_: 2**63 - 1)
    writer.execute("UPDATE url SET fingerprint = ? WHERE url_id = 3", (2**63 - 1,))
    writer.execute("UPDATE url SET fingerprint = ? WHERE url_id = 2", (-(2**63),))
    assert 2 == known(reader, f"{SITE}/a").url_id


# --- not seen -----------------------------------------------------------------------------------------------------


def test_a_url_that_was_never_seen(reader: Reader) -> None:
    """What is known of its host and what robots.txt would say."""
    found = explain(reader, f"{SITE}/private/x")
    assert found.known is None
    assert found.host is not None
    assert ("site.example", 2, 7) == (found.host.name, found.host.queued, found.host.done)
    assert found.robots is not None
    assert (False, 2, "Disallow: /private", 2.0) == (found.robots.allowed, found.robots.line, found.robots.text, found.robots.crawl_delay)
    assert 'by line 2 "Disallow: /private"; Crawl-delay 2 s' in "\n".join(lines(found))


@pytest.mark.parametrize(
    "near",
    ["http://site.example/a", "https://www.site.example/a", "https://site.example/a/", "http://www.site.example/a"],
)
def test_a_similar_url_that_was_seen_is_named(reader: Reader, near: str) -> None:
    """People mistake http for https, www for none, and slashes at the end."""
    found = explain(reader, near)
    assert found.known is None
    assert (f"{SITE}/a",) == found.similar
    assert f"Try crawler explain {SITE}/a" == lines(found)[-1]


def test_refusals_that_were_only_counted(reader: Reader) -> None:
    """The URL may be one of them."""
    assert any("6 refused links of its host" in line for line in lines(explain(reader, "https://out.example/other")))


def test_a_host_that_was_never_seen(reader: Reader) -> None:
    """Nothing is known, and that is said."""
    found = explain(reader, "https://new.example/")
    assert (None, None, None, ()) == (found.known, found.host, found.robots, found.similar)
    assert "  host        never seen" in lines(found)


def test_an_unreadable_robots_txt_forbids_for_now(reader: Reader) -> None:
    """RFC 9309: unreachable is forbidden."""
    found = explain(reader, "https://other.example/x")
    assert found.robots is not None
    assert (False, "connect") == (found.robots.allowed, found.robots.fault)
    assert any("forbidden for now: it could not be read (connect)" in line for line in lines(found))


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, None, "allowed: there is none (404)"),
        (503, None, "forbidden for now: it answered 503"),
        (429, None, "forbidden for now: it answered 429"),
        (200, b"", "allowed: no line forbids it"),
        (None, None, "forbidden for now: it could not be read (no answer)"),
    ],
)
def test_what_robots_txt_means(reader: Reader, writer: sqlite3.Connection, status: int | None, body: bytes | None, words: str) -> None:
    """By its status."""
    writer.execute("UPDATE origin SET robots_status = ?, robots_txt = ? WHERE origin_id = 1", (status, body))
    assert any(words in line for line in lines(explain(reader, f"{SITE}/a")))


# --- bounds -------------------------------------------------------------------------------------------------------


def test_a_circle_of_parents_ends(reader: Reader, writer: sqlite3.Connection) -> None:
    """Better ways to a page can close one."""
    writer.execute("UPDATE url SET parent_id = 5 WHERE url_id = 2")
    assert [f"{SITE}/broken", f"{SITE}/a"] == [step.url for step in known(reader, f"{SITE}/broken").path]
    writer.execute("UPDATE url SET parent_id = 2 WHERE url_id = 2")
    assert [f"{SITE}/a"] == [step.url for step in known(reader, f"{SITE}/a").path]


def test_a_long_way_is_bounded_and_shortened(reader: Reader, writer: sqlite3.Connection) -> None:
    """A calendar leads a thousand steps on."""
    rows = [(number, number, f"/{number}", number - 1) for number in range(1_000, 3_000)]
    columns = "url_id, fingerprint, path, parent_id, origin_id, host_id, state, depth, priority, kind"
    writer.execute("BEGIN")
    writer.executemany(f"INSERT INTO url ({columns}) VALUES (?, ?, ?, ?, 1, 1, 0, 1, 1, 1)", rows)
    writer.execute("UPDATE url SET fingerprint = ? WHERE url_id = 2999", (mark(f"{SITE}/2999"),))
    writer.execute("COMMIT")
    found = explain(reader, f"{SITE}/2999")
    assert found.known is not None
    assert LONGEST_PATH + 1 == len(found.known.path)
    shown = lines(found)
    assert any("1,000+ steps" in line for line in shown)
    assert any("… 991 more" in line for line in shown)
    assert len(shown) < 30


def test_many_attempts_are_bounded(reader: Reader, writer: sqlite3.Connection) -> None:
    """The latest are shown."""
    writer.execute("BEGIN")
    writer.executemany("INSERT INTO fetch (url_id, run_id, at, status) VALUES (2, 1, ?, 500)", [(number,) for number in range(1_500)])
    writer.execute("COMMIT")
    found = explain(reader, f"{SITE}/a")
    assert found.known is not None
    assert 1_000 == len(found.known.attempts)
    assert any("and 990 or more before; -v shows them" in line for line in lines(found))
    assert 1_000 < len(lines(found, whole=True))


def test_a_database_without_its_key(reader: Reader, writer: sqlite3.Connection) -> None:
    """Nothing can be found in it."""
    for change in ("UPDATE meta SET value = 'xyz' WHERE key = 'secret'", "DELETE FROM meta WHERE key = 'secret'"):
        writer.execute(change)
        with pytest.raises(QueryError, match="lacks the key") as caught:
            explain(reader, f"{SITE}/a")
        assert UNUSABLE == caught.value.exit_code


# --- words --------------------------------------------------------------------------------------------------------


def test_an_explanation_in_words(reader: Reader) -> None:
    """As a person reads it."""
    assert [
        "https://out.example/",
        "  state       excluded: not fetched on purpose; see reason and rule",
        "  decided by  scope: scope host: out.example is no seed's host",
        "  seen on     https://site.example/hostile (link)",
        "  path        3 steps, depth 3",
        "                  0 https://site.example/ (seed)",
        "                  1 https://site.example/a (link)",
        "                  2 https://site.example/hostile (link)",
        "                  3 https://out.example/ (link)",
        "  requests    none",
        "  scope       refused: scope host: out.example is no seed's host",
        "  host        out.example: 0 queued, 0 done, 0 failed, 1 excluded",
    ] == lines(explain(reader, "https://out.example/"))


def test_the_words_of_a_page(reader: Reader) -> None:
    """Moments that are over are left out once the moment is known."""
    shown = lines(explain(reader, f"{SITE}/hostile"), now=START + 1_000)
    assert "  requests    2026-09-21 14:13:29 UTC, run 1, status 200, 70,000 bytes received, cut off, from 192.0.2.7" in shown
    assert "                  first byte 60 ms, in all 61 ms" in shown
    assert "  stored      pages/site.example/00/hostile.html (text/html, 900,000 bytes, only its beginning)" in shown
    assert "not before" not in "\n".join(shown)
    assert "not before 2026-09-21 14:13:20 UTC" in "\n".join(lines(explain(reader, f"{SITE}/hostile")))


def test_remote_words_are_made_safe(reader: Reader, writer: sqlite3.Connection) -> None:
    """Rules, details and robots lines may hold anything."""
    writer.execute("UPDATE url SET rule = ?, reason = 'trap' WHERE url_id = 5", ("\x1b[2J\u202e",))
    writer.execute("UPDATE fetch SET detail = ? WHERE url_id = 5", ("a\nb\x9b",))
    writer.execute("UPDATE origin SET robots_txt = ? WHERE origin_id = 1", ("User-agent: *\nDisallow: /broken\x1b\u202e*".encode(),))
    shown = lines(explain(reader, f"{SITE}/broken"))
    assert not [char for line in shown for char in line if is_hidden(char)]
    assert any("\\x1b[2J\\u202e" in line for line in shown)


def test_a_moment_beyond_the_calendar(reader: Reader, writer: sqlite3.Connection) -> None:
    """A damaged number is no reason to say nothing."""
    writer.execute("UPDATE url SET due_at = 9000000000000000000 WHERE url_id = 7")
    assert any(line.startswith("  next try    not before") for line in lines(explain(reader, f"{SITE}/retry")))
    assert "1" + 20 * "0" == _moment(1e20)


def test_facts_of_a_folder(crawl: Path) -> None:
    """A reader of the folder is all it takes."""
    with Reader.open(crawl) as reader:
        assert explain(reader, SITE).known is not None


def test_what_was_never_seen_is_judged_by_the_bounds_that_are_remembered(crawl, database):
    with Reader.open(crawl) as reader:
        inside = explain(reader, "https://site.example/never/seen")
        outside = explain(reader, "https://elsewhere.example/")

    assert inside.bounds is not None
    assert inside.bounds.allowed
    assert outside.bounds is not None
    assert (False, "scope") == (outside.bounds.allowed, outside.bounds.reason)
    assert "elsewhere.example is no seed's host" in "\n".join(lines(outside))
