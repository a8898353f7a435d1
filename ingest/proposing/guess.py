"""Guess: one line of a proposed source file, how sure it is, and why; and guesses of who, when and where; pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from ingest.proposing.observing import Column, Observed
from ingest.proposing.values import ZONE, Place, Times, is_iri, numbers, point_of, quoted, times
from ingest.proposing.words import meanings


class Sureness(Enum):
    """How sure a guess is; what is `unsure` is marked in the file, and `source check` names it."""

    SURE = "sure"
    LIKELY = "likely"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """What stands behind a name: `text` is YAML, without a mark; `path` is the column it comes from, "" for none."""

    name: str
    text: str
    sure: Sureness
    why: str
    path: str = ""


# What keys of coordinates are called, up to a number of their system.
_EAST = re.compile(r"(?:lon|lng|long|longitude|lengtegraad|lengte|x)(?:_.*)?", re.IGNORECASE)
_NORTH = re.compile(r"(?:lat|latitude|breedtegraad|breedte|y)(?:_.*)?", re.IGNORECASE)
_DAY, _CLOCK = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d{1,2}:\d\d(:\d\d)?")
# Words of keys by which a time says that it is the one of the observation, or that it is another one.
_OBSERVED = re.compile(
    r"observ|measur|waarneming|gemeten|meting|timestamp|reported|last_?seen|last_?update", re.IGNORECASE
)
_OTHER = re.compile(r"publi|generat|created|config|until|tot$|end|modified|record_", re.IGNORECASE)
# Keys of things that have ids of their own, and of records of them, which have others each time.
_THINGS = frozenset(
    ("station", "lane", "road", "facility", "vehicle", "bicycles", "segment", "sensor", "device", "point")
)
_RECORDS = re.compile(r"record|dataset|plan|version|type|offering|category|phenomenon", re.IGNORECASE)
_CLOSE = 0.15
_FEW = 3
# Share of the things that must have a time: silent sensors have none.
_FILLED = 0.2


def entity(observed: Observed) -> Guess:
    """Guess what names a thing, always the same."""
    ranked = sorted(((_identity(it), it) for it in observed.columns if not it.inner), key=lambda it: -it[0])
    if not ranked or ranked[0][0] <= 0:
        why = "nothing in the sample looks like an id; it must be the same in every payload"
        return Guess(name="entity", text="fill_in", sure=Sureness.UNSURE, why=why)
    best, column = ranked[0]
    rivals = [it.path for score, it in ranked[1:] if best - score < _CLOSE and score > 0]
    rivals += [it.path for _, it in ranked if it is not column and _names_a_thing(it) and not _names_a_thing(column)]
    if not column.is_unique:
        why = f"called an id, but {column.count - column.distinct} of {column.total} items repeat one"
        return Guess(name="entity", text=quoted(column.path), sure=Sureness.LIKELY, why=why, path=column.path)
    if rivals or "id" not in meanings(column.keys[-1]):
        other = f"; so does {', '.join(rivals[:3])}" if rivals else "; nothing is called an id"
        why = f"has another value in each of {column.total} items{other}"
        return Guess(name="entity", text=quoted(column.path), sure=Sureness.UNSURE, why=why, path=column.path)
    sure = Sureness.SURE if column.total >= _FEW else Sureness.LIKELY
    why = f"called an id, and another one in each of {column.total} items"
    return Guess(name="entity", text=quoted(column.path), sure=sure, why=why, path=column.path)


def _names_a_thing(column: Column) -> bool:
    """Say whether a column is the id of a thing that measures, which many records may have in common."""
    around = meanings(column.keys[-2]) if len(column.keys) > 1 else frozenset()
    told = meanings(column.keys[-1])
    return "id" in told and bool((told | around) & _THINGS) and column.distinct > 1


def _identity(column: Column) -> float:
    told = meanings(column.keys[-1])
    if not column.count or column.count < column.total or any(isinstance(it, bool | float) for it in column.values):
        return 0.0
    is_id = "id" in told
    around = meanings(column.keys[-2]) if len(column.keys) > 1 else frozenset()
    score = 0.5 * is_id + 0.4 * column.is_unique + 0.2 * bool(is_id and (told | around) & _THINGS)
    score += 0.25 * ("name" in told) + 0.05 * is_iri(column) - 0.03 * len(column.keys)
    score += 0.2 * bool(re.search("uniek|unique", column.keys[-1], re.IGNORECASE))
    if any(_RECORDS.search(key) for key in column.keys[-2:]):
        score -= 0.45
    if (not column.is_unique and not is_id) or (column.distinct == 1 and column.total > 1):
        return 0.0
    if not is_id and "name" not in told:
        score -= 0.1 if is_iri(column) else 0.35
    return score


def observed_at(observed: Observed, now: datetime) -> Guess:
    """Guess when a thing was observed, and the zone or epoch of that time."""
    inside = [it for it in observed.columns if not it.inner and it.count > it.total * _FILLED]
    found = [(it, read) for it in (*inside, *observed.root) if (read := times(it, now)) is not None]
    if split := _split(inside):
        return split
    if not found:
        why = "nothing in the sample is a time of the last decades"
        return Guess(name="observed_at", text="fill_in", sure=Sureness.UNSURE, why=why)
    ranked = sorted(found, key=lambda it: -_timeliness(*it))
    column, read = ranked[0]
    rivals = [it.path for it, other in ranked[1:] if _timeliness(column, read) - _timeliness(it, other) < _CLOSE]
    if not read.zoned:
        text = f"{{ from: {quoted(column.path)}, zone: !unsure {ZONE} }}"
        why = "its times have no zone; Europe/Brussels is the clock on the wall, UTC and +01:00 (all year) occur too"
        return Guess(name="observed_at", text=text, sure=Sureness.LIKELY, why=why, path=column.path)
    text = f"{{ from: {quoted(column.path)}, {read.words} }}" if read.words else quoted(column.path)
    if rivals:
        why = f"a time; so is {', '.join(rivals[:3])}: take the one of the measurement"
        return Guess(name="observed_at", text=text, sure=Sureness.UNSURE, why=why, path=column.path)
    kind = f"counts {read.words.removeprefix('as: epoch_')} since 1970" if read.words else "carries its zone"
    if column.path.startswith("$."):
        why = f"{kind}; the only time there is, one for the whole document"
        return Guess(name="observed_at", text=text, sure=Sureness.LIKELY, why=why, path=column.path)
    return Guess(name="observed_at", text=text, sure=Sureness.SURE, why=f"a time that {kind}", path=column.path)


def _timeliness(column: Column, read: Times) -> float:
    key = column.keys[-1]
    score = 0.3 * bool(_OBSERVED.search(key)) - 0.4 * bool(_OTHER.search(key)) + 0.1 * ("time" in meanings(key))
    return (
        score
        + 0.05 * read.zoned
        - 0.5 * column.path.startswith("$.")
        - 0.03 * len(column.keys)
        - 0.1 * (column.count < column.total)
    )


def _split(columns: Sequence[Column]) -> Guess | None:
    """Find a date in one column and a time of day in another."""
    days = [it for it in columns if it.values and all(_DAY.fullmatch(str(value)) for value in it.values)]
    clocks = [it for it in columns if it.values and all(_CLOCK.fullmatch(str(value)) for value in it.values)]
    if len(days) != 1 or not clocks:
        return None
    text = f"{{ date: {quoted(days[0].path)}, time: {quoted(clocks[0].path)}, zone: !unsure {ZONE} }}"
    why = "a date and a time of day, without zone; Europe/Brussels is the clock on the wall"
    return Guess(name="observed_at", text=text, sure=Sureness.LIKELY, why=why, path=days[0].path)


def point(observed: Observed) -> Guess | None:
    """Guess where a thing is: which columns, in which order and system; None without any pair that can be a place."""
    ranked: list[tuple[float, Guess]] = []
    for first, second, named in _pairs([it for it in observed.columns if not it.inner]):
        found = point_of(first, second, projected_too=named)
        if found is not None:
            ranked.append(_placed(first, found, named=named))
    return max(ranked, key=lambda it: it[0])[1] if ranked else None


def _pairs(columns: Sequence[Column]) -> Iterator[tuple[Column, Column, bool]]:
    """Yield columns that may be east and north of one place, and whether they are called so."""
    by_parent: dict[tuple[str, ...], list[Column]] = {}
    for column in columns:
        by_parent.setdefault(column.keys[:-1], []).append(column)
    for siblings in by_parent.values():
        east = [it for it in siblings if _EAST.fullmatch(it.keys[-1])]
        north = [it for it in siblings if _NORTH.fullmatch(it.keys[-1])]
        yield from ((first, second, True) for first, second in zip(east, north, strict=False))
        pair = [it for it in siblings if it.keys[-1] in ("0", "1")]
        if len(pair) == 2 and numbers(pair[0]) and numbers(pair[1]):
            yield pair[0], pair[1], False
            yield pair[1], pair[0], False


def _placed(first: Column, found: Place, *, named: bool) -> tuple[float, Guess]:
    text = f"{{ {found.words} }}"
    filled = first.count / first.total
    system = {31370: "Lambert 72", 3812: "Lambert 2008"}.get(found.crs or 0, "WGS 84")
    if not found.near:
        is_pair = first.keys[-1] == "0" and "coordinates" in first.keys
        why = "not in Belgium: look whether longitude and latitude are the right way round"
        guess = Guess(name="point", text=text, sure=Sureness.UNSURE, why=why, path=first.path)
        return 0.1 + 0.3 * named + 0.2 * is_pair + 0.1 * filled, guess
    if named:
        why = f"called so, and in {system} all of them are in or near Belgium"
        sure = Sureness.SURE if found.crs is None else Sureness.LIKELY
        return 0.9 + 0.1 * filled - 0.05 * bool(found.crs), Guess(
            name="point", text=text, sure=sure, why=why, path=first.path
        )
    why = "a pair that is in or near Belgium in this order only"
    return 0.7 + 0.1 * filled, Guess(name="point", text=text, sure=Sureness.LIKELY, why=why, path=first.path)
