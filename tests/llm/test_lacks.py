"""What is not there is said before anything runs: tools of the checks, MCP servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fanwise.nodes.fitting import fitted
from fanwise.nodes.specialists import tests_runner as runner
from fanwise.nodes.specialists.equipment import Equipment
from fanwise.nodes.specialists.llm import coder as coding
from fanwise.nodes.specialists.llm.coder import coder
from fanwise.nodes.specialists.llm.mcp import mcp
from fanwise.nodes.tools import pytest_runner
from fanwise.nodes.tools.ranked import ranked
from fanwise.schema.errors import PlanError
from fanwise.schema.plan import Plan


def refused(specialist: Any, given: dict[str, Any]) -> str:
    """Return why a plan with one task is refused, or nothing."""
    plan = Plan.model_validate({"tasks": [{"id": "t", "specialist": specialist.name, "input": given}]})
    try:
        fitted(plan, {specialist.name: specialist})
    except PlanError as error:
        return str(error)
    return ""


def test_tools_that_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`tests` needs pytest; `coder` needs ruff from `lint` on, pytest for `tests`, and nothing below."""
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    equipment = Equipment(workspace=tmp_path, model=FakeListChatModel(responses=[]))
    assert refused(runner.tests_runner(equipment), {}) == ""
    assert refused(coder(equipment), {"output_path": "a.py"}) == ""
    monkeypatch.setattr(pytest_runner.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(coding.shutil, "which", lambda *given, **options: None)
    assert "pytest is not installed" in refused(runner.tests_runner(equipment), {})
    assert "ruff is not installed" in refused(coder(equipment), {"output_path": "a.py"})
    assert refused(coder(equipment), {"output_path": "a.py", "validation": "syntax"}) == ""


def test_an_unknown_server_is_refused() -> None:
    """The plan says which there are; without a configuration nothing is known."""
    known = mcp(Equipment(mcp={"shop": {"command": "x"}, "wiki": {"command": "y"}}))
    assert refused(known, {"server": "shop", "tool": "t"}) == ""
    assert "shpo" in refused(known, {"server": "shpo", "tool": "t"}) and "shop" in refused(known, {"server": "shpo"})
    assert "shpo" in refused(known, {"servers": ["shop", "shpo"]})


def test_scores_have_few_digits() -> None:
    """They rank; more digits would say what they do not know."""
    found = ranked(["tea and milk", "coffee with milk", "water"], "milk tea", 3)
    assert all(len(f"{score:g}".lstrip("0.").split("e")[0].replace(".", "")) <= 3 and score > 0 for _, score in found)
