"""Every place where a page keeps a link, and the kind that it has there, whatever parser reads the page."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.model import Kind
from crawler.core.page import Page
from crawler.core.parse import read
from crawler.core.soup import TEXT_CHARS, LinkTreeBuilder

URL = "http://host.test/dir/page.html?q"
PARSERS = ("lexbor", "lxml", "html5lib", "html.parser")
BROWSERS = ("lexbor", "html5lib")
"""Those that know where a drawing begins."""


def page(markup: str, parser: str = "lexbor") -> Page:
    return read(markup.encode(), url=URL, content_type="text/html; charset=utf-8", parser=parser)


def kinds(markup: str, parser: str = "lexbor") -> list[tuple[str, str]]:
    """Return (kind, reference) of each link in the order of the alphabet: where they stand is another matter."""
    return sorted((kind.value, href) for kind, href in page(markup, parser).links)


# --- link elements ------------------------------------------------------------------------------------------------

RELATIONS = [
    ("rel=canonical", Kind.CANONICAL),
    ("rel=next", Kind.NEXT),
    ("rel=prev", Kind.PREV),
    ("rel=previous", Kind.PREV),
    ("rel=stylesheet", Kind.STYLESHEET),
    ("rel='alternate stylesheet'", Kind.STYLESHEET),
    ("rel='STYLESHEET'", Kind.STYLESHEET),
    ("rel=icon", Kind.ICON),
    ("rel='shortcut icon'", Kind.ICON),
    ("rel=apple-touch-icon", Kind.ICON),
    ("rel=apple-touch-icon-precomposed", Kind.ICON),
    ("rel=mask-icon", Kind.ICON),
    ("rel=manifest", Kind.MANIFEST),
    ("rel=amphtml", Kind.AMP),
    ("rel=modulepreload", Kind.SCRIPT),
    ("rel=feed", Kind.FEED),
    ("rel=alternate", Kind.ALTERNATE),
    ("rel=alternate media=print", Kind.ALTERNATE),
    ("rel=alternate type=application/pdf", Kind.ALTERNATE),
    ("rel=alternate hreflang=ko", Kind.HREFLANG),
    ("rel=alternate hreflang=x-default type=text/html", Kind.HREFLANG),
    ("rel=alternate type=application/rss+xml", Kind.FEED),
    ("rel=alternate type=application/atom+xml", Kind.FEED),
    ("rel=alternate type=application/rdf+xml", Kind.FEED),
    ("rel=alternate type=application/feed+json", Kind.FEED),
    ("rel=alternate type='Application/RSS+XML; charset=utf-8' hreflang=ko", Kind.FEED),
    ("rel=preload as=image", Kind.IMG),
    ("rel=preload as=script", Kind.SCRIPT),
    ("rel=preload as=style", Kind.STYLESHEET),
    ("rel=preload as=video", Kind.VIDEO),
    ("rel=preload as=audio", Kind.AUDIO),
    ("rel=preload as=track", Kind.TRACK),
    ("rel=preload as=font", Kind.OTHER),
    ("rel=preload", Kind.OTHER),
    ("rel=prefetch", Kind.OTHER),
    ("rel=prefetch as=SCRIPT", Kind.SCRIPT),
    ("rel=search", Kind.OTHER),
    ("rel=license", Kind.OTHER),
    ("rel='preconnect search'", Kind.OTHER),
]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("attributes", "kind"), RELATIONS)
def test_a_link_element_is_of_the_kind_that_its_rel_says(attributes, kind, parser):
    assert [(kind.value, "x")] == kinds(f"<head><link {attributes} href=' x '></head>", parser)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("rel", ["", "rel", "rel=''", "rel=dns-prefetch", "rel=preconnect", "rel='dns-prefetch PRECONNECT'", "rel=pingback", "rel=profile"])
def test_a_link_element_that_leads_to_no_document_is_no_link(rel, parser):
    assert [] == kinds(f"<link {rel} href=x>", parser)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("rest", ["", "href", "href=''", "href='data:,x'", "href='mailto:x@y'"])
def test_a_link_element_without_a_reference_is_none(rest, parser):
    assert [] == kinds(f"<link rel=stylesheet {rest}>", parser)


@pytest.mark.parametrize("parser", PARSERS)
def test_what_matters_most_decides_where_a_rel_has_several_words(parser):
    assert [("canonical", "1"), ("next", "2")] == kinds("<link rel='stylesheet canonical' href=1><link rel='prefetch next' href=2>", parser)


@pytest.mark.parametrize("parser", PARSERS)
def test_a_preloaded_picture_may_come_in_sizes(parser):
    expected = [("img", "a"), ("img", "b"), ("img", "c")]

    assert expected == kinds("<link rel=preload as=image href=a imagesrcset='b 1x, c 2x'>", parser)


# --- pictures, sound, plug-ins ------------------------------------------------------------------------------------

PLACES = [
    ("<img src=a>", [("img", "a")]),
    ("<img src=a srcset='b 1x, c 2x'>", [("img", "a"), ("img", "b"), ("img", "c")]),
    ("<img srcset='b 100w'>", [("img", "b")]),
    ("<img src=a srcset='b 1x 2x, c wide'>", [("img", "a")]),
    ("<img src='data:image/gif;base64,R0lG' srcset='data:,x 1x, b 2x'>", [("img", "b")]),
    ("<picture><source srcset='a, b 2x'><img src=c></picture>", [("img", "c"), ("source", "a"), ("source", "b")]),
    ("<video src=a poster=b></video>", [("video", "a"), ("video", "b")]),
    ("<video poster=b></video>", [("video", "b")]),
    ("<video><source src=a><track src=b></video>", [("source", "a"), ("track", "b")]),
    ("<audio src=a></audio>", [("audio", "a")]),
    ("<audio><source src=a></audio>", [("source", "a")]),
    ("<script src=a></script>", [("script", "a")]),
    ("<script type=module src=a></script>", [("script", "a")]),
    ("<embed src=a>", [("embed", "a")]),
    ("<object data=a></object>", [("object", "a")]),
    ("<object data=a><param name=movie value=b><param name=SRC value=c><param name=loop value=d></object>", [("object", x) for x in "abc"]),
    ("<object><param name=movie value=b></object>", [("object", "b")]),
    ("<object data='data:,x'></object>", []),
    ("<input type=image src=a>", [("img", "a")]),
    ("<input type=' IMAGE ' src=a>", [("img", "a")]),
    ("<input type=text src=a><input src=b>", []),
    ("<iframe src=a></iframe>", [("iframe", "a")]),
    ("<body background=a>", [("img", "a")]),
    ("<body background=''>", []),
]


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(("markup", "expected"), PLACES)
def test_what_a_browser_fetches_to_show_a_page_is_found(markup, expected, parser):
    assert expected == kinds(markup, parser)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ("data-src=a.png", ["a.png"]),
        ("data-src=a.png alt=x", ["a.png"]),
        ("src=t.gif data-src=a.png", ["a.png", "t.gif"]),
        ("data-original=/a", ["/a"]),
        ("data-lazy=/a", ["/a"]),
        ("data-lazy-src=/a", ["/a"]),
        ("data-full-src=/a", ["/a"]),
        ("data-srcset='a.png 1x, b.png 2x'", ["a.png", "b.png"]),
        ("data-lazy-srcset='a.png 100w'", ["a.png"]),
        ("data-src-small='a.png, b.png'", ["a.png", "b.png"]),
        ("data-src='data:image/png;base64,x'", []),
        ("data-lazy=true data-src=7 data-src-id='12 34'", []),
        ("data-href=/a data-id=a.png src-data=/a", []),
    ],
)
def test_what_a_script_loads_when_it_comes_into_view_is_found(attributes, expected, parser):
    assert [("img", href) for href in expected] == kinds(f"<img {attributes}>", parser)


@pytest.mark.parametrize("parser", PARSERS)
def test_late_sources_and_posters_and_frames_have_the_kind_of_their_element(parser):
    markup = "<source data-srcset='a.png 1x'><video data-src=b.mp4></video><iframe src=about:blank data-src=/c></iframe><p data-src=/no></p>"

    assert [("iframe", "/c"), ("source", "a.png"), ("video", "b.mp4")] == kinds(markup, parser)


CARDS = {
    "og:image": "img", "og:image:url": "img", "og:image:secure_url": "img", "twitter:image": "img", "twitter:image:src": "img",
    "og:video": "video", "og:video:url": "video", "og:video:secure_url": "video", "og:audio": "audio", "og:audio:url": "audio",
    "og:audio:secure_url": "audio",
}  # fmt: skip


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("named_by", ["property", "name"])
def test_cards_for_other_sites_name_pictures_videos_and_sound(named_by, parser):
    markup = "".join(f"<meta {named_by}='{name}' content=' /{name} '>" for name in CARDS)

    assert sorted((kind, f"/{name}") for name, kind in CARDS.items()) == kinds(markup, parser)


@pytest.mark.parametrize("parser", PARSERS)
def test_what_else_a_card_says_is_no_link(parser):
    markup = """<meta property=og:image:type content=image/png><meta property=og:title content=/a><meta property=og:url content=/b>
    <meta property=og:image><meta property=og:image content=''><meta content=/c><meta property=OG:Image content=/d>"""

    assert [("img", "/d")] == kinds(markup, parser)


# --- forms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("attributes", "found"),
    [
        ("action=x", True),
        ("action=x method=get", True),
        ("action=x method=' GET '", True),
        ("action=x method=''", True),
        ("action=x method=post", False),
        ("action=x method=Dialog", False),
        ("method=get", False),
        ("action=''", False),
        ("action='javascript:x'", False),
    ],
)
def test_the_action_of_a_form_that_is_sent_with_get_is_a_link(attributes, found, parser):
    assert ([("form", "x")] if found else []) == kinds(f"<form {attributes}></form>", parser)


# --- drawings -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parser", PARSERS)
def test_drawings_refer_to_drawings_and_link_to_pages(parser):
    markup = """<svg><use xlink:href='u.svg#i'></use><use href='v.svg'></use><use href='#own'></use><use xlink:href=' #own'></use>
    <image xlink:href='i.png'></image><image href='j.png'></image><feImage href='f.png'></feImage><a xlink:href='old'></a><a href='new' xlink:href='no'></a></svg>"""
    svg = [("svg", href) for href in ("f.png", "i.png", "j.png", "u.svg#i", "v.svg")]

    assert [("a", "new"), ("a", "old"), *svg] == kinds(markup, parser)


@pytest.mark.parametrize("parser", PARSERS)
def test_a_link_in_a_drawing_may_ask_not_to_be_followed(parser):
    found = page("<svg><a xlink:href=x rel=nofollow></a><a xlink:href=y></a></svg>", parser)

    assert (((Kind.A, "y"),), ((Kind.A, "x", "nofollow"),)) == (found.links, found.unfollowed)


@pytest.mark.parametrize("parser", BROWSERS)
def test_an_image_outside_of_a_drawing_is_a_picture(parser):
    """HTML standard, 13.2.6.4.7: "Don't ask"."""
    assert [("img", "x")] == kinds("<image src=x>", parser)


# --- all of it ----------------------------------------------------------------------------------------------------

ELEMENTS = [
    *(f"<link {attributes} href=l>" for attributes, _ in RELATIONS),
    *(markup for markup, _ in PLACES if "body" not in markup),
    *("<a href=a>", "</a>", "<a rel=nofollow href=n>x</a>", "<area href=b>", "<form action=f>", "</form>", "<form method=post action=g>", "<base href=/c/>",
      "<img data-src=d.png>", "<meta property=og:image content=e>", "<meta http-equiv=refresh content='0;url=r'>", "<meta name=robots content=none>"),
    *("<svg>", "</svg>", "<svg><use xlink:href=u /></svg>", "<use href=#v />", "<image href=w />", "<feImage href=i />", "<foreignObject>", "<math>", "</math>"),
    *("<table>", "<tr>", "<td>", "</table>", "<p>", "</p>", "<div>", "</div>", "<b>", "</b>", "<title>t</title>", "text",
      "<!-- <a href=no> -->", "<noscript>", "</noscript>", "<textarea>", "</textarea>", "<object>", "</object>", "<video>", "</video>"),
]  # fmt: skip


@given(st.lists(st.sampled_from(ELEMENTS), max_size=25))
@settings(deadline=None)
def test_in_any_order_of_elements_as_many_links_are_found_as_a_browsers_parser_written_in_python_finds(parts):
    """There is no `select` in it: html5lib follows an older standard there."""
    markup = "".join(parts)
    ours, theirs = page(markup), page(markup, "html5lib")

    assert sorted(ours.links) == sorted(theirs.links)
    assert sorted(ours.unfollowed) == sorted(theirs.unfollowed)
    assert (ours.base, ours.title, ours.canonical, ours.noindex) == (theirs.base, theirs.title, theirs.canonical, theirs.noindex)


# --- bounds -------------------------------------------------------------------------------------------------------


def test_elements_beyond_the_limit_are_not_looked_at_and_that_is_said(monkeypatch):
    monkeypatch.setattr(LinkTreeBuilder, "MOST", 10)
    few, many = page("<a href=x>" * 8), page("<a href=x>" * 50)

    assert (8, False, True) == (len(few.links), few.cut, many.cut)
    assert len(many.links) <= 10


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("shape", ["<img srcset='{}'>", "<img data-srcset='{}'>", "<link rel=preload as=image href=a imagesrcset='{}'>"])
def test_a_set_of_a_hundred_thousand_pictures_is_cut(shape, parser):
    markup = shape.format(",".join(f"{number} {number}w" for number in range(1, 100_001)))

    assert 1_000 <= len(page(markup, parser).links) <= 1_001


@pytest.mark.parametrize("parser", PARSERS)
def test_the_words_of_a_page_are_those_of_its_body(parser):
    found = page("<html><head><title>no</title><meta content=no></head><body><p>one</p>two <b>three</b><!-- no --></body></html>", parser)

    assert ["one", "two", "three"] == (found.text or "").split()


@pytest.mark.parametrize("parser", PARSERS)
def test_of_a_long_text_the_beginning_the_middle_and_the_end_are_kept(parser):
    words = "".join(f"w{number:05} " for number in range(20_000))
    kept = (page(f"<p>{words}</p>", parser).text or "").split()

    assert TEXT_CHARS - 100 < len(" ".join(kept)) < TEXT_CHARS + 100
    assert {"w00000", "w10000", "w19999"} < set(kept)


def test_styles_within_a_page_are_read_where_they_are_asked_for():
    html = b"<style>@import 'a.css'; p { background: url(b.png) }</style><p style=\"background: url('c.png')\">x</p><p style=color:red>x</p>"
    found = [read(html, url="http://h.test/", content_type="text/html", styles=styles).links for styles in (True, False)]

    assert [((Kind.CSS, "a.css"), (Kind.CSS, "b.png"), (Kind.CSS, "c.png")), ()] == found
