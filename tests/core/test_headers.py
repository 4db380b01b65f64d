"""Links and wishes in the headers of an answer."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.headers import MAX_LINKS, Directives, HeaderLink, link_header, x_robots_tag

QUARTER = 256 * 1024
NEXT = frozenset({"next"})


# --- Link ---------------------------------------------------------------------------------------------------------


def hrefs(*values: str) -> list[str]:
    return [link.href for link in link_header(values)]


def test_a_link_has_all_that_is_said_of_it():
    found = link_header(['</de>; REL="Alternate Next";hreflang=de ; Type="Text/HTML";media="print, screen"; title="a;b"'])

    assert (HeaderLink("/de", frozenset({"alternate", "next"}), hreflang=True, type="text/html", media="print, screen"),) == found


def test_links_come_from_several_headers_and_several_in_one():
    assert ["/1", "/2", "/3"] == hrefs("</1>; rel=next, </2>;rel=prev", "", " ,, </3> ; rel = canonical ,")


@pytest.mark.parametrize(
    "value",
    [
        '</a,b;c>; rel="next"',
        '</a,b;c>; title="x, <no>; rel=y"; rel=next',
        r'</a,b;c>; title="\", <no>; rel=y"; rel=next',
        r'</a,b;c>; rel="n\e\xt"',
        "</a,b;c>;;rel=next;",
        "</a,b;c>\t;\trel\t=\tnext\t",
        "</a,b;c>; rel=next; rel=prev",
        "</a,b;c>; rel*=UTF-8''prev; rel=next",
        '</a,b;c>; rel="next',
        "</a,b;c>; flag; rel=next",
        '</a,b;c>; rel="next"x; y',
        "< /a,b;c >; rel=next",
        '</a,b;c>; anchor=""; rel=next',
        "nothing, </a,b;c>; rel=next",
        '"</no>; rel=next", </a,b;c>; rel=next',
    ],
)
def test_quotes_white_space_and_faults_around_a_link(value):
    assert (HeaderLink("/a,b;c", NEXT),) == link_header([value])


@pytest.mark.parametrize(
    "value",
    [
        "",
        "/a; rel=next",
        "</a; rel=next",
        "</a>",
        "</a>; rel",
        "</a>; rel=",
        '</a>; rel=" "',
        "</a>; rel*=UTF-8''next",
        "</a>; rev=next",
        "</a> rel=next",
        '</a>; rel=next; anchor="/other"',
        "</a>; anchor=#part; anchor=; rel=next",
    ],
)
def test_what_is_no_link_of_this_page(value):
    assert () == link_header([value])


def test_an_empty_reference_is_a_link_to_the_page_itself():
    assert [""] == hrefs("<>; rel=canonical")


def test_an_empty_hreflang_says_nothing():
    assert not link_header(['</a>; rel=alternate; hreflang=""'])[0].hreflang


def test_there_is_a_limit_of_links():
    assert MAX_LINKS == len(link_header(["</a>; rel=next," * 600] * 2))


@pytest.mark.parametrize("part", ["<", "<a>", "<a>;", "<a>;rel=x,", '"', '<a>;rel="', '<a>;rel="\\', ",", ";", "=", "<a>;a=", "<a>;rel ", '"\\'])
def test_a_quarter_of_a_megabyte_of_a_link_header_takes_linear_time(part):
    started = time.process_time()
    link_header([part * (QUARTER // len(part))])
    link_header(["<a>" + part * (QUARTER // len(part))])

    assert time.process_time() - started < 10


@given(st.lists(st.text(st.sampled_from('<>;,="\\ \trelax*\ud800')) | st.text()))
def test_any_link_header_is_read(values):
    for link in link_header(values):
        assert link.rel
        assert ">" not in link.href


# --- X-Robots-Tag -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "directives"),
    [
        ([], Directives()),
        (["all, index, follow, noarchive, indexifembedded"], Directives()),
        (["noindex"], Directives(noindex=True)),
        (["NoFollow"], Directives(nofollow=True)),
        (["noindex, nofollow"], Directives(noindex=True, nofollow=True)),
        (["noarchive,NONE"], Directives(noindex=True, nofollow=True)),
        (["noindex", "nofollow"], Directives(noindex=True, nofollow=True)),
        (["noindex nofollow"], Directives(noindex=True, nofollow=True)),
        (["noindex; nofollow"], Directives(noindex=True, nofollow=True)),
        (["noindexed, xnofollow"], Directives()),
    ],
)
def test_rules_for_everyone(values, directives):
    assert directives == x_robots_tag(values, "steadycrawl")


@pytest.mark.parametrize(
    ("values", "directives"),
    [
        (["steadycrawl: noindex"], Directives(noindex=True)),
        (["SteadyCrawl : noindex, nofollow"], Directives(noindex=True, nofollow=True)),
        (["steadycrawl/2.0: noindex"], Directives(noindex=True)),
        (["steadycrawlnews: noindex"], Directives()),
        (["googlebot: noindex, nofollow"], Directives()),
        (["googlebot: noindex, steadycrawl: nofollow"], Directives(nofollow=True)),
        (["steadycrawl: nofollow, googlebot: noindex, noarchive"], Directives(nofollow=True)),
        (["nofollow, googlebot: noindex"], Directives(nofollow=True)),
        (["googlebot: nofollow", "noindex"], Directives(noindex=True)),
        (["360spider: noindex"], Directives()),
        (["*: noindex"], Directives(noindex=True)),
        (["googlebot:, noindex"], Directives()),
    ],
)
def test_a_name_holds_up_to_the_next_name_in_its_header(values, directives):
    assert directives == x_robots_tag(values, "steadycrawl")


@pytest.mark.parametrize(
    "rule",
    [
        "unavailable_after: 25 Jun 2010 15:00:00 PST",
        "unavailable_after: Friday, 25-Jun-10 15:00:00 PST",
        "unavailable_after:Fri, 25 Jun 2010 15:00:00 GMT",
        "unavailable_after: 2010-06-25T15:00:00+00:00",
        "max-snippet:20",
        "max-snippet: -1",
        "max-image-preview:large",
        "max-image-preview: none",
        "Max-Video-Preview : 3",
    ],
)
def test_a_rule_with_a_value_is_no_name(rule):
    assert Directives(nofollow=True) == x_robots_tag([f"{rule}, nofollow"], "steadycrawl")
    assert Directives() == x_robots_tag([f"googlebot: {rule}, nofollow"], "steadycrawl")
    assert Directives(nofollow=True) == x_robots_tag([f"steadycrawl: {rule}, nofollow"], "steadycrawl")


@pytest.mark.parametrize("part", [":", "a:", ",", "a,", "none,", "max-:", " ", "a a", "*:", "a/"])
def test_a_quarter_of_a_megabyte_of_rules_takes_linear_time(part):
    started = time.process_time()
    x_robots_tag([part * (QUARTER // len(part))], "steadycrawl")

    assert time.process_time() - started < 10


@given(st.lists(st.text(st.sampled_from("noidexflw:,;*/ -_15\ud800")) | st.text()), st.text())
def test_any_rules_are_read(values, agent):
    assert isinstance(x_robots_tag(values, agent), Directives)
