"""The web application: addresses to answers. What is final in memory never gets here (fastlane.py)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from ldes_server import digests
from ldes_server.activities import feed_stream
from ldes_server.answers import answer, answer_document, is_canonical, moved, raw_path, see_other, variant_of
from ldes_server.bucket_view import DEEPEST
from ldes_server.coverage import Coverage
from ldes_server.descriptions import RESERVED
from ldes_server.documents import HTML, Document, documentation, model_document, site_catalogue, vocabulary
from ldes_server.entry import live, stream
from ldes_server.front import ROWS, Feed, front_page
from ldes_server.gate import Gate
from ldes_server.latest_shelf import LatestShelf
from ldes_server.links import plain_address
from ldes_server.live import Hub
from ldes_server.log_view import VIEW
from ldes_server.model import PageId, Stream
from ldes_server.negotiate import (
    PAGE_FORMS,
    PAGE_TYPES,
    PLAIN,
    RDF_TYPES,
    STATE_TYPES,
    with_graphs,
)
from ldes_server.page_query import read_page_query
from ldes_server.plain_shelf import PlainShelf
from ldes_server.posting import post
from ldes_server.problems import Problem, on_fault, on_http_error, on_problem, on_store_error, unknown
from ldes_server.query import Query, read_query
from ldes_server.render import member_iri
from ldes_server.responses import ReadyCache
from ldes_server.search_shelf import SearchShelf
from ldes_server.shelf import Missing, Shelf, Store
from ldes_server.state_query import PARAMETERS, media_of, openapi_of, selection_of
from streams.errors import ConfigError, StoreError
from streams.errors import Problem as Fault

# Requests in work at once, the fast lane's not counted; the next one is told to come back (HTTP-12).
CONCURRENCY = 512

# What names of views and keys of buckets are made of.
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,2000}")

Metrics = Callable[[], tuple[bytes, str]]


class Site:
    """What the addresses answer from: the shelf and the documents, made once."""

    def __init__(self, shelf: Shelf, streams: Sequence[Stream], base_url: str, metrics: Metrics | None) -> None:
        self.shelf = shelf
        self.streams = {stream.name: stream for stream in streams}
        self.plain = PlainShelf(shelf)
        self.latest = LatestShelf(shelf)
        self.searches = SearchShelf(shelf)
        self.base_url = base_url
        self.metrics = metrics
        self.catalogue = site_catalogue(streams, base_url)
        self.models = {stream.model.name: model_document(stream.model, base_url) for stream in streams}
        self.vocabulary = vocabulary(base_url, self.models)
        contexts = {name: f"{base_url}/models/{each.model.name}" for name, each in shelf.streams.items()}
        self.live = Hub(contexts, shelf.store)
        self._front: tuple[tuple[tuple[tuple[int, int], ...], Document], Document] | None = None

    def stream(self, name: str) -> Stream:
        """Return the stream, or end the request with the names that come near."""
        if name not in self.shelf.streams:
            raise unknown("stream", name, self.shelf.streams, prefix="/")
        return self.shelf.streams[name]

    def offers(self, stream: str, types: Sequence[str]) -> Sequence[str]:
        """Return those of the media types that can show members of the stream."""
        return with_graphs(types) if self.stream(stream).graphs else types

    def describe(self, coverages: Mapping[str, Coverage | None]) -> None:
        """Make the catalogue anew with what the streams, by name, cover now; from any thread."""
        self.catalogue = site_catalogue(tuple(self.streams.values()), self.base_url, coverages)

    async def front(self) -> Document:
        """Return the front page: for people as HTML, for programs the catalogue; made anew when members came."""
        heads = {name: await self.shelf.head(name) for name in self.streams}
        shown = (tuple((head.count, head.views) for head in heads.values()), self.catalogue)
        if self._front is None or self._front[0] != shown:
            feeds = [
                Feed(
                    stream=stream,
                    count=heads[name].count,
                    newest=await self.shelf.newest(name, limit=ROWS),
                    views=[view for view in await self.shelf.views(name) if view != VIEW],
                )
                for name, stream in self.streams.items()
            ]
            bodies = {**shown[1].bodies, HTML: front_page(feeds, self.base_url)}
            self._front = (shown, Document(bodies=bodies, cache_control="public, max-age=5"))
        return self._front[1]


def create_app(
    streams: Sequence[Stream],
    store: Store,
    *,
    base_url: str,
    cache: ReadyCache | None = None,
    metrics: Metrics | None = None,
) -> FastAPI:
    """Make the application for some streams; `base_url` is the public address, as clients type it.

    `app.state.shelf` is the `Shelf` to tell of changes, `app.state.site.live` the `Hub` to tell and to run. Raises `ConfigError` for a stream name that is an address.
    """
    base_url = base_url.rstrip("/")
    taken = [stream.name for stream in streams if stream.name in RESERVED]
    if taken:
        raise ConfigError(
            [Fault(where=f"stream {name}", what="this name is an address of ours", fix="rename it") for name in taken],
            where="the streams",
        )
    shelf = Shelf((*streams, feed_stream(base_url)), store, base_url=base_url, cache=cache)
    app = FastAPI(title="smartflanders", docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.shelf = shelf
    app.state.site = Site(shelf, streams, base_url, metrics)
    app.state.docs = app.state.door = None
    for path, endpoint, summary in _ADDRESSES:
        words: dict[str, Any] = {"summary": summary, "response_class": Response, "name": endpoint.__name__}
        app.add_api_route(path, endpoint, methods=["GET"], openapi_extra=dict(openapi_of(path)), **words)
        app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False, **words)
    app.add_api_route("/{stream}", take, methods=["POST"], summary="Members in, as RDF", response_class=Response)
    app.add_exception_handler(Problem, on_problem)
    app.add_exception_handler(StoreError, on_store_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_fault)
    app.add_middleware(Gate, limit=CONCURRENCY)
    return app


# Dependencies are async though they wait for nothing: others are run in a thread, which costs more than the route itself.
async def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


Here = Annotated[Site, Depends(_site)]


async def _bucket(site: Here, stream: str, view: str, build: str, bucket: str) -> tuple[str, PageId]:
    site.stream(stream)
    if not is_canonical(build) or build == "0" or not all(_NAME.fullmatch(part) for part in (view, bucket)):
        raise _no_page(stream)
    return stream, PageId(view=view, build=int(build), bucket=bucket)


BucketHere = Annotated[tuple[str, PageId], Depends(_bucket)]


async def front(request: Request, site: Here) -> Response:
    """Every feed."""
    document = await site.front()
    return answer(request, document.ready(variant_of(request, document.offers)))


async def take(request: Request, stream: str, site: Here) -> Response:
    """Take members that others made."""
    return await post(request, site.stream(stream), request.app.state.door)


async def root(request: Request, stream: str, site: Here) -> Response:
    """Hand out the root of the history."""
    site.stream(stream)
    return await _page(request, site, stream, PageId())


async def page(request: Request, stream: str, level: str, index: str, site: Here) -> Response:
    """Hand out a page of the history."""
    site.stream(stream)
    if not all(is_canonical(part) for part in (level, index)):
        raise _no_page(stream)
    return await _page(request, site, stream, PageId(level=int(level), index=int(index)))


async def view(request: Request, stream: str, view: str, site: Here) -> Response:
    """Hand out the root of a view."""
    site.stream(stream)
    if not _NAME.fullmatch(view):
        raise unknown("view", view, await site.shelf.views(stream), prefix=f"/{stream}/")
    asked = await site.searches.asked(stream, view, request.scope["query_string"])
    if asked is None:
        return await _page(request, site, stream, PageId(view=view))
    variant = variant_of(request, site.offers(stream, tuple(PAGE_FORMS)))
    # The page is about the address it was asked by (HTTP-18), and templates are filled in with escapes (RFC 6570).
    if request.scope["query_string"] != asked.query.canonical.encode():
        return _canonical(site, PageId(view=view), stream, asked.query)
    if asked.is_too_wide:
        root = site.base_url + PageId(view=view).path(stream)
        return see_other(root, max_age=int(site.stream(stream).max_age.total_seconds()))
    ready = await site.searches.page(stream, asked, variant)
    if isinstance(ready, Missing):
        raise unknown("view", view, await site.shelf.views(stream), prefix=f"/{stream}/")
    return answer(request, ready)


async def bucket(request: Request, place: BucketHere, site: Here) -> Response:
    """Hand out the node of a bucket."""
    return await _page(request, site, *place)


async def bucket_page(request: Request, level: str, index: str, place: BucketHere, site: Here) -> Response:
    """Hand out a page of a bucket's members."""
    name, page_id = place
    if not all(is_canonical(part) for part in (level, index)):
        raise _no_page(name)
    return await _page(request, site, name, replace(page_id, level=int(level), index=int(index)))


