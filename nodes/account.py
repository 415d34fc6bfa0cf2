"""What a task has taken so far, and its result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .review import moment


@dataclass(slots=True)
class Account:
    """What a task has taken so far, all its attempts together."""

    attempts: int = 0
    started_at: str | None = None
    queued_s: float = 0.0
    worked_s: float = 0.0
    warnings: list[str] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    ended_at: float | None = None
    """When its work ended, in seconds since the epoch, where that was before its branch began."""
    proposal: list[Any] = field(default_factory=list)
    """Tasks that it proposed."""
    remote: dict[str, Any] | None = None
    """Where its work was last on another deployment, and where before."""

    def ran_at(self, places: Sequence[Mapping[str, Any]]) -> None:
        """Take over where an attempt's work was on other deployments, one place after the other."""
        for place in places:
            before = self.remote
            moved = [] if before is None else [*before["moved_from"]]
            if before is not None and before["url"] != place["url"]:
                moved.append(before["url"])
            self.remote = {**place, "moved_from": moved}

    def result(
        self,
        task: Mapping[str, Any],
        status: str,
        *,
        output: Any = None,
        error: str | None = None,
        fallback: bool = False,
    ) -> dict[str, Any]:
        """Return the task's result as a dict."""
        result = {
            "task_id": task["id"],
            "specialist": task["specialist"],
            "status": status,
            "output": output,
            "error": error,
            "attempts": self.attempts,
            "queued_s": round(self.queued_s, 6),
            "duration_s": round(self.worked_s, 6),
            "started_at": self.started_at,
            "finished_at": moment(self.ended_at or time.time()),
            "usage": self.usage,
            "fallback": fallback,
        }
        if self.proposal and status == "succeeded":
            result |= {"proposed": [str(item.get("id", "")) for item in self.proposal], "proposal": self.proposal}
        if self.remote is not None:
            result["remote"] = self.remote
        return {**result, "reviews": list(self.reviews)} if self.reviews else result

    def saved(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return what a step has to remember of an effort."""
        return {"result": result, "warnings": list(self.warnings)}

    def restore(self, saved: Mapping[str, Any]) -> dict[str, Any]:
        """Take over what a step remembers, and return its result."""
        result: dict[str, Any] = saved["result"]
        self.attempts, self.started_at = result["attempts"], result["started_at"]
        self.queued_s, self.worked_s = result["queued_s"], result["duration_s"]
        self.warnings = list(saved["warnings"])
        self.usage, self.remote = result["usage"], result.get("remote")
        self.proposal = result.get("proposal") or []
        return result
