"""Guarding: the statements of a generated function that keep personal data out of what it publishes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ingest.bindings import Binding
from ingest.conversions import Spot
from ingest.converting import Code
from ingest.personal import NAMES, Personal, looks_random, rotated
from ingest.privacy import Privacy, search_for
from streams.record import Reason
from vocab.model import Field

# Characters of an id that no other text holds by chance.
_TELLING = 4


def private(kind: Personal, spot: Spot) -> None:
    """Refuse for personal data, without repeating it."""
    spot.refuse(Reason.PRIVACY, f"holds what looks like {NAMES[kind]}; nothing says why it may be published")


def drawn(value: Any, spot: Spot) -> None:
    """Refuse an id that cannot be drawn anew for every trip, as its file says."""
    if value is not None and not looks_random(str(value)):
        spot.refuse(Reason.PRIVACY, "is no id that is drawn anew after every trip; write rotate: daily")


def leaking(value: str, plain: Any, spot: Spot) -> None:
    """Refuse a text that holds the id which another name hides."""
    if plain is not None and len(str(plain)) >= _TELLING and str(plain) in value:
        spot.refuse(Reason.PRIVACY, "holds the id that `rotate` hides elsewhere; leave it out")


class Guarding:
    """Writes what is asked of every text before it is published; names without anything to ask have no statement."""

    def __init__(self, code: Code, fields: Mapping[str, Field], privacy: Privacy, hidden: list[str]) -> None:
        self._code = code
        self._fields = fields
        self._privacy = privacy
        self._hidden = hidden
        own: Sequence[Callable[..., None]] = (private, drawn, leaking)
        code.space.update({function.__name__: function for function in own})
        code.space["rotated"] = partial(rotated, salt=privacy.salt)

    def rotate(self, binding: Binding, *, depth: int) -> None:
        """Write the statement that hides the raw value of a binding; `received` says for which day."""
        name = binding.name
        if binding.rotate == "daily":
            hidden = f"None if r_{name} in {name}_absent else rotated(r_{name}, received)"
            self._code.add(depth, f"o_{name} = r_{name}", f"r_{name} = {hidden}")

    def value(self, binding: Binding, *, depth: int, hides: bool = True) -> None:
        """Write the statements that refuse a value; `hides` says that the ids that are hidden are at hand."""
        name, add = binding.name, self._code.add
        # An IRI made of a key is judged by the key.
        value = f"r_{name}" if binding.entity_of else f"v_{name}"
        if binding.rotate == "publisher":
            add(depth, f"drawn({value}, {name}_spot)")
        search = search_for(binding, self._fields[name], self._privacy)
        if search is None:
            return
        self._code.space[f"{name}_personal"] = search
        test = f"type({value}) is str" if binding.entity_of else f"{value} is not None"
        add(depth, f"if {test}:")
        add(depth + 1, f"if found := {name}_personal({value}):", f"    private(found, {name}_spot)")
        for other in self._hidden if hides else ():
            add(depth + 1, f"leaking({value}, o_{other}, {name}_spot)")
