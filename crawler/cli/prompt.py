"""The prompt of `shell`: what lies at hand, how another page is fetched, and the plain prompt where there is no IPython."""

from __future__ import annotations

import asyncio
import builtins
import code
import contextlib
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from types import TracebackType
from typing import Self

import msgspec
from bs4 import BeautifulSoup

from crawler import words
from crawler.cli.errors import Wrong
from crawler.cli.terminal import Voice, is_terminal
from crawler.core import seeds, urls, whole
from crawler.core.model import CookieRow
from crawler.core.settings import Settings
from crawler.engine.onepage import Found, Hop, Look, Looker, NothingFetched, Rulesets
from crawler.text import cut, safe
from crawler.version import __version__

_TITLE = 60


class Lookout:
    """A looker in a thread and an event loop of its own, for a prompt that knows nothing of either. A context manager."""

    def __init__(self, settings: Settings, rulesets: Rulesets, cookies_of: Callable[[str], Iterable[CookieRow]]) -> None:
        self._settings = settings
        self._rulesets = rulesets
        self._cookies_of = cookies_of
        self._ready: Future[tuple[Looker, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._stay()), name="lookout", daemon=True)

    async def _stay(self) -> None:
        leaving = asyncio.Event()
        try:
            async with Looker.open(self._settings, rulesets=self._rulesets, cookies_of=self._cookies_of) as looker:
                self._ready.set_result((looker, asyncio.get_running_loop(), leaving))
                await leaving.wait()
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def look(self, url: str, told: Callable[[Hop], None]) -> Look:
        """Look at a URL; an interruption gives that up. Raises NothingFetched."""
        looker, loop, _ = self._ready.result()
        looking = asyncio.run_coroutine_threadsafe(looker.look(url, told), loop)
        try:
            return looking.result()
        finally:
            looking.cancel()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _, loop, leaving = self._ready.result()
        loop.call_soon_threadsafe(leaving.set)
        self._thread.join()


class Answer(msgspec.Struct, frozen=True):
    """The head of an answer, as it is shown at the prompt: `reply`."""

    url: str
    """What answered, after all redirects."""
    status: int
    headers: tuple[tuple[str, str], ...]
    times: dict[str, float]
    """Seconds: dns, connect, tls, ttfb (to the end of the headers), total; steps that were not made are left out."""
    mime: str | None
    charset: str
    ip: str | None
    truncated: bool
    hops: tuple[Hop, ...]
    title: str | None

    def header(self, name: str) -> str | None:
        """Return the first header of that name, None when there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def __repr__(self) -> str:
        """Return one line, fit for a terminal."""
        return f"<Reply {self.status} {safe(self.url)}>"


class Desk:
    """The names at the prompt, and what changes them."""

    def __init__(self, lookout: Lookout, voice: Voice) -> None:
        self._lookout = lookout
        self._voice = voice
        self._look: Look | None = None
        self.names: dict[str, object] = {
            "__name__": "__console__", "__builtins__": builtins, "__doc__": None, "reply": None, "body": b"", "text": "", "soup": None,
            "links": [], "fetch": self.get, "shelp": self.shelp,
        }  # fmt: skip

    def get(self, url: str) -> Answer | None:
        """Fetch a URL by the crawler's own rules; reply, body, text, soup and links are of it from now on."""
        try:
            answer = self.fetch(self._spelt(url))
        except (NothingFetched, urls.UrlError) as error:
            self._voice.complain([f"error: {error}"])
            return None
        self.shelp()
        return answer

    def _spelt(self, url: str) -> str:
        """Return the spelling of a URL that a person means, one that is relative to the page at hand included."""
        relative = self._look is not None and url.startswith(("/", "?", "./", "../")) and not url.startswith("//")
        return urls.spell(url, self._look.url) if self._look is not None and relative else seeds.spell(url)

    def fetch(self, url: str) -> Answer:
        """Fetch a spelt URL. Raises NothingFetched, and leaves everything as it was then."""
        look = self._lookout.look(url, lambda hop: self._voice.say(f"  {hop}"))
        self._look = look
        reply = look.reply
        steps = {"dns": reply.dns, "connect": reply.connect, "tls": reply.tls, "ttfb": reply.ttfb, "total": reply.total}
        times = {step: round(seconds, 4) for step, seconds in steps.items() if seconds is not None}
        answer = Answer(
            look.url, reply.status, reply.headers, times, reply.mime, look.charset, reply.ip, reply.truncated, look.hops, look.parsed.title
        )
        self.names.update(reply=answer, body=look.body, text=look.text, soup=_soup(look), links=look.links)
        return answer

    def shelp(self) -> None:
        """Tell what lies at hand."""
        for line in self._lines():
            self._voice.say(line)

    def _lines(self) -> list[str]:
        look = self._look
        if look is None:
            return [f"crawler {__version__} shell: fetch(URL) gets a page by the crawler's own rules; nothing is stored"]
        reply, parsed, followed = look.reply, look.parsed, sum(link.followed for link in look.links)
        title = "" if parsed.title is None else f'   "{cut(safe(parsed.title), _TITLE)}"'
        notes = [
            *(["the body was cut at --max-size"] if reply.truncated else []),
            *([f"its links could not be read: {safe(parsed.fault)}"] if parsed.fault else []),
            *(["it asks not to be indexed"] if parsed.noindex else []),
            *(["it asks not to follow its links"] if parsed.nofollow else []),
        ]
        return [
            f"  reply   {reply.status} {safe(look.url)}{title}",
            "          .status .headers .header(NAME) .times .url .hops .mime .charset .ip .truncated",
            f"  body    {words.size(len(look.body))}, {safe(reply.mime or 'of no type')}; text is that in {look.charset}",
            f"  soup    {'BeautifulSoup of the whole page' if look.html else 'None: it was not read as HTML'}",
            f"  links   {words.count(len(look.links), 'link')}, {followed:,} of them to be followed: .url .kind .followed .reason .rule",
            "  fetch(URL) gets another one, shelp() shows this again",
            *(f"  note    {note}" for note in notes),
        ]


