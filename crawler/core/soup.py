"""HTML as browsers read it, cut down to the elements that may hold a link: a tree builder for BeautifulSoup.

lexbor parses the way browsers do, in C, and selects there the few elements that matter; only those become Tags, and without
the detour through `handle_starttag`. Measured on two manuals (16 KB with 33 links, 26 KB with 103): 0.12 and 0.24 ms a page,
where bs4 over lxml takes 1.6 and 4.2, html.parser 2.4 and 6.2; libxml2's tokenizer alone, without bs4, takes 0.16 and 0.28.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterable

from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4.builder import HTMLTreeBuilder, builder_registry
from bs4.element import NavigableString, PageElement, Tag
from selectolax.lexbor import LexborHTMLParser, LexborNode

WANTED = frozenset(
    {
        "a", "area", "audio", "base", "body", "embed", "feImage", "feimage", "form", "frame", "html", "iframe", "image", "img", "input",
        "link", "meta", "object", "param", "script", "source", "title", "track", "use", "video",
    }
)  # fmt: skip
"""Elements that are looked at."""


TEXT_CHARS = 8 * 1024
"""Characters of a page's text that are compared with others: 0.15 ms at most, and more than most pages have."""


SHORT_CHARS = 200
"""Characters below which a page's main part is taken for an empty place that a script fills."""
NO_TEXT = "script,style,template"
FRAME = "script,style,template,noscript,nav,footer,aside"
"""What is no text, or stands around it: with it, a third of a manual's small pages would count as near-duplicates."""
WHOLE_CHARS = 512 * 1024
"""Characters of a page's whole text, white space included."""
MOST_NODES = 200_000
"""Elements and texts that are walked through for it: 0.2 s."""
WITHIN_WORDS = frozenset(
    {
        "-comment", "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
        "mark", "nobr", "q", "rb", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var", "wbr",
    }
)  # fmt: skip
"""Elements that may begin and end within a word; any other parts two words."""
_TEXT, _COMMENT = "-text", "-comment"
_ENDS = 8
"""Elements within one another that may end at once, and are looked at."""
_BREAKS = frozenset("\r\n")
_TRAILING = frozenset(".,;:!?)]}'\u2019\u201d\"\u00bb\u2026\u3001\u3002\uff0c\uff01\uff1f\uff09\u300d\u300f")
"""What follows a word closely, and cannot be mistaken for a part of it."""
PARTED = "\x1f"
"""White space that stands for the border of an element: a line that merely breaks in a text has other."""
_NOT_SAID = "rt,rp,nav"
"""How to pronounce a word, which would stand in the middle of it, and tables of contents; notes of a main part are asides, and stay."""


class LinkTag(Tag):
    """A Tag whose constant fields live in its class: eight assignments an element instead of thirty."""


class LinkTreeBuilder(HTMLTreeBuilder):
    """Build a flat soup of the elements that may hold a link: those that always do in document order, the others behind them."""

    NAME = "lexbor"
    features = (NAME,)
    SELECTOR = "[href],[src]"
    """Asking for an attribute and dropping what else has it costs half of naming the elements; an xlink:href is an href too."""
    RARE = ("meta", "form", "object")
    RARE_WITHOUT_SRC = ("source", "img", "video", "iframe")
    """Elements that may hold links elsewhere. Each is a walk through the tree, but a quick one: 0.02 ms where a selector takes 0.03."""
    WITHOUT_EVENTS = 1
    MOST = 60_000
    """Elements that are looked at. 8 MiB hold 800,000, which would take 4 s and a gigabyte as Tags; a page may give 5,000 links."""

    MOST_RARE = 20_000

    def __init__(self, *, text: bool = True, styles: bool = False, whole: bool = False) -> None:
        super().__init__(multi_valued_attributes={})
        self.cut = False
        self._wants_text = text
        self._wants_whole = whole
        self._wants_styles = styles
        self.styles: list[str] = []
        """What style elements and attributes say."""
        self.text: str | None = None
        self.whole: str | None = None

    def feed(self, markup: bytes | str) -> None:
        """Parse, and hang what was selected into the soup."""
        soup = self.soup
        if soup is None:
            raise TypeError("a tree builder works for a soup only")
        tree = LexborHTMLParser(markup, options=self.WITHOUT_EVENTS)
        before: PageElement = soup
        sibling: LinkTag | None = None
        wanted, new, add = WANTED, LinkTag.__new__, soup.contents.append
        for node in self._nodes(tree):
            name = node.tag
            if name not in wanted:
                continue
            attributes = node.attributes
            if None in attributes.values():
                attributes = {key: value or "" for key, value in attributes.items()}
            tag = new(LinkTag)
            tag.name = name
            tag.attrs = attributes  # type: ignore[assignment]  # a plain dict of strings is what it holds anyway
            tag.contents = []
            tag.parent = soup
            tag.previous_element = before
            tag.previous_sibling = sibling
            before.next_element = tag
            if sibling is not None:
                sibling.next_sibling = tag
            add(tag)
            before = sibling = tag
            if name == "title":
                before = NavigableString(node.text(deep=True))
                before.setup(tag, tag)
                tag.contents.append(before)
        if self._wants_styles:
            self.styles = [node.text(deep=True) for node in tree.tags("style")]
            self.styles += [node.attributes["style"] or "" for node in tree.css("[style]")[: self.MOST_RARE]]
        if self._wants_text or self._wants_whole:
            text, said = _said(tree)    # the last thing that is done to the tree: it takes elements out
            self.text = windows(text) if self._wants_text else None
            self.whole = _whole(said) if self._wants_whole else None

    def _nodes(self, tree: LexborHTMLParser) -> list[LexborNode]:
        """Return what is looked at: links in document order, then what is rare, which no flood of links may crowd out."""
        links, rare = tree.css(self.SELECTOR), []
        body, head = tree.body, tree.head
        if body is not None and "background" in body.attributes:
            rare.append(body)
        for name in self.RARE:
            rare += tree.tags(name)
            if name == "object" and rare and rare[-1].tag == name:
                rare += tree.tags("param")
        for name in self.RARE_WITHOUT_SRC:
            rare += [node for node in tree.tags(name) if "src" not in node.attributes]
        title = head.css_first("title") if head is not None else None
        titles = [title] if title is not None else tree.css("title:not(svg title)")[:1]
        self.cut = len(links) > self.MOST or len(rare) > self.MOST_RARE
        del links[self.MOST :], rare[self.MOST_RARE :]
        return [*([] if tree.root is None else [tree.root]), *links, *rare, *titles]

    @staticmethod
    def discard(soup: BeautifulSoup) -> None:
        """Empty a soup's elements, so that it is freed at once: a soup is one great cycle, and work for the collector."""
        for element in soup.contents:
            vars(element).clear()
        vars(soup).clear()


