"""IRIs that a client has to know, and the types of relations."""

from __future__ import annotations

from enum import Enum

TREE = "https://w3id.org/tree#"
LDES = "https://w3id.org/ldes#"
SH = "http://www.w3.org/ns/shacl#"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XSD = "http://www.w3.org/2001/XMLSchema#"
GEO_WKT = "http://www.opengis.net/ont/geosparql#wktLiteral"
RDF_TYPE = RDF + "type"
DIGESTS = "https://w3id.org/smartflanders/ns#digests"


class Kind(Enum):
    """What a relation promises of the value at its path; the words are the local names of TREE's classes."""

    ANY = "Relation"  # nothing: it must always be followed
    PREFIX = "PrefixRelation"
    SUBSTRING = "SubstringRelation"
    SUFFIX = "SuffixRelation"
    GREATER = "GreaterThanRelation"
    AT_LEAST = "GreaterThanOrEqualToRelation"
    LESS = "LessThanRelation"
    AT_MOST = "LessThanOrEqualToRelation"
    EQUAL = "EqualToRelation"
    NOT_EQUAL = "NotEqualToRelation"
    WITHIN = "GeospatiallyContainsRelation"


KINDS = {TREE + kind.value: kind for kind in Kind}
