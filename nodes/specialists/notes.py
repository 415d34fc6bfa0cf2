"""`notes`: searches a folder of the user's own notes, and returns passages with their place."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from ...schema.plan import Task
from ..specialist import Specialist, specialist
from ..tools.note_index import Found, NoteIndex
from .equipment import Equipment
from .inputs import read_input

NO_NOTES = "it needs a folder with notes: give --notes DIR, or `Equipment(notes=...)`"
"""What `notes` lacks where no folder is given."""

TEXT_CHARS = 4_000
"""Characters of a passage that are returned."""


class NotesInput(BaseModel):
    """What to look for in the notes."""

    model_config = ConfigDict(extra="forbid")

    query: str | None = Field(None, description="words or a question; the task's description if not given")
    folder: str = Field("", description="a file or folder of the notes, to look in that alone")
    limit: int = Field(8, ge=1, le=100, description="how many passages at most")


def notes(equipment: Equipment) -> Specialist:
    """Return the specialist `notes`; it needs no model."""
    index = None if equipment.notes is None else NoteIndex(equipment.notes.expanduser())
    lacks = NO_NOTES
    if index is not None:
        lacks = "" if index.root.is_dir() else f"there is no folder {str(index.root)!r}; give --notes DIR"

    @specialist(
        "notes",
        description="Searches the user's own notes (a folder of Markdown and text) and returns the passages that fit,"
        " with file, heading and lines.",
        pure=True,
        input_schema=NotesInput,
    )
    def work(task: Task) -> dict[str, Any]:
        if index is None:
            raise ValueError(f"`notes`: {NO_NOTES}")
        asked = read_input(NotesInput, task)
        query = asked.query or task.description
        if not query:
            raise ValueError("input of `notes`: 'query' is missing, and the task has no description")
        found = index.search(query, asked.limit, asked.folder)
        passed_over = [f"{name}: {why}" for name, why in sorted(index.passed_over.items())]
        return {
            "query": query,
            "passages": [as_json(passage) for passage in found],
            "files": index.files,
            "passed_over": passed_over[:50],
        }

    return replace(work, lacks=lacks)


def as_json(found: Found) -> dict[str, Any]:
    """Return a passage as JSON; when its file was changed is ISO 8601 in UTC."""
    modified = datetime.fromtimestamp(int(found.modified), UTC).isoformat()
    return {**found._asdict(), "text": found.text[:TEXT_CHARS], "modified": modified}
