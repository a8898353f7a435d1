"""A real Apache Kafka (KRaft) on loopback, from its published Java artefacts: for tests, and `make kafka` for people."""

from __future__ import annotations

import base64
import ctypes
import fcntl
import itertools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
POM = ROOT / "deploy" / "kafka" / "pom.xml"
# The newest patch of the oldest release that the Log contract is run on.
OLDEST = "3.9.2"
READY = b"Kafka Server started"
START_WITHIN = 90.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_SASL = "org.apache.kafka.common.security"
_SCRAM = ("SCRAM-SHA-512", "SCRAM-SHA-256")
_GUARDED = ("SASL_PLAINTEXT", "SSL", "SASL_SSL")
_JAVA_OPTIONS = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class KafkaUnavailableError(Exception):
    """Kafka cannot run here; the message says why."""


def chosen_version() -> str:
    """Return the version of Kafka to run: KAFKA_VERSION, or the one of the pom."""
    found = re.search(r"<kafka\.version>([^<]+)<", POM.read_text("utf-8"))
    assert found is not None, POM
    return os.environ.get("KAFKA_VERSION") or found.group(1)


def classpath(version: str) -> str:
    """Return the class path of the server, fetching the artefacts once.

    Raises:
        KafkaUnavailableError: Java is missing, or Maven is missing or cannot get the artefacts.

    """
    folder = ROOT / ".cache" / "kafka" / version
    if shutil.which("java") is None:
        raise KafkaUnavailableError("java is not installed: install a Java runtime, version 17 or newer")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Two runs of the suite must not fetch into each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _fetch(folder, version)
            (folder / "complete").touch()
    return str(folder / "*")


def _fetch(folder: Path, version: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError("maven is not installed, and Kafka's artefacts were not fetched before")
    command = [maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    command += ["-DincludeScope=runtime", f"-Dkafka.version={version}"]
    try:
        subprocess.run(command, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stdout", b"") or b""
        raise KafkaUnavailableError(
            f"maven could not fetch Kafka {version}: {error} {said.decode()[-1500:]}"
        ) from error


class Broker:
    """One server process that can be stopped, killed, paused and started again on the same port and files."""

    def __init__(self, folder: Path, *, node: int, port: int, libraries: str) -> None:
        self.port = port
        self.log = folder / "server.log"
        self._folder = folder
        self._node = node
        self._libraries = libraries
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0

    @property
    def pid(self) -> int:
        """The process id of the started server."""
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"127.0.0.1:{self.port}"

    def format(self, cluster: str, properties: Mapping[str, str], *, users: Mapping[str, str]) -> None:
        """Write its settings and make its storage, with users and their passwords where one must log in."""
        self._folder.mkdir(parents=True)
        own = {"node.id": str(self._node), "log.dirs": str(self._folder / "data"), **properties}
        file = self._folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in own.items()), "utf-8")
        command = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file))
        for mechanism, (name, password) in itertools.product(_SCRAM, users.items()):
            command += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=START_WITHIN)
        if done.returncode != 0:
            raise KafkaUnavailableError(f"Kafka's storage was not made: {(done.stdout + done.stderr).decode()[-1500:]}")

    def start(self) -> None:
        """Start the process; `until_ready` waits for it."""
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._java("kafka.Kafka", str(self._folder / "server.properties")),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call of the C library, no lock can be held
                start_new_session=True,
            )

    def until_ready(self) -> None:
        """Wait until the server says that it has started."""
        end = time.monotonic() + START_WITHIN
        while READY not in (said := self._said()):
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                raise KafkaUnavailableError(f"Kafka did not start: {said.decode(errors='replace')[-3000:]}")
            time.sleep(0.05)

    def restart(self) -> None:
        """Start again after a kill or stop, and wait until ready."""
        self.start()
        self.until_ready()

    def kill(self) -> None:
        """End it as a failing machine does (`kill -9`)."""
        self._signal(signal.SIGKILL)
        self._wait(10)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it in order, by force after ten seconds."""
        if self._process is None or self._process.poll() is not None:
            return
        self._signal(signal.SIGCONT)
        self._signal(signal.SIGTERM)
        try:
            self._wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def _java(self, *arguments: str) -> list[str]:
        java = shutil.which("java")
        assert java is not None
        return [java, *_JAVA_OPTIONS, "-cp", self._libraries, *arguments]

    def _said(self) -> bytes:
        with self.log.open("rb") as file:
            file.seek(self._seen)
            return file.read()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def _wait(self, seconds: float) -> None:
        if self._process is not None:
            self._process.wait(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Whom a broker lets in: its `certificate` (key and certificate in one PEM file) and users with their passwords.

    The first user and whoever needs no login may do anything; the others may log in, and nothing else.
    """

    certificate: Path
    users: Mapping[str, str]


