"""Lists, questions and single URLs: what people look up, and what hostile pages cannot do there."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import json
import shutil
import sqlite3
import threading
from urllib.parse import quote

import lxml.html
import pytest

from crawler.dashboard import browse
from crawler.dashboard.browse import DESK
from crawler.dashboard.desk import AT_ONCE, Desk
from crawler.dashboard.lists import LISTS
from crawler.query.named import names
from crawler.query.reader import Reader


async def read(client, path, status=200):
    async with client.get(path) as answer:
        text = await answer.text()
        assert status == answer.status, text[:500]
        return lxml.html.fromstring(text)


def rows_of(page):
    return [[" ".join(cell.text_content().split()) for cell in row.xpath("./td|./th")] for row in page.xpath("//main//tbody/tr")]


def said(page) -> str:
    return " ".join(page.text_content().split())


@pytest.fixture
def asked(demo_crawl):
    """Return what SQL answers, asked past the pages."""

    def read(sql):
        with Reader.open(demo_crawl) as reader:
            return reader.all(sql)

    async def ask(sql):
        return await asyncio.to_thread(read, sql)

    return ask


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_pages_come_newest_first_with_what_is_known_of_each(client, asked):
    rows = rows_of(await read(client, "/list/pages"))

    assert {url for (url,) in await asked("SELECT url FROM pages")} == {row[1] for row in rows}
    assert sorted((row[0] for row in rows), reverse=True) == [row[0] for row in rows]


@pytest.mark.parametrize("name", LISTS)
async def test_every_list_is_what_its_query_says_and_can_be_taken_away(client, name):
    page = await read(client, f"/list/{name}")
    async with client.get(f"/list/{name}?form=csv") as answer:
        table = list(csv.reader(io.StringIO(await answer.text())))
        assert f'attachment; filename="{name}.csv"' == answer.headers["Content-Disposition"]
    async with client.get(f"/list/{name}?form=json") as answer:
        lines = [json.loads(line) for line in (await answer.text()).splitlines()]

    assert len(table) - 1 == len(lines) == len(rows_of(page))
    assert all(list(line) == table[0] for line in lines)


async def test_filters_narrow_a_list_down_and_stay_in_the_form(client, asked):
    page = await read(client, "/list/errors?status=404&text=a")

    expected = (await asked("SELECT count(*) FROM errors WHERE status = 404 AND url LIKE '%a%'"))[0][0]
    assert expected == len(rows_of(page)) > 0
    assert ["404"] == page.xpath("//input[@name='status']/@value")
    assert ["a"] == page.xpath("//input[@name='text']/@value")
    assert [] == rows_of(await read(client, "/list/errors?status=404&host=nobody.example"))


async def test_a_filter_is_a_value_and_never_sql(client):
    for text in ("' OR 1=1 --", "%", "_", "'); DROP TABLE url; --"):
        assert [] == rows_of(await read(client, f"/list/pages?host={quote(text)}"))


async def test_long_answers_are_turned_page_by_page(client):
    sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) SELECT i FROM n"
    seen, path = [], f"/ask?sql={quote(sql)}"
    for _ in range(3):
        page = await read(client, path)
        seen += [row[-1] for row in rows_of(page)]
        path = next(iter(page.xpath("//a[@rel='next']/@href")), None)

    assert [str(number) for number in range(1, 251)] == seen
    assert path is None


async def test_nonsense_for_a_place_to_begin_is_the_beginning(client):
    first = rows_of(await read(client, "/list/pages"))
    for start in ("0", "-5", "x", "1e9", "٣", "99999999999999999999"):
        assert first == rows_of(await read(client, f"/list/pages?start={quote(start)}"))


# --- questions ------------------------------------------------------------------------------------------------------


async def test_all_questions_that_have_a_name_are_offered(client):
    page = await read(client, "/ask")

    offered = {href.removeprefix("/ask/") for href in page.xpath("//a/@href") if href.startswith("/ask/")}
    assert set(names()) <= offered


async def test_every_question_is_answered_or_says_what_it_needs(client):
    for name in names():
        page = await read(client, f"/ask/{name}")
        assert page.xpath("//main//table") or page.xpath("//main//form//input") or "nothing here" in said(page).lower(), name


async def test_a_question_with_a_parameter_asks_for_it(client, asked):
    bare = await read(client, "/ask/urls-with-status")
    filled = await read(client, "/ask/urls-with-status?status=404")

    assert ["status"] == bare.xpath("//form//input[@name='status']/@name")
    assert (await asked("SELECT count(*) FROM errors WHERE status = 404 AND state IN ('done', 'failed')"))[0][0] <= len(rows_of(filled))
    assert len(rows_of(filled)) > 0


async def test_what_is_no_question_says_what_was_meant(client):
    page = await read(client, "/ask/broken-linx", status=400)
    assert "broken-links" in said(page)
    page = await read(client, "/ask?sql=SELECT+titel+FROM+pages", status=400)
    assert "o such column: titel" in said(page)
    assert "title" in said(page)


@pytest.mark.parametrize(
    "sql",
    [
        "ATTACH '/tmp/x' AS x", "VACUUM INTO '/tmp/x'", "PRAGMA journal_mode = DELETE", "DELETE FROM url", "SELECT load_extension('x')",
        "SELECT randomblob(900000000)", "SELECT 1; SELECT 2", "INSERT INTO url DEFAULT VALUES", "CREATE TABLE x (y)", "SELECT writefile('x', 'y')",
    ],
)
async def test_sql_can_only_read(client, demo_crawl, sql):
    before = (demo_crawl / "crawl.db").read_bytes()

    await read(client, f"/ask?sql={quote(sql)}", status=400)

    assert before == (demo_crawl / "crawl.db").read_bytes()


async def test_a_question_without_end_is_stopped(client, monkeypatch):
    monkeypatch.setattr("crawler.dashboard.desk.TIMEOUT", 0.2)
    monkeypatch.setattr("crawler.dashboard.desk.Desk.ask.__defaults__", (0.2,))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

    page = await read(client, f"/ask?sql={quote(endless)}", status=503)

    assert "longer than 0.2 s" in said(page)
    assert 200 == (await client.get("/healthz")).status


async def test_the_log_of_the_crawl_gets_a_gap_between_questions(demo_crawl, monkeypatch):
    """While a question reads, the write-ahead log only grows: they follow upon each other for a bounded time."""
    monkeypatch.setattr("crawler.dashboard.desk.UNBROKEN", -1.0)
    desk = Desk(demo_crawl)
    go, reading, told = threading.Event(), asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def first(_reader):
        loop.call_soon_threadsafe(reading.set)
        go.wait(30)
        told.append("first")

    one = asyncio.create_task(desk.ask(first))
    await reading.wait()
    two = asyncio.create_task(desk.ask(lambda _: told.append("second")))
    for _ in range(20):
        await asyncio.sleep(0)
    assert [] == told
    go.set()
    await asyncio.gather(one, two)

    assert ["first", "second"] == told
    desk.close()


async def test_a_spreadsheet_runs_nothing_of_a_download(client):
    sql = quote("SELECT '=HYPERLINK(1)' AS a, '+1' AS b")
    async with client.get(f"/ask?sql={sql}&form=csv") as answer:
        assert ["'=HYPERLINK(1)", "'+1"] == list(csv.reader(io.StringIO(await answer.text())))[1]


# --- one URL --------------------------------------------------------------------------------------------------------


async def test_a_url_is_explained_in_the_words_of_the_command(client, asked):
    [(url,)] = (await asked("SELECT url FROM pages LIMIT 1"))

    text = said(await read(client, f"/explain?url={quote(url, safe='')}"))

    assert url in text
    assert "status 200" in text
    assert "never seen" in said(await read(client, "/explain?url=https://nobody.example/"))
    assert "whole address" in said(await read(client, "/explain?url=http://", status=400))
    await read(client, "/explain", status=400)
    await read(client, f"/explain?url={'x' * 20_000}", status=400)


async def test_a_stored_page_is_shown_as_text_and_sent_as_a_file(client, demo_crawl, asked):
    [(url, file)] = (await asked("SELECT url, file FROM pages WHERE mime = 'text/html' AND lang = 'en' ORDER BY bytes LIMIT 1"))
    source = (demo_crawl / file).read_bytes()
    page = await read(client, f"/stored?url={quote(url, safe='')}")
    async with client.get(f"/stored/file?url={quote(url, safe='')}") as answer:
        sent = await answer.read()

    assert source.decode().strip() in [text.strip() for text in page.xpath("//pre//text()")]
    assert ["Text", "Source"] == page.xpath("//main//summary/text()")
    assert source == sent
    assert "text/plain" == answer.content_type
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "nosniff" == answer.headers["X-Content-Type-Options"]


async def test_a_page_that_is_in_no_index_has_a_text_too(serving, demo_crawl, tmp_path, asked):
    folder = shutil.copytree(demo_crawl, tmp_path / "bare")
    with contextlib.closing(sqlite3.connect(folder / "crawl.db", isolation_level=None)) as db:
        db.execute("DELETE FROM page_text")
    client = await serving(folder)
    [(url, file)] = await asked("SELECT url, file FROM pages WHERE mime = 'text/html' AND lang = 'en' ORDER BY bytes LIMIT 1")
    words = lxml.html.fromstring((folder / file).read_bytes()).xpath("//p")[0].text_content().split()[:5]

    page = await read(client, f"/stored?url={quote(url, safe='')}")

    assert " ".join(words) in " ".join(page.xpath("//pre[@class='prose']")[0].text_content().split())
    (folder / file).write_bytes(b"<div>" * 200_000)     # the worst that lexbor knows is cut before it is read
    await read(client, f"/stored?url={quote(url, safe='')}")


async def test_what_is_not_stored_is_said_to_be_so(client, asked):
    [(url,)] = (await asked("SELECT url FROM errors WHERE status = 404 LIMIT 1"))
    for path in ("/stored", "/stored/file"):
        assert "no body" in said(await read(client, f"{path}?url={quote(url, safe='')}", status=404))


async def test_a_body_that_is_lost_is_told(client, serving, demo_crawl, tmp_path, asked):
    folder = shutil.copytree(demo_crawl, tmp_path / "lost")
    [(url, file)] = (await asked("SELECT url, file FROM pages LIMIT 1"))
    (folder / file).unlink()

    page = await read(await serving(folder), f"/stored?url={quote(url, safe='')}", status=404)

    assert "is not there" in said(page)


async def test_pages_are_found_by_their_words(client):
    page = await read(client, "/search?q=lighthouse")

    assert page.xpath("//mark")
    assert ["Search"] == page.xpath("//nav//a[@href='/search']/text()")
    assert "nothing to look for" in said(await read(client, "/search?q=--", status=400)).lower()


# --- hostile crawls -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", *(f"/list/{name}" for name in LISTS), "/ask/excluded", "/ask/errors", "/ask/latest-pages", "/ask/runs", "/search?q=the"]
)
async def test_whatever_servers_said_is_text(serving, hostile_crawl, hostile_text, path):
    client = await serving(hostile_crawl)
    async with client.get(path) as answer:
        text = await answer.text()
    page = lxml.html.fromstring(text)

    assert [] == [script for script in page.xpath("//script") if not script.get("src", "").startswith("/static/")]
    assert [] == page.xpath("//*[@onerror or @onload or @onclick or @style]")
    assert [] == [src for src in page.xpath("//img/@src | //iframe/@src | //object/@data") if not src.startswith("/static/")]
    assert [] == [href for href in page.xpath("//@href | //@action") if href.lower().strip().startswith(("javascript:", "data:"))]


async def test_a_url_full_of_markup_is_text_wherever_it_is_shown(serving, hostile_crawl, hostile_text):
    client = await serving(hostile_crawl)
    for path in ("/explain", "/stored", "/ask", "/search"):
        name = {"/ask": "sql", "/search": "q"}.get(path, "url")
        async with client.get(path, params={name: f"http://a.test/{hostile_text}"}) as answer:
            page = lxml.html.fromstring(await answer.text())
        assert [] == page.xpath("//script[not(@src)] | //img[@onerror]")


async def test_questions_hold_up_neither_the_live_page_nor_who_asks_whether_all_is_well(client):
    endless = quote("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n")
    asking = [asyncio.create_task(client.get(f"/ask?sql={endless}")) for _ in range(AT_ONCE + 1)]
    await waits_for(client.app[DESK], AT_ONCE + 1)

    assert 200 == (await client.get("/healthz")).status
    assert "over" == (await (await client.get("/api/live")).json())["phase"]
    assert AT_ONCE + 1 == client.app[DESK]._waiting     # and they are still asked
    for each in asking:
        each.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


async def waits_for(desk, number):
    while desk._waiting < number:     # noqa: ASYNC110 - the desk tells nobody
        await asyncio.sleep(0)


async def test_an_answer_without_end_does_not_fill_the_disk(client, monkeypatch):
    monkeypatch.setattr(browse._Bounded, "left", 100_000)
    endless = quote("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")

    for form in ("csv", "json"):
        assert "the answer is larger than" in said(await read(client, f"/ask?sql={endless}&form={form}", status=400))


async def test_what_is_taken_away_and_not_read_is_dropped_and_few_may_do_so_at_once(client, monkeypatch):
    monkeypatch.setattr(browse, "STALLED", 0.2)
    monkeypatch.setattr("crawler.dashboard.desk.MOST_SENDING", 1)
    desk = client.app[DESK]
    much = quote("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20) SELECT hex(zeroblob(400000)) FROM n")
    _, writer = await asyncio.open_connection("127.0.0.1", client.port, limit=1_000)
    writer.write(f"GET /ask?sql={much}&form=json HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n\r\n".encode())
    while not desk._sending:     # noqa: ASYNC110 - the desk tells nobody
        await asyncio.sleep(0)

    assert "too many questions" in said(await read(client, "/ask?sql=SELECT+1&form=csv", status=503))
    while desk._sending:     # noqa: ASYNC110 - the desk tells nobody
        await asyncio.sleep(0.01)
    assert "1" in await (await client.get("/ask?sql=SELECT+1&form=csv")).text()
    writer.transport.abort()
