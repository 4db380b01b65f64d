"""Links of all kinds on their way from a page to its offers: what is followed, what is folded, what is refused and why."""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Iterator

import pytest

from crawler.core.model import FOLLOWED, KINDS, MAX_HOPS, REQUISITES, Kind, Offers, Parsed
from crawler.core.scope import ALIKE_DEPTH, MAX_SITEMAP_HOPS, Rules, Ruleset
from crawler.core.simhash import distance
from crawler.parsing.config import Config
from crawler.parsing.harvest import MAX_LISTED, Harvester
from crawler.parsing.wire import Page

URL = "http://host.test/dir/page.html"
HTML = "text/html; charset=utf-8"
BOUNDS = (Ruleset("host", None, frozenset({"host.test"})),)
HOST = Rules(BOUNDS)
WITH_REQUISITES = Rules(BOUNDS, follow=FOLLOWED | REQUISITES)

Found = tuple[str, str, str | None]


def harvester(rules: Rules = HOST, **more) -> Harvester:
    settings = {"max_links": 5_000, "parse_size": 1 << 20, "parser": "lexbor"} | more
    return Harvester(Config(rules=rules, secret=b"a secret", **settings))


def parsed(body: str | bytes, rules: Rules = HOST, *, page: dict[str, object] | None = None, **more) -> Parsed:
    content = body if isinstance(body, bytes) else body.encode()
    return harvester(rules, **more).harvest(Page(**{"url": URL, "content_type": HTML, "depth": 0, "ruleset": 0, "body": content} | (page or {})))


def of(found: Parsed) -> Iterator[Found]:
    """Return (URL, kind, "reason: rule" or None) of each offer."""
    offers = found.offers
    for url, kind, verdict in zip(offers.urls.split("\n") if offers.kinds else (), offers.kinds, offers.verdicts, strict=True):
        yield url.removeprefix("http://host.test/"), KINDS[kind].value, ": ".join(offers.rules[verdict - 1]) if verdict else None


def offered(body: str | bytes, rules: Rules = HOST, **more) -> list[Found]:
    return list(of(parsed(body, rules, **more)))


# --- kinds --------------------------------------------------------------------------------------------------------

EVERYTHING = """<link rel=canonical href=canonical><link rel=next href=next><link rel=prev href=prev><link rel=stylesheet href=stylesheet>
<link rel=alternate href=alternate><link rel=alternate hreflang=ko href=hreflang><link rel=amphtml href=amp><link rel=icon href=icon>
<link rel=manifest href=manifest><link rel=search href=other><link rel=feed href=feed><a href=a></a><map><area href=area></map><iframe src=iframe></iframe>
<img src=img><script src=script></script><form action=form></form><source src=source><video src=video></video><audio src=audio></audio>
<track src=track><object data=object></object><embed src=embed><svg><use href=svg /></svg><meta http-equiv=refresh content='0; url=refresh'>"""
FOLLOWED_HERE = {"canonical", "next", "feed", "a", "area", "iframe", "refresh"}


def test_every_kind_is_offered_and_what_is_not_followed_is_refused_with_the_option_that_would() -> None:
    found = {url.removeprefix("dir/"): (kind, refused) for url, kind, refused in offered(EVERYTHING)}

    assert all(url == kind for url, (kind, _) in found.items())
    assert set(found) >= {kind.value for kind in REQUISITES - {Kind.CSS}}
    assert {url for url, (_, refused) in found.items() if refused is None} == FOLLOWED_HERE
    assert "scope: kind img: not followed without --page-requisites" == found["img"][1]
    assert "scope: kind form: not followed without --follow form" == found["form"][1]


@pytest.mark.parametrize("kind", ["form", "prev", "hreflang", "amp", "other"])
def test_any_kind_can_be_followed(kind: str) -> None:
    rules = Rules(BOUNDS, follow=FOLLOWED | {Kind(kind)})

    assert FOLLOWED_HERE | {kind} == {found for _, found, refused in offered(EVERYTHING, rules) if refused is None}


