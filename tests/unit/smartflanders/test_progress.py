"""Progress on standard error: lines for files, one rewritten line for terminals."""

from __future__ import annotations

import io

from smartflanders.progress import Progress


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        """Say so."""
        return True


def show(stream: io.StringIO) -> str:
    """Report a hundred steps, one a second."""
    now = [0.0]
    progress = Progress("replay", 100, stream=stream, clock=lambda: now[0])
    for done in range(1, 101):
        now[0] += 1
        progress(done)
    progress.close()
    return stream.getvalue()


def test_a_line_every_ten_seconds_elsewhere() -> None:
    """Without a terminal there is a plain line every ten seconds, with rate and time left."""
    lines = show(io.StringIO()).splitlines()
    assert len(lines) == 10
    assert lines[4] == "replay: 50 of 100, 1/s, 50 s left"


def test_one_rewritten_line_on_a_terminal() -> None:
    """A terminal gets one line that is drawn again, full at the end."""
    text = show(Terminal())
    assert text.count("\n") == 1
    assert text.rpartition("\r")[2].startswith(f"[{'#' * 30}] replay: 100 of 100")
