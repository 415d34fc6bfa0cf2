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


def test_own_specialists_tell_explain_and_rehearse_what_they_take(inside: Inside) -> None:
    """Tests work alone; the file's own output is not mixed into the answer."""
    inside.write("suites.py", OWN.replace('"slow"', '"slow", tags=("test",)') + "print('loaded')\n")
    plan = inside.plan([{"id": name, "specialist": "slow", "estimated_s": 1} for name in "abc"])
    assert inside.json("explain", plan)["expected_makespan_s"] == 1
    assert inside.json("explain", plan, "--specialists", "suites.py")["expected_makespan_s"] == 3
    assert inside.json("rehearse", plan, "--seed", "1")["makespan_s"]["p50"] < 2
    assert inside.json("rehearse", plan, "--seed", "1", "--specialists", "suites.py")["makespan_s"]["p50"] > 2
    fast = inside.json("rehearse", plan, "--speed", "9", "--specialists", "suites.py", "-q")
    assert fast["makespan_s"]["p50"] > 1.8


def test_plans_are_called_as_their_files(inside: Inside) -> None:
    """Where a plan gives no name; one that gives its own keeps it."""
    plan = inside.plan([{"id": "a", "specialist": "wait", "input": {"seconds": 0.05}}], name="nightly.json")
    assert inside("run", plan, "-q").returncode == 0
    inside.write("other.yaml", "name: own\ntasks: [{id: a, specialist: wait, input: {seconds: 0.05}}]\n")
    assert inside("run", "other.yaml", "-q").returncode == 0
    assert [row["name"] for row in inside.json("runs")] == ["own", "nightly"]
    assert {row["plan"] for row in inside.json("stats")["critical"]} == {"own", "nightly"}


def test_deadlines_and_conflicts_are_told_before_the_run(inside: Inside) -> None:
    """`explain` and `validate` say that the time is too short; all three say which tasks touch the same files."""
    wait = {"specialist": "wait", "input": {"seconds": 0.3}, "writes": ["f.txt"]}
    plan = inside.plan([{**wait, "id": f"t{n}"} for n in range(5)], deadline_s=0.2)
    told = inside("explain", plan)
    assert "deadline         0.20 s: 1.30 s too early" in told.stdout
    assert told.stderr.count("both touch") == 3 and "and 1 more such pairs" in told.stderr
    assert inside.json("explain", plan)["deadline_s"] == 0.2
    warned = inside("validate", plan).stderr
    assert "the critical path alone takes 0.30 s, and deadline_s is 0.2" in warned and warned.count("both touch") == 4
    assert inside("run", plan).stderr.count("both touch") == 3
    assert "both touch" not in inside("run", plan, "-q").stderr
