"""The public surface: what `from crawler import ...` gives, what it costs, and that type checkers see the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import crawler
from crawler.core.settings import Settings
from crawler.library.keywords import Keywords

NAMES = [
    "Crawl", "CrawlError", "Crawler", "Hooks", "Page", "Results", "Settings", "Summary", "__version__", "crawl", "open_crawl",
]  # fmt: skip


def test_these_names_are_public():
    assert NAMES == crawler.__all__ == dir(crawler)
    assert all(getattr(crawler, name) is not None for name in NAMES)


def test_other_names_are_not_there():
    with pytest.raises(AttributeError, match="no attribute 'Spider'"):
        _ = crawler.Spider


def test_every_setting_is_a_keyword_and_every_keyword_a_setting():
    """Type checkers and editors know the keywords of `crawl` from there."""
    assert list(Settings.__struct_fields__) == list(Keywords.__annotations__)


def test_importing_the_package_loads_nothing():
    code = "import crawler, sys; print(sorted(name for name in sys.modules if name.split('.')[0] == 'crawler'))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(crawler.__file__).parents[1], capture_output=True, text=True, check=True)

    assert "['crawler', 'crawler.version']\n" == done.stdout
