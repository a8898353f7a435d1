"""Options that several verbs have, worded once."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_pilots(parser: argparse.ArgumentParser, what: str) -> None:
    """Add `--pilot FOLDER`, repeatable; `what` says what the folder is for."""
    words = f"{what}; repeatable (default: all that ship)"
    parser.add_argument("--pilot", type=Path, action="append", default=[], metavar="FOLDER", help=words)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add `--data FOLDER` for verbs that work beside a running `up`."""
    words = "data folder of a running `up` (SF_DATA, default .data)"
    parser.add_argument("--data", type=Path, metavar="FOLDER", help=words)
