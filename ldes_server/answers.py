"""Answers: from a request and what is ready for it to the HTTP answer, headers and conditions included."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from ldes_server.documents import Document
from ldes_server.negotiate import accepts_gzip, choose, is_current
from ldes_server.problems import Problem
from ldes_server.responses import Ready, Variant

_ASK_AGAIN = "ask for one of them, or leave the Accept header out"


def is_canonical(number: str) -> bool:
    """Whether this is how a page's address spells a number: one address per page, none with leading zeros."""
    return number.isascii() and number.isdigit() and (number == "0" or number[0] != "0") and len(number) <= 15


def raw_path(request: Request) -> str:
    """Return the path of the request, undecoded."""
    # As the client sent it: member ids hold percent-encoded segments, which a decoded path would lose.
    raw: bytes = request.scope.get("raw_path") or request.url.path.encode()
    return raw.decode("ascii").split("?", 1)[0]


def variant_of(request: Request, offers: Sequence[str], named: str | None = None) -> Variant:
    """Choose a representation: the one that the address `named`, else what the client accepts."""
    media = named or choose(_joined(request, "accept"), offers)
    if media is None:
        plain = [offer for offer in offers if ";" not in offer]
        raise Problem(406, f"there is {', '.join(plain)}", fix=_ASK_AGAIN, near=plain)
    return Variant(media=media, gzip=accepts_gzip(_joined(request, "accept-encoding")), named=named is not None)


def _joined(request: Request, name: str) -> str | None:
    values = request.headers.getlist(name)
    return ",".join(values) if values else None


def answer_document(request: Request, document: Document) -> Response:
    """Answer with a document in the form that the client likes best."""
    return answer(request, document.ready(variant_of(request, document.offers)))


def answer(request: Request, ready: Ready) -> Response:
    """Answer with what is ready; 304 where the client has it, no body for HEAD (HTTP-06)."""
    unchanged = is_current(_joined(request, "if-none-match"), ready.etag)
    bare = unchanged or request.method == "HEAD"
    response = Response(b"" if bare else ready.body, 304 if unchanged else 200)
    response.raw_headers = list(ready.unchanged_headers if unchanged else ready.headers)
    return response


def moved(address: str, *, max_age: int) -> Response:
    """Lead on to where the rest of a document is now; for at most `max_age` seconds, since it may move again."""
    return RedirectResponse(address, 308, headers={"cache-control": f"public, max-age={max_age}"})


def see_other(address: str, *, max_age: int) -> Response:
    """Lead to another address, for at most `max_age` seconds."""
    # Where it leads may depend on the form: a shared cache must not send an RDF client to a spreadsheet's page.
    kept = {"cache-control": f"public, max-age={max_age}", "vary": "Accept"}
    return RedirectResponse(address, 303, headers=kept)
