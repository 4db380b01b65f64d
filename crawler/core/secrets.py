"""What must not be written down: passwords and tokens in arguments and headers, before they reach a database or a log.

Pure: text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

REDACTED = "***"

_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|password|passwd|session|api-?key|credential", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/?#@\s]*@(?=[^/?#\s])")
_HEADER_FLAG = re.compile(r"(--header=|-H=?)(?=.)", re.DOTALL)
_HEADER_FLAGS = ("-H", "--header")


def redact_header(header: str) -> str:
    """Return `Name: value` with the value hidden when the name says that it is a secret."""
    name, colon, _ = header.partition(":")
    return f"{name}: {REDACTED}" if colon and _SECRET_HEADER.search(name) else header


def redact_headers(headers: Iterable[str]) -> tuple[str, ...]:
    """Return headers as they may be written down."""
    return tuple(map(redact_header, headers))


def is_redacted(header: str) -> bool:
    """Tell whether a header that was written down lost its value."""
    return header.partition(":")[2].strip() == REDACTED


def redact_url(text: str) -> str:
    """Return text with the user and password of every URL in it hidden."""
    return _USER_INFO.sub(f"{REDACTED}@", text)


def redact_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """Return a command line as it may be written down."""
    clean: list[str] = []
    value_follows = False
    for word in argv:
        if value_follows:
            clean.append(redact_header(word))
            value_follows = False
            continue
        value_follows = word in _HEADER_FLAGS
        glued = None if value_follows else _HEADER_FLAG.match(word)
        clean.append(glued[0] + redact_header(word[glued.end() :]) if glued else redact_url(word))
    return tuple(clean)
