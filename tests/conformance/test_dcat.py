"""DCAT-AP and DCAT-AP Feeds (DCAT-01..07, FEED-01..16) over HTTP, and by the published shapes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

import pytest
from rdflib import DCAT, DCTERMS, RDF, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic
from rdflib.term import Node

from ldes_server.activities import publish_changes
from ldes_server.catalogue import catalogue
from ldes_server.descriptions import FEED_NAME, views_of
from ldes_server.model import Stream
from ldes_server.postgres_store import PostgresStore
from smartflanders.embedded import EmbeddedPostgres
from smartflanders.pilots import load_plan
from smartflanders.platform import shipped_pilots
from tests.conformance.conftest import database_of_site
from tests.conformance.kit import LDES, TREE, Answer, Site, links, parse
from tests.support.catalogues import COVERAGE, MODELS, canonical, described_streams, graphs, shapes, violations
from tests.support.clients import run_reference

AS = Namespace("https://www.w3.org/ns/activitystreams#")
DQV = Namespace("http://www.w3.org/ns/dqv#")
DCAT_AP = ("dcat-ap-3/shapes.ttl", "dcat-ap-3/range.ttl", "dcat-ap-3/mdr-vocabularies.shape.ttl")
MOBILITY = "mobilitydcat-ap/mobilitydcat-ap_shacl_shapes.ttl"
PUBLIC = "http://publications.europa.eu/resource/authority/access-right/PUBLIC"
# Two published profiles contradict each other here: DCAT-AP's range makes the EU's concept of public access a rights
# statement, and mobilityDCAT-AP's shape asks every rights statement for a condition of its own list.
INHERENT = (PUBLIC, str(DCTERMS.type), "MinCountConstraintComponent")
FEED_TYPES = ("application/trig", "application/n-quads")


@pytest.fixture(scope="module")
def described(postgres: EmbeddedPostgres) -> Iterator[Site]:
    """Run a site whose streams say everything for the catalogue, with members and a feed."""
    with Site(database_of_site(postgres, "conformance_dcat"), described_streams()) as running:
        for name in running.streams:
            running.append(name, 43)
        announce(running, tuple(running.streams.values()))
        announce(running, tuple(running.streams.values())[:1])
        yield running


@pytest.fixture(scope="module")
def listed(described: Site) -> Graph:
    """Fetch the catalogue once the figures are in it."""
    for _ in range(200):
        found = described.get("/", "text/turtle")
        if b"medianLag" in found.body:
            return found.graph()
        described.pause(0.05)
    pytest.fail("the catalogue never got its figures")


def announce(site: Site, streams: Sequence[Stream]) -> int:
    """Publish what changed in the catalogue of these streams."""

    async def work(store: PostgresStore) -> int:
        return await publish_changes(streams, store, base_url=site.base)

    return site.run(work)


def feed_pages(site: Site, media: str = "application/trig") -> list[Answer]:
    """Fetch every page of the feed, parents first, oldest first."""
    todo, pages = [f"{site.base}/{FEED_NAME}/log"], []
    while todo:
        page = site.get(todo.pop(), media)
        assert page.status == 200, page
        pages.append(page)
        todo += reversed(links(graphs(page.body, media)[""], page.url))
    return pages


Feed = Mapping[str, Graph]


@pytest.fixture(scope="module")
def feed(described: Site) -> Feed:
    """Fetch the whole feed: its graphs by name, the default graph at the empty name."""
    found: dict[str, Graph] = {}
    for page in feed_pages(described):
        for name, graph in graphs(page.body, "application/trig").items():
            found[name] = found.get(name, Graph()) + graph
    return found


def activities(feed: Feed) -> list[URIRef]:
    """Return the members of the feed in order of publication."""
    members = [URIRef(str(member)) for member in feed[""].objects(None, URIRef(f"{TREE}member"))]
    return sorted(members, key=lambda member: int(member.rsplit("/", 1)[1]))


# --- by the published shapes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", DCAT_AP)
def test_the_catalogue_conforms_to_dcat_ap(listed: Graph, name: str) -> None:
    """The catalogue that is served has no violation of DCAT-AP 3: classes, ranges, controlled vocabularies."""
    assert violations(listed, shapes(name)) == []


def test_the_catalogue_conforms_to_mobilitydcat_ap(listed: Graph) -> None:
    """The catalogue that is served has no violation of mobilityDCAT-AP but the one that DCAT-AP itself asks for."""
    assert violations(listed, shapes(MOBILITY)) == [INHERENT]


def test_the_shapes_find_what_is_wrong(listed: Graph) -> None:
    """What is taken from the catalogue or added to it wrongly is found: the shapes really look at it."""
    wrong = Graph() + listed
    (name, *_) = sorted(str(each) for each in listed.subjects(RDF.type, DCAT.Dataset))
    wrong.remove((URIRef(name), DCTERMS.title, None))
    wrong.add((URIRef(name), DCTERMS.accrualPeriodicity, Literal("often")))
    found = violations(wrong, shapes(DCAT_AP[0]))
    assert {(focus, path) for focus, path, _ in found} == {
        (name, str(DCTERMS.title)),
        (name, str(DCTERMS.accrualPeriodicity)),
    }


def test_the_pilots_conform() -> None:
    """The pilots that ship conform too, but for the e-mail addresses that their publishers have not given."""
    streams = load_plan(shipped_pilots()).streams
    base = "https://data.example.org"
    bodies = catalogue(streams, base, {stream.name: COVERAGE for stream in streams})
    graph = parse(bodies["text/turtle"], "text/turtle", base)
    for name in DCAT_AP:
        assert violations(graph, shapes(name)) == []
    email = "http://www.w3.org/2006/vcard/ns#hasEmail"
    silent = [
        (f"{base}/{stream.name}#contact", email, "MinCountConstraintComponent")
        for stream in streams
        if not stream.contact.get("email")
    ]
    theme = "http://w3id.org/mobilitydcat-ap#mobilityTheme"
    standard = "http://w3id.org/mobilitydcat-ap#mobilityDataStandard"
    # What is not about mobility has neither theme nor standard of mobility.
    found = [each for each in violations(graph, shapes(MOBILITY)) if each[1] not in (theme, standard)]
    assert found == sorted([INHERENT, *silent])


def test_the_catalogue_uses_the_terms_of_dcat_ap_vlaanderen(listed: Graph) -> None:
    """What DCAT-AP Vlaanderen describes a data set by is there, under the properties that its context names."""
    path = MODELS / "oslo-contexts" / "DCAT-AP-VL.jsonld"
    if not path.is_file():
        pytest.skip("the published context is not here (shared/reference-models beside the checkout)")
    context = json.loads(path.read_text("utf-8"))["@context"]
    words = {
        "Dataset": "titel beschrijving identificator uitgever contactinformatie thema trefwoord toegankelijkheid "
        "geografischeDekking landingspagina distributie publicatiedatum wijzigingsdatum",
        "Distributie": "titel toegangsUrl downloadUrl formaat licentie rechten conform",
        "Dataservice": "titel beschrijving identificator endpointUrl endpointbeschrijving conformAanProtocol licentie "
        "contactinformatie landingspagina thema trefwoord toegankelijkheid",
        "Catalogus": "titel beschrijving uitgever licentie heeftDataset heeftDataService",
        "Contactinfo": "eMail contactpagina",
    }
    missing = []
    for kind, names in words.items():
        subject = listed.value(None, RDF.type, URIRef(context[kind]), any=True)
        for word in names.split():
            term = context.get(f"{kind}.{word}") or context[f"CatalogusResource.{word}"]
            if (subject, URIRef(term["@id"]), None) not in listed:
                missing.append(f"{kind}.{word}")
    assert missing == []


# --- the catalogue --------------------------------------------------------------------------------------------------


def test_dcat_01_streams_are_typed_datasets(described: Site, listed: Graph) -> None:
    """DCAT-01: each stream is a dcat:Dataset whose dct:type is ldes:EventStream, and the catalogue lists it."""
    for name in described.streams:
        dataset = URIRef(f"{described.base}/{name}")
        assert (dataset, DCTERMS.type, URIRef(f"{LDES}EventStream")) in listed
        assert (URIRef(f"{described.base}/#catalogue"), DCAT.dataset, dataset) in listed


def test_dcat_02_downloads_of_trees_are_roots(described: Site, listed: Graph) -> None:
    """DCAT-02: what a tree's distribution downloads, in its media type, is a root of that very stream."""
    for name, stream in described.streams.items():
        for distribution in listed.objects(URIRef(f"{described.base}/{name}"), DCAT.distribution):
            url = str(listed.value(distribution, DCAT.downloadURL))
            media = str(listed.value(distribution, DCAT.mediaType)).split("/media-types/")[1]
            answer = described.get(url, media)
            assert (answer.status, answer.media) == (200, media)
            if next(offer for offer in views_of(stream) if url.endswith(offer.name)).is_tree:
                view = (URIRef(f"{described.base}/{name}"), URIRef(f"{TREE}view"), URIRef(url))
                assert view in answer.graph()


