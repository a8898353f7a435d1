"""Generates the functions of one source: `read` an item, `write` its member, and what is constant of an entity."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import groupby

from ingest import converting, reading, writing
from ingest.bindings import Binding, Group
from ingest.check import fields_of
from ingest.conversions import quoted
from ingest.converting import Code, Converting
from ingest.identity import entity_iri
from ingest.partial import Split, split
from ingest.reading import Groups, Reading, ordered, written_tuple
from ingest.source import Source
from ingest.writing import Writing
from streams.identity import members_of
from vocab.model import Field, Kind, Model

# Names in generated code that mean the same in every call.
_HELPERS = ("quoted", "segment", "stamp", "publisher", "licence", "publisher_value", "licence_value", "entity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the functions of a source are made of.

    `seldom` are the names that are constant of an entity while its raw values are; `asked` those of them that the
    conditions of other names ask for. `body` and `said` are the split functions that write the member and its digest.
    """

    source: Source
    fields: Mapping[str, Field]
    plain: Mapping[str, Binding]
    groups: Sequence[Group]
    seldom: Sequence[str]
    asked: Sequence[str]
    values: Sequence[str]
    body: Split
    said: Split
    quick: bool


def generate(source: Source, model: Model, *, base_url: str, quick: bool) -> Code:
    """Write the functions of a source that was checked against its model."""
    fields = fields_of(model)
    space = {**converting.helpers(), **reading.helpers(), **writing.helpers()}
    space |= {"publisher": quoted(source.publisher_iri), "licence": quoted(source.licence)}
    space |= {"publisher_value": source.publisher_iri, "licence_value": source.licence}
    space |= {"base_url": base_url, "blake2b": blake2b}
    space["beginning"] = partial(members_of, source.stream)
    space["minted"] = partial(entity_iri, base_url=base_url, stream=source.stream)
    code = Code(space=space)
    plan = _plan(source, model, fields, quick=quick)
    convert = Converting(code, fields, base_url=base_url, quick=quick)
    read = Reading(code, fields, convert)
    groups = Groups(code, read, quick=quick)
    for binding in plan.plain.values():
        convert.define(binding)
    for group in plan.groups:
        for binding in group.bind.values():
            convert.define(binding, prefix=f"{group.each.text}.")
        groups.define(group)
    _add_constants(code, plan)
    _add_read(code, plan, read, groups)
    _add_write(code, plan)
    for name, wanted in (("key", ("entity",)), ("locate", ("entity", "observed_at"))):
        _add_part(code, plan, read, name, wanted)
    return code


def _plan(source: Source, model: Model, fields: Mapping[str, Field], *, quick: bool) -> Plan:
    plain = {name: bound for name, bound in source.bind.items() if isinstance(bound, Binding)}
    groups = [bound for bound in source.bind.values() if isinstance(bound, Group)]
    constant = reading.seldom(source.bind, fields)
    others = [it for it in plain.values() if it.name not in constant]
    others += [it for group in groups for it in group.bind.values()]
    asked = {condition.name for binding in others for condition in binding.when}
    lines = Code()
    Writing(lines, fields, source.bind).member(model.template, depth=0)
    names = [f"v_{name}" for name in constant]
    sure = [name for name in names if fields[name.removeprefix("v_")].required]
    said = [_said(name, fields) for name in source.bind if not _is_left_out(name, fields)]
    return Plan(
        source=source,
        fields=fields,
        plain=plain,
        groups=groups,
        seldom=constant,
        asked=[name for name in constant if name in asked],
        values=[f"v_{name}" for name in source.bind if name not in (*constant, "entity", "observed_at")],
        body=split(lines.lines, fixed=names, sure=(*_HELPERS, *sure), prefix="m"),
        said=split([f"said = f'{_joined(said)}'"], fixed=(), sure=names, prefix="s"),
        quick=quick,
    )


def _is_left_out(name: str, fields: Mapping[str, Field]) -> bool:
    """Say whether a name is no part of what an item says: whom it is about, and when."""
    return name == "entity" or (name in fields and fields[name].kind is Kind.DATETIME)


def _said(name: str, fields: Mapping[str, Field]) -> str:
    """Write what a value says, inside an f-string; a point by its numbers, because the repr of an object is slow."""
    if name not in fields:
        return f"{{rows(said_{name})}}"
    if fields[name].kind is Kind.POINT:
        return f"{{v_{name} and (v_{name}.longitude, v_{name}.latitude)!r}}"
    return f"{{v_{name}}}" if fields[name].kind is Kind.DOUBLE else f"{{v_{name}!r}}"


def _joined(said: Sequence[str]) -> str:
    return f"({', '.join(said)}{',' if len(said) == 1 else ''})"


