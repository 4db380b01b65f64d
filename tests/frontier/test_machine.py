"""Whatever happens, in whatever order: nothing is lost, nothing is settled twice, depths are the shortest, counters add up.

The SQLite frontier is driven beside the memory frontier through claims, commits, refusals, crashes and reopenings, and
the memory frontier itself is held to a plain dict of what was ever acknowledged. `MISTAKES` are bugs planted on purpose:
the machine is worth something only if it finds each of them.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from crawler.core import urls
from crawler.core.model import KIND_CODE, Fault, Kind, Offers, Reason, Request, State
from crawler.frontier import Attempt, HostState, Lease, Settled, recrawling
from crawler.frontier.memory import MemoryFrontier
from crawler.frontier.recrawling import Recrawl
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.writing import Writer

HOSTS = ("http://a.test", "http://b.test", "http://b.test:8080")
PATHS = [f"{origin}/{page}" for origin in HOSTS for page in range(5)]
LIMIT = 3


def limit(ruleset: int) -> int | None:
    return LIMIT


def request(url: str, kind: Kind = Kind.SEED, depth: int = 0) -> Request:
    origin = urls.split(url)[0]
    return Request(url, origin, urls.host_of(origin), kind, depth, depth)


def offers_of(targets: list[tuple[str, Kind]], depth: int, secret: bytes, hops: int = 0) -> Offers:
    """Pack links as a parser process does: beyond the depth limit they are refused."""
    names = list(dict.fromkeys(targets))
    refused = depth > LIMIT
    marks = b"".join(urls.fingerprint(urls.key(url), secret).to_bytes(8, "little", signed=True) for url, _ in names)
    redirect = bool(names) and names[0][1] is Kind.REDIRECT
    return Offers(
        "\n".join(url for url, _ in names),
        bytes(KIND_CODE[kind] for _, kind in names),
        bytes([int(refused)] * len(names)),
        marks,
        ((Reason.DEPTH.value, f"depth {depth} is beyond the limit of {LIMIT}"),) if refused else (),
        depth,
        0,
        hops,
        -1 if redirect else depth,
    )


class FrontierMachine(RuleBasedStateMachine):
    """Two frontiers, one history."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp())
        self.now = 1_000_000.0
        self.stack: AsyncExitStack | None = None
        self.model = MemoryFrontier(limit)
        self.acknowledged: set[str] = set()
        self.leases: dict[str, tuple[Lease, Lease]] = {}
        self.handed: dict[str, tuple[Request, Request]] = {}
        self.old: list[tuple[Request, Request]] = []
        self._run(self._open())

    def _run(self, work):
        return self.loop.run_until_complete(work)

    async def _open(self) -> None:
        self.stack = AsyncExitStack()
        self.sqlite = await self.stack.enter_async_context(SqliteFrontier.open(self.folder / "crawl.db", durability="normal"))
        self.sqlite.writer.depth_limit = limit

    def teardown(self) -> None:
        self._run(self.stack.aclose())
        self.loop.close()
        shutil.rmtree(self.folder)

    # --- what happens --------------------------------------------------------------------------------------------

    @initialize(seeds=st.lists(st.sampled_from(PATHS), min_size=1, max_size=4))
    def begin(self, seeds: list[str]) -> None:
        self.add(seeds)

    @rule(seeds=st.lists(st.sampled_from(PATHS), min_size=1, max_size=3))
    def add(self, seeds: list[str]) -> None:
        offers = [request(url) for url in seeds]
        assert self._run(self.model.add(offers)) == self._run(self.sqlite.add(offers))
        self.acknowledged.update(seeds)

    @rule(hosts=st.integers(1, 3), size=st.integers(1, 4), refill=st.booleans(), revisits=st.sampled_from([False, False, True]))
    def claim(self, hosts: int, size: int, refill: bool, revisits: bool) -> None:
        held = list(self.leases.values()) if refill else []
        more = {"now": self.now, "hosts": hosts, "urls": size, "revisits": revisits}
        one = self._run(self.model.claim(refill=[pair[0].id for pair in held], **more))
        two = self._run(self.sqlite.claim(refill=[pair[1].id for pair in held], **more))
        by_host = {lease.host.name: lease for lease in two}
        if len(one) != len(two) or {lease.host.name for lease in one} != by_host.keys():
            # of hosts that wake at the same moment either may go first: hold both sides to the same ones
            assert sorted(lease.host.next_at for lease in one) == sorted(lease.host.next_at for lease in two)
            self._run(self.model.release([lease.id for lease in one if lease.host.name not in self.leases]))
            self._run(self.sqlite.release([lease.id for lease in two if lease.host.name not in self.leases]))
            return
        for lease in one:
            twin = by_host[lease.host.name]
            assert [entry.url for entry in lease.requests] == [entry.url for entry in twin.requests]
            assert [entry.depth for entry in lease.requests] == [entry.depth for entry in twin.requests]
            assert [entry.tries for entry in lease.requests] == [entry.tries for entry in twin.requests]
            assert [(entry.asked, entry.kept) for entry in lease.requests] == [(entry.asked, entry.kept) for entry in twin.requests]
            self.leases[lease.host.name] = (lease, twin)
            for pair in zip(lease.requests, twin.requests, strict=True):
                assert pair[0].url not in self.handed, "handed out twice"
                self.handed[pair[0].url] = pair

    @precondition(lambda self: self.handed)
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        names = data.draw(st.lists(st.sampled_from(sorted(self.handed)), min_size=1, max_size=4, unique=True))
        pairs = [self.handed.pop(name) for name in names]
        batches: tuple[list[Settled], list[Settled]] = ([], [])
        for pair in pairs:
            later = ["gone", "unchanged"] if pair[0].asked else []
            fate = data.draw(st.sampled_from(["page", "page", "page", "retry", "failed", "redirect", "barred", *later]))
            targets = data.draw(st.lists(st.sampled_from(PATHS), max_size=5))
            wait = data.draw(st.integers(1, 50))
            for batch, entry in zip(batches, pair, strict=True):
                batch.append(self._settled(entry, fate, targets, wait))
            if fate in ("page", "redirect"):
                self.acknowledged.update(targets[:1] if fate == "redirect" else targets)
        assert set() == self._run(self.model.commit(batches[0])) == self._run(self.sqlite.commit(batches[1]))
        self.old += pairs

    def _settled(
        self, entry: Request, fate: str, targets: list[str], wait: int
    ) -> Settled:
        host = HostState(entry.host_id, entry.host, self.now + wait / 10, 1.0, 0, None)
        at = Attempt(self.now, 200)
        if fate == "page":
            links = offers_of([(url, Kind.A) for url in targets], entry.depth + 1, self.sqlite.secret)
            at = Attempt(self.now, 200, etag=f"{wait}", fault=Fault.PARSE if wait % 5 == 0 else None)
            return Settled(entry, State.DONE, entry.tries + 1, attempt=at, page=True, offers=links, host=host, renewed=entry.asked)
        if fate == "redirect" and targets:
            links = offers_of([(targets[0], Kind.REDIRECT)], entry.depth, self.sqlite.secret, entry.hops + 1)
            moved = Attempt(self.now, 302, redirected=True)
            return Settled(entry, State.DONE, 1, attempt=moved, offers=links, host=host, gone=True, renewed=entry.asked)
        if fate in ("gone", "unchanged"):
            gone = fate == "gone"
            attempt = Attempt(self.now, 404 if gone else 304)
            return Settled(entry, State.DONE, 1, attempt=attempt, host=host, gone=gone, renewed=gone and entry.asked)
        if fate == "retry":
            return Settled(entry, State.QUEUED, entry.tries + 1, self.now + wait, attempt=Attempt(self.now, 500), host=host)
        if fate == "barred":
            return Settled(entry, State.EXCLUDED, reason=Reason.ROBOTS, rule="line 1", host=host)
        return Settled(entry, State.FAILED, 3, attempt=Attempt(self.now, 500), host=host)

    @precondition(lambda self: self.old)
    @rule(data=st.data())
    def settle_twice(self, data: st.DataObject) -> None:
        """A late or repeated outcome is refused by both and changes nothing."""
        pair = data.draw(st.sampled_from(self.old))
        if pair[0].url in self.handed:
            return
        before = self.fates()
        for frontier, entry in zip((self.model, self.sqlite), pair, strict=True):
            late = self._settled(entry, "page", PATHS[:2], 1)
            assert {entry.lease} == self._run(frontier.commit([late]))
        assert before == self.fates()

    @precondition(lambda self: self.old)
    @rule(age=st.integers(0, 20))
    def revisit(self, age: int) -> None:
        """What is older is queued again by both, whatever batches that takes."""
        recrawl, queued = Recrawl(float(age), self.now), 0
        while recrawl.last is not None:
            recrawl, more = self._run(recrawling.revisit(self.sqlite, recrawl))
            queued += more
        assert self._run(self.model.revisit(float(age), began=self.now)) == queued

    @rule(seconds=st.integers(1, 60))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.leases)))
        one, two = self.leases.pop(name)
        self._run(self.model.release([one.id]))
        self._run(self.sqlite.release([two.id]))
        for url in [url for url in self.handed if urls.host_of(urls.split(url)[0]) == name]:
            self.old.append(self.handed.pop(url))

    @rule()
    def crash(self) -> None:
        """The process dies: what stands on the disk is copied as it is and opened again."""
        copy = Path(tempfile.mkdtemp())
        for file in self.folder.iterdir():
            shutil.copy(file, copy)
        self._run(self.stack.aclose())
        shutil.rmtree(self.folder)
        self.folder = copy
        self._run(self._open())
        self.model.reopened()
        self.old += self.handed.values()
        self.handed.clear()
        self.leases.clear()
        self.old.clear()        # lease numbers start anew; a process that died sends nothing more

    # --- what must hold ------------------------------------------------------------------------------------------

    def fates(self) -> dict[str, tuple[State, int, str | None]]:
        with sqlite3.connect(self.folder / "crawl.db") as db:
            rows = db.execute("SELECT origin || path, state, depth, reason FROM url JOIN origin USING (origin_id)").fetchall()
        db.close()
        return {url: (State(state), depth, reason) for url, state, depth, reason in rows}

    @invariant()
    def both_agree_and_nothing_is_lost(self) -> None:
        fates = self.fates()
        assert self.model.fates() == fates
        assert self.acknowledged == fates.keys()
        one, two = self._run(self.model.statistics()), self._run(self.sqlite.statistics())
        assert (one.queued, one.done, one.failed, one.excluded, one.pages, one.errors) == (
            two.queued, two.done, two.failed, two.excluded, two.pages, two.errors,
        )  # fmt: skip
        assert self._run(self.model.drained()) == self._run(self.sqlite.drained())
        wakes = self._run(self.model.next_wake()), self._run(self.sqlite.next_wake())
        assert wakes[0] == (None if wakes[1] is None else pytest.approx(wakes[1]))
        wakes = self._run(self.model.next_wake(revisits=True)), self._run(self.sqlite.next_wake(revisits=True))
        assert wakes[0] == (None if wakes[1] is None else pytest.approx(wakes[1]))

    @invariant()
    def the_link_graphs_are_the_same(self) -> None:
        with sqlite3.connect(self.folder / "crawl.db") as db:
            rows = db.execute("SELECT src, dst, kind, nofollow FROM links").fetchall()
        db.close()
        assert self.model.graph() == {(source, target, kind): bool(marked) for source, target, kind, marked in rows}

    @invariant()
    def counters_are_what_a_count_would_say(self) -> None:
        with sqlite3.connect(self.folder / "crawl.db") as db:
            kept = db.execute("SELECT host_id, queued, delayed, done, failed, excluded FROM host ORDER BY 1").fetchall()
            counted = db.execute(
                """SELECT h.host_id, count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 0 AND due_at IS NOT NULL),
                count(*) FILTER (WHERE state = 1), count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3)
                FROM host h LEFT JOIN url USING (host_id) GROUP BY 1 ORDER BY 1"""
            ).fetchall()
            states = db.execute("SELECT state, urls FROM state WHERE urls <> 0 ORDER BY 1").fetchall()
            by_state = db.execute("SELECT state, count(*) FROM url GROUP BY 1 ORDER BY 1").fetchall()
        db.close()
        assert counted == kept
        assert by_state == states


