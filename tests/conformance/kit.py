"""A real site for the tests over HTTP: PostgreSQL, members, the web process on a port of its own, and a client."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import rdflib
import uvloop
from pyld import jsonld
from rdflib import XSD, Graph, Literal, URIRef
from rdflib.term import Node

from ldes_server.definition import definition_text
from ldes_server.model import Placed, Published, Stream
from ldes_server.postgres_store import PostgresStore
from ldes_server.serve import Address, serve
from tests.support.running import free_port
from vocab.model import Model, load_model

START = datetime(2026, 11, 23, 8, tzinfo=UTC)
PAGE_SIZE = 10
FAN = 4
ENTITIES = 7
TREE = "https://w3id.org/tree#"
LDES = "https://w3id.org/ldes#"
FORMATS = {
    "application/ld+json": "json-ld",
    "text/turtle": "turtle",
    "application/trig": "turtle",
    "application/n-triples": "nt",
    "application/n-quads": "nt",
}
# The forms for who wants no RDF.
PLAIN = ("application/x-ndjson", "application/geo+json", "text/csv")
_T = TypeVar("_T")


def make_stream(name: str, model: Model, **changes: Any) -> Stream:
    """Make a stream with small pages, so that a few hundred members give several levels."""
    words: dict[str, Any] = {
        "name": name,
        "model": model,
        "title": {"nl": f'Test „{name}"', "en": f"Test {name}"},
        "description": {"nl": "Gemeten om te testen.", "en": "Measured to test."},
        "publisher_name": "Stad Gent",
        "publisher_iri": "https://data.vlaanderen.be/id/organisatie/OVO002011",
        "licence": "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0",
        "page_size": PAGE_SIZE,
        "fan": FAN,
    }
    return Stream(**{**words, **changes})


def make_members(stream: Stream, numbers: Iterable[int], base_url: str) -> tuple[Published, ...]:
    """Make members after the model's own example; five share a publication time, as a batch of a writer does."""
    made = []
    for number in numbers:
        observed = START + timedelta(seconds=number - 600)
        slug = f"thing-{number % ENTITIES}"
        member_id = f"{stream.name}/members/{slug}/{observed:%Y%m%dT%H%M%SZ}"
        entity = f"{base_url}/{stream.name}/entities/{slug}"
        body = json.loads(stream.model.example)
        body.pop("@context", None)
        body["@id"] = f"{base_url}/{member_id}"
        if stream.model.versioned:
            body["isVersionOf"] = entity
        made.append(
            Published(
                sequence=number,
                published_at=START + timedelta(milliseconds=250 * (number // 5)),
                id=member_id,
                entity=entity,
                observed_at=observed,
                point=None,
                body=json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode(),
            )
        )
    return tuple(made)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the site answered; header names in lower case."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def media(self) -> str:
        """The media type without parameters."""
        return self.headers["content-type"].split(";", maxsplit=1)[0]

    def graph(self) -> Graph:
        """Parse the body as what it claims to be, with the address as base."""
        return parse(self.body, self.media, self.url)


def parse(body: bytes, media: str, base: str = "") -> Graph:
    """Parse a body as what it claims to be; refuse statements outside the default graph.

    TriG and N-Quads are read as Turtle and N-Triples, whose grammars know no graphs; JSON-LD goes through the
    reference processor, which must not need the network.
    """
    if media == "application/ld+json":
        body, media = as_quads(body, base), "application/n-quads"
    # Literals as they are written: the library would respell times and numbers, and forms must agree on spelling too.
    before, rdflib.NORMALIZE_LITERALS = rdflib.NORMALIZE_LITERALS, False
    try:
        return Graph().parse(data=body, format=FORMATS[media], publicID=base or None)
    finally:
        rdflib.NORMALIZE_LITERALS = before


def as_quads(body: bytes, base: str) -> bytes:
    """Rewrite JSON-LD as N-Quads by the reference processor, which must not need the network."""
    options = {"base": base, "format": "application/n-quads", "documentLoader": _offline}
    quads: str = jsonld.to_rdf(json.loads(body), options)
    return quads.encode()


def doubles_by_value(graph: Graph) -> Graph:
    """Spell every xsd:double as the reference JSON-LD processor does, which respells even strings of that type."""
    found = Graph()
    for subject, predicate, value in graph:
        if isinstance(value, Literal) and value.datatype == XSD.double:
            found.add((subject, predicate, Literal(repr(float(value)), datatype=XSD.double)))
        else:
            found.add((subject, predicate, value))
    return found


def _offline(address: str, _: object) -> Any:
    raise AssertionError(f"a page needs {address}: contexts are inline")


class Site:
    """The running site. `get` is a client that follows nothing and decodes nothing."""

    def __init__(self, dsn: str, streams: Iterable[Stream]) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.streams = {stream.name: stream for stream in streams}
        self._dsn = dsn
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._store: PostgresStore | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="site")

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20), "the site did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the site did not stop"

    def run(self, work: Callable[[PostgresStore], Coroutine[Any, Any, _T]]) -> _T:
        """Run something with the site's store, in the site's loop."""
        assert self._loop is not None
        assert self._store is not None
        return asyncio.run_coroutine_threadsafe(work(self._store), self._loop).result(30)

    def pause(self, seconds: float) -> None:
        """Let the site work for a moment."""

        async def work(_: PostgresStore) -> None:
            await asyncio.sleep(seconds)

        self.run(work)

    def append(self, name: str, count: int) -> tuple[Published, ...]:
        """Publish `count` more members, made after the model's example."""
        stream = self.streams[name]
        return self.add(name, lambda start: make_members(stream, range(start, start + count), self.base))

    def add(self, name: str, make: Callable[[int], tuple[Published, ...]]) -> tuple[Published, ...]:
        """Publish in one transaction the members that `make` makes from the next sequence number on."""
        stream = self.streams[name]

        async def work(store: PostgresStore) -> tuple[Published, ...]:
            await store.ensure_stream(stream)
            base = await store.head(name)
            members = make(base.count)
            head = replace(
                base,
                count=base.count + len(members),
                published_at=members[-1].published_at,
                position=base.position + len(members),
            )
            await store.append(name, Placed(base=base, head=head, members=members))
            return members

        members = self.run(work)
        self._see(name, members[-1].sequence)
        return members

    def _see(self, name: str, sequence: int) -> None:
        """Wait until a reader of the history sees a member: the news takes its time, a second at most (HTTP-09)."""
        stream = self.streams[name]
        for _ in range(200):
            view = json.loads(self.get(f"/{name}/log", "application/ld+json").body)["view"]
            for link in view["relation"][-1:]:
                level, index = (int(part) for part in link["node"].split("/")[-2:])
                if sequence < index * stream.page_size * stream.fan**level + link["remainingItems"]:
                    return
            self.pause(0.02)
        raise AssertionError(f"member {sequence} of {name} is not shown")

    def declare(self, stream: Stream) -> None:
        """Make a stream's views those that it declares, and fill them, as `write` does at its start."""

        async def work(store: PostgresStore) -> None:
            await store.ensure_stream(stream)
            declared = {name: definition_text(each) for name, each in stream.views.items()}
            await store.builds.reconcile(stream.name, declared)
            for each in await store.builds.states(stream.name):
                while each.state == "building" and await store.builds.fill(stream.name, each.id, limit=100) is not None:
                    pass

        self.run(work)

    def get(self, path: str, accept: str | None = None, *, method: str = "GET", **headers: str) -> Answer:
        """Ask; keyword names stand for headers: `if_none_match`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if accept is not None:
            sent["accept"] = accept
        return self.send(method, path, sent)

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """Send a request as it is."""
        split = urlsplit(path)
        target = split.path + (f"?{split.query}" if split.query else "")
        with _connection(self.port) as connection:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("content-length", str(len(body)))
            connection.endheaders(body)
            response = connection.getresponse()
            received = response.read()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(url=self.base + target, status=response.status, headers=found, body=received)

    def crawl(self, stream: str, accept: str = "application/n-quads") -> list[Answer]:
        """Fetch every page of the history, parents first, in the order of the links."""
        todo, pages = [f"{self.base}/{stream}/log"], []
        while todo:
            page = self.get(todo.pop(), accept)
            assert page.status == 200, page
            pages.append(page)
            todo += reversed(links(page.graph(), page.url))
        return pages

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        address = Address(host="127.0.0.1", port=self.port, base_url=self.base)
        async with PostgresStore(self._dsn, base_url=self.base) as self._store:
            await serve(
                tuple(self.streams.values()), self._store, address=address, stop=self._stop, ready=self._ready.set
            )


def two_streams() -> tuple[Stream, Stream]:
    """Return a stream of versions and one of observations."""
    return make_stream("gent-parking", load_model("parking")), make_stream("gent-traffic", load_model("traffic"))


def links(graph: Graph, url: str) -> list[str]:
    """Return the pages a page links, oldest first, each once."""
    found: dict[str, str] = {}
    for relation in graph.objects(URIRef(url), URIRef(f"{TREE}relation")):
        value = str(graph.value(relation, URIRef(f"{TREE}value")))
        target = str(graph.value(relation, URIRef(f"{TREE}node")))
        found[target] = min(value, found.get(target, value))
    return sorted(found, key=lambda target: (found[target], target))


def members_of(graph: Graph, stream: str) -> list[URIRef]:
    """Return what the stream links as members."""
    return [URIRef(str(member)) for member in graph.objects(URIRef(stream), URIRef(f"{TREE}member"))]


def extract(graph: Graph, member: URIRef) -> Graph:
    """Extract a member by the algorithm of the specification: its statements, and those of blank nodes below."""
    found, todo, done = Graph(), [member], set[Node]()
    while todo:
        subject = todo.pop()
        done.add(subject)
        for statement in graph.triples((subject, None, None)):
            found.add(statement)
            value = statement[2]
            if not isinstance(value, URIRef) and value not in done and (value, None, None) in graph:
                todo.append(value)  # type: ignore[arg-type]
    return found


@contextmanager
def _connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=90)
    try:
        yield connection
    finally:
        connection.close()
