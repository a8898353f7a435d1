"""Reads what is asked in NGSI-LD from the store: entities as they are now, and their history; bounded work for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ldes_server.model import Published
from ldes_server.ngsi_ld.asking import Question, Window
from ldes_server.ngsi_ld.entity import Entity, Teller, merged
from ldes_server.ngsi_ld.errors import Kind, NgsiProblem, bad
from ldes_server.selection import Selection
from ldes_server.shelf import Shelf
from ldes_server.trail import MOST_BLOCKS, MOST_OF_REQUEST, Step, Trail, bounds_of, step

# Newest states that one answer looks at: what is beyond is reached by its Link header.
MOST_READ = 10_000
# States that are looked at before others are answered.
_CHUNK = 250
# Members of history in one answer about many entities.
_MOST_MEMBERS = 10_000


class Told(NamedTuple):
    """A member, and who says it as an entity."""

    teller: Teller
    member: Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Newest states in the order of streams and entities, and from behind which (stream, entity) to go on; None: that is all."""

    told: Sequence[Told]
    onward: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """Temporal entities, and the entities they are of.

    `cut` says that there is more than was read; `below` is then the number to go on from, where one can go on.
    """

    entities: Sequence[Entity]
    members: Sequence[Published] = ()
    cut: bool = False
    below: int | None = None


class Reader:
    """Answers questions from a shelf's store, for its streams whose model has a type."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.tellers: Mapping[str, Teller] = {
            name: Teller(stream, shelf.frames[name].flat)
            for name, stream in shelf.streams.items()
            if stream.model.alignment.type
        }

    def asked(self, question: Question) -> Sequence[Teller]:
        """Return who can answer a question, in the order of the streams."""
        return [
            teller
            for teller in self.tellers.values()
            if not question.types or teller.alignment.type in question.types
            if not question.attributes or teller.attributes.keys() & set(question.attributes)
            if question.place is None or "point" in teller.alignment.attributes
        ]

    async def states(self, question: Question) -> Found:
        """Return the newest states that are asked for: `limit` of them, unless there are fewer or too many were read.

        Raises:
            NgsiProblem: `after` is no place in a stream that answers.

        """
        if question.ids:
            return await self._named(question)
        tellers = self.asked(question)
        names = [teller.stream.name for teller in tellers]
        stream, after = question.after or (names[0] if names else "", "")
        if names and stream not in names:
            raise bad("after is of another question", "follow the Link header of the same question")
        walk = _Walk(question)
        for teller in tellers[names.index(stream) :] if names else ():
            while (onward := await self._chunk(walk, teller, after)) is not None and not walk.stopped:
                after = onward
            if walk.stopped:
                return Found(told=walk.told, onward=walk.reached)
            after = ""
        return Found(told=walk.told)

    async def _chunk(self, walk: _Walk, teller: Teller, after: str) -> str | None:
        """Read on in a stream; returns the last entity read, None at the end of the stream."""
        name, place = teller.stream.name, walk.question.place
        selection = Selection(box=place.box if place else None, after=after)
        selective = place is not None or walk.question.attributes
        size = _CHUNK if selective else min(_CHUNK, walk.missing + 1)
        members = await self._shelf.store.states(name, selection, limit=size)
        walk.take(teller, members, reached=(name, after))
        return members[-1].entity if len(members) == size else None

    async def _named(self, question: Question) -> Found:
        tellers = {teller.stream.name: teller for teller in self.asked(question)}
        rows = await self._shelf.store.trails.newest_of(list(tellers), question.ids)
        order = {name: number for number, name in enumerate(tellers)}
        told = [
            Told(tellers[name], member)
            for name, member in sorted(rows, key=lambda row: (order[row[0]], row[1].entity.encode()))
            if not member.deleted and _holds(question, tellers[name], member)
        ]
        rest = told[question.offset :]
        return Found(told=rest[: question.limit])

    async def count(self, question: Question) -> int:
        """Return how many entities are asked for.

        Raises:
            NgsiProblem: more would have to be read for it than one answer reads.

        """
        if not question.ids and question.place is None and not question.attributes:
            trails = self._shelf.store.trails
            return sum([await trails.entities(teller.stream.name) for teller in self.asked(question)])
        found = await self.states(replace(question, limit=MOST_READ, offset=0, after=None))
        if found.onward is not None:
            fix = "leave count out and follow the Link header, or ask for a smaller place"
            raise NgsiProblem(Kind.TOO_MANY_RESULTS, f"more than {MOST_READ} entities would have to be read", fix=fix)
        return len(found.told)

    async def one(self, entity: str, question: Question) -> Sequence[Told]:
        """Return the newest states of one entity, of each stream that has it.

        Raises:
            NgsiProblem: there is none.

        """
        found = await self._named(replace(question, ids=(entity,), limit=len(self.tellers), offset=0))
        if not found.told:
            what = f"there is no entity {entity[:200]!r}{' with these attributes' if question.attributes else ''}"
            fix = "ids are whole IRIs, percent-encoded; /ngsi-ld/v1/entities?type=… lists them"
            raise NgsiProblem(Kind.RESOURCE_NOT_FOUND, what, fix=fix)
        return found.told

    async def histories(self, told: Sequence[Told], question: Question) -> Histories:
        """Return what entities were in the question's window, newest first, as far as one answer reads."""
        found: list[Entity] = []
        members: list[Published] = []
        cut, below = False, None
        groups: dict[str, list[Told]] = {}
        for each in told:
            groups.setdefault(each.teller.stream.name, []).append(each)
        blocks = MOST_OF_REQUEST
        for name, group in groups.items():
            entities = tuple(each.member.entity for each in group)
            read, below, taken = await self._trail(name, entities, question, blocks)
            blocks -= taken
            kept = _kept(read, entities, question.last)
            full = "lastN" in question.values and all(len(each) == question.last for each in kept.values())
            cut = cut or (not full and (below is not None or sum(map(len, kept.values())) < len(read)))
            for each in group:
                # A hundred histories are most of a second of work: others are answered in between.
                await asyncio.sleep(0)
                history = kept[each.member.entity]
                if (entity := each.teller.history(history, question.attributes)) is not None:
                    found.append(entity)
                    members += history
        single = len(groups) == 1 and len(told) == 1
        return Histories(entities=found, members=members, cut=cut, below=below if single else None)

    async def _trail(self, name: str, entities: tuple[str, ...], question: Question, blocks: int) -> Step:
        window = question.window or Window()
        head = await self._shelf.head(name)
        most = max(1, min(MOST_BLOCKS, blocks))
        trail = Trail(entities=entities, low=window.low, high=window.high, most_blocks=most)
        bounds = bounds_of(head, newest_first=True, onward=question.below)
        # Of many entities some may have been observed more often than others.
        limit = window.last if len(entities) == 1 else _MOST_MEMBERS
        read = await step(self._shelf.store.trails, name, trail, bounds, limit=limit)
        return read._replace(members=[member for member in read.members if not member.deleted])


