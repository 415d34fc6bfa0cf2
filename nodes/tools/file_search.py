"""Searching a workspace beyond plain text: passages ranked by words, and lines by a regular expression.

Expressions are RE2's, as DuckDB has them: they take a time that grows with the text alone, whatever a model writes.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
from langchain_core.tools import BaseTool, ToolException, tool

from ...events.ending import interruptible
from ..call import in_thread
from .files import LINE_CHARS, MATCHES, PASSED_OVER, SEARCH_S, SEARCHED_BYTES
from .note_index import MARKDOWN
from .passages import Passage, passages
from .ranked import WordIndex
from .workspace import Workspace

PASSAGES = 12
"""Passages that one search returns."""

PASSAGE_SHOWN = 1_500
"""Characters of a passage that are shown."""

FILES = 20_000
"""Files that one search looks at."""


def search_tools(workspace: Workspace) -> list[BaseTool]:
    """Return `search_words` and `search_lines`, which only read."""

    @tool(parse_docstring=True)
    async def search_words(query: str, folder: str = ".") -> str:
        """Find the passages of the workspace's text files that fit some words best, most fitting first.

        Args:
            query: Words, or a question; a passage need not have all of them.
            folder: The folder to search in, relative to the workspace.
        """
        return await in_thread(lambda: _words(workspace, query, folder), name="fanwise-words")  # type: ignore[no-any-return]

    @tool(parse_docstring=True)
    async def search_lines(pattern: str, folder: str = ".") -> str:
        """Find the lines of the workspace's text files that match a regular expression; returns path:line:text.

        Args:
            pattern: A regular expression in RE2's syntax (no look-around, no back-references); (?i) ignores case.
            folder: The folder to search in, relative to the workspace.
        """
        return await in_thread(lambda: _lines(workspace, pattern, folder), name="fanwise-lines")  # type: ignore[no-any-return]

    return [search_words, search_lines]


def _words(workspace: Workspace, query: str, folder: str) -> str:
    index, held, ended = WordIndex(), list[tuple[str, Passage]](), ""
    until = time.monotonic() + SEARCH_S
    try:
        for path, text in _texts(workspace, folder):
            begin = len(held)
            held.extend((path, passage) for passage in passages(text, markdown=Path(path).suffix.lower() in MARKDOWN))
            index.put((n, f"{path} {held[n][1].heading}", held[n][1].text) for n in range(begin, len(held)))
            if time.monotonic() > until:
                ended = f"\n\n[ended after {SEARCH_S:g} s at {path}; name a folder]"
                break
        found = [held[number] for number, _ in index.search(query, PASSAGES)]
    finally:
        index.close()
    return ("\n\n".join(_shown(path, passage) for path, passage in found) or "[nothing found]") + ended


def _shown(path: str, passage: Passage) -> str:
    lines, size = list[str](), 0
    for number, line in enumerate(passage.text.split("\n"), passage.line):
        size += len(line)
        if lines and size > PASSAGE_SHOWN:
            lines.append(f"[... goes on until line {passage.end_line}]")
            break
        lines.append(f"{number}\t{line[:PASSAGE_SHOWN]}")
    under = f" ({passage.heading})" if passage.heading else ""
    return "\n".join([f"{path}:{passage.line}-{passage.end_line}{under}", *lines])


def _lines(workspace: Workspace, pattern: str, folder: str) -> str:
    found: list[str] = []
    until = time.monotonic() + SEARCH_S
    with duckdb.connect(":memory:", config={"enable_external_access": "false", "threads": "1"}) as database:
        for path, text in _texts(workspace, folder):
            for number, line in _matching(database, text, pattern):
                if len(found) == MATCHES:
                    return "\n".join([*found, "[there are more; name a folder, or a narrower pattern]"])
                found.append(f"{path}:{number}:{line.strip()[:LINE_CHARS]}")
            if time.monotonic() > until:
                return "\n".join([*found, f"[ended after {SEARCH_S:g} s at {path}; name a folder]"])
    return "\n".join(found) or "[nothing found]"


_MATCHING = """
    SELECT number, line FROM (
        SELECT unnest(lines) AS line, unnest(range(1, len(lines) + 1)) AS number
        FROM (SELECT string_split($text, chr(10)) AS lines))
    WHERE regexp_matches(line, $pattern) ORDER BY number LIMIT $most
"""


def _matching(database: duckdb.DuckDBPyConnection, text: str, pattern: str) -> list[tuple[int, str]]:
    values = {"text": text.replace("\0", ""), "pattern": pattern, "most": MATCHES + 1}
    try:
        with interruptible(database.interrupt):
            return database.execute(_MATCHING, values).fetchall()
    except duckdb.Error as error:
        raise ToolException(f"{pattern!r}: {str(error).splitlines()[0]}") from None


def _texts(workspace: Workspace, folder: str) -> Iterator[tuple[str, str]]:
    """Yield the text files below a folder, in order, with their content; no link is followed."""
    base = workspace.path(workspace.locate(folder))
    if not base.is_dir():
        raise ToolException(f"{folder!r} is no folder of the workspace")
    count = 0
    for place, folders, names in os.walk(base):
        folders[:] = sorted(name for name in folders if name.lower() not in PASSED_OVER and not name.startswith("."))
        for name in sorted(names):
            path = Path(place, name).relative_to(workspace.root).as_posix()
            try:
                text = workspace.read_text(path, SEARCHED_BYTES)
            except (ToolException, OSError):  # outside, binary, too large, gone meanwhile: it is not searched
                continue
            count += 1
            if count > FILES:
                return
            yield path, text
