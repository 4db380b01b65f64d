"""One crawl holds its folder: another is told by whom, and however the holder ends the folder is free."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from pathlib import Path

import pytest

from crawler import folder as folder_module
from crawler.folder import Holder, InUse, StorageError, held, is_held

HOLD = """
    import sys
    from pathlib import Path
    from crawler.folder import held

    with held(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
    print("free", flush=True)
"""


@contextmanager
def another(folder: Path):
    """Let another process hold the folder."""
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLD), str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root,
    )  # fmt: skip
    try:
        assert "held\n" == process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_folder_that_another_process_holds_is_refused_by_its_number(tmp_path):
    with another(tmp_path) as process:
        with pytest.raises(InUse) as refused, held(tmp_path):
            pass
        holder = is_held(tmp_path)

    assert f"process {process.pid} on this machine since " in refused.value.message
    assert str(tmp_path) in refused.value.message
    assert "crawler status" in refused.value.hint
    assert 5 == refused.value.exit_code
    assert holder is not None
    assert process.pid == holder.pid


def test_a_holder_that_is_killed_frees_the_folder(tmp_path):
    with another(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()

        assert None is is_held(tmp_path)
        with held(tmp_path):
            holder = is_held(tmp_path)

    assert isinstance(holder, Holder)
    assert os.getpid() == holder.pid


def test_a_process_that_is_just_being_started_is_waited_for(tmp_path, monkeypatch):
    """It has a copy of a lock that has been given back, until it runs its own program: here until the twentieth look."""
    with held(tmp_path):
        pass
    copy = os.open(tmp_path / "LOCK", os.O_RDWR)
    fcntl.flock(copy, fcntl.LOCK_EX)
    looks = []

    def look(_: float) -> None:
        looks.append(1)
        if len(looks) == 20:
            os.close(copy)

    monkeypatch.setattr(folder_module.time, "sleep", look)
    with held(tmp_path):
        assert 20 == len(looks)


def test_a_holder_that_ends_frees_the_folder(tmp_path):
    with another(tmp_path) as process:
        process.stdin.close()
        assert "free\n" == process.stdout.readline()
        with held(tmp_path):
            pass
        process.stdin = None

    assert b"" == (tmp_path / "LOCK").read_bytes()


def test_a_block_that_ends_in_an_error_frees_the_folder(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        raise ZeroDivisionError

    with held(tmp_path):
        pass


def test_one_process_cannot_hold_a_folder_twice(tmp_path):
    with held(tmp_path), pytest.raises(InUse), held(tmp_path):
        pass


def test_a_holder_on_another_machine_is_named_with_it(tmp_path):
    with another(tmp_path):
        (tmp_path / "LOCK").write_text('{"pid":7,"machine":"elsewhere","since":0}')
        with pytest.raises(InUse) as refused, held(tmp_path):
            pass

    assert "process 7 on elsewhere since " in refused.value.message


@pytest.mark.parametrize("content", ["", "{", "garbage", '{"pid":"x"}', "\0" * 9000])
def test_a_lock_that_says_nothing_sensible_still_locks(content, tmp_path):
    with another(tmp_path):
        (tmp_path / "LOCK").write_text(content)
        with pytest.raises(InUse, match="another process"), held(tmp_path):
            pass


def test_looking_who_holds_a_folder_does_not_hold_it(tmp_path):
    assert None is is_held(tmp_path)
    with held(tmp_path):
        pass
    assert None is is_held(tmp_path)
    with held(tmp_path):
        pass


def test_the_folder_is_made_for_its_owner_alone(tmp_path):
    before = os.umask(0)
    try:
        with held(tmp_path / "a"):
            pass
    finally:
        os.umask(before)

    assert 0o700 == (tmp_path / "a").stat().st_mode & 0o777
    assert 0o600 == (tmp_path / "a" / "LOCK").stat().st_mode & 0o777


def test_a_planted_link_is_not_followed(tmp_path, tmp_path_factory):
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    victim.write_text("precious")
    (tmp_path / "LOCK").symlink_to(victim)

    with pytest.raises(StorageError), held(tmp_path):
        pass

    assert "precious" == victim.read_text()


def test_a_folder_that_cannot_be_made_is_a_storage_error_with_a_hint(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError) as refused, held(tmp_path / "file" / "crawl"):
        pass

    assert "not a directory" in refused.value.message
    assert refused.value.hint
    assert 4 == refused.value.exit_code
