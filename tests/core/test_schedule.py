"""The politeness calendar with a clock of its own: days of manners in a second of test."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from crawler.core.inhand import HostInHand, Memory
from crawler.core.model import Fault, Kind, Reply, Request, RobotsRead
from crawler.core.policy import Rest
from crawler.core.robots import ALLOW_ALL, Robots
from crawler.core.schedule import IDLE, Barred, Idle, Ready, Schedule, Wait
from crawler.core.settings import Settings

AGENT = "steadycrawl"
FRESH = Memory(0.0, None, 0, None, None)
NOW = 1_000_000.0
EPSILON = 1e-6
"""Moments are floats near a million: sums of gaps differ in the tenth digit."""


def host_name(host: int) -> str:
    return f"h{host}.test"


def request(host: int, number: int, *, priority: int = 0, path: str = "", origin: int = 0) -> Request:
    name = host_name(host)
    origin_name = f"http://{name}" + (f":{8000 + origin}" if origin else "")
    return Request(
        f"{origin_name}/{path}{number}", origin_name, name, Kind.A, priority, priority,
        id=number, host_id=host, origin_id=host * 10 + origin, lease=host,
    )  # fmt: skip


def robots(text: str) -> Robots:
    return Robots.parse(text.encode(), AGENT)


def schedule_of(hosts: dict[int, int], *, rules: Robots | None = ALLOW_ALL, memory: Memory = FRESH, **chosen) -> Schedule:
    """Return a schedule with so many URLs of each host in hand."""
    schedule = Schedule(Settings(**chosen), agent=AGENT)
    for host, count in hosts.items():
        take(schedule, host, count, rules=rules, memory=memory)
    return schedule


def take(schedule: Schedule, host: int, count: int, *, rules: Robots | None = ALLOW_ALL, memory: Memory = FRESH) -> None:
    schedule.hold(host, host_name(host), host, memory)
    schedule.know(host, host * 10, f"http://{host_name(host)}", now=NOW, read_at=NOW, rules=rules)
    schedule.fill(host, [request(host, number) for number in range(count)], NOW)


def land(
    schedule: Schedule, request: Request, now: float, *, status: int | None = 200, fault: Fault | None = None, ttfb: float = 0.3
) -> None:
    """Let an answer arrive whole and be recorded at once. 0.3 s is neither quick nor slow for a gap of half a second."""
    schedule.answered(request, now)
    schedule.finished(request, now, status=status, fault=fault, ttfb=ttfb)
    schedule.settled(request)


def asked_for_robots(schedule: Schedule, now: float = NOW) -> Request:
    match schedule.next(now):
        case Ready(request) if request.kind is Kind.ROBOTS:
            return request
        case other:
            raise AssertionError(other)


def learnt(
    schedule: Schedule, request: Request, now: float, *, text: str | None = None, status: int = 200, target: str | None = None
) -> Rest | None:
    """Let a robots.txt come to this."""
    schedule.answered(request, now)
    schedule.finished(request, now, status=status, fault=None, ttfb=0.7)
    outcome = RobotsRead(request, Reply(status), None if text is None else text.encode(), target=target)
    rest = schedule.learn(outcome, now)
    schedule.settled(request)
    return rest


def drive(schedule: Schedule, *, until: float, now: float = NOW, takes: float = 0.05, ttfb: float = 0.3) -> list[tuple[float, Request]]:
    """Release everything that may go until a moment; each answer is whole after `takes` seconds."""
    released: list[tuple[float, Request]] = []
    flying: list[tuple[float, int, Request]] = []
    while True:
        while flying and flying[0][0] <= now:
            land(schedule, heapq.heappop(flying)[2], now, ttfb=ttfb)
        match schedule.next(now):
            case Ready(request):
                released.append((now, request))
                heapq.heappush(flying, (now + takes, len(released), request))
                continue
            case Barred(request):
                schedule.settled(request)
                continue
            case Wait(moment):
                now = min([moment, *(entry[0] for entry in flying[:1])])
            case Idle():
                if not flying:
                    return released
                now = flying[0][0]
        if now > until:
            return released


def moments_of(released: list[tuple[float, Request]]) -> dict[int, list[float]]:
    by_host: dict[int, list[float]] = defaultdict(list)
    for moment, one in released:
        by_host[one.host_id].append(moment)
    return by_host


# --- gaps ------------------------------------------------------------------------------------------------------------


def test_a_day_at_one_request_in_ten_seconds_is_8641_requests():
    released = drive(schedule_of({1: 20_000}, delay=10.0), until=NOW + 86_400, takes=0.0)

    assert 86_400 // 10 + 1 == len(released)


def test_a_thousand_hosts_keep_their_gap_and_progress_evenly():
    released = drive(schedule_of(dict.fromkeys(range(1, 1001), 30), delay=2.0), until=NOW + 20)
    by_host = moments_of(released)

    assert 1000 == len(by_host)
    assert all(b - a >= 2.0 - EPSILON for moments in by_host.values() for a, b in pairwise(moments))
    counts = [len(moments) for moments in by_host.values()]
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 9


def test_a_given_gap_is_counted_from_the_last_answer():
    schedule = schedule_of({1: 3}, delay=1.0)
    first = schedule.next(NOW)
    assert isinstance(first, Ready)
    assert IDLE == schedule.next(NOW + 5)

    schedule.answered(first.request, NOW + 7.5)

    assert Wait(NOW + 8.5, "h1.test") == schedule.next(NOW + 8)
    assert isinstance(schedule.next(NOW + 8.5), Ready)


def test_an_adaptive_gap_is_counted_from_the_release():
    schedule = schedule_of({1: 3})
    schedule.next(NOW)

    assert Wait(NOW + 1, "h1.test") == schedule.next(NOW + 0.5)
    assert isinstance(schedule.next(NOW + 1), Ready)


def test_a_host_that_was_asked_before_the_last_stop_waits_for_its_remembered_moment():
    schedule = schedule_of({1: 1}, memory=Memory(NOW + 30, 2.0, 0, None, None))

    assert Wait(NOW + 30, "h1.test") == schedule.next(NOW)


# --- Crawl-delay -----------------------------------------------------------------------------------------------------


def test_a_host_with_a_crawl_delay_is_asked_one_at_a_time_counted_from_its_headers():
    schedule = schedule_of({1: 3}, rules=robots("User-agent: *\nCrawl-delay: 5"), per_host=8)
    first = schedule.next(NOW + 5)      # the robots.txt itself was an answer of the host
    assert isinstance(first, Ready)
    schedule.answered(first.request, NOW + 6)
    assert IDLE == schedule.next(NOW + 60)      # its body is still on its way

    schedule.finished(first.request, NOW + 10, status=200, fault=None, ttfb=1.0)

    assert Wait(NOW + 11, "h1.test") == schedule.next(NOW + 10.9)
    assert isinstance(schedule.next(NOW + 11), Ready)


def test_a_crawl_delay_is_kept_after_the_answer_that_brought_it():
    schedule = schedule_of({1: 2}, rules=None)
    learnt(schedule, asked_for_robots(schedule), NOW + 0.5, text="User-agent: *\nCrawl-delay: 7")

    assert Wait(NOW + 7.5, "h1.test") == schedule.next(NOW + 2)
    assert 7 == schedule.crawl_delay(1)


def test_the_longest_crawl_delay_of_a_host_s_origins_counts():
    schedule = Schedule(Settings(), agent=AGENT)
    schedule.hold(1, host_name(1), 1, FRESH)
    for number, delay in enumerate((3, 9)):
        name = request(1, 0, origin=number).origin
        schedule.know(1, 10 + number, name, now=NOW, read_at=NOW - 100, rules=robots(f"User-agent: *\nCrawl-delay: {delay}"))

    assert 9 == schedule.crawl_delay(1)


def test_a_longer_delay_of_our_own_beats_the_crawl_delay():
    released = drive(schedule_of({1: 10}, rules=robots("User-agent: *\nCrawl-delay: 2"), delay=5.0), until=NOW + 60)

    assert all(b - a >= 5 for a, b in pairwise(moments_of(released)[1]))


def test_a_crawl_delay_beyond_a_minute_asks_for_the_host_to_be_parked():
    schedule = schedule_of({1: 2}, rules=None)

    rest = learnt(schedule, asked_for_robots(schedule), NOW, text="User-agent: *\nCrawl-delay: 61")

    assert Rest(61, "Crawl-delay of 61 s is longer than 60 s", park=True) == rest


# --- adaptive pace ---------------------------------------------------------------------------------------------------


def paced(*answers: tuple[int | None, float], start: float | None = None) -> float | None:
    """Return the pace after answers of (status, seconds to the headers)."""
    schedule = schedule_of({1: len(answers)}, memory=Memory(0.0, start, 0, None, None))
    now = NOW
    for status, ttfb in answers:
        now += 100
        verdict = schedule.next(now)
        assert isinstance(verdict, Ready)
        fault = Fault.RESET if status is None else None
        if len(answers) == 1:
            schedule.answered(verdict.request, now)
            schedule.finished(verdict.request, now, status=status, fault=fault, ttfb=ttfb)
        else:
            land(schedule, verdict.request, now, status=status, fault=fault, ttfb=ttfb)
    return schedule.memory(1, now).pace


def test_a_quick_healthy_answer_shortens_the_gap_by_a_tenth():
    assert pytest.approx(0.9) == paced((200, 0.1))
    assert pytest.approx(0.81) == paced((200, 0.1), (404, 0.1))


def test_the_gap_is_never_shorter_than_a_fifth_of_a_second():
    assert 0.2 == paced(*[(200, 0.0)] * 40)


def test_an_answer_that_is_neither_quick_nor_slow_changes_nothing():
    assert None is paced((200, 0.7))
    assert 4.0 == paced((200, 3.0), start=4.0)


@pytest.mark.parametrize("answer", [(429, 0.1), (503, 0.1), (200, 1.5)], ids=["429", "503", "slow"])
def test_trouble_and_slowness_double_the_gap(answer):
    assert 2.0 == paced(answer)


def test_the_gap_is_never_longer_than_a_minute():
    assert 60.0 == paced(*[(503, 0.0)] * 10)


@pytest.mark.parametrize("answer", [(500, 0.1), (502, 0.0), (None, 0.0)])
def test_other_errors_neither_shorten_nor_double(answer):
    assert None is paced(answer)


def test_a_fixed_delay_learns_no_pace():
    schedule = schedule_of({1: 2}, delay=1.0)
    land(schedule, schedule.next(NOW).request, NOW, ttfb=0.0)

    assert None is schedule.memory(1, NOW).pace


def test_network_faults_are_counted_until_an_answer_comes():
    schedule = schedule_of({1: 9})
    now = NOW
    for fault in (Fault.CONNECT, Fault.DNS, Fault.TIMEOUT):
        now += 10
        land(schedule, schedule.next(now).request, now, status=None, fault=fault)
    land(schedule, schedule.next(now + 10).request, now + 10, status=None, fault=Fault.DECODE)
    assert 3 == schedule.failures(1)

    land(schedule, schedule.next(now + 20).request, now + 20, status=404)

    assert 0 == schedule.failures(1)


def fail_at_once(schedule, now, times):
    """Release as many requests as there are slots, and have them fail together."""
    requests = [schedule.next(now).request for _ in range(times)]
    rests = []
    for moment, request in enumerate(requests):
        land(schedule, request, now + moment / 100, status=None, fault=Fault.CONNECT)
        rest = schedule.breaker(1, now + moment / 100, 0.5)
        if rest is not None:
            schedule.rest(1, rest, now + moment / 100)
            rests.append(rest.seconds)
    return max(rests)


def test_a_host_that_does_not_answer_whatever_it_is_asked_rests_longer_each_time():
    schedule = schedule_of({1: 99}, delay=0.0, concurrency=8)

    assert [30.0, 60.0, 120.0] == [fail_at_once(schedule, NOW + moment, 8) for moment in (0, 31, 100)]


def test_a_host_that_keeps_requests_waiting_is_asked_for_less_at_once_and_slowly_for_more_again():
    """A server of 8 workers answers 8 of 64 connections; the others time out, and say nothing of the host as a whole."""
    schedule = schedule_of({1: 9_999}, delay=0.0, concurrency=64)
    requests = [schedule.next(NOW).request for _ in range(64)]
    for moment, request in enumerate(requests[:8]):
        land(schedule, request, NOW + 14 + moment / 100)
    for request in requests[8:]:
        land(schedule, request, NOW + 15, status=None, fault=Fault.TIMEOUT)
    assert schedule.breaker(1, NOW + 15, 0.5) is None

    assert [2, 3] == [at_once(schedule, NOW + 16), at_once(schedule, NOW + 17)]


def at_once(schedule, now):
    """Return how many requests are released at once, and have them answered."""
    released = []
    while isinstance(ready := schedule.next(now), Ready):
        released.append(ready.request)
    for _ in range(2):
        for request in released:
            land(schedule, request, now)
        again = [schedule.next(now).request for _ in released]
        released, count = again, len(released)
    for request in released:
        land(schedule, request, now)
    return count


def test_the_rests_of_a_dead_host_grow_although_each_failure_was_held_back_first():
    """A failure that may be the network's holds its host for a moment; that must not pass for the rest that the breaker gave."""
    schedule = schedule_of({1: 99}, delay=0.0, concurrency=8)
    now, rests = NOW, [fail_at_once(schedule, NOW, 8)]
    for _ in range(3):
        now += rests[-1] + 1
        request = schedule.next(now).request
        land(schedule, request, now, status=None, fault=Fault.CONNECT)
        schedule.suspect(1, now + 10, now)
        assert isinstance(schedule.next(now), Wait)
        schedule.clear(1, now)
        rest = schedule.breaker(1, now, 0.5)
        schedule.rest(1, rest, now)
        rests.append(rest.seconds)

    assert [30.0, 60.0, 120.0, 240.0] == rests


