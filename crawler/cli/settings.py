"""From flags, environment, folder and file to one Settings, each value with the place it came from.

The order: flags, then the environment, then what the output folder remembers, then crawler.toml, then defaults.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from crawler.cli import options, units
from crawler.cli.errors import Wrong
from crawler.cli.options import BY_FIELD, ENV_PREFIX, OPTIONS, Option
from crawler.core import secrets
from crawler.core.seeds import nearest
from crawler.core.settings import DEFAULTS, Settings

CONFIG_FILE = "crawler.toml"
NO_SETTINGS = frozenset({"CRAWLER_CONFIG", "CRAWLER_OUTPUT"})
"""Names in the environment that begin like a setting and are none of ours to complain about."""


class Origin(StrEnum):
    """Who said so, the strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FOLDER = "folder"
    FILE = "file"
    DEFAULT = "default"


class Place(msgspec.Struct, frozen=True):
    """Where a value came from, in words: `--depth`, `CRAWLER_DEPTH`, `output/docs`, `crawler.toml, line 7`."""

    origin: Origin
    name: str


class Change(msgspec.Struct, frozen=True):
    """A setting that is not what it was in the last run."""

    field: str
    before: str
    after: str

    def __str__(self) -> str:
        """Return `depth 3 -> 4`, with an arrow."""
        return f"{self.field} {self.before} → {self.after}"


class Effective(msgspec.Struct, frozen=True):
    """The settings in force, and how they came about."""

    settings: Settings
    places: dict[str, Place]
    changes: tuple[Change, ...] = ()
    notices: tuple[str, ...] = ()


class ConfigFile(msgspec.Struct, frozen=True):
    """What a crawler.toml says, with the line of each key."""

    name: str
    values: dict[str, object]
    lines: dict[str, int]


Said = dict[str, tuple[units.Raw, Place]]


def resolve(
    flags: Mapping[str, units.Raw],
    environ: Mapping[str, str],
    remembered: tuple[str, Mapping[str, object]] | None = None,
    file: ConfigFile | None = None,
) -> Effective:
    """Return the settings in force. *remembered* is a folder's name with its memory. Raises Wrong with every mistake at once."""
    said, notices = _from_environment(environ)
    layers: list[Said] = [_from_flags(flags), said, {}, _from_file(file) if file else {}]
    values, places, problems = _read(layers)
    before: dict[str, object] = {}
    if remembered is not None:
        before, lost = _from_memory(*remembered)
        notices += lost
        for field, value in before.items():
            if places.get(field, Place(Origin.DEFAULT, "")).origin in (Origin.FILE, Origin.DEFAULT):
                values[field], places[field] = value, Place(Origin.FOLDER, remembered[0])
    if problems:
        raise Wrong(_together(problems), "Try crawler config to see what is set where.")
    for option in OPTIONS:
        places.setdefault(option.field, Place(Origin.DEFAULT, "default"))
    settings = msgspec.convert(values, Settings)
    changes = () if remembered is None else _changes(msgspec.convert(before, Settings), settings)
    return Effective(settings, places, changes, tuple(notices))


def _read(layers: Iterable[Said]) -> tuple[dict[str, object], dict[str, Place], list[str]]:
    """Read the strongest word on each field; a mistake in a weaker one is told as well, since it is there to be fixed."""
    values: dict[str, object] = {}
    places: dict[str, Place] = {}
    problems: list[str] = []
    for layer in layers:
        for field, (raw, place) in layer.items():
            try:
                value = options.read(BY_FIELD[field], raw)
            except ValueError as error:
                problems.append(f"{field} must be {error}, got {_quoted(field, raw)} ({place.name})")
                continue
            if field not in values:
                values[field], places[field] = value, place
    return values, places, problems


def _quoted(field: str, raw: units.Raw) -> str:
    if field in secrets.REDACTIONS:
        many = raw if isinstance(raw, list | tuple) else [raw]
        return ", ".join(repr(secrets.REDACTIONS[field](one)) if isinstance(one, str) else "something else" for one in many)
    return ", ".join(map(repr, raw)) if isinstance(raw, list | tuple) else repr(raw)


