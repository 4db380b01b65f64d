"""What a robots.txt says to one crawler: which line decides over a path, and what else it asks for.

RFC 9309 to the letter; where it is silent, what Google's open-source parser does. Three invariants:
- no query backtracks: what stands between wildcards is found from left to right, each piece as early as it can be; and
  what a hostile file could still cost is bounded by MAX_WORK, beyond which the answer is no;
- rules have a total order, their rank: most octets, then allow, then the earlier line (2.2.2). One line decides;
- rules and paths are spelt alike before they are compared: see `_uniform` and `_delimiters_escaped`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal, Self

import msgspec

LONGEST_DELAY = 1e9
"""Seconds: what is longer is taken for this, so that no number is too large to be written down."""
MAX_BYTES = 512 * 1024
"""Bytes of a robots.txt that are read; RFC 9309 2.5 asks for at least 500 KiB."""
MAX_LINE = 2083 * 8 - 1
"""Bytes of one line that count, as at Google."""
MAX_WORK = 256_000_000
"""Octets of wildcard rules times octets of the path, in one query: some 30 ms at worst, far above any honest file."""

Meaning = Literal["rules", "allow", "forbid", "redirect"]
_MEANINGS: dict[int, Meaning] = {2: "rules", 3: "redirect", 4: "allow"}
_TOO_MANY_REQUESTS = 429
_LINES = 1 << 20  # more than MAX_BYTES can hold
_FEW = 32  # so many wildcard rules are asked one by one

# A key counts when it begins like this: Google's frequent typos, and its tolerance for what follows.
_KEYS = {
    b"user-agent": (b"user-agent", b"useragent", b"user agent"),
    b"allow": (b"allow",),
    b"disallow": (b"disallow", b"dissallow", b"dissalow", b"disalow", b"diasllow", b"disallaw"),
    b"sitemap": (b"sitemap", b"site-map"),
}
_RULES = (b"allow", b"disallow")
_GROUP_RECORDS = (b"crawl-delay", b"request-rate", b"visit-time")
_SITE_RECORDS = (b"sitemap", b"host", b"clean-param")

_BLANK = b" \t\v\f\r\n\0"  # some files are padded with NULs
_TOKEN = re.compile(rb"[a-z_-]*")
_SECONDS = re.compile(rb"\d{1,300}(?:\.\d*)?|\.\d+")
_RATE = re.compile(rb"0*([1-9]\d{0,8})\s*/\s*0*([1-9]\d{0,8})\s*([smhd]?)(?:\s.*)?", re.IGNORECASE | re.DOTALL)
_RATE_UNITS = {b"": 1.0, b"s": 1.0, b"m": 60.0, b"h": 3600.0, b"d": 86_400.0}

# Even is a path of octets that stand for themselves (not * and $) and of escapes that must stay: most paths are.
_is_even = re.compile(r"(?:[!#&-)+-;=?-\[\]_a-z~]++|%(?:[0189A-F][0-9A-F]|2[0-9A-CF]|3[A-F]|40))*+").fullmatch
_ODD_IN_PATH = re.compile(r"%[0-9A-Fa-f]{2}|[^!#%&-)+-;=?-\[\]_a-z~]")
_ODD_IN_RULE = re.compile(r"%[0-9A-Fa-f]{2}|[^!#%&-)+-;=?-\[\]_a-z~*$]")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_has_delimiters = re.compile(r"[:@\[\]]|\?.*[/?]").search
_IN_PATH = str.maketrans({char: f"%{ord(char):02X}" for char in ":@[]"})
_IN_QUERY = str.maketrans({char: f"%{ord(char):02X}" for char in ":@[]/?"})
_END = "$"  # closes every path that is asked about, so that an anchored rule is a prefix like any other


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """Whether a path may be fetched, and the line that decided: its number, from 1 on, and its text."""

    allowed: bool
    line: int | None = None
    text: str | None = None


_Decision = tuple[int, Verdict]  # with the rank of its rule
_Level = tuple[int, int, dict[str, _Decision]]  # the highest rank on it, and decisions by patterns, all of this length
_Rule = tuple[int, str, list[str], Verdict]  # its rank, what the path begins with, and what follows in this order
_Part = tuple[int, list[_Rule]]  # octets of all that follows in its rules, and these, highest rank first
_Records = defaultdict[bytes, list[tuple[int, bytes, bytes]]]  # by key: line number, value, the whole line
_ALLOWED = Verdict(allowed=True)
_TOO_MUCH = 1 << 62, Verdict(allowed=False, text="too many wildcard rules for a path this long")


@dataclass(frozen=True, slots=True)
class Robots:
    """What one origin asks of one crawler."""

    crawl_delay: float | None = None
    """Seconds between two requests; the largest where several are named."""
    request_rate: tuple[int, float] | None = None
    """So many requests in so many seconds; the slowest where several are named."""
    visit_time: str | None = None
    sitemaps: tuple[str, ...] = ()
    """As written, in order, once each: neither joined nor checked."""
    host: str | None = None
    clean_params: tuple[str, ...] = ()
    _levels: tuple[_Level, ...] = field(default=(), repr=False)
    """Rules without a wildcard, by length; the highest ranks come first."""
    _parts: dict[str, _Part] = field(default_factory=dict, repr=False)
    """Rules with one, by three octets that a path must hold somewhere, or "" for none."""
    _has_escapes: bool = field(default=False, repr=False)

    @classmethod
    def parse(cls, body: bytes, agent: str = "steadycrawl") -> Self:
        """Read what *body* says to the product token *agent*; nothing in it is ever an error."""
        reader = _Reader(agent)
        for number, line in enumerate(_lines(body), 1):
            reader.read(number, line[:MAX_LINE])
        group, site = reader.groups.get(reader.agent, reader.groups[b"*"]), reader.site
        patterns: dict[str, _Decision] = {}
        for key in _RULES:
            for number, value, line in group[key]:
                verdict = Verdict(key == b"allow", number, _text(line.strip(_BLANK)))
                _enter(patterns, _ODD_IN_RULE.sub(_uniform, value.decode("latin-1")), number, verdict)
        levels, parts = _index(patterns)
        delays = (min(float(value), LONGEST_DELAY) for _, value, _ in group[b"crawl-delay"] if _SECONDS.fullmatch(value))
        rates = (
            (int(rate[1]), int(rate[2]) * _RATE_UNITS[rate[3].lower()])
            for _, value, _ in group[b"request-rate"]
            if (rate := _RATE.fullmatch(value))
        )
        return cls(
            crawl_delay=max(delays, default=None),
            request_rate=max(rates, key=lambda rate: rate[1] / rate[0], default=None),
            visit_time=next((_text(value) for _, value, _ in group[b"visit-time"]), None),
            sitemaps=tuple(dict.fromkeys(_text(value) for _, value, _ in site[b"sitemap"])),
            host=next((_text(value) for _, value, _ in site[b"host"]), None),
            clean_params=tuple(dict.fromkeys(_text(value) for _, value, _ in site[b"clean-param"])),
            _levels=levels,
            _parts=parts,
            _has_escapes=any("%" in pattern for pattern in patterns),
        )

    def judge(self, path: str) -> Verdict:
        """Say whether *path*, the path and query of a spelt URL, may be fetched, and which line decides."""
        if not self._levels and not self._parts:
            return _ALLOWED
        if not _is_even(path):
            octets = path if path.isascii() else path.encode("utf-8", "surrogatepass").decode("latin-1")
            path = _ODD_IN_PATH.sub(_uniform, octets)
        if path == "/robots.txt":  # 2.2.2: implicitly allowed
            return _ALLOWED
        rank, verdict = self._decide(path + _END, 0, _ALLOWED)
        # Asked both ways, because behind a wildcard nobody can tell the path from the query.
        if (self._has_escapes or "%" in path) and _has_delimiters(path):
            _, verdict = self._decide(_delimiters_escaped(path) + _END, rank, verdict)
        return verdict

    def _decide(self, path: str, rank: int, verdict: Verdict) -> tuple[int, Verdict]:
        """Return the highest rank that matches and its verdict, or those given when none is above."""
        for top, length, decisions in self._levels:
            if top <= rank:
                break
            if (decision := decisions.get(path[:length])) and decision[0] > rank:
                rank, verdict = decision
        work = 0
        for weight, rules in _meeting(self._parts, path) if len(self._parts) > 1 else self._parts.values():
            if rules[0][0] <= rank:
                continue
            work += weight * len(path)
            if work > MAX_WORK:
                return _TOO_MUCH
            for rule in rules:
                if rule[0] <= rank:
                    break
                if path.startswith(rule[1]) and _follow(rule[2], path, len(rule[1])):
                    rank, _, _, verdict = rule
                    break
        return rank, verdict


def meaning(status: int) -> Meaning:
    """Say what an HTTP status of /robots.txt stands for (RFC 9309 2.3.1; 429 is a server in trouble, as at Google)."""
    return "forbid" if status == _TOO_MANY_REQUESTS else _MEANINGS.get(status // 100, "forbid")


def _uniform(match: re.Match[str]) -> str:
    """Escape an octet that no URI holds bare; undo an escape that nothing needed (2.2.2)."""
    token = match[0]
    if len(token) == 1:
        return f"%{ord(token):02X}"
    char = chr(int(token[1:], 16))
    return char if char in _UNRESERVED else token.upper()


def _delimiters_escaped(text: str) -> str:
    """Escape the general delimiters where they delimit nothing: `?u=https://h` is `?u=https%3A%2F%2Fh` (2.2.2)."""
    path, mark, query = text.partition("?")
    return path.translate(_IN_PATH) + mark + query.translate(_IN_QUERY)


def _enter(patterns: dict[str, _Decision], text: str, line: int, verdict: Verdict) -> None:
    """Add a rule in each form it is compared in; of equal patterns the highest rank stays."""
    rank = (len(text) * 2 + verdict.allowed) * _LINES - line
    for form in (text, _delimiters_escaped(text)) if _has_delimiters(text) else (text,):
        pattern = (form[:-1].replace("$", "%24") + form[-1]).rstrip("*")  # a dollar sign is special at the end only
        if pattern not in patterns or patterns[pattern][0] < rank:
            patterns[pattern] = rank, verdict
    slash = text.rfind("/")
    if verdict.allowed and text.startswith("/index.htm", slash):  # Google: who allows the index page allows its folder
        _enter(patterns, text[: slash + 1] + "$", line, verdict)


def _index(patterns: dict[str, _Decision]) -> tuple[tuple[_Level, ...], dict[str, _Part]]:
    levels: defaultdict[int, dict[str, _Decision]] = defaultdict(dict)
    wild: list[_Rule] = []
    for pattern, (rank, verdict) in sorted(patterns.items(), key=lambda item: item[1][0], reverse=True):
        head, *pieces = pattern.split("*")
        if pieces:
            wild.append((rank, head, list(filter(None, pieces)), verdict))
        else:
            levels[len(head)][head] = rank, verdict
    return tuple((next(iter(level.values()))[0], length, level) for length, level in levels.items()), _divide(wild)


def _divide(rules: list[_Rule]) -> dict[str, _Part]:
    """Divide wildcard rules by three octets that each of them needs, as evenly as they come."""
    parts: defaultdict[str, list[_Rule]] = defaultdict(list)
    for rule in rules:
        piece = max((rule[1], *rule[2]), key=len) if len(rules) > _FEW else ""
        trios = (piece[at : at + 3] for at in range(min(len(piece) - 2, 16)))
        parts[min(trios, key=lambda trio: len(parts.get(trio, ())), default="")].append(rule)
    return {trio: (sum(len(piece) for rule in part for piece in rule[2]), part) for trio, part in parts.items()}


def _meeting(parts: dict[str, _Part], path: str) -> list[_Part]:
    trios = {path[at : at + 3] for at in range(len(path) - 2)} | {""}
    return [parts[trio] for trio in parts.keys() & trios]


def _follow(pieces: list[str], path: str, at: int) -> bool:
    """Tell whether *pieces* occur in *path* one after the other, from *at* on; the earliest place is the best one."""
    for piece in pieces:
        at = path.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


FORBID_ALL = Robots(_levels=((1, 0, {"": (1, Verdict(allowed=False))}),))
ALLOW_ALL = Robots()


def _lines(body: bytes) -> list[bytes]:
    """Split at CR, LF or both, without a byte order mark (Google: nor the beginning of one)."""
    if len(body) > MAX_BYTES:
        body = body[: max(body.rfind(b"\n", 0, MAX_BYTES + 1), body.rfind(b"\r", 0, MAX_BYTES + 1), 0)]
    mark = next((mark for mark in (b"\xef\xbb\xbf", b"\xef\xbb", b"\xef") if body.startswith(mark)), b"")
    return body[len(mark) :].splitlines()


def _key_and_value(line: bytes) -> tuple[bytes, bytes]:
    """Split a line at its colon, or at white space when it is just two words (Google); no key is an empty key."""
    line = line.partition(b"#")[0].strip(_BLANK)
    key, colon, value = line.partition(b":")
    if not colon:
        words = line.split()
        key, value = words if len(words) == 2 else (b"", b"")
    key = key.strip(_BLANK).lower()
    return next((name for name, beginnings in _KEYS.items() if key.startswith(beginnings)), key), value.strip(_BLANK)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


class _Reader:
    """Reads line after line and remembers whom the next one speaks to."""

    def __init__(self, agent: str) -> None:
        self.agent = agent.lower().encode()
        self.groups: dict[bytes, _Records] = {b"*": defaultdict(list)}
        self.site: _Records = defaultdict(list)
        # Only a rule ends the list of agents that rules are for (2.2.4). A Crawl-delay and its like are for the agents
        # right above them: that is how such groups are written.
        self._ruled, self._named = set[bytes](), set[bytes]()
        self._rule_seen = self._record_seen = False

    def read(self, number: int, line: bytes) -> None:
        """Take in one line; what is not understood changes nothing."""
        key, value = _key_and_value(line)
        names: set[bytes] = set()
        if key == b"user-agent":
            self._address(value.lower())
        elif key in _RULES:
            self._rule_seen, names = True, self._ruled
        elif key in _GROUP_RECORDS:
            self._record_seen, names = True, self._named
        elif key in _SITE_RECORDS and value:
            self.site[key].append((number, value, line))
        for name in names if value else ():  # an empty rule says nothing
            self.groups[name][key].append((number, value, line))

    def _address(self, value: bytes) -> None:
        if self._rule_seen:
            self._ruled = set()
        if self._rule_seen or self._record_seen:
            self._named = set()
        self._rule_seen = self._record_seen = False
        # Google: an asterisk with more words behind it is still everyone, and a token ends where no token goes on.
        words = value.split()[:1]
        names = {b"*"} if words == [b"*"] else {self.agent} & {*words, *_TOKEN.findall(value)[:1]}
        for name in names:
            self.groups.setdefault(name, defaultdict(list))
        self._ruled |= names
        self._named |= names