def test_a_host_whose_failure_was_its_own_does_not_rest_for_having_been_held():
    schedule = schedule_of({1: 9}, delay=0.0)
    land(schedule, schedule.next(NOW).request, NOW, status=None, fault=Fault.RESET)
    schedule.suspect(1, NOW + 10, NOW)
    schedule.clear(1, NOW)

    assert isinstance(schedule.next(NOW), Ready)


def test_what_was_in_flight_at_once_fails_once():
    """Sixty-four requests on their way when a host goes down are one reason to rest, not sixty of them."""
    schedule = schedule_of({1: 99}, delay=0.0, concurrency=64)

    assert 30.0 == fail_at_once(schedule, NOW, 64)


def test_a_url_that_always_breaks_the_connection_does_not_make_its_host_rest():
    schedule = schedule_of({1: 2})
    now = NOW
    for _ in range(2):
        now += 10
        land(schedule, schedule.next(now).request, now, status=None, fault=Fault.RESET)
    assert None is schedule.breaker(1, now, 0.5)


def test_a_failure_of_the_network_is_forgotten_but_not_what_the_host_asked_for():
    schedule = schedule_of({1: 9, 2: 9}, delay=0.0)
    for host in (1, 2):
        request = next(verdict.request for _ in range(9) if (verdict := schedule.next(NOW)).request.host_id == host)
        land(schedule, request, NOW, status=None, fault=Fault.CONNECT)
        schedule.suspect(host, NOW + 10, NOW)
        if host == 2:
            schedule.rest(2, Rest(100.0, "status 503"), NOW)
        schedule.forgive(request, NOW, robots=False)

    assert [0, 0] == [schedule.failures(1), schedule.failures(2)]
    assert 1 == schedule.next(NOW).request.host_id
    assert NOW + 100 == schedule.memory(2, NOW).next_at


