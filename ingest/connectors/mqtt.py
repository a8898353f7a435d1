"""The MQTT connector: a session that the broker keeps, and an acknowledgement only for what is safe in the log."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from types import TracebackType
from typing import Any, NamedTuple, Self

import ingest.connectors.mqtt_packets as packets
from ingest.connector import Poll
from ingest.connectors.mqtt_packets import Connected, Ended, Login, Message, Parser, ProtocolError, Subscribed
from ingest.transports.mqtt import MqttOptions
from streams.errors import SourceError, Trouble
from streams.record import Payload

_AT_ONCE = timedelta(0)
_MOMENT = timedelta(milliseconds=1)
# How long a poll waits for a message: who stops us waits as long.
_LOOK = 0.5
# A batch ends after so long without another message, after so long altogether, or with so many: an append costs
# milliseconds whether it holds one message or a thousand.
_QUIET = 0.004
_GATHER = 0.05
_MOST = 2000
_BYTES = 4 * 2**20
_READ = 256 * 1024
_BUFFER = 2**20
# A connection is made, and what was written is taken, within this.
_CONNECT_SECONDS = 10.0
# What a broker of version 5 may send before anything of it is acknowledged; memory is bounded by this.
_IN_FLIGHT = 10_000
# Topics whose filters are remembered.
_TOPICS = 65_536


class _Held(NamedTuple):
    """A message that is not known to be safe: its number here, the broker's, and what becomes of it."""

    place: int
    number: int
    payload: Payload