@pytest.mark.parametrize("kind", sorted(FOLLOWED_HERE - {"a"}))
def test_any_kind_can_be_left(kind: str) -> None:
    found = {found: refused for _, found, refused in offered(EVERYTHING, Rules(BOUNDS, follow=FOLLOWED - {Kind(kind)}))}

    assert f"scope: kind {kind}: --leave {kind}" == found[kind]
    assert FOLLOWED_HERE - {kind} == {found for found, refused in found.items() if refused is None}


def test_what_is_followed_stands_before_what_is_not_and_what_the_page_marks_between() -> None:
    found = offered("<img src=1><a href=2 rel=nofollow>x</a><a href=3>x</a><script src=4></script><a href=5>x</a>")

    assert ["dir/3", "dir/5", "dir/2", "dir/1", "dir/4"] == [url for url, _, _ in found]


@pytest.mark.parametrize("aside", ["<img src={}>", "<a rel=nofollow href={}>x</a>", "<link rel=search href={}>"])
def test_what_is_followed_is_never_crowded_out_by_what_is_not(aside: str) -> None:
    found = parsed("".join(aside.format(f"/{number}") for number in range(1_000)) + "<a href=x>x</a><a href=y>y</a>", max_links=10)

    assert found.links_truncated
    assert [("dir/x", "a", None), ("dir/y", "a", None)] == list(of(found))[:2]
    assert 10 == len(found.offers)


def test_one_url_in_many_kinds_counts_once() -> None:
    found = parsed("<a href=x>x</a><iframe src=x></iframe><img src=x><script src=x></script><a href=y>y</a>", max_links=2)

    assert not found.links_truncated
    assert [("dir/x", "a"), ("dir/x", "iframe"), ("dir/y", "a"), ("dir/x", "img"), ("dir/x", "script")] == [one[:2] for one in of(found)]
    assert 5 == len(found.offers)


# --- page requisites ----------------------------------------------------------------------------------------------


def test_what_a_page_needs_may_come_from_anywhere_and_its_links_may_not() -> None:
    markup = "<img src='http://cdn.test/i.png'><a href='http://cdn.test/'>x</a><iframe src='http://cdn.test/f'></iframe><img src=j.png>"
    refused = "scope: scope host: cdn.test is no seed's host"

    assert {
        ("http://cdn.test/i.png", "img", None), ("http://cdn.test/", "a", refused), ("http://cdn.test/f", "iframe", refused),
        ("dir/j.png", "img", None),
    } == set(offered(markup, WITH_REQUISITES))  # fmt: skip


def test_one_url_may_be_needed_by_a_page_and_be_no_page_of_the_crawl() -> None:
    found = offered("<a href='http://cdn.test/x'>x</a><img src='http://cdn.test/x'>", WITH_REQUISITES)

    assert [("a", False), ("img", True)] == [(kind, refused is None) for _, kind, refused in found]


def test_what_a_page_needs_belongs_to_it_whatever_the_depth() -> None:
    rules = Rules((Ruleset("host", 2, frozenset({"host.test"})),), follow=FOLLOWED | REQUISITES)

    assert {("dir/x", "a", "depth: depth 3 is beyond the limit of 2"), ("dir/i", "img", None)} == set(
        offered("<a href=x>x</a><img src=i>", rules, page={"depth": 2})
    )


def test_what_a_user_excludes_is_not_needed_either() -> None:
    rules = Rules(BOUNDS, include=("page",), exclude=("ads",), follow=FOLLOWED | REQUISITES)

    assert {("dir/i", None), ("http://ads.test/i", "scope: exclude ads")} == {
        (url, refused) for url, _, refused in offered("<img src=i><img src='http://ads.test/i'>", rules)
    }


@pytest.mark.parametrize(("hops", "refused"), [(0, False), (MAX_HOPS - 1, False), (MAX_HOPS, True)])
def test_a_style_sheet_of_a_style_sheet_of_a_style_sheet_comes_to_an_end(hops: int, refused: bool) -> None:
    found = parsed("@import 'next.css'", WITH_REQUISITES, page={"content_type": "text/css", "kind": Kind.STYLESHEET, "hops": hops})

    assert hops + 1 == found.offers.hops
    assert [("dir/next.css", "css", f"trap: more than {MAX_HOPS} page requisites behind one another" if refused else None)] == list(of(found))


