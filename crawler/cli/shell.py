"""`shell`: one page as the crawler sees it, and a Python prompt to look at it with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from crawler.cli import options, pages, plan
from crawler.cli.errors import Wrong
from crawler.cli.memory import recall
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour
from crawler.core import seeds, urls
from crawler.core.model import CookieRow
from crawler.core.scope import Options
from crawler.core.secrets import redact_url
from crawler.folder import NotACrawl
from crawler.query.reader import Reader

if TYPE_CHECKING:
    from crawler.engine.onepage import Rulesets

_GROUPS = frozenset(
    {options.WHERE, options.LINKS, options.MANNERS, options.ACCESS, options.PATIENCE, options.SIZES, options.SAFETY}
)  # fmt: skip
_MORE = frozenset({"depth", "max_segments", "max_repeats", "resolver"})
_LESS = frozenset({"obey_noindex", "tries", "max_rest"})
_COOKIES = "SELECT site, host, name, path, value, expires, host_only, secure, http_only, pinned FROM cookie WHERE site = ?"


def has_setting(option: options.Option) -> bool:
    """Tell whether a setting means anything to one page that is not stored."""
    return (option.group in _GROUPS or option.field in _MORE) and option.field not in _LESS


@click.command(
    "shell", cls=pages.Lesson,
    examples=(
        ("shell https://example.org/", "look at a page, with reply, body, text, soup and links at hand"),
        ("shell https://example.org/ -c 'soup.title.string'", "print one thing, without a prompt"),
        ("shell https://example.org/a -o output/example.org", "by the settings, cookies and seeds of a crawl"),
        ("shell", "an empty one; fetch(URL) gets a page"),
    ),
)
@click.argument("url", required=False)
@click.option("-c", "--code", metavar="CODE", cls=Flag, group=pages.OTHER, help="run this instead of a prompt, and print what it comes to")
@pages.output_flag("go by the settings, cookies and seeds of this crawl, which is only read")
@pages.config_flags
@pages.voice_flags
@click.pass_obj
def shell(
    session: Session, /, url: str | None, code: str | None, output: str | None, *, config_file: str | None, color: Colour,
    no_config: bool, quiet: bool, verbose: int, **flags: object,
) -> int:
    """Fetch one URL by the crawler's own rules, and look at it at a Python prompt: IPython's where it is installed.

    Redirects are shown and followed, whatever the scope. Nothing is stored. Ends with 3 when nothing could be fetched.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    spelt = None if url is None else spell(url)
    folder = None if output is None else Path(output)
    memory = None if folder is None else recall(folder)
    if folder is not None and memory is None:
        raise NotACrawl(f"{folder} holds no crawl", "Try another folder with -o, or none.")
    effective = plan.resolve(folder or Path(), flags, plan.config_of(config_file, none=no_config), memory)
    for notice in effective.notices:
        voice.say(notice)
    from crawler.cli.prompt import Desk, Lookout, prompt, run  # aiohttp and bs4, which --help must not load

    with Lookout(effective.settings, _rulesets(folder), lambda site: _cookies(folder, site)) as lookout:
        desk = Desk(lookout, voice)
        if spelt is not None:
            desk.fetch(spelt)
        if code is not None:
            return run(code, desk.names)
        desk.shelp()
        return prompt(desk.names)


def spell(url: str) -> str:
    """Return the spelling of a URL that a person means. Raises Wrong."""
    try:
        return seeds.spell(url)
    except urls.UrlError as error:
        raise Wrong(f"{redact_url(url)} is no usable URL: {error}", "Try it with quotes around it, as your browser shows it.") from None


def _rulesets(folder: Path | None) -> Rulesets:
    """Return the seeds of a crawl, in groups that have the same options."""
    if folder is None:
        return ()
    with Reader.open(folder) as reader:
        found = [
            (msgspec.json.decode(str(said), type=Options), list[str]())
            for _, said in reader.rows("SELECT ruleset, options FROM ruleset ORDER BY ruleset")
        ]
        for url, number in reader.rows("SELECT url, ruleset FROM seed"):
            found[int(str(number))][1].append(str(url))
    return found


def _cookies(folder: Path | None, site: str) -> Iterable[CookieRow]:
    """Return what a crawl keeps of a site."""
    if folder is None:
        return []
    with Reader.open(folder) as reader:
        return [msgspec.convert(row, CookieRow, strict=False) for row in _as_fields(reader, site)]


def _as_fields(reader: Reader, site: str) -> list[dict[str, object]]:
    return [dict(zip(CookieRow.__struct_fields__, row, strict=True)) for row in reader.rows(_COOKIES, (site,))]


pages.setting_flags(shell, has_setting)
