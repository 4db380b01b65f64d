"""What an animal is, and the register of all of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .line import Ask
    from .oracle import Seen

Answer = Callable[["Ask"], Awaitable[bytes | None]]
"""Bytes keep the connection for the next request; None ends it."""
Check = Callable[["Cage", "Seen"], None]

CANARY = "127.0.0.66"
"""Nobody may ever connect here: crawls of the zoo run with `--deny-net 127.0.0.64/26`."""
DENIED = "127.0.0.64/26"


@dataclass(frozen=True)
class Animal:
    """One way to be a bad host, and what a crawler should make of it.

    `expect` says of a path what becomes of it, in the words of the database: a state, then a reason (excluded), a fault or
    a status, then `truncated` if so. Several words may be right: `a|b`. `others` is what may become of every other URL.
    """

    number: int
    name: str
    does: str
    answer: Answer
    expect: Mapping[str, str]
    others: str = ""
    seeds: tuple[str, ...] = ("/",)
    """Paths, or whole URLs with {port}, {host} and {second} in them."""
    options: Mapping[str, object] = field(default_factory=dict)
    """What its seed lines say: depth, scope."""
    settings: Mapping[str, object] = field(default_factory=dict)
    """Settings of the crawl of this animal alone, where the zoo's own do not show what is to be seen."""
    hosts: tuple[str, ...] = ()
    """Further addresses of it."""
    second: str = ""
    """`plain`, or the certificate of a TLS port: a second port on its address."""
    robots: bool = False
    """It answers /robots.txt itself; else there is none (404)."""
    deaf: bool = False
    """It is given connections, not requests: `answer` is called before anything is read."""
    check: Check | None = None
    crowd: str = ""
    """What may become of its URLs, besides, when all animals are met at once, with the settings that suit most of them."""
    again: bool = False
    """It is crawled a second time, everything asked again, before it is judged."""
    later: str = ""
    """Why what the requirement says cannot be seen yet."""
    netns: str = ""
    """What of it needs a network of its own, and is tested there."""
    alone: bool = False
    """What is expected of it needs settings of its own, so it is not judged in a crowd."""
    exit_code: int = 0

    @property
    def host(self) -> str:
        return f"127.44.0.{self.number}"


@dataclass
class Heard:
    """One request: when, what for, and every byte of its head."""

    moment: float
    path: str
    head: bytes
    host: str
    port: int

    def header(self, name: str) -> str | None:
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.strip().lower() == name:
                return value.strip()
        return None


class Cage:
    """One animal as it lives in one zoo, and everything that it was sent."""

    def __init__(self, animal: Animal, port: int) -> None:
        self.animal = animal
        self.port = port
        self.second_port = 0
        self.heard: list[Heard] = []
        self.connections: list[float] = []
        self.bodies: dict[str, str] = {}
        """URL -> sha256 of the body of a good answer, decoded, as it should be stored."""
        self.sent: dict[str, int] = {}
        """Path -> bytes that went out."""
        self.notes: dict[str, object] = {}

    def url(self, path: str = "/") -> str:
        return f"http://{self.animal.host}:{self.port}{path}"

    @property
    def seeds(self) -> list[str]:
        where = {"host": self.animal.host, "port": self.port, "second": self.second_port}
        return [seed.format(**where) if "://" in seed else self.url(seed) for seed in self.animal.seeds]

    @property
    def paths(self) -> list[str]:
        return [one.path for one in self.heard if one.path != "/robots.txt"]

    def times(self, path: str) -> int:
        return sum(one.path == path for one in self.heard)

    def gaps(self) -> list[float]:
        moments = [one.moment for one in self.heard]
        return [later - earlier for earlier, later in pairwise(moments)]

    def keep(self, url: str, body: bytes) -> None:
        self.bodies[url] = hashlib.sha256(body).hexdigest()

    def hears(self, path: str, head: bytes, host: str, port: int) -> None:
        self.heard.append(Heard(time.monotonic(), path, head, host, port))


ANIMALS: dict[int, Animal] = {}


def animal(number: int, name: str, does: str, **more) -> Callable[[Answer], Answer]:
    """Enter the function below into the register. `expect` may be one word: that of its only page."""
    expect = more.pop("expect", {})
    expected = {"/": expect} if isinstance(expect, str) else dict(expect)

    def enter(answer: Answer) -> Answer:
        if number in ANIMALS:
            raise ValueError(f"Z{number:02} is there already")
        ANIMALS[number] = Animal(number, name, does, answer, expected, **more)
        return answer

    return enter
