"""One judge for every way in: what may enter, and by which rule the rest may not."""

from __future__ import annotations

import pytest

from crawler.core.model import Kind, Link, Reason, Rejected, Request
from crawler.core.scope import Options, Rules, Scope, is_twin, ruleset_of
from crawler.core.settings import Settings

SEED = "http://www.site.test/docs/start"


def scope_of(*seeds: str, options: Options | None = None, include=(), exclude=(), segments: int = 20, repeats: int = 3, **chosen) -> Scope:
    rules = ruleset_of(seeds or (SEED,), options or Options(), Settings(**chosen))
    return Scope(Rules((rules,), include, exclude, segments, repeats))


def judge(scope: Scope, url: str, kind: Kind = Kind.A, depth: int = 1, **more) -> Request | Rejected:
    return scope.judge(Link(url, kind, depth, **more))


def rule_of(scope: Scope, url: str, kind: Kind = Kind.A, depth: int = 1) -> tuple[Reason, str] | None:
    verdict = judge(scope, url, kind, depth)
    return (verdict.reason, verdict.rule) if isinstance(verdict, Rejected) else None


def test_a_link_that_may_enter_becomes_a_request_with_everything_in_it():
    scope = Scope(Rules((ruleset_of([SEED], Options(), Settings()),) * 4))
    request = judge(scope, "http://www.site.test:80/x?y".replace(":80", ""), Kind.AREA, 4, ruleset=3, hops=2)

    assert Request("http://www.site.test/x?y", "http://www.site.test", "www.site.test", Kind.AREA, 4, 4, 3, 2) == request


def test_the_next_hop_of_a_redirect_goes_first_and_keeps_its_depth():
    request = judge(scope_of(), "http://www.site.test/x", Kind.REDIRECT, 7)

    assert isinstance(request, Request)
    assert (-1, 7) == (request.priority, request.depth)


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("page", ["http://www.site.test/docs/start", "https://www.site.test/docs/start"],
         ["http://www.site.test/docs/start?x", "http://www.site.test/docs/", "http://other.test/docs/start"]),
        ("path", ["http://www.site.test/docs/", "http://www.site.test/docs/a/b", "https://www.site.test:8443/docs/x"],
         ["http://www.site.test/", "http://www.site.test/docsy/a", "http://site.test/docs/a"]),
        ("host", ["http://www.site.test/", "https://www.site.test:8443/x"], ["http://site.test/", "http://a.www.site.test/"]),
        ("site", ["http://site.test/", "http://a.b.site.test/x"], ["http://other.test/", "http://xsite.test/"]),
        ("any", ["http://site.test/", "https://other.example/x"], []),
    ],
)  # fmt: skip
def test_each_scope_lets_in_its_part_of_the_web(scope, inside, outside):
    judged = scope_of(scope=scope)

    assert [None] * len(inside) == [rule_of(judged, url) for url in inside]
    assert [Reason.SCOPE] * len(outside) == [rule_of(judged, url)[0] for url in outside]


def test_a_refusal_says_which_rule_decided():
    assert (Reason.SCOPE, "scope host: other.test is no seed's host") == rule_of(scope_of(), "http://other.test/")
    assert (Reason.SCOPE, "scope site: other.test is no seed's site") == rule_of(scope_of(scope="site"), "http://a.other.test/")
    assert (Reason.SCOPE, "scope path: not below a seed's directory") == rule_of(scope_of(scope="path"), "http://www.site.test/")
    assert (Reason.SCOPE, "scope page: not a seed itself") == rule_of(scope_of(scope="page"), "http://www.site.test/")
    assert (Reason.DEPTH, "depth 3 is beyond the limit of 2") == rule_of(scope_of(depth=2), "http://www.site.test/", depth=3)


def test_a_seed_is_in_scope_wherever_it_lies():
    assert None is rule_of(scope_of(), "http://other.test/", Kind.SEED, 0)


def test_the_options_of_a_seed_beat_the_settings_and_each_ruleset_has_its_own():
    narrow = ruleset_of([SEED], Options(depth=1, scope="page"), Settings(depth=9, scope="any"))
    wide = ruleset_of([SEED], Options(), Settings(depth=9, scope="any"))
    scope = Scope(Rules((wide, narrow)))

    assert isinstance(judge(scope, "http://other.test/", depth=9), Request)
    assert isinstance(judge(scope, "http://other.test/", ruleset=1), Rejected)
    assert isinstance(judge(scope, SEED, depth=2, ruleset=1), Rejected)