def test_the_hops_of_a_page_are_its_own() -> None:
    """Else a redirect that led to it would count against what it links to."""
    assert 0 == parsed("<a href=x>x</a><img src=i>", WITH_REQUISITES, page={"hops": 7}).offers.hops


# --- folds --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fold", "href", "folded", "rule"),
    [
        ("query-order", "/?b=1&a=2", "?a=2&b=1", "fold query-order: sorted by name"),
        ("tracking", "/?id=1&utm_source=x", "?id=1", "fold tracking: without utm_source"),
        ("session", "/x;jsessionid=0123456789abcdef0123456789ABCDEF", "x", "fold session: without ;jsessionid"),
        ("index", "/dir/index.html", "dir/", "fold index: without index.html"),
    ],
)
def test_a_url_that_folds_is_refused_as_a_duplicate_and_what_it_folds_into_is_offered(fold: str, href: str, folded: str, rule: str) -> None:
    spelt = href.removeprefix("/")
    found = offered(f"<a href='{href}'>x</a>", Rules(BOUNDS, folds=(fold,)))

    assert [(folded, "a", None), (spelt, "a", f"duplicate: {rule}")] == found
    assert [(spelt, "a", None)] == offered(f"<a href='{href}'>x</a>")


def test_urls_that_fold_into_one_are_offered_as_one() -> None:
    found = offered("<a href='/?a&b'>x</a><a href='/?b&a'>x</a><a href='/?a&b&utm_id=1'>x</a>", Rules(BOUNDS, folds=("query-order", "tracking")))

    assert ["?a&b"] == [url for url, _, refused in found if refused is None]
    assert 3 == len(found)


def test_what_is_refused_is_not_folded() -> None:
    rules = Rules(BOUNDS, folds=("index",))

    assert [("http://other.test/index.html", "a", "scope: scope host: other.test is no seed's host")] == offered(
        "<a href='http://other.test/index.html'>x</a>", rules
    )
    assert ["img"] == [kind for _, kind, _ in offered("<img src='/index.html'>", rules)]


def test_what_a_url_folds_into_is_judged_for_itself() -> None:
    rules = Rules(BOUNDS, folds=("index",), exclude=("dir/$",))

    assert {"dir/": "scope: exclude dir/$", "dir/index.html": "duplicate: fold index: without index.html"} == {
        url: refused for url, _, refused in offered("<a href='/dir/index.html'>x</a>", rules)
    }


def test_a_link_that_is_not_to_be_followed_is_not_followed_for_being_folded() -> None:
    found = offered("<a rel=nofollow href='/dir/index.html'>x</a>", Rules(BOUNDS, folds=("index",)))

    assert "nofollow: rel nofollow on the link" == {url: refused for url, _, refused in found}["dir/"]
    assert None not in [refused for _, _, refused in found]


CANONICAL = "<link rel=canonical href='{}'>"


@pytest.mark.parametrize(
    ("head", "headers", "folds_into"),
    [
        (CANONICAL.format("/real"), (), "http://host.test/real"),
        (CANONICAL.format("http://other.test/real"), (), "http://other.test/real"),
        (CANONICAL.format("page.html"), (), None),
        (CANONICAL.format("%70age.html#x"), (), None),
        (CANONICAL.format("mailto:x"), (), None),
        ("", (), None),
        ("", (("link", "</real>; rel=canonical"),), "http://host.test/real"),
        ("", (("link", "<#x>; rel=canonical"),), None),
        ("", (("link", "<mailto:x>; rel=canonical"),), None),
        (CANONICAL.format("/markup"), (("link", "</header>; rel=canonical"),), "http://host.test/header"),
    ],
)
def test_a_page_folds_into_its_own_idea_of_its_address_where_that_is_asked_for(head: str, headers: tuple, folds_into: str | None) -> None:
    page = {"headers": headers}

    assert folds_into == parsed(head + "<p>", Rules(BOUNDS, folds=("canonical",)), page=page).folds_into
    assert None is parsed(head + "<p>", Rules(BOUNDS, folds=("index",)), page=page).folds_into


# --- what the page asks -------------------------------------------------------------------------------------------

