"""Explaining: one item of a sample from what was decoded to its member or refusal, step by step; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any

from ingest.check import fields_of
from ingest.conversions import Refused
from ingest.deciding import Batch, remember
from ingest.decoders.items import Break, Item
from ingest.decoders.table import decode
from ingest.explain import EXAMPLE_URL, tables_of
from ingest.mapping import Mapper, Tables, compile_mapping
from ingest.memory import NEVER
from ingest.normalise import take_item
from ingest.snapshot import Snapshot
from ingest.source import Source
from ingest.tracing import Step, trace
from streams.record import Member, Payload, Reason
from vocab.model import Field, Model


class Verdict(Enum):
    """What becomes of one item."""

    MEMBER = "member"  # it is published
    UNCHANGED = "unchanged"  # its entity said so before
    GONE = "gone"  # it says that its entity is gone
    REFUSED = "refused"  # it cannot be published


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One item of a sample: number `number` (from 1) of `count`, its place and value, its steps and its verdict.

    `member` is what it would say, also where it is `unchanged`; None where it was refused. `reason`, `path` and `detail`
    are those of a refusal. `key` is its entity's key, "" where that cannot be read.
    """

    number: int
    count: int
    place: str
    key: str
    item: Any
    steps: Sequence[Step]
    verdict: Verdict
    member: Member | None
    reason: Reason | None = None
    path: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A sample's document, read as one source reads it; `broken` is where it stops making sense."""

    mapper: Mapper
    fields: Mapping[str, Field]
    tables: Tables
    received: datetime
    items: Sequence[Item]
    broken: Break | None

    def keys(self) -> list[str]:
        """Return the key of every item's entity, "" where it cannot be read."""
        return [_key(item, self) for item in self.items]


def read_sample(
    source: Source, model: Model, body: bytes, media_type: str, *, lookups: Mapping[str, Payload] | None = None
) -> Sample:
    """Decode a sample; it counts as received now, and `lookups` holds a payload per lookup name.

    Raises:
        ConfigError: the source does not fit the model.

    """
    mapper = compile_mapping(source, model, base_url=EXAMPLE_URL, quick=False)
    items: list[Item] = []
    broken: Break | None = None
    received = datetime.now(UTC)
    for found in decode(body, media_type, mapper.wanted, received=received):
        if isinstance(found, Item):
            items.append(found)
        else:
            broken = found
    tables = tables_of(source, lookups or {})
    return Sample(
        mapper=mapper,
        fields=fields_of(model),
        tables=tables,
        received=received,
        items=items,
        broken=broken,
    )


def explain(sample: Sample, number: int) -> Explanation:
    """Explain item `number` (from 1); the items before it count as published, as in the platform."""
    item, batch = sample.items[number - 1], _before(sample, number)
    members, refusals = len(batch.members), len(batch.rejections)
    take_item(item, batch, sample.tables, 0, sample.received)
    refusal = batch.rejections[refusals] if len(batch.rejections) > refusals else None
    gone = sample.mapper.gone is not None and sample.mapper.gone(item.value)
    verdict = Verdict.MEMBER if len(batch.members) > members else Verdict.UNCHANGED
    if refusal is not None or gone:
        verdict = Verdict.REFUSED if refusal is not None else Verdict.GONE
    return Explanation(
        number=number,
        count=len(sample.items),
        place=item.path,
        key=_key(item, sample),
        item=item.value,
        steps=trace(item, sample.mapper, sample.fields, tables=sample.tables, received=sample.received),
        verdict=verdict,
        member=None if refusal is not None or gone else _member(item, sample, batch.members[members:]),
        reason=refusal.reason if refusal is not None else None,
        path=refusal.path if refusal is not None else "",
        detail=refusal.detail if refusal is not None else "",
    )


def _before(sample: Sample, number: int) -> Batch:
    """Publish the items before one."""
    publish = sample.mapper.source.publish
    batch = Batch(mapper=sample.mapper, seen={}, take=remember, snapshot=Snapshot(NEVER) if publish.deletes else None)
    for item in sample.items[: number - 1]:
        take_item(item, batch, sample.tables, 0, sample.received)
    return batch


def _member(item: Item, sample: Sample, published: Sequence[Member]) -> Member:
    if published:
        return published[0]
    facts = sample.mapper.facts(item.value, item.root, sample.tables, sample.received)
    return sample.mapper.member(facts, received=sample.received)


def _key(item: Item, sample: Sample) -> str:
    try:
        return sample.mapper.key(item.value, item.root, sample.tables, sample.received)
    except Refused:
        return ""
