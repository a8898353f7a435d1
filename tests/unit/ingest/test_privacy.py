"""The privacy guard: what is faulted when a file is loaded, refused when an item comes, and allowed with a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.mapping import Mapper, compile_mapping
from ingest.memory import Memory
from ingest.normalise import Outcome, normalise
from ingest.source import Source, load_source
from streams.errors import ConfigError
from streams.record import Member, Reason
from tests.unit.ingest.workbench import BASE, PILOTS, RECEIVED, document, entry, mapper_of, reasons, run
from vocab.model import Model, load_model

GARAGES = yaml.safe_load((PILOTS / "gent" / "parking" / "garages.yaml").read_text("utf-8"))
PLATE, PHONE, MAIL, MAC = "1-ABC-234", "0478 12 34 56", "jan@stad.example", "AA:BB:CC:00:11:22"
SALT = {"SALT": "0123456789abcdefghij"}


def source_of(tmp_path: Path, *, bind: dict[str, Any] | None = None, **keys: Any) -> Source:
    """Load the car parks of Gent with bindings and keys of the file replaced."""
    content = {**GARAGES, "bind": {**GARAGES["bind"], **(bind or {})}, **keys}
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return load_source(path, environ=SALT)


def garages(*items: dict[str, Any]) -> bytes:
    """Write a document of car parks: the first of the test document with values replaced, one each."""
    first = json.loads(document("garages.json"))["results"][0]
    return json.dumps(
        {"results": [{**first, "id": f"https://x.example/p/{n}", **it} for n, it in enumerate(items)]}
    ).encode()


def published(outcome: Outcome) -> str:
    """Return everything that becomes public or is kept of refusals, as one text."""
    told = [f"{it.path} {it.detail} {it.excerpt.decode()}" for it in outcome.rejections]
    return "\n".join([*told, *(member.body.decode() + member.id for member in outcome.members)])


def vehicles(model: Model) -> Model:
    """Return a model whose entities are vehicles that persons use."""
    return replace(model, personal="vehicle")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", f"Fietspunt {PHONE}", PHONE),
        ("description", f"Vragen: {MAIL}", MAIL),
        ("operatorinformation", PLATE, PLATE),
        ("openingtimesdescription", MAC, MAC),
        ("urllinkaddress", f"mailto:{MAIL}", MAIL),
        ("id", PLATE, PLATE),
    ],
)
def test_personal_data_in_published_texts_are_refused(tmp_path: Path, field: str, value: str, told: str) -> None:
    """The item is refused, counted and never repeated: not in members, not in the excerpt; the others go on."""
    outcome = run(source_of(tmp_path, publish={"when": "always"}), garages({}, {field: value}, {}))
    assert reasons(outcome) == [Reason.PRIVACY]
    assert len(outcome.members) == 2
    assert told not in published(outcome)
    assert "aaaaaa" in outcome.rejections[0].excerpt.decode()


def test_what_is_not_published_is_not_looked_at(tmp_path: Path) -> None:
    """Fields that nothing binds, numbers, codes and texts that the file itself translates refuse nothing."""
    source = source_of(
        tmp_path,
        bind={"operator": {"from": "who", "map": {PHONE: "Stad Gent"}}},
        publish={"when": "always"},
    )
    outcome = run(source, garages({"contact": MAIL, "who": PHONE, "availablecapacity": "0478123456"}))
    assert reasons(outcome) == []
    assert PHONE not in published(outcome)


def test_paths_of_xml_items_do_not_name_them(tmp_path: Path) -> None:
    """Where an attribute identifies an item, its refusal names it by its number."""
    content = {**GARAGES, "each": "parkings.parking[*]", "publish": {"when": "always"}}
    content["bind"] = {"entity": "@plate", "observed_at": "at", "free_spaces": "free"}
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump(content), "utf-8")
    body = f'<parkings><parking plate="{PLATE}"><at>2026-11-01T08:00:00Z</at><free>1</free></parking></parkings>'
    outcome = run(load_source(path), body.encode(), media_type="application/xml")
    assert reasons(outcome) == [Reason.PRIVACY]
    assert outcome.rejections[0].path == "/parkings/parking[1]/@plate"
    assert PLATE not in published(outcome)


@pytest.mark.parametrize("where", [{"name": "operator"}, {"path": "operatorinformation"}])
def test_a_reason_lets_one_kind_of_one_name_through(tmp_path: Path, where: dict[str, str]) -> None:
    """An allowance by name or path opens that name for that kind, and nothing else."""
    allow = {**where, "kind": "phone", "because": "the number of the service desk of the city"}
    source = source_of(tmp_path, privacy={"allow": [allow]}, publish={"when": "always"})
    outcome = run(
        source,
        garages({"operatorinformation": PHONE}, {"operatorinformation": MAIL}, {"name": PHONE}),
    )
    assert reasons(outcome) == [Reason.PRIVACY] * 2
    assert PHONE in outcome.members[0].body.decode()


@pytest.mark.parametrize(
    ("privacy", "fault"),
    [
        ({"allow": [{"name": "operator", "kind": "phone", "because": "ok"}]}, "because 'ok' is no reason"),
        ({"allow": [{"name": "operator", "kind": "phone"}]}, "because is missing"),
        ({"allow": [{"name": "operator", "because": "it is the desk"}]}, "kind is missing"),
        ({"allow": [{"name": "operator", "kind": "fax", "because": "it is the desk"}]}, "'fax' is no kind"),
        ({"allow": [{"name": "operater", "kind": "phone", "because": "it is the desk"}]}, "did you mean 'operator'?"),
        ({"allow": [{"path": "operator", "kind": "phone", "because": "it is the desk"}]}, "which nothing is bound to"),
        ({"allow": [{"kind": "phone", "because": "it is the desk"}]}, "allow needs a name or a path"),
        ({"allow": [{"name": "name", "path": "name", "kind": "phone", "because": "a b c"}]}, "a name or a path"),
        ({"salt": "0123456789abcdefghij"}, "salt holds a secret"),
        ({"salt": "${PEPPER}"}, "PEPPER is not set"),
        ({"pepper": 1}, "unknown key 'pepper' in privacy"),
    ],
)
def test_a_faulty_allowance_is_told(tmp_path: Path, privacy: dict[str, Any], fault: str) -> None:
    """Each way of writing it wrong has its fault."""
    with pytest.raises(ConfigError) as error:
        source_of(tmp_path, privacy=privacy)
    assert fault in str(error.value)


def test_a_short_salt_is_refused(tmp_path: Path) -> None:
    """A secret that can be guessed by trying is none."""
    path = tmp_path / "source.yaml"
    path.write_text(yaml.safe_dump({**GARAGES, "privacy": {"salt": "${SALT}"}}), "utf-8")
    with pytest.raises(ConfigError, match="the salt has 5 characters"):
        load_source(path, environ={"SALT": "short"})


def test_a_constant_is_judged_when_the_file_is_loaded(tmp_path: Path) -> None:
    """Personal data in the file itself are a fault, until allowed."""
    bind = {"operator": {"constant": f"Stad Gent, {PHONE}"}}
    with pytest.raises(ConfigError, match="the constant of 'operator' looks like a phone number"):
        source_of(tmp_path, bind=bind)
    allow = [{"name": "operator", "kind": ["phone", "email"], "because": "the service desk of the city"}]
    outcome = run(source_of(tmp_path, bind=bind, privacy={"allow": allow}), garages({}))
    assert PHONE in outcome.members[0].body.decode()


def test_vehicles_of_persons_must_be_hidden_or_allowed(tmp_path: Path) -> None:
    """A model whose entities are such vehicles refuses a source that says nothing of it, before any item came."""
    model = vehicles(load_model("parking"))
    with pytest.raises(ConfigError, match="whoever reads the stream could follow it from trip to trip"):
        compile_mapping(source_of(tmp_path), model, base_url=BASE)
    allow = [{"name": "entity", "kind": "vehicle", "because": "buses, driven by staff on public routes"}]
    for keys in (
        {"bind": {"entity": {"from": "id", "rotate": "daily"}}, "privacy": {"salt": "${SALT}"}},
        {"bind": {"entity": {"from": "id", "rotate": "publisher"}}},
        {"privacy": {"allow": allow}},
    ):
        compile_mapping(source_of(tmp_path, **keys), model, base_url=BASE)


@pytest.mark.parametrize(
    ("bind", "fault"),
    [
        ({"entity": {"from": "id", "rotate": "daily"}}, "`rotate: daily` of 'entity' needs a secret"),
        ({"url": {"from": "id", "rotate": "publisher"}}, "`rotate` makes no IRI of 'url'"),
        ({"free_spaces": {"from": "id", "rotate": "publisher"}}, "`rotate` does not fit 'free_spaces'"),
        ({"entity": {"from": "id", "rotate": "hourly"}}, "`rotate: hourly` is unknown"),
    ],
)
def test_a_faulty_rotation_is_told(tmp_path: Path, bind: dict[str, Any], fault: str) -> None:
    """Each way of writing it wrong has its fault."""
    with pytest.raises(ConfigError) as error:
        source_of(tmp_path, bind=bind)
    assert fault in str(error.value)


def rotating(tmp_path: Path, **publish: Any) -> Mapper:
    """Compile the car parks as if they were bicycles with ids that are hidden anew each day."""
    return mapper_of(
        source_of(
            tmp_path,
            bind={"entity": {"from": "id", "rotate": "daily"}},
            privacy={"salt": "${SALT}"},
            publish={"when": "changed", **publish},
        )
    )


def bikes(*names: str, at: str = "2026-11-01T08:00:00Z") -> bytes:
    """Write a document of such bicycles."""
    return garages(*({"id": name, "lastupdate": at} for name in names))


def of(member: Member) -> str:
    """Return the hidden id of a member's entity."""
    return member.entity.rpartition("/")[2]


