"""Compiling contexts and writing members: what is supported, how it looks, what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import orjson
import pytest

from tests.unit.vocab.oracle import actual, exact_literals, expected
from vocab.context import Writer, compile_context, read_names
from vocab.emitter import Emitter
from vocab.errors import MemberError, ModelError
from vocab.model import load_model, model_names
from vocab.template import FastEmitter

_CONTEXT: dict[str, Any] = {
    "@version": 1.1,
    "ex": "https://example.org/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "id": "@id",
    "type": "@type",
    "Thing": "ex:Thing",
    "label": "ex:label",
    "labels": {"@id": "ex:label", "@container": "@language"},
    "dutch": {"@id": "ex:label", "@language": "NL"},
    "number": {"@id": "ex:number", "@type": "xsd:double"},
    "string": {"@id": "ex:string", "@type": "xsd:string"},
    "when": {"@id": "ex:when", "@type": "xsd:dateTime"},
    "whole": {"@id": "ex:whole", "@type": "xsd:integer"},
    "link": {"@id": "ex:link", "@type": "@id"},
    "code": {"@id": "ex:code", "@type": "@vocab"},
    "many": {"@id": "ex:many", "@container": "@set"},
    "high": "ex:high",
    "ex:same": {"@type": "@id"},
}


@pytest.fixture(autouse=True, scope="module")
def _exact() -> Iterator[None]:
    with exact_literals():
        yield


@pytest.fixture
def writer() -> Writer:
    """A writer that has not learned anything yet."""
    return compile_context(_CONTEXT)


def _body(**values: Any) -> bytes:
    return orjson.dumps({"@id": "https://example.org/1", **values})


@pytest.mark.parametrize("name", model_names())
def test_examples_mean_the_same(name: str) -> None:
    """Each model's example must be the same graph through the writer as through pyld, the second time as well."""
    model = load_model(name)
    example = orjson.loads(model.example)
    context = example.pop("@context")
    body = orjson.dumps(example)
    right = expected(context, body)
    for _ in range(2):
        assert actual(model.writer.ntriples(body, scope="m"), "nt") == right
        assert actual(model.writer.prefixes + model.writer.turtle(body), "turtle") == right


_VALUES: list[dict[str, Any]] = [
    {},
    {"type": "Thing", "label": "plain"},
    {"@type": ["Thing", "ex:Other", "unknown"], "dutch": "Hallo", "labels": {"nl": "a", "en": ["b", None, "c"]}},
    {"labels": {"@none": "bare", "nl-BE": 'quote " and \\'}},
    {"labels": {"NL": "upper"}},
    {"labels": "not a map"},
    {"number": 12.4, "whole": 7, "many": [1, 2.5, True, "x", None, [3, [4]]]},
    {"number": "12.40", "whole": "007"},
    {"number": "no number", "when": "2026-11-23T20:00:00Z"},
    {"number": 'no "number"', "string": 5},
    {"number": -0.0},
    {"number": [0.0, 3, 1e300, True], "whole": [1e22, 2.5, False], "string": [1.0, 2.5, True]},
    {"many": [1e21, 1e20, 100.0, -7]},
    {"link": "https://example.org/2", "code": "high", "ex:same": "ex:other", "https://example.org/free": 1},
    {"link": ["relative", "ex:x", 5], "code": ["low", "urn:x:y"], "unknown": {"label": "lost"}},
    {"link": {"id": "https://example.org/3"}, "many": []},
    {"link": {"id": "https://example.org/3", "label": "named", "link": {"label": "below"}}},
    {"link": {}, "many": [{"label": "a"}, {"type": "Thing"}, {}]},
    {"label": 'tab\t line\n return\r quote" slash\\ bell\x07 del\x7f zero\x00 ☃ 𝄞'},
    {"link": "https://example.org/<a>"},
]


