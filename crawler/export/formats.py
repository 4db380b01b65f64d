"""The formats: what each is made of, and whether it can grow. A new one is a row here and a writer in `exporting`."""

from __future__ import annotations

from typing import Literal, NamedTuple

Kind = Literal["jsonl", "csv", "parquet", "sitemap", "markdown", "text", "graphml", "edges", "warc"]


class Format(NamedTuple):
    """One format."""

    meaning: str
    of: Literal["pages", "links"]
    """The view that `--where` is about."""
    grows: bool
    """More can be written behind what is there, so that `--continue` works."""
    columns: bool = False
    """The columns can be chosen."""
    folder: bool = False
    """Files in a folder; main texts can be lines of one file instead."""
    texts: bool = False
    """Made of main texts."""


FORMATS: dict[Kind, Format] = {
    "jsonl": Format("a JSON object a page", "pages", grows=True, columns=True),
    "csv": Format("a row a page, for spreadsheets", "pages", grows=True, columns=True),
    "parquet": Format("typed columns, for data frames (extra parquet)", "pages", grows=False, columns=True),
    "sitemap": Format("sitemap.xml of the pages that search engines may list", "pages", grows=False),
    "markdown": Format("the main text of each page as Markdown (extra text)", "pages", grows=True, folder=True, texts=True),
    "text": Format("the main text of each page as plain text (extra text)", "pages", grows=True, folder=True, texts=True),
    "graphml": Format("the link graph as GraphML", "links", grows=False),
    "edges": Format("the link graph as tab-separated src, dst, kind, nofollow", "links", grows=True),
    "warc": Format("WARC files with their index, for web archives", "pages", grows=False, folder=True),
}
