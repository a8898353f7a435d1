"""Observed: of which names an item must give at least one, so that its member observes something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

import orjson

from ingest.conversions import Refused
from streams.record import Reason
from vocab.context import read_names
from vocab.model import Model
from vocab.slots import texts
from vocab.terms import HAS_MEMBER, VKM_HAS_MEMBER


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The names and repeated groups that the observations of a collection are made of; none for other models."""

    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def within(self, bound: Mapping[str, object]) -> Observed:
        """Return what of it is bound."""
        return Observed(
            names=tuple(name for name in self.names if name in bound),
            groups=tuple(group for group in self.groups if group in bound),
        )

    @property
    def all(self) -> tuple[str, ...]:
        """Every name and group."""
        return (*self.groups, *self.names)

    @property
    def absence(self) -> str:
        """The expression that is true where none of them has a value, in generated code."""
        tests = [*(f"not v_{group}" for group in self.groups), *(f"v_{name} is None" for name in self.names)]
        return " and ".join(tests)


def observed_of(model: Model) -> Observed:
    """Read from a template what its observations are made of; nothing where one of them is there whatever is bound."""
    terms = read_names(orjson.loads(model.context)).terms
    names: list[str] = []
    groups: list[str] = []
    for key, value in model.template.items():
        if key not in terms or terms[key].iri not in (HAS_MEMBER, VKM_HAS_MEMBER):
            continue
        for item in value:
            if "@each" in item:
                groups.append(item["@each"])
                continue
            own = [slot for text in texts(item) for slot in text.slots if slot in model.fields]
            if not own or any(model.fields[slot].required for slot in own):
                return Observed()
            names += own
    return Observed(names=tuple(dict.fromkeys(names)), groups=tuple(dict.fromkeys(groups)))


def unobserved(names: Sequence[str]) -> NoReturn:
    """Refuse an item that observes nothing."""
    has = "has" if len(names) == 1 else "have"
    raise Refused(Reason.MISSING, "", f"nothing is observed: {', '.join(names)} {has} no value")
