"""A crawl in numbers for Prometheus: read when it is scraped, kept nowhere.

A counter only ever grows, or begins anew with a run: what people take back by `retry` and `forget`, such as pages and errors,
is a gauge. What nobody can know at the moment is left out rather than made up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple, get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from crawler.control.client import Reply
from crawler.core.forecast import Eta
from crawler.core.metrics import Snapshot, View
from crawler.dashboard.verdict import Phase, phase_of
from crawler.query.status import RunStatus, Status
from crawler.version import __version__

ALWAYS = "always"
READ = "while the database can be read"
RUN = "once there was a run"
ENDED = "when the latest run has ended"
KNOWN = "while the crawl answers or is at rest, then 0"
ANSWERED = "while the crawl runs and answers"
FORETOLD = "while it runs and its end can be foretold"

Value = float | Mapping[str, float]
"""Of a metric with a label: a value for each of its values."""


class Meter(NamedTuple):
    """A metric that is exported."""

    name: str
    kind: Literal["gauge", "counter"]
    meaning: str
    when: str = READ
    label: str | None = None

    @property
    def series(self) -> str:
        """Its name in a query."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


METERS = (
    Meter("crawler_build_info", "gauge", "Always 1; the version of the program is its label.", ALWAYS, "version"),
    Meter("crawler_up", "gauge", "1 if the database of the crawl can be read, 0 if not.", ALWAYS),
    Meter("crawler_phase", "gauge", "1 for the phase that the crawl is in, 0 for all others.", ALWAYS, "phase"),
    Meter("crawler_running", "gauge", "1 while a process crawls, 0 while none does."),
    Meter("crawler_pages", "gauge", "Pages that are stored."),
    Meter("crawler_errors", "gauge", "URLs that ended in a fault or a status of 400 and above, for good."),
    Meter("crawler_urls", "gauge", "URLs by state.", READ, "state"),
    Meter("crawler_urls_delayed", "gauge", "URLs that wait for a moment of their own, such as their next try."),
    Meter("crawler_hosts", "gauge", "Hosts that were met."),
    Meter("crawler_hosts_waiting", "gauge", "Hosts at which URLs wait, those put off left out."),
    Meter("crawler_hosts_resting", "gauge", "Hosts at which URLs wait and that rest for the moment."),
    Meter("crawler_hosts_parked", "gauge", "Hosts that are put off beyond the run."),
    Meter("crawler_database_bytes", "gauge", "Size of the database with its log."),
    Meter("crawler_run_id", "gauge", "Number of the latest run.", RUN),
    Meter("crawler_run_start_time_seconds", "gauge", "When the latest run began, in Unix seconds.", RUN),
    Meter("crawler_run_end_time_seconds", "gauge", "When the latest run ended, in Unix seconds.", ENDED),
    Meter("crawler_run_requests", "counter", "Requests of the latest run that were answered.", RUN),
    Meter("crawler_run_connections", "counter", "Requests of the latest run that needed a connection of their own.", RUN),
    Meter("crawler_run_pages", "counter", "Pages stored by the run that goes on.", ANSWERED),
    Meter("crawler_run_received_bytes", "counter", "Bytes received by the run that goes on.", ANSWERED),
    Meter("crawler_run_errors", "counter", "What went wrong for good in the run that goes on, by status or fault.", ANSWERED, "reason"),
    Meter("crawler_requests_in_flight", "gauge", "Requests on their way.", KNOWN),
    Meter("crawler_hosts_in_hand", "gauge", "Hosts that are asked or could be asked now.", KNOWN),
    Meter("crawler_network_down_seconds", "gauge", "For how long the network has been down, 0 while it is up.", KNOWN),
    Meter("crawler_concurrency", "gauge", "Requests that may be on their way at once.", ANSWERED),
    Meter("crawler_event_loop_lag_seconds", "gauge", "By how much the event loop was late at the most in the last seconds.", ANSWERED),
    Meter("crawler_resident_memory_bytes", "gauge", "Memory of the crawling process, its parser processes left out.", ANSWERED),
    Meter("crawler_remaining_min_seconds", "gauge", "Time to the end at the least.", FORETOLD),
    Meter("crawler_remaining_max_seconds", "gauge", "Time to the end at the most; missing where nobody can say.", FORETOLD),
)