def test_hosts_that_let_us_wait_leave_a_quarter_of_the_requests_to_the_quick_ones():
    """Sixty-four workers, and more hosts than that which take their time: one that answers at once is asked all the same."""
    schedule = schedule_of({1: 50}, delay=0.0, concurrency=64, per_host=2)
    land(schedule, schedule.next(NOW).request, NOW, ttfb=0.1)
    for host in range(2, 100):
        take(schedule, host, 5)
    slow = quick = 0
    while not isinstance(verdict := schedule.next(NOW + quick / 10), Wait):
        if verdict.request.host_id == 1:
            quick += 1
            land(schedule, verdict.request, NOW + quick / 10, ttfb=0.1)
        else:
            slow += 1

    assert (48, 49) == (slow, quick)


def test_without_newcomers_only_hosts_that_have_answered_soon_have_their_turn():
    schedule = schedule_of({1: 9, 2: 9, 3: 9}, delay=0.0, per_host=1)
    land(schedule, schedule.next(NOW).request, NOW, ttfb=0.1)

    assert 1 == schedule.next(NOW, newcomers=False).request.host_id
    assert isinstance(schedule.next(NOW, newcomers=False), Wait)
    assert 2 == schedule.next(NOW).request.host_id


def test_a_crowd_of_slow_hosts_is_asked_again_as_soon_as_one_has_answered():
    schedule = schedule_of(dict.fromkeys(range(1, 9), 9), delay=0.0, concurrency=4, per_host=1)
    sent = [schedule.next(NOW).request for _ in range(3)]

    assert isinstance(schedule.next(NOW), Wait)

    land(schedule, sent[0], NOW + 3, ttfb=3.0)

    assert isinstance(schedule.next(NOW + 3), Ready)


