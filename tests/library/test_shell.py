"""`crawler shell` as whoever types at it meets it."""

from __future__ import annotations

import io
import os
import pty
import select
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import crawler
from crawler.cli.main import main
from crawler.core.model import Parsed

ROOT = Path(crawler.__file__).parents[1]


@pytest.fixture
def shell(capfd, monkeypatch):
    """Call `crawler shell`, with what is typed; return exit code, standard output and standard error."""
    for name in [name for name in os.environ if name.startswith("CRAWLER_")]:
        monkeypatch.delenv(name)

    def call(*words: str, typed: str = ""):
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        code = main(["shell", *words])
        out, err = capfd.readouterr()
        return code, out, err

    return call


# --- one page -----------------------------------------------------------------------------------------------------


def test_code_prints_what_it_comes_to(shell, site):
    assert (0, "Start\n", "") == shell(site.url, "-c", "soup.title.string")
    assert (0, "30\n", "") == shell(site.url, "-c", "print(len(links))")
    assert (0, "", "") == shell(site.url, "-c", "soup.find('h1')")


def test_code_that_fails_is_told_without_a_traceback(shell, site):
    code, out, err = shell(site.url, "-c", "1/0")

    assert (2, "") == (code, out)
    assert err.startswith("error: ZeroDivisionError: division by zero\n")


def test_a_page_lies_at_hand_as_it_came(shell, site):
    typed = "reply\nreply.header('Content-Type'), reply.status, sorted(reply.times)\nbody[:7], reply.charset\ntext[-2:]\n"
    code, out, err = shell(f"{site.url}korean", typed=typed)

    assert 0 == code
    assert [
        f"<Reply 200 {site.url}korean>",
        "('text/html; charset=euc-kr', 200, ['total', 'ttfb'])",
        "(b'<title>', 'euc-kr')",
        "'등대'",
    ] == out.splitlines()
    assert f'200 {site.url}korean   "등대"' in err


def test_links_are_judged_as_a_crawl_would(shell, site):
    _, out, _ = shell(site.url, "--exclude", "/page/1$", "--depth", "1", "-c", "links[:3]")
    assert [
        f"<a {site.url}page/0  followed>",
        f"<a {site.url}page/1  not followed, scope: exclude /page/1$>",
        f"<a {site.url}page/2  followed>",
    ] == out.splitlines()

    _, out, _ = shell(site.url, "--depth", "0", "-c", "{(link.reason, link.rule) for link in links}")
    assert "{('depth', 'depth 1 is beyond the limit of 0')}\n" == out


def test_redirects_are_shown_and_followed_with_their_cookies(shell, site):
    code, out, err = shell(f"{site.url}moved", "-H", "X-Who: me", "--contact", "me@example.org", "-c", "text")

    assert (0, ["User-Agent: steadycrawl/0.1.0 (+me@example.org)", "X-Who: me", "Cookie: seen=yes"]) == (code, out.splitlines())
    assert [f"  302 {site.url}moved -> {site.url}moved/on", f"  301 {site.url}moved/on -> {site.url}echo"] == err.splitlines()


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("secret", "robots.txt of {origin} forbids {url}secret by line 2: Disallow: /secret\nTry --no-robots only"),
        ("to-secret", "robots.txt of {origin} forbids {url}secret by line 2"),
        ("circle", "redirects in a circle"),
    ],
)
def test_what_may_not_or_cannot_be_fetched_ends_with_3(path, why, shell, site):
    code, out, err = shell(f"{site.url}{path}", "-c", "text")

    assert (3, "") == (code, out)
    assert why.format(url=site.url, origin=site.url.rstrip("/")) in err


def test_no_robots_means_that_none_is_asked_for(shell, site):
    assert (0, "Secret\n") == shell(f"{site.url}secret", "--no-robots", "-c", "reply.title")[:2]
    assert 0 == site.asked["/robots.txt"]


def test_the_guard_holds_beyond_the_host_that_was_named(shell, site):
    """A host that is typed may have a private address, as a seed may; where it leads may not."""
    code, _, err = shell(site.url, "--deny-net", "127.0.0.0/8")
    assert (3, True) == (code, "lies in a network given by --deny-net" in err)


def test_what_is_too_large_is_cut(shell, site):
    assert (0, "(100, True)\n", "") == shell(site.url, "--max-size", "100", "-c", "len(body), reply.truncated")


def test_an_error_of_the_server_is_a_page_to_look_at(shell, site):
    assert (0, "(404, 'not here', None)\n", "") == shell(f"{site.url}nowhere", "-c", "reply.status, text, soup")


