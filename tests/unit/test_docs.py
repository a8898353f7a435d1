"""The docs: generated pages are current, links lead somewhere, commands exist, examples do what they say."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.explain import check_sample
from ingest.schema import source_schema
from ingest.source import load_source
from smartflanders import reference
from smartflanders.cli import main, parser
from smartflanders.pilots import load_plan
from smartflanders.reference_input import BAD_INPUT
from streams.errors import ConfigError
from streams.record import Payload, Reason
from streams.settings import SETTINGS
from tests.conformance.kit import Site, two_streams
from tests.support import views
from tests.support.site_of_views import Views
from vocab.model import load_model, model_names

ROOT = Path(__file__).resolve().parents[2]
DOCS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
HOW_TO = ROOT / "docs" / "how-to"
_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language, the word behind it, and its text."""

    language: str
    mark: str
    text: str


def blocks(path: Path) -> list[Block]:
    """Find the fenced blocks of a page."""
    found = _FENCE.findall(path.read_text("utf-8"))
    return [Block(language=language, mark=mark.strip(), text=text) for language, mark, text in found]


def marked(path: Path, mark: str) -> list[str]:
    """Return the texts of the blocks whose mark starts so."""
    return [block.text for block in blocks(path) if block.mark.startswith(mark)]


def name_of(path: Path) -> str:
    """Name a page for messages."""
    return path.relative_to(ROOT).as_posix()


# --- the generated pages --------------------------------------------------------------------------------------------


def test_generated_pages_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    """What `make docs` would write is what is committed."""
    assert reference.main(["--check"]) == 0, capsys.readouterr().err


def test_a_page_that_differs_is_named_and_then_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--check names each page that is not up to date and writes nothing; without it they are written."""
    assert reference.main(["--check"], folder=tmp_path) == 1
    assert "docs/reference/settings.md is not up to date; run `make docs`" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
    assert reference.main([], folder=tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(reference.PAGES)
    assert reference.main(["--check"], folder=tmp_path) == 0


def test_every_setting_metric_and_reason_is_on_its_page() -> None:
    """Each setting, metric and reason is named where people look for it, and each reason is explained."""
    pages = reference.pages()
    assert [it.name for it in SETTINGS if f"| `{it.name}` |" not in pages["settings.md"]] == []
    metrics = reference.found_metrics()
    assert len(metrics) > 15
    assert [name for name in metrics if f"| `{name}` |" not in pages["metrics.md"]] == []
    assert [reason.value for reason in Reason if f"## `{reason.value}`" not in pages["reasons.md"]] == []


def test_every_verb_and_model_name_is_on_its_page() -> None:
    """Each verb for people has its help, each model each of its names."""
    pages = reference.pages()
    assert [name for name, _ in reference.verbs(parser()) if f"\n## {name}\n" not in pages["commands.md"]] == []
    for model in model_names():
        assert [name for name in load_model(model).fields if f"| `{name}`" not in pages["models.md"]] == []


def test_a_word_without_explanation_is_refused() -> None:
    """The page of source files cannot be written while it explains more or less than there is."""
    with pytest.raises(ValueError, match=r"differ in \['new'\]"):
        reference._agreed({"old": ""}, ["old", "new"])


# --- links, commands, sizes -----------------------------------------------------------------------------------------


def test_relative_links_lead_somewhere() -> None:
    """Every relative link of README and docs names a file or folder that exists, and a heading that is there."""
    broken = []
    for page in DOCS:
        for target, heading in _LINK.findall(_prose(page)):
            file = (page.parent / target).resolve() if target else page
            if "://" in target or target.startswith("mailto:"):
                continue
            if not file.exists() or (heading and heading[1:] not in _anchors(file)):
                broken.append(f"{name_of(page)}: {target}{heading}")
    assert broken == []


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text("utf-8"))


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_readme_is_short() -> None:
    """The README stays a page: 150 lines at most."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 150


def test_verbs_in_the_docs_exist() -> None:
    """Every `smartflanders verb` that README or docs name is a verb."""
    known = {name for name, _ in reference.verbs(parser())}
    unknown = []
    for page in DOCS:
        for first, second in re.findall(r"`(?:\.venv/bin/)?smartflanders ([a-z]+)(?: ([a-z]+))?", _prose(page)):
            if f"smartflanders {first}" not in known:
                unknown.append(f"{name_of(page)}: {first}")
            elif first == "source" and f"smartflanders source {second}" not in known:
                unknown.append(f"{name_of(page)}: source {second}")
    assert unknown == []


