"""Proposal: the list and the model that fit a sample best, and a guess for each line of the source file; pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ingest.check import fields_of
from ingest.decoders.whole import Whole
from ingest.observed import observed_of
from ingest.personal import looks_random
from ingest.proposing.guess import Guess, Sureness, entity, observed_at, point
from ingest.proposing.matching import match
from ingest.proposing.observing import Column, Observed, lists_of
from ingest.proposing.values import quoted
from ingest.proposing.words import meanings
from vocab.model import Field, Kind, Model

# Lists of a document that are weighed against the models.
_LISTS = 5
# Stands for the name of the stream, which whoever writes the file knows.
STREAM = "{stream}"
_BUILT_IN = ("entity", "observed_at", "point")
# By how much one model must fit better than the next to be sure, and to be likely.
_CLEARLY, _RATHER = 2.0, 1.25
# What a proposal gains where its sample is called like the model, and loses for a required name without column.
_SAME_SUBJECT, _LACK = 1.0, 1.5
# What a list inside a list costs: the one around it says the same with less.
_DEEPER = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A group of the model bound to a list inside each thing."""

    name: str
    each: str
    guesses: tuple[Guess, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is proposed for a sample: `model`, `each` and `every` are guesses too; `spare` are columns nobody took."""

    model: Guess
    each: Guess
    every: Guess
    versioned: bool
    guesses: tuple[Guess, ...]
    rows: tuple[Rows, ...]
    spare: tuple[str, ...]
    fit: float

    @property
    def doubts(self) -> int:
        """Count the lines that are marked."""
        inside = [guess for rows in self.rows for guess in rows.guesses]
        marked = [it for it in (self.model, self.each, *self.guesses, *inside) if it.sure is Sureness.UNSURE]
        zones = [it for it in (*self.guesses, *inside) if "!unsure" in it.text]
        return len(marked) + len(zones)


def propose(document: Whole, models: Sequence[Model], *, called: str, now: datetime) -> Proposal | None:
    """Propose bindings for a document; `called` is what people call the sample (its file, its address).

    None where the document has no list of things.
    """
    lists = lists_of(document.value, document.root)[:_LISTS]
    found = [_fitted(observed, model, called=called, now=now) for observed in lists for model in models]
    if not found:
        return None
    ranked = sorted(found, key=lambda it: it.fit, reverse=True)
    best = ranked[0]
    others = [it for it in ranked if it.model.text != best.model.text]
    next_fit = max(others[0].fit, 0.01) if others else 0.01
    sure, why = Sureness.UNSURE, f"fits about as well as {others[0].model.text}" if others else "its names fit badly"
    if len(models) == 1:
        sure, why = Sureness.SURE, "as asked"
    elif best.fit >= _CLEARLY * next_fit and best.fit > _CLEARLY:
        sure, why = Sureness.SURE, "its names fit far better than those of any other"
    elif best.fit >= _RATHER * next_fit and best.fit > _CLEARLY:
        sure, why = Sureness.LIKELY, f"its names fit best, {others[0].model.text} next"
    elif best.fit <= 0:
        why = "no model fits; ask for one, or choose: smartflanders source new --model"
    model = Guess(name="model", text=best.model.text, sure=sure, why=why)
    each = _each(best, lists)
    return Proposal(
        model=model,
        each=each,
        every=_every(lists),
        versioned=best.versioned,
        guesses=best.guesses,
        rows=best.rows,
        spare=best.spare,
        fit=best.fit,
    )


def _each(best: Proposal, lists: Sequence[Observed]) -> Guess:
    taken = next(it for it in lists if it.each == best.each.text)
    others = [it.each for it in lists if not it.each.startswith(best.each.text) and it.each not in best.each.text]
    what = f"{taken.total} items with {len(taken.columns)} values each"
    if not others:
        return Guess(name="each", text=best.each.text, sure=Sureness.SURE, why=f"the only list of things, {what}")
    return Guess(
        name="each", text=best.each.text, sure=Sureness.LIKELY, why=f"{what}; other lists: {', '.join(others[:3])}"
    )


def _every(lists: Sequence[Observed]) -> Guess:
    """Guess how often to ask: what the document says itself, as GBFS does, or every minute."""
    for column in (column for observed in lists for column in observed.root):
        if column.keys == ("ttl",) and column.values and type(column.values[0]) is int and column.values[0] > 0:
            text = f"{max(column.values[0], 10)}s"
            return Guess(name="every", text=text, sure=Sureness.SURE, why="the document says so: ttl")
    return Guess(name="every", text="60s", sure=Sureness.LIKELY, why="how often it changes, one sample does not tell")


def _fitted(observed: Observed, model: Model, *, called: str, now: datetime) -> Proposal:
    fields = fields_of(model)
    who, when, where = entity(observed), observed_at(observed, now), point(observed)
    used = {who.path, when.path}
    own = [it for it in fields.values() if it.group is None and it.name not in _BUILT_IN]
    columns = [it for it in (*observed.columns, *observed.root) if not it.inner and it.path != when.path]
    matches = match(model, own, [it for it in columns if it.path != who.path], now)
    guesses = {it.guess.name: it.guess for it in matches}
    rows = tuple(_rows(observed, model, fields.values(), now))
    gain = sum(it.score**2 * (2 if it.field.required else 1) for it in matches)
    gain += sum(2.0 for each in rows for guess in each.guesses if guess.sure is not Sureness.UNSURE)
    lacking, lack = _lacking(own, guesses, who)
    if (nothing := _nothing(model, {*guesses, *(each.name for each in rows)})) is not None:
        lacking, lack = [*lacking, nothing], lack + 1
    placed = [where] if where is not None else _unplaced(fields["point"])
    lack += bool(where is None and fields["point"].required)
    lack += sum(1 for group in _needed_groups(fields.values()) if group not in {each.name for each in rows})
    subject = meanings(model.name) | meanings(model.title.get("en", "")) | meanings(model.title.get("nl", ""))
    gain /= 1 + _DEEPER * (observed.each.count("*") - 1)
    gain += _SAME_SUBJECT * bool(subject & meanings(called))
    inside = [guess for each in rows for guess in each.guesses]
    texts = [guess.text for guess in (*guesses.values(), *placed, *inside)]
    used |= {it.path for it in columns if any(quoted(it.path) in text for text in texts)}
    return Proposal(
        model=Guess(name="model", text=model.name, sure=Sureness.LIKELY, why=""),
        each=Guess(name="each", text=observed.each, sure=Sureness.LIKELY, why=""),
        every=Guess(name="every", text="60s", sure=Sureness.LIKELY, why=""),
        versioned=model.versioned,
        guesses=(_hidden(who, fields["entity"], observed.columns), when, *_ordered(own, guesses, lacking), *placed),
        rows=rows,
        spare=tuple(_spare(columns, used)),
        fit=gain - _LACK * lack if gain else -_LACK * lack,
    )


def _ordered(own: Sequence[Field], guesses: dict[str, Guess], lacking: Sequence[Guess]) -> list[Guess]:
    """Put guesses into the order of the model."""
    found = {**guesses, **{guess.name: guess for guess in lacking}}
    return [found[field.name] for field in own if field.name in found]


def _lacking(own: Iterable[Field], guesses: dict[str, Guess], who: Guess) -> tuple[list[Guess], int]:
    """Guess required names that no column is, and count those for which there is nothing at all."""
    found, count = [], 0
    for field in own:
        if not field.required or field.name in guesses:
            continue
        if field.kind is Kind.IRI and who.path:
            text = f"{{ from: {quoted(who.path)}, entity_of: !unsure {STREAM} }}"
            why = "this stream, or the one that describes these things themselves, if there is one"
            found.append(Guess(name=field.name, text=text, sure=Sureness.LIKELY, why=why, path=who.path))
            continue
        count += 1
        why = f"required, and no key of the sample means it: {field.description.get('en', field.kind.value)}"
        text = "{ from: fill_in, language: nl }" if field.kind is Kind.TEXT else "fill_in"
        found.append(Guess(name=field.name, text=text, sure=Sureness.UNSURE, why=why))
    return found, count


def _nothing(model: Model, bound: Collection[str]) -> Guess | None:
    """Ask for one of the names that an observation is made of, where none of them was found."""
    needed = observed_of(model)
    if not needed.names or any(name in bound for name in needed.all):
        return None
    why = f"one of {', '.join(needed.names[:8])} must be there, and no key of the sample means any of them"
    return Guess(name=needed.names[0], text="fill_in", sure=Sureness.UNSURE, why=why)


def _unplaced(field: Field) -> list[Guess]:
    if not field.required:
        return []
    why = "required, and nothing in the sample is a place; another document may have it: see lookup"
    return [Guess(name="point", text="{ longitude: fill_in, latitude: fill_in }", sure=Sureness.UNSURE, why=why)]


def _hidden(who: Guess, field: Field, columns: Sequence[Column]) -> Guess:
    """Say what is done about ids of vehicles that persons use: those that may be drawn are, others are hidden."""
    if not field.personal or not who.path:
        return who
    values = next(it.values for it in columns if it.path == who.path)
    is_drawn = all(looks_random(str(value)) for value in values)
    why = f"{who.why}; ids of vehicles must be new after every trip (rotate: publisher), or are hidden anew each day"
    text = f"{{ from: {who.text}, rotate: !unsure {'publisher' if is_drawn else 'daily'} }}"
    return Guess(name=who.name, text=text, sure=who.sure, why=why, path=who.path)


def _needed_groups(fields: Iterable[Field]) -> set[str]:
    return {field.group for field in fields if field.group and field.required}


def _rows(observed: Observed, model: Model, fields: Iterable[Field], now: datetime) -> Iterable[Rows]:
    """Bind each group of a model to the list inside the things that fits it best."""
    fields = list(fields)
    for group in dict.fromkeys(field.group for field in fields if field.group):
        inner = [field for field in fields if field.group == group]
        found: list[tuple[float, Rows]] = []
        for each in dict.fromkeys(column.inner for column in observed.columns if column.inner):
            columns: list[Column] = [column for column in observed.columns if column.inner == each]
            matches = match(model, inner, columns, now)
            guesses = {it.guess.name: it.guess for it in matches}
            missing = [field for field in inner if field.required and field.name not in guesses]
            if guesses and not missing:
                ordered = tuple(guesses[field.name] for field in inner if field.name in guesses)
                found.append((sum(it.score for it in matches), Rows(name=str(group), each=each, guesses=ordered)))
        if found:
            yield max(found, key=lambda it: it[0])[1]


def _spare(columns: Sequence[Column], used: set[str]) -> list[str]:
    return [it.path for it in columns if it.path not in used and it.count and not it.path.startswith("$.")]
