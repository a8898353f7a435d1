"""Snapshot: what one payload after the other is seen to hold, and whether its silence about an entity can be believed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ingest.memory import NEVER

if TYPE_CHECKING:
    from ingest.mapping import Facts

# When more than this share of the entities there were is missing at once, the snapshot is broken, not the city.
MOST_ABSENT = 0.5


class Snapshot:
    """The payload in hand: `present` are the keys of its entities, refused ones included; `nameless` counts items whose
    entity could not be read; `back` are items of deleted entities, not decided yet.

    `newest` is the newest observed time in it (milliseconds since 1970, `NEVER` without one; never later than it was
    received), `latest` that of all payloads before.
    """

    def __init__(self, latest: int) -> None:
        self.latest = latest
        self.end()

    def end(self) -> None:
        """Begin the next payload."""
        self.latest = max(self.latest, getattr(self, "newest", NEVER))
        self.present: set[str] = set()
        self.back: list[tuple[Facts, datetime]] = []
        self.nameless = 0
        self.broken = False
        self.newest = NEVER

    def saw(self, key: str, observed: int) -> None:
        """Note an item that could be read."""
        self.present.add(key)
        self.newest = max(self.newest, observed)

    @property
    def is_older(self) -> bool:
        """Whether the payload tells of a time before that of another one: publishers serve old documents again."""
        return self.newest != NEVER and self.newest < self.latest

    @property
    def is_current(self) -> bool:
        """Whether the payload, as far as it goes, says how things are now."""
        return self.newest != NEVER and not self.is_older

    def doubt(self, *, lacking: int, there: int) -> str:
        """Say why it cannot be believed that so many of the entities that were `there` are gone; empty when it can."""
        if self.newest == NEVER:
            return "the payload holds nothing that can be read"
        if self.nameless:
            return f"{self.nameless} items do not say which entity they are about, and any of them may be an absent one"
        if lacking > there * MOST_ABSENT:
            return f"{lacking} of {there} entities are absent at once, and more than {MOST_ABSENT:.0%} is not believed"
        return ""
