"""The bounds of a crawl while it runs: what its seeds let in, who may be asked, and what changed bounds mean for what waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import NamedTuple, get_args

import msgspec

from crawler.core import secrets, urls
from crawler.core.model import KIND_CODE, Rejected
from crawler.core.scope import Rules, Scope, rules_of, ruleset_of
from crawler.core.seeds import Seed
from crawler.core.settings import Directive, Settings
from crawler.engine.feeder import Feeder
from crawler.fetch.guard import Guard
from crawler.finishing import finish
from crawler.frontier.ledger import Ledger, guessed_sitemaps, seed_links
from crawler.frontier.sqlite import SqliteFrontier
from crawler.hooks import Hooks, Notice, SettingsApplied
from crawler.parsing.config import Config
from crawler.parsing.pool import ParserPool

SEEDS_AT_ONCE = 5_000
_DECISIVE = (
    "scope", "depth", "include", "exclude", "max_segments", "max_repeats", "robots", "allow_net", "deny_net", "follow", "leave",
    "page_requisites", "sitemaps", "fold", "disobey", "undamp", "max_alike", "max_per_host", "max_per_site", "max_hosts_per_site",
)  # fmt: skip
"""Settings that decide what may enter."""


class Running(NamedTuple):
    """What there is of a crawl once it runs, for bounds that change then."""

    parsers: ParserPool
    feeder: Feeder
    spawn: Callable[[Coroutine[None, None, None]], object]
    """Runs something in the background of the crawl."""
    grown: Callable[[], None]
    """Is told when URLs were queued."""
    ending: Callable[[], bool]
    """Tells whether what is left is better left to the next run."""


class Bounds:
    """Everything that decides what may enter. *agent*: the product token that robots.txt addresses us by."""

    def __init__(self, settings: Settings, *, frontier: SqliteFrontier, ledger: Ledger, hooks: Hooks, agent: str) -> None:
        self.settings = settings
        self._frontier = frontier
        self._ledger = ledger
        self._hooks = hooks
        self._agent = agent
        self.scope = Scope(Rules(()))
        self.guard = Guard(open_hosts=(), open_ports=(), allow=settings.allow_net, deny=settings.deny_net)
        self._seed_urls: list[str] = []
        self._twins: set[tuple[int, str]] = set()
        self._judging = asyncio.Lock()
        self._running: Running | None = None

    @property
    def seeds(self) -> int:
        """How many seeds the crawl has, those of earlier runs included."""
        return len(self._seed_urls)

    # --- what they come from -------------------------------------------------------------------------------------

    async def sow(self, given: Sequence[Seed], *, unjudged: bool) -> list[tuple[Seed, int]]:
        """Make the seeds durable, and with them the bounds of the crawl; return those that are new, each with its ruleset.

        *unjudged*: they may mean something to what is known already.
        """
        rulesets, new, differing = await self._ledger.seeds(given)
        if differing:
            names = ", ".join(seed.url for seed in differing[:3]) + (", ..." if len(differing) > 3 else "")
            await self._hooks.send(Notice(f"keeps the options of its first run: {names}; --fresh crawls with the new ones"))
        self._seed_urls = [url for _, seeds in rulesets for url in seeds]
        settings = self.settings
        rules = rules_of((ruleset_of(seeds, options, settings) for options, seeds in rulesets), settings)
        self.scope.go_by(msgspec.structs.replace(rules, damped=self.scope.rules.damped))
        for ruleset, host in await self._ledger.twins():
            self._twins.add((ruleset, host))
            self.scope.adopt(host, ruleset)
        self._tell_writer()
        self._open_guard()
        links = seed_links(new)
        for start in range(0, len(links), SEEDS_AT_ONCE):
            judged = [self.scope.judge(link) for link in links[start : start + SEEDS_AT_ONCE]]
            await self._frontier.add(judged)
            for refused in [one for one in judged if isinstance(one, Rejected)][:3]:
                await self._hooks.send(Notice(f"the seed {refused.link.url} is not crawled: {refused.rule}"))
        if settings.sitemaps == "guess":
            guesses = [link for number, (_, seeds) in enumerate(rulesets) for link in guessed_sitemaps(seeds, number)]
            await self._frontier.add([self.scope.judge(link) for link in guesses])
        if new:
            await self._ledger.remember_seeds(new, unjudged=unjudged)
        return new

    def _tell_writer(self) -> None:
        """Tell the writer what it has to know."""
        writer, settings, scope = self._frontier.writer, self.settings, self.scope
        writer.depth_limit = lambda ruleset: scope.rules.rulesets[ruleset].depth
        writer.followed = frozenset(KIND_CODE[kind] for kind in scope.rules.follow)
        writer.is_late = scope.is_late
        writer.budgets.per_host, writer.budgets.per_site = settings.max_per_host, settings.max_per_site
        writer.budgets.hosts_per_site = settings.max_hosts_per_site

    def _open_guard(self) -> None:
        """Let hosts that a seed names be where they are."""
        origins = [urls.split(url)[0] for url in self._seed_urls]
        ports = {int(port) for origin in origins if (port := origin.rpartition(":")[2]).isdigit()}
        self.guard.open(map(urls.host_of, origins), ports)

    def config(self) -> Config:
        """Return what parser processes have to know."""
        settings = self.settings
        return Config(
            rules=self.scope.rules, secret=self._frontier.secret, max_links=settings.max_links, parse_size=settings.parse_size,
            parser=settings.parser, pdf=settings.pdf, novelty=settings.novelty, index=settings.index == "text",
            disobey=frozenset(settings.disobey if settings.robots else get_args(Directive)),
        )  # fmt: skip

    # --- while it runs -------------------------------------------------------------------------------------------

    def attach(self, running: Running) -> None:
        """Have changes reach everybody from now on."""
        self._running = running

    def changed(self) -> None:
        """Let the parsers know that the scope has changed."""
        if self._running is not None:
            self._running.parsers.configure(self.config())

    def adopted(self) -> None:
        """Let the parsers and the next run know that a seed's redirect has let its twin in."""
        self.changed()
        named = {urls.host_of(urls.split(url)[0]) for url in self._seed_urls}
        rulesets = enumerate(self.scope.rules.rulesets)
        self._twins = {(number, host) for number, ruleset in rulesets for host in ruleset.hosts - named if ruleset.scope != "site"}
        if self._running is not None:
            self._running.spawn(finish(self._ledger.remember_twins(self._twins)))

    async def add(self, seeds: Sequence[Seed]) -> int:
        """Take in further seeds; return how many are new. What was refused before may be let in by them, in the background."""
        new = await self.sow(seeds, unjudged=True)
        self.changed()
        self.judge_again()
        return len(new)

    async def change(self, settings: Settings) -> None:
        """Go by other patterns from now on, and judge what waits by them in the background."""
        self.settings = settings
        self.scope.go_by(msgspec.structs.replace(self.scope.rules, exclude=settings.exclude))
        await self._ledger.reconfigure(remembered(settings), unjudged=True)
        self.changed()
        self.judge_again()

    def judge_again(self) -> None:
        """Judge what waits, and what was refused, by the bounds as they are now; in the background."""
        if self._running is not None:
            self._running.feeder.expecting += 1
            self._running.spawn(self._judge(self._running))

    async def _judge(self, running: Running) -> None:
        """Apply the bounds, and say what that came to; a stop leaves it to the next run."""
        async with self._judging:
            allowed = refused = 0
            if self.settings.sitemaps != "off":
                await self._offer_named_sitemaps(running)
            last: int | None = 0
            while last is not None and not running.ending():
                last, more, fewer = await finish(self._ledger.rejudge(self.scope, last, self.settings))
                allowed, refused = allowed + more, refused + fewer
                running.grown()
            running.feeder.expected()
            if allowed or refused:
                await self._hooks.send(SettingsApplied(allowed, refused))

    async def _offer_named_sitemaps(self, running: Running) -> None:
        """Offer what robots.txt files that were read before name, for they may not have been asked for then."""
        last: int | None = 0
        while last is not None and not running.ending():
            last, links = await finish(self._ledger.named_sitemaps(last, self.scope, self._agent))
            if links:
                await finish(self._frontier.add([self.scope.judge(link) for link in links]))
                running.grown()


def remembered(settings: Settings) -> dict[str, object]:
    """Return the settings that are not the default as the database keeps them: plain values, without secrets."""
    plain: dict[str, object] = msgspec.to_builtins(settings)
    usual: dict[str, object] = msgspec.to_builtins(Settings())
    told = secrets.redact_settings({name: value for name, value in plain.items() if value != usual[name]})
    as_kept: dict[str, object] = msgspec.json.decode(msgspec.json.encode(told))     # as they will come back: tuples as lists
    return as_kept


def decide_alike(one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    """Tell whether two sets of remembered settings let in the same."""
    return all(one.get(name) == other.get(name) for name in _DECISIVE)
