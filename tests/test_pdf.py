"""The links of PDF documents, of whole ones, broken ones and hostile ones."""

from __future__ import annotations

import io
import logging
import struct
import sys
import time
import warnings
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.parsing import pdf
from crawler.parsing.pdf import is_pdf, links

pypdf = pytest.importorskip("pypdf", reason="the extra `pdf` is not installed")

from pypdf.annotations import FreeText, Link  # noqa: E402 - only where pypdf is

AREA = (0, 0, 10, 10)
MEGABYTE = 1024 * 1024


def written(pages: int, *urls: tuple[int, str], password: str | None = None) -> bytes:
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(100, 100)
    for page, url in urls:
        writer.add_annotation(page, Link(rect=AREA, url=url))
    if password is not None:
        writer.encrypt(password, "owner", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def put_together(*objects: str) -> bytes:
    """Return a document of objects as they are given; the first is its catalogue."""
    parts, at, starts = [b"%PDF-1.4\n"], 9, []
    for number, content in enumerate(objects, start=1):
        starts.append(at)
        parts.append(f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1"))
        at += len(parts[-1])
    table = "".join(f"{start:010} 00000 n \n" for start in starts)
    parts.append(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}".encode())
    parts.append(f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{at}\n%%EOF".encode())
    return b"".join(parts)


CATALOGUE = "<< /Type /Catalog /Pages 2 0 R >>"
LINK = "<< /Type /Annot /Subtype /Link /A << /S /URI /URI (http://host.test/) >> >>"


# --- links --------------------------------------------------------------------------------------------------------


def test_links_of_all_pages_come_in_page_order_and_once():
    body = written(3, (2, "https://host.test/3"), (0, "https://host.test/1"), (1, "relative?x=(1)"), (1, "https://host.test/1"), (1, "mailto:a@b.test"))

    assert ("https://host.test/1", "relative?x=(1)", "mailto:a@b.test", "https://host.test/3") == links(body)


def test_a_document_without_links_has_none():
    assert () == links(written(2))


def test_links_within_a_document_and_other_annotations_are_none():
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    writer.add_annotation(0, Link(rect=AREA, target_page_index=0))
    writer.add_annotation(0, FreeText(rect=AREA, text="http://no.test/"))
    file = io.BytesIO()
    writer.write(file)

    assert () == links(file.getvalue())


@pytest.mark.parametrize("kind", ["URI-", "GoToR", "JavaScript", "SubmitForm"])
def test_other_actions_are_no_links(kind):
    assert () == links(put_together(CATALOGUE, "<< /Kids [3 0 R] >>", "<< /Annots [4 0 R] >>", LINK.replace("/S /URI", f"/S /{kind}")))


@pytest.mark.parametrize(
    ("uri", "url"),
    [
        ("(http://host.test/)", "http://host.test/"),
        ("( http://host.test/\\\n\\n)", "http://host.test/"),
        ("<687474703a2f2f686f73742e746573742f>", "http://host.test/"),
        ("<feff0068007400740070003a002f002f0078002f00e9>", "http://x/é"),
    ],
)
def test_strings_are_read_in_every_spelling(uri, url):
    body = put_together(CATALOGUE, "<< /Kids [3 0 R] >>", "<< /Annots [4 0 R] >>", LINK.replace("(http://host.test/)", uri))

    assert (url,) == links(body)


def test_references_in_all_places_are_followed():
    body = put_together(
        CATALOGUE, "<< /Kids 3 0 R >>", "[4 0 R]", "<< /Annots 5 0 R >>", "[6 0 R]", "<< /Subtype /Link /A 7 0 R >>", "<< /S /URI /URI 8 0 R >>", "(http://host.test/)"
    )

    assert ("http://host.test/",) == links(body)


def test_a_document_that_opens_without_a_password_is_read():
    assert ("http://host.test/",) == links(written(1, (0, "http://host.test/"), password=""))


def test_a_document_that_asks_for_a_password_is_not():
    assert links(written(1, (0, "http://host.test/"), password="secret")) is None


# --- limits -------------------------------------------------------------------------------------------------------


def test_there_are_limits(monkeypatch: pytest.MonkeyPatch):
    body = written(3, *((page, f"http://host.test/{page}{number}") for page in range(3) for number in range(2)))

    for name, limit, found in (("MAX_PAGES", 2, 4), ("MAX_LINKS", 3, 3), ("MAX_ANNOTATIONS", 5, 5), ("MAX_NODES", 2, 4)):
        with monkeypatch.context() as patch:
            patch.setattr(pdf, name, limit)

            assert found == len(links(body) or ()), name


def many_levels() -> tuple[str, ...]:
    levels = (f"<< /Kids [{f'{number + 1} 0 R ' * 10}] >>" for number in range(2, 12))
    return CATALOGUE, *levels, "<< /Annots [13 0 R] >>", LINK


@pytest.mark.parametrize(
    ("objects", "found"),
    [
        (many_levels(), ("http://host.test/",)),
        ((CATALOGUE, "<< /Kids [2 0 R 3 0 R] >>", "<< /Kids [2 0 R 3 0 R 4 0 R] >>", "<< /Annots [5 0 R] >>", LINK), ("http://host.test/",)),
        ((CATALOGUE, f"<< /Kids [{'<< /Annots 3 0 R >> ' * 3000}] >>", f"[{'4 0 R ' * 3000}]", LINK), ("http://host.test/",)),
        ((CATALOGUE, "3 0 R", "2 0 R"), None),
        ((CATALOGUE, "[" * 100_000), None),
        ((CATALOGUE, "<< /A " * 20_000), None),
        ((CATALOGUE, "<< /Kids 7 >>"), ()),
        ((CATALOGUE, "<< /Kids [null 1 (x) /y [] << /Annots [null 1 (x) [] << /Subtype /Link >> << /Subtype /Link /A 1 >>] >>] >>"), ()),
    ],
    ids=["one page on many levels", "a circle", "one list on many pages", "a circle of names", "deep lists", "deep dictionaries", "no list", "odd things"],
)
def test_a_hostile_tree_is_walked_once(objects, found):
    body = put_together(*objects)
    started = time.process_time()

    assert found == links(body)
    assert time.process_time() - started < 5


def packed(megabytes: int) -> bytes:
    """Return a document whose page tree lies in an object stream that swells to that size."""
    packer = zlib.compressobj(1)
    stream = packer.compress(b"2 0 << /Kids [<< /Annots [5 0 R] >>] >>")
    stream += b"".join(packer.compress(b" " * MEGABYTE) for _ in range(megabytes)) + packer.flush()
    body, starts = b"%PDF-1.5\n", {}
    for number, content in (
        (1, CATALOGUE.encode()),
        (3, b"<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream)),
        (5, LINK.encode()),
    ):
        starts[number] = len(body)
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    starts[4] = len(body)
    entries = (0, 0, 0), (1, starts[1], 0), (2, 3, 0), (1, starts[3], 0), (1, starts[4], 0), (1, starts[5], 0)
    table = b"".join(struct.pack(">BIB", *entry) for entry in entries)
    head = b"<< /Type /XRef /Size 6 /Root 1 0 R /W [1 4 1] /Length %d >>" % len(table)
    return body + b"4 0 obj\n%s\nstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF" % (head, table, starts[4])


def test_a_stream_that_swells_is_not_unpacked():
    """A megabyte of it would otherwise take a gigabyte: pypdf stops at its limit, and the file counts as broken."""
    assert ("http://host.test/",) == links(packed(1))
    assert links(packed(150)) is None


# --- broken files -------------------------------------------------------------------------------------------------


def test_a_broken_file_is_none_and_nothing_is_said_about_it(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture):
    body = written(2, (0, "http://host.test/"))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for broken in (b"", b"%PDF-1.4", b"%PDF-1.7\n%%EOF", body[:-100], body[: len(body) // 2], b"\0" * 1000 + body[500:]):
            assert links(broken) is None
        links(body.replace(b"startxref", b"startxxxx"))
        links(body.replace(b" 00000 n", b" 00007 n"))

    assert ("", "", []) == (*capfd.readouterr(), caplog.records)


def test_logging_of_others_stays_as_it_is():
    before = logging.getLogger().level
    links(b"%PDF-1.4")

    assert before == logging.getLogger().level
    assert logging.getLogger("crawler").isEnabledFor(logging.ERROR)


def test_without_pypdf_there_are_no_links(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "pypdf", None)

    assert links(written(1, (0, "http://host.test/"))) is None


GOOD = written(2, (0, "http://host.test/1"), (1, "http://host.test/2"))


@given(st.integers(0, len(GOOD)), st.binary(max_size=20) | st.sampled_from([b"1 0 R", b"<<", b">>", b"]", b"endobj", b"99999999999"]), st.integers(0, 20))
def test_any_damage_is_survived(at, inserted, cut):
    found = links(GOOD[:at] + inserted + GOOD[at + cut :])

    assert found is None or all(isinstance(url, str) for url in found)


@given(st.binary())
def test_any_body_is_survived(body):
    assert links(b"%PDF-1.4\n" + body) in {None, ()}


# --- is it one? ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "content_type", "verdict"),
    [
        (b"%PDF-1.4", "application/pdf", True),
        (b"%PDF-1.4", "Application/PDF; charset=binary", True),
        (b"%PDF-1.4", "application/x-pdf", True),
        (b"\n\njunk %PDF-1.4", "application/pdf", True),
        (b"x" * 1024 + b"%PDF-1.4", "application/pdf", False),
        (b"<html>", "application/pdf", False),
        (b"", "application/pdf", False),
        (b"%PDF-1.4", None, True),
        (b"%PDF-1.4", "", True),
        (b"%PDF-1.4", "pdf", True),
        (b"%PDF-1.4", "application/unknown", True),
        (b" %PDF-1.4", None, False),
        (b"%PDF-1.4", "text/html", False),
        (b"%PDF-1.4", "application/octet-stream", False),
    ],
)
def test_what_is_read_as_pdf(body, content_type, verdict):
    assert verdict == is_pdf(body, content_type)
