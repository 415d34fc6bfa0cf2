"""`fanwise stats`, `rehearse`, and `explain` with history."""

from __future__ import annotations

from .conftest import Inside

OWN = """
import asyncio
from fanwise.graph import specialist

@specialist("slow")
async def slow(task):
    await asyncio.sleep(0.2)

@specialist("bad")
async def bad(task):
    raise RuntimeError("no")
"""

TASKS = [
    {"id": "a", "specialist": "slow"},
    {"id": "b", "specialist": "slow"},
    {"id": "c", "specialist": "bad", "required": False},
]


def ran(inside: Inside, times: int = 2) -> str:
    """Run a plan a few times; return its name."""
    inside.write("own.py", OWN)
    plan = inside.plan(TASKS, max_parallel=1)
    for _ in range(times):
        assert inside("run", plan, "--specialists", "own.py", "-q").returncode == 4
    return plan


def test_stats_tell_what_runs_took(inside: Inside) -> None:
    """Totals, a histogram, specialists, and in words what would shorten the runs; the same as JSON."""
    ran(inside)
    text = inside("stats").stdout
    for words in (
        "2 partial",
        "attempts by what they took",
        "#####",
        "slow",
        "RuntimeError",
        "slots: raise max_parallel",
    ):
        assert words in text
    told = inside.json("stats")
    assert told["runs"] == 2 and told["attempts"] == 6 and told["error_rate"] == 0.3333
    assert {one["specialist"] for one in told["specialists"]} == {"slow", "bad"}
    only = inside.json("stats", "--specialist", "bad")
    assert only["attempts"] == 2 and only["runs"] == 2
    assert inside("stats", "--specialist", "nobody").stderr == "no runs of 'nobody' were noted yet\n"
    assert (inside.folder / ".fanwise" / "runs.history.db").exists()


def test_history_outlives_runs_and_is_pruned_by_itself(inside: Inside) -> None:
    """Old runs go without it; it goes by its own option."""
    ran(inside, 1)
    assert inside("runs", "--prune", "--older-than", "0s", "--yes").returncode == 0
    assert inside.json("runs") == [] and inside.json("stats")["runs"] == 1
    assert inside("stats", "--prune").returncode == 2
    assert inside("stats", "--prune", "--older-than", "1d").stdout == "0 runs and 0 attempts deleted from the history\n"
    assert inside.json("stats", "--prune", "--older-than", "0s") == {"runs": 1, "attempts": 3}
    assert inside.json("stats")["attempts"] == 0


def test_stats_of_nothing(inside: Inside) -> None:
    """No database is bad usage; none of it is made by looking."""
    done = inside("stats")
    assert done.returncode == 2 and "nothing was run here yet" in done.stderr
    assert list(inside.folder.iterdir()) == []


def test_explain_and_rehearse_know_what_was(inside: Inside) -> None:
    """Three successes of a specialist are an estimate; rehearsals draw from all its attempts."""
    plan = ran(inside)
    told = inside.json("explain", plan)
    assert 1.3 < told["total_s"] < 1.7  # two of 0.2 s, and one that never succeeded
    found = inside.json("rehearse", plan, "--seed", "3")
    assert found["sources"] == {"history": 2, "guess": 1} and 0.35 < found["makespan_s"]["p10"]
    text = inside("rehearse", plan, "--slots", "3").stdout
    assert "3 slots" in text and "200 plays" in text and "on the critical path" in text


def test_rehearse_needs_no_specialists(inside: Inside) -> None:
    """In real time the graph runs, with events; nothing is noted, nothing is made."""
    plan = inside.plan([{"id": "a", "specialist": "nobody", "estimated_s": 2}])
    done = inside("rehearse", plan, "--speed", "20", "--seed", "1")
    assert done.returncode == 0 and "in real time" in done.stdout and "[1/1] a succeeded" in done.stderr
    assert inside.json("rehearse", plan, "--speed", "100", "-q")["mode"] == "real"
    assert [path.name for path in inside.folder.iterdir()] == ["plan.json"]
    assert inside("rehearse", plan, "--speed", "2", "--virtual").returncode == 2
    assert inside("rehearse", plan, "--speed", "2", "--draws", "3").returncode == 2


def test_a_history_that_can_not_be_read_is_a_note(inside: Inside) -> None:
    """Explain goes on without it."""
    plan = inside.plan(TASKS)
    (inside.folder / "x.history.db").write_text("no database")
    done = inside("explain", plan, "--db", "x.db")
    assert done.returncode == 0 and "note: the times are without history" in done.stderr
