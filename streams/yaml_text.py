"""YAML as text: where its words stand, and other words in their places; comments and layout stay as they are."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import yaml

from streams.errors import ConfigError, Problem

# What may stand without quotes anywhere, in `[…]` and `{…}` too.
_PLAIN = re.compile(r"[A-Za-z0-9/_][\w./:@%+?&=~()-]*( [\w./@%+?&=~()-]+)*")
_PLAIN_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_COMMENT = re.compile(r"#[^\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One scalar of a document: `path` leads to it through keys and numbers, as texts.

    `start` and `end` are where it stands in the text, quotes included. A key has itself as the end of its path.
    """

    path: tuple[str, ...]
    text: str
    is_key: bool
    start: int
    end: int
    line: int


def words_of(text: str, *, where: str) -> tuple[Word, ...]:
    """Find every scalar of a document in the order of the text; nothing for an empty one.

    Raises:
        ConfigError: it is no YAML, or has aliases.

    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        problem = Problem(where=where, what=f"this is no YAML: {error}", fix="mend it, and try again")
        raise ConfigError([problem], where=where) from error
    found = sorted(_words(root, ()), key=lambda word: word.start) if root is not None else []
    if any(one.end > other.start for one, other in pairwise(found)):
        problem = Problem(where=where, what="aliases (*name) are not supported here", fix="write the values out")
        raise ConfigError([problem], where=where)
    return tuple(found)


def _words(node: yaml.Node, path: tuple[str, ...]) -> Iterator[Word]:
    if isinstance(node, yaml.ScalarNode):
        yield _word(node, path, is_key=False)
    elif isinstance(node, yaml.SequenceNode):
        for number, each in enumerate(node.value):
            yield from _words(each, (*path, str(number)))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (*path, key.value if isinstance(key, yaml.ScalarNode) else "?")
            if isinstance(key, yaml.ScalarNode):
                yield _word(key, below, is_key=True)
            yield from _words(value, below)


def _word(node: yaml.ScalarNode, path: tuple[str, ...], *, is_key: bool) -> Word:
    start, end = node.start_mark, node.end_mark
    return Word(path=path, text=node.value, is_key=is_key, start=start.index, end=end.index, line=start.line + 1)


def rewritten(
    text: str, *, where: str, word: Callable[[Word], str], comment: Callable[[str], str] = lambda text: text
) -> str:
    """Return a document with the words that `word` gives, and the comments that `comment` makes of those there are.

    A word that stays the same keeps its spelling, byte by byte; another one is quoted where it has to be, and a number
    in the place of a number stays one.

    Raises:
        ConfigError: it is no YAML, or has aliases.

    """
    parts: list[str] = []
    position = 0

    def gap(end: int) -> str:
        return _COMMENT.sub(lambda found: comment(found.group()), text[position:end])

    for each in words_of(text, where=where):
        parts.append(gap(each.start))
        new = word(each)
        old = text[each.start : each.end]
        # A block of text ends after its last line break, which belongs to the layout.
        parts.append(old if new == each.text else _in_place(new, old))
        position = each.end
    return "".join([*parts, gap(len(text))])


def _in_place(new: str, old: str) -> str:
    if not old:
        return f" {written(new)}"
    if _PLAIN_NUMBER.fullmatch(old) and _PLAIN_NUMBER.fullmatch(new):
        return new
    # Commas and brackets without quotes are only where no list or mapping is open on the line.
    if old[0] not in "\"'|>" and set(",[]{}") & set(old) and _reads(f"key: {new}") == {"key": new}:
        return new
    return written(new) + ("\n" if old.endswith("\n") else "")


def _reads(text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def written(text: str) -> str:
    """Write a text as a scalar that is read as this very text: plain where it can be, else in double quotes."""
    if _PLAIN.fullmatch(text) and ": " not in text and not text.endswith(":") and _reads(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)
