"""From an older format of the database to this one: forward only, in one transaction, with a copy made before."""

from __future__ import annotations

import os
import re
from pathlib import Path

import aiosqlite

from crawler.core.model import KIND_CODE

STEPS: dict[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE run ADD COLUMN requests INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE run ADD COLUMN connections INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE fetch ADD COLUMN dns_ms INTEGER",
        "ALTER TABLE fetch ADD COLUMN connect_ms INTEGER",
        "ALTER TABLE fetch ADD COLUMN tls_ms INTEGER",
        "ALTER TABLE fetch ADD COLUMN reused INTEGER NOT NULL DEFAULT 0",
    ),
    2: (
        "ALTER TABLE fetch ADD COLUMN canonical_id INTEGER REFERENCES url",
        "ALTER TABLE fetch ADD COLUMN nofollow INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE fetch ADD COLUMN simhash INTEGER",
        "ALTER TABLE fetch ADD COLUMN near_id INTEGER REFERENCES url",
        "ALTER TABLE link ADD COLUMN nofollow INTEGER NOT NULL DEFAULT 0",
    ),
    3: (
        "ALTER TABLE body ADD COLUMN offset INTEGER",
        "ALTER TABLE body ADD COLUMN length INTEGER",
    ),
}
"""What leads from each format to the next. Tables and views that are new or changed are taken from the schema afterwards."""


def copy_name(path: Path, version: int) -> Path:
    """Return where the copy of a database of an older format is kept."""
    return path.with_name(f"{path.name}.format{version}")


async def migrate(db: aiosqlite.Connection, path: Path, schema: str, *, version: int, to: int) -> None:
    """Bring a database from *version* to the format *to*; anything that goes wrong leaves it as it was.

    Raises sqlite3.Error. The copy stays beside it, for people; one that is there already is kept, since it is the older one.
    """
    copy = copy_name(path, version)
    if not copy.exists():
        part = copy.with_name(f"{copy.name}.part")      # a copy that was cut short must not pass for one
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        await db.execute("VACUUM INTO ?", (str(part),))
        part.rename(copy)
    await db.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, to):
            for sql in STEPS[step]:
                await db.execute(sql)
        known = {row[0] for row in await db.execute_fetchall("SELECT name FROM sqlite_schema")}
        for view in [row[0] for row in await db.execute_fetchall("SELECT name FROM sqlite_schema WHERE type = 'view'")]:
            await db.execute(f"DROP VIEW {view}")
            known.discard(view)
        for statement in _statements(schema):
            name = re.match(r"CREATE (?:UNIQUE )?(?:TABLE|INDEX|VIEW) (\w+)", statement)
            if name is not None and name[1] not in known:
                await db.execute(statement)
        await db.executemany("INSERT OR IGNORE INTO kind VALUES (?, ?)", [(code, kind.value) for kind, code in KIND_CODE.items()])
        await db.execute(f"PRAGMA user_version = {to}")
        await db.execute("COMMIT")
    except BaseException:
        await db.execute("ROLLBACK")
        raise


def _statements(schema: str) -> list[str]:
    """Part the schema into statements; it has no semicolon but at their ends."""
    bare = "\n".join(line for line in schema.splitlines() if not line.startswith("--"))
    return [statement.strip() for statement in bare.split(";") if statement.strip()]
