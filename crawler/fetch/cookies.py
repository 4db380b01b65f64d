"""The cookies of a crawl, site by site, so that no site can touch what another one has.

A site is a registrable domain, or an address. Each has a store, and bounds, of its own: whatever one sets can push out its own
cookies only. The store is written here rather than made of one `aiohttp.CookieJar` a site: that jar knows nothing of public
suffixes and pinned cookies, bounds a domain where a site with many subdomains must be bounded, reads the wall clock, and
cannot tell what has changed. What is left of RFC 6265 after that is a dictionary.

Pinned cookies, those which whoever runs the crawl has given, are never pushed out; a server may replace or remove them.
aiohttp sends one cookie of each name: it is the most specific one.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import formatdate
from http.cookies import BaseCookie, Morsel, SimpleCookie
from types import MappingProxyType

import msgspec
from aiohttp.abc import AbstractCookieJar, ClearCookiePredicate
from aiohttp.typedefs import LooseCookies
from yarl import URL

from crawler.core.model import CookieRow
from crawler.fetch.cookiestore import SiteCookies, hides_a_secure_one, key_of, says_the_same
from crawler.fetch.setcookie import (
    Source,
    home_of,
    is_secure,
    is_sent_to,
    is_sound,
    judge,
    parse,
    source_of,
)

MOST_SITES = 10_000
MOST_SENT = 150
MOST_SENT_BYTES = 8190
"""Of a Cookie header with its name; many servers refuse more."""


class SiteJar(AbstractCookieJar):
    """A cookie jar for an `aiohttp.ClientSession`: every site has its own cookies.

    What changes is told by `take_changes`, to be written down; `restore` puts it back. Beyond *most_sites* those used longest
    ago are forgotten, except sites with pinned cookies. One whose changes are yet to be taken stays, up to twice as many.
    """

    def __init__(self, *, most_sites: int = MOST_SITES, clock: Callable[[], float] = time.time) -> None:
        # The base class is not asked: it wants a running event loop, and then makes no use of it.
        self._most_sites = most_sites
        self._clock = clock
        self._sites: dict[str, SiteCookies] = {}
        self._changed: dict[str, None] = {}
        self._in_use: Counter[str] = Counter()
        self._resting: OrderedDict[str, None] = OrderedDict()   # may be forgotten: nothing pinned, nothing to be written

    def __repr__(self) -> str:
        return f"<SiteJar {len(self)} cookies of {len(self._sites)} sites, {len(self._changed)} to be written>"

    # --- what a request takes along ----------------------------------------------------------------------------------

    def filter_cookies(self, request_url: URL) -> BaseCookie[str]:
        """Return the cookies for a request, within what one header may carry: pinned ones first, then the most specific."""
        chosen: BaseCookie[str] = BaseCookie()
        host, site = home_of(request_url.raw_host)
        kept = self._sites.get(site)
        if kept is None:
            return chosen
        if site in self._resting:
            self._resting.move_to_end(site)
        if not kept.rows:
            return chosen
        self._expire(site, kept)
        path, secure = request_url.raw_path or "/", is_secure(request_url)
        fitting = [row for row in kept.rows.values() if is_sent_to(row, host, path, secure=secure)]
        fitting.sort(key=_specific)
        by_name = {row.name: row for row in fitting}
        left = MOST_SENT_BYTES - len(b"Cookie: ") + len(b"; ")
        for row in sorted(by_name.values(), key=lambda row: (row.pinned, *_specific(row)), reverse=True):
            needed = len(f"{row.name}={row.value}; ".encode())
            if needed <= left and len(chosen) < MOST_SENT:
                left -= needed
                dict.__setitem__(chosen, row.name, _bare_morsel(row))   # BaseCookie's own would quote and check again
        return chosen

    # --- what an answer sets -----------------------------------------------------------------------------------------

    def update_cookies_from_headers(self, headers: Sequence[str | bytes], response_url: URL) -> None:
        """Keep what the Set-Cookie headers of an answer set, and its site may set. Never raises, whatever they say."""
        source, now = source_of(response_url), self._clock()
        for header in headers:
            row = parse(header, source, now)
            if row is not None:
                self._keep(row, source, now)

    def update_cookies(self, cookies: LooseCookies, response_url: URL = URL()) -> None:  # noqa: B008 - the base's signature; URLs never change
        """Keep cookies as if the URL had set them; what it may not set is left out.

        Raises ValueError without a URL: a cookie that went to every site would be everybody's.
        """
        if not response_url.raw_host:
            raise ValueError("cookies belong to a site: give the URL that sets them")
        source, now = source_of(response_url), self._clock()
        for name, cookie in cookies.items() if isinstance(cookies, Mapping) else cookies:
            if isinstance(cookie, Morsel):
                said = {key: "" if value is True else str(value) for key, value in cookie.items() if value}
                row = judge(cookie.key, cookie.coded_value, said, source, now)
            else:
                row = judge(name, str(cookie), {}, source, now)
            if row is not None:
                self._keep(row, source, now)

    def _keep(self, row: CookieRow, source: Source, now: float) -> None:
        kept = self._sites.get(row.site)
        if kept is not None and not source.secure and hides_a_secure_one(row, kept):
            return
        if row.expires is not None and row.expires <= now:
            if kept is not None and kept.drop(row):
                self._note(row.site)
            return
        kept = kept or self._enter(row.site)
        old = kept.rows.get(key_of(row))
        if old is not None:
            row = msgspec.structs.replace(row, pinned=old.pinned)
            if says_the_same(old, row, now):
                row = old
        kept.put(row)
        if row is not old:
            self._note(row.site)

    # --- what is written down, and comes back ------------------------------------------------------------------------

    def take_changes(self) -> list[tuple[str, tuple[CookieRow, ...]]]:
        """Return every site that has changed since the last call, with all its cookies now: they replace what is written down.

        They stay in memory until `written` says that they are: what is looked up meanwhile would be older.
        """
        changed, self._changed = self._changed, {}
        taken = []
        for site in changed:
            kept = self._sites[site]
            self._drop_expired(kept)
            taken.append((site, tuple(kept.rows.values())))
        return taken

    def written(self, taken: Iterable[tuple[str, tuple[CookieRow, ...]]]) -> None:
        """Note that changes are written down: their sites may be forgotten, unless they have changed again."""
        for site, _ in taken:
            kept = self._sites.get(site)
            if kept is not None and site not in self._changed:
                self._rest(site, kept)
        self._forget()

    def restore(self, rows: Iterable[CookieRow], *, sites: Iterable[str] = ()) -> None:
        """Put cookies back; this is no change. Those that have expired or break the rules are left out.

        A pinned row replaces what is there; another one does not, since an answer may have come while it was looked up.
        *sites* are known from now on even if they have no row.
        """
        now = self._clock()
        touched = dict.fromkeys(sites)
        for row in rows:
            if (row.expires is not None and not row.expires > now) or not is_sound(row):
                continue
            kept = self._sites.get(row.site) or self._enter(row.site)
            if row.pinned or key_of(row) not in kept.rows:
                kept.put(row)
            touched[row.site] = None
        for site in touched:
            kept = self._sites.get(site) or self._enter(site)
            if site not in self._changed:
                self._rest(site, kept)
        self._forget()

    def knows(self, site: str) -> bool:
        """Tell whether a site is in memory; of one that is not, the cookies may be written down."""
        return site in self._sites

    @contextmanager
    def using(self, site: str) -> Iterator[None]:
        """Keep a site in memory for the length of the block: while a request to it is on its way."""
        self._in_use[site] += 1
        try:
            yield
        finally:
            self._in_use[site] -= 1
            if not self._in_use[site]:
                del self._in_use[site]
                self._forget()

    # --- the rest of aiohttp's interface -----------------------------------------------------------------------------

    @property
    def unsafe(self) -> bool:
        """Addresses have cookies too."""
        return True

    @property
    def quote_cookie(self) -> bool:
        """Values are sent back as they came."""
        return False

    @property
    def cookies(self) -> MappingProxyType[tuple[str, str], SimpleCookie]:
        """Return a picture of all cookies, by (host, path)."""
        found: dict[tuple[str, str], SimpleCookie] = {}
        for row in self._live():
            dict.__setitem__(found.setdefault((row.host, row.path), SimpleCookie()), row.name, _morsel(row))
        return MappingProxyType(found)

    @property
    def host_only_cookies(self) -> frozenset[tuple[str, str, str]]:
        """Return the (host, path, name) of all cookies that subdomains do not share."""
        return frozenset(key_of(row) for row in self._live() if row.host_only)

    def clear(self, predicate: ClearCookiePredicate | None = None) -> None:
        """Remove the cookies in memory, pinned or not, for which *predicate* is true; all without one."""
        self._remove(lambda row: predicate is None or predicate(_morsel(row)))

    def clear_domain(self, domain: str) -> None:
        """Remove the cookies in memory of a domain and of all names below it."""
        name = home_of(domain)[0]
        self._remove(lambda row: row.host == name or row.host.endswith(f".{name}"))

    def __iter__(self) -> Iterator[Morsel[str]]:
        return iter([_morsel(row) for row in self._live()])

    def __len__(self) -> int:
        return len(self._live())

    # --- sites come and go -------------------------------------------------------------------------------------------

    def _live(self) -> list[CookieRow]:
        now = self._clock()
        return [row for kept in self._sites.values() for row in kept.rows.values() if row.expires is None or row.expires > now]

    def _remove(self, unwanted: Callable[[CookieRow], bool]) -> None:
        for site, kept in self._sites.items():
            for row in [row for row in kept.rows.values() if unwanted(row)]:
                kept.drop(row)
                self._note(site)

    def _expire(self, site: str, kept: SiteCookies) -> None:
        if self._drop_expired(kept):
            self._note(site)

    def _drop_expired(self, kept: SiteCookies) -> bool:
        now = self._clock()
        gone = [row for row in kept.rows.values() if row.expires is not None and row.expires <= now]
        for row in gone:
            kept.drop(row)
        return bool(gone)

    def _enter(self, site: str) -> SiteCookies:
        kept = self._sites[site] = SiteCookies()
        return kept

    def _note(self, site: str) -> None:
        self._changed[site] = None
        self._resting.pop(site, None)
        self._forget()

    def _rest(self, site: str, kept: SiteCookies) -> None:
        if kept.pinned:
            self._resting.pop(site, None)
        else:
            self._resting[site] = None
            self._resting.move_to_end(site)

    def _forget(self) -> None:
        looked = 0
        while len(self._sites) > self._most_sites and looked < len(self._resting):
            site = next(iter(self._resting))
            if site in self._in_use:
                self._resting.move_to_end(site)
                looked += 1
                continue
            del self._resting[site], self._sites[site]
        # Nobody takes the changes: memory has its end all the same.
        while len(self._changed) > 2 * self._most_sites:
            loose = next((site for site in self._changed if not self._sites[site].pinned), None)
            if loose is None:
                return
            del self._changed[loose], self._sites[loose]


def _specific(row: CookieRow) -> tuple[int, int]:
    return len(row.path), len(row.host)


def _bare_morsel(row: CookieRow) -> Morsel[str]:
    morsel: Morsel[str] = Morsel()
    # What `set` would refuse or quote is a value that some server has sent and expects to see again.
    morsel.__setstate__({"key": row.name, "value": row.value, "coded_value": row.value})  # type: ignore[attr-defined]  # typeshed lacks it
    return morsel


def _morsel(row: CookieRow) -> Morsel[str]:
    morsel = _bare_morsel(row)
    morsel["domain"], morsel["path"] = row.host, row.path
    morsel["secure"], morsel["httponly"] = row.secure, row.http_only
    if row.expires is not None:
        morsel["expires"] = formatdate(min(row.expires, 253_402_300_799), usegmt=True)   # the end of the year 9999
    return morsel
