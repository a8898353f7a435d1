"""What a page says as a page of a view: relations, members, immutability; read from its statements only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urldefrag

from pyoxigraph import Literal, NamedNode

from testbed.client.graph import Dataset, Term
from testbed.client.paths import Path, read_path
from testbed.client.terms import KINDS, LDES, RDF_TYPE, TREE, XSD, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A link to a page below, and what it promises of every member there; ANY promises nothing."""

    node: str
    kind: Kind = Kind.ANY
    path: Path | None = None
    value: Term | None = None
    remaining: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page as it was read; `url` is its final address, without a fragment. Notes are faults that it was read in spite of."""

    url: str
    data: Dataset
    relations: tuple[Relation, ...]
    members: tuple[str, ...]
    immutable: bool
    notes: tuple[str, ...] = ()


def read_page(data: Dataset, names: Sequence[str], stream: str) -> Page:
    """Read a page; `names` are its final address and then those that redirected to it (A29), `stream` whose members.

    Relations are those of the page itself (TREE-11). A page that names itself by an address that redirects here is
    understood, with a note.
    """
    notes: list[str] = []
    self_name = names[0]
    for name in names:
        if data.objects(NamedNode(name), TREE + "relation") or data.objects(NamedNode(name), RDF_TYPE):
            self_name = name
            break
    if self_name != names[0]:
        notes.append(f"{names[0]} calls itself {self_name}, the address that redirects to it")
    this = NamedNode(self_name)
    relations = [_relation(data, node, notes) for node in data.objects(this, TREE + "relation")]
    members = []
    for member in data.objects(NamedNode(stream), TREE + "member"):
        if isinstance(member, NamedNode):
            members.append(member.value)
        else:
            notes.append(f"{names[0]} has a member without an IRI, which is left out (LDES-11)")
    return Page(
        url=names[0],
        data=data,
        relations=tuple(each for each in relations if each is not None),
        members=tuple(members),
        immutable=any(is_true(value) for value in data.objects(this, LDES + "immutable")),
        notes=tuple(dict.fromkeys(notes)),
    )


def _relation(data: Dataset, node: Term, notes: list[str]) -> Relation | None:
    targets = [target for target in data.objects(node, TREE + "node") if isinstance(target, NamedNode)]
    if len(targets) != 1:
        notes.append(f"a relation has {len(targets)} nodes to follow, so it cannot be followed (TREE-12)")
        return None
    target = urldefrag(targets[0].value).url
    remaining = _count(data.objects(node, TREE + "remainingItems"))
    types = data.objects(node, RDF_TYPE)
    kinds = {KINDS[it.value] for it in types if isinstance(it, NamedNode) and it.value in KINDS} - {Kind.ANY}
    strangers = [it for it in types if isinstance(it, NamedNode) and it.value not in KINDS]
    paths = [read_path(data, it) for it in data.objects(node, TREE + "path")]
    values = data.objects(node, TREE + "value")
    # What is not fully understood promises nothing: following too much loses no member.
    if len(kinds) != 1 or strangers or len(paths) != 1 or paths[0] is None or len(values) != 1:
        return Relation(node=target, remaining=remaining)
    (kind,) = kinds
    return Relation(node=target, kind=kind, path=paths[0], value=values[0], remaining=remaining)


def _count(values: Sequence[Term]) -> int | None:
    if len(values) == 1 and isinstance(values[0], Literal):
        text = values[0].value.strip()
        if text.isascii() and text.isdigit() and len(text) < 19:
            return int(text)
    return None


def is_true(value: Term) -> bool:
    """Say whether a term is the boolean true."""
    return isinstance(value, Literal) and value.datatype.value == XSD + "boolean" and value.value in ("true", "1")
