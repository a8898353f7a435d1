"""The web application: addresses to answers. What is final in memory never gets here (fastlane.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from ldes_server.activities import feed_stream
from ldes_server.coverage import Coverage
from ldes_server.descriptions import FEED_NAME
from ldes_server.documents import HTML, Document, documentation, model_document, site_catalogue, vocabulary
from ldes_server.front import ROWS, Feed, front_page
from ldes_server.gate import Gate
from ldes_server.model import PageId, Stream
from ldes_server.negotiate import PAGE_TYPES, RDF_TYPES, accepts_gzip, choose, is_current, with_graphs
from ldes_server.problems import Problem, unknown
from ldes_server.render import member_iri
from ldes_server.responses import Ready, ReadyCache, Variant
from ldes_server.shelf import Missing, Shelf, Store
from streams.errors import ConfigError, StoreError
from streams.errors import Problem as Fault

# First path segments that are ours; a stream of that name could not be reached.
RESERVED = frozenset({"models", "ns", "healthz", "readyz", "metrics", "docs", "openapi.json", "hooks", "id", FEED_NAME})
# Requests in work at once, the fast lane's not counted; the next one is told to come back (HTTP-12).
CONCURRENCY = 512
_ASK_AGAIN = "ask for one of them, or leave the Accept header out"

Metrics = Callable[[], tuple[bytes, str]]


class Site:
    """What the addresses answer from: the shelf and the documents, made once."""

    def __init__(self, shelf: Shelf, streams: Sequence[Stream], base_url: str, metrics: Metrics | None) -> None:
        self.shelf = shelf
        self.streams = {stream.name: stream for stream in streams}
        self.base_url = base_url
        self.metrics = metrics
        self.catalogue = site_catalogue(streams, base_url)
        self.models = {stream.model.name: model_document(stream.model, base_url) for stream in streams}
        self.vocabulary = vocabulary()
        self._front: tuple[tuple[tuple[int, ...], Document], Document] | None = None

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
        heads = {name: (await self.shelf.head(name)).count for name in self.streams}
        shown = (tuple(heads.values()), self.catalogue)
        if self._front is None or self._front[0] != shown:
            feeds = [
                Feed(stream=stream, count=heads[name], newest=await self.shelf.newest(name, limit=ROWS))
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

    `app.state.shelf` is the `Shelf` to tell of changes. Raises `ConfigError` for a stream name that is an address.
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
    app.state.docs = None
    for path, endpoint, summary in _ADDRESSES:
        words: dict[str, Any] = {"summary": summary, "response_class": Response, "name": endpoint.__name__}
        app.add_api_route(path, endpoint, methods=["GET"], **words)
        app.add_api_route(path, endpoint, methods=["HEAD"], include_in_schema=False, **words)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(StoreError, _on_store_error)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_fault)
    app.add_middleware(Gate, limit=CONCURRENCY)
    return app


def _site(request: Request) -> Site:
    site: Site = request.app.state.site
    return site


Here = Annotated[Site, Depends(_site)]


async def front(request: Request, site: Here) -> Response:
    """Every feed."""
    document = await site.front()
    return _answer(request, document.ready(_variant(request, document.offers)))


async def stream(stream: str, site: Here) -> Response:
    """Lead to the root of the history."""
    site.stream(stream)
    # See Other, never permanent: the stream outlives any root (HTTP-29).
    return _see(f"{site.base_url}/{stream}/log", max_age=3600)


async def root(request: Request, stream: str, site: Here) -> Response:
    """Hand out the root of the history."""
    site.stream(stream)
    return await _page(request, site, stream, PageId())


async def page(request: Request, stream: str, level: str, index: str, site: Here) -> Response:
    """Hand out a page of the history."""
    site.stream(stream)
    if not all(_canonical(part) for part in (level, index)):
        raise _no_page(stream)
    return await _page(request, site, stream, PageId(level=int(level), index=int(index)))


async def member(request: Request, stream: str, site: Here) -> Response:
    """Hand out one member."""
    site.stream(stream)
    variant = _variant(request, site.offers(stream, RDF_TYPES))
    ready = await site.shelf.member(stream, _raw_path(request)[1:], variant)
    if ready is None:
        raise Problem(404, "there is no such member", fix=f"all of them are reached from /{stream}/log")
    return _answer(request, ready)


async def entity(request: Request, stream: str, site: Here) -> Response:
    """Lead to the newest member of an entity."""
    site.stream(stream)
    newest = await site.shelf.store.latest_of(stream, site.base_url + _raw_path(request))
    if newest is None:
        raise Problem(404, "there is no such entity", fix=f"/{stream}/latest has the newest state of each")
    return _see(member_iri(newest).decode(), max_age=int(site.stream(stream).max_age.total_seconds()))


async def latest(request: Request, stream: str, site: Here) -> Response:
    """Hand out the newest state of every entity."""
    site.stream(stream)
    return _answer(request, await site.shelf.latest(stream, _variant(request, site.offers(stream, RDF_TYPES))))


async def model(request: Request, model: str, site: Here) -> Response:
    """Explain a reference model."""
    if model not in site.models:
        raise unknown("model", model, site.models, prefix="/models/")
    return _document(request, site.models[model])


async def terms(request: Request, site: Here) -> Response:
    """Explain our own terms."""
    if site.vocabulary is None:
        raise Problem(
            404, "this installation has no list of terms", fix="each model at /models/{model} explains its own"
        )
    return _document(request, site.vocabulary)


async def docs(request: Request) -> Response:
    """List the addresses."""
    state = request.app.state
    state.docs = state.docs or documentation(request.app.openapi())
    return _document(request, state.docs)


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
    ("/ns", terms, "The terms we coined ourselves"),
    ("/models/{model}", model, "A reference model: context (JSON-LD), shape (Turtle), explanation (HTML)"),
    ("/{stream}", stream, "The event stream: leads to the root of its history"),
    ("/{stream}/log", root, "The root of the history, in order of publication"),
    ("/{stream}/log/{level}/{index}", page, "A page of the history; final pages never change"),
    ("/{stream}/latest", latest, "The newest state of every entity"),
    ("/{stream}/members/{path:path}", member, "One member; it never changes"),
    ("/{stream}/entities/{path:path}", entity, "One entity: leads to its newest member"),
)


async def _page(request: Request, site: Site, name: str, page_id: PageId) -> Response:
    ready = await site.shelf.page(name, page_id, _variant(request, site.offers(name, PAGE_TYPES)))
    if ready is Missing.GONE:
        raise Problem(410, "this page is no longer kept", fix=f"what is kept is linked from /{name}/log")
    if isinstance(ready, Missing):
        raise _no_page(name)
    return _answer(request, ready)


def _no_page(name: str) -> Problem:
    return Problem(404, "there is no such page", fix=f"all pages are linked from /{name}/log")


def _canonical(number: str) -> bool:
    """Whether this is how a page's address spells a number: one address per page, none with leading zeros."""
    return number.isascii() and number.isdigit() and (number == "0" or number[0] != "0") and len(number) <= 15


