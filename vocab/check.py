"""SHACL validation of a model's members, offline."""

from __future__ import annotations

from collections.abc import Sequence

from vocab.model import Model
from vocab.shacl import Finding, findings

__all__ = ["Finding", "validate"]


def validate(model: Model, bodies: Sequence[bytes]) -> list[Finding]:
    """Validate members, as page-ready JSON-LD bytes, against the shape of their model; no finding: all conform.

    Raises:
        MemberError: a body is no member that the model's context can express.

    """
    written = [model.writer.ntriples(body, scope=f"m{number}") for number, body in enumerate(bodies)]
    return findings(model.shape.turtle, b"".join(written))
