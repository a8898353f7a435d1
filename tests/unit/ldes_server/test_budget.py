"""A budget of processor time ends work that would go on, and nothing else."""

from __future__ import annotations

import signal
from datetime import timedelta
from itertools import count

import pytest

from ldes_server.budget import SpentError, within

SHORT = timedelta(milliseconds=20)


def endless() -> None:
    """Compute for ever, and mind no error."""
    for _ in count():
        try:
            sum(range(1000))
        except Exception:  # noqa: BLE001 - as a library might
            continue


def test_what_would_go_on_is_given_up() -> None:
    """Work beyond its budget ends with an error of its own, whatever it catches itself; the next one has a budget anew."""
    for _ in range(2):
        with pytest.raises(SpentError):
            within(SHORT, endless)
    assert within(timedelta(seconds=60), sum, [1, 2]) == 3
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_errors_of_the_work_are_its_own() -> None:
    """What the work raises comes out as it is."""
    with pytest.raises(ZeroDivisionError):
        within(SHORT, lambda: 1 // 0)
