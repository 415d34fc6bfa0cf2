"""Findings that cite lines of files, and whether the lines are there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.tools import ToolException
from pydantic import BaseModel, Field

from ...tools.workspace import Workspace

SHOWN_CHARS = 1_000
"""Characters of the cited lines that are returned with them."""

MOST_LINES = 400
"""Lines that one citation may span; more would cite nothing in particular."""


class Citation(BaseModel):
    """A place in a file."""

    file: str = Field(description="path in the workspace")
    line: int = Field(description="first line, counted from 1")
    end_line: int | None = Field(None, description="last line, if it is another")
    quote: str = Field("", description="a few words of these lines, exactly as they stand there")


class Finding(BaseModel):
    """One thing that files show."""

    text: str = Field(description="what the files show, in a sentence or two")
    citations: list[Citation] = Field(description="the places that show it")


def checked(workspace: Workspace, findings: Sequence[Finding]) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the findings with those citations that hold, and the lines' text; and what was left out, in sentences.

    A finding of which no citation holds is left out as a whole.
    """
    kept, dropped = [], []
    for finding in findings:
        citations = []
        for citation in finding.citations:
            lines, why = _looked_up(workspace, citation)
            if why:
                dropped.append(f"{_place(citation)}: {why}")
            else:
                citations.append({**citation.model_dump(), "text": lines[:SHOWN_CHARS]})
        if citations:
            kept.append({"text": finding.text, "citations": citations})
        else:
            dropped.append(f"finding without a citation that holds: {finding.text}")
    return kept, dropped


def _looked_up(workspace: Workspace, citation: Citation) -> tuple[str, str]:
    """Return the cited lines, or why there are none."""
    try:
        text = workspace.read_text(citation.file)
    except (ToolException, OSError) as error:
        return "", str(error)
    lines = text.split("\n")
    if lines and not lines[-1]:
        lines.pop()
    last = citation.end_line or citation.line
    if not 1 <= citation.line <= last:
        return "", "there are no such lines"
    if last > len(lines):
        return "", f"the file has {len(lines):,} lines"
    if last - citation.line >= MOST_LINES:
        return "", f"more than {MOST_LINES} lines are no citation"
    cited = "\n".join(lines[citation.line - 1 : last])
    if citation.quote.strip() and _folded(citation.quote) not in _folded(cited):
        return "", f"the lines do not hold {citation.quote.strip()[:120]!r}"
    return cited, ""


_QUOTES = str.maketrans({"\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"'})


def _folded(text: str) -> str:
    """Return a text without what quoting changes: spaces, case, the kind of quotation marks."""
    return re.sub(r"\s+", " ", text.translate(_QUOTES)).strip().casefold()


def _place(citation: Citation) -> str:
    until = f"-{citation.end_line}" if citation.end_line and citation.end_line != citation.line else ""
    return f"{citation.file}:{citation.line}{until}"
