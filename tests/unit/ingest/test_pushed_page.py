"""The page about what is pushed: each of its source files loads, and fits the schema of editors."""

from __future__ import annotations

import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from ingest.schema import source_schema
from ingest.source import load_source
from smartflanders.cli import main
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


@pytest.mark.parametrize("verb", ["check", "explain"])
def test_a_message_can_be_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """With its topic a sample of the page's first source is a member; without, and with nonsense, one is told why not."""
    monkeypatch.setenv("MQTT_PASSWORD", "x" * 16)
    head = "".join(f"{line}\n" for line in HEAD.splitlines() if not line.startswith(("http_poll", "each")))
    file, sample = tmp_path / "s.yaml", tmp_path / "message.json"
    file.write_text(head + EXAMPLES[0], "utf-8")
    sample.write_text('{"time": "2026-11-01T10:00:00Z", "free": 7}', "utf-8")
    asked = ["source", verb, str(file), "--sample", str(sample)]
    assert main([*asked, "--message", '{"topic": "city/parking/p7/state"}']) == 0
    assert "/p7/" in capsys.readouterr().out
    assert main(asked) == 1
    assert "$message.levels[2]" in capsys.readouterr().out
    for nonsense in ("city/p7", "[]"):
        assert main([*asked, "--message", nonsense]) == 2
        assert "--message" in capsys.readouterr().err
