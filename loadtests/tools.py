"""Programs that load tests and tests need and the product does not: found on PATH, or unpacked from Debian's packages."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_WITHIN_SECONDS = 300.0
# Where system programs live that are not on the PATH of everybody.
_SYSTEM = ("/usr/sbin", "/sbin", "/usr/local/sbin")
# Program -> the packages it is made of: its own, then libraries that a small system may lack.
_PACKAGES: dict[str, tuple[str, ...]] = {
    "nginx": ("nginx", "libpcre2-8-0", "libssl3"),
    "mosquitto": (
        "mosquitto",
        "libcap2",
        "libcjson1",
        "libdlt2",
        "libmicrohttpd12",
        "libmosquitto1",
        "libssl3",
        "libsystemd0",
        "libwebsockets17",
        "libwebsockets19",
        "libwrap0",
    ),
    "mosquitto_pub": ("mosquitto-clients", "libcjson1", "libmosquitto1", "libssl3"),
    "wrk": ("wrk", "libluajit-5.1-2", "libluajit2-5.1-2", "libssl3"),
}


class ToolUnavailableError(Exception):
    """A program cannot be had here; the message says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program: where it is, and what its environment needs on top of ours."""

    path: Path
    environ: Mapping[str, str]


def find(name: str, *, cache: Path = ROOT / ".cache" / "debian") -> Tool:
    """Return a program of `_PACKAGES`: the installed one, or else one below `cache`, fetched once without root's rights.

    Raises:
        ToolUnavailableError: it is not installed, and apt cannot give it or it does not run here.

    """
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM))
    if (installed := shutil.which(name, path=path)) is not None:
        return Tool(path=Path(installed), environ={})
    if name not in _PACKAGES:
        raise ToolUnavailableError(f"{name} is not installed")
    folder = cache / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        # Two runs must not unpack into each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            _fetch(name, folder)
            (folder / "complete").touch()
    return _unpacked(name, folder / "root")


def missing(tool: Tool) -> list[str]:
    """Return the names of shared libraries that a program wants and does not find."""
    environ = {**os.environ, **tool.environ, "LC_ALL": "C"}
    said = subprocess.run(["ldd", str(tool.path)], env=environ, capture_output=True, text=True, check=False).stdout
    return re.findall(r"^\s*(\S+) => not found", said, re.MULTILINE)


def _unpacked(name: str, root: Path) -> Tool:
    """Return the unpacked program, with the libraries beside it where the system's do not suffice."""
    program = next((path for place in ("usr/sbin", "usr/bin") if (path := root / place / name).is_file()), None)
    if program is None:
        raise ToolUnavailableError(f"{_advice(name)}: there is no program of that name in its package")
    plain = Tool(path=program, environ={})
    if not missing(plain):
        return plain
    folders = sorted({str(path.parent) for path in (root / "usr" / "lib").rglob("*.so.*")})
    helped = Tool(path=program, environ={"LD_LIBRARY_PATH": os.pathsep.join(folders)})
    if lacking := missing(helped):
        raise ToolUnavailableError(f"{_advice(name)}: it lacks {', '.join(lacking)}")
    return helped


def _fetch(name: str, folder: Path) -> None:
    """Download the packages with apt and unpack them below `root`; nothing outside the folder changes."""
    absent = [each for each in ("apt-get", "dpkg-deb", "ldd") if shutil.which(each) is None]
    if absent:
        raise ToolUnavailableError(f"{_advice(name)}: {', '.join(absent)} not found, so its package cannot be fetched")
    lists = folder / "lists"
    own = ["-o", f"Dir::State::Lists={lists}", "-o", f"Dir::Cache={folder / 'archives'}"]
    try:
        if _download(name, folder, []) is not None:
            # The system's lists are absent or too old to fetch by: take the newest, for us alone.
            for each in (lists, folder / "archives"):
                (each / "partial").mkdir(parents=True, exist_ok=True)
            _run([*_apt(*own), "update"], folder)
            if (reason := _download(name, folder, own)) is not None:
                raise ToolUnavailableError(f"{_advice(name)}: {reason}")
        for package in folder.glob("*.deb"):
            _run(["dpkg-deb", "-x", str(package), str(folder / "root")], folder)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", "") or ""
        raise ToolUnavailableError(f"{_advice(name)}: {error} {said[-1500:]}".rstrip()) from error


def _download(name: str, folder: Path, options: list[str]) -> str | None:
    """Fetch the packages into the folder; return why the program's own could not be had, or None."""
    own, *libraries = _PACKAGES[name]
    for package in libraries:
        # Another release may have one library instead of the other; whether all are there `ldd` says at the end.
        with suppress(subprocess.SubprocessError):
            _run([*_apt(*options), "download", package], folder)
    try:
        _run([*_apt(*options), "download", own], folder)
    except subprocess.CalledProcessError as error:
        return str(error.stderr)[-1500:]
    return None


def _apt(*options: str) -> list[str]:
    return ["apt-get", "-q", *options]


def _run(command: list[str], folder: Path) -> None:
    environ = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, check=True, timeout=_WITHIN_SECONDS
    )


def _advice(name: str) -> str:
    return f"{name} is not installed and cannot be fetched (install the package {_PACKAGES[name][0]})"
