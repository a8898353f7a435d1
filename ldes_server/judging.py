"""Judging: what somebody posts, decided member by member; pure, and heavy enough for a process of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from ldes_server.fragmentations.wkt import OtherReferenceError, box_of
from ldes_server.verdicts import Judged, Place
from streams.identity import member_id
from streams.record import Member, Point, parse_time
from vocab.errors import MissingContextError
from vocab.model import load_model
from vocab.submission import Candidate, read_submission, state_to_version, validate
from vocab.versions import FINAL_KEY, OPERATION_KEY, TRANSACTION_KEY, Operation, payload_of

# A record of Kafka holds 1 MB by default; a member beside that has its key and headers.
LARGEST_MEMBER = 900_000
# Names are keys of b-trees (ldes_server/writer.py refuses longer ones, too).
_LONGEST = 2000
Contexts = Mapping[str, Mapping[str, Any]]


def judge(document: bytes, media: str, place: Place, contexts: Contexts) -> list[Judged]:
    """Judge every member of a document.

    Raises:
        DocumentError: the document as a whole cannot be read.

    """
    model = load_model(place.model)
    judged = [_judge(each, place) for each in read_submission(document, media, model, load=_Bundled(contexts))]
    good = [(each.iri, each.member.body) for each in judged if each.member is not None]
    findings = validate(model, good)
    return [
        replace(each, member=None, report=tuple(findings[each.iri])) if each.iri in findings else each
        for each in judged
    ]


def canonical(bodies: Sequence[bytes], model: str) -> list[bytes]:
    """Return bodies as `judge` would write the same statements, to compare what is published with what is sent.

    One that cannot be read so comes back as it is: it equals nothing that was sent.
    """
    writer = load_model(model).writer
    found = []
    for number, body in enumerate(bodies):
        document = writer.ntriples(_own(body), scope=f"m{number}")
        named = read_submission(document, "application/n-triples", load_model(model), load=_Bundled({}))
        found.append(next((each.body for each in named if each.body), body))
    return found


def _own(body: bytes) -> bytes:
    """Return a member without what the writer added to it."""
    if TRANSACTION_KEY.encode() not in body:
        return body
    said = orjson.loads(body)
    return orjson.dumps({key: value for key, value in said.items() if key not in (TRANSACTION_KEY, FINAL_KEY)})


class _Bundled:
    """The contexts at hand, by address."""

    def __init__(self, contexts: Contexts) -> None:
        self._contexts = contexts

    def __call__(self, url: str) -> Mapping[str, Any]:
        if url not in self._contexts:
            known = ", ".join(sorted(self._contexts)) or "none"
            raise MissingContextError(url, f"write the context into the document, or use one of these: {known}")
        return self._contexts[url]


def _judge(candidate: Candidate, place: Place) -> Judged:
    if candidate.faults:
        return Judged(iri=candidate.iri, faults=candidate.faults)
    try:
        observed_at = parse_time(candidate.observed_at)
    except ValueError as error:
        return Judged(iri=candidate.iri, faults=(f"its observed time: {error}: end it with Z or an offset",))
    return _member(candidate, observed_at, place)


def _member(candidate: Candidate, observed_at: datetime, place: Place) -> Judged:
    iri, body = candidate.iri, candidate.body
    if faults := _misplaced(body, place):
        return Judged(iri=iri, faults=faults)
    if candidate.is_state:
        own = f"{place.base_url}/{place.stream}/entities/"
        key = candidate.entity.removeprefix(own)
        deletes = orjson.loads(body).get(OPERATION_KEY) == Operation.DELETE.value
        iri = f"{place.base_url}/{member_id(place.stream, key, observed_at, deletes=deletes)}"
        body = state_to_version(body, iri, model=load_model(place.model))
    if len(body) > LARGEST_MEMBER:
        return Judged(iri=iri, faults=(f"has {len(body):,} bytes of JSON-LD; {LARGEST_MEMBER:,} are the most",))
    if max(len(iri.encode()), len(candidate.entity.encode())) > _LONGEST:
        return Judged(iri=iri[:200], faults=(f"has an IRI of more than {_LONGEST:,} bytes",))
    member = Member(
        id=iri.removeprefix(f"{place.base_url}/"),
        entity=candidate.entity,
        observed_at=observed_at,
        point=_point(candidate.wkt),
        body=body,
    )
    return Judged(iri=iri, member=member)


def _misplaced(body: bytes, place: Place) -> tuple[str, ...]:
    """Find what a member says about its place among versions, and cannot say so here."""
    said = orjson.loads(body)
    operation = said.get(OPERATION_KEY)
    if operation is not None and not place.operations:
        return (f"says {OPERATION_KEY}, which this stream does not declare: leave it out",)
    if operation == Operation.DELETE.value and (payload := payload_of(said, load_model(place.model))):
        return (f"is a deletion and says more of what is gone: leave out {', '.join(payload)}",)
    return ()


def _point(wkt: str | None) -> Point | None:
    """Return the place of a member; None for none, for what is more than a point, and in other reference systems."""
    try:
        box = box_of(wkt) if wkt else None
    except OtherReferenceError:
        return None
    if box is None or (box.west, box.south) != (box.east, box.north):
        return None
    return Point(longitude=box.west, latitude=box.south)
