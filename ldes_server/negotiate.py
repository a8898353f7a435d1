"""Decides what to answer: media type, coding, and whether the client has it already; pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Form(Enum):
    """The bodies a page has; the value is the name the store keeps it under."""

    JSONLD = "jsonld"  # framed JSON-LD, readable as plain JSON
    TURTLE = "turtle"  # prefixed Turtle; default graph only, therefore also TriG
    NTRIPLES = "ntriples"  # one statement per line; therefore also N-Quads


class PlainForm(Enum):
    """The bodies for who wants no RDF; the value is the name in addresses, and the one the store keeps it under."""

    NDJSON = "ndjson"  # one member per line, as in JSON-LD
    GEOJSON = "geojson"  # members as features, under the model's names
    CSV = "csv"  # one row per member, under the model's names


# Five media types, three bodies (HTTP-01). The order breaks ties: `*/*` and no header at all give JSON-LD.
FORMS: dict[str, Form] = {
    "application/ld+json": Form.JSONLD,
    "text/turtle": Form.TURTLE,
    "application/trig": Form.TURTLE,
    "application/n-quads": Form.NTRIPLES,
    "application/n-triples": Form.NTRIPLES,
}
RDF_TYPES: tuple[str, ...] = tuple(FORMS)

# Our pages say everything about the stream before the first member, and each member in one piece after its tree:member:
# that is the TREE profile, claimed for whoever asks by it (HTTP-19, HTTP-20), never for JSON-LD (HTTP-21).
TREE_PROFILE = "https://w3id.org/tree/profile"
PROFILED: dict[str, Form] = {
    f'{media};profile="{TREE_PROFILE}"': form for media, form in FORMS.items() if form is not Form.JSONLD
}
PAGE_FORMS: dict[str, Form] = {**FORMS, **PROFILED}
# Members alone, where to go on in the Link header (plain.py).
PLAIN: dict[str, PlainForm] = {
    "application/x-ndjson": PlainForm.NDJSON,
    "application/geo+json": PlainForm.GEOJSON,
    "text/csv": PlainForm.CSV,
}
FORMATS: dict[str, str] = {form.value: media for media, form in PLAIN.items()}
PAGE_TYPES: tuple[str, ...] = (*PAGE_FORMS, *PLAIN)
STATE_TYPES: tuple[str, ...] = (*FORMS, *PLAIN)
# The whole query of an address that names its form -> the media type, as the fast lane meets it.
QUERIED: dict[bytes, str] = {f"format={name}".encode(): media for name, media in FORMATS.items()}

# What can say in which graph a statement stands.
_GRAPH_TYPES = frozenset({"application/ld+json", "application/trig", "application/n-quads"})

# Names people ask by -> what we really send. JSON-LD is JSON, so whoever asks for JSON is served with it, under its
# true label: `application/json` on these bytes would hide from RDF clients what they are (HTTP-01).
ALIASES: dict[str, str] = {
    "application/json": "application/ld+json",
    "text/json": "application/ld+json",
    "application/x-turtle": "text/turtle",
    "text/n3": "text/turtle",
    "application/ndjson": "application/x-ndjson",
    "application/jsonl": "application/x-ndjson",
    "application/vnd.geo+json": "application/geo+json",
    "application/csv": "text/csv",
}

# A header beyond this is no honest preference list; it is read as absent, so that parsing stays bounded.
_LONGEST = 2_000


def choose(accept: str | None, offers: Sequence[str] = RDF_TYPES) -> str | None:
    """Return the offered media type the client likes best, or None when it refuses all of them (HTTP-02).

    The q-value decides, then how precisely the client named the type, then the order of `offers`. Parameters other
    than `q` and the TREE profile (charset, foreign profiles) do not matter; whoever asks by the profile also takes the
    plain type where there is no other. An absent, empty or oversized header accepts everything.
    """
    if accept is None or not accept.strip() or len(accept) > _LONGEST:
        return offers[0]
    ranges = _ranges(accept)
    best: tuple[float, int, int] = (0.0, 0, 0)
    chosen: str | None = None
    for place, offer in enumerate(offers):
        quality, precision = _judge(offer, ranges)
        score = (quality, precision, -place)
        if quality > 0 and (chosen is None or score > best):
            best, chosen = score, offer
    return chosen


def with_graphs(offers: Sequence[str]) -> tuple[str, ...]:
    """Return those of the media types that can say in which graph a statement stands (FEED-06)."""
    return tuple(offer for offer in offers if offer.partition(";")[0] in _GRAPH_TYPES)


def accepts_gzip(accept_encoding: str | None) -> bool:
    """Whether the client prefers gzip to nothing: named (or `*`) with a q above 0 and not below `identity`'s."""
    if not accept_encoding or len(accept_encoding) > _LONGEST:
        return False
    codings = _ranges(accept_encoding)
    gzip = codings.get("gzip", codings.get("x-gzip", codings.get("*", 0.0)))
    return gzip > 0 and gzip >= codings.get("identity", 0.0)


def is_current(if_none_match: str | None, etag: str) -> bool:
    """Whether the client's tags name this representation: `*`, lists, and weak comparison (HTTP-06)."""
    if not if_none_match:
        return False
    if if_none_match.strip() == "*":
        return True
    plain = etag.removeprefix("W/")
    return any(tag.strip().removeprefix("W/") == plain for tag in if_none_match.split(","))


def _ranges(header: str) -> dict[str, float]:
    """Read `a;q=0.5, b` into names and q-values; an unreadable q counts as 1, the best q of a repeated name wins."""
    found: dict[str, float] = {}
    for part in header.split(","):
        name, *parameters = part.split(";")
        name = name.strip().lower()
        if not name:
            continue
        name = ALIASES.get(name, name)
        if any(_is_tree_profile(parameter) for parameter in parameters):
            name = f'{name};profile="{TREE_PROFILE}"'
        found[name] = max(found.get(name, 0.0), _quality(parameters))
    return found


def _is_tree_profile(parameter: str) -> bool:
    key, _, value = parameter.partition("=")
    return key.strip().lower() == "profile" and value.strip().strip('"') == TREE_PROFILE


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 1.0
            return quality if 0.0 <= quality <= 1.0 else 1.0
    return 1.0


def _judge(offer: str, ranges: dict[str, float]) -> tuple[float, int]:
    """Return the q-value of the most precise range that covers the offer, and how precise it was (4 to 0)."""
    plain = offer.split(";", 1)[0]
    kind = plain.split("/", 1)[0]
    # For a plain offer the last but two covers a client that only knows the type by its profile.
    # A range was read by its alias, which an offer under the very name that was asked for must not suffer from.
    same = ALIASES.get(plain, plain)
    covers = (
        (4, offer),
        (3, plain),
        (3, same),
        (2, f'{offer};profile="{TREE_PROFILE}"'),
        (1, f"{kind}/*"),
        (0, "*/*"),
        (0, "*"),
    )
    for precision, name in covers:
        if name in ranges:
            return ranges[name], precision
    return 0.0, 0
