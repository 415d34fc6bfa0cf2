"""The page about the command names what the command has, and the README names the pages."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from fanwise.cli.app import COMMANDS, fanwise

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "command.md").read_text()
GROUPS = ("working", "setup", "limits", "sizes")


def options_of(name: str) -> set[str]:
    """The options that a command takes."""
    command = fanwise.get_command(click.Context(fanwise), name)
    assert command is not None
    found = (param for param in command.params if isinstance(param, click.Option))
    return {option for param in found for option in (*param.opts, *param.secondary_opts)}


def row(name: str) -> str:
    """What the page's list of options says of a command or a group."""
    table = PAGE.partition("## Every option")[2]
    found = re.search(rf"^\| `?{name}`? \| (.+) \|$", table, re.MULTILINE)
    assert found is not None, f"docs/command.md lists no options of {name}"
    return found[1]


def listed(text: str) -> set[str]:
    return set(re.findall(r"`(-[\w-]+)`", text))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_listed(name: str) -> None:
    """What a command takes stands there, and nothing else."""
    said = row(name)
    shared = {option for group in GROUPS if re.search(rf"\b{group}\b", said) for option in listed(row(group))}
    assert listed(said) | shared == options_of(name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_told_at_the_top(name: str) -> None:
    """Each stands in the list that the page begins with."""
    assert re.search(rf"^    fanwise {name}\b", PAGE.partition("\n## ")[0], re.MULTILINE)


def test_the_readme_names_every_page() -> None:
    """No page has to be guessed."""
    readme = (ROOT / "README.md").read_text()
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")}
    assert pages == set(re.findall(r"\]\((docs/\w+\.md)\)", readme))


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Each link to another page names one that is there, and a heading in it."""
    for target, heading in re.findall(r"\]\((\w+\.md)?(?:#([\w-]+))?\)", page.read_text()):
        named = page.parent / target if target else page
        assert named.is_file(), f"{page.name} links to {target}"
        heads = re.findall(r"^#+ (.+)$", named.read_text(), re.MULTILINE)
        known = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
        assert not heading or heading in known, f"{page.name} links to {target}#{heading}"
