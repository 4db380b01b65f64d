"""Folds: what counts as the same page, what never does, and in which words that is told."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crawler.core.folds import FOLDS, Folds
from crawler.core.tracking import TRACKING_NAMES, TRACKING_PREFIXES, is_tracking
from crawler.core.urls import MAX_URL_BYTES, UrlError, spell, split

HEX = "0123456789abcdef0123456789ABCDEF"
PHP = "k3q9v0a1b2c3d4e5f6g7h8i9j0"
SERVLET = "F3A41B7C9D.node-1"
ASP = "lit3py55t21z5v55vlm25s55"
CLASSIC_ASP = "GLEANGLBKMHPMLGGDFFPJLMD"


def folded(name: str, path: str) -> str:
    """Return the path and query that one fold makes of *path*."""
    found = Folds([name]).fold(f"http://h.test{path}")
    return path if found is None else found[0].removeprefix("http://h.test")


def rule(names: list[str], path: str) -> str | None:
    found = Folds(names).fold(f"http://h.test{path}")
    return None if found is None else found[1]


# --- query-order --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/do?b=1&a=2", "/do?a=2&b=1"),
        ("/do?a=2&b=1", "/do?a=2&b=1"),
        ("/do?b=1&a=2&a=1", "/do?a=2&a=1&b=1"),
        ("/do?a=2&a=1", "/do?a=2&a=1"),
        ("/do?b&a", "/do?a&b"),
        ("/do?b=&a", "/do?a&b="),
        ("/do?%62=1&a=2", "/do?a=2&%62=1"),
        ("/do?a%62=1&aa=2", "/do?aa=2&a%62=1"),
        ("/do?%61=2&a=1", "/do?%61=2&a=1"),
        ("/do?a+b=2&a%20b=1", "/do?a+b=2&a%20b=1"),
        ("/do?a%2Bb=2&a+b=1", "/do?a+b=1&a%2Bb=2"),
        ("/do?%FF=1&%FE=2", "/do?%FE=2&%FF=1"),
        ("/do?a=1&&b=2", "/do?a=1&b=2"),
        ("/do?&a=1&", "/do?a=1"),
        ("/do?", "/do"),
        ("/do?&&", "/do"),
        ("/do?=2&=1", "/do?=2&=1"),
        ("/do?b=x?y=/&a=%2f%c3", "/do?a=%2f%c3&b=x?y=/"),
        ("/b&a", "/b&a"),
    ],
)
def test_parameters_are_sorted_by_name_and_left_as_they_are_spelt(path, expected):
    assert expected == folded("query-order", path)


# --- tracking -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/a?utm_source=x", "/a"),
        ("/a?utm_source=x&", "/a"),
        ("/a?b=1&utm_source=x&a=2&GCLID=y", "/a?b=1&a=2"),
        ("/a?b=1&&fbclid=x&c", "/a?b=1&&c"),
        ("/a?utm%5Fsource=x", "/a"),
        ("/a?utm_anything", "/a"),
        ("/a?hsCtaTracking=1&HSCTATRACKING=2&WT.mc_id=3", "/a"),
        ("/a?", "/a?"),
        ("/a?&", "/a?&"),
        ("/a?q=utm_source=x", "/a?q=utm_source=x"),
        ("/a?xutm_source=x&my_gclid=1&gclid2=1", "/a?xutm_source=x&my_gclid=1&gclid2=1"),
        ("/a?pk_id=7", "/a?pk_id=7"),
        ("/utm_source=x&gclid=y", "/utm_source=x&gclid=y"),
    ],
)
def test_parameters_for_tracking_go(path, expected):
    assert expected == folded("tracking", path)


@pytest.mark.parametrize("name", ["ref", "source", "id", "sid", "campaign", "cmpid", "page", "q", "lang", "v", "from", "medium"])
def test_names_that_may_choose_a_page_are_no_tracking(name):
    assert not is_tracking(name)


def test_the_list_is_kept_in_lower_case_and_without_what_its_prefixes_say():
    assert TRACKING_NAMES == {name.lower() for name in TRACKING_NAMES}
    assert set() == {name for name in TRACKING_NAMES if name.startswith(TRACKING_PREFIXES)}


# --- session ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/a;jsessionid={SERVLET}", "/a"),
        (f"/a;JSESSIONID={SERVLET}?q=1", "/a?q=1"),
        (f"/a;jsessionid={SERVLET}/b;v=1;jsessionid={SERVLET};w=2", "/a/b;v=1;w=2"),
        ("/a;jsessionid=0000abcDEF123xyz_-%3A9!-12!NONE", "/a"),
        (f"/;jsessionid={SERVLET}", "/"),
        (f"/a;PHPSESSID={PHP}", "/a"),
        (f"/a;sid={HEX}", "/a"),
        (f"/(S({ASP}))/a.aspx", "/a.aspx"),
        (f"/app/(X(1)A(q-Z_9)S({ASP})F(9x))/(S({ASP}))/a.aspx?q", "/app/a.aspx?q"),
        (f"/({ASP})/a.aspx", "/a.aspx"),
        (f"/a?jsessionid={SERVLET}", "/a"),
        (f"/a?b=1&PHPSESSID={PHP}&a=2", "/a?b=1&a=2"),
        (f"/a?PHPSESSID={HEX}&sid={HEX}&s={PHP}&SessionID={HEX}&session_id={HEX}&zenid={PHP}&osCsid={PHP}", "/a"),
        ("/a?sid=0a1b2c3d4e5f6071", "/a"),
        (f"/a?ASPSESSIONIDQQABCDEF={CLASSIC_ASP}", "/a"),
        ("/a?CFID=1234&x=1&CFTOKEN=98765432", "/a?x=1"),
        ("/a?cfid=1234&cftoken=5f3c9b1a-2e4d-11ee-be56", "/a"),
    ],
)
def test_session_ids_go(path, expected):
    assert expected == folded("session", path)


@pytest.mark.parametrize(
    "path",
    [
        "/a;jsessionid=",
        "/a;jsessionid=short1",
        "/a;v=1.2",
        f"/a;xsid={HEX}",
        "/a;sid=besthotelsinparis2024",
        f"/..;jsessionid={SERVLET}/a",
        f"/b/%2e.;jsessionid={SERVLET}",
        "/wiki/Foo_(bar)/(S(short))/x",
        f"/(S({ASP}))",
        f"/(S({ASP}))x/a",
        "/(thequickbrownfoxjumpsover)/a",
        "/(abcdefghijklmnopqrstuvwx)/a",
        "/a?s=python3+asyncio+tutorial",
        "/a?s=iphone15promax256gb",
        "/a?s=besthotelsinparis2024",
        "/a?sid=42",
        "/a?sid=20241231235959000",
        "/a?session_id=550e8400-e29b-41d4-a716-446655440000",
        "/a?sessionid=keynote",
        f"/a?id={HEX}",
        f"/a?q=PHPSESSID={PHP}",
        "/a?PHPSESSID=onlylettersareinhere",
        "/a?jsessionid",
        "/a?ASPSESSIONIDQQABCDEF=7",
        f"/a?ASPSESSIONID={CLASSIC_ASP}",
        "/a?cfid=1234",
        "/a?cftoken=98765432",
        "/a?cfid=news&cftoken=98765432",
        "/a?",
    ],
)
def test_what_only_resembles_a_session_id_stays(path):
    assert path == folded("session", path)


@pytest.mark.parametrize("host", [f"({ASP})", f"h;sid={HEX}"])
def test_a_host_name_is_never_taken_for_a_session_id(host):
    url = spell(f"http://{host}/a")

    assert Folds(FOLDS).fold(url) is None


# --- index --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/index.html", "/"),
        ("/dir/index.htm", "/dir/"),
        ("/dir/index.xhtml", "/dir/"),
        ("/dir/index.shtml", "/dir/"),
        ("/dir/index.php", "/dir/"),
        ("/dir/index.jsp", "/dir/"),
        ("/dir/Default.aspx", "/dir/"),
        ("/dir/default.asp", "/dir/"),
        ("/dir/default.htm", "/dir/"),
        ("/index.html?a=1", "/?a=1"),
        ("/index.php?", "/?"),
        ("/index.php?title=Main", "/index.php?title=Main"),
        ("/Default.aspx?id=1", "/Default.aspx?id=1"),
        ("/index.html/", "/index.html/"),
        ("/myindex.html", "/myindex.html"),
        ("/INDEX.HTML", "/INDEX.HTML"),
        ("/index.html5", "/index.html5"),
        ("/home", "/home"),
        ("/a?/index.html", "/a?/index.html"),
        ("/index.html/index.html", "/index.html/"),
    ],
)
def test_the_file_of_a_directory_is_the_directory(path, expected):
    assert expected == folded("index", path)


# --- together -----------------------------------------------------------------------------------------------------


def test_a_fold_is_told_in_words():
    assert "fold tracking: without utm_source, gclid" == rule(["tracking"], "/a?utm_source=1&gclid=2&utm_source=3")
    assert "fold query-order: sorted by name" == rule(["query-order"], "/a?b&a")
    assert "fold query-order: without empty parameters" == rule(["query-order"], "/a?a&&b")
    assert "fold query-order: sorted by name, without empty parameters" == rule(["query-order"], "/a?b&&a")
    assert "fold query-order: without an empty query" == rule(["query-order"], "/a?")
    assert "fold session: without ;jsessionid, sid" == rule(["session"], f"/a;jsessionid={SERVLET}?sid={HEX}")
    assert "fold session: without (S(...))" == rule(["session"], f"/(S({ASP}))/a")
    assert "fold session: without (...)" == rule(["session"], f"/({ASP})/a")
    assert "fold index: without index.html" == rule(["index"], "/index.html")


def test_several_folds_are_told_one_after_the_other():
    url = f"http://h.test/dir/index.php;jsessionid={SERVLET}?utm_source=x&sid={HEX}"

    assert (
        "http://h.test/dir/",
        "fold session: without ;jsessionid, sid; fold tracking: without utm_source; fold index: without index.php",
    ) == Folds(FOLDS).fold(url)


def test_a_rule_stays_short_whatever_a_link_is_called():
    words = rule(["tracking"], "/a?" + "&".join(f"utm_{'x' * 100}&utm_{number}=1" for number in range(20)))

    assert f"fold tracking: without utm_{'x' * 36}, utm_0, utm_1, utm_2, utm_3 and 16 more" == words


def test_only_the_chosen_folds_are_applied():
    path = f"/index.html;jsessionid={SERVLET}?b&a&utm_source=x"

    assert f"/index.html;jsessionid={SERVLET}?a&b&utm_source=x" == folded("query-order", path)
    assert f"/index.html;jsessionid={SERVLET}?b&a" == folded("tracking", path)
    assert "/index.html?b&a&utm_source=x" == folded("session", path)
    assert path == folded("index", path)


def test_a_lone_question_mark_is_a_matter_of_query_order_alone():
    assert ("http://h.test/?", "fold index: without index.html") == Folds(["tracking", "index"]).fold("http://h.test/index.html?")
    assert "http://h.test/?" == Folds(["session", "tracking"]).fold(f"http://h.test/;sid={HEX}?")[0]
    assert "http://h.test/" == Folds(["query-order", "index"]).fold("http://h.test/index.html?")[0]


def test_no_fold_is_on_unless_it_is_chosen():
    assert not Folds([])
    assert Folds([]).fold("http://h.test/index.html?utm_source=x&&") is None
    assert Folds(["index"])
    assert "<Folds none>" == repr(Folds([]))
    assert "<Folds tracking, index>" == repr(Folds(["index", "tracking", "index"]))


def test_a_fold_that_there_is_not_is_named():
    with pytest.raises(ValueError, match="there is no fold 'utm', only query-order, tracking, session, index"):
        Folds(["index", "utm"])


NAMES = st.sets(st.sampled_from(FOLDS), min_size=1)
PARTS = [
    *("/", "a", ".", "..", "%2e", ";", "?", "&", "=", "+", "%", "%20", "%FF", "%61", "(", ")", "é", "\\", "index.html", "/index.php"),
    *(";jsessionid=", ";sid=", "PHPSESSID=", "sid=", "s=", "cfid=1", "&cftoken=12345678", "utm_source=x", "&gclid", "b=1", "&a=2"),
    *(HEX, PHP, SERVLET, ASP, f"(S({ASP}))", f"/({ASP})/", f"ASPSESSIONIDABCDEFGH={CLASSIC_ASP}"),
]
PATHS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=14).map("".join), st.text(max_size=40))


@given(NAMES, st.sampled_from(["http://h.test", "https://h.test:8443", "http://[::1]:81", "http://(a);sid=b.test"]), PATHS)
@example(set(FOLDS), "http://h.test", "/index.html?&")
@example({"session"}, "http://h.test", f"/..;jsessionid={SERVLET};jsessionid={SERVLET}/a")
@example({"session"}, "http://h.test", f"/a;sid={HEX}?")
@example({"tracking", "session"}, "http://h.test", f"/(S({ASP}))/?utm_source=x")
def test_folding_twice_is_folding_once_and_yields_a_spelt_url_of_the_same_origin(names, origin, path):
    try:
        url = spell(f"{origin}/{path}")
    except UrlError:
        return
    folds = Folds(names)
    found = folds.fold(url)
    if found is None:
        return
    result, words = found

    assert result != url
    assert len(result) < len(url) or "query-order" in names
    assert split(url)[0] == split(result)[0]
    assert result == spell(result)
    assert folds.fold(result) is None
    assert words.startswith("fold ")
    assert words.isprintable()


@given(st.permutations(["a=1", "b=2", "%63=3", "utm_source=x", f"sid={HEX}", "", "d"]))
def test_every_order_folds_to_one_url(pieces):
    url = "http://h.test/index.html?" + "&".join(pieces)
    found = Folds(FOLDS).fold(url)

    assert found is not None
    assert "http://h.test/?a=1&b=2&%63=3&d" == found[0]


@pytest.mark.parametrize("piece", ["&", "cfid=1&", "%61&", ";sid=", "/(F(", "/(A(a)", "(", "/.", "s=1a&", "1a", "a1"])
def test_hostile_urls_of_the_greatest_length_fold_in_a_moment(piece):
    """Twice the length costs about twice the work; what takes long here is not linear, and would take hours."""
    folds = Folds(FOLDS)
    for lead in ("http://h.test/a", "http://h.test/a;sid=", "http://h.test/(", "http://h.test/a?s="):
        url = lead + piece * ((MAX_URL_BYTES - len(lead)) // len(piece))
        for _ in range(5):
            folds.fold(url)
