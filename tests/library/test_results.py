"""What is stored, for Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler import CrawlError, crawl, open_crawl
from crawler.query import results as module

KOREAN = "등대"


@pytest.fixture
def folder(site) -> Path:
    seeds = [site.url, *(f"{site.url}{path}" for path in ("korean", "plain", "escape", "missing"))]
    crawl(seeds, output="results", delay=0, parsers=1, min_free=0, durability="normal").run_sync()
    return Path("results")


def test_a_crawl_can_be_asked_from_python(folder, site, monkeypatch):
    monkeypatch.setattr(module, "AT_ONCE", 4)
    with open_crawl(folder) as results:
        # Pages one by one, by a condition, and by their URL, however it is spelt.
        assert 34 == len({page.url for page in results.pages()})
        assert ["Page 7"] == [page.title for page in results.pages("title = ?", ["Page 7"])]
        start = results.page(site.url.replace("http", "HTTP") + "#top")
        assert ("Start", 200, 0) == (start.title, start.status, start.depth)
        assert None is results.page(f"{site.url}missing")
        assert None is results.page("no URL")

        # Bodies and text, in the encoding that only the header told.
        korean = results.page(f"{site.url}korean")
        assert f"<title>{KOREAN}</title>{KOREAN}" == korean.text
        assert korean.body() == korean.text.encode("euc-kr")
        assert KOREAN == results.page(f"{site.url}plain").text

        # Links, in no order that anyone should count on.
        assert {f"{site.url}page/{number}" for number in range(30)} == set(start.links)

        # SQL.
        rows = results.rows("SELECT status, count(*) AS n FROM pages GROUP BY status")
        assert (("status", "n"), [(200, 34)]) == (rows.columns, list(rows))
        with pytest.raises(CrawlError, match="may only read"):
            results.rows("DELETE FROM url")

        # What a terminal must not see.
        escape = results.page(f"{site.url}escape")
        assert repr(escape).isprintable()
        assert "owned" in repr(escape)

    # A page outlives what it came from, and says what is missing.
    (folder / start.file).unlink()
    with pytest.raises(CrawlError, match="is not there"):
        start.body()


def test_without_a_crawl_there_is_nothing_to_open():
    with pytest.raises(CrawlError, match="no crawl under output/ yet"):
        open_crawl()
    with pytest.raises(CrawlError, match="there is no nowhere"):
        open_crawl("nowhere")


@pytest.mark.parametrize("save", ["warc", "none"])
def test_pages_are_read_from_wherever_they_were_put(save, site):
    """While the crawl runs: a WARC file is open then, and without bodies there is nothing to read."""
    crawled = 0
    for page in crawl(site.url, output="results", save=save, max_pages=3, delay=0, min_free=0):
        crawled += 1
        if save == "none":
            with pytest.raises(CrawlError, match=f"no body of {page.url} is stored in results"):
                page.body()
        else:
            assert f"<title>{page.title}</title>" in page.text

    assert 3 == crawled
