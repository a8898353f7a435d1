"""The machine and the state of the code that figures belong to, in words."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psutil

from loadtests.sampling import processors

ROOT = Path(__file__).resolve().parents[1]


def described() -> dict[str, str]:
    """Describe the machine: what it is, what runs on it, and how busy it is now."""
    load = os.getloadavg()
    return {
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "processor": f"{_model()}, {psutil.cpu_count()} cores of which this run may use {len(processors())}",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GB",
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "load before the run": f"{load[0]:.2f} in a minute, {load[2]:.2f} in a quarter of an hour",
    }


def _model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or "a processor"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "a processor")


def commit(root: Path = ROOT) -> str:
    """Name the commit, and whether files differ from it; `unknown` where the code is no checkout."""
    found = _git(root, "rev-parse", "--short=12", "HEAD")
    if not found:
        return "unknown"
    return f"{found} with changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else found


def _git(root: Path, *arguments: str) -> str:
    environ: Mapping[str, str] = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=30, check=False, env=environ
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
