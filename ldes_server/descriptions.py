"""Descriptions: streams as DCAT-AP entities in compact JSON-LD; pure, and free of everything that moves.

An entity is one named node of a class that DCAT-AP Feeds lets stand alone (FEED-09); what has no name is nested in it.
Entities come in an order in which each is named only after it was described (FEED-10), so a distribution does not name
the service: the service names the dataset, and the dataset its distributions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ldes_server.definition import ByLatest, ViewDefinition
from ldes_server.model import Stream
from ldes_server.negotiate import RDF_TYPES
from vocab.authorities import ACCESS_RIGHTS, COUNTRIES, FILE_TYPES, HVD_LAW, LANGUAGES, frequency
from vocab.model import Kind

Entity = dict[str, Any]

FEED_NAME = "catalogue-feed"
# First path segments that are ours; a stream of that name could not be reached.
RESERVED = frozenset(
    {"models", "ns", "healthz", "readyz", "metrics", "docs", "openapi.json", "hooks", "id", FEED_NAME, "ngsi-ld", "sta"}
)
LDES_SPECIFICATION = "https://w3id.org/ldes/specification"
TREE_SPECIFICATION = "https://w3id.org/tree/specification"
FEED_SPECIFICATION = "https://semiceu.github.io/LDES-DCAT-AP-feeds/"
EVENT_STREAM = "https://w3id.org/ldes#EventStream"
MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"
# What is said about the data is free for every use, whatever the licence of the data itself.
METADATA_LICENCE = "https://data.vlaanderen.be/id/licentie/creative-commons-zero-verklaring/v1.0"
_MOBILITY = "https://w3id.org/mobilitydcat-ap/"
_OTHER_STANDARD = f"{_MOBILITY}mobility-data-standard/other"
LICENCE_PROVIDED = f"{_MOBILITY}conditions-for-access-and-usage/licence-provided"

TITLE = {"nl": "Sensordata van Vlaamse steden", "en": "Sensor data of Flemish cities"}
DESCRIPTION = {
    "nl": "Metingen van Vlaamse steden als Linked Data Event Streams: volledig te kopiëren en live te volgen.",
    "en": "Measurements of Flemish cities as Linked Data Event Streams: to copy completely and to follow live.",
}
FEED_TITLE = {"nl": "Wijzigingen van de catalogus", "en": "Changes of the catalogue"}
FEED_DESCRIPTION = {
    "nl": "Wat er in de catalogus bij komt, verandert en verdwijnt, als DCAT-AP-feed voor wie haar overneemt.",
    "en": "What is added to the catalogue, changed and removed, as a DCAT-AP feed for those who harvest it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One view of a stream as a catalogue lists it: its `name` in the address, a title, and its media types.

    `is_tree` views are searched by links; the `is_source` of a stream, at most one, is there to copy all of it (DCAT-04).
    """

    name: str
    title: Mapping[str, str]
    media_types: tuple[str, ...] = RDF_TYPES
    is_tree: bool = True
    is_source: bool = False


def views_of(stream: Stream) -> tuple[Offer, ...]:
    """Return every view of a stream (DCAT-07), the one to copy everything from first."""
    return (
        Offer(
            name="log",
            title={"nl": "volledige geschiedenis en vervolg", "en": "complete history and what follows"},
            is_source=True,
        ),
        *(Offer(name=name, title=_title(name, stream.views[name])) for name in sorted(stream.views)),
        Offer(name="latest", title={"nl": "nieuwste stand per object", "en": "newest state per object"}, is_tree=False),
    )


def _title(name: str, view: ViewDefinition) -> Mapping[str, str]:
    if isinstance(view, ByLatest):
        return {"nl": f"nieuwste versie per object: {name}", "en": f"newest version of each object: {name}"}
    return {"nl": f"geschiedenis, ingedeeld: {name}", "en": f"history, divided: {name}"}


def entities(streams: Sequence[Stream], base: str) -> tuple[Entity, ...]:
    """Describe the catalogue of these streams at a public address (no slash at its end), the catalogue itself last.

    The same streams give the same descriptions: nothing in them comes from the data or from the clock.
    """
    found: dict[str, Entity] = {}
    for entity in _all(streams, base):
        # Streams share publishers, licences and contacts; the first stream to name one describes it.
        found.setdefault(entity["@id"], entity)
    return tuple(found.values())


