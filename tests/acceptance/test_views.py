"""Views through the command line: rebuilt beside a running platform, and after a builder was killed half-way."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ldes_server.postgres_store import PostgresStore
from smartflanders.cli import main
from smartflanders.pilots import load_plan
from tests.support.crawl import crawl, members
from tests.support.running import ROOT, Running
from tests.support.views import NAME, build_all, declare, publish, read

PARKING = ROOT / "deploy" / "pilots" / "gent" / "parking"


def write_pilot(folder: Path) -> Path:
    """Write a pilot whose stream is that of the tests of views."""
    folder.mkdir()
    source = (PARKING / "garages.yaml").read_text("utf-8").replace("stream: gent-parking", f"stream: {NAME}")
    source = source.replace(", absent: delete, transaction: payload", "")
    (folder / "garages.yaml").write_text(source, "utf-8")
    views = "views:\n  by-hour: { by_time: observed_at, levels: [day, hour], lateness: 1h }\n"
    (folder / "parking.stream.yaml").write_text(f"stream: {NAME}\n{views}", "utf-8")
    return folder


def test_a_builder_that_is_killed_goes_on(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`view rebuild` killed with SIGKILL half-way is gone on with by the next one; `view list` shows it in between."""
    pilot = write_pilot(tmp_path / "pilot")
    (stream,) = load_plan([pilot]).streams
    # The pages of the tests' stream are small; the geometry of a stream is settled by whoever opens it first.
    count = 12_000

    async def prepare() -> None:
        async with PostgresStore(database_url) as store:
            await declare(store, stream)
            await build_all(store)
            for _ in range(count // 2000):
                await publish(store, 2000)

    asyncio.run(prepare())
    monkeypatch.setenv("SF_DATABASE_URL", database_url)
    argv = ["view", "rebuild", NAME, "by-hour", "--pilot", str(pilot)]
    command = [sys.executable, "-m", "smartflanders.cli", *argv]
    with subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 60
        while asyncio.run(placed(database_url)) == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    half = asyncio.run(placed(database_url))
    assert main(["view", "list", "--pilot", str(pilot)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{NAME}/by-hour\tbuild 1\t{'live' if half else 'retired'}")
    assert main(argv) == 0
    assert f"{count} members" in capsys.readouterr().out

    async def complete() -> set[int]:
        async with PostgresStore(database_url) as store:
            return (await read(store, stream, "by-hour")).sequences

    assert asyncio.run(complete()) == set(range(count))


async def placed(dsn: str) -> int:
    """Return how many members the newest build holds while it is filled; 0 before that."""
    async with PostgresStore(dsn, connections=1) as store:
        return next((each.placed for each in reversed(await store.views(NAME)) if each.state == "building"), 0)


def test_words_that_name_nothing(
    database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown stream or view is refused with what comes near."""
    pilot = write_pilot(tmp_path / "pilot")

    (stream,) = load_plan([pilot]).streams

    async def open_stream() -> None:
        async with PostgresStore(database_url) as store:
            await declare(store, stream)
            await build_all(store)

    asyncio.run(open_stream())
    monkeypatch.setenv("SF_DATABASE_URL", database_url)
    for argv, near in (
        ([f"{NAME}s", "by-hour"], f"did you mean {NAME}?"),
        ([NAME, "by-hours"], "did you mean by-hour?"),
    ):
        assert main(["view", "rebuild", *argv, "--pilot", str(pilot)]) == 2
        assert near in capsys.readouterr().err


@pytest.mark.slow
def test_rebuild_beside_a_running_platform(tmp_path: Path) -> None:
    """While `up` publishes, a view is rebuilt from another process; each view is the whole history before and after."""
    with Running(tmp_path / "data", "--speed", "60", "--lanes", "40") as platform:
        root = json.loads(platform.get("/gent-parking/log"))
        names = [each.rsplit("/", 1)[1] for each in root["views"]]
        assert names
        for name in names:
            argv = ["view", "rebuild", "gent-parking", name, "--data", str(platform.data)]
            done = subprocess.run(
                [sys.executable, "-m", "smartflanders.cli", *argv],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert "build 2 is live" in done.stdout
            # The view of newest versions has every entity, the others every member.
            what = "isVersionOf" if name == "newest" else "@id"
            history = {member[what] for member in members(f"{platform.base}/gent-parking/log")}
            # What came while the view was read is in it, too.
            assert history <= {member[what] for member in members(f"{platform.base}/gent-parking/{name}")}
            links = [page.url for page in crawl(f"{platform.base}/gent-parking/{name}")][1:]
            assert all(f"/{name}/2/" in link for link in links)