# --- limits and fairness ---------------------------------------------------------------------------------------------


def test_without_a_delay_a_small_host_is_not_kept_waiting_by_a_large_one():
    schedule = schedule_of({1: 10_000, 2: 10}, delay=0.0)
    order = [schedule.next(NOW).request.host_id for _ in range(20)]

    assert [1, 2] * 10 == order


def test_without_a_delay_a_host_has_as_many_requests_in_flight_as_the_crawl():
    schedule = schedule_of({1: 100}, delay=0.0, concurrency=7)
    verdicts = [schedule.next(NOW) for _ in range(8)]

    assert [Ready] * 7 + [Idle] == [type(verdict) for verdict in verdicts]


def test_a_slow_host_has_two_requests_in_flight_and_no_more():
    schedule = schedule_of({1: 10})
    assert isinstance(schedule.next(NOW), Ready)
    second = schedule.next(NOW + 1)
    assert isinstance(second, Ready)
    assert IDLE == schedule.next(NOW + 100)

    land(schedule, second.request, NOW + 100)

    assert isinstance(schedule.next(NOW + 100), Ready)


def test_requests_in_flight_per_host_can_be_set():
    schedule = schedule_of({1: 100}, delay=0.0, per_host=3)

    assert [Ready] * 3 + [Idle] == [type(schedule.next(NOW)) for _ in range(4)]


# --- robots.txt ------------------------------------------------------------------------------------------------------


def test_robots_txt_is_the_first_request_to_an_origin_and_nothing_goes_beside_it():
    schedule = schedule_of({1: 5}, rules=None, delay=0.0)
    first = asked_for_robots(schedule)

    assert "http://h1.test/robots.txt" == first.url
    assert (1, 10, 1) == (first.host_id, first.origin_id, first.lease)
    assert IDLE == schedule.next(NOW + 100)

    learnt(schedule, first, NOW + 100, text="User-agent: *\nDisallow:")

    assert "http://h1.test/0" == schedule.next(NOW + 100).request.url


def test_each_origin_of_a_host_has_its_own_robots_txt_one_after_another():
    schedule = Schedule(Settings(delay=0.0), agent=AGENT)
    schedule.hold(1, host_name(1), 1, FRESH)
    for origin in (0, 1):
        schedule.know(1, 10 + origin, request(1, 0, origin=origin).origin, now=NOW, read_at=0, rules=None)
    schedule.fill(1, [request(1, 1), request(1, 2, origin=1), request(1, 3)], NOW)

    first = asked_for_robots(schedule)
    assert IDLE == schedule.next(NOW)
    learnt(schedule, first, NOW, text="")
    assert "http://h1.test/1" == schedule.next(NOW).request.url
    second = asked_for_robots(schedule)
    assert "http://h1.test:8001/robots.txt" == second.url
    assert IDLE == schedule.next(NOW)
    learnt(schedule, second, NOW, text="User-agent: *\nDisallow: /")

    assert isinstance(schedule.next(NOW), Barred)
    assert "http://h1.test/3" == schedule.next(NOW).request.url


def test_a_url_in_hand_is_barred_by_rules_that_were_learnt_later():
    schedule = schedule_of({1: 0}, rules=None, delay=0.0)
    schedule.fill(1, [request(1, 1, path="private/"), request(1, 2)], NOW)

    learnt(schedule, asked_for_robots(schedule), NOW, text="User-agent: *\nDisallow: /private")

    verdict = schedule.next(NOW)
    assert isinstance(verdict, Barred)
    assert "http://h1.test/private/1" == verdict.request.url
    assert "robots.txt line 2: Disallow: /private" == verdict.rule
    assert "http://h1.test/2" == schedule.next(NOW).request.url


def test_robots_txt_is_asked_for_again_after_a_day():
    schedule = schedule_of({1: 5}, delay=0.0)
    assert Kind.A is schedule.next(NOW + 86_399).request.kind

    assert "http://h1.test/robots.txt" == asked_for_robots(schedule, NOW + 86_400).url


def test_a_robots_txt_that_was_read_more_than_a_day_ago_is_not_believed():
    schedule = Schedule(Settings(), agent=AGENT)
    schedule.hold(1, host_name(1), 1, FRESH)
    schedule.know(1, 10, "http://h1.test", now=NOW, read_at=NOW - 86_400, rules=robots("User-agent: *\nDisallow: /"))
    schedule.fill(1, [request(1, 1)], NOW)

    asked_for_robots(schedule)


