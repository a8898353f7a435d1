"""Versions: what a member says about its place among the versions of a thing, and what a deletion keeps; pure.

A member may say what it does to its thing (`"operation": "Create"`, "Update", "Delete"; LDES-43) and what it was
published together with (`"transaction": "…"`, the last one `"transactionFinal": true`; LDES-48). One that says no
operation replaces what was there before (LDES-47).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from vocab.model import Model

OPERATION_KEY = "operation"
TRANSACTION_KEY = "transaction"
FINAL_KEY = "transactionFinal"
# Slots of a template that a deletion has: of what, when, and who says so.
_KEPT = frozenset({"{member}", "{entity}", "{observed_at}", "{publisher}", "{licence}"})


class Operation(Enum):
    """What a member does to the thing it is a version of; the value is its name in members."""

    CREATE = "Create"  # it was not there, or not any more
    UPDATE = "Update"  # it was there
    DELETE = "Delete"  # it is not there any more; the member says nothing else of it (LDES-45)


def deletion_template(model: Model) -> Mapping[str, Any]:
    """Return what a deletion keeps of a model's template: its name, its constant types, of what, when and by whom."""
    found = {key: value for key, value in model.template.items() if isinstance(value, str) and value in _KEPT}
    types = model.template.get("@type", ())
    constant = [each for each in ([types] if isinstance(types, str) else types) if "{" not in each]
    return {"@id": found.pop("@id"), **({"@type": constant} if constant else {}), **found}


def payload_of(body: Mapping[str, Any], model: Model) -> list[str]:
    """Return the keys of a deletion's parsed body that a deletion does not have; none for one that is right."""
    return sorted(body.keys() - deletion_template(model).keys() - {"@type", OPERATION_KEY})
