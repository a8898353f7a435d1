"""Settings: one frozen object per process, read once from the environment, every fault reported at once."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from streams.errors import ConfigError, Problem

_PREFIX = "SF_"
_UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1), "s": timedelta(seconds=1)}
_SERVER = re.compile(r"[A-Za-z0-9._-]+:\d{1,5}|\[[0-9A-Fa-f:.]+\]:\d{1,5}")
_PREFIXES = re.compile(r"[A-Za-z0-9._-]{1,40}")
_DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def parse_duration(text: str) -> timedelta:
    """Read a duration: whole days, hours, minutes and seconds, largest first: `7d`, `1h30m`, `15m`, `60s`.

    Raises:
        ValueError: the text is none, or too long to count.

    """
    found = _DURATION.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no duration; write for example 60s, 15m, 1h30m or 7d")
    try:
        parts = [int(count or 0) * unit for count, unit in zip(found.groups(), _UNITS.values(), strict=True)]
        return sum(parts, timedelta())
    except OverflowError as error:
        raise ValueError(f"{text!r} is longer than a calendar") from error


def format_duration(value: timedelta) -> str:
    """Write a duration of whole seconds, not negative, so that `parse_duration` reads it: `1h30m`."""
    rest = value
    parts = []
    for letter, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{letter}")
    return "".join(parts) or "0s"


def _log(text: str) -> str:
    servers = text.removeprefix("kafka://")
    if text != "postgres" and (servers == text or not all(_SERVER.fullmatch(server) for server in servers.split(","))):
        raise ValueError("write postgres, or kafka://host:9092 with more brokers behind commas")
    return text


def _addresses(text: str) -> tuple[str, ...]:
    addresses = tuple(text.split())
    for each in addresses:
        if not each.startswith(("https://", "http://")):
            raise ValueError(f"{each!r} does not begin with https:// or http://")
    return addresses


def _file(text: str) -> Path:
    if not Path(text).is_file():
        raise ValueError("name a file that exists and that this process may read")
    return Path(text)


def _copies(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 9:
        raise ValueError("write 3, or the number of brokers when there are fewer")
    return int(text)


def _prefix(text: str) -> str:
    if not _PREFIXES.fullmatch(text):
        raise ValueError("write at most 40 letters, digits, dots, hyphens and underscores, for example gent.")
    return text


def _word(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"write {' or '.join(words)}")
        return text

    return parse


def _database(text: str) -> str:
    if urlsplit(text).scheme not in ("postgresql", "postgres"):
        raise ValueError("write postgresql://user:password@host:5432/database, or nothing for the built-in one")
    return text


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write the public address, for example https://data.example.org")
    if text.endswith("/"):
        raise ValueError(f"write it without the slash at the end: {text.rstrip('/')}")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError("write a whole number from 1 to 65535")
    return int(text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: its name in the environment, what it may be, its default as text, and what it does.

    `parse` raises ValueError with the fix as its message.
    """

    name: str
    kind: str
    default: str
    doc: str
    parse: Callable[[str], Any]

    @property
    def field(self) -> str:
        """The attribute of Settings that holds it."""
        return self.name.removeprefix(_PREFIX).lower()


