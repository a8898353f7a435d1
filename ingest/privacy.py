"""Privacy: what a source file says of personal data, what it must say, and what is looked for in each name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ingest.bindings import Binding, Bound, Group
from ingest.personal import NAMES, Personal, Search, searcher
from ingest.transports.secrets import demand_outside, filled
from streams.yaml_lines import Faults, Node, check_keys, suggest, text_of
from vocab.model import Field, Kind

KEYS = ("privacy",)
# Kinds of values that may hold what a publisher wrote; numbers, times, places and codes never do.
_TEXTS = (Kind.STRING, Kind.TEXT, Kind.IRI)
_WORDS = {kind.value: kind for kind in Personal}
# Characters of a salt: fewer can be guessed by trying.
_SHORTEST = 16
# Words of a reason; "ok" and "not personal" are none.
_REASON = 3
_ALLOW = 'privacy: { allow: [{ name: …, kind: …, because: "…" }] }'


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One kind of personal data that may be published, in a name or from a path of the publisher, and why."""

    line: int
    name: str
    path: str
    kinds: tuple[Personal, ...]
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """What a source file says of personal data; `salt` is the secret of `rotate: daily`, empty without one."""

    allow: tuple[Allowance, ...] = ()
    salt: bytes = field(default=b"", repr=False)

    def allowed(self, binding: Binding) -> set[Personal]:
        """List the kinds that a binding may publish."""
        paths = paths_of(binding)
        found: set[Personal] = set()
        for each in self.allow:
            if each.name == binding.name or each.path in paths:
                found.update(each.kinds)
        return found


def paths_of(binding: Binding) -> list[str]:
    """List the paths that a binding reads, as they are written."""
    sides = binding.place or ()
    return [path.text for path in (*binding.plain_paths, *(it for side in sides for it in side))]


def read_privacy(node: Node | None, faults: Faults, environ: Mapping[str, str]) -> Privacy:
    """Read the key `privacy`; what is wrong becomes a fault."""
    if node is None or not check_keys(node, ("allow", "salt"), faults, where="privacy"):
        return Privacy()
    allow = node.get("allow")
    found = [_allowance(each, faults) for each in (allow.elements() if allow is not None else ())]
    return Privacy(
        allow=tuple(each for each in found if each is not None), salt=_salt(node.get("salt"), faults, environ)
    )


def _allowance(node: Node, faults: Faults) -> Allowance | None:
    if not check_keys(node, ("name", "path", "kind", "because"), faults, where="allow"):
        return None
    name, path = (text_of(node.get(key), faults, where=key, line=node.line) for key in ("name", "path"))
    if bool(name) == bool(path):
        faults.add(
            node.line, "allow needs a name or a path", "write one of name: (of the model) and path: (of the item)"
        )
    because = text_of(node.get("because"), faults, where="because", line=node.line, required=True)
    if because and len(because.split()) < _REASON:
        fix = "say in a sentence why it may be published, such as: the number of the service desk, not of a person"
        faults.add(node.line, f"because {because!r} is no reason", fix)
    kinds = []
    listed = node.get("kind")
    for element in listed.elements() if listed is not None else ():
        if element.text in _WORDS:
            kinds.append(_WORDS[element.text])
        else:
            faults.add(element.line, f"{element.described} is no kind of personal data", suggest(element.text, _WORDS))
    if listed is None:
        faults.add(node.line, "kind is missing", f"add kind: one of {', '.join(sorted(_WORDS))}")
    return Allowance(line=node.line, name=name, path=path, kinds=tuple(kinds), because=because)


def _salt(node: Node | None, faults: Faults, environ: Mapping[str, str]) -> bytes:
    if node is None:
        return b""
    count = len(faults.problems)
    demand_outside(node, faults, name="salt")
    value = filled(node, faults, environ)
    if len(faults.problems) == count and len(value) < _SHORTEST:
        what = f"the salt has {len(value)} characters, which can be guessed by trying"
        faults.add(node.line, what, f"take {_SHORTEST} or more at random")
    return value.encode()


def each_binding(bind: Mapping[str, Bound]) -> Iterable[Binding]:
    """Yield every binding, those of groups included."""
    for bound in bind.values():
        yield from bound.bind.values() if isinstance(bound, Group) else (bound,)


def privacy_faults(bind: Mapping[str, Bound], fields: Mapping[str, Field], privacy: Privacy, faults: Faults) -> None:
    """Add what the bindings of a source lack before they may be published, and allowances of what is not there."""
    bindings = [it for it in each_binding(bind) if it.name in fields]
    names, paths = {it.name for it in bindings}, {path for it in bindings for path in paths_of(it)}
    for each in privacy.allow:
        if each.name and each.name not in names:
            faults.add(each.line, f"allow names {each.name!r}, which is not bound", suggest(each.name, names))
        if each.path and each.path not in paths:
            faults.add(each.line, f"allow names {each.path!r}, which nothing is bound to", suggest(each.path, paths))
    for binding in bindings:
        _check(binding, fields[binding.name], privacy, faults)


def _check(binding: Binding, field: Field, privacy: Privacy, faults: Faults) -> None:
    if binding.rotate == "daily" and not privacy.salt:
        fix = 'add privacy: { salt: "${MY_SALT}" } and set MY_SALT in the environment of the platform'
        faults.add(binding.line, f"`rotate: daily` of {binding.name!r} needs a secret", fix)
    if binding.rotate and field.kind is Kind.IRI and not binding.entity_of:
        faults.add(binding.line, f"`rotate` makes no IRI of {binding.name!r}", "say of which stream: entity_of: …")
    personal = Personal(field.personal) if field.personal else None
    if personal and not (binding.rotate or binding.constant is not None or personal in privacy.allowed(binding)):
        what = f"{binding.name!r} is {NAMES[personal]}: whoever reads the stream could follow it from trip to trip"
        fix = (
            f"write {binding.name}: {{ from: …, rotate: daily }}, or rotate: publisher where ids are drawn anew "
            f"after every trip, or say why it may be published: {_ALLOW}"
        )
        faults.add(binding.line, what, fix)
    if isinstance(binding.constant, str) and (search := search_for(binding, field, privacy, is_constant=True)):
        found = search(binding.constant)
        if found is not None:
            what = f"the constant of {binding.name!r} looks like {NAMES[found]}"
            faults.add(binding.line, what, f"remove it, or say why it may be published: {_ALLOW}")


def search_for(binding: Binding, field: Field, privacy: Privacy, *, is_constant: bool = False) -> Search | None:
    """Return what finds personal data in the values of a binding; None where none may be or where all are allowed.

    Codes that the file itself translates are the file's words, geometries are numbers that we write; an id that is rotated says nothing any more.
    """
    if (
        field.kind not in _TEXTS
        or binding.wkt
        or binding.codes
        or binding.rotate
        or (binding.constant is not None) != is_constant
    ):
        return None
    kinds = set(Personal) - {Personal.VEHICLE} - privacy.allowed(binding)
    key = binding.paths[0].steps[-1] if binding.paths else ""
    return searcher(kinds, iri=field.kind is Kind.IRI and not binding.entity_of, key=str(key))
