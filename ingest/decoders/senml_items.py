"""SenML packs (RFC 8428, JSON) to items: records resolved, each with its whole name, its time and its value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from ingest.decoders.items import Break, Item, Wanted
from ingest.decoders.json_items import document_items, json_items
from streams.record import Reason

_EXCERPT = 200
_VERSION = 10
# RFC 8428 section 4.5.3: a time below this is relative to now.
_ABSOLUTE = 1 << 28
_BASES = ("bn", "bt", "bu", "bv", "bs", "bver")
_NUMBERS = ("bt", "bv", "bs", "bver", "t", "v", "s", "ut")
_TEXTS = ("bn", "bu", "n", "u", "vs", "vd")
_VALUES = ("v", "vs", "vb", "vd")


class _PackError(ValueError):
    """The pack must not be used at all (RFC 8428 section 4.4)."""


def senml_items(body: bytes, wanted: Wanted) -> Iterator[Item | Break]:
    """Yield the resolved records of a pack: `n`, `u`, one of `v`, `vs`, `vb`, `vd`, and `s`, `t` in epoch seconds, `ut`.

    Names, units, values, sums and times have their bases in them. A time that is relative, or that is not there, counts
    from when the document was received. A record that holds bases only is no item; one that cannot be resolved is one
    break. A pack of a later version, or with a field that must be understood and is not, is one break as a whole.
    """
    try:
        pack = orjson.loads(body)
    except orjson.JSONDecodeError:
        # What stands before the break is not resolved yet.
        yield from (found for found in json_items(body, wanted) if isinstance(found, Break))
        return
    records = pack if type(pack) is list else [pack]
    now = wanted.received.timestamp() if wanted.received else 0.0
    bases: dict[str, Any] = {}
    resolved: list[dict[str, Any]] = []
    breaks: list[Break] = []
    for at, record in enumerate(records):
        try:
            found = _resolved(record, bases, now)
        except _PackError as error:
            yield _refused("$", str(error), record)
            return
        except ValueError as error:
            breaks.append(_refused(f"$[{at}]", str(error), record))
            continue
        if found:
            resolved.append(found)
    yield from breaks
    yield from document_items(resolved, body, wanted)


def _resolved(record: Any, bases: dict[str, Any], now: float) -> dict[str, Any]:
    """Resolve a record, and take its bases over for those behind it; nothing when it has nothing else."""
    if type(record) is not dict:
        raise ValueError("a record must be an object")
    _check(record)
    bases.update((key, record[key]) for key in _BASES if key in record)
    if record.keys() <= {*_BASES}:
        return {}
    name = bases.get("bn", "") + record.get("n", "")
    values = [key for key in _VALUES if key in record]
    if not name:
        raise ValueError("a record without a name")
    if len(values) != 1 and not (not values and ("s" in record or "bs" in bases or "bv" in bases)):
        raise ValueError(f"a record needs one value; this has {', '.join(values) or 'none'}")
    time = bases.get("bt", 0) + record.get("t", 0)
    found: dict[str, Any] = {"n": name, "t": time if time >= _ABSOLUTE else now + time}
    if unit := record.get("u", bases.get("bu")):
        found["u"] = unit
    if values and values[0] != "v":
        found[values[0]] = record[values[0]]
    elif values or "bv" in bases:
        found["v"] = bases.get("bv", 0) + record.get("v", 0)
    if "s" in record or "bs" in bases:
        found["s"] = bases.get("bs", 0) + record.get("s", 0)
    if "ut" in record:
        found["ut"] = record["ut"]
    return found


def _check(record: dict[str, Any]) -> None:
    if strange := [key for key in record if key.endswith("_")]:
        raise _PackError(f"the pack has {strange[0]!r}, which must be understood and is not")
    for key in _NUMBERS:
        if key in record and (isinstance(record[key], bool) or not isinstance(record[key], int | float)):
            raise ValueError(f"{key} is no number")
    for key in _TEXTS:
        if key in record and not isinstance(record[key], str):
            raise ValueError(f"{key} is no text")
    if record.get("bver", _VERSION) > _VERSION:
        raise _PackError(f"the pack has version {record['bver']}; {_VERSION} is the newest that is known")


def _refused(path: str, detail: str, record: Any) -> Break:
    return Break(reason=Reason.MALFORMED, path=path, detail=detail, excerpt=orjson.dumps(record)[:_EXCERPT])
