"""What people read while a crawl runs, at its beginning and at its end: pure functions of what happened."""

import io
import re

import msgspec
import pytest

from crawler import words
from crawler.cli import closing, opening, progress
from crawler.cli.closing import FailOn, Way, exit_code, read_fail_on
from crawler.cli.errors import Wrong
from crawler.cli.settings import Effective, resolve
from crawler.cli.terminal import Voice, has_colour
from crawler.core.metrics import Snapshot, Summary, Waiting
from crawler.core.settings import Settings
from crawler.hooks import Notice, Progress, RunEnded, RunStarted, SettingsApplied, Stopping

SNAPSHOT = Snapshot(
    elapsed=31.4, pages=1284, run_pages=1284, queued=4310, errors=23, bytes=10_000_000, pages_per_second=41.2,
    bytes_per_second=2_100_000.0, hosts=12, in_flight=30, trend=1,
)  # fmt: skip
SLOW = Waiting("shop.example.com", 58.2, "rests: does not answer")
SUMMARY = Summary(outcome="finished", elapsed=242.0, pages=500, run_pages=500, bytes=18_600_000, queued=0, errors=())
WAY = Way("crawler", ("seeds/docs.txt",), output="output/docs")


def but(value, **changes):
    return msgspec.structs.replace(value, **changes)


def test_the_line_says_how_far_how_fast_and_how_long():
    assert "  1,284 pages · 4,310 queued ↑ · 23 errors · 41/s · 2.1 MB/s · 12 hosts · 0:31" == progress.line(SNAPSHOT)


def test_the_line_foretells_an_end_only_when_there_is_one():
    line = progress.line(but(SNAPSHOT, eta=75.0, trend=-1), goal=2000)

    assert "  1,284 pages · 64 % · 4,310 queued ↓ · 23 errors · 41/s · 2.1 MB/s · 12 hosts · 0:31 · 1:15 left" == line


@pytest.mark.parametrize("columns", range(5, 100))
def test_the_line_fits_every_width(columns):
    assert len(progress.line(but(SNAPSHOT, eta=75.0), columns, goal=2000)) <= columns


def test_what_matters_least_goes_first():
    assert "  1,284 pages · 4,310 queued ↑ · 23 errors · 41/s · 0:31" == progress.line(SNAPSHOT, 60)
    assert "  1,284 pages · 4,310 queued ↑" == progress.line(SNAPSHOT, 32)


def test_the_slowest_is_named_now_and_then():
    named = [progress.line(but(SNAPSHOT, elapsed=float(second), waiting=(SLOW,))) for second in range(30)]

    assert 6 == sum("waiting" in line for line in named)
    assert (
        "  1,284 pages · 4,310 queued · 23 errors · 41/s · waiting: shop.example.com (rests: does not answer), next in 0:58" == named[14]
    )


def test_the_slowest_is_named_always_while_nothing_else_happens():
    waiting = (but(SLOW, why="asks for 10 s between requests"), Waiting("b.example", 3.0, "asks for 10 s between requests"))

    line = progress.line(but(SNAPSHOT, elapsed=0.0, pages_per_second=0.0, waiting=waiting))

    assert line.endswith("0/s · waiting: 2 hosts (asks for 10 s between requests), the last in 0:58")


def test_a_polite_second_is_not_worth_naming():
    assert "waiting" not in progress.line(but(SNAPSHOT, pages_per_second=0.0, waiting=(but(SLOW, seconds=0.4),)))


def test_a_stop_counts_down():
    line = progress.line(but(SNAPSHOT, stopping=True, in_flight=7), grace=6.6)

    assert "  stopping: 7 requests still running, 7 s left · 1,284 pages · 4,310 queued" == line


def test_a_hostile_host_name_cannot_steer_the_terminal():
    line = progress.line(but(SNAPSHOT, pages_per_second=0.0, waiting=(Waiting("\x1b[2Jevil", 9.0, "\x9b31m"),)))

    assert not set("\x1b\x9b") & set(line)


