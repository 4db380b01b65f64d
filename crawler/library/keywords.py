"""The settings as keywords, for type checkers and editors: `crawl(url, max_pages=100, max_time="2h")`.

Amounts may be numbers, in seconds and bytes, or text with a unit. What each one means stands in crawler.core.settings.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Literal, TypedDict

from crawler.core.settings import Directive, Fold, Scope


class Keywords(TypedDict, total=False):
    """Every setting, none of them required; None goes back to the default where there is no other value for that."""

    concurrency: int
    per_host: int | None
    delay: float | str | None
    max_pages: int | None
    recrawl: float | str | None
    max_time: float | str | None
    max_bytes: int | str | None
    depth: int | None
    timeout: float | str
    connect_timeout: float | str
    dns_timeout: float | str
    tls_timeout: float | str
    header_timeout: float | str
    read_timeout: float | str
    min_rate: int | str
    timeouts: Sequence[str]
    max_rest: float | str
    max_size: int | str
    parse_size: int | str
    min_free: int | str
    max_links: int
    tries: int
    scope: Scope
    include: Sequence[str]
    exclude: Sequence[str]
    max_segments: int
    max_repeats: int
    follow: Sequence[str]
    leave: Sequence[str]
    page_requisites: bool
    sitemaps: Literal["robots", "guess", "off"]
    pdf: bool
    fold: Sequence[Fold]
    novelty: bool
    max_alike: int
    max_per_host: int | None
    max_per_site: int | None
    max_hosts_per_site: int
    undamp: Sequence[str]
    disobey: Sequence[Directive]
    obey_noindex: bool
    robots: bool
    user_agent: str | None
    contact: str | None
    headers: Sequence[str]
    auth: Sequence[str]
    cookies: str | PathLike[str]
    proxies: Sequence[str]
    env_proxies: bool
    insecure: Sequence[str]
    ca_file: str | PathLike[str] | None
    client_certs: Sequence[str]
    allow_net: Sequence[str]
    deny_net: Sequence[str]
    durability: Literal["full", "normal"]
    links: Literal["all", "first", "none"]
    index: Literal["text", "off"]
    save: Literal["files", "warc", "none"]
    save_errors: bool
    parser: Literal["lexbor", "lxml", "html5lib", "html.parser"]
    parsers: int | None
    resolver: Literal["system", "c-ares"]
    loop: Literal["auto", "asyncio", "uvloop"]
    skip_bad_seeds: bool
    add_seeds: bool
