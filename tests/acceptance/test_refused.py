"""A start that cannot work ends with status 2 and one problem with its fix, in time: wrong logs, wrong databases."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from smartflanders.embedded import EmbeddedPostgres
from smartflanders.roles import ROLES
from streams.kafka_options import KafkaOptions
from tests.conftest import database_of, environ_of
from tests.integration.test_kafka_log import create
from tests.integration.test_migrate import execute
from tests.support.broker import Kafka
from tests.support.running import ROOT, free_port

pytestmark = pytest.mark.slow

# Far above the fifteen seconds that a start takes at most before it is refused: whoever hangs has failed.
PATIENCE = 90
# `serve` never asks the log.
VERBS = (*ROLES, "up")
PILOT = ROOT / "deploy" / "pilots" / "gent" / "parking"
ONE_PROBLEM = re.compile(r"1 problem in the configuration of [^\n]+\n  \S+: [^\n]+\n    fix: [^\n]+\n")


class Start:
    """A verb that is being started; it shall be refused."""

    def __init__(self, verb: str, folder: Path, environ: Mapping[str, str]) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SF_")}
        arguments = [verb, "--pilot", str(PILOT)]
        if verb == "up":
            arguments += ["--data", str(folder / "data"), "--port", str(free_port())]
        self._began = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "smartflanders.cli", *arguments],
            cwd=ROOT,
            env={**clean, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def refused(self) -> str:
        """Expect status 2 in time, one problem with its fix, and not a word before or behind it."""
        said, errors = self._process.communicate(timeout=PATIENCE)
        took = time.monotonic() - self._began
        assert self._process.returncode == 2, errors
        # `up` tells of the database first.
        assert [line for line in said.splitlines() if not line.startswith("database ")] == []
        assert ONE_PROBLEM.fullmatch(errors), errors
        print(f"{took:.1f} s: {errors.splitlines()[1].strip()}")
        return errors


def refused(verbs: Sequence[str], folder: Path, **environ: str) -> str:
    """Start these verbs at once, all of them in vain, and return what the last one said."""
    starts = [Start(verb, folder, environ) for verb in verbs]
    return [start.refused() for start in starts][-1]


@contextmanager
def silence() -> Iterator[int]:
    """Listen on a port, take connections, and never say a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield listener.getsockname()[1]


def test_brokers_that_are_not_there(database_url: str, tmp_path: Path) -> None:
    """Nobody at the address of the brokers."""
    said = refused(VERBS, tmp_path, SF_DATABASE_URL=database_url, SF_LOG=f"kafka://127.0.0.1:{free_port()}")
    assert "SF_LOG: Kafka could not connect" in said
    assert "see whether Kafka runs" in said


def test_brokers_and_databases_that_say_nothing(database_url: str, tmp_path: Path) -> None:
    """Somebody takes the connection and never answers: a firewall, a frozen machine, another program."""
    with silence() as port:
        broker = {"SF_DATABASE_URL": database_url, "SF_LOG": f"kafka://127.0.0.1:{port},127.0.0.1:{port}"}
        database = {"SF_DATABASE_URL": f"postgresql://u:geheim@127.0.0.1:{port}/db"}
        starts = [Start(verb, tmp_path, environ) for verb in ("write", "up") for environ in (broker, database)]
        starts.append(Start("serve", tmp_path, database))
        for start in starts:
            said = start.refused()
            assert "no answer in time" in said
            assert "geheim" not in said


def test_a_wrong_password_of_kafka(guarded_kafka: Kafka, database_url: str, tmp_path: Path) -> None:
    """The broker knows the user, and not by this password; nobody may read it in the message."""
    login = {"SF_KAFKA_USER": "gent", "SF_KAFKA_PASSWORD": "geheim"}
    log = f"kafka://{guarded_kafka.guarded['SASL_PLAINTEXT']}"
    said = refused(["normalise", "up"], tmp_path, SF_DATABASE_URL=database_url, SF_LOG=log, **login)
    assert "check SF_KAFKA_USER, SF_KAFKA_PASSWORD and SF_KAFKA_MECHANISM" in said
    assert "geheim" not in said


