"""Planning with a model: a request becomes a validated plan, or a reply where nothing is to be done."""

from __future__ import annotations

from .cache import PlanCache
from .model_planner import ModelPlanner
from .outcome import Additions, Planned

__all__ = ["Additions", "ModelPlanner", "PlanCache", "Planned"]
