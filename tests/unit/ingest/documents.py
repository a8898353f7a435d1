"""What the tests of decoders share: a document decoded to the end, and the samples of real feeds where they are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from ingest.decoders.items import Break, Format, Item, Wanted
from ingest.decoders.table import decode
from ingest.paths import parse_each
from tests.unit.ingest.workbench import ROOT

SAMPLES = ROOT.parent / "shared" / "samples"


def read(
    body: bytes, *each: str, media_type: str = "", received: datetime | None = None, **options: Any
) -> list[Item | Break]:
    """Decode a document to the end; `options` are those of `format:`."""
    wanted = Wanted(each=tuple(parse_each(path, nested=True) for path in each), format=Format(**options))
    return list(decode(body, media_type, wanted, received=received))


def values(found: Sequence[Item | Break]) -> list[Any]:
    """Return the values of the items."""
    return [it.value for it in found if isinstance(it, Item)]


def breaks(found: Sequence[Item | Break]) -> list[Break]:
    """Return the breaks."""
    return [it for it in found if isinstance(it, Break)]


def sample(name: str) -> bytes:
    """Read a recorded payload; the test is skipped where there are none."""
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"the recorded samples are not here: {name}")
    return path.read_bytes()