MARKED = "<a href=n rel=nofollow>x</a><a href=u rel=ugc>x</a><a href=s rel=sponsored>x</a><a href=nu rel='nofollow ugc'>x</a><a href=a>x</a>"


@pytest.mark.parametrize(
    ("disobey", "refused"),
    [
        ((), {"n": "nofollow", "u": "ugc", "s": "sponsored", "nu": "nofollow ugc"}),
        (("nofollow",), {"u": "ugc", "s": "sponsored", "nu": "nofollow ugc"}),
        (("ugc",), {"n": "nofollow", "s": "sponsored", "nu": "nofollow ugc"}),
        (("nofollow", "ugc", "sponsored"), {}),
        (("meta", "x-robots-tag"), {"n": "nofollow", "u": "ugc", "s": "sponsored", "nu": "nofollow ugc"}),
    ],
)
def test_words_on_a_link_are_obeyed_one_by_one(disobey: tuple[str, ...], refused: dict[str, str]) -> None:
    found = {url.removeprefix("dir/"): verdict for url, _, verdict in offered(MARKED, disobey=frozenset(disobey))}

    assert {url: f"nofollow: rel {words} on the link" for url, words in refused.items()} == {url: rule for url, rule in found.items() if rule}
    assert {"n", "u", "s", "nu", "a"} == set(found)


META = "<meta name=robots content='noindex,nofollow'><a href=x>x</a>"
HEADER = {"headers": (("x-robots-tag", "noindex, nofollow"),)}


@pytest.mark.parametrize(
    ("markup", "page", "disobey", "verdict"),
    [
        (META, {}, (), "nofollow: meta robots nofollow"),
        (META, {}, ("meta",), None),
        (META, {}, ("x-robots-tag", "nofollow"), "nofollow: meta robots nofollow"),
        ("<a href=x>x</a>", HEADER, (), "nofollow: X-Robots-Tag nofollow"),
        ("<a href=x>x</a>", HEADER, ("x-robots-tag",), None),
        ("<a href=x>x</a>", HEADER, ("meta",), "nofollow: X-Robots-Tag nofollow"),
        (META, HEADER, (), "nofollow: meta robots nofollow; X-Robots-Tag nofollow"),
        (META, HEADER, ("meta",), "nofollow: meta robots nofollow; X-Robots-Tag nofollow"),
        (META, HEADER, ("meta", "x-robots-tag"), None),
        ("<a href=x>x</a>", {"headers": (("x-robots-tag", "otherbot: nofollow"),)}, (), None),
    ],
)
def test_what_a_page_asks_for_all_its_links_is_obeyed_or_not(markup: str, page: dict[str, object], disobey: tuple[str, ...], verdict: str | None) -> None:
    assert [("dir/x", "a", verdict)] == offered(markup, page=page, disobey=frozenset(disobey))


@pytest.mark.parametrize(("markup", "page"), [(META, {}), ("<p>", HEADER), (META, HEADER)])
def test_what_a_page_asks_is_recorded_whether_it_is_obeyed_or_not(markup: str, page: dict[str, object]) -> None:
    for disobey in (frozenset[str](), frozenset({"meta", "x-robots-tag"})):
        found = parsed(markup, page=page, disobey=disobey)

        assert (True, True) == (found.noindex, found.nofollow)


def test_headers_make_links_that_no_base_changes_and_that_count() -> None:
    headers = (("link", "<h>; rel=next"), ("content-location", "/c"), ("refresh", "0; url=r"))
    found = parsed("<base href='/base/'><a href=x>x</a>", page={"headers": headers})

    assert [("dir/h", "next"), ("dir/r", "refresh"), ("base/x", "a"), ("c", "content-location"), ("base/", "base")] == [one[:2] for one in of(found)]
    assert 5 == found.links


def test_a_picture_too_may_have_headers_that_speak() -> None:
    found = parsed(b"\x89PNG", page={"content_type": "image/png", "headers": (("link", "</page>; rel=canonical"), ("x-robots-tag", "noindex"))})

    assert [("page", "canonical", None)] == list(of(found))
    assert (True, False, None) == (found.noindex, found.has_text, found.simhash)


# --- sitemaps -----------------------------------------------------------------------------------------------------

