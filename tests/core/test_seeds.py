"""What a line of a seed file means, and how a bad one is explained."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core import urls
from crawler.core.scope import Options
from crawler.core.seeds import MAX_LINE, Seed, nearest, read_lines, spell


def seed_of(line):
    seeds, bad = read_lines([line], "seeds.txt")
    assert bad == []
    [seed] = seeds
    return seed


def trouble_of(line):
    seeds, bad = read_lines([line], "seeds.txt")
    assert seeds == []
    [trouble] = bad
    return trouble


@pytest.mark.parametrize(
    ("line", "url"),
    [
        ("https://example.com/a", "https://example.com/a"),
        ("HTTP://Example.COM", "http://example.com/"),
        ("example.com", "https://example.com/"),
        ("example.com/path?q=1", "https://example.com/path?q=1"),
        ("localhost:8080", "https://localhost:8080/"),
        ("localhost", "https://localhost/"),
        ("intranet:8080/x", "https://intranet:8080/x"),
        ("[::1]:80", "https://[::1]:80/"),
        ("127.0.0.1:8000/x", "https://127.0.0.1:8000/x"),
        ("//example.com/x", "https://example.com/x"),
        ("https:example.com", "https://example.com/"),
        ("https://example.com/x#part", "https://example.com/x"),
        ("https://user:secret@example.com/", "https://example.com/"),
        ("https://пример.рф/", "https://xn--e1afmkfd.xn--p1ai/"),
        ("https://fa.wikipedia.org/wiki/می‌خواهم", "https://fa.wikipedia.org/wiki/%D9%85%DB%8C%E2%80%8C%D8%AE%D9%88%D8%A7%D9%87%D9%85"),
    ],
)
def test_a_url_is_read_as_a_person_means_it(line, url):
    assert Seed(url, Options(), "seeds.txt", 1) == seed_of(line)


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("https://example.com/ depth=2", Options(depth=2)),
        ("https://example.com/ scope=site", Options(scope="site")),
        ("https://example.com/\tDEPTH=0   scope=page   # both", Options(depth=0, scope="page")),
        ("https://example.com/ # depth=2", Options()),
    ],
)
def test_options_stand_behind_the_url(line, options):
    assert options == seed_of(line).options


@pytest.mark.parametrize("line", ["", "   ", "\t\r\n", "# a comment", "   # another", "#", "\ufeff# first", "\ufeff"])
def test_comments_and_blank_lines_mean_nothing(line):
    assert ([], []) == read_lines([line], "seeds.txt")


def test_a_bom_and_windows_line_ends_are_no_part_of_a_url():
    seeds, bad = read_lines(["\ufeffhttps://a.example/\r\n", "https://b.example/\r\n"], "s")

    assert ["https://a.example/", "https://b.example/"] == [seed.url for seed in seeds]
    assert bad == []


def test_duplicates_are_kept_once_and_the_first_one_counts():
    lines = ["https://a.example/%7ex depth=1", "# nothing", "https://a.example/~x depth=5", "A.example/~x"]

    seeds, _ = read_lines(lines, "s")

    assert [Seed("https://a.example/%7ex", Options(depth=1), "s", 1)] == seeds


@pytest.mark.parametrize(
    ("line", "column", "width", "said"),
    [
        ("htp://example.org/", 1, 3, 'scheme "htp" is not http or https. Did you mean http://example.org/ ?'),
        ("  htttps://example.org/", 3, 6, 'scheme "htttps" is not http or https. Did you mean https://example.org/ ?'),
        ("ftp://example.org/", 1, 3, 'scheme "ftp" is not http or https'),
        ("mailto:me@example.org", 1, 6, 'scheme "mailto" is not http or https'),
        ("javascript:alert(1)", 1, 10, 'scheme "javascript" is not http or https'),
        ("https://exa mple.org/", 12, 1, "host names contain no spaces"),
        ("exa mple.org", 4, 1, "host names contain no spaces"),
        ("http//example.org", 1, 6, 'there is no "://" after http. Did you mean http://example.org ?'),
        ("https;//example.org/a", 1, 8, 'there is no "://" after https. Did you mean https://example.org/a ?'),
        ("me@example.org", 1, 14, "this looks like a mail address, not a URL. Did you mean https://example.org/ ?"),
        ("intranet", 1, 8, '"intranet" is no URL: a host name has a dot. Write https://intranet if the host really has that name'),
        ("/etc/passwd", 1, 11, "a path is no URL. Begin with the host name, as in example.com/path"),
        ("depth=2", 1, 7, "an option without a URL before it. Options belong on the line of their URL"),
        ("https://a.example/ depht=2", 20, 5, 'unknown option "depht". Did you mean depth=2 ?'),
        ("https://a.example/ zzz=2", 20, 3, 'unknown option "zzz". The options are depth and scope'),
        ("https://a.example/ depth=1 depth=2", 28, 7, "depth is given twice"),
        ("https://a.example/ scope=hots", 26, 4, 'scope must be one of page, path, host, site, any, got "hots". Did you mean scope=host ?'),
        ("https://a.example/ depth=-1", 26, 2, 'depth must be a whole number, got "-1". 0 is the seed alone, 1 adds the pages it links to'),
        ("https://", 9, 1, "the host name is missing. A URL looks like https://example.com/path"),
        ("https://a.example:99999/", 19, 5, "a port is a number from 0 to 65,535"),
        ("a.example:99999", 11, 5, "a port is a number from 0 to 65,535"),
        ("https://exa<mple.org/", 12, 1, 'host names contain no "<"'),
        ("https://[::1/", 9, 4, '"[::1" is no host name or address'),
        ("999.999.999.999", 1, 15, '"999.999.999.999" is no host name or address'),
        ("https://a.example/ https://b.example/", 20, 18, "one line holds one URL. Put the second URL on a line of its own"),
        ("a\0b", 2, 1, "the line has a NUL character. If the file is UTF-16, save it as UTF-8"),
        ("https://ex\u200bample.org/", 11, 1, "there is an invisible character, U+200B. Delete it and type that place again"),
        ("https://a.example/\u202e", 19, 1, "there is an invisible character, U+202E. Delete it and type that place again"),
        ("https://a.example/\ufffd", 19, 1, "these bytes are no UTF-8. Save the file as UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_line_tells_its_place_and_what_to_try(line, column, width, said):
    trouble = trouble_of(line)

    assert (column, width, said) == (trouble.column, trouble.width, ". ".join(filter(None, (trouble.message, trouble.hint))))
    assert (line, "seeds.txt", 1) == (trouble.text, trouble.source, trouble.line)


def test_a_space_in_a_path_is_told_from_an_option():
    assert trouble_of("https://a.example/a b").message == "URLs contain no spaces"


def test_a_line_without_end_is_refused_before_it_is_looked_at():
    trouble = trouble_of("https://a.example/" + "x" * MAX_LINE)

    assert "the line is longer than 8,192 characters" == trouble.message


def test_a_url_longer_than_the_web_allows_is_refused():
    assert "the URL is longer than 4,096 bytes" == trouble_of("https://a.example/" + "x" * urls.MAX_URL_BYTES).message


def test_every_bad_line_is_reported():
    seeds, bad = read_lines(["htp://a/", "https://ok.example/", "", "https://b c/"], "s")

    assert ([2], [1, 4]) == ([seed.line for seed in seeds], [each.line for each in bad])


def test_a_word_of_the_command_line_is_spelt_like_a_line():
    assert "https://example.com/x" == spell("example.com/x")
    with pytest.raises(urls.UrlError, match=r"Did you mean http://a\.example/ \?"):
        spell("htp://a.example/")


def test_the_nearest_word_is_found_only_when_it_is_near():
    assert ("status", None) == (nearest("stauts", ["crawl", "status"]), nearest("xyz", ["crawl", "status"]))


@given(st.lists(st.text(max_size=60), max_size=8))
def test_whatever_a_file_holds_each_line_is_a_seed_or_nothing_or_bad(lines):
    seeds, bad = read_lines(lines, "s")

    assert all(urls.spell(seed.url) == seed.url for seed in seeds)
    assert all(1 <= each.column <= len(each.text) + 1 and each.width >= 1 and each.message for each in bad)
    assert len({seed.line for seed in seeds} | {each.line for each in bad}) == len(seeds) + len(bad)