def test_without_robots_nothing_is_asked_and_no_delay_is_kept():
    schedule = schedule_of({1: 2}, rules=robots("User-agent: *\nDisallow: /\nCrawl-delay: 50"), robots=False, delay=0.0)

    assert "http://h1.test/0" == schedule.next(NOW).request.url
    assert None is schedule.crawl_delay(1)


def test_redirects_of_robots_txt_are_followed_politely_and_five_at_most():
    schedule = schedule_of({1: 1}, rules=None)
    now, seen = NOW, []
    for hop in range(1, 7):
        one = asked_for_robots(schedule, now)
        seen.append((one.url, one.hops))
        assert (1, 10) == (one.host_id, one.origin_id)
        learnt(schedule, one, now, status=301, target=f"http://other.test/{hop}")
        assert Wait(now + 1, "h1.test") == schedule.next(now)
        now += 1

    assert [("http://h1.test/robots.txt", 0)] + [(f"http://other.test/{hop}", hop) for hop in range(1, 6)] == seen
    assert "http://h1.test/0" == schedule.next(now).request.url


def test_an_unreachable_robots_txt_forbids_everything_for_now_and_counts_its_attempts():
    schedule = schedule_of({1: 2}, rules=None)
    for attempt in range(3):
        now = NOW + attempt * 100
        one = asked_for_robots(schedule, now)
        assert attempt == one.tries
        learnt(schedule, one, now, status=503)
        schedule.rest(1, Rest(50, "robots.txt: status 503"), now)
        assert Wait(now + 50, "h1.test") == schedule.next(now + 49)

    learnt(schedule, asked_for_robots(schedule, NOW + 300), NOW + 300, text="")

    assert "http://h1.test/0" == schedule.next(NOW + 400).request.url


def test_a_missing_robots_txt_allows_everything():
    schedule = schedule_of({1: 1}, rules=None, delay=0.0)
    learnt(schedule, asked_for_robots(schedule), NOW, status=404)

    assert "http://h1.test/0" == schedule.next(NOW).request.url


# --- rests, parking, restarts ----------------------------------------------------------------------------------------


def test_a_host_that_rests_is_asked_nothing_until_its_rest_is_over():
    schedule = schedule_of({1: 3, 2: 3}, delay=0.0)
    schedule.rest(1, Rest(100, "status 503"), NOW)
    schedule.rest(1, Rest(10, "status 429"), NOW)

    assert {2} == {schedule.next(NOW).request.host_id for _ in range(3)}
    assert Wait(NOW + 100, "h1.test") == schedule.next(NOW + 50)
    assert Memory(NOW + 100, None, 0, "status 429", None) == schedule.memory(1, NOW + 50)
    assert isinstance(schedule.next(NOW + 100), Ready)


def test_a_rest_that_is_over_is_not_remembered():
    schedule = schedule_of({1: 3})
    schedule.rest(1, Rest(10, "status 503"), NOW)

    assert None is schedule.memory(1, NOW + 10).rest_reason


def test_a_parked_host_drops_what_is_in_hand_and_gives_its_lease_back():
    schedule = schedule_of({1: 3, 2: 1}, delay=0.0)
    flying = schedule.next(NOW).request
    schedule.rest(1, Rest(9999, "asks for a day", park=True), NOW)
    assert 2 == schedule.next(NOW).request.host_id
    assert IDLE == schedule.next(NOW + 100_000)
    assert [] == schedule.spent()       # one answer is still on its way

    land(schedule, flying, NOW)

    assert "asks for a day" == schedule.memory(1, NOW).parked
    assert [1] == schedule.spent()
    assert not schedule.holds(1)


def test_a_parked_host_takes_nothing_more_in():
    schedule = schedule_of({1: 1}, delay=0.0)
    schedule.rest(1, Rest(9999, "asks for a day", park=True), NOW)
    schedule.fill(1, [request(1, 9)], NOW)

    assert IDLE == schedule.next(NOW + 100_000)
    assert [] == schedule.hungry()


@pytest.mark.parametrize(("pace", "gap"), [(None, 1.0), (8.0, 8.0)])
def test_after_an_unclean_stop_each_host_first_waits_a_whole_gap_of_its_own(pace, gap):
    schedule = Schedule(Settings(), agent=AGENT, not_before=NOW)
    take(schedule, 1, 1, memory=Memory(NOW - 0.5, pace, 0, None, None))

    assert Wait(NOW + gap, "h1.test") == schedule.next(NOW)


def test_after_an_unclean_stop_a_remembered_crawl_delay_is_waited_for_too():
    schedule = Schedule(Settings(), agent=AGENT, not_before=NOW)
    schedule.hold(1, host_name(1), 1, Memory(NOW - 3, None, 0, None, None))
    schedule.know(1, 10, "http://h1.test", now=NOW, read_at=NOW - 1000, rules=robots("User-agent: *\nCrawl-delay: 20"))
    schedule.fill(1, [request(1, 1)], NOW)

    assert Wait(NOW + 20, "h1.test") == schedule.next(NOW)


def test_after_a_clean_stop_nobody_waits():
    assert isinstance(schedule_of({1: 1}).next(NOW), Ready)


# --- refills, hunger, the end ----------------------------------------------------------------------------------------


def test_a_refill_keeps_the_order_of_priority_and_a_redirect_hop_goes_first():
    schedule = schedule_of({1: 0}, delay=0.0)
    schedule.fill(1, [request(1, 1, priority=1), request(1, 4, priority=3)], NOW)
    schedule.fill(1, [request(1, 9, priority=-1), request(1, 5, priority=2), request(1, 6, priority=3)], NOW)

    assert [9, 1, 5, 4, 6] == [schedule.next(NOW).request.id for _ in range(5)]


