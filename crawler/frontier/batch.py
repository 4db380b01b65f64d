"""One batch of outcomes becomes the rows of one transaction: what is new, what became better, what is settled.

Pure bookkeeping between two moments of I/O: `gather` before the look-up of unknown URLs, `weigh` after it.
"""

from __future__ import annotations

from collections import Counter

import msgspec

from crawler.core.model import KIND_CODE, Kind, Offers, Reason, Rejected, Request, State, UrlId
from crawler.core.scope import depth_rule
from crawler.frontier import Settled
from crawler.frontier.known import Known, rank_of

ROBOTS_CODE = KIND_CODE[Kind.ROBOTS]
REDIRECT_CODE = KIND_CODE[Kind.REDIRECT]
CANONICAL_CODE = KIND_CODE[Kind.CANONICAL]
REOPENED = frozenset({Reason.SCOPE, Reason.DEPTH, Reason.NOFOLLOW, Reason.TRAP})
"""Refusals that a better offer of the same URL lifts; so does one of a URL that was never asked, for it folds into another."""


class Offer(msgspec.Struct, gc=False):
    """The best offer of one URL within a batch."""

    url: str
    kind: int
    rank: int
    depth: int
    priority: int
    parent: int | None
    ruleset: int
    hops: int
    reason: str | None
    rule: str | None
    fingerprint: int | None = None
    parent_url: str | None = None
    """Where it was found, while that has no row: a robots.txt that is settled in the same batch."""


class Row(msgspec.Struct, frozen=True, gc=False):
    """What the database knows of a URL that is offered again."""

    id: int
    fingerprint: int
    url: str
    host_id: int
    state: int
    depth: int
    priority: int
    reason: str | None
    delayed: bool
    ruleset: int
    kind: int
    fetched: bool = False


class Tally:
    """How the counters of hosts and states move in one transaction."""

    def __init__(self) -> None:
        self.states: Counter[int] = Counter()
        self.hosts: dict[int, Counter[str]] = {}
        self.dropped: list[UrlId] = []
        """Rows that turned out to be a robots.txt."""
        self.made_room = False
        """A URL that had been let in was refused after all."""

    def move(self, host_id: int, old: int | None, new: int, *, was_delayed: bool = False, delayed: bool = False) -> None:
        """Count that a URL of a host went from one state to another; None: it is new."""
        host = self.hosts.setdefault(host_id, Counter())
        if old is not None:
            self.made_room |= new == State.EXCLUDED
            self.states[old] -= 1
            host[COLUMNS[old]] -= 1
        self.states[new] += 1
        host[COLUMNS[new]] += 1
        host["delayed"] += delayed - was_delayed
        if new == State.QUEUED:
            host["found"] += 1

    def drop(self, host_id: int, old: int, row: UrlId) -> None:
        """Count that a URL is no page after all, but a robots.txt."""
        self.dropped.append(row)
        self.states[old] -= 1
        self.hosts.setdefault(host_id, Counter())[COLUMNS[old]] -= 1

    def remove(self, host_id: int, old: int, *, was_delayed: bool = False) -> None:
        """Count that a URL is no longer known."""
        host = self.hosts.setdefault(host_id, Counter())
        self.states[old] -= 1
        host[COLUMNS[old]] -= 1
        host["delayed"] -= was_delayed
        self.made_room = True

    def unrecorded(self, host_id: int) -> None:
        """Count a refusal that gets no row."""
        self.hosts.setdefault(host_id, Counter())["unrecorded"] += 1

    def host_rows(self) -> list[tuple[object, ...]]:
        """Return the changes of each host's counters, as the writer's statement takes them."""
        names = ("queued", "delayed", "done", "failed", "excluded", "unrecorded")
        return [(*(moved[name] for name in names), host_id) for host_id, moved in self.hosts.items()]


COLUMNS = ("queued", "done", "failed", "excluded", "parked")


