"""Names that do not exist, fail, answer late or not at all, and names that are addresses of the sixth version."""

from __future__ import annotations

import pytest

HUNG = [f"hung{number}.test" for number in range(12)]
PAGES = 20
PACE = 0.05
OPTIONS = ["--delay", str(PACE), "--no-robots", "--tries", "1", "--max-rest", "4"]
ZONE = {
    "good.test": ["127.0.1.1"], "slow.test": ["127.0.1.1"], "six.test": ["::1"],
    "broken.test": "SERVFAIL", "refused.test": "REFUSED", "silent.test": "silent",
}  # fmt: skip


def root(host: str, port: int = 8080) -> str:
    return f"http://{host}:{port}/"


def span(found: dict, host: str) -> float:
    """Return the seconds in which a host's pages were asked for; before them, the first parser process starts."""
    moments = [moment for moment, asked, path in found["asked"] if asked == f"{host}:8080" and path != "/"]
    return moments[-1] - moments[0]


def stored(found: dict, host: str) -> float:
    """Return the seconds from the last request for a host until its last page was told of, which is when it was durable."""
    asked = max(moment for moment, name, _ in found["asked"] if name == f"{host}:8080")
    events = zip(found["moments"], found["events"], strict=True)
    return max(moment for moment, event in events if event["type"] == "page" and event["url"].startswith(f"http://{host}:")) - asked


def pages(found: dict, host: str) -> int:
    return sum(url.startswith(root(host)) for url in found["pages"])


@pytest.fixture(scope="module")
def found(inside):
    seeds = [*map(root, (*ZONE, "nowhere.test", "[::1]")), root("nowhere.test", 8081), root("nowhere.test", 8082)]
    return inside("names", zone=ZONE, late={"slow.test": 3}, seeds=seeds, pages=PAGES, options=[*OPTIONS, "--dns-timeout", "3.5"])


@pytest.mark.parametrize(("host", "sentence"), [
    ("nowhere.test", "Name or service not known"),
    ("broken.test", "Temporary failure in name resolution"),
    ("refused.test", "Temporary failure in name resolution"),
    ("silent.test", "no answer from the name server within 3.5 s"),
])  # fmt: skip
def test_a_name_without_an_address_is_the_fault_dns_with_a_sentence(found, host, sentence):
    of = [row for row in found["faults"] if row["url"] == root(host)]

    assert ["dns"] == [row["fault"] for row in of]
    assert sentence in of[0]["detail"]


def test_a_name_that_is_answered_late_is_crawled(found):
    assert PAGES + 1 == pages(found, "slow.test")


@pytest.mark.parametrize("host", ["six.test", "[::1]"])
def test_a_site_of_the_sixth_version_is_crawled_by_its_name_and_by_its_address(found, host):
    assert PAGES + 1 == pages(found, host)
    assert "::1" in found["connections"]


def test_a_name_that_does_not_exist_costs_one_look_up_and_its_other_urls_wait_for_a_later_run(found):
    fates = {row["url"]: row["state"] for row in found["urls"] if row["host"] == "nowhere.test"}

    assert ["failed", "parked", "parked"] == sorted(fates.values())
    assert 1 == found["looked_up"].count("nowhere.test")
    assert 7 == found["code"]


@pytest.fixture(scope="module")
def crowded(inside):
    """The good host is asked for last, when the others' look-ups hang already, for the five seconds of the system's resolver.

    It answers for longer than the crawl waits for them: else their failures are held back for a while.
    """
    zone = ZONE | dict.fromkeys(HUNG, "silent")
    options = [*OPTIONS, "--dns-timeout", "1"]
    return inside("names", zone=zone, late={}, seeds=[*map(root, HUNG), root("good.test")], pages=2 * PAGES, options=options)


def test_twelve_look_ups_that_hang_hold_up_neither_requests_nor_files(crowded):
    assert set(HUNG) == set(crowded["looked_up"]) - {"good.test"}
    assert 2 * PAGES + 1 == pages(crowded, "good.test")
    assert span(crowded, "good.test") < 1.3 * 2 * PAGES * PACE
    assert stored(crowded, "good.test") < 0.7


def test_the_process_does_not_outlive_its_crawl_for_look_ups_that_hang(crowded):
    assert "summary" == crowded["events"][-1]["type"]
    assert crowded["lingering"] < 1.5
