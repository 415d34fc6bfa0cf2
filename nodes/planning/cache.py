"""Plans that a model made, kept for the next time that the same is asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from langgraph.errors import GraphBubbleUp
from langgraph.store.base import BaseStore

from ...models.chat import model_name
from ...schema.errors import PlanError
from ...schema.plan import Plan
from .model_planner import ModelPlanner
from .outcome import Planned
from .prompts import VERSION

NAMESPACE = ("fanwise", "plans")
"""Where plans are kept in a store."""


@dataclass(frozen=True)
class PlanCache:
    """Plans in a LangGraph store."""

    store: BaseStore

    def key(self, planner: ModelPlanner, request: str, params: Mapping[str, Any] | None = None) -> str:
        """Return what names a request to a planner: the same words, with the same specialists and workflows."""
        told = {
            "version": VERSION,
            "model": model_name(planner.model),
            "request": " ".join(request.split()),
            "params": dict(params or {}),
            "specialists": {
                item.name: [item.description, item.input_schema] for item in planner.checker.usable.values()
            },
            "workflows": {name: item.model_dump(mode="json") for name, item in planner.workflows.items()},
        }
        text = json.dumps(told, sort_keys=True, default=str)
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()

    async def get(self, planner: ModelPlanner, key: str, request: str) -> tuple[Planned | None, list[str]]:
        """Return the plan that is kept under a key, if it will still do, and warnings.

        Args:
            planner: the planner, whose specialists, workflows and limits it has to fit.
            key: what `key` returned.
            request: the request, as it is asked now.
        """
        try:
            item = await self.store.aget(NAMESPACE, key)
        except GraphBubbleUp:
            raise
        except Exception as error:  # each store's own
            return None, [f"the kept plans can't be read: {type(error).__name__}: {error}"]
        if item is None:
            return None, []
        try:
            plan = Plan.model_validate({**item.value["plan"], "request": request})
            workflow = str(item.value.get("workflow", ""))
        except (PlanError, KeyError, TypeError, AttributeError) as error:
            return None, [f"a kept plan is damaged and not used: {' '.join(str(error).split())[:200]}"]
        problems = planner.checker.kept_problems(plan)
        if not plan.tasks or problems:
            why = problems[0] if problems else "it has no tasks"
            return None, [f"a kept plan does not fit any more and is not used: {why}"]
        why = "The plan was kept from an earlier time that the same was asked."
        return Planned(plan, why=why, workflow=workflow), []

    async def put(self, key: str, planned: Planned) -> list[str]:
        """Keep a plan that came about without warnings; return a warning where that fails."""
        if planned.plan is None or planned.warnings:
            return []
        try:
            value = {"plan": planned.plan.to_state(), "workflow": planned.workflow, "why": planned.why}
            await self.store.aput(NAMESPACE, key, value, index=False)
        except GraphBubbleUp:
            raise
        except Exception as error:  # each store's own
            return [f"the plan can't be kept: {type(error).__name__}: {error}"]
        return []
