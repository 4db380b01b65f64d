"""How people write amounts: `32M`, `2h`, `500ms`, `1/s`; read from text or TOML, and written back the same way.

A reader takes text (flag, environment) or a TOML value and returns the value a Settings field holds. It raises ValueError
with the words that belong after "must be".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import msgspec

from crawler.core import targets

Raw = object
"""Text, or what TOML holds: numbers, truth values, lists of text."""

_COUNT = re.compile(r"(-?\d[\d_]{0,18})([km]?)", re.IGNORECASE)
_COUNTS = {"": 1, "k": 1000, "m": 1_000_000}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_SIZES = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?\s*", re.IGNORECASE)
_DURATIONS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PER = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h)", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_YES = frozenset({"1", "true", "yes", "on"})
_NO = frozenset({"0", "false", "no", "off"})
UNSET = frozenset({"", "none", "auto", "unlimited"})
"""Words that stand for "as if I had said nothing"."""


def read_count(raw: Raw) -> int:
    """Read a whole number; k and m are thousands and millions."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    match = _COUNT.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match:
        return int(match[1]) * _COUNTS[match[2].lower()]
    raise ValueError("a whole number")


def read_size(raw: Raw) -> int:
    """Read an amount of bytes; K, M, G and T are powers of 1,024."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return raw
    match = _SIZE.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match is None:
        raise ValueError("a size like 500K, 32M or 10G")
    return int(float(match[1]) * _SIZES[match[2].lower()])


def read_rate(raw: Raw) -> int:
    """Read bytes per second, with or without `/s`."""
    try:
        return read_size(re.sub(r"\s*/\s*s$", "", raw) if isinstance(raw, str) else raw)
    except ValueError:
        raise ValueError("bytes per second like 1K or 1K/s") from None


def read_duration(raw: Raw) -> float:
    """Read a time; a bare number is seconds, and parts add up: `1h30m`."""
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        return float(raw)
    text = raw.strip() if isinstance(raw, str) else ""
    parts = list(_DURATION.finditer(text))
    if not text or "".join(part[0] for part in parts) != text or any(not part[2] for part in parts[:-1]):
        raise ValueError("a time like 500ms, 30s or 2h")
    return sum(float(part[1]) * _DURATIONS[(part[2] or "s").lower()] for part in parts)


def read_age(raw: Raw) -> float | tuple[float, float]:
    """Read a time, or two as the bounds of an adaptive one: `1d..30d`."""
    expected = "a time like 12h, 7d or 0s, or two like 1d..30d, the shorter first"
    least, dots, most = raw.partition("..") if isinstance(raw, str) else (raw, "", "")
    try:
        found = (read_duration(least), read_duration(most)) if dots else read_duration(least)
    except ValueError:
        raise ValueError(expected) from None
    if not 0 < found[0] <= found[1] if isinstance(found, tuple) else found < 0:
        raise ValueError(expected)
    return found


def read_gap(raw: Raw) -> float:
    """Read the time between two requests, also as its reciprocal: `2/s` is 0.5 s."""
    match = _PER.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if match and float(match[1]) > 0:
        return _DURATIONS[match[2].lower()] / float(match[1])
    try:
        return read_duration(raw)
    except ValueError:
        raise ValueError("a time like 500ms or 2s, a rate like 1/s, or auto") from None


def read_switch(raw: Raw) -> bool:
    """Read yes or no."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _YES | _NO:
        return raw.strip().lower() in _YES
    raise ValueError("true or false")


def read_text(raw: Raw) -> str:
    """Read one line of text."""
    if isinstance(raw, str) and not _CONTROL.search(raw):
        return raw.strip()
    raise ValueError("one line of text")


def read_pattern(raw: Raw) -> str:
    """Read a regular expression."""
    pattern = raw if isinstance(raw, str) else "("
    try:
        pattern.encode()
        re.compile(pattern)
    except UnicodeEncodeError:
        raise ValueError("a regular expression in UTF-8") from None
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression ({error})") from None
    return pattern


def _line(read: Callable[[str], object], expected: str) -> Callable[[Raw], str]:
    """Return a reader of one line that *read* understands; what it is kept as is the line itself."""

    def reader(raw: Raw) -> str:
        if not isinstance(raw, str):
            raise ValueError(expected)  # noqa: TRY004 - a wrong setting, whatever its type
        read(raw)
        return raw.strip()

    return reader


read_header = _line(targets.header, "a header like 'Name: value'")
read_credentials = _line(targets.credentials, "an origin with its credentials")
read_proxy = _line(targets.proxy, "a proxy like http://proxy.example.org:3128")
read_certificate = _line(targets.certificate, "an origin with PEM files")