def test_a_depth_of_zero_is_a_limit():
    scope = scope_of(depth=0)

    assert None is rule_of(scope, SEED, Kind.SEED, 0)
    assert Reason.DEPTH is rule_of(scope, "http://www.site.test/a", depth=1)[0]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://other.test/", Reason.SCOPE),
        ("http://www.site.test/no", Reason.SCOPE),
        ("http://www.site.test/" + "a/" * 30, Reason.TRAP),
        ("http://www.site.test/robots.txt", Reason.SKIPPED),
        ("http://www.site.test/fine", Reason.DEPTH),
    ],
)
def test_depth_is_asked_last(url, reason):
    assert reason is rule_of(scope_of(depth=1, exclude=("/no",)), url, depth=9)[0]


def test_excludes_beat_includes_and_bind_seeds_too():
    scope = scope_of(include=(r"/docs/", r"\.html$"), exclude=(r"private",))

    assert None is rule_of(scope, "http://www.site.test/docs/a")
    assert None is rule_of(scope, "http://www.site.test/a.html")
    assert (Reason.SCOPE, "include: no pattern matches") == rule_of(scope, "http://www.site.test/a")
    assert (Reason.SCOPE, "exclude private") == rule_of(scope, "http://www.site.test/docs/private/a")
    assert (Reason.SCOPE, "exclude private") == rule_of(scope, "http://www.site.test/docs/private/a", Kind.SEED, 0)


def test_a_path_of_more_than_twenty_segments_is_a_trap():
    at_most = "http://www.site.test/" + "/".join(str(number) for number in range(20))

    assert None is rule_of(scope_of(), at_most)
    assert (Reason.TRAP, "21 path segments are more than 20") == rule_of(scope_of(), at_most + "/x")
    assert None is rule_of(scope_of(), at_most + "?next=/a/b/c/d/e/f")


def test_a_segment_that_occurs_a_fourth_time_is_a_trap():
    assert None is rule_of(scope_of(), "http://www.site.test/a/b/a/c/a")
    assert None is rule_of(scope_of(), "http://www.site.test/a/a/b/b/c/c/d/d")
    rule = (Reason.TRAP, "path segment 'a' occurs 4 times, more than 3")
    assert rule == rule_of(scope_of(), "http://www.site.test/a/a/b/a/a/")
    assert rule == rule_of(scope_of(), "http://www.site.test/a/a/a/a")


def test_small_bounds_on_traps_hold_for_short_paths_too():
    assert Reason.TRAP is rule_of(scope_of(segments=2), "http://www.site.test/a/b/c")[0]
    assert None is rule_of(scope_of(segments=2), "http://www.site.test/a/b")
    assert Reason.TRAP is rule_of(scope_of(repeats=1), "http://www.site.test/a/a")[0]
    assert None is rule_of(scope_of(repeats=1), "http://www.site.test/a/b")


def test_robots_txt_is_read_for_its_rules_and_kept_out_of_the_pages():
    scope = scope_of(scope="any")

    assert Reason.SKIPPED is rule_of(scope, "http://www.site.test/robots.txt")[0]
    assert Reason.SKIPPED is rule_of(scope, "https://h.test:8443/robots.txt", Kind.SEED, 0)[0]
    assert None is rule_of(scope, "http://www.site.test/docs/robots.txt")
    assert None is rule_of(scope, "http://www.site.test/xrobots.txt")


def test_a_twin_that_a_seed_s_own_redirect_reached_is_let_in_from_then_on():
    scope = scope_of()
    assert Reason.SCOPE is rule_of(scope, "https://site.test/")[0]

    assert isinstance(judge(scope, "https://site.test/docs/start", Kind.REDIRECT, 0, twin="www.site.test"), Request)

    assert None is rule_of(scope, "https://site.test/other")
    assert Reason.SCOPE is rule_of(scope, "https://other.test/")[0]
    assert "site.test" in scope.rules.rulesets[0].hosts


def test_a_redirect_to_somebody_else_adopts_nobody():
    scope = scope_of()

    assert isinstance(judge(scope, "https://evil.test/", Kind.REDIRECT, 0, twin="www.site.test"), Rejected)
    assert ruleset_of([SEED], Options(), Settings()) == scope.rules.rulesets[0]


@pytest.mark.parametrize("scope", ["path", "page"])
def test_a_twin_is_bound_to_the_same_part_as_its_seed(scope):
    judged = scope_of(scope=scope)
    assert judged.adopt("site.test")
    assert not judged.adopt("site.test")

    assert None is rule_of(judged, "http://site.test/docs/start")
    assert Reason.SCOPE is rule_of(judged, "http://site.test/elsewhere")[0]


def test_twins_differ_by_a_leading_www_only():
    assert is_twin("a.test", "a.test")
    assert is_twin("www.a.test", "a.test")
    assert is_twin("a.test", "www.a.test")
    assert not is_twin("w.a.test", "a.test")
    assert not is_twin("www.b.test", "a.test")
