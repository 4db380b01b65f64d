"""Folders that remember a crawl, and a clean place to call the program from."""

import json
import os
import sqlite3
from contextlib import closing
from importlib import resources

import pytest

from crawler.cli.main import main
from crawler.query.reader import APPLICATION_ID, FORMAT


@pytest.fixture(autouse=True)
def _clean_place(tmp_path, monkeypatch):
    """Every test runs in an empty folder, without settings in the environment and with a terminal of 80 columns."""
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    for name in list(os.environ):
        if name.startswith("CRAWLER_") or name in ("FORCE_COLOR", "NO_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def made():
    """Make a folder that remembers a crawl."""

    def make(folder, *, settings=None, sources=(("seeds.txt", "d1"),), seeds=(("https://a.example/", "seeds.txt"),), meta=None):
        folder.mkdir(parents=True)
        with closing(sqlite3.connect(folder / "crawl.db")) as db:
            db.executescript(resources.files("crawler.frontier").joinpath("schema.sql").read_text(encoding="utf-8"))
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
            rows = {"settings": json.dumps(settings or {})}
            if sources is not None:
                rows["sources"] = json.dumps([{"name": name, "digest": digest} for name, digest in sources])
            db.executemany("INSERT INTO meta VALUES (?, ?)", {**rows, **(meta or {})}.items())
            db.execute("INSERT INTO ruleset VALUES (0, '{}')")
            db.executemany("INSERT INTO seed VALUES (?, 0, ?, 1)", seeds)
            db.commit()
        return folder

    return make


@pytest.fixture
def called(capfd):
    """Call the program; return exit code, standard output and standard error."""

    def call(*argv):
        code = main([str(word) for word in argv])
        out, err = capfd.readouterr()
        return code, out, err

    return call
