"""WARC files: what a server sent and was asked, as two readers of other makers see it, and as our own reads it back."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import hashlib
import io
import json
import shutil
import socket
import sqlite3
import subprocess
import tracemalloc
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from fastwarc.warc import WarcRecordType
from warcio.archiveiterator import ArchiveIterator
from warcio.checker import Checker

from crawler.archive import Exchange, Original, records
from crawler.archive.cdxj import write_index, write_sorted
from crawler.archive.files import IN_MEMORY
from crawler.archive.reading import BodyMissing, open_body
from crawler.archive.volume import Volume, said_of
from crawler.archive.warc import WarcArchive, cut, name_of
from crawler.cli.main import main
from crawler.core.model import Body, Reply, Wire
from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.core.surt import surt
from crawler.engine import Crawler
from crawler.export.warc import write_warc
from crawler.folder import NotACrawl, StorageError
from crawler.query.reader import Reader

PYWB = shutil.which("pywb")
HTML = b"Content-Type: text/html; charset=utf-8\r\n"
LARGE = b"<p>large " + bytes(range(33, 127)) * (IN_MEMORY // 94 + 100)
PLAIN = b"<!doctype html><title>Twin</title><p>the same under two names"
PAGES: dict[str, bytes] = {}


def answer(path: str, body: bytes, *, status: str = "200 OK", headers: bytes = HTML, length: bool = True) -> None:
    told = b"Content-Length: %d\r\n" % len(body) if length else b""
    PAGES[path] = f"HTTP/1.1 {status}\r\n".encode("latin-1") + headers + told + b"\r\n" + body


LINKS = "".join(
    f'<a href="{path}">x</a>'
    for path in ("/packed", "/chunked", "/twin-1", "/twin-2", "/moved", "/gone", "/large", "/huge", "/wild", "/nowhere", "/a?q=1&amp;p=2")
)
answer("/robots.txt", b"User-agent: *\nDisallow: /secret\n", headers=b"Content-Type: text/plain\r\n")
answer("/", f"<!doctype html><title>Home</title>{LINKS}".encode(), headers=HTML + b"Set-Cookie: sid=top-secret; Path=/\r\n")
PACKED = b"<!doctype html><title>Packed</title>" + b"<p>words " * 50
answer("/packed", gzip.compress(PACKED), headers=HTML + b"Content-Encoding: gzip\r\n")
CHUNKED = b"<p>in one chunk"
answer(
    "/chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(CHUNKED), CHUNKED), headers=HTML + b"Transfer-Encoding: chunked\r\n", length=False
)
answer("/twin-1", PLAIN)
answer("/twin-2", PLAIN)
answer("/moved", b"over there", status="301 Moved Permanently", headers=HTML + b"Location: /target\r\n")
answer("/target", b"<p>target")
answer("/gone", b"<p>nothing here any more", status="404 Not Found")
answer("/large", LARGE)
answer("/huge", b"<p>" + b"huge " * 200_000)
answer("/wild", b"<p>wild", status="200 F\xfcr dich", headers=HTML + b"X-Odd: caf\xe9 \xff\r\nServer: x\r\n")
answer("/nowhere", b"<p>no Location", status="302 Found")
answer("/a?q=1&p=2", b"<p>a query")


class Crawled(NamedTuple):
    folder: Path
    port: int
    asked: dict[str, bytes]
    """The request for each path, as the server read it."""

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def files(self) -> list[Path]:
        return sorted((self.folder / "warc").glob("*.warc.gz"))

    def query(self, sql: str, *values) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(f"file:{self.folder / 'crawl.db'}?mode=ro", uri=True)) as db:
            return db.execute(sql, values).fetchall()


async def crawled_into(folder: Path, **chosen) -> Crawled:
    asked: dict[str, bytes] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                asked[path] = head
                writer.write(PAGES.get(path, b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        origin = f"http://127.0.0.1:{port}"
        settings = Settings(
            delay=0, min_free=0, parsers=1, concurrency=1, max_size=600_000, tries=1, headers=(f"{origin} X-Team: hush-hush",),
            auth=(f"{origin} basic me:password-of-mine",), **{"save": "warc", **chosen},
        )  # fmt: skip
        crawler = Crawler(settings, output=folder, seeds=[Seed(f"{origin}/", Options(), "test", 1)])
        await crawler.run()
    return Crawled(folder, port, asked)


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    return asyncio.run(crawled_into(tmp_path_factory.mktemp("warc")))


class Record(NamedTuple):
    """A record as warcio sees it."""

    kind: str
    fields: dict[str, str]
    status: str
    http: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.http if key.lower() == name), None)


def read(source) -> list[Record]:
    found = []
    for record in ArchiveIterator(source, check_digests="raise"):
        http = record.http_headers
        fields = dict(record.rec_headers.headers)
        found.append(Record(
            record.rec_type, fields, http.statusline if http else "", http.headers if http else [], record.content_stream().read(),
        ))  # fmt: skip
    return found


@pytest.fixture(scope="module")
def found(crawled) -> dict[tuple[str, str], Record]:
    """Return the records by kind and path, warcinfo aside."""
    every = [record for file in crawled.files for record in read(io.BytesIO(file.read_bytes()))]
    return {(one.kind, one.fields["WARC-Target-URI"].partition(str(crawled.port))[2]): one for one in every if one.kind != "warcinfo"}


# --- what other programs say ------------------------------------------------------------------------------------------


def test_warcio_finds_nothing_wrong(crawled, capsys):
    checker = Checker(type("Command", (), {"inputs": list(map(str, crawled.files)), "verbose": False})())

    assert (checker.process_all(), capsys.readouterr().out) == (0, "")


def test_fastwarc_reads_every_record_and_confirms_both_digests(crawled):
    [file] = crawled.files
    with file.open("rb") as stream:
        kinds = [(str(one.record_type), one.verify_block_digest()) for one in FastIterator(stream, parse_http=False)]
    with file.open("rb") as stream:
        responses = [one.verify_payload_digest() for one in FastIterator(stream) if one.record_type == WarcRecordType.response]

    [(count,)] = crawled.query("SELECT count(*) FROM warc_record")
    assert [("warcinfo", True)] == kinds[:1]
    assert {"warcinfo", "response", "revisit", "request"} == {kind for kind, _ in kinds}
    assert all(right for _, right in kinds)
    assert count == sum(kind in ("response", "revisit") for kind, _ in kinds) == sum(kind == "request" for kind, _ in kinds)
    assert all(responses)


def test_every_answer_has_its_records(crawled, found):
    paths = {path for kind, path in found if kind in ("response", "revisit")}

    assert set(PAGES) == paths == {path for kind, path in found if kind == "request"} == set(crawled.asked)


def test_the_file_is_ours_alone_and_begins_with_a_word_on_who_made_it(crawled):
    [file] = crawled.files
    first = read(io.BytesIO(file.read_bytes()))[0]

    assert (0o600, "warcinfo", file.name) == (file.stat().st_mode & 0o777, first.kind, first.fields["WARC-Filename"])
    assert b"software: steadycrawl/" in first.body
    assert [(file.stat().st_size, 1)] == crawled.query("SELECT bytes, closed FROM warc")


# --- what was asked ---------------------------------------------------------------------------------------------------


def test_a_request_is_recorded_as_it_was_sent_but_for_its_secrets(crawled, found):
    for path, head in crawled.asked.items():
        sent = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:-2])
        told = dict(found["request", path].http)
        assert sent.keys() == told.keys()
        assert {name for name in sent if sent[name] != told[name]} == sent.keys() & {"Authorization", "Cookie", "X-Team"}
        assert f"{path} HTTP/1.1" == found["request", path].status
        assert f"<{found_id(found, path)}>" == found["request", path].fields["WARC-Concurrent-To"]
    assert b"Cookie: sid=top-secret" in crawled.asked["/target"]


def found_id(found, path: str) -> str:
    record = found.get(("response", path)) or found["revisit", path]
    return record.fields["WARC-Record-ID"].strip("<>")


def test_no_secret_of_a_request_is_in_the_file(crawled):
    whole = b"".join(gzip.decompress(file.read_bytes()) for file in crawled.files)

    assert b"X-Team: ***" in whole
    for secret in (b"hush-hush", b"password-of-mine", b"bWU6cGFzc3dvcmQ"):
        assert secret not in whole
    assert 1 == whole.count(b"top-secret")      # where the server gave it


# --- what came back ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/packed", PACKED, "Content-Encoding"),
        ("/chunked", CHUNKED, "Transfer-Encoding"),
    ],
)
def test_a_body_is_kept_decoded_and_the_headers_say_so(found, path, body, told):
    record = found["response", path]

    assert (body, str(len(body))) == (record.body, record.header("content-length"))
    assert record.header(told.lower()) is None
    assert record.header(f"x-archive-orig-{told.lower()}") in ("gzip", "chunked")


def test_headers_are_kept_byte_for_byte(crawled, found):
    [file] = crawled.files
    whole = gzip.decompress(file.read_bytes())

    assert b"HTTP/1.1 200 F\xfcr dich\r\n" in whole
    assert b"X-Odd: caf\xe9 \xff\r\n" in whole
    assert b"<p>wild" == found["response", "/wild"].body


def test_a_large_body_is_whole_and_leaves_no_temporary_file(crawled, found):
    assert len(LARGE) > IN_MEMORY
    assert LARGE == found["response", "/large"].body
    assert ["intent"] == [path.name for path in (crawled.folder / "tmp").iterdir()]


@pytest.mark.parametrize(
    ("path", "truncated", "size"),
    [("/huge", "length", 600_000), ("/gone", "unspecified", 0), ("/moved", "unspecified", 0), ("/nowhere", "unspecified", 0), ("/target", None, 9)],
)
def test_a_body_that_is_not_whole_says_why(found, path, truncated, size):
    record = found["response", path]

    assert (truncated, size) == (record.fields.get("WARC-Truncated"), len(record.body))
    assert str(size) == record.header("content-length")


def test_a_body_that_is_there_already_is_referred_to(crawled, found):
    kinds = {kind: path for kind, path in found if path.startswith("/twin-") and kind != "request"}
    first, second = found["response", kinds["response"]], found["revisit", kinds["revisit"]]

    assert (PLAIN, b"") == (first.body, second.body)
    assert {
        "WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest",
        "WARC-Refers-To-Target-URI": first.fields["WARC-Target-URI"],
        "WARC-Refers-To-Date": first.fields["WARC-Date"],
        "WARC-Payload-Digest": first.fields["WARC-Payload-Digest"],
    }.items() <= second.fields.items()
    assert [(1, 2)] == crawled.query(
        "SELECT count(DISTINCT body_id), count(*) FROM pages WHERE url LIKE '%/twin-_' AND offset IS NOT NULL"
    )


def test_robots_txt_is_recorded_with_its_text(found):
    assert b"User-agent: *\nDisallow: /secret\n" == found["response", "/robots.txt"].body


# --- reading it back --------------------------------------------------------------------------------------------------


def test_every_page_is_read_back_from_its_record(crawled):
    rows = crawled.query("SELECT url, digest, p.bytes, p.file, p.offset, p.length FROM pages p JOIN body USING (body_id)")

    assert 10 == len(rows)
    for url, digest, size, file, offset, length in rows:
        with open_body(crawled.folder, file, offset, length) as body:
            content = body.read()
        assert (digest, size) == (hashlib.sha256(content).digest(), len(content)), url


@pytest.fixture
def one(tmp_path):
    """Return a folder with one record behind another, and a function that opens the second one's body."""

    class One:
        file = tmp_path / "warc/x.warc.gz"
        content = b"body " * 50_000

        def open(self, offset: int | None = None, length: int | None = None):
            return open_body(tmp_path, "warc/x.warc.gz", self.offset if offset is None else offset, length or self.length)

    made = One()
    made.file.parent.mkdir()
    with made.file.open("wb") as out:
        volume = Volume(out, "x", 0.0, said_of())
        made.offset, made.length, _ = volume.add(Exchange("http://h.test/", 1.5, Reply(200)), made.content)
    return made


