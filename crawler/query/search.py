"""Searching the text of pages, best first, also while the crawl that writes the index runs.

What somebody types never becomes syntax: `crawler.core.tokens` makes quoted words of it, and they are bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from crawler.core import tokens, urls
from crawler.core.excerpts import Marker, Pieces
from crawler.core.tokens import NoQuestion, Question
from crawler.query.errors import NOTHING_HERE, QueryError
from crawler.query.reader import Reader

TITLE_WEIGHT = 5.0
"""What a word in a title counts; one in the text counts 1."""

_FOUND = """
SELECT o.origin || u.path, f.title, f.lang, -i.score, t.packed, count(*) OVER ()
FROM (SELECT rowid AS url_id, bm25(page_index, ?, 1.0) AS score FROM page_index WHERE page_index MATCH ?) i
  JOIN page_text t ON t.url_id = i.url_id JOIN url u ON u.url_id = i.url_id JOIN fetch f ON f.fetch_id = u.page_id
  JOIN origin o ON o.origin_id = u.origin_id JOIN host h ON h.host_id = u.host_id
WHERE t.fetch_id = u.page_id{more}
ORDER BY i.score, i.url_id LIMIT ?"""
_OF_HOST = " AND h.name = ?"
_OF_LANG = " AND (lower(replace(f.lang, '_', '-')) = ? OR lower(replace(f.lang, '_', '-')) LIKE ? || '-%')"
_TITLE_CHARS = 300


class NoIndex(QueryError):
    """The crawl keeps no search index, or one of another version."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=NOTHING_HERE)


class Result(NamedTuple):
    """A page that was found."""

    url: str
    title: Pieces
    excerpt: Pieces
    lang: str | None
    score: float
    """How well it fits; the larger the better, and comparable within one search only."""


class Results:
    """The best pages for a question, made one after the other as they are asked for."""

    def __init__(self, reader: Reader, question: Question, *, limit: int, host: str | None = None, lang: str | None = None) -> None:
        parameters: list[str | int | float] = [TITLE_WEIGHT, question.match]
        more = ""
        if host is not None:
            more += _OF_HOST
            parameters.append(_host(host))
        if lang is not None:
            more += _OF_LANG
            parameters += [lang.lower().replace("_", "-")] * 2
        self._rows = reader.all(_FOUND.format(more=more), (*parameters, limit))
        self._marker = Marker(question)
        self.total = int(str(self._rows[0][-1])) if self._rows else 0
        """Pages that were found, those beyond the limit too."""

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Result]:
        """Yield the best first."""
        for url, title, lang, score, packed, _ in self._rows:
            text = tokens.unpacked(packed)[1] if isinstance(packed, bytes) else ""
            yield Result(
                str(url), self._marker.marked(tokens.clean(str(title or ""), _TITLE_CHARS)), self._marker.excerpt(text),
                None if lang is None else str(lang), float(str(score)),
            )  # fmt: skip


def has_gaps(reader: Reader) -> bool:
    """Tell whether pages may be stored that are not in the index. Raises NoIndex when there is none at all."""
    meta = {str(key): str(value) for key, value in reader.all("SELECT key, value FROM meta WHERE key IN ('index', 'index_gaps')")}
    if "index" not in meta:
        raise NoIndex("this crawl keeps no search index")
    if meta["index"] != str(tokens.VERSION):
        raise NoIndex(f"the search index of this crawl has version {meta['index']}, and this program reads version {tokens.VERSION}")
    return meta.get("index_gaps") == "1"


def search(reader: Reader, asked: str, *, limit: int, host: str | None = None, lang: str | None = None) -> Results:
    """Return the best pages for what somebody typed. Raises QueryError for a question without words."""
    try:
        question = tokens.question(asked)
    except NoQuestion as error:
        hint = 'Try words, "words in a row", -words that must not be there, or the beginning of a word with a star*.'
        raise QueryError(f"nothing to look for: {error}", hint) from None
    return Results(reader, question, limit=limit, host=host, lang=lang)


def _host(name: str) -> str:
    """Return a host's name as the database has it; one that cannot be spelt stays as it is, and is not found."""
    try:
        return urls.host_of(urls.split(urls.spell(name if "://" in name else f"https://{name}/"))[0])
    except urls.UrlError:
        return name.lower()
