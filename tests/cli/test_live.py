"""What the live display draws: a run's state goes in, rows come out."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from fanwise.cli.display import watch
from fanwise.cli.job import Job
from fanwise.cli.lines import Lines
from fanwise.cli.live import LiveDisplay
from fanwise.cli.progress import Progress, about, cost_text, tokens_text
from fanwise.cli.rows import Pen
from fanwise.cli.view import View

from .conftest import Inside, Terminal

TASKS: list[dict[str, Any]] = [
    {"id": "fetch", "specialist": "http", "title": "Fetch the orders", "estimated_s": 2},
    {"id": "stock", "specialist": "http", "title": "価格を取得する 🎉", "estimated_s": 2},
    {"id": "docs", "specialist": "http", "title": "Read the docs", "estimated_s": 1},
    {"id": "join", "specialist": "sql", "title": "Join both", "depends_on": ["fetch", "stock"], "estimated_s": 10},
    {"id": "ship", "specialist": "mail", "depends_on": ["fetch"], "estimated_s": 1},
    {"id": "a-task-with-a-name-that-is-long", "specialist": "mail", "depends_on": ["fetch", "stock", "join"]},
]


def run(tasks: list[dict[str, Any]], *events: tuple[float, Mapping[str, Any]], **config: Any) -> Progress:
    """A run with this plan, to which this has happened."""
    progress = Progress()
    progress.begin(0.0)
    progress.take({"type": "run_started", "total": len(tasks), "plan": "demo"}, 0.0)
    progress.take_update({"planner": {"plan": {"tasks": tasks, "config": config}, "currency": "EUR"}})
    for now, event in events:
        progress.take(event, now)
    return progress


def started(task: str, attempt: int = 1) -> dict[str, Any]:
    """An attempt began."""
    return {"type": "task_started", "task_id": task, "attempt": attempt}


def ended(task: str, status: str = "succeeded", error: str | None = None, took: float = 2.0) -> dict[str, Any]:
    """A task has its result."""
    return {"type": "task_finished", "task_id": task, "status": status, "error": error, "duration_s": took}


def drawn(progress: Progress, now: float, width: int = 120, height: int = 40, *, fancy: bool = True) -> list[str]:
    """The rows as text, each of which fits its terminal."""
    rows = [row.plain for row in View(progress).rows(Pen(width, fancy), height, now)]
    assert len(rows) < max(height, 2)
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    display = LiveDisplay(progress, console)
    with console.capture() as capture:
        console.print(display.picture(now))
    assert all(cell_len(line) <= width for line in capture.get().splitlines())
    return rows


@pytest.fixture
def busy() -> Progress:
    """A run with something of everything in it."""
    usage = {"input_tokens": 2000, "output_tokens": 500, "total_tokens": 2500, "cost": 0.0125}
    return run(
        TASKS,
        (0.0, started("fetch")),
        (0.0, started("stock")),
        (0.0, started("docs")),
        (1.0, ended("docs", "failed", "ValueError: \x1b[31mno\x1b[0m such\nfile 'docs/index.md'", 1.0)),
        (2.0, {"type": "attempt_ended", "task_id": "fetch", "usage": usage}),
        (2.0, ended("fetch")),
        (2.0, {"type": "attempt_failed", "task_id": "stock", "error": "TimeoutError", "retry_in_s": 3.0}),
        (2.0, {"type": "task_paused", "task_id": "ship", "review": "before"}),
    )


def row_of(rows: list[str], task: str) -> str:
    """The row of a task."""
    return next(row for row in rows if task in row.split(":")[0])


def test_all_tasks_with_their_states(busy: Progress) -> None:
    """One row each, phase by phase: what works, what waits for what or whom, what failed and why."""
    rows = drawn(busy, 3.0)
    facts = "2/6 · 0:03 · expected ~20 s more · 1 failed · 1 waits for you · 2.5k tokens · 0.013 EUR"
    assert rows[0].endswith(facts)
    assert row_of(rows, "fetch").startswith("1 ✓ fetch ")
    assert "again in 2 s: TimeoutError" in row_of(rows, "stock")
    assert "waits for you: may it run?" in row_of(rows, "ship")
    assert "~10 s" in row_of(rows, "join") and row_of(rows, "join").endswith("after stock")
    assert "after stock, join" in row_of(rows, "a-task")
    assert "✗ docs" in row_of(rows, "docs") and "no such file 'docs/index.md'" in row_of(rows, "docs")
    assert not any("\x1b" in row or "\n" in row for row in rows)


@pytest.mark.parametrize("width", [120, 80, 40, 20])
def test_columns_stand_below_each_other(busy: Progress, width: int) -> None:
    """At any width, wide characters counted; times end in one column."""
    rows = drawn(busy, 3.0, width)
    tasks = [row for row in rows if len(row) > 4 and row[2] in "✓✗↻?·" and row[0] in "123 "]
    assert len(tasks) == len(TASKS)
    names = {cell_len(row[: row.index(task["id"][:4])]) for row, task in zip(tasks[:3], TASKS, strict=False)}
    assert names == {4}
    assert len({row.index(" s ") for row in tasks if row[2] in "✓✗" and " s " in row}) <= 1


def test_rows_stay_where_they_are(busy: Progress) -> None:
    """Whatever happens to the tasks, each keeps its row, and names and titles their columns."""
    before = drawn(busy, 3.0)
    for now, event in ((4.0, started("stock", 2)), (5.0, ended("stock")), (5.0, started("join")), (6.0, ended("join"))):
        busy.take(event, now)
        after = drawn(busy, now)
        for task in TASKS[1:]:
            was, now_is = (
                next((i, row.index(task["id"])) for i, row in enumerate(rows) if f" {task['id']} " in row)
                for rows in (before, after)
            )
            assert was == now_is


def test_words_of_others_stay_in_their_row() -> None:
    """Escape codes, line breaks and direction marks of ids, titles and errors are no commands."""
    evil = "x\x1b[2J\u202e\n[bold]y\x9b5m"
    tasks = [{"id": evil, "specialist": evil, "title": evil * 40}]
    progress = run(tasks, (0.0, started(evil)), (1.0, ended(evil, "failed", evil * 100)))
    progress.take({"type": "pool_changed", "pool": evil, "limit": 1, "why": evil}, 1.0)
    progress.take({"type": "budget_used", "why": evil}, 1.0)
    for width, height in itertools.product((120, 40, 8), (40, 5, 2)):
        text = "".join(drawn(progress, 2.0, width, height))
        assert not {"\x1b", "\n", "\u202e", "\x9b"} & set(text)


def many(count: int = 300) -> list[dict[str, Any]]:
    """A plan of hundreds of tasks."""
    fetch = [{"id": f"fetch-{i}", "specialist": "fetch", "estimated_s": 1} for i in range(count // 2)]
    parse = [
        {"id": f"parse-{i}", "specialist": "parse", "depends_on": [f"fetch-{i}"], "estimated_s": 2}
        for i in range(count - count // 2)
    ]
    return [*fetch, *parse]


@pytest.mark.parametrize(("width", "height"), [(120, 40), (80, 24), (40, 20), (40, 10), (20, 5)])
def test_hundreds_of_tasks_are_folded(width: int, height: int) -> None:
    """Counts by state and specialist, the tasks at work that fit, the rest in one line, the last error."""
    events = [(0.0, ended(f"fetch-{i}")) for i in range(50)] + [(1.0, started(f"fetch-{i}")) for i in range(50, 90)]
    events += [(1.0, {"type": "task_queued", "task_id": f"fetch-{i}"}) for i in range(90, 150)]
    events += [(1.0, ended("parse-3", "failed", "ValueError: no such page"))]
    progress = run(many(), *events, max_parallel=40)
    rows = drawn(progress, 2.0, width, height)
    text = "\n".join(rows)
    assert "51/300" in rows[0] and "more at work" in text
    if height >= 20:
        assert "40 running · " in text and "parse-3: ValueError: no such page" in text
        assert next(row for row in rows if row.startswith("  fetch ")).split("─ ")[1].startswith(" 50/150")
    if width >= 80:
        assert "40 running · 60 ready · 149 waiting for others · 50 succeeded" in text
    shown = sum("⠋" <= row[:1] <= "⣿" for row in rows)
    assert f"and {40 - shown} more at work" in text


def test_tasks_at_work_keep_their_rows_when_folded() -> None:
    """One that begins takes the row of one that ended."""
    progress = run(many(), *((0.0, started(f"fetch-{i}")) for i in range(4)))
    view = View(progress)

    def at_work(now: float) -> list[str]:
        return [row.plain.split()[1] for row in view.rows(Pen(80), 40, now) if "fetch-" in row.plain]

    assert at_work(1.0) == ["fetch-0", "fetch-1", "fetch-2", "fetch-3"]
    progress.take(ended("fetch-1"), 1.5)
    assert at_work(1.6) == ["fetch-0", "fetch-1", "fetch-2", "fetch-3"]
    progress.take(started("fetch-4"), 1.7)
    assert at_work(1.8) == ["fetch-0", "fetch-4", "fetch-2", "fetch-3"]
    progress.take(ended("fetch-0"), 2.0)
    assert at_work(2.1) == ["fetch-0", "fetch-4", "fetch-2", "fetch-3"]
    assert at_work(9.0) == ["fetch-4", "fetch-2", "fetch-3"]


def test_what_the_rest_takes_is_expected_by_what_is_known() -> None:
    """Estimates of the plan, what worked so far, slots; nothing is said where nothing is known."""
    one_by_one = run(TASKS[:3], (0.0, started("fetch")), max_parallel=1)
    assert one_by_one.left_s(1.0) == pytest.approx(4.0)
    assert one_by_one.left_s(1.5) == pytest.approx(3.5)  # between two looks the clock goes on
    beside = run(TASKS[:3], *((0.0, started(task)) for task in ("fetch", "stock", "docs")))
    assert beside.left_s(1.0) == pytest.approx(1.0)
    late = run(TASKS[:1], (0.0, started("fetch")))
    assert late.left_s(20.0) == pytest.approx(2.0)
    unknown = run([{"id": name, "specialist": "own"} for name in "abc"], max_parallel=1)
    assert unknown.left_s(1.0) is None and "expected" not in drawn(unknown, 1.0)[0]
    unknown.take(ended("a", took=7.0), 7.0)
    assert unknown.left_s(9.0) == pytest.approx(14.0)
    of_history = Progress()
    of_history.take_plan({"tasks": [{"id": "a", "specialist": "own"}]}, {"own": {"p50": 5.0, "p95": 9.0, "n": 9}})
    assert of_history.left_s(0.0) == pytest.approx(5.0)


def test_thousands_of_tasks_are_not_played_through() -> None:
    """Slots and the longest path tell enough."""
    progress = run(many(3000), max_parallel=10)
    assert progress.left_s(0.0) == pytest.approx(450.0)


@pytest.mark.parametrize("how", ["phased", "aggregate"])
def test_what_is_expected_knows_the_schedule(how: str) -> None:
    """Phases wait for their slowest task, aggregates take no time."""
    tasks = [
        {"id": "a", "specialist": "own", "estimated_s": 1},
        {"id": "b", "specialist": "own", "estimated_s": 5},
        {"id": "c", "specialist": "own", "estimated_s": 4, "depends_on": ["a"]},
    ]
    if how == "phased":
        assert run(tasks, schedule="phased").left_s(0.0) == pytest.approx(9.0)
        return
    combined = {"id": "all", "specialist": "aggregate", "aggregate": {"strategy": "merge"}, "depends_on": ["b", "c"]}
    assert run([*tasks, combined], (0.0, ended("b"))).left_s(1.0) == pytest.approx(5.0)


def test_budget_pools_rounds_and_stops_are_told(busy: Progress) -> None:
    """They stay for as long as they hold."""
    busy.take({"type": "pool_changed", "pool": "http", "limit": 2, "why": "it was told to slow down"}, 3.0)
    busy.take({"type": "round_started", "round": 2, "tasks": ["x"], "total": 7, "why": ""}, 3.0)
    rows = drawn(busy, 3.0)
    assert "! http: at most 2 at a time, it was told to slow down" in rows and "round 2" in rows[0] + rows[1]
    busy.take({"type": "pool_changed", "pool": "http", "limit": None, "why": "it recovered"}, 4.0)
    busy.take({"type": "budget_used", "why": "max_tokens 2000 are used"}, 4.0)
    rows = drawn(busy, 4.0)
    assert not any("http: at most" in row for row in rows)
    assert "! max_tokens 2000 are used: what runs ends, nothing more starts" in rows and "expected ~" not in rows[0]
    busy.stops_at = 34.0
    assert "stopping, 0:29 left" in drawn(busy, 5.0)[0]


def test_questions_stay_open_over_a_resume() -> None:
    """Who has not answered is still waited for; what worked before does so no more."""
    progress = run(TASKS, (0.0, started("fetch")))
    progress.asked = {"ship": "before"}
    progress.begin(10.0)
    rows = drawn(progress, 11.0)
    assert "waits for you: may it run?" in row_of(rows, "ship") and " · fetch " in " " + row_of(rows, "fetch")
    progress.take(started("ship"), 12.0)
    assert not progress.waiting
    progress.begin(20.0)
    assert not progress.waiting


def test_a_task_that_is_done_again_counts_once() -> None:
    """It works again, and ends again."""
    progress = run(TASKS, (1.0, ended("fetch")), (2.0, started("fetch", 2)))
    assert progress.done == 0 and "fetch" in progress.running and not progress.counts["succeeded"]
    progress.take(ended("fetch"), 3.0)
    assert progress.done == 1 and progress.counts["succeeded"] == 1


def test_plain_marks_where_the_encoding_has_no_others(busy: Progress) -> None:
    """Nothing but what the tasks' own words hold is outside ASCII."""
    rows = drawn(busy, 3.0, fancy=False)
    assert all(row.replace(TASKS[1]["title"], "").isascii() for row in rows)
    assert "==" in rows[0] and row_of(rows, "fetch")[2] == "+"


