"""The README's examples work, and its picture is the graph's."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fanwise.graph import build_graph, explain, run
from fanwise.nodes.specialists import known_names
from fanwise.state import Plan

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def block(language: str) -> str:
    """The first block of code in a language."""
    found = re.search(rf"```{language}\n(.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_picture_shows_the_graphs_own_nodes() -> None:
    """Every node that is no specialist stands in the README's picture, and every name there is a node."""
    nodes = set(build_graph().nodes) - {"__start__"}
    arrows = [line.strip() for line in block("mermaid").splitlines() if ">" in line and "-" in line]
    ends = {end for line in arrows for end in re.findall(r"^\w+|\w+(?=\(\[|$)", line)}
    assert nodes - known_names() == ends - {"start", "finish", "end", "specialists"}


def test_the_python_example_prints_what_it_says(capsys: Any) -> None:
    """The example runs as it stands."""
    exec(compile(block("python"), "README.md", "exec"), {})
    assert capsys.readouterr().out == "succeeded 3\n"


def test_the_plan_file_runs() -> None:
    """The example plan is valid, can be explained, and succeeds."""
    plan = Plan.load(block("yaml"))
    assert explain(plan).critical_path == ("build", "publish")
    report = run(plan)
    assert report.status == "succeeded"
    assert report.results["lint"].attempts == 2


def test_every_page_that_is_named_exists() -> None:
    """No link of the README or the docs leads nowhere."""
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
