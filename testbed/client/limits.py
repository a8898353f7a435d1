"""What a client allows a feed to cost it, and which origins it may ask at all (CLI-19, CLI-20)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urldefrag, urljoin, urlsplit

from streams.errors import FeedError

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Budgets of one run. The numbers are generous for honest feeds and soon reached by endless ones."""

    page_bytes: int = 64 * 1024 * 1024  # after decompression; real pages are below one megabyte
    context_bytes: int = 1024 * 1024
    contexts: int = 32
    redirects: int = 10
    depth: int = 64
    relations: int = 100_000  # on one page
    requests: int = 1_000_000
    at_once: int = 4  # requests per origin; other clients take 10
    tries: int = 6  # with pauses of 0.5 s, doubled each time: a quarter of a minute
    first_pause: timedelta = timedelta(seconds=0.5)
    longest_pause: timedelta = timedelta(seconds=30)
    longest_wait: timedelta = timedelta(minutes=10)  # that a Retry-After may ask for
    answer_within: timedelta = timedelta(minutes=5)  # from the first byte of a request to the last of its answer
    silent_for: timedelta = timedelta(seconds=60)
    remembered: int = 1_000_000  # identities of members, 40 bytes each on disk; see state.py
    patient: bool = False  # go on trying for ever: who follows a feed outlives its restarts


def origin_of(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an address.

    Raises:
        FeedError: it is no http(s) address, or carries a password.

    """
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError:
        split, port = urlsplit(""), None
    if split.scheme not in _PORTS or not split.hostname or "@" in split.netloc:
        raise FeedError("is no http or https address", where=url, fix="give an absolute address without a user name")
    return split.scheme, split.hostname, port or _PORTS[split.scheme]


def resolve(base: str, reference: str) -> str:
    """Return the address that a reference means on a page, without its fragment.

    Raises:
        FeedError: it means none.

    """
    try:
        return urldefrag(urljoin(base, reference)).url
    except ValueError as error:
        fix = "tell the feed's publisher"
        raise FeedError(f"refers to {reference}, which is no address: {error}", where=base, fix=fix) from error


class Origins:
    """The origins that may be asked; `http` on its usual port allows the same host with `https`."""

    def __init__(self, urls: Iterable[str]) -> None:
        self._allowed = {origin_of(url) for url in urls}
        self._allowed |= {
            ("https", host, 443) for scheme, host, port in self._allowed if (scheme, port) == ("http", 80)
        }

    def check(self, url: str, *, cause: str) -> None:
        """Refuse an address elsewhere; `cause` says who sent us there.

        Raises:
            FeedError: it is at an origin that is not allowed.

        """
        scheme, host, port = origin_of(url)
        if (scheme, host, port) not in self._allowed:
            name = f"{scheme}://{host}" + ("" if port == _PORTS[scheme] else f":{port}")
            raise FeedError(
                f"{cause} leads to another origin, which is not asked",
                where=url,
                fix=f"if you trust it: --allow {name}",
            )
