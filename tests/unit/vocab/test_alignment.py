"""Alignment files: what the models say of other vocabularies, and the refusal of what their names cannot mean."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vocab.alignment import GEO_PROPERTY, RELATIONSHIP, Alignment
from vocab.compiled import recall
from vocab.errors import ModelError
from vocab.model import MODELS, load_model, model_names
from vocab.model_files import read_model

every_model = pytest.mark.parametrize("name", model_names())


@pytest.fixture
def rewritten(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies the parking model with another alignment file."""

    def write(text: str) -> Path:
        folder = tmp_path / "parking"
        shutil.copytree(MODELS / "parking", folder)
        (folder / "alignment.yaml").write_text(text, "utf-8")
        return folder

    return write


@every_model
def test_every_model_is_aligned(name: str) -> None:
    """Every model must say what its entities, its attributes and its Things are called elsewhere."""
    alignment = load_model(name).alignment
    assert alignment.type
    assert alignment.context.startswith("https://")
    assert alignment.attributes
    assert alignment.thing
    assert alignment.terms


@every_model
def test_readmes_say_the_same_to_people(name: str) -> None:
    """Where the README's table gives a name's word in the Smart Data Models, it must be the attribute or the term of the file."""
    model = load_model(name)
    section = model.readme.partition("## Alignment")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    assert rows, "the README has no table of alignment"
    attributes, terms = model.alignment.attributes, model.alignment.terms
    for place in (place for place, head in enumerate(rows[0]) if head == "Smart Data Models"):
        for row in rows[2:]:
            names = re.findall(r"`(\w+)`", row[0])
            words = [attributes[each].name for each in names if each in attributes]
            words += [terms[each]["smart_data_models"] for each in names if "smart_data_models" in terms.get(each, {})]
            assert not words or row[place] == "–" or any(word in row[place] for word in words), (
                names,
                words,
                row[place],
            )


def test_values_are_read_as_they_are_written() -> None:
    """Kinds, scales, words and shared attributes must come out as the file has them, compiled or not."""
    attributes = load_model("parking").alignment.attributes
    assert attributes["occupancy"].scale == 0.01
    assert attributes["point"].kind == GEO_PROPERTY
    assert attributes["open_now"].values == {"true": "open", "false": "closed"}
    assert attributes["open_now"].name == attributes["temporarily_closed"].name == "status"
    assert load_model("traffic").alignment.attributes["measuring_point"].kind == RELATIONSHIP


def test_a_changed_file_is_read_anew(rewritten: Callable[[str], Path]) -> None:
    """What was compiled of another alignment file must not be used."""
    folder = rewritten("sensorthings: { thing: garage }\n")
    assert recall(folder) is None
    assert read_model(folder).alignment == Alignment(thing="garage")


def test_a_model_without_the_file_is_shown_nowhere_else(rewritten: Callable[[str], Path]) -> None:
    """A model whose folder has no alignment file must load, and be no entity and no Thing."""
    folder = rewritten("")
    (folder / "alignment.yaml").unlink()
    assert read_model(folder).alignment == Alignment()


def test_all_faults_are_told_at_once_with_their_lines(rewritten: Callable[[str], Path]) -> None:
    """Every fault must be named with file and line, and with what was probably meant."""
    folder = rewritten(
        "ngsi_ld:\n"
        "  type: OffStreetParking\n"
        "  attributes:\n"
        "    free_space: { name: availableSpotNumber }\n"
        "    name: { name: name, scale: 2 }\n"
        "    url: { name: name }\n"
        "    open_now: { name: status, kind: Relation }\n"
        "    point: { name: location, kind: Property }\n"
        "    occupancy: { scale: viel }\n"
        "    temporarily_closed: { name: state, values: { ja: closed } }\n"
        "sensorthing: {}\n"
        "sensorthings:\n"
        "  datastreams: [url, vrij]\n"
    )
    with pytest.raises(ModelError) as error:
        read_model(folder)
    for expected in (
        "alignment.yaml:1: ngsi_ld has no context",
        "alignment.yaml:4: the model has no name 'free_space'; did you mean 'free_spaces'?",
        "alignment.yaml:5: scale is a number and for numbers only; name is a text",
        "alignment.yaml:1: name and url are both name: give both `many: true`",
        "alignment.yaml:7: 'Relation' is no kind of attribute; did you mean 'Relationship'?",
        "alignment.yaml:8: point is a point and cannot be a Property",
        "alignment.yaml:9: scale is a number and for numbers only; occupancy is a double",
        "alignment.yaml:9: occupancy has no name",
        "alignment.yaml:10: unknown key 'ja' in values",
        "alignment.yaml:11: unknown key 'sensorthing' in the file; did you mean 'sensorthings'?",
        "alignment.yaml:13: url is a iri, which is no result",
        "alignment.yaml:13: the model has no name 'vrij'",
    ):
        assert expected in str(error.value)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("ngsi_ld: [", "alignment.yaml:1: cannot be read"),
        ("- a\n", "alignment.yaml:1: the file must be a mapping"),
        ("ngsi_ld: no\n", "alignment.yaml:1: ngsi_ld must be a mapping"),
        ("terms: {}\nterms: {}\n", "alignment.yaml:2: terms is written twice in the file"),
        ("sensorthings: { datastreams: free_spaces }\n", "alignment.yaml:1: datastreams must be a list of names"),
        (
            "sensorthings: { until: occupancy }\n",
            "alignment.yaml:1: until is the name of a time, and 'occupancy' is none",
        ),
        ("sensorthings: { thing: [a] }\n", "alignment.yaml:1: thing must be a text"),
    ],
)
def test_files_that_are_something_else_are_refused(text: str, fault: str, rewritten: Callable[[str], Path]) -> None:
    """YAML that is none, or has another form, must be refused with its line."""
    with pytest.raises(ModelError, match=re.escape(fault)):
        read_model(rewritten(text))
