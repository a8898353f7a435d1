"""The command line: every verb by itself, and no process with libraries that it does not need."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from smartflanders.cli import VERBS, main, parser

ROOT = Path(__file__).resolve().parents[3]
# Libraries of which each takes 50 to 500 ms and 5 to 20 MB, and who needs them at its start.
_HEAVY = ("aiohttp", "aiokafka", "fastapi", "lxml", "pyld", "pyproj", "pyshacl", "rdflib", "testbed")
_NEEDED = {
    "up": ["smartflanders.platform", "smartflanders.status"],
    "pipeline": ["smartflanders.roles"],
    "write": ["smartflanders.roles", "smartflanders.health"],
    "web": ["smartflanders.answering"],
}
_PROBE = """
import sys
from importlib import import_module
from smartflanders.cli import parser
parser(sys.argv[1])
from smartflanders.pilots import load_plan
from smartflanders.platform import shipped_pilots
load_plan(shipped_pilots())
for name in sys.argv[3:]:
    import_module(name)
print(*[name for name in sys.argv[2].split(",") if name in sys.modules])
"""


def _verbs(top: argparse.ArgumentParser) -> list[str]:
    (verbs,) = (each for each in top._actions if isinstance(each, argparse._SubParsersAction))
    return list(verbs.choices)


def test_every_verb_is_found_by_its_name() -> None:
    """The table of modules must name all verbs that these add, and each must be known with its module alone."""
    assert _verbs(parser()) == [verb for verbs in VERBS.values() for verb in verbs]
    for module in VERBS.values():
        for verb in module:
            assert _verbs(parser(verb)) == list(module)


@pytest.mark.parametrize("words", [["uo"], [], ["--port", "1"]])
def test_unknown_verbs_are_told_with_all_there_are(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A command that is no verb of ours must end with status 2; a misspelt one names all verbs."""
    assert main(words) == 2
    said = capsys.readouterr().err
    assert "replicate" in said or "VERB" in said


@pytest.mark.parametrize("role", _NEEDED)
def test_a_role_loads_only_what_it_needs(role: str) -> None:
    """A process must not load the large libraries of others; those of its own are loaded when they are used."""
    command = [sys.executable, "-c", _PROBE, role, ",".join(_HEAVY), *_NEEDED[role]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == (["fastapi"] if role == "web" else [])
