"""A polite, fast web crawler that can be killed at any moment and goes on where it stopped.

    from crawler import Crawler, Settings

The names are resolved on first use, so that a command which needs one of them does not load what the others need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from crawler.version import __version__

if TYPE_CHECKING:
    from crawler.core.metrics import Summary
    from crawler.core.settings import Settings
    from crawler.engine import Crawler
    from crawler.hooks import Hooks

__all__ = ["Crawler", "Hooks", "Settings", "Summary", "__version__"]

_HOMES = {
    "Crawler": "crawler.engine",
    "Hooks": "crawler.hooks",
    "Settings": "crawler.core.settings",
    "Summary": "crawler.core.metrics",
}


def __getattr__(name: str) -> object:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
