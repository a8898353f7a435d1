"""YAML that remembers its lines: nodes with line numbers, faults gathered instead of raised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

import yaml

from streams.errors import ConfigError, Problem
from streams.settings import parse_duration

# Marks a value that was guessed: whoever wrote the file must confirm it before it is used.
UNSURE = "!unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Collects every fault of one file; the caller raises them together."""

    file: str
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, what: str, fix: str) -> None:
        """Note one fault."""
        self.problems.append(Problem(where=f"{self.file}:{line}", what=what, fix=fix))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One YAML node: `value` is a scalar, a list of nodes, or a dict of nodes; `text` is a scalar as written."""

    line: int
    value: object
    text: str = ""

    def items(self) -> Iterator[tuple[str, Node]]:
        """Yield the entries of a mapping; nothing for any other node."""
        if isinstance(self.value, dict):
            yield from self.value.items()

    def elements(self) -> list[Node]:
        """Return the elements of a list; a single value counts as a list of one."""
        return self.value if isinstance(self.value, list) else [self]

    def get(self, key: str) -> Node | None:
        """Return an entry of a mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    @property
    def is_mapping(self) -> bool:
        """Whether this node has keys."""
        return isinstance(self.value, dict)

    @property
    def described(self) -> str:
        """Name the kind of value in words, for messages."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return "nothing" if self.value is None else f"{self.text!r}"


def read_file(path: Path) -> tuple[Node, Faults]:
    """Read a YAML file into its document and what is wrong with it so far, named by the file's name.

    Raises:
        ConfigError: the file cannot be read at all.

    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(where=str(path), what=f"cannot be read: {error}", fix="name a readable UTF-8 file")
        raise ConfigError([problem], where=str(path)) from error
    faults = Faults(file=path.name)
    return read_yaml(text, faults), faults


def read_yaml(text: str, faults: Faults) -> Node:
    """Parse one YAML document; what cannot be read becomes a fault and an empty mapping."""
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            faults.add(1, "the file is empty", "start from another file of deploy/pilots")
            return Node(line=1, value={})
        return _convert(root, loader, faults, seen=set())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        faults.add(line, f"this is no YAML: {error.problem}", "check indentation, quotes and brackets on this line")
    except (yaml.YAMLError, ValueError) as error:
        faults.add(1, f"this is no YAML: {error}", "save the file as plain UTF-8 text")
    finally:
        loader.dispose()
    return Node(line=1, value={})


def _convert(node: yaml.Node, loader: yaml.SafeLoader, faults: Faults, *, seen: set[int]) -> Node:
    line = node.start_mark.line + 1
    if node.tag == UNSURE:
        what = f"nobody has confirmed the guess {node.value!r}" if isinstance(node, yaml.ScalarNode) else "a guess"
        what += "" if isinstance(node, yaml.ScalarNode) else " that nobody has confirmed"
        faults.add(line, what, f"mend it, or leave it as it is, and take `{UNSURE}` away")
    if isinstance(node, yaml.ScalarNode):
        if node.tag == UNSURE:
            plain = (node.style is None, node.style is not None)
            node.tag = loader.resolve(yaml.ScalarNode, node.value, plain)  # type: ignore[no-untyped-call]
        return Node(line=line, value=loader.construct_object(node), text=node.value)
    if id(node) in seen:
        # A handful of nested aliases can stand for billions of nodes.
        faults.add(line, "aliases (*name) are not supported here", "write the value out")
        return Node(line=line, value=None)
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        return Node(line=line, value=[_convert(child, loader, faults, seen=seen) for child in node.value])
    entries: dict[str, Node] = {}
    for key, value in node.value:
        name = key.value if isinstance(key, yaml.ScalarNode) else "?"
        if name in entries:
            faults.add(key.start_mark.line + 1, f"{name!r} is written twice", "keep one of the two")
        entries[name] = _convert(value, loader, faults, seen=seen)
    return Node(line=line, value=entries)


def suggest(word: str, known: Iterable[str]) -> str:
    """Return "did you mean …?", or the known words when none is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(words) or 'none'}"


def check_keys(node: Node, known: Iterable[str], faults: Faults, *, where: str) -> bool:
    """Fault a node that is no mapping, and every key of it that is not known; say whether it is a mapping."""
    if not node.is_mapping:
        faults.add(node.line, f"{where} must be a mapping, not {node.described}", "write `key: value` lines below it")
        return False
    names = tuple(known)
    for key, value in node.items():
        if key not in names:
            faults.add(value.line, f"unknown key {key!r} in {where}", suggest(key, names))
    return True


def text_of(node: Node | None, faults: Faults, *, where: str, line: int, required: bool = False) -> str:
    """Return a text, "" when there is none; fault what is no text and what is required and absent."""
    if node is None:
        if required:
            faults.add(line, f"{where} is missing", f"add `{where}: …`")
        return ""
    if isinstance(node.value, dict | list) or node.value is None:
        faults.add(node.line, f"{where} must be a text, not {node.described}", f"write `{where}: …` on one line")
        return ""
    return node.text


def duration_of(node: Node | None, faults: Faults, default: timedelta) -> timedelta:
    """Read a duration such as `60s`; fault what is none."""
    if node is None:
        return default
    try:
        return parse_duration(node.text)
    except ValueError:
        faults.add(node.line, f"{node.described} is no duration", "write for example 60s, 15m, 1h30m or 7d")
        return default


def line_of(problem: Problem) -> int:
    """Return the line of a problem that `Faults.add` noted, to sort by."""
    return int(problem.where.rpartition(":")[2])
