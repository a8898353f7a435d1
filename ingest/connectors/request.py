"""Request and Answer: what is asked over HTTP and what came back, and the error of a door that stays closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from streams.errors import SourceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question: a GET, or a POST when there is a body. `headers` are no secrets: they go wherever it is sent.

    Statuses in `allow` are answers to the caller, not errors.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    allow: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole answer: `url` is where it came from in the end, `headers` know no upper and lower case."""

    status: int
    url: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """What the publisher says the body is."""
        return self.headers.get("Content-Type") or "application/octet-stream"


class ClosedDoorError(SourceError):
    """The publisher answered that it will not answer now; `again_in` is how long to leave it alone."""

    def __init__(self, error: SourceError, *, again_in: timedelta) -> None:
        what = f"{error.what}; asking again in {again_in.total_seconds():.0f} s"
        super().__init__(what, where=error.where, fix=error.fix, retriable=True)
        self.again_in = again_in
