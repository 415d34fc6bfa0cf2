"""The graph: how it is built, scheduled, run and explained."""

from ..nodes.specialist import Specialist, specialist
from ..nodes.specialists.remote.specialist import remote_specialist
from ..nodes.usage import report_usage
from ..reducers.own import Reducer, reducer
from ..schema.propose import Propose
from ..schema.skip import Skip
from .builder import build_graph
from .explain import Explanation, explain
from .history import MemoryHistory
from .history_places import open_history
from .one_call import arun, run

__all__ = [
    "Explanation",
    "MemoryHistory",
    "Propose",
    "Reducer",
    "Skip",
    "Specialist",
    "arun",
    "build_graph",
    "explain",
    "open_history",
    "reducer",
    "remote_specialist",
    "report_usage",
    "run",
    "specialist",
]
