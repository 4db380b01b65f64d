"""How a page of the demo site looks as HTML, and the binder that collects the sheets of one volume."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape

from crawler.core.model import Reason
from crawler.demo.nouns import HTML, Entry, Manner, Missing, Moved, Page, World
from crawler.demo.prose import paragraph

Blocks = Callable[[], Iterable[str]]


@dataclass(frozen=True, slots=True)
class Script:
    """In which language a page is written, how it is encoded, and where it says so."""

    lang: str = "en"
    mime: str = HTML
    """The Content-Type header, with the charset or without."""
    encoding: str = "utf-8"
    head: str = ""
    """Markup for the beginning of `<head>`, such as a meta charset or a base."""


ENGLISH = Script()

POST = "mailto:keepers@example.com"
"""In the foot of every page: a link that is no page."""
STYLE = "body{max-width:42em;margin:2em auto;font:17px/1.5 Georgia,serif;color:#123}nav a{margin-right:1em}footer{color:#678}"


def a(href: str, text: str, attributes: str = "") -> str:
    """Return a link; *attributes* is more markup for its tag, as in `rel="next"`."""
    return f'<a href="{escape(href)}"{attributes and " " + attributes}>{escape(text)}</a>'


def p(markup: str) -> str:
    """Return a paragraph around markup."""
    return f"<p>{markup}</p>"


def ul(items: Iterable[str]) -> str:
    """Return a list of markup."""
    return "<ul>\n" + "\n".join(f"  <li>{item}</li>" for item in items) + "\n</ul>"


def prose(key: str, count: int) -> list[str]:
    """Return paragraphs of text under a heading in the middle of them."""
    written = [p(escape(paragraph(f"{key} {i}"))) for i in range(count)]
    return [*written[:2], '<h2 id="more">Further remarks</h2>', *written[2:]]


def html(title: str | None, blocks: Iterable[str], *, nav: Iterable[str] = (), lang: str = "en", head: str = "") -> str:
    """Return a whole document; no title when that is None. *title* is text, everything else is markup."""
    named = "" if title is None else f"<title>{escape(title, quote=False)}</title>\n"
    return (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>\n{head}{named}<meta name="viewport" content="width=device-width">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<nav>{' '.join(nav)}</nav>\n<main>\n<h1>{escape(title or '')}</h1>\n"
        + "\n".join(blocks)
        + f"\n</main>\n<footer>Kept by the Society of Harbour Lights. {a(POST, 'Write to us')}, we are always up.</footer>\n"
        "</body>\n</html>\n"
    )


class Binder:
    """Collects what lies below the path of one volume."""

    def __init__(self, world: World, name: str, title: str) -> None:
        self.world, self.name, self.title = world, name, title
        self.entries: dict[str, Entry] = {}
        self.never: dict[str, Reason] = {POST: Reason.SCHEME}
        self.nav = [a("/", "All lights"), a(f"/{name}/", title)]

    def path(self, path: str = "") -> str:
        """Return a path of this volume as seen from its host."""
        return f"/{self.name}/{path}"

    def sheet(
        self,
        path: str,
        title: str | None,
        blocks: Blocks,
        *,
        manner: Manner = Manner.PLAIN,
        dated: bool = False,
        script: Script = ENGLISH,
    ) -> Page:
        """Add an HTML page; *blocks* is called when the page is asked for."""

        def write() -> bytes:
            return html(title, blocks(), nav=self.nav, lang=script.lang, head=script.head).encode(script.encoding)

        return self.file(path, Page(write, title, script.mime, manner, dated))

    def file(self, path: str, page: Page) -> Page:
        """Add a page that is already made, such as one more URL of a page that is there."""
        self.entries[self.path(path)] = page
        return page

    def move(self, path: str, status: int, to: str) -> None:
        """Add a redirect; *to* is sent as it is."""
        self.entries[self.path(path)] = Moved(status, to)

    def lose(self, path: str, status: int = 404) -> None:
        """Add a URL that is linked and not there."""
        self.entries[self.path(path)] = Missing(status)

    def forbid(self, link: str, reason: Reason) -> str:
        """Note a link (a path from the root, or a whole URL) that must not be followed, and return it."""
        self.never[link] = reason
        return link
