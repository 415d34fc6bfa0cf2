"""The workflows that come with Fanwise, one data file each, and what reads and finds them."""

from __future__ import annotations

from ..registry import Param, Workflow, find_workflow, load_workflows

__all__ = ["Param", "Workflow", "find_workflow", "load_workflows"]