def test_a_body_is_read_in_pieces(one):
    with one.open() as body:
        pieces = list(iter(lambda: body.read(1_000), b""))

    assert (one.content, 1_000) == (b"".join(pieces), max(map(len, pieces)))


def test_reading_a_large_body_takes_little_memory(tmp_path):
    (tmp_path / "warc").mkdir()
    with (tmp_path / "warc/x.warc.gz").open("wb") as out:
        offset, length, _ = Volume(out, "x", 0.0, said_of()).add(Exchange("http://h.test/", 0.0, Reply(200)), bytes(30_000_000))
    tracemalloc.start()
    with open_body(tmp_path, "warc/x.warc.gz", offset, length) as body:
        total = sum(len(piece) for piece in iter(lambda: body.read(65_536), b""))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert 30_000_000 == total
    assert peak < 1_000_000


def test_damage_within_a_record_is_told(one):
    data = bytearray(one.file.read_bytes())
    data[one.offset + one.length // 2] ^= 0xFF
    one.file.write_bytes(data)

    with pytest.raises(BodyMissing, match=rf"the record at {one.offset:,} of .*x\.warc\.gz "), one.open() as body:
        body.read()


@pytest.mark.parametrize("kept", [0, 10, 200, -1])
def test_a_record_that_is_cut_short_is_told(one, kept):
    end = one.offset + (kept if kept >= 0 else one.length + kept)
    one.file.write_bytes(one.file.read_bytes()[:end])

    with pytest.raises(BodyMissing, match=r"ends too early|does not end where it should"), one.open() as body:
        body.read()


def test_a_place_that_is_no_record_is_told(one):
    with pytest.raises(BodyMissing, match="is damaged"), one.open(one.offset + 1):
        pass


def test_a_record_of_another_kind_has_no_body(one):
    with pytest.raises(BodyMissing, match="is no response but 'warcinfo'"), one.open(0):
        pass


def test_a_length_that_ends_within_the_record_is_told(one):
    with pytest.raises(BodyMissing, match="ends too early"), one.open(length=one.length - 20) as body:
        body.read()


# --- nothing remote forges a header -----------------------------------------------------------------------------------

FORGED = "\r\nWARC-Type: resource\r\nX: "


def written(exchange: Exchange, payload: bytes = b"") -> list[Record]:
    out = io.BytesIO()
    Volume(out, "x", 0.0, said_of()).add(exchange, payload)
    out.seek(0)
    return read(out)[1:]


def test_a_url_does_not_forge_a_header():
    [record] = written(Exchange(f"http://h.test/{FORGED}\x00é", 0.0, Reply(200)))

    assert ("response", "http://h.test/%0D%0AWARC-Type:%20resource%0D%0AX:%20%00%C3%A9") == (record.kind, record.fields["WARC-Target-URI"])


def test_an_answers_head_does_not_forge_a_header():
    raw = ((f"X{FORGED}".encode(), b"1"), (b"Y", f"a{FORGED}\0b\r\n\r\n<p>".encode()), (b"Content-Length", b"4"))
    wire = Wire((("Referer", f"a{FORGED}"),), "1.1\r\n", f"OK{FORGED}", raw, f"1.2.3.4{FORGED}")
    answered, asked = written(Exchange("http://h.test/", 0.0, Reply(200, wire=wire)), b"body")

    assert ("response", b"body", "4") == (answered.kind, answered.body, answered.header("content-length"))
    assert ["X__WARC-Type__resource__X__", "Y", "Content-Length"] == [name for name, _ in answered.http]
    assert "a  WARC-Type: resource  X:  b    <p>" == answered.header("y")
    assert "200 OK  WARC-Type: resource  X:" == answered.status.strip()
    assert ("request", [("Referer", "a  WARC-Type: resource  X:")]) == (asked.kind, [(name, value.strip()) for name, value in asked.http])
    assert not {"WARC-IP-Address", "X"} & answered.fields.keys()


def test_a_field_of_two_lines_is_refused():
    with pytest.raises(ValueError, match="WARC-Odd must be one line"):
        records.write(io.BytesIO(), [("WARC-Odd", f"a{FORGED}")], b"")


def test_a_reply_that_says_its_length_twice_says_it_once():
    raw = ((b"Content-Length", b"3"), (b"content-length", b"3"), (b"Transfer-Encoding", b"chunked"))
    head = records.response_head(Reply(200, wire=Wire((), "1.0", "", raw, None)), 3)

    assert (
        b"HTTP/1.0 200 \r\nContent-Length: 3\r\nX-Archive-Orig-content-length: 3\r\nX-Archive-Orig-Transfer-Encoding: chunked\r\n\r\n"
    ) == head


# --- not modified -----------------------------------------------------------------------------------------------------


def test_an_answer_of_304_refers_to_the_body_that_is_still_good():
    digest = hashlib.sha256(b"old").digest()
    reply = Reply(304, (("ETag", '"1"'), ("Content-Length", "17")))
    [record] = written(Exchange("http://h.test/", 2.0, reply, original=Original("http://h.test/first", 1.25, digest)))

    assert {
        "WARC-Type": "revisit",
        "WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/server-not-modified",
        "WARC-Refers-To-Target-URI": "http://h.test/first",
        "WARC-Refers-To-Date": "1970-01-01T00:00:01.250Z",
        "WARC-Date": "1970-01-01T00:00:02.000Z",
        "WARC-Payload-Digest": records.digest_of(digest),
    }.items() <= record.fields.items()
    assert [("ETag", '"1"'), ("Content-Length", "17")] == record.http


def test_an_answer_of_304_to_what_is_in_no_warc_file_refers_to_nothing():
    [record] = written(Exchange("http://h.test/", 2.0, Reply(304)))

    assert ("revisit", set()) == (record.kind, {"WARC-Refers-To-Date", "WARC-Payload-Digest"} & record.fields.keys())


# --- made from what is stored -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def as_files(tmp_path_factory):
    return asyncio.run(crawled_into(tmp_path_factory.mktemp("files"), save="files"))


def exported(crawled: Crawled, place: Path, **chosen) -> dict[str, Record]:
    with Reader.open(crawled.folder) as reader:
        count = write_warc(crawled.folder, place, reader=reader, **chosen)
    every = [one for file in sorted(place.glob("*.warc.gz")) for one in read(io.BytesIO(file.read_bytes())) if one.kind != "warcinfo"]
    assert count == len(every) == (place / "index.cdxj").read_bytes().count(b"\n")
    return {one.fields["WARC-Target-URI"].partition(str(crawled.port))[2]: one for one in every}


def test_warc_files_are_made_from_a_crawl_that_kept_files(as_files, found, tmp_path):
    made = exported(as_files, tmp_path)
    told = {path: record for (kind, path), record in found.items() if kind != "request"}

    assert told.keys() == made.keys()
    assert {"export-00001.warc.gz", "index.cdxj"} == {path.name for path in tmp_path.iterdir()}
    for path, record in told.items():
        assert (record.kind, record.status[:3], record.body) == (made[path].kind, made[path].status[:3], made[path].body), path
        assert record.header("content-length") == made[path].header("content-length")
    assert ("gzip", None) == (made["/packed"].header("x-archive-orig-content-encoding"), made["/packed"].header("content-encoding"))
    assert {"/twin-1", "/twin-2"} == {path for path, one in made.items() if one.body == PLAIN or one.kind == "revisit"}


def test_what_lies_in_warc_files_is_made_anew(crawled, found, tmp_path):
    made = exported(crawled, tmp_path)

    assert {path: one.body for (kind, path), one in found.items() if kind != "request"} == {path: one.body for path, one in made.items()}


def test_only_what_is_asked_for_is_made_and_a_file_ends_when_it_is_large(as_files, tmp_path):
    made = exported(as_files, tmp_path, where="url LIKE '%/twin-_' -- a remark", largest=1)

    assert {"/twin-1", "/twin-2"} == made.keys()
    assert ["export-00001.warc.gz", "export-00002.warc.gz"] == sorted(path.name for path in tmp_path.glob("*.gz"))


def test_a_smaller_export_replaces_a_larger_one_whole(as_files, tmp_path):
    exported(as_files, tmp_path, largest=1)
    made = exported(as_files, tmp_path)

    assert (["export-00001.warc.gz", "index.cdxj"], set(PAGES)) == (sorted(path.name for path in tmp_path.iterdir()), made.keys())


def test_an_export_that_is_ended_leaves_no_half_file(as_files, tmp_path):
    def told(records: int) -> None:
        if records == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported(as_files, tmp_path, told=told)
    assert [] == list(tmp_path.glob("export*"))


def test_export_makes_warc_files(as_files, tmp_path, capsys):
    code = main(["export", "--format", "warc", "--to", str(tmp_path / "out"), "--where", "url LIKE '%/twin-_'", "-o", str(as_files.folder)])

    assert (0, f"2 answers written to {tmp_path / 'out'}.\n") == (code, capsys.readouterr().err)
    assert {"export-00001.warc.gz", "index.cdxj"} == {path.name for path in (tmp_path / "out").iterdir()}
    assert 2 == main(["export", "--format", "warc", "-o", str(as_files.folder)])
    assert "makes files in a folder" in capsys.readouterr().err
    assert 2 == main(["export", "--format", "warc", "--to", str(tmp_path / "out"), "-o", str(as_files.folder)])
    assert "is there already" in capsys.readouterr().err


def test_the_index_is_written_by_a_command(crawled, as_files, capsys):
    index = crawled.folder / "warc/index.cdxj"

    assert 0 == main(["cdxj", "-o", str(crawled.folder)])
    assert f"{index}\n" == capsys.readouterr().out
    assert 1 == main(["cdxj", "-o", str(as_files.folder)])
    assert "has no WARC files" in capsys.readouterr().err


def test_the_index_of_another_format_is_refused_in_words(tmp_path, capsys):
    db = sqlite3.connect(tmp_path / "crawl.db")
    db.executescript("CREATE TABLE t (x); PRAGMA application_id = 0x43524C31; PRAGMA user_version = 3")
    db.close()

    assert 6 == main(["cdxj", "-o", str(tmp_path)])
    assert "has format 3, and this version reads format 4" in capsys.readouterr().err


def test_a_body_that_is_not_there_is_told_and_left_out(as_files, tmp_path):
    [(file,)] = as_files.query("SELECT file FROM pages WHERE url LIKE '%/target'")
    stored = as_files.folder / file
    stored.rename(stored.with_suffix(".away"))
    missing: list[str] = []
    try:
        made = exported(as_files, tmp_path, missing=missing.append)
    finally:
        stored.with_suffix(".away").rename(stored)

    assert ([f"the stored file {stored} is not there"], len(PAGES) - 1) == (missing, len(made))
    assert "/target" not in made


# --- the index --------------------------------------------------------------------------------------------------------


def test_the_index_is_sorted_and_leads_to_every_answer(crawled, found):
    lines = (crawled.folder / "warc/index.cdxj").read_bytes().splitlines()
    [file] = crawled.files
    data = file.read_bytes()

    assert sorted(lines) == lines
    assert len(lines) == sum(kind in ("response", "revisit") for kind, _ in found)
    for text in lines:
        key, moment, said = text.decode().split(" ", 2)
        entry = json.loads(said)
        assert (surt(entry["url"]), file.name) == (key, entry["filename"])
        start, length = int(entry["offset"]), int(entry["length"])
        [record] = read(io.BytesIO(data[start : start + length]))
        assert (record.fields["WARC-Target-URI"], record.status[:3]) == (entry["url"], entry["status"])
        assert record.fields["WARC-Date"].translate(str.maketrans("", "", "-:TZ"))[:14] == moment
        assert (record.kind == "revisit") == (entry["mime"] == "warc/revisit")
        assert entry.get("digest", record.fields["WARC-Payload-Digest"]) == record.fields["WARC-Payload-Digest"]


def test_the_index_can_be_written_again_and_is_the_same(crawled):
    index = crawled.folder / "warc/index.cdxj"
    before = index.read_bytes()

    assert before.count(b"\n") == write_index(crawled.folder)
    assert before == index.read_bytes()
    assert [index.name] == [path.name for path in index.parent.iterdir() if ".warc" not in path.name]


def test_more_lines_than_fit_in_memory_are_sorted(tmp_path, monkeypatch):
    monkeypatch.setattr("crawler.archive.cdxj.LINES_AT_ONCE", 7)
    monkeypatch.setattr("crawler.archive.cdxj.FILES_AT_ONCE", 3)
    lines = [b"%03d" % (number * 37 % 101) for number in range(101)]

    assert 101 == write_sorted(iter(lines), tmp_path / "index")
    assert sorted(lines) == (tmp_path / "index").read_bytes().splitlines()


def test_an_index_that_is_wanted_no_longer_leaves_the_old_one(tmp_path):
    (tmp_path / "index").write_bytes(b"old")

    assert write_sorted([b"new"], tmp_path / "index", wanted=lambda: False) is None
    assert (["index"], b"old") == ([path.name for path in tmp_path.iterdir()], (tmp_path / "index").read_bytes())


# What pywb 2.10 (surt 0.3.1) looks up for the same URL.
@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://www.example.org/", "org,example)/"),
        ("http://WWW2.example.org:80/a/", "org,example)/a"),
        ("https://example.org/A/B.html?b=2&a=1", "org,example)/a/b.html?a=1&b=2"),
        ("http://example.org:8080/x/", "org,example:8080)/x"),
        ("http://127.0.0.1:4000/p/0", "1,0,0,127:4000)/p/0"),
        ("http://example.org/a?", "org,example)/a"),
        ("http://example.org/a%20b/%C3%A9?q=%E4%B8%AD", "org,example)/a%20b/%c3%a9?q=%e4%b8%ad"),
        ("http://[::1]:80/x", "::1)/x"),
        ("http://[2001:db8::1]:8080/x", "2001:db8::1:8080)/x"),
        ("https://xn--bcher-kva.example/", "example,xn--bcher-kva)/"),
        ("http://example.org//a//b/", "org,example)/a/b"),
        ("http://example.org/a?PHPSESSID=abcdefabcdefabcdefabcdefabcdefab&b=1", "org,example)/a?b=1"),
        ("http://example.org/a?b=1&b=0&a", "org,example)/a?a&b=0&b=1"),
        ("http://example.org/%7Euser/%2F%41", "org,example)/~user/a"),
        ("http://example.org/a?x=%41+b%20c", "org,example)/a?x=a+b%20c"),
        ('http://example.org/a|b^c"d', 'org,example)/a|b^c"d'),
        ("http://www.co.uk/", "uk,co)/"),
        ("http://www/", "www)/"),
        ("http://example.org./x", "org,example)/x"),
        ("http://example.org/a?&&a=1", "org,example)/a?&&a=1"),
        ("http://example.org/a?sid=0123456789abcdef0123456789abcdef", "org,example)/a"),
        ("http://example.org/(S(abcdefghijklmnopqrstuvwx))/a.aspx", "org,example)/a.aspx"),
        ("http://example.org/a%25b%2525", "org,example)/a%25b%25"),
        ("https://example.org:80/", "org,example:80)/"),
        ("http://www.www.example.org/", "org,example,www)/"),
        ("http://example.org/'()*!$,@~_-", "org,example)/'()*!$,@~_-"),
        ("http://example.org/%00%0a", "org,example)/%00%0a"),
    ],
)  # fmt: skip
def test_a_key_is_the_one_that_replay_tools_look_up(url, key):
    assert key == surt(url)


