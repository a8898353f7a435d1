"""PilotFile: the `pilot.yaml` of a pilot folder, which says what the pilot is, for which area, and what it promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ingest.bindings import absolute
from ingest.catalogue_entry import read_contact
from ingest.expectation import Expectation, check_expectation, read_expectation
from ingest.source import Source
from streams.errors import ConfigError, Problem
from streams.yaml_lines import Faults, Node, check_keys, line_of, read_file, suggest, text_of
from vocab.cities import Box
from vocab.model import load_model

PILOT_FILE = "pilot.yaml"
KEYS = ("pilot", "title", "area", "publisher", "licence", "contact", "expect")
AREA = ("name", "iri", "nis", "box")
_NAME = re.compile(r"[a-z][a-z0-9-]*")
_NIS = re.compile(r"[0-9]{5}")
_NOWHERE = Box(west=-180, south=-90, east=180, north=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """The city or region of a pilot: `nis` is its code in the Belgian statistics, empty where it has none."""

    name: str
    iri: str
    nis: str
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotFile:
    """One pilot file, read and checked. `title` has at least `nl` and `en`; `contact` is that of a source file.

    Publisher and licence are those that most of the sources have, and empty where each source has its own.
    `expect` says by the name of a source what can be expected of it; alarms and checks against reality read it.
    `lines` has the line of each of them.
    """

    name: str
    file: Path
    title: Mapping[str, str]
    area: Area
    publisher_name: str = ""
    publisher_iri: str = ""
    licence: str = ""
    contact: Mapping[str, str] = field(default_factory=dict)
    expect: Mapping[str, Expectation] = field(default_factory=dict)
    lines: Mapping[str, int] = field(default_factory=dict)


def load_pilot_file(path: Path) -> PilotFile:
    """Read a pilot file; whether its sources exist and bind what it expects, `check_pilot_file` says.

    Raises:
        ConfigError: with every fault of the file, each with its line and how to mend it.

    """
    root, faults = read_file(path)
    check_keys(root, KEYS, faults, where="the file")
    publisher = root.get("publisher")
    if publisher is not None:
        check_keys(publisher, ("name", "iri"), faults, where="publisher")
    expect = root.get("expect") or Node(line=root.line, value={})
    if not expect.is_mapping:
        faults.add(expect.line, f"expect must be a mapping, not {expect.described}", "write `source: { … }` lines")

    def text(key: str, node: Node | None) -> str:
        return text_of(node.get(key), faults, where=key, line=node.line, required=True) if node is not None else ""

    licence = root.get("licence")
    found = PilotFile(
        name=_name(root, faults),
        file=path,
        title=_title(root, faults),
        area=_area(root, faults),
        publisher_name=text("name", publisher),
        publisher_iri=absolute(text("iri", publisher), publisher or root, faults, where="publisher iri"),
        licence=absolute(text("licence", root) if licence else "", licence or root, faults, where="licence"),
        contact=read_contact(root.get("contact"), faults),
        expect={name: read_expectation(node, faults, where=name) for name, node in expect.items()},
        lines={name: node.line for name, node in expect.items()},
    )
    if faults.problems:
        raise ConfigError(sorted(faults.problems, key=line_of), where=str(path))
    return found


def check_pilot_file(pilot: PilotFile, sources: Iterable[Source]) -> list[Problem]:
    """Return what does not fit between a pilot file and the sources of its folder: names, ranges of what is not bound."""
    faults = Faults(file=str(pilot.file))
    known = {source.name: source for source in sources}
    for name, expectation in pilot.expect.items():
        source = known.get(name)
        if source is None:
            faults.add(pilot.lines[name], f"no source of this pilot is named {name!r}", suggest(name, known))
        else:
            check_expectation(expectation, source, load_model(source.model), faults)
    return faults.problems


def _name(root: Node, faults: Faults) -> str:
    name = text_of(root.get("pilot"), faults, where="pilot", line=root.line, required=True)
    if name and not _NAME.fullmatch(name):
        line = (root.get("pilot") or root).line
        faults.add(line, f"pilot {name!r} is no name", "use small letters, digits and hyphens: gent-parking")
    return name


def _title(root: Node, faults: Faults) -> dict[str, str]:
    node = root.get("title")
    if node is None:
        faults.add(root.line, "title is missing", "add title: { nl: …, en: … }")
        return {}
    check_keys(node, ("nl", "en", "fr", "de"), faults, where="title")
    found = {language: text_of(each, faults, where=language, line=each.line) for language, each in node.items()}
    for language in ("nl", "en"):
        if node.is_mapping and language not in found:
            faults.add(node.line, f"title has no text in {language!r}", f"add {language}: …")
    return found


def _area(root: Node, faults: Faults) -> Area:
    node = root.get("area")
    if node is None:
        faults.add(root.line, "area is missing", "add area: { name: …, iri: …, box: [west, south, east, north] }")
        return Area(name="", iri="", nis="", box=_NOWHERE)
    check_keys(node, AREA, faults, where="area")
    nis = text_of(node.get("nis"), faults, where="nis", line=node.line)
    if nis and not _NIS.fullmatch(nis):
        faults.add((node.get("nis") or node).line, f"nis {nis!r} is no NIS code", 'write five digits: nis: "44021"')
    iri = text_of(node.get("iri"), faults, where="iri", line=node.line, required=True)
    return Area(
        name=text_of(node.get("name"), faults, where="name", line=node.line, required=True),
        iri=absolute(iri, node.get("iri") or node, faults, where="area iri"),
        nis=nis,
        box=_box(node, faults),
    )


def _box(area: Node, faults: Faults) -> Box:
    node = area.get("box")
    fix = "write box: [3.58, 50.98, 3.85, 51.19] (west, south, east, north in degrees)"
    if node is None:
        faults.add(area.line, "box is missing", fix)
        return _NOWHERE
    edges = [each.value for each in node.elements()]
    numbers = [float(each) for each in edges if isinstance(each, int | float) and not isinstance(each, bool)]
    if len(numbers) != len(edges) or len(edges) != 4:
        faults.add(node.line, "box is not four numbers", fix)
        return _NOWHERE
    try:
        return Box(west=numbers[0], south=numbers[1], east=numbers[2], north=numbers[3])
    except ValueError as error:
        faults.add(node.line, str(error), fix)
        return _NOWHERE