def test_a_host_is_hungry_once_few_urls_are_left_and_fed_by_a_refill():
    schedule = schedule_of({1: 18}, delay=0.0)
    schedule.next(NOW)
    schedule.next(NOW)
    assert [] == schedule.hungry()
    schedule.next(NOW)
    assert [1] == schedule.hungry()

    schedule.fill(1, [request(1, 100 + number) for number in range(20)], NOW)

    assert [] == schedule.hungry()


def test_a_dry_host_is_not_hungry_until_the_frontier_stirs():
    schedule = schedule_of({1: 1}, delay=0.0)
    flying = schedule.next(NOW).request
    schedule.nothing_more(schedule.hungry())
    assert [] == schedule.hungry()

    schedule.stirred([1, 77])
    assert [1] == schedule.hungry()
    schedule.nothing_more([1])
    schedule.hurry(1)
    schedule.hurry(77)
    assert [1] == schedule.hungry()
    land(schedule, flying, NOW)


def test_a_host_is_spent_when_it_is_dry_and_everything_of_it_is_durable():
    schedule = schedule_of({1: 1}, delay=0.0)
    flying = schedule.next(NOW).request
    schedule.answered(flying, NOW)
    schedule.finished(flying, NOW, status=200, fault=None, ttfb=0.1)
    assert [] == schedule.spent()
    schedule.nothing_more([1])
    assert [] == schedule.spent()
    assert not schedule.spent_ready()

    schedule.settled(flying)

    assert schedule.spent_ready()
    assert [1] == schedule.spent()
    assert not schedule.holds(1)
    assert 0 == len(schedule)


def test_letting_go_keeps_only_hosts_with_something_unsettled():
    schedule = schedule_of({1: 5, 2: 5, 3: 5}, delay=0.0)
    flying = schedule.next(NOW).request

    assert [2, 3] == sorted(schedule.let_go())
    assert schedule.holds(flying.host_id)


def test_a_host_that_is_let_go_and_taken_again_does_not_meet_its_old_entries_in_the_calendar():
    schedule = schedule_of({1: 5}, delay=0.0)
    schedule.let_go()
    take(schedule, 1, 0, memory=Memory(NOW + 50, None, 0, None, None))
    schedule.fill(1, [request(1, 7)], NOW)

    assert Wait(NOW + 50, "h1.test") == schedule.next(NOW)


def test_a_parked_host_that_is_taken_again_with_nothing_in_hand_releases_nothing():
    schedule = schedule_of({1: 1}, delay=0.0)
    schedule.rest(1, Rest(0, "parked", park=True), NOW)
    assert [1] == schedule.spent()
    take(schedule, 1, 0)

    assert IDLE == schedule.next(NOW)


def test_a_url_that_is_passed_over_counts_as_unsettled_until_it_is_durable():
    schedule = schedule_of({1: 0}, delay=0.0)
    schedule.nothing_more([1])
    passed = request(1, 5)
    schedule.passed_over(passed)
    assert [] == schedule.spent()

    schedule.settled(passed)

    assert [1] == schedule.spent()


# --- what is said ----------------------------------------------------------------------------------------------------


def test_the_calendar_stays_as_small_as_the_hosts_in_hand():
    schedule = schedule_of({1: 5, 2: 5, 3: 5})
    for round_ in range(5_000):
        schedule.rest(1 + round_ % 3, Rest(round_ * 1.0, "again"), NOW)

    assert 64 + 8 * 3 >= len(schedule._calendar)
    assert 5 == Counter(one.host_id for _, one in drive(schedule, until=NOW + 10_000))[1]


def test_repr_tells_the_truth():
    schedule = schedule_of({1: 5, 2: 3}, delay=0.0)
    schedule.next(NOW)
    schedule.next(NOW)

    assert "<Schedule 2 hosts, 6 URLs waiting, 2 in flight>" == repr(schedule)


def test_waiting_says_who_is_waited_for_longest_and_why():
    schedule = schedule_of({1: 2, 3: 2})
    take(schedule, 2, 2, rules=robots("User-agent: *\nCrawl-delay: 30"))
    schedule.rest(1, Rest(90, "status 503"), NOW)
    schedule.next(NOW)

    assert [
        ("h1.test", 90.0, "rests: status 503"),
        ("h2.test", 30.0, "asks for 30 s between requests"),
        ("h3.test", 1.0, "pace of 1 s between requests"),
    ] == schedule.waiting(NOW)
    assert 1 == len(schedule.waiting(NOW, most=1))


def test_an_empty_schedule_is_idle():
    assert IDLE == Schedule(Settings(), agent=AGENT).next(NOW)


# --- whatever the order ----------------------------------------------------------------------------------------------

ROBOTS_FILES = ("", "User-agent: *\nDisallow: /private", "User-agent: *\nCrawl-delay: 3")
HOSTS = (1, 2, 3)


