"""Outward: the addresses at which every stream is read in the words of other worlds, NGSI-LD and SensorThings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response

from ldes_server.ngsi_ld import answering as ngsi_ld
from ldes_server.ngsi_ld.answering import NgsiLd
from ldes_server.ngsi_ld.asking import ASKED, parameters_of
from ldes_server.sensorthings import answering as sensorthings
from ldes_server.sensorthings.answering import SensorThings, parameters
from ldes_server.sensorthings.entity import BASE
from ldes_server.shelf import Shelf

Endpoint = Callable[[Request], Awaitable[Response]]


class _Site(Protocol):
    shelf: Shelf
    base_url: str


def _ngsi_ld() -> Iterator[tuple[str, Endpoint, str]]:
    for path, (handler, summary) in ngsi_ld.ADDRESSES.items():
        yield path, _endpoint("ngsi_ld", NgsiLd, handler), summary


def _sensorthings() -> Iterator[tuple[str, Endpoint, str]]:
    for path, (handler, summary) in sensorthings.ADDRESSES.items():
        yield path, _endpoint("sensorthings", SensorThings, handler), summary


def _endpoint(
    name: str, make: Callable[[Shelf, str], Any], handler: Callable[[Any, Request], Awaitable[Response]]
) -> Endpoint:
    """Return the endpoint of a handler, whose object is made at the first request for any of them."""

    async def endpoint(request: Request) -> Response:
        site: _Site = request.app.state.site
        if (made := getattr(request.app.state, name, None)) is None:
            made = make(site.shelf, site.base_url)
            setattr(request.app.state, name, made)
        return await handler(made, request)

    endpoint.__name__ = name
    return endpoint


def openapi_of(path: str) -> Mapping[str, Any]:
    """Return what OpenAPI says of the query of an address; nothing for addresses of others."""
    plain = path.replace(":path}", "}")
    if plain == f"{BASE}/{{path}}":
        return parameters()
    return parameters_of(plain) if plain in ASKED else {}


ADDRESSES: tuple[tuple[str, Endpoint, str], ...] = (*_ngsi_ld(), *_sensorthings())