async def group(request: Request, level: str, index: str, place: BucketHere, site: Here) -> Response:
    """Hand out a group of a bucket's children."""
    name, page_id = place
    if not all(is_canonical(part) for part in (level, index)) or not 1 <= int(level) <= DEEPEST:
        raise _no_page(name)
    return await _page(request, site, name, replace(page_id, level=-1 - int(level), index=int(index)))


async def member(request: Request, stream: str, site: Here) -> Response:
    """Hand out one member."""
    site.stream(stream)
    variant = variant_of(request, site.offers(stream, RDF_TYPES))
    ready = await site.shelf.member(stream, raw_path(request)[1:], variant)
    if ready is Missing.GONE:
        raise Problem(410, "this member is no longer kept", fix=f"what is kept is reached from /{stream}/log")
    if isinstance(ready, Missing):
        raise Problem(404, "there is no such member", fix=f"all of them are reached from /{stream}/log")
    return answer(request, ready)


async def entity(request: Request, stream: str, site: Here) -> Response:
    """Lead to the newest member of an entity."""
    site.stream(stream)
    newest = await site.shelf.store.latest_of(stream, site.base_url + raw_path(request))
    if newest is None:
        raise Problem(404, "there is no such entity", fix=f"/{stream}/latest has the newest state of each")
    return see_other(member_iri(newest).decode(), max_age=int(site.stream(stream).max_age.total_seconds()))


