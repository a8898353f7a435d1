"""The simulator's front page: its publishers, the faults that are on, and how to switch them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from html import escape

from testbed.simulator.faults import Active, Fault
from testbed.simulator.formats import ENDPOINTS

_STYLE = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}td,th{padding:.2rem 1rem .2rem 0;text-align:left}"


def front_page(*, origin: str, at: datetime, lanes: int, faults: Sequence[Active]) -> str:
    """Write the page as HTML."""
    rows = "".join(
        f'<tr><td>{escape(endpoint.source)}</td><td><a href="{escape(endpoint.path)}">{escape(endpoint.path)}</a></td></tr>'
        for endpoint in ENDPOINTS
    )
    active = "".join(f"<li><code>{escape(str(fault))}</code></li>" for fault in faults) or "<li>none</li>"
    names = ", ".join(f"<code>{fault.value}</code>" for fault in Fault)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Simulated city</title><style>{_STYLE}</style></head><body>
<h1>Simulated city</h1>
<p>It is <time>{at.isoformat(timespec="seconds")}</time> here. {lanes} measuring lanes, garages and park-and-rides publish
in the formats of the real publishers, below the names of their real hosts.</p>
<table><tr><th>Source</th><th>Address</th></tr>{rows}</table>
<h2>Faults that are on</h2><ul>{active}</ul>
<p>Switch with a list of <code>NAME[:SHARE][@PART OF A PATH]</code>; it replaces the list above:</p>
<pre>curl -X POST {escape(origin)}/-/faults -d '["late:0.2", "silent@data.stad.gent"]'</pre>
<p>Names: {names}.</p>
<h2>The truth</h2>
<p><a href="/-/ledger">/-/ledger</a> lists, one JSON object per line, every body handed over and every distinct item told.</p>
</body></html>
"""
