"""Searching crawls of a small site that speaks many languages: crawled once with an index and once without, for this whole file."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
import shutil
import sqlite3
from contextlib import closing

import pytest
from aiohttp import web

from crawler.cli import search
from crawler.core.scope import Options
from crawler.core.seeds import Seed, Source
from crawler.core.settings import Settings
from crawler.core.tokens import indexed
from crawler.engine import Crawler
from crawler.folder import held


def page(title: str, body: str, lang: str = "en", charset: str = "utf-8") -> tuple[bytes, str]:
    text = f'<!doctype html><html lang="{lang}"><head><title>{title}</title></head><body><nav>menuword</nav><aside>asideword</aside><main>{body}<nav>contentword</nav></main></body>'
    return text.encode(charset), f"text/html; charset={charset}"


FILLING = "<p>" + "Nothing of interest stands in this sentence. " * 5
PAGES = {
    "/ko": page("학교 생활", f"{FILLING}<p>저는 매일 아침 <b>한국</b>어를 배우러 갑니다. 도서관은 조용합니다.", "ko"),
    "/ko2": page("주말", f"{FILLING}<p>초등학교에서 물을 마셨습니다.", "ko-KR", "euc-kr"),
    "/ja": page("東京の天気", f"{FILLING}<h2>見出し</h2>\n<p>の文。</p>\n<p>明日の東\n京は晴れです。<ruby>京都<rt>きょうと</rt></ruby>タワーへ行きます。", "ja", "shift_jis"),
    "/zh": page("北京大学", f"{FILLING}<p>学生每天在图书馆学习。", "zh-CN", "gb18030"),
    "/de": page("Bäckerei", f"{FILLING}<p>In der Straße gibt es süße Brötchen.", "de"),
    "/fr": page("Café", f"{FILLING}<p>Le <em>ca</em>fé est fermé à Noël.", "fr"),
    "/rank1": page("Other", f"{FILLING}<p>Here the zebra is only in the text."),
    "/rank2": page("The zebra", f"{FILLING}<p>Here the animal is in the title."),
    "/evil": page("&#27;[31m red", f"{FILLING}<p>\x1b[2J evilword &lt;script&gt; \u202e turned<script>scriptword()</script><aside>noteword</aside>"),
    "/plain.txt": ("Ein schlichter Text über Möwen.".encode(), "text/plain; charset=utf-8"),
    "/noise.txt": (b"\0\1\2 noiseword", "text/plain"),
    "/empty": (b"<html><body></body></html>", "text/html"),
    "/image.png": (b"\x89PNG pngword", "image/png"),
}
EXPECTED = len(PAGES)


async def crawl_into(folders) -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/":
            links = "".join(f'<a href="{path}">x</a>' for path in PAGES)
            return web.Response(text=f"<title>Start</title>{links}", content_type="text/html")
        if request.path not in PAGES:
            return web.Response(status=404)
        body, content_type = PAGES[request.path]
        return web.Response(body=body, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/"
    try:
        for index, folder in folders.items():
            settings = Settings(delay=0, min_free=0, parsers=1, index=index, durability="normal")
            seeds = [Seed(url, Options(), "test", 1)]
            await Crawler(settings, output=folder, seeds=seeds, sources=(Source("test", "d"),)).run()
    finally:
        await runner.cleanup()


@pytest.fixture(scope="module")
def crawls(tmp_path_factory):
    """Return the folder of a crawl with an index ("text") and of one without ("off")."""
    place = tmp_path_factory.mktemp("crawls")
    folders = {index: place / index for index in ("text", "off")}
    asyncio.run(crawl_into(folders))
    return folders


@pytest.fixture
def searched(called, crawls):
    """Search the crawl with an index; return the paths that were found, the best first, after looking at the exit code."""

    def search_(*words, folder="text"):
        code, out, _ = called("search", *words, "--json", "-o", crawls.get(folder, folder))
        paths = ["/" + json.loads(line)["url"].split("/", 3)[3] for line in out.splitlines()]
        assert (0 if paths else 1) == code
        return paths

    return search_


@pytest.fixture
def bare(crawls, tmp_path):
    """Return a copy of the crawl without an index."""
    return shutil.copytree(crawls["off"], tmp_path / "bare")


def tables(folder):
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        return {row[0] for row in db.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'page\\_%' ESCAPE '\\'")}


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        ("학교", ["/ko", "/ko2"]),
        ("한국어", ["/ko"]),
        ("도서관", ["/ko"]),
        ("물", ["/ko2"]),
        ("天気", ["/ja"]),
        ("東京", ["/ja"]),
        ("京都タワー", ["/ja"]),
        ("見出し", ["/ja"]),
        ("しの文", []),
        ("学生", ["/zh"]),
        ("大学", ["/zh"]),
        ("图书馆", ["/zh"]),
        ("bäckerei", ["/de"]),
        ("backerei strasse", ["/de"]),
        ("Brotchen", ["/de"]),
        ("noel", ["/fr"]),
        ("café fermé", ["/fr"]),
        ("Möwen", ["/plain.txt"]),
        ("zebra -animal", ["/rank1"]),
        ('"in the title"', ["/rank2"]),
        ("evilw*", ["/evil"]),
        ("noteword", ["/evil"]),
        ("zebra elephant", []),
    ],
)
def test_pages_are_found_by_their_words(searched, words, paths):
    assert paths == searched(words)


@pytest.mark.parametrize("word", ["menuword", "contentword", "scriptword", "asideword", "pngword", "noiseword", "きょうと"])
def test_what_stands_around_a_text_is_not_found(searched, word):
    assert [] == searched(word)


def test_a_word_in_the_title_counts_more(searched):
    assert ["/rank2", "/rank1"] == searched("zebra")


def test_several_words_need_no_quotes(searched):
    assert ["/rank1"] == searched("zebra", "text")


def test_results_can_be_of_one_host_or_one_language(searched):
    assert ["/ko", "/ko2"] == sorted(searched("학교", "--lang", "KO"))
    assert ["/ko2"] == searched("학교", "--lang", "ko_kr")
    assert [] == searched("학교", "--lang", "de")
    assert ["/ko2"] == searched("물", "--host", "127.0.0.1")
    assert [] == searched("물", "--host", "elsewhere.example")


def test_the_formats_say_the_same(called, crawls):
    asked = ("search", "zebra", "-o", crawls["text"])
    (_, as_json, err), (_, as_csv, _), (_, as_tsv, _) = (called(*asked, form) for form in ("--json", "--csv", "--tsv"))
    first = json.loads(as_json.splitlines()[0])

    assert "2 results\n" == err
    assert list(search.COLUMNS) == list(first) == as_tsv.splitlines()[0].split("\t")
    assert ("The zebra", "en") == (first["title"], first["lang"])
    assert next(csv.DictReader(io.StringIO(as_csv)))["snippet"] == first["snippet"]
    assert as_tsv == called(*asked)[1]
    assert "Here the **zebra** is only in the text." in as_tsv


def test_the_best_are_shown_and_the_others_counted(called, crawls):
    code, out, err = called("search", "nothing", "--limit", "3", "--json", "-o", crawls["text"])

    assert (0, 3, f"{EXPECTED - 4} results, the best 3 shown; see --limit\n") == (code, len(out.splitlines()), err)


@pytest.mark.parametrize(("choice", "marks"), [("always", "\x1b[1mevilword\x1b[0m"), ("never", "**evilword**")])
def test_on_a_terminal_words_are_bold_and_nothing_remote_acts(called, crawls, monkeypatch, choice, marks):
    monkeypatch.setattr(search, "is_terminal", lambda _: True)
    code, out, _ = called("search", "evilword", "-o", crawls["text"], "--color", choice)

    assert 0 == code
    assert marks in out
    assert " 1  [31m red\n" in out
    assert {"\x1b[1m", "\x1b[2m", "\x1b[0m"} >= set(map("\x1b[{}m".format, re.findall("\x1b\\[(.*?)m", out)))
    assert "\u202e" not in out


@pytest.mark.parametrize("words", ["", "-zebra", "!!"])
def test_a_question_without_words_is_wrong(called, crawls, words):
    code, out, err = called("search", "-o", crawls["text"], "--", words)

    assert (2, "") == (code, out)
    assert err.startswith("error: no")
    assert "Try" in err


def test_without_an_index_the_command_that_makes_one_is_named(called, bare):
    before = tables(bare)
    code, out, err = called("search", "zebra", "-o", bare)

    assert (1, "", set()) == (code, out, before)
    assert err.startswith("error: this crawl keeps no search index\nTry ")
    assert f"search --build -o {bare} " in err


def words_of(folder):
    """Return what is kept of each path that has a text."""
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        sql = "SELECT path, packed FROM page_text JOIN url USING (url_id) WHERE packed <> ?"
        return set(db.execute(sql, (indexed(None, "").packed,)))


def test_what_was_stored_before_is_put_in_and_found_like_the_rest(called, searched, crawls, bare):
    """The words are the very ones that a crawl would have put in."""
    code, out, err = called("search", "--build", "-o", bare)

    assert (0, "", f"{EXPECTED} pages put into the index.\n") == (code, out, err)
    assert ["/zh"] == searched("图书馆", folder=bare)
    assert ["/plain.txt"] == searched("möwen", folder=bare)
    assert [] == searched("menuword", folder=bare)
    assert (0, "", "Every stored page is in the index.\n") == called("search", "--build", "-o", bare)
    assert words_of(crawls["text"]) == words_of(bare)


def test_a_building_that_was_stopped_goes_on(called, searched, bare, monkeypatch):
    """Each batch is a transaction of its own."""
    from crawler.engine import filling

    monkeypatch.setattr(filling, "BATCH", 4)
    shown = []

    def stop(_display, filled):
        shown.append(filled.done)
        if filled.done == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(search._Display, "show", stop)
    assert 130 == called("search", "--build", "-o", bare)[0]
    _, _, err = called("search", "zebra", "-o", bare)
    assert "Some pages are not in the index" in err
    shown.clear()
    with closing(sqlite3.connect(bare / "crawl.db")) as db:
        [(file,)] = db.execute("SELECT file FROM pages ORDER BY url_id DESC LIMIT 1 OFFSET 3")
    (bare / file).unlink()
    said = f"{EXPECTED - 9} pages put into the index.\n1 page could not be read: the stored file is not there.\n"
    assert said == called("search", "--build", "-o", bare)[2]
    assert "/rank2" in searched("zebra", folder=bare)
    assert "Some pages" not in called("search", "zebra", "-o", bare)[2]


def test_a_folder_in_use_is_not_built(called, bare):
    with held(bare):
        code, _, err = called("search", "--build", "-o", bare)

    assert 5 == code
    assert "is being crawled" in err


def test_a_page_whose_entry_is_not_of_its_latest_answer_is_not_found(called, searched, crawls, tmp_path):
    """Whoever stores a page anew without the index, or forgets one, need not know of it."""
    folder = shutil.copytree(crawls["text"], tmp_path / "changed")
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        db.execute("INSERT INTO fetch (fetch_id, url_id, run_id, at) SELECT 1000, url_id, 1, 0 FROM url WHERE path = '/rank1'")
        db.execute("UPDATE url SET page_id = 1000 WHERE path = '/rank1'")
        db.execute("UPDATE url SET page_id = NULL WHERE path = '/ko'")
        db.commit()

    assert ["/rank2"] == searched("zebra", folder=folder)
    assert ["/ko2"] == searched("학교", folder=folder)
    called("search", "--build", "-o", folder)
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        assert [] == db.execute("SELECT 1 FROM page_text JOIN url USING (url_id) WHERE path = '/ko'").fetchall()


def test_the_parts_of_the_index_are_hidden_and_it_can_be_asked_but_not_written(called, crawls):
    ask = ("query", "-o", crawls["text"])

    assert "Try one of" in (err := called(*ask, "SELECT * FROM nothing_like_it")[2])
    assert "page_index" in err
    assert "page_index_data" not in err
    assert "n\n2\n" == called(*ask, "SELECT count(*) AS n FROM page_index WHERE page_index MATCH 'zebra'")[1]
    for statement in ("INSERT INTO page_index (page_index) VALUES ('optimize')", "DELETE FROM page_index_data", "DROP TABLE page_index"):
        assert 2 == called(*ask, statement)[0]


def test_a_crawl_without_the_option_makes_no_tables(crawls):
    assert set() == tables(crawls["off"])
    assert {"page_text", "page_index"} <= tables(crawls["text"])
