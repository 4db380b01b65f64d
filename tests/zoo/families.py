"""All families of animals: importing this module fills the register."""

from . import broken, codings, guarded, headers, links, odds, redirects, robots, slow, statuses, text, traps

__all__ = ["broken", "codings", "guarded", "headers", "links", "odds", "redirects", "robots", "slow", "statuses", "text", "traps"]
