"""Scenarios run in namespaces of their own: network, mounts and processes. Where there are none, they are skipped, and say why."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

APART = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
INSIDE = Path(__file__).resolve().with_name("inside.py")


@functools.cache
def missing() -> str | None:
    """Return what this machine lacks, None when it has all."""
    if sys.platform != "linux":
        return "network namespaces exist on Linux only"
    if os.geteuid() != 0:
        return "network namespaces need root"
    for program in ("unshare", "ip", "mount"):
        if shutil.which(program) is None:
            return f"the program `{program}` is missing"
    if importlib.util.find_spec("dnslib") is None:
        return "the package `dnslib` is missing (extra `test`)"
    tried = subprocess.run([*APART, "ip", "link", "set", "lo", "up"], capture_output=True, text=True, timeout=30, check=False)
    return f"no namespaces here: {tried.stderr.strip() or tried.returncode}" if tried.returncode else None


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """Return a runner of scenarios: what they came to, as a dict."""
    lack = missing()
    if lack is not None:
        pytest.skip(lack)

    def run(scenario: str, *, within: float = 60, **arguments) -> dict:
        folder = tmp_path_factory.mktemp(scenario)
        words = [*APART, sys.executable, str(INSIDE), scenario, str(folder), json.dumps(arguments)]
        ran = subprocess.run(words, capture_output=True, text=True, timeout=within, check=False)
        assert 0 == ran.returncode, ran.stderr
        assert "" == ran.stderr
        return json.loads(ran.stdout)

    return run
