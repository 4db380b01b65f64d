"""How each origin is asked: with which headers, credentials, certificates, timeouts, and through which proxy.

Everything that is said of one origin or of some hosts is looked up here, once for each origin, and nothing of it is known
anywhere else. Redirects are requests of their own, so that no header and no proxy travels to another origin.
"""

from __future__ import annotations

import importlib
import os
import ssl
import urllib.request
from collections import OrderedDict
from collections.abc import Mapping

import aiohttp

from crawler.core import targets, urls
from crawler.core.settings import Settings
from crawler.core.targets import Timeouts
from crawler.folder import CrawlError

ROUTES_KEPT = 10_000


class WrongSettings(CrawlError):
    """A setting that names something which is not there, or is no good."""

    exit_code = 2


class Route:
    """How one origin is asked."""

    __slots__ = ("client_timeout", "headers", "host", "proxied", "proxy", "socks", "ssl", "timeouts", "to_headers", "via")

    def __init__(
        self, host: str, headers: Mapping[str, str] | None, timeouts: Timeouts, proxy: str | None, context: ssl.SSLContext | bool  # noqa: FBT001 - aiohttp's
    ) -> None:
        self.host = host
        self.headers = headers
        self.timeouts = timeouts
        self.socks = proxy if proxy is not None and proxy.startswith("socks") else None
        self.proxy = proxy if self.socks is None else None
        self.via = host if proxy is None else targets.host_of_proxy(proxy)
        """The host that is connected to."""
        self.proxied = proxy is not None
        self.ssl = context
        dns, connect, header = timeouts.dns or 0.0, timeouts.connect or 0.0, timeouts.header or 0.0
        self.to_headers = min(dns + connect + header, timeouts.total or float("inf"))
        """Seconds from the beginning to the end of the headers, at the most; once the request is written the last part of it counts."""
        self.client_timeout = aiohttp.ClientTimeout(
            total=timeouts.total, connect=dns + connect, sock_connect=connect, sock_read=timeouts.read
        )


class Routes:
    """The routes of one crawl."""

    def __init__(self, settings: Settings) -> None:
        self._headers: dict[str, dict[str, str]] = {}
        for one in (*map(targets.header, settings.headers), *map(targets.credentials, settings.auth)):
            if one.origin is not None:
                self._headers.setdefault(one.origin, {})[one.name] = one.value
        self._timeouts = tuple(map(targets.timeouts, settings.timeouts))
        self._proxies = tuple(map(targets.proxy, settings.proxies))
        if any(rule.socks for rule in self._proxies):
            need_extra("socks", "python_socks", "a SOCKS proxy")
        if settings.resolver == "c-ares":
            need_extra("dns", "aiodns", "--resolver c-ares")
        self._environment = _proxies_of_environment() if settings.env_proxies else {}
        self._insecure = frozenset(settings.insecure)
        self._usual = Timeouts(
            total=settings.timeout, connect=settings.connect_timeout, dns=settings.dns_timeout, tls=settings.tls_timeout,
            header=settings.header_timeout, read=settings.read_timeout, min_rate=settings.min_rate,
        )  # fmt: skip
        self.context: ssl.SSLContext | None = _context(settings) if settings.ca_file else None
        """What checks certificates, None for the client's own."""
        self._certificates = {
            certificate.origin: _with_certificate(_context(settings, insecure=self._is_insecure(certificate.origin)), certificate)
            for certificate in map(targets.certificate, settings.client_certs)
        }
        self._routes: OrderedDict[str, Route] = OrderedDict()

    def of(self, origin: str) -> Route:
        """Return how an origin is asked."""
        route = self._routes.get(origin)
        if route is None:
            route = self._routes[origin] = self._make(origin)
            if len(self._routes) > ROUTES_KEPT:
                self._routes.popitem(last=False)
        return route

    def _make(self, origin: str) -> Route:
        host = urls.host_of(origin)
        context: ssl.SSLContext | bool = self._certificates.get(origin, not self._is_insecure(origin))
        return Route(host, self._headers.get(origin), self._timeouts_of(host), self._proxy_of(origin, host), context)

    def _is_insecure(self, origin: str) -> bool:
        return urls.host_of(origin) in self._insecure

    def _timeouts_of(self, host: str) -> Timeouts:
        rule = targets.first_match(self._timeouts, host)
        if rule is None:
            return self._usual
        return Timeouts(**{
            name: getattr(self._usual, name) if (own := getattr(rule.timeouts, name)) is None else own for name in targets.TIMEOUTS
        })  # fmt: skip

    def _proxy_of(self, origin: str, host: str) -> str | None:
        rule = targets.first_match(self._proxies, host)
        if rule is not None:
            return rule.url
        if self._environment and not urllib.request.proxy_bypass_environment(origin.partition("://")[2]):  # type: ignore[attr-defined]  # no stub has it
            return self._environment.get(origin.partition(":")[0])
        return None


def _proxies_of_environment() -> dict[str, str]:
    """Return the proxies that the environment names, by scheme. Raises WrongSettings."""
    found = {scheme: url for scheme, url in urllib.request.getproxies_environment().items() if scheme in ("http", "https")}
    if "REQUEST_METHOD" in os.environ:      # in a CGI program HTTP_PROXY is a request's header (httpoxy)
        found.pop("http", None)
    for scheme, url in found.items():
        try:
            found[scheme] = targets.proxy(url if "://" in url else f"http://{url}").url or ""
        except ValueError as error:
            raise WrongSettings(f"the environment's {scheme} proxy must be {error}", "Try --proxy instead.") from None
    return found


def need_extra(extra: str, module: str, what: str) -> None:
    """Raise WrongSettings when a module is not there that *what* needs and an *extra* brings."""
    try:
        importlib.import_module(module)
    except ImportError:
        raise WrongSettings(f"{what} needs the extra `{extra}`", f"Try pip install 'steadycrawl[{extra}]'.") from None


def _context(settings: Settings, *, insecure: bool = False) -> ssl.SSLContext:
    """Return what checks certificates: the system's authorities and the user's own. Raises WrongSettings."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(("http/1.1",))
    if settings.ca_file is not None:
        try:
            context.load_verify_locations(settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            hint = "Try --ca-file with a PEM file."
            raise WrongSettings(f"cannot read authorities from {settings.ca_file}: {_why(error)}", hint) from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _with_certificate(context: ssl.SSLContext, certificate: targets.Certificate) -> ssl.SSLContext:
    try:
        context.load_cert_chain(certificate.file, certificate.key, password=_no_password)
    except (OSError, ssl.SSLError) as error:
        raise WrongSettings(
            f"cannot read the client certificate for {certificate.origin} from {certificate.file}: {_why(error)}",
            "Try --client-cert 'ORIGIN CERTIFICATE.pem KEY.pem' with an unencrypted key.",
        ) from None
    return context


def _no_password() -> str:
    """Keep OpenSSL from asking at the terminal."""
    return ""


def _why(error: OSError) -> str:
    text = error.strerror if not isinstance(error, ssl.SSLError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]
