"""The key `retention` of stream files: a policy read and checked (RET-06 to RET-10), every fault with its line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from ldes_server.retention import Retention
from streams.settings import parse_duration
from streams.yaml_lines import Faults, Node, check_keys

# The keys of a policy, with the property of LDES that each is published as.
KEYS: Mapping[str, str] = {
    "full_log": "fullLogDuration",
    "starting_from": "startingFrom",
    "versions": "versionAmount",
    "version_for": "versionDuration",
    "deleted_for": "versionDeleteDuration",
}
# What stands for no policy at all, where the stream has one.
ALL = "all"
# Fewer days than a calendar has.
_LONGEST = timedelta(days=365_000)


def read_retention_key(node: Node | None, faults: Faults, *, where: str, versioned: bool) -> Retention | None:
    """Read the value of a key `retention`; None for everything, which is also what no key means.

    `versioned` tells whether the members name the entity they are a version of.
    """
    if node is None or node.text == ALL:
        return None
    if not check_keys(node, KEYS, faults, where=f"retention of {where}"):
        return None
    said = {key: _READERS[key](value, faults) for key, value in node.items() if key in _READERS}
    if not said:
        fix = f"write retention: {{ full_log: 30d }}, or retention: {ALL}"
        faults.add(node.line, f"retention of {where} says nothing, which keeps nothing", fix)
    if "version_for" in said and "versions" not in said:
        faults.add(_line(node, "version_for"), "version_for says nothing without versions", "add versions: 1")
    for key in ("versions", "version_for", "deleted_for"):
        if key in said and not versioned:
            fix = "use full_log and starting_from here"
            faults.add(_line(node, key), f"{key} does not fit: members do not say what they are a version of", fix)
    return Retention(**said)  # type: ignore[arg-type]


def _line(node: Node, key: str) -> int:
    return (node.get(key) or node).line


def _duration(node: Node, faults: Faults) -> timedelta | None:
    try:
        duration = parse_duration(node.text)
    except ValueError:
        duration = timedelta(0)
    if not timedelta(0) < duration <= _LONGEST:
        faults.add(node.line, f"{node.described} is no duration", "write for example 15m, 12h or 30d")
        return None
    return duration


def _amount(node: Node, faults: Faults) -> int | None:
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not 1 <= node.value < 2**31:
        faults.add(node.line, f"versions {node.described} is not right", "a whole number from 1 on")
        return None
    return node.value


def _moment(node: Node, faults: Faults) -> datetime | None:
    """Read a time with its zone: YAML has times of its own, so what counts is how it is written."""
    try:
        moment = datetime.fromisoformat(node.text)
    except ValueError:
        faults.add(node.line, f"{node.described} is no time", "write for example 2026-01-01T00:00:00Z")
        return None
    if moment.tzinfo is None:
        faults.add(node.line, f"{node.described} has no time zone", f"write {moment.isoformat()}Z, or an offset")
        return None
    try:
        return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)
    except OverflowError:
        faults.add(node.line, f"{node.described} is beyond the calendar", "write a time that has been")
        return None


_READERS: Mapping[str, Callable[[Node, Faults], object]] = {
    "full_log": _duration,
    "starting_from": _moment,
    "versions": _amount,
    "version_for": _duration,
    "deleted_for": _duration,
}
