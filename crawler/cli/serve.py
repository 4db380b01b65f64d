"""`serve`: the pages of a crawl on this machine, for a crawl that runs and for one at rest. And the flags that crawls share with it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import webbrowser
from pathlib import Path

import click

from crawler import signals
from crawler.cli import pages
from crawler.cli.errors import Wrong
from crawler.cli.pages import Decorator, Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour, Voice
from crawler.dashboard import address
from crawler.dashboard.address import Address, Bound

TOKEN_BYTES = 24


def listen_flags(command: Decorator) -> Decorator:
    """Add --listen and --allow-host."""
    for words, more in (
        (("--allow-host",), {"metavar": "NAME", "multiple": True, "help": "a further name by which browsers may come, such as that of a "
                             "proxy; may be given again"}),
        (("--listen",), {"metavar": "ADDRESS", "help": "address and port of the dashboard",
                         "default_text": f"{address.HOST}:{address.PORT}, or a free port where that is taken"}),
    ):
        command = click.option(*words, cls=Flag, group=pages.WATCHING, **more)(command)
    return command


@click.command(
    "serve", cls=pages.Lesson,
    examples=(
        ("serve", "the newest crawl under output/, in a browser"),
        ("serve output/docs --open", "this one, and open the browser"),
        ("serve --listen 9000", "on another port"),
    ),
    epilog="Only this machine is served unless --listen says otherwise. Whoever opens the address as it is printed may change the crawl.",
)
@click.argument("folder", metavar="[DIR]", required=False)
@pages.output_flag("the crawl to show  [default: the newest under output/]")
@listen_flags
@click.option("--open", "opening", is_flag=True, cls=Flag, group=pages.WATCHING, help="open the browser")
@pages.voice_flags
@click.pass_obj
def serve(
    session: Session, /, folder: str | None, output: str | None, listen: str | None, allow_host: tuple[str, ...], color: Colour, *,
    opening: bool, quiet: bool, verbose: int,
) -> int:
    """Show a crawl in the browser: live while it runs, its results at any time. Ctrl-C ends it, and never the crawl.

    To have the pages from the first moment of a crawl on: crawler crawl SEEDS --serve.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    if folder is not None and output is not None:
        raise Wrong("the crawl is named twice", f"Try {session.program} serve {folder}.")
    place = session.crawl_in(folder or output)
    bound, token = bind(listen, allow_host, voice)
    url = secret_url(bound, token)
    voice.say(f"{place} is served at")
    click.echo(url)
    voice.say("Ctrl-C ends it.")
    if opening:
        webbrowser.open(url)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(place, bound, token))
    return 0


def bind(listen: str | None, names: tuple[str, ...], voice: Voice) -> tuple[Bound, str]:
    """Listen where the flags say; return that and a fresh token. Raises BadAddress."""
    wanted = Address() if listen is None else address.read(listen)
    bound = address.bind(wanted, names)
    if not wanted.is_loopback:
        voice.say(f"warning: whoever reaches {wanted.host} can read this crawl; changes need the token")
    return bound, secrets.token_urlsafe(TOKEN_BYTES)


def secret_url(bound: Bound, token: str) -> str:
    """Return the address with the token. A browser sends nothing that stands behind the #, and no log has it."""
    return f"{bound.url}#token={token}"


async def _serve(folder: Path, bound: Bound, token: str) -> None:
    from crawler.dashboard.serving import served  # aiohttp's server takes 150 ms that --help must not

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in signals.heeded():
        loop.add_signal_handler(signum, ended.set)
    async with served(folder, bound, token):
        await ended.wait()
