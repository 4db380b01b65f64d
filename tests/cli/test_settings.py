"""Who has the last word on a setting, and how a mistake is told."""

import pytest

from crawler.cli import settings
from crawler.cli.errors import Wrong
from crawler.cli.settings import ConfigFile, Origin, resolve
from crawler.core.settings import DEFAULTS, Settings

FILE = ConfigFile("crawler.toml", {"depth": 4, "max-size": "3M", "robots": False}, {"depth": 2, "max-size": 3, "robots": 4})


def refused(*args, **kwargs):
    with pytest.raises(Wrong) as caught:
        resolve(*args, **kwargs)
    return caught.value


def test_nothing_said_means_the_defaults():
    effective = resolve({}, {})

    assert DEFAULTS == effective.settings
    assert {Origin.DEFAULT} == {place.origin for place in effective.places.values()}


def test_flags_beat_environment_beats_folder_beats_file_beats_default():
    memory = ("output/docs", {"depth": 3, "concurrency": 5, "tries": 7, "timeout": 9.0})
    environ = {"CRAWLER_CONCURRENCY": "6", "CRAWLER_TIMEOUT": "8"}

    effective = resolve({"timeout": "7"}, environ, memory, FILE)

    assert (7.0, 6, 7, 3, 3 * 2**20, False) == (
        effective.settings.timeout, effective.settings.concurrency, effective.settings.tries, effective.settings.depth,
        effective.settings.max_size, effective.settings.robots,
    )  # fmt: skip
    assert ["--timeout", "CRAWLER_CONCURRENCY", "output/docs", "output/docs", "crawler.toml, line 3", "default"] == [
        effective.places[field].name for field in ("timeout", "concurrency", "tries", "depth", "max_size", "scope")
    ]


def test_changes_since_the_last_run_are_told():
    effective = resolve({"depth": "4", "per_host": "auto"}, {}, ("o", {"depth": 3, "per_host": 9, "max_pages": 10}))

    assert ["depth 3 → 4", "per_host 9 → auto"] == list(map(str, effective.changes))


def test_a_first_run_has_no_changes():
    assert () == resolve({"depth": "4"}, {}).changes


def test_what_belongs_to_one_run_is_not_remembered():
    effective = resolve({"max_bytes": "1M"}, {}, ("o", {"max_time": 5.0, "add_seeds": True, "skip_bad_seeds": True}))

    assert Settings(max_bytes=2**20) == effective.settings
    assert () == effective.changes


def test_a_remembered_value_can_be_taken_back_to_its_default():
    assert resolve({"depth": "none", "include": ("",)}, {}, ("o", {"depth": 3, "include": ["x"]})).settings == DEFAULTS


def test_a_folder_that_remembers_nonsense_is_told_about_and_not_believed():
    effective = resolve({}, {}, ("o", {"depth": "deep", "future": 1}))

    assert DEFAULTS == effective.settings
    assert 2 == len(effective.notices)


def test_a_secret_that_was_not_kept_is_asked_for_again():
    memory = {"headers": ["https://h.test Cookie: ***", "X-A: b"], "auth": ["http://h.test basic ***"], "proxies": ["http://***@p:1"]}
    effective = resolve({}, {}, ("o", memory))

    assert (("X-A: b",), (), ()) == (effective.settings.headers, effective.settings.auth, effective.settings.proxies)
    assert (
        "headers 'https://h.test Cookie: ***' holds a secret, which was not kept; give it again with --header",
        "auth 'http://h.test basic ***' holds a secret, which was not kept; give it again with --auth",
        "proxies 'http://***@p:1' holds a secret, which was not kept; give it again with --proxy",
    ) == effective.notices


