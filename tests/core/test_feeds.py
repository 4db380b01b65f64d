"""What a feed links to: its forms, its relations, bases, broken and hostile ones."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import feeds, markup
from crawler.core.feeds import MAX_LINKS, Feed
from crawler.core.model import Kind

ATOM = 'xmlns="http://www.w3.org/2005/Atom"'
JSON = "https://jsonfeed.org/version/1.1"


def read(document: str | bytes, content_type: str | None = "application/xml") -> Feed | None:
    body = document.encode() if isinstance(document, str) else document
    return feeds.read(body, content_type=content_type)


def rss(content: str, attributes: str = 'version="2.0"') -> str:
    return f'<?xml version="1.0"?>\n<rss {attributes}><channel>{content}</channel></rss>'


def json_feed(content_type: str | None = "application/feed+json", **fields: object) -> Feed | None:
    return read(json.dumps({"version": JSON, **fields}), content_type)


def links(found: Feed | None) -> list[tuple[Kind, str]]:
    return list(found.links)


# --- RSS ----------------------------------------------------------------------------------------------------------


def test_rss_links_to_its_home_and_its_items():
    found = read(
        rss(
            "<title> A \n title </title><link>http://h/</link><language>de-AT</language><description>&lt;a href='/no'&gt;</description>"
            "<image><url>/i.png</url><title>no</title><link>http://h/no</link></image>"
            "<item><title>no</title><link> http://h/1 </link><description><![CDATA[<a href='/no'>]]></description></item>"
            "<item><link><![CDATA[http://h/2?a&b]]></link><comments>http://h/no</comments><source url='/no'>no</source></item>"
        )
    )

    assert Feed(((Kind.A, "http://h/"), (Kind.A, "http://h/1"), (Kind.A, "http://h/2?a&b")), "A title", "de-AT") == found


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("<guid>http://h/1</guid>", ["http://h/1"]),
        ("<guid>http://h/1</guid><link>http://h/2</link>", ["http://h/2", "http://h/1"]),
        ("<guid isPermaLink='true'>http://h/1</guid>", ["http://h/1"]),
        ("<link>http://h/2</link><guid isPermaLink=' False '>http://h/1</guid>", ["http://h/2"]),
        ("<link>http://h/2</link><guid ispermalink='false'>http://h/1</guid>", ["http://h/2"]),
        ("<guid isPermaLink='false'>HTTPS://h/1</guid>", ["HTTPS://h/1"]),
        ("<enclosure url='/1.mp3' type='audio/mpeg'/><guid isPermaLink='false'>http://h/1</guid>", ["http://h/1"]),
        ("<guid>tag:h,2005:1</guid>", []),
        ("<guid>12345</guid><link/>", []),
    ],
)
def test_an_identifier_is_a_link_where_it_says_so_or_nothing_else_is(item, expected):
    """By default it is one (RSS 2.0); where it says that it is none, and there is no other, it is what there is."""
    found = read(rss(f"<item>{item}</item><item><link>http://h/last</link></item>"))

    assert [*expected, "http://h/last"] == [href for kind, href in links(found) if kind is Kind.A]


def test_enclosures_are_of_the_kind_that_their_type_says():
    item = "".join(
        f"<enclosure url='/{number}' length='1' type='{mime}'/>" for number, mime in enumerate(["audio/mpeg", "VIDEO/mp4", " image/png", "application/pdf", ""])
    )

    expected = [(Kind.AUDIO, "/0"), (Kind.VIDEO, "/1"), (Kind.IMG, "/2"), (Kind.OTHER, "/3"), (Kind.OTHER, "/4"), (Kind.OTHER, "/5")]
    assert expected == links(read(rss(f"<item>{item}<enclosure url='/5'/><enclosure/></item>")))


def test_rss_may_have_links_of_atom():
    found = read(
        rss(
            '<atom:link rel="self" href="/rss"/><atom:link rel="hub" href="/hub"/><atom:link rel="next" href="/rss?2"/><link>/home</link>'
            '<atom:link rel="http://www.iana.org/assignments/relation/prev-archive" href="/rss?0"/>'
            '<item><atom:link href="/1"/><atom:link rel="replies" href="/no"/></item>',
            'xmlns:atom="http://www.w3.org/2005/Atom"',
        )
    )

    assert [(Kind.NEXT, "/rss?2"), (Kind.A, "/home"), (Kind.PREV, "/rss?0"), (Kind.A, "/1")] == links(found)


@pytest.mark.parametrize(
    "document",
    [
        "<rss><channel><link>/h</link><item><link>/1</link></item></channel></rss>",
        "<RSS><Channel><Link>/h</Link><Item><LINK>/1</LINK></Item></Channel></RSS>",
        ('<!DOCTYPE rss PUBLIC "-//Netscape Communications//DTD RSS 0.91//EN" "http://my.netscape.com/publish/formats/rss-0.91.dtd">'
        '<rss version="0.91"><channel><link>/h</link><item><link>/1</link></item></channel></rss>'),
        '<rss xmlns="http://backend.userland.com/rss2"><channel><link>/h</link><item><link>/1</link></item></channel></rss>',
        '<rss xmlns="http://nobody.knows/this"><channel><link>/h</link><item><link>/1</link></item></channel></rss>',
        ('<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"><channel><link>/h</link>'
        "<items><r:Seq><r:li r:resource='/no'/></r:Seq></items></channel><image><link>/no</link></image><item><link>/1</link></item></r:RDF>"),
        ('<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://my.netscape.com/rdf/simple/0.9/"><channel><link>/h</link>'
        "</channel><item><link>/1</link></item></r:RDF>"),
        ('<rss xmlns:m="http://search.yahoo.com/mrss/"><channel><m:link>/no</m:link><link>/h</link><item><link>/1</link>'
        "<m:link href='/no'/><m:content url='/no'/></item></channel></rss>"),
    ],
)
def test_every_version_of_rss_is_read(document):
    assert [(Kind.A, "/h"), (Kind.A, "/1")] == links(read(document))


def test_rss_1_has_enclosures_in_a_module():
    found = read(
        '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"'
        ' xmlns:enc="http://purl.oclc.org/net/rss_2.0/enc#" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<channel><title>T</title><dc:language>ja</dc:language></channel>"
        '<item><enc:enclosure r:resource="/1.ogg" enc:type="audio/ogg"/></item></r:RDF>'
    )

    assert Feed(((Kind.AUDIO, "/1.ogg"),), "T", "ja") == found


# --- Atom ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("space", [ATOM, 'xmlns="http://purl.org/atom/ns#" version="0.3"', ""])
def test_atom_links_by_relation(space):
    found = read(
        f"<feed {space} xml:lang='en'><title type='xhtml'><div>A <b>title</b></div></title><link rel='self' href='/atom'/>"
        "<link href='/'/><link rel='Previous' href='/atom?0'/><link rel='next-archive' href='/atom?2'/><link rel='edit' href='/no'/>"
        "<entry><title>no</title><link rel='alternate' type='text/html' href=' /1 '/><link rel='related' href='/no'/>"
        "<link rel='enclosure' type='video/mp4' href='/1.mp4'/><id>http://h/no</id><source><link href='/no'/></source>"
        "<content type='xhtml'><div><a href='/no'/><link href='/no'/></div></content></entry>"
        "<entry><content src='/2.pdf' type='application/pdf'/></entry><entry><content type='image/png' src='/3'/><link rel='' href=''/></entry></feed>"
    )

    expected = (
        (Kind.A, "/"), (Kind.PREV, "/atom?0"), (Kind.NEXT, "/atom?2"), (Kind.A, "/1"), (Kind.VIDEO, "/1.mp4"), (Kind.A, "/2.pdf"),
        (Kind.IMG, "/3"),
    )  # fmt: skip
    assert Feed(expected, "A title", "en") == found


def test_a_single_entry_is_a_feed_too():
    assert Feed(((Kind.A, "/1"),), "T") == read(f"<entry {ATOM}><title>T</title><link href='/1'/></entry>")


def test_prefixes_do_not_matter():
    found = read('<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:entry><a:link href="/1"/></a:entry></a:feed>')

    assert Feed(((Kind.A, "/1"),)) == found


@pytest.mark.parametrize(
    ("base", "href", "joined"),
    [
        ("http://h/a/", "1", "http://h/a/1"),
        ("http://h/a/", "/1", "http://h/1"),
        ("http://h/a/", "http://i/", "http://i/"),
        ("http://h/a/", "mailto:x", "mailto:x"),
        ("/a/", "1", "/a/1"),
        ("a/b", "?q", "a/b?q"),
        ("http://[", "1", "1"),
        ("", "1", "1"),
        ("http://h/ä/", "ö", "http://h/%C3%A4/%C3%B6"),
    ],
)
def test_a_base_of_its_own_is_honoured(base, href, joined):
    found = read(f"<feed {ATOM} xml:base='{base}'><entry><link href='{href}'/></entry></feed>")

    assert Feed(((Kind.A, joined),), base=base or None) == found


def test_bases_hold_inside_their_elements_and_build_on_each_other():
    found = read(
        f"<feed {ATOM}><entry xml:base='http://h/a/'><title xml:base='http://no/'/><link href='1'/><link xml:base='b/' href='2'/>"
        "<link href='3'/></entry><link href='4'/><entry><link href='5'/></entry></feed>"
    )

    expected = ["http://h/a/1", "http://h/a/b/2", "http://h/a/3", "4", "5"]
    assert Feed(tuple((Kind.A, href) for href in expected)) == found
    assert [(Kind.A, "http://h/1")] == links(read(rss("<item><link>1</link></item>", "xml:base='http://h/'")))


# --- JSON ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content_type", ["application/feed+json", "application/json; charset=utf-8", None])
def test_a_json_feed_links_to_its_pages(content_type):
    found = json_feed(
        content_type,
        title=" A\n title ",
        language="fr",
        home_page_url="http://h/",
        feed_url="http://h/no",
        next_url="/2",
        hubs=[{"type": "x", "url": "/no"}],
        items=[
            {"id": "http://h/no", "url": " /1 ", "content_html": "<a href='/no'>", "image": "/no"},
            {"id": "http://h/3", "external_url": "http://i/"},
            {"id": "http://h/4"},
            {"id": 5, "attachments": [{"url": "/5.mp3", "mime_type": "audio/mpeg"}, {"url": "/5.pdf"}, {"mime_type": "image/png"}]},
        ],
    )

    expected = (
        (Kind.A, "http://h/"), (Kind.NEXT, "/2"), (Kind.A, "/1"), (Kind.A, "http://i/"), (Kind.A, "http://h/4"), (Kind.AUDIO, "/5.mp3"),
        (Kind.OTHER, "/5.pdf"),
    )  # fmt: skip
    assert Feed(expected, "A title", "fr") == found


def test_a_part_of_the_wrong_type_costs_that_part_only():
    found = json_feed(title=1, language=[], home_page_url={}, items=[1, None, [], {"url": 2}, {"url": "/3", "attachments": 4}, {"attachments": [5]}])

    assert Feed(((Kind.A, "/3"),)) == found
    assert Feed() == json_feed(items={"url": "/no"})


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        ('{"version": "https://jsonfeed.org/version/1"}', "text/html"),
        ('{"version": "https://jsonfeed.org/version/1"}', "text/plain"),
        ('{"version": "2", "x": "jsonfeed.org"}', "application/json"),
        ('{"x": "jsonfeed.org"}', "application/feed+json"),
        ('{"version": 1, "x": "jsonfeed.org"}', "application/json"),
        ('["https://jsonfeed.org/version/1"]', "application/json"),
        ('{"x": "https://jsonfeed.org/version/1"', "application/json"),
        ("{}", "application/json"),
        ("", "application/json"),
    ],
)
def test_what_has_no_such_version_is_no_json_feed(document, content_type):
    assert read(document, content_type) is None


def test_version_may_be_written_as_some_libraries_do():
    assert Feed(((Kind.A, "/1"),)) == read('{"items": [{"url": "\\/1"}], "version": "http:\\/\\/www.jsonfeed.org\\/version\\/1"}', "application/json")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_json_feed_may_have_a_mark(encoding):
    assert Feed(((Kind.A, "/ö"),)) == read(json.dumps({"version": JSON, "items": [{"url": "/ö"}]}, ensure_ascii=False).encode(encoding), "application/json")


@pytest.mark.parametrize("broken", ['{"version": "%s", "items": [', '{"version": "%s"} x', '{"version": "%s", "a": ' + "[" * 100_000])
def test_a_broken_json_feed_says_so(broken):
    assert Feed(cut=True) == read(broken.replace("%s", JSON), "application/json")


def test_bytes_that_are_no_characters_cost_no_item():
    assert [(Kind.A, "/\ufffd")] == links(read(b'{"version": "https://jsonfeed.org/version/1", "items": [{"url": "/\xff"}]}', "application/json"))


def test_json_is_bounded():
    many = json_feed(items=[{"url": "/"}] * (MAX_LINKS + 1))
    large = json_feed(items=[{"url": "/", "x": "x" * feeds.MAX_JSON_BYTES}])

    assert (MAX_LINKS, True) == (len(many.links), many.cut)
    assert Feed(cut=True) == large
    assert [Feed(), Feed(cut=True)] == [json_feed(items=[0] * (feeds.MAX_JSON_COMMAS + more)) for more in (0, 1)]


# --- what is none, what is broken, what is hostile ----------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        "", "text", "<html><rss/></html>", "<!DOCTYPE html><html>", "<urlset/>", "<feed xmlns='http://other'/>", "<entry/>", "<rss", "<rss a b>",
        "<entry xmlns='http://purl.org/rss/1.0/'/>", "<channel/>", '<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><Agent/></r:RDF>',
    ],
)  # fmt: skip
def test_what_has_another_root_is_no_feed(document):
    assert read(document) is None


@pytest.mark.parametrize("document", ["<rss/>", "<feed/>", rss("")])
def test_an_empty_feed_is_one(document):
    assert Feed() == read(document)


@pytest.mark.parametrize("content_type", [None, "text/html", "text/xml", "application/rss+xml", "application/gzip"])
def test_a_feed_is_one_whatever_its_type_says(content_type):
    assert [(Kind.A, "/1")] == links(read(rss("<item><link>/1</link></item>"), content_type))
    assert [(Kind.A, "/1")] == links(read(gzip.compress(rss("<item><link>/1</link></item>").encode()), content_type))


def test_titles_are_one_line_of_bounded_length():
    assert "ö" * 512 == read(rss(f"<title>{'ö' * 600}</title>")).title
    assert "caf\u00e9 & \u2019" == read(rss("<title>caf&eacute; &\n\n&#8217;</title><title>no</title>")).title
    assert read(rss("<title> </title>")).title is None
    assert "x" * feeds.LANG_CHARS == read(rss(f"<language>{'x' * 1000}</language>")).lang


@pytest.mark.parametrize("end", ["", "<item><link>/2", "<b></a>", "&#x110000;"])
def test_what_was_read_before_a_feed_breaks_counts(end):
    found = read(f"<rss><channel><item><link>/1</link></item>{end}")

    assert Feed(((Kind.A, "/1"),), cut=True) == found
    assert Feed(((Kind.A, "http://h/"),), cut=True) == read(f"<rss><channel><item><guid>http://h/</guid>{end}")


def test_a_packed_feed_that_breaks_off_says_so():
    packed = gzip.compress(rss("<item><link>/1</link></item>").encode())

    assert Feed(((Kind.A, "/1"),), cut=True) == read(packed[:-4])


@pytest.mark.parametrize("root", ["rss", "feed", "r:RDF"])
def test_a_document_type_with_declarations_makes_us_refuse_the_feed(root):
    document = f'<!DOCTYPE {root} [<!ENTITY x SYSTEM "file:///etc/passwd">]><{root}><channel><title>&x;</title><link>/&x;</link></channel></{root}>'

    assert Feed(cut=True) == read(document)


def test_bases_are_bounded():
    bases = "<item xml:base='/'/>" * MAX_LINKS
    whole = read(rss(f"<link>/1</link>{bases}<item><link>/2</link></item>"))
    cut = read(rss(f"<link>/1</link>{bases}<item xml:base='/'><link>/2</link></item>"))

    assert [(2, False), (1, True)] == [(len(found.links), found.cut) for found in (whole, cut)]


def test_links_are_bounded():
    whole = read(rss("<item><link>/</link></item>" * MAX_LINKS))
    cut = read(rss("<item><link>/</link></item>" * (MAX_LINKS + 1)))
    guid = read(rss("<item><link>/</link></item>" * MAX_LINKS + "<item><guid>http://h/</guid></item>"))

    assert [(MAX_LINKS, False), (MAX_LINKS, True), (MAX_LINKS, True)] == [(len(found.links), found.cut) for found in (whole, cut, guid)]


def test_depth_is_bounded():
    assert Feed(((Kind.A, "/"),), cut=True) == read(f"<rss><channel><link>/</link>{'<item>' * 200_000}")


def test_bases_in_bases_do_not_pile_up():
    """Each makes the next one longer, and every link as well."""
    found = read("<feed>" + "<a xml:base='b/'>" * 20_000)
    longest = "http://h/" + "b" * (feeds.MAX_BASE - len("http://h//")) + "/"
    entry = "<entry xml:base='{}'><link href='1'/></entry>"

    deep = "<entry>" * markup.MAX_DEPTH + "<entry xml:base='http://h/'><link href='1'/></entry>" + "</entry>" * markup.MAX_DEPTH

    assert Feed(cut=True) == found
    assert [(Kind.A, "1")] == links(read(f"<feed>{deep}</feed>"))
    assert [(Kind.A, f"{longest}1"), (Kind.A, "1")] == links(read(f"<feed>{entry.format(longest)}{entry.format(f'{longest}/')}</feed>"))


PIECES = st.sampled_from(
    [
        b"<rss>", b"<channel>", b"<item>", b"</item>", b"<feed>", b"<entry>", b"</entry>", b"<link>", b"</link>", b"/1", b"<link href='", b"'/>",
        b"<guid>", b"</guid>", b"http://h/", b" xml:base='", b"'", b">", b"<feed xml:base='http://[", b"<enclosure url='a'/>", b"&", b"&amp;",
        b"<title>", b"</title>", b"<language/>", b"{", b"}", b'"version":', b'"https://jsonfeed.org/version/1"', b",", b'"items":', b"[", b"]",
        b'"url"', b":", b"\xff\xfe", b"\x1f\x8b", b"<![CDATA[", b"]]>", b"<!DOCTYPE rss [", b"\xe4",
    ]
)  # fmt: skip


@settings(deadline=None)    # the first guess at an encoding loads a detector
@given(st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=100), st.sampled_from([None, "application/json", "text/xml; charset=big5"]))
def test_nothing_raises(body, content_type):
    for before in (b"", b"<rss><channel>", b"<feed><entry>", b'{"version": "https://jsonfeed.org/version/1",'):
        found = feeds.read(before + body, content_type=content_type)

        assert found is None or all(href == markup.trimmed(href) != "" for _, href in found.links)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["url", "id", "attachments", "mime_type"]), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["title", "items", "home_page_url", "next_url", "language"]), JSON_VALUES))
def test_no_json_raises(fields):
    found = json_feed(**fields)

    assert isinstance(found, Feed)
    assert found.cut is False or "NaN" in json.dumps(fields) or "Infinity" in json.dumps(fields)
