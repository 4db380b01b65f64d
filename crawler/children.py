"""Starting processes of our own code: no main guard is needed in the caller's script, and no import path but our own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import crawler


def launch(
    module: str, *words: str, fds: Sequence[int] = (), stdin: int = subprocess.DEVNULL, stdout: int = subprocess.DEVNULL,
    stderr: int = subprocess.DEVNULL, variables: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:  # fmt: skip
    """Start a module of ours in a session of its own, so that no signal of a terminal reaches it. Raises OSError."""
    home = str(Path(crawler.__file__).resolve().parents[1])
    path = os.pathsep.join(dict.fromkeys((home, *map(os.path.abspath, sys.path))))
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-P", "-m", module, *words], pass_fds=fds, stdin=stdin, stdout=stdout, stderr=stderr,
        start_new_session=True, env=os.environ | variables | {"PYTHONPATH": path},
    )  # fmt: skip