def wait_until_open(port: int, process: subprocess.Popen) -> None:
    while True:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"pywb ended with {process.wait(0.05)}")


@pytest.mark.skipif(PYWB is None, reason="replay needs pywb on the PATH, from an environment of its own: its brotli is not ours")
def test_pywb_replays_pages_byte_for_byte(crawled, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    place = crawled.folder / "warc"
    (tmp_path / "config.yaml").write_text(f"collections:\n  c:\n    index_paths: {place}/index.cdxj\n    archive_paths: {place}/\n")
    command = [PYWB, "-p", str(port), "-b", "127.0.0.1"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL) as pywb:
        try:
            wait_until_open(port, pywb)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            for path, body in (("/packed", PACKED), ("/twin-1", PLAIN), ("/twin-2", PLAIN), ("/large", LARGE), ("/a?q=1&p=2", b"<p>a query")):
                with opener.open(f"http://127.0.0.1:{port}/c/20300101000000id_/{crawled.url(path)}", timeout=30) as answered:
                    assert body == answered.read(), path
        finally:
            pywb.kill()


# --- one file after another, and after a crash ------------------------------------------------------------------------


def test_a_new_file_is_begun_when_one_is_large_enough(tmp_path, make_request):
    begun: list[str] = []

    async def begin(name) -> tuple[int, str]:
        begun.append(name(len(begun) + 1))
        return len(begun), begun[-1]

    async def run() -> list:
        archive = WarcArchive(tmp_path, largest=2_000)
        archive.open()
        archive.begin = begin
        places = []
        for number in range(6):
            content = hashlib.sha256(b"%d" % number).hexdigest().encode() * 10
            async with archive.draft(make_request()) as draft:
                await draft.write(content)
                body = await draft.keep("text/html")
            places += await archive.record([Exchange(f"http://h.test/{number}", 1e9 + number, Reply(200), body)])
        await archive.close()
        return places

    places = asyncio.run(run())
    names = sorted(path.name for path in (tmp_path / "warc").iterdir())

    assert ("crawl-20010909014640-00001.warc.gz", begun) == (names[0], [f"warc/{name}" for name in names])
    assert sorted(place.volume for place in places) == [place.volume for place in places]
    assert (1, len(names), True) == (places[0].volume, places[-1].volume, 1 < len(names) < 6)
    for volume, name in enumerate(names, 1):
        data = (tmp_path / "warc" / name).read_bytes()
        here = [place for place in places if place.volume == volume]
        assert ["warcinfo", *["response"] * len(here)] == [record.kind for record in read(io.BytesIO(data))]
        assert len(data) == here[-1].end
        assert all(place.end < 2_000 for place in here[:-1])
        assert volume == len(names) or here[-1].end >= 2_000


@pytest.fixture
def left(tmp_path):
    """Return a WARC file of 100 bytes, and its name below the folder."""
    name = name_of(0.0, 1)
    (tmp_path / "warc").mkdir()
    (tmp_path / name).write_bytes(bytes(100))
    return tmp_path, name


def test_what_a_crash_left_behind_the_truth_is_cut_off(left):
    folder, name = left

    assert (0, 60) == (cut(folder, name, 60), (folder / name).stat().st_size)


def test_a_file_of_which_nothing_is_true_is_deleted(left):
    folder, name = left

    assert (0, False) == (cut(folder, name, 0), (folder / name).exists())


def test_a_file_that_lacks_something_is_left_as_it_is(left):
    folder, name = left

    assert (20, 100) == (cut(folder, name, 120), (folder / name).stat().st_size)
    assert 7 == cut(folder, name_of(0.0, 2), 7)
    assert 0 == cut(folder, name_of(0.0, 3), 0)


@pytest.mark.parametrize("name", ["crawl.db", "../outside", "warc/../crawl.db", "/etc/passwd", "warc/crawl-1.warc.gz", "pages/x.warc.gz"])
def test_a_database_does_not_name_other_files_to_be_cut(left, name):
    with pytest.raises(NotACrawl):
        cut(left[0], name, 0)


def test_no_link_is_followed_to_what_is_cut(left, tmp_path):
    folder, name = left
    target = folder / "target"
    (folder / name).rename(target)
    (folder / name).symlink_to(target)

    with pytest.raises(NotACrawl):
        cut(folder, name, 10)
    assert 100 == target.stat().st_size


def test_a_full_disk_is_told(tmp_path):
    class Full(io.RawIOBase):
        def write(self, data) -> int:
            raise OSError(28, "No space left on device")

    async def begin(name) -> tuple[int, str]:
        return 1, name(1)

    async def run() -> None:
        archive = WarcArchive(tmp_path)
        archive.open()
        archive.begin = begin
        try:
            await archive.record([Exchange("http://h.test/", 0.0, Reply(200))])
            archive._volume._out = Full()
            await archive.record([Exchange("http://h.test/", 0.0, Reply(200))])
        finally:
            await archive.close()

    with pytest.raises(StorageError, match=r"cannot write to .*00001\.warc\.gz: no space left on device"):
        asyncio.run(run())


def test_a_write_that_takes_less_than_it_was_given_is_gone_on_with():
    class Short(io.RawIOBase):
        data = b""

        def write(self, data) -> int:
            self.data += bytes(data[:10])
            return min(len(data), 10)

    out = Short()
    length = records.write(out, [("WARC-Type", "resource"), ("WARC-Record-ID", "<urn:x>"), ("WARC-Date", "2001-01-01T00:00:00Z")], b"abc")

    assert len(out.data) == length
    assert [b"abc"] == [record.body for record in read(io.BytesIO(out.data))]


def test_a_body_without_a_draft_is_no_body_of_a_file(tmp_path):
    body = Body(b"x" * 32, 3, "pages/h/aa/x.html")

    with pytest.raises(KeyError):
        WarcArchive(tmp_path)._payload(Exchange("http://h.test/", 0.0, Reply(200), body))
