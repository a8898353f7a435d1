"""MQTT 3.1.1 and 5 packets of a client that subscribes: bytes to values and back; pure, no I/O.

Section numbers are those of the OASIS standard MQTT Version 5.0. Written here because a reader that acknowledges by
hand, many messages in one write, is what makes five thousand messages a second cheap (docs/decisions.md).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

# Levels of the protocol (3.1.2.2).
V311, V5 = 4, 5
PING = b"\xc0\x00"
# Of a message that is too long this much is kept, for the rejection that it becomes.
CUT = 500
# A topic is shorter than 64 KB, and properties that fill another 64 KB are no sensor's.
_HEAD = 128 * 1024

_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK, _PINGRESP, _DISCONNECT = 0x10, 0x20, 0x30, 0x82, 0x90, 0xD0, 0xE0
# Who only subscribes, with QoS 1 at most, is sent nothing else.
_EXPECTED = frozenset((_CONNACK, _PUBLISH, _SUBACK, _PINGRESP, _DISCONNECT))
_PUBACK = struct.Struct(">BBH")
_LONGEST_LENGTH = 4
_NOTHING: Mapping[str, Any] = MappingProxyType({})

# Why a broker says no, by its reason codes (2.4) and the return codes of 3.1.1.
REASONS: Mapping[int, str] = {
    1: "it does not speak this version of MQTT",
    2: "it does not take this client_id",
    3: "it is unavailable",
    4: "wrong user or password",
    5: "not authorised",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x84: "it does not speak this version of MQTT",
    0x85: "it does not take this client_id",
    0x86: "wrong user or password",
    0x87: "not authorised",
    0x88: "it is unavailable",
    0x89: "it is busy",
    0x8A: "this client is banned",
    0x8B: "it shuts down",
    0x8C: "it wants another way to log in",
    0x8D: "it heard nothing from us for too long",
    0x8E: "another client took over this client_id",
    0x8F: "no such topic filter",
    0x97: "a quota is used up",
    0x9C: "use another server",
    0x9E: "it has no shared subscriptions",
    0x9F: "too many connections at once",
    0xA2: "it has no wildcard subscriptions",
}
# Those that another user, password or right mends.
_RIGHTS = frozenset((4, 5, 0x86, 0x87, 0x8A, 0x8C))


class ProtocolError(Exception):
    """The bytes are no MQTT; the connection is of no use any more."""


class Connected(NamedTuple):
    """CONNACK: whether the broker still had our session, or why it refuses (0: it does not)."""

    session: bool
    code: int
    keep_alive: int


class Subscribed(NamedTuple):
    """SUBACK: a code for each filter; 128 and above are refusals."""

    codes: Sequence[int]


class Message(NamedTuple):
    """PUBLISH: `number` is to be acknowledged, 0 with QoS 0; `again` says that it was sent before.

    `size` is the length of the body as sent, of which `body` is only the beginning where that is over the limit.
    """

    topic: str
    body: bytes
    number: int
    again: bool
    retained: bool
    properties: Mapping[str, Any]
    size: int


class Ended(NamedTuple):
    """DISCONNECT of the broker, with its reason."""

    code: int


class Pong(NamedTuple):
    """PINGRESP: the broker lives."""


Packet = Connected | Subscribed | Message | Ended | Pong


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What CONNECT says: `session` seconds for which the broker keeps what we have not acknowledged (5: 3.1.2.11.2)."""

    version: int
    client_id: str
    keep_alive: int
    session: int
    in_flight: int
    user: str = ""
    password: str = field(default="", repr=False)


def reason(code: int) -> str:
    """Say in words what a code means."""
    return REASONS.get(code, f"reason {code:#04x}")


def is_refusal_of_rights(code: int) -> bool:
    """Say whether a code means that this client may not."""
    return code in _RIGHTS


def connect(login: Login) -> bytes:
    """Write CONNECT (3.1), which never asks the broker to forget our session."""
    flags = (0x80 if login.user else 0) | (0x40 if login.password else 0)
    head = _text("MQTT") + bytes((login.version, flags)) + login.keep_alive.to_bytes(2, "big")
    if login.version == V5:
        head += _sized(b"\x11" + login.session.to_bytes(4, "big") + b"\x21" + login.in_flight.to_bytes(2, "big"))
    said = _text(login.client_id) + (_text(login.user) if login.user else b"")
    return _packet(_CONNECT, head + said + (_text(login.password) if login.password else b""))