def test_other_keys_to_the_doors_of_kafka(guarded_kafka: Kafka, database_url: str, tmp_path: Path) -> None:
    """A certificate nobody vouches for, no login where one is wanted, and a user who may do nothing."""
    doors, mine = guarded_kafka.guarded, {"SF_DATABASE_URL": database_url, "SF_KAFKA_REPLICATION": "1"}
    login = {**mine, "SF_KAFKA_USER": "gent", "SF_KAFKA_PASSWORD": "hush"}
    stranger = {**mine, "SF_KAFKA_USER": "stranger", "SF_KAFKA_PASSWORD": "alone"}
    starts = {
        "SF_KAFKA_CA is the authority": Start(
            "collect", tmp_path, {**login, "SF_LOG": f"kafka://{doors['SASL_SSL']}", "SF_KAFKA_TLS": "on"}
        ),
        "SF_KAFKA_USER and SF_KAFKA_TLS are what": Start(
            "write", tmp_path, {**mine, "SF_LOG": f"kafka://{doors['SASL_SSL']}"}
        ),
        "let the user of SF_KAFKA_USER": Start(
            "normalise", tmp_path, {**stranger, "SF_LOG": f"kafka://{doors['SASL_PLAINTEXT']}"}
        ),
    }
    for fix, start in starts.items():
        assert fix in start.refused()


async def test_wrong_topics(kafka_options: KafkaOptions, database_url: str, tmp_path: Path) -> None:
    """A topic that somebody made with two partitions, and one that other settings would let lose entries."""
    settings = {"cleanup_policy": "delete", "message_timestamp_type": "CreateTime", "max_message_bytes": str(2**25)}
    await create(
        kafka_options,
        "raw.gent-garages",
        partitions=2,
        message_timestamp_type="LogAppendTime",
        **{name: value for name, value in settings.items() if name != "message_timestamp_type"},
    )
    said = refused(VERBS, tmp_path, SF_DATABASE_URL=database_url, **environ_of(kafka_options))
    assert "raw.gent-garages: has 2 partitions" in said
    assert "--delete --topic" in said


async def test_a_topic_with_wrong_settings(kafka_options: KafkaOptions, database_url: str, tmp_path: Path) -> None:
    """A topic whose times would be the producers' is refused with the command that mends it."""
    await create(kafka_options, "members.gent-parking", max_message_bytes=str(2**25), retention_ms="-1")
    said = refused(["write"], tmp_path, SF_DATABASE_URL=database_url, **environ_of(kafka_options))
    assert "message.timestamp.type is CreateTime, must be LogAppendTime" in said
    assert "--add-config message.timestamp.type=LogAppendTime" in said


@pytest.fixture
def guarded_postgres(tmp_path: Path) -> Iterator[str]:
    """Start a PostgreSQL that wants a password of the user `gent`; return the address without it."""
    rules = tmp_path / "hba.conf"
    tmp_path.chmod(0o755)
    rules.write_text("local all postgres trust\nlocal all gent scram-sha-256\n")
    with EmbeddedPostgres(tmp_path / "database", settings={"fsync": "off", "hba_file": str(rules)}) as server:
        yield server.dsn


async def test_wrong_logins_of_postgres(guarded_postgres: str, tmp_path: Path) -> None:
    """A wrong password, a database that is not there, and one where the user may make nothing."""
    await execute(guarded_postgres, "CREATE ROLE gent LOGIN PASSWORD 'hush'")
    await execute(guarded_postgres, "CREATE DATABASE other")
    right = guarded_postgres.replace("postgres@", "gent:hush@")
    said = refused(["write", "serve"], tmp_path, SF_DATABASE_URL=right.replace("hush", "geheim"))
    assert "check the user and password of SF_DATABASE_URL" in said
    assert "geheim" not in said
    assert "mend its name" in refused(["serve"], tmp_path, SF_DATABASE_URL=right.replace("/postgres?", "/nobody?"))
    assert "the owner" in refused(["up"], tmp_path, SF_DATABASE_URL=right.replace("/postgres?", "/other?"))


async def test_other_schemas(database_url: str, postgres: EmbeddedPostgres, tmp_path: Path) -> None:
    """An older schema is refused by whoever does not migrate, a newer one by all."""
    older = Start("write", tmp_path, {"SF_DATABASE_URL": database_of(postgres, "postgres")})
    await execute(database_url, "INSERT INTO log.migrations (room, name) VALUES ('streams', '9999_pre_future.sql')")
    said = refused(["collect", "serve", "up"], tmp_path, SF_DATABASE_URL=database_url)
    assert "newer than this code: it does not know streams/9999_pre_future.sql" in said
    assert "run `smartflanders migrate`" in older.refused()
