"""A network that is down is told from hosts that are: nothing is believed too early, and nothing counts that should not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.outage import HOSTS, PROBES, WITHIN, WITNESSES, Meaning, Outage, wait_before_probe

NOW = 1000.0


def outage_with_a_witness() -> Outage:
    outage = Outage()
    outage.answered("http://good.test", NOW - 1)
    return outage


def test_five_hosts_that_fail_one_after_another_are_suspicious():
    outage = outage_with_a_witness()
    meanings = [outage.failed(host, NOW + host, 10) for host in range(HOSTS)]

    assert [Meaning.HELD] * 4 + [Meaning.SUSPECT] == meanings
    assert outage.paused
    assert None is outage.since


def test_one_answer_in_between_ends_the_suspicion():
    outage = outage_with_a_witness()
    for host in range(HOSTS - 1):
        outage.failed(host, NOW, 10)
    outage.answered("http://other.test", NOW + 1)

    assert Meaning.HELD is outage.failed(9, NOW, 10)
    assert not outage.paused


def test_an_answer_to_what_was_asked_before_the_first_failure_says_nothing():
    outage = outage_with_a_witness()
    for host in range(HOSTS - 1):
        outage.failed(host, NOW, 10)
    outage.answered("http://other.test", NOW - 3)

    assert Meaning.SUSPECT is outage.failed(9, NOW, 10)


def test_one_host_that_fails_often_is_not_the_network():
    outage = outage_with_a_witness()

    assert {Meaning.HELD} == {outage.failed(1, NOW, 10) for _ in range(50)}


def test_failures_far_apart_are_not_the_network():
    outage = outage_with_a_witness()

    assert {Meaning.HELD} == {outage.failed(host, NOW + host * WITHIN, 10) for host in range(20)}


@pytest.mark.parametrize("hosts", [1, HOSTS - 1])
def test_with_few_hosts_nobody_can_tell(hosts):
    outage = outage_with_a_witness()

    assert {Meaning.COUNTS} == {outage.failed(host, NOW, hosts) for host in range(20)}


def test_before_anyone_has_answered_nobody_can_tell():
    assert {Meaning.COUNTS} == {Outage().failed(host, NOW, 50) for host in range(20)}


def test_while_the_network_is_down_no_failure_counts():
    outage = outage_with_a_witness()
    for host in range(HOSTS):
        outage.failed(host, NOW, 10)
    outage.found_out(NOW + 1, reachable=False)

    assert NOW + 1 == outage.since
    assert Meaning.VOID is outage.failed(77, NOW + 2, 10)

    outage.found_out(NOW + 60, reachable=True)

    assert (None, False) == (outage.since, outage.paused)
    assert Meaning.HELD is outage.failed(77, NOW + 61, 10)


def test_hosts_that_are_dead_while_others_can_be_reached_are_no_outage():
    outage = outage_with_a_witness()
    for host in range(HOSTS):
        outage.failed(host, NOW, 10)
    outage.found_out(NOW, reachable=True)

    assert (None, False) == (outage.since, outage.paused)


def test_whoever_answered_last_is_asked_first():
    outage = Outage()
    for number in range(50):
        outage.answered(f"http://h{number}.test", NOW)
    outage.answered("http://h45.test", NOW)

    assert "http://h45.test" == outage.witnesses[0]
    assert WITNESSES == len(outage.witnesses)


def test_probes_come_ever_more_seldom_up_to_a_minute():
    assert [*PROBES, 60.0, 60.0] == [wait_before_probe(probes) for probes in range(1, 8)]


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), max_size=200))
def test_an_answer_always_leaves_the_network_up_unless_it_was_found_down(steps):
    """Suspicion needs five hosts without an answer in between, whatever else happens."""
    outage = outage_with_a_witness()
    since_answer: set[int] = set()
    for host, good in steps:
        if good:
            outage.answered(f"http://h{host}.test", NOW + 1)
            since_answer.clear()
        else:
            since_answer.add(host)
            if outage.failed(host, NOW, 9) is Meaning.SUSPECT:
                assert HOSTS == len(since_answer)
                outage.found_out(NOW, reachable=True)
                since_answer.clear()
