"""The names of the graph's own nodes."""

from __future__ import annotations

PLANNER = "planner"
REVIEW_PLAN = "review_plan"
REPLAN = "replan"
BATCH = "batch"
COLLECT = "collect"
SYNTHESIZER = "synthesizer"
