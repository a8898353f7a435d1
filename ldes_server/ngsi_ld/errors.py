"""Errors of NGSI-LD: problem documents of the types that ETSI gave names (GS CIM 009, 5.5.2 and 6.3.2)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from ldes_server.problems import Problem

ERRORS = "https://uri.etsi.org/ngsi-ld/errors/"


class Kind(Enum):
    """The kinds of errors there are here, each with its status."""

    BAD_REQUEST_DATA = "BadRequestData", 400
    RESOURCE_NOT_FOUND = "ResourceNotFound", 404
    OPERATION_NOT_SUPPORTED = "OperationNotSupported", 422
    TOO_MANY_RESULTS = "TooManyResults", 403


class NgsiProblem(Problem):
    """Ends a request as NGSI-LD says it."""

    def __init__(self, kind: Kind, what: str, *, fix: str, near: Iterable[str] = ()) -> None:
        name, status = kind.value
        super().__init__(status, what, fix=fix, near=near)
        self.type = ERRORS + name


def bad(what: str, fix: str) -> NgsiProblem:
    """Return the error for a request that cannot be read."""
    return NgsiProblem(Kind.BAD_REQUEST_DATA, what, fix=fix)