def read_timeouts(raw: Raw) -> str:
    """Read `PATTERN total=2m read=60s`; amounts become seconds, the rate bytes per second."""
    words = raw.split() if isinstance(raw, str) else []
    expected = f"a host pattern with timeouts, like '*.example.org total=2m read=60s'; there are {', '.join(targets.TIMEOUTS)}"
    if len(words) < 2 or not all("=" in word for word in words[1:]):
        raise ValueError(expected)
    parts = [targets.pattern(words[0])]
    for word in words[1:]:
        name, _, amount = word.partition("=")
        name = name.replace("-", "_")
        if name not in targets.TIMEOUTS:
            raise ValueError(expected)
        value = float(read_rate(amount)) if name == "min_rate" else read_duration(amount)
        if value <= 0 and name != "min_rate":
            raise ValueError(f"timeouts of more than 0s: {word}")
        parts.append(f"{name}={value:g}")
    return " ".join(parts)


def read_cookies(raw: Raw) -> str:
    """Read on, off, or the name of a cookie file."""
    if isinstance(raw, bool):       # what TOML makes of cookies = false
        return "on" if raw else "off"
    text = read_text(raw)
    if text.lower() in _YES | _NO:
        return "on" if text.lower() in _YES else "off"
    if text:
        return text
    raise ValueError("on, off, or the name of a cookie file")


def read_network(raw: Raw) -> str:
    """Read an address or a network (CIDR)."""
    try:
        return str(ipaddress.ip_network(raw.strip() if isinstance(raw, str) else "", strict=False))
    except ValueError:
        raise ValueError("a network like 10.0.0.0/8 or an address") from None


def read_host(raw: Raw) -> str:
    """Read a host name without scheme, port or path."""
    if isinstance(raw, str) and re.fullmatch(r"\[[0-9a-fA-F:.]+\]|[^\s/:@?#\\]+", raw.strip()):
        return raw.strip().lower()
    raise ValueError("a host name like www.example.org")


def read_pattern_of_urls(raw: Raw) -> str:
    """Read a URL pattern as the view `traps` shows them, or the word all."""
    text = read_text(raw) if isinstance(raw, str) else ""
    if text == "all" or ("/" in text and "://" not in text):
        return text
    raise ValueError("a URL pattern as crawler query traps shows them, like 'example.org/*?month&year', or all")


class Unit(msgspec.Struct, frozen=True):
    """One way of writing a value: how it is read, how it is shown, and what stands for it in the help."""

    metavar: str
    read: Callable[[Raw], object]
    show: Callable[[object], str] = str
    many: bool = False
    """The field holds a tuple of such values."""
    closed: bool = False
    """Only certain words are such values, so that `none` can stand for no value at all."""
    separator: str = "\n"
    """What parts many values in one environment variable."""


def show_size(value: object) -> str:
    """Write bytes with the largest unit that divides them."""
    amount = int(str(value))
    for letter in "tgmk":
        if amount and amount % _SIZES[letter] == 0:
            return f"{amount // _SIZES[letter]}{letter.upper()}"
    return str(amount)


def show_duration(value: object) -> str:
    """Write seconds with the largest unit that divides them."""
    seconds = float(str(value))
    for letter in "dhm":
        if seconds and seconds % _DURATIONS[letter] == 0:
            return f"{seconds / _DURATIONS[letter]:.0f}{letter}"
    return f"{seconds * 1000:g}ms" if 0 < seconds < 1 else f"{seconds:g}s"


def show_age(value: object) -> str:
    """Write a time, or two as `1d..30d`."""
    return "..".join(map(show_duration, value)) if isinstance(value, tuple | list) else show_duration(value)


def show_switch(value: object) -> str:
    """Write yes or no."""
    return "yes" if value else "no"


COUNT = Unit("N", read_count)
SIZE = Unit("SIZE", read_size, show_size)
RATE = Unit("SIZE", read_rate, lambda value: f"{show_size(value)}/s")
DURATION = Unit("TIME", read_duration, show_duration)
GAP = Unit("TIME", read_gap, show_duration)
AGE = Unit("AGE", read_age, show_age)
SWITCH = Unit("", read_switch, show_switch)
TEXT = Unit("TEXT", read_text)
PATTERNS = Unit("REGEX", read_pattern, many=True)
HEADERS = Unit("'[ORIGIN] NAME: VALUE'", read_header, many=True)
CREDENTIALS = Unit("'ORIGIN SCHEME SECRET'", read_credentials, many=True)
PROXIES = Unit("'[PATTERN] URL'", read_proxy, many=True)
CERTIFICATES = Unit("'ORIGIN FILE [KEY]'", read_certificate, many=True)
TIMEOUTS = Unit("'PATTERN NAME=TIME ...'", read_timeouts, many=True)
NETWORKS = Unit("NET", read_network, many=True, separator=",")
HOSTS = Unit("HOST", read_host, many=True, separator=",")


FAMILIES = Unit("PATTERN", read_pattern_of_urls, many=True)


def words(*choices: str, many: bool = False, metavar: str = "") -> Unit:
    """Return the unit of a closed set of words, of which *many* may be given."""

    def read(raw: Raw) -> str:
        if isinstance(raw, str) and raw.strip().lower() in choices:
            return raw.strip().lower()
        raise ValueError(f"one of {', '.join(choices)}")

    return Unit(metavar or "|".join(choices), read, many=many, closed=many, separator="," if many else "\n")