def test_hidden_ids_say_nothing_and_stay_for_a_day(tmp_path: Path) -> None:
    """A hidden id is the same all day and for every replay, differs between bicycles, and the plain one appears nowhere."""
    mapper = rotating(tmp_path)
    first = normalise([entry(bikes("TST:1", "TST:2"))], mapper, Memory())
    later = bikes("TST:1", "TST:2", at="2026-11-01T09:00:00Z").replace(
        b'"availablecapacity": 88', b'"availablecapacity": 8'
    )
    second = normalise([entry(later, received=RECEIVED + timedelta(hours=1))], mapper, first.memory)
    assert [of(it) for it in first.members] == [of(it) for it in second.members]
    assert len({of(it) for it in first.members}) == 2
    assert "TST" not in published(first) + published(second)
    again = normalise([entry(bikes("TST:1", "TST:2"))], rotating(tmp_path), Memory())
    assert [it.body for it in again.members] == [it.body for it in first.members]


def test_a_new_day_begins_with_new_ids_and_ends_the_old(tmp_path: Path) -> None:
    """At midnight every id is another; yesterday's are deleted although they are all of them; no refusal comes of it."""
    mapper = rotating(tmp_path, absent="delete")
    first = normalise([entry(bikes("TST:1", "TST:2"))], mapper, Memory())
    tomorrow = entry(bikes("TST:1", "TST:2", at="2026-11-02T08:00:00Z"), received=RECEIVED + timedelta(days=1))
    second = normalise([tomorrow], mapper, first.memory)
    assert second.rejections == []
    assert second.items == len(second.members) + second.unchanged == 4
    operations = [(of(it)[:8], json.loads(it.body)["operation"]) for it in second.members]
    assert operations == [("20261102", "Create")] * 2 + [("20261101", "Delete")] * 2
    third = normalise([entry(bikes("TST:1", at="2026-11-02T09:00:00Z"), received=tomorrow.at)], mapper, second.memory)
    assert [json.loads(it.body)["operation"] for it in third.members] == ["Delete"]
    assert reasons(third) == []


