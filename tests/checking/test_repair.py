"""What a repair is for: afterwards the crawl's own command fetches what was lost, and nothing else."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

from crawler.cli.main import main


def asked(folder, sql):
    with closing(sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def test_after_a_repair_the_same_command_fetches_exactly_what_was_lost(site, tmp_path):
    folder = tmp_path / "crawl"
    command = [site.seed, "-o", str(folder), "--delay", "0", "--parsers", "1", "-q", "--save-errors"]
    assert 0 == main(command)
    before = asked(folder, "SELECT p.url, b.digest FROM pages p JOIN body b USING (body_id) ORDER BY url")
    totals = asked(folder, "SELECT queued, done, failed, excluded FROM host"), asked(folder, "SELECT key, value FROM meta WHERE key IN ('pages', 'errors')")
    files = dict(asked(folder, "SELECT url, file FROM pages"))
    errors = dict(asked(folder, "SELECT e.url, b.file FROM errors e JOIN fetch f USING (url_id) JOIN body b USING (body_id)"))
    hurt = sorted(files)[:3]
    (folder / files[hurt[0]]).unlink()
    os.truncate(folder / files[hurt[1]], 3)
    flipped = folder / files[hurt[2]]
    flipped.write_bytes(flipped.read_bytes().replace(b"words", b"sword"))
    [(wrong, file)] = errors.items()        # the body of an answer that is no page is worth fetching again, too
    (folder / file).unlink()
    site.asked.clear()

    assert 1 == main(["verify", "--deep", "--repair", "-o", str(folder)])
    assert [(4,)] == asked(folder, "SELECT queued FROM host")
    assert 0 == main(["verify", "--deep", "-o", str(folder)])
    assert 0 == main(command)

    assert {"/" + url.split("/", 3)[3]: 1 for url in (*hurt, wrong)} == site.asked
    assert before == asked(folder, "SELECT p.url, b.digest FROM pages p JOIN body b USING (body_id) ORDER BY url")
    assert totals == (
        asked(folder, "SELECT queued, done, failed, excluded FROM host"), asked(folder, "SELECT key, value FROM meta WHERE key IN ('pages', 'errors')"),
    )
    assert 0 == main(["verify", "--deep", "-o", str(folder)])
