"""Generates the functions of one source: `read` an item, `write` its member, and what is constant of an entity."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import groupby
from sys import intern

from ingest import converting, reading, writing
from ingest.bindings import Binding, Group
from ingest.check import fields_of
from ingest.conversions import quoted
from ingest.converting import Code, Converting
from ingest.guarding import Guarding
from ingest.identity import entity_iri
from ingest.observed import Observed, observed_of
from ingest.partial import Split, split
from ingest.reading import Groups, Reading, ordered, written_tuple
from ingest.source import Source
from ingest.writing import Writing
from streams.identity import last_part, members_of
from streams.record import Member
from vocab.model import Field, Kind, Model

# Names in generated code that mean the same in every call.
_HELPERS = ("quoted", "segment", "stamp", "publisher", "licence", "publisher_value", "licence_value", "entity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the functions of a source are made of.

    `seldom` are the names that are constant of an entity while its raw values are; `asked` those of them that the
    conditions of other names ask for, or that are `observed`, of which an item must give one. `body` is the split
    function that writes the member; `said` what is digested: what it begins with, what differs from item to item, and
    what it ends with.
    """

    source: Source
    fields: Mapping[str, Field]
    plain: Mapping[str, Binding]
    groups: Sequence[Group]
    seldom: Sequence[str]
    asked: Sequence[str]
    observed: Observed
    values: Sequence[str]
    body: Split
    said: tuple[str, Split, str]
    quick: bool


def generate(source: Source, model: Model, *, base_url: str, quick: bool) -> Code:
    """Write the functions of a source that was checked against its model."""
    fields = fields_of(model)
    space = {**converting.helpers(), **reading.helpers(), **writing.helpers()}
    space |= {"publisher": quoted(source.publisher_iri), "licence": quoted(source.licence)}
    space |= {"publisher_value": source.publisher_iri, "licence_value": source.licence}
    space |= {"base_url": base_url, "blake2b": blake2b, "intern": intern, "last_part": last_part, "Member": Member}
    space["beginning"] = partial(members_of, source.stream)
    space["minted"] = partial(entity_iri, base_url=base_url, stream=source.stream)
    code = Code(space=space)
    plan = _plan(source, model, fields, quick=quick)
    convert = Converting(code, fields, base_url=base_url, quick=quick)
    hidden = [name for name, binding in plan.plain.items() if binding.rotate == "daily"]
    read = Reading(code, fields, convert, Guarding(code, fields, source.privacy, hidden))
    groups = Groups(code, read, quick=quick)
    for binding in plan.plain.values():
        convert.define(binding)
    for group in plan.groups:
        for binding in group.bind.values():
            convert.define(binding, prefix=f"{group.each.text}.")
        groups.define(group)
    _add_constants(code, plan)
    _add_read(code, plan, read, groups)
    _add_member(code, plan)
    for name, wanted in (("key", ("entity",)), ("locate", ("entity", "observed_at"))):
        _add_part(code, plan, read, name, wanted)
    return code


def _plan(source: Source, model: Model, fields: Mapping[str, Field], *, quick: bool) -> Plan:
    plain = {name: bound for name, bound in source.bind.items() if isinstance(bound, Binding)}
    groups = [bound for bound in source.bind.values() if isinstance(bound, Group)]
    constant = reading.seldom(source.bind, fields)
    others = [it for it in plain.values() if it.name not in constant]
    others += [it for group in groups for it in group.bind.values()]
    observed = observed_of(model).within(source.bind)
    asked = {condition.name for binding in others for condition in binding.when}.union(observed.names)
    lines = Code()
    Writing(lines, fields, source.bind).member(model.template, depth=0)
    names = [f"v_{name}" for name in constant]
    sure = [name for name in names if fields[name.removeprefix("v_")].required]
    return Plan(
        source=source,
        fields=fields,
        plain=plain,
        groups=groups,
        seldom=constant,
        asked=[name for name in constant if name in asked],
        observed=observed,
        values=[f"v_{name}" for name in source.bind if name not in (*constant, "entity", "observed_at")],
        body=split(lines.lines, fixed=names, sure=(*_HELPERS, *sure), prefix="m"),
        said=_said([name for name in source.bind if not _is_left_out(name, fields)], constant, fields),
        quick=quick,
    )


def _is_left_out(name: str, fields: Mapping[str, Field]) -> bool:
    """Say whether a name is no part of what an item says: whom it is about, and when."""
    return name == "entity" or (name in fields and fields[name].kind is Kind.DATETIME)


def _said(names: Sequence[str], seldom: Collection[str], fields: Mapping[str, Field]) -> tuple[str, Split, str]:
    """Write the `repr` of the tuple of what an item says, inside f-strings, cut behind blanks, which no address holds."""
    written = [f"{_repr(name, fields)}{',' if len(names) == 1 else ''}" for name in names]
    start = next((at for at, name in enumerate(names) if name not in seldom), len(names))
    end = next((at for at in range(len(names), start, -1) if names[at - 1] not in seldom), start)
    parts = ["".join(f"{text}, " for text in part) for part in (written[:start], written[start:end], written[end:])]
    last = max((at for at, part in enumerate(parts) if part), default=0)
    parts[last] = f"{parts[last].removesuffix(', ')})"
    line = f"said = f'{parts[1]}'"
    middle = split([line], fixed=(), sure=[f"v_{name}" for name in seldom], prefix="s")
    if start == end:
        # Nothing differs from item to item: a text without values would move to the constants, where no item finds it.
        middle = Split(constants=[], names=[], rest=[line])
    return _packed(f"f'({parts[0]}'"), middle, _packed(f"f'{parts[2]}'")


