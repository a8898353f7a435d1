"""A real Apache Kafka (KRaft) on loopback, from its published Java artefacts: for tests, and `make kafka` for people."""

from __future__ import annotations

import base64
import ctypes
import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]
POM = ROOT / "deploy" / "kafka" / "pom.xml"
READY = b"Kafka Server started"
START_WITHIN = 90.0
_PR_SET_PDEATHSIG = 1  # prctl(2)
_JAVA_OPTIONS = ("-Xms128m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


class KafkaUnavailableError(Exception):
    """Kafka cannot run here; the message says why."""


def classpath() -> str:
    """Return the class path of the server, fetching the artefacts once.

    Raises:
        KafkaUnavailableError: Java is missing, or Maven is missing or cannot get the artefacts.

    """
    found = re.search(r"<kafka\.version>([^<]+)<", POM.read_text("utf-8"))
    assert found is not None, POM
    folder = ROOT / ".cache" / "kafka" / found.group(1)
    if shutil.which("java") is None:
        raise KafkaUnavailableError("java is not installed: install a Java runtime, version 17 or newer")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Two runs of the suite must not fetch into each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _fetch(folder)
            (folder / "complete").touch()
    return str(folder / "*")


def _fetch(folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError("maven is not installed, and Kafka's artefacts were not fetched before")
    command = [maven, "-B", "-q", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    try:
        subprocess.run([*command, "-DincludeScope=runtime"], check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stdout", b"") or b""
        raise KafkaUnavailableError(f"maven could not fetch Kafka: {error} {said.decode()[-1500:]}") from error


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

    def format(self, cluster: str, properties: Mapping[str, str], *, user: tuple[str, str] | None = None) -> None:
        """Write its settings and make its storage, with a user and password where one must log in."""
        self._folder.mkdir(parents=True)
        own = {"node.id": str(self._node), "log.dirs": str(self._folder / "data"), **properties}
        file = self._folder / "server.properties"
        file.write_text("".join(f"{name}={value}\n" for name, value in own.items()), "utf-8")
        command = self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file))
        if user is not None:
            command += ["--add-scram", f"SCRAM-SHA-512=[name={user[0]},password={user[1]}]"]
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


class Kafka:
    """A cluster of `size` brokers, each also a controller, with their files under `folder`; a context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        size: int = 1,
        port: int = 0,
        user: tuple[str, str] | None = None,
        certificate: Path | None = None,
    ) -> None:
        libraries = classpath()
        ports = _free_ports(2 * size)
        if port:
            ports[0] = port
        self._user = user
        self._properties = _properties(ports[:size], ports[size:]) | (_login(*user) if user is not None else {})
        if certificate is not None:
            self._properties |= _encrypted(certificate)
        self.brokers = tuple(
            Broker(folder / f"broker-{node}", node=node, port=ports[node - 1], libraries=libraries)
            for node in range(1, size + 1)
        )
        self._controllers = ports[size:]

    @property
    def servers(self) -> str:
        """The addresses of all brokers, as clients take them."""
        return ",".join(broker.address for broker in self.brokers)

    def __enter__(self) -> Self:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        try:
            for broker, controller in zip(self.brokers, self._controllers, strict=True):
                listeners = f"CLIENT://{broker.address},CONTROLLER://127.0.0.1:{controller}"
                own = {"listeners": listeners, "advertised.listeners": f"CLIENT://{broker.address}"}
                broker.format(cluster, self._properties | own, user=self._user)
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


def _encrypted(certificate: Path) -> dict[str, str]:
    """Let clients, and the broker as one of them, talk TLS only, with this certificate and key (one PEM file)."""
    return {
        "listener.security.protocol.map": "CLIENT:SSL,CONTROLLER:PLAINTEXT",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificate),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificate.with_suffix(".crt")),
    }


def _login(name: str, password: str) -> dict[str, str]:
    """Let clients, and the broker as one of them, log in by SCRAM."""
    module = "org.apache.kafka.common.security.scram.ScramLoginModule"
    return {
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
        "listener.name.client.scram-sha-512.sasl.jaas.config": (
            f'{module} required username="{name}" password="{password}";'
        ),
    }


def _free_ports(count: int) -> list[int]:
    """Ask the system for ports; held all at once, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


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
