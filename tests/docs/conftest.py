"""One crawl of the demo site for all pages of docs/ whose commands are run, quicker than a person would want to watch it."""

from __future__ import annotations

import pytest

from crawler.cli import demo
from crawler.cli.main import main


@pytest.fixture(scope="package")
def place(tmp_path_factory):
    """Return a folder in which output/demo is a crawl, as the pages say."""
    folder = tmp_path_factory.mktemp("docs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(demo, "DELAY", "0")
        patch.setattr(demo, "SITE_PACE", 0)
        assert main(["demo", "-o", "output/demo", "-n", "60", "-q"]) == 0
    return folder
