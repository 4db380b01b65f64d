"""The door: what is asked for, checked before anything is written, and handed to the format's writer."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple, assert_never

from crawler.export.corpus import COLUMNS, Corpus, write_corpus
from crawler.export.cursor import Cursor, Wish
from crawler.export.errors import ExportError, need, writing
from crawler.export.files import Growing, Stdout, refuse_existing, whole
from crawler.export.formats import FORMATS, Kind
from crawler.export.graphml import write_graphml
from crawler.export.lines import Watch, write_lines
from crawler.export.selecting import EDGE_COLUMNS, Selection, checked, database_of, latest_request, page_columns
from crawler.export.sitemap import CONDITION, SELECT, write_sitemap
from crawler.export.tables import write_parquet
from crawler.export.texts import DEADLINE, SOURCE, Tally, Texts
from crawler.export.warc import write_warc
from crawler.query.reader import Reader, Row


class Target(NamedTuple):
    """Where it goes."""

    path: Path | None
    """A file or a folder; None is standard output."""
    going_on: bool = False
    force: bool = False


def export(
    folder: Path, reader: Reader, kind: Kind, wish: Wish, target: Target, *, watch: Watch = lambda _rows, _share: None,
    deadline: int = DEADLINE,
) -> Tally:  # fmt: skip
    """Write what a crawl knows and return what became of it.

    *deadline* is the seconds that the main text of one page may take. Raises ExportError and QueryError before anything is
    written, StorageError when the disk refuses.
    """
    refuse_contradictions(kind, wish, target)
    tally = Tally()
    match kind:
        case "jsonl" | "csv":
            with Texts(folder, tally, deadline=deadline) as texts:
                rows = _Filled(reader, wish, texts)
                with _growing(reader, wish, target) as sink:
                    write_lines(
                        sink, rows.selection, rows.columns, "csv" if kind == "csv" else "json", tally, watch,
                        filled=rows, excel_safe=wish.excel_safe,
                    )  # fmt: skip
        case "parquet":
            with Texts(folder, tally, deadline=deadline) as texts:
                rows = _Filled(reader, wish, texts)
                with whole(target.path, force=target.force) as file:
                    write_parquet(file, rows.selection, rows.columns, tally, watch, rows)
        case "markdown" | "text":
            _write_texts(folder, reader, kind, wish, target, tally, watch, deadline)
        case "sitemap":
            selection = Selection(reader, "pages", SELECT, wish.where, further=CONDITION, distinct=wish.distinct)
            write_sitemap(target.path, selection, tally, watch, base=wish.base, force=target.force)
        case "graphml":
            with whole(target.path, force=target.force) as file:
                write_graphml(file, reader, wish.where, tally, watch)
        case "edges":
            selection = Selection(reader, "links", EDGE_COLUMNS, wish.where)
            with _growing(reader, wish, target) as sink:
                write_lines(sink, selection, EDGE_COLUMNS, "tsv", tally, watch)
        case "warc":
            _write_warc(folder, reader, wish, target, tally, watch)
        case _:
            assert_never(kind)
    return tally


def refuse_contradictions(kind: Kind, wish: Wish, target: Target) -> None:
    """Raise ExportError for options that do not go together, and for packages that are not there."""
    form = FORMATS[kind]
    for flag, given, possible in (
        ("--columns", wish.columns is not None, form.columns),
        ("--body", wish.body, form.columns),
        ("--text", wish.text, form.columns),
        ("--distinct", wish.distinct, form.of == "pages" and kind != "warc"),
        ("--excel-safe", wish.excel_safe, kind == "csv"),
        ("--jsonl", wish.jsonl, form.texts),
        ("--base", wish.base is not None, kind == "sitemap"),
    ):
        if given and not possible:
            raise ExportError(f"{flag} is not for --format {kind}", f"Try without it, or --format {_some_other(flag)}.")
    if target.going_on and not form.grows:
        raise ExportError(f"--format {kind} is written whole and cannot be added to", "Try --force to write it anew.")
    if target.going_on and target.path is None:
        raise ExportError("--continue needs a file to go on with", "Try --to FILE.")
    if form.folder and not wish.jsonl and target.path is None:
        raise ExportError(f"--format {kind} makes files in a folder", f"Try --to FOLDER{', or --jsonl for lines' if form.texts else ''}.")
    if kind == "parquet":
        need("pyarrow", "parquet", "--format parquet")
    if form.texts or wish.text:
        need("trafilatura", "text", "the main text of a page")


def _some_other(flag: str) -> str:
    return {"--excel-safe": "csv", "--jsonl": "markdown", "--base": "sitemap"}.get(flag, "jsonl")


class _Filled:
    """Rows of pages with the chosen columns, and with what stands in their bodies."""

    def __init__(self, reader: Reader, wish: Wish, texts: Texts) -> None:
        chosen = page_columns(reader, wish.columns)
        self._texts, self._width = texts, len(chosen)
        self._body, self._text = wish.body, wish.text
        self.columns = (*chosen, *["body"] * wish.body, *["text"] * wish.text)
        self.selection = Selection(
            reader, "pages", (*chosen, *(SOURCE if wish.body or wish.text else ())), wish.where,
            distinct=wish.distinct, texts=wish.text,
        )  # fmt: skip

    def __call__(self, row: Row) -> Row:
        """Return the row that is written."""
        kept, source = row[: self._width], row[self._width :]
        if self._body:
            kept += (self._texts.body(source),)
        if self._text:
            kept += (self._texts.main(source),)
        return kept


def _write_texts(
    folder: Path, reader: Reader, kind: Kind, wish: Wish, target: Target, tally: Tally, watch: Watch, deadline: int
) -> None:
    selection = Selection(reader, "pages", (*COLUMNS, *SOURCE), wish.where, distinct=wish.distinct, texts=True)
    with Texts(folder, tally, markdown=kind == "markdown", deadline=deadline) as texts:
        if target.path is not None and not wish.jsonl:
            cursor = Cursor(database=database_of(reader), wish=wish)
            corpus = Corpus(
                target.path, cursor, reader, going_on=target.going_on, force=target.force, latest=latest_request(reader),
                markdown=kind == "markdown",
            )  # fmt: skip
            with corpus:
                write_corpus(corpus, selection, tally, watch, texts.main)
            return

        def filled(row: Row) -> Row | None:
            text = texts.main(row[len(COLUMNS) :])
            return None if text is None else (*row[: len(COLUMNS)], text)

        with _growing(reader, wish, target) as sink:
            write_lines(sink, selection, (*COLUMNS, "text"), "json", tally, watch, filled=filled)


def _write_warc(folder: Path, reader: Reader, wish: Wish, target: Target, tally: Tally, watch: Watch) -> None:
    path = target.path or Path()
    checked(reader, "pages", wish.where)
    with writing(path):
        if path.exists() and not path.is_dir():
            raise ExportError(f"{path} is a file", "Try --to with a folder.")
        if path.is_dir() and any(path.iterdir()):
            refuse_existing(path, force=target.force, grows=False)
    requests = max(latest_request(reader), 1)

    def missed(_reason: str) -> None:
        tally.missing += 1

    def told(records: int) -> None:
        watch(records, min(records / requests, 1))

    tally.rows = write_warc(folder, path, reader=reader, where=wish.where, told=told, missing=missed)


def _growing(reader: Reader, wish: Wish, target: Target) -> Growing | Stdout:
    if target.path is None:
        return Stdout()
    cursor = Cursor(database=database_of(reader), wish=wish)
    return Growing(target.path, cursor, reader, going_on=target.going_on, force=target.force, latest=latest_request(reader))