def commands() -> Iterator[tuple[str, list[str]]]:
    """Find the commands in the shell blocks: the page and the words, without what is redirected or commented."""
    for page in DOCS:
        for block in blocks(page):
            for line in block.text.splitlines() if block.language == "sh" else []:
                words = shlex.split(line.split(" > ")[0].split(" | ")[0].removesuffix(" &"), comments=True)
                if words:
                    yield name_of(page), words


def test_commands_in_shell_blocks_parse(capsys: pytest.CaptureFixture[str]) -> None:
    """Each smartflanders command in a shell block is understood by the parser; each make target exists."""
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    seen = 0
    for page, words in commands():
        program = words[0].removeprefix(".venv/bin/")
        if program == "smartflanders":
            seen += 1
            try:
                parser().parse_args(words[1:])
            except SystemExit:
                pytest.fail(f"{page}: {' '.join(words)}: {capsys.readouterr().err}")
        elif program == "make" and len(words) > 1:
            assert words[1] in targets, f"{page}: {' '.join(words)}"
    assert seen >= 4


# --- add a source ---------------------------------------------------------------------------------------------------

ADD = HOW_TO / "add-a-source.md"
_CLASSES = {"each": "seen[*]", "bind": {"vehicle_class": {"constant": "car"}, "count": "n"}}
# What an example leaves unsaid: the rest of an item and of a source file, per model.
_ITEM = {"id": "p1", "at": "2026-07-01T08:00:00Z", "free": 10, "lon": 4.35, "lat": 50.85, "seen": [{"n": 1}]}
_POINT = {"longitude": "lon", "latitude": "lat"}
_BIND: Mapping[str, Mapping[str, Any]] = {
    "parking": {"free_spaces": "free"},
    "traffic": {"measuring_point": {"from": "id", "entity_of": "points"}, "classes": _CLASSES},
    "measuring-point": {"point": _POINT},
}


def frame_of(example: Mapping[str, Any]) -> dict[str, Any]:
    """Complete an example to a source file."""
    model = example.get("model", "parking")
    text = {"nl": "Voorbeeld", "en": "Example"}
    return {
        "source": "example",
        "title": text,
        "description": text,
        "publisher": {"name": "Example", "iri": "https://data.example.org/id/organisation/1"},
        "licence": "https://data.vlaanderen.be/id/licentie/modellicentie-gratis-hergebruik/v1.0",
        "http_poll": {"url": "https://feed.example.org/", "every": "60s"},
        "model": model,
        "stream": "example",
        "each": "items[*]",
        "bind": {"entity": "id", "observed_at": "at", **_BIND[model], **example["bind"]},
        **{key: example[key] for key in ("lookup", "privacy") if key in example},
    }


def found(value: Any, key: str) -> list[Any]:
    """Find every value of a key, however deep."""
    if isinstance(value, list):
        return [hit for part in value for hit in found(part, key)]
    if not isinstance(value, dict):
        return []
    return [*([value[key]] if key in value else []), *(hit for part in value.values() for hit in found(part, key))]


EXAMPLES = [yaml.safe_load(text) for text in marked(ADD, "try")]


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"{n}-{'-'.join(it['bind'])}" for n, it in enumerate(EXAMPLES)])
def test_examples_of_binding_words(example: dict[str, Any], tmp_path: Path) -> None:
    """Each example of the page gives what it says, or is refused or faulted as it says."""
    file = tmp_path / "example.yaml"
    file.write_text(json.dumps(frame_of(example)), "utf-8")
    if "faulty" in example:
        with pytest.raises(ConfigError, match=re.escape(example["faulty"])):
            load_source(file)
        return
    source = load_source(file)
    document = {**example.get("document", {}), "items": [{**_ITEM, **example["item"]}]}
    table = Payload(
        source="points",
        received_at=datetime.now(UTC),
        media_type="application/json",
        body=json.dumps(example.get("table", {})).encode(),
    )
    lookups = dict.fromkeys(source.lookups, table)
    model = load_model(source.model)
    report = check_sample(source, model, json.dumps(document).encode(), "application/json", lookups=lookups)
    if "refused" in example:
        assert [it.reason.value for it in report.rejections] == [example["refused"]]
        return
    assert [it.detail for it in report.rejections] == []
    member = json.loads(report.members[0].body)
    for key, value in example.get("gives", {}).items():
        assert value in found(member, key), member
    assert [key for key in example.get("without", []) if found(member, key)] == []


