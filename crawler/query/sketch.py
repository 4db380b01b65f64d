"""What a query would answer with, seen without a crawl: its columns, on the empty tables of this version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from importlib import resources
from typing import Self

from crawler.query.errors import explained
from crawler.query.guard import Guard
from crawler.query.question import names_in

_PATIENCE = 2.0


class Sketch:
    """An empty database. A context manager; guarded like a crawl's own, for what it is asked may be anybody's."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.executescript(resources.files("crawler.frontier").joinpath("schema.sql").read_text(encoding="utf-8"))
        self._guard = Guard(self._db, _PATIENCE, 1_000_000)

    def answer(self, sql: str) -> tuple[str, ...]:
        """Return the columns of a query. Raises QueryError for what is none, or asks for what this version does not have."""
        self._guard.start(_PATIENCE)
        bare = sql.strip().rstrip(";")
        try:
            cursor = self._db.execute(f"SELECT * FROM (\n{bare}\n) LIMIT 0", dict.fromkeys(names_in(sql)))
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise self._guard.verdict(error, sql) or explained(error, sql, self) from None
        return tuple(column[0] for column in cursor.description)

    def tables(self) -> list[str]:
        """Return the names of tables and views."""
        rows = self._db.execute("SELECT name FROM sqlite_schema WHERE type IN ('view', 'table') ORDER BY type DESC, name")
        return [str(name) for (name,) in rows]

    def columns(self, tables: Iterable[str]) -> dict[str, list[str]]:
        """Return for each column name the tables and views that have it."""
        having: dict[str, list[str]] = {}
        for table in tables:
            for (name,) in self._db.execute("SELECT name FROM pragma_table_xinfo(?)", (table,)):
                having.setdefault(str(name), []).append(table)
        return having

    def close(self) -> None:
        """Forget it."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()
