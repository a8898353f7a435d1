"""Writes run.lock and dev.lock from what is installed: the closure of pyproject's dependencies, split in two."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

HERE = Path(__file__).parent
HEAD = "# Exact versions of everything `make {}` installs; written by `make lock`, never by hand.\n"


def closure(wishes: Iterable[str]) -> dict[str, str]:
    """Return the installed version of every wish and of all it needs, by normalised name."""
    found: dict[str, str] = {}
    waiting = [Requirement(wish) for wish in wishes]
    while waiting:
        wish = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wish.name).lower()
        if name in found:
            continue
        installed = distribution(wish.name)
        found[name] = installed.version
        needs = (Requirement(text) for text in installed.requires or ())
        extras = ("", *wish.extras)
        waiting += [
            need for need in needs if not need.marker or any(need.marker.evaluate({"extra": e}) for e in extras)
        ]
    return found


def write(name: str, versions: dict[str, str]) -> None:
    """Write one lock file."""
    target = {"run": "up", "dev": "test"}[name]
    lines = "".join(f"{package}=={version}\n" for package, version in sorted(versions.items()))
    (HERE / f"{name}.lock").write_text(HEAD.format(target) + lines)


if __name__ == "__main__":
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    run = closure(project["dependencies"])
    dev = closure(wish for extra in ("dev", "load") for wish in project["optional-dependencies"][extra])
    write("run", run)
    write("dev", {name: version for name, version in dev.items() if name not in run})