async def latest(request: Request, stream: str, site: Here) -> Response:
    """Hand out the newest state of every entity, or of those selected."""
    site.stream(stream)
    query = read_query(request.scope["query_string"], PARAMETERS)
    offers = site.offers(stream, STATE_TYPES)
    selection, variant = selection_of(query.values), variant_of(request, offers, media_of(query.values))
    if not query.is_canonical:
        kept = {"cache-control": "public, max-age=3600"}
        return RedirectResponse(f"{site.base_url}/{stream}/latest?{query.canonical}", 308, headers=kept)
    return answer(request, await site.latest.latest(stream, selection, variant))


async def digest_summary(request: Request, stream: str, site: Here) -> Response:
    """Say what is signed."""
    return answer_document(
        request, await digests.summary(site.stream(stream), site.shelf.store, base_url=site.base_url)
    )


async def digest_part(request: Request, stream: str, part: str, site: Here) -> Response:
    """Hand out digests of closed pages."""
    known = site.stream(stream)
    document = await digests.part(known, site.shelf.store, int(part)) if is_canonical(part) else None
    if document is None:
        raise Problem(404, "there are no such digests", fix=f"/{stream}/digests says which there are")
    return answer_document(request, document)


async def model(request: Request, model: str, site: Here) -> Response:
    """Explain a reference model."""
    if model not in site.models:
        raise unknown("model", model, site.models, prefix="/models/")
    return answer_document(request, site.models[model])


async def terms(request: Request, site: Here, name: str = "") -> Response:
    """Explain our own terms: all of them, or those of one namespace."""
    if name not in site.vocabulary:
        raise unknown("namespace", name, site.vocabulary, prefix="/ns/")
    return answer_document(request, site.vocabulary[name])


async def docs(request: Request) -> Response:
    """List the addresses."""
    state = request.app.state
    state.docs = state.docs or documentation(request.app.openapi())
    return answer_document(request, state.docs)


async def health() -> Response:
    """Say that the process lives."""
    return Response("ok\n", media_type="text/plain", headers={"cache-control": "no-store"})


async def readiness(site: Here) -> Response:
    """Say whether the database answers."""
    for name in site.shelf.streams:
        await site.shelf.head(name, fresh=True)
    return Response("ready\n", media_type="text/plain", headers={"cache-control": "no-store"})


async def metrics(site: Here) -> Response:
    """Hand out the metrics."""
    if site.metrics is None:
        raise Problem(404, "this process keeps no metrics", fix="give create_app a metrics function")
    body, media = site.metrics()
    return Response(body, headers={"content-type": media, "cache-control": "no-store"})


