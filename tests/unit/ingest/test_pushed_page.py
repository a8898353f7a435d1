"""The page about what is pushed: each of its source files loads, and fits the schema of editors."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from ingest.schema import source_schema
from ingest.source import load_source
from tests.unit.ingest.test_source_files import HEAD
from vocab.model import load_model

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "take-what-is-pushed.md"
EXAMPLES = re.findall(r"```yaml source\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
SECRETS = dict.fromkeys(("MQTT_PASSWORD", "TTS_TOKEN", "ORION_TOKEN", "SHOP_SECRET", "THEIR_PASSWORD"), "x" * 16)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_every_source_file_of_the_page_loads(tmp_path: Path, number: int) -> None:
    """With what every source file has, and its secrets in the environment, each is right as it stands."""
    assert len(EXAMPLES) == 5
    head = "".join(f"{line}\n" for line in HEAD.splitlines() if not line.startswith(("http_poll", "each")))
    path = tmp_path / "s.yaml"
    path.write_text(head + EXAMPLES[number], "utf-8")
    load_source(path, environ=SECRETS)
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), source_schema([load_model("parking")]))
