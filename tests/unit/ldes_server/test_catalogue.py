"""The DCAT catalogue of the streams: what it says of each, in every media type, with and without members."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import orjson
import pytest
from rdflib import DCAT, DCTERMS, RDF, Graph, Literal, Namespace, URIRef
from rdflib.compare import isomorphic
from rdflib.term import Node

from ldes_server.catalogue import catalogue
from ldes_server.descriptions import LDES_SPECIFICATION, TREE_SPECIFICATION, views_of
from ldes_server.figures import duration
from ldes_server.model import Stream
from ldes_server.negotiate import RDF_TYPES
from tests.conformance.kit import LDES, parse, two_streams
from tests.support.catalogues import COVERAGE, NOON, described_streams
from vocab.authorities import frequency

BASE = "https://data.example.org"
STREAMS = described_streams()
BODIES = catalogue(STREAMS, BASE, {stream.name: COVERAGE for stream in STREAMS}, at=NOON)
DQV = Namespace("http://www.w3.org/ns/dqv#")
DCATAP = Namespace("http://data.europa.eu/r5r/")
SF = "https://w3id.org/smartflanders/ns#"
streams = pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)


@pytest.fixture(scope="module")
def graph() -> Graph:
    """Parse the catalogue."""
    return parse(BODIES["text/turtle"], "text/turtle", BASE)


def texts(graph: Graph, subject: Node, predicate: URIRef) -> set[tuple[str, str | None]]:
    """Return texts with their languages."""
    return {(str(text), text.language) for text in graph.objects(subject, predicate) if isinstance(text, Literal)}


def test_catalogue_comes_in_every_form(graph: Graph) -> None:
    """All five media types hold the same catalogue."""
    assert tuple(BODIES) == RDF_TYPES
    assert all(isomorphic(graph, parse(body, media, BASE)) for media, body in BODIES.items())


@streams
def test_streams_are_datasets(graph: Graph, stream: Stream) -> None:
    """DCAT-01: each stream is a dataset and an event stream, titled in Dutch and English, with publisher and licence."""
    name = URIRef(f"{BASE}/{stream.name}")
    assert set(graph.objects(name, RDF.type)) == {DCAT.Dataset, URIRef(f"{LDES}EventStream")}
    assert graph.value(name, DCTERMS.type) == URIRef(f"{LDES}EventStream")
    for predicate in (DCTERMS.title, DCTERMS.description):
        assert {language for _, language in texts(graph, name, predicate)} == {"nl", "en"}
    assert graph.value(name, DCTERMS.publisher)
    assert graph.value(name, DCTERMS.license)
    assert graph.value(name, DCTERMS.accrualPeriodicity) == URIRef(frequency(timedelta(minutes=1)).iri)


@streams
def test_every_view_is_a_distribution_in_every_media_type(graph: Graph, stream: Stream) -> None:
    """DCAT-07: one distribution per view and media type, each with exactly one media type and the view's address."""
    found = set()
    for distribution in graph.objects(URIRef(f"{BASE}/{stream.name}"), DCAT.distribution):
        (media,), (url,) = graph.objects(distribution, DCAT.mediaType), graph.objects(distribution, DCAT.downloadURL)
        found.add((str(url), str(media)))
    iana = "https://www.iana.org/assignments/media-types/"
    assert found == {
        (f"{BASE}/{stream.name}/{offer.name}", iana + media)
        for offer in views_of(stream)
        for media in offer.media_types
    }


@streams
def test_one_distribution_is_the_source(graph: Graph, stream: Stream) -> None:
    """DCAT-04, DCAT-05, DCAT-06: one is the event source, by the name its root gives it, and conforms to LDES and TREE."""
    sources = [
        found
        for found in graph.objects(URIRef(f"{BASE}/{stream.name}"), DCAT.distribution)
        if (found, RDF.type, URIRef(f"{LDES}EventSource")) in graph
    ]
    assert sources == [URIRef(f"{BASE}/{stream.name}/log#view")]
    assert {URIRef(LDES_SPECIFICATION), URIRef(TREE_SPECIFICATION)} <= set(
        graph.objects(sources[0], DCTERMS.conformsTo)
    )


@streams
def test_coverage_comes_from_the_data(graph: Graph, stream: Stream) -> None:
    """Times and box are those of the members; the declared place stays beside the computed box."""
    name = URIRef(f"{BASE}/{stream.name}")
    (period,) = graph.objects(name, DCTERMS.temporal)
    assert str(graph.value(period, DCAT.startDate)) == "2026-11-20T12:00:00.000Z"
    assert str(graph.value(period, DCAT.endDate)) == "2026-11-23T11:59:51.000Z"
    boxes = [str(box) for place in graph.objects(name, DCTERMS.spatial) for box in graph.objects(place, DCAT.bbox)]
    (box,) = boxes
    assert box.startswith("POLYGON ((3.600000 51.000000, 3.800000 51.000000, ")
    assert URIRef(stream.spatial[0]) in set(graph.objects(name, DCTERMS.spatial))
    assert str(graph.value(name, DCTERMS.modified)) == "2026-11-23T12:00:00.000Z"