def _known(plan: Plan) -> list[str]:
    """List the names that an entry of the table of entities has behind its raw values."""
    point = ["v_point"] if "point" in plan.seldom else []
    asked = [f"v_{name}" for name in plan.asked if name != "point"]
    return ["v_entity", *point, *asked, *plan.said.names, "fixed"]


def _add_constants(code: Code, plan: Plan) -> None:
    """Add the function that makes what is constant of an entity of its values."""
    given = ", ".join(["v_entity", *(f"v_{name}" for name in plan.seldom)])
    code.add(0, f"def constants({given}):", "    entity = minted(v_entity)")
    code.add(1, *plan.body.constants, *plan.said.constants)
    code.add(1, f"fixed = {written_tuple(['beginning(v_entity)', 'entity', *plan.body.names])}")
    code.add(1, f"return {written_tuple([*plan.said.names, 'fixed'])}")
    code.add(0, "", "")


def _add_read(code: Code, plan: Plan, read: Reading, groups: Groups) -> None:
    bindings, add = ordered(plan.plain), code.add
    read.begin("read", plan.source.lookups.values())
    raws = {binding.name: read.raw(binding, "item", depth=1) for binding in bindings}
    _add_known(code, plan, [raw for name in plan.seldom for raw in raws[name]])
    for is_fresh, run in groupby(bindings, lambda binding: binding.name in ("entity", *plan.seldom)):
        if is_fresh:
            add(1, "if fresh:")
        for binding in run:
            read.value(binding, depth=1 + is_fresh)
    for group in plan.groups:
        groups.loop(group, depth=1)
    add(1, "if v_observed_at < EARLIEST or v_observed_at - received > AHEAD:")
    add(2, "check_observed(v_observed_at, received, observed_at_spot)")
    for name in plan.plain:
        if name not in plan.seldom:
            read.text(name, depth=1)
    given = ", ".join(["v_entity", *(f"v_{name}" for name in plan.seldom)])
    add(1, "if fresh:", f"    {written_tuple([*plan.said.names, 'fixed'])} = constants({given})")
    if _is_keyed(plan):
        add(2, f"entities.keep(r_entity, (raws, {', '.join(_known(plan))}))")
    add(1, *plan.said.rest)
    point = "v_point" if "point" in plan.plain else "None"
    # Without our public address, which stands in minted IRIs: another port must not make everything a revision.
    add(1, "said = said.replace(base_url, '').encode('utf-8', 'surrogatepass')")
    add(1, "digest = blake2b(said, digest_size=8).digest()")
    add(1, f"return Facts(v_entity, v_observed_at, {point}, {written_tuple(plan.values)}, digest, fixed)")
    add(0, "", "")


def _add_known(code: Code, plan: Plan, raws: Sequence[str]) -> None:
    """Add the look for the entity among those that are known, and whether it is as it was then."""
    if not _is_keyed(plan):
        code.add(1, "fresh = True")
        return
    code.add(1, f"raws = {written_tuple(raws)}", "known = entities.get(r_entity) if type(r_entity) is str else None")
    code.add(1, "fresh = known is None or known[0] != raws")
    code.add(1, "if not fresh:", f"    _, {', '.join(_known(plan))} = known")


def _is_keyed(plan: Plan) -> bool:
    entity = plan.plain["entity"]
    return plan.quick and entity.constant is None and not entity.when


def _add_part(code: Code, plan: Plan, read: Reading, name: str, wanted: Collection[str]) -> None:
    """Add a function that reads only the `wanted` names, and what their conditions ask for."""
    bind: dict[str, Binding] = {}
    todo = list(wanted)
    while todo:
        binding = plan.plain.get(todo.pop())
        if binding is not None and binding.name not in bind:
            bind[binding.name] = binding
            todo.extend(condition.name for condition in binding.when)
    used = {binding.lookup for binding in bind.values()}
    read.begin(name, [lookup for lookup in plan.source.lookups.values() if lookup.name in used])
    for binding in ordered(bind):
        read.raw(binding, "item", depth=1)
        read.value(binding, depth=1)
    if "observed_at" in wanted:
        code.add(1, "check_observed(v_observed_at, received, observed_at_spot)")
    code.add(1, f"return {', '.join(f'v_{each}' for each in wanted)}")
    code.add(0, "", "")


def _add_write(code: Code, plan: Plan) -> None:
    code.add(0, "def write(values, fixed, member, times, revision_of):")
    code.add(1, f"{written_tuple(plan.values)} = values", "observed_at, received_at = times")
    code.add(1, f"_, entity, {''.join(f'{name}, ' for name in plan.body.names)}= fixed", *plan.body.rest)
    code.add(0, "", "")
