"""Numbers, times and amounts as people read them. Pure."""

from __future__ import annotations

THREE_DIGITS, NEARLY_TEN, NEARLY_NONE = 100, 9.95, 0.05
"""Where rounding to one place behind the point would say more, or less, than there is."""
MINUTE, HOUR = 60, 3600

_DECIMAL = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Return `1 page`, `1,284 pages`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(amount: float) -> str:
    """Return bytes with three digits that say something: `18.6 MB`."""
    for unit, name in _DECIMAL:
        if amount >= unit:
            value = amount / unit
            return f"{value:.{1 if value < THREE_DIGITS else 0}f} {name}"
    return f"{amount:.0f} B"


def rate(per_second: float) -> str:
    """Return events per second: `41/s`, `0.7/s`."""
    return f"{per_second:.1f}/s" if NEARLY_NONE <= per_second < NEARLY_TEN else f"{per_second:,.0f}/s"


def clock(seconds: float) -> str:
    """Return a time that runs: `0:31`, `1:02:03`."""
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, 3600)
    minutes, seconds_left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds_left:02}" if hours else f"{minutes}:{seconds_left:02}"


def span(seconds: float) -> str:
    """Return a time that has passed: `0.4 s`, `13 s`, `4 min 02 s`, `2 h 05 min`."""
    if seconds < NEARLY_TEN:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def listed(parts: list[str], most: int = 4) -> str:
    """Return the first few parts, and how many there are beyond them."""
    shown = parts[:most]
    if len(parts) > most:
        shown.append(f"and {len(parts) - most} more")
    return ", ".join(shown)
