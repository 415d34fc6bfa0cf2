"""Metrics for Prometheus, scraped while a run goes on and written to a file."""

from __future__ import annotations

import re
import sys
import urllib.request
from typing import Any

import pytest

from fanwise.tracing.metrics import RunMetrics

from .conftest import Inside, Shell

TASKS = [
    {"id": "a", "input": {"seconds": 0.02, "fail_times": 1}, "retry": {"max_attempts": 2, "initial_s": 0.01}},
    {"id": "b", "input": {"fail": "no"}, "required": False},
    {"id": "c", "depends_on": ["a"], "input": {"seconds": 0.05}},
]


def samples(text: str) -> dict[str, float]:
    """Return the samples of an exposition by name and labels."""
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_a_file_tells_what_a_run_came_to(inside: Inside) -> None:
    """It is there whole, with counters and histograms by specialist, and nothing beside it."""
    plan = inside.plan(TASKS)
    done = inside("run", plan, "--metrics-file", "m.prom")
    assert done.returncode == 4
    found = samples((inside.folder / "m.prom").read_text())
    assert found['fanwise_tasks_total{specialist="wait",status="succeeded"}'] == 2
    assert found['fanwise_tasks_total{specialist="wait",status="failed"}'] == 1
    assert found['fanwise_attempts_total{specialist="wait",status="failed"}'] == 2
    assert found['fanwise_attempt_duration_seconds_count{specialist="wait"}'] == 4
    assert found['fanwise_queue_duration_seconds_count{specialist="wait"}'] == 4
    assert found['fanwise_runs_total{status="partial"}'] == 1
    assert found["fanwise_tasks_running"] == found["fanwise_tasks_queued"] == 0
    assert [path.name for path in inside.folder.glob("m.prom*")] == ["m.prom"]


@pytest.mark.slow
def test_a_run_can_be_scraped(shell: Shell) -> None:
    """A real request while tasks work: gauges tell how many run and queue."""
    plan = shell.plan(({"id": f"t{n}", "input": {"seconds": 20}} for n in range(5)), max_parallel=2)
    with shell.start("run", plan, "--metrics-port", "0", "-v") as process:
        assert process.stderr is not None
        address, started = None, 0
        while started < 2 and (line := process.stderr.readline()):
            found = re.search(r"http://127\.0\.0\.1:\d+/metrics", line)
            address = found[0] if found else address
            started += "started" in line
        assert address is not None
        with urllib.request.urlopen(address, timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain")
            told = samples(answer.read().decode())
        process.kill()
        process.communicate()
    assert told["fanwise_tasks_running"] == 2 and told["fanwise_tasks_queued"] == 3


def test_gauges_follow_the_events() -> None:
    """Queued, running, hedged, paused, ended."""
    metrics = RunMetrics()

    def now() -> tuple[float | None, float | None]:
        return tuple(metrics.registry.get_sample_value(f"fanwise_tasks_{what}") for what in ("queued", "running"))  # type: ignore[return-value]  # two of them

    ended = {"specialist": "s", "status": "succeeded", "duration_s": 1.0, "queued_s": 0.1}
    steps: list[tuple[dict[str, Any], tuple[float, float]]] = [
        ({"type": "task_queued", "task_id": "a"}, (1, 0)),
        ({"type": "task_started", "task_id": "a"}, (0, 1)),
        ({"type": "task_started", "task_id": "a"}, (0, 1)),
        ({"type": "attempt_ended", "task_id": "a", **ended}, (0, 1)),
        ({"type": "attempt_ended", "task_id": "a", **ended}, (0, 0)),
        ({"type": "task_finished", "task_id": "a", **ended}, (0, 0)),
        ({"type": "task_queued", "task_id": "b"}, (1, 0)),
        ({"type": "task_started", "task_id": "b"}, (0, 1)),
        ({"type": "task_paused", "task_id": "b"}, (0, 0)),
        ({"type": "of a later version"}, (0, 0)),
    ]
    for event, expected in steps:
        metrics.on_event(event)
        assert now() == expected, event
    metrics.ended("paused")
    assert metrics.registry.get_sample_value("fanwise_runs_total", {"status": "paused"}) == 1


def test_what_can_not_be_served_or_written_is_said_before_anything_runs(inside: Inside) -> None:
    """A port that is taken, a folder that is not there, a port that is none."""
    import socket

    plan = inside.plan([{"id": "a"}])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = inside("run", plan, "--metrics-port", port)
        assert done.returncode == 2 and "give another one" in done.stderr and done.stdout == ""
    done = inside("run", plan, "--metrics-file", "no/m.prom")
    assert done.returncode == 2 and "folder must be there" in done.stderr
    assert inside("run", plan, "--metrics-port", "no").returncode == 2


def test_the_missing_package_is_named(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, runs work, and who asks for metrics is told what to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    plan = inside.plan([{"id": "a"}])
    done = inside("run", plan, "--metrics-file", "m.prom")
    assert done.returncode == 2 and "pip install 'fanwise[metrics]'" in done.stderr
    assert "pip install '.[metrics]'" in done.stderr
    assert inside("run", plan).returncode == 0
