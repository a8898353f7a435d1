"""Contexts: the JSON-LD contexts that posted documents may name by address: our own, and others from an allow-list."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from vocab.errors import DocumentError, MissingContextError

# Bytes of a context; the largest ones in use have a tenth of it.
LARGEST = 1024 * 1024
_SECONDS = 10
_ACCEPT = "application/ld+json, application/json;q=0.9"


class Contexts:
    """What is `known`, by address, and what may be fetched, once, because an operator `allowed` its very address.

    Nothing else is ever fetched: a document must not choose which addresses our network calls.
    """

    def __init__(self, known: Mapping[str, Mapping[str, Any]], *, allowed: Collection[str] = ()) -> None:
        self.known: dict[str, Mapping[str, Any]] = dict(known)
        self._allowed = frozenset(allowed)

    async def fetch(self, missing: MissingContextError) -> None:
        """Fetch the context that was missing, and know it from now on.

        Raises:
            MissingContextError: the same, when its address is not allowed.
            DocumentError: it cannot be fetched, or is no context.

        """
        if missing.url not in self._allowed:
            raise missing
        self.known[missing.url] = await asyncio.to_thread(_fetch, missing.url)


def _fetch(url: str) -> Mapping[str, Any]:
    fix = "write the context into the document, or try again later"
    request = urllib.request.Request(url, headers={"Accept": _ACCEPT, "User-Agent": "smartflanders"})  # noqa: S310 - allow-listed
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:  # noqa: S310 - allow-listed
            body = answer.read(LARGEST + 1)
        if len(body) > LARGEST:
            raise DocumentError(f"the context {url} has more than {LARGEST:,} bytes", fix=fix)
        document = orjson.loads(body)
    except (OSError, ValueError) as error:
        if isinstance(error, DocumentError):
            raise
        raise DocumentError(f"the context {url} cannot be fetched: {error}", fix=fix) from error
    if not isinstance(document, dict) or "@context" not in document:
        raise DocumentError(f"{url} is no JSON-LD context", fix=fix)
    return document