def _soup(look: Look) -> BeautifulSoup | None:
    """Return the soup of a page that a parser process has read in time: what held that up would hold us up, too."""
    return whole.make(look.text) if look.html else None


def run(source: str, names: dict[str, object]) -> int:
    """Run code and print what it comes to, if that is a value. Raises Wrong when it fails."""
    try:
        try:
            compiled = compile(source, "-c", "eval")
        except SyntaxError:
            exec(compile(source, "-c", "exec"), names)  # noqa: S102 - the user's own code, which is what this is for
            return 0
        value = eval(compiled, names)  # noqa: S307 - likewise
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 0
    except Exception as error:
        raise Wrong("".join(traceback.format_exception_only(error)).strip(), "Try it at the prompt, without -c.") from error
    if value is not None:
        _print(value)
    return 0


def _print(value: object) -> None:
    """Print a value: as it is for another program, without what could steer a terminal for a person."""
    if isinstance(value, list | tuple) and value and all(isinstance(one, Found | Hop) for one in value):
        value = "\n".join(map(repr, value))
    if isinstance(value, bytes) and not is_terminal(sys.stdout):
        sys.stdout.buffer.write(value)
        return
    lines = str(value).split("\n")
    print("\n".join(map(safe, lines) if is_terminal(sys.stdout) else lines))  # noqa: T201 - data


class _Piped(code.InteractiveConsole):
    """A prompt that nobody sits at: it reads without asking."""

    def raw_input(self, prompt: str = "") -> str:  # noqa: ARG002 - the base's signature
        line = sys.stdin.readline()
        if not line:
            raise EOFError
        return line.rstrip("\n")


def prompt(names: dict[str, object]) -> int:
    """Let a person, or another program, type."""
    if not is_terminal(sys.stdin):
        with contextlib.suppress(SystemExit):
            _Piped(names).interact(banner="", exitmsg="")
        return 0
    try:
        from IPython import start_ipython  # an extra
    except ImportError:
        return _plain(names)
    start_ipython(argv=["--no-banner"], user_ns=names)
    return 0


def _plain(names: dict[str, object]) -> int:
    with contextlib.suppress(ImportError):
        import readline  # not everywhere
        import rlcompleter

        readline.set_completer(rlcompleter.Completer(names).complete)
        readline.parse_and_bind("tab: complete")
    with contextlib.suppress(SystemExit):
        code.interact(banner="", local=names, exitmsg="")
    return 0