def test_every_word_has_an_example() -> None:
    """No word of a binding is left without an example on the page."""
    schema = source_schema([load_model(name) for name in model_names()])
    words = set(schema["$defs"]["binding"]["properties"])
    used = {word for example in EXAMPLES for word in _words_in(example["bind"])}
    assert words - used == set()


def _words_in(bind: Mapping[str, Any]) -> Iterator[str]:
    for bound in bind.values():
        if isinstance(bound, dict) and "each" in bound:
            yield from _words_in(bound["bind"])
        elif isinstance(bound, dict):
            yield from bound


def test_the_source_of_the_page_makes_what_the_page_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's command makes one valid member of its sample and prints the refusals as the page does."""
    file, sample = tmp_path / "parkings.yaml", tmp_path / "halle.json"
    file.write_text(marked(ADD, "source=")[0], "utf-8")
    sample.write_text(marked(ADD, "sample=")[0], "utf-8")
    assert main(["source", "check", str(file), "--sample", str(sample)]) == 1
    told = capsys.readouterr()
    assert told.out.endswith("\n" + marked(ADD, "refusals")[0])
    assert "3 items: 1 members, 0 unchanged, 2 refused; SHACL on 1 members: all valid" in told.err


def test_the_faulty_file_of_the_page_is_told_off_as_printed(tmp_path: Path) -> None:
    """The three faults are reported together, in the words of the page."""
    file = tmp_path / "parkings.yaml"
    file.write_text(marked(ADD, "faulty=")[0], "utf-8")
    with pytest.raises(ConfigError) as error:
        load_source(file)
    told = str(error.value).replace(str(file), "deploy/pilots/halle/parking/parkings.yaml")
    assert told + "\n" == marked(ADD, "faults")[0]


def test_the_tests_of_bad_input_exist() -> None:
    """Every row of the table of bad input names a test that there is."""
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(BAD_INPUT) > 10
    assert {test for _, _, test in BAD_INPUT} <= defined


# --- follow a feed --------------------------------------------------------------------------------------------------

FOLLOW = HOW_TO / "follow-a-feed.md"


def script(language: str) -> str:
    """Return the script of the page in one language."""
    return next(block.text for block in blocks(FOLLOW) if block.language == language and block.mark == "follow")


@pytest.fixture
def site(database_url: str) -> Iterator[Site]:
    """Run a site whose feed has several levels of pages."""
    with Site(database_url, two_streams()) as running:
        running.append("gent-parking", 97)
        yield running


def test_the_python_script_reads_everything_once_and_then_only_news(site: Site) -> None:
    """The script of the page gives every member in order, nothing twice, and later only what is new."""
    space: dict[str, Any] = {"__name__": "follow"}
    exec(compile(script("python"), str(FOLLOW), "exec"), space)
    state: dict[str, Any] = {"sequence": -1, "final": set()}
    feed = f"{site.base}/gent-parking"
    assert [member["sequence"] for member in space["news"](feed, state)] == list(range(97))
    assert list(space["news"](feed, state)) == []
    site.append("gent-parking", 30)
    news: list[int] = []
    for _ in range(100):  # the process is told of new members a moment after they are stored
        news += [member["sequence"] for member in space["news"](feed, state)]
        if len(news) >= 30:
            break
    assert news == list(range(97, 127))


