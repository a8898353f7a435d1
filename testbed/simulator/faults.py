"""The ways in which publishers misbehave, each on command and each a pure function of document and chance."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random

from testbed.simulator.formats import XML, Document, Expected, Fragment


class Fault(Enum):
    """What can go wrong; the value is its name on the command line."""

    # Made to the document: it stays well-formed.
    LATE = "late"  # some items arrive ten minutes after their turn
    DOUBLED = "doubled"  # every item twice in one document
    REORDERED = "reordered"  # an older document after a newer one, its items shuffled
    SENTINEL = "sentinel"  # numbers that mean "no number": MIV speed 254, Gent -1
    WRONG_CLOCK = "wrong-clock"  # a device that restarted in the year 2000
    MISSING_FIELD = "missing-field"  # the observation time of some items is absent
    BAD_COORDINATES = "bad-coordinates"  # some items lie nowhere on earth; documents without places stay whole
    CLOSED = "closed"  # one place is not listed any more, as if it had closed; it is back when this is switched off
    DRIFT = "drift"  # the observation time of all items has a new name since today
    # Made to the body: it is no longer what its media type says, or not safe to read.
    MALFORMED = "malformed"  # cut in the middle, but transferred completely
    HTML = "html"  # 200 with an error page
    BOMB = "bomb"  # XML: entities that unfold to gigabytes; JSON: a hundred thousand lists in each other
    OVERSIZE = "oversize"  # 200 MB of blanks; a decompression bomb for who accepts gzip
    # Made to the transfer.
    TRUNCATED = "truncated"  # the connection closes before Content-Length is reached
    SILENT = "silent"  # the request is taken and never answered
    SLOW = "slow"  # one piece every fifth of a second
    ERROR = "error"  # 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Active:
    """A fault that is switched on: for this share of the answers, of paths that contain `where`."""

    fault: Fault
    share: float = 1.0
    where: str = ""

    def __str__(self) -> str:
        return f"{self.fault.value}:{self.share:g}" + (f"@{self.where}" if self.where else "")


def parse_fault(text: str) -> Active:
    """Read `NAME[:SHARE][@PART OF A PATH]`, such as `late:0.2` or `silent@data.stad.gent`.

    Raises:
        ValueError: no such fault, or a share outside 0 to 1; the message lists the names.

    """
    rest, _, where = text.partition("@")
    name, _, share = rest.partition(":")
    try:
        active = Active(fault=Fault(name.strip()), share=float(share or 1), where=where.strip())
    except ValueError as error:
        names = ", ".join(fault.value for fault in Fault)
        raise ValueError(f"{text!r} is not NAME[:SHARE][@PATH]; the names are {names}") from error
    if not 0 <= active.share <= 1:
        raise ValueError(f"{text!r}: the share must be from 0 to 1")
    return active


# Called with how long ago, returns the document of that time.
Earlier = Callable[[timedelta], Document]
_Change = Callable[[Document, Random, Earlier], Document]

# In an answer with faulty items one in ten is faulty, and at least one.
_FAULTY = 0.1

_OBSERVED = re.compile(rb"(<tijd_waarneming>)([^<]*)(</tijd_waarneming>)|(\"lastupdate\": \")([^\"]*)(\")")
_OBSERVED_FIELD = re.compile(rb"        <tijd_waarneming>[^<]*</tijd_waarneming>\n|\"lastupdate\": \"[^\"]*\", ")
_SPEED = re.compile(rb"(<voertuigsnelheid_(rekenkundig|harmonisch)>)\d+")
_FREE = re.compile(rb"(\"available(?:capacity|spaces)\": )\d+")
_PLACE = re.compile(rb"(\"location\": )\{[^}]*\}")


def apply(fault: Fault, document: Document, chance: Random, earlier: Earlier) -> Document:
    """Make one fault to a document; a fault of the body or the transfer leaves it as it is."""
    change = _CHANGES.get(fault)
    return document if change is None else change(document, chance, earlier)


def _some(document: Document, chance: Random, spoil: Callable[[Fragment], Fragment]) -> Document:
    count = len(document.fragments)
    chosen = set(chance.sample(range(count), max(1, round(count * _FAULTY)))) if count else set()
    fragments = (spoil(part) if n in chosen else part for n, part in enumerate(document.fragments))
    return replace(document, fragments=tuple(fragments))


def _late(document: Document, chance: Random, earlier: Earlier) -> Document:
    """Replace some items by what the same places showed ten minutes ago."""
    old = {part.item.entity: part for part in earlier(timedelta(minutes=10)).fragments if part.item is not None}
    return _some(document, chance, lambda part: part if part.item is None else old.get(part.item.entity, part))


def _doubled(document: Document, _: Random, __: Earlier) -> Document:
    return replace(document, fragments=tuple(part for part in document.fragments for _ in range(2)))


def _reordered(_: Document, chance: Random, earlier: Earlier) -> Document:
    old = earlier(timedelta(minutes=chance.choice((2, 4, 6))))
    return replace(old, fragments=tuple(chance.sample(old.fragments, len(old.fragments))))


def _closed(document: Document, _: Random, __: Earlier) -> Document:
    """Leave out the place whose entity comes first, the same one always."""
    listed = [part.item.entity for part in document.fragments if part.item is not None]
    gone = min(listed, default="")
    kept = (part for part in document.fragments if part.item is None or part.item.entity != gone)
    return replace(document, fragments=tuple(kept))


def _told(part: Fragment, body: bytes, expected: Expected) -> Fragment:
    """Give a fragment its spoiled body; one the fault does not touch stays what it is."""
    return part if body == part.body or part.item is None else replace(part, body=body, expected=expected)


def _sentinel(document: Document, chance: Random, _: Earlier) -> Document:
    def spoil(part: Fragment) -> Fragment:
        body = _FREE.sub(rb"\g<1>-1", _SPEED.sub(rb"\g<1>254", part.body))
        return _told(part, body, Expected.EITHER)

    return _some(document, chance, spoil)


def _wrong_clock(document: Document, chance: Random, _: Earlier) -> Document:
    def spoil(part: Fragment) -> Fragment:
        if part.item is None:
            return part
        # As a restarted device: its year is wrong, yet its clock runs.
        seconds = part.item.observed_at.timestamp() % (365 * 86400) // 60 * 60
        wrong = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
        text = wrong.isoformat(timespec="seconds").encode()
        body = _OBSERVED.sub(lambda m: (m[1] or m[4]) + text + (m[3] or m[6]), part.body)
        return replace(part, body=body, item=replace(part.item, observed_at=wrong), expected=Expected.EITHER)

    return _some(document, chance, spoil)


def _missing_field(document: Document, chance: Random, _: Earlier) -> Document:
    return _some(document, chance, lambda part: _told(part, _OBSERVED_FIELD.sub(b"", part.body), Expected.REJECTION))


def _bad_coordinates(document: Document, chance: Random, _: Earlier) -> Document:
    nowhere = rb'\g<1>{"lon": 3720.5, "lat": 951.0}'
    return _some(document, chance, lambda part: _told(part, _PLACE.sub(nowhere, part.body), Expected.REJECTION))


def _drift(document: Document, _: Random, __: Earlier) -> Document:
    def spoil(part: Fragment) -> Fragment:
        body = part.body.replace(b"tijd_waarneming>", b"tijdstip_waarneming>").replace(
            b'"lastupdate"', b'"last_update"'
        )
        return _told(part, body, Expected.REJECTION)

    return replace(document, fragments=tuple(spoil(part) for part in document.fragments))


_CHANGES: Mapping[Fault, _Change] = {
    Fault.LATE: _late,
    Fault.DOUBLED: _doubled,
    Fault.REORDERED: _reordered,
    Fault.SENTINEL: _sentinel,
    Fault.WRONG_CLOCK: _wrong_clock,
    Fault.MISSING_FIELD: _missing_field,
    Fault.BAD_COORDINATES: _bad_coordinates,
    Fault.CLOSED: _closed,
    Fault.DRIFT: _drift,
}
# In this order: an older document is chosen, then what is closed is left out, then items are spoiled, then doubled.
DOCUMENT_FAULTS = (
    Fault.REORDERED,
    Fault.LATE,
    Fault.CLOSED,
    Fault.SENTINEL,
    Fault.WRONG_CLOCK,
    Fault.MISSING_FIELD,
    Fault.BAD_COORDINATES,
    Fault.DRIFT,
    Fault.DOUBLED,
)

OVERSIZE_BYTES = 200 * 1024 * 1024
_HTML = (
    b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
)
_NESTED = 100_000


def spoiled_body(fault: Fault, document: Document) -> tuple[bytes, str]:
    """Return the body and the media type that a fault of the body makes of a document; its items are lost."""
    body = document.render()
    if fault is Fault.HTML:
        return _HTML, "text/html; charset=utf-8"
    if fault is Fault.BOMB:
        return (_entity_bomb() if document.media_type == XML else b"[" * _NESTED + b"]" * _NESTED), document.media_type
    if fault is Fault.OVERSIZE:
        return b" " * OVERSIZE_BYTES, document.media_type
    return body[: len(body) * 2 // 3], document.media_type


def _entity_bomb() -> bytes:
    """Ten levels of ten: three bytes that unfold to thirty gigabytes in a parser that lets them."""
    entities = "".join(f'<!ENTITY b{n} "{f"&b{n - 1};" * 10}">' for n in range(1, 11))
    return f'<?xml version="1.0"?>\n<!DOCTYPE miv [<!ENTITY b0 "lol">{entities}]>\n<miv>&b10;</miv>\n'.encode()


BODY_FAULTS = (Fault.OVERSIZE, Fault.BOMB, Fault.HTML, Fault.MALFORMED)