INDEX = "<sitemapindex><sitemap><loc>/1.xml</loc></sitemap><sitemap><loc>http://foreign.test/2.xml</loc></sitemap></sitemapindex>"
LISTED = """<urlset><url><loc>/a</loc><lastmod>1970-01-02</lastmod><priority>0.5</priority></url><url><loc>http://foreign.test/</loc>
<lastmod>1970-01-02</lastmod></url><url><loc>/b</loc></url></urlset>"""


def sitemap(body: str | bytes, *, hops: int = 0, rules: Rules = HOST, **more) -> Parsed:
    return parsed(body, rules, page={"url": "http://host.test/sitemap.xml", "content_type": "text/xml", "depth": 1, "kind": Kind.SITEMAP, "hops": hops}, **more)


@pytest.mark.parametrize("hops", [0, 1, MAX_SITEMAP_HOPS - 1])
def test_a_sitemap_leads_to_sitemaps_of_the_seeds_sites(hops: int) -> None:
    found = sitemap(INDEX, hops=hops)

    assert [("1.xml", "sitemap", None), ("http://foreign.test/2.xml", "sitemap", "scope: sitemap: foreign.test is no seed's site")] == list(of(found))
    assert (hops + 1, 2) == (found.offers.hops, found.offers.depth)


def test_sitemaps_below_sitemaps_come_to_an_end() -> None:
    assert {f"trap: more than {MAX_SITEMAP_HOPS} sitemap indexes below one another"} == {
        refused for _, _, refused in of(sitemap(INDEX, hops=MAX_SITEMAP_HOPS))
    }


def test_the_pages_that_a_sitemap_lists_are_links_however_deep_it_lies() -> None:
    found = sitemap(LISTED, hops=MAX_SITEMAP_HOPS)

    assert [("a", None), ("http://foreign.test/", "scope: scope host: foreign.test is no seed's host"), ("b", None)] == [
        (url, refused) for url, kind, refused in of(found) if kind == "listed"
    ]


def test_what_a_sitemap_says_of_pages_that_may_enter_comes_along() -> None:
    assert (("http://host.test/a", 86_400, 0.5), ("http://host.test/b", None, None)) == sitemap(LISTED).listed


def test_a_sitemap_is_no_page_with_a_text() -> None:
    found = sitemap(LISTED)

    assert (False, None, None) == (found.has_text, found.simhash, found.title)


def test_sitemaps_can_be_left() -> None:
    assert {"scope: kind sitemap: --sitemaps off"} == {refused for _, _, refused in of(sitemap(INDEX, rules=Rules(BOUNDS, follow=FOLLOWED - {Kind.SITEMAP})))}


def test_a_sitemap_of_fifty_thousand_pages_is_offered_in_full() -> None:
    """More than a page may link to, beyond the size that is read of a page, packed. Processor time, with room to spare: 0.4 to 1.4 s."""
    entries = "".join(f"<url><loc>http://host.test/page/{number}</loc><lastmod>2026-01-02</lastmod></url>" for number in range(MAX_LISTED + 10))
    body = gzip.compress(f"<urlset>{entries}</urlset>".encode(), 1)
    reader = harvester(parse_size=1_000)
    started = time.process_time()
    found = reader.harvest(Page("http://host.test/s.xml.gz", "application/gzip", 1, 0, body, Kind.SITEMAP))
    took = time.process_time() - started

    assert (MAX_LISTED, MAX_LISTED, True) == (len(found.offers), len(found.listed), found.links_truncated)
    assert {0} == set(found.offers.verdicts)
    assert took < 4


# --- the text -----------------------------------------------------------------------------------------------------

WORDS = "Of all the words that a page may hold these few are enough to tell it from any other page there is. " * 20


def test_a_page_has_the_fingerprint_of_its_text_and_not_of_its_markup() -> None:
    one, same, near, other = (
        parsed(markup).simhash
        for markup in (
            f"<title>1</title><p>{WORDS}", f"<div class=x><script>7</script><b>{WORDS}</b><!-- 2 -->", f"<p>{WORDS} and more", f"<p>{WORDS[::-1]}",
        )
    )  # fmt: skip

    assert one is not None
    assert one == same
    assert distance(one, near or 0) <= 8 < distance(one, other or 0)


