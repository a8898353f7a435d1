"""What is asked in SensorThings: the query of an address to values (OData's `$top`, `$filter` and so on); pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from ldes_server.problems import Problem
from ldes_server.query import read_moment, read_query
from ldes_server.sensorthings.scope import LINKS, Kind

TOP, MOST = 100, 1000
# Entities that `$skip` may pass over: they are read for it; `@iot.nextLink` goes on without reading.
MOST_SKIP = 10_000
# How deep `$expand` may go.
DEEPEST = 2

_TIMES = ("phenomenonTime", "resultTime")
_FILTER_FORM = "phenomenonTime or resultTime with ge, gt, le, lt, eq and a time with its zone, joined by and"
_ORDER_FORM = "phenomenonTime or resultTime, asc or desc; of Observations"
FORMS: Mapping[str, str] = {
    "$top": f"a number up to {MOST}",
    "$skip": f"a number up to {MOST_SKIP}",
    "$skiptoken": "as @iot.nextLink has it",
    "$count": "true; not of Observations",
    "$select": "names of properties",
    "$expand": f"navigation properties, each with options in parentheses, {DEEPEST} levels deep",
    "$orderby": _ORDER_FORM,
    "$filter": f"{_FILTER_FORM}; of Observations",
}
_COMPARISON = re.compile(r"\s*(\w+)\s+(ge|gt|le|lt|eq)\s+(\S+?)\s*", re.ASCII)
_TICK = timedelta(microseconds=1)
_EARLIEST, _LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Times from `low` to `high`, both included; None leaves an end open."""

    low: datetime | None = None
    high: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What is asked of a set or an entity. `select` empty means all properties; `expand` has the options of each.

    `phenomenon` and `result` are the times that Observations must have; `order` is the time they are sorted by.
    """

    top: int = TOP
    skip: int = 0
    token: str = ""
    count: bool = False
    select: tuple[str, ...] = ()
    expand: Mapping[str, Options] = field(default_factory=dict)
    phenomenon: Span = Span()
    result: Span = Span()
    order: str = ""
    newest_first: bool = True
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_newest(self) -> bool:
        """Whether nothing but the newest observation is asked for."""
        plain = self.phenomenon == self.result == Span() and not self.skip and not self.token
        return plain and self.top == 1 and self.newest_first and self.order != "resultTime"

    def next_query(self, token: str) -> str:
        """Return the query of the next page."""
        kept = {name: value for name, value in self.values.items() if name not in ("$skip", "$skiptoken")}
        return "&".join(
            f"{name}={quote(value, safe=':,/$()')}" for name, value in {**kept, "$skiptoken": token}.items()
        )


def read_options(raw: bytes, kind: Kind, *, many: bool) -> Options:
    """Read the query of an address of a kind of entities, of one or `many`.

    Raises:
        Problem: 400 for what is of another form, 501 for parts of OData that are not offered; says what is.

    """
    return _options(read_query(raw, FORMS).values, kind, many=many, depth=0)


def _options(values: Mapping[str, str], kind: Kind, *, many: bool, depth: int) -> Options:
    if not many and (odd := [name for name in values if name not in ("$select", "$expand")]):
        raise Problem(400, f"{odd[0]} is for sets, and this is one entity", fix="it takes $select and $expand")
    observed = kind is Kind.OBSERVATION
    if (odd := [name for name in ("$filter", "$orderby") if name in values]) and not observed:
        fix = f"Observations take it: {FORMS[odd[0]]}"
        raise Problem(501, f"{odd[0]} of {kind.value} is not offered", fix=fix)
    if observed and values.get("$count") == "true":
        raise Problem(
            501, "counting Observations would read them all", fix="leave $count out, and follow @iot.nextLink"
        )
    phenomenon, result = _filter(values.get("$filter"))
    order, newest_first = _order(values.get("$orderby"))
    return Options(
        top=_number(values, "$top", TOP, MOST),
        skip=_number(values, "$skip", 0, MOST_SKIP),
        token=values.get("$skiptoken", ""),
        count=_truth(values, "$count"),
        select=tuple(name.strip() for name in values.get("$select", "").split(",") if name.strip()),
        expand=dict(_expand(values.get("$expand", ""), kind, depth)),
        phenomenon=phenomenon,
        result=result,
        order=order,
        newest_first=newest_first,
        values=values,
    )


def _number(values: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = values.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 12:
        raise Problem(400, f"{name}={text[:60]} is not of its form", fix=f"write {name} as {FORMS[name]}")
    if name == "$skip" and int(text) > most:
        raise Problem(400, f"$skip goes up to {most}", fix="follow @iot.nextLink, which goes on without reading")
    # A server may give fewer than were asked for, and says where to go on.
    return min(int(text), most)


def _truth(values: Mapping[str, str], name: str) -> bool:
    if values.get(name, "false") not in ("true", "false"):
        raise Problem(400, f"{name}={values[name][:60]} is not of its form", fix="write true or false")
    return values.get(name) == "true"


def _filter(text: str | None) -> tuple[Span, Span]:
    spans = {name: Span() for name in _TIMES}
    for part in re.split(r"\s+and\s+", text.strip()) if text else ():
        found = _COMPARISON.fullmatch(part)
        if found is None or found[1] not in _TIMES:
            raise Problem(501, f"$filter={part[:100]} is not offered", fix=f"filter by {_FILTER_FORM}")
        moment = min(max(read_moment(found[1], found[3].strip("'")), _EARLIEST), _LATEST)
        spans[found[1]] = _narrowed(spans[found[1]], found[2], moment)
    return spans["phenomenonTime"], spans["resultTime"]


def _narrowed(span: Span, operator: str, moment: datetime) -> Span:
    low = {"ge": moment, "gt": moment + _TICK, "eq": moment}.get(operator)
    high = {"le": moment, "lt": moment - _TICK, "eq": moment}.get(operator)
    lows, highs = [each for each in (span.low, low) if each], [each for each in (span.high, high) if each]
    return Span(low=max(lows, default=None), high=min(highs, default=None))


def _order(text: str | None) -> tuple[str, bool]:
    if text is None:
        return "", True
    words = text.split()
    if len(words) not in (1, 2) or words[0] not in _TIMES or words[-1] not in (*_TIMES, "asc", "desc"):
        raise Problem(501, f"$orderby={text[:100]} is not offered", fix=f"order by {_ORDER_FORM}")
    return words[0], words[-1] == "desc"


def _expand(text: str, kind: Kind, depth: int) -> Iterator[tuple[str, Options]]:
    for item in _split(text, ","):
        path, _, inner = item.partition("(")
        if inner and not inner.endswith(")"):
            raise Problem(400, f"$expand={item[:100]} is not closed", fix="close the parenthesis of its options")
        name, _, below = path.strip().partition("/")
        links = LINKS[kind]
        if name not in links:
            raise Problem(400, f"{kind.value} has no {name[:60]!r}", fix=f"expand {', '.join(links)}", near=links)
        if depth == DEEPEST:
            raise Problem(501, f"$expand goes {DEEPEST} levels deep", fix="ask for what is deeper by its own address")
        values = dict(_pairs(inner[:-1])) if inner else {}
        if below:
            # Steps and options: the options belong to the last step.
            values = {"$expand": f"{below}({inner}" if inner else below}
        yield name, _options(values, links[name].kind, many=links[name].many, depth=depth + 1)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for part in _split(text, ";"):
        name, separator, value = part.partition("=")
        if not separator or name.strip() not in FORMS or name.strip() == "$skiptoken":
            raise Problem(
                400, f"there is no option {part[:60]!r} here", fix=f"options are {', '.join(FORMS)}", near=FORMS
            )
        yield name.strip(), value.strip()


def _split(text: str, mark: str) -> Iterator[str]:
    """Split a text at a mark that stands in no parentheses."""
    depth, start = 0, 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == mark and depth == 0:
            yield text[start:place].strip()
            start = place + 1
    if text[start:].strip():
        yield text[start:].strip()
