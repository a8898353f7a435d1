"""Clients of aiokafka, opened and closed whole, and its errors translated: what KafkaLog and its readers share."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.conn import create_conn

from streams.errors import LogError
from streams.kafka_options import LOOK, MAX_BATCH_BYTES, KafkaOptions

# How long a broker may hold back its answer while a topic has no news. It answers a connection's requests in turn, so
# questions are asked on a connection that never waits long.
LONG_POLL = timedelta(milliseconds=500)
SHORT_POLL = timedelta(milliseconds=5)
_PAUSE = timedelta(milliseconds=100)
# Closing waits at most this long for a cluster that does not answer.
_CLOSE_WITHIN = timedelta(seconds=2)

# What trying again cannot mend, with what can; everything else of Kafka may pass.
_FINAL: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (
            errors.AuthenticationFailedError,
            errors.SaslAuthenticationFailed,
            errors.AuthenticationMethodNotSupported,
            errors.UnsupportedSaslMechanismError,
            errors.IllegalSaslStateError,
        ),
        "check SF_KAFKA_USER, SF_KAFKA_PASSWORD and SF_KAFKA_MECHANISM",
    ),
    ((ssl.SSLError,), "check SF_KAFKA_TLS, and that SF_KAFKA_CA is the authority that signed the brokers"),
    (
        (
            errors.TopicAuthorizationFailedError,
            errors.GroupAuthorizationFailedError,
            errors.ClusterAuthorizationFailedError,
        ),
        "let the user of SF_KAFKA_USER describe, create, read, write and delete records of the platform's topics",
    ),
    (
        (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError),
        "raise max.message.bytes of the topic, and message.max.bytes of the brokers",
    ),
    ((errors.InvalidTopicError,), "name sources and streams with letters, digits, dots, hyphens and underscores"),
    (
        (errors.InvalidReplicationFactorError,),
        "set SF_KAFKA_REPLICATION to the number of brokers, 1 for a single one, or start more brokers",
    ),
    (
        (
            errors.UnsupportedVersionError,
            errors.IncompatibleBrokerVersion,
            errors.UnsupportedCodecError,
            errors.PolicyViolationError,
            errors.InvalidConfigurationError,
        ),
        "see the brokers' log; Apache Kafka 3.9 or 4 with its own defaults is enough",
    ),
)


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn what Kafka and its client raise into LogError, once, at the border."""
    try:
        yield
    except (errors.KafkaError, errors.ConsumerStoppedError, OSError) as error:
        fix = _final_fix(error)
        what = f"Kafka could not {doing}: {_told(error)}"
        again = f"none needed: it is tried again; if it stays, {LOOK}"
        raise LogError(what, where="log", fix=fix or again, retriable=fix is None) from error


def _told(error: BaseException) -> str:
    name, text = type(error).__name__, str(error)
    if isinstance(error, TimeoutError) and not text:
        return "no answer in time"
    # The client's own errors begin with their name.
    return text if text.startswith(name) else f"{name}: {text}".rstrip(": ")


def _final_fix(error: BaseException) -> str | None:
    return next((fix for kinds, fix in _FINAL if isinstance(error, kinds)), None)


def admin(options: KafkaOptions) -> Any:
    """Make the client that makes and describes topics."""
    return AIOKafkaAdminClient(**options.client())


def producer(options: KafkaOptions) -> Any:
    """Make the client that appends: an append counts when all copies in sync have it, and is stored once."""
    return AIOKafkaProducer(
        **options.client(),
        enable_idempotence=True,
        acks="all",
        compression_type=options.compression,
        max_batch_size=MAX_BATCH_BYTES,
    )


def consumer(options: KafkaOptions, *, wait: timedelta, group: str | None = None) -> Any:
    """Make a client that reads, with no position of its own; `wait` is how long the broker may hold back an answer."""
    return AIOKafkaConsumer(
        **options.client(),
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="none",
        fetch_max_wait_ms=round(wait.total_seconds() * 1000),
        max_partition_fetch_bytes=MAX_BATCH_BYTES,
    )


async def whole(call: Coroutine[Any, Any, Any]) -> Any:
    """Await a call to its end even when the caller is cancelled: cut off while it connects, aiokafka leaks a socket."""
    task = asyncio.get_running_loop().create_task(call, name="kafka call")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task], timeout=_CLOSE_WITHIN.total_seconds())
        task.cancel()
        raise


async def insist(call: Callable[[], Awaitable[Any]], *, patience: timedelta) -> Any:
    """Call until it works: again while a broker moves or starts, at most for `patience`."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total_seconds()
    while True:
        try:
            async with asyncio.timeout_at(end):
                return await call()
        except (errors.KafkaError, OSError) as error:
            if _final_fix(error) or loop.time() >= end:
                raise
        await asyncio.sleep(_PAUSE.total_seconds())


async def started(client: Any, options: KafkaOptions) -> Any:
    """Connect a client and return it; nothing of it stays open when that fails or is cancelled."""
    try:
        await whole(_start(client, options))
    except BaseException as error:
        await (abandoned(client) if isinstance(client, AIOKafkaProducer) else stopped(client))
        if isinstance(error, errors.KafkaConnectionError):
            await _say_why(options)
            raise errors.KafkaConnectionError(f"nobody at {options.servers} talks to us") from error
        raise
    return client


async def _start(client: Any, options: KafkaOptions) -> None:
    async with asyncio.timeout(options.patience.total_seconds()):
        await client.start()


async def _say_why(options: KafkaOptions) -> None:
    """Raise what keeps the brokers from talking to us; the client itself only says that none did."""
    arguments = options.client()
    for server in arguments.pop("bootstrap_servers"):
        host, _, port = server.rpartition(":")
        try:
            connection = await create_conn(host, int(port), **arguments)
        except (errors.KafkaError, OSError) as error:
            if _final_fix(error):
                raise
        else:
            connection.close()


async def _ended(closing: Coroutine[Any, Any, None]) -> None:
    """Run what closes something, for a while, and never mind how it ends: a client cut off may raise anything."""
    task = asyncio.get_running_loop().create_task(closing, name="close kafka")
    await asyncio.wait([task], timeout=_CLOSE_WITHIN.total_seconds())
    if task.cancel():
        await asyncio.wait([task], timeout=_CLOSE_WITHIN.total_seconds())
    if task.done() and not task.cancelled():
        task.exception()


async def stopped(client: Any) -> None:
    """Close a consumer or the admin client, whatever state the cluster is in."""
    await _ended(client.close() if isinstance(client, AIOKafkaAdminClient) else client.stop())
    # A consumer that was interrupted while it closed has forgotten its connections.
    await _ended(client._client.close())  # noqa: SLF001


async def abandoned(producer: Any) -> None:
    """Give up a producer and its unsent batches, which it would send for ever; there is no public way."""
    # Without connections the requests in flight fail, so that the sender can end.
    await _ended(producer.client.close())
    await _ended(producer._sender.close())  # noqa: SLF001
    producer._closed = True  # noqa: SLF001


async def flushed(producer: Any) -> None:
    """Let a producer end what it was given, if the cluster answers, and close it."""
    await _ended(producer.flush())
    await abandoned(producer)


def quiet() -> None:
    """Silence aiokafka, which says several times a second what a LogError says once."""
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