def test_dcat_03_services_lead_to_their_stream(described: Site, listed: Graph) -> None:
    """DCAT-03: following a service's endpoint ends at the root of the data set it serves."""
    for service, dataset in listed.subject_objects(DCAT.servesDataset):
        answer = described.get(str(listed.value(service, DCAT.endpointURL)))
        assert answer.status == 303
        root = described.get(answer.headers["location"], "text/turtle").graph()
        assert list(root.objects(dataset, URIRef(f"{TREE}view"))) == [URIRef(answer.headers["location"])]


def test_dcat_04_one_event_source_per_stream(described: Site, listed: Graph) -> None:
    """DCAT-04, DCAT-06: one distribution per stream is an ldes:EventSource, and its root describes its view by that name."""
    for name in described.streams:
        (source,) = (
            found
            for found in listed.objects(URIRef(f"{described.base}/{name}"), DCAT.distribution)
            if (found, RDF.type, URIRef(f"{LDES}EventSource")) in listed
        )
        root = described.get(str(listed.value(source, DCAT.downloadURL)), "text/turtle")
        assert root.graph().value(URIRef(root.url), URIRef(f"{TREE}viewDescription")) == source


def test_dcat_05_trees_and_services_name_their_specifications(described: Site, listed: Graph) -> None:
    """DCAT-05: event sources and services conform to the specifications of LDES and of TREE."""
    expected = {URIRef("https://w3id.org/ldes/specification"), URIRef("https://w3id.org/tree/specification")}
    sources = set(listed.subjects(RDF.type, URIRef(f"{LDES}EventSource")))
    for each in sources | set(listed.subjects(RDF.type, DCAT.DataService)):
        assert expected <= set(listed.objects(each, DCTERMS.conformsTo))


