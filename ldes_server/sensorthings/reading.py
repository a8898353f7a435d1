"""Reads what is asked in SensorThings from the store, a bounded amount for each request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple

from ldes_server.model import Published
from ldes_server.problems import Problem
from ldes_server.selection import Selection
from ldes_server.sensorthings.asking import Options
from ldes_server.sensorthings.entity import Column, Entity, Teller
from ldes_server.sensorthings.scope import Kind, Names, Scope
from ldes_server.shelf import Shelf
from ldes_server.trail import MOST_OF_REQUEST, Step, Trail, bounds_of, step

_CHUNK = 200
_OF_MEMBERS = (Kind.THING, Kind.LOCATION, Kind.FEATURE_OF_INTEREST)


class Item(NamedTuple):
    """One entity: what it stands for, what it says, and where a reader goes on behind it.

    `member` is what it was made of; None for sensors and observed properties.
    """

    scope: Scope
    entity: Entity
    token: str
    member: Published | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some entities of a set, in its order; `onward` is where to go on from, empty at the end."""

    items: Sequence[Item]
    onward: str = ""


class Reader:
    """Answers one request from a shelf's store; `tellers` are those of the streams that have Things."""

    def __init__(self, shelf: Shelf, names: Names, tellers: Mapping[str, Teller]) -> None:
        self._shelf = shelf
        self._names = names
        self._tellers = tellers
        self._blocks = 0

    async def one(self, scope: Scope, member: Published | None = None) -> Item:
        """Return the one entity that a scope stands for; `member` is that of the entity it was reached from.

        Raises:
            Problem: 404, there is none.

        """
        if scope.kind is Kind.OBSERVED_PROPERTY:
            return self._property(scope)
        teller = self._teller(scope)
        if scope.kind is Kind.SENSOR:
            return Item(replace(scope, entity=None, column=None), teller.sensor(), "")
        member = member or await self._member(scope)
        return self._of(teller, scope, member)

    async def page(self, scope: Scope, options: Options, member: Published | None = None) -> Page:
        """Return the next entities of a set: `top` of them, unless there are fewer or too much was read.

        Raises:
            Problem: 404, what the set is of does not exist; 400, the token or a name in it does not fit.

        """
        if scope.kind is Kind.OBSERVATION and options.is_newest and scope.entity:
            newest = member or await self._member(replace(scope, sequence=None))
            if found := self._newest(scope, newest):
                return Page(items=[found])
        items: list[Item] = []
        skip, onward = options.skip, ""
        async for item in self._items(scope, options, member):
            if isinstance(item, str):
                # Too much was read for one request.
                return Page(items=_ordered(items, options), onward=item)
            if skip:
                skip -= 1
            elif len(items) >= options.top:
                return Page(items=_ordered(items, options), onward=onward)
            else:
                items.append(item)
            onward = item.token
        return Page(items=_ordered(items, options))

    def _newest(self, scope: Scope, member: Published) -> Item | None:
        """Return the first observation of the newest state of a Thing, which no late one has; None where it has none."""
        teller = self._teller(scope)
        row = teller.row(member)
        for column in teller.columns:
            if scope.column in (None, column.name) and row[column.index] is not None:
                return self._of(teller, replace(scope, column=column.name, sequence=member.sequence), member)
        return None

    async def count(self, scope: Scope) -> int:
        """Return how many entities a set has; not of Observations."""
        if scope.kind is Kind.SENSOR:
            return len(self._asked(scope))
        if scope.kind is Kind.OBSERVED_PROPERTY:
            return len(self._properties())
        total = 0
        for teller in self._asked(scope):
            columns = [each for each in teller.columns if scope.column in (None, each.name)]
            each = len(columns) if scope.kind is Kind.DATASTREAM else 1
            placed = scope.kind is Kind.LOCATION
            things = 1 if scope.entity else await self._shelf.store.trails.entities(teller.stream.name, placed=placed)
            total += things * each
        return total

    def _asked(self, scope: Scope) -> list[Teller]:
        return [
            teller
            for name, teller in self._tellers.items()
            if scope.stream in (None, name) and scope.model in (None, teller.stream.model.name)
        ]

    def _teller(self, scope: Scope) -> Teller:
        teller = self._tellers.get(scope.stream or "")
        if teller is None:
            raise _absent(scope)
        return teller

    async def _member(self, scope: Scope) -> Published:
        """Return the member that a scope's entity is made of: the observed one, else the newest."""
        teller = self._teller(scope)
        if scope.sequence is not None:
            head = await self._shelf.head(teller.stream.name)
            if not head.first <= scope.sequence < head.count:
                raise _absent(scope)
            span = range(scope.sequence, scope.sequence + 1)
            found = await self._shelf.store.trails.trail(teller.stream.name, span, Trail(), limit=1)
            if not found or (scope.entity or found[0].entity) != found[0].entity:
                raise _absent(scope)
            return found[0]
        newest = await self._shelf.store.latest_of(teller.stream.name, scope.entity or "")
        if newest is None or newest.deleted:
            raise _absent(scope)
        return newest

    def _of(self, teller: Teller, scope: Scope, member: Published) -> Item:
        """Return the entity of a scope, made of a member."""
        made: Entity | None
        column = teller.column(scope.column)
        here = replace(scope, many=False, stream=teller.stream.name, entity=member.entity)
        if scope.kind is Kind.THING:
            made = teller.thing(member)
        elif scope.kind is Kind.LOCATION:
            made = teller.location(member)
        elif scope.kind is Kind.FEATURE_OF_INTEREST:
            made = teller.feature(member)
        elif column is None:
            made = None
        elif scope.kind is Kind.DATASTREAM:
            made, here = teller.datastream(member, column), replace(here, model=teller.stream.model.name)
        else:
            made = teller.observation(member, column, teller.row(member))
        if made is None:
            raise _absent(scope)
        if scope.kind is not Kind.OBSERVATION:
            here = replace(here, sequence=None)
        return Item(here, made, f"{teller.stream.name},{member.entity},", member)

    def _properties(self) -> dict[str, tuple[Teller, Column]]:
        """Return the observed properties by their ids, each with a stream of its model."""
        return {
            f"{teller.stream.model.name}:{column.name}": (teller, column)
            for teller in self._tellers.values()
            for column in teller.columns
        }

    def _property(self, scope: Scope) -> Item:
        key = f"{scope.model}:{scope.column}"
        if key not in (known := self._properties()):
            raise _absent(scope)
        teller, column = known[key]
        return Item(
            Scope(kind=scope.kind, many=False, model=scope.model, column=scope.column),
            teller.observed_property(column),
            key,
        )

    async def _items(self, scope: Scope, options: Options, member: Published | None) -> AsyncIterator[Item | str]:
        """Yield the entities of a set behind the token; a text says where to go on, when too much was read."""
        if scope.kind is Kind.SENSOR:
            names = list(self._tellers)
            for name in names[names.index(options.token) + 1 :] if options.token in names else names:
                yield Item(Scope(kind=scope.kind, many=False, stream=name), self._tellers[name].sensor(), name)
            return
        if scope.kind is Kind.OBSERVED_PROPERTY:
            for item in self._listed_properties(options.token):
                yield item
            return
        self._check(scope)
        if scope.sequence is not None:
            observed = await self._member(scope)
            scope = replace(scope, entity=observed.entity, sequence=None)
        if scope.entity is not None and member is None:
            member = await self._member(scope)
        if scope.kind is Kind.OBSERVATION:
            async for found in self._observations(scope, options):
                yield found
            return
        async for teller, each, after in self._things(scope, options.token, member):
            for item in self._said(teller, scope, each, after):
                yield item

    def _check(self, scope: Scope) -> None:
        """Refuse a set of what does not exist, as the Datastreams of no Sensor are."""
        if scope.stream is not None:
            teller = self._teller(scope)
            if scope.column is not None and teller.column(scope.column) is None:
                raise _absent(scope)
        elif scope.model is not None:
            self._property(scope)

    def _listed_properties(self, token: str) -> Sequence[Item]:
        keys = list(self._properties())
        rest = keys[keys.index(token) + 1 :] if token in keys else keys
        found = (key.split(":") for key in rest)
        return [
            self._property(Scope(kind=Kind.OBSERVED_PROPERTY, many=False, model=model, column=column))
            for model, column in found
        ]

    def _said(self, teller: Teller, scope: Scope, member: Published, after: str) -> Sequence[Item]:
        """Return the entities of a set that a member stands for, those behind the Datastream `after` where it is named."""
        if scope.kind in _OF_MEMBERS:
            wanted = scope.kind is not Kind.LOCATION or member.point is not None
            return [self._of(teller, scope, member)] if wanted and not after else []
        names = [column.name for column in teller.columns if scope.column in (None, column.name)]
        rest = names[names.index(after) + 1 :] if after in names else names
        found = [self._of(teller, replace(scope, column=name), member) for name in rest]
        return [item._replace(token=f"{item.token}{name}") for item, name in zip(found, rest, strict=True)]

    async def _things(
        self, scope: Scope, token: str, member: Published | None
    ) -> AsyncIterator[tuple[Teller, Published, str]]:
        """Yield the newest members of a set's Things behind a token, and the Datastream to go on from in the first."""
        stream, entity, column = _read_token(token)
        if member is not None:
            if not token or column:
                yield self._teller(scope), member, column
            return
        tellers = self._asked(scope)
        names = [teller.stream.name for teller in tellers]
        if stream and stream not in names:
            raise Problem(400, "$skiptoken is of another set", fix="follow the @iot.nextLink of the same set")
        for teller in tellers[names.index(stream) :] if stream else tellers:
            if column and (begun := await self._shelf.store.latest_of(teller.stream.name, entity)) is not None:
                yield teller, begun, column
            async for each in self._states(teller, entity):
                yield teller, each, ""
            entity = column = ""

    async def _states(self, teller: Teller, after: str) -> AsyncIterator[Published]:
        while True:
            states = await self._shelf.store.states(teller.stream.name, Selection(after=after), limit=_CHUNK)
            for member in states:
                yield member
            if len(states) < _CHUNK:
                return
            after = states[-1].entity

    async def _observations(self, scope: Scope, options: Options) -> AsyncIterator[Item | str]:
        stream, place, column = _read_token(options.token)
        tellers = self._asked(scope)
        names = [teller.stream.name for teller in tellers]
        if stream and (stream not in names or not place.isdigit()):
            raise Problem(400, "$skiptoken is of another set", fix="follow the @iot.nextLink of the same set")
        for teller in tellers[names.index(stream) :] if stream else tellers:
            start = int(place) if place else None
            async for found in self._observed(teller, scope, options, (start, column)):
                yield found
                if isinstance(found, str):
                    return
            place = column = ""

    async def _observed(
        self, teller: Teller, scope: Scope, options: Options, begin: tuple[int | None, str]
    ) -> AsyncIterator[Item | str]:
        """Yield the observations of a stream from a member and behind a column of it; a text where it stops for now."""
        name, (start, after) = teller.stream.name, begin
        columns = [column for column in teller.columns if scope.column in (None, column.name)]
        entities = (scope.entity,) if scope.entity else ()
        newest_first = options.newest_first
        trail = Trail(
            entities=entities, low=options.phenomenon.low, high=options.phenomenon.high, newest_first=newest_first
        )
        if start is not None and newest_first:
            start += 1
        while columns:
            if self._blocks >= MOST_OF_REQUEST:
                yield f"{name},{_rest(start, newest_first)},"
                return
            read = await self._step(name, trail, options, start)
            for member in read.members:
                row = teller.row(member)
                for column in columns:
                    if after:
                        after = "" if column.name == after else after
                    elif (made := teller.observation(member, column, row)) is not None:
                        here = Scope(kind=scope.kind, many=False, stream=name, entity=member.entity, column=column.name)
                        token = f"{name},{member.sequence},{column.name}"
                        yield Item(replace(here, sequence=member.sequence), made, token, member)
                after = ""
            if read.onward is None:
                return
            start = read.onward

    async def _step(self, name: str, trail: Trail, options: Options, start: int | None) -> Step:
        store = self._shelf.store
        bounds = bounds_of(await self._shelf.head(name), newest_first=trail.newest_first, onward=start)
        if options.result.low is not None:
            first = await store.since(name, options.result.low)
            bounds = range(max(bounds.start, first), bounds.stop) if first is not None else range(0)
        if options.result.high is not None and bounds:
            stop = await store.since(name, options.result.high + timedelta(microseconds=1))
            bounds = range(bounds.start, min(bounds.stop, stop)) if stop is not None else bounds
        read = await step(store.trails, name, trail, bounds, limit=min(options.top + options.skip + 1, 1000))
        self._blocks += max(1, read.blocks)
        return Step([member for member in read.members if not member.deleted], read.onward)


def _rest(start: int | None, newest_first: bool) -> int:
    """Return the number that a token says so that reading goes on from `start`."""
    return 0 if start is None else start - 1 if newest_first else start


def _ordered(items: Sequence[Item], options: Options) -> Sequence[Item]:
    """Return the entities of a page in the order asked for; pages follow each other as members were published."""
    if options.order != "phenomenonTime":
        return items
    timed = [(item.member.observed_at, item.member.sequence, item) for item in items if item.member]
    return [item for _, _, item in sorted(timed, key=lambda each: each[:2], reverse=options.newest_first)]


def _read_token(token: str) -> tuple[str, str, str]:
    """Read a token: a stream, an entity or a sequence number, and the name of a column or nothing."""
    stream, _, rest = token.partition(",")
    place, _, column = rest.rpartition(",")
    return stream, place, column


def _absent(scope: Scope) -> Problem:
    what = f"there is no such entity in {scope.kind.value}"
    return Problem(404, what, fix=f"/sta/v1.1/{scope.kind.value} lists all there are")
