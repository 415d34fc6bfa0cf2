"""The built-in specialists."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from importlib import import_module

from ..specialist import Specialist
from .aggregate import aggregate
from .checks import CHECKS
from .equipment import NOTHING, Equipment
from .readers import READERS, held_to
from .wait import wait

PLAIN = {item.name: item for item in (wait, aggregate, *CHECKS)}
"""Those that need nothing."""

EQUIPPED = {
    "coder": "llm.coder:coder",
    "debugger": "llm.debugger:debugger",
    "tests": "tests_runner:tests_runner",
    "researcher": "llm.researcher:researcher",
    "analyst": "llm.analyst:analyst",
    "mcp": "llm.mcp:mcp",
    "reporter": "llm.reporter:reporter",
    "memory": "memory:memory",
    "notes": "notes:notes",
}
"""Those that work with equipment: where the functions are that make them. Their modules take a while to import."""


def known_names(own: Iterable[Specialist] = ()) -> set[str]:
    """Return the names that tasks can use: the built-in specialists', and those of one's own."""
    return {*PLAIN, *EQUIPPED, *(item.name for item in own)}


def built_in(equipment: Equipment = NOTHING, names: Collection[str] | None = None) -> dict[str, Specialist]:
    """Return the specialists that every graph has, by name; those that lack something say so.

    Args:
        equipment: what they may use.
        names: those that are wanted; all if not given.
    """
    made = {name: _made(name, equipment) for name in EQUIPPED if names is None or name in names}
    known = {**PLAIN, **made}
    if equipment.sources is not None:
        readers = {name: held_to(known[name], equipment.checked) for name in READERS if name in known}
        known |= readers
    return known


def _made(name: str, equipment: Equipment) -> Specialist:
    module, _, function = EQUIPPED[name].partition(":")
    made: Specialist = getattr(import_module(f".{module}", __package__), function)(equipment)
    return made
