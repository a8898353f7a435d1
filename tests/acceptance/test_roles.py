"""The roles as processes of their own, two of each: `kill -9` of whoever works, takeover, nothing lost or doubled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from smartflanders.embedded import EmbeddedPostgres
from smartflanders.roles import ROLES
from tests.conftest import database_of
from tests.support import crawl
from tests.support.account import judge
from tests.support.cluster import LOOPS, TAKEOVER, Cluster, until
from tests.support.running import ROOT, free_port


def verify(cluster: Cluster) -> int:
    """Compare the feeds with the ledger; return the number of members."""
    verdict = judge(cluster.account, cluster.members)
    assert verdict.told
    assert verdict.faultless, verdict
    return verdict.members


@pytest.fixture
def cluster(database_url: str, tmp_path: Path) -> Iterator[Cluster]:
    """Run everything twice."""
    with Cluster(tmp_path, database_url) as running:
        yield running


@pytest.mark.slow
def test_two_of_each_role_share_and_take_over(cluster: Cluster) -> None:
    """Whoever holds a role's loops is killed, twice per role; the other takes over, and the feeds equal the ledger."""
    until(lambda: all(len(cluster.holders(name)) == len(LOOPS[name]) for name in ROLES), within=20)
    until(lambda: len(cluster.members("miv-verkeer")) > 40, within=30)
    for number in range(2):
        for name in ROLES:
            took = cluster.kill_holder(name)
            assert took < TAKEOVER
            print(f"round {number}, {name}: all {len(LOOPS[name])} loops taken over after {took:.1f} s", end="; ")
            print(f"news after {cluster.grows():.1f} s more")
            cluster.add(name)
    first, second = cluster.roles["serve"]
    page = crawl.fetch(f"{cluster.base}/miv-verkeer/log/0/0")[0]
    first.kill()
    assert crawl.fetch(f"http://127.0.0.1:{cluster.doors.ports[1]}/miv-verkeer/log/0/0")[0] == page
    cluster.roles["serve"] = [second]
    cluster.add("serve", f"--port={cluster.doors.ports[0]}")
    cluster.settle()
    print(f"{verify(cluster)} members, none lost, none doubled")
    assert all(process.stop() == 0 for role in cluster.roles.values() for process in role)


@pytest.mark.slow
def test_a_role_that_is_stopped_hands_over_at_once(cluster: Cluster) -> None:
    """SIGTERM gives every lease back: the other process has them within seconds."""
    until(lambda: len(cluster.holders("write")) == len(LOOPS["write"]), within=20)
    victim = next(it for it in cluster.roles["write"] if it.pid in cluster.holders("write").values())
    (other,) = (process for process in cluster.roles["write"] if process is not victim)
    assert victim.stop() == 0
    until(lambda: Counter(cluster.holders("write").values()) == {other.pid: len(LOOPS["write"])}, within=4)
    assert not psutil.pid_exists(victim.pid)


def refused(*arguments: str, **environ: str) -> str:
    """Run a verb that must be refused: status 2, with a fix and without a trace."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SF_")}
    done = subprocess.run(
        [sys.executable, "-m", "smartflanders.cli", *arguments],
        cwd=ROOT,
        env={**clean, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "fix: " in done.stderr
    assert done.stdout == ""
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("verb", [*ROLES, "serve"])
def test_a_role_without_its_database_is_refused(verb: str, postgres: EmbeddedPostgres) -> None:
    """No address, nobody at the address, and a database without our schema are each one sentence with its fix."""
    assert "SF_DATABASE_URL: missing" in refused(verb)
    closed = f"postgresql://u:geheim@127.0.0.1:{free_port()}/db"
    said = refused(verb, SF_DATABASE_URL=closed)
    assert "could not" in said
    assert "geheim" not in said
    assert "run `smartflanders migrate`" in refused(verb, SF_DATABASE_URL=database_of(postgres, "postgres"))
