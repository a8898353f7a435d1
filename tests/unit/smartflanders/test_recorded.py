"""Recordings: which sources a folder of recorded documents stands in for, and what each is served."""

from __future__ import annotations

from pathlib import Path

import pytest

from smartflanders.pilots import Plan, load_plan, only_recorded, recorded
from smartflanders.platform import _by_source

SOURCE = """source: {name}
title: {{ nl: a, en: b }}
description: {{ nl: a, en: b }}
publisher: {{ name: n, iri: "https://x.example/" }}
licence: https://x.example/licence
http_poll: {{ url: "https://x.example/{path}", every: 60s }}
sample: "{sample}"
model: parking
stream: {name}
each: results[*]
bind: {{ entity: id, observed_at: time, free_spaces: free }}
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Load four sources: two that ask one address for different things, one elsewhere, one without a recording."""
    for name, path, sample in (
        ("delays", "feed?delay=true", "feed-*.pb"),
        ("positions", "feed?position=true", "positions-*.pb"),
        ("elsewhere", "other", "other-*.json"),
        ("silent", "silent", "silent-*.json"),
    ):
        text = SOURCE.format(name=name, path=path, sample=sample)
        (tmp_path / f"{name}.yaml").write_text(text, "utf-8")
    return load_plan([tmp_path])


def test_a_source_is_served_what_was_recorded_of_it(plan: Plan, tmp_path: Path) -> None:
    """Sources with recordings run, in name order of their files; one whose address only another has a recording of does not."""
    for name in ("a/feed-2.pb", "feed-1.pb", "other-1.json", "feed-3.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    documents = recorded(plan, tmp_path)
    assert set(documents) == {"x.example/feed", "x.example/other"}
    kept = only_recorded(plan, documents)
    assert sorted(source.name for source in kept.sources) == ["delays", "elsewhere"]
    assert sorted(stream.name for stream in kept.streams) == ["delays", "elsewhere"]
    served = {name: [path.name for path in files] for name, files in _by_source(kept, documents).items()}
    assert served == {"delays": ["feed-2.pb", "feed-1.pb"], "elsewhere": ["other-1.json"]}


def test_sources_of_one_address_are_served_all_that_is_recorded_there(plan: Plan, tmp_path: Path) -> None:
    """An address answers everybody alike: recordings of two sources that ask there are one row of documents."""
    for name in ("feed-1.pb", "positions-1.pb"):
        (tmp_path / name).write_bytes(b"x")
    documents = recorded(plan, tmp_path)
    kept = only_recorded(plan, documents)
    assert [[path.name for path in files] for files in _by_source(kept, documents).values()] == [
        ["feed-1.pb", "positions-1.pb"]
    ] * 2
