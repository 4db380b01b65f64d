"""What every frontier promises: one suite for the reference model and for what a crawl uses."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from crawler.core import urls
from crawler.core.model import KIND_CODE, NO_OFFERS, Body, Kept, Kind, Link, Offers, Reason, Rejected, Reply, Request, RobotsRead, State
from crawler.frontier import Attempt, Frontier, HostState, Lease, OriginState, Settled, origins, recrawling, writing
from crawler.frontier.memory import MemoryFrontier
from crawler.frontier.recrawling import Recrawl
from crawler.frontier.sqlite import SqliteFrontier

NOW = 1_000_000.0


def request(url: str, depth: int = 0, **more) -> Request:
    origin = urls.split(url)[0]
    return Request(url, origin, urls.host_of(origin), more.pop("kind", Kind.SEED), depth, more.pop("priority", depth), **more)


def refused(url: str, reason: Reason = Reason.SCOPE, depth: int = 1) -> Rejected:
    return Rejected(Link(url, Kind.A, depth), reason, f"rule of {reason}")


def offers(*targets: str, secret: bytes, depth: int = 1, kind: Kind = Kind.A, hops: int = 0, reason: Reason | None = None) -> Offers:
    """Pack links as a parser process does."""
    marks = b"".join(urls.fingerprint(urls.key(url), secret).to_bytes(8, "little", signed=True) for url in targets)
    rules = () if reason is None else ((reason.value, "rule"),)
    priority = -1 if kind is Kind.REDIRECT else depth
    kinds, verdicts = bytes([KIND_CODE[kind]] * len(targets)), bytes([len(rules)] * len(targets))
    return Offers("\n".join(targets), kinds, verdicts, marks, rules, depth, 0, hops, priority)


def page(entry: Request, links: Offers = NO_OFFERS, **more) -> Settled:
    return Settled(entry, State.DONE, entry.tries + 1, attempt=Attempt(NOW, 200), page=True, offers=links, **more)


def retry(entry: Request, due_at: float) -> Settled:
    return Settled(entry, State.QUEUED, entry.tries + 1, due_at, attempt=Attempt(NOW, 500))


def waits(entry: Request, until: float, **more) -> HostState:
    return HostState(entry.host_id, entry.host, until, **more)


@pytest.fixture(params=["memory", "sqlite"])
async def frontier(request, tmp_path) -> AsyncIterator[Frontier]:
    if request.param == "memory":
        yield MemoryFrontier()
    else:
        async with SqliteFrontier.open(tmp_path / "crawl.db", durability="normal") as frontier:
            yield frontier


@pytest.fixture
async def stored(tmp_path) -> AsyncIterator[SqliteFrontier]:
    async with SqliteFrontier.open(tmp_path / "crawl.db", durability="normal") as frontier:
        yield frontier


def secret_of(frontier: Frontier) -> bytes:
    return frontier.secret if isinstance(frontier, SqliteFrontier) else bytes(16)


async def claim(frontier: Frontier, *, now: float = NOW, hosts: int = 10, size: int = 100, refill=()) -> list[Lease]:
    return await frontier.claim(now=now, hosts=hosts, urls=size, refill=refill)


async def claimed(frontier: Frontier, **more) -> list[str]:
    return [entry.url for lease in await claim(frontier, **more) for entry in lease.requests]


@asynccontextmanager
async def reader(path: Path) -> AsyncIterator[sqlite3.Connection]:
    db = sqlite3.connect(path)
    try:
        yield db
    finally:
        db.close()


A, B, C = (f"http://h.test/{name}" for name in "abc")


# --- adding ----------------------------------------------------------------------------------------------------------


async def test_adding_is_idempotent(frontier):
    batch = [request(A), request(B), refused(C)]

    assert [3, 0, 0] == [await frontier.add(batch) for _ in range(3)]
    statistics = await frontier.statistics()
    assert (2, 1) == (statistics.queued, statistics.excluded)
    assert [A, B] == await claimed(frontier)


async def test_adding_the_same_twice_at_once_adds_it_once(frontier):
    assert 1 == await frontier.add([request(A), request(A), request(A, depth=3)])


async def test_two_spellings_of_one_url_are_one_and_the_first_is_asked_for(frontier):
    assert 1 == await frontier.add([request("http://h.test/%7ea"), request("http://h.test/~a")])
    assert 0 == await frontier.add([request("http://h.test/%7Ea")])

    assert ["http://h.test/%7ea"] == await claimed(frontier)


async def test_adding_nothing_is_fine(frontier):
    assert 0 == await frontier.add([])
    assert set() == await frontier.commit([])


async def test_what_is_let_in_by_another_way_has_the_hops_and_the_kind_of_that_way(frontier):
    """A sitemap at the end of too long a chain, that robots.txt names as well."""
    await frontier.add([Rejected(Link(A, Kind.SITEMAP, 5, hops=4), Reason.TRAP, "too far")])
    await frontier.add([request(A, 1, kind=Kind.CANONICAL, hops=1)])

    [lease] = await claim(frontier)
    [found] = lease.requests
    assert (1, Kind.CANONICAL, 1) == (found.hops, found.kind, found.depth)


async def test_a_refusal_is_lifted_by_an_offer_that_may_enter(frontier):
    await frontier.add([refused(A), refused(B, Reason.ROBOTS)])
    assert 0 == await frontier.add([request(A), request(B)])

    assert [A] == await claimed(frontier)


async def test_a_queued_url_is_not_taken_back_by_a_refusal(frontier):
    await frontier.add([request(A)])
    await frontier.add([refused(A)])

    assert [A] == await claimed(frontier)


async def test_a_shorter_way_to_a_queued_url_counts(frontier):
    await frontier.add([request(A, depth=5), request(B, depth=3)])
    await frontier.add([request(A, depth=1), request(B, depth=9)])

    [lease] = await claim(frontier)
    assert [(A, 1), (B, 3)] == [(entry.url, entry.depth) for entry in lease.requests]


# --- claiming --------------------------------------------------------------------------------------------------------


async def test_urls_come_by_priority_then_by_discovery(frontier):
    order = [("d", 2), ("a", 1), ("e", 2), ("b", 1), ("z", -1), ("c", 1)]
    await frontier.add([request(f"http://h.test/{name}", depth=max(priority, 0), priority=priority) for name, priority in order])

    assert ["z", "a", "b", "c", "d", "e"] == [url[-1] for url in await claimed(frontier)]


async def test_a_claim_gives_no_more_hosts_and_urls_than_were_asked_for(frontier):
    await frontier.add([request(f"http://h{host}.test/{page}") for host in range(5) for page in range(5)])

    leases = await claim(frontier, hosts=3, size=2)

    assert [2, 2, 2] == [len(lease.requests) for lease in leases]
    assert 3 == len({lease.host.name for lease in leases})
    assert 3 == len({lease.id for lease in leases})
    assert [] == await claim(frontier, hosts=0)


async def test_a_lease_says_everything_of_its_requests(frontier):
    await frontier.add([request(A, kind=Kind.IMG, depth=2, hops=3), request("http://h.test:8080/x")])

    [lease] = await claim(frontier)

    assert {"http://h.test", "http://h.test:8080"} == {origin.origin for origin in lease.origins}
    by_origin = {origin.origin: origin.origin_id for origin in lease.origins}
    for entry in lease.requests:
        assert (lease.id, lease.host.host_id, by_origin[entry.origin]) == (entry.lease, entry.host_id, entry.origin_id)
        assert entry.id
    second = lease.requests[1]
    assert (A, Kind.IMG, 2, 3, 0) == (second.url, second.kind, second.depth, second.hops, second.tries)


async def test_no_host_and_no_url_is_handed_out_twice(frontier):
    await frontier.add([request(f"http://h{host}.test/{page}") for host in range(4) for page in range(3)])
    first, second = await claimed(frontier, hosts=2), await claimed(frontier, hosts=9)

    assert 12 == len({*first, *second}) == len(first) + len(second)
    assert [] == await claim(frontier)


async def test_hosts_take_turns_by_the_moment_they_wake(frontier):
    await frontier.add([request(f"http://{name}.test/{page}") for name in "abc" for page in range(2)])
    until = {"a.test": NOW + 30, "b.test": NOW + 10, "c.test": NOW + 20}
    leases = await claim(frontier, size=1)
    await frontier.commit([page(lease.requests[0], host=waits(lease.requests[0], until[lease.host.name])) for lease in leases])
    await frontier.release([lease.id for lease in leases])

    assert [] == await claim(frontier, now=NOW + 9)
    assert NOW + 10 == await frontier.next_wake()
    assert ["b.test"] == [lease.host.name for lease in await claim(frontier, now=NOW + 25, hosts=1)]
    assert ["c.test"] == [lease.host.name for lease in await claim(frontier, now=NOW + 25)]
    assert ["a.test"] == [lease.host.name for lease in await claim(frontier, now=NOW + 30)]


async def test_what_is_remembered_of_a_host_comes_with_its_next_lease(frontier):
    await frontier.add([request(A), request(B)])
    [lease] = await claim(frontier, size=1)
    entry = lease.requests[0]
    state = waits(entry, NOW + 5, pace=2.5, failures=3, rest_reason="status 503")
    await frontier.commit([page(entry, host=state)])
    await frontier.release([lease.id])

    [again] = await claim(frontier, now=NOW + 5)

    assert state == again.host


async def test_a_refill_bears_the_same_id_and_further_urls_only(frontier):
    await frontier.add([request(f"http://h.test/{page}") for page in range(5)])
    [lease] = await claim(frontier, size=2)
    await frontier.commit([page(lease.requests[0])])

    [refill] = await claim(frontier, hosts=0, size=2, refill=[lease.id])
    [rest] = await claim(frontier, hosts=0, size=9, refill=[lease.id])

    assert lease.id == refill.id == rest.id
    assert ["0", "1", "2", "3", "4"] == [entry.url[-1] for one in (lease, refill, rest) for entry in one.requests]
    assert () == refill.origins


async def test_a_refill_that_finds_nothing_is_left_out(frontier):
    await frontier.add([request(A)])
    [lease] = await claim(frontier)

    assert [] == await claim(frontier, refill=[lease.id])
    assert set() == await frontier.commit([page(lease.requests[0])])
    assert [] == await claim(frontier, refill=[lease.id, 9999])


async def test_a_refill_finds_what_was_discovered_meanwhile_and_a_redirect_hop_first(frontier):
    await frontier.add([request(A), request(B, depth=1)])
    [lease] = await claim(frontier, size=1)
    hop = offers(C, depth=0, kind=Kind.REDIRECT, secret=secret_of(frontier), hops=1)
    settled = Settled(lease.requests[0], State.DONE, 1, attempt=Attempt(NOW, 301, redirected=True), offers=hop)
    assert set() == await frontier.commit([settled])

    [refill] = await claim(frontier, hosts=0, refill=[lease.id])

    assert [(C, 0, 1, -1), (B, 1, 0, 1)] == [(entry.url, entry.depth, entry.hops, entry.priority) for entry in refill.requests]
    assert {lease.host.host_id} <= frontier.grown_hosts()
    assert set() == frontier.grown_hosts()


async def test_what_was_released_can_be_claimed_again(frontier):
    await frontier.add([request(A), request(B)])
    [lease] = await claim(frontier)
    await frontier.commit([page(lease.requests[0])])
    await frontier.release([lease.id, 4711])

    [again] = await claim(frontier)

    assert [B] == [entry.url for entry in again.requests]
    assert again.id != lease.id


async def test_leases_end_by_release_only(frontier):
    await frontier.add([request(A)])
    [lease] = await claim(frontier)

    assert {77} == await frontier.renew([lease.id, 77])
    await frontier.release([lease.id])
    assert {lease.id} == await frontier.renew([lease.id])


# --- committing ------------------------------------------------------------------------------------------------------


async def test_a_page_and_its_links_become_true_together(frontier):
    await frontier.add([request(A)])
    [lease] = await claim(frontier)

    assert set() == await frontier.commit([page(lease.requests[0], offers(A, B, C, secret=secret_of(frontier)))])

    statistics = await frontier.statistics()
    assert (2, 1, 1) == (statistics.queued, statistics.done, statistics.pages)
    [refill] = await claim(frontier, refill=[lease.id])
    assert [(B, 1), (C, 1)] == [(entry.url, entry.depth) for entry in refill.requests]


async def test_a_link_that_was_refused_is_recorded_with_its_reason(frontier):
    await frontier.add([request(A)])
    [lease] = await claim(frontier)
    await frontier.commit([page(lease.requests[0], offers(B, secret=secret_of(frontier), reason=Reason.TRAP))])

    assert 1 == (await frontier.statistics()).excluded
    assert [] == await claim(frontier, refill=[lease.id])


async def test_an_outcome_is_settled_once(frontier):
    await frontier.add([request(A)])
    [lease] = await claim(frontier)
    [entry] = lease.requests

    assert set() == await frontier.commit([page(entry)])
    assert {lease.id} == await frontier.commit([page(entry, offers(B, secret=secret_of(frontier)))])
    assert {lease.id} == await frontier.commit([Settled(entry, State.FAILED, 3)])
    statistics = await frontier.statistics()
    assert (0, 1, 0, 1) == (statistics.queued, statistics.done, statistics.failed, statistics.pages)


async def test_an_outcome_that_stands_twice_in_one_batch_is_settled_once(frontier):
    await frontier.add([request(A)])
    [lease] = await claim(frontier)
    one = page(lease.requests[0])

    assert {lease.id} == await frontier.commit([one, one])
    assert 1 == (await frontier.statistics()).pages


async def test_an_outcome_under_a_lease_that_has_ended_is_refused_and_the_others_are_not(frontier):
    await frontier.add([request(A), request("http://other.test/")])
    one, two = await claim(frontier)
    await frontier.release([one.id])

    assert {one.id} == await frontier.commit([page(one.requests[0]), page(two.requests[0])])
    statistics = await frontier.statistics()
    assert (1, 1) == (statistics.queued, statistics.done)


async def test_a_retry_comes_when_it_is_due_and_not_before(frontier):
    await frontier.add([request(A), request(B)])
    [lease] = await claim(frontier, size=1)
    await frontier.commit([retry(lease.requests[0], NOW + 50)])

    assert [B] == await claimed(frontier, refill=[lease.id], now=NOW + 49)
    [refill] = await claim(frontier, refill=[lease.id], now=NOW + 50)

    assert [(A, 1)] == [(entry.url, entry.tries) for entry in refill.requests]


async def test_a_host_with_nothing_but_retries_wakes_when_the_first_is_due(frontier):
    await frontier.add([request(A), request(B)])
    [lease] = await claim(frontier)
    await frontier.commit([retry(lease.requests[0], NOW + 50), retry(lease.requests[1], NOW + 30)])
    await frontier.release([lease.id])

    assert NOW + 30 == await frontier.next_wake()
    assert [] == await claim(frontier, now=NOW + 29)
    assert [B] == await claimed(frontier, now=NOW + 30)


async def test_no_host_wakes_while_it_is_held_parked_or_empty(frontier):
    assert None is await frontier.next_wake()
    await frontier.add([request(A)])
    assert (await frontier.next_wake()) <= NOW
    [lease] = await claim(frontier)
    assert None is await frontier.next_wake()
    await frontier.commit([page(lease.requests[0])])
    await frontier.release([lease.id])

    assert None is await frontier.next_wake()


async def test_a_frontier_is_drained_when_nothing_is_queued(frontier):
    assert await frontier.drained()
    await frontier.add([request(A), request(B)])
    [lease] = await claim(frontier)
    assert not await frontier.drained()
    await frontier.commit([page(lease.requests[0])])
    assert not await frontier.drained()

    await frontier.commit([Settled(lease.requests[1], State.FAILED, 3, attempt=Attempt(NOW, 500))])

    assert await frontier.drained()


async def test_errors_and_failures_are_counted_when_they_are_final(frontier):
    await frontier.add([request(A), request(B), request(C)])
    [lease] = await claim(frontier)
    one, two, three = lease.requests
    await frontier.commit([
        Settled(one, State.DONE, 1, attempt=Attempt(NOW, 404)),
        Settled(two, State.FAILED, 3, attempt=Attempt(NOW, 500)),
        retry(three, NOW + 5),
    ])  # fmt: skip

    statistics = await frontier.statistics()
    assert (1, 1, 1, 0, 2) == (statistics.queued, statistics.done, statistics.failed, statistics.pages, statistics.errors)


# --- parking ---------------------------------------------------------------------------------------------------------


async def test_hosts_that_wake_too_late_are_parked_with_their_reason(frontier, tmp_path):
    await frontier.add([request(f"http://{name}.test/{page}") for name in "abc" for page in range(2)])
    leases = await claim(frontier, size=1)
    states = {"a.test": (NOW + 500, "status 503"), "b.test": (NOW + 500, None), "c.test": (NOW + 5, None)}
    await frontier.commit([
        page(lease.requests[0], host=waits(lease.requests[0], states[lease.host.name][0], rest_reason=states[lease.host.name][1]))
        for lease in leases
    ])  # fmt: skip
    await frontier.release([lease.id for lease in leases])

    assert ["a.test", "b.test"] == sorted(await frontier.park(after=NOW + 100, reason="rests longer than 120 s"))

    assert NOW + 5 == await frontier.next_wake()
    assert ["c.test"] == [lease.host.name for lease in await claim(frontier, now=NOW + 9999)]
    if isinstance(frontier, SqliteFrontier):
        parked = [("a.test", "status 503", 1), ("b.test", "rests longer than 120 s", 1)]
        assert parked == sorted(await frontier.parked())


async def test_a_frontier_with_nothing_but_parked_hosts_is_drained(frontier):
    await frontier.add([request(A), request(B)])
    [lease] = await claim(frontier, size=1)
    await frontier.commit([page(lease.requests[0], host=waits(lease.requests[0], NOW + 999, parked="asks for a day"))])
    await frontier.release([lease.id])

    assert await frontier.drained()
    assert [] == await claim(frontier, now=NOW + 99_999)
    assert 1 == (await frontier.statistics()).queued


async def test_the_next_run_asks_parked_hosts_again(tmp_path):
    path = tmp_path / "crawl.db"
    async with SqliteFrontier.open(path) as frontier:
        await frontier.add([request(A), request(B)])
        [lease] = await claim(frontier, size=1)
        await frontier.commit([page(lease.requests[0], host=waits(lease.requests[0], NOW + 999, parked="asks for a day"))])

    async with SqliteFrontier.open(path) as frontier:
        assert not await frontier.drained()
        assert [] == await claim(frontier, now=NOW + 998)
        assert [B] == await claimed(frontier, now=NOW + 999)


# --- redirects asked again, crashes ----------------------------------------------------------------------------------


async def test_a_redirect_into_its_own_chain_is_asked_once_more_after_a_cookie(frontier):
    await frontier.add([request(A), request(B)])
    [lease] = await claim(frontier)
    one, two = lease.requests
    await frontier.commit([page(one)])
    back = offers(A, depth=0, kind=Kind.REDIRECT, secret=secret_of(frontier), hops=2)
    await frontier.commit([Settled(two, State.DONE, 1, attempt=Attempt(NOW, 302, redirected=True), offers=back, again=True)])

    [refill] = await claim(frontier, refill=[lease.id])

    assert [(A, 2, 0)] == [(entry.url, entry.hops, entry.tries) for entry in refill.requests]


async def test_after_a_crash_everything_that_was_handed_out_is_queued(tmp_path):
    path = tmp_path / "crawl.db"
    async with SqliteFrontier.open(path) as frontier:
        await frontier.add([request(A), request(B)])
        [lease] = await claim(frontier)
        await frontier.commit([page(lease.requests[0], offers(C, secret=frontier.secret))])

    async with SqliteFrontier.open(path) as frontier:
        assert [B, C] == await claimed(frontier)
        assert 1 == frontier.pages


async def test_repr_tells_the_truth(frontier):
    await frontier.add([request(A), request(B), request(C), refused("http://other.test/")])
    [lease] = await claim(frontier, size=2)
    await frontier.commit([page(lease.requests[0])])

    assert "<Frontier 2 queued, 1 done, 0 failed, 1 excluded, 1 hosts held, 1 URLs out>" == repr(frontier)


# --- only what is stored ---------------------------------------------------------------------------------------------


def robots_settled(lease: Lease, status: int = 200) -> Settled:
    entry = lease.requests[0]
    asked = Request(
        f"{entry.origin}/robots.txt", entry.origin, entry.host, Kind.ROBOTS, 0, -1,
        host_id=entry.host_id, origin_id=entry.origin_id, lease=lease.id,
    )  # fmt: skip
    outcome = RobotsRead(asked, Reply(status), b"User-agent: *\nCrawl-delay: 2")
    origin = OriginState(entry.origin_id, entry.origin, NOW, status, None, outcome.text, 2.0)
    return Settled(asked, State.DONE, 1, attempt=Attempt(NOW, status), origin=origin)


async def test_robots_txt_has_a_row_and_is_counted_nowhere(stored, tmp_path):
    await stored.add([request(A), request(B)])
    [lease] = await claim(stored, size=1)
    before = await stored.statistics()

    assert set() == await stored.commit([robots_settled(lease)])
    assert set() == await stored.commit([robots_settled(lease, 404)])

    assert before == await stored.statistics()
    assert 1 == await stored.add([request(C)])
    async with reader(tmp_path / "crawl.db") as db:
        assert [(1, 2)] == db.execute("SELECT count(DISTINCT url_id), count(*) FROM fetch").fetchall()
        assert [(3,)] == db.execute("SELECT queued FROM host").fetchall()


async def test_rules_of_robots_txt_come_with_the_next_lease(stored):
    await stored.add([request(A)])
    [lease] = await claim(stored)
    await stored.commit([robots_settled(lease)])
    await stored.release([lease.id])

    [again] = await claim(stored)

    [origin] = again.origins
    assert (NOW, 200, 2.0) == (origin.robots_at, origin.robots_status, origin.crawl_delay)
    assert b"User-agent: *\nCrawl-delay: 2" == origin.robots_text


async def test_a_robots_txt_that_was_linked_to_as_a_page_leaves_the_counts_once_it_is_asked_for(stored):
    await stored.add([request(A), refused("http://h.test/robots.txt", Reason.SKIPPED)])
    [lease] = await claim(stored)
    await stored.commit([robots_settled(lease)])

    statistics = await stored.statistics()
    assert (1, 0, 0) == (statistics.queued, statistics.excluded, statistics.done)


MANY = [f"http://h{number % 3}.test/{number}" for number in range(40)]


@pytest.fixture
def two_bits(monkeypatch):
    """Let fingerprints have four values only: nearly all of them collide."""
    monkeypatch.setattr(urls, "fingerprint", lambda identity, secret: len(identity) * 7 + sum(identity.encode()) & 3)


async def test_urls_whose_fingerprints_collide_are_all_kept_and_found(two_bits, stored):
    assert 40 == await stored.add([request(url) for url in MANY])
    for _ in range(2):
        stored.writer.known.clear()
        assert 0 == await stored.add([request(url) for url in reversed(MANY)])

    assert sorted(MANY) == sorted(await claimed(stored))


async def test_links_whose_fingerprints_collide_lead_to_their_own_pages(two_bits, stored, tmp_path):
    await stored.add([request(A)])
    [lease] = await claim(stored)
    assert set() == await stored.commit([page(lease.requests[0], offers(*MANY, secret=stored.secret))])
    stored.writer.known.clear()
    leases = await claim(stored)
    entries = [entry for one in leases for entry in one.requests]
    assert sorted(MANY) == sorted(entry.url for entry in entries)
    await stored.commit([page(entry, offers(*MANY, depth=2, secret=stored.secret)) for entry in entries[:3]])

    async with reader(tmp_path / "crawl.db") as db:
        assert [(41,)] == db.execute("SELECT count(*) FROM url").fetchall()
        assert [(4, 40, 160)] == db.execute("SELECT count(DISTINCT src_id), count(DISTINCT dst_id), count(*) FROM link").fetchall()
        assert [(41,)] == db.execute("SELECT count(DISTINCT origin || path) FROM url JOIN origin USING (origin_id)").fetchall()


async def test_collisions_at_the_end_of_the_numbers_wrap_around(monkeypatch, stored):
    monkeypatch.setattr(urls, "fingerprint", lambda identity, secret: (1 << 63) - 1)

    assert 5 == await stored.add([request(url) for url in MANY[:5]])
    stored.writer.known.clear()
    assert 0 == await stored.add([request(url) for url in MANY[:5]])


async def test_refusals_of_one_host_are_recorded_up_to_a_limit_and_then_counted(monkeypatch, tmp_path):
    monkeypatch.setattr(origins, "UNRECORDED_AFTER", 3)
    path = tmp_path / "crawl.db"
    async with SqliteFrontier.open(path) as frontier:
        await frontier.add([request(A)])
        [lease] = await claim(frontier)
        out = [f"http://farm.test/{number}" for number in range(5)]
        assert set() == await frontier.commit([page(lease.requests[0], offers(*out, secret=frontier.secret, reason=Reason.SCOPE))])
        await frontier.add([refused("http://other.test/1")])
    async with SqliteFrontier.open(path) as frontier:      # the count is kept across runs
        assert 0 == await frontier.add([refused("http://farm.test/9")])
        assert 1 == await frontier.add([refused("http://farm.test/10", Reason.NOFOLLOW)])
        assert 1 == await frontier.add([request("http://farm.test/11")])
        assert 5 == (await frontier.statistics()).excluded

    async with reader(path) as db:
        rows = db.execute("SELECT name, excluded, unrecorded FROM host ORDER BY name").fetchall()
        assert [("farm.test", 4, 3), ("h.test", 0, 0), ("other.test", 1, 0)] == rows


async def test_a_batch_that_fails_leaves_nothing_behind(monkeypatch, stored):
    await stored.add([request(A)])
    [lease] = await claim(stored)
    before = await stored.statistics()
    with monkeypatch.context() as patch:
        patch.setattr(writing, "STATE_HOST", "UPDATE nowhere SET x = ? , y = ?, z = ?, a = ?, b = ? WHERE c = ?")
        with pytest.raises(sqlite3.OperationalError):
            await stored.commit([page(lease.requests[0], offers(B, secret=stored.secret), host=waits(lease.requests[0], NOW))])
    assert before == await stored.statistics()

    assert set() == await stored.commit([page(lease.requests[0], offers(B, secret=stored.secret))])

    assert [B] == await claimed(stored, refill=[lease.id])


async def test_a_url_is_the_same_value_however_it_travels(stored):
    await stored.add([request(A)])
    [lease] = await claim(stored)

    assert lease == msgspec.msgpack.decode(msgspec.msgpack.encode(lease), type=Lease)


# --- asking again ----------------------------------------------------------------------------------------------------


async def revisit(frontier: Frontier, age: float = 10.0, *, began: float = NOW + 100) -> int:
    """Queue again what was last asked longer than *age* before a moment."""
    if isinstance(frontier, MemoryFrontier):
        return await frontier.revisit(age, began=began)
    recrawl, queued = Recrawl(age, began), 0
    while recrawl.last is not None:
        recrawl, more = await recrawling.revisit(frontier, recrawl)
        queued += more
    return queued


async def settle(frontier: Frontier, **fates) -> None:
    """Claim everything and settle it: name of the page -> what to make of its request."""
    leases = await claim(frontier, now=NOW + 200)
    entries = {entry.url[-1]: entry for lease in leases for entry in lease.requests}
    assert fates.keys() == entries.keys()
    assert set() == await frontier.commit([make(entries[name]) for name, make in fates.items()])
    await frontier.release([lease.id for lease in leases])


def answer(status: int, **more):
    return lambda entry: Settled(entry, State.DONE, 1, attempt=Attempt(NOW, status), **more)


async def test_what_is_known_of_a_page_comes_with_the_request_that_asks_for_it_again(frontier):
    body = Body(b"d" * 32, 5, "pages/h.test/aa/x.html")
    tagged = Attempt(NOW, 200, etag='"v1"', last_modified="then")
    await frontier.add([request(A), request(B), request(C)])
    await settle(
        frontier, a=lambda entry: Settled(entry, State.DONE, 1, attempt=tagged, body=body, page=True), c=answer(404, gone=True),
        b=lambda entry: Settled(entry, State.DONE, 1, attempt=msgspec.structs.replace(tagged, truncated=True), body=body, page=True),
    )  # fmt: skip
    assert 3 == await revisit(frontier)

    [lease] = await claim(frontier, now=NOW + 200)
    assert [
        Kept('"v1"', "then", body.digest, body.file), Kept(None, None, body.digest, body.file), None,
    ] == [entry.kept for entry in lease.requests]  # fmt: skip
    assert [(True, 0)] * 3 == [(entry.asked, entry.tries) for entry in lease.requests]


async def test_only_what_is_old_enough_and_over_is_queued_again(frontier):
    await frontier.add([request(A), request(B), request(C), refused("http://h.test/d")])
    [lease] = await claim(frontier)
    late = Settled(lease.requests[1], State.FAILED, 3, attempt=Attempt(NOW + 95, 500))
    await frontier.commit([page(lease.requests[0]), late])

    assert 1 == await revisit(frontier)
    now = await frontier.statistics()
    assert (2, 0, 1, 1) == (now.queued, now.done, now.failed, now.excluded)
    assert 0 == await revisit(frontier)


async def test_an_error_that_is_asked_again_counts_once(frontier):
    await frontier.add([request(A)])
    await settle(frontier, a=answer(404, gone=True))
    assert 1 == await revisit(frontier)
    assert 0 == (await frontier.statistics()).errors
    await settle(frontier, a=answer(404, gone=True))
    assert 1 == (await frontier.statistics()).errors


async def test_the_number_of_pages_follows_what_is_a_page(frontier):
    await frontier.add([request(A), request(B)])
    await settle(frontier, a=page, b=page)
    counts = []
    for fate in (answer(304), page, answer(500), answer(410, gone=True), page):
        await revisit(frontier)
        await settle(frontier, a=fate, b=page)
        counts.append((await frontier.statistics()).pages)
    assert [2, 2, 2, 1, 2] == counts


async def test_links_that_an_answer_has_no_longer_are_gone_and_those_it_has_are_as_it_marks_them(frontier):
    secret = secret_of(frontier)
    await frontier.add([request(A)])
    await settle(frontier, a=lambda entry: page(entry, offers(B, C, secret=secret)))
    await settle(frontier, b=page, c=page)
    await revisit(frontier)
    new = offers(C, secret=secret, reason=Reason.NOFOLLOW)
    await settle(frontier, a=lambda entry: page(entry, new, renewed=True), b=page, c=lambda entry: page(entry, offers(A, secret=secret)))

    expected = {(A, C, "a"): True, (C, A, "a"): False}
    if isinstance(frontier, MemoryFrontier):
        assert expected == frontier.graph()
    else:
        rows = await frontier.writer.db.execute_fetchall("SELECT src, dst, kind, nofollow FROM links")
        assert expected == {tuple(row[:3]): bool(row[3]) for row in rows}


async def test_what_has_a_page_can_be_asked_for_alone(frontier):
    other = "http://other.test/x"
    await frontier.add([request(A), request(B)])
    await settle(frontier, a=page, b=answer(404))
    await revisit(frontier)
    await frontier.add([request(C), request(other)])

    assert NOW + 10 == await frontier.next_wake(revisits=True)
    assert [] == await frontier.claim(now=NOW + 9, hosts=9, urls=9, revisits=True)
    [lease] = await frontier.claim(now=NOW + 11, hosts=9, urls=9, revisits=True)
    assert [A] == [entry.url for entry in lease.requests]
    await frontier.commit([page(lease.requests[0])])
    assert [] == await frontier.claim(now=NOW + 11, hosts=9, urls=9, refill=[lease.id], revisits=True)
    assert None is await frontier.next_wake(revisits=True)
    await frontier.release([lease.id])
    assert {B, C, other} == set(await claimed(frontier, now=NOW + 11))


# --- how a recrawl is remembered -------------------------------------------------------------------------------------


async def test_a_recrawl_goes_on_where_it_was_until_it_is_over_or_another_age_is_asked_for(stored, monkeypatch):
    monkeypatch.setattr(recrawling, "AT_ONCE", 2)
    await stored.add([request(f"http://h.test/{number}") for number in range(5)])
    [lease] = await claim(stored)
    await stored.commit([page(entry) for entry in lease.requests])
    assert None is await recrawling.open_recrawl(stored, None, now=NOW + 100)
    first = await recrawling.open_recrawl(stored, 10.0, now=NOW + 100)
    reached, queued = await recrawling.revisit(stored, first)

    assert (2, 2) == (queued, reached.last)
    assert [reached, reached] == [await recrawling.open_recrawl(stored, age, now=NOW + 500) for age in (None, 10.0)]
    assert Recrawl(20.0, NOW + 500) == await recrawling.open_recrawl(stored, 20.0, now=NOW + 500)
    await recrawling.close_recrawl(stored)
    assert None is await recrawling.open_recrawl(stored, None, now=NOW + 600)


async def test_each_url_is_asked_again_as_often_as_it_changes(stored):
    """A page that changed at every visit is due after the least age, one that never did after several of it."""
    await stored.add([request(A), request(B)])
    same = Body(b"s" * 32, 1, "pages/same")
    for visit in range(4):
        for lease in await claim(stored, now=NOW + 20):
            bodies = {A: Body(bytes([visit]) * 32, 1, f"pages/{visit}"), B: same}
            await stored.commit([
                Settled(entry, State.DONE, 1, attempt=Attempt(NOW + visit, 200), page=True, body=bodies[entry.url])
                for entry in lease.requests
            ])  # fmt: skip
            await stored.release([lease.id])
        if visit < 3:
            assert 2 == await revisit(stored, 0.0, began=NOW + visit + 1)
    assert 1 == (await recrawling.revisit(stored, Recrawl((10.0, 100.0), NOW + 3 + 11)))[1]
    assert [A] == await claimed(stored, now=NOW + 20)
    assert 1 == (await recrawling.revisit(stored, Recrawl((10.0, 100.0), NOW + 3 + 34)))[1]
