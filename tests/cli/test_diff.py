"""`diff`: what changed between two runs, told from the requests alone."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from importlib import resources

import pytest

from crawler.core import urls
from crawler.core.model import FAULT_CODE, FAULT_MEANINGS, KIND_CODE, STATE_MEANINGS, Fault, Kind
from crawler.query import difference
from crawler.query.difference import Span
from crawler.query.lines import is_text, text_lines
from crawler.query.reader import APPLICATION_ID, FORMAT, Reader

SECRET = bytes(16)
DAY = 86_400_000
NAMES = ("same", "changed", "gone", "moved", "new", "back", "trouble", "alias", "esc", "never", "picture", "missing")
OLD = "<title>News</title><nav>menu</nav><p>Price: <b>10</b>\neuros</p><pre>one\n two</pre><script>var x</script>"
# run, page, status, fault, text of the body, redirect or canonical
REQUESTS = (
    (1, "same", 200, None, "same", None), (1, "changed", 200, None, OLD, None), (1, "gone", 200, None, "gone", None),
    (1, "moved", 200, None, "moved", None), (1, "back", 404, None, None, None), (1, "trouble", 200, None, "trouble", None),
    (1, "alias", 200, None, "alias", None), (1, "esc", 200, None, "a\tb", None), (1, "never", 404, None, None, None),
    (1, "picture", 200, None, "\0PNG1", None), (1, "missing", 200, None, "missing", None),
    (3, "same", 304, None, None, None), (3, "changed", 200, None, OLD.replace("10", "20"), None), (3, "gone", 410, None, None, None),
    (3, "moved", 301, None, None, "new"), (3, "new", 200, Fault.PARSE, "new", None), (3, "back", 200, None, "back", None),
    (3, "trouble", 503, None, None, None), (3, "trouble", None, Fault.RESET, None, None), (3, "alias", 200, None, None, "same"),
    (3, "esc", 200, None, "a\tb\x1b[31m", None), (3, "never", 404, None, None, None), (3, "picture", 200, None, "\0PNG2", None),
    (3, "missing", 200, None, "missing 2", None), (3, "robots.txt", 200, None, "robots", None),
    (4, "changed", 200, None, OLD, None),
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A crawl of four runs, of which the second asked nothing."""
    place = tmp_path_factory.mktemp("crawl")
    with closing(sqlite3.connect(place / "crawl.db")) as db:
        db.executescript(resources.files("crawler.frontier").joinpath("schema.sql").read_text(encoding="utf-8"))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("INSERT INTO meta VALUES ('secret', ?)", (SECRET.hex(),))
        db.executemany("INSERT INTO kind VALUES (?, ?)", [(code, kind.value) for kind, code in KIND_CODE.items()])
        db.executemany("INSERT INTO fault VALUES (?, ?, ?)", [(FAULT_CODE[one], one.value, said) for one, said in FAULT_MEANINGS.items()])
        db.executemany("INSERT INTO state VALUES (?, ?, ?, 0)", [(state, state.name.lower(), said) for state, said in STATE_MEANINGS.items()])
        db.executemany("INSERT INTO run (run_id, started_at, version, argv, config) VALUES (?, ?, '1', '', '{}')", [(run, run * DAY) for run in range(1, 5)])
        db.execute("INSERT INTO host (host_id, name, site) VALUES (1, 'h.test', 'h.test')")
        db.execute("INSERT INTO origin (origin_id, host_id, origin) VALUES (1, 1, 'https://h.test')")
        for row, name in enumerate((*NAMES, "robots.txt"), 1):
            mark, kind = urls.fingerprint(urls.key(f"https://h.test/{name}"), SECRET), KIND_CODE[Kind.ROBOTS if name == "robots.txt" else Kind.A]
            columns = "url_id, fingerprint, origin_id, host_id, path, state, depth, priority, kind"
            db.execute(f"INSERT INTO url ({columns}) VALUES (?, ?, 1, 1, ?, 1, 0, 0, ?)", (row, mark, f"/{name}", kind))
        for request in REQUESTS:
            add(db, place, *request)
        db.commit()
    (place / "pages" / hashlib.sha256(b"missing").hexdigest()).unlink()
    return place


