"""The log that the settings choose, opened: on PostgreSQL tables or on Apache Kafka."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from ingest.source import Source
from smartflanders.pilots import Plan
from streams.errors import ConfigError, LogError, Problem
from streams.kafka_options import LOOK, KafkaOptions
from streams.log import KeptLog
from streams.postgres_log import PostgresLog
from streams.record import members_topic, raw_topic, rejected_topic, state_topic, trouble_topic
from streams.settings import Settings

# What SF_LOG begins with for a log on Kafka.
KAFKA = "kafka://"
# A start that cannot work shall end while somebody still looks; closing may take some seconds more.
_ANSWER_WITHIN = timedelta(seconds=8)


@asynccontextmanager
async def open_log(settings: Settings, dsn: str, *, kept: Mapping[str, timedelta]) -> AsyncIterator[KeptLog]:
    """Open the log of SF_LOG; `kept` names the topics it will be used for and how long each keeps its entries.

    On Kafka the topics are made or checked first, all of them, so that a wrong one is told before anything runs.

    Raises:
        LogError: the log cannot be reached, or refuses who asks.
        ConfigError: with every fault of every topic.

    """
    if not settings.log.startswith(KAFKA):
        async with PostgresLog(dsn) as log:
            yield log
        return
    # Imported where it is used: a platform without Kafka needs no client of it.
    from streams.kafka_log import KafkaLog  # noqa: PLC0415

    async with KafkaLog(kafka_options(settings), kept=kept) as log:
        await log.verify(kept)
        yield log


async def require_log(settings: Settings, *, kept: Mapping[str, timedelta]) -> None:
    """Return once the log of SF_LOG has let us in and its topics are right; those that are missing are made.

    A log on PostgreSQL is in the database, which is asked elsewhere (`streams.migrate.check`).

    Raises:
        ConfigError: within 15 seconds; it cannot be reached, refuses who asks, or has a wrong topic.

    """
    if not settings.log.startswith(KAFKA):
        return
    from streams.kafka_log import KafkaLog  # noqa: PLC0415 - as above

    options = replace(kafka_options(settings), patience=_ANSWER_WITHIN)
    try:
        async with KafkaLog(options, kept=kept) as log:
            await log.verify(kept)
    except LogError as error:
        fix = LOOK if error.retriable else error.fix
        raise ConfigError([Problem(where="SF_LOG", what=error.what, fix=fix)], where="the environment") from error


def kafka_options(settings: Settings) -> KafkaOptions:
    """Take what concerns Kafka out of the settings."""
    return KafkaOptions(
        servers=settings.log.removeprefix(KAFKA),
        user=settings.kafka_user,
        password=settings.kafka_password,
        mechanism=settings.kafka_mechanism,
        tls=settings.kafka_tls == "on",
        authorities=settings.kafka_ca,
        replication=settings.kafka_replication,
        prefix=settings.kafka_prefix or "",
    )


def kept_for(plan: Plan, settings: Settings) -> dict[str, timedelta]:
    """Say how long each topic of a plan keeps its entries."""
    return kept_topics(plan.sources, settings)


def kept_topics(sources: Iterable[Source], settings: Settings) -> dict[str, timedelta]:
    """Say how long each topic of these sources keeps its entries; of checkpoints and troubles the newest counts, always kept."""
    kept: dict[str, timedelta] = {}
    for source in sources:
        kept[raw_topic(source.name)] = settings.raw_retention
        kept[rejected_topic(source.name)] = settings.raw_retention
        kept[state_topic(source.name)] = kept[trouble_topic(source.name)] = timedelta(minutes=10)
        kept[members_topic(source.stream)] = settings.member_retention
    return kept