def test_secrets_are_hidden_wherever_settings_are_shown():
    flags = {"headers": ["http://h.test Authorization: Bearer abc", "X-A: b"], "auth": ["http://h.test basic u:abc"], "proxies": ["http://u:abc@p"]}
    effective = resolve(flags, {}, ("o", {}))

    assert ("headers", "http://h.test Authorization: ***, X-A: b", "--header") in settings.told(effective)
    assert "abc" not in " ".join(map(str, effective.changes)) + str(settings.told(effective))
    assert "abc" not in refused({"auth": "http://h.test basic"}, {}).message + refused({"auth": "https://h.test digest abc"}, {}).message
    assert "abc" not in refused({"headers": "Authorization: abc\nX: y"}, {}).message


def test_a_mistake_names_its_place():
    assert "depth must be a whole number, got 'deep' (--depth)" == refused({"depth": "deep"}, {}).message
    assert "depth must be a whole number, got 'deep' (CRAWLER_DEPTH)" == refused({}, {"CRAWLER_DEPTH": "deep"}).message
    file = ConfigFile("crawler.toml", {"depth": "deep"}, {"depth": 7})
    assert "depth must be a whole number, got 'deep' (crawler.toml, line 7)" == refused({}, {}, None, file).message


def test_all_mistakes_are_told_at_once():
    message = refused({"depth": "deep"}, {"CRAWLER_TRIES": "x"}, None, ConfigFile("c.toml", {"timeout": "soon"}, {"timeout": 1})).message

    assert "3 settings are wrong" == message.splitlines()[0]
    assert 4 == len(message.splitlines())


def test_an_unknown_key_names_the_nearest():
    error = refused({}, {}, None, ConfigFile("crawler.toml", {"depht": 3}, {"depht": 2}))

    assert ("unknown key 'depht' (crawler.toml, line 2)", "Did you mean depth?") == (error.message, error.hint)


def test_a_variable_that_looks_like_a_setting_is_told_about_and_others_are_left_alone():
    environ = {"CRAWLER_DEPHT": "3", "CRAWLER_OUTPUT": "x", "CRAWLER_SOMEONE_ELSES": "y", "PATH": "z"}

    assert ("CRAWLER_DEPHT in the environment is no setting; did you mean CRAWLER_DEPTH?",) == resolve({}, environ).notices


def test_lists_in_the_environment():
    environ = {"CRAWLER_INSECURE": "a.example, b.example", "CRAWLER_EXCLUDE": "/a,b\n/c", "CRAWLER_DELAY": "2/s", "CRAWLER_ROBOTS": "no"}

    found = resolve({}, environ).settings

    assert (("a.example", "b.example"), ("/a,b", "/c"), 0.5, False) == (found.insecure, found.exclude, found.delay, found.robots)


def test_the_nearest_config_file_counts(tmp_path):
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / "crawler.toml").write_text("")
    assert tmp_path / "crawler.toml" == settings.find_config(below)
    (below / "crawler.toml").write_text("")
    assert below / "crawler.toml" == settings.find_config(below)


def test_a_config_file_is_read_with_the_lines_of_its_keys(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text('\ufeff# comment\n\ndepth = 3\n"max-pages" = 5\n[table]\nx = 1\n', encoding="utf-8")

    file = settings.read_config(path, "c.toml")

    assert {"depth": 3, "max-pages": 5, "table": {"x": 1}} == file.values
    assert (3, 4, 5) == (file.lines["depth"], file.lines["max-pages"], file.lines["table"])


@pytest.mark.parametrize(("content", "said"), [(b"depth = \n", "is no TOML: invalid value (at line 1"), (b"\xff\xfe", "it is no UTF-8")])
def test_a_config_file_that_cannot_be_read_says_so(tmp_path, content, said):
    path = tmp_path / "c.toml"
    path.write_bytes(content)

    with pytest.raises(Wrong) as caught:
        settings.read_config(path, "c.toml")

    assert said in caught.value.message


def test_a_config_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(Wrong, match=r"cannot read x\.toml: no such file"):
        settings.read_config(tmp_path / "x.toml", "x.toml")


def test_only_what_is_not_the_default_is_remembered():
    assert {"depth": 3, "include": ("x",)} == settings.non_defaults(Settings(depth=3, include=("x",)))
