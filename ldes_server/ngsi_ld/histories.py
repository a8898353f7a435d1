"""Histories of entities for NGSI-LD: from their lines in the index where their ids allow it, else from the trail of all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ldes_server.keys import line_of, mark_of
from ldes_server.model import Published
from ldes_server.ngsi_ld.asking import Question, Window
from ldes_server.ngsi_ld.entity import Entity, Teller
from ldes_server.shelf import Shelf
from ldes_server.trail import MOST_BLOCKS, MOST_OF_REQUEST, Line, Trail, as_mark, as_number, bounds_of, step

# Members of history that one answer reads of a trail about many entities.
_MOST_MEMBERS = 10_000


class Told(NamedTuple):
    """A member, and who says it as an entity."""

    teller: Teller
    member: Published


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """Temporal entities, and the members they are made of.

    `cut` says that there is more than was read; `below` is then where to go on from, empty where one cannot.
    """

    entities: Sequence[Entity]
    members: Sequence[Published] = ()
    cut: bool = False
    below: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """What was read of an entity, newest first, and where to go on from; empty where that is all of it."""

    members: Sequence[Published] = ()
    below: str = ""


class HistoryReader:
    """Reads for one request."""

    def __init__(self, shelf: Shelf, question: Question) -> None:
        self._shelf = shelf
        self._question = question
        self._window = question.window or Window()
        self._blocks = MOST_OF_REQUEST

    async def histories(self, told: Sequence[Told]) -> Histories:
        """Return what entities were in the question's window, newest first, as far as one answer reads."""
        entities: list[Entity] = []
        members: list[Published] = []
        groups: dict[str, list[Told]] = {}
        for each in told:
            groups.setdefault(each.teller.stream.name, []).append(each)
        below: list[str] = []
        cut = False
        for name, group in groups.items():
            read = await self._group(name, [each.member for each in group])
            for each in group:
                found = read[each.member.entity]
                below.append(found.below)
                # Who said how many has got what was asked for.
                full = "lastN" in self._question.values and len(found.members) >= self._window.last
                cut = cut or (bool(found.below) and not full)
                kept = [member for member in found.members if not member.deleted]
                if (entity := each.teller.history(kept, self._question.attributes)) is not None:
                    entities.append(entity)
                    members += kept
        return Histories(entities=entities, members=members, cut=cut, below=below[0] if len(below) == 1 else "")

    async def _group(self, name: str, newest: Sequence[Published]) -> Mapping[str, _Read]:
        """Read the histories of entities of one stream, whose newest members these are."""
        lines = [member for member in newest if line_of(member.id, member.entity)]
        others = [member.entity for member in newest if not line_of(member.id, member.entity)]
        found = await self._lines(name, lines) if lines else {}
        return {**found, **(await self._trail(name, others) if others else {})}

    async def _lines(self, name: str, newest: Sequence[Published]) -> dict[str, _Read]:
        window, mark = self._window, as_mark(self._question.below)
        asked = [
            Line(
                entity=member.entity,
                before=line_of(member.id, member.entity),
                low=window.low,
                high=window.high,
                mark=mark,
            )
            for member in newest
        ]
        head, last = await self._shelf.head(name), window.last
        # One more tells whether there is more, and the one with the mark is read again.
        limit = last + 1 + bool(mark)
        read = await self._shelf.store.trails.lines(name, asked, newest_first=True, limit=limit)
        found: dict[str, _Read] = {}
        for line, members in zip(asked, read, strict=True):
            behind = [member for member in members if mark_of(member.id) != mark]
            below = mark_of(behind[last - 1].id) if len(behind) > last else ""
            kept = [member for member in behind[:last] if line.has(member) and member.sequence >= head.first]
            found[line.entity] = _Read(members=kept, below=below)
        return found

    async def _trail(self, name: str, entities: Sequence[str]) -> dict[str, _Read]:
        window, below = self._window, self._question.below
        most = max(1, min(MOST_BLOCKS, self._blocks))
        trail = Trail(entities=tuple(entities), low=window.low, high=window.high, most_blocks=most)
        bounds = bounds_of(await self._shelf.head(name), newest_first=True, onward=as_number(below))
        # Of many entities some may have been observed more often than others.
        limit = window.last if len(entities) == 1 else _MOST_MEMBERS
        read = await step(self._shelf.store.trails, name, trail, bounds, limit=limit)
        self._blocks -= read.blocks
        found: dict[str, list[Published]] = {entity: [] for entity in entities}
        for member in sorted(read.members, key=lambda member: (member.observed_at, member.sequence), reverse=True):
            found[member.entity].append(member)
        rest = "" if read.onward is None else str(read.onward)
        return {
            entity: _Read(members=members[: window.last], below=rest or ("0" if len(members) > window.last else ""))
            for entity, members in found.items()
        }