def test_dcat_07_every_view_is_listed(described: Site, listed: Graph) -> None:
    """DCAT-07: the addresses of a stream's distributions are those of its views."""
    for name, stream in described.streams.items():
        distributions = listed.objects(URIRef(f"{described.base}/{name}"), DCAT.distribution)
        found = {str(listed.value(each, DCAT.downloadURL)) for each in distributions}
        assert found == {f"{described.base}/{name}/{offer.name}" for offer in views_of(stream)}


def test_figures_are_those_of_the_members(described: Site, listed: Graph) -> None:
    """Times of observation and publication in the catalogue are those of the oldest and of the newest member."""
    for name in described.streams:
        dataset = URIRef(f"{described.base}/{name}")
        (period,) = listed.objects(dataset, DCTERMS.temporal)
        assert str(listed.value(period, DCAT.startDate)) == "2026-11-23T07:50:00.000Z"
        assert str(listed.value(period, DCAT.endDate)) == "2026-11-23T07:50:42.000Z"
        assert str(listed.value(dataset, DCTERMS.issued)) == "2026-11-23T08:00:00.000Z"
        assert str(listed.value(dataset, DCTERMS.modified)) == "2026-11-23T08:00:02.000Z"
        assert len(list(listed.objects(dataset, DQV.hasQualityMeasurement))) == 3


