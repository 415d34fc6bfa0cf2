"""`aggregate`: the name under which tasks that combine others stand in the graph."""

from __future__ import annotations

from ...schema.aggregate import AGGREGATE
from ..specialist import specialist


@specialist(AGGREGATE, description="Combines the results of a task's dependencies, as its `aggregate` says.")
async def aggregate() -> None:
    """Refuse: the work is done by `nodes/aggregator.py`."""
    raise ValueError("a task of 'aggregate' needs 'aggregate'; write aggregate: {strategy: merge}")