@pytest.mark.parametrize("values", _VALUES)
def test_values_mean_the_same(writer: Writer, values: dict[str, Any]) -> None:
    """Every kind of value must become the very terms that pyld makes of it."""
    body = _body(**values)
    right = expected(_CONTEXT, body)
    if values.get("link") == "https://example.org/<a>":
        assert b"<https://example.org/\\u003Ca\\u003E>" in writer.ntriples(body, scope="m")
        return
    for _ in range(2):
        assert actual(writer.ntriples(body, scope="m"), "nt") == right
        assert actual(writer.prefixes + writer.turtle(body), "turtle") == right


@pytest.mark.parametrize("first", _VALUES[:-1])
def test_what_was_learned_never_misleads(writer: Writer, first: dict[str, Any]) -> None:
    """A structure learned from one object must not change what another object with the same keys means."""
    for other in (None, "text", 5, 2.5, 0.0, True, {"nl": "x"}, {"label": "y"}, ["z", {"label": "y"}], "ex:x"):
        writer.turtle(_body(**first))
        writer.ntriples(_body(**first), scope="m")
        values = {key: "Thing" if key in ("type", "@type") else other for key in first}
        if isinstance(other, dict) and "nl" not in other and "labels" in values:
            continue  # a language map of that form is refused
        if isinstance(other, list) and "labels" in values:
            values["labels"] = ["z"]
        body = _body(**values)
        assert actual(writer.ntriples(body, scope="m"), "nt") == expected(_CONTEXT, body)
        assert actual(writer.prefixes + writer.turtle(body), "turtle") == expected(_CONTEXT, body)


def test_default_language_holds_for_plain_strings() -> None:
    """The language of the context must tag plain strings, unless a term says otherwise."""
    context = {"@language": "nl-BE", "a": "https://e.org/a", "b": {"@id": "https://e.org/b", "@language": None}}
    body = b'{"@id":"https://e.org/1","a":"x","b":"y","https://e.org/c":"z"}'
    assert actual(compile_context(context).ntriples(body, scope="m"), "nt") == expected(context, body)


def test_turtle_is_one_readable_block(writer: Writer) -> None:
    """Turtle must nest blank nodes, shorten what it can and label nothing."""
    body = _body(type="Thing", label="x", whole=7, link={"type": "Thing", "number": 12.4})
    assert writer.turtle(body).decode() == (
        "<https://example.org/1> a ex:Thing ;\n"
        '  ex:label "x" ;\n'
        "  ex:whole 7 ;\n"
        '  ex:link [ a ex:Thing ; ex:number "1.24E1"^^xsd:double ] .\n'
    )


def test_named_nodes_follow_in_blocks_of_their_own(writer: Writer) -> None:
    """A node inside the member that has an IRI and properties must follow the member's block."""
    body = _body(link={"@id": "https://example.org/2", "label": "two"})
    assert writer.turtle(body).decode() == (
        '<https://example.org/1> ex:link <https://example.org/2> .\n<https://example.org/2> ex:label "two" .\n'
    )


def test_scope_labels_blank_nodes(writer: Writer) -> None:
    """Blank nodes must be labelled by the scope and a number, so that members on one page never share one."""
    lines = writer.ntriples(_body(many=[{"label": "a"}, {"label": "b"}]), scope="m12").decode()
    assert "_:m12n0 " in lines
    assert "_:m12n1 " in lines


def test_empty_members_say_nothing(writer: Writer) -> None:
    """A member without statements must be empty text in both syntaxes."""
    assert writer.turtle(_body()) == b""
    assert writer.ntriples(_body(), scope="m") == b""


