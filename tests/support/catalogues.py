"""Catalogues to judge: streams that use every word of a source file for the catalogue, and what they cover."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyshacl
import pytest
import rdflib
from pyld import jsonld
from rdflib import RDF, Dataset, Graph, Namespace
from rdflib.graph import DATASET_DEFAULT_GRAPH_ID

from ldes_server.box import Box
from ldes_server.coverage import Coverage, Lag
from ldes_server.model import Stream
from tests.conformance.kit import two_streams

SH = Namespace("http://www.w3.org/ns/shacl#")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODELS = Path(__file__).resolve().parents[3] / "shared" / "reference-models"
COVERAGE = Coverage(
    observed_from=NOON - timedelta(days=3),
    observed_to=NOON - timedelta(seconds=9),
    published_from=NOON - timedelta(days=2),
    published_to=NOON,
    since=NOON - timedelta(days=2),
    box=Box(west=3.6, south=51.0, east=3.8, north=51.2),
    lag=Lag(median=timedelta(seconds=3), high=timedelta(seconds=9.5), sample=1000),
)


def described_streams() -> tuple[Stream, ...]:
    """Return streams with everything a source file can say for the catalogue; the second declares it a HVD."""
    words = {
        "contact": {"name": "Dienst Data", "email": "data@stad.example", "page": "https://stad.example/data"},
        "keywords": {"nl": ("parking", "vrije plaatsen"), "en": ("parking",)},
        "spatial": ("https://data.vlaanderen.be/id/gemeente/44021",),
        "expected_every": timedelta(minutes=1),
    }
    first, second = (replace(stream, **words) for stream in two_streams())  # type: ignore[arg-type]
    return first, replace(second, hvd_categories=("http://data.europa.eu/bna/c_b79e35eb",))


def shapes(*names: str) -> Graph:
    """Read published shapes where they lie beside the checkout; without them the test is skipped."""
    found = Graph()
    for name in names:
        if not (MODELS / name).is_file():
            pytest.skip(f"the published shapes are not here (shared/reference-models/{name} beside the checkout)")
        found.parse(MODELS / name, format="turtle")
    return found


def graphs(body: bytes, media: str) -> dict[str, Graph]:
    """Parse TriG or N-Quads into graphs by their names; the default graph is at the empty name."""
    found: dict[str, Graph] = {"": Graph()}
    for subject, predicate, value, name in _dataset(body, media)[0]:
        where = "" if name is None or name == DATASET_DEFAULT_GRAPH_ID else str(name)
        found.setdefault(where, Graph()).add((subject, predicate, value))
    return found


def canonical(body: bytes, media: str) -> str:
    """Spell a document so that the same statements in the same graphs give the same text."""
    options = {"algorithm": "URDNA2015", "format": "application/n-quads"}
    if media == "application/ld+json":
        return str(jsonld.normalize(json.loads(body), options))
    text = _dataset(body, media)[1]
    return str(jsonld.normalize(text, {**options, "inputFormat": "application/n-quads"}))


def _dataset(body: bytes, media: str) -> tuple[list[tuple[Any, Any, Any, Any]], str]:
    found = Dataset()
    # Literals as they are written: the library would respell times.
    before, rdflib.NORMALIZE_LITERALS = rdflib.NORMALIZE_LITERALS, False
    with warnings.catch_warnings():
        # The library's own parsers and writers still use what it deprecates.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            found.parse(data=body, format={"application/trig": "trig", "application/n-quads": "nquads"}[media])
            return list(found.quads()), found.serialize(format="nquads")
        finally:
            rdflib.NORMALIZE_LITERALS = before


def violations(data: Graph, rules: Graph) -> Sequence[tuple[str, str, str]]:
    """Validate; return what is violated as (focus node, path, constraint), sorted. Warnings are advice and left out."""
    _, report, _ = pyshacl.validate(data, shacl_graph=rules, inference="none", advanced=False)
    assert isinstance(report, Graph)
    found = Counter(
        (
            str(report.value(result, SH.focusNode)),
            str(report.value(result, SH.resultPath)),
            str(report.value(result, SH.sourceConstraintComponent)).rpartition("#")[2],
        )
        for result in report.objects(report.value(None, RDF.type, SH.ValidationReport), SH.result)
        if report.value(result, SH.resultSeverity) == SH.Violation
    )
    return sorted(found.elements())
