"""The addresses of NGSI-LD: from a request to its answer, with the headers that the standard wants (GS CIM 009, 6.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ldes_server.answers import answer, raw_path
from ldes_server.links import CONTEXT, link_header
from ldes_server.negotiate import accepts_gzip, choose
from ldes_server.ngsi_ld.asking import Question, read_question
from ldes_server.ngsi_ld.entity import CORE_CONTEXT, Entity, concise, simplified, temporal_values
from ldes_server.ngsi_ld.errors import Kind, NgsiProblem
from ldes_server.ngsi_ld.reading import Histories, Reader, as_one
from ldes_server.responses import Headers, Variant, make_ready, mutable
from ldes_server.shelf import Shelf
from streams.record import format_time

BASE = "/ngsi-ld/v1"
JSON, JSON_LD = "application/json", "application/ld+json"
_FORMS: Mapping[str, Callable[[Entity], Entity]] = {
    "keyValues": simplified,
    "concise": concise,
    "temporalValues": temporal_values,
}
# Entities that are said before others are answered: some milliseconds.
_AT_ONCE = 100
_EXPOSED = (b"access-control-expose-headers", b"NGSILD-Results-Count, Content-Range")


class NgsiLd:
    """Answers over a shelf; `base_url` is the public address. Made at the first request."""

    def __init__(self, shelf: Shelf, base_url: str) -> None:
        self._shelf = shelf
        self._base = base_url
        self._reader = Reader(shelf)

    async def entities(self, request: Request) -> Response:
        """List entities as they are now."""
        question = self._question(request, f"{BASE}/entities")
        found = await self._reader.states(question)
        links, extra = self._onward(f"{BASE}/entities", question, found.onward), await self._counted(question)
        entities = []
        for number, each in enumerate(found.told, 1):
            entities.append(each.teller.entity(each.member, question.attributes))
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        return self._answer(request, _formed(entities, question), links=links, extra=extra)

    async def entity(self, request: Request) -> Response:
        """Hand out one entity as it is now."""
        question = self._question(request, f"{BASE}/entities/{{entity}}")
        told = await self._reader.one(_named(request, f"{BASE}/entities/"), question)
        return self._answer(request, _formed([as_one(told, question)], question)[0])

    async def temporal_entities(self, request: Request) -> Response:
        """List entities with their history."""
        question = self._question(request, f"{BASE}/temporal/entities")
        found = await self._reader.states(question)
        links = self._onward(f"{BASE}/temporal/entities", question, found.onward)
        extra = await self._counted(question)
        histories = await self._reader.histories(found.told, question)
        body = _formed(histories.entities, question)
        return self._answer(request, body, links=links, extra=(*extra, *_range(histories)))

    async def temporal_entity(self, request: Request) -> Response:
        """Hand out one entity with its history."""
        question = self._question(request, f"{BASE}/temporal/entities/{{entity}}")
        told = await self._reader.one(_named(request, f"{BASE}/temporal/entities/"), question)
        histories = await self._reader.histories(told, question)
        empty = {"id": told[0].member.entity, "type": told[0].teller.alignment.type}
        whole: Entity = {name: said for each in reversed(histories.entities) for name, said in each.items()}
        links = []
        if histories.below is not None:
            query = question.next_query(below=str(histories.below))
            links.append(("next", f"{self._base}{raw_path(request)}?{query}"))
        body = _formed([whole or empty], question)[0]
        return self._answer(request, body, links=links, extra=_range(histories))

    async def types(self, request: Request) -> Response:
        """List the types of entities there are."""
        values = self._question(request, f"{BASE}/types").values
        kinds = self._kinds()
        if values.get("details") == "true":
            detailed = [
                {"id": name, "type": "EntityType", "typeName": name, "attributeNames": sorted(attributes)}
                for name, attributes in kinds.items()
            ]
            return self._answer(request, detailed)
        listed = {"id": "urn:ngsi-ld:EntityTypeList:all", "type": "EntityTypeList", "typeList": list(kinds)}
        return self._answer(request, listed)

    async def type(self, request: Request) -> Response:
        """Say what entities of a type have, and how many there are."""
        self._question(request, f"{BASE}/types/{{type}}")
        name, kinds = _named(request, f"{BASE}/types/").rsplit("/", 1)[-1], self._kinds()
        if name not in kinds:
            raise NgsiProblem(
                Kind.RESOURCE_NOT_FOUND,
                f"there is no type {name[:200]!r}",
                fix=f"there are {', '.join(kinds)}",
                near=kinds,
            )
        count = await self._reader.count(Question(values={}, types=(name,)))
        details = [
            {"id": attribute, "type": "Attribute", "attributeName": attribute, "attributeTypes": [kind]}
            for attribute, kind in sorted(kinds[name].items())
        ]
        said = {"id": name, "type": "EntityTypeInfo", "typeName": name, "entityCount": count}
        return self._answer(request, {**said, "attributeDetails": details})

    async def context(self, request: Request) -> Response:
        """Hand out the contexts of all types as one, which answers of several types name."""
        contexts = list(dict.fromkeys(teller.alignment.context for teller in self._reader.tellers.values()))
        variant = Variant(media=JSON_LD, gzip=_gzip(request), named=True)
        body = orjson.dumps({"@context": [*contexts, CORE_CONTEXT]})
        return answer(request, make_ready(body, variant, cache_control="public, max-age=3600"))

    def _question(self, request: Request, address: str) -> Question:
        return read_question(request.scope["query_string"], address)

    def _kinds(self) -> Mapping[str, Mapping[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for teller in self._reader.tellers.values():
            found.setdefault(teller.alignment.type, {}).update(teller.attributes)
        return found

    async def _counted(self, question: Question) -> Headers:
        if not question.count:
            return ()
        return ((b"ngsild-results-count", str(await self._reader.count(question)).encode()),)

    def _onward(self, path: str, question: Question, onward: tuple[str, str] | None) -> list[tuple[str, str]]:
        if onward is None:
            return []
        return [("next", f"{self._base}{path}?{question.next_query(after=','.join(onward))}")]

    def _answer(
        self, request: Request, body: Any, *, links: Sequence[tuple[str, str]] = (), extra: Headers = ()
    ) -> Response:
        media = _media(request)
        contexts = self._contexts(body)
        more: tuple[str, ...] = ()
        if media == JSON_LD:
            for each in body if isinstance(body, list) else [body]:
                each["@context"] = [*contexts, CORE_CONTEXT]
        else:
            address = contexts[0] if len(contexts) == 1 else f"{self._base}{BASE}/jsonldContexts/all"
            more = (f'<{address if contexts else CORE_CONTEXT}>; rel="{CONTEXT}"; type="{JSON_LD}"',)
        headers = (*link_header(links, more), *extra, *((_EXPOSED,) if extra else ()))
        max_age = min((teller.stream.max_age for teller in self._reader.tellers.values()), default=None)
        control = mutable(max_age) if max_age is not None else "no-store"
        ready = make_ready(
            orjson.dumps(body), Variant(media=media, gzip=_gzip(request)), cache_control=control, extra=headers
        )
        response = answer(request, ready)
        if response.status_code == 200 and any(name == b"content-range" for name, _ in extra):
            response.status_code = 206
        return response

    def _contexts(self, body: Any) -> list[str]:
        """Return the contexts of the types that an answer speaks of."""
        known = {teller.alignment.type: teller.alignment.context for teller in self._reader.tellers.values()}
        types: list[str] = []
        for each in body if isinstance(body, list) else [body]:
            said = each.get("type", ())
            types += [said] if isinstance(said, str) else said
        return list(dict.fromkeys(known[each] for each in types if each in known))


def _formed(entities: Sequence[Entity], question: Question) -> list[Entity]:
    form = _FORMS.get(question.form)
    return [form(each) for each in entities] if form else list(entities)


def _named(request: Request, prefix: str) -> str:
    """Return the name at the end of an address; whether its slashes came escaped does not matter."""
    return unquote(raw_path(request)[len(prefix) :])


def _media(request: Request) -> str:
    """Return the media type: the first of ours that the client names, JSON where it takes anything."""
    accept = ",".join(request.headers.getlist("accept")) or None
    named = [part.partition(";")[0].strip().lower() for part in (accept or "").split(",")]
    chosen = next((name for name in named if name in (JSON, JSON_LD)), None)
    if chosen is None and choose(accept, (JSON_LD,)) is None:
        what = f"there is {JSON} and {JSON_LD}"
        problem = NgsiProblem(Kind.BAD_REQUEST_DATA, what, fix="ask for one of them, or leave the Accept header out")
        problem.status = 406
        raise problem
    return chosen or JSON


def _gzip(request: Request) -> bool:
    return accepts_gzip(",".join(request.headers.getlist("accept-encoding")) or None)


def _range(histories: Histories) -> Headers:
    """Say which time a cut answer covers (GS CIM 009, 6.3.10)."""
    if not histories.cut or not histories.members:
        return ()
    times = sorted(member.observed_at for member in histories.members)
    newest, oldest = format_time(times[-1]), format_time(times[0])
    return ((b"content-range", f"date-time {newest}-{oldest}/*".encode()),)


_Handler = Callable[[NgsiLd, Request], Awaitable[Response]]
ADDRESSES: Mapping[str, tuple[_Handler, str]] = {
    f"{BASE}/entities": (NgsiLd.entities, "NGSI-LD: entities as they are now, by id, type, attributes and place"),
    f"{BASE}/entities/{{entity:path}}": (NgsiLd.entity, "NGSI-LD: one entity as it is now"),
    f"{BASE}/temporal/entities": (NgsiLd.temporal_entities, "NGSI-LD: entities with their history"),
    f"{BASE}/temporal/entities/{{entity:path}}": (NgsiLd.temporal_entity, "NGSI-LD: one entity with its history"),
    f"{BASE}/types": (NgsiLd.types, "NGSI-LD: the types of entities there are"),
    f"{BASE}/types/{{type:path}}": (NgsiLd.type, "NGSI-LD: what entities of a type have, and how many there are"),
    f"{BASE}/jsonldContexts/all": (NgsiLd.context, "NGSI-LD: the JSON-LD context of answers with several types"),
}
