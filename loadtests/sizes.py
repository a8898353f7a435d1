"""What the members of a stream under load take on the disk, as the doctor finds it."""

from __future__ import annotations

from loadtests.end_to_end import STREAM, Run
from smartflanders.examination import Patient, examine
from smartflanders.pilots import load_plan
from streams.settings import load_settings


async def stored_bytes(run: Run) -> tuple[float, str]:
    """Return the bytes of a stored member with all indexes and views, and in words what they are made of.

    Bodies of pages that were kept for readers and the entries of the log are not of the member; they are told beside it.

    Raises:
        RuntimeError: the doctor does not know the stream.

    """
    await run.look()
    plan = load_plan([run.folder / "pilot"])
    patient = Patient(plan=plan, settings=load_settings({}), dsn=run.stand.dsn, folder=run.folder / "database")
    facts = await examine(patient)
    found = next((each.sizes for each in facts.streams if each.name == STREAM), None)
    if found is None or not run.committed:
        raise RuntimeError(f"the doctor does not know the stream: {[problem.what for problem in facts.problems]}")
    of = {"rows": found.members, "indexes": found.indexes, "views": found.views}
    beside = {"pages kept": found.pages, "log": found.log or 0}
    told = ", ".join(f"{name} {size / run.committed:.0f} B" for name, size in (of | beside).items())
    return sum(of.values()) / run.committed, f"{told} of {run.committed:,} members; pages and log are not counted"
