"""The cookie file that the user names: read whole, once, at the start of a run."""

from __future__ import annotations

import hashlib
from pathlib import Path

from crawler.core.model import CookieRow
from crawler.fetch.netscape import read_netscape
from crawler.fetch.routes import WrongSettings

LARGEST = 16 * 1024 * 1024


def read_cookie_file(path: Path) -> tuple[str, list[CookieRow]]:
    """Return a Netscape cookie file's digest and its cookies, all pinned. Raises WrongSettings, naming every line that is wrong."""
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST + 1)
        text = raw.decode()
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise WrongSettings(f"cannot read the cookie file {path}: {why}", "Try --cookies FILE with a file, or --cookies on.") from None
    except UnicodeDecodeError:
        raise WrongSettings(f"cannot read the cookie file {path}: it is no UTF-8", "Try saving it in the Netscape format.") from None
    if len(raw) > LARGEST:
        raise WrongSettings(f"the cookie file {path} is larger than {LARGEST:,} bytes", "Try one with the cookies of your sites alone.")
    try:
        rows = read_netscape(text)
    except ValueError as error:
        raise WrongSettings(f"{path} is no cookie file: {error}", "Try the Netscape format, as curl -c writes it.") from None
    return hashlib.sha256(raw).hexdigest(), rows
