"""The socket in the output folder by which a running crawl is asked and steered.

One line of JSON is a command, one line of JSON its answer; a connection may carry several, one after another. A command
names itself in the field `command`; an answer has `ok`, and `error` with a `hint` where it is false. Only the owner of the
folder can connect: the socket has mode 0600 in a folder of mode 0700.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from crawler.core.seeds import Seed

SOCKET = "control.sock"
LONGEST_LINE = 1024 * 1024
"""Bytes of one command or answer."""

def seeding(seeds: Sequence[Seed]) -> Iterator[dict[str, object]]:
    """Yield the commands that add seeds, each with as many as fit into a line."""
    some: list[object] = []
    size = 0
    for seed in seeds:
        told = msgspec.json.encode(seed)
        if size + len(told) > LONGEST_LINE // 2:
            yield {"command": "seed", "seeds": some}
            some, size = [], 0
        some.append(msgspec.Raw(told))
        size += len(told) + 1
    if some:
        yield {"command": "seed", "seeds": some}
