"""The addresses of SensorThings: from a request to its answer (OGC 18-088, sections 9.2 and 9.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson
from starlette.requests import Request
from starlette.responses import Response

from ldes_server.answers import answer, raw_path
from ldes_server.negotiate import accepts_gzip
from ldes_server.problems import Problem
from ldes_server.responses import Variant, make_ready, mutable
from ldes_server.sensorthings.asking import FORMS, Options, read_options
from ldes_server.sensorthings.entity import BASE, Entity, Teller
from ldes_server.sensorthings.reading import Item, Page, Reader
from ldes_server.sensorthings.scope import LINKS, Kind, Names, read_path
from ldes_server.shelf import Shelf

JSON = "application/json"
_CONFORMANCE = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
# Names of `$select` that entities have under other keys.
_SELECTED = {"id": "@iot.id", "selfLink": "@iot.selfLink"}


class SensorThings:
    """Answers over a shelf; `base_url` is the public address. Made at the first request."""

    def __init__(self, shelf: Shelf, base_url: str) -> None:
        self._shelf = shelf
        self._base = base_url
        self._names = Names(base_url)
        self._tellers: Mapping[str, Teller] = {
            name: Teller(stream, shelf.frames[name].flat, self._names, base_url)
            for name, stream in shelf.streams.items()
            if stream.model.alignment.thing
        }

    async def root(self, request: Request) -> Response:
        """List the sets of entities, and what of the standard there is."""
        sets = [{"name": kind.value, "url": f"{self._base}{BASE}/{kind.value}"} for kind in Kind]
        parts = ("datamodel", "resource-path/resource-path-to-entities", "request-data")
        settings = {"conformance": [_CONFORMANCE + part for part in parts]}
        return self._answer(request, {"value": sets, "serverSettings": settings})

    async def path(self, request: Request) -> Response:
        """Hand out what a path stands for: an entity, or a page of a set."""
        path = unquote(raw_path(request)[len(BASE) :]).strip("/")
        if not path:
            return await self.root(request)
        scope = read_path(path, self._names)
        options = read_options(request.scope["query_string"], scope.kind, many=scope.many)
        reader = Reader(self._shelf, self._names, self._tellers)
        if not scope.many:
            return self._answer(request, await self._shown(reader, await reader.one(scope), options))
        page = await reader.page(scope, options)
        body: Entity = {"@iot.count": await reader.count(scope)} if options.count else {}
        body |= await self._listed(reader, page, options, "value", self._base + raw_path(request))
        return self._answer(request, body)

    async def _listed(self, reader: Reader, page: Page, options: Options, key: str, address: str) -> Entity:
        """Return a page of a set under a key, and the address of the next one."""
        prefix = "" if key == "value" else key
        body: Entity = {}
        if page.onward:
            body[f"{prefix}@iot.nextLink"] = f"{address}?{options.next_query(page.onward)}"
        body[key] = [await self._shown(reader, item, options) for item in page.items]
        return body

    async def _shown(self, reader: Reader, item: Item, options: Options) -> Entity:
        """Return an entity with what is selected and expanded of it."""
        shown = _selected(item, options)
        for name, inner in options.expand.items():
            scope = item.scope.follow(name)
            shown.pop(f"{name}@iot.navigationLink", None)
            if not scope.many:
                shown[name] = await self._shown(reader, await reader.one(scope, item.member), inner)
                continue
            page = await reader.page(scope, inner, item.member)
            if inner.count:
                shown[f"{name}@iot.count"] = await reader.count(scope)
            address = f"{item.entity['@iot.selfLink']}/{name}"
            shown |= await self._listed(reader, page, inner, name, address)
        return shown

    def _answer(self, request: Request, body: Entity) -> Response:
        max_age = min((teller.stream.max_age for teller in self._tellers.values()), default=None)
        control = mutable(max_age) if max_age is not None else "no-store"
        gzip = accepts_gzip(",".join(request.headers.getlist("accept-encoding")) or None)
        # There is one form, so what the client accepts does not matter.
        variant = Variant(media=JSON, gzip=gzip, named=True)
        return answer(request, make_ready(orjson.dumps(body), variant, cache_control=control))


def _selected(item: Item, options: Options) -> Entity:
    if not options.select:
        return dict(item.entity)
    links = {name: f"{name}@iot.navigationLink" for name in LINKS[item.scope.kind]}
    known = {
        **{name: name for name in item.entity if not name.startswith("@") and "@iot" not in name},
        **links,
        **_SELECTED,
    }
    for name in options.select:
        if name not in known:
            what = f"{item.scope.kind.value} has no property {name[:60]!r}"
            raise Problem(400, what, fix=f"select {', '.join(known)}", near=known)
    return {known[name]: item.entity[known[name]] for name in options.select}


def parameters() -> Mapping[str, Any]:
    """Return what OpenAPI says of the query of every path."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": form}
            for name, form in FORMS.items()
        ]
    }


_Handler = Callable[[SensorThings, Request], Awaitable[Response]]
ADDRESSES: Mapping[str, tuple[_Handler, str]] = {
    BASE: (SensorThings.root, "SensorThings: the sets of entities there are"),
    f"{BASE}/{{path:path}}": (
        SensorThings.path,
        (
            "SensorThings: Things, Locations, Datastreams, Observations, Sensors, ObservedProperties, FeaturesOfInterest, "
            "by id and by navigation"
        ),
    ),
}