# --- the feed -------------------------------------------------------------------------------------------------------


def test_feed_01_members_are_activities(described: Site, feed: Feed) -> None:
    """FEED-01, FEED-12: the feed is an event stream, its log the event source, its members are typed activities."""
    root = feed_pages(described)[0]
    graph = graphs(root.body, "application/trig")[""]
    assert (URIRef(f"{described.base}/{FEED_NAME}"), RDF.type, URIRef(f"{LDES}EventStream")) in graph
    view = graph.value(URIRef(root.url), URIRef(f"{TREE}viewDescription"))
    assert (view, RDF.type, URIRef(f"{LDES}EventSource")) in graph
    kinds = {kind for member in activities(feed) for kind in feed[""].objects(member, RDF.type)}
    assert kinds == {AS.Create, AS.Update, AS.Delete}


def test_feed_02_activities_are_about_one_entity(feed: Feed) -> None:
    """FEED-02, FEED-03: an activity is an IRI with one IRI as object and one time with a zone."""
    for member in activities(feed):
        assert isinstance(member, URIRef)
        ((entity,), (moment,)) = (list(feed[""].objects(member, AS[word])) for word in ("object", "published"))
        assert isinstance(entity, URIRef)
        assert isinstance(moment, Literal)
        assert str(moment).endswith("Z")


def test_feed_04_paths_are_those_of_the_profile(described: Site) -> None:
    """FEED-04, FEED-07, FEED-16: paths and shape are the profile's, as absolute IRIs, in the JSON-LD too."""
    for media in FEED_TYPES:
        graph = graphs(described.get(f"/{FEED_NAME}/log", media).body, media)[""]
        assert feed_facts(graph, described) == FACTS
    document = described.get(f"/{FEED_NAME}/log").body
    graph = parse(document, "application/ld+json", described.base)
    assert feed_facts(graph, described) == FACTS


FACTS = {
    "timestampPath": [AS.published],
    "sequencePath": [],
    "versionOfPath": [AS.object],
    "shape": [URIRef("https://semiceu.github.io/LDES-DCAT-AP-feeds/shape.ttl#ActivityShape")],
    "path": [AS.published],
}


def feed_facts(graph: Graph, site: Site) -> dict[str, list[Node]]:
    """Return what the root says of paths and shape, and the paths of its relations."""
    stream = URIRef(f"{site.base}/{FEED_NAME}")
    found = {
        word: list(graph.objects(stream, URIRef(f"{LDES}{word}")))
        for word in ("timestampPath", "sequencePath", "versionOfPath")
    }
    paths = sorted(set(graph.objects(None, URIRef(f"{TREE}path"))), key=str)
    return {**found, "shape": list(graph.objects(stream, URIRef(f"{TREE}shape"))), "path": paths}


def test_feed_05_descriptions_stand_in_the_graph_of_their_activity(feed: Feed) -> None:
    """FEED-05, FEED-09, LDES-19: creations and updates have a graph that describes their object; deletions have none."""
    for member in activities(feed):
        payload = feed.get(str(member), Graph())
        entity = feed[""].value(member, AS.object)
        if (member, RDF.type, AS.Delete) in feed[""]:
            assert len(payload) == 0
        else:
            assert list(payload.objects(entity, RDF.type))
            assert {subject for subject in payload.subjects() if isinstance(subject, URIRef)} == {entity}
        # FEED-08: the activity itself says nothing else.
        said = set(feed[""].predicates(member))
        assert said == {RDF.type, AS.object, AS.published}


