"""What Prometheus scrapes: read by its own parsers, named by its conventions, honest when little is known."""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path

import msgspec
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_text

from crawler.control.client import Reply
from crawler.core.forecast import Eta, NoEta, Until
from crawler.core.metrics import Snapshot, View
from crawler.dashboard import metrics
from crawler.dashboard.metrics import METERS, exposition, values
from crawler.folder import Holder
from crawler.query.hosts import Waiting
from crawler.query.status import RunStatus, Status

SCRAPER = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""What Prometheus 3 sends as Accept."""
RUN = RunStatus(3, 1_000.0, None, None, "1", 1_202, 3)
RUNNING = Status(
    "d/crawl.db", {"queued": 300, "done": 1_200}, 1_190, 1, 3, 1, RUN, Holder(7, "here", 1_000.0), (), 1_000_000,
    eta=Eta(60.0, 90.0, Until.END), waiting=Waiting(2, 5, 1),
)  # fmt: skip
AT_REST = msgspec.structs.replace(RUNNING, holder=None, run=msgspec.structs.replace(RUN, ended=1_090.0, outcome="finished"), eta=None)
SNAPSHOT = Snapshot(60.0, 1_200, 1_200, 300, 2, 5_000_000, 20.0, 80_000.0, 3, 5, -1)
VIEW = View((), (), (), (), {"404": 2, "timeout": 1}, 0.002, 90_000_000)
REPLY = Reply(ok=True, snapshot=SNAPSHOT, view=VIEW, settings={"concurrency": 64})


def change(struct, **more):
    return msgspec.structs.replace(struct, **more)


def scraped(status, reply, accept=""):
    """Return what a scraper makes of it: (series, labels) -> value."""
    body, content_type = exposition(status, reply, accept)
    read = read_openmetrics if content_type.startswith("application/openmetrics-text") else read_text
    families = list(read(body.decode()))
    assert [family.name for family in families] == [meter.name for meter in METERS if meter.name in values(status, reply)]
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


# --- formats --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("accept", ["", "*/*", "text/plain;version=0.0.4", SCRAPER, "application/openmetrics-text;version=0.0.1"])
@pytest.mark.parametrize(("status", "reply"), [(None, None), (AT_REST, None), (RUNNING, REPLY)], ids=["unreadable", "rest", "running"])
def test_every_format_says_the_same(status, reply, accept):
    assert scraped(status, reply) == scraped(status, reply, accept)


@pytest.mark.parametrize("accept", ["text/plain;version=x", "application/openmetrics-text;version=x", ";;q=,", "\xff", "text/html"])
def test_who_asks_for_what_there_is_not_gets_the_usual_format(accept):
    assert exposition(AT_REST, None) == exposition(AT_REST, None, accept)


async def test_the_media_type_says_which_format_came(client):
    for accept, kind, read in (
        (SCRAPER, "application/openmetrics-text; version=1.0.0; charset=utf-8", read_openmetrics),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8", read_text),
    ):
        async with client.get("/metrics", headers={"Accept": accept}) as answer:
            assert (200, kind) == (answer.status, answer.headers["Content-Type"].partition("; escaping")[0])
            found = {family.name: family for family in read(await answer.text())}
        assert 60 == found["crawler_pages"].samples[0].value
        assert {meter.name: meter.meaning for meter in METERS if meter.name in found} == {name: each.documentation for name, each in found.items()}


# --- names ----------------------------------------------------------------------------------------------------------


def test_names_follow_the_conventions():
    """https://prometheus.io/docs/practices/naming: base units at the end, total for what only grows, one prefix."""
    assert len(METERS) == len({meter.name for meter in METERS})
    for meter in METERS:
        assert re.fullmatch(r"crawler(_[a-z]+)+", meter.name)
        assert not re.search(r"_(?:total|count|sum|bucket|created|ms|milliseconds|minutes|kb|kib|mb|percent|rate)(?:_|$)", meter.name)
        assert re.search(r"_(?:seconds|bytes)$", meter.name) or not re.search("seconds|bytes", meter.name)
        assert re.fullmatch(r"[A-Z0-9].*[^.]\.", meter.meaning)
        assert "\n" not in meter.meaning
        assert meter.label is None or re.fullmatch("[a-z]+", meter.label)


def test_what_can_become_less_is_no_counter():
    """By retry and forget: Prometheus takes a counter that falls for one that began anew, and adds all of it."""
    counters = {meter.name for meter in METERS if meter.kind == "counter"}

    assert {"crawler_run_requests", "crawler_run_connections", "crawler_run_pages", "crawler_run_received_bytes", "crawler_run_errors"} == counters


def test_every_metric_is_given_at_some_time():
    given = values(None, None).keys() | values(AT_REST, None).keys() | values(RUNNING, REPLY).keys()

    assert {meter.name for meter in METERS} == given
    for meter in METERS:
        for status, reply in ((AT_REST, None), (RUNNING, REPLY)):
            value = values(status, reply).get(meter.name)
            assert value is None or (meter.label is not None) == isinstance(value, dict)


