"""The run as a picture: a Gantt chart by task and by slot, and the task graph; as a page, an image, or a trace."""

from .build import build_timeline
from .model import Timeline
from .source import Source

__all__ = ["Source", "Timeline", "build_timeline"]
