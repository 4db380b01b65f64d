"""What a command costs: wall time, CPU time and memory of the command and of everything it starts.

CPU time comes from wait4, which counts a process and all its descendants that were waited for; should samples of the
tree add up to more, because some were not waited for, that is taken. Memory is the sum over the process tree:
resident size every 50 ms, and the proportional size (PSS, which shares pages out between the processes that share
them) whenever the resident sum reaches a new peak. Memory needs Linux's /proc.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SAMPLE = 0.05  # seconds between two looks at the memory
_LOOK = 5  # samples between two looks for new processes
_STEP = 2**20  # bytes the resident sum must grow by for a new look at the proportional one
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cost:
    """What one command took."""

    exit_code: int  # negative: ended by that signal
    begun: float  # monotonic seconds, the clock of the access log
    wall: float  # seconds, from start to end of the command, its interpreter's start included
    cpu: float  # seconds, user and system, whole tree
    tree_bytes: int  # peak of the tree's proportional size; 0 = unknown
    main_bytes: int  # peak of the first process's resident size; 0 = unknown


@dataclass(slots=True)
class Sampler:
    """Watches a process tree from a thread of its own."""

    root: int
    tree_bytes: int = 0
    main_bytes: int = 0
    cpu: dict[int, float] = field(default_factory=dict)  # seconds by process, last seen
    _resident: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Sample until the end is called."""
        tree = [self.root]
        turn = 0
        while not self._ended.wait(_SAMPLE):
            if turn % _LOOK == 0:
                tree = self._look()
            turn += 1
            self._sample(tree)

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _look(self) -> list[int]:
        """Find the processes of the tree and note their CPU time."""
        children: dict[int, list[int]] = {}
        seconds: dict[int, float] = {}
        for entry in _PROC.iterdir() if _PROC.is_dir() else ():
            if entry.name.isdigit() and (fields := _stat(entry)):
                pid = int(entry.name)
                children.setdefault(int(fields[1]), []).append(pid)
                seconds[pid] = (int(fields[11]) + int(fields[12])) / _TICK
        tree = [self.root]
        for pid in tree:  # grows while we walk
            tree += children.get(pid, [])
            self.cpu[pid] = seconds.get(pid, self.cpu.get(pid, 0.0))
        return tree

    def _sample(self, tree: Sequence[int]) -> None:
        sizes = [_resident(pid) for pid in tree]
        self.main_bytes = max(self.main_bytes, sizes[0])
        if sum(sizes) >= self._resident + _STEP:
            self._resident = sum(sizes)
            self.tree_bytes = max(self.tree_bytes, sum(map(_proportional, tree)))


def _stat(entry: Path) -> list[str]:
    """Return the fields of /proc/PID/stat after the name, which may hold anything."""
    try:
        return (entry / "stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # it has ended
        return []


def _resident(pid: int) -> int:
    try:
        return int((_PROC / str(pid) / "statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return 0
    return 0


def run(
    command: Sequence[str],
    *,
    folder: Path,
    log: Path,
    environment: dict[str, str] | None = None,
    limit: float = 3600.0,
    during: Callable[[int], None] | None = None,
) -> Cost:
    """Run *command* in *folder* with its output in *log*; kill it after *limit* seconds.

    *during* is called once, with the number of the process; it may wait for things and send signals.
    """
    begun = time.monotonic()
    process = _start(command, folder, log, environment)
    sampler = Sampler(process.pid)
    watcher = threading.Thread(target=sampler.watch, daemon=True)
    alarm = threading.Timer(limit, _kill_group, [process.pid])
    watcher.start()
    alarm.start()
    try:
        if during is not None:
            during(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - begun
    except BaseException:
        _kill_group(process.pid)
        raise
    finally:
        alarm.cancel()
        sampler.end()
        watcher.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = max(usage.ru_utime + usage.ru_stime, sum(sampler.cpu.values()))
    return Cost(process.returncode, begun, wall, cpu, sampler.tree_bytes, sampler.main_bytes)


def _start(
    command: Sequence[str], folder: Path, log: Path, environment: dict[str, str] | None
) -> subprocess.Popen[bytes]:
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that the limit ends all it has started
        )


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds a running process has used; 0 where /proc is missing."""
    fields = _stat(_PROC / str(pid))
    return (int(fields[11]) + int(fields[12])) / _TICK if fields else 0.0
