"""Matching: which column of a sample is which name of a model, and the words that convert it; pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ingest.proposing.guess import Guess, Sureness
from ingest.proposing.observing import Column
from ingest.proposing.values import SENTINELS, has_comma, is_boolean, is_iri, numbers, quoted, sentinels, times
from ingest.proposing.words import best, likeness, meanings
from ingest.units import Scale, scaled, unit_scale
from vocab.model import Field, Kind, Model

# What a likeness is at least to be proposed, likely and sure.
_LEAST, _LIKELY, _SURE = 0.5, 0.66, 0.99
# Units of publishers that values betray: unit of the model, unit sent, and what smallest and largest value then are.
_BETRAYED = (
    ("%", "1", 0.0, 1.0),
    ("hPa", "Pa", 5000.0, 200_000.0),
    ("Cel", "K", 200.0, 350.0),
)
_ROW = re.compile(r"^\|\s*`([a-z][a-z0-9_]*)`[^|]*\|(.*)\|\s*$", re.MULTILINE)
_LANGUAGES = frozenset(("nl", "en", "fr", "de"))
# Numbers that a column called `P2` or `PM10` has in its key, units of which others make a word.
_UNITS = {"ms": "m/s", "kmh": "km/h", "kph": "km/h", "cm": "cm", "mm": "mm", "pa": "Pa", "kelvin": "K"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A column that may be a name, how much it is called like it, and the guess that it makes."""

    field: Field
    column: Column
    score: float
    guess: Guess


def called(model: Model, field: Field) -> list[frozenset[str]]:
    """Return what a name of a model is called: itself, its labels, and what other vocabularies call it."""
    texts = [field.name, *field.label.values(), *_terms(model, field.name)]
    texts += [key for key, value in _slots(model.template) if value == f"{{{field.name}}}"]
    return list(dict.fromkeys(meanings(text) for text in texts if text))


def _terms(model: Model, name: str) -> list[str]:
    """Return the terms of the alignment table in the model's README, without their prefixes."""
    _, _, table = model.readme.partition("## Alignment")
    rows = [cells for found, cells in _ROW.findall(table) if found == name]
    words = [word for cells in rows for word in re.findall(r"[A-Za-z][\w.:-]+", cells)]
    return [word.rpartition(":")[2].rpartition(".")[2] for word in words]


def _slots(template: Any) -> Iterable[tuple[str, str]]:
    if isinstance(template, Mapping):
        for key, value in template.items():
            if isinstance(value, str):
                yield key, value
            yield from _slots(value)
    elif isinstance(template, list):
        for value in template:
            yield from _slots(value)


def match(model: Model, fields: Sequence[Field], columns: Sequence[Column], now: datetime) -> list[Match]:
    """Pair names with columns, the best pair first; a column is one name, and a name one column."""
    found: list[Match] = []
    words = {field.name: called(model, field) for field in fields}
    often = Counter(each for names in words.values() for each in names)
    for field in fields:
        # What several names are called tells none of them: `result`, `intensity`.
        own = meanings(field.name)
        names = [each for each in words[field.name] if often[each] == 1 or each == own]
        for column in columns:
            score = max(best(_told(column), names), _of_kind(field, column))
            guess = _guess(field, column, score, now) if score >= _LEAST else None
            if guess is not None:
                found.append(Match(field=field, column=column, score=score, guess=guess))
    taken: dict[str, Match] = {}
    paths: set[str] = set()
    # Of equals the one that is there more often, then the one that is less deep.
    for each in sorted(found, key=lambda it: (-it.score, -it.column.count, len(it.column.keys))):
        if each.field.name not in taken and each.column.path not in paths:
            taken[each.field.name] = each
            paths.add(each.column.path)
    return list(taken.values())


def _of_kind(field: Field, column: Column) -> float:
    """Say how much a column that is called a kind of something tells by its values: codes of ours, nothing else."""
    if field.kind is not Kind.CODE or "kind" not in meanings(column.keys[-1]) or "kind" not in meanings(field.name):
        return 0.0
    return _LIKELY if column.values and all(_nearest(str(it), field.codes) for it in column.values) else 0.0


def _told(column: Column) -> list[frozenset[str]]:
    """Return what the keys of a column tell: its own, and with the one around it."""
    own = meanings(column.keys[-1])
    if own == {"space"}:
        # `capacity` alone is all there are.
        own = frozenset(("space", "total"))
    if len(column.keys) == 1:
        return [own]
    both = meanings(f"{column.keys[-2]} {column.keys[-1]}")
    # Of an element that was chosen by a word, the word tells what its value is.
    return [both, meanings(column.keys[-2])] if "=" in column.path else [own, both]


def _guess(field: Field, column: Column, score: float, now: datetime) -> Guess | None:
    if not column.values or (column.path.startswith("$.") and field.kind is not Kind.DATETIME):
        return None
    if field.kind in (Kind.INTEGER, Kind.DOUBLE):
        return _number(field, column, score)
    if field.kind is Kind.CODE:
        return _code(field, column, score)
    if field.kind is Kind.DATETIME:
        read = times(column, now)
        if read is None:
            return None
        text = f"{{ from: {quoted(column.path)}, {read.words} }}" if read.words else quoted(column.path)
        return _made(field, text, Sureness.LIKELY if read.zoned else Sureness.UNSURE, "a time", column)
    if field.kind is Kind.TEXT:
        return _text(field, column, score)
    fits = {Kind.BOOLEAN: is_boolean, Kind.IRI: is_iri, Kind.STRING: _is_text}.get(field.kind)
    if fits is None or not fits(column):
        return None
    return _made(field, quoted(column.path), _sureness(score), _why(score, field, column), column)


