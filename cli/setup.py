"""What a run works with, as the command's options, and back."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..runs.setup import EMBEDDINGS, Setup
from ..runs.user_code import OwnCode, load_code
from .kinds import models_of_environment
from .output import results_only

_NAMED = ("workspace", "notes", "mcp_config", "prices", "events", "embeddings")


def setup_of(options: Mapping[str, Any]) -> Setup:
    """Return the setup that a command's options ask for."""
    return Setup(
        sources=tuple(options.get("specialist_sources") or ()),
        models=tuple(options.get("models") or ()),
        **{name: options.get(name) for name in _NAMED},
        commands=tuple(options.get("commands") or ()),
        no_approval=bool(options.get("no_approval")),
    )


def options_of(setup: Setup, *, everything: bool = False) -> list[str]:
    """Return the options that ask for the same setup, to be copied.

    Args:
        setup: what a run works with.
        everything: whether the models are named that the environment names too.
    """
    given = [("--specialists", _short(source) if os.path.isabs(source) else source) for source in setup.sources]
    there = () if everything else models_of_environment()
    own = [model for model in setup.models if model not in there]
    given += [("--model", name if role == "default" else f"{role}={name}") for role, name in own]
    for option, value in (
        ("--workspace", setup.workspace),
        ("--notes", setup.notes),
        ("--mcp-config", setup.mcp_config),
        ("--prices", setup.prices),
        ("--events", setup.events),
    ):
        given += [(option, _short(value))] if value else []
    if setup.embeddings and (everything or setup.embeddings != os.environ.get(EMBEDDINGS)):
        given.append(("--embeddings", setup.embeddings))
    given += [("--allow-command", name) for name in setup.commands]
    flat = [part for pair in given for part in pair]
    return [*flat, "--no-approval"] if setup.no_approval else flat


def _short(path: str) -> str:
    """Return a path as seen from here, where it lies below."""
    if "://" in path:
        return path
    here = os.path.relpath(path)
    return path if here.startswith("..") else here


def load_quietly(sources: Iterable[str]) -> OwnCode:
    """Return the user's own specialists and reducers; what their code prints goes to standard error.

    Raises:
        FanwiseError: a file or module can't be read, or holds neither.
    """
    with results_only():
        return load_code(sources)
