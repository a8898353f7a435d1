"""What the site serves besides pages: catalogue, models, vocabulary and documentation, each ready in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import orjson

import vocab
from ldes_server.catalogue import catalogue
from ldes_server.coverage import Coverage
from ldes_server.front import frame, model_page
from ldes_server.model import Stream
from ldes_server.responses import Headers, Ready, Variant, make_ready
from vocab.model import Model

HTML = "text/html"
# Documents change with a release or a restart only; an hour keeps corrections from taking a day.
_HOUR = "public, max-age=3600"
_MINUTE = "public, max-age=60"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A resource with one body per media type; the first one is what `*/*` gets."""

    bodies: Mapping[str, bytes]
    cache_control: str = _HOUR
    extra: Headers = ()

    @property
    def offers(self) -> tuple[str, ...]:
        """The media types, preferred one first."""
        return tuple(self.bodies)

    def ready(self, variant: Variant) -> Ready:
        """Return the answer in one representation."""
        body = self.bodies[variant.media]
        return make_ready(body, variant, cache_control=self.cache_control, extra=self.extra)


def site_catalogue(
    streams: Sequence[Stream], base_url: str, coverages: Mapping[str, Coverage | None] | None = None
) -> Document:
    """Return the DCAT catalogue; `coverages` is what the streams, by name, cover now."""
    return Document(bodies=catalogue(streams, base_url, coverages), cache_control=_MINUTE)


def model_document(model: Model, base_url: str) -> Document:
    """Return a reference model: its context as JSON-LD, its shape as Turtle, its page as HTML (HTTP-22)."""
    return Document(
        bodies={
            "application/ld+json": b'{"@context":%s}\n' % model.context,
            "text/turtle": model.shape.turtle.encode(),
            "application/n-triples": model.shape.ntriples,
            "text/markdown": model.readme.encode(),
            HTML: model_page(model, base_url),
        }
    )


def vocabulary() -> Document | None:
    """Return our own terms, as Turtle; None when this installation comes without them."""
    path = Path(vocab.__file__).parent / "ns.ttl"
    if not path.is_file():
        return None
    turtle = path.read_bytes()
    return Document(bodies={"text/turtle": turtle, "text/plain": turtle})


def documentation(openapi: Mapping[str, Any]) -> Document:
    """Return the addresses of the site as a page, and as OpenAPI for programs; nothing is loaded from elsewhere."""
    rows = "".join(
        f"<tr><td><code>{escape(path)}</code></td><td>{escape(operation.get('summary', ''))}</td></tr>"
        for path, operations in openapi["paths"].items()
        # What an address gives, or what one takes that gives nothing.
        for operation in [operations.get("get") or operations["post"]]
    )
    body = (
        "<header><p><a href='/'>← feeds</a></p><h1>API</h1><p lang='en'>Every address answers GET and HEAD, allows "
        "requests from any web page, and has an ETag. The same as <a href='/openapi.json'>OpenAPI</a>.</p></header>"
        f"<main><div class='wide'><table><tr><th>address</th><th>what it gives</th></tr>{rows}</table></div></main>"
    )
    return Document(bodies={HTML: frame("API", body), "application/json": orjson.dumps(openapi)})
