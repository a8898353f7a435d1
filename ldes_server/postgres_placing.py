"""Places members in views on PostgreSQL: a fixed number of statements per batch, however many views and buckets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ldes_server.bucket_view import write_bounds
from ldes_server.fragmentations import compile_view
from ldes_server.fragmentations.kept import DEFINITION as KEPT
from ldes_server.fragmentations.kept import KeptFragmentation
from ldes_server.model import Fragmentation, Published, Stream
from ldes_server.placing import Held, NewBucket, Placement, Run, Touched, settle, touch
from ldes_server.postgres_newest import DEFINITION
from streams.errors import StoreError
from streams.metrics import VIEW_PLACES
from streams.queries import load_queries
from vocab.model import Model

QUERIES = load_queries("ldes_server", "placing")
# The order of the tables, so that COPY needs no reordering.
_BUCKETS = ("view", "number", "parent", "rank", "count", "total", "closes_at", "children", "key", "bounds")
_PLACES = ("start", "view", "bucket", "sequences")


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A build of a view as it is placed in: `buckets` is the number of its next bucket."""

    id: int
    name: str
    definition: str
    buckets: int


class Placer:
    """Places members in builds of views, within the caller's transaction; remembers compiled definitions.

    `models` is told by `learn`. What is remembered grows with the definitions in use, never with buckets: those that a
    batch touches are read and written by their keys.
    """

    def __init__(self) -> None:
        self._models: dict[str, Model] = {}
        self._compiled: dict[tuple[str, str], Fragmentation] = {}

    def learn(self, stream: Stream) -> None:
        """Remember the model of a stream's members."""
        self._models[stream.name] = stream.model

    async def publish(
        self,
        connection: Any,
        stream: str,
        number: int,
        members: Sequence[Published],
        bodies: Sequence[Mapping[str, Any]],
    ) -> bool:
        """Place new members of the locked stream with this number in all its live views; `bodies` may be empty.

        Returns whether there are live views.

        Raises:
            StoreError: not retriable; the stream has views and nobody said what its model is.

        """
        found = [Build(**row) for row in await connection.fetch(QUERIES["live_views"], number)]
        # What is newest is no place: the store knows it already (postgres_newest.py).
        live = [build for build in found if build.definition != DEFINITION]
        if not live:
            return bool(found)
        bodies = bodies or [orjson.loads(member.body) for member in members]
        pairs = list(zip(members, bodies, strict=True))
        touched = [self.touch(stream, build, pairs) for build in live]
        placed = await self.place(connection, stream, live, touched)
        changed = [(build.id, buckets) for build, buckets in zip(live, placed, strict=True) if buckets != build.buckets]
        if changed:
            await connection.execute(QUERIES["number_buckets"], *_columns(changed, 2))
        return True

    def touch(self, stream: str, build: Build, members: Iterable[tuple[Published, Mapping[str, Any]]]) -> Touched:
        """Ask where a build places members (each with its parsed body), in order of publication."""
        return touch(self._fragmentation(stream, build.definition), members)

    async def place(
        self, connection: Any, stream: str, builds: Sequence[Build], touched: Sequence[Touched]
    ) -> list[int]:
        """Store what a batch of one stream does to each of its builds; return each one's next bucket number."""
        held = await _grow(connection, builds, touched)
        placements = [settle(each, held[build.id], build.buckets) for build, each in zip(builds, touched, strict=True)]
        await _write(connection, builds, placements)
        for build, each in zip(builds, touched, strict=True):
            VIEW_PLACES.labels(stream=stream, view=build.name).inc(sum(map(len, each.runs.values())))
        return [each.buckets for each in placements]

    def _fragmentation(self, stream: str, definition: str) -> Fragmentation:
        if definition == KEPT:
            return KeptFragmentation()
        found = self._compiled.get((stream, definition))
        if found is None:
            if stream not in self._models:
                raise StoreError(
                    "it has views, and its model is unknown",
                    where=f"stream {stream}",
                    fix="call ensure_stream before the first append",
                )
            found = self._compiled[stream, definition] = compile_view(definition, self._models[stream])
        return found


async def _grow(connection: Any, builds: Sequence[Build], touched: Sequence[Touched]) -> Mapping[int, dict[str, Held]]:
    """Count what is placed into the buckets there are, and return what these held before, by build and key."""
    grown = [
        (build.id, key, len(each.runs.get(key, ())), total)
        for build, each in zip(builds, touched, strict=True)
        for key, total in each.totals.items()
    ]
    held: dict[int, dict[str, Held]] = {build.id: {} for build in builds}
    for view, key, number, children, start in await connection.fetch(QUERIES["grow_buckets"], *_columns(grown, 4)):
        held[view][key] = Held(number, start, children)
    return held


async def _write(connection: Any, builds: Sequence[Build], placements: Sequence[Placement]) -> None:
    pairs = list(zip(builds, placements, strict=True))
    created = [_bucket(build.id, each) for build, placement in pairs for each in placement.created]
    if created:
        await connection.copy_records_to_table("buckets", schema_name="ldes", columns=_BUCKETS, records=created)
        adopted = [(build.id, *each) for build, placement in pairs for each in placement.adopted.items()]
        await connection.execute(QUERIES["adopt_buckets"], *_columns(adopted, 3))
    runs = [_run(build.id, run) for build, placement in pairs for run in placement.runs]
    await connection.copy_records_to_table("places", schema_name="ldes", columns=_PLACES, records=runs)


def _bucket(view: int, bucket: NewBucket) -> tuple[object, ...]:
    return (
        view, bucket.number, bucket.parent, bucket.rank, bucket.count, bucket.total, bucket.step.closes_at,
        bucket.children, bucket.key, write_bounds(bucket.step.bounds),
    )  # fmt: skip


def _run(view: int, run: Run) -> tuple[object, ...]:
    return (run.start, view, run.bucket, run.sequences)


def _columns(rows: Sequence[tuple[object, ...]], count: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(count)]
