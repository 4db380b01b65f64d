"""`plan` as people call it: a site on loopback that remembers what it was asked for."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crawler.cli import foreseen
from crawler.core.model import Fault
from crawler.core.settings import Settings
from crawler.engine.prospects import HostProspect, OriginProspect, SeedProspect, SitemapProspect, summed


class Site(ThreadingHTTPServer):
    """Has a robots.txt, a sitemap of three pages, and one that never comes and interrupts whoever asks for it."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked = []
        self.over = threading.Event()
        self.named = "/sitemap.xml"

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        site = self.server
        site.asked.append(self.path)
        if self.path == "/robots.txt":
            text = f"User-agent: *\nDisallow: /private\nSitemap: {site.named}\n"
        elif self.path == "/sitemap.xml":
            text = f"<urlset>{''.join(f'<url><loc>{site.url}/{n}</loc></url>' for n in range(3))}</urlset>"
        else:
            os.kill(os.getpid(), signal.SIGINT)
            site.over.wait(5)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def site():
    with Site() as site:
        threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield site
        site.over.set()
        site.shutdown()


def test_a_plan_tells_what_a_crawl_would_meet_and_writes_nothing(called, site):
    Path("seeds.txt").write_text(f"{site.url}/\n{site.url}/private/x\n")
    code, out, err = called("plan", "seeds.txt", "--delay", "1")

    assert (0, "") == (code, err)
    assert [
        "host       seeds  robots.txt  every  sitemaps  URLs  time",
        "127.0.0.1      2  rules       1 s           1     4  5.0 s",
        "",
        "seeds that are not allowed",
        f"  {site.url}/private/x  robots.txt line 2: Disallow: /private",
        "",
        "In all 1 host, 2 seeds (1 not allowed), 1 sitemap, 4 URLs; 5.0 s.",
    ] == out.splitlines()
    assert ["/robots.txt", "/sitemap.xml"] == site.asked
    assert ["seeds.txt"] == os.listdir()


def test_a_plan_of_a_crawl_takes_its_seeds_and_settings(called, site, made):
    """The folder is only read."""
    made(Path("o"), settings={"delay": 7.0}, seeds=((f"{site.url}/", "seeds.txt"), (f"{site.url}/1", "seeds.txt")))
    before = sorted((path, path.stat().st_mtime_ns) for path in Path("o").iterdir() if path.suffix == ".db")
    code, out, _ = called("plan", "-o", "o", "--json", "--sitemaps", "off")
    found = json.loads(out)

    assert (0, 2, 7.0) == (code, found["seeds"], found["hosts"][0]["gap"])
    assert before == sorted((path, path.stat().st_mtime_ns) for path in Path("o").iterdir() if path.suffix == ".db")
    assert ["/robots.txt"] == site.asked


def test_ctrl_c_ends_a_plan_with_what_is_known(called, site):
    """The sitemap that never comes is interrupted, and left out."""
    site.named = "/never"
    code, out, err = called("plan", f"{site.url}/", "--header-timeout", "10", "--delay", "0")

    assert (130, "") == (code, err)
    assert "  127.0.0.1  1 sitemap not read" in out.splitlines()
    assert "The plan is not complete: stopped." == out.splitlines()[-1]


@pytest.mark.parametrize(
    ("argv", "code", "message"),
    [
        ((), 2, "nothing to plan was named"),
        (("-o", "nowhere"), 6, "nowhere holds no crawl"),
        (("htp://a.example/",), 2, ""),
        (("https://a.example/", "--delay", "soon"), 2, "delay"),
    ],
)
def test_what_cannot_be_planned_is_refused_before_anybody_is_asked(called, argv, code, message):
    found, out, err = called("plan", *argv)

    assert (code, "") == (found, out)
    assert message in err


def test_a_plan_in_which_no_seed_is_allowed_ends_with_three(called, site):
    code, out, _ = called("plan", f"{site.url}/private/x", "--sitemaps", "off")

    assert 3 == code
    assert "In all 1 host, 1 seed (1 not allowed)" in out


# --- its words ----------------------------------------------------------------------------------------------------


def host(name: str, **more) -> HostProspect:
    """Return a host that answers, unless more is said."""
    said = {
        "origins": (OriginProspect(f"https://{name}", "rules", 200),), "seeds": (SeedProspect(f"https://{name}/", allowed=True),),
        "sitemaps": (), "unread": 0, "urls": 1, "barred": 0, "known": False, "trouble": None, "crawl_delay": None, "gap": 1.0,
        "fastest": 0.2, "low": 0.0, "high": 0.0, **more,
    }  # fmt: skip
    return HostProspect(name, **said)


def said(*hosts: HostProspect, ended: str | None = None, **settings) -> list[str]:
    return foreseen.lines(summed(hosts, Settings(**settings), ended))


def test_of_a_host_without_a_sitemap_the_time_of_a_thousand_pages_is_told():
    text = said(host("a.example"), max_pages=500)

    assert "a.example      1  rules       1 s, then down to 0.2 s         0  1 or more  3 min 25 s to 16 min 39 s for 1,000 pages" == text[1]
    assert "In all 1 host, 1 seed, 0 sitemaps, 1 URL or more; 0.0 s for those that are known." == text[-2]
    assert "The crawl ends at 500 pages, your limit." == text[-1]


def test_the_slowest_host_comes_first_and_is_the_time_of_all():
    slow = host("slow.example", crawl_delay=10.0, gap=10.0, fastest=10.0, urls=100, known=True, low=990.0, high=990.0, barred=7)
    text = said(host("a.example", known=True, low=20.0, high=99.0), slow)

    assert ["slow.example", "a.example"] == [line.split()[0] for line in text[1:3]]
    assert "10 s (Crawl-delay)" in text[1]
    assert "100 (7 barred)" in text[1]
    assert "In all 2 hosts, 2 seeds, 0 sitemaps, 101 URLs; 16 min 30 s." == text[-1]


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [
        (Fault.DNS, None, "its name does not resolve (no\\x1bway)"),
        (Fault.TLS, None, "bad certificate, or no TLS (no\\x1bway)"),
        (Fault.PROTOCOL, None, "robots.txt: it is so"),
        (None, 503, "robots.txt: it is so"),
    ],
)
def test_what_is_wrong_with_a_host_is_told_and_steers_no_terminal(fault, status, words):
    origin = OriginProspect("https://bad.example", "forbids", status, fault, "no\x1bway")

    assert f"  bad.example  1 seed: {words}" in said(host("bad.example", origins=(origin,), trouble="robots.txt: it is so"))


def test_a_host_that_asks_for_too_much_is_put_off():
    bad = host("bad.example", crawl_delay=90.0, trouble="Crawl-delay of 90 s is longer than 60 s")

    assert "  bad.example  1 seed: put off: Crawl-delay of 90 s is longer than 60 s" in said(bad)


def test_long_lists_are_cut():
    """A thousand hosts are summed up, not listed."""
    hosts = [host(f"h{number:03}.example", sitemaps=(SitemapProspect("https://x/", trouble="status 404"),)) for number in range(1_000)]
    text = said(*hosts)

    assert len(text) < 80
    assert "… and 960 more hosts" in text
    assert "  … and 980 more" in text
