"""Animals about names, certificates, validators, and what the crawler says of itself."""

from __future__ import annotations

import json

from .animal import animal
from .line import Ask, head, html, reply

NEEDS_NET = "a name server of its own and the network switched off"
UNRESOLVABLE = (f"http://{'l' * 64}.localhost", "http://a..localhost")
"""No name server is asked for these: a label is too long, or empty."""


@animal(60, "names that have no address", "links to names with a label too long, or empty, to be looked up", options={"scope": "any"},
        expect={"/": "done 200"}, settings={"robots": False}, netns="NXDOMAIN, SERVFAIL, slow name servers: " + NEEDS_NET, check=lambda cage, seen: _all_dns(seen))
async def names_that_have_no_address(ask: Ask) -> bytes:
    return ask.links(*(f"{name}:{ask.port}/z60" for name in UNRESOLVABLE))


def _all_dns(seen) -> None:
    found = {url[-40:]: (one, seen.details[url]) for url, one in seen.words.items() if url.endswith("/z60")}
    assert {one for one, _ in found.values()} <= {"failed dns", "excluded scheme", "parked"}, found


@animal(62, "gone for a while", "a small site, to switch the network off for", others="done 200", seeds=("/p/0",), netns=NEEDS_NET)
async def gone_for_a_while(ask: Ask) -> bytes:
    n = int(ask.path.rpartition("/")[2])
    return ask.links(*([f"/p/{n + 1}"] if n < 19 else []), title=str(n))


BAD_CERTIFICATE = {"deaf": True, "seeds": ("https://{host}:{second}/",), "settings": {"robots": False}, "crowd": "parked"}


def _certificate(number: int, name: str, does: str, second: str) -> None:
    expect = {f"https://127.44.0.{number}:{{second}}/": "failed tls"}

    @animal(number, name, does, second=second, expect=expect, **BAD_CERTIFICATE)
    async def certified(ask: Ask) -> None:
        await ask.hang()


_certificate(63, "expired certificate", "TLS with a certificate of 2020", "expired")
_certificate(133, "certificate of another", "TLS with the certificate of elsewhere.test", "elsewhere")
_certificate(134, "own certificate", "TLS with a certificate signed by itself", "own")

TAGS = {
    "/plain": ['"one"'], "/weak": ['W/"weak"'], "/long": ['"' + "e" * 8_000 + '"'], "/twice": ['"a"', '"b"'], "/bare": ["bare"],
    "/star": ["*"], "/odd": ['"caf\xe9"'], "/list": ['"a", "b"'], "/open": ['"a'], "/empty": [""],
}  # fmt: skip
SENT_BACK = {"/plain": '"one"', "/weak": 'W/"weak"', "/twice": '"a"', "/bare": "bare"}


def _asked_for_versions(cage, seen) -> None:
    """What the second visit named is what the first was told, where that can be trusted; a page is kept whatever comes."""
    conditions = {one.path: one.header("if-none-match") for one in cage.heard[len(TAGS) + 1 :]}
    assert {path: tag for path, tag in conditions.items() if tag is not None} == SENT_BACK
    assert {cage.url(path) for path in TAGS} == seen.pages.keys()
    assert {cage.url(path): cage.bodies[cage.url(path)] for path in TAGS} == {url: digest.lower() for url, digest in seen.stored.items()}


@animal(64, "validators", "ETags that are weak, twice there, bare, 8 KB long, and that are none; 304 to those that know one, and to one that does not",
        seeds=(*TAGS, "/always"), again=True, check=_asked_for_versions, others="done 200",
        expect={"/always": "failed protocol", **dict.fromkeys(SENT_BACK, "done 304")}, crowd="done 200")
async def validators(ask: Ask) -> bytes:
    if ask.header("if-none-match") is not None or ask.path == "/always":
        return head(304)
    return ask.page(f"unchanging {ask.path}", *(f"ETag: {tag}" for tag in TAGS[ask.path]))


def _good_manners(cage, seen) -> None:
    said = json.loads(seen.body(cage.url()))
    assert said["host"] == f"{cage.animal.host}:{cage.port}"
    assert said["user-agent"].startswith("steadycrawl/")
    assert {"authorization", "cookie", "proxy-authorization", "referer"} & set(said) == set()


@animal(107, "echo", "says what was asked", expect="done 200", check=_good_manners)
async def echo(ask: Ask) -> bytes:
    lines = ask.head.decode("latin-1").split("\r\n")[1:-2]
    return ask.page(json.dumps({name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}), mime="application/json")


def _every_line_once(cage, seen) -> None:
    for one in cage.heard:
        names = [line.partition(b":")[0].lower() for line in one.head.split(b"\r\n")[1:-2]]
        assert len(names) == len(set(names)), one.head
        assert one.head.startswith(b"GET /")


@animal(117, "exact requests", "looks at every byte of what it is sent: one Host, no absolute form, no body", check=_every_line_once, others="done 200",
        expect={"/": "done 200", "/a?b=c&d": "done 200"})
async def exact_requests(ask: Ask) -> bytes:
    return ask.page(html("/a?b=c&amp;d#e"), mime="text/html") if ask.path == "/" else reply(200, b"x", "Content-Type: text/html")