# --- when ----------------------------------------------------------------------------------------------------------


def when(word):
    return {meter.name for meter in METERS if meter.when == word}


def test_without_a_database_only_that_is_said():
    found = scraped(None, None)

    assert when(metrics.ALWAYS) == values(None, None).keys()
    assert (0, 1) == (found["crawler_up",], found["crawler_phase", "unreachable"])


def test_at_rest_nothing_is_on_its_way_and_nobody_knows_of_lag():
    found = values(AT_REST, None)

    assert found.keys() == when(metrics.ALWAYS) | when(metrics.READ) | when(metrics.RUN) | when(metrics.ENDED) | when(metrics.KNOWN)
    assert {0} == {found[name] for name in when(metrics.KNOWN)}
    assert 1_090.0 == found["crawler_run_end_time_seconds"]


def test_a_crawl_that_does_not_answer_has_no_numbers_that_only_it_knows():
    found = values(change(RUNNING, holder=Holder(7, "here", 1.0)), None)

    assert found.keys() == when(metrics.ALWAYS) | when(metrics.READ) | when(metrics.RUN)
    assert 1 == scraped(RUNNING, None)["crawler_phase", "unreachable"]


def test_a_crawl_before_its_first_run_has_none():
    assert when(metrics.RUN).isdisjoint(values(change(AT_REST, run=None), None))


def test_what_the_crawl_says_of_itself_counts_more_than_the_database_of_some_seconds_ago():
    found = scraped(RUNNING, REPLY)

    assert (1_200, 2, 5, 64) == tuple(found[f"crawler_{name}",] for name in ("pages", "errors", "requests_in_flight", "concurrency"))
    assert {("crawler_run_errors_total", "404"): 2, ("crawler_run_errors_total", "timeout"): 1} == {
        key: value for key, value in found.items() if key[0] == "crawler_run_errors_total"
    }
    assert 1 == scraped(AT_REST, REPLY)["crawler_running",]      # it began a moment ago


@pytest.mark.parametrize("eta", [None, NoEta("why"), Eta(60.0, None, Until.END)])
def test_an_end_is_told_as_far_as_it_can_be_foretold(eta):
    found = values(change(RUNNING, eta=eta), REPLY)

    assert ("crawler_remaining_min_seconds" in found, False) == (isinstance(eta, Eta), "crawler_remaining_max_seconds" in found)
    assert "crawler_remaining_min_seconds" not in values(change(AT_REST, eta=eta), None)


@pytest.mark.parametrize(
    ("phase", "status", "reply"),
    [
        ("running", RUNNING, REPLY), ("paused", RUNNING, change(REPLY, paused=True)), ("over", AT_REST, None), ("unreachable", RUNNING, None),
        ("stopping", RUNNING, change(REPLY, snapshot=change(SNAPSHOT, stopping=True))), ("killed", change(RUNNING, holder=None), None),
        ("unreachable", None, None),
    ],
)  # fmt: skip
def test_one_phase_is_1_and_all_others_are_0(phase, status, reply):
    found = {key[1]: value for key, value in scraped(status, reply).items() if key[0] == "crawler_phase"}

    assert {phase: 1} == {name: value for name, value in found.items() if value}
    assert 6 == len(found)


@pytest.mark.parametrize("accept", ["", SCRAPER])
def test_hostile_words_stay_inside_their_label(accept):
    words = ['"} 1\ncrawler_pages 7\n#', "\\", "\n", '\\"', "{}", "", "\x00", "\u202e", "# EOF"]
    reply = change(REPLY, view=change(VIEW, wrong={word: number for number, word in enumerate(words)}))
    found = scraped(change(RUNNING, states=dict.fromkeys(words, 3)), reply, accept)

    assert words == [key[1] for key in found if key[0] == "crawler_run_errors_total"] == [key[1] for key in found if key[0] == "crawler_urls"]
    assert 1_200 == found["crawler_pages",]


async def test_a_damaged_database_is_told_and_does_not_end_the_scraping(serving, demo_crawl, tmp_path):
    folder = Path(await asyncio.to_thread(shutil.copytree, demo_crawl, tmp_path / "copy"))
    await asyncio.to_thread((folder / "crawl.db").write_bytes, b"no database at all" * 1_000)
    client = await serving(folder)
    async with client.get("/metrics") as answer:
        assert (200, True) == (answer.status, "crawler_up 0.0\n" in await answer.text())
    async with client.get("/healthz") as answer:
        assert (503, "text/plain", True) == (answer.status, answer.content_type, "no database" in await answer.text())
    async with client.get("/api/status") as answer:
        assert (503, True) == (answer.status, "no database" in (await answer.json())["error"])