@streams
def test_interval_and_lag_are_quality_measurements(graph: Graph, stream: Stream) -> None:
    """The declared interval and the measured lags are durations, each of a metric of ours."""
    found = {
        str(graph.value(each, DQV.isMeasurementOf)): str(graph.value(each, DQV.value))
        for each in graph.objects(URIRef(f"{BASE}/{stream.name}"), DQV.hasQualityMeasurement)
    }
    assert found == {f"{SF}expectedInterval": "PT60S", f"{SF}medianLag": "PT3S", f"{SF}highLag": "PT9.5S"}


def test_high_value_datasets_are_declared_only(graph: Graph) -> None:
    """The law and the category are stated of what its source file declares, and of nothing else."""
    plain, declared = (f"{BASE}/{stream.name}" for stream in STREAMS)
    for predicate in (DCATAP.applicableLegislation, DCATAP.hvdCategory):
        subjects = {str(subject).split("#")[0] for subject in graph.subjects(predicate)}
        assert subjects
        assert not any(subject.startswith(plain) for subject in subjects)
        assert all(subject.startswith(declared) for subject in subjects)


def test_contact_leads_somewhere(graph: Graph) -> None:
    """A contact has name, mail and page as declared; without a word in the source file it leads to the publisher."""
    vcard = Namespace("http://www.w3.org/2006/vcard/ns#")
    contact = graph.value(URIRef(f"{BASE}/{STREAMS[0].name}"), DCAT.contactPoint)
    assert texts(graph, contact, vcard.fn) == {("Dienst Data", "nl")}  # type: ignore[arg-type]
    assert graph.value(contact, vcard.hasEmail) == URIRef("mailto:data@stad.example")
    silent = two_streams()[:1]
    bare = parse(catalogue(silent, BASE)["text/turtle"], "text/turtle", BASE)
    contact = bare.value(URIRef(f"{BASE}/{silent[0].name}"), DCAT.contactPoint)
    assert bare.value(contact, vcard.hasURL) == URIRef(silent[0].publisher_iri)


def test_a_stream_without_members_has_no_figures() -> None:
    """Nothing is claimed of what was not measured: no times, no box, no lag; and the catalogue is there all the same."""
    silent = replace(two_streams()[0], expected_every=None)
    graph = parse(catalogue([silent], BASE, {silent.name: None})["text/turtle"], "text/turtle", BASE)
    name = URIRef(f"{BASE}/{silent.name}")
    for predicate in (DCTERMS.temporal, DCTERMS.spatial, DCTERMS.modified, DQV.hasQualityMeasurement):
        assert not list(graph.objects(name, predicate))
    assert (URIRef(f"{BASE}/#catalogue"), DCAT.dataset, name) in graph


def test_a_script_walks_the_catalogue_as_json() -> None:
    """Without a word of RDF: datasets below `dataset`, their distributions below `distribution`, whole, with addresses."""
    document = orjson.loads(BODIES["application/ld+json"])
    assert [dataset["title"]["en"] for dataset in document["dataset"]] == [stream.title["en"] for stream in STREAMS]
    assert {each["downloadURL"] for each in document["dataset"][0]["distribution"]} == {
        f"{BASE}/{STREAMS[0].name}/log",
        f"{BASE}/{STREAMS[0].name}/latest",
    }


@pytest.mark.parametrize(
    ("seconds", "code"),
    [(30, "UPDATE_CONT"), (60, "1MIN"), (300, "5MIN"), (1200, "15MIN"), (3600, "HOURLY"), (86400, "DAILY")],
)
def test_cadences_have_a_frequency(seconds: int, code: str) -> None:
    """A cadence gets the nearest frequency of the EU table; below a minute it is continuous."""
    assert frequency(timedelta(seconds=seconds)).iri.endswith(f"/frequency/{code}")


@pytest.mark.parametrize(
    ("milliseconds", "text"), [(60_000, "PT60S"), (0, "PT0S"), (1250, "PT1.25S"), (-2000, "-PT2S"), (7, "PT0.007S")]
)
def test_durations_are_written_in_seconds(milliseconds: int, text: str) -> None:
    """Durations are xsd:duration in seconds, to the millisecond, negative ones included."""
    assert duration(timedelta(milliseconds=milliseconds)) == text