@pytest.mark.parametrize(
    ("body", "content_type", "has_text", "has_fingerprint"),
    [
        (f"<p>{WORDS}", HTML, True, True),
        ("<p>few words", HTML, True, False),
        ("<p></p>", HTML, True, False),
        ("body{}", "text/css", False, False),
        ("\x89PNG", "image/png", False, False),
    ],
)
def test_what_has_a_text_says_so_however_short_it_is(body: str, content_type: str, has_text: bool, has_fingerprint: bool) -> None:
    found = parsed(body, page={"content_type": content_type})

    assert (has_text, has_fingerprint) == (found.has_text, found.simhash is not None)


# --- patterns whose pages are all alike ---------------------------------------------------------------------------

CALENDAR = "<a href='/cal/2026/01'>next</a><a href='/other'>x</a>"
PATTERN = "host.test/cal/N/*"


@pytest.mark.parametrize(
    ("state", "depth", "refused"),
    [
        ("alike", ALIKE_DEPTH - 1, None),
        ("alike", ALIKE_DEPTH, f"trap: the pages of host.test/cal/N/* are all alike, and depth {ALIKE_DEPTH + 1} is beyond {ALIKE_DEPTH}; --undamp lets it in"),
        ("closed", 0, "trap: the pages of host.test/cal/N/* are all alike; --undamp lets it in"),
    ],
)
def test_a_pattern_whose_pages_are_all_alike_goes_no_deeper_and_a_closed_one_nowhere(state: str, depth: int, refused: str | None) -> None:
    rules = Rules(BOUNDS, damped=((PATTERN, state),))

    assert [("cal/2026/01", "a", refused), ("other", "a", None)] == offered(CALENDAR, rules, page={"depth": depth})


def test_a_depth_that_matters_for_a_pattern_is_not_remembered_for_another_depth() -> None:
    reader = harvester(Rules(BOUNDS, damped=((PATTERN, "alike"),)))
    found = [reader.harvest(Page(URL, HTML, depth, 0, CALENDAR.encode())).offers.verdicts for depth in (0, ALIKE_DEPTH, 1)]

    assert [b"\0\0", b"\1\0", b"\0\0"] == found


# --- documents that are no pages ----------------------------------------------------------------------------------


def test_a_manifest_leads_to_pages_and_its_pictures_are_needed() -> None:
    body = '{"start_url": "/app", "icons": [{"src": "http://cdn.test/i.png"}]}'
    found = parsed(body, WITH_REQUISITES, page={"content_type": "application/json", "kind": Kind.MANIFEST, "hops": 0})

    assert {("app", "a", None), ("http://cdn.test/i.png", "icon", None)} == set(of(found))
    assert 1 == found.offers.hops


def test_the_links_of_a_pdf_document_are_read_where_that_is_asked_for() -> None:
    pypdf = pytest.importorskip("pypdf", reason="the extra `pdf` is not installed")
    writer, file = pypdf.PdfWriter(), io.BytesIO()
    writer.add_blank_page(100, 100)
    writer.add_uri(0, "http://host.test/from-pdf", pypdf.generic.RectangleObject((0, 0, 9, 9)))
    writer.write(file)
    found = [offered(file.getvalue(), page={"content_type": "application/pdf"}, pdf=wanted, parse_size=10) for wanted in (True, False)]

    assert [[("from-pdf", "a", None)], []] == found


def test_a_document_that_nobody_reads_is_empty() -> None:
    assert Parsed(Offers(depth=1, priority=1)) == parsed("http://host.test/x", page={"content_type": "text/plain"})


def test_what_a_sitemap_lists_is_never_damped() -> None:
    """It has an end, and the owner of the site has put it there; a link to the same page is damped."""
    damped = Rules((Ruleset("host", None, frozenset({"host.test"})),), damped=(("host.test/*", "closed"),))
    listed = sitemap("<urlset><url><loc>http://host.test/a</loc></url></urlset>", rules=damped)
    linked = parsed("<a href=http://host.test/a>x</a>", damped)

    assert [None] == [refused for _, _, refused in of(listed)]
    assert ["trap: the pages of host.test/* are all alike; --undamp lets it in"] == [refused for _, _, refused in of(linked)]