class _Walk:
    """Collects what a question asks for, past its offset and up to its limit."""

    def __init__(self, question: Question) -> None:
        self.question = question
        self.told: list[Told] = []
        self.stopped = question.limit == 0
        self.reached: tuple[str, str] | None = None
        self._skip = question.offset
        self._read = 0

    @property
    def missing(self) -> int:
        """How many more would do, if all were asked for."""
        return self.question.limit - len(self.told) + self._skip

    def take(self, teller: Teller, members: Sequence[Published], *, reached: tuple[str, str]) -> None:
        """Take what is asked for among members that were read from behind `reached`."""
        for member in members:
            if _holds(self.question, teller, member):
                if self._skip:
                    self._skip -= 1
                elif len(self.told) == self.question.limit:
                    self.stopped, self.reached = True, reached
                    return
                else:
                    self.told.append(Told(teller, member))
            reached = (teller.stream.name, member.entity)
        self._read += len(members)
        if self._read >= MOST_READ:
            self.stopped, self.reached = True, reached


def _holds(question: Question, teller: Teller, member: Published) -> bool:
    if question.place is not None and not question.place.holds(member.point):
        return False
    return not question.attributes or bool(teller.instances(member, question.attributes))


def _kept(members: Sequence[Published], entities: Sequence[str], last: int) -> dict[str, list[Published]]:
    """Return the newest `last` members of each entity, by when they were observed."""
    found: dict[str, list[Published]] = {entity: [] for entity in entities}
    for member in sorted(members, key=lambda member: (member.observed_at, member.sequence), reverse=True):
        if len(found[member.entity]) < last:
            found[member.entity].append(member)
    return found


def as_one(told: Sequence[Told], question: Question) -> Entity:
    """Return the newest states of one entity as one."""
    return merged([each.teller.entity(each.member, question.attributes) for each in told])
