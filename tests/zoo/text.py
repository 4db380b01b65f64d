"""Animals whose words are not what they say, or are meant for a terminal."""

from __future__ import annotations

from .animal import animal
from .line import Ask

HOSTILE_TITLE = "\x1b]52;c;aGk=\x07\x1b[31m\x9b1m\u202ered\u2066[red]<script>alert(1)</script>=cmd()|'x'"


def _kept_as_it_is(cage, seen) -> None:
    assert seen.title(cage.url()) == HOSTILE_TITLE


@animal(41, "title for a terminal", "a title of escapes, OSC 52, bidi, markup and a formula", expect="done 200", check=_kept_as_it_is)
async def title_for_a_terminal(ask: Ask) -> bytes:
    return ask.page(f"<!doctype html><title>{HOSTILE_TITLE}</title>")


WORDS = {
    "/lie": ("text/html; charset=utf-8", "shift_jis", "plain", "utf-8"), "/bom": ("text/html; charset=latin-1", None, "wide ünï", "utf-16"),
    "/sjis": ("text/html", "shift_jis", "日本語のページ", "shift_jis"), "/zlib": ("text/html; charset=zlib", None, "zlib", "utf-8"),
    "/euc-kr": ("text/html; charset=euc-kr", None, "한국어 문서", "euc-kr"), "/rot13": ("text/html", "rot13", "rot", "utf-8"),
    "/gb18030": ("text/html; charset=gb18030", None, "中文网页", "gb18030"), "/idna": ("text/html; charset=idna", "unicode_escape", r"\x41", "utf-8"),
}  # fmt: skip


def _right_words(cage, seen) -> None:
    found = {path: seen.title(cage.url(path)) for path in WORDS}
    assert found == {path: words for path, (_, _, words, _) in WORDS.items()}


@animal(58, "charsets that lie", "meta against header; UTF-16 with a mark; shift_jis, euc-kr, gb18030; zlib and rot13 as charsets", seeds=tuple(WORDS),
        others="done 200", check=_right_words)
async def charsets_that_lie(ask: Ask) -> bytes:
    mime, meta, words, codec = WORDS[ask.path]
    declared = f'<meta charset="{meta}">' if meta else ""
    return ask.page(f"<!doctype html>{declared}<title>{words}</title>".encode(codec), mime=mime)


def _no_picture_read(cage, seen) -> None:
    assert "/from-picture" not in cage.paths
    assert "/from-type" not in cage.paths


@animal(59, "types that lie", "HTML called a picture, a picture called HTML", seeds=("/html", "/png"), others="done 200", check=_no_picture_read)
async def types_that_lie(ask: Ask) -> bytes:
    if ask.path == "/html":
        return ask.page("<!doctype html><a href=/from-type>x</a>", mime="image/png")
    return ask.page(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR<a href=/from-picture>x</a>", mime="text/html")


@animal(113, "numbers", "1.5 MB of digits as plain text", expect="done 200")
async def numbers(ask: Ask) -> bytes:
    return ask.page("".join(map(str, range(2**18))), mime="text/plain")
