"""The demo's question on the sample log, through the real event store and the workflows as they are shipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from thorough import THOROUGH

from fanwise.events.open import open_events
from fanwise.events.sample import PlantedFault, write_sample
from fanwise.nodes.router import route
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.nodes.summary import summarize
from fanwise.plans.registry import load_workflows
from fanwise.schema.results import Finding, Summary, TaskResult

BY_NAME = {check.name: check for check in CHECKS}


def ask(location: str, request: str) -> Summary:
    """Route a request and run its workflow in order, without the graph."""
    workflows = load_workflows()
    found = route(request, list(workflows.values()), open_events(location).info())
    plan = workflows[found.workflow].plan({"events": location, **found.params}, request=request)
    results: dict[str, TaskResult] = {}
    for task in plan.tasks:
        given: Mapping[str, TaskResult] = {name: results[name] for name in task.depends_on}
        output = BY_NAME[task.specialist](task, given).model_dump(mode="json")
        done = TaskResult(task_id=task.id, specialist=task.specialist, status="succeeded", output=output)
        results[task.id] = done
    return summarize(results, request=request, plan=plan.to_state())


def tells(finding: Finding, fault: PlantedFault) -> bool:
    names = {name for name in (fault.host, fault.source, fault.sourcetype) if name}
    return finding.kind == fault.kind and bool(names & set((finding.subject or "").split(" / ")))


@pytest.mark.parametrize("seed", [7, 20, 101] if THOROUGH else [7])
def test_every_planted_fault_is_found_and_little_else(tmp_path: Path, seed: int) -> None:
    """Each fault of the sample is found, once; at most two findings were not planted."""
    faults = write_sample(tmp_path, seed)
    summary = ask(str(tmp_path), "Why did web-03 go quiet?")
    for fault in faults:
        assert len([f for f in summary.findings if tells(f, fault)]) == 1, fault
    assert len(summary.findings) <= len(faults) + 2
    assert summary.text.startswith("web-03 went silent at 2025-03-04 16:")
    assert "Likely cause: The forwarder of web-03 most likely" in summary.text.split("\n")[0]
    assert all(finding.evidence for finding in summary.findings)


def test_health_and_performance_run_on_the_sample(tmp_path: Path) -> None:
    """The other two workflows give summaries, too."""
    write_sample(tmp_path)
    assert "web-03 went silent" in ask(str(tmp_path), "Is everything ok?").text
    assert ask(str(tmp_path), "What is slow?").text.startswith("Half of ")
