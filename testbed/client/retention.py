"""What a view keeps: the retention properties of LDES 1.0, and the older classes read as the same (RET-16)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from pyoxigraph import Literal, NamedNode

from testbed.client.graph import Dataset, Term
from testbed.client.moments import Moment, parse_duration, parse_moment
from testbed.client.terms import LDES, RDF_TYPE, TREE

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A retention policy; what is None is not stated. Without any statement nothing is kept (RET-05)."""

    starting_from: Moment | None = None
    full_log: timedelta | None = None
    version_amount: int | None = None
    versions: timedelta | None = None
    deletions: timedelta | None = None

    @property
    def by_version(self) -> bool:
        """Whether some members are kept for what else is known of their entity, while others as old are not."""
        return self.version_amount is not None or self.deletions is not None

    @property
    def windows(self) -> tuple[timedelta, ...]:
        """The sliding windows, in which members come and go."""
        return tuple(it for it in (self.full_log, self.versions, self.deletions) if it is not None)


def read_policies(data: Dataset, root: str) -> tuple[tuple[Policy, ...], tuple[str, ...]]:
    """Return the policies of a root node or of its view descriptions (RET-02), and notes on what could not be read."""
    this = NamedNode(root)
    holders = [this, *data.objects(this, TREE + "viewDescription")]
    nodes = dict.fromkeys(node for holder in holders for node in data.objects(holder, LDES + "retentionPolicy"))
    notes: list[str] = []
    return tuple(_policy(data, node, notes) for node in nodes), tuple(notes)


def shortest_window(policies: tuple[Policy, ...]) -> timedelta | None:
    """Return the shortest sliding window: who looks less often may miss members (RET-22)."""
    return min((window for policy in policies for window in policy.windows), default=None)


def _policy(data: Dataset, node: Term, notes: list[str]) -> Policy:
    types = {it.value for it in data.objects(node, RDF_TYPE) if isinstance(it, NamedNode)}
    said = _Said(data, node, notes)
    full_log = said.duration(LDES + "fullLogDuration")
    if full_log is None and LDES + "DurationAgoPolicy" in types:
        full_log = said.duration(TREE + "value")
    amount = said.amount(LDES + "versionAmount")
    if amount is None and LDES + "LatestVersionSubset" in types:
        amount = said.amount(LDES + "amount") or 1
    since = said.moment(LDES + "startingFrom")
    if since is None and LDES + "PointInTimePolicy" in types:
        since = said.moment(LDES + "pointInTime")
    return Policy(
        starting_from=since,
        full_log=full_log,
        version_amount=amount,
        versions=said.duration(LDES + "versionDuration"),
        deletions=said.duration(LDES + "versionDeleteDuration"),
    )


class _Said:
    """Reads what is said of a policy; what is not understood is left out, with a note."""

    def __init__(self, data: Dataset, node: Term, notes: list[str]) -> None:
        self._data = data
        self._node = node
        self._notes = notes

    def duration(self, name: str) -> timedelta | None:
        """Read a duration."""
        return self._read(name, parse_duration, "RET-07")

    def moment(self, name: str) -> Moment | None:
        """Read a moment."""
        return self._read(name, parse_moment, "RET-06")

    def amount(self, name: str) -> int | None:
        """Read a number of versions."""
        return self._read(name, _parse_amount, "RET-08")

    def _read(self, name: str, parse: Callable[[str], _Value], rule: str) -> _Value | None:
        values = self._data.objects(self._node, name)
        text = next((it.value for it in values if isinstance(it, Literal)), None)
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            self._notes.append(f"the retention policy's <{name}> is not understood: {error} ({rule})")
            return None


def _parse_amount(text: str) -> int:
    # Any integer type, and the text that examples have (A27, A30).
    if text.strip().isascii() and text.strip().isdigit() and int(text) > 0:
        return int(text)
    raise ValueError(f"{text!r} is no number of versions")
