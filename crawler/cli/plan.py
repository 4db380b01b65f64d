"""What a crawl command is going to do, found out before anything is done: where, with which seeds, under which settings."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from crawler import words
from crawler.cli import inputs, settings
from crawler.cli.errors import Wrong
from crawler.cli.inputs import BadSeeds, Inputs
from crawler.cli.memory import OUTPUTS, Memory, is_crawl, newest, recall
from crawler.cli.settings import Effective
from crawler.cli.terminal import Voice
from crawler.core.seeds import Source
from crawler.folder import LOG_FILE, NotACrawl, held

OWN_NAMES = frozenset({"LOCK", "pages", "tmp", LOG_FILE, "control.sock"})
"""What a crawl leaves that was killed before its database was there."""

Flags = Mapping[str, object]


class Plan(msgspec.Struct, frozen=True):
    """All that is known before a crawl begins."""

    output: Path
    effective: Effective
    inputs: Inputs
    memory: Memory | None
    """What the folder remembers; None where a crawl begins."""
    aside: Path | None = None
    """Where the crawl that is there goes, with --fresh."""


def given(flags: Flags) -> dict[str, object]:
    """Return the settings that were said on the command line."""
    return {field: value for field, value in flags.items() if value is not None and value != ()}


def config_of(name: str | None, *, none: bool) -> settings.ConfigFile | None:
    """Read the crawler.toml that counts. Raises Wrong."""
    if none:
        return None
    path = Path(name) if name else settings.find_config(Path.cwd())
    if path is None:
        return None
    return settings.read_config(path, name or os.path.relpath(path))


def for_crawl(
    named: Sequence[str], output: Path | None, flags: Flags, file: settings.ConfigFile | None, *, fresh: bool, voice: Voice,
    environ: Mapping[str, str] = os.environ,
) -> Plan:  # fmt: skip
    """Plan a crawl of what is named. Raises CrawlError for all that is wrong with it."""
    place = inputs.place_for(named, output)
    _refuse_foreign(place)
    aside = aside_for(place) if fresh and place.exists() else None
    memory = None if fresh else recall(place)
    effective = resolve(place, flags, file, memory, environ)
    found = inputs.read(named, voice=voice)
    if found.bad and not effective.settings.skip_bad_seeds:
        raise BadSeeds(found.bad)
    if not found.seeds:
        raise Wrong(f"{_listed(named)} names no URL", "Try adding one a line, like https://example.org/")
    if found.bad:
        voice.say(f"  {words.count(len(found.bad), 'line')} left out: no usable URL")
    if memory is not None and not effective.settings.add_seeds:
        _refuse_strangers(place, found, memory)
    sources = _all_sources(found, memory)
    return Plan(place, effective, msgspec.structs.replace(found, sources=sources), memory, aside)


def _all_sources(found: Inputs, memory: Memory | None) -> tuple[Source, ...]:
    """Return the sources of the whole crawl: those named now with their present content, and those it had before."""
    now = {source.name for source in found.sources}
    before = () if memory is None else tuple(source for source in memory.sources if source.name not in now)
    return (*before, *found.sources)


def for_resume(
    output: Path | None, flags: Flags, file: settings.ConfigFile | None, *, environ: Mapping[str, str] = os.environ
) -> Plan:
    """Plan to go on with a crawl that is there. Raises NotACrawl when it is not."""
    place = output if output is not None else newest()
    memory = None if place is None else recall(place)
    if place is None or memory is None:
        where = f"in {place}" if place else f"under {OUTPUTS}/"
        raise NotACrawl(f"there is no crawl {where} to go on with", "Try naming the seeds to start one.")
    return Plan(place, resolve(place, flags, file, memory, environ), Inputs((), (), ()), memory)


def resolve(
    place: Path, flags: Flags, file: settings.ConfigFile | None, memory: Memory | None, environ: Mapping[str, str] = os.environ
) -> Effective:
    """Return the settings in force for a folder. Raises Wrong."""
    remembered = None if memory is None else (str(place), memory.settings)
    return settings.resolve(given(flags), environ, remembered, file)


def _refuse_strangers(place: Path, found: Inputs, memory: Memory) -> None:
    unknown = inputs.strangers(found, memory)
    if unknown:
        old = _listed(source.name for source in memory.sources)
        raise Wrong(
            f"{place} is a crawl of {old}, not of {_listed(unknown)}", "Try --add-seeds to add them to it, or -o for another folder."
        )


def _listed(names: Iterable[str]) -> str:
    return words.listed(["standard input" if name == inputs.STDIN else name for name in names])


def _refuse_foreign(place: Path) -> None:
    """Raise NotACrawl for a folder in which something else lies: pages must not be strewn among a person's own files."""
    if place.exists() and not place.is_dir():
        raise NotACrawl(f"{place} is a file, not a folder", "Try another folder with -o.")
    if place.is_dir() and not is_crawl(place):
        foreign = next((entry.name for entry in place.iterdir() if entry.name not in OWN_NAMES), None)
        if foreign is not None:
            raise NotACrawl(f"{place} holds no crawl, but other files ({foreign})", "Try a new folder with -o.")


def aside_for(place: Path) -> Path | None:
    """Return the name under which --fresh keeps the crawl that is there, None when there is none."""
    if not is_crawl(place):
        return None
    dated = place.with_name(f"{place.name}.{time.strftime('%Y-%m-%d-%H%M%S')}")
    tries = (dated if number == 1 else dated.with_name(f"{dated.name}-{number}") for number in range(1, 1000))
    return next(name for name in tries if not name.exists())


def put_aside(plan: Plan) -> None:
    """Rename the crawl that is there. Nothing is ever deleted. Raises InUse when someone works on it."""
    if plan.aside is None:
        return
    with held(plan.output):
        plan.output.rename(plan.aside)


def dry_run(plan: Plan) -> list[str]:
    """Say what would be done."""
    if plan.aside is not None:
        what = f"put {plan.output} aside as {plan.aside} and start anew in {plan.output}"
    elif plan.memory is not None:
        what = f"go on with {plan.output}"
    else:
        what = f"start a crawl in {plan.output}"
    seeds = [f"  {seed.url}" for seed in plan.inputs.seeds[:10]]
    if len(plan.inputs.seeds) > len(seeds):
        seeds.append(f"  … and {len(plan.inputs.seeds) - len(seeds):,} more")
    told = [row for row in settings.told(plan.effective) if row[2] != "default"]
    rows = [f"  {field} = {value}   ({origin})" for field, value, origin in told]
    return [
        f"would {what}",
        words.count(len(plan.inputs.seeds), "seed") if plan.inputs.seeds else "the seeds it began with",
        *seeds,
        "settings that are not the default" if rows else "all settings are the default",
        *rows,
        *(f"changed since last run: {change}" for change in plan.effective.changes),
    ]
