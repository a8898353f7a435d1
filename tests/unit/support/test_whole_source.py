"""A source that binds all names of a model, whatever the model."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from ingest.mapping import compile_mapping
from tests.support.whole_source import whole_item, whole_source
from vocab.check import validate
from vocab.flat import compile_flat
from vocab.model import load_model, model_names


@pytest.mark.parametrize("name", model_names())
def test_an_item_with_every_name(name: str, tmp_path: Path) -> None:
    """Of every model there is, the item becomes a member that conforms to the shape and lacks none of the names."""
    model, received = load_model(name), datetime(2026, 11, 1, 9, 2, tzinfo=UTC)
    mapper = compile_mapping(whole_source(tmp_path, model), model, base_url="https://data.example.org")
    body = mapper.member(mapper.facts(whole_item(model), {}, {}, received), received=received).body
    assert validate(model, [body]) == []
    flat = compile_flat(model)
    row = dict(zip(flat.names, flat.row(orjson.loads(body)), strict=True))
    assert [column for column, value in row.items() if value is None] == []