def test_the_lines_script_reads_everything_and_then_what_comes(site: Site, tmp_path: Path) -> None:
    """The few lines of the page print every member once, in order, and those published while they run."""
    file = tmp_path / "lines.py"
    file.write_text(marked(FOLLOW, "lines")[0].replace("time.sleep(5)", "time.sleep(0.1)"), "utf-8")
    assert len(file.read_text("utf-8").splitlines()) <= 14
    command = [sys.executable, str(file), f"{site.base}/gent-parking"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            assert [json.loads(running.stdout.readline())["sequence"] for _ in range(97)] == list(range(97))
            site.append("gent-parking", 30)
            assert [json.loads(running.stdout.readline())["sequence"] for _ in range(30)] == list(range(97, 127))
        finally:
            running.kill()


def test_the_table_script_reads_a_view_and_a_bucket(database_url: str, tmp_path: Path) -> None:
    """The lines of the page make one table of a whole view, and of one bucket of it, with the columns once."""
    file = tmp_path / "table.py"
    file.write_text(marked(FOLLOW, "table")[0], "utf-8")
    with Views(database_url, views.make_stream()) as site:
        site.declare(site.stream)
        site.publish(60)
        for view, count in (("by-hour?", 60), ("by-operator/1/none?", len(range(0, 60, 11)))):
            command = [sys.executable, str(file), f"{site.base}/{views.NAME}/{view}format=csv"]
            done = subprocess.run(command, capture_output=True, check=True, timeout=60)
            rows = list(csv.DictReader(io.StringIO(done.stdout.decode(), newline=""), strict=True))
            assert len({row["sequence"] for row in rows}) == len(rows) == count


def test_the_javascript_reads_everything(site: Site, tmp_path: Path) -> None:
    """The script of the page, in Node.js, prints every member in order."""
    if shutil.which("node") is None:
        pytest.skip("Node.js is not on this machine")
    file = tmp_path / "follow.mjs"
    file.write_text(script("js").replace("http://127.0.0.1:8080", site.base), "utf-8")
    done = subprocess.run(["node", str(file)], capture_output=True, text=True, check=True, timeout=60)
    assert [json.loads(line)["sequence"] for line in done.stdout.splitlines()] == list(range(97))


# --- add views ------------------------------------------------------------------------------------------------------

VIEWS = HOW_TO / "add-views.md"


@pytest.fixture
def halle(tmp_path: Path) -> Path:
    """Make the pilot of the how-to pages: its source, no stream file yet."""
    (tmp_path / "parkings.yaml").write_text(marked(ADD, "source=")[0], "utf-8")
    return tmp_path


def test_the_stream_file_of_the_page_does_what_the_page_says(halle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's command prints what the page prints."""
    (halle / "halle-parking.stream.yaml").write_text(marked(VIEWS, "stream=")[0], "utf-8")
    assert main(["stream", "check", str(halle)]) == 0
    assert capsys.readouterr().out == marked(VIEWS, "check")[0]


def test_the_faulty_stream_file_is_told_off_as_printed(halle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The four faults are reported together, in the words of the page."""
    (halle / "halle-parking.stream.yaml").write_text(marked(VIEWS, "faulty=")[0], "utf-8")
    assert main(["stream", "check", str(halle)]) == 2
    assert capsys.readouterr().err == marked(VIEWS, "faults")[0]


# --- keep less ------------------------------------------------------------------------------------------------------

COPY = HOW_TO / "copy-a-pilot.md"


def test_copying_a_pilot_does_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command of the page writes the pilot, what it refuses and checks is as shown, and the expectations fit it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "answers.yaml").write_text(marked(COPY, "answers=")[0], "utf-8")
    (command,) = marked(COPY, "copy")
    argv = shlex.split(command)[1:]
    assert main([word for word in argv if word not in ("--answers", "answers.yaml")]) == 2
    assert capsys.readouterr().err == marked(COPY, "refused")[0]
    assert main(argv) == 0
    assert capsys.readouterr().out == marked(COPY, "copied")[0]
    shutil.copy(ROOT / "tests" / "data" / "ingest" / "garages.json", "payload.json")
    assert main(["pilot", "check", "aalst/parking", "--sample", "aalst-garages=payload.json"]) == 1
    assert capsys.readouterr().out == marked(COPY, "outside")[0]
    file = tmp_path / "aalst" / "parking" / "pilot.yaml"
    text = file.read_text("utf-8")
    file.write_text(text[: text.index("expect:")] + marked(COPY, "expect")[0], "utf-8")
    assert load_plan([file.parent]).expect["aalst-garages"].ranges["free_spaces"].highest == 800


KEEP = HOW_TO / "keep-less.md"


def test_the_policies_of_the_page_are_kept(halle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page's command prints what the page prints of each policy."""
    (halle / "halle-parking.stream.yaml").write_text(marked(KEEP, "keep=")[0], "utf-8")
    assert main(["stream", "check", str(halle)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "example in" not in line]
    assert "\n".join(told[:3]) + "\n" == marked(KEEP, "keeps")[0]
    assert told[-1] == "  keeps everything"