class ScheduleMachine(RuleBasedStateMachine):
    """Whatever the order: gaps hold, limits hold, nothing is released twice, nothing is lost."""

    chosen = Settings()

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.schedule = Schedule(self.chosen, agent=AGENT)
        self.number = 0
        self.filled: dict[int, Request] = {}
        self.fate: Counter[int] = Counter()
        self.dropped: set[int] = set()                      # in hand when their host was parked: still the frontier's
        self.awaiting: list[Request] = []
        self.reading: list[Request] = []
        self.recording: list[Request] = []
        self.last: dict[int, float] = {}                    # host -> last release
        self.headers: dict[int, float] = {}                 # host -> last headers
        self.resting: dict[int, float] = {}
        self.parked: set[int] = set()
        for host in HOSTS:
            self.hold(host)

    def hold(self, host: int) -> None:
        self.schedule.hold(host, host_name(host), host, FRESH)
        for origin in (0, 1):
            name = request(host, 0, origin=origin).origin
            self.schedule.know(host, host * 10 + origin, name, now=self.now, read_at=0.0, rules=None)

    @rule(
        host=st.sampled_from(HOSTS), count=st.integers(1, 4), priority=st.integers(-1, 3), private=st.booleans(), origin=st.integers(0, 1)
    )
    def fill(self, host, count, priority, private, origin) -> None:
        if host in self.parked or not self.schedule.holds(host):
            return
        new = []
        for _ in range(count):
            self.number += 1
            one = request(host, self.number, priority=priority, path="private/" if private else "", origin=origin)
            new.append(one)
            self.filled[one.id] = one
        self.schedule.fill(host, new, self.now)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 60.0]))
    def wait(self, seconds) -> None:
        self.now += seconds

    @rule(times=st.integers(1, 5))
    def ask(self, times) -> None:
        for _ in range(times):
            self.next()

    def next(self):
        verdict = self.schedule.next(self.now)
        match verdict:
            case Ready(one):
                self.released(one)
            case Barred(one):
                assert "/private/" in one.url
                self.fate[one.id] += 1
                self.recording.append(one)
            case Wait(until, host):
                assert until > self.now
                assert host in {host_name(number) for number in HOSTS}
            case Idle():
                pass
            case _:
                raise AssertionError(verdict)
        return verdict

    def released(self, one: Request) -> None:
        host = one.host_id
        delay, schedule = self.schedule.crawl_delay(host), self.schedule
        assert host not in self.parked
        assert self.now >= self.resting.get(host, 0.0) - EPSILON
        flying = [other for other in (*self.awaiting, *self.reading) if other.host_id == host]
        assert len(flying) < (1 if delay is not None else self.chosen.host_limit)
        assert not any(other.kind is Kind.ROBOTS for other in (*flying, *self.robots_unlearnt(host)))
        if delay is not None or self.chosen.delay:
            gap = max(delay or 0.0, self.chosen.delay or 0.0)
            assert not any(other.host_id == host for other in self.awaiting)
            assert self.now >= self.headers.get(host, -1e9) + gap - EPSILON
        elif self.chosen.delay is None:
            pace = schedule.memory(host, self.now).pace
            assert self.now >= self.last.get(host, -1e9) + min(0.2, pace or 1.0) - EPSILON
            assert self.now >= self.polite.get(host, 0.0) - EPSILON
        self.last[host] = self.now
        if self.chosen.delay is None and delay is None:
            self.polite[host] = self.now + (schedule.memory(host, self.now).pace or 1.0)
        self.awaiting.append(one)
        if one.kind is not Kind.ROBOTS:
            assert "/private/" not in one.url or not self.private_barred(one)
            self.fate[one.id] += 1
            assert 1 == self.fate[one.id], "released twice"

    @property
    def polite(self) -> dict[int, float]:
        return self.__dict__.setdefault("_polite", {})

    @property
    def barring(self) -> dict[int, bool]:
        return self.__dict__.setdefault("_barring", {})

    def private_barred(self, one: Request) -> bool:
        return self.barring.get(one.origin_id, False)

    def robots_unlearnt(self, host: int) -> list[Request]:
        return [one for one in self.recording if one.host_id == host and one.kind is Kind.ROBOTS and one.id == 0 and one in self.unlearnt]

    @property
    def unlearnt(self) -> list[Request]:
        return self.__dict__.setdefault("_unlearnt", [])

    @precondition(lambda self: self.awaiting)
    @rule(data=st.data())
    def answer(self, data) -> None:
        self.answered(data.draw(st.integers(0, len(self.awaiting) - 1)))

    def answered(self, index: int) -> None:
        one = self.awaiting.pop(index)
        self.schedule.answered(one, self.now)
        self.headers[one.host_id] = self.now
        self.reading.append(one)

    @precondition(lambda self: self.reading)
    @rule(data=st.data(), status=st.sampled_from([200, 200, 404, 429, 503, None]), ttfb=st.sampled_from([0.01, 0.5, 5.0]))
    def finish(self, data, status, ttfb) -> None:
        self.finished(data.draw(st.integers(0, len(self.reading) - 1)), status, ttfb)

    def finished(self, index: int, status: int | None, ttfb: float) -> None:
        one = self.reading.pop(index)
        self.schedule.finished(one, self.now, status=status, fault=Fault.RESET if status is None else None, ttfb=ttfb)
        self.recording.append(one)
        if one.kind is Kind.ROBOTS:
            self.unlearnt.append(one)

    @precondition(lambda self: self.unlearnt)
    @rule(text=st.sampled_from([*ROBOTS_FILES, None, "moved"]))
    def learn(self, text) -> None:
        one = self.unlearnt.pop(0)
        if text is None:
            outcome = RobotsRead(one, None, fault=Fault.TIMEOUT)
        elif text == "moved":
            outcome = RobotsRead(one, Reply(301), target="http://elsewhere.test/robots.txt")
        else:
            outcome = RobotsRead(one, Reply(200), text.encode())
            self.barring[one.origin_id] = "/private" in text
        if text == "moved" and one.hops == 5:
            self.barring[one.origin_id] = False
        self.schedule.learn(outcome, self.now)

    @precondition(lambda self: [one for one in self.recording if one not in self.unlearnt])
    @rule()
    def settle(self) -> None:
        one = next(one for one in self.recording if one not in self.unlearnt)
        self.recording.remove(one)
        self.schedule.settled(one)

    @rule(host=st.sampled_from(HOSTS), seconds=st.sampled_from([0.0, 2.0, 30.0]), park=st.sampled_from([False] * 9 + [True]))
    def rest(self, host, seconds, park) -> None:
        if not self.schedule.holds(host):
            return
        self.schedule.rest(host, Rest(seconds, "why", park=park), self.now)
        self.resting[host] = max(self.resting.get(host, 0.0), self.now + seconds)
        if park:
            self.parked.add(host)
            self.dropped |= {one.id for one in self.filled.values() if one.host_id == host and not self.fate[one.id]}

    @rule()
    def refill(self) -> None:
        self.schedule.nothing_more(self.schedule.hungry())
        for lease in self.schedule.spent():
            assert not [one for one in (*self.awaiting, *self.reading, *self.recording) if one.lease == lease]
            waiting = [one.id for one in self.filled.values() if one.lease == lease and not self.fate[one.id]]
            assert set(waiting) <= self.dropped, "let go with URLs in hand"
            self.parked.discard(lease)
            self.hold(lease)
            self.barring.pop(lease * 10, None)
            self.barring.pop(lease * 10 + 1, None)
            self.resting.pop(lease, None)
            self.polite.pop(lease, None)
            self.last.pop(lease, None)
            self.headers.pop(lease, None)

    @invariant()
    def repr_counts_what_is_there(self) -> None:
        waiting = sum(1 for number in self.filled if not self.fate[number] and number not in self.dropped)
        flying = len(self.awaiting) + len(self.reading)
        assert f"<Schedule {len(self.schedule)} hosts, {waiting} URLs waiting, {flying} in flight>" == repr(self.schedule)

    def teardown(self) -> None:
        """Let everything land: every URL that was filled is released or barred, once."""
        for _ in range(10_000):
            while self.awaiting:
                self.answered(0)
            while self.reading:
                self.finished(0, 200, 0.5)
            while self.unlearnt:
                self.schedule.learn(RobotsRead(self.unlearnt[0], Reply(404)), self.now)
                self.barring[self.unlearnt.pop(0).origin_id] = False
            while self.recording:
                self.schedule.settled(self.recording.pop(0))
            match self.next():
                case Wait(until):
                    self.now = until
                case Idle():
                    break
        assert all(self.fate[number] == (number not in self.dropped) for number in self.filled), "lost"
        assert not any(count > 1 for count in self.fate.values())


