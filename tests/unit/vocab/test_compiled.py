"""Compiled models: the same as their files, and used for exactly those."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from vocab.compiled import FILE, compiled, recall
from vocab.model import MODELS, load_model, model_names
from vocab.model_files import read_model


@pytest.mark.parametrize("name", model_names())
def test_what_is_compiled_is_what_the_files_say(name: str) -> None:
    """Every model must have a compiled file that says what reading its files anew says: else run `make models`."""
    folder = MODELS / name
    read, recalled = read_model(folder), recall(folder)
    assert recalled is not None
    assert (folder / FILE).read_bytes() == compiled(read, folder)
    for field in fields(read):
        if field.name != "writer":
            assert getattr(recalled, field.name) == getattr(read, field.name)
    body = b'{"@id":"https://data.example.org/a"}'
    assert recalled.writer.prefixes == read.writer.prefixes
    assert recalled.writer.ntriples(body, scope="m") == read.writer.ntriples(body, scope="m")


@pytest.mark.parametrize("name", ["shape.ttl", "context.jsonld", "README.md", FILE])
def test_a_changed_file_is_read_anew(name: str, tmp_path: Path) -> None:
    """A model of which a file was changed or is missing must not be taken from what was compiled before."""
    folder = tmp_path / "parking"
    shutil.copytree(MODELS / "parking", folder)
    assert recall(folder) is not None
    (folder / name).write_bytes(b" " + (folder / name).read_bytes()[:-2])
    assert recall(folder) is None
    (folder / name).unlink()
    assert recall(folder) is None


def test_models_are_loaded_from_what_is_compiled() -> None:
    """Loading a model must give what was compiled, once per process."""
    assert load_model("traffic") is load_model("traffic")
    assert load_model("traffic").shape == (recall(MODELS / "traffic") or load_model("parking")).shape