class Gathered:
    """The links of a batch, and those of its offers that memory could not answer."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.links: list[tuple[int, int, int, bool]] = []       # (src_id, dst_id, kind, nofollow)
        self.open_links: list[tuple[int, str, int, bool]] = []  # the same, where the row of the target is not known yet
        self.offers: dict[str, Offer] = {}
        self.redirects: dict[int, str] = {}                     # url id -> where its answer points to
        self.canonicals: dict[int, str] = {}                    # url id -> its own idea of its address
        self.robots_links: list[tuple[str, str, int]] = []      # (robots.txt, target, kind)
        self.listed: list[tuple[int, str, int | None, float | None]] = []       # (sitemap, target, last change, priority)

    def settle(self, settled: Settled, depth: int, limit: int | None) -> None:
        """Take in the offers of one settled request; *depth* is the least one known of these links."""
        offers = settled.offers
        parent = settled.request.id
        if settled.request.kind is Kind.ROBOTS:
            url = settled.request.url
            self.offers[url] = Offer(url, ROBOTS_CODE, 0, 0, 0, None, 0, settled.request.hops, None, None)
        if not offers.kinds:
            return
        if settled.request.kind is Kind.ROBOTS:
            self._named_by_robots(settled.request.url, offers, depth)
            return
        marked = frozenset(code for code, (reason, _) in enumerate(offers.rules, start=1) if reason == Reason.NOFOLLOW)
        self.listed += [(parent, *entry) for entry in settled.listed]
        find, unknown = self._known.find, self._unknown
        allowed, refused = rank_of(depth, refused=False), rank_of(depth, refused=True)
        lifted = _lifted(offers, depth, limit)
        names = offers.urls.split("\n")
        for index, (url, kind, verdict) in enumerate(zip(names, offers.kinds, offers.verdicts, strict=True)):
            if verdict in lifted:
                verdict = 0  # noqa: PLW2901 - refused for a depth that it does not have
            row = find(url, refused if verdict else allowed)
            if kind == CANONICAL_CODE:
                self.canonicals.setdefault(parent, url)
            if row is not None:
                self.links.append((parent, row, kind, verdict in marked))
            else:
                self.open_links.append((parent, url, kind, verdict in marked))
                unknown(offers, index, url, kind, verdict, depth, parent)
        if settled.attempt is not None and settled.attempt.redirected:
            self.redirects[parent] = names[0]

    def _named_by_robots(self, robots: str, offers: Offers, depth: int) -> None:
        """Take in what a robots.txt names; it may have no row yet."""
        for index, (url, kind, verdict) in enumerate(zip(offers.urls.split("\n"), offers.kinds, offers.verdicts, strict=True)):
            self.robots_links.append((robots, url, kind))
            if self._known.find(url, rank_of(depth, refused=bool(verdict))) is None:
                self._unknown(offers, index, url, kind, verdict, depth, 0)
                self.offers[url].parent_url = robots

    def _unknown(self, offers: Offers, index: int, url: str, kind: int, verdict: int, depth: int, parent: int) -> None:
        rank = rank_of(depth, refused=bool(verdict))
        best = self.offers.get(url)
        if best is not None and best.rank <= rank:
            return
        reason, rule = offers.rules[verdict - 1] if verdict else (None, None)
        if reason == Reason.DEPTH and rule is not None:
            rule = rule.replace(f"depth {offers.depth} ", f"depth {depth} ", 1)
        priority = offers.priority if offers.priority < 0 else depth
        mark = int.from_bytes(offers.fingerprints[index * 8 : index * 8 + 8], "little", signed=True)
        self.offers[url] = Offer(
            url, kind, rank, depth, priority, parent or None, offers.ruleset, offers.hops, reason, rule, mark
        )

    def offer(self, entry: Request | Rejected) -> None:
        """Take in a request or a refusal that no page brought: a seed, say."""
        if isinstance(entry, Rejected):
            link = entry.link
            url, kind, depth, priority, ruleset, hops = link.url, link.kind, link.depth, link.depth, link.ruleset, link.hops
            reason, rule = entry.reason, entry.rule
        else:
            url, kind, depth, priority = entry.url, entry.kind, entry.depth, entry.priority
            ruleset, hops, reason, rule = entry.ruleset, entry.hops, None, None
        rank = rank_of(depth, refused=reason is not None)
        best = self.offers.get(url)
        if (best is None or rank < best.rank) and self._known.find(url, rank) is None:
            self.offers[url] = Offer(url, KIND_CODE[kind], rank, depth, priority, None, ruleset, hops, reason, rule)


def _lifted(offers: Offers, depth: int, limit: int | None) -> frozenset[int]:
    """Return the verdict codes that say "too deep" where *depth* is not."""
    if depth >= offers.depth or (limit is not None and depth > limit):
        return frozenset()
    return frozenset(code for code, (reason, _) in enumerate(offers.rules, start=1) if reason == Reason.DEPTH)


class Weighed:
    """What the look-up showed: rows to add, rows that became better, and the row of every URL in the batch."""

    def __init__(self) -> None:
        self.new: list[Offer] = []                      # in order of discovery, fingerprints final
        self.better: list[tuple[Row, Offer]] = []
        self.rows: dict[str, int] = {}                  # URL -> row
        self.found: dict[str, Row] = {}                 # robots.txt that had a row before
        self._aliases: list[tuple[str, Offer]] = []     # another spelling of a new URL

    def known_already(self, row: Row, offer: Offer) -> None:
        """Take in an offer of a URL that has a row; it may open or improve it."""
        self.rows[offer.url] = row.id
        if offer.kind == ROBOTS_CODE:
            self.found[offer.url] = row
        elif row.state == State.EXCLUDED:
            lifts = offer.reason is None and (row.reason in REOPENED or (row.reason == Reason.DUPLICATE and not row.fetched))
            nearer = row.reason == Reason.DEPTH and offer.reason == Reason.DEPTH and offer.depth < row.depth
            if lifts or nearer:
                self.better.append((row, offer))
        elif offer.reason is None and offer.depth < row.depth:
            self.better.append((row, offer))

    def same_batch(self, first: Offer, offer: Offer) -> None:
        """Take in a second spelling of a new URL: the better offer decides, the first spelling stays."""
        self._aliases.append((offer.url, first))
        if offer.rank < first.rank:
            for field in ("rank", "kind", "depth", "priority", "parent", "parent_url", "ruleset", "hops", "reason", "rule"):
                setattr(first, field, getattr(offer, field))

    def number(self, start: int) -> None:
        """Give the new rows their ids, counting up from *start*."""
        for row, offer in enumerate(self.new, start):
            self.rows[offer.url] = row
        for url, first in self._aliases:
            if first.url in self.rows:
                self.rows[url] = self.rows[first.url]


def following(mark: int) -> int:
    """Return the next 64-bit value, signed, wrapping around."""
    return mark + 1 if mark < (1 << 63) - 1 else -(1 << 63)


def depth_of(kind: int, parent_depth: int) -> int:
    """Return the depth of a link's target: one more than its page, or the same behind a redirect."""
    return parent_depth if kind == REDIRECT_CODE else parent_depth + 1


def depth_refusal(depth: int, limit: int | None) -> str | None:
    """Return the rule that a depth limit decides by, None when it lets the depth in."""
    return depth_rule(depth, limit) if limit is not None and depth > limit else None