def check(steps: int, examples: int, *, shrink: bool = True) -> None:
    phases = list(Phase) if shrink else [Phase.generate]
    run_state_machine_as_test(
        FrontierMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            phases=[phase for phase in phases if phase is not Phase.explain],
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_sqlite_and_memory_tell_the_same_story_whatever_happens():
    check(steps=30, examples=25)


@pytest.mark.long
def test_sqlite_and_memory_tell_the_same_story_for_longer():
    check(steps=60, examples=1_000)


def lose_a_child(monkeypatch):
    add = Writer._add

    async def forgetful(self, weighed, tally):
        if len(weighed.new) > 2:
            weighed.new.pop()
        await add(self, weighed, tally)

    monkeypatch.setattr(Writer, "_add", forgetful)


def settle_double(monkeypatch):
    monkeypatch.setattr(
        SqliteFrontier, "_accept", lambda self, batch: ([entry for entry in batch if entry.request.lease in self._held], set())
    )


def take_the_wrong_depth(monkeypatch):
    better = Writer._better

    async def deaf(self, row, offer, tally):
        offer.depth = row.depth
        await better(self, row, offer, tally)

    monkeypatch.setattr(Writer, "_better", deaf)


def forget_a_host_counter(monkeypatch):
    from crawler.frontier.batch import Tally

    rows = Tally.host_rows
    monkeypatch.setattr(Tally, "host_rows", lambda self: rows(self)[:1])


def reuse_a_lease(monkeypatch):
    def same(self, host):
        held = type(next(iter(self._held.values()), None)) if self._held else None
        from crawler.frontier.sqlite import _Held

        held = _Held(1, host)
        self._held[1] = self._by_host[host.host_id] = held
        return held

    monkeypatch.setattr(SqliteFrontier, "_hold", same)


MISTAKES = [lose_a_child, settle_double, take_the_wrong_depth, forget_a_host_counter, reuse_a_lease]


@pytest.mark.long
@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
def test_the_machine_catches_a_planted_mistake(mistake, monkeypatch):
    mistake(monkeypatch)
    with pytest.raises(BaseException) as caught:
        check(steps=30, examples=400, shrink=False)
    assert not isinstance(caught.value, KeyboardInterrupt | SystemExit | TypeError | pytest.fail.Exception)
