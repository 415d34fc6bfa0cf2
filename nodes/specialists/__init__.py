"""The built-in specialists."""

from __future__ import annotations

from collections.abc import Iterable

from ..specialist import Specialist
from .aggregate import aggregate
from .checks import CHECKS
from .wait import wait


def known_names(own: Iterable[Specialist] = ()) -> set[str]:
    """Return the names that tasks can use: the built-in specialists', and those of one's own."""
    return {*built_in(), *(item.name for item in own)}


def built_in() -> dict[str, Specialist]:
    """Return the specialists that every graph has, by name."""
    return {item.name: item for item in (wait, aggregate, *CHECKS)}
