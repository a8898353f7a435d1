"""Programs from npm that tests run: pinned by the locks in tests/clients, installed into the cache below the checkout."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.support.running import ROOT

_INSTALL_WITHIN = 300.0


class UnavailableError(Exception):
    """The package cannot be had here; the message says why."""


@contextmanager
def alone(name: str) -> Iterator[Path]:
    """Give the folder of tests/clients/NAME in the cache, while no other process of ours makes anything in it.

    Two runs of the suite, or two workers of one, must not install into each other.
    """
    folder = ROOT / ".cache" / "clients" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def installed(name: str) -> Path:
    """Return the folder in which tests/clients/NAME is installed, made anew when its lock has changed.

    Raises:
        UnavailableError: node or npm are not there, or npm could not install what the lock says.

    """
    absent = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if absent:
        raise UnavailableError(f"{' and '.join(absent)} not found: install Node.js 20")
    files = sorted((ROOT / "tests" / "clients" / name).iterdir())
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    with alone(name) as folder:
        stamp = folder / "installed"
        if not stamp.exists() or stamp.read_text("utf-8") != wanted:
            shutil.rmtree(folder, ignore_errors=True)
            _install(folder, files)
            stamp.write_text(wanted, "utf-8")
        return folder


def _install(folder: Path, files: list[Path]) -> None:
    folder.mkdir(parents=True)
    for file in files:
        shutil.copyfile(file, folder / file.name)
    command = ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_WITHIN, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"{' '.join(command)} in {folder}:\n{done.stderr[-4000:]}")


def refuse(reason: str) -> NoReturn:
    """Skip the test for want of a program; in CI (CI=true), which must have them all, fail it."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason)
    pytest.skip(reason)
