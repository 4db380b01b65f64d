"""Animals that lead to where a crawler must not connect, and those whose cookies go too far."""

from __future__ import annotations

from .animal import CANARY, animal
from .line import Ask, html, moved, reply

SPELLINGS = (
    "127.0.0.66", "2130706498", "0x7f000042", "0177.0.0.102", "127.66", "0x7f.0x42", "%31%32%37.0.0.66", "１２７.0.0.66", "127。0。0。66",
    "①②⑦.⓪.⓪.⑥⑥", "127.0.0.66.", "[::ffff:127.0.0.66]", "[::ffff:7f00:42]", "[::7f00:42]", "[64:ff9b::7f00:42]", "user:pass@127.0.0.66",
)  # fmt: skip
BAD_PORTS = (25, 22, 6379, 11211)


@animal(25, "redirect to the canary", "leads to an address that is denied", expect={"/": "done 302", f"http://{CANARY}:{{port}}/z25": "excluded guard"},
        options={"scope": "any"}, exit_code=3)
async def redirect_to_the_canary(ask: Ask) -> bytes:
    return moved(f"http://{CANARY}:{ask.port}/z25")


def _all_refused(cage, seen) -> None:
    found = {url: word for url, word in seen.words.items() if "/z26-" in url}
    assert set(found.values()) == {"excluded guard"}, found
    assert len(found) == len(SPELLINGS) + len(BAD_PORTS)


@animal(26, "the canary by other names", f"links to {len(SPELLINGS)} spellings of a denied address, and to ports of other services",
        expect={"/": "done 200"}, others="excluded guard", options={"scope": "any"}, check=_all_refused)
async def the_canary_by_other_names(ask: Ask) -> bytes:
    names = [f"http://{name}:{ask.port}/z26-{n}" for n, name in enumerate(SPELLINGS)]
    return ask.links(*names, *(f"http://127.44.0.26:{port}/z26-port" for port in BAD_PORTS))


@animal(27, "robots.txt and sitemaps at the canary", "its robots.txt leads to a denied address; that of its second address names sitemaps there, one by a redirect",
        robots=True, exit_code=7, hosts=("127.46.0.27",), seeds=("/", "http://127.46.0.27:{port}/"), options={"scope": "any"},
        expect={"/": "parked", "http://127.46.0.27:{port}/": "done 200", "http://127.46.0.27:{port}/moved.xml": "done 302",
                "http://127.46.0.27:{port}/index.xml": "done 200", **{f"http://{CANARY}:{{port}}/z27{name}.xml": "excluded guard" for name in ("", "-moved", "-listed")}})
async def robots_at_the_canary(ask: Ask) -> bytes:
    if ask.host == ask.cage.animal.host:
        return moved(f"http://{CANARY}:{ask.port}/robots.txt") if ask.path == "/robots.txt" else ask.page("never")
    match ask.path:
        case "/robots.txt":
            named = (f"http://{CANARY}:{ask.port}/z27.xml", f"http://{ask.host}:{ask.port}/moved.xml", f"http://{ask.host}:{ask.port}/index.xml")
            return reply(200, "".join(f"Sitemap: {url}\n" for url in named), "Content-Type: text/plain")
        case "/moved.xml":
            return moved(f"http://{CANARY}:{ask.port}/z27-moved.xml")
        case "/index.xml":
            return ask.page(f"<sitemapindex><sitemap><loc>http://{CANARY}:{ask.port}/z27-listed.xml</loc></sitemap></sitemapindex>", mime="text/xml")
        case _:
            return ask.page("see the sitemaps")


SECRETS = {"x-api-key": "abc", "authorization": "Basic VVNFUjpQQVNTV09SRA=="}


