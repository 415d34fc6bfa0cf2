"""The graphs that `langgraph.json` names. The server brings its own checkpointer and store."""

from __future__ import annotations

import os

from .graphs import Family
from .settings import Environment

FAMILY = Family(Environment.read(os.environ))
"""One build, entered by several forms."""

fanwise = graph = FAMILY.graph("fanwise")
"""Request, conversation, workflow or plan in; status, summary, results and metrics out."""

globals().update({name: FAMILY.graph(name, name) for name in FAMILY.workflows if name != "fanwise"})
"""A graph for each workflow, by its name: those that come with Fanwise, the ensembles, and those of one's own."""
