"""Files that a model is shown from the start, as data."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ...tools.workspace import Workspace
from ...untrusted import told_data
from .agent import RESULT_CHARS

SHOWN_CHARS = 120_000
"""Characters of all files together that the model is shown from the start."""


def shown_files(workspace: Workspace, paths: Sequence[str], may_lack: Collection[str] = ()) -> list[str]:
    """Return files as data, as long as there is room; what is left out is named.

    Raises:
        ToolException: one is outside, is not there (unless it may lack), or is no text.
    """
    parts, room = list[str](), SHOWN_CHARS
    for path in dict.fromkeys(paths):
        text = text_of(workspace, path) if path in may_lack else workspace.read_text(path)
        if text is None:
            continue
        if len(text) > room:
            parts.append(f"Too long to be shown here, read it with read_file: {workspace.locate(path)}")
            continue
        room -= len(text)
        parts.append(told_data(f"file {workspace.locate(path)}", text, RESULT_CHARS))
    return parts


def text_of(workspace: Workspace, path: str) -> str | None:
    """Return a file's text, `None` where there is no file."""
    return workspace.read_text(path) if workspace.path(path).exists() else None
