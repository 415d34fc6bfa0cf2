"""A timeline as a file; the name's ending says which kind."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..schema.errors import RunError
from .model import Timeline
from .page import Theme, page
from .perfetto import trace_text
from .png import png
from .svg import svg

ENDINGS = (".html", ".svg", ".png", ".perfetto.json")
"""Kinds of files, by the endings of their names."""


def ending_of(path: Path) -> str:
    """Return the ending that says which kind of file is wanted.

    Raises:
        RunError: there is no such kind.
    """
    name = path.name.lower()
    for ending in ENDINGS:
        if name.endswith(ending):
            return ending
    near = f"; did you mean {path.with_suffix('.perfetto.json').name!r}?" if name.endswith(".json") else ""
    raise RunError(f"{str(path)!r} does not say which kind of file it is to be: end it with {_listed()}{near}")


def rendered(timeline: Timeline, ending: str, theme: Theme = "auto") -> bytes:
    """Return a timeline as the bytes of a file."""
    if ending == ".html":
        return page(timeline, theme=theme).encode()
    if ending == ".png":
        return png(timeline, theme=theme)
    if ending == ".svg":
        return svg(timeline, theme="dark" if theme == "dark" else "light").encode()
    return trace_text(timeline).encode()


def write_whole(path: Path, data: bytes) -> None:
    """Write a file whole or not at all.

    Raises:
        RunError: it can't be written.
    """
    try:
        handle, made = tempfile.mkstemp(prefix=f".{path.name[:60]}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(made, 0o666 & ~umask)
            os.replace(made, path)
        except BaseException:
            os.unlink(made)
            raise
    except OSError as error:
        raise RunError(f"the timeline can't be written to {str(path)!r}: {error.strerror or error}") from error


def _listed() -> str:
    return f"{', '.join(ENDINGS[:-1])} or {ENDINGS[-1]}"
