"""Imports run one way: each folder stands on those that the table in docs/design.md lets it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TABLE = (ROOT / "docs" / "design.md").read_text().partition("| folder | holds | imports |")[2].partition("\n\n")[0]


def rows() -> Iterator[tuple[list[str], str]]:
    """The folders of each row, and what it says that they import."""
    for line in TABLE.splitlines()[2:]:
        first, _, last = (cell.strip() for cell in line.strip("|").split(" | "))
        yield re.findall(r"`(\w+)(?:/|\.py)`", first), last


def allowed() -> dict[str, set[str]]:
    """What each folder may import; of a row with several, the last starts the others."""
    found: dict[str, set[str]] = {}
    for folders, says in rows():
        named = set(re.findall(r"`(\w+)`", says))
        named |= set(found) if "all above" in says else set()
        named |= {below for name in named for below in found[name]} if "stands on" in says else set()
        for folder in folders:
            found[folder] = named | (set(folders) if folder == folders[-1] else {folder})
    return found


def imported(path: Path) -> Iterator[tuple[str, int]]:
    """The folders that a module imports from, with their lines."""
    here = list(path.relative_to(ROOT).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            place = [*here[: len(here) - node.level + 1], *(node.module or "").split(".")]
            names = [place[0]] if place[0] else [item.name for item in node.names]
            yield from ((name, node.lineno) for name in names)


@pytest.mark.parametrize("folder", allowed())
def test_imports_run_one_way(folder: str) -> None:
    """Nothing imports what stands on it."""
    may = allowed()[folder] | {folder}
    modules = [ROOT / "state.py"] if folder == "state" else sorted((ROOT / folder).rglob("*.py"))
    assert modules
    wrong = [
        f"{module.relative_to(ROOT)}:{line} imports {name}"
        for module in modules
        for name, line in imported(module)
        if name not in may
    ]
    assert not wrong, "\n".join(wrong)


def test_every_folder_is_in_the_table() -> None:
    """A new folder finds its place there before it is used."""
    packages = {marker.parent.name for marker in ROOT.glob("*/__init__.py")}
    assert packages | {"state"} == set(allowed())
