"""Names that change their address under our hands, and addresses at which nobody answers."""

from __future__ import annotations

import pytest

PORTS = range(8080, 8086)


@pytest.fixture(scope="module")
def rebound(inside):
    return inside("rebinding", options=["--delay", "0", "--scope", "any", "--tries", "1"])


def test_a_name_that_turns_to_a_private_address_is_refused_at_each_turn(rebound):
    """Every other look-up says that the name is the canary."""
    judged = {row["url"]: row["state"] for row in rebound["urls"] if row["url"].startswith("http://rebind.test") and row["seen_as"] == "a"}

    assert len(PORTS) == rebound["looked_up"].count("rebind.test")
    assert ["done"] * 3 + ["excluded"] * 3 == sorted(judged.values())
    assert [] == rebound["canary"]


def test_of_a_name_with_a_public_and_a_private_address_only_the_public_one_is_connected_to(rebound):
    assert "http://both.test:8080/" in rebound["pages"]
    assert ("both.test:8080", "/") in {(host, path) for _, host, path in rebound["asked"]}


def test_a_refused_turn_is_the_fault_guard_and_names_the_address(rebound):
    refused = [row for row in rebound["faults"] if not row["url"].endswith("robots.txt")]

    assert ["guard"] * 3 == [row["fault"] for row in refused]
    assert {True} == {"127.0.0.66 is a private address" in row["detail"] for row in refused}


@pytest.fixture(scope="module")
def holed(inside):
    return inside("black_hole", pages=10, options=["--delay", "0.1", "--connect-timeout", "0.5", "--tries", "1", "--no-robots"])


@pytest.mark.parametrize("url", ["http://127.0.1.2:8080/", "http://192.0.2.1:8080/"])
def test_a_port_that_swallows_connections_and_an_address_without_a_route_are_the_fault_connect(holed, url):
    assert ["connect"] == [row["fault"] for row in holed["faults"] if row["url"] == url]


def test_a_host_beside_a_black_hole_keeps_its_pace(holed):
    moments = [moment for moment, host, _ in holed["asked"] if host == "127.0.1.1:8080"]

    assert 11 == len(holed["pages"])
    assert moments[-1] - moments[0] < 10 * 0.1 + 0.7
