"""Documents of a small feed: written as TriG, served in the five media types."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pyoxigraph import RdfFormat, parse, serialize

PREFIXES = """\
@prefix tree: <https://w3id.org/tree#> .
@prefix ldes: <https://w3id.org/ldes#> .
@prefix prov: <http://www.w3.org/ns/prov#> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix geo: <http://www.opengis.net/ont/geosparql#> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix ex: <https://example.org/ns#> .
"""
FORMATS = {
    "application/ld+json": RdfFormat.JSON_LD,
    "text/turtle": RdfFormat.TURTLE,
    "application/trig": RdfFormat.TRIG,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/n-quads": RdfFormat.N_QUADS,
}
START = datetime(2026, 11, 23, 8, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What one address says: TriG with relative IRIs, or `raw` bytes of a media type, and its headers."""

    trig: str = ""
    raw: tuple[str, bytes] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, media: str, url: str) -> bytes:
        """Return it in a media type, with the address as base."""
        return self.raw[1] if self.raw is not None else _write(self.trig, media, url)

    def etag(self, media: str, url: str) -> str:
        """Return a tag that changes with the body."""
        return f'"{hashlib.sha256(self.body(media, url)).hexdigest()[:16]}"'


@lru_cache(maxsize=1024)
def _write(trig: str, media: str, url: str) -> bytes:
    quads = parse((PREFIXES + trig).encode(), format=RdfFormat.TRIG, base_iri=url)
    body = serialize(quads, format=FORMATS[media])
    assert body is not None
    return body


def time_of(number: int) -> str:
    """Return when a member is published: ten seconds after the one before."""
    return f"{START + timedelta(seconds=10 * number):%Y-%m-%dT%H:%M:%SZ}"


def member(number: int, *, extra: str = "") -> str:
    """Write a member with a time, a number, a colour and a place, linked by its stream."""
    colour = ("red", "green", "blue")[number % 3]
    return (
        f"</feed> tree:member </members/{number}> .\n"
        f'</members/{number}> prov:generatedAtTime "{time_of(number)}"^^xsd:dateTime ; ex:number {number} ; '
        f'ex:colour "{colour}" ; dct:isVersionOf </things/{number % 5}> ; '
        f'ex:place [ geo:asWKT "POINT ({number % 10} {50 + number % 3})"^^geo:wktLiteral ] {extra}.\n'
    )


def relation(node: str, kind: str, path: str, value: str, *, remaining: int | None = None) -> str:
    """Write a relation of the page it stands on."""
    items = "" if remaining is None else f" ; tree:remainingItems {remaining}"
    return f"<> tree:relation [ a tree:{kind} ; tree:node <{node}> ; tree:path {path} ; tree:value {value}{items} ] .\n"


def window(node: str, first: int, last: int) -> str:
    """Write the two relations to a page with members from `first` to `last`."""
    count = last - first + 1
    return "".join(
        relation(node, kind, "prov:generatedAtTime", f'"{time_of(number)}"^^xsd:dateTime', remaining=count)
        for kind, number in (("GreaterThanOrEqualToRelation", first), ("LessThanOrEqualToRelation", last))
    )


DESCRIPTION = """\
</feed> a ldes:EventStream ; ldes:timestampPath prov:generatedAtTime ; ldes:sequencePath ex:number ;
  ldes:versionOfPath dct:isVersionOf ; ldes:pollingInterval 1 ; tree:shape </shape> .
</shape> a sh:NodeShape ; sh:property [ sh:path ex:colour ; sh:maxCount 1 ] ,
  [ sh:path ex:place ; sh:maxCount 1 ; sh:node [ sh:property [ sh:path geo:asWKT ; sh:maxCount 1 ] ] ] .
"""
FINAL = {"Cache-Control": "public, max-age=604800, immutable"}
OPEN = {"Cache-Control": "public, max-age=1"}


def history(count: int, size: int) -> Iterator[tuple[str, Document]]:
    """Give the pages of a correct feed at `/feed`: a root, and leaves of `size` members, the last of them open."""
    leaves = [range(first, min(first + size, count)) for first in range(0, count, size)]
    root = DESCRIPTION + "</feed> tree:view <> .\n<> a tree:Node .\n"
    root += "".join(window(f"/feed/{number}", leaf[0], leaf[-1]) for number, leaf in enumerate(leaves))
    yield "/feed", Document(trig=root, headers=OPEN)
    for number, leaf in enumerate(leaves):
        full = len(leaf) == size
        trig = "<> a tree:Node" + (" ; ldes:immutable true" if full else "") + " .\n" + "".join(map(member, leaf))
        yield f"/feed/{number}", Document(trig=trig, headers=FINAL if full else OPEN)