def subscribe(filters: Iterable[str], *, qos: int, version: int) -> bytes:
    """Write SUBSCRIBE (3.8); in version 5, what is retained comes only with a new subscription (3.8.3.1)."""
    options = bytes((qos | (0x10 if version == V5 else 0),))
    body = b"\x00\x01" + (b"\x00" if version == V5 else b"")
    return _packet(_SUBSCRIBE, body + b"".join(_text(each) + options for each in filters))


def acknowledge(numbers: Iterable[int]) -> bytes:
    """Write PUBACK (3.4) of all these, one behind the other."""
    return b"".join([_PUBACK.pack(0x40, 2, number) for number in numbers])


def disconnect() -> bytes:
    """Write DISCONNECT (3.14): goodbye, and keep the session as agreed."""
    return b"\xe0\x00"


def matches(topic_filter: str, topic: str) -> bool:
    """Say whether a topic matches a filter (4.7); the group of a shared subscription is no part of it (4.8.2)."""
    if topic_filter.startswith("$share/"):
        topic_filter = topic_filter.split("/", 2)[2]
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("#", "+"):
        return False
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(levels) or level not in ("+", levels[place]):
            return False
    return len(wanted) == len(levels)


class Parser:
    """Makes packets of what a broker sends, however it is cut; of a body over `limit` bytes it keeps the beginning."""

    def __init__(self, *, version: int, limit: int) -> None:
        self._version = version
        self._limit = limit
        self._rest = b""
        # Bytes of a packet that is too long, still to come.
        self._skipping = 0

    def feed(self, data: bytes) -> list[Packet]:
        """Return the packets that are whole now.

        Raises:
            ProtocolError: these bytes are no packets of a broker.

        """
        if self._skipping:
            taken = min(self._skipping, len(data))
            self._skipping -= taken
            data = data[taken:]
        buffer = self._rest + data if self._rest else data
        found: list[Packet] = []
        at, end = 0, len(buffer)
        try:
            while at < end:
                if buffer[at] & 0xF0 not in _EXPECTED:
                    raise ProtocolError(f"a packet of type {buffer[at] >> 4} was not asked for")
                start, length = _length(buffer, at + 1)
                # What is too long to be kept is read by its head, and the rest of it passed over.
                needed = length if length <= self._limit + _HEAD else _HEAD
                if start < 0 or start + needed > end:
                    break
                found.append(self._read(buffer[at], buffer, (start, min(start + length, end)), length))
                at = start + length
        except (IndexError, struct.error, UnicodeDecodeError, KeyError) as error:
            raise ProtocolError(f"a packet cannot be read: {error!r}") from error
        self._skipping += max(0, at - end)
        self._rest = buffer[at:]
        return found

    def _read(self, first: int, buffer: bytes, span: tuple[int, int], length: int) -> Packet:
        kind = first & 0xF0
        start, end = span
        if kind == _PUBLISH:
            return self._message(first, buffer, span, length)
        if kind == _CONNACK:
            properties = self._properties(buffer, start + 2)[0] if self._version == V5 and length > 2 else _NOTHING
            alive = properties.get("server_keep_alive", 0)
            return Connected(session=bool(buffer[start] & 1), code=buffer[start + 1], keep_alive=alive)
        if kind == _SUBACK:
            at = start + 2
            if self._version == V5:
                at = self._properties(buffer, at)[1]
            return Subscribed(tuple(buffer[at:end]))
        if kind == _DISCONNECT:
            return Ended(buffer[start] if length else 0)
        return Pong()

    def _message(self, first: int, buffer: bytes, span: tuple[int, int], length: int) -> Message:
        start, end = span
        size = (buffer[start] << 8) | buffer[start + 1]
        at = start + 2 + size
        topic = buffer[start + 2 : at].decode()
        number = 0
        if first & 0x06:
            number = (buffer[at] << 8) | buffer[at + 1]
            at += 2
        properties = _NOTHING
        if self._version == V5:
            if buffer[at]:
                properties, at = self._properties(buffer, at)
            else:
                at += 1
        if at > end:
            raise ProtocolError("a message ends before its body begins")
        whole = start + length - at
        body = buffer[at:end] if whole <= self._limit else buffer[at : min(at + CUT, end)]
        return Message(topic, body, number, bool(first & 0x08), bool(first & 0x01), properties, whole)

    def _properties(self, buffer: bytes, at: int) -> tuple[Mapping[str, Any], int]:
        """Read properties (2.2.2) and say where they end; those of users (3.3.2.3.7) as one mapping, the last one counts."""
        at, size = _length(buffer, at)
        end = at + size
        if at < 0 or end > len(buffer):
            raise ProtocolError("properties are cut off")
        found: dict[str, Any] = {}
        while at < end:
            code = buffer[at]
            if code == _USER:
                name, at = _string(buffer, at + 1)
                value, at = _string(buffer, at)
                found.setdefault("user", {})[name.decode()] = value.decode()
                continue
            called, read = _PROPERTIES[code]
            found[called], at = read(buffer, at + 1)
        return found, end


