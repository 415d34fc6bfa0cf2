"""What a run can be called."""

from __future__ import annotations

import re

from ..schema.errors import RunError


def checked_name(given: str) -> str:
    """Return the name of a run: its thread's id.

    Raises:
        RunError: it is empty, long or unprintable.
    """
    if not re.fullmatch(r"\S(.{0,198}\S)?", given) or not given.isprintable():
        raise RunError(f"{given[:80]!r} can't name a run: give 1 to 200 printable characters")
    return given
