"""Tools for the files of a workspace: read, list and search; write and edit where a task may.

Results are bounded, and what is left out is said. A search is for text as it stands: a regular expression of a model's
can keep Python's `re` busy for ever, and nothing can end it from outside.
"""

from __future__ import annotations

import fnmatch
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from langchain_core.tools import BaseTool, ToolException, tool

from ..call import in_thread
from .workspace import OUT_OF_BOUNDS, Workspace

READ_LINES = 1_000
"""Lines that one call reads."""

LISTED = 500
"""Paths that one call lists."""

MATCHES = 100
"""Lines that one search finds."""

LINE_CHARS = 300
"""Characters of a line that a search shows."""

SEARCH_S = 10.0
"""Seconds that a search may take."""

SEARCHED_BYTES = 500_000
"""Larger files are not searched."""

PASSED_OVER = OUT_OF_BOUNDS | {
    "__pycache__",
    "node_modules",
    ".venv",
    "venv",
    ".tox",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
}
"""Folders that are neither listed nor searched."""


def reading_tools(workspace: Workspace) -> list[BaseTool]:
    """Return the tools that only read: `read_file`, `list_files`, `search_files`."""

    @tool(parse_docstring=True)
    async def read_file(path: str, first_line: int = 1) -> str:
        """Read a text file of the workspace: up to 1,000 lines, each with its number and a tab before it.

        Args:
            path: The file, relative to the workspace.
            first_line: The line to begin with, counted from 1.
        """
        return _numbered(workspace.read_text(path), first_line)

    @tool(parse_docstring=True)
    async def list_files(folder: str = ".", pattern: str = "*") -> str:
        """List the files in a folder of the workspace and below it, a path on each line.

        Args:
            folder: The folder, relative to the workspace.
            pattern: What the paths are like, such as *.py or tests/*; a star stands for any characters.
        """
        return await in_thread(lambda: _list(workspace, folder, pattern), name="fanwise-list")  # type: ignore[no-any-return]

    @tool(parse_docstring=True)
    async def search_files(text: str, folder: str = ".", pattern: str = "*") -> str:
        """Search the text files of the workspace for a text, case ignored; returns path:line:text for each line.

        Args:
            text: The text as it stands in a line; no regular expression.
            folder: The folder to search in, relative to the workspace.
            pattern: What the files' paths are like, such as *.py; a star stands for any characters.
        """
        return await in_thread(lambda: _search(workspace, text, folder, pattern), name="fanwise-search")  # type: ignore[no-any-return]

    return [read_file, list_files, search_files]


def writing_tools(
    workspace: Workspace, only: Collection[str], written: Callable[[str], None] = lambda _: None
) -> list[BaseTool]:
    """Return `write_file` and `edit_file`.

    Args:
        workspace: the folder.
        only: the files that may be written, as `Workspace.locate` gives them.
        written: is told of each file that was.
    """

    def may_write(path: str) -> str:
        inside = workspace.locate(path)
        if inside not in only:
            raise ToolException(f"{path!r} is not this task's to write; it writes {', '.join(sorted(only))}")
        return inside

    @tool(parse_docstring=True)
    async def write_file(path: str, content: str) -> str:
        """Write a file of the workspace as a whole; what stood there is replaced.

        Args:
            path: The file, relative to the workspace.
            content: The whole new content.
        """
        inside = workspace.write(may_write(path), data := _encoded(content))
        written(inside)
        return f"{inside}: {len(data):,} bytes written"

    @tool(parse_docstring=True)
    async def edit_file(path: str, old: str, new: str) -> str:
        """Replace one piece of a text file; it has to stand there exactly once.

        Args:
            path: The file, relative to the workspace.
            old: The piece as it stands there, without line numbers; take enough lines that there is no second one.
            new: What takes its place.
        """
        inside = may_write(path)  # read and written without an await between: two calls of one turn lose nothing
        workspace.write(inside, _encoded(_edited(workspace.read_text(inside), old, new)))
        written(inside)
        return f"{inside}: one piece replaced"

    return [write_file, edit_file]


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ToolException(f"the content is no text that UTF-8 can hold (character {error.start:,})") from None


def _edited(text: str, old: str, new: str) -> str:
    """Replace the one place; in a file whose lines all end with CR LF, the pieces' lines do too."""
    if text.count("\n") == text.count("\r\n") > 0:
        old, new = (piece.replace("\r\n", "\n").replace("\n", "\r\n") for piece in (old, new))
    if not old:
        raise ToolException("'old' is empty; give the piece that is to be replaced, or use write_file")
    if (count := text.count(old)) != 1:
        there = "does not stand" if count == 0 else f"stands {count} times"
        raise ToolException(f"'old' {there} in the file; read it again, and give the piece exactly, with its indent")
    return text.replace(old, new)


def _numbered(text: str, first: int) -> str:
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    begin = max(1, first)
    if begin > len(lines):
        return f"[the file has {len(lines):,} lines]"
    shown = [f"{number}\t{line}" for number, line in enumerate(lines, 1)][begin - 1 : begin - 1 + READ_LINES]
    last = begin + len(shown) - 1
    if last < len(lines):
        shown.append(f"[{len(lines) - last:,} more lines; go on with first_line={last + 1}]")
    return "\n".join(shown)


def _files(workspace: Workspace, folder: str, pattern: str) -> Iterator[str]:
    """Yield the files below a folder in order, as paths in the workspace; no link is followed."""
    base = workspace.path(workspace.locate(folder))
    if not base.is_dir():
        raise ToolException(f"{folder!r} is no folder of the workspace")
    for place, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if name.lower() not in PASSED_OVER)
        for name in sorted(names):
            path = Path(place, name).relative_to(workspace.root).as_posix()
            if fnmatch.fnmatchcase(path, pattern) or fnmatch.fnmatchcase(name, pattern):
                yield path


def _list(workspace: Workspace, folder: str, pattern: str) -> str:
    until, found = time.monotonic() + SEARCH_S, list[str]()
    for path in _files(workspace, folder, pattern):
        if len(found) == LISTED or time.monotonic() > until:
            return "\n".join([*found, "[there are more; name a folder or a pattern]"])
        found.append(path)
    return "\n".join(found) or "[no files]"


def _search(workspace: Workspace, text: str, folder: str, pattern: str) -> str:
    if not text.strip():
        raise ToolException("'text' is empty; give a text to search for")
    until, wanted, found = time.monotonic() + SEARCH_S, text.casefold(), list[str]()
    for path in _files(workspace, folder, pattern):
        for match in _matches(workspace, path, wanted):
            if len(found) == MATCHES:
                return "\n".join([*found, "[there are more; name a folder or a pattern]"])
            found.append(match)
        if time.monotonic() > until:
            return "\n".join([*found, f"[ended after {SEARCH_S:g} s at {path}; name a folder or a pattern]"])
    return "\n".join(found) or "[nothing found]"


def _matches(workspace: Workspace, path: str, wanted: str) -> Iterator[str]:
    try:
        text = workspace.read_text(path, SEARCHED_BYTES)
    except (ToolException, OSError):  # outside, binary, too large, gone meanwhile: it is not searched
        return
    for number, line in enumerate(text.split("\n"), 1):
        if wanted in line.casefold():
            yield f"{path}:{number}:{line.strip()[:LINE_CHARS]}"
