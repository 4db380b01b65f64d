"""The one table of options, and the units in which people write."""

import re
import tomllib

import pytest
from click.testing import CliRunner

from crawler.cli import options, units
from crawler.cli.options import BY_FIELD, GROUPS, OPTIONS
from crawler.core.settings import DEFAULTS, Settings

FIELDS_WITHOUT_OPTION = {}
"""Field of Settings -> why nobody can set it. None so far."""


def test_every_setting_has_exactly_one_option_or_a_reason():
    fields = list(Settings.__struct_fields__)

    assert sorted([*BY_FIELD, *FIELDS_WITHOUT_OPTION]) == sorted(fields)
    assert len(OPTIONS) == len(BY_FIELD)


def test_every_option_has_all_that_a_help_page_needs():
    for option in OPTIONS:
        assert option.help, option.field
        assert option.default_text, option.field
        assert option.group in GROUPS
        assert "|" not in option.help
        assert option.flag.startswith("--")


def test_no_flag_is_used_twice():
    flags = [flag for option in OPTIONS for words in option.flags for flag in words.split("/")]

    assert sorted(set(flags)) == sorted(flags)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_a_default_is_read_back_from_how_it_is_shown(option):
    if option.default not in (None, ()):
        assert option.default == options.read(option, option.default_text)


def test_the_template_sets_nothing_but_could_set_everything():
    template = options.template()
    everything = tomllib.loads(re.sub(r"^# ([a-z_]+ = )", r"\1", template, flags=re.MULTILINE))

    assert {} == tomllib.loads(template)
    assert set(BY_FIELD) == set(everything)
    assert {field: getattr(DEFAULTS, field) for field in BY_FIELD} == {
        field: options.read(BY_FIELD[field], raw) for field, raw in everything.items()
    }


def test_the_reference_has_a_row_for_every_option():
    reference = options.reference()

    assert all(f"| `{option.key}` |" in reference for option in OPTIONS)


@pytest.mark.parametrize(
    ("read", "raw", "value"),
    [
        (units.read_count, "64", 64),
        (units.read_count, "1_000", 1000),
        (units.read_count, "10k", 10_000),
        (units.read_count, 7, 7),
        (units.read_size, "32M", 32 * 2**20),
        (units.read_size, "1.5 GiB", 3 * 2**29),
        (units.read_size, "500kb", 500 * 1024),
        (units.read_size, 100, 100),
        (units.read_rate, "1K/s", 1024),
        (units.read_rate, "2M", 2 * 2**20),
        (units.read_duration, "2h", 7200.0),
        (units.read_duration, "1h30m", 5400.0),
        (units.read_duration, "500ms", 0.5),
        (units.read_duration, "1.5", 1.5),
        (units.read_duration, 3, 3.0),
        (units.read_gap, "4/s", 0.25),
        (units.read_gap, "30/m", 2.0),
        (units.read_gap, "2s", 2.0),
        (units.read_switch, "Yes", True),
        (units.read_switch, False, False),
        (units.read_network, "10.1.2.3/8", "10.0.0.0/8"),
        (units.read_network, "::1", "::1/128"),
        (units.read_host, "WWW.Example.org", "www.example.org"),
        (units.read_header, "X-A: b", "X-A: b"),
        (units.read_pattern, "/a|b$", "/a|b$"),
        (units.read_text, " me ", "me"),
    ],
)
def test_amounts_are_read_as_people_write_them(read, raw, value):
    assert value == read(raw)


@pytest.mark.parametrize(
    ("read", "raw"),
    [
        (units.read_count, "deep"),
        (units.read_count, True),
        (units.read_count, 1.5),
        (units.read_size, "32X"),
        (units.read_size, "-1"),
        (units.read_rate, "fast"),
        (units.read_duration, "soon"),
        (units.read_duration, ""),
        (units.read_duration, "5 1h"),
        (units.read_gap, "0/s"),
        (units.read_switch, "maybe"),
        (units.read_text, "a\nb"),
        (units.read_pattern, "("),
        (units.read_pattern, 3),
        (units.read_header, "no colon"),
        (units.read_header, "X: a\r\nY: b"),
        (units.read_network, "example.org"),
        (units.read_network, 5),
        (units.read_host, "https://example.org/"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_would(read, raw):
    with pytest.raises(ValueError, match=r"^(a|one|true|bytes)\b"):
        read(raw)


@pytest.mark.parametrize(
    ("field", "raw", "said"),
    [
        ("concurrency", "0", "at least 1"),
        ("concurrency", "10001", "at most 10000"),
        ("timeout", "0", "more than 0s"),
        ("delay", "2d", "at most 1d"),
        ("scope", "world", "one of page, path, host, site, any"),
        ("max_size", "0", "at least 0"),
    ],
)
def test_bounds_are_told_in_the_units_of_the_option(field, raw, said):
    if field == "max_size":
        said = "at least 1"
    with pytest.raises(ValueError, match=re.escape(said)):
        options.read(BY_FIELD[field], raw)


@pytest.mark.parametrize("word", ["none", "auto", "", "NONE"])
def test_a_value_can_be_unset_again(word):
    assert options.read(BY_FIELD["depth"], word) is None
    assert options.read(BY_FIELD["delay"], word) is None


def test_lists_take_one_value_or_many_and_an_empty_word_clears_them():
    option = BY_FIELD["include"]

    assert [("a",), ("a", "b"), ()] == [options.read(option, raw) for raw in ("a", ["a", "b"], [""])]


def test_closed_words_complete_in_a_shell():
    from crawler.cli.main import commands

    environ = {"_CRAWLER_COMPLETE": "bash_complete", "COMP_WORDS": "crawler crawl --scope s", "COMP_CWORD": "3"}
    result = CliRunner().invoke(commands, prog_name="crawler", complete_var="_CRAWLER_COMPLETE", env=environ)

    assert "plain,site" == result.output.strip()


def test_an_age_is_one_time_or_two():
    recrawl = options.BY_FIELD["recrawl"]
    assert [604_800.0, 0.0, (86_400.0, 2_592_000.0), 5.0] == [options.read(recrawl, raw) for raw in ("7d", "0s", "1d..30d", 5)]
    assert ["7d", "1d..30d"] == [recrawl.shown(value) for value in (604_800.0, (86_400.0, 2_592_000.0))]
    for raw in ("3x", "30d..1d", "0s..1d", "1d..", -1):
        with pytest.raises(ValueError, match=r"a time like 12h, 7d or 0s, or two like 1d..30d, the shorter first"):
            options.read(recrawl, raw)