def _packet(first: int, body: bytes) -> bytes:
    return bytes((first,)) + _sized(body)


def _sized(body: bytes) -> bytes:
    """Put a variable byte integer (1.5.5) before bytes: how many there are."""
    rest, said = len(body), bytearray()
    while True:
        rest, digit = divmod(rest, 128)
        said.append(digit | (0x80 if rest else 0))
        if not rest:
            return bytes(said) + body


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _length(buffer: bytes, at: int) -> tuple[int, int]:
    """Read a variable byte integer; where what follows begins, -1 while it is not whole, and the number."""
    value = shift = 0
    for place in range(at, at + _LONGEST_LENGTH):
        if place >= len(buffer):
            return -1, 0
        digit = buffer[place]
        value |= (digit & 0x7F) << shift
        if digit < 0x80:
            return place + 1, value
        shift += 7
    raise ProtocolError("a length has more than four bytes")


def _string(buffer: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + ((buffer[at] << 8) | buffer[at + 1])
    return buffer[at + 2 : end], end


def _number(size: int) -> Callable[[bytes, int], tuple[Any, int]]:
    def read(buffer: bytes, at: int) -> tuple[int, int]:
        return int.from_bytes(buffer[at : at + size], "big"), at + size

    return read


def _words(buffer: bytes, at: int) -> tuple[str, int]:
    found, end = _string(buffer, at)
    return found.decode(), end


def _hex(buffer: bytes, at: int) -> tuple[str, int]:
    found, end = _string(buffer, at)
    return found.hex(), end


def _varying(buffer: bytes, at: int) -> tuple[int, int]:
    end, value = _length(buffer, at)
    return value, end


_USER = 0x26
# All other properties by their number (2.2.2.2): what bindings call them, and how they are read.
_PROPERTIES: Mapping[int, tuple[str, Callable[[bytes, int], tuple[Any, int]]]] = {
    0x01: ("payload_format", _number(1)),
    0x02: ("message_expiry", _number(4)),
    0x03: ("content_type", _words),
    0x08: ("response_topic", _words),
    0x09: ("correlation_data", _hex),
    0x0B: ("subscription", _varying),
    0x11: ("session_expiry", _number(4)),
    0x12: ("client_id", _words),
    0x13: ("server_keep_alive", _number(2)),
    0x15: ("authentication_method", _words),
    0x16: ("authentication_data", _hex),
    0x1A: ("response_information", _words),
    0x1C: ("server_reference", _words),
    0x1F: ("reason", _words),
    0x21: ("receive_maximum", _number(2)),
    0x22: ("topic_alias_maximum", _number(2)),
    0x23: ("topic_alias", _number(2)),
    0x24: ("maximum_qos", _number(1)),
    0x25: ("retain_available", _number(1)),
    0x27: ("maximum_packet_size", _number(4)),
    0x28: ("wildcards_available", _number(1)),
    0x29: ("subscription_identifiers_available", _number(1)),
    0x2A: ("shared_subscriptions_available", _number(1)),
}
