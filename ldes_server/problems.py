"""Errors as people and programs can read them: RFC 9457 problem documents with what happened and how to mend it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ldes_server.responses import CORS
from streams.errors import StoreError

# Seconds; a consumer that waits this long finds an idle server again (HTTP-13).
RETRY_AFTER = 2
# Errors of addresses may be kept for a moment, those of the server not at all.
_CACHE = {404: "public, max-age=2", 406: "no-store", 410: "public, max-age=60"}


class Problem(Exception):  # noqa: N818 - the standard's own name; it ends a request, it does not report a fault of ours
    """Ends a request with a problem document: `what` happened, the `fix`, and the names that come near."""

    # What kind of problem it is, as an IRI; what happened says it where nobody has named kinds.
    type = "about:blank"

    def __init__(
        self, status: int, what: str, *, fix: str, near: Iterable[str] = (), retry_after: int = RETRY_AFTER
    ) -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.fix = fix
        self.near = tuple(near)
        self.retry_after = retry_after

    def response(self) -> JSONResponse:
        """Return the answer."""
        content: dict[str, object] = {
            "type": self.type,
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.what,
            "fix": self.fix,
        }
        if self.near:
            content["near"] = list(self.near)
        headers = {name.decode(): value.decode() for name, value in CORS}
        headers["cache-control"] = _CACHE.get(self.status, "no-store")
        headers["vary"] = "Accept, Accept-Encoding"
        if self.status in (429, 503):
            headers["retry-after"] = str(self.retry_after)
        if self.status == 401:
            headers["www-authenticate"] = "Bearer"
        return JSONResponse(content, self.status, headers, media_type="application/problem+json")


def unknown(kind: str, name: str, known: Iterable[str], *, prefix: str) -> Problem:
    """Return the 404 for a name we do not have, with the names that come near."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(prefix + each for each in near)}?" if near else "all of them are listed at /"
    return Problem(404, f"there is no {kind} {name!r}", fix=hint, near=[prefix + each for each in near])


async def on_problem(_: Request, problem: Exception) -> Response:
    """Answer with the problem that ended a request."""
    assert isinstance(problem, Problem)
    return problem.response()


async def on_store_error(_: Request, error: Exception) -> Response:
    """Answer while the database does not."""
    assert isinstance(error, StoreError)
    status = 503 if error.retriable else 500
    return Problem(status, "the database did not answer", fix="ask again in a moment").response()


async def on_http_error(_: Request, error: Exception) -> Response:
    """Answer where no route, or no method of it, fits."""
    assert isinstance(error, HTTPException)
    return Problem(error.status_code, str(error.detail), fix="/docs lists every address and its methods").response()


async def on_fault(_: Request, __: Exception) -> Response:
    """Answer for a defect; the log has its trace."""
    return Problem(500, "a defect of ours", fix="ask again; if it stays, tell us the address").response()
