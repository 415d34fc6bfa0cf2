"""The built-in specialists."""

from __future__ import annotations

from ..specialist import Specialist
from .checks import CHECKS
from .wait import wait


def built_in() -> dict[str, Specialist]:
    """Return the specialists that every graph has, by name."""
    return {item.name: item for item in (wait, *CHECKS)}
