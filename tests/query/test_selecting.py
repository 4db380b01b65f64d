"""Which URLs somebody means, and that a condition can only read."""

from __future__ import annotations

import pytest

from crawler.query.errors import QueryError
from crawler.query.reader import Reader
from crawler.query.selecting import Selection, choose


@pytest.fixture
def chosen(crawl):
    def choosing(action: str, **conditions) -> set[str]:
        with Reader.open(crawl) as reader:
            rows = choose(reader, Selection(action, **conditions)).rows
            return {str(url) for row in rows for (url,) in reader.all("SELECT url FROM urls WHERE url_id = ?", (row,))}

    return choosing


def test_without_a_condition_everything_that_the_action_can_mean_is_chosen(chosen, crawl):
    with Reader.open(crawl) as reader:
        wrong = {str(url) for (url,) in reader.all("SELECT url FROM errors WHERE state IN ('done', 'failed')")}
        waiting = {str(url) for (url,) in reader.all("SELECT url FROM queue")}

    assert wrong
    assert wrong <= chosen("retry")
    assert waiting == chosen("skip")
    assert chosen("requeue") <= chosen("forget")


def test_conditions_are_joined_by_and(chosen):
    every = chosen("retry")

    assert {url for url in every if "site.example" in url} == chosen("retry", hosts=("site.example",))
    assert set() == chosen("retry", hosts=("site.example",), where="host = 'other.example'")
    assert every == chosen("retry", since=0.0)
    assert set() == chosen("retry", since=4e9)
    assert chosen("retry", faults=("timeout",)) == chosen("retry", where="fault = 'timeout'")


def test_a_condition_may_end_in_a_comment(chosen):
    assert chosen("retry") == chosen("retry", where="1 -- and nothing else")


@pytest.mark.parametrize("where", ["1) ; DELETE FROM url", "(SELECT load_extension('x'))", "stauts = 3", "1; SELECT 1", "randomblob(9e9)", "(", "1) OR (1"])
def test_a_condition_can_only_read_and_a_mistake_is_told(chosen, where):
    with pytest.raises(QueryError):
        chosen("forget", where=where)
