"""How much is drawn at random: a little each time, much with `FANWISE_THOROUGH=1`."""

from __future__ import annotations

import os

THOROUGH = bool(os.environ.get("FANWISE_THOROUGH"))


def examples(usual: int, thorough: int) -> int:
    """Return how many examples to draw."""
    return thorough if THOROUGH else usual