class Kafka:
    """A cluster of `size` brokers, each also a controller, with their files under `folder`; a context manager.

    With a `guard` one broker listens for each kind of client: `servers` for those that neither log in nor encrypt,
    `guarded` for the others, by security protocol.
    """

    def __init__(
        self, folder: Path, *, size: int = 1, port: int = 0, version: str | None = None, guard: Guard | None = None
    ) -> None:
        libraries = classpath(version or chosen_version())
        ports = free_ports(2 * size)
        if port:
            ports[0] = port
        self._guard = guard
        self._properties = _properties(ports[:size], ports[size:])
        self.guarded: Mapping[str, str] = {}
        if guard is not None:
            doors = zip(_GUARDED, free_ports(len(_GUARDED)), strict=True)
            self.guarded = {kind: f"127.0.0.1:{door}" for kind, door in doors}
            self._properties |= _guarded(guard)
        self.brokers = tuple(
            Broker(folder / f"broker-{node}", node=node, port=ports[node - 1], libraries=libraries)
            for node in range(1, size + 1)
        )
        self._controllers = ports[size:]

    @property
    def certificate(self) -> Path:
        """What clients of a guarded broker check its certificate against."""
        assert self._guard is not None
        return self._guard.certificate.with_suffix(".crt")

    @property
    def servers(self) -> str:
        """The addresses of all brokers, as clients take them."""
        return ",".join(broker.address for broker in self.brokers)

    def __enter__(self) -> Self:
        # One time in 64 it would begin with a hyphen, which the tool takes for an option.
        cluster = "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]
        try:
            for broker, controller in zip(self.brokers, self._controllers, strict=True):
                doors = ",".join(
                    f"{kind}://{door}" for kind, door in {"CLIENT": broker.address, **self.guarded}.items()
                )
                listeners = f"{doors},CONTROLLER://127.0.0.1:{controller}"
                own = {"listeners": listeners, "advertised.listeners": doors}
                broker.format(cluster, self._properties | own, users=self._guard.users if self._guard else {})
            for broker in self.brokers:
                broker.start()
            for broker in self.brokers:
                broker.until_ready()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # All at once by force: the files are thrown away, and an ordered stop would wait for the other controllers.
        for broker in self.brokers:
            with suppress(ProcessLookupError):
                broker.kill()


def _properties(ports: Sequence[int], controllers: Sequence[int]) -> dict[str, str]:
    size = len(ports)
    voters = ",".join(f"{node}@127.0.0.1:{port}" for node, port in enumerate(controllers, 1))
    return {
        "process.roles": "broker,controller",
        "controller.quorum.voters": voters,
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "auto.create.topics.enable": "false",
        "default.replication.factor": str(size),
        "min.insync.replicas": str(max(1, size - 1)),
        "offsets.topic.num.partitions": "1",
        "offsets.topic.replication.factor": str(size),
        "group.initial.rebalance.delay.ms": "0",
        # A dead broker's partitions move within three seconds instead of nine.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": "16777216",
    }


def _guarded(guard: Guard) -> dict[str, str]:
    """Open a door for each kind of guarded client, and ask the rules what a client may do."""
    kinds = ",".join(f"{kind}:{kind}" for kind in _GUARDED)
    users = " ".join(f'user_{name}="{password}"' for name, password in guard.users.items())
    modules = {mechanism.lower(): f"{_SASL}.scram.ScramLoginModule required;" for mechanism in _SCRAM}
    modules["plain"] = f"{_SASL}.plain.PlainLoginModule required {users};"
    logins = {
        f"listener.name.{kind.lower()}.{mechanism}.sasl.jaas.config": module
        for kind in _GUARDED
        if kind.startswith("SASL")
        for mechanism, module in modules.items()
    }
    return {
        "listener.security.protocol.map": f"CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT,{kinds}",
        "sasl.enabled.mechanisms": ",".join((*_SCRAM, "PLAIN")),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(guard.certificate),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{next(iter(guard.users))}",
        **logins,
    }


def _die_with_parent() -> None:
    """Let the kernel kill the server when the process that started it is gone (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> int:
    """Run one broker in the foreground until interrupted; its files live as long as it does."""
    port = int(os.environ.get("KAFKA_PORT", "0"))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with tempfile.TemporaryDirectory(prefix="smartflanders-kafka-") as folder, Kafka(Path(folder), port=port) as it:
            print(f"ready {it.servers}", flush=True)
            os.waitpid(it.brokers[0].pid, 0)
    except KafkaUnavailableError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
