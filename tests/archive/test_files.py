"""Bodies on disk: one file for each, whole or not at all, wherever the program dies and whatever a server calls them."""

from __future__ import annotations

import asyncio
import errno
import gc
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.archive import files
from crawler.archive.files import IN_MEMORY, FileArchive
from crawler.archive.names import EXTENSIONS, file_of, folder_of, is_file_of
from crawler.core.model import Body, State
from crawler.core.urls import UrlError, spell
from crawler.folder import StorageError
from crawler.frontier import Attempt, Settled
from crawler.frontier.ledger import Ledger
from crawler.frontier.sqlite import SqliteFrontier

BIG = IN_MEMORY + 10_000


@asynccontextmanager
async def opened(folder: Path, **chosen):
    archive = FileArchive(folder, **chosen)
    archive.open()
    try:
        yield archive
    finally:
        await archive.close()


@pytest.fixture
async def archive(tmp_path):
    async with opened(tmp_path) as archive:
        yield archive


@pytest.fixture
def keep(make_request):
    """Return a function that takes a body in, in chunks."""

    async def keep(archive: FileArchive, data: bytes, url: str = "http://h.test/a/page.html", step: int = 65_536) -> Body:
        async with archive.draft(make_request(url)) as draft:
            for start in range(0, len(data), step):
                await draft.write(data[start : start + step])
            return await draft.keep("text/html")

    return keep


def pages(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / "pages").rglob("*") if path.is_file())


def temporaries(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "tmp").iterdir())