def exposition(status: Status | None, reply: Reply | None, accept: str = "") -> tuple[bytes, str]:
    """Return the metrics of a crawl and their media type, in the format that *accept* wants most.

    *status*: what the database says, None where it cannot be read; *reply*: what the running crawl says of itself, None where
    none answers.
    """
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):     # a version that is no number
        encode, content_type = choose_encoder("")
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Crawl(values(status, reply)))
    return encode(registry), content_type


def values(status: Status | None, reply: Reply | None) -> dict[str, Value]:
    """Return what is known, by the names of `METERS`."""
    snapshot = None if reply is None else reply.snapshot
    now = phase_of(status, snapshot, paused=reply is not None and reply.paused)
    found: dict[str, Value] = {
        "crawler_build_info": {__version__: 1},
        "crawler_up": status is not None,
        "crawler_phase": {phase: phase == now for phase in get_args(Phase)},
    }
    if status is None:
        return found
    found |= _read(status)
    if status.run is not None:
        found |= _run(status.run)
    if reply is not None and snapshot is not None:
        found |= _running(status, reply, snapshot)
    elif not status.running:
        found |= {"crawler_requests_in_flight": 0, "crawler_hosts_in_hand": 0, "crawler_network_down_seconds": 0}
    return found


def _read(status: Status) -> dict[str, Value]:
    return {
        "crawler_running": status.running,
        "crawler_pages": status.pages,
        "crawler_errors": status.errors,
        "crawler_urls": status.states,
        "crawler_urls_delayed": status.waiting.delayed,
        "crawler_hosts": status.hosts,
        "crawler_hosts_waiting": status.waiting.hosts,
        "crawler_hosts_resting": status.waiting.resting,
        "crawler_hosts_parked": status.parked_hosts,
        "crawler_database_bytes": status.database_bytes,
    }


def _run(run: RunStatus) -> dict[str, Value]:
    found: dict[str, Value] = {
        "crawler_run_id": run.run_id,
        "crawler_run_start_time_seconds": run.started,
        "crawler_run_requests": run.requests,
        "crawler_run_connections": run.connections,
    }
    return found if run.ended is None else found | {"crawler_run_end_time_seconds": run.ended}


def _running(status: Status, reply: Reply, seen: Snapshot) -> dict[str, Value]:
    """Return what the running crawl knows better than the database, which was read some seconds ago."""
    found: dict[str, Value] = {
        "crawler_running": True,
        "crawler_pages": seen.pages,
        "crawler_errors": seen.errors,
        "crawler_run_pages": seen.run_pages,
        "crawler_run_received_bytes": seen.bytes,
        "crawler_requests_in_flight": seen.in_flight,
        "crawler_hosts_in_hand": seen.hosts,
        "crawler_network_down_seconds": seen.network_down or 0,
    }
    concurrency = reply.settings.get("concurrency")
    if isinstance(concurrency, int):
        found["crawler_concurrency"] = concurrency
    return found | _viewed(reply.view) | _foretold(status)


def _viewed(view: View | None) -> dict[str, Value]:
    if view is None:
        return {}
    return {
        "crawler_run_errors": view.wrong,
        "crawler_event_loop_lag_seconds": view.lag,
        "crawler_resident_memory_bytes": view.memory,
    }


def _foretold(status: Status) -> dict[str, Value]:
    if not isinstance(status.eta, Eta):
        return {}
    found: dict[str, Value] = {"crawler_remaining_min_seconds": status.eta.low}
    return found if status.eta.high is None else found | {"crawler_remaining_max_seconds": status.eta.high}


class _Crawl(Collector):
    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = values

    def collect(self) -> Iterator[Metric]:
        """Yield what is known, in the order of the table."""
        for meter in METERS:
            if (value := self._values.get(meter.name)) is not None:
                yield _family(meter, value)


def _family(meter: Meter, value: Value) -> Metric:
    make = CounterMetricFamily if meter.kind == "counter" else GaugeMetricFamily
    if not isinstance(value, Mapping):
        return make(meter.name, meter.meaning, value=float(value))
    family = make(meter.name, meter.meaning, labels=[meter.label or ""])
    for word, number in value.items():
        family.add_metric([word], float(number))
    return family
