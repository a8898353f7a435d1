"""Namespaces that RDF of public data is full of, by the short names under which paths name them."""

from __future__ import annotations

from collections.abc import Mapping

NAMESPACES: Mapping[str, str] = {
    "adms": "http://www.w3.org/ns/adms#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcterms": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.w3.org/2003/01/geo/wgs84_pos#",
    "geosparql": "http://www.opengis.net/ont/geosparql#",
    "gipod": "https://gipod.vlaanderen.be/ns/gipod#",
    "gtfs": "http://vocab.gtfs.org/terms#",
    "lc": "http://semweb.mmlab.be/ns/linkedconnections#",
    "ldes": "https://w3id.org/ldes#",
    "locn": "http://www.w3.org/ns/locn#",
    "m8g": "http://data.europa.eu/m8g/",
    "mobiliteit": "https://data.vlaanderen.be/ns/mobiliteit#",
    "mobivoc": "http://schema.mobivoc.org/#",
    "org": "http://www.w3.org/ns/org#",
    "otl": "https://w3id.org/opentrafficlights#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "qudt": "http://qudt.org/schema/qudt/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "schema": "https://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "sosa": "http://www.w3.org/ns/sosa/",
    "ssn": "http://www.w3.org/ns/ssn/",
    "time": "http://www.w3.org/2006/time#",
    "tree": "https://w3id.org/tree#",
    "verkeersmetingen": "https://data.vlaanderen.be/ns/verkeersmetingen#",
    "weg": "https://data.vlaanderen.be/ns/weg#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


class Shortener:
    """Writes IRIs as `prefix:name` where a prefix is known; `prefixes` of a source file count more than ours."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        known = {**{space: name for name, space in NAMESPACES.items()}, **{it: name for name, it in prefixes.items()}}
        # The longest namespace first: one may begin with another.
        self._known = sorted(known.items(), key=lambda pair: -len(pair[0]))
        self._short: dict[str, str] = {}

    def short(self, iri: str) -> str:
        """Return the short name of an IRI, or the IRI itself."""
        found = self._short.get(iri)
        if found is None:
            space, name = next((pair for pair in self._known if iri.startswith(pair[0])), ("", ""))
            found = self._short[iri] = f"{name}:{iri[len(space) :]}" if name else iri
        return found
