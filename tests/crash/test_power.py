"""Power cuts, as far as one machine can have them: the file system is shut down without writing anything back.

A crawl writes to an ext4 image on a loop device; at an instant that nobody chose FS_IOC_SHUTDOWN drops everything that was
not synced, journal included. What the crawler had reported as stored must be there after the next mount. Needs root.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("crash_kill", Path(__file__).with_name("test_kill.py"))
kill = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kill)

FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = (2).to_bytes(4, sys.byteorder)

POSSIBLE = os.geteuid() == 0 and shutil.which("mkfs.ext4") is not None
NEEDED = "power cuts need root, loop devices and mkfs.ext4"

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_200), pytest.mark.skipif(not POSSIBLE, reason=NEEDED)]


class Disk:
    """A file system in a file, whose power can be cut."""

    def __init__(self, folder: Path) -> None:
        self.image = folder / "disk.img"
        self.place = folder / "mnt"
        self.place.mkdir()
        with self.image.open("wb") as file:
            file.truncate(700 << 20)
        self._do("mkfs.ext4", "-q", "-F", str(self.image))
        self.mount()

    def _do(self, *command: str) -> None:
        subprocess.run(command, check=True, capture_output=True)

    def mount(self) -> None:
        self._do("mount", "-o", "loop", str(self.image), str(self.place))

    def unmount(self) -> None:
        self._do("umount", str(self.place))

    def cut(self) -> None:
        """Drop everything that is not on the disk."""
        descriptor = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(descriptor)


@pytest.fixture
def disk(tmp_path):
    one = Disk(tmp_path)
    yield one
    with contextlib.suppress(subprocess.CalledProcessError):
        one.unmount()


@pytest.fixture
def site():
    one = kill.Site(6_000)
    yield one
    one.close()


def reported(process: subprocess.Popen, into: set[str]) -> threading.Thread:
    """Collect the pages that a crawl reports as stored."""

    def read() -> None:
        for line in process.stdout:
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if event.get("type", event.get("event")) == "page":
                    into.add(event["url"])

    thread = threading.Thread(target=read)
    thread.start()
    return thread


def test_what_was_reported_survives_twenty_power_cuts(disk, site):
    twenty_cuts(disk, site, kill.oracle.Oracle(disk.place / "crawl", site.port, 6_000))


def twenty_cuts(disk: Disk, site: kill.Site, judge: kill.oracle.Oracle, *more: str) -> None:
    """Cut the power of a crawl twenty times, check after each, then let it finish."""
    chance = random.Random(7)
    url = f"http://127.0.0.1:{site.port}/p/0"
    options = ["-o", str(judge.folder), "--delay", "0", "--min-free", "0", *more]
    command = [sys.executable, "-m", "crawler", url, *options, "--json", "--progress", "off"]
    seen: set[str] = set()
    for _ in range(20):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=kill.HERE.parents[2])
        reader = reported(process, seen)
        site.wait(len(site.log) + chance.randrange(20, 350), process, 20)
        disk.cut()
        process.send_signal(signal.SIGKILL)
        process.wait(30)
        reader.join(30)
        process.stdout.close()
        disk.unmount()
        disk.mount()
        judge.check()
        assert seen <= judge.stored, "a page that was reported is gone"
    assert len(seen) > 50
    code, errors = kill.finish(kill.start([url, *options]))
    assert code == 0, errors
    judge.check()
    assert 6_000 == len(judge.stored)
