"""Runs a page of docs as a person would: writes its files, types its commands, in order, in an empty folder."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

_FENCE = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# Seconds within which what a page shows of a running platform must be there.
_PATIENCE = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A block of a page: its language, the word behind it, its text, and the text that it must print, None for any."""

    language: str
    mark: str
    text: str
    shows: str | None


def steps_of(page: Path, *, instead: Mapping[str, str]) -> list[Step]:
    """Read the blocks of a page in order, with ports replaced by free ones; a `text` block is what the one before prints."""
    content = page.read_text("utf-8")
    for old, new in instead.items():
        content = content.replace(old, new)
    found = [(language, mark.strip(), text) for language, mark, text in _FENCE.findall(content)]
    steps = []
    for at, (language, mark, text) in enumerate(found):
        after = found[at + 1] if at + 1 < len(found) else ("", "", "")
        if language != "text":
            steps.append(Step(language=language, mark=mark, text=text, shows=after[2] if after[0] == "text" else None))
    return steps


def _wait_for(port: int) -> None:
    """Wait until somebody listens on a port, as a person waits for the line that says so."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)


class Session:
    """A shell in a folder: what runs in the background is ended when it is left."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self._folder = folder
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._environ = {**os.environ, **environ, "PATH": path}
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self._running):
            process.wait(30)

    def do(self, step: Step) -> str | None:
        """Do one step; return what it printed, None for what prints nothing that counts."""
        if step.mark.startswith("file="):
            file = self._folder / step.mark.removeprefix("file=")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(step.text, "utf-8")
            return None
        if step.mark == "serve":
            self._serve(step.text.strip().removesuffix("&"))
            return None
        if step.mark == "later" and step.shows is not None:
            return self._later(step.text, step.shows)
        return self._run(step.text)

    def _serve(self, command: str) -> None:
        log = (self._folder / f"served-{len(self._running)}.log").open("wb")
        with log:
            words: Sequence[str] = ["bash", "-c", f"exec {command}"]
            process = subprocess.Popen(words, cwd=self._folder, env=self._environ, stdout=log, stderr=log)
        self._running.append(process)
        for port in re.findall(r"\b\d{4,5}\b", command):
            _wait_for(int(port))

    def _run(self, command: str) -> str:
        words = ["bash", "-c", command]
        done = subprocess.run(
            words, cwd=self._folder, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        return done.stdout.decode()

    def _later(self, command: str, shows: str) -> str:
        end = time.monotonic() + _PATIENCE
        while (printed := self._run(command)) != shows and time.monotonic() < end:
            time.sleep(0.5)
        return printed

    def logs(self) -> str:
        """Return the end of what background commands said."""
        return "\n".join(it.read_text("utf-8", "replace")[-2000:] for it in sorted(self._folder.glob("served-*.log")))
