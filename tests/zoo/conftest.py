"""The zoo is opened once for each process that tests, on a thread of its own."""

from __future__ import annotations

import sys

import pytest

for module in ("oracle", "broken", "codings", "guarded", "links", "odds", "redirects", "robots", "slow", "statuses", "text", "traps"):
    pytest.register_assert_rewrite(f"{__package__}.{module}")

from .server import zoo_in_a_thread  # noqa: E402 - the line above must come first


@pytest.fixture(scope="session")
def zoo():
    if sys.platform != "linux":
        pytest.skip("all of 127/8 is loopback on Linux only: the zoo needs an address for each animal")
    with zoo_in_a_thread() as one:
        yield one