# --- what is kept ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 1000, IN_MEMORY - 1, IN_MEMORY, IN_MEMORY + 1, 3 * IN_MEMORY])
async def test_a_body_lies_whole_under_its_name_after_the_flush(archive, keep, size):
    data = bytes(range(256)) * (size // 256 + 1)
    body = await keep(archive, data[:size], step=50_000)
    assert [] == pages(archive.folder)

    await archive.flush([body], stored={})

    digest = hashlib.sha256(data[:size]).digest()
    name = f"pages/h.test/{digest.hex()[:2]}/a-page-{digest.hex()[:32]}.html"
    assert Body(digest, size, name) == body
    assert [name] == pages(archive.folder)
    assert data[:size] == (archive.folder / name).read_bytes()
    assert ["intent"] == temporaries(archive.folder)


@pytest.mark.parametrize("size", [100, BIG], ids=["small", "streamed"])
async def test_equal_bodies_of_one_batch_are_written_once(archive, keep, size):
    bodies = [await keep(archive, b"x" * size, f"http://h.test/{number}") for number in range(3)]

    await archive.flush(bodies, stored={})

    assert 1 == len(pages(archive.folder))
    assert ["intent"] == temporaries(archive.folder)


@pytest.mark.parametrize("size", [100, BIG], ids=["small", "streamed"])
async def test_a_body_that_is_stored_already_is_dropped(archive, keep, size):
    body = await keep(archive, b"x" * size)

    await archive.flush([body], stored={body.digest: "pages/elsewhere"})

    assert [] == pages(archive.folder)
    assert ["intent"] == temporaries(archive.folder)


async def test_a_body_beyond_256_kib_streams_to_disk_and_is_not_held(archive, make_request):
    async with archive.draft(make_request()) as draft:
        await draft.write(b"a" * IN_MEMORY)
        assert ["intent"] == temporaries(archive.folder)
        for _ in range(64):
            await draft.write(b"b" * 65_536)
        assert ["1", "intent"] == temporaries(archive.folder)
        assert IN_MEMORY + 64 * 65_536 == draft.size
        assert [] == draft._chunks
        assert IN_MEMORY == len(draft._head)


@pytest.mark.parametrize("size", [0, 1000, IN_MEMORY, BIG])
async def test_a_discarded_draft_leaves_nothing(archive, make_request, size):
    async with archive.draft(make_request()) as draft:
        await draft.write(b"x" * size)
    await archive.flush([], stored={})

    assert [] == pages(archive.folder)
    assert ["intent"] == temporaries(archive.folder)


async def test_a_draft_whose_block_ends_in_an_error_leaves_nothing(archive, make_request):
    async def fail() -> None:
        async with archive.draft(make_request()) as draft:
            await draft.write(b"x" * BIG)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()

    assert ["intent"] == temporaries(archive.folder)


@pytest.mark.parametrize("size", [1000, BIG], ids=["small", "streamed"])
async def test_the_beginning_of_a_body_can_be_read_back_for_the_parser(archive, make_request, size):
    data = bytes(range(251)) * (size // 251 + 1)
    async with archive.draft(make_request()) as draft:
        await draft.write(data[:size])
        await draft.keep("text/html")
        assert data[:100] == await draft.read_head(100)
        assert data[:size] == await draft.read_head(size + 5)


# --- crashes ---------------------------------------------------------------------------------------------------------


async def test_what_a_crash_left_in_tmp_is_gone_at_the_next_start(tmp_path, make_request):
    async with opened(tmp_path) as archive:
        draft = archive.draft(make_request())
        await draft.write(b"x" * BIG)
        await draft._file.close()
        assert ["1", "intent"] == temporaries(tmp_path)

    async with opened(tmp_path):
        assert ["intent"] == temporaries(tmp_path)


async def test_a_crash_between_renaming_and_row_leaves_no_orphan(tmp_path, keep, make_request):
    async with SqliteFrontier.open(tmp_path / "crawl.db", durability="normal") as frontier:
        await frontier.add([make_request("http://h.test/a"), make_request("http://h.test/b")])
        [lease] = await frontier.claim(now=1e9, hosts=1, urls=9)
        async with opened(tmp_path) as archive:
            born, orphan = [await keep(archive, data, entry.url) for data, entry in zip((b"born", b"orphan"), lease.requests, strict=True)]
            await archive.flush([born, orphan], stored={})
        await frontier.commit([Settled(lease.requests[0], State.DONE, 1, attempt=Attempt(1.0, 200), body=born, page=True)])

        archive = FileArchive(tmp_path)
        names = archive.open()
        unborn = await Ledger(frontier).unborn(names)

        assert sorted([born.file, orphan.file]) == sorted(names)
        assert [orphan.file] == unborn
        assert 1 == archive.forget(unborn)
        assert [born.file] == pages(tmp_path)
        assert 0 == archive.forget(unborn)
        await archive.close()


async def test_names_are_announced_before_anything_is_renamed(archive, keep, monkeypatch):
    bodies = [await keep(archive, data) for data in (b"one", b"two")]

    def crash(self, target):
        raise OSError(errno.EIO, "the power is cut")

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(StorageError):
        await archive.flush(bodies, stored={})

    assert [] == pages(archive.folder)
    assert [body.file for body in bodies] == (archive.folder / "tmp" / "intent").read_text().split()


async def test_what_the_intent_says_is_believed_only_where_we_could_have_said_it(tmp_path, keep):
    async with opened(tmp_path) as archive:
        body = await keep(archive, b"x")
        await archive.flush([body], stored={})
    hostile = [
        body.file, body.file[:-9], "pages/../../precious-aa.html", "/etc/passwd", f"pages/../tmp/aa/x-{'a' * 32}.html", f"{body.file}/../x",
        "pages/h.test/aa/x-zz.html", "\0\0\0", f"pages/./aa/x-{'a' * 32}.html",
    ]  # fmt: skip
    (tmp_path / "tmp" / "intent").write_bytes("\n".join(hostile).encode() + b"\n\xff\xfepages/")

    async with opened(tmp_path) as archive:
        pass

    assert [body.file] == FileArchive(tmp_path).open()


# --- names -----------------------------------------------------------------------------------------------------------

SHAPE = re.compile(r"pages/[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?/[0-9a-f]{2}/[a-z0-9-]{1,40}-[0-9a-f]{32}\.[a-z0-9]{2,5}")

HOSTILE = st.one_of(
    st.text(max_size=200),
    st.text(alphabet="./\\%~:\0\n\x1b-_aA0 ", max_size=80),
    st.sampled_from([
        "../../etc/passwd", "..%2f..%2fx", "con", "aux.txt", "a" * 3000, ".", "..", "%00", "x.html\x00.exe", "-rf",
        "~root", "é" * 90,
    ]),
)


@given(HOSTILE, st.one_of(st.none(), st.sampled_from(sorted(EXTENSIONS)), st.text(max_size=30)), st.binary(min_size=32, max_size=32))
@example("", None, bytes(32))
def test_no_url_shapes_a_path(tail, mime, digest):
    try:
        url = spell(f"http://h.test/{tail}")
    except UrlError:
        return
    name = file_of(url, mime, digest)

    assert SHAPE.fullmatch(name)
    assert is_file_of(name)
    assert os.path.normpath(name) == name


@given(HOSTILE)
@example("." * 80)
@example("-" * 300)
@example("[::1]")
@example("a" * 59 + "." + "b" * 100)
def test_no_host_shapes_a_folder(host):
    name = folder_of(host)

    assert re.fullmatch(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?", name)
    assert len(name) <= 100


def test_the_folders_of_long_hosts_differ():
    assert folder_of("a" * 200 + ".test") != folder_of("a" * 200 + ".example")


def test_the_ending_is_from_a_fixed_list():
    digest = bytes(32)
    zeros = "0" * 32
    assert f"pages/h.test/00/index-{zeros}.html" == file_of("http://h.test/", "text/html", digest)
    assert f"pages/h.test/00/a-b-c-{zeros}.bin" == file_of("http://h.test/a/b/C.php?x=../y", "text/x-evil", digest)
    assert f"pages/h.test/00/evil-{zeros}.pdf" == file_of("http://h.test:8080/evil.exe", "application/pdf", digest)


# --- links that somebody planted, modes ------------------------------------------------------------------------------


async def test_a_planted_link_in_tmp_is_not_followed(archive, keep, tmp_path_factory):
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    victim.write_text("precious")
    (archive.folder / "tmp" / "1").symlink_to(victim)
    body = await keep(archive, b"attack")

    with pytest.raises(StorageError):
        await archive.flush([body], stored={})

    assert "precious" == victim.read_text()


async def test_a_planted_link_in_the_way_of_a_stream_is_not_followed(archive, keep, tmp_path_factory):
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    victim.write_text("precious")
    (archive.folder / "tmp" / "1").symlink_to(victim)

    with pytest.raises(StorageError):
        await keep(archive, b"attack" * 100_000)

    assert "precious" == victim.read_text()


async def test_a_link_planted_for_the_intent_is_not_written_through(archive, keep, tmp_path_factory):
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    victim.write_text("precious")
    (archive.folder / "tmp" / "intent").unlink()
    (archive.folder / "tmp" / "intent").symlink_to(victim)
    body = await keep(archive, b"attack")

    with pytest.raises(StorageError):
        await archive.flush([body], stored={})

    assert "precious" == victim.read_text()


async def test_a_link_planted_in_the_place_of_a_body_is_replaced_not_followed(archive, keep, tmp_path_factory):
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    victim.write_text("precious")
    body = await keep(archive, b"page")
    place = archive.folder / body.file
    place.parent.mkdir(parents=True)
    place.symlink_to(victim)

    await archive.flush([body], stored={})

    assert "precious" == victim.read_text()
    assert not place.is_symlink()
    assert b"page" == place.read_bytes()


@pytest.mark.parametrize("name", ["tmp", "pages"])
def test_a_folder_that_is_a_link_is_refused_and_nothing_behind_it_deleted(tmp_path, tmp_path_factory, name):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "precious").write_text("precious")
    (tmp_path / name).symlink_to(elsewhere)

    with pytest.raises(StorageError):
        FileArchive(tmp_path).open()

    assert ["precious"] == [path.name for path in elsewhere.iterdir()]


async def test_everything_is_for_its_owner_alone(archive, keep):
    before = os.umask(0)
    try:
        bodies = [await keep(archive, b"small"), await keep(archive, b"x" * BIG)]
        await archive.flush(bodies, stored={})
    finally:
        os.umask(before)

    for path in archive.folder.rglob("*"):
        assert (0o700 if path.is_dir() else 0o600) == path.stat().st_mode & 0o777, path


# --- full disks ------------------------------------------------------------------------------------------------------


class Stingy(io.FileIO):
    """A file on a disk that takes 1,000 bytes at a time."""

    def write(self, data):
        return super().write(bytes(data)[:1000])


async def test_short_writes_are_continued(archive, keep, monkeypatch):
    monkeypatch.setattr(files, "open", lambda path, mode, buffering, opener: Stingy(path, mode, opener=opener), raising=False)
    data = bytes(range(256)) * 300
    body = await keep(archive, data)

    await archive.flush([body], stored={})

    assert data == (archive.folder / body.file).read_bytes()


class Full(io.FileIO):
    """A file on a full disk."""

    def write(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_full_disk_at_the_flush_is_a_storage_error_that_says_what_to_do(archive, keep, monkeypatch):
    monkeypatch.setattr(files, "open", lambda path, mode, buffering, opener: Full(path, mode, opener=opener), raising=False)
    body = await keep(archive, b"x")

    with pytest.raises(StorageError) as full:
        await archive.flush([body], stored={})

    assert "no space left on device" in full.value.message
    assert "free" in full.value.hint
    assert 4 == full.value.exit_code


LIMITED = """
    import asyncio, resource, sys
    from pathlib import Path
    from crawler.archive.files import FileArchive
    from crawler.core.model import Kind, Request
    from crawler.folder import StorageError

    async def main(folder, size):
        archive = FileArchive(folder)
        archive.open()
        try:
            async with archive.draft(Request("http://h.test/", "http://h.test", "h.test", Kind.A, 0, 0)) as draft:
                for _ in range(size // 1000):
                    await draft.write(b"x" * 1000)
                body = await draft.keep(None)
            await archive.flush([body], stored={})
        except StorageError as error:
            print("refused:", error.message)
        finally:
            await archive.close()

    resource.setrlimit(resource.RLIMIT_FSIZE, (57_000, 57_000))
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@pytest.mark.parametrize("size", [100_000, 900_000], ids=["small", "streamed"])
def test_a_disk_that_takes_only_half_a_body_is_a_storage_error_and_half_a_body_gets_no_name(tmp_path, size):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(LIMITED), str(tmp_path), str(size)],
        capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip

    assert (0, "") == (done.returncode, done.stderr)
    assert f"refused: cannot write to {tmp_path}" in done.stdout
    assert [] == pages(tmp_path)


async def test_no_body_is_written_when_too_little_would_stay_free(tmp_path, keep, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12 - 5 * 10**8, 5 * 10**8))
    async with opened(tmp_path, min_free=10**9) as archive:
        body = await keep(archive, b"x")
        with pytest.raises(StorageError) as full:
            await archive.flush([body], stored={})

    assert "only 0.5 GB are free" in full.value.message
    assert "--min-free" in full.value.hint
    assert [] == pages(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError):
        FileArchive(tmp_path).open()
    tmp_path.chmod(0o700)


def open_files() -> set[str]:
    """Return the numbers of this process's open files, where the system tells."""
    try:
        return {file.name for file in Path("/proc/self/fd").iterdir()}
    except FileNotFoundError:
        return set()


# --- cancellation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("turns", range(12))
async def test_a_write_that_is_cancelled_at_any_moment_leaves_no_open_file_and_nothing_in_tmp(archive, make_request, turns):
    opened: list[io.BufferedWriter] = []
    entered = asyncio.Event()

    async def write() -> None:
        async with archive.draft(make_request()) as draft:
            entered.set()
            try:
                await draft.write(b"x" * BIG)
                await draft.write(b"x" * BIG)
            finally:
                if draft._file is not None:
                    opened.append(draft._file)

    task = asyncio.create_task(write())
    await entered.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert all(file.closed for file in opened)
    assert ["intent"] == temporaries(archive.folder)
    gc.collect()    # a file that was left open would be warned about here, and warnings are errors


async def test_a_write_that_is_cancelled_while_the_disk_is_slow_is_finished_first(archive, make_request):
    gate = asyncio.Event()
    release = threading.Event()
    both = [asyncio.get_running_loop().run_in_executor(archive.executor, release.wait, 30) for _ in range(2)]
    before = open_files()

    async def write() -> None:
        async with archive.draft(make_request()) as draft:
            gate.set()
            await draft.write(b"x" * BIG)

    task = asyncio.create_task(write())
    await gate.wait()
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    assert not task.done()
    release.set()
    await asyncio.wait([task, *both])

    assert task.cancelled()
    assert ["intent"] == temporaries(archive.folder)
    gc.collect()
    assert before == open_files()
