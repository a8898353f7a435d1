"""Verdicts: what is said of posted members, by the judge and to their senders."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from streams.record import Member
from vocab.errors import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where members go: the stream's name and model, and the public address without a slash at the end.

    `operations` says whether they may say what they do to their entity.
    """

    stream: str
    model: str
    base_url: str
    operations: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One candidate: `iri` as the sender named it, and the member, or what is wrong with it.

    `faults` are sentences, `report` the findings of the model's shape. `iri` is the new version's where a state object
    was sent.
    """

    iri: str
    member: Member | None = None
    faults: tuple[str, ...] = ()
    report: tuple[Finding, ...] = ()


class Result(Enum):
    """What became of a posted member."""

    CREATED = "created"  # it is in the log, and on a page soon
    DUPLICATE = "duplicate"  # the same statements are published under its IRI already
    CONFLICT = "conflict"  # other statements are published under its IRI
    REJECTED = "rejected"  # it is no member of this stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One line of the answer to a sender."""

    member: str
    result: Result
    faults: tuple[str, ...] = ()
    report: tuple[Finding, ...] = ()
