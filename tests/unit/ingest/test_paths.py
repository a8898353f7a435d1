"""Paths: what the notation reads, and what it refuses."""

from __future__ import annotations

import pytest

from ingest.paths import PathError, dig, dig_json, expression, listed, many, parse_each, parse_path, without

ITEM = {"a": {"b": [{"c": 1}, {"c": 2}]}, "@id": "7", "one": {"c": 3}, "text": '{"x": {"y": 4}}'}


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b[1].c", 2), ("@id", "7"), ("one[0].c", 3), ("one[1].c", None), ("a.b[9].c", None), ("a.c.d", None)],
)
def test_paths_lead_to_values(path: str, value: object) -> None:
    """A path finds its value, a single value counts as [0], and a path that leads nowhere gives nothing."""
    assert dig(ITEM, parse_path(path).steps) == value


def test_paths_go_through_json_in_a_text() -> None:
    """With json the steps go on inside a text that holds JSON; a text that holds none gives nothing."""
    assert dig_json(ITEM, parse_path("text.x.y").steps) == 4
    assert dig_json({"text": "{broken"}, parse_path("text.x").steps) is None


def test_root_paths_read_the_root() -> None:
    """A path with $. is read from the document's root, not from the item."""
    assert expression(parse_path("$.time"), "item") == "root.get('time')"


def test_many_accepts_one_or_many() -> None:
    """A list, a single value and nothing are all lists to a group."""
    assert many(ITEM, ("a", "b")) == [{"c": 1}, {"c": 2}]
    assert many(ITEM, ("one",)) == [{"c": 3}]
    assert many(ITEM, ("none",)) == []


@pytest.mark.parametrize("path", ["", "a..b", ".a", "a[x]", "a[*].b", "a[", "$."])
def test_malformed_paths_are_refused(path: str) -> None:
    """What is no path to one value is refused with a message that shows it."""
    with pytest.raises(PathError):
        parse_path(path)


@pytest.mark.parametrize("path", ["a", "a[*].b[*]", "a[0].b[*]", "a[b=c].d[*]", ""])
def test_malformed_lists_are_refused(path: str) -> None:
    """The place of the items holds [*] exactly once and no index."""
    with pytest.raises(PathError):
        parse_each(path)


def test_a_list_has_a_before_and_an_after() -> None:
    """The keys before [*] lead to the list, those after it to the item."""
    each = parse_each("records[*].fields")
    assert (each.before, each.after) == (("records",), ("fields",))
    assert parse_each("[*]").before == ()


NAMED = {"values": [{"kind": "P1", "n": 1}, {"kind": "P2", "n": 2}, {"kind": True, "n": 3}], "a.b": {"[c]": 4}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("values[kind=P2].n", 2),
        ("values[kind=true].n", 3),
        ("values[kind=P9].n", None),
        ("values[other=P2].n", None),
        ("values[0].n[kind=P1]", None),
        ("<a.b>.<[c]>", 4),
        ("<a.b>[[c]=4].<[c]>", None),
    ],
)
def test_a_path_chooses_by_key_and_holds_any_name(path: str, value: object) -> None:
    """An element is found by the text of one of its keys, and a key with dots or brackets stands in < >."""
    try:
        assert dig(NAMED, parse_path(path).steps) == value
    except PathError:
        assert "[[" in path


def test_lists_inside_lists_and_objects_as_lists() -> None:
    """Several [*] go one inside the other, and {*} takes the values of an object, each with its key."""
    each = parse_each("a.b[*].c[*].d", nested=True)
    assert (each.before, each.inner, each.after) == (("a", "b"), (("c",),), ("d",))
    assert parse_each("{*}.values[*]", nested=True).before == ("{*}",)
    assert listed({"x": {"7": {"v": 1}, "8": 2}}, ("x", "{*}")) == [{"@key": "7", "v": 1}, {"@key": "8", "@value": 2}]
    assert listed({"x": []}, ("x", "{*}")) is None
    assert listed({"x": 3}, ("y",)) is None


def test_what_is_around_a_list_lacks_the_list_and_nothing_else() -> None:
    """A copy without one place shares the rest and leaves the original alone."""
    whole = {"a": {"b": [1, 2], "c": 3}, "d": 4}
    assert without(whole, ("a", "b")) == {"a": {"c": 3}, "d": 4}
    assert without(whole, ("x", "y")) == whole
    assert without(whole, ("a", "{*}")) == {"d": 4}
    assert whole["a"] == {"b": [1, 2], "c": 3}
