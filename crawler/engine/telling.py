"""What a running crawl says of itself: a snapshot while it runs, a summary at its end."""

from __future__ import annotations

from collections.abc import Sequence

from crawler.core.metrics import Fold, Outcome, Snapshot, Summary, Waiting
from crawler.core.schedule import Schedule
from crawler.core.settings import Settings
from crawler.engine.feeder import Feeder
from crawler.frontier.sqlite import SqliteFrontier


def snapshot(
    now: float, settings: Settings, fold: Fold, frontier: SqliteFrontier, schedule: Schedule, feeder: Feeder, *, stopping: bool,
    down_since: float | None,
) -> Snapshot:  # fmt: skip
    """Return where a crawl stands."""
    pages, received = fold.rates(now)
    queued = frontier.queued
    waiting = schedule.waiting(now) if feeder.busy < settings.concurrency else []
    return Snapshot(
        elapsed=now - fold.started,
        pages=frontier.pages,
        run_pages=fold.run_pages,
        queued=queued,
        errors=frontier.writer.errors,
        bytes=fold.bytes,
        pages_per_second=pages,
        bytes_per_second=received,
        hosts=len(schedule),
        in_flight=feeder.busy,
        trend=fold.trend(queued),
        eta=fold.eta(now, queued, frontier.pages, settings.max_pages),
        waiting=tuple(Waiting(*entry) for entry in waiting),
        stopping=stopping,
        network_down=None if down_since is None else now - down_since,
    )


def summary(
    now: float, outcome: Outcome, fold: Fold, frontier: SqliteFrontier, feeder: Feeder, *,
    parked: Sequence[tuple[str, str, int]], signum: int | None, dropped: int, insecure: Sequence[str], recrawl: bool = False,
) -> Summary:  # fmt: skip
    """Return what a run came to."""
    return Summary(
        outcome=outcome,
        elapsed=now - fold.started,
        pages=frontier.pages,
        run_pages=fold.run_pages,
        bytes=fold.bytes,
        queued=frontier.queued,
        errors=tuple(fold.errors.most_common()),
        parked=tuple(parked) if outcome == "parked" else (),
        limit=feeder.limit if outcome == "limit" else None,
        signal=signum,
        dropped=dropped,
        hosts_asked=feeder.hosts_taken,
        skipped=tuple(fold.skipped.most_common()),
        requests=fold.requests,
        connections=fold.connections,
        insecure=tuple(insecure),
        unchanged=fold.unchanged,
        changed=fold.changed,
        gone=fold.gone,
        recrawl=recrawl,
    )
