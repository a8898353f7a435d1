"""Reads what stands behind the question mark: known names only, each once, and places in a history; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode

from ldes_server.problems import Problem
from streams.record import parse_time

# More than any address of ours takes; whoever sends more is not worth reading on.
_MOST = 20
_SEQUENCE = re.compile(r"[0-9]{1,18}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)

TIME_FORM = "a time with its zone (RFC 3339), as in 2026-11-23T08:00:00Z"
PLACE_FORM = f"{TIME_FORM}, or a sequence number, as in 1234"
WITHIN_FORM = "the key of the page's own bucket or of one above it, as in 2026.11.23; beside format only"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The values by name, and the one spelling of the query that we keep: names in our order, each once (HTTP-33)."""

    values: Mapping[str, str]
    canonical: str
    is_canonical: bool


def read_query(raw: bytes, forms: Mapping[str, str]) -> Query:
    """Read a query string; `forms` has the names that exist, in the canonical order, with the form of their values.

    Equal repetitions count once. Raises `Problem` 400 for a name that does not exist and for a name with two values.
    """
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, max_num_fields=_MOST)
    except ValueError as error:
        raise _refused(f"more than {_MOST} parameters", forms) from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in forms:
            raise _refused(f"there is no parameter {name!r} here", forms)
        if found.setdefault(name, value) != value:
            raise _refused(f"the parameter {name!r} has two values", forms)
    values = {name: found[name] for name in forms if name in found}
    return Query(
        values=values, canonical=urlencode(values, safe=":"), is_canonical=list(values) == [it for it, _ in pairs]
    )


def read_place(name: str, text: str) -> int | datetime:
    """Read a sequence number or a time (UTC); raises `Problem` 400 that names the parameter and its form."""
    if _SEQUENCE.fullmatch(text):
        return int(text)
    try:
        return _time(text)
    except (ValueError, OverflowError) as error:
        raise _malformed(name, text, PLACE_FORM) from error


def read_moment(name: str, text: str) -> datetime:
    """Read a time (UTC); raises `Problem` 400 that names the parameter and its form."""
    try:
        return _time(text)
    except (ValueError, OverflowError) as error:
        raise _malformed(name, text, TIME_FORM) from error


def _time(text: str) -> datetime:
    # A plus sign that nobody escaped arrives as a space; no time we read has one elsewhere.
    text = text.replace(" ", "+")
    if not _TIME.fullmatch(text):
        raise ValueError(text)
    return parse_time(text)


def _malformed(name: str, text: str, form: str) -> Problem:
    shown = text if len(text) <= 60 else f"{text[:60]}…"
    return Problem(400, f"{name}={shown} is not of its form", fix=f"write {name} as {form}")


def _refused(what: str, forms: Mapping[str, str]) -> Problem:
    known = "; ".join(f"{name}: {form}" for name, form in forms.items())
    return Problem(400, what, fix=f"this address takes {known}", near=forms)
