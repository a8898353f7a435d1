"""The JSON-LD context of the catalogue and of its feed: short names for the terms of DCAT-AP and its relatives."""

from __future__ import annotations

from typing import Any

import orjson

from vocab.context import Writer, read_names

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "as": "https://www.w3.org/ns/activitystreams#",
    "cnt": "http://www.w3.org/2011/content#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dcterms": "http://purl.org/dc/terms/",
    "dqv": "http://www.w3.org/ns/dqv#",
    "eli": "http://data.europa.eu/eli/ontology#",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "geo": "http://www.opengis.net/ont/geosparql#",
    "ldes": "https://w3id.org/ldes#",
    "mobility": "http://w3id.org/mobilitydcat-ap#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "sf": "https://w3id.org/smartflanders/ns#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "tree": "https://w3id.org/tree#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_CLASSES = {
    "Catalog": "dcat:Catalog",
    "Dataset": "dcat:Dataset",
    "Distribution": "dcat:Distribution",
    "DataService": "dcat:DataService",
    "EventStream": "ldes:EventStream",
    "EventSource": "ldes:EventSource",
    "Agent": "foaf:Agent",
    "Organisation": "dcterms:Agent",
    "Kind": "vcard:Kind",
    "Document": "foaf:Document",
    "LicenseDocument": "dcterms:LicenseDocument",
    "RightsStatement": "dcterms:RightsStatement",
    "Location": "dcterms:Location",
    "PeriodOfTime": "dcterms:PeriodOfTime",
    "MediaType": "dcterms:MediaType",
    "MediaTypeOrExtent": "dcterms:MediaTypeOrExtent",
    "Standard": "dcterms:Standard",
    "LinguisticSystem": "dcterms:LinguisticSystem",
    "Frequency": "dcterms:Frequency",
    "LegalResource": "eli:LegalResource",
    "Concept": "skos:Concept",
    "ConceptScheme": "skos:ConceptScheme",
    "Thing": "owl:Thing",
    "QualityMeasurement": "dqv:QualityMeasurement",
    "Create": "as:Create",
    "Update": "as:Update",
    "Delete": "as:Delete",
}
_TEXTS = {
    "title": "dcterms:title",
    "description": "dcterms:description",
    "keyword": "dcat:keyword",
    "prefLabel": "skos:prefLabel",
    "name": "foaf:name",
    "fn": "vcard:fn",
}
_LINKS = {
    "dataset": "dcat:dataset",
    "service": "dcat:service",
    "distribution": "dcat:distribution",
    "publisher": "dcterms:publisher",
    "contactPoint": "dcat:contactPoint",
    "license": "dcterms:license",
    "rights": "dcterms:rights",
    "accessRights": "dcterms:accessRights",
    "theme": "dcat:theme",
    "themeTaxonomy": "dcat:themeTaxonomy",
    "mobilityTheme": "mobility:mobilityTheme",
    "mobilityDataStandard": "mobility:mobilityDataStandard",
    "applicationLayerProtocol": "mobility:applicationLayerProtocol",
    "communicationMethod": "mobility:communicationMethod",
    "georeferencingMethod": "mobility:georeferencingMethod",
    "hvdCategory": "dcatap:hvdCategory",
    "applicableLegislation": "dcatap:applicableLegislation",
    "type": "dcterms:type",
    "language": "dcterms:language",
    "accrualPeriodicity": "dcterms:accrualPeriodicity",
    "landingPage": "dcat:landingPage",
    "page": "foaf:page",
    "homepage": "foaf:homepage",
    "spatial": "dcterms:spatial",
    "temporal": "dcterms:temporal",
    "conformsTo": "dcterms:conformsTo",
    "accessURL": "dcat:accessURL",
    "downloadURL": "dcat:downloadURL",
    "mediaType": "dcat:mediaType",
    "format": "dcterms:format",
    "endpointURL": "dcat:endpointURL",
    "endpointDescription": "dcat:endpointDescription",
    "servesDataset": "dcat:servesDataset",
    "hasEmail": "vcard:hasEmail",
    "hasURL": "vcard:hasURL",
    "inScheme": "skos:inScheme",
    "hasQualityMeasurement": "dqv:hasQualityMeasurement",
    "isMeasurementOf": "dqv:isMeasurementOf",
    "object": "as:object",
}
_LITERALS = {
    "identifier": ("dcterms:identifier", "xsd:anyURI"),
    "characterEncoding": ("cnt:characterEncoding", "xsd:string"),
    "issued": ("dcterms:issued", "xsd:dateTime"),
    "modified": ("dcterms:modified", "xsd:dateTime"),
    "startDate": ("dcat:startDate", "xsd:dateTime"),
    "endDate": ("dcat:endDate", "xsd:dateTime"),
    "bbox": ("dcat:bbox", "geo:wktLiteral"),
    "centroid": ("dcat:centroid", "geo:wktLiteral"),
    "duration": ("dqv:value", "xsd:duration"),
    "measuredAt": ("prov:generatedAtTime", "xsd:dateTime"),
}

CONTEXT: dict[str, Any] = {
    **PREFIXES,
    **_CLASSES,
    **{term: {"@id": iri, "@container": "@language"} for term, iri in _TEXTS.items()},
    **{term: {"@id": iri, "@type": "@id"} for term, iri in _LINKS.items()},
    **{term: {"@id": iri, "@type": datatype} for term, (iri, datatype) in _LITERALS.items()},
    # What the log adds to an activity: its publication, which the profile calls so, and a number for scripts only,
    # because an activity may have no other property than type, object and published (FEED-08).
    "generatedAtTime": {"@id": "as:published", "@type": "xsd:dateTime"},
    "sequence": None,
}
CONTEXT_BYTES = orjson.dumps(CONTEXT)
NAMES = read_names({term: meaning for term, meaning in CONTEXT.items() if meaning is not None})
WRITER = Writer(NAMES)
