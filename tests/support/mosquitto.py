"""A real MQTT broker, Eclipse Mosquitto, on loopback: installed or unpacked from Debian's package, ended by its pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from loadtests.processes import end
from loadtests.tools import Tool, ToolUnavailableError, find
from tests.support.packages import refuse
from tests.support.ports import free_ports

_READY_WITHIN = 20.0
_PUBLISHED_WITHIN = 30.0


def have(name: str) -> Tool:
    """Return a program, or skip the test for want of it; in CI, fail it."""
    try:
        return find(name)
    except ToolUnavailableError as error:
        refuse(str(error))


class Mosquitto:
    """One broker with its files under `folder`; a context manager.

    With `lines` the listener is set up as they say (TLS, a file of passwords). One that is `durable` keeps what it
    acknowledged when it is killed, and takes a hundred messages a second.
    """

    def __init__(
        self, folder: Path, *, lines: Iterable[str] = ("allow_anonymous true",), durable: bool = False
    ) -> None:
        self._broker, self._publisher = have("mosquitto"), have("mosquitto_pub")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (self.port,) = free_ports(1)
        folder.mkdir(parents=True, exist_ok=True)
        settings = [
            f"listener {self.port} 127.0.0.1",
            *lines,
            "persistence true",
            f"persistence_location {folder}/",
            # Saved with every change, or when it ends in order.
            f"autosave_on_changes {str(durable).lower()}",
            f"autosave_interval {int(durable)}",
            "max_inflight_messages 0",
            "max_queued_messages 0",
            "log_dest stderr",
        ]
        if os.geteuid() == 0:
            settings.append("user root")
        (folder / "mosquitto.conf").write_text("\n".join(settings) + "\n", "utf-8")

    @property
    def url(self) -> str:
        """Where clients reach it, without TLS."""
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it said so far."""
        return (self._folder / "mosquitto.log").read_text("utf-8", "replace")

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self._folder / "mosquitto.log").open("ab") as output:
            self._process = subprocess.Popen(
                [str(self._broker.path), "-c", str(self._folder / "mosquitto.conf")],
                env={**os.environ, **self._broker.environ},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + _READY_WITHIN
        while time.monotonic() < deadline and self._process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError(f"mosquitto did not start: {self.log[-2000:]}")

    def kill(self) -> None:
        """End it as a failing machine does."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def publish(self, topic: str, *bodies: bytes, options: Iterable[str] = ()) -> None:
        """Publish with QoS 1, one line a message where there are several, and wait until the broker has them.

        Raises:
            RuntimeError: it does not take them.

        """
        several = len(bodies) > 1
        command = [str(self._publisher.path), "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-t", topic]
        done = subprocess.run(
            [*command, "-l" if several else "-s", *options],
            input=b"".join(body + b"\n" for body in bodies) if several else bodies[0],
            env={**os.environ, **self._publisher.environ},
            capture_output=True,
            timeout=_PUBLISHED_WITHIN,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"mosquitto_pub: {done.stderr.decode(errors='replace')}")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            if self._process.poll() is None:
                os.kill(self._process.pid, signal.SIGCONT)
            end(self._process)
