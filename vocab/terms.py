"""IRIs used in code: the namespaces and the few terms that Python has to name."""

from __future__ import annotations

SF = "https://w3id.org/smartflanders/ns#"
SEQUENCE = SF + "sequence"
BIND = SF + "bind"
KIND = SF + "kind"
REQUIRED = SF + "required"
UNIT = SF + "unit"
GROUP = SF + "group"

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDF_TYPE = RDF + "type"
RDF_LANG_STRING = RDF + "langString"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL_VERSION_INFO = "http://www.w3.org/2002/07/owl#versionInfo"
XSD = "http://www.w3.org/2001/XMLSchema#"
XSD_BOOLEAN = XSD + "boolean"
XSD_DATETIME = XSD + "dateTime"
XSD_DOUBLE = XSD + "double"
XSD_INTEGER = XSD + "integer"
XSD_STRING = XSD + "string"
XSD_DATE = XSD + "date"
XSD_DECIMAL = XSD + "decimal"

GEO_WKT = "http://www.opengis.net/ont/geosparql#wktLiteral"
TREE = "https://w3id.org/tree#"
DCAT_THEME = "http://www.w3.org/ns/dcat#theme"
MOBILITY_THEME = "http://w3id.org/mobilitydcat-ap#mobilityTheme"

SH = "http://www.w3.org/ns/shacl#"
PROV_GENERATED_AT = "http://www.w3.org/ns/prov#generatedAtTime"
DCTERMS_IS_VERSION_OF = "http://purl.org/dc/terms/isVersionOf"