CHOICES = {"adaptive": Settings(), "fixed": Settings(delay=2.0), "none": Settings(delay=0.0, per_host=2)}


def check(chosen: Settings, monkeypatch: pytest.MonkeyPatch, *, examples: int = 150, shrink: bool = True) -> None:
    monkeypatch.setattr(ScheduleMachine, "chosen", chosen)
    phases = [phase for phase in Phase if phase is not Phase.explain] if shrink else [Phase.generate]
    run_state_machine_as_test(
        ScheduleMachine,
        settings=settings(
            max_examples=examples, stateful_step_count=40, deadline=None, database=None, derandomize=True, phases=phases,
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


@pytest.mark.parametrize("choice", CHOICES)
def test_whatever_the_order_gaps_and_limits_hold_and_nothing_is_lost(choice, monkeypatch):
    check(CHOICES[choice], monkeypatch)


def forget_the_gap(monkeypatch):
    gap = HostInHand.gap
    monkeypatch.setattr(HostInHand, "gap", lambda self, settings: gap(self, settings) * 0.9)


def count_from_the_release(monkeypatch):
    def answered(self, one, now):
        self._hosts[one.host_id].awaiting -= 1
        self._enter(self._hosts[one.host_id], now)

    monkeypatch.setattr(Schedule, "answered", answered)


def one_too_many(monkeypatch):
    limit = HostInHand.limit
    monkeypatch.setattr(HostInHand, "limit", lambda self, settings: limit(self, settings) + 1)


def ask_beside_robots(monkeypatch):
    ask = Schedule._ask_robots

    def careless(self, host, origin, now):
        request = ask(self, host, origin, now)
        host.asking = False
        self._enter(host, now)
        return request

    monkeypatch.setattr(Schedule, "_ask_robots", careless)


def lose_a_refill(monkeypatch):
    fill = Schedule.fill
    monkeypatch.setattr(Schedule, "fill", lambda self, host, requests, now: fill(self, host, list(requests)[:3], now))


def release_twice(monkeypatch):
    release = Schedule._release

    def stutter(self, host, now):
        verdict = release(self, host, now)
        if isinstance(verdict, Ready) and verdict.request.id == 3:
            host.queue.append(verdict.request)
        return verdict

    monkeypatch.setattr(Schedule, "_release", stutter)


MISTAKES = [
    (forget_the_gap, "adaptive"), (forget_the_gap, "fixed"), (count_from_the_release, "fixed"), (one_too_many, "none"),
    (ask_beside_robots, "none"), (lose_a_refill, "none"), (release_twice, "none"),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize(("mistake", "choice"), MISTAKES, ids=lambda part: getattr(part, "__name__", part))
def test_the_machine_catches_a_planted_mistake(mistake, choice, monkeypatch):
    mistake(monkeypatch)
    with pytest.raises(AssertionError):
        check(CHOICES[choice], monkeypatch, examples=3_000, shrink=False)     # ends with the first that fails
