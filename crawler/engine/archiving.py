"""What of an outcome goes into WARC files: who was answered, with which body, and where that lies already."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from crawler.archive import Exchange, Original
from crawler.archive.volume import Said, said_of
from crawler.archive.warc import FOLDER, WarcArchive, cut
from crawler.core.model import Barred, Body, Failed, Fault, Outcome, Place, Reply, RobotsRead
from crawler.core.settings import Settings
from crawler.engine.recording import Landed, body_of
from crawler.fetch.session import user_agent
from crawler.frontier.volumes import Volumes
from crawler.hooks import Hooks, Notice


def said(settings: Settings) -> Said:
    """Return what each WARC file says of the crawl that made it."""
    contact = (("operator", settings.contact),) if settings.contact else ()
    robots = "obeyed (RFC 9309)" if settings.robots else "ignored"
    return said_of((("robots", robots), ("http-header-user-agent", user_agent(settings)), *contact))


async def close_left_open(folder: Path, volumes: Volumes, hooks: Hooks) -> None:
    """Cut off what the last run wrote behind the truth, and tell of what is missing; whatever is kept where now."""
    left = await volumes.left_open()
    for _, file, size in left:
        missing = await asyncio.to_thread(cut, folder, file, size)
        if missing:
            await hooks.send(Notice(
                f"{file} lacks the last {missing:,} of its {size:,} bytes, and the bodies in them; crawler verify tells which"
            ))  # fmt: skip
    await volumes.close([row for row, _, _ in left])


class Recorder:
    """Records batches of outcomes."""

    def __init__(self, settings: Settings, *, archive: WarcArchive, volumes: Volumes) -> None:
        self._archive = archive
        self._volumes = volumes
        self._most = settings.max_size
        archive.begin = volumes.begin

    async def record(self, batch: Sequence[Landed], stored: dict[bytes, str]) -> list[Place | None]:
        """Write what was answered; return, durable, where each outcome lies, None for one without an answer.

        Digests in *stored* have their place already, in a WARC file or elsewhere. Taken out are those in a WARC file of which
        no request knows any more (somebody has forgotten it): nothing can refer to them, so they get a new place.
        """
        answered = [(number, exchange) for number, landed in enumerate(batch) if (exchange := self._exchange(landed)) is not None]
        originals = await self._volumes.originals(stored) if stored else {}
        for digest in [digest for digest, file in stored.items() if digest not in originals and file.startswith(f"{FOLDER}/")]:
            del stored[digest]
        unchanged = {batch[number].outcome.request.id for number, exchange in answered if exchange.reply.status == 304}
        good = await self._volumes.still_good(unchanged)
        written: dict[bytes, Original] = {}
        exchanges = []
        for number, exchange in answered:
            original = None
            if exchange.body is not None:
                original = self._first(exchange, exchange.body, stored, originals, written)
            elif exchange.reply.status == 304 and (found := good.get(batch[number].outcome.request.id)) is not None:
                original = Original(*found)
            exchanges.append(exchange if original is None else msgspec.structs.replace(exchange, original=original))
        places: list[Place | None] = [None] * len(batch)
        for (number, _), place in zip(answered, await self._archive.record(exchanges), strict=True):
            places[number] = place
        return places

    def _first(
        self, exchange: Exchange, body: Body, stored: Mapping[bytes, str], originals: Mapping[bytes, tuple[str, float, bytes]],
        written: dict[bytes, Original],
    ) -> Original | None:  # fmt: skip
        """Return where the body lies with its record, None when this exchange brings it: what is a file is no record."""
        if body.digest in stored:
            found = originals.get(body.digest)
            return None if found is None else Original(*found)
        if body.digest in written:
            return written[body.digest]
        written[body.digest] = Original(exchange.url, exchange.at, body.digest)
        return None

    def _exchange(self, landed: Landed) -> Exchange | None:
        outcome = landed.outcome
        reply = _whole(outcome)
        if reply is None or landed.void:
            return None
        body, content = body_of(outcome), outcome.text if isinstance(outcome, RobotsRead) else None
        size = body.size if body is not None else None if content is None else len(content)
        return Exchange(outcome.request.url, landed.at, reply, body, content, truncated=self._truncated(reply, size))

    def _truncated(self, reply: Reply, size: int | None) -> str | None:
        if size is None:
            return "unspecified" if reply.wire_bytes else None      # nobody wanted the body
        if not reply.truncated or reply.status == 206:
            return None
        return "length" if max(size, reply.wire_bytes) >= self._most else "unspecified"


def _whole(outcome: Outcome) -> Reply | None:
    """Return the answer, None for one that broke: it is asked for again, and nothing is to be looked up in its pieces."""
    match outcome:
        case Barred():
            return None
        case Failed(fault=fault, reply=reply):
            return reply if fault is Fault.REDIRECT else None
        case RobotsRead(fault=fault, reply=reply):
            return reply if fault is None else None
        case _:
            return outcome.reply
