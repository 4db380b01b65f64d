"""When several URLs are known to be one page: four rules of thumb, each of which may be wrong somewhere, so all are off by default.

A URL that folds is not thrown away: the link is recorded as a duplicate together with the rule in words, and the folded URL
is offered in its place. What a fold does to a URL depends on nothing but the URL, it never touches scheme, host and port,
it re-encodes nothing, and folding twice is folding once. The rules:

- `query-order`: parameters sorted by name; those of one name keep their order, since a list may depend on it. Empty
  parameters (`a&&b`, a trailing `&`, a lone `?`) go.
- `tracking`: parameters that say where a visitor comes from (`crawler.core.tracking`) go.
- `session`: session ids in the path or the query go; see `_session_test` and `_without_session` for what counts as one.
- `index`: the name of the file that a server shows for a directory goes: `/dir/index.html` is `/dir/`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Literal, get_args
from urllib.parse import unquote_to_bytes

from crawler.core.model import Kind
from crawler.core.tracking import is_tracking

Fold = Literal["query-order", "tracking", "session", "index"]

UNFOLDED = frozenset({Kind.SEED, Kind.REDIRECT})
"""What is meant as it is written: who seeds a URL, and where a server sends."""
FOLDS: tuple[Fold, ...] = get_args(Fold)
"""All folds there are."""

_INDEX = ("/index.html", "/index.htm", "/index.xhtml", "/index.shtml", "/default.htm", "/Default.htm")
"""Files that servers show for their directory, as Apache, nginx, lighttpd and IIS (which ignores case) are set when installed."""

_INDEX_WITHOUT_QUERY = ("/index.php", "/index.jsp", "/default.asp", "/Default.asp", "/default.aspx", "/Default.aspx")
"""The same for programs. With a query they may do what their directory does not, so then they stay."""

_ANY_INDEX = _INDEX + _INDEX_WITHOUT_QUERY

_CERTAIN = frozenset({"jsessionid", "phpsessid", "zenid", "oscsid"})
"""Parameters that hold nothing but session ids (servlets, PHP, Zen Cart, osCommerce)."""

_AMBIGUOUS = frozenset({"sid", "s", "sessionid", "session_id"})
"""Parameters that hold a session id here and a search or a section there (phpBB, vBulletin and many others)."""

_PATH_PARAMETER = re.compile(r";(jsessionid|phpsessid|sid)=([^;/]*)", re.IGNORECASE)
# A: anonymous user, F: forms ticket, S: session, X: whether cookies work. Before ASP.NET 2.0 the id stood there alone.
_ASP_SEGMENT = re.compile(
    r"/\((?:(?:[AFX]\([\w-]+\))*S\([a-z0-5]{24}\)(?:[AFX]\([\w-]+\))*|(?=[a-z]*[0-5]+[a-z])[a-z0-5]{24})\)(?=/)", re.ASCII
)
_ASP_NAME = re.compile(r"aspsessionid[a-z]{8}")
_ASP_VALUE = re.compile(r"[A-Z]{24}")
_COLDFUSION = tuple(re.compile(rf"(?:\A|&){pair}(?:&|\Z)", re.IGNORECASE) for pair in ("cfid=[0-9]+", "cftoken=[0-9a-f-]{8,}"))

_SESSION_ID = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[\w.,:!~*+-]{16,}", re.ASCII)
# A letter between two digits: random ids have one, `besthotelsinparis2024` has not.
_RANDOM = re.compile(r"(?=[a-z]*[0-9]+[a-z]+[0-9])(?:[0-9a-f]{16,}|[0-9a-v]{26}|[0-9a-v]{32})", re.IGNORECASE)
# A spelt URL has no such segment, so that one which is there afterwards was `..;jsessionid=` before: what a server makes of it is unsure.
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|\Z)", re.IGNORECASE)

_IsSession = Callable[[str, str], bool]

_TOLD = 5
_TOLD_LENGTH = 40


class Folds:
    """The folds of one crawl, ready to be asked for each link."""

    def __init__(self, names: Iterable[str]) -> None:
        chosen = frozenset(names)
        unknown = chosen.difference(FOLDS)
        if unknown:
            raise ValueError(f"there is no fold {min(unknown)!r}, only {', '.join(FOLDS)}")
        self.names: tuple[Fold, ...] = tuple(name for name in FOLDS if name in chosen)
        self._order = "query-order" in chosen
        self._tracking = "tracking" in chosen
        self._session = "session" in chosen
        self._index = "index" in chosen
        self._in_query = self._order or self._tracking or self._session

    def __bool__(self) -> bool:
        return bool(self.names)

    def __repr__(self) -> str:
        return f"<Folds {', '.join(self.names) or 'none'}>"

    def fold(self, url: str) -> tuple[str, str] | None:
        """Return (folded URL, the rule in words) of a spelt URL without fragment, None when nothing folds."""
        place, mark, query = url.partition("?")
        sessions: list[str] = []
        rules: list[str] = []
        if self._session and (";" in place or "/(" in place):
            place = _without_session(place, sessions)
        if mark and self._in_query:
            folded = self._fold_query(query, sessions, rules)
            if not folded and (query or rules):
                mark = ""
            query = folded
        if sessions:
            rules.insert(0, f"fold session: without {_told(sessions)}")
        if self._index and place.endswith(_INDEX if query else _ANY_INDEX):
            place, _, name = place.rpartition("/")
            place += "/"
            rules.append(f"fold index: without {name}")
        return (place + mark + query, "; ".join(rules)) if rules else None

    def _fold_query(self, query: str, sessions: list[str], rules: list[str]) -> str:
        """Return the query after the folds; what they did is added to the lists."""
        kept: list[tuple[str, str]] = []
        sources: list[str] = []
        for piece in query.split("&"):
            spelt, _, value = piece.partition("=")
            name, tracking, id_of = _parameter(spelt)
            if tracking and self._tracking:
                sources.append(spelt)
            elif id_of is not None and self._session and id_of(value, query):
                sessions.append(spelt)
            else:
                kept.append((name, piece))
        if sources:
            rules.append(f"fold tracking: without {_told(sources)}")
        if self._order:
            kept = _in_order(kept, rules)
        return "&".join([piece for _, piece in kept])


def _in_order(kept: list[tuple[str, str]], rules: list[str]) -> list[tuple[str, str]]:
    """Return parameters, as (name, piece), sorted by name and without the empty ones."""
    full = [parameter for parameter in kept if parameter[1]] if ("", "") in kept else kept
    ordered = sorted(full, key=itemgetter(0))
    done = []
    if ordered != full:
        done.append("sorted by name")
    if len(full) < len(kept):
        done.append("without empty parameters" if full else "without an empty query")
    if done:
        rules.append(f"fold query-order: {', '.join(done)}")
    return ordered


@lru_cache(maxsize=1024)     # sites use few names, and to ask again costs a tenth
def _parameter(spelt: str) -> tuple[str, bool, _IsSession | None]:
    """Return what is known of a parameter by its name: decoded, whether it is for tracking, how its session ids are told.

    Bytes that are no text stay distinct.
    """
    name = _decoded(spelt.replace("+", " "))
    return name, is_tracking(name), _session_test(name.lower())


def _session_test(name: str) -> _IsSession | None:
    """Return what tells whether a value (of a query) is a session id, None for names that never hold one.

    - `jsessionid`, `phpsessid`, `zenid`, `oscsid`: 16 or more characters, letters and digits among them;
    - `aspsessionid` and eight letters (classic ASP): 24 capitals;
    - `cfid` and `cftoken` (ColdFusion): a number and eight or more hexadecimal digits, and both of them are there;
    - `sid`, `s`, `sessionid`, `session_id`: what looks drawn at random, which is 16 or more hexadecimal digits, or 26 or 32
      of the characters that PHP draws from (0-9, a-v), with a letter between two digits.
    """
    if name in _CERTAIN:
        return lambda value, _: _SESSION_ID.fullmatch(_decoded(value)) is not None
    if name in _AMBIGUOUS:
        return lambda value, _: _RANDOM.fullmatch(_decoded(value)) is not None
    if _ASP_NAME.fullmatch(name):
        return lambda value, _: _ASP_VALUE.fullmatch(value) is not None
    if name in {"cfid", "cftoken"}:
        return lambda _, query: _is_coldfusion(query)
    return None


@lru_cache(maxsize=1)     # a query of nothing but `cfid` would be searched as often as it has parameters
def _is_coldfusion(query: str) -> bool:
    return all(pattern.search(query) for pattern in _COLDFUSION)


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape") if "%" in text else text


def _without_session(place: str, told: list[str]) -> str:
    """Return a URL up to its query without session ids in the path; what went away is added to *told*.

    - `;jsessionid=` and `;phpsessid=` with 16 or more characters, letters and digits among them;
    - `;sid=` with what looks drawn at random (see `_session_test`);
    - a segment `(S(...))` with the 24 characters of an ASP.NET session, also beside `A(...)`, `F(...)` and `X(...)`, and
      `(...)` with the 24 characters alone.
    """
    start = place.index("/", 8)     # what looks like a session id may stand in a host name too
    path = place[start:]
    gone: list[str] = []

    def parameter(match: re.Match[str]) -> str:
        looks = _RANDOM if match[1].lower() == "sid" else _SESSION_ID
        if looks.fullmatch(_decoded(match[2])) is None:
            return match[0]
        gone.append(f";{match[1]}")
        return ""

    def segment(match: re.Match[str]) -> str:
        gone.append("(S(...))" if "S(" in match[0] else "(...)")
        return ""

    folded = _ASP_SEGMENT.sub(segment, _PATH_PARAMETER.sub(parameter, path))
    if not gone or _DOTS.search(folded):
        return place
    told.extend(gone)
    return place[:start] + folded


def _told(names: Iterable[str]) -> str:
    """Name what went away, each once; remote text is as long as it likes, a rule is not."""
    distinct = list(dict.fromkeys(name[:_TOLD_LENGTH] for name in names))
    more = f" and {len(distinct) - _TOLD} more" if len(distinct) > _TOLD else ""
    return ", ".join(distinct[:_TOLD]) + more
