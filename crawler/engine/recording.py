"""From an outcome to what is recorded of it: plain translation, no decisions."""

from __future__ import annotations

import msgspec

from crawler.core.model import (
    NO_OFFERS,
    Answered,
    Barred,
    Body,
    Failed,
    Fault,
    Fetched,
    Outcome,
    Place,
    Redirected,
    Reply,
    RobotsRead,
    Unchanged,
)
from crawler.core.policy import Next
from crawler.core.revisits import GONE
from crawler.frontier import Attempt, HostState, OriginState, Settled

LONGEST_HEADERS = 16 * 1024
"""Bytes of a reply's headers that are kept."""

_encode = msgspec.json.Encoder().encode


class Landed(msgspec.Struct, frozen=True, gc=False):
    """An outcome with what becomes of it, on its way to the committer."""

    outcome: Outcome
    next: Next
    at: float
    again: bool = False
    crawl_delay: float | None = None
    near: int | None = None
    """Row of an earlier page whose text is nearly the same."""
    void: bool = False
    """Nothing of it is true: the network was down, and the URL goes back as if it had not been asked for."""

    @property
    def size(self) -> int:
        """Bytes that wait for the disk."""
        indexed = self.outcome.parsed.indexed if isinstance(self.outcome, Fetched) else None
        size = 0 if indexed is None else indexed.size
        return size + (body.size if (body := body_of(self.outcome)) is not None else 0)


def body_of(outcome: Outcome) -> Body | None:
    """Return the body that an outcome brought."""
    return outcome.body if isinstance(outcome, Fetched | Answered) else None


def is_page(outcome: Outcome) -> bool:
    """Tell whether an outcome is a page: a good answer that does not stand back behind its canonical."""
    return isinstance(outcome, Fetched) and outcome.parsed.folds_into is None


def is_new(outcome: Outcome) -> bool:
    """Tell whether an outcome is a page of a URL that had none: one more in the count of pages."""
    return is_page(outcome) and outcome.request.kept is None


def is_unchanged(outcome: Outcome) -> bool:
    """Tell whether an outcome is the page that there was already: the server says so, or has sent the same bytes."""
    kept = outcome.request.kept
    if isinstance(outcome, Unchanged):
        return True
    return isinstance(outcome, Fetched) and is_page(outcome) and kept is not None and (
        outcome.body is not None and outcome.body.digest == kept.digest
    )


def is_gone(outcome: Outcome) -> bool:
    """Tell whether an outcome says that a URL is no page: not there (404, 410), elsewhere, or standing back behind its canonical."""
    match outcome:
        case Redirected():
            return True
        case Fetched():
            return not is_page(outcome)
        case Answered(reply=reply):
            return reply.status in GONE
        case _:
            return False


def is_renewed(outcome: Outcome) -> bool:
    """Tell whether the links of an answer replace those of an earlier one: it is another, and all its links were read."""
    if not outcome.request.asked or is_unchanged(outcome):
        return False
    return is_gone(outcome) or (isinstance(outcome, Fetched) and outcome.parsed.fault is None)


def settled_of(landed: Landed, host: HostState, stored: dict[bytes, str], place: Place | None = None) -> Settled:
    """Return what is to be recorded; *stored* are bodies that have their file already, *place* where a WARC file has the answer."""
    outcome, next_ = landed.outcome, landed.next
    body = body_of(outcome)
    if body is not None and body.digest in stored:
        body = msgspec.structs.replace(body, file=stored[body.digest])
    elif body is not None and place is not None:
        body = msgspec.structs.replace(body, file=place.file, offset=place.offset, length=place.length)
    offers = NO_OFFERS
    if isinstance(outcome, Fetched):
        offers = outcome.parsed.offers
    elif isinstance(outcome, Redirected | RobotsRead):
        offers = outcome.offers
    return Settled(
        outcome.request, next_.state, next_.tries, next_.due_at, next_.reason, next_.rule,
        None if landed.void else attempt_of(outcome, landed.at, landed.near), body,
        page=is_page(outcome), again=landed.again, offers=offers, host=host, origin=_origin_of(landed),
        listed=outcome.parsed.listed if isinstance(outcome, Fetched) else (), gone=is_gone(outcome), renewed=is_renewed(outcome),
        indexed=outcome.parsed.indexed if isinstance(outcome, Fetched) else None, place=place,
    )  # fmt: skip


def attempt_of(outcome: Outcome, at: float, near: int | None = None) -> Attempt | None:
    """Return the row of `fetch`, None when nothing was asked."""
    match outcome:
        case Barred():
            return None
        case Failed():
            return _attempt(at, outcome.reply, fault=outcome.fault, detail=outcome.detail)
        case RobotsRead():
            return _attempt(at, outcome.reply, fault=outcome.fault, detail=outcome.detail)
        case Redirected():
            return _attempt(at, outcome.reply, redirected=True)
        case Answered() | Unchanged():
            return _attempt(at, outcome.reply)
        case Fetched(reply=reply, parsed=parsed):
            return Attempt(
                at, reply.status, Fault.PARSE if parsed.fault else None, parsed.fault, reply.truncated, reply.mime, parsed.charset,
                reply.wire_bytes, reply.ttfb, reply.total, reply.ip, False, reply.header("etag"), reply.header("last-modified"),
                parsed.title, parsed.lang, parsed.noindex, parsed.links, parsed.links_truncated, _headers(reply),
                reply.dns, reply.connect, reply.tls, reply.reused, parsed.nofollow, parsed.simhash, near,
            )  # fmt: skip


def _attempt(
    at: float, reply: Reply | None, *, fault: Fault | None = None, detail: str | None = None, redirected: bool = False
) -> Attempt:
    if reply is None:
        return Attempt(at, fault=fault, detail=detail)
    return Attempt(
        at, reply.status, fault, detail, reply.truncated, reply.mime, None, reply.wire_bytes, reply.ttfb, reply.total, reply.ip,
        redirected, reply.header("etag"), reply.header("last-modified"), headers=_headers(reply), dns=reply.dns, connect=reply.connect,
        tls=reply.tls, reused=reply.reused,
    )  # fmt: skip


def _headers(reply: Reply) -> str:
    text = _encode(reply.headers).decode()
    if len(text) <= LONGEST_HEADERS:
        return text
    short = [(name[:200], value[:200]) for name, value in reply.headers[:40]]
    return _encode(short).decode()


def _origin_of(landed: Landed) -> OriginState | None:
    outcome = landed.outcome
    if not isinstance(outcome, RobotsRead) or outcome.target is not None or landed.void:
        return None
    status = None if outcome.reply is None else outcome.reply.status
    request = outcome.request
    return OriginState(request.origin_id, request.origin, landed.at, status, outcome.fault, outcome.text, landed.crawl_delay)


def word_of(outcome: Outcome) -> str | None:
    """Return what went wrong in one word, None when nothing did: a fault, or a status of 400 and above."""
    match outcome:
        case Failed() | RobotsRead() if outcome.fault is not None:
            return outcome.fault.value
        case Answered(reply=reply) if reply.status >= 400:
            return str(reply.status)
        case Fetched(parsed=parsed) if parsed.fault:
            return Fault.PARSE.value
        case _:
            return None
