"""Shrinking: when and how far a stream is cut to its policies, decided from what it holds; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ldes_server.retention import Retention

# A view is built anew when this part of it (one in so many) need not be kept: it holds half as much again as it must at
# most, and each member is placed three times at most.
SHARE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a view keeps (None: everything), declared at `since`; what was published before `starts_at` may be gone."""

    kept: Retention | None
    since: datetime
    starts_at: datetime | None

    @property
    def published(self) -> Retention | None:
        """The policy as the root says it, true of what was dropped under earlier ones, too; None: nothing was."""
        if self.starts_at is None:
            return self.kept
        return (self.kept or Retention()).cut(self.starts_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """How far dropping has come in a stream of `count` members: see `Head`; `dropped` members are deleted so far."""

    id: int
    count: int
    first: int
    gone: int
    dropped: int
    page_size: int
    fan: int
    published_at: datetime | None
    unlinked_at: datetime | None

    @property
    def is_settled(self) -> bool:
        """Whether nothing that was unlinked is still handed out."""
        return self.first == self.gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a live build of a view holds: every member from `dense` on, and of older ones so many `survivors`."""

    view: str
    dense: int
    survivors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a stream takes: `members` stored, and about how many `bytes` their rows have."""

    members: int
    bytes: int


def leaf_edge(sequence: int, edges: Edges) -> int:
    """Return where the history may begin when everything before a number may leave: whole leaves do."""
    return sequence - sequence % edges.page_size


def is_due(holding: Holding, edges: Edges, *, outside: int, versions: int) -> bool:
    """Whether so much of a view need not be kept that it is worth building anew without it.

    Members before `outside` are kept for their version alone, and there are about so many `versions` of entities. Where
    more survived the last time, deletions did: so many may do so again.
    """
    older = holding.survivors + max(0, outside - holding.dense)
    held = holding.survivors + edges.count - holding.dense
    return older - max(versions, holding.survivors if versions else 0) >= max(edges.page_size, held // SHARE)
