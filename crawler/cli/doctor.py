"""`doctor`: whether this machine has what a crawl needs, one line for each thing, with what to do about it."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import click
import msgspec

from crawler import words
from crawler.cli import pages
from crawler.cli.session import Session
from crawler.cli.terminal import BOLD, RED, YELLOW, Colour
from crawler.core.settings import GIB
from crawler.version import __version__

Grade = Literal["ok", "note", "bad"]
OLDEST_PYTHON, OLDEST_SQLITE, SAFE_SQLITE, OLDEST_LIBXML = (3, 11), (3, 37, 0), (3, 51, 3), (2, 14)
OLDEST_AIOHTTP = (3, 14, 5)
ENOUGH_FILES = 1024
LOOKED_UP = "example.org"
DNS_WAIT = 3.0
BUILT = 1_790_000_000
"""A moment before this program was made (September 2026): a clock that is behind it is wrong, and certificates will fail."""
MARKS = {"ok": ("ok  ", BOLD), "note": ("note", YELLOW), "bad": ("BAD ", RED)}


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at."""

    grade: Grade
    what: str
    found: str
    advice: str = ""


def findings(place: Path, look_up: Callable[[str], object] | None = socket.gethostbyname) -> Iterator[Finding]:
    """Look at everything. *look_up* resolves a host name, None leaves the network alone."""
    yield _python()
    yield _sqlite(sqlite3.sqlite_version_info)
    yield from _libraries()
    yield _files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    yield _disk(place)
    yield _time(time.time())
    if look_up is not None:
        yield _dns(look_up)


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("bad", "Python", found, "3.11 or newer is needed")
    return Finding("ok", "Python", found)


def _sqlite(version: tuple[int, ...]) -> Finding:
    found = ".".join(map(str, version))
    if version < OLDEST_SQLITE:
        return Finding("bad", "SQLite", found, "3.37 or newer is needed (STRICT tables): a newer Python brings one")
    if version < SAFE_SQLITE:
        advice = "before 3.51.3 two programs that write can damage a database: never write to a crawl.db yourself"
        return Finding("note", "SQLite", found, advice)
    return Finding("ok", "SQLite", found)


def _libraries() -> Iterator[Finding]:
    yield _at_least("aiohttp", OLDEST_AIOHTTP, "older ones have security holes: pip install -U aiohttp")
    yield from (_there(name, "without it pages in that coding cannot be read: reinstall the crawler") for name in ("brotli", "selectolax"))
    if sys.version_info < (3, 14):
        yield _there("backports.zstd", "without it pages in zstd cannot be read: reinstall the crawler")
    yield _libxml()
    if find_spec("uvloop") is None:
        yield Finding("note", "uvloop", "not installed", "optional: pip install 'steadycrawl[speed]' saves some 10 % of the CPU")
    else:
        yield Finding("ok", "uvloop", metadata.version("uvloop"))


def _at_least(name: str, oldest: tuple[int, ...], advice: str) -> Finding:
    found = metadata.version(name)
    numbers = tuple(int(part) for part in found.split(".")[:3] if part.isdecimal())
    return Finding("bad", name, found, advice) if numbers < oldest else Finding("ok", name, found)


def _there(name: str, advice: str) -> Finding:
    try:
        return Finding("ok", name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding("bad", name, "not installed", advice)


def _libxml() -> Finding:
    version: tuple[int, ...] = import_module("lxml.etree").LIBXML_VERSION     # 30 ms, and doctor alone asks
    found = ".".join(map(str, version))
    if version[:2] < OLDEST_LIBXML:
        return Finding("note", "libxml2", found, "before 2.14 it does not read HTML as browsers do: use lxml's own wheel")
    return Finding("ok", "libxml2", found)


def _files(limit: int) -> Finding:
    if limit != resource.RLIM_INFINITY and limit < ENOUGH_FILES:
        return Finding("bad", "open files", f"{limit:,} allowed", f"try ulimit -n {ENOUGH_FILES * 4}, or a lower --concurrency")
    return Finding("ok", "open files", "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,} allowed")


def _disk(place: Path) -> Finding:
    there = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return Finding("bad", "disk", f"{there} may not be written to", "use -o with another folder")
    if free < GIB:
        return Finding("bad", "disk", f"{words.size(free)} free", "a crawl stops at 1 GiB free: make room, or see --min-free")
    return Finding("ok", "disk", f"{words.size(free)} free")


def _time(now: float) -> Finding:
    found = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    if now < BUILT:
        return Finding("bad", "clock", found, "it is behind: certificates will not be believed")
    return Finding("ok", "clock", found)


def _dns(look_up: Callable[[str], object]) -> Finding:
    """Look a name up in a thread that may hang: a broken resolver must not stop the doctor."""
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.append(f"{LOOKED_UP} has an address" if look_up(LOOKED_UP) else "no address")
        except OSError as error:
            answers.append(f"failed: {error}")

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(DNS_WAIT)
    found = answers[0] if answers else f"no answer within {DNS_WAIT:g} s"
    if "has an address" in found:
        return Finding("ok", "DNS", found)
    return Finding("note", "DNS", found, "host names cannot be looked up from here; a crawl of the internet will fetch nothing")


@click.command("doctor", cls=pages.Lesson, examples=(("doctor", "look at this machine"), ("doctor --offline", "without looking a name up")))
@pages.output_flag("where results would go  [default: output/]")
@click.option("--offline", is_flag=True, help="look no host name up")
@pages.voice_flags
@click.pass_obj
def doctor(
    session: Session, /, output: str | None, color: Colour, *, offline: bool, quiet: bool, verbose: int
) -> int:
    """Look whether this machine has what a crawl needs. Ends with 1 when something is missing."""
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    found = list(findings(Path(output or "output"), None if offline else socket.gethostbyname))
    click.echo(f"crawler {__version__}")
    for each in found:
        mark, code = MARKS[each.grade]
        advice = f"   {each.advice}" if each.advice else ""
        click.echo(f"  {voice.paint(mark, code) if sys.stdout.isatty() else mark}  {each.what:15} {each.found}{advice}")
    return 1 if any(each.grade == "bad" for each in found) else 0