def _secrets_stay(cage, seen) -> None:
    for one in cage.heard:
        own = (one.host, one.port) == (cage.animal.host, cage.port)
        sent = {name: one.header(name) for name in SECRETS}
        assert sent == (SECRETS if own else dict.fromkeys(SECRETS)), f"{one.host}:{one.port}{one.path}"
    assert {one.port for one in cage.heard} == {cage.port, cage.second_port}
    assert {one.host for one in cage.heard} == {cage.animal.host, "127.46.0.28"}
    kept = b"".join(path.read_bytes() for path in seen.folder.rglob("*") if path.is_file())
    assert b"PASSWORD" not in kept
    assert b"VVNFUjpQQVNTV09SRA" not in kept


@animal(28, "redirect with secrets at hand", "leads to another port and another host, while credentials are set for its own origin",
        second="plain", hosts=("127.46.0.28",), seeds=("/", "/port", "/host"), options={"scope": "any"}, check=_secrets_stay,
        settings={"headers": ("http://127.44.0.28:{port} X-Api-Key: abc",), "auth": ("http://127.44.0.28:{port} basic USER:PASSWORD",)},
        expect={"/": "done 200", "/port": "done 302", "/host": "done 302"}, others="done 200")
async def redirect_with_secrets_at_hand(ask: Ask) -> bytes:
    targets = {"/port": f"http://{ask.host}:{ask.cage.second_port}/there", "/host": f"http://127.46.0.28:{ask.port}/there"}
    return moved(targets[ask.path]) if ask.path in targets else ask.page(f"{ask.host}{ask.path}")


def _cookies_stay(cage, seen) -> None:
    own = [one.header("cookie") for one in cage.heard if one.host == cage.animal.host and one.path == "/again"]
    other = [one.header("cookie") for one in cage.heard if one.host != cage.animal.host]
    assert len(own) == 1
    assert "own=1" in own[0]
    assert set(own[0].split("; ")) <= {"own=1", "far4=1"}, "a domain with a dot at its end may be ignored: the cookie is then the host's own"
    assert len(other) >= 2
    assert set(other) == {None}


@animal(29, "cookies for everybody", "sets cookies for co.uk, com, github.io and for half of an address",
        expect={"/": "done 200", "/again": "done 200", "http://127.46.0.29:{port}/": "done 200", "http://127.46.0.29:{port}/again": "done 200"},
        seeds=("/", "http://127.46.0.29:{port}/"), hosts=("127.46.0.29",), settings={"concurrency": 1}, check=_cookies_stay,
        netns="names below public suffixes need a name server")
async def cookies_for_everybody(ask: Ask) -> bytes:
    if ask.host != ask.cage.animal.host or ask.path != "/":
        await ask.nap(0.2)
        return ask.links("/again", title=f"{ask.host}{ask.path}")
    far = ("co.uk", "com", ".com", "CO.UK", "co.uk.", "github.io", "0.29", "44.0.29", "127.46.0.29", ".127.46.0.29")
    return ask.page(html("/again"), "Set-Cookie: own=1; Path=/", *(f"Set-Cookie: far{n}=1; Domain={name}; Path=/" for n, name in enumerate(far)))


def _small_cookie(cage, seen) -> None:
    assert max(len(one.header("cookie") or "") for one in cage.heard) <= 8_190


@animal(30, "cookie bomb", "sets sixty cookies of 3.5 KB with each of 20 pages", others="done 200", check=_small_cookie,
        seeds=tuple(f"/{n}" for n in range(20)))
async def cookie_bomb(ask: Ask) -> bytes:
    return ask.page(f"page {ask.path}", *(f"Set-Cookie: c{ask.path[1:]}-{n}={'v' * 3_500}; Path=/" for n in range(60)))


def _both_come_back(cage, seen) -> None:
    [sent] = [one.header("cookie") for one in cage.heard if one.path == "/again"]
    assert sorted(sent.split("; ")) == ["a=b", "c=d"]


@animal(112, "the same header twice", "two Set-Cookie headers in one answer", expect={"/": "done 200", "/again": "done 200"}, check=_both_come_back)
async def the_same_header_twice(ask: Ask) -> bytes:
    return ask.page(html("/again"), "Set-Cookie: a=b", "Set-Cookie: c=d") if ask.path == "/" else reply(200, b"x", "Content-Type: text/html")
