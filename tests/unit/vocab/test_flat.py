"""Rows of members: every name a source binds is found again in the member, whatever the model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldes_server.plain import FIXED
from vocab.errors import ModelError
from vocab.flat import compile_flat
from vocab.model import Field, Kind, Model, load_model, model_names

_SLOT = re.compile(r"\{(\w+)\}")
_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_VALUES: Mapping[Kind, st.SearchStrategy[Any]] = {
    Kind.INTEGER: st.integers(-(2**53), 2**53),
    Kind.DOUBLE: st.floats(allow_nan=False, allow_infinity=False),
    Kind.BOOLEAN: st.booleans(),
    Kind.STRING: _TEXT,
    Kind.TEXT: _TEXT,
    Kind.DATETIME: st.just("2026-11-23T08:00:00.000Z"),
    Kind.IRI: st.just("https://example.org/é"),
    Kind.POINT: st.just("POINT (3.7 51)"),
}
every_model = pytest.mark.parametrize("name", model_names())


def fill(template: Any, values: Mapping[str, Any], groups: Mapping[str, Any]) -> Any:
    """Fill a template as `vocab.model` describes it; None for what is left out."""
    if isinstance(template, list):
        parts = [part for item in template for part in _filled(item, values, groups)]
        return [part for part in parts if part is not None] or None
    if isinstance(template, dict):
        found = {key: fill(value, values, groups) for key, value in template.items() if key != "@each"}
        kept = {key: value for key, value in found.items() if value is not None}
        return kept if any(not key.startswith("@") for key in kept) else None
    slots = _SLOT.findall(template) if isinstance(template, str) else []
    if any(values.get(slot) is None for slot in slots):
        return None
    if slots and template == f"{{{slots[0]}}}":
        return values[slots[0]]
    return _SLOT.sub(lambda found: quote(str(values[found[1]]), safe=""), template)


def _filled(item: Any, values: Mapping[str, Any], groups: Mapping[str, Any]) -> Iterator[Any]:
    if isinstance(item, dict) and "@each" in item:
        yield from (fill(item, {**values, **each}, groups) for each in groups[item["@each"]])
    else:
        yield fill(item, values, groups)


def _value(field: Field) -> st.SearchStrategy[Any]:
    if field.kind is Kind.CODE:
        return st.sampled_from(field.codes)
    return _VALUES[field.kind]


@st.composite
def bound(draw: st.DrawFn, model: Model) -> tuple[dict[str, Any], dict[str, list[dict[str, Any]]]]:
    """Draw what a source may bind: any of the names, and of a repeated group any of its codes."""
    values = {field.name: draw(st.none() | _value(field)) for field in model.fields.values() if field.group is None}
    groups: dict[str, list[dict[str, Any]]] = {}
    for group in {field.group for field in model.fields.values() if field.group}:
        fields = [field for field in model.fields.values() if field.group == group]
        [key] = [field for field in fields if field.kind is Kind.CODE]
        codes = draw(st.lists(st.sampled_from(key.codes), unique=True))
        groups[group] = [
            {key.name: code, **{it.name: draw(st.none() | _value(it)) for it in fields if it is not key}}
            for code in codes
        ]
    return values, groups


@every_model
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_what_was_bound_is_in_the_row(name: str, data: st.DataObject) -> None:
    """Every value that the template put into a member comes back under its name; what was left out is None."""
    model = load_model(name)
    values, groups = data.draw(bound(model))
    built_in = {"member": "https://example.org/m", "entity": "https://example.org/e", "observed_at": "2026"}
    body = orjson.loads(orjson.dumps(fill(model.template, {**built_in, **values}, groups)))
    flat = compile_flat(model)
    row = dict(zip(flat.names, flat.row(body), strict=True))
    # Two numbers inside one text come or go together.
    whole = None not in (values.get("lambert72_x", 0), values.get("lambert72_y", 0))
    for column in flat.columns:
        field = column.field
        if field.group is None:
            expected = values[field.name] if whole or not field.name.startswith("lambert72") else None
            types = model.template["@type"]
            if field.kind is Kind.CODE and expected in ([types] if isinstance(types, str) else types):
                expected = None  # the type every member has
        else:
            [key] = [it.name for it in model.fields.values() if it.group == field.group and it.kind is Kind.CODE]
            expected = next((it[field.name] for it in groups[field.group] if it[key] == column.code), None)
        assert row[column.name] == expected, column


@every_model
def test_columns_are_the_names_of_the_model(name: str) -> None:
    """Each name of a model but its points and the codes of groups is a column, none meets the columns of every stream."""
    model = load_model(name)
    flat = compile_flat(model, taken=FIXED)
    shown = {column.field.name for column in flat.columns}
    hidden = {field.name for field in model.fields.values()} - shown
    assert all(model.fields[it].kind is Kind.POINT or model.fields[it].group for it in hidden)
    assert len(flat.names) == len(set(flat.names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", it) for it in flat.names)


def test_vehicle_classes_have_columns_of_their_own() -> None:
    """A lane's minute is one row: counts and speeds per class side by side, in the order of the shape."""
    flat = compile_flat(load_model("traffic"))
    row = dict(zip(flat.names, flat.row(orjson.loads(load_model("traffic").example)), strict=True))
    assert flat.names[:6] == ("measuring_point", "interval_end", "result_time", "sensor", "procedure", "validity")
    assert (row["count_car"], row["mean_speed_car"], row["harmonic_speed_car"]) == (14, 112.0, 110.0)
    assert (row["count_truck"], row["mean_speed_truck"], row["count_motorcycle"]) == (0, None, None)
    assert (row["occupancy"], row["turbulence"]) == (7.0, None)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"nl": "Reep", "en": "Rope"}, "Reep"),
        ({"fr": "Corde", "en": "Rope"}, "Rope"),
        ({"fr": "Corde"}, "Corde"),
        ({}, None),
        ({"@id": "https://example.org/x"}, "https://example.org/x"),
        (["a", "b", "c"], ["a", "b", "c"]),
        ([], None),
        (None, None),
        ("plain", "plain"),
        (0, 0),
        (False, False),
    ],
)
def test_texts_nodes_and_many_values(value: object, shown: object) -> None:
    """Of several languages Dutch is shown, then English; a node by its IRI; several values as a list."""
    flat = compile_flat(load_model("parking"))
    assert dict(zip(flat.names, flat.row({"name": value}), strict=True))["name"] == shown


