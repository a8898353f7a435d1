"""What only the long form does over a log in PostgreSQL; its short form is tests/acceptance/test_roles.py."""

from __future__ import annotations

from random import Random

import pytest

from tests.failures.killing import kill_each_role
from tests.failures.trial import Form, Trial
from tests.support.cluster import TAKEOVER, Cluster
from tests.support.reader import Reader

pytestmark = [pytest.mark.slow, pytest.mark.long]


def test_roles_killed_on_database(on_database: tuple[Cluster, Reader], form: Form, chance: Random) -> None:
    """The same over a log in PostgreSQL, in the long form only: `test_roles.py` of the acceptance tests is its short one."""
    with Trial("roles killed, log in PostgreSQL", *on_database, within=2 * TAKEOVER) as trial:
        kill_each_role(trial, chance, form.rounds(1, 100))
