"""Which URLs somebody means: a condition in SQL over what is known of each, and a few that need no SQL. Only ever reads."""

from __future__ import annotations

from array import array

import msgspec

from crawler.query.reader import Reader, Value
from crawler.query.values import whole

TIMEOUT = 3600.0
"""Seconds that choosing may take: without an index, ten million URLs are looked at one by one."""
TOLD = 10

_COLUMNS = """
  SELECT u.url_id, o.origin || u.path AS url, CASE WHEN u.state = 0 AND h.parked IS NOT NULL THEN 'parked' ELSE s.name END AS state,
    u.reason, u.rule, u.depth, k.name AS seen_as, u.tries, h.name AS host, h.site, f.status, x.name AS fault, f.detail,
    f.at_utc AS fetched, f.at, f.mime, f.title, f.truncated, f.ttfb_ms, f.total_ms, f.run_id
  FROM {tables} JOIN origin o USING (origin_id) JOIN host h ON h.host_id = u.host_id JOIN state s ON s.state = u.state
    JOIN kind k ON k.kind = u.kind {latest} LEFT JOIN fault x ON x.fault = f.fault
  WHERE u.kind <> 11 AND ({which})"""
_ALL = "url u", "LEFT JOIN fetch f ON f.fetch_id = u.fetch_id"
_WRONG = "fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id", ""
_WHICH = {
    "retry": (*_WRONG, "(f.fault IS NOT NULL OR f.status >= 400) AND (u.state IN (1, 2) OR u.due_at IS NOT NULL)"),
    "requeue": (*_ALL, "u.state IN (1, 2) OR (u.state = 3 AND u.reason = 'skipped' AND u.rule = 'by hand')"),
    "skip": (*_ALL, "u.state = 0"),
    "forget": (*_ALL, "1"),
}
"""For each action: the tables in the order in which SQLite is to take them, and the URLs it can mean something to."""


class Selection(msgspec.Struct, frozen=True):
    """What was asked for. Conditions that are not given choose everything."""

    action: str
    where: str | None = None
    """A condition in SQL over the columns url, state, reason, rule, depth, seen_as, tries, host, site, and those of its latest request."""
    hosts: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    since: float | None = None
    """Unix seconds: its latest request was then or later."""

    @property
    def is_everything(self) -> bool:
        """Tell whether nothing narrows it down."""
        return self.where is None and not self.hosts and not self.faults and self.since is None

    @property
    def words(self) -> str:
        """Say how it was chosen, for the record."""
        said = [self.where] if self.where else []
        said += [f"host {host}" for host in self.hosts] + [f"fault {fault}" for fault in self.faults]
        if self.since is not None:
            said.append(f"since {self.since:.0f}")
        return " and ".join(said) or "all"

    def sql(self, columns: str, rest: str = "") -> tuple[str, tuple[Value, ...]]:
        """Return the statement that reads columns of what is chosen, with its values."""
        tables, latest, which = _WHICH[self.action]
        conditions: list[str] = []
        values: list[Value] = []
        for name, wanted in (("host", self.hosts), ("fault", self.faults)):
            if wanted:
                conditions.append(f"{name} IN ({', '.join('?' * len(wanted))})")
                values += wanted
        if self.since is not None:
            conditions.append("at >= ?")
            values.append(round(self.since * 1000))
        if self.where:
            conditions.append(f"(\n{self.where}\n)")        # a line of its own: it may end in a comment
        inner = _COLUMNS.format(tables=tables, latest=latest, which=which)
        return f"SELECT {columns} FROM ({inner}) WHERE {' AND '.join(conditions) or '1'} {rest}", tuple(values)


class Chosen(msgspec.Struct, frozen=True):
    """What a selection came to."""

    rows: array[int]
    hosts: tuple[tuple[str, int], ...]
    """The hosts with most of them."""
    words: tuple[tuple[str, int], ...]
    """Their states with what came of them last: `failed timeout`, `done 404`."""


def choose(reader: Reader, selection: Selection) -> Chosen:
    """Return what is chosen at this moment. Raises QueryError, for a condition that is no SQL above all."""
    if selection.where:     # right by itself too: `1) OR (1` would end the brackets and leave --host behind
        tables, latest, which = _WHICH[selection.action]
        inner = _COLUMNS.format(tables=tables, latest=latest, which=which)
        reader.rows(f"EXPLAIN SELECT 1 FROM ({inner}) WHERE\n{selection.where}").close()      # compiled, not run
    with reader.snapshot():
        sql, values = selection.sql("url_id")
        rows = array("q", (whole(row[0]) for row in reader.rows(sql, values)))       # 8 bytes each, ten million fit into memory
        sql, values = selection.sql("host, count(*)", f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOLD}")
        hosts = tuple((str(name), whole(number)) for name, number in reader.rows(sql, values))
        word = "state || coalesce(' ' || coalesce(fault, status, reason), '')"
        sql, values = selection.sql(f"{word}, count(*)", f"GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {TOLD}")
        return Chosen(rows, hosts, tuple((str(name), whole(number)) for name, number in reader.rows(sql, values)))
