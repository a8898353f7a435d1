"""Trails that all fragmentations share."""

from __future__ import annotations

from ldes_server.model import Step, Trail

# Where members go that say nothing a relation could use; no bound, so nobody may prune it (TREE-18).
NONE: Trail = (Step(key="none"),)