# --- displays ---------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self):
        return True


def told(display, stream, *events):
    watcher = progress.Watcher(display)
    for event in events:
        watcher(event)
    return stream.getvalue()


def test_a_pipe_gets_a_line_after_ten_seconds_and_then_one_a_minute():
    stream = io.StringIO()
    display = progress.display(Voice(stream=stream), "auto", goal=None)

    text = told(display, stream, *(Progress(but(SNAPSHOT, elapsed=second / 5)) for second in range(190 * 5)))

    assert ["0:10", "1:00", "2:00", "3:00"] == [line.rpartition(" ")[2] for line in text.splitlines()]
    assert "\x1b" not in text


def test_a_terminal_gets_one_line_drawn_at_most_five_times_a_second(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    display = progress.display(Voice(stream=stream), "auto", goal=None, term="xterm")

    text = told(
        display, stream, *(Progress(but(SNAPSHOT, elapsed=tick / 100)) for tick in range(100)), Notice("[bold]hello\x1b[0m"),
        RunEnded(but(SUMMARY, elapsed=1.0)),
    )  # fmt: skip

    assert 5 <= text.count("queued") <= 8
    assert "  [bold]hello\\x1b[0m\n" in text
    assert "500 pages" in text.splitlines()[-2]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


@pytest.mark.parametrize(
    ("style", "quiet", "term", "shared", "expected"),
    [
        ("auto", False, "xterm", False, progress.LiveLine),
        ("auto", False, "dumb", False, progress.PlainLines),
        ("auto", False, "xterm", True, progress.PlainLines),
        ("plain", False, "xterm", False, progress.PlainLines),
        ("off", False, "xterm", False, progress.Silence),
        ("line", True, "xterm", False, progress.Silence),
    ],
)
def test_which_display_is_used(style, quiet, term, shared, expected):
    voice = Voice(stream=Terminal(), quiet=quiet)

    assert type(progress.display(voice, style, goal=None, term=term, shared=shared)) is expected


def test_stops_notices_and_changes_are_told():
    stream = io.StringIO()
    display = progress.display(Voice(stream=stream), "plain", goal=None)

    text = told(
        display, stream, Progress(SNAPSHOT), Stopping(37, 10.0, 1), Stopping(0, 10.0, 1), Stopping(2, 10.0, 2), Notice("n"),
        SettingsApplied(212, 1), SettingsApplied(0, 0),
    )  # fmt: skip

    assert [
        "Stopping: 37 requests still running, up to 10 s. Ctrl-C again to drop them.",
        "Dropping 2 requests; they stay queued. Ctrl-C once more ends at once, which is safe too.",
        "  n",
        "  212 URLs became allowed, 1 URL no longer is",
    ] == text.splitlines()[1:]


def test_silence_tells_notices_only():
    stream = io.StringIO()
    display = progress.display(Voice(stream=stream), "off", goal=None)

    assert "  n\n" == told(display, stream, Progress(but(SNAPSHOT, elapsed=70.0)), Notice("n"), RunEnded(SUMMARY))


def test_a_standard_error_that_is_gone_ends_nothing():
    stream = io.StringIO()
    stream.close()
    voice = Voice(stream=stream)

    voice.say("hello")
    voice.say("again")


@pytest.mark.parametrize(
    ("choice", "environ", "terminal", "coloured"),
    [
        ("auto", {}, True, True),
        ("auto", {}, False, False),
        ("auto", {"NO_COLOR": "1"}, True, False),
        ("auto", {"TERM": "dumb"}, True, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, True),
        ("never", {"FORCE_COLOR": "1"}, True, False),
        ("always", {"NO_COLOR": "1"}, False, True),
    ],
)
def test_colour_is_decided_as_everywhere(choice, environ, terminal, coloured):
    assert coloured is has_colour(Terminal() if terminal else io.StringIO(), choice, environ)


# --- first and last words ---------------------------------------------------------------------------------------

STARTED = RunStarted("output/docs", resumed=False, pages=0, queued=2, clean=True, repeated=0, seeds=2, new_seeds=0)


def test_a_first_run_says_what_it_will_do():
    effective = Effective(Settings(max_pages=500, contact="me@example.org"), {})

    lines = opening.lines(STARTED, effective, "1.0")

    assert ["crawler 1.0 → output/docs   2 seeds · scope host · limit 500 pages · robots.txt respected"] == lines


def test_a_first_run_reminds_of_manners():
    lines = opening.lines(STARTED, Effective(Settings(robots=False, depth=3), {}), "1.0")

    assert lines[0].endswith("2 seeds · scope host · depth 3 · robots.txt IGNORED")
    assert ["  no contact is set: --contact ADDRESS lets the owners of sites reach you"] == lines[1:]


def test_a_run_that_goes_on_says_where_and_what_changed():
    event = but(STARTED, resumed=True, pages=1321, queued=4288, clean=False, repeated=76, new_seeds=1)
    effective = resolve({"depth": "4"}, {"CRAWLER_DEPHT": "1"}, ("output/docs", {"depth": 3}))

    assert [
        "Continuing output/docs: 1,321 pages done, 4,288 waiting, 1 new seed (last run was killed, at most 76 requests may be repeated).",
        "  changed since last run: depth 3 → 4",
        "  CRAWLER_DEPHT in the environment is no setting; did you mean CRAWLER_DEPTH?",
    ] == opening.lines(event, effective, "1.0")


def test_nothing_is_announced_where_nothing_is_left():
    assert [] == opening.lines(but(STARTED, resumed=True, queued=0), resolve({}, {}), "1.0")


def test_reaching_a_limit_says_how_to_go_on():
    summary = but(SUMMARY, outcome="limit", limit="500 pages", elapsed=13.0, queued=1911, errors=(("404", 3), ("timeout", 1)))

    assert [
        "Reached your limit of 500 pages in 13 s (18.6 MB, 500 pages saved, 4 errors, 1,911 URLs waiting).",
        "  errors     3 × 404, 1 × timeout   crawler query errors",
        "  continue                          crawler seeds/docs.txt -n 1000",
    ] == closing.lines(summary, but(WAY, max_pages=500))


def test_another_limit_does_not_raise_the_pages():
    summary = but(SUMMARY, outcome="limit", limit="60 s", pages=10)

    assert "  continue   crawler seeds/docs.txt" == closing.lines(summary, but(WAY, max_pages=500))[-1]


def test_a_stop_says_that_nothing_is_lost():
    summary = but(SUMMARY, outcome="stopped", pages=1321, queued=4288, signal=2)

    assert [
        "Stopped. 1,321 pages saved, 4,288 URLs waiting. Nothing is lost.",
        "  continue   python -m crawler 'my seeds.txt' -o out",
    ] == closing.lines(summary, Way("python -m crawler", ("my seeds.txt",), ("-o", "out")))
    assert "2 requests dropped, still queued." in closing.lines(but(summary, dropped=2), WAY)[0]


def test_hosts_that_are_put_off_are_named():
    hosts = tuple((f"h{number}.example", "does not answer", 40) for number in range(7))
    lines = closing.lines(but(SUMMARY, outcome="parked", pages=12, parked=hosts, errors=(("timeout", 4),)), WAY)

    assert "Finished for now in 4 min 02 s: 12 pages (18.6 MB), 4 errors, 7 hosts put off." == lines[0]
    assert "  put off   h0.example: does not answer, 40 URLs" in lines
    assert re.fullmatch(r" +and 2 more hosts +crawler query parked", lines[-2])
    assert re.fullmatch(r"  later +crawler seeds/docs.txt", lines[-1])


def test_a_finished_run_says_where_to_look():
    lines = closing.lines(but(SUMMARY, skipped=(("scope", 1203), ("robots", 12))), WAY)

    assert [
        "Finished in 4 min 02 s: 500 pages (18.6 MB), 0 errors.",
        "  skipped   1,203 × scope, 12 × robots   crawler query excluded",
        "  look                                   crawler query pages",
    ] == lines


def test_a_crawl_that_was_finished_already_says_so():
    lines = closing.lines(but(SUMMARY, run_pages=0), but(WAY, resumed=True))

    assert "output/docs is finished: 500 pages, nothing is waiting." == lines[0]
    assert "  anew    crawler seeds/docs.txt --fresh   (keeps the old folder under another name)" == lines[-1]
    assert "  again   crawler seeds/docs.txt --recrawl 1d   (asks again what was last asked more than a day ago)" == lines[-2]
    assert "--fresh" not in " ".join(closing.lines(but(SUMMARY, run_pages=0), but(WAY, resumed=True, fresh=False)))


def test_a_recrawl_says_what_became_of_what_was_known():
    summary = but(SUMMARY, run_pages=12, unchanged=480, changed=10, gone=1, recrawl=True)

    assert "  recrawl   480 unchanged, 10 changed, 1 gone or moved, 2 new   crawler diff" == closing.lines(summary, WAY)[1]
    nothing = closing.lines(but(SUMMARY, run_pages=0, recrawl=True), but(WAY, resumed=True))
    assert "output/docs is finished: 500 pages, nothing is old enough to be asked again." == nothing[0]
    assert "--recrawl" not in "".join(nothing)


def test_a_run_that_fetched_nothing_says_so():
    summary = but(SUMMARY, pages=0, run_pages=0, bytes=0, errors=(("dns", 1),))

    assert "Nothing could be fetched in 4 min 02 s: 1 error." == closing.lines(summary, WAY)[0]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, 0),
        ({"errors": (("404", 90),)}, 0),
        ({"outcome": "limit", "limit": "1 page"}, 0),
        ({"pages": 0, "run_pages": 0, "errors": (("dns", 1),)}, 3),
        ({"pages": 0, "run_pages": 0}, 0),
        ({"outcome": "failed"}, 3),
        ({"outcome": "parked"}, 7),
        ({"outcome": "parked", "pages": 0, "errors": (("dns", 1),)}, 3),
        ({"outcome": "parked", "pages": 0, "parked": (("a.example", "dns", 1),)}, 3),
        ({"outcome": "stopped", "signal": 2}, 130),
        ({"outcome": "stopped", "signal": 15}, 143),
        ({"outcome": "stopped", "signal": 1}, 129),
        ({"outcome": "stopped", "signal": None}, 130),
    ],
)
def test_the_exit_code_says_how_a_run_ended(changes, code):
    assert code == exit_code(but(SUMMARY, **changes))