def test_members_of_other_shape_give_what_they_have() -> None:
    """A single object where the template has an array is read; what the model does not know is not."""
    flat = compile_flat(load_model("traffic"))
    body = {"observations": {"kenmerk": "van-count", "count": 3}, "current": {"x": 1}, "validity": ["regular"]}
    row = dict(zip(flat.names, flat.row(body), strict=True))
    assert (row["count_van"], row["current"], row["validity"]) == (3, None, "regular")
    strange: list[dict[str, Any]] = [
        {"observations": ["x", {"kenmerk": None}, {"kenmerk": "bus-count", "count": 1}]},
        {"current": []},
    ]
    for odd in strange:
        assert set(flat.row(odd)) == {None}
    point = compile_flat(load_model("measuring-point"))
    assert set(point.row({"geometry": {"lambert72": "POINT (1 2)"}})) == {None}


def test_a_class_twice_loses_nothing() -> None:
    """Two counts of one class in one member are both in the cell."""
    flat = compile_flat(load_model("traffic"))
    twice = [{"kenmerk": "car-count", "count": count} for count in (3, 4)]
    assert dict(zip(flat.names, flat.row({"observations": twice}), strict=True))["count_car"] == [3, 4]


def test_a_name_that_is_taken_is_refused() -> None:
    """A model with a name that every stream has as a column is refused with that name."""
    with pytest.raises(ModelError, match="free_spaces would be two columns"):
        compile_flat(load_model("parking"), taken=("free_spaces",))


def test_an_array_without_marks_is_refused() -> None:
    """A template whose array mixes objects that nothing tells apart is refused."""
    model = replace(load_model("parking"), template={"@id": "{member}", "x": [{"y": "{url}"}, {"y": "{name}"}]})
    with pytest.raises(ModelError, match="nothing tells the objects"):
        compile_flat(model)