def test_amounts() -> None:
    """In few characters."""
    assert [about(s) for s in (0.2, 7.4, 13, 58, 87, 600, 4000)] == (
        ["~1 s", "~7 s", "~15 s", "~1 min", "~1:30", "~10 min", "~1 h 07 min"]
    )
    assert [tokens_text(n) for n in (1, 999, 12_345, 250_000, 3_200_000)] == (
        ["1 token", "999 tokens", "12.3k tokens", "250k tokens", "3.2M tokens"]
    )
    assert [cost_text(c, "USD") for c in (0.0042, 0.0412, 12.345)] == ["0.0042 USD", "0.041 USD", "12.35 USD"]


def test_a_long_silence_is_broken_in_plain_lines(busy: Progress) -> None:
    """With what is at work, what waits, and what is expected."""
    said = Lines(busy).standing(3.0)
    assert said.startswith("[2/6] at work: stock (3.00 s); 1 waits for a person; expected ~")
    assert said.endswith("more; 2.5k tokens")


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"CI": "true"}, {"TERM": "dumb"}, {}])
def test_which_display_fits(monkeypatch: pytest.MonkeyPatch, env: Mapping[str, str]) -> None:
    """Plain lines under NO_COLOR and CI, and on a terminal that can't be redrawn."""
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    screen = io.StringIO()
    always: Callable[[], bool] = lambda: True  # noqa: E731
    monkeypatch.setattr(screen, "isatty", always)
    monkeypatch.setattr("sys.stderr", screen)
    with watch(Progress(), Job("t")) as display:
        assert isinstance(display, Lines if env else LiveDisplay)
    assert ("\x1b" in screen.getvalue()) is not bool(env)


def test_on_a_terminal(inside: Inside) -> None:
    """Each drawing appears as a whole, and what is said at the end is the last thing."""
    tasks = [
        {"id": "first", "input": {"seconds": 0.3}, "title": "The first one"},
        {"id": "second", "input": {"seconds": 60}, "depends_on": ["first"], "timeout_s": 2},
    ]
    terminal = Terminal(inside, "run", inside.plan(tasks, retry={"max_attempts": 1}), env={"PYTHONUTF8": "1"})
    terminal.until("\x1b[?2026h")
    terminal.until("The first one")
    terminal.until("1/2")
    code, out = terminal.end()
    assert code == 1 and "second" in out
    assert terminal.said.count("\x1b[?2026h") == terminal.said.count("\x1b[?2026l")