_Endpoint = Callable[..., Awaitable[Response]]
_ADDRESSES: tuple[tuple[str, _Endpoint, str], ...] = (
    ("/", front, "Every feed: a page for people, the DCAT catalogue for programs"),
    ("/healthz", health, "The process lives"),
    ("/readyz", readiness, "The process and its database can answer"),
    ("/metrics", metrics, "Figures for Prometheus"),
    ("/docs", docs, "This list"),
    ("/ns", terms, "The terms and concepts we coined ourselves"),
    ("/ns/{name}", terms, "Those of one namespace: https://w3id.org/smartflanders/{name}# in RDF and for people"),
    ("/models/{model}", model, "A reference model: context (JSON-LD), shape (Turtle), explanation (HTML)"),
    ("/{stream}", stream, "The event stream: leads to the root of its history; ?since= and ?at= to a page of it"),
    ("/{stream}/log", root, "The root of the history, in order of publication"),
    ("/{stream}/log/{level}/{index}", page, "A page of the history; final pages never change"),
    ("/{stream}/latest", latest, "The newest state of every entity, or of one, in a box, since a time"),
    ("/{stream}/live", live, "Every new member as it is published (Server-Sent Events); ?since= begins with history"),
    ("/{stream}/digests", digest_summary, "How much of the history is signed off, and one number that proves it"),
    ("/{stream}/digests/{part}", digest_part, "The digests of a thousand closed pages, a line each (NDJSON)"),
    ("/{stream}/members/{path:path}", member, "One member; it never changes"),
    ("/{stream}/entities/{path:path}", entity, "One entity: leads to its newest member"),
    (
        "/{stream}/{view}",
        view,
        "The root of another view: the same members by time (?at=), tile (?z=&x=&y=), property or prefix",
    ),
    ("/{stream}/{view}/{build}/{bucket}", bucket, "A bucket of a view: what is in it and below it"),
    ("/{stream}/{view}/{build}/{bucket}/group/{level}/{index}", group, "Some of the buckets below a bucket"),
    ("/{stream}/{view}/{build}/{bucket}/{level}/{index}", bucket_page, "A page of a bucket's members"),
)


async def _page(request: Request, site: Site, name: str, page_id: PageId) -> Response:
    asked, odd = read_page_query(request.scope["query_string"], page_id)
    variant = variant_of(request, site.offers(name, PAGE_TYPES), asked.media)
    if odd is not None:
        return _canonical(site, page_id, name, odd)
    if variant.media in PLAIN:
        ready = await site.plain.page(name, page_id, variant, asked.within)
    else:
        ready = await site.shelf.page(name, page_id, variant)
    if isinstance(ready, str):
        # Plain forms are read from leaf to leaf; which one is the first moves with retention, and with what comes.
        return see_other(ready, max_age=int(site.stream(name).max_age.total_seconds()))
    if ready is Missing.GONE and not page_id.is_root and (onward := await site.shelf.moved(name, page_id)):
        address = site.base_url + onward.path(name)
        if variant.named:
            address = plain_address(onward, PLAIN[variant.media], frame=site.shelf.frames[name])
        return moved(address, max_age=int(site.stream(name).max_age.total_seconds()))
    if ready is Missing.GONE:
        what = "view" if page_id.is_root else "page"
        raise Problem(410, f"this {what} is no longer kept", fix=_from_root(name, page_id))
    if isinstance(ready, Missing):
        if page_id.is_root:
            raise unknown("view", page_id.view, await site.shelf.views(name), prefix=f"/{name}/")
        raise _no_page(name)
    return answer(request, ready)


def _canonical(site: Site, page_id: PageId, name: str, query: Query) -> Response:
    kept = {"cache-control": "public, max-age=3600"}
    return RedirectResponse(f"{site.base_url}{page_id.path(name)}?{query.canonical}", 308, headers=kept)


def _from_root(name: str, page_id: PageId) -> str:
    root = VIEW if page_id.is_root else page_id.view
    return f"what is kept is linked from /{name}/{root}"


def _no_page(name: str) -> Problem:
    return Problem(404, "there is no such page", fix=f"all pages are linked from /{name}/log")
