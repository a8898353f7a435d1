"""The writer against pyld, on generated members of every model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.vocab.oracle import actual, exact_literals, expected
from vocab.context import read_names
from vocab.model import Kind, Model, load_model, model_names
from vocab.names import Term

pytestmark = pytest.mark.usefixtures("_exact")

_NASTY = [
    "",
    '"',
    "\\",
    "\\u0041",
    "\n\r\t",
    "\b\f\x00\x1f\x7f",
    "'''",
    '"""',
    "{x} {{y}}",
    "é ☃ 𝄞 \ufffe",
    "a@nl",
    "_:b0",
]
_TEXT = st.one_of(st.sampled_from(_NASTY), st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
_IRI = st.one_of(
    st.from_regex(r"https?://[a-z]{1,6}\.example/[A-Za-z0-9._~%/#?-]{0,12}", fullmatch=True),
    st.sampled_from(["urn:x:1", "sosa:Sensor", "https://é.example/☃", "prov:", "xsd:a.b", "mailto:a@b.be"]),
)
# What JSON-LD drops where an IRI is expected.
_NO_IRI = st.sampled_from(["plain", "", "two words", "/relative", "http: //x"])
_INTEGER = st.one_of(st.integers(-(2**53), 2**53), st.sampled_from([0, 1, -1]))
# Without -0.0, which pyld takes for a repetition of 0.0 in one array; test_context has it alone.
_FLOAT = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value or 0.0),
    st.sampled_from([0.0, 1.0, 50.0, 0.1 + 0.2, 1e21, 1e-7, 5e-324, 1.7976931348623157e308, 12.4]),
)
_TAG = st.sampled_from(["nl", "en", "fr-BE", "NL", "@none"])
_POINT = st.builds("POINT ({!r} {!r})".format, st.floats(2.5, 6.41), st.floats(49.49, 51.51))


@pytest.fixture(scope="module")
def _exact() -> Iterator[None]:
    with exact_literals():
        yield


def _scalar(term: Term, codes: list[str]) -> st.SearchStrategy[Any]:
    if term.coercion == "@id":
        likely = _IRI
    elif term.coercion == "@vocab":
        likely = st.one_of(st.sampled_from(codes), _IRI)
    else:
        likely = st.one_of(_TEXT, _INTEGER, _FLOAT, st.booleans())
    return st.one_of(likely, likely, likely, _NO_IRI, st.none(), st.booleans(), _INTEGER, _FLOAT)


def _objects(model: Model) -> st.SearchStrategy[dict[str, Any]]:
    """Objects made of any terms of the context, whatever the template says."""
    names = read_names(orjson.loads(model.context))
    codes = sorted(names.terms)
    types = st.one_of(st.sampled_from(codes), st.lists(st.sampled_from(codes), max_size=3))

    def around(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        def value(term: Term) -> st.SearchStrategy[Any]:
            if term.by_language:
                text = st.one_of(_TEXT, st.none(), st.lists(_TEXT, max_size=2))
                return st.one_of(st.dictionaries(_TAG, text, max_size=3), _TEXT)
            one = st.one_of(_scalar(term, codes), _scalar(term, codes), inner)
            return st.one_of(one, one, st.lists(one, max_size=3))

        keys = {name: value(term) for name, term in names.terms.items()}
        some = st.lists(st.sampled_from(codes), max_size=5, unique=True)
        plain = some.flatmap(lambda chosen: st.fixed_dictionaries({name: keys[name] for name in chosen}))
        extra = st.fixed_dictionaries({}, optional={"@type": types, "@id": _IRI, "unknown": _TEXT, "sosa:x": _TEXT})
        return st.builds(lambda first, then: {**first, **then}, extra, plain)

    return st.recursive(st.builds(dict), around, max_leaves=4)


_KINDS: Mapping[Kind, st.SearchStrategy[Any]] = {
    Kind.INTEGER: _INTEGER,
    Kind.DOUBLE: st.one_of(_FLOAT, _INTEGER),
    Kind.BOOLEAN: st.booleans(),
    Kind.STRING: _TEXT,
    Kind.TEXT: st.dictionaries(st.sampled_from(["nl", "en"]), _TEXT, min_size=1, max_size=2),
    Kind.DATETIME: st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z"),
    Kind.IRI: _IRI,
    Kind.POINT: _POINT,
}


def _kinds(kind: Kind, codes: tuple[str, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(codes or ("none",)) if kind is Kind.CODE else _KINDS[kind]


class _Filler:
    """Fills a template with drawn values, leaving out some; a simple reading of the grammar, for tests only."""

    def __init__(self, model: Model, draw: st.DrawFn) -> None:
        self._model = model
        self._draw = draw

    def fill(self, template: Any, drawn: Mapping[str, Any]) -> Any:
        """Return the template filled; None for what is left out."""
        if isinstance(template, Mapping):
            filled = {key: self.fill(value, drawn) for key, value in template.items() if key != "@each"}
            return {key: value for key, value in filled.items() if value is not None}
        if isinstance(template, list):
            items = [self.fill(item, drawn) for item in template for _ in range(self._times(item))]
            return [item for item in items if item is not None]
        return self._text(str(template), drawn)

    def _times(self, item: Any) -> int:
        return self._draw(st.integers(0, 3)) if isinstance(item, Mapping) and "@each" in item else 1

    def _text(self, text: str, drawn: Mapping[str, Any]) -> Any:
        name = text[1:-1]
        if text == f"{{{name}}}" and (field := self._model.fields.get(name)):
            value = self._draw(_kinds(field.kind, field.codes))
            return value if field.required else self._draw(st.sampled_from([value, value, None]))
        if text in drawn:
            return drawn[text]
        return text.replace("{", "").replace("}", "")


@st.composite
def _members(draw: st.DrawFn, model: Model, objects: st.SearchStrategy[dict[str, Any]]) -> bytes:
    """A member as the template makes it, or any of the `objects` of the context."""
    if draw(st.booleans()):
        return orjson.dumps({"@id": draw(_IRI), **draw(objects)})
    drawn = {f"{{{name}}}": draw(_IRI) for name in ("entity", "publisher", "licence", "revision_of")}
    drawn["{member}"] = "https://data.example/members/1"
    drawn["{observed_at}"] = "2026-11-23T20:00:00.000Z"
    return orjson.dumps(_Filler(model, draw).fill(model.template, drawn))


@pytest.mark.parametrize("number", [50, pytest.param(700, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", model_names())
def test_generated_members_mean_the_same(name: str, number: int) -> None:
    """What the writer says of any member, in both syntaxes, must be what pyld says, to the letter of every literal."""
    model = load_model(name)
    context = orjson.loads(model.context)

    @settings(max_examples=number, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    # Made once: for each example anew it took ten times as long as all the rest.
    @given(body=_members(model, _objects(model)))
    def check(body: bytes) -> None:
        right = expected(context, body)
        assert actual(model.writer.ntriples(body, scope="m7"), "nt") == right
        assert actual(model.writer.prefixes + model.writer.turtle(body), "turtle") == right

    check()
