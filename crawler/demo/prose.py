"""The words of the demo site: paragraphs that read like an old handbook, always the same for the same key.

No random numbers: a choice is the CRC-32 of what it is for, so a page reads the same in every process, on every Python.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

KEEPERS = (
    "the principal keeper", "the second keeper", "the supernumerary", "a careful keeper", "the keeper of the middle watch",
    "any keeper over forty", "the keeper's cat", "Mrs. Ottery of Cold Kettle Ness", "old Tam Harrow", "the inspector",
    "a keeper from the city", "the boatman's daughter", "young Pascoe", "the widow Lusk",
)  # fmt: skip
THINGS = (
    "the burner", "the lens", "the north window", "the clockwork", "the oil gauge", "the fog bell", "the weather vane",
    "the visitors' book", "the brass rail", "the signal gun", "the storm glass", "the rope ladder", "the good teapot",
    "the barometer", "the spare chimney", "the tide table",
)  # fmt: skip
TIMES = (
    "at lighting-up", "an hour before dawn", "on relief day", "at the turn of the tide", "in the dog watch", "every Sunday",
    "between two squalls", "when the glass falls", "before breakfast", "after the mail boat", "at slack water",
)  # fmt: skip
WEATHER = (
    "a dry easterly", "sea fog", "a ground swell", "green water over the gallery", "a mackerel sky", "snow off the land",
    "a flat calm", "thunder far out", "spring tides", "the first frost",
)  # fmt: skip
TOOLS = (
    "a chamois leather", "the long tweezers", "a goose feather", "whiting and spirits of wine", "the brass oil can",
    "a ball of spun yarn", "the second-best screwdriver", "a pinch of chalk", "patience", "a lantern with a red pane",
)  # fmt: skip
FOLK = (
    "the herring fleet", "a coaster full of slate", "two brigs from the north", "the packet", "a whaler far from home",
    "the night ferry", "nobody at all", "a yacht that should know better", "the pilot cutter",
)  # fmt: skip
SENTENCES = (
    "{Keeper} sees to {thing} {time}, and not a minute later.",
    "{Weather} is no excuse: {folk} may be out there, counting your flashes.",
    "If {thing} sings, leave it; if it mutters, fetch {tool}.",
    "Nobody has ever regretted looking at {thing} twice.",
    "Write it in the log {time}, in ink, and do not improve it afterwards.",
    "{Keeper} once tried it without {tool}; the stain is still shown to visitors.",
    "Should {weather} come up, close the shutters, then look to {thing}, then to yourself.",
    "It is said that {keeper} could do this in the dark, which is as well, for the dark is when it is done.",
    "For this you want {tool}, a steady hand and no conversation.",
    "{Folk} will not thank you. {Keeper} will, perhaps, {time}.",
    "There are three ways of doing this, and {keeper} knows a fourth.",
    "With {weather} the tower hums; {time} it may hum a tune you know.",
    "Keep {tool} by {thing}, always on the left, so that the next watch finds it without a lamp.",
    "The rule is short because the night is long: first {thing}, then everything else.",
    "{Keeper} and {keeper2} have not agreed on this since the spring, and both are right.",
    "Count slowly to eleven. If {thing} has not moved by then, it is not going to.",
    "After {weather}, salt finds its way even behind {thing}; warm water does it, with {tool}.",
    "No light was ever lost by going up the stairs once more {time}.",
)
_SLOTS = {
    "keeper": KEEPERS,
    "keeper2": KEEPERS,
    "thing": THINGS,
    "time": TIMES,
    "weather": WEATHER,
    "tool": TOOLS,
    "folk": FOLK,
}


def number(key: str, below: int) -> int:
    """Return a number from 0 to *below* - 1 that depends on the key alone."""
    return zlib.crc32(key.encode()) % below


def pick(key: str, choices: Sequence[str]) -> str:
    """Return one of the choices, always the same for a key."""
    return choices[number(key, len(choices))]


def sentence(key: str) -> str:
    """Return one sentence about life in a lighthouse."""
    words = {slot: pick(f"{key} {slot}", choices) for slot, choices in _SLOTS.items()}
    words |= {slot.capitalize(): word[0].upper() + word[1:] for slot, word in words.items()}
    return pick(key, SENTENCES).format(**words)


def paragraph(key: str) -> str:
    """Return a paragraph of four to seven sentences, no two of them the same."""
    count = 4 + number(key, 4)
    return " ".join(dict.fromkeys(sentence(f"{key} {i}") for i in range(count)))


def slug(title: str) -> str:
    """Return a title as part of a path: lower-case letters, digits and single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