def _all(streams: Sequence[Stream], base: str) -> Iterator[Entity]:
    yield from _site_agents(base)
    for stream in streams:
        yield _agent(stream.publisher_iri, {"nl": stream.publisher_name})
        yield {"@id": stream.licence, "@type": "LicenseDocument"}
        yield _contact(stream, base)
    for stream in streams:
        yield from _distributions(stream, base)
    for stream in streams:
        yield _dataset(stream, base)
    for stream in streams:
        yield _service(stream, base)
    yield _feed_service(base)
    yield _catalogue(streams, base)


def _site_agents(base: str) -> Iterator[Entity]:
    """Describe who runs this site, whose name is that of the host, and the licence of the catalogue itself."""
    host = urlsplit(base).netloc
    name = {"nl": f"Beheerder van {host}", "en": f"Operator of {host}"}
    yield _agent(f"{base}/#publisher", name)
    yield {"@id": METADATA_LICENCE, "@type": "LicenseDocument"}


def _agent(iri: str, name: Mapping[str, str]) -> Entity:
    return {"@id": iri, "@type": ["Agent", "Organisation"], "name": dict(name)}


def _contact(stream: Stream, base: str) -> Entity:
    contact = stream.contact
    entity: Entity = {
        "@id": f"{base}/{stream.name}#contact",
        "@type": "Kind",
        "fn": {"nl": contact.get("name") or stream.publisher_name},
    }
    if page := contact.get("page"):
        entity |= {"hasURL": page, "page": page}
    if email := contact.get("email"):
        entity["hasEmail"] = f"mailto:{email}"
    if not page and not email:
        entity["hasURL"] = stream.publisher_iri
    return entity


def _distributions(stream: Stream, base: str) -> Iterator[Entity]:
    for offer in views_of(stream):
        for media in offer.media_types:
            yield _distribution(stream, offer, media, base)


def distribution_iri(stream: Stream, offer: Offer, media: str, base: str) -> str:
    """Name the distribution of a view in one media type; the first one is the view's own description (DCAT-06)."""
    mark = "view" if media == offer.media_types[0] else media.replace("/", "-").replace("+", "-")
    return f"{base}/{stream.name}/{offer.name}#{mark}"


def _distribution(stream: Stream, offer: Offer, media: str, base: str) -> Entity:
    is_view = media == offer.media_types[0]
    address = f"{base}/{stream.name}/{offer.name}"
    entity: Entity = {
        "@id": distribution_iri(stream, offer, media, base),
        "@type": ["Distribution", "EventSource"] if is_view and offer.is_source else "Distribution",
        "title": {language: f"{title}, {_short(media)}" for language, title in offer.title.items()},
        "accessURL": address,
        "downloadURL": address,
        "mediaType": MEDIA_TYPES + media,
        "license": stream.licence,
        "rights": {"@type": "RightsStatement", "type": LICENCE_PROVIDED},
        "characterEncoding": "UTF-8",
        "conformsTo": [
            *((LDES_SPECIFICATION, TREE_SPECIFICATION) if offer.is_tree else ()),
            f"{base}/models/{stream.model.name}",
        ],
        **_law(stream),
    }
    if media in FILE_TYPES:
        entity["format"] = FILE_TYPES[media].iri
    if stream.model.mobility_themes:
        entity |= {
            "mobilityDataStandard": _OTHER_STANDARD,
            "applicationLayerProtocol": f"{_MOBILITY}application-layer-protocol/http-https",
            "communicationMethod": f"{_MOBILITY}communication-method/pull",
        }
    return entity


def _short(media: str) -> str:
    return FILE_TYPES[media].en if media in FILE_TYPES else media


def themes_of(stream: Stream) -> tuple[str, ...]:
    """Return the EU data themes of a stream: its own, or those of its model."""
    return stream.themes or stream.model.themes


