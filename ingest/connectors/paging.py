"""Paging: where the next page of an answer is, decided from the page in hand; pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin

import orjson
from yarl import URL

from ingest.connectors.request import Answer
from ingest.transports.pages import Pages
from ingest.transports.signs import value_at

_LINK = re.compile(r"<([^>]*)>([^<]*)")
_REL = re.compile(r""";\s*rel\s*=\s*("[^"]*"|[^\s;,"]+)""", re.IGNORECASE)


class PagingError(ValueError):
    """A page does not say what the source file expects of it; callers turn it into the error of their transport."""


def first_page(url: str, pages: Pages | None) -> str:
    """Return the address of the first page."""
    if pages is not None and pages.way == "offset":
        return _with(url, pages.at, "0")
    if pages is not None and pages.way == "number":
        return _with(url, pages.at, str(pages.first))
    return url


def next_page(url: str, pages: Pages, answer: Answer, count: int) -> str | None:
    """Return the address of the page after `answer`, the page of that `count` (from 1); None after the last.

    `url` is the address of the source with its times filled in.

    Raises:
        PagingError: the page is no JSON, or lacks the list that tells whether there are more.

    """
    if pages.way == "link":
        return _from_header(answer, pages.at)
    document = read_json(answer.body)
    if pages.way == "next":
        target = value_at(document, pages.at)
        return urljoin(answer.url, target) if isinstance(target, str) and target else None
    if pages.way == "cursor":
        mark = value_at(document, pages.at)
        return None if mark in (None, "", False) else _with(url, pages.parameter, str(mark))
    items = value_at(document, pages.items)
    if not isinstance(items, list):
        raise PagingError(f"the page has no list at {pages.items}")
    if len(items) < max(1, pages.size):
        return None
    at = count * pages.size if pages.way == "offset" else pages.first + count
    return _with(url, pages.at, str(at))


def read_json(body: bytes) -> Any:
    """Read a page.

    Raises:
        PagingError: it is no JSON.

    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise PagingError(f"the page is no JSON: {error}") from error


def same_host(target: str, home: str) -> str | None:
    """Return the address where a link may be followed, None when it leads to another host.

    A link that differs from home in saying http where home is https comes from a server behind a proxy that does not
    know how it is reached: it is followed over https.
    """
    try:
        url, ours = URL(target), URL(home)
        if url.host == ours.host and url.scheme == "http" and ours.scheme == "https" and url.port == 80:
            url = url.with_scheme("https").with_port(ours.port)
        return str(url) if url.origin() == ours.origin() else None
    except ValueError:
        return None


def _from_header(answer: Answer, relation: str) -> str | None:
    """Find a link by its relation in the `Link` header (RFC 8288)."""
    for target, parameters in _LINK.findall(answer.headers.get("Link", "")):
        found = _REL.search(parameters)
        if found and relation.lower() in found.group(1).strip('"').lower().split():
            return urljoin(answer.url, str(target))
    return None


def _with(url: str, name: str, value: str) -> str:
    return str(URL(url).update_query({name: value}))
