"""Drafting: a proposal as a source file for people, a comment on each line, a mark on what nobody can know; pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.proposing.guess import Guess, Sureness
from ingest.proposing.proposal import STREAM, Proposal
from ingest.proposing.values import quoted
from streams.yaml_lines import UNSURE

_LICENCE = "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0"
# The environment variable that a draft takes the secret of hidden ids from.
SALT = "VEHICLE_SALT"
# Columns that nobody took, as many as a line holds.
_SPARE = 12
_WIDTH = 118


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What the sample does not say: the `name` of the source, the address it came from, its format, the sample's file."""

    name: str
    url: str
    format: str
    sample: str


def draft(proposal: Proposal, frame: Frame) -> str:
    """Write the source file; without its marks (`accepted`) it can be loaded."""
    return "\n".join(_lines(proposal, frame)).replace(STREAM, frame.name) + "\n"


def accepted(text: str) -> str:
    """Return a draft with every guess taken for true."""
    return text.replace(f"{UNSURE} ", "")


def _lines(proposal: Proposal, frame: Frame) -> Iterator[str]:
    yield f"# Proposed by `smartflanders source new` from {frame.sample}. Each line says how sure it is, and why."
    yield "# `smartflanders source check` names every guess that is marked: mend it or leave it, and take the mark away."
    yield f"source: {frame.name}"
    yield from _people(frame)
    yield "http_poll:"
    why = "as given" if frame.url else "the address that the sample came from"
    url = Guess(name="url", text=quoted(frame.url or "https://example.org/fill-in"), sure=_if(frame.url), why=why)
    yield from _line(url, "  ")
    yield from _line(proposal.every, "  ")
    yield from _line(proposal.model, "")
    yield f"stream: {frame.name}"
    if frame.format:
        yield f"format: {frame.format}"
    yield from _line(
        Guess(name="each", text=quoted(proposal.each.text), sure=proposal.each.sure, why=proposal.each.why), ""
    )
    yield "bind:"
    for guess in proposal.guesses:
        yield from _line(guess, "  ")
    for rows in proposal.rows:
        yield from (f"  {rows.name}:", f"    each: {quoted(rows.each)}", "    bind:")
        for guess in rows.guesses:
            yield from _line(guess, "      ")
    if any("rotate: !unsure daily" in guess.text for guess in proposal.guesses):
        yield f"# sure: the secret that hides ids, 16 or more random characters in the environment variable {SALT}"
        yield f'privacy: {{ salt: "${{{SALT}}}" }}'
    if proposal.versioned:
        yield "# sure: an entity that says the same again is no news, but once in a quarter of an hour a sign of life"
        yield "publish: { when: changed, heartbeat: 15m }"
    if proposal.spare:
        more = f" and {len(proposal.spare) - _SPARE} more" if len(proposal.spare) > _SPARE else ""
        text = f"Not bound: {', '.join(proposal.spare[:_SPARE])}{more}"
        yield from textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_long_words=False)


def _people(frame: Frame) -> Iterator[str]:
    """Write what only people know."""
    text = f"{{ nl: {quoted(frame.name)}, en: {quoted(frame.name)} }}"
    for guess in (
        Guess(name="title", text=text, sure=Sureness.UNSURE, why="what the stream is called, in Dutch and English"),
        Guess(name="description", text=text, sure=Sureness.UNSURE, why="a sentence about it, in Dutch and English"),
        Guess(
            name="publisher",
            text="{ name: fill in, iri: https://example.org/id/organisation/fill-in }",
            sure=Sureness.UNSURE,
            why="who publishes the data; organisations of Flanders have an IRI below data.vlaanderen.be/id/organisatie",
        ),
        Guess(name="licence", text=_LICENCE, sure=Sureness.UNSURE, why="the one that most open data of Flanders has"),
    ):
        yield from _line(guess, "")


def _if(known: str) -> Sureness:
    return Sureness.SURE if known else Sureness.UNSURE


def _line(guess: Guess, lead: str) -> Iterator[str]:
    """Write a line with its comment behind it, or above it where that would make it long."""
    mark = f"{UNSURE} " if guess.sure is Sureness.UNSURE else ""
    line, comment = f"{lead}{guess.name}: {mark}{guess.text}", f"# {guess.sure.value}: {guess.why}"
    if len(line) + 2 + len(comment) <= _WIDTH:
        yield f"{line}  {comment}"
    else:
        yield from textwrap.wrap(comment, _WIDTH, initial_indent=lead, subsequent_indent=f"{lead}#   ")
        yield line