def _repr(name: str, fields: Mapping[str, Field]) -> str:
    """Write what a value says, inside an f-string; a point by its numbers, because the repr of an object is slow."""
    if name not in fields:
        return f"{{rows(said_{name})}}"
    if fields[name].kind is Kind.POINT:
        return f"{{v_{name} and (v_{name}.longitude, v_{name}.latitude)!r}}"
    return f"{{v_{name}}}" if fields[name].kind is Kind.DOUBLE else f"{{v_{name}!r}}"


def _packed(text: str) -> str:
    """Write the expression that packs what is said, for the digest.

    Without our public address, which stands in minted IRIs: another port must not make everything a revision.
    """
    return f"{text}.replace(base_url, '').encode('utf-8', 'surrogatepass')"


def _known(plan: Plan) -> list[str]:
    """List the names that an entry of the table of entities has behind its raw values."""
    point = ["v_point"] if "point" in plan.seldom else []
    asked = [f"v_{name}" for name in plan.asked if name != "point"]
    return ["v_entity", *point, *asked, *plan.said[1].names, "begun", "end", "fixed"]


def _add_constants(code: Code, plan: Plan) -> None:
    """Add the function that makes what is constant of an entity of its values."""
    given = ", ".join(["v_entity", *(f"v_{name}" for name in plan.seldom)])
    code.add(0, f"def constants({given}):", "    entity = minted(v_entity)")
    code.add(1, *plan.body.constants, *plan.said[1].constants)
    code.add(1, f"begun = blake2b({plan.said[0]}, digest_size=8)", f"end = {plan.said[2]}")
    # Pieces that entities share are one object, which stays in the processor's cache.
    pieces = [f"intern({name})" if name.startswith("m") else name for name in plan.body.names]
    code.add(1, f"fixed = {written_tuple(['beginning(v_entity)', 'entity', *pieces])}")
    code.add(1, f"return {', '.join([*plan.said[1].names, 'begun', 'end', 'fixed'])}")
    code.add(0, "", "")


def _add_read(code: Code, plan: Plan, read: Reading, groups: Groups) -> None:
    bindings, add = ordered(plan.plain), code.add
    read.begin("read", plan.source.lookups.values())
    raws = {binding.name: read.raw(binding, "item", depth=1) for binding in bindings}
    looked_up = {name for name in plan.seldom if plan.plain[name].lookup}
    rows = sorted({f"{plan.plain[name].lookup}_row" for name in looked_up})
    _add_known(code, plan, [raw for name in plan.seldom if name not in looked_up for raw in raws[name]], rows)
    for is_fresh, run in groupby(bindings, lambda binding: binding.name in ("entity", *plan.seldom)):
        if is_fresh:
            add(1, "if fresh:")
        for binding in run:
            read.value(binding, depth=1 + is_fresh)
            read.guard(binding, depth=1 + is_fresh)
    for group in plan.groups:
        groups.loop(group, depth=1)
    if plan.observed.all:
        add(1, f"if {plan.observed.absence}:", f"    unobserved({plan.observed.all!r})")
    add(1, "if v_observed_at < EARLIEST or (v_observed_at > received and v_observed_at - received > AHEAD):")
    add(2, "check_observed(v_observed_at, received, observed_at_spot)")
    for name in plan.plain:
        if name not in plan.seldom:
            read.text(name, depth=1)
    given = ", ".join(["v_entity", *(f"v_{name}" for name in plan.seldom)])
    add(1, "if fresh:", f"    {', '.join([*plan.said[1].names, 'begun', 'end', 'fixed'])} = constants({given})")
    if _is_keyed(plan):
        add(2, f"entities.keep(r_entity, (raws, {', '.join([*rows, *_known(plan)])}))")
    add(1, *plan.said[1].rest, "digest = begun.copy()", f"digest.update({_packed('said')} + end)")
    point = "v_point" if "point" in plan.plain else "None"
    add(1, f"return Facts(v_entity, v_observed_at, {point}, {written_tuple(plan.values)}, digest.digest(), fixed)")
    add(0, "", "")


def _add_known(code: Code, plan: Plan, raws: Sequence[str], rows: Sequence[str]) -> None:
    """Add the look for the entity among those that are known, and whether it is as it was then.

    A row of another document is what it was as long as it is the same object: a new document makes new ones.
    """
    if not _is_keyed(plan):
        code.add(1, "fresh = True")
        return
    code.add(1, f"raws = {written_tuple(raws)}", "known = entities.get(r_entity) if type(r_entity) is str else None")
    changed = [f"known[{at}] is not {row}" for at, row in enumerate(rows, 1)]
    code.add(1, f"fresh = {' or '.join(['known is None', 'known[0] != raws', *changed])}")
    code.add(1, "if not fresh:", f"    {', '.join(['_'] * (1 + len(rows)))}, {', '.join(_known(plan))} = known")


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


def _add_member(code: Code, plan: Plan) -> None:
    body, add = plan.body, code.add
    add(0, 'def member(facts, *, received, revision=b"", revision_of=""):')
    fixed = written_tuple(["beginning", "entity", *body.names])
    add(1, f"_, moment, point, {written_tuple(plan.values)}, _, {fixed} = facts")
    add(1, "name = f'{beginning}{last_part(moment, revision=revision)}' if revision else beginning + last_part(moment)")
    add(1, "member, observed_at = f'{base_url}/{name}', stamp(moment)")
    add(1, "if revision_of:", "    revision_of = f'{base_url}/{revision_of}'")
    if any("{received_at}" in line for line in body.rest):
        add(1, "received_at = stamp(received)")
    add(1, *body.rest, "return Member(name, entity, moment, body.encode('utf-8'), point)")
    add(0, "", "")
