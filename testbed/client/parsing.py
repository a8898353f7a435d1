"""A body to statements: the five media types of LDES, with remote JSON-LD contexts put in place beforehand."""

from __future__ import annotations

from pyoxigraph import RdfFormat, parse

from streams.errors import FeedError
from testbed.client.graph import Dataset

FORMATS = {
    "application/n-quads": RdfFormat.N_QUADS,
    "application/n-triples": RdfFormat.N_TRIPLES,
    "application/trig": RdfFormat.TRIG,
    "text/turtle": RdfFormat.TURTLE,
    "application/ld+json": RdfFormat.JSON_LD,
}
JSON_LD = "application/ld+json"


def parse_page(body: bytes, media: str, base: str) -> Dataset:
    """Parse a whole page; `base` is its final address.

    Raises:
        FeedError: the media type is none of the five, or the body is not what it says.

    """
    if media not in FORMATS:
        fix = f"ask the publisher for one of {', '.join(FORMATS)}"
        raise FeedError(f"sends {media or 'no media type'}, which cannot be read as RDF", where=base, fix=fix)
    try:
        return Dataset(parse(body, format=FORMATS[media], base_iri=base))
    except (SyntaxError, ValueError, OSError) as error:
        fix = "tell the feed's publisher; what was read before is kept"
        raise FeedError(f"is not {media}: {error}", where=base, fix=fix) from error
