"""Source files: the pilots load, and every fault of a file is reported at once with line and fix."""

from __future__ import annotations

from pathlib import Path

import jsonschema
import pytest
import yaml

from ingest.schema import source_schema
from ingest.source import load_source
from ingest.transports.http_poll import HttpPollOptions
from streams.errors import ConfigError
from tests.unit.ingest.workbench import GARAGES, SOURCES, changed, keys_of
from vocab.model import load_model, model_names

HEAD = """source: s
title: { nl: a, en: b }
description: { nl: a, en: b }
publisher: { name: n, iri: "https://x.example/" }
licence: https://x.example/licence
http_poll: { url: "https://x.example/feed", every: 60s }
model: parking
stream: t
each: results[*]
"""
BIND = """bind:
  entity: id
  observed_at: time
  free_spaces: free
"""


def faults(tmp_path: Path, text: str) -> str:
    """Load a file that must be refused, and return the whole message."""
    path = tmp_path / "s.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError) as caught:
        load_source(path, environ={})
    return str(caught.value)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_pilots_load_and_fit_the_schema(path: Path) -> None:
    """Every source file that ships is valid for the platform and for editors."""
    assert load_source(path, environ=keys_of(path)).name == path.stem or path.parent.name == "parking"
    schema = source_schema([load_model(name) for name in model_names()])
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema)


def test_the_smallest_file_loads(tmp_path: Path) -> None:
    """What is not needed may be left out."""
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + BIND, "utf-8")
    source = load_source(path)
    assert (source.name, source.stream, source.publish.changed, source.sample) == ("s", "t", False, "")


def test_all_faults_come_at_once_with_their_lines(tmp_path: Path) -> None:
    """Three faults in one file are three problems, each at its line."""
    said = faults(tmp_path, HEAD + BIND.replace("free_spaces", "free_space") + "publsh: { when: changed }\nlookup: 3\n")
    assert "s.yaml:13: unknown name 'free_space'" in said
    assert "did you mean 'free_spaces'?" in said
    assert "s.yaml:14: unknown key 'publsh'" in said
    assert "did you mean 'publish'?" in said
    assert "s.yaml:15: lookup must be a mapping" in said
    assert "required name 'free_spaces' is not bound" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("- a", "the file must be a mapping"),
        ("a: [", "this is no YAML"),
        ("a: 1\na: 2", "'a' is written twice"),
        ("a: &x [1]\nb: *x", "aliases"),
        (HEAD.replace("parking", "parkin") + BIND, "unknown model 'parkin'"),
        (HEAD.replace("source: s", "source: S 1") + BIND, "is no name"),
        (HEAD.replace("https://x.example/licence", "open") + BIND, "no absolute IRI"),
        (HEAD.replace("every: 60s", "every: soon") + BIND, "is no duration"),
        (HEAD.replace("every: 60s", "every: 0s") + BIND, "too often"),
        (HEAD.replace("https://x.example/feed", "ftp://x") + BIND, "no web address"),
        (HEAD.replace(", every: 60s", ", every: 60s, headers: { X-Api-Key: abc }") + BIND, "holds a secret"),
        (HEAD.replace(", every: 60s", ', every: 60s, headers: { X-Api-Key: "${KEY}" }') + BIND, "KEY is not set"),
        (HEAD.replace("results[*]", "results") + BIND, "must hold [*] once"),
        (HEAD.replace("title: { nl: a, en: b }", "title: { nl: a }") + BIND, "title has no text in 'en'"),
        (HEAD + "files: { folder: a, pattern: b }\n" + BIND, "two transports"),
        (HEAD + BIND + "publish: { when: sometimes }", "publish when 'sometimes' is unknown"),
        (HEAD + BIND + "publish: { heartbeat: 15m }", "a heartbeat without"),
        (HEAD + BIND + "publish: { absent: forget }", "absent 'forget' is unknown"),
        (HEAD + BIND + "publish: { transaction: minute }", "transaction 'minute' is unknown"),
        (HEAD + BIND + "publish: { operations: some }", "write operations: true or false"),
        (HEAD + BIND + "publish: { operations: false, absent: delete }", "deletions without operations"),
        (
            HEAD.replace("every: 60s", "every: 60s, pages: { next: n }") + BIND + "publish: { absent: delete }",
            "`absent` does not fit: each payload of this source is only a part",
        ),
        (HEAD + BIND + "publish: { deleted: { from: state } }", "deleted needs the values"),
        (HEAD + BIND + "publish: { deleted: { equals: [gone] } }", "from is missing"),
    ],
)
def test_wrong_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """Each way to be wrong has its own message."""
    assert message in faults(tmp_path, text)


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("total_spaces: { form: a }", "unknown key 'form'"),
        ("total_spaces: { from: a, constant: 3 }", "several origins"),
        ("total_spaces: { constant: many }", "is no number"),
        ("total_spaces: { from: a, unit: m }", "cannot convert 'm'"),
        ("total_spaces: { from: a, zone: Europe/Brussels }", "`zone` does not fit"),
        ("occupancy: { from: a, as: epoch_secs }", "did you mean 'epoch_seconds'?"),
        ("point: location", "needs two coordinates"),
        ("point: { longitude: a }", "only one of"),
        ("point: { x: a, y: b, crs: 4326 }", "coordinate system"),
        ("name: name", "needs its language"),
        ("facility_type: { from: a, map: { x: carpark } }", "did you mean 'carPark'?"),
        ("total_spaces: { from: a, when: { occupancy: { above: 0 } } }", "not bound here"),
        ("total_spaces: { from: a, when: { free_spaces: { above: x } } }", "needs a number"),
        ("total_spaces: { from: a, when: { free_spaces: { above: .inf } } }", "that a value can reach, not .inf"),
        ("total_spaces: { from: a, when: { free_spaces: { below: -.inf } } }", "that a value can reach, not -.inf"),
        ("total_spaces: { from: a, when: { free_spaces: { equals: .nan } } }", "that a value can reach, not .nan"),
        ("total_spaces: { from: a, lookup: other }", "unknown lookup 'other'"),
        ("total_spaces: a[*]", "names many values"),
        ("observed_at: { from: a, zone: Mars }", "is no time zone"),
        ("observed_at: { from: a, plus: x }", "is no duration"),
        ("operator: { from: a, match: '(' }", "is no pattern"),
    ],
)
def test_wrong_bindings_are_refused(tmp_path: Path, binding: str, message: str) -> None:
    """A binding that cannot work is refused when the file is loaded, at its line."""
    text = HEAD + BIND
    if binding.startswith("observed_at"):
        text = text.replace("  observed_at: time\n", "")
    said = faults(tmp_path, f"{text}  {binding}\n")
    assert message in said


