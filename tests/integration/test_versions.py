"""Versions over HTTP: from a source's snapshots, or posted, to pages that say what is gone and what belongs together."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyshacl import validate
from rdflib import Graph, Literal, URIRef

from ingest.mapping import compile_mapping
from ingest.normalise import checkpoint_offset, run_normaliser
from ingest.source import Publish
from ldes_server.building import run_views
from ldes_server.definition import ByLatest
from ldes_server.model import GENERATED_AT, SEQUENCE, VERSION_OF
from ldes_server.postgres_store import PostgresStore
from streams.postgres_log import PostgresLog
from streams.record import Payload, raw_topic
from tests.conformance.kit import LDES, TREE, Site, extract, make_stream, members_of
from tests.support.open_site import STREAM, OpenSite, lines, member, results
from tests.unit.ingest.test_versions import snapshot
from tests.unit.ingest.workbench import GARAGES, RECEIVED, pilot
from vocab.model import load_model
from vocab.terms import AS, OPERATION, TRANSACTION, TRANSACTION_FINAL

PARKING = load_model("parking")
SOURCE = replace(
    pilot(GARAGES),
    publish=Publish(changed=True, heartbeat=timedelta(minutes=15), operations=True, absent=True, transaction=True),
)
STREAMS = (
    make_stream(
        STREAM,
        PARKING,
        operation_path=OPERATION,
        transactions=True,
        views={"newest": ByLatest()},
        page_size=4,
    ),
)


class VersionSite(OpenSite):
    """A site whose stream has versions, fed by documents of a source."""

    def __init__(self, dsn: str, folder: Path) -> None:
        super().__init__(dsn, folder)
        self.streams = {stream.name: stream for stream in STREAMS}

    def feed(self, *documents: bytes) -> None:
        """Let the source publish documents, a minute apart, and wait until they are normalised."""

        async def work(_: PostgresStore) -> None:
            async with PostgresLog(self._dsn) as log:
                last = await log.last(raw_topic(SOURCE.name))
                start = -1 if last is None else last.offset
                payloads = [
                    Payload(
                        source=SOURCE.name,
                        received_at=RECEIVED + timedelta(minutes=start + number),
                        media_type="application/json",
                        body=document,
                    )
                    for number, document in enumerate(documents, 1)
                ]
                await log.append(raw_topic(SOURCE.name), [payload.to_record() for payload in payloads])
                await _normalise(log, self.base, start + len(documents))

        self.run(work)

    def build(self) -> None:
        """Build the declared views."""

        async def work(store: PostgresStore) -> None:
            stop = asyncio.Event()
            async with asyncio.timeout(20), asyncio.TaskGroup() as group:
                group.create_task(run_views(self.streams[STREAM], store, stop=stop))
                while not any(each.state == "live" for each in await store.views(STREAM)):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                stop.set()

        self.run(work)

    def members(self) -> list[dict[str, Any]]:
        """Return all members of the history in order."""
        found = [
            each
            for page in self.crawl(STREAM, "application/ld+json")
            for each in json.loads(page.body).get("member", ())
        ]
        return sorted(found, key=lambda each: each["sequence"])

    def latest(self) -> list[str]:
        """Return the ends of the entities that have a newest state."""
        return [each["isVersionOf"].rsplit("/", 1)[1] for each in self.json("/latest").get("member", ())]

    def json(self, path: str) -> Any:
        """Read JSON-LD."""
        return json.loads(self.get(f"/{STREAM}{path}", "application/ld+json").body)


async def _normalise(log: PostgresLog, base: str, offset: int) -> None:
    stop = asyncio.Event()
    mapper = compile_mapping(SOURCE, PARKING, base_url=base)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(run_normaliser(SOURCE, mapper, log, stop=stop))
        while await checkpoint_offset(SOURCE, log) < offset:  # noqa: ASYNC110 - the normaliser sets no event
            await asyncio.sleep(0.02)
        stop.set()


@pytest.fixture
def site(database_url: str, tmp_path: Path) -> Iterator[VersionSite]:
    """Run a site that two car parks were published on, of which one is gone."""
    with VersionSite(database_url, tmp_path) as running:
        running.feed(snapshot({"a": (0, 5), "b": (0, 1)}), snapshot({"a": (2, 6)}))
        running.publish(4)
        yield running


def entity(site: Site, name: str) -> str:
    """Return the IRI of a car park."""
    return f"{site.base}/{STREAM}/entities/{name}"


def words(each: Mapping[str, Any]) -> tuple[str, str, str, bool]:
    """Return what a member does, to what, in which payload, and whether it is the last of it."""
    name, transaction = each["isVersionOf"].rsplit("/", 1)[1], each.get("transaction", "")
    return each["operation"], name, transaction[-1:], each.get("transactionFinal", False)


@pytest.mark.parametrize("media", ["application/ld+json", "text/turtle", "application/n-quads"])
def test_the_root_says_how_to_read_versions(site: VersionSite, media: str) -> None:
    """LDES-40, LDES-42, LDES-43, LDES-48, LDES-52: the order of versions, the three operations, the transactions."""
    graph = site.get(f"/{STREAM}/log", media).graph()
    name = URIRef(f"{site.base}/{STREAM}")
    expected = {
        "timestampPath": URIRef(GENERATED_AT),
        "sequencePath": URIRef(SEQUENCE),
        "versionOfPath": URIRef(VERSION_OF),
        "versionTimestampPath": URIRef("http://www.w3.org/ns/sosa/resultTime"),
        "versionSequencePath": URIRef(SEQUENCE),
        **{f"version{each}Path": URIRef(OPERATION) for each in ("Create", "Update", "Delete")},
        **{f"version{each}Object": URIRef(f"{AS}{each}") for each in ("Create", "Update", "Delete")},
        "transactionPath": URIRef(TRANSACTION),
        "transactionFinalizedPath": URIRef(TRANSACTION_FINAL),
        "transactionFinalizedObject": Literal(True),
    }
    assert {path: list(graph.objects(name, URIRef(LDES + path))) for path in expected} == {
        path: [value] for path, value in expected.items()
    }


def test_members_say_what_they_do_and_belong_to(site: VersionSite) -> None:
    """LDES-43, LDES-45, LDES-50: one operation each, a deletion without payload, one closing member per payload."""
    found = site.members()
    assert [words(each) for each in found] == [
        ("Create", "a", "0", False),
        ("Create", "b", "0", True),
        ("Update", "a", "1", False),
        ("Delete", "b", "1", True),
    ]
    assert "freeSpaces" not in found[-1]
    shape = Graph().parse(data=PARKING.shape.turtle, format="turtle")
    for page in site.crawl(STREAM):
        graph = page.graph()
        for each in members_of(graph, f"{site.base}/{STREAM}"):
            said = extract(graph, each)
            assert len(list(said.objects(each, URIRef(OPERATION)))) == 1
            conforms, _, text = validate(said, shacl_graph=shape, inference="none")
            assert conforms, text


def test_what_is_gone_is_not_the_newest_state(site: VersionSite) -> None:
    """A deleted entity is not in /latest, 410 by name and by its own address, and its history stays."""
    assert site.latest() == ["a"]
    gone = site.get(f"/{STREAM}/latest?entity={entity(site, 'b')}", "text/csv")
    assert (gone.status, gone.media) == (410, "application/problem+json")
    assert site.members()[-1]["@id"] in json.loads(gone.body)["fix"]
    own = site.get(f"/{STREAM}/entities/b")
    assert (own.status, own.headers["location"]) == (303, site.members()[-1]["@id"])
    assert site.get(f"/{STREAM}/latest?entity={entity(site, 'a')}", "text/csv").status == 200
    assert site.get("/").status == 200


def test_what_is_back_is_the_newest_state_again(site: VersionSite) -> None:
    """LDES-56: a new version creates it, under a name of its own."""
    site.feed(snapshot({"a": (4, 6), "b": (4, 3)}))
    site.publish(5)
    assert words(site.members()[-1]) == ("Create", "b", "2", True)
    assert site.latest() == ["a", "b"]
    assert len({each["@id"] for each in site.members()}) == 5


def test_plain_forms_show_deletions(site: VersionSite) -> None:
    """CSV has the operation as a column; GeoJSON as a property, with no geometry; NDJSON has the member as it is."""
    rows = list(csv.DictReader(io.StringIO(site.get(f"/{STREAM}/log/0/0", "text/csv").body.decode())))
    assert [row["operation"] for row in rows] == ["Create", "Create", "Update", "Delete"]
    assert rows[-1]["free_spaces"] == ""
    features = json.loads(site.get(f"/{STREAM}/log/0/0", "application/geo+json").body)["features"]
    assert [each["properties"]["operation"] for each in features] == ["Create", "Create", "Update", "Delete"]
    assert features[-1]["geometry"] is None
    told = site.get(f"/{STREAM}/log/0/0", "application/x-ndjson").body.splitlines()
    assert json.loads(told[-1]) == site.members()[-1]


def test_the_view_of_newest_versions(site: VersionSite) -> None:
    """RET-02..05, RET-08: its root names and describes its policy; its pages have each entity once, deletions too."""
    site.build()
    site.feed(snapshot({"a": (4, 7), **{f"c{number}": (4, number) for number in range(9)}}))
    site.publish(14)
    root = f"{site.base}/{STREAM}/newest"
    for media in ("application/ld+json", "text/turtle", "application/n-quads"):
        graph = site.get(f"/{STREAM}/newest", media).graph()
        (policy,) = graph.objects(URIRef(root), URIRef(f"{LDES}retentionPolicy"))
        assert policy == URIRef(f"{root}#retention")
        assert list(graph.objects(policy, URIRef(f"{LDES}versionAmount"))) == [Literal(1)]
    assert not list(site.get(f"/{STREAM}/log", "text/turtle").graph().objects(None, URIRef(f"{LDES}retentionPolicy")))
    found: dict[str, dict[str, Any]] = {}
    todo, pages = [root], 0
    while todo:
        page = site.get(todo.pop(), "application/ld+json")
        assert page.status == 200
        assert "immutable" not in page.headers["cache-control"]
        said, pages = json.loads(page.body), pages + 1
        todo += [link["node"] for link in said["view"]["relation"]]
        for each in said.get("member", ()):
            assert found.setdefault(each["isVersionOf"], each) is each
    assert pages > 3
    newest = {each["isVersionOf"]: each for each in site.members()}
    assert found == newest
    assert found[entity(site, "b")]["operation"] == "Delete"
    assert TREE in site.get(f"/{STREAM}/newest", "text/turtle").body.decode()


def test_newest_versions_in_plain_forms(site: VersionSite) -> None:
    """A walk through the view in CSV leads over all its pages, each entity once, by links that may change."""
    site.feed(snapshot({"a": (4, 7), **{f"c{number}": (4, number) for number in range(9)}}))
    site.publish(14)
    site.build()
    url: str | None = f"{site.base}/{STREAM}/newest?format=csv"
    rows: list[dict[str, str]] = []
    while url is not None:
        page = site.get(url)
        if page.status == 303:
            url = page.headers["location"]
            continue
        assert page.status == 200
        assert "immutable" not in page.headers["cache-control"]
        rows += csv.DictReader(io.StringIO(page.body.decode()))
        found = re.search(r'<([^>]*)>; rel="next"', page.headers["link"])
        url = found[1] if found else None
    newest = {each["isVersionOf"]: each["@id"] for each in site.members()}
    assert {row["entity"]: row["id"] for row in rows} == newest
    assert len({row["entity"] for row in rows}) == len(rows) == 11


def operation(document: str, word: str) -> str:
    """Let a posted member say what it does."""
    return document.replace(" a <http", f" <{OPERATION}> <{AS}{word}> ; a <http", 1)


def deletion(number: int) -> str:
    """Write the deletion of a posted car park."""
    kept = [line for line in member(number).split(" ;") if "mobivoc.org/#capacity" not in line and "datex" not in line]
    return operation(" ;".join(kept), "Delete").replace("/v/", "/gone/").replace("20:00:44Z", "21:00:00Z")


def test_posted_members_say_what_they_do(site: VersionSite) -> None:
    """Create, then Delete: taken, on the page as sent, the entity out of /latest; the same again is a duplicate."""
    assert results(site.post(operation(member(1), "Create"))) == ["created"]
    assert results(site.post(deletion(1))) == ["created"]
    site.publish(6)
    assert [each["operation"] for each in site.members()[-2:]] == ["Create", "Delete"]
    assert site.get(f"/{STREAM}/latest?entity=https://e.example/p/1").status == 410
    assert results(site.post(deletion(1))) == ["duplicate"]
    first = site.members()[0]
    del first["sequence"], first["generatedAtTime"], first["transaction"]
    body = json.dumps({"@context": json.loads(PARKING.context), **first})
    assert results(site.post(body, "application/ld+json")) == ["duplicate"]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (operation(member(2), "Delete"), "leave out capacity, freeSpaces"),
        (operation(operation(member(2), "Create"), "Delete"), "does not conform"),
        (operation(member(2), "Move"), "does not conform"),
        (member(2).replace(" a <http", f' <{TRANSACTION}> "x" ; a <http', 1), "what the server says"),
        (deletion(2).replace(f"<{AS}Delete>", f"<{AS}Update>"), "does not conform"),
    ],
)
def test_posted_members_that_say_it_wrongly_are_refused(site: VersionSite, document: str, why: str) -> None:
    """A deletion with payload, two operations, an unknown one, a transaction, an update without payload: each says why."""
    (line,) = lines(site.post(document))
    assert line["result"] == "rejected"
    assert why in str(line["detail"])


def test_a_stream_that_declares_nothing_takes_no_operations(database_url: str, tmp_path: Path) -> None:
    """Without `versions` in the stream file an operation is refused, because no reader would look for it."""
    with OpenSite(database_url, tmp_path) as plain:
        (line,) = lines(plain.post(operation(member(1), "Create")))
        assert "does not declare" in str(line["detail"])
