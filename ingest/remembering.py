"""Remembering: bounded tables of what pure functions gave, so that a feed that repeats itself is read by looking up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Texts of one name: a feed of the size of Flanders' motorways has some 200 speeds, a few hundred times, 5,000 rows.
_TEXTS = 16_384
# Characters of a text that is worth its place: numbers, times and codes are shorter, prose never comes again.
_LONGEST = 64
# Entities of one source: four times the largest feed of today. An entry of a car park holds 3 kB.
_ENTITIES = 16_384
# After so many times that number that found no room, those who have it are asked to leave.
_PATIENCE = 4


class Remembered(dict[Any, Any]):
    """The values of a conversion by what it was given: `remembered[text]` is `convert(text)`.

    Ask for texts or tuples of texts only: 1, 1.0 and True are one key of a dictionary, and not one value. A refusal is
    raised each time anew.
    """

    __slots__ = ("_convert",)

    def __init__(self, convert: Callable[[Any], Any]) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, given: Any) -> Any:
        """Convert, and remember where that is worth it."""
        value = self._convert(given)
        if len(given) <= _LONGEST and (type(given) is str or sum(map(len, given)) <= _LONGEST):
            if len(self) >= _TEXTS:
                self.clear()
            self[given] = value
        return value


class Entities(dict[str, tuple[Any, ...]]):
    """What is constant of each entity, by its key: first the raw values that all the rest was made of.

    Who compares those with the raw values of an item, and finds them equal, may use the rest.
    """

    __slots__ = ("_turned_away",)

    def __init__(self) -> None:
        super().__init__()
        self._turned_away = 0

    def keep(self, key: Any, entry: tuple[Any, ...]) -> None:
        """Keep an entry where its raw values equal nothing but themselves, and there is room.

        A table that is full stays as it is for a while: who reads more entities than it holds, one after the other,
        would otherwise find none.
        """
        if type(key) is not str or not all(map(_is_itself, entry[0])):
            return
        if len(self) >= _ENTITIES and key not in self:
            self._turned_away += 1
            if self._turned_away < _PATIENCE * _ENTITIES:
                return
            self._turned_away = 0
            self.clear()
        self[key] = entry


def _is_itself(raw: Any) -> bool:
    """Say whether a value equals no value of another type: 1 equals True, 3.0 equals 3."""
    return raw is None or type(raw) is str or (type(raw) is float and not raw.is_integer())
