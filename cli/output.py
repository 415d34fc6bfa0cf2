"""What the command writes: the result to standard output, all else to standard error, nothing that a terminal obeys."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import click

from ..nodes.summary.text import clean, indent_of


def wrapped(text: str) -> str:
    """Return text whose lines are broken between words, where standard output is a terminal."""
    if not sys.stdout.isatty():
        return text
    width = line_width()
    return "\n".join(piece for line in text.splitlines() for piece in wrapped_line(line, width))


def wrapped_line(line: str, width: int) -> list[str]:
    """Return a line broken between words; what follows is indented as the line is, or as its list item's text."""
    import textwrap

    hang = indent_of(line) + ("  " if line.lstrip()[:1] in "->" else "   ")
    hang = hang if line.lstrip()[:1] in "->" or line.lstrip()[:1].isdigit() else indent_of(line)
    return textwrap.wrap(line, width, subsequent_indent=hang, break_on_hyphens=False) or [""]


def say(text: str) -> None:
    """Write a line to standard error; nobody listening is no error."""
    say_on(text + "\n")  # not click.echo: it goes past the live display, which would draw over it


def say_on(text: str) -> None:
    """Write to standard error and stay on the line."""
    try:
        sys.stderr.write(_written(text, sys.stderr))
        sys.stderr.flush()
    except (OSError, ValueError):
        return


def put(text: str) -> None:
    """Write text to standard output."""
    click.echo(_written(text, sys.stdout))


def _written(text: str, stream: Any) -> str:
    """Return text with plain marks in place of those that a stream's encoding lacks."""
    if text.isascii():
        return text
    try:
        text.encode(getattr(stream, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return text.translate(_PLAIN)
    return text


_PLAIN = {ord("·"): "-", ord("…"): "...", ord("─"): "-"}


def bold(text: str) -> str:
    """Return text that stands out on standard error, where that is a terminal with colours."""
    plain = not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return text if plain else click.style(text, bold=True)


def rule(title: str, width: int) -> str:
    """Return a line across the terminal with a title in it."""
    head = f"── {title} " if title else ""
    return head + "─" * max(2, width - len(head) - 1)


def print_json(value: Any) -> None:
    """Write one JSON value to standard output, in characters that its encoding has."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=True)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        text = json.dumps(value, ensure_ascii=True, indent=2, allow_nan=True)
    click.echo(text)


@contextmanager
def results_only() -> Iterator[None]:
    """Keep standard output for the result: what tasks and their child processes print goes to standard error."""
    with redirect_stdout(sys.stderr):
        try:
            saved = os.dup(1)
        except OSError:
            yield
            return
        try:
            if sys.__stdout__ is not None:
                sys.__stdout__.flush()
            os.dup2(2, 1)
            yield
        finally:
            os.dup2(saved, 1)
            os.close(saved)


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    """Whether it holds numbers."""
    optional: bool = False
    """Whether it is left out where the terminal is narrow."""
    sparse: bool = False
    """Whether it is left out where no row has anything in it."""


def table(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None = None) -> str:
    """Return rows as aligned columns; the last one is cut to what the width leaves.

    Args:
        columns: their titles.
        rows: their cells, as untrusted text.
        width: characters in a line; that of the terminal, or 160 where there is none, if not given.
    """
    from rich.cells import cell_len, set_cell_size

    width = width or line_width()
    cells = [[clean(cell, 400) for cell in row] for row in rows]
    kept = [i for i, column in enumerate(columns) if not column.sparse or any(row[i] for row in cells)]
    sizes = [
        max([cell_len(column.title), *(min(cell_len(row[i]), 48) for row in cells)]) for i, column in enumerate(columns)
    ]
    for index in [i for i, column in reversed(list(enumerate(columns))) if column.optional]:
        if sum(sizes[i] + 2 for i in kept[:-1]) + min(sizes[kept[-1]], 16) > width:
            kept.remove(index)
    first = kept[0]
    room = width - sum(sizes[i] + 2 for i in kept if i != first) + max(0, sizes[kept[-1]] - 12)
    sizes[first] = min(sizes[first], max(12, room - 2))
    lines = [[column.title for column in columns], *cells]
    return "\n".join(_line(row, kept, columns, sizes, width, cell_len, set_cell_size) for row in lines)


def _line(
    row: Sequence[str],
    kept: Sequence[int],
    columns: Sequence[Column],
    sizes: Sequence[int],
    width: int,
    cell_len: Any,
    set_cell_size: Any,
) -> str:
    def fitted(text: str, size: int) -> str:
        return text if cell_len(text) <= size else set_cell_size(text, max(size - 1, 1)).rstrip() + "…"

    parts = []
    for index in kept[:-1]:
        text = fitted(row[index], sizes[index])
        gap = " " * (sizes[index] - cell_len(text))
        parts.append(gap + text if columns[index].right else text + gap)
    used = sum(sizes[index] + 2 for index in kept[:-1])
    last = kept[-1]
    text = fitted(row[last], max(width - used, 8))
    if columns[last].right:
        text = " " * max(0, sizes[last] - cell_len(text)) + text
    return "  ".join([*parts, text]).rstrip()


def line_width(stream: Any = None) -> int:
    """Return the characters in a line of the terminal, or 160 where the stream (standard output) is no terminal."""
    import shutil

    if not (stream or sys.stdout).isatty():
        return 160
    return max(20, shutil.get_terminal_size().columns)