def _raw_path(request: Request) -> str:
    # As the client sent it: member ids hold percent-encoded segments, which a decoded path would lose.
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return raw.decode("ascii").split("?", 1)[0]


def _variant(request: Request, offers: Sequence[str]) -> Variant:
    media = choose(_joined(request, "accept"), offers)
    if media is None:
        plain = [offer for offer in offers if ";" not in offer]
        raise Problem(406, f"there is {', '.join(plain)}", fix=_ASK_AGAIN, near=plain)
    return Variant(media=media, gzip=accepts_gzip(_joined(request, "accept-encoding")))


def _joined(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    return ",".join(values) if values else None


def _document(request: Request, document: Document) -> Response:
    return _answer(request, document.ready(_variant(request, document.offers)))


def _answer(request: Request, ready: Ready) -> Response:
    unchanged = is_current(_joined(request, "if-none-match"), ready.etag)
    bare = unchanged or request.method == "HEAD"
    response = Response(b"" if bare else ready.body, 304 if unchanged else 200)
    response.raw_headers = list(ready.unchanged_headers if unchanged else ready.headers)
    return response


def _see(address: str, *, max_age: int) -> Response:
    return RedirectResponse(address, 303, headers={"cache-control": f"public, max-age={max_age}"})


async def _on_problem(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem.response()


async def _on_store_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, StoreError)
    status = 503 if error.retriable else 500
    return Problem(status, "the database did not answer", fix="ask again in a moment").response()


async def _on_http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, str(error.detail), fix="/docs lists every address; they take GET").response()


async def _on_fault(_: Request, __: Exception) -> Response:
    return Problem(500, "a defect of ours", fix="ask again; if it stays, tell us the address").response()