def add(db, place, run, name, status, fault, text, other):
    body = mime = None
    if text is not None:
        digest, mime = hashlib.sha256(text.encode()), "image/png" if "PNG" in text else "text/html"
        (place / "pages").mkdir(exist_ok=True)
        (place / "pages" / digest.hexdigest()).write_text(text)
        db.execute("INSERT OR IGNORE INTO body (digest, bytes, file) VALUES (?, ?, ?)", (digest.digest(), len(text), f"pages/{digest.hexdigest()}"))
        [(body,)] = db.execute("SELECT body_id FROM body WHERE digest = ?", (digest.digest(),)).fetchall()
    row = (*NAMES, "robots.txt").index(name) + 1
    target = None if other is None else NAMES.index(other) + 1
    columns = "url_id, run_id, at, status, fault, body_id, mime, redirect_id, canonical_id, title"
    values = (row, run, run * DAY, status, fault and FAULT_CODE[fault], body, mime, target if status == 301 else None, target if status == 200 else None, name)
    db.execute(f"INSERT INTO fetch ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values)


def changes(called, folder, *words) -> list[tuple[str, str]]:
    code, out, _ = called("diff", *words, "-o", folder, "--json")
    assert code == 0
    return [(row["change"], row["url"].removeprefix("https://h.test/")) for row in map(json.loads, out.splitlines())]


CHANGED = [
    ("new", "new"), ("new", "back"), ("changed", "changed"), ("changed", "esc"), ("changed", "picture"), ("changed", "missing"), ("gone", "gone"),
    ("moved", "moved"), ("moved", "alias"),
]  # fmt: skip


def test_pages_that_are_new_changed_gone_and_moved_are_told(called, folder):
    assert CHANGED == changes(called, folder, 1, 3) == changes(called, folder, 2, 3)
    code, out, err = called("diff", "1", "3", "-o", folder)
    assert (0, "run 1 to run 3: 2 new, 4 changed, 1 gone, 2 moved, 1 unchanged\n") == (code, err)
    assert "moved\thttps://h.test/moved\t301\thttps://h.test/new\tmoved\t5\t\t" in out.splitlines()
    assert "moved\thttps://h.test/alias\t200\thttps://h.test/same\talias\t5\t\t" in out.splitlines()


def test_the_last_two_runs_are_compared_where_none_is_named(called, folder):
    assert [("changed", "changed")] == changes(called, folder)


def test_what_changed_and_changed_back_did_not_change(called, folder):
    assert ("changed", "changed") not in changes(called, folder, 1, 4)


def test_before_the_first_run_there_was_nothing(called, folder):
    assert {"new"} == {change for change, _ in changes(called, folder, 0, 1)}


@pytest.mark.parametrize(("words", "error"), [
    (("3", "1"), "nothing can be compared between run 3 and run 1: there are runs 1 to 4"), (("1", "9"), "between run 1 and run 9"),
    (("1",), "diff takes two runs, or none, and one URL at most"), (("https://a/", "https://b/"), "diff takes two runs"),
    (("http://",), "is no usable URL"),
])  # fmt: skip
def test_runs_that_there_are_not_are_refused(called, folder, words, error):
    code, out, err = called("diff", *words, "-o", folder)
    assert (2, "") == (code, out)
    assert error in err


def test_what_a_page_says_is_compared_line_by_line(called, folder):
    code, out, _ = called("diff", "1", "3", "https://h.test/changed", "-o", folder)
    assert 0 == code
    assert [
        "--- https://h.test/changed\t1970-01-02 00:00:00 UTC, run 1", "+++ https://h.test/changed\t1970-01-04 00:00:00 UTC, run 3",
        "@@ -1,5 +1,5 @@", " News", " menu", "-Price: 10 euros", "+Price: 20 euros", " one", " two",
    ] == out.splitlines()  # fmt: skip
    _, out, _ = called("diff", "1", "3", "h.test/changed", "-o", folder, "--source")
    assert "-<title>News</title><nav>menu</nav><p>Price: <b>10</b>" in out.splitlines()


@pytest.mark.parametrize(("name", "first", "second", "code", "said"), [
    ("same", 1, 3, 0, "did not change"), ("changed", 1, 4, 0, "did not change"), ("never", 1, 3, 1, "was no page at the end of either run"),
    ("unseen", 1, 3, 1, "has never seen"), ("picture", 1, 3, 1, "is no text but image/png"), ("missing", 1, 3, 1, "is not there"),
])  # fmt: skip
def test_a_page_that_cannot_be_compared_says_why(called, folder, name, first, second, code, said):
    ended, out, err = called("diff", str(first), str(second), f"https://h.test/{name}", "-o", folder)
    assert (code, "") == (ended, out)
    assert said in err


def test_a_page_that_is_new_or_gone_is_shown_whole(called, folder):
    assert "+new" in called("diff", "1", "3", "https://h.test/new", "-o", folder)[1]
    assert "-gone" in called("diff", "1", "3", "https://h.test/gone", "-o", folder)[1]


def test_on_a_terminal_nothing_acts_on_it(called, folder, monkeypatch):
    monkeypatch.setattr("crawler.cli.diff.is_terminal", lambda _: True)
    _, out, _ = called("diff", "1", "3", "https://h.test/esc", "-o", folder, "--source")
    assert ["-a    b", "+a    b\\x1b[31m"] == out.splitlines()[-2:]


def test_the_end_of_a_run_is_found_in_a_few_looks(folder):
    with Reader.open(folder) as reader:
        assert Span(0, 1, 0, 11) == difference.span(reader, 0, 1)
        assert Span(1, 2, 11, 11) == difference.span(reader, 1, 2)
        assert Span(3, 4, 25, 26) == difference.span(reader)


def test_a_body_is_text_when_it_says_so_or_looks_so():
    assert [True, True, True, False, True, False] == [
        is_text(*one) for one in (("text/css", b"\0"), ("application/ld+json", b""), ("image/svg+xml", b""), ("image/png", b"a"), (None, b"a"), (None, b"\0"))
    ]


def test_blocks_are_lines_and_what_is_within_a_line_is_not():
    body = b"<div>a<p>b <i>c</i>\n d</p>e<br>f</div><table><tr><td>g<td>h</table><style>x</style><ul><li>i<li>j</ul>\x1e<p>k"
    assert ["a", "b c d", "e", "f", "g", "h", "i", "j", "k"] == text_lines(body, "text/html", "utf-8")
    assert ["a", "", "b"] == text_lines(b"a\n\nb", "text/plain", None)
