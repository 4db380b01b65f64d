"""The words of a command line that name seeds: files, URLs, and standard input.

Whatever a file holds, no more than a line of 8 KiB of it is in memory at once, beside the seeds themselves.
"""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import re
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from crawler.cli.errors import Wrong
from crawler.cli.memory import OUTPUTS, Memory
from crawler.cli.terminal import Voice, is_terminal
from crawler.core import seeds, urls
from crawler.core.scope import Options
from crawler.core.secrets import redact_url
from crawler.core.seeds import MAX_LINE, BadLine, Seed, Source, nearest
from crawler.folder import CrawlError
from crawler.text import safe, width

STDIN = "-"
SEED_FOLDER = Path("seeds")
"""Where seed files usually lie: a name that is found there was probably meant."""
MAX_BAD_SHOWN = 50
SHOWN = 100
"""Characters of a bad line that are shown."""
MOST_BYTES = 4 * (MAX_LINE + 1)
"""No character takes more than four bytes in UTF-8, so this many always hold one too many."""

_FILE_SUFFIXES = frozenset({"csv", "gz", "html", "json", "list", "lst", "md", "py", "sh", "toml", "txt", "urls", "zip"})
"""Endings that mean a file that is missing, although some are top-level domains too."""

Kind = Literal["stdin", "file", "url"]


class Inputs(msgspec.Struct, frozen=True):
    """What the command line named: each URL once, and where from."""

    seeds: tuple[Seed, ...]
    bad: tuple[BadLine, ...]
    sources: tuple[Source, ...]


def kind_of(word: str) -> Kind | None:
    """Say what a word names, None when it names nothing that exists."""
    if word == STDIN:
        return "stdin"
    if "://" in word:
        return "url"
    if Path(word).exists():
        return "file"
    return "url" if _is_bare_url(word) else None


def _is_bare_url(word: str) -> bool:
    """Tell whether a word without a scheme can only be meant as a URL: `example.com/path`, `localhost:8080`."""
    try:
        host = urls.host_of(urls.split(seeds.spell(word))[0])
    except urls.UrlError:
        return False
    authority = re.split(r"[/?#]", word, maxsplit=1)[0]
    if host == "localhost" or urls.is_address(host) or re.search(r":\d+$", authority):
        return True
    if "/" not in word and word.rpartition(".")[2].lower() in _FILE_SUFFIXES:
        return False
    from publicsuffixlist import PublicSuffixList  # 60 ms, and only for a word that may be a mistyped file

    return PublicSuffixList(accept_unknown=False).publicsuffix(host) is not None and authority.isprintable()


def missing(word: str) -> Wrong:
    """Return the error for a word that names nothing, with the file that was probably meant."""
    path = Path(word)
    files = {str(file): file.name.lower() for folder in (path.parent, SEED_FOLDER) for file in _files_in(folder)}
    meant = nearest(path.name, files.values())
    found = next((file for file, name in files.items() if name == meant), None)
    hint = f"Did you mean {found}?" if found else f"Try a seed file, or a whole URL like https://{word.strip('/') or 'example.com'}/"
    return Wrong(f"there is no file {word}", hint)


def _files_in(folder: Path) -> list[Path]:
    try:
        return [file for file in itertools.islice(folder.iterdir(), 1000) if file.is_file()]
    except OSError:
        return []


def read(words: Sequence[str], stdin: BinaryIO | None = None, voice: Voice | None = None) -> Inputs:
    """Read everything that the words name. Raises Wrong for a word that names nothing."""
    found: dict[str, Seed] = {}
    bad: list[BadLine] = []
    sources: dict[str, Source] = {}
    for word in words:
        kind = kind_of(word)
        if kind is None:
            raise missing(word)
        good, wrong, source = _read_url(word) if kind == "url" else _read_lines(word, kind, stdin, voice)
        sources[source.name] = source
        bad += wrong
        for seed in good:
            found.setdefault(urls.key(seed.url), seed)
    return Inputs(tuple(found.values()), tuple(bad), tuple(sources.values()))


def _read_url(word: str) -> tuple[list[Seed], list[BadLine], Source]:
    try:
        url = seeds.spell(word)
    except urls.UrlError as error:
        raise Wrong(f"{redact_url(word)} is no usable URL: {error}", "Try it with quotes around it, as your browser shows it.") from None
    return [Seed(url, Options(), url, 1)], [], Source(url, hashlib.sha256(url.encode()).hexdigest())


def _read_lines(word: str, kind: Kind, stdin: BinaryIO | None, voice: Voice | None) -> tuple[list[Seed], list[BadLine], Source]:
    name = STDIN if kind == "stdin" else _name_of(Path(word))
    digest = hashlib.sha256()
    if kind == "stdin":
        if voice is not None and is_terminal(sys.stdin):
            voice.say("Reading URLs from standard input, one a line; Ctrl-D ends them.")
        good, wrong = seeds.read_lines(_lines(stdin or sys.stdin.buffer, digest), name)
    else:
        good, wrong = _read_file(Path(word), name, digest)
    return good, wrong, Source(name, digest.hexdigest())