def _made(field: Field, text: str, sure: Sureness, why: str, column: Column) -> Guess:
    return Guess(name=field.name, text=text, sure=sure, why=why, path=column.path)


def _sureness(score: float) -> Sureness:
    if score >= _SURE:
        return Sureness.SURE
    return Sureness.LIKELY if score >= _LIKELY else Sureness.UNSURE


def _why(score: float, field: Field, column: Column) -> str:
    how = "means the same" if score >= _SURE else "means nearly the same" if score >= _LIKELY else "may mean it"
    seen = ", ".join(quoted(it) for it in column.values[:2] if len(str(it)) <= 24)
    label = field.label.get("en", field.name)
    return f"its key {how} as {label}" + (f"; {seen}" if seen else "")


def _is_text(column: Column) -> bool:
    return all(isinstance(value, str | int) and not isinstance(value, bool) for value in column.values)


def _number(field: Field, column: Column, score: float) -> Guess | None:
    comma = has_comma(column)
    found = numbers(column, comma=comma)
    if found is None:
        return None
    unit = _unit(field, column, found)
    scale = (unit_scale(unit, field.unit) if unit and field.unit else None) or Scale()
    low, high = field.minimum, field.maximum
    values = {it: scaled(it, scale.factor, scale.offset) for it in found}
    absent = sentinels(values, low, high)
    kept = [value for it, value in values.items() if it not in absent]
    good = [it for it in kept if (low is None or it >= low) and (high is None or it <= high)]
    if field.kind is Kind.INTEGER:
        good = [it for it in good if it.is_integer()]
    if len(good) * 2 <= len(kept):
        return None
    words = [f"not: [{', '.join(quoted(it) for it in absent)}]"] if absent else []
    words += ["decimal: comma"] if comma else []
    words += [f"unit: {quoted(unit)}"] if unit else []
    sure, why = _sureness(score), _why(score, field, column)
    if absent:
        why += f"; {', '.join(quoted(it) for it in absent)} cannot be a value"
    if unit:
        there = [it for it in found if it not in absent]
        sure, why = Sureness.LIKELY, f"{why}; its key or values from {min(there):g} to {max(there):g} say {unit}"
    if len(good) < len(kept):
        sure, why = Sureness.UNSURE, f"{why}; {len(kept) - len(good)} of {len(kept)} values are outside its range"
    text = f"{{ from: {quoted(column.path)}, {', '.join(words)} }}" if words else quoted(column.path)
    return _made(field, text, sure, why, column)


def _unit(field: Field, column: Column, found: Sequence[float]) -> str:
    """Guess a unit other than the model's from the values or the key; empty where they betray none."""
    for unit, sent, low, high in _BETRAYED:
        is_share = sent != "1" or any(not it.is_integer() for it in found)
        good = [it for it in found if it not in SENTINELS]
        if field.unit == unit and is_share and good and low <= min(good) and max(good) <= high and max(good) > 0:
            return sent
    last = re.split(r"[_\W]", column.keys[-1].lower())[-1]
    wanted = _UNITS.get(last, "")
    is_other = field.unit is not None and wanted not in ("", field.unit)
    return wanted if is_other and unit_scale(wanted, str(field.unit)) is not None else ""


def _code(field: Field, column: Column, score: float) -> Guess | None:
    if not all(isinstance(value, str | int) and not isinstance(value, bool) for value in column.values):
        return None
    table, strange = {}, []
    for value in column.values[:40]:
        code = _nearest(str(value), field.codes)
        if code:
            table[str(value)] = code
        else:
            strange.append(str(value))
    if column.distinct > len(field.codes) + 12 or (not table and not field.required and score < _SURE):
        return None
    entries = [f"{quoted(key)}: {code}" for key, code in table.items()] + [f"{quoted(key)}: absent" for key in strange]
    rest = "" if field.required else ", otherwise: absent"
    text = f"{{ from: {quoted(column.path)}, map: {{ {', '.join(entries)} }}{rest} }}"
    if strange:
        why = f"say what is meant by {', '.join(strange[:6])}: one of {', '.join(field.codes[:8])}"
        return _made(field, text, Sureness.UNSURE, why, column)
    why = f"{_why(score, field, column)}; other codes may come"
    return _made(field, text, Sureness.LIKELY if score >= _LIKELY else Sureness.UNSURE, why, column)


def _nearest(value: str, codes: Sequence[str]) -> str:
    """Return the code that a publisher's word means; empty for none."""
    if value in codes:
        return value
    ranked = sorted(((likeness(meanings(value), meanings(code)), code) for code in codes), reverse=True)
    is_clear = ranked and ranked[0][0] >= _LIKELY and (len(ranked) == 1 or ranked[0][0] > ranked[1][0])
    return ranked[0][1] if is_clear and not value.isdigit() else ""


def _text(field: Field, column: Column, score: float) -> Guess | None:
    if not all(isinstance(value, str) for value in column.values) or column.keys[-1] == "language":
        return None
    told = set(re.split(r"[_\W]", column.keys[-1].lower())) & _LANGUAGES
    language = next(iter(told), "nl")
    why = _why(score, field, column)
    sure = _sureness(score)
    if not told:
        sure, why = (sure if sure is Sureness.UNSURE else Sureness.LIKELY), f"{why}; taken for Dutch"
    return _made(field, f"{{ from: {quoted(column.path)}, language: {language} }}", sure, why, column)
