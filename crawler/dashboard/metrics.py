"""A crawl in numbers for Prometheus: read when it is scraped, kept nowhere."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from crawler.control.client import Reply
from crawler.core.forecast import Eta
from crawler.query.status import Status

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def exposition(status: Status, reply: Reply | None) -> bytes:
    """Return the metrics of a crawl in the text format; *reply*: what the running crawl says of itself, None where none answers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Crawl(status, reply))
    return generate_latest(registry)


class _Crawl(Collector):
    def __init__(self, status: Status, reply: Reply | None) -> None:
        self._status, self._reply = status, reply

    def collect(self) -> Iterable[Metric]:
        """Yield what is known: the totals always, the rest while the crawl runs."""
        status = self._status
        yield _gauge("crawler_running", "1 while a process crawls, else 0", float(status.running))
        states = GaugeMetricFamily("crawler_urls", "URLs by state", labels=["state"])
        for state, number in status.states.items():
            states.add_metric([state], number)
        yield states
        yield _counter("crawler_pages", "pages stored over the whole crawl", status.pages)
        yield _counter("crawler_errors", "URLs that ended in a fault or a status of 400 and above, for good", status.errors)
        yield _gauge("crawler_hosts", "hosts ever met", status.hosts)
        yield _gauge("crawler_hosts_parked", "hosts that are put off beyond the run", status.parked_hosts)
        yield _gauge("crawler_database_bytes", "the database with its log", status.database_bytes)
        if status.run is not None:
            yield _gauge("crawler_run", "number of the latest run", status.run.run_id)
            yield _gauge("crawler_run_started_seconds", "when it began, in Unix seconds", status.run.started)
        if isinstance(status.eta, Eta) and status.eta.high is not None:
            yield _gauge("crawler_end_in_seconds", "seconds to the end at the latest, where that can be said", status.eta.high)
        if self._reply is not None:
            yield from _running(self._reply)


def _running(reply: Reply) -> Iterable[Metric]:
    yield _gauge("crawler_paused", "1 while it is paused", float(reply.paused))
    seen, view = reply.snapshot, reply.view
    if seen is not None:
        yield _counter("crawler_run_pages", "pages stored by this run", seen.run_pages)
        yield _counter("crawler_received_bytes", "bytes received by this run", seen.bytes)
        yield _gauge("crawler_pages_per_second", "pages a second over the last ten seconds", seen.pages_per_second)
        yield _gauge("crawler_requests_in_flight", "requests on their way", seen.in_flight)
        yield _gauge("crawler_hosts_in_hand", "hosts that are asked or could be asked", seen.hosts)
        yield _gauge("crawler_network_down_seconds", "for how long the network has been down, 0 while it is up", seen.network_down or 0.0)
    if view is not None:
        yield _gauge("crawler_event_loop_lag_seconds", "by how much the event loop was late at the most, lately", view.lag)
        yield _gauge("crawler_resident_memory_bytes", "memory of the crawling process, without its parsers", view.memory)
        wrong = CounterMetricFamily("crawler_run_errors", "what went wrong in this run", labels=["reason"])
        for word, times in view.wrong.items():
            wrong.add_metric([word], times)
        yield wrong


def _gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, meaning, value=value)


def _counter(name: str, meaning: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(name, meaning, value=value)
