"""Text in XML: escaped, and without the characters that XML 1.0 forbids even as references (2.2)."""

from __future__ import annotations

import re

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#13;", "\t": "&#9;", "\n": "&#10;"}
_ESCAPED = re.compile("[&<>\"'\r\t\n]")


def escaped(text: str) -> str:
    """Return text that may stand in an element or in an attribute. What XML cannot hold becomes U+FFFD."""
    clean = _FORBIDDEN.sub("\ufffd", text)
    return _ESCAPED.sub(lambda match: _ESCAPES[match[0]], clean)
