"""Values of a database that anyone may have written to, as the types that a report needs."""

from __future__ import annotations


def whole(value: object) -> int:
    """Return a counter; a missing or damaged one is 0 rather than the end of the report."""
    return whole_or_none(value) or 0


def whole_or_none(value: object) -> int | None:
    """Return a whole number, None where there is none."""
    try:
        return int(str(value))
    except ValueError:
        return None


def seconds(value: object) -> float | None:
    """Return stored milliseconds as seconds."""
    number = whole_or_none(value)
    return None if number is None else number / 1000


def text(value: object) -> str | None:
    """Return text, None for NULL."""
    return None if value is None else str(value)