# The reference page docs/reference/settings.md is made from this table.
SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="SF_DATABASE_URL",
        kind="PostgreSQL address",
        default="",
        doc="The database that holds the log and the pages. Empty: a PostgreSQL is started in the data folder.",
        parse=_database,
    ),
    Setting(
        name="SF_DATABASE_READ_URL",
        kind="PostgreSQL address",
        default="",
        doc="One streaming replica of that database, which `serve` reads pages from. Empty: it reads where it writes.",
        parse=_database,
    ),
    Setting(
        name="SF_LOG",
        kind="`postgres` or Kafka address",
        default="postgres",
        doc="Where the log lives: `postgres`, or the brokers of an Apache Kafka as kafka://host:9092,host2:9092.",
        parse=_log,
    ),
    Setting(
        name="SF_KAFKA_USER",
        kind="name",
        default="",
        doc="The user to log in to Kafka as (SASL). Empty: no login.",
        parse=str,
    ),
    Setting(
        name="SF_KAFKA_PASSWORD",
        kind="password",
        default="",
        doc="The password of SF_KAFKA_USER.",
        parse=str,
    ),
    Setting(
        name="SF_KAFKA_MECHANISM",
        kind="`SCRAM-SHA-512`, `SCRAM-SHA-256` or `PLAIN`",
        default="SCRAM-SHA-512",
        doc="How SF_KAFKA_USER proves its password.",
        parse=_word("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"),
    ),
    Setting(
        name="SF_KAFKA_TLS",
        kind="`on` or `off`",
        default="off",
        doc="Whether connections to Kafka are encrypted and the brokers' certificates checked.",
        parse=_word("on", "off"),
    ),
    Setting(
        name="SF_KAFKA_CA",
        kind="file",
        default="",
        doc="The authorities (PEM) that may have signed the brokers' certificates. Empty: those of the system.",
        parse=_file,
    ),
    Setting(
        name="SF_KAFKA_REPLICATION",
        kind="number of copies",
        default="3",
        doc="How many brokers keep each entry; all but one must have it before it counts. 1 for a single broker.",
        parse=_copies,
    ),
    Setting(
        name="SF_KAFKA_PREFIX",
        kind="word",
        default="",
        doc="What the names of all topics begin with, for several platforms on one Kafka.",
        parse=_prefix,
    ),
    Setting(
        name="SF_DATA",
        kind="folder",
        default=".data",
        doc="The data folder: the built-in database and what processes share. Made when missing.",
        parse=Path,
    ),
    Setting(
        name="SF_HOST",
        kind="host name or address",
        default="127.0.0.1",
        doc="The address to listen on; 0.0.0.0 or :: is every address of the machine.",
        parse=str,
    ),
    Setting(
        name="SF_PORT",
        kind="port",
        default="8080",
        doc="The port to listen on.",
        parse=_port,
    ),
    Setting(
        name="SF_BASE_URL",
        kind="http(s) address",
        default="",
        doc="The public address, part of every identifier: choose it once. Empty: http://SF_HOST:SF_PORT.",
        parse=_address,
    ),
    Setting(
        name="SF_POST_TOKENS",
        kind="file",
        default="",
        doc="Who may post members: lines of a stream's name and a token. Empty: nobody may.",
        parse=_file,
    ),
    Setting(
        name="SF_POST_CONTEXTS",
        kind="http(s) addresses",
        default="",
        doc="The JSON-LD contexts that posted documents may name besides the models' own, separated by spaces.",
        parse=_addresses,
    ),
    Setting(
        name="SF_RAW_RETENTION",
        kind="duration",
        default="7d",
        doc="How long payloads and rejections are kept, so that a mapping can be mended and the past replayed.",
        parse=parse_duration,
    ),
    Setting(
        name="SF_MEMBER_RETENTION",
        kind="duration",
        default="1d",
        doc="How long members stay in the log after they were published; the pages keep them as long as their view says.",
        parse=parse_duration,
    ),
    Setting(
        name="SF_VIEW_GRACE",
        kind="duration",
        default="1h",
        doc="How long pages stay readable that nothing links any more, because a view changed or a policy let them go; then 410.",
        parse=parse_duration,
    ),
    Setting(
        name="SF_LOG_LEVEL",
        kind="`debug`, `info`, `warning` or `error`",
        default="info",
        doc="The least important log lines to show.",
        parse=_word("debug", "info", "warning", "error"),
    ),
    Setting(
        name="SF_LOG_FORMAT",
        kind="`text` or `json`",
        default="text",
        doc="The form of log lines on standard error.",
        parse=_word("text", "json"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment says, checked; each attribute is described in SETTINGS."""

    database_url: str | None
    database_read_url: str | None
    log: str
    kafka_user: str | None
    kafka_password: str | None = field(repr=False)
    kafka_mechanism: str
    kafka_tls: str
    kafka_ca: Path | None
    kafka_replication: int
    kafka_prefix: str | None
    data: Path
    host: str
    port: int
    base_url: str
    post_tokens: Path | None
    post_contexts: tuple[str, ...] | None
    raw_retention: timedelta
    member_retention: timedelta
    view_grace: timedelta
    log_level: str
    log_format: str

    @property
    def shown_database_url(self) -> str:
        """The database's address with its password as `***`, for people and log lines."""
        return hide_password(self.database_url or "")


def hide_password(url: str) -> str:
    """Replace the password of an address, before the host or among the parameters, by `***`."""
    parts = urlsplit(url)
    place = parts.netloc
    if parts.password is not None:
        place = f"{parts.username or ''}:***@{place.rpartition('@')[2]}"
    query = re.sub(r"(^|&)((?:ssl)?password)=[^&]*", r"\1\2=***", parts.query)
    return urlunsplit(parts._replace(netloc=place, query=query))


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from an environment; an empty value counts as not set.

    Raises:
        ConfigError: with every fault, among them names that begin with SF_ and are no setting.

    """
    problems = _unknown(environ)
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        text = environ.get(setting.name, "").strip() or setting.default
        try:
            values[setting.field] = setting.parse(text) if text else None
        except ValueError as error:
            # An address may hold a password, and faulty ones get pasted into tickets.
            shown = "the address given" if setting.parse in (_database, _log) else repr(text)
            problems.append(Problem(where=setting.name, what=f"{shown} is no {setting.kind}", fix=str(error)))
    if values.get("kafka_user") and not values.get("kafka_password"):
        fix = "set it to the password of SF_KAFKA_USER"
        problems.append(Problem(where="SF_KAFKA_PASSWORD", what="is missing", fix=fix))
    if problems:
        raise ConfigError(problems, where="the environment")
    values["base_url"] = values["base_url"] or _own_address(values["host"], values["port"])
    return Settings(**values)


def _unknown(environ: Mapping[str, str]) -> list[Problem]:
    names = [setting.name for setting in SETTINGS]
    problems = []
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            fix = f"did you mean {close[0]}?" if close else f"remove it; the settings are {', '.join(names)}"
            problems.append(Problem(where=name, what="is no setting", fix=fix))
    return problems


def _own_address(host: str, port: int) -> str:
    # "Every address" is nothing a client can ask for.
    shown = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{shown}:{port}"
