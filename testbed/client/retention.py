"""What a view keeps: the retention properties of LDES 1.0, and the older classes read as the same (RET-16)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from pyoxigraph import Literal, NamedNode

from testbed.client.graph import Dataset, Term
from testbed.client.moments import Moment, parse_duration, parse_moment
from testbed.client.terms import LDES, RDF_TYPE, TREE


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
    full_log = _duration(data, node, LDES + "fullLogDuration", notes)
    if full_log is None and LDES + "DurationAgoPolicy" in types:
        full_log = _duration(data, node, TREE + "value", notes)
    amount = _amount(data, node, LDES + "versionAmount", notes)
    if amount is None and LDES + "LatestVersionSubset" in types:
        amount = _amount(data, node, LDES + "amount", notes) or 1
    since = _moment(data, node, LDES + "startingFrom", notes)
    if since is None and LDES + "PointInTimePolicy" in types:
        since = _moment(data, node, LDES + "pointInTime", notes)
    return Policy(
        starting_from=since,
        full_log=full_log,
        version_amount=amount,
        versions=_duration(data, node, LDES + "versionDuration", notes),
        deletions=_duration(data, node, LDES + "versionDeleteDuration", notes),
    )


def _text(data: Dataset, node: Term, name: str) -> str | None:
    return next((it.value for it in data.objects(node, name) if isinstance(it, Literal)), None)


def _duration(data: Dataset, node: Term, name: str, notes: list[str]) -> timedelta | None:
    text = _text(data, node, name)
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        notes.append(f"the retention policy's <{name}> is not understood: {error} (RET-07)")
        return None


def _moment(data: Dataset, node: Term, name: str, notes: list[str]) -> Moment | None:
    text = _text(data, node, name)
    try:
        return None if text is None else parse_moment(text)
    except ValueError as error:
        notes.append(f"the retention policy's <{name}> is not understood: {error} (RET-06)")
        return None


def _amount(data: Dataset, node: Term, name: str, notes: list[str]) -> int | None:
    # Any integer type, and the text that examples have (A27, A30).
    text = _text(data, node, name)
    if text is None:
        return None
    if text.strip().isascii() and text.strip().isdigit() and int(text) > 0:
        return int(text)
    notes.append(f"the retention policy's <{name}> is no number of versions: {text!r} (RET-08)")
    return None