def test_fail_on_counts_or_takes_a_share():
    summary = but(SUMMARY, run_pages=95, errors=(("404", 5),))

    assert [0, 8, 0, 8] == [exit_code(summary, read_fail_on(text)) for text in ("errors=5", "errors=4", "errors=5%", "errors = 4.9 %")]
    assert FailOn(0.05, share=True) == read_fail_on("errors=5%")
    with pytest.raises(Wrong, match="--fail-on must be"):
        read_fail_on("pages=3")


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (words.size(0), "0 B"),
        (words.size(999), "999 B"),
        (words.size(18_600_000), "18.6 MB"),
        (words.size(250_000), "250 kB"),
        (words.size(3 * 10**12), "3.0 TB"),
        (words.rate(0.0), "0/s"),
        (words.rate(0.7), "0.7/s"),
        (words.rate(41.2), "41/s"),
        (words.clock(31.9), "0:31"),
        (words.clock(3723), "1:02:03"),
        (words.clock(-1), "0:00"),
        (words.span(0.42), "0.4 s"),
        (words.span(13.2), "13 s"),
        (words.span(242), "4 min 02 s"),
        (words.span(7500), "2 h 05 min"),
        (words.count(1, "page"), "1 page"),
        (words.count(2, "entry", "entries"), "2 entries"),
        (words.listed(["a", "b", "c"], 2), "a, b, and 1 more"),
    ],
)
def test_numbers_read_like_numbers(shown, text):
    assert text == shown
