"""What is asked in NGSI-LD: parameters to a question, and back to the address of what comes next; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from ldes_server.ngsi_ld.errors import Kind, NgsiProblem, bad
from ldes_server.ngsi_ld.geo import PARAMETERS as GEO
from ldes_server.ngsi_ld.geo import Place, read_place
from ldes_server.problems import Problem
from ldes_server.query import TIME_FORM, read_moment, read_query

# Entities in one answer: what an address without `limit` gives, and the most.
LIMIT, MOST = 20, 1000
# Entities that `offset` may pass over: they are read for it. `after`, in the Link header, goes on without reading.
MOST_OFFSET = 10_000
MOST_IDS = 100
# Instances of each attribute: in lists of entities, and of one entity.
LAST_OF_MANY, LAST_OF_ONE = 100, 1000
FORMS = ("normalized", "keyValues", "concise", "temporalValues")
_SIMPLE = {"simplified": "keyValues"}

_LISTED = "names, separated by commas"
_NUMBERS = {"limit": f"a number up to {MOST}", "offset": f"a number up to {MOST_OFFSET}", "count": "true"}
_STATE: Mapping[str, str] = {
    "id": f"IRIs, separated by commas, up to {MOST_IDS}",
    "type": "types, separated by commas, as in OffStreetParking",
    "attrs": _LISTED,
    **GEO,
    **_NUMBERS,
    "options": "keyValues, concise, count",
    "format": "normalized, keyValues, simplified or concise",
    "after": "as the Link header has it",
}
_ONE = {name: _STATE[name] for name in ("type", "attrs", "options", "format")}
_TIME: Mapping[str, str] = {
    "timerel": "before, after or between",
    "timeAt": TIME_FORM,
    "endTimeAt": f"{TIME_FORM}; for between",
    "timeproperty": "observedAt",
    "lastN": "a number of instances",
    "options": "temporalValues, count",
    "format": "normalized or temporalValues",
}
ASKED: Mapping[str, Mapping[str, str]] = {
    "/ngsi-ld/v1/entities": _STATE,
    "/ngsi-ld/v1/entities/{entity}": _ONE,
    "/ngsi-ld/v1/temporal/entities": {**_STATE, **_TIME},
    "/ngsi-ld/v1/temporal/entities/{entity}": {**_ONE, **_TIME, "below": "as the Link header has it"},
    "/ngsi-ld/v1/types": {"details": "true"},
    "/ngsi-ld/v1/types/{type}": {},
}
# Parts of the standard that are not offered, with what to do instead.
_REFUSED: Mapping[str, str] = {
    "q": "filter what you get, or follow the event stream; the parameters that exist are in /docs",
    "idPattern": "name the ids",
    "scopeQ": "leave it out: entities have no scopes",
    "csf": "leave it out: there are no registered sources",
    "lang": "leave it out: texts are given in Dutch, else in English",
    "aggrMethods": "aggregate what you get",
    "aggrPeriodDuration": "aggregate what you get",
    "datasetId": "choose among the instances of an attribute",
}
# Between these every time can be moved by a microsecond.
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which time of observation is asked for, ends included; `last` instances of each attribute at most."""

    low: datetime | None = None
    high: datetime | None = None
    last: int = LAST_OF_MANY


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which entities, and what of them; empty tuples mean all. `values` are the parameters as they came.

    `after` is a stream and an entity in it, from behind which an answer goes on. `below` is the sequence number at which
    an earlier answer of one entity's history stopped.
    """

    values: Mapping[str, str]
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ()
    place: Place | None = None
    limit: int = LIMIT
    offset: int = 0
    count: bool = False
    form: str = "normalized"
    after: tuple[str, str] | None = None
    window: Window | None = None
    below: int | None = None

    @property
    def last(self) -> int:
        """How many instances of each attribute are wanted of each entity."""
        return self.window.last if self.window else LAST_OF_MANY

    def next_query(self, **changed: str) -> str:
        """Return the query of what comes next: the same question from another place on."""
        kept = {name: value for name, value in self.values.items() if name not in ("offset", "after", "below")}
        return urlencode({**kept, **changed})


def read_question(raw: bytes, address: str, *, geoproperty: str = "location") -> Question:
    """Read the query of an address of `ASKED`.

    Raises:
        NgsiProblem: something is unknown, of another form, or not offered; says what is.

    """
    values = _values(raw, ASKED[address])
    temporal, one = "temporal" in address, "{entity}" in address
    form, count = _form(values, temporal=temporal)
    most = LAST_OF_ONE if one else LAST_OF_MANY
    question = Question(
        values=values,
        ids=_list(values, "id", MOST_IDS),
        types=tuple(_local(each) for each in _list(values, "type", MOST_IDS)),
        attributes=tuple(_local(each) for each in _list(values, "attrs", MOST_IDS)),
        place=read_place(values, geoproperty=geoproperty),
        limit=_number(values, "limit", LIMIT, MOST if not temporal else LAST_OF_MANY),
        offset=_number(values, "offset", 0, MOST_OFFSET),
        count=count,
        form=form,
        after=_after(values),
        window=_window(values, most) if temporal else None,
        below=_number(values, "below", 0, 2**62) if "below" in values else None,
    )
    if question.limit == 0 and not count:
        raise bad("limit=0 gives nothing but a count", "add count=true")
    if (
        not one
        and "entities" in address
        and not (question.ids or question.types or question.attributes or question.place)
    ):
        raise bad(
            "everything at once is not asked for", "name a type, ids, attrs or a place; /ngsi-ld/v1/types lists types"
        )
    if temporal and not one and "timerel" not in values:
        example = "timerel=after&timeAt=2026-11-23T08:00:00Z"
        raise bad("a question about history says when", f"add timerel and timeAt, as in {example}")
    return question


def parameters_of(address: str) -> Mapping[str, Any]:
    """Return what OpenAPI says of the query of an address."""
    return {
        "parameters": [
            {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": form}
            for name, form in ASKED[address].items()
        ]
    }


def _values(raw: bytes, forms: Mapping[str, str]) -> Mapping[str, str]:
    try:
        values = read_query(raw, {**forms, **_REFUSED}).values
    except Problem as problem:
        raise bad(problem.what, f"this address takes {', '.join(forms)}") from problem
    for name, fix in _REFUSED.items():
        if name in values:
            raise NgsiProblem(Kind.OPERATION_NOT_SUPPORTED, f"{name} is not supported", fix=fix)
    return values


def _form(values: Mapping[str, str], *, temporal: bool) -> tuple[str, bool]:
    """Return the form of the answer, and whether it is to be counted."""
    options = [each for each in values.get("options", "").split(",") if each]
    if "format" in values:
        options.append(values["format"])
    count = "count" in options or values.get("count") == "true"
    if values.get("count", "true") not in ("true", "false"):
        raise bad(f"count={values['count'][:60]} is not of its form", "write count=true")
    forms = [_SIMPLE.get(each, each) for each in options if each != "count"]
    known = ("normalized", "temporalValues") if temporal else ("normalized", "keyValues", "concise")
    for each in forms:
        if each not in known:
            fix = f"the forms here are {', '.join(known)}"
            raise NgsiProblem(Kind.OPERATION_NOT_SUPPORTED, f"{each[:60]} is not supported", fix=fix)
    if len(set(forms)) > 1:
        raise bad(f"{' and '.join(forms)} are two forms", "ask for one of them")
    return (forms[0] if forms else "normalized"), count


def _list(values: Mapping[str, str], name: str, most: int) -> tuple[str, ...]:
    found = tuple(each for each in values.get(name, "").replace("|", ",").split(",") if each)
    if name in values and (not found or len(found) > most):
        raise bad(f"{name} has {len(found)} values", f"name 1 to {most}, separated by commas")
    if name == "type" and any(mark in each for each in found for mark in "();"):
        raise bad("types are not combined here", "list alternatives, separated by commas")
    return found


def _local(name: str) -> str:
    """Return the short name of a type or attribute that may have been given as an IRI."""
    return name.replace("#", "/").rstrip("/").rsplit("/", 1)[-1] if "://" in name else name


def _number(values: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = values.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) > most:
        raise bad(f"{name}={text[:60]} is not of its form", f"write a number from 0 to {most}")
    return int(text)


def _after(values: Mapping[str, str]) -> tuple[str, str] | None:
    if "after" not in values:
        return None
    stream, separator, entity = values["after"].partition(",")
    if not separator or "\0" in entity:
        raise bad("after is not of its form", "follow the Link header instead of writing it")
    return stream, entity


def _window(values: Mapping[str, str], most: int) -> Window:
    relation, last = values.get("timerel"), _number(values, "lastN", most, most)
    if last == 0:
        raise bad("lastN=0 gives nothing", f"write a number from 1 to {most}")
    if values.get("timeproperty", "observedAt") != "observedAt":
        what = f"the time property {values['timeproperty'][:60]} is not supported"
        raise NgsiProblem(Kind.OPERATION_NOT_SUPPORTED, what, fix="leave timeproperty out: it is observedAt")
    if relation is None:
        if "timeAt" in values or "endTimeAt" in values:
            raise bad("timeAt means nothing without timerel", "add timerel: before, after or between")
        return Window(last=last)
    if relation not in ("before", "after", "between"):
        raise bad(f"timerel={relation[:60]} is not of its form", "write before, after or between")
    at = _moment(values, "timeAt")
    # The ends themselves are outside, and times are whole microseconds.
    step = timedelta(microseconds=1)
    if relation == "before":
        return Window(high=at - step, last=last)
    if relation == "after":
        return Window(low=at + step, last=last)
    return Window(low=at + step, high=_moment(values, "endTimeAt") - step, last=last)


def _moment(values: Mapping[str, str], name: str) -> datetime:
    if name not in values:
        raise bad(f"{name} is missing", f"add {name}: {TIME_FORM}")
    try:
        return min(max(read_moment(name, values[name]), _EARLIEST), _LATEST)
    except Problem as problem:
        raise bad(problem.what, problem.fix) from problem
