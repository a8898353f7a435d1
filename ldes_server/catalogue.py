"""The DCAT-AP catalogue of all streams: descriptions, figures and the words they use, in every RDF media type."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from ldes_server.coverage import Coverage
from ldes_server.dcat_context import CONTEXT_BYTES, WRITER
from ldes_server.descriptions import Entity, distribution_iri, entities, views_of
from ldes_server.figures import dataset_figures, source_figures
from ldes_server.model import Stream
from ldes_server.negotiate import FORMS, Form
from vocab import authorities
from vocab.authorities import Concept

# What a name is that stands behind these keys. The catalogue says so itself, so that it is understood, and valid,
# without fetching anything.
_KINDS = {
    "landingPage": "Document",
    "page": "Document",
    "homepage": "Document",
    "conformsTo": "Standard",
    "mediaType": "MediaType",
    "format": "MediaTypeOrExtent",
    "applicableLegislation": "LegalResource",
    "accessRights": "RightsStatement",
    "accrualPeriodicity": "Frequency",
    "language": "LinguisticSystem",
    "spatial": "Location",
    "theme": "Concept",
    "hvdCategory": "Concept",
    "type": "Concept",
    "themeTaxonomy": "ConceptScheme",
    "hasEmail": "Thing",
    "hasURL": "Thing",
}
_LABELS: Mapping[str, Concept] = {
    concept.iri: concept
    for concept in (
        *authorities.THEMES.values(),
        *authorities.HVD_CATEGORIES.values(),
        *authorities.LANGUAGES.values(),
        *authorities.ACCESS_RIGHTS.values(),
        *authorities.COUNTRIES.values(),
        *authorities.FILE_TYPES.values(),
        *authorities.FREQUENCIES.values(),
        Concept(iri="https://w3id.org/ldes#EventStream", nl="Linked Data Event Stream", en="Linked Data Event Stream"),
    )
}
# Where a reader of the JSON finds an entity: at its first mention below one of these.
_NESTING = ("dataset", "service", "distribution", "publisher", "contactPoint", "license")


def catalogue(
    streams: Sequence[Stream],
    base_url: str,
    coverages: Mapping[str, Coverage | None] | None = None,
    *,
    at: datetime | None = None,
) -> Mapping[str, bytes]:
    """Return the catalogue in every RDF media type; `base_url` is the public address without a slash at the end.

    `coverages` has, by the name of a stream, what its members covered at `at` (UTC, now when left out).
    """
    known = {entity["@id"]: dict(entity) for entity in entities(streams, base_url)}
    for stream in streams:
        coverage = (coverages or {}).get(stream.name)
        known[f"{base_url}/{stream.name}"] |= dataset_figures(stream, coverage, at=at or datetime.now(UTC))
        source = next((offer for offer in views_of(stream) if offer.is_source), None)
        if coverage is not None and source is not None:
            known[distribution_iri(stream, source, source.media_types[0], base_url)] |= source_figures(coverage)
    words = _words(known)
    everything = (*known.values(), *words)
    forms = {
        Form.JSONLD: _json(known, words, f"{base_url}/#catalogue"),
        Form.TURTLE: WRITER.prefixes + b"\n" + b"\n".join(WRITER.turtle(orjson.dumps(each)) for each in everything),
        Form.NTRIPLES: b"".join(
            WRITER.ntriples(orjson.dumps(each), scope=f"c{number}") for number, each in enumerate(everything)
        ),
    }
    return {media: forms[form] for media, form in FORMS.items()}


def _words(known: Mapping[str, Entity]) -> Sequence[Entity]:
    """Say of what the entities name what kind of thing it is, with labels, and the same of the schemes of concepts."""
    kinds: dict[str, set[str]] = {}
    for kind, name in (found for entity in known.values() for found in _named(entity)):
        kinds.setdefault(name, set()).add(kind)
    schemes = {_LABELS[name].scheme for name in kinds if name in _LABELS} - {""}
    kinds |= {scheme: {"ConceptScheme"} for scheme in schemes}
    return [_word(name, kinds[name]) for name in sorted(kinds)]


def _named(entity: Entity) -> Iterator[tuple[str, str]]:
    for key, value in entity.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, str) and key in _KINDS:
                yield _KINDS[key], each


def _word(name: str, kinds: set[str]) -> Entity:
    word: Entity = {"@id": name, "@type": sorted(kinds)}
    if (scheme := authorities.SCHEMES.get(name)) is not None:
        word["title"] = {"nl": scheme.nl, "en": scheme.en}
    elif (concept := _LABELS.get(name)) is not None:
        # No literal can satisfy what mobilityDCAT-AP's shape asks of the label of a place.
        if "Location" not in kinds:
            word["prefLabel"] = {"nl": concept.nl, "en": concept.en}
        if concept.scheme:
            word["inScheme"] = concept.scheme
    return word


def _json(known: Mapping[str, Entity], words: Sequence[Entity], top: str) -> bytes:
    placed: set[str] = set()

    def grow(entity: Entity) -> Entity:
        placed.add(entity["@id"])
        return {key: reach(value) if key in _NESTING else value for key, value in entity.items()}

    def reach(value: Any) -> Any:
        if isinstance(value, list):
            return [reach(each) for each in value]
        return grow(known[value]) if value in known and value not in placed else value

    tree = grow(known[top])
    rest = [*(entity for name, entity in known.items() if name not in placed), *words]
    return b'{"@context":%s,%s\n' % (CONTEXT_BYTES, orjson.dumps({**tree, "@included": rest})[1:])
