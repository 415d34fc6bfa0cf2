"""The names of the graph's own nodes."""

from __future__ import annotations

PLANNER = "planner"
REVIEW_PLAN = "review_plan"
BATCH = "batch"
COLLECT = "collect"
SYNTHESIZER = "synthesizer"
