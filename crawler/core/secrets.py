"""What must not be written down: passwords and tokens in arguments and headers, before they reach a database or a log.

Pure: text in, text out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

REDACTED = "***"

_SECRET_HEADER = re.compile(r"auth|cookie|token|secret|password|passwd|session|api-?key|[-_]key$|credential|signature", re.IGNORECASE)
_HEADER = re.compile(r"((?:[A-Za-z][A-Za-z0-9+.-]*://\S*\s+)?)([^:\s]+):(.*)", re.DOTALL)
_NAME_WITHIN = re.compile(r"(?:^|\s)([^\s:]+)\s*:(?=\s|$)")
_USER_INFO = re.compile(r"(?<=://)[^/?#\\\s]*@(?=[^/?#\\\s])")        # to the last @: a password may have one, too (WHATWG)
_PROXY_USER_INFO = re.compile(r"(?:(?<=://)|(?<!\S)(?!\S*://))\S*@")
_CREDENTIALS = re.compile(r"(\S+://\S+\s+(?:basic|bearer)\s+)\S.*", re.IGNORECASE | re.DOTALL)
_FLAG = re.compile(r"--header|--auth|--proxy|-[A-Za-z]*H")
_GLUED = re.compile(r"(--header=|--auth=|--proxy=|-[A-Za-z]*?H=?)(?=.)", re.DOTALL)


def is_secret(name: str) -> bool:
    """Tell by its name whether a header carries a secret."""
    return _SECRET_HEADER.search(name) is not None


def redact_header(header: str) -> str:
    """Return `Name: value`, with its origin if it has one, and the value hidden when the name says that it is a secret.

    A header that is spelt wrong is shown to whoever spelt it: where it speaks of a secret anywhere, nothing of it is.
    """
    match = _HEADER.fullmatch(header)
    if match and is_secret(match[2]):
        return f"{redact_proxy(match[1])}{match[2]}: {REDACTED}"
    odd = match is None or "." in match[2] or match[3].startswith("/") or not match[3].isprintable()
    if (odd and is_secret(header)) or (match is not None and names_secret(match[3])):
        return REDACTED
    return redact_url(header)


def names_secret(text: str) -> bool:
    """Tell whether a secret header stands inside a text, as in `example.org:8080 X-Api-Key: abc`."""
    return any(is_secret(match[1]) for match in _NAME_WITHIN.finditer(text))


def redact_headers(headers: Iterable[str]) -> tuple[str, ...]:
    """Return headers as they may be written down."""
    return tuple(map(redact_header, headers))


def redact_credentials(text: str) -> str:
    """Return `ORIGIN scheme secret` with the secret hidden; a text of another form is all secret."""
    match = _CREDENTIALS.fullmatch(text.strip())
    return f"{redact_proxy(match[1])}{REDACTED}" if match else REDACTED


def redact_proxy(text: str) -> str:
    """Return a proxy with its user and password hidden, which may hold anything while nobody has read them yet."""
    return _PROXY_USER_INFO.sub(f"{REDACTED}@", text)


def redact_url(text: str) -> str:
    """Return text with the user and password of every URL in it hidden."""
    return _USER_INFO.sub(f"{REDACTED}@", text)


REDACTIONS: Mapping[str, Callable[[str], str]] = {"headers": redact_header, "auth": redact_credentials, "proxies": redact_proxy}
"""Settings that may hold secrets, and how one value of theirs is written down."""


def redact_settings(plain: Mapping[str, object]) -> dict[str, object]:
    """Return settings as plain values, without their secrets."""
    return {
        field: [REDACTIONS[field](str(one)) for one in value] if field in REDACTIONS and isinstance(value, list | tuple) else value
        for field, value in plain.items()
    }


def is_redacted(text: str) -> bool:
    """Tell whether something that was written down lost its secret."""
    return text.rstrip().endswith(REDACTED) or f"{REDACTED}@" in text


def redact_argv(argv: Sequence[str]) -> tuple[str, ...]:
    """Return a command line as it may be written down."""
    clean: list[str] = []
    follows: str | None = None
    for word in argv:
        if follows is not None:
            clean.append(_redact_value(follows, word))
            follows = None
            continue
        follows = word if _FLAG.fullmatch(word) else None
        glued = None if follows else _GLUED.match(word)
        clean.append(glued[0] + _redact_value(glued[0], word[glued.end() :]) if glued else redact_url(word))
    return tuple(clean)


def _redact_value(flag: str, value: str) -> str:
    if flag.startswith("--auth"):
        return redact_credentials(value)
    return redact_proxy(value) if flag.startswith("--proxy") else redact_header(value)