def test_many_structures_are_forgotten_not_hoarded(writer: Writer) -> None:
    """Any number of different structures must be written right; old ones may be forgotten."""
    for number in range(1100):
        body = _body(**{f"https://example.org/p{number}": number, "link": {f"https://example.org/q{number}": "x"}})
        assert writer.ntriples(body, scope="m").count(b"\n") == 3


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"[]", "one JSON object"),
        (b"{", "no JSON"),
        (b'{"@id":"relative"}', "no absolute IRI"),
        (b'{"@id":5,"label":"x"}', "no absolute IRI"),
        (b'{"@id":"_:b","label":"x"}', "blank nodes"),
        (b'{"@id":"https://e.org/1","link":"_:b"}', "blank nodes"),
        (b'{"@id":"https://e.org/1","link":{"@value":"x"}}', "@value"),
        (b'{"@id":"https://e.org/1","@graph":[]}', "@graph"),
        (b'{"@id":"https://e.org/1","@type":[5]}', "@type"),
        (b'{"@id":"https://e.org/1","@type":[{}]}', "@type"),
        (b'{"@id":"https://e.org/1","labels":{"not a tag":"x"}}', "language tag"),
        (b'{"@id":"https://e.org/1","labels":{"nl":5}}', "holds strings"),
    ],
)
def test_what_members_never_need_is_refused(writer: Writer, body: bytes, why: str) -> None:
    """What the writer cannot say exactly must be refused, in both syntaxes, with what it was."""
    with pytest.raises(MemberError, match=why):
        writer.ntriples(body, scope="m")
    with pytest.raises(MemberError, match=why):
        writer.turtle(body)


@pytest.mark.parametrize(
    ("context", "term"),
    [
        ({"@vocab": "https://e.org/"}, "@vocab"),
        ({"@base": "https://e.org/"}, "@base"),
        ({"@version": 1.0}, "@version"),
        ({"@language": "not a tag"}, "@language"),
        ({"a": {"@reverse": "https://e.org/a"}}, "a"),
        ({"a": {"@id": "https://e.org/a", "@context": {}}}, "a"),
        ({"a": {"@id": "https://e.org/a", "@container": "@list"}}, "a"),
        ({"a": {"@id": "https://e.org/a", "@container": ["@set"]}}, "a"),
        ({"a": {"@id": "https://e.org/a", "@type": "@json"}}, "a"),
        ({"a": {"@id": "https://e.org/a", "@language": "not a tag"}}, "a"),
        ({"a": {"@type": "@id"}}, "a"),
        ({"a": "relative"}, "a"),
        ({"a": None}, "a"),
        ({"a": "b:x", "b": "a:y"}, "itself"),
        ({"a": "b", "b": "a"}, "itself"),
        ({"a": {"@id": "https://e.org/a", "@type": "unknown"}}, "a"),
    ],
)
def test_unsupported_contexts_are_refused_by_name(context: dict[str, Any], term: str) -> None:
    """A context that asks for more than the writer supports must be refused when compiled, naming the term."""
    with pytest.raises(ModelError, match=term) as caught:
        compile_context(context)
    assert caught.value.fix
    assert "fix:" in str(caught.value)


def test_prefixes_of_the_long_form_work() -> None:
    """A prefix may be declared by an object with @prefix; only then does an object make a prefix."""
    context = {"e": {"@id": "https://e.org/", "@prefix": True}, "f": {"@id": "https://f.org/"}, "a": "e:a"}
    writer = compile_context(context)
    assert writer.prefixes == b"@prefix e: <https://e.org/> .\n"
    body = b'{"@id":"https://e.org/1","a":"x","e:b":"y","f:c":"z"}'
    assert actual(writer.ntriples(body, scope="m"), "nt") == expected(context, body)


@pytest.mark.parametrize("turtle", [False, True])
@pytest.mark.parametrize("name", model_names())
def test_generated_functions_say_what_the_general_road_says(name: str, turtle: bool) -> None:
    """The fast form must equal the general one letter for letter, in the clean and in the escaping variant."""
    model = load_model(name)
    names = read_names(orjson.loads(model.context))
    member = orjson.loads(model.example)
    del member["@context"]

    def state() -> Any:
        return [] if turtle else (f"_:m{number}" for number in count())

    right = Emitter(names, turtle=turtle).root(member, state())
    for dirty in (False, True):
        fast = FastEmitter(names, turtle=turtle, dirty=dirty)
        assert fast.root(member, state()) == right
        assert fast.root(member, state()) == right
