"""Links on their way into an `Offers`: distinct, bounded, and with few words for many verdicts."""

from __future__ import annotations

from crawler.core.model import KIND_CODE, Kind, Offers, Reason

MAX_OFFER_BYTES = 2 * 1024 * 1024
"""URLs of one page in total: 5,000 links of one letter below a directory of 4,000 letters would be 20 MB."""
NAMED_RULES = 200
"""Rules of one page that are told apart; a verdict is one byte, and a page may link to 5,000 foreign hosts."""

Verdict = tuple[Reason, str]


class Packing:
    """Takes links until there is no room for more."""

    def __init__(self, most: int, most_bytes: int = MAX_OFFER_BYTES, for_all: Verdict | None = None) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._for_all = for_all
        self._bytes = 0
        self._seen: dict[bytes, set[Kind] | Kind] = {}
        self._urls: list[str] = []
        self._marks: list[bytes] = []
        self._kinds = bytearray()
        self._verdicts = bytearray()
        self._rules: dict[Verdict, int] = {}

    def add(self, kind: Kind, url: str, fingerprint: bytes, verdict: Verdict | None) -> bool:
        """Take a link unless it is there already, in this kind; return False when there is no room for it."""
        before = self._seen.get(fingerprint)
        if before is None:
            if len(self._seen) >= self._most or self._bytes + len(url) > self._most_bytes:
                return False
            self._seen[fingerprint] = kind
        elif not isinstance(before, set):
            if before is kind:
                return True
            self._seen[fingerprint] = {before, kind}
        elif kind in before:
            return True
        else:
            before.add(kind)
        self._bytes += len(url)
        self._urls.append(url)
        self._marks.append(fingerprint)
        self._kinds.append(KIND_CODE[kind])
        if self._for_all is not None:       # a mark of the link's own counts too: each may be disobeyed later
            marked = verdict is not None and verdict[0] is Reason.NOFOLLOW
            verdict = verdict if marked else self._for_all
        self._verdicts.append(0 if verdict is None else self._number(verdict))
        return True

    def offers(self, depth: int, ruleset: int, hops: int) -> Offers:
        """Return what was taken."""
        rules = tuple((reason.value, rule) for reason, rule in self._rules)
        packed = "\n".join(self._urls), bytes(self._kinds), bytes(self._verdicts), b"".join(self._marks)
        return Offers(*packed, rules, depth, ruleset, hops, depth)

    def _number(self, verdict: Verdict) -> int:
        if verdict not in self._rules and len(self._rules) >= NAMED_RULES:
            verdict = verdict[0], "one of too many rules to name on one page"
        return self._rules.setdefault(verdict, len(self._rules) + 1)
