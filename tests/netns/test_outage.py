"""The network itself goes away in mid-crawl, and comes back."""

from __future__ import annotations

import pytest

HASTY = ["--delay", "0.1", "--connect-timeout", "0.2", "--dns-timeout", "0.2"]


def fates(found: dict) -> set[tuple[str, int]]:
    """Return the states and tries of all URLs but robots.txt."""
    return {(row["state"], row["tries"]) for row in found["urls"] if row["seen_as"] != "robots"}


def told(found: dict, kind: str) -> list[dict]:
    return [event for event in found["events"] if event["type"] == kind]


def unharmed(found: dict, hosts: int, pages: int) -> None:
    assert 0 == found["code"], found["stderr"]
    assert [] == found["faults"]
    assert {("done", 1)} == fates(found)
    assert hosts * (pages + 1) == len(found["pages"])
    assert "finished" == found["events"][-1]["outcome"]
    assert [] == found["events"][-1]["errors"]


@pytest.fixture(scope="module")
def short_outage(inside):
    return inside("outage", hosts=8, pages=15, down=4, seen=True, keep_alive=False, options=HASTY)


def test_an_outage_costs_no_url_an_attempt_and_the_crawl_goes_on_by_itself(short_outage):
    unharmed(short_outage, 8, 15)


def test_an_outage_is_told_of_once_when_it_begins_and_once_when_it_ends(short_outage):
    down, up = told(short_outage, "network_down"), told(short_outage, "network_up")

    assert (1, 1) == (len(down), len(up))
    assert 2 < up[0]["seconds"] < 12
    assert down[0]["since"] > 0


def test_status_says_that_the_network_is_down_while_it_is(short_outage):
    assert short_outage["status"]["network_down"] > 0
    assert "the network is down for" in short_outage["words"]


def test_an_attempt_that_the_network_undid_is_not_told_of_as_an_error(short_outage):
    assert [] == told(short_outage, "error")


@pytest.mark.long
@pytest.mark.parametrize("keep_alive", [True, False])
def test_an_outage_of_half_a_minute_costs_nothing_with_the_usual_timeouts(inside, keep_alive):
    found = inside("outage", within=118, hosts=8, pages=60, down=30, seen=False, keep_alive=keep_alive, options=["--delay", "0.1"])

    unharmed(found, 8, 60)


@pytest.mark.long
@pytest.mark.parametrize("keep_alive", [True, False])
def test_a_single_host_that_is_away_for_half_a_minute_costs_no_page(inside, keep_alive):
    """One host cannot tell an outage from its own trouble: attempts may be lost, pages are not."""
    found = inside("outage", within=118, hosts=1, pages=60, down=30, seen=False, keep_alive=keep_alive, options=["--delay", "0.1"])

    assert 0 == found["code"], found["stderr"]
    assert {"done"} == {state for state, _ in fates(found)}
    assert 61 == len(found["pages"])
