"""The first words of a run: what it is going to do, or where it goes on. Pure."""

from __future__ import annotations

from crawler import words
from crawler.cli.settings import Effective
from crawler.core.settings import Settings
from crawler.hooks import RunStarted


def lines(event: RunStarted, effective: Effective, version: str) -> list[str]:
    """Return the lines that open a run; none when there is nothing left to do, which the end says well enough."""
    if event.resumed and not event.queued and not event.new_seeds and effective.settings.recrawl is None:
        return []
    first = _continuing(event) if event.resumed else _starting(event, effective.settings, version)
    notices = [f"  {notice}" for notice in effective.notices]
    changes = [f"  changed since last run: {', '.join(map(str, effective.changes))}"] if event.resumed and effective.changes else []
    return [first, *changes, *notices, *_manners(effective.settings, event)]


def _starting(event: RunStarted, settings: Settings, version: str) -> str:
    parts = [words.count(event.seeds, "seed"), f"scope {settings.scope}"]
    if settings.depth is not None:
        parts.append(f"depth {settings.depth}")
    if settings.max_pages is not None:
        parts.append(f"limit {words.count(settings.max_pages, 'page')}")
    parts.append("robots.txt respected" if settings.robots else "robots.txt IGNORED")
    return f"crawler {version} → {event.output}   {' · '.join(parts)}"


def _continuing(event: RunStarted) -> str:
    new = f", {words.count(event.new_seeds, 'new seed')}" if event.new_seeds else ""
    killed = "" if event.clean else f" (last run was killed, at most {words.count(event.repeated, 'request')} may be repeated)"
    return f"Continuing {event.output}: {words.count(event.pages, 'page')} done, {event.queued:,} waiting{new}{killed}."


def _manners(settings: Settings, event: RunStarted) -> list[str]:
    if settings.contact or settings.user_agent or event.resumed:
        return []
    return ["  no contact is set: --contact ADDRESS lets the owners of sites reach you"]