def make(markup: bytes | str, parser: str, *, text: bool = True, styles: bool = False, whole: bool = False) -> BeautifulSoup:
    """Return the soup of a page, flat where the parser is our own; then its builder has the page's *text*, *styles* and *whole* text."""
    if parser == LinkTreeBuilder.NAME:
        return BeautifulSoup(markup, builder=LinkTreeBuilder(text=text, styles=styles, whole=whole))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)     # XHTML is what the user asked to have read
        return BeautifulSoup(markup, parser)


def text_of(body: bytes) -> str:
    """Return the words of a document that is no soup."""
    return windows(_said(LexborHTMLParser(body, options=LinkTreeBuilder.WITHOUT_EVENTS))[0])


def whole_of(body: bytes | str) -> str:
    """Return the whole text of a document that is no soup, or not one of ours."""
    tree = LexborHTMLParser(body, options=LinkTreeBuilder.WITHOUT_EVENTS)
    return _whole(_said(tree)[1])


def _said(tree: LexborHTMLParser) -> tuple[str, LexborNode | None]:
    """Return what a page says, and where: what it calls its main part, else everything but what stands around it."""
    main = tree.css_first("main,[role=main]")
    if main is not None:
        _take_out(main, NO_TEXT)
        text = main.text(deep=True, separator=" ")
        if len(text) >= SHORT_CHARS:
            return text, main
    body = tree.body
    if body is None:
        return "", None
    _take_out(body, FRAME)
    return body.text(deep=True, separator=" "), body


def _whole(said: LexborNode | None) -> str:
    """Return a text word for word: what may stand within a word does not part it, all else does."""
    if said is None:
        return ""
    _take_out(said, _NOT_SAID)
    texts: list[str] = [PARTED]
    left = WHOLE_CHARS
    parted = True
    for node in itertools.islice(said.traverse(include_text=True), MOST_NODES):
        tag = node.tag
        if tag == _TEXT:
            text = node.text_content or ""
            first = text[:1]
            # where an element has begun is seen on the way, where one has ended only by looking back, which seldom matters
            close = not text.isspace() if first in _BREAKS else not (parted or first.isspace() or first in _TRAILING)
            if close and _is_behind_a_block(node):
                texts.append(PARTED)
            texts.append(text)
            parted = text[-1:].isspace()
            left -= len(text)
            if left <= 0:
                break
        elif tag not in WITHIN_WORDS and texts[-1] is not PARTED:
            texts.append(PARTED)
            parted = True
    return "".join(texts)[:WHOLE_CHARS]


def _is_behind_a_block(node: LexborNode) -> bool:
    """Tell whether an element that parts words has ended between a text and what stands before it."""
    inner: LexborNode | None = node
    for _ in range(_ENDS):
        before = inner.prev if inner is not None else None
        while before is not None and before.tag == _COMMENT:
            before = before.prev
        if before is not None:
            return _ends_a_block(before)
        inner = inner.parent if inner is not None else None     # the first thing in an element: what stands before that?
    return False


def _ends_a_block(node: LexborNode | None) -> bool:
    for _ in range(_ENDS):
        if node is None or node.tag == _TEXT:
            return False
        if node.tag not in WITHIN_WORDS:
            return True
        node = node.last_child
    return False


def _take_out(root: LexborNode, selector: str) -> None:
    """Take elements out of a tree, the inner ones first: what lies within an element goes with it, and must not be touched again."""
    for node in reversed(root.css(selector)):
        node.decompose()


def windows(text: str) -> str:
    """Return a text, of a long one its beginning, its middle and its end: frames stand around, what is new in between."""
    if len(text) <= TEXT_CHARS:
        return text
    quarter, middle = TEXT_CHARS // 4, len(text) // 2
    return f"{text[:quarter]} {text[middle - quarter : middle + quarter]} {text[-quarter:]}"


def _constants() -> Iterable[tuple[str, object]]:
    """Return what bs4 itself puts into every Tag that this builder makes."""
    own = {"name", "attrs", "contents", "parent", "previous_element", "previous_sibling"}
    return ((name, value) for name, value in vars(Tag(builder=LinkTreeBuilder(), name="a")).items() if name not in own)


for _name, _value in _constants():
    setattr(LinkTag, _name, _value)
builder_registry.register(LinkTreeBuilder)
