"""Bookmark: what the cursor of a polled address remembers of its last news; pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Self

from streams.record import format_time, parse_time

# Hexadecimal digits of a digest that are kept: 128 bits, so that a hundred pages fit a header of the log.
_DIGITS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Bookmark:
    """A digest of each page, the validators of the only one, and when was asked (for a window); all may be unknown."""

    url: str
    digests: tuple[str, ...] = ()
    etag: str = ""
    modified: str = ""
    at: datetime | None = None

    @classmethod
    def read(cls, cursor: bytes, url: str) -> Self:
        """Read a cursor; one of another address or another transport knows nothing."""
        mine = fingerprint(url)
        try:
            said = json.loads(cursor)
            if said["url"] != mine:
                return cls(url=mine)
            digests = [said["digest"], *said.get("pages", [])]
            return cls(
                url=mine,
                digests=tuple(str(digest)[:_DIGITS] for digest in digests),
                etag=str(said.get("etag", "")),
                modified=str(said.get("modified", "")),
                at=parse_time(said["at"]) if "at" in said else None,
            )
        except (ValueError, KeyError, TypeError):
            return cls(url=mine)

    def pack(self) -> bytes:
        """Write a cursor."""
        fields: dict[str, object] = {"url": self.url, "digest": self.digests[0] if self.digests else ""}
        if len(self.digests) > 1:
            fields["pages"] = self.digests[1:]
        fields |= {name: value for name, value in (("etag", self.etag), ("modified", self.modified)) if value}
        if self.at is not None:
            fields["at"] = format_time(self.at)
        return json.dumps(fields).encode()

    @property
    def conditions(self) -> Mapping[str, str]:
        """The headers by which a publisher is asked for news only."""
        wanted = {"If-None-Match": self.etag, "If-Modified-Since": self.modified}
        return {name: value for name, value in wanted.items() if value}

    def turned(self, number: int, digest: str) -> Self:
        """Return the bookmark that knows this content of a page besides; the pages before it are known."""
        return replace(self, digests=(*self.digests[:number], digest, *self.digests[number + 1 :]))

    def finished(self, digests: Sequence[str], headers: Mapping[str, str], at: datetime | None) -> Self:
        """Return the bookmark of a poll whose pages are all safe; `headers` are those of a single page."""
        modified = headers.get("Last-Modified", "")
        return replace(
            self,
            digests=tuple(digests),
            etag=headers.get("ETag", ""),
            modified=modified if _settled(modified, headers.get("Date")) else "",
            at=at,
        )


def fingerprint(url: str) -> str:
    """Recognise an address without keeping the keys that may be in it."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def digest_of(body: bytes) -> str:
    """Recognise a body."""
    return hashlib.sha256(body).hexdigest()[:_DIGITS]


def _settled(modified: str, date: str | None) -> bool:
    """Say whether Last-Modified is safe to ask with: a second change in its own second would go unseen (RFC 9110 8.8.2.2)."""
    try:
        return date is not None and parsedate_to_datetime(modified) < parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return False
