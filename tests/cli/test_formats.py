"""A folder that an older version wrote is gone on with by the same command; whoever only asks leaves it as it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crawler.cli.main import main
from crawler.cli.memory import recall
from crawler.core.seeds import Source
from crawler.frontier.opening import APPLICATION_ID, FORMAT

FORMATS = Path(__file__).parents[1] / "frontier" / "formats"


@pytest.fixture(params=range(1, FORMAT))
def folder(request, tmp_path):
    path = tmp_path / "old" / "crawl.db"
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.executescript((FORMATS / f"{request.param}.sql").read_text(encoding="utf-8"))
    meta = {"secret": "ab" * 16, "settings": '{"depth":3}', "sources": '[{"name":"seeds.txt","digest":"x"}]', "clean": "1", "pages": "0", "errors": "0"}
    db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    db.execute("INSERT INTO ruleset VALUES (0, '{}')")
    db.execute("INSERT INTO seed VALUES ('https://example.org/', 0, 'seeds.txt', 1)")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {request.param}")
    db.commit()
    db.close()
    return path.parent


def test_what_an_older_version_remembered_is_known(folder):
    memory = recall(folder)

    assert memory is not None
    assert ({"depth": 3}, {"https://example.org/"}) == (memory.settings, memory.seeds)
    assert ["seeds.txt"] == [source.name for source in memory.sources if isinstance(source, Source)]


def test_the_same_command_plans_to_go_on_with_it(folder, capsys):
    assert 0 == main(["https://example.org/", "--add-seeds", "-o", str(folder), "--dry-run"])
    assert f"would go on with {folder}" in "".join(capsys.readouterr())


def test_a_question_leaves_it_as_it_is_and_says_what_brings_it_forward(folder, capsys):
    assert 6 == main(["query", "SELECT 1", "-o", str(folder)])
    assert "Try resume" in capsys.readouterr().err
    assert ["crawl.db"] == sorted(file.name for file in folder.iterdir())