class Mqtt:
    """Takes messages of one broker, at least once with QoS 1, whatever ends in between.

    The broker keeps a session for `client_id` and sends again what was not acknowledged; a message is acknowledged by
    the poll that says it is safe. The cursor names the run of this connector, the place of the message in it, and what
    the message was: when the broker sends again what a run before had made safe, it is recognised and left out.
    """

    def __init__(self, source: str, options: MqttOptions) -> None:
        self._source = source
        self._options = options
        self._version = packets.V311 if options.version == "3.1.1" else packets.V5
        self._open = False
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._parser = Parser(version=self._version, limit=options.max_bytes)
        self._run = b""
        self._count = 0
        self._held: deque[_Held] = deque()
        # What the last message looked like that is safe, until one that was sent again is it; and those before that one.
        self._safe = b""
        self._repeated: list[Message] = []
        self._keep_alive = options.keep_alive.total_seconds()
        self._said = self._heard_broker = 0.0
        self._bytes = 0
        self._heard: dict[str, float] = {}
        self._filters: dict[str, tuple[str, ...]] = {}

    async def __aenter__(self) -> Self:
        """Begin; the first poll connects."""
        self._open = True
        self._run = secrets.token_hex(4).encode()
        self._count = 0
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say goodbye; the broker keeps what was not acknowledged."""
        self._open = False
        self._held.clear()
        self._repeated = []
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            if not writer.is_closing():
                writer.write(packets.disconnect())
            writer.close()
            with suppress(OSError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    async def poll(self, cursor: bytes) -> Poll:
        """Return what came and is not known to be safe, many messages at once; waits for half a second at most.

        Raises:
            SourceError: nobody answers, the broker refuses us or ends, or a topic was silent for too long.

        """
        if not self._open:
            raise RuntimeError(f"the mqtt connector of {self._source} is closed")
        async with self._translated():
            if self._writer is None:
                await self._connect(cursor)
            self._forget(cursor)
            if not self._held:
                await self._gather()
            self._refuse_silence()
            await self._keep_in_touch()
        if not self._held:
            return Poll(payloads=(), again_in=_MOMENT)
        return Poll(payloads=tuple(each.payload for each in self._held), again_in=_AT_ONCE)

    def _forget(self, cursor: bytes) -> None:
        """Acknowledge what is safe, all of it in one write."""
        words = cursor.split(b" ")
        if not self._held or len(words) != 4 or words[:2] != [b"mqtt", self._run]:
            return
        safe = int(words[2])
        numbers = []
        while self._held and self._held[0].place <= safe:
            number = self._held.popleft().number
            if number:
                numbers.append(number)
        self._write(packets.acknowledge(numbers))

    async def _connect(self, cursor: bytes) -> None:
        options = self._options
        self._parser = Parser(version=self._version, limit=options.max_bytes)
        async with asyncio.timeout(_CONNECT_SECONDS):
            context = await asyncio.to_thread(_tls, options) if options.tls else None
            self._reader, self._writer = await asyncio.open_connection(
                options.host, options.port, ssl=context, limit=_BUFFER
            )
            self._write(packets.connect(self._login()))
            connected, early = await self._answer(Connected)
            if connected.code:
                raise self._refusal(connected.code, "the broker refuses us")
            self._keep_alive = float(connected.keep_alive or options.keep_alive.total_seconds())
            # A session has its filters already; one that was changed in the source file is made anew by this, too.
            self._write(packets.subscribe(options.topics, qos=options.qos, version=self._version))
            subscribed, messages = await self._answer(Subscribed)
        for topic_filter, code in zip(options.topics, subscribed.codes, strict=False):
            if code >= 0x80:
                raise self._refusal(code, f"the broker refuses {topic_filter}")
        now = asyncio.get_running_loop().time()
        self._heard = dict.fromkeys(options.topics, now)
        self._heard_broker = now
        words = cursor.split(b" ")
        self._safe = words[3] if connected.session and len(words) == 4 and words[0] == b"mqtt" else b""
        self._take([*early, *messages])

    def _login(self) -> Login:
        options = self._options
        return Login(
            version=self._version,
            client_id=options.client_id or f"smartflanders-{self._source}",
            keep_alive=round(options.keep_alive.total_seconds()),
            session=round(options.session.total_seconds()),
            in_flight=_IN_FLIGHT,
            user=options.user,
            password=options.password,
        )

    async def _answer(self, kind: type[Any]) -> tuple[Any, list[Message]]:
        """Wait for one packet of a kind; messages may come before it."""
        messages: list[Message] = []
        answer = None
        while answer is None:
            for packet in await self._receive():
                if isinstance(packet, Message):
                    messages.append(packet)
                elif isinstance(packet, Ended):
                    raise self._refusal(packet.code, "the broker refuses us")
                elif isinstance(packet, kind):
                    answer = packet
        return answer, messages

    async def _receive(self) -> list[packets.Packet]:
        assert self._reader is not None
        data = await self._reader.read(_READ)
        if not data:
            raise ConnectionError("the broker closed the connection")
        self._heard_broker = asyncio.get_running_loop().time()
        return self._parser.feed(data)

    async def _gather(self) -> None:
        """Wait for a message, then for those that come close behind it."""
        clock = asyncio.get_running_loop().time
        end = clock() + _LOOK
        while not self._held and not self._repeated and (left := end - clock()) > 0:
            await self._look(left)
        end, most = clock() + _GATHER, self._count + _MOST
        self._bytes = 0
        while self._count < most and self._bytes < _BYTES and clock() < end:
            if not await self._look(_QUIET):
                break
        self._news()

    async def _look(self, seconds: float) -> bool:
        """Take what comes within so many seconds; say whether anything did."""
        try:
            async with asyncio.timeout(seconds):
                found = await self._receive()
        except TimeoutError:
            return False
        self._take([packet for packet in found if isinstance(packet, Message)])
        for packet in found:
            if isinstance(packet, Ended):
                raise self._refusal(packet.code, "the broker ended the connection")
        return True

    def _take(self, messages: Sequence[Message]) -> None:
        """Hold what is news. What is sent again up to the last safe message was safe before: it is acknowledged."""
        received, now = datetime.now(UTC), asyncio.get_running_loop().time()
        for message in messages:
            for topic_filter in self._filters_of(message.topic):
                self._heard[topic_filter] = now
            if self._safe and message.again:
                self._repeated.append(message)
                if _mark(message) == self._safe:
                    self._write(packets.acknowledge(each.number for each in self._repeated))
                    self._repeated, self._safe = [], b""
                continue
            self._news()
            self._hold(message, received)

    def _news(self) -> None:
        """Hold what was sent again and is not known to be safe."""
        repeated, self._repeated, self._safe = self._repeated, [], b""
        for message in repeated:
            self._hold(message, datetime.now(UTC))

    def _hold(self, message: Message, received: datetime) -> None:
        self._count += 1
        self._bytes += len(message.body)
        cursor = b"mqtt %b %d %b" % (self._run, self._count, _mark(message))
        payload = Payload(
            source=self._source,
            received_at=received,
            media_type=self._options.media_type or message.properties.get("content_type") or "application/json",
            body=message.body,
            cursor=cursor,
            message=_said(message),
        )
        self._held.append(_Held(self._count, message.number, payload))

    def _filters_of(self, topic: str) -> tuple[str, ...]:
        found = self._filters.get(topic)
        if found is None:
            if len(self._filters) >= _TOPICS:
                self._filters.clear()
            found = tuple(each for each in self._options.topics if packets.matches(each, topic))
            self._filters[topic] = found
        return found

    def _refuse_silence(self) -> None:
        silence = self._options.silence.total_seconds()
        if not silence or self._held:
            return
        now = asyncio.get_running_loop().time()
        for topic_filter, heard in self._heard.items():
            if now - heard > silence:
                raise self._error(
                    f"nothing came on {topic_filter} for {now - heard:.0f} s; connecting anew",
                    fix="see whether anybody publishes there; raise silence in the source file if it may be so quiet",
                    kind=Trouble.SILENT,
                )

    async def _keep_in_touch(self) -> None:
        """Ping in time, drain what was written, and notice a broker that does not answer any more."""
        assert self._writer is not None
        now = asyncio.get_running_loop().time()
        if now - self._heard_broker > 1.5 * self._keep_alive and not self._held:
            raise ConnectionError(f"the broker said nothing for {now - self._heard_broker:.0f} s, to pings neither")
        if now - self._said > self._keep_alive / 2 or now - self._heard_broker > self._keep_alive / 2:
            self._write(packets.PING)
        async with asyncio.timeout(_CONNECT_SECONDS):
            await self._writer.drain()

    def _write(self, data: bytes) -> None:
        if data and self._writer is not None:
            self._writer.write(data)
            self._said = asyncio.get_running_loop().time()

    def _refusal(self, code: int, what: str) -> SourceError:
        rights = packets.is_refusal_of_rights(code)
        return self._error(
            f"{what}: {packets.reason(code)}",
            fix="check user, password, certificate and the rights of this client at the broker"
            if rights
            else "see the broker's log; another client must not have the same client_id",
            kind=Trouble.REFUSED if rights else Trouble.FAILED,
        )

    def _error(self, what: str, *, fix: str, kind: Trouble) -> SourceError:
        where = (
            f"{self._source}, {'mqtts' if self._options.tls else 'mqtt'}://{self._options.host}:{self._options.port}"
        )
        return SourceError(what, where=where, fix=fix, retriable=True, kind=kind)

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        """Turn whatever the connection raises into one `SourceError`; a connection that failed is not used again."""
        try:
            yield
        except BaseException as error:
            # A broker that does not take our certificate says so after its own part of the handshake, or just hangs up.
            hung_up = isinstance(error, ConnectionError) and not isinstance(error, ConnectionRefusedError)
            refused = hung_up and self._options.tls and not self._heard
            if not isinstance(error, asyncio.CancelledError) or not self._heard:
                self._drop()
            if isinstance(error, ssl.SSLError) or refused:
                fix = "check ca, certificate and key in the source file, and the name in the broker's certificate"
                raise self._error(f"no TLS with the broker: {error}", fix=fix, kind=Trouble.REFUSED) from error
            if isinstance(error, ProtocolError):
                fix = "see whether this is the port of an MQTT broker of this version"
                raise self._error(f"this is no MQTT: {error}", fix=fix, kind=Trouble.BROKEN) from error
            if isinstance(error, OSError):
                what = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
                fix = "see whether the broker runs, and the address and the network; what it keeps for us is not lost"
                raise self._error(f"no connection: {what}", fix=fix, kind=Trouble.UNREACHABLE) from error
            raise

    def _drop(self) -> None:
        """Forget the connection: the broker sends again what was not acknowledged."""
        writer, self._writer, self._reader = self._writer, None, None
        self._held.clear()
        self._repeated = []
        self._heard = {}
        if writer is not None:
            writer.transport.abort()


def _tls(options: MqttOptions) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.ca)
    if options.certificate is not None:
        context.load_cert_chain(options.certificate, options.key)
    return context


def _said(message: Message) -> Mapping[str, Any]:
    """Say what bindings may read of a message besides its body."""
    said: dict[str, Any] = {"topic": message.topic}
    if message.retained:
        said["retained"] = True
    if message.size > len(message.body):
        said["size"] = message.size
    if message.properties:
        said |= message.properties
    return said


def _mark(message: Message) -> bytes:
    """Recognise a message that is sent again: by the broker's number of it, its topic and its body."""
    digest = blake2b(message.topic.encode() + b"\0" + message.body, digest_size=8).hexdigest()
    return f"{message.number}:{digest}".encode()
