"""What a parser process has to know, apart from how it reads: whoever only sends pages need not load a parser (70 ms)."""

from __future__ import annotations

import msgspec

from crawler.core.scope import Rules


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """What a parser process has to know of a crawl."""

    rules: Rules
    secret: bytes
    max_links: int
    parse_size: int
    parser: str
    disobey: frozenset[str] = frozenset()
    """Directives of pages that are not obeyed."""
    pdf: bool = False
    novelty: bool = True
    """Whether the texts of pages are compared."""
    index: bool = False
    """Whether the texts of pages are made ready for the search index."""
