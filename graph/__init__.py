"""The graph: how it is built, scheduled, run and explained."""

from ..nodes.specialist import Specialist, specialist
from ..nodes.usage import report_usage
from ..schema.skip import Skip
from .builder import build_graph
from .explain import Explanation, explain
from .run import arun, run

__all__ = ["Explanation", "Skip", "Specialist", "arun", "build_graph", "explain", "report_usage", "run", "specialist"]
