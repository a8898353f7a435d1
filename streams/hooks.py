"""The border between who answers HTTP and who takes what publishers send: plain values, known to both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol


class Receipt(NamedTuple):
    """What the sender is told: an HTTP status; where it is no success, what is wrong, the fix, and when to come back."""

    status: int
    what: str = ""
    fix: str = ""
    retry_after: int = 0


class Hooks(Protocol):
    """Takes deliveries of publishers; `headers` have names in small letters."""

    async def admit(self, source: str, headers: Mapping[str, str]) -> Receipt | None:
        """Say what speaks against reading the body; None when nothing does."""
        ...

    def limit(self, source: str) -> int:
        """Return how many bytes, unpacked, a body of an admitted delivery may have."""
        ...

    async def take(self, source: str, headers: Mapping[str, str], body: bytes) -> Receipt:
        """Take an admitted delivery; a success is told once it is safe in the log."""
        ...