def test_a_text_that_repeats_a_hidden_id_is_refused(tmp_path: Path) -> None:
    """What is hidden in one name must not stand in another."""
    body = garages({"id": "TST:Bike:1", "urllinkaddress": "https://x.example/rent/TST:Bike:1"}, {"id": "TST:Bike:2"})
    outcome = normalise([entry(body)], rotating(tmp_path), Memory())
    assert reasons(outcome) == [Reason.PRIVACY]
    assert outcome.rejections[0].path.endswith(".urllinkaddress")
    assert "TST:Bike:1" not in published(outcome)


def test_ids_that_the_publisher_rotates_must_look_so(tmp_path: Path) -> None:
    """A running number is refused, a UUID is published as it is; one value is enough to tell."""
    source = source_of(tmp_path, bind={"entity": {"from": "id", "rotate": "publisher"}}, publish={"when": "always"})
    outcome = run(source, garages({"id": "TST:Bike:1"}, {"id": "2b648875-5477-4b68-83d3-e21072a3dbcf"}))
    assert reasons(outcome) == [Reason.PRIVACY]
    assert [of(it) for it in outcome.members] == ["2b648875-5477-4b68-83d3-e21072a3dbcf"]


def test_a_refused_item_is_there_all_the_same(tmp_path: Path) -> None:
    """With `absent: delete`, an item that is refused for privacy does not make the platform doubt the others' absence."""
    source = source_of(tmp_path, publish={"when": "changed", "absent": "delete"})
    mapper = mapper_of(source)
    first = normalise([entry(garages({}, {}, {}))], mapper, Memory())
    second = normalise([entry(garages({"name": PHONE}, {}))], mapper, first.memory)
    assert reasons(second) == [Reason.PRIVACY]
    assert [json.loads(it.body)["operation"] for it in second.members] == ["Delete"]


def test_both_ways_of_mapping_guard_alike(tmp_path: Path) -> None:
    """The quick functions refuse what those that know all cases refuse, also of an entity that they know already."""
    source = source_of(tmp_path, publish={"when": "always"})
    body = garages({"id": "x"}, {"id": "x", "name": MAIL}, {"id": "x", "operatorinformation": PLATE}, {"id": "x"})
    found = [
        normalise([entry(body)], compile_mapping(source, load_model("parking"), base_url=BASE, quick=quick), Memory())
        for quick in (True, False)
    ]
    assert found[0].rejections == found[1].rejections
    assert reasons(found[0]) == [Reason.PRIVACY] * 2
    assert found[0].members == found[1].members
