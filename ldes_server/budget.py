"""A budget of processor time, for work whose size only shows while it is done."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import timedelta
from types import FrameType
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")


class SpentError(Exception):
    """The budget is spent."""


class _Interrupt(BaseException):
    """Not an `Exception`, so that no library on the way takes it for one of its own."""


def within(budget: timedelta, work: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
    """Return what `work` returns, or give it up once this process has computed for the budget.

    Only in the main thread of a process that does nothing else meanwhile: it interrupts with a signal. How busy the
    machine is does not matter.

    Raises:
        SpentError: it was given up.

    """

    def interrupt(_: int, __: FrameType | None) -> None:
        raise _Interrupt

    before = signal.signal(signal.SIGVTALRM, interrupt)
    try:
        # Again after a second, should something on the way have taken it after all.
        signal.setitimer(signal.ITIMER_VIRTUAL, budget.total_seconds(), 1.0)
        return work(*arguments, **named)
    except _Interrupt as error:
        raise SpentError from error
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