def test_conditions_may_not_go_round(tmp_path: Path) -> None:
    """Two names that wait for each other are refused."""
    circle = "  total_spaces: { from: a, when: { occupancy: { above: 0 } } }\n"
    circle += "  occupancy: { from: b, when: { total_spaces: { above: 0 } } }\n"
    assert "round in a circle" in faults(tmp_path, HEAD + BIND + circle)


def test_headers_take_secrets_from_the_environment(tmp_path: Path) -> None:
    """${NAME} in a header is filled from the environment of the platform."""
    path = tmp_path / "s.yaml"
    poll = '  every: 60s, headers: { X-Api-Key: "k ${KEY}" }'
    path.write_text(HEAD.replace(" every: 60s", poll) + BIND, "utf-8")
    source = load_source(path, environ={"KEY": "abc"})
    assert isinstance(source.transport, HttpPollOptions)
    assert source.transport.headers == {"X-Api-Key": "k abc"}


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    """A file that is not there, or not text, is a fault like any other."""
    with pytest.raises(ConfigError):
        load_source(tmp_path / "none.yaml")


def test_a_changed_copy_of_a_pilot_loads(tmp_path: Path) -> None:
    """Another city copies a pilot and changes names and addresses."""
    source = changed(tmp_path, GARAGES, source="aalst-garages", stream="aalst-parking")
    assert (source.name, source.stream) == ("aalst-garages", "aalst-parking")


CATALOGUE = """contact: { name: Dienst Data, email: data@stad.example, page: "https://stad.example/data" }
theme: [TRAN, ENVI]
keywords: { nl: [parking, vrij], en: parking }
hvd_category: mobility
spatial: https://data.vlaanderen.be/id/gemeente/44021
"""


def test_the_catalogues_words_are_read(tmp_path: Path) -> None:
    """Contact, themes, keywords, category and place reach the source as the IRIs they stand for."""
    path = tmp_path / "s.yaml"
    path.write_text(HEAD + CATALOGUE + BIND, "utf-8")
    entry = load_source(path).entry
    assert entry.contact == {"name": "Dienst Data", "email": "data@stad.example", "page": "https://stad.example/data"}
    assert [theme.rsplit("/", 1)[1] for theme in entry.themes] == ["TRAN", "ENVI"]
    assert entry.keywords == {"nl": ("parking", "vrij"), "en": ("parking",)}
    assert entry.hvd_categories == ("http://data.europa.eu/bna/c_b79e35eb",)
    assert entry.spatial == ("https://data.vlaanderen.be/id/gemeente/44021",)
    schema = source_schema([load_model(name) for name in model_names()])
    jsonschema.validate(yaml.safe_load(path.read_text("utf-8")), schema)


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("data@stad.example", "email", "data@stad.example"),
        ("mailto:data@stad.example", "email", "data@stad.example"),
        ("https://stad.example/data", "page", "https://stad.example/data"),
    ],
)
def test_a_contact_is_a_mail_or_a_page(tmp_path: Path, text: str, key: str, value: str) -> None:
    """A contact on one line is an e-mail address, with or without its scheme, or a web address."""
    path = tmp_path / "s.yaml"
    path.write_text(f"{HEAD}contact: {text}\n{BIND}", "utf-8")
    assert load_source(path).entry.contact == {key: value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("theme: [TRAN, TRANS]", "unknown theme 'TRANS'\n          fix: did you mean 'TRAN'?"),
        ("hvd_category: parking", "unknown hvd_category 'parking'"),
        ("contact: the mayor", "contact 'the mayor' is no way to reach somebody"),
        ("contact: { name: x }", "contact has neither email nor page"),
        ("contact: { email: nobody }", "email 'nobody' is no e-mail address"),
        ("contact: { mail: a@b.example }", "unknown key 'mail' in contact"),
        ("spatial: Gent", "spatial is no absolute IRI: 'Gent'"),
        ("keywords: parking", "keywords must be a mapping"),
        ("keywords: { it: [parcheggio] }", "unknown key 'it' in keywords"),
    ],
)
def test_wrong_words_for_the_catalogue_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """A wrong word for the catalogue is a fault with its line and how to mend it."""
    found = faults(tmp_path, f"{HEAD}{text}\n{BIND}")
    assert "s.yaml:10" in found
    assert " ".join(message.split()) in " ".join(found.split())
