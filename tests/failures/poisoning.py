"""Garbage on every topic of a running platform, and what must come of it: counted, and in nobody's way."""

from __future__ import annotations

import json

from tests.failures import poison
from tests.failures.trial import Trial
from tests.support import crawl
from tests.support.cluster import SOURCES, STREAMS, Cluster, until
from tests.support.reader import FORMS


def poison_everything(trial: Trial, brokers: str | None) -> None:
    """Write garbage on every topic while it is read, and again as the newest entry while nobody reads; start again."""
    cluster = trial.cluster

    def put(records: tuple[poison.Poison, ...], kind: str, names: tuple[str, ...]) -> None:
        for name in names:
            poison.write(records, f"{kind}.{name}", dsn=cluster.dsn, brokers=brokers)

    def all_of_it() -> None:
        put(poison.RAW, "raw", SOURCES)
        put(poison.MEMBERS, "members", STREAMS)
        put(poison.ANYWHERE, "rejected", SOURCES)
        put(poison.STATE, "state", SOURCES)

    all_of_it()
    trial.steady()
    dead = [(name, process) for name in ("collect", "normalise", "write") for process in cluster.roles[name]]
    for _, process in dead:
        process.kill()
        trial.kills += 1
    all_of_it()
    for name, process in dead:
        cluster.roles[name].remove(process)
    for process in [cluster.launch(name) for name, _ in dead]:
        process.ready()
    trial.steady()


def counted(cluster: Cluster) -> tuple[float, float]:
    """Return how many entries were foreign to the writers, and how many payloads the normalisers refused."""
    foreign = sum(cluster.metric("sf_members_foreign_total", stream=name) for name in STREAMS)
    refused = [cluster.metric("sf_items_total", source=name, outcome="rejected") for name in SOURCES]
    return foreign, sum(refused)


def check(trial: Trial) -> None:
    """Every record is counted, and every page can be had in every form."""
    foreign, refused = 2 * len(poison.MEMBERS) * len(STREAMS), 2 * len(poison.RAW) * len(SOURCES)
    until(lambda: counted(trial.cluster)[0] >= foreign, within=20, what=f"{foreign} foreign entries")
    until(lambda: counted(trial.cluster)[1] >= refused, within=20, what=f"{refused} refused payloads")
    for stream in STREAMS:
        for page in crawl.crawl(f"{trial.cluster.base}/{stream}/log", fetch=trial.cluster.doors.fetch):
            for form in FORMS[1:]:
                assert trial.cluster.doors.fetch(page.url, form)[0]
    print(f"\n  counted {json.dumps(dict(zip(('foreign', 'refused'), counted(trial.cluster), strict=True)))}", end="")