@pytest.mark.parametrize("path", ["log", "latest", "log/0/0", "members/0"])
def test_feed_06_only_what_knows_graphs_is_served(described: Site, path: str) -> None:
    """FEED-06, LDES-20, HTTP-02: JSON-LD, TriG and N-Quads, each as what it is; Turtle and N-Triples are refused."""
    for media in ("application/ld+json", *FEED_TYPES):
        answer = described.get(f"/{FEED_NAME}/{path}", media)
        assert (answer.status, answer.media) == (200, media)
    for media in ("text/turtle", "application/n-triples"):
        assert described.get(f"/{FEED_NAME}/{path}", media).status == 406


def test_feed_forms_say_the_same(described: Site) -> None:
    """HTTP-04: JSON-LD, TriG and N-Quads of a page of activities hold the same statements in the same graphs."""
    page = f"/{FEED_NAME}/log/0/0"
    medias = ("application/ld+json", *FEED_TYPES)
    assert len({canonical(described.get(page, media).body, media) for media in medias}) == 1


def test_feed_08_activities_conform_to_their_shape(feed: Feed) -> None:
    """FEED-07, FEED-08: activities with their descriptions conform to the published shapes of the profile."""
    rules = shapes("dcat-ap-feeds/shape.ttl", "dcat-ap-3/shapes.ttl")
    for member in activities(feed):
        data = Graph()
        for statement in (*feed[""].triples((member, None, None)), *feed.get(str(member), Graph())):
            data.add(statement)
        assert violations(data, rules) == []


def test_feed_10_a_removed_stream_is_deleted(described: Site, feed: Feed) -> None:
    """FEED-10: a stream that is gone is let go of by the catalogue, then deleted with all that was its own."""
    gone = f"{described.base}/{list(described.streams)[1]}"
    last: dict[str, URIRef] = {}
    for member in activities(feed):
        last[str(feed[""].value(member, AS.object))] = member
    deleted = {name for name, member in last.items() if (member, RDF.type, AS.Delete) in feed[""]}
    assert deleted == {name for name in last if name.startswith(gone)}
    update = last[f"{described.base}/#catalogue"]
    number = {member: place for place, member in enumerate(activities(feed))}
    assert (update, RDF.type, AS.Update) in feed[""]
    assert all(number[update] < number[last[name]] for name in deleted)


def test_feed_grows_by_changes_only(growing: Site) -> None:
    """Starting again without a change adds nothing; members and their figures add nothing; a change adds its updates."""
    streams = tuple(growing.streams.values())
    assert announce(growing, streams) > 20
    growing.append(streams[0].name, 12)
    assert announce(growing, streams) == 0
    assert announce(growing, streams[:1]) > 10
    assert announce(growing, streams[:1]) == 0
    assert announce(growing, streams) > 10


def test_feed_13_cached_like_every_stream(described: Site) -> None:
    """FEED-13, FEED-14: the open page changes and has an ETag; a member never changes."""
    page, member = (described.get(f"/{FEED_NAME}/{path}", "application/trig") for path in ("log", "members/0"))
    assert page.headers["cache-control"] == "public, max-age=5"
    assert page.headers["etag"]
    assert member.headers["cache-control"] == "public, max-age=604800, immutable"


@pytest.mark.slow
def test_feed_is_copied_by_a_client_nobody_here_wrote(described: Site, feed: Feed) -> None:
    """FEED-12: an independent client copies every activity with its graph, and needs no other host for it."""
    copied = graphs(run_reference(f"{described.base}/{FEED_NAME}").encode(), "application/n-quads")
    assert {str(subject) for subject in copied[""].subjects(RDF.type)} == {str(each) for each in activities(feed)}
    assert copied.keys() == feed.keys()
    assert all(isomorphic(copied[name], feed[name]) for name in feed if name)