def test_a_page_that_held_its_parser_up_gets_no_soup(shell, site, monkeypatch):
    """The same parser would hold the prompt up."""

    async def parse(*_):
        return Parsed(fault="reading its links took more than 2 s")

    monkeypatch.setattr("crawler.engine.onepage.ParserPool.parse", parse)
    code, out, err = shell(site.url, typed="soup, links, len(body) > 100\n")

    assert (0, "(None, [], True)\n") == (code, out)
    assert "its links could not be read: reading its links took more than 2 s" in err


def test_nothing_remote_steers_the_terminal(shell, site):
    _, out, err = shell(f"{site.url}escape", typed="reply.title\nsoup.title.string\n")

    assert "\x1b" not in out + err
    assert "owned" in err


def test_wrong_words_end_with_2(shell):
    assert 2 == shell("http://exa mple/")[0]
    assert 2 == shell("https://example.org/", "--timeout", "soon")[0]
    assert 2 == shell("https://example.org/", "--max-pages", "3")[0]
    assert 6 == shell("https://example.org/", "-o", "nowhere")[0]


# --- more pages ---------------------------------------------------------------------------------------------------


def test_another_page_is_fetched_from_the_prompt(shell, site):
    typed = f"fetch({site.url!r})\nfetch('/page/7')\nsoup.p.string\nfetch('/secret')\nreply.url\nexit()\n1/0\n"
    code, out, err = shell(typed=typed)

    assert 0 == code
    assert [f"<Reply 200 {site.url}>", f"<Reply 200 {site.url}page/7>", "'It is number 7.'", f"'{site.url}page/7'"] == out.splitlines()
    assert "robots.txt of" in err
    assert "Traceback" not in err
    assert 1 == site.asked["/robots.txt"]


def test_an_empty_shell_says_how_to_begin(shell):
    assert (0, "(None, b'', None, [])\n") == shell(typed="reply, body, soup, links\n")[:2]
    assert "fetch(URL) gets a page" in shell()[2]


def contents() -> dict[Path, bytes]:
    """Return all files of the crawl but the two that SQLite needs to read one."""
    return {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file() and "crawl.db-" not in path.name}


def test_a_crawl_lends_its_settings_its_cookies_and_its_seeds(shell, site):
    """And has nothing written into it."""
    seeds = [f"{site.url}moved", f"{site.url}page/1"]
    crawler.crawl(seeds, output="results", scope="page", headers=["X-Who: the crawl"], delay=0, min_free=0).run_sync()
    before = contents()

    _, out, _ = shell(f"{site.url}echo", "-o", "results", "-c", "text")
    assert ["X-Who: the crawl", "Cookie: seen=yes"] == out.splitlines()[1:]
    _, out, _ = shell(site.url, "-o", "results", "-c", "[link.url for link in links if link.followed]")
    assert f"['{site.url}page/1']\n" == out
    assert before == contents()


# --- terminals ----------------------------------------------------------------------------------------------------


def typed_at_a_terminal(words: list[str], until: bytes, *lines: str) -> str:
    """Start the program at a terminal, type lines as it asks for them, and return what it shows."""
    ours, theirs = pty.openpty()
    program = [sys.executable, "-m", "crawler", "shell", *words]
    env = {"PYTHONPATH": str(ROOT), "TERM": "dumb", "HOME": str(Path.cwd()), "PATH": os.environ["PATH"]}
    process = subprocess.Popen(program, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True)
    os.close(theirs)
    shown = b""
    todo = [*lines]
    try:
        while select.select([ours], [], [], 60)[0]:
            try:
                shown += os.read(ours, 65536)
            except OSError:     # it is gone
                break
            if todo and shown.rstrip().endswith(until):
                os.write(ours, todo.pop(0).encode() + b"\n")
                shown += b"\n"
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return shown.decode()


@pytest.mark.skipif(find_spec("IPython") is not None, reason="IPython takes the plain prompt's place")
def test_a_person_gets_the_plain_prompt(site):
    """With a parser process, in a terminal."""
    shown = typed_at_a_terminal([site.url], b">>>", "soup.title.string", "exit()")

    assert "'Start'" in shown
    assert "30 links, 30 of them to be followed" in shown


@pytest.mark.skipif(find_spec("IPython") is None, reason="IPython is not installed (extra shell): its prompt is NOT tested here")
def test_a_person_gets_ipython_where_it_is_installed(site):
    shown = typed_at_a_terminal([site.url, "--color", "never"], b"]:", "soup.title.string", f"fetch('{site.url}page/3').title", "reply.url", "exit()")

    assert "'Start'" in shown
    assert "'Page 3'" in shown
    assert f"'{site.url}page/3'" in shown
