"""Would a URL be let in by the bounds that a crawl remembers? The judge is the crawl's own; nothing is asked of anyone."""

from __future__ import annotations

import msgspec

from crawler.core import urls
from crawler.core.model import Kind
from crawler.core.scope import Options, Scope, rules_of, ruleset_of
from crawler.core.settings import Settings
from crawler.query.facts import Bounds
from crawler.query.reader import Reader

_META = "SELECT key, value FROM meta WHERE key IN ('settings', 'twins')"
MOST_SEEDS = 100_000
"""Seeds that are looked at: beyond that, the bounds of the first ones are told."""


def bounds_of(reader: Reader, url: str) -> Bounds | None:
    """Say what the bounds make of a spelt URL that a page links to, one step from a seed; None where nothing is remembered."""
    scope = _scope(reader)
    if scope is None:
        return None
    host = urls.host_of(urls.split(url)[0])
    refused: Bounds | None = None
    for number, bounds in enumerate(scope.rules.rulesets):
        verdict = scope.verdict(url, host, Kind.A, 1, number)
        if verdict is None:
            return Bounds(allowed=True, reason=None, rule=_why(bounds.scope, host))
        refused = refused or Bounds(allowed=False, reason=verdict[0].value, rule=verdict[1])
    return refused


def _scope(reader: Reader) -> Scope | None:
    """Return the judge of the crawl, made from what its database remembers."""
    meta = {str(key): str(value) for key, value in reader.all(_META)}
    try:
        settings = msgspec.convert(_known_fields(msgspec.json.decode(meta.get("settings", "{}"))), Settings)
        twins = msgspec.json.decode(meta.get("twins", "[]"), type=list[tuple[int, str]])
        rows = reader.rows("SELECT ruleset, options FROM ruleset ORDER BY ruleset")
        options = {number: msgspec.json.decode(str(text), type=Options) for number, text in rows}
    except msgspec.MsgspecError:
        return None     # written by another version, or by nobody we know
    seeds: dict[object, list[str]] = {number: [] for number in options}
    for number, url in reader.rows("SELECT ruleset, url FROM seed", limit=MOST_SEEDS):
        seeds.setdefault(number, []).append(str(url))
    if not any(seeds.values()):
        return None
    scope = Scope(rules_of((ruleset_of(seeds[number], options[number], settings) for number in options), settings))
    for ruleset, host in twins:
        scope.adopt(host, ruleset)
    scope.damp((str(name), str(how)) for name, how in reader.rows("SELECT pattern, damped FROM pattern WHERE damped IS NOT NULL"))
    return scope


def _known_fields(settings: object) -> dict[str, object]:
    return {name: value for name, value in settings.items() if name in Settings.__struct_fields__} if isinstance(settings, dict) else {}


def _why(scope: str, host: str) -> str:
    match scope:
        case "any":
            return "the scope is any"
        case "site":
            return f"{urls.site_of(host)} is a seed's site"
        case "page" | "path":
            return f"it lies where a seed lies, as the scope {scope} asks"
        case _:
            return f"{host} is a seed's host"
