"""`notes`: passages of the user's own files, with their place; nothing from outside the folder."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from fanwise.graph import build_graph
from fanwise.nodes.specialists.equipment import Equipment
from fanwise.nodes.specialists.notes import NO_NOTES, notes
from fanwise.nodes.tools import note_index
from fanwise.nodes.tools.note_index import NoteIndex
from fanwise.nodes.tools.passages import passages

TRIP = """# Trip to Porto

Train at nine from platform 4.

## Packing

Umbrella, passport, the blue notebook.

```sh
# not a heading
pack --all
```

## Food

Try the custard tarts near the river.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of notes, with what must not be read beside it."""
    root = tmp_path / "notes"
    (root / "work").mkdir(parents=True)
    (root / ".obsidian").mkdir()
    (root / "trip.md").write_text(TRIP)
    (root / "work" / "standup.txt").write_text("Monday\nFix the umbrella service.\n")
    (root / ".obsidian" / "cache.md").write_text("umbrella")
    (root / "photo.md").write_bytes(b"\x89PNG\0umbrella")
    (root / "data.csv").write_text("umbrella")
    (tmp_path / "secret.md").write_text("umbrella password")
    return root


async def asked(root: Path, **given: Any) -> dict[str, Any]:
    """Return the result of one task for `notes`."""
    task = {"id": "t", "specialist": "notes", "description": "Where is my umbrella?", "input": given}
    out = await build_graph([notes(Equipment(notes=root))]).ainvoke({"plan": {"tasks": [task]}})
    result: dict[str, Any] = out["results"]["t"]
    return result


def test_passages_come_with_file_heading_and_lines(folder: Path) -> None:
    """The best passage first; the description stands in for a query."""
    output = asyncio.run(asked(folder))["output"]
    places = [(p["file"], p["heading"], p["line"], p["end_line"]) for p in output["passages"]]
    assert set(places) == {("trip.md", "Trip to Porto > Packing", 5, 12), ("work/standup.txt", "", 1, 2)}
    lines = TRIP.splitlines()
    packing = next(p for p in output["passages"] if p["file"] == "trip.md")
    assert packing["text"] == "\n".join(lines[4:12]) and packing["score"] > 0
    assert output["files"] == 2 and output["passed_over"] == ["photo.md: no text"]
    only = asyncio.run(asked(folder, query="umbrellas", folder="work"))["output"]
    assert [p["file"] for p in only["passages"]] == ["work/standup.txt"]


def test_links_out_of_the_folder_are_refused(folder: Path) -> None:
    """A link to a file or a folder outside is not followed, and said."""
    (folder / "link.md").symlink_to(folder.parent / "secret.md")
    (folder / "outside").symlink_to(folder.parent, target_is_directory=True)
    (folder / "inside.md").symlink_to(folder / "trip.md")
    (folder / "loop.md").symlink_to(folder / "loop.md")
    os.mkfifo(folder / "pipe.md")
    output = asyncio.run(asked(folder, query="password umbrella", limit=50))["output"]
    assert "password" not in str(output["passages"])
    told = dict(item.split(": ", 1) for item in output["passed_over"])
    assert told["link.md"] == "a link that leads out of the folder" and told["pipe.md"] == "no file"
    assert "loop.md" in told and {p["file"] for p in output["passages"]} >= {"inside.md", "trip.md"}


def test_changes_are_noticed(folder: Path) -> None:
    """What is edited, added or deleted counts from the next search on; the rest is not read again."""
    index = NoteIndex(folder)
    assert [f.file for f in index.search("tarts", 5)] == ["trip.md"]
    (folder / "trip.md").write_text(TRIP.replace("custard tarts", "grilled sardines"))
    (folder / "new.md").write_text("# New\n\ntarts at home")
    assert [f.file for f in index.search("tarts", 5)] == ["new.md"]
    assert [f.heading for f in index.search("sardines", 5)] == ["Trip to Porto > Food"]
    (folder / "trip.md").unlink()
    assert index.search("sardines", 5) == [] and index.files == 2


def test_large_files_are_passed_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is said."""
    monkeypatch.setattr(note_index, "FILE_BYTES", 100)
    index = NoteIndex(folder)
    index.search("umbrella", 5)
    assert index.passed_over["trip.md"] == f"{len(TRIP)} bytes; the limit is 100"


def test_words_of_a_query_are_no_operators(folder: Path) -> None:
    """Quotes, stars and brackets are looked past."""
    index = NoteIndex(folder)
    for query in ('"umbrella', "umbrella* OR (", "NEAR(umbrella)", "heading:umbrella", "umbrella' --", "ÚMBRELLA"):
        assert index.search(query, 5), query
    assert index.search("", 5) == index.search("?!*", 5) == []


def test_long_texts_are_cut_at_blank_lines() -> None:
    """Nothing is lost, and lines stay true."""
    text = "\n\n".join(f"paragraph {n} " + "word " * 60 for n in range(40))
    cut = list(passages(text, markdown=False))
    lines = text.splitlines()
    assert len(cut) > 5
    assert all(p.text == "\n".join(lines[p.line - 1 : p.end_line]) for p in cut)
    assert sum(p.text.count("paragraph") for p in cut) == 40


def test_what_it_lacks_is_said(tmp_path: Path) -> None:
    """No folder, or one that is not there."""
    assert notes(Equipment()).lacks == NO_NOTES
    assert "there is no folder" in notes(Equipment(notes=tmp_path / "none")).lacks
    assert notes(Equipment(notes=tmp_path)).lacks == ""
    assert notes(Equipment(notes=tmp_path)).pure
