"""Checks of an event log, as specialists: each looks for one family of faults and returns a `CheckReport`.

`CHECKS` has them all. What they take as input is told in `context`, their thresholds in each module.
"""

from ...specialist import Specialist
from .access import access
from .arrival import arrival
from .causes import correlate
from .clocks import clock
from .errors import errors
from .load import latency, load
from .parsing import parsing
from .patterns import patterns
from .scope import scope
from .silence import silence
from .volume import volume

CHECKS: tuple[Specialist, ...] = (
    silence,
    volume,
    clock,
    arrival,
    parsing,
    errors,
    patterns,
    access,
    latency,
    load,
    correlate,
    scope,
)
"""Every check, those that depend on others last."""

__all__ = ["CHECKS"]