def _keywords(stream: Stream) -> dict[str, list[str]]:
    if stream.keywords:
        return {language: list(words) for language, words in stream.keywords.items()}
    return {language: [title.lower()] for language, title in stream.model.title.items()}


def _law(stream: Stream, *, with_category: bool = False) -> Entity:
    if not stream.hvd_categories:
        return {}
    category = {"hvdCategory": list(stream.hvd_categories)} if with_category else {}
    return {"applicableLegislation": HVD_LAW, **category}


def _dataset(stream: Stream, base: str) -> Entity:
    iri, model = f"{base}/{stream.name}", stream.model
    entity: Entity = {
        "@id": iri,
        "@type": ["Dataset", "EventStream"],
        "type": EVENT_STREAM,
        "title": dict(stream.title),
        "description": dict(stream.description),
        "identifier": iri,
        "publisher": stream.publisher_iri,
        "contactPoint": f"{iri}#contact",
        "license": stream.licence,
        "accessRights": ACCESS_RIGHTS["PUBLIC"].iri,
        "theme": list(themes_of(stream)),
        "keyword": _keywords(stream),
        "language": LANGUAGES["NLD"].iri,
        "landingPage": f"{base}/#{stream.name}",
        "page": f"{base}/models/{model.name}",
        "spatial": list(stream.spatial),
        "mobilityTheme": list(model.mobility_themes),
        **_law(stream, with_category=True),
        "distribution": [
            distribution_iri(stream, offer, media, base) for offer in views_of(stream) for media in offer.media_types
        ],
    }
    if stream.expected_every is not None:
        entity["accrualPeriodicity"] = frequency(stream.expected_every).iri
    if model.mobility_themes and any(field.kind is Kind.POINT for field in model.fields.values()):
        entity["georeferencingMethod"] = f"{_MOBILITY}georeferencing-method/geocoordinates"
    return {key: value for key, value in entity.items() if value not in ([], {})}


def _service(stream: Stream, base: str) -> Entity:
    iri = f"{base}/{stream.name}"
    service = {
        **_api(iri, base),
        "title": dict(stream.title),
        "description": dict(stream.description),
        "publisher": stream.publisher_iri,
        "contactPoint": f"{iri}#contact",
        "license": stream.licence,
        "theme": list(themes_of(stream)),
        "keyword": _keywords(stream),
        "landingPage": f"{base}/#{stream.name}",
        "servesDataset": iri,
        "conformsTo": [LDES_SPECIFICATION, TREE_SPECIFICATION],
        **_law(stream, with_category=True),
    }
    return {key: value for key, value in service.items() if value not in ([], {})}


def _feed_service(base: str) -> Entity:
    return {
        **_api(f"{base}/{FEED_NAME}", base),
        "title": FEED_TITLE,
        "description": FEED_DESCRIPTION,
        "publisher": f"{base}/#publisher",
        "license": METADATA_LICENCE,
        "conformsTo": [LDES_SPECIFICATION, TREE_SPECIFICATION, FEED_SPECIFICATION],
    }


def _api(endpoint: str, base: str) -> Entity:
    """Say what all services share; the endpoint leads to the root of the stream (DCAT-03)."""
    return {
        "@id": f"{endpoint}#service",
        "@type": "DataService",
        "identifier": f"{endpoint}#service",
        "endpointURL": endpoint,
        "endpointDescription": f"{base}/docs",
        "accessRights": ACCESS_RIGHTS["PUBLIC"].iri,
    }


def _catalogue(streams: Sequence[Stream], base: str) -> Entity:
    return {
        "@id": f"{base}/#catalogue",
        "@type": "Catalog",
        "title": TITLE,
        "description": DESCRIPTION,
        "publisher": f"{base}/#publisher",
        "license": METADATA_LICENCE,
        "homepage": f"{base}/",
        "language": [LANGUAGES["NLD"].iri, LANGUAGES["ENG"].iri],
        "spatial": COUNTRIES["BEL"].iri,
        "themeTaxonomy": "http://publications.europa.eu/resource/authority/data-theme",
        "dataset": [f"{base}/{stream.name}" for stream in streams],
        "service": [*(f"{base}/{stream.name}#service" for stream in streams), f"{base}/{FEED_NAME}#service"],
    }