def _together(problems: list[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    return "\n  ".join([f"{len(problems)} settings are wrong", *problems])


def _from_flags(flags: Mapping[str, units.Raw]) -> Said:
    return {field: (raw, Place(Origin.FLAG, BY_FIELD[field].flag.partition("/")[0])) for field, raw in flags.items()}


def _from_environment(environ: Mapping[str, str]) -> tuple[Said, list[str]]:
    """Return what CRAWLER_... variables say, and a word on those that are no setting but look like one."""
    by_name = {option.env: option for option in OPTIONS}
    said: Said = {}
    notices = []
    for name, text in environ.items():
        option = by_name.get(name)
        if option is not None:
            said[option.field] = (_split(option, text), Place(Origin.ENVIRONMENT, name))
        elif name.startswith(ENV_PREFIX) and name not in NO_SETTINGS:
            meant = nearest(name.removeprefix(ENV_PREFIX), BY_FIELD, 0.75)
            if meant:
                notices.append(f"{name} in the environment is no setting; did you mean {ENV_PREFIX}{meant.upper()}?")
    return said, notices


def _split(option: Option, text: str) -> units.Raw:
    if not option.unit.many:
        return text
    return [item.strip() for item in text.split(option.unit.separator) if item.strip()]


def _from_file(file: ConfigFile) -> Said:
    said: Said = {}
    for key, raw in file.values.items():
        field = key.replace("-", "_")
        line = file.lines.get(key)
        place = f"{file.name}, line {line}" if line else file.name
        if field not in BY_FIELD:
            meant = nearest(field, BY_FIELD)
            hint = f"Did you mean {meant}?" if meant else "Try crawler config to see what can be set."
            raise Wrong(f"unknown key {key!r} ({place})", hint)
        said[field] = (raw, Place(Origin.FILE, place))
    return said


def _from_memory(folder: str, memory: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """Return the remembered values that hold for this run, and what a person has to know about the rest.

    They were written by this program, but anyone may have written since: what does not fit is left out and told.
    """
    kept: dict[str, object] = {}
    notices = []
    for field, stored in memory.items():
        option = BY_FIELD.get(field)
        if option is not None and not option.remembered:
            continue
        value, lost = _without_secrets(stored) if field in secrets.REDACTIONS else (stored, [])
        notices += [f"{field} {one!r} holds a secret, which was not kept; give it again with {option.flag}" for one in lost if option]
        try:
            kept[field] = getattr(msgspec.convert({field: value}, Settings), field)
        except msgspec.ValidationError:
            notices.append(f"{folder} remembers {field} = {value!r}, which means nothing to this version; it is left out")
    return kept, notices


def _without_secrets(stored: object) -> tuple[object, list[str]]:
    """Return remembered values that are still whole, and those that lost their secret."""
    if not isinstance(stored, list):
        return stored, []
    values = [str(one) for one in stored]
    return [one for one in values if not secrets.is_redacted(one)], [one for one in values if secrets.is_redacted(one)]


def _changes(before: Settings, after: Settings) -> tuple[Change, ...]:
    return tuple(
        Change(option.field, _told(option, getattr(before, option.field)), _told(option, getattr(after, option.field)))
        for option in OPTIONS
        if option.remembered and getattr(before, option.field) != getattr(after, option.field)
    )


def _told(option: Option, value: object) -> str:
    """Return a value for people: a long meaning of "not set" is `auto`, a secret is hidden."""
    if option.field in secrets.REDACTIONS and isinstance(value, tuple):
        value = tuple(map(secrets.REDACTIONS[option.field], value))
    if value is None:
        return option.unset if option.unset in ("none", "no limit") else "auto"
    return option.shown(value)


def told(effective: Effective) -> list[tuple[str, str, str]]:
    """Return (field, value, origin) of every setting, for people."""
    return [
        (option.field, _told(option, getattr(effective.settings, option.field)), effective.places[option.field].name) for option in OPTIONS
    ]


def non_defaults(settings: Settings) -> dict[str, object]:
    """Return the fields that are not the default, as JSON values."""
    return {field: value for field, value in msgspec.to_builtins(settings).items() if getattr(DEFAULTS, field) != getattr(settings, field)}


def find_config(start: Path) -> Path | None:
    """Return the nearest crawler.toml, in *start* or a folder above it."""
    return next((place / CONFIG_FILE for place in (start, *start.parents) if (place / CONFIG_FILE).is_file()), None)


def read_config(path: Path, name: str) -> ConfigFile:
    """Read a crawler.toml. Raises Wrong when it cannot be read or is no TOML."""
    text = _text_of(path, name)
    try:
        return ConfigFile(name, tomllib.loads(text), _lines_of_keys(text))
    except tomllib.TOMLDecodeError as error:
        raise Wrong(f"{name} is no TOML: {_lower(str(error))}", "Try crawler config init elsewhere for an example.") from None


def _text_of(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Wrong(f"cannot read {name}: {_lower(error.strerror or str(error))}", "Try another --config, or --no-config.") from None
    except UnicodeDecodeError:
        raise Wrong(f"cannot read {name}: it is no UTF-8", "Try saving it as UTF-8.") from None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _lines_of_keys(text: str) -> dict[str, int]:
    """Return the line on which each key is set. tomllib does not tell, so the lines are looked through once more."""
    found: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        match = re.match(r"""\s*(?:\[\s*)?["']?([A-Za-z0-9_-]+)["']?\s*[=.\]]""", line)
        if match:
            found.setdefault(match[1], number)
    return found


