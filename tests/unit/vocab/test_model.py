"""Loading models: what they say, and the refusal of files which disagree."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
import rdflib
from pyld import jsonld

from vocab.agreement import RESERVED
from vocab.errors import ModelError
from vocab.model import Kind, load_model, model_names
from vocab.model_files import check_model, read_model
from vocab.slots import texts

_MODELS = Path(__file__).parents[3] / "vocab" / "models"


@pytest.fixture
def change(tmp_path: Path) -> Callable[[str, str, str], Path]:
    """Return a function that copies the parking model with one text of one file replaced."""

    def changed(file: str, old: str, new: str) -> Path:
        folder = tmp_path / "parking"
        if not folder.exists():
            shutil.copytree(_MODELS / "parking", folder)
        path = folder / file
        content = path.read_text("utf-8")
        assert old in content
        path.write_text(content.replace(old, new), "utf-8")
        return folder

    return changed


def _ntriples(document: list[object]) -> str:
    return str(jsonld.to_rdf(document, {"format": "application/n-quads"}))


@pytest.mark.parametrize("name", model_names())
def test_models_agree_with_themselves(name: str) -> None:
    """Every model must load, its files agree, and its example conform to its shape."""
    model = load_model(name)
    check_model(model)
    assert model is load_model(name)
    assert model.version == "1.0.0"
    assert set(model.title) == set(model.description) == {"nl", "en"}


@pytest.mark.parametrize("name", model_names())
def test_shapes_say_the_same_in_three_spellings(name: str) -> None:
    """The Turtle, N-Triples and JSON-LD of a shape must have as many statements, and its IRI in each."""
    shape = load_model(name).shape
    spelled = [
        rdflib.Graph().parse(data=shape.turtle, format="turtle"),
        rdflib.Graph().parse(data=shape.ntriples, format="nt"),
        rdflib.Graph().parse(data=_ntriples(orjson.loads(shape.jsonld)), format="nt"),
    ]
    assert len({len(graph) for graph in spelled}) == 1
    assert all((rdflib.URIRef(shape.iri), None, None) in graph for graph in spelled)


@pytest.mark.parametrize("name", model_names())
def test_models_leave_page_keys_alone(name: str) -> None:
    """No model may define a key that pages use for themselves."""
    assert not RESERVED & orjson.loads(load_model(name).context).keys()


def test_versioned_models_are_told_from_observations() -> None:
    """Models whose members are versions must be known by the template's isVersionOf."""
    assert {name: load_model(name).versioned for name in model_names()} == {
        "air-quality": False,
        "counts": False,
        "crowdedness": False,
        "measuring-point": True,
        "parking": True,
        "traffic": False,
        "water-level": False,
        "weather": False,
    }


def test_fields_carry_what_mappings_need() -> None:
    """A field must carry kind, range, unit, codes and group as the shape declares them."""
    fields = load_model("traffic").fields
    speed = fields["mean_speed"]
    assert (speed.kind, speed.unit, speed.minimum, speed.maximum) == (Kind.DOUBLE, "km/h", 1, 200)
    assert (speed.group, speed.required) == ("classes", False)
    assert fields["vehicle_class"].codes == ("motorcycle", "car", "van", "truck", "articulated")
    assert fields["measuring_point"].required


def test_unknown_models_are_refused_with_the_known_ones() -> None:
    """Asking for a model that does not exist must say which do."""
    with pytest.raises(ModelError, match="parking, traffic"):
        load_model("bicycles")


@pytest.mark.parametrize(
    ("file", "old", "new", "why"),
    [
        ("template.jsonld", "{free_spaces}", "{free_space}", "free_space} is declared nowhere"),
        ("template.jsonld", '"page": "{url}",', "", "url is declared but the template does not use it"),
        ("template.jsonld", '"freeSpaces"', '"vrij"', "vrij is no term"),
        ("template.jsonld", '"@type": "Capacity"', '"@type": "Kapacity"', "Kapacity of @type is no term"),
        ("template.jsonld", '"@type": "Capacity"', '"@each": "floors"', "no name belongs to the group floors"),
        ("template.jsonld", '"@id": "{member}",', "", "the first key must be"),
        ("context.jsonld", '"freeSpaces"', '"value"', "value is a key of pages"),
        ("context.jsonld", '"sequence"', '"volgnummer"', "sequence must be"),
        ("context.jsonld", '"@version": 1.1', '"@vocab": "https://e.org/"', "@vocab"),
        ("context.jsonld", '"carPark": "mv:ParkingGarage",', "", "a code of facility_type has 0 terms"),
        ("shape.ttl", 'sh:name "naam"@nl , ', "sh:name ", "name: sh:name must be given once in nl"),
        ("shape.ttl", 'sf:unit "%"', 'sf:unit "procent"', "unknown unit procent"),
        ("shape.ttl", 'sf:kind "double"', 'sf:kind "float"', "no kind 'float'"),
        ("shape.ttl", "sh:targetClass mv:ParkingFacility ;", "", "0 node shapes"),
        ("shape.ttl", 'sf:bind "open_now"', 'sf:bind "temporarily_closed"', "declared in two ways"),
        ("shape.ttl", "sh:in (", "sh:hasValue (", "is a code without sh:in"),
        ("shape.ttl", 'sf:bind "occupancy"', 'sf:group "floors" ; sf:bind "occupancy"', "stands outside its group"),
        ("README.md", "`occupancy`", "occupancy", "occupancy is not explained"),
    ],
)
def test_disagreement_is_refused(
    change: Callable[[str, str, str], Path], file: str, old: str, new: str, why: str
) -> None:
    """A model whose files disagree must be refused with what disagrees and how to mend it."""
    with pytest.raises(ModelError, match=why) as caught:
        read_model(change(file, old, new))
    assert caught.value.fix


def test_every_fault_is_named_at_once(change: Callable[[str, str, str], Path]) -> None:
    """Two faults must be reported together."""
    change("README.md", "`occupancy`", "occupancy")
    with pytest.raises(ModelError, match=r"url is declared.*occupancy is not explained"):
        read_model(change("template.jsonld", '"page": "{url}",', ""))


def test_examples_are_checked(change: Callable[[str, str, str], Path]) -> None:
    """An example that does not conform, or has another context, must be refused by check_model."""
    folder = change("example.jsonld", '"freeSpaces": 312', '"freeSpaces": -1')
    with pytest.raises(ModelError, match="parkingNumberOfVacantSpaces"):
        check_model(read_model(folder))
    folder = change("example.jsonld", '"@version": 1.1,', "")
    with pytest.raises(ModelError, match="another @context"):
        check_model(read_model(folder))


def test_missing_files_are_refused(change: Callable[[str, str, str], Path]) -> None:
    """A folder without all five files must be refused as such."""
    folder = change("README.md", "# parking", "# parking")
    (folder / "template.jsonld").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        read_model(folder)


def test_slots_know_their_group() -> None:
    """A slot inside a repeated object must be reported with that object's group."""
    template = {"a": "{x}", "b": [{"@each": "g", "c": "{y}-{z}", "d": {"e": "{w}"}}], "f": 5}
    assert [(text.key, text.group, text.slots) for text in texts(template)] == [
        ("a", None, ("x",)),
        ("c", "g", ("y", "z")),
        ("e", "g", ("w",)),
    ]
