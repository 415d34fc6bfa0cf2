"""How tasks that work with a model are carried out, unless they or the plan say otherwise."""

from __future__ import annotations

from ....schema.policy import Retry

RETRY = Retry(max_attempts=3, initial_s=1.0, max_s=30.0)
"""Further attempts; which errors are worth them, `models.faults.worth_another_attempt` says."""
