"""Where bodies go: files, WARC files, or nowhere, and from one to the other between two runs."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import sqlite3
from pathlib import Path

from aiohttp import web
from warcio.archiveiterator import ArchiveIterator

from crawler.archive.reading import open_body
from crawler.export.warc import write_warc
from crawler.hooks import Notice, PageStored
from crawler.query.reader import Reader

ROOT = "<title>root</title><a href=/a>a</a><a href=/twin>t</a><a href=/b>b</a>"


def links(*targets: str) -> str:
    return "<!doctype html><title>t</title>" + "".join(f'<a href="{target}">x</a>' for target in targets)


def records(folder: Path) -> list[tuple[str, str, str, dict[str, str]]]:
    """Return type, path, status and fields of all records of answers, in order."""
    found = []
    for file in sorted(folder.glob("*.warc.gz")):
        with file.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                fields = dict(record.rec_headers.headers)
                if record.rec_type in ("response", "revisit"):
                    path = "/" + fields["WARC-Target-URI"].split("/", 3)[3]
                    found.append((record.rec_type, path, record.http_headers.get_statuscode(), fields))
                record.content_stream().read()      # its digests are checked
    return found


def kinds(folder: Path) -> dict[str, str]:
    return {path: kind for kind, path, *_ in records(folder) if path != "/robots.txt"}


def _read_back(crawl, site) -> None:
    """Read every stored page, wherever it lies."""
    for url, file, offset, length, digest in crawl.query(
        "SELECT url, p.file, p.offset, p.length, digest FROM pages p JOIN body USING (body_id)"
    ):
        with open_body(crawl.folder, file, offset, length) as body:
            content = body.read()
        assert (site.pages["/" + url.split("/", 3)[3]], digest) == (content.decode(), hashlib.sha256(content).digest())


async def test_where_bodies_go_may_change_between_runs_and_what_is_stored_stays(site, crawl):
    site.pages = {"/": links("/a"), "/a": links("/b", "/twin"), "/b": links("/c"), "/twin": links("/a"), "/c": links("/a")}
    await crawl(site.url("/"), max_pages=1, save="files")
    await crawl(site.url("/"), max_pages=3, save="warc")
    await crawl(site.url("/"), save="files")

    places = {url.rpartition("/")[2]: file.partition("/")[0] for url, file in crawl.query("SELECT url, file FROM pages")}
    assert ("pages", "warc") == (places[""], places["a"])
    assert {"pages": 3, "warc": 2} == {where: list(places.values()).count(where) for where in ("pages", "warc")}
    assert {"/a": "response"}.items() <= kinds(crawl.folder / "warc").items()
    await asyncio.to_thread(_read_back, crawl, site)


async def test_a_body_that_is_a_file_is_recorded_whole_and_one_of_an_earlier_run_is_referred_to(site, crawl):
    site.pages = {"/": links("/a"), "/a": "one", "/b": "one", "/c": "two", "/e": "one", "/d": "two"}
    await crawl(site.url("/"), site.url("/a"), save="files")
    await crawl(site.url("/"), site.url("/a"), site.url("/b"), site.url("/e"), site.url("/c"), save="warc")
    first = kinds(crawl.folder / "warc")
    await crawl(site.url("/"), site.url("/a"), site.url("/b"), site.url("/e"), site.url("/c"), site.url("/d"), save="warc")

    assert {"/b": "response", "/c": "response", "/e": "response"} == first
    found = {path: fields for kind, path, _, fields in records(crawl.folder / "warc") if kind == "revisit"}
    assert ["/d"] == list(found)
    [(url, at)] = crawl.query("SELECT origin || path, strftime('%Y-%m-%dT%H:%M:%f', f.at / 1000.0, 'unixepoch') || 'Z' FROM fetch f "
                              "JOIN url USING (url_id) JOIN origin USING (origin_id) WHERE path = '/c'")  # fmt: skip
    assert (url, at) == (found["/d"]["WARC-Refers-To-Target-URI"], found["/d"]["WARC-Refers-To-Date"])
    assert 2 == len(list((crawl.folder / "warc").glob("*.warc.gz"))), "a run adds to the files of another"
    await asyncio.to_thread(_read_back, crawl, site)


async def test_a_body_whose_record_was_forgotten_is_recorded_anew_and_moves_there(site, crawl):
    site.pages = {"/": "root", "/a": "one", "/b": "one"}
    await crawl(site.url("/"), site.url("/a"), save="warc")
    [(before,)] = crawl.query("SELECT offset FROM pages WHERE url LIKE '%/a'")
    with sqlite3.connect(crawl.folder / "crawl.db") as db:
        db.execute("DELETE FROM warc_record WHERE offset = ?", (before,))
    db.close()
    await crawl(site.url("/"), site.url("/a"), site.url("/b"), save="warc")

    assert "response" == kinds(crawl.folder / "warc")["/b"]
    [(first, second)] = crawl.query("SELECT a.file, b.file FROM pages a, pages b WHERE a.url LIKE '%/a' AND b.url LIKE '%/b'")
    assert first == second == max(f"warc/{file.name}" for file in (crawl.folder / "warc").glob("*.warc.gz"))
    assert "warc/revisit" not in (crawl.folder / "warc/index.cdxj").read_text()
    await asyncio.to_thread(_read_back, crawl, site)


async def test_a_page_that_has_not_changed_refers_to_where_its_body_lies(site, crawl, tmp_path):
    async def page(request):
        unchanged = request.headers.get("If-None-Match") == '"1"'
        return web.Response(status=304 if unchanged else 200, headers={"ETag": '"1"'}, text=None if unchanged else "same")

    site.pages = {"/": page}
    await crawl(site.url("/"), save="warc")
    [(_, _, _, before)] = [record for record in records(crawl.folder / "warc") if record[1] == "/"]
    await crawl(recrawl=0.0, save="warc")

    def made() -> None:
        with Reader.open(crawl.folder) as reader:
            write_warc(crawl.folder, tmp_path / "made", reader=reader)

    await asyncio.to_thread(made)
    for folder in (crawl.folder / "warc", tmp_path / "made"):
        [(kind, _, fields)] = [(kind, status, fields) for kind, _, status, fields in records(folder) if status == "304"]
        assert "revisit" == kind
        assert "http://netpreserve.org/warc/1.1/revisit/server-not-modified" == fields["WARC-Profile"]
        for name, origin in (("Refers-To-Target-URI", "Target-URI"), ("Refers-To-Date", "Date"), ("Payload-Digest", "Payload-Digest")):
            assert before[f"WARC-{origin}"] == fields[f"WARC-{name}"]
        index = (folder / "index.cdxj").read_text()
        assert [before["WARC-Target-URI"]] == [entry["url"] for entry in map(json.loads, re.findall(r"{.*", index)) if entry["status"] == "304"]


async def test_nothing_is_kept_where_nothing_is_wanted_and_pages_are_recorded_all_the_same(site, crawl):
    site.pages = {"/": links("/a"), "/a": "a"}
    summary = await crawl(site.url("/"), save="none", save_errors=True)

    assert (2, [(2, 0)]) == (summary.pages, crawl.query("SELECT count(*), count(body_id) FROM pages"))
    assert [(None, 0), (None, 0)] == [(event.file, event.bytes) for event in crawl.of(PageStored)]
    assert [] == [path for path in crawl.folder.rglob("*") if path.is_file() and {"pages", "warc"} & set(path.parts)]


async def test_what_lies_behind_the_truth_is_cut_off_whatever_the_next_run_saves(site, crawl):
    site.pages = {"/": "home"}
    await crawl(site.url("/"), save="warc")
    [file] = (crawl.folder / "warc").glob("*.warc.gz")
    whole = file.read_bytes()
    file.write_bytes(whole + b"half a record")
    reopen(crawl)
    await crawl(site.url("/"), save="files")

    assert whole == file.read_bytes()
    assert [(len(whole), 1)] == crawl.query("SELECT bytes, closed FROM warc")
    assert [] == crawl.of(Notice)


async def test_a_warc_file_that_lacks_its_end_is_told_and_the_crawl_goes_on(site, crawl):
    site.pages = {"/": "home"}
    await crawl(site.url("/"), save="warc")
    [file] = (crawl.folder / "warc").glob("*.warc.gz")
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    reopen(crawl)
    summary = await crawl(site.url("/"), save="warc")

    [notice] = crawl.of(Notice)
    assert f"warc/{file.name} lacks the last 100 of its {len(whole):,} bytes, and the bodies in them; crawler verify tells which" == notice.text
    assert ("finished", whole[:-100]) == (summary.outcome, file.read_bytes())
    assert [(len(whole), 1)] == crawl.query("SELECT bytes, closed FROM warc")


def reopen(crawl) -> None:
    """Leave the crawl as a crash would."""
    with sqlite3.connect(crawl.folder / "crawl.db") as db:
        db.execute("UPDATE warc SET closed = 0")
    db.close()
