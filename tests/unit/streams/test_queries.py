"""Named queries: found by name, faults noticed when loaded, and every one of ours in use."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ldes_server import postgres_builds, postgres_placing, postgres_views
from streams import lease, migrate, postgres_log
from streams.queries import load_queries


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """Make an importable package with an empty sql folder."""
    folder = tmp_path / f"package_{uuid.uuid4().hex}"
    (folder / "sql").mkdir(parents=True)
    (folder / "__init__.py").touch()
    sys.path.insert(0, str(tmp_path))
    yield folder
    sys.path.remove(str(tmp_path))


def test_queries_are_found_by_name(package: Path) -> None:
    """A query reaches from its name to the next; comments before the first name are left out, those inside stay."""
    (package / "sql" / "queries.sql").write_text(
        "-- About.\n\n-- name: one\n-- Why.\nSELECT 1\n\n-- name: two\nSELECT 2\n"
    )
    assert load_queries(package.name, "queries") == {"one": "-- Why.\nSELECT 1", "two": "SELECT 2"}


@pytest.mark.parametrize("text", ["-- name: one\n", "-- name: one\nSELECT 1\n-- name: one\nSELECT 2\n"])
def test_faults_are_noticed_when_loaded(package: Path, text: str) -> None:
    """An empty query or a name that occurs twice is refused."""
    (package / "sql" / "queries.sql").write_text(text)
    with pytest.raises(ValueError, match="query one"):
        load_queries(package.name, "queries")


@pytest.mark.parametrize("module", [postgres_log, lease, migrate, postgres_builds, postgres_placing, postgres_views])
def test_every_query_is_used(module: object) -> None:
    """No query outlives its use, and none is asked for that does not exist."""
    source = Path(str(getattr(module, "__file__", ""))).read_text("utf-8")
    queries = getattr(module, "QUERIES", {})
    assert queries
    for name in queries:
        assert f'QUERIES["{name}"]' in source, name
    assert source.count('QUERIES["') >= len(queries)