def _read_file(path: Path, name: str, digest: hashlib._Hash) -> tuple[list[Seed], list[BadLine]]:
    if path.is_dir():
        raise Wrong(f"{path} is a folder, not a seed file", f"Try the files in it: {path}/*.txt")
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b" if raw.seekable() else path.suffix == ".gz"
            if raw.seekable():
                raw.seek(0)
            if not packed:
                return seeds.read_lines(_lines(raw, digest), name)
            with gzip.GzipFile(fileobj=raw) as unpacked:
                return seeds.read_lines(_lines(unpacked, digest), name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Wrong(f"{path} is no whole gzip file: {error}", "Try unpacking it with gunzip.") from None
    except OSError as error:
        raise Wrong(f"cannot read {path}: {(error.strerror or str(error)).lower()}", "Try another file, or chmod this one.") from None


def _name_of(path: Path) -> str:
    """Return the name by which a file is remembered: below here, so that a project folder can be moved, else absolute."""
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links, and a link is a name that was chosen
    here = Path.cwd()
    return str(whole.relative_to(here)) if whole.is_relative_to(here) else str(whole)


def _lines(stream: BinaryIO | gzip.GzipFile, digest: hashlib._Hash) -> Iterator[str]:
    """Yield lines, those without end as a beginning that is one character too long; the digest is of every byte."""
    while chunk := stream.readline(MOST_BYTES):
        digest.update(chunk)
        yield chunk.decode("utf-8", errors="replace")
        while not chunk.endswith(b"\n") and len(chunk) == MOST_BYTES:
            chunk = stream.readline(MOST_BYTES)
            digest.update(chunk)


def place_for(words: Sequence[str], given: Path | None) -> Path:
    """Return the output folder of a crawl: what -o says, else a name made from the first seed. Raises Wrong when it needs -o."""
    if given is not None:
        return given
    first = words[0]
    kind = kind_of(first)
    if kind is None:
        raise missing(first)
    if kind == "url":
        try:
            host = urls.host_of(urls.split(seeds.spell(first))[0])
        except urls.UrlError as error:
            raise Wrong(f"{redact_url(first)} is no usable URL: {error}", "Try it as your browser shows it.") from None
        return OUTPUTS / (f"ipv6-{host.strip('[]').replace(':', '-')}" if host.startswith("[") else host)
    name = Path(first).name.removesuffix(".gz")
    stem = Path(name).stem
    if kind == "stdin" or not (Path(first).is_file() or Path(first).is_dir()) or stem.strip(".") == "":
        what = "standard input" if kind == "stdin" else first
        raise Wrong(f"seeds from {what} have no name to call the output folder by", "Try -o output/NAME.")
    return OUTPUTS / stem


def strangers(inputs: Inputs, memory: Memory) -> list[str]:
    """Return the sources that this crawl did not begin with.

    A source is known by its name, by its content (a file that was moved), or by holding all the seeds there were (a file
    that was moved and has grown). Standard input has no name to be known by.
    """
    names = {source.name for source in memory.sources if source.name != STDIN}
    digests = {source.digest for source in memory.sources if source.digest}
    unknown = [source for source in inputs.sources if source.name not in names and source.digest not in digests]
    if not unknown or (memory.seeds and memory.seeds <= {seed.url for seed in inputs.seeds}):
        return []
    return [source.name for source in unknown]


class BadSeeds(CrawlError):
    """Lines that are no usable URL, all of them, each with its place."""

    exit_code = 2

    def __init__(self, bad: Sequence[BadLine]) -> None:
        lines = [line for each in bad[:MAX_BAD_SHOWN] for line in _explained(each, several=len({one.source for one in bad}) > 1)]
        if len(bad) > MAX_BAD_SHOWN:
            lines.append(f"     … and {len(bad) - MAX_BAD_SHOWN:,} more")
        hint = "Try fixing the lines, or --skip-bad-seeds to leave them out."
        super().__init__("\n".join([f"{_headline(bad)}; nothing was fetched", *lines]), hint)


def _headline(bad: Sequence[BadLine]) -> str:
    sources = sorted({"standard input" if each.source == STDIN else each.source for each in bad})
    where = sources[0] if len(sources) == 1 else f"{len(sources)} seed files"
    verb = "has" if len(sources) == 1 else "have"
    return f"{where} {verb} {len(bad):,} line{'s that are' if len(bad) > 1 else ' that is'} no usable URL"


def _explained(bad: BadLine, *, several: bool) -> list[str]:
    """Return the line, and under it the place and what is wrong with it."""
    start = max(0, bad.column - 1 - SHOWN // 2) if bad.column > SHOWN else 0
    before, there = safe(bad.text[start : bad.column - 1]), bad.text[bad.column - 1 : start + SHOWN]
    lead = "…" if start else ""
    shown = f"{lead}{before}{safe(there)}{'…' if len(bad.text) > start + SHOWN else ''}"
    marks = "^" * max(width(safe(there[: bad.width])), 1)
    number = f"{bad.source}:{bad.line}" if several else f"{bad.line:4}"
    said = ". ".join(filter(None, (bad.message, bad.hint)))
    return [f"{number} | {shown}", f"{' ' * len(number)} | {' ' * width(lead + before)}{marks} {said}"]
