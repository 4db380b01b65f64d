"""As people start it: beside a crawl with --serve, and by itself with serve. Whatever ends the crawl ends what it started."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crawler.cli.main import main

ADDRESS = re.compile(r"http://(127\.0\.0\.1:\d+)/#token=(\S+)")
PATIENCE = 30.0


class Slow(BaseHTTPRequestHandler):
    """A site without end, ten pages a second."""

    def do_GET(self):
        number = int(self.path[1:] or 0) if self.path[1:].isdigit() else 0
        body = f"<title>{number}</title><a href=/{number + 1}>x</a>".encode()
        self.send_response(200 if self.path[1:].isdigit() else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


@contextmanager
def site():
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/0"
        server.shutdown()


class Running:
    """A process of the program, and the address that it printed."""

    def __init__(self, *words, stdout=subprocess.DEVNULL):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "crawler", *map(str, words)], cwd=Path(__file__).parents[2], stdout=stdout, stderr=subprocess.PIPE, text=True
        )
        self.told = ""
        for line in self.process.stdout if stdout == subprocess.PIPE else self.process.stderr:
            self.told += line
            if match := ADDRESS.search(line):
                self.host, self.token = match[1], match[2]
                return
        raise AssertionError(self.told)

    def ask(self, path, sent=None, token=None):
        headers = {"Content-Type": "application/json", "X-Crawler-Token": token or self.token}
        data = None if sent is None else json.dumps(sent).encode()
        for _ in range(200):
            try:
                with urllib.request.urlopen(urllib.request.Request(f"http://{self.host}{path}", data, headers), timeout=PATIENCE) as answer:
                    return json.load(answer)
            except ConnectionError:     # bound by the crawl, not yet listened to by what it started
                time.sleep(0.05)
        raise AssertionError(f"nobody answers at {self.host}")

    def until(self, wanted):
        """Ask how it is until something holds."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if wanted(found := self.ask("/api/live")):
                return found
        raise AssertionError(found)

    @property
    def is_there(self):
        try:
            urllib.request.urlopen(f"http://{self.host}/healthz", timeout=5).close()
        except (urllib.error.HTTPError, TimeoutError):
            return True
        except OSError:
            return False
        return True

    def end(self, signum=signal.SIGINT):
        if self.process.poll() is None:
            self.process.send_signal(signum)
        rest = self.process.communicate(timeout=PATIENCE)
        self.told += rest[1]
        return self.process.returncode


def gone(running) -> bool:
    end = time.monotonic() + PATIENCE
    while running.is_there and time.monotonic() < end:
        time.sleep(0.05)
    return not running.is_there


def test_a_crawl_is_watched_and_steered_from_its_first_moment_on(tmp_path):
    with site() as seed:
        crawl = Running("crawl", seed, "-o", tmp_path / "c", "--delay", "0.05", "--serve", "--listen", "0", "--progress", "off")
        first = crawl.until(lambda live: live["phase"] == "running" and live["numbers"]["pages"] > 2)
        for process in (crawl.process.pid, *children(crawl.process.pid)):       # what other processes can see of these
            for what in ("cmdline", "environ"):
                assert crawl.token.encode() not in Path(f"/proc/{process}/{what}").read_bytes()
        assert "paused" in crawl.ask("/api/control", {"command": "pause"})["text"]
        crawl.until(lambda live: live["phase"] == "paused")
        assert "goes on" == crawl.ask("/api/control", {"command": "resume"})["text"]
        crawl.until(lambda live: live["numbers"]["pages"] > first["numbers"]["pages"])
        crawl.ask("/api/control", {"command": "stop"})

        assert 128 + signal.SIGTERM == crawl.end(0)
        assert "Stopped." in crawl.told
        assert gone(crawl)
        assert crawl.token not in (tmp_path / "c" / "crawl.log").read_text()
        assert crawl.token.encode() not in (tmp_path / "c" / "crawl.db").read_bytes()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_however_a_crawl_ends_its_pages_end_with_it(tmp_path, signum):
    with site() as seed:
        crawl = Running("crawl", seed, "-o", tmp_path / "c", "--delay", "0.05", "--listen", "127.0.0.1:0", "--progress", "off")
        crawl.until(lambda live: live["phase"] == "running")

        crawl.end(signum)

        assert gone(crawl)


def test_the_end_of_the_pages_is_not_the_end_of_the_crawl(tmp_path):
    with site() as seed:
        crawl = Running("crawl", seed, "-o", tmp_path / "c", "--delay", "0.02", "--serve", "--listen", "0", "--progress", "off", "-n", "60")
        crawl.until(lambda live: live["phase"] == "running")
        [child] = children(crawl.process.pid)
        os.kill(child, signal.SIGKILL)

        assert 0 == crawl.end(0)
        assert "60 pages" in crawl.told
        assert 1 == crawl.told.count(f"the dashboard has ended, killed by signal 9; the crawl goes on, and python -m crawler serve {tmp_path / 'c'} shows it")
        assert "the dashboard ended before the crawl did" in (tmp_path / "c" / "crawl.log").read_text()


def children(parent: int) -> list[int]:
    """Return the processes that serve pages for a crawl."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"PPid:\t{parent}\n" in (entry / "status").read_text() and b"dashboard.child" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return found


def test_serve_shows_a_crawl_at_rest_until_ctrl_c(demo_crawl):
    pages = Running("serve", demo_crawl, "--listen", "0", stdout=subprocess.PIPE)

    assert ("over", 60) == ((found := pages.ask("/api/live"))["phase"], found["numbers"]["pages"])
    assert pages.ask("/api/urls", {"action": "retry", "where": "0"})["text"] == "0 URLs: nothing to change"
    assert 0 == pages.end()
    assert "Ctrl-C ends it." in pages.told


def test_what_cannot_be_served_is_told_before_anything_is_begun(tmp_path, capfd, demo_crawl):
    assert 6 == main(["serve", str(tmp_path)])
    assert 2 == main(["serve", str(demo_crawl), "--listen", "example.org"])
    assert 2 == main(["serve", str(demo_crawl), "-o", str(demo_crawl)])
    assert 2 == main(["crawl", "http://127.0.0.1:1/", "-o", str(tmp_path / "c"), "--listen", "0.0.0.0:0"])
    assert not (tmp_path / "c").exists()
    assert "--allow-host" in capfd.readouterr().err


def test_what_nohup_ignores_does_not_end_serve(demo_crawl):
    held = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        serve = Running("serve", demo_crawl, "--listen", "0", stdout=subprocess.PIPE)
    finally:
        signal.signal(signal.SIGHUP, held)
    first = serve.ask("/api/live")

    serve.process.send_signal(signal.SIGHUP)

    assert first["phase"] == serve.ask("/api/live")["phase"]
    assert serve.process.poll() is None
    assert 0 == serve.end()
