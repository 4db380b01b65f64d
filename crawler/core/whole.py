"""HTML as browsers read it, whole: the tree builder for people who want to look at a page, where `core.soup` looks for links only."""

from __future__ import annotations

from bs4 import BeautifulSoup
from bs4.builder import HTMLTreeBuilder
from bs4.element import Comment
from selectolax.lexbor import LexborHTMLParser, LexborNode


class WholeTreeBuilder(HTMLTreeBuilder):
    """Builds the whole tree with lexbor. What a template holds is left out, as it is no part of the page."""

    NAME = "lexbor-whole"
    features = (NAME,)
    MOST = 60_000
    """Elements, texts and comments that are taken: 8 MiB can hold 800,000, which would be a gigabyte as Tags."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False
        """There was more than is taken."""

    def feed(self, markup: bytes | str) -> None:
        """Parse, and copy the tree, in document order and without recursion: a page may be nested as deeply as it likes."""
        node: LexborNode | None = LexborHTMLParser(markup).root
        open_: list[LexborNode] = []
        taken = 0
        while node is not None:
            taken += 1
            if taken > self.MOST:
                self.cut = True
                return
            child = self._take(node)
            if child is not None:
                open_.append(node)
                node = child
                continue
            while node.next is None and open_:
                node = open_.pop()
                self._end(node)
            node = node.next if open_ else None

    def _take(self, node: LexborNode) -> LexborNode | None:
        """Put a node into the soup, and return its first child, if it has any; an element without is closed at once."""
        soup = self._soup()
        if node.is_text_node:
            soup.handle_data(node.text_content or "")
        elif node.is_comment_node:
            soup.endData()
            soup.handle_data(node.comment_content or "")
            soup.endData(Comment)
        elif node.is_element_node:
            attributes = {name: value or "" for name, value in node.attributes.items()}
            soup.handle_starttag(node.tag or "", None, None, attributes)
            if node.first_child is not None:
                return node.first_child
            self._end(node)
        return None

    def _end(self, node: LexborNode) -> None:
        soup = self._soup()
        soup.endData()
        soup._popToTag(node.tag or "")  # noqa: SLF001 - as every builder of bs4 ends an element

    def _soup(self) -> BeautifulSoup:
        if self.soup is None:
            raise TypeError("a tree builder works for a soup only")
        return self.soup


def make(text: str) -> BeautifulSoup:
    """Return the soup of a whole page."""
    # bs4 would wonder whether a short text without markup is a file's name, and lexbor reads it as what it is either way.
    return BeautifulSoup(text if "<" in text else f"<html>{text}", builder=WholeTreeBuilder())
