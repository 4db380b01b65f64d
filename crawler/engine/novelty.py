"""What pages bring that is new: near-duplicates are named, and families of URLs whose pages are all alike are damped.

Damped first means last in its host, and not beyond 2,000 links from a seed; then, after so many pages, not at all. What was
counted is remembered from run to run, so that a trap is not entered anew with every start.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine

from crawler.clock import Clock
from crawler.core.likeness import Likeness
from crawler.core.model import Fetched
from crawler.core.patterns import Change, Families
from crawler.core.scope import ALIKE_DEPTH, Scope
from crawler.core.settings import Settings
from crawler.finishing import finish
from crawler.frontier.ledger import Ledger
from crawler.hooks import Hooks, Notice

RECALLED = 10_000
"""Pages of the runs before that later ones are compared with: more would delay the first request."""


class Novelty:
    """Looks at every page that was read, in the order of landing."""

    def __init__(
        self, settings: Settings, *, scope: Scope, ledger: Ledger, hooks: Hooks, clock: Clock, changed: Callable[[], None],
        spawn: Callable[[Coroutine[None, None, None]], object],
    ) -> None:  # fmt: skip
        self._families = Families(budget=settings.max_alike)
        self._likeness = Likeness()
        self._scope = scope
        self._ledger = ledger
        self._hooks = hooks
        self._clock = clock
        self._changed = changed
        self._spawn = spawn

    def note(self, page: Fetched) -> int | None:
        """Take in a page; return the row of an earlier one whose text is nearly the same."""
        parsed, request = page.parsed, page.request
        if not parsed.has_text:
            return None
        near = None if parsed.simhash is None else self._likeness.find(parsed.simhash, request.id)
        if near == request.id:
            near = None     # it was read before, and stood back then
        pattern = self._scope.family(request.url, request.host, request.ruleset)
        if request.kept is None and not self._scope.is_undamped(pattern):      # a page that is read again has been counted
            change = self._families.note(pattern, parsed.simhash, tiny=parsed.simhash is None)
            if change is not None:
                self._damp(change)
        return near

    def forget(self, rows: Collection[int]) -> None:
        """Compare nothing with pages that somebody has forgotten."""
        self._likeness.forget(rows)

    async def restore(self) -> None:
        """Take in what the runs before counted, and which pages were read last."""
        for pattern, pages, alike, damped in await self._ledger.patterns():
            if self._scope.is_undamped(pattern):
                continue
            if damped == "closed" and alike < self._families.budget_of(pattern):
                damped = "alike"  # noqa: PLW2901 - the limit has been raised since
            self._families.restore(pattern, pages, alike, damped)
            if damped is not None:
                self._scope.damp([(pattern, damped)])
        for simhash, row in await self._ledger.latest_simhashes(RECALLED):
            self._likeness.find(simhash, row)

    async def remember(self) -> None:
        """Write down what was counted."""
        await finish(self._ledger.remember_patterns(self._families.counted(), self._clock.now()))

    def _damp(self, change: Change) -> None:
        self._scope.damp([(change.pattern, change.damped)])
        self._changed()
        self._spawn(self._tell(change))

    async def _tell(self, change: Change) -> None:
        await self.remember()
        what = f"{change.alike:,} of {change.pages:,} pages of {change.pattern} are alike"
        then = "the rest is left out" if change.damped == "closed" else f"the rest comes last, and not beyond depth {ALIKE_DEPTH:,}"
        await self._hooks.send(Notice(f"{what}: {then}; --undamp '{change.pattern}' lets it in"))
