"""The pure model: what each task did when, slots, the critical path, and the graph's places."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from timeline_runs import BEGAN, at, attempt, event, kinds, made, result, sample, task

from fanwise.graph import recorder
from fanwise.graph.history import MemoryHistory
from fanwise.graph.one_call import arun
from fanwise.timeline.layout import layout


def test_waits_attempts_and_backoff_follow_each_other_without_gaps() -> None:
    """The wait for dependencies, the queue, a failed attempt, the backoff, the queue again, an attempt."""
    attempts = [
        attempt("a", 1, 0, 1),
        attempt("b", 1, 2, 1, "failed", queued_s=1, error="ValueError"),
        attempt("b", 2, 6, 1, queued_s=0.5),
    ]
    found = made([task("a"), task("b", "a")], [result("a", 0, 1), result("b", 2, 7, attempts=2)], attempts)
    assert kinds(found, "b") == [
        ("dependencies", 0, 1),
        ("queued", 1, 2),
        ("attempt", 2, 3),
        ("backoff", 3, 5.5),
        ("queued", 5.5, 6),
        ("attempt", 6, 7),
    ]


def test_a_run_without_history_is_drawn_from_its_results() -> None:
    """Pruned or forked: each task has one attempt, from its result."""
    found = made([task("a"), task("b", "a")], [result("a", 0, 1), result("b", 2, 3, queued_s=1.0)])
    assert kinds(found, "b") == [("dependencies", 0, 1), ("queued", 1, 2), ("attempt", 2, 3)]
    assert found.length_s == 3


def test_a_question_before_a_task_is_a_pause() -> None:
    """From the moment it was put until the task went on, processes or not."""
    events = [event("", "began", 0), event("a", "paused", 0.2), event("", "ended", 0.3), event("", "began", 60)]
    found = made([task("a")], [result("a", 60.5, 61)], [attempt("a", 1, 60.5, 0.5)], [*events, event("", "ended", 61)])
    assert kinds(found, "a") == [("dependencies", 0, 0.2), ("paused", 0.2, 60.5), ("attempt", 60.5, 61)]
    assert [(session.start, session.end) for session in found.sessions] == [(0, 0.3), (60, 61)]


def test_a_paused_run_goes_on_waiting() -> None:
    """Its picture reaches until now, and so does the pause."""
    events = [event("", "began", 0), event("a", "paused", 2), event("", "ended", 2)]
    found = made([task("a")], [result("a", status="paused")], [], events, status="paused", now=50)
    assert kinds(found, "a") == [("dependencies", 0, 2), ("paused", 2, 50)]
    assert found.rows[0].segments[-1].open and not found.is_live


def test_a_task_of_a_later_round_begins_with_it() -> None:
    """It did not wait before it was there."""
    found = made([task("a"), task("b")], [], [attempt("a", 1, 0, 1)], [event("b", "added", 5), event("b", "queued", 6)])
    assert kinds(found, "b") == [("dependencies", 5, 6)]


def test_a_review_of_an_output_lasts_until_its_answer() -> None:
    """The attempt is over by then; the result's end is the attempt's."""
    reviews = ({"when": "after", "decision": "approve", "at": at(30)},)
    told = result("a", 0, 1, reviews=reviews)
    found = made([task("a")], [told], [attempt("a", 1, 0, 1)], [event("a", "paused", 1), event("", "ended", 30)])
    assert kinds(found, "a") == [("attempt", 0, 1), ("paused", 1, 30)]


def test_a_task_tells_where_it_was_worked_at() -> None:
    """On which other deployment; an address is content, which a page without it does not hold."""
    place = {"url": "http://b", "graph": "g", "thread_id": "t", "run_id": "r", "moved_from": ["http://a"]}
    there = [result("a", 0, 1, remote=place), result("b", 0, 1)]
    told = [row.remote for row in made([task("a"), task("b")], there, with_data=True).rows]
    assert told == ["http://b: graph g, thread t, run r; moved there from http://a", ""]
    assert made([task("a")], there[:1], with_data=False).rows[0].remote == ""


def test_an_attempt_that_asked_a_person_is_one_that_was_not_finished() -> None:
    """It has a start and a question, and no row of its own."""
    events = [
        event("", "began", 0),
        event("a", "started", 1, attempt=1),
        event("a", "paused", 2),
        event("", "ended", 2),
    ]
    found = made([task("a")], [result("a", status="paused")], [], events, status="paused")
    assert kinds(found, "a")[1] == ("attempt", 1, 2)
    assert found.rows[0].segments[1].status == "asked"
    assert found.rows[0].status == "paused"


def test_a_run_at_work_goes_on_until_now() -> None:
    """One task works, one queues, one waits for another attempt, one for its dependencies."""
    tasks = [task("a"), task("b"), task("c"), task("d", "a")]
    events = [
        event("", "began", 0),
        event("a", "started", 1, attempt=1),
        event("b", "queued", 0.5),
        event("c", "failed", 3, attempt=1, retry_in_s=9),
    ]
    found = made(tasks, [], [attempt("c", 1, 1, 2, "failed")], events, status="running", now=10.00000049)
    rows = {row.id: row for row in found.rows}
    assert [(name, row.status, row.segments[-1].kind, row.segments[-1].open) for name, row in rows.items()] == [
        ("a", "running", "attempt", True),
        ("b", "pending", "queued", True),
        ("c", "running", "backoff", True),
        ("d", "pending", "dependencies", True),
    ]
    assert found.is_live and found.length_s == 10 and found.critical == ("a",)


def test_a_killed_run_ends_with_the_last_that_is_known() -> None:
    """What was at work then is interrupted, and nothing goes on."""
    events = [event("", "began", 0), event("a", "started", 1, attempt=1), event("b", "queued", 4)]
    found = made([task("a"), task("b")], [], [], events, status="interrupted", now=5000)
    assert found.length_s == 4
    assert [segment.status for segment in found.rows[0].segments if segment.kind == "attempt"] == ["interrupted"]
    assert not any(segment.open for row in found.rows for segment in row.segments)


def test_after_a_retry_no_process_was_at_work_in_between() -> None:
    """That is no backoff; the retry's attempts are counted anew."""
    events = [
        event("", "began", 0),
        event("a", "failed", 1, attempt=1, retry_in_s=0.5),
        event("", "ended", 4),
        event("", "began", 50),
        event("", "ended", 53),
    ]
    attempts = [
        attempt("a", 1, 0, 1, "failed"),
        attempt("a", 2, 1.5, 0.5, "failed"),
        attempt("b", 1, 0, 4),
        attempt("a", 1, 51, 2, queued_s=0.5),
    ]
    found = made([task("a"), task("b")], [result("a", 51, 53), result("b", 0, 4)], attempts, events)
    assert kinds(found, "a") == [
        ("attempt", 0, 1),
        ("backoff", 1, 1.5),
        ("attempt", 1.5, 2),
        ("stopped", 4, 50),
        ("dependencies", 50, 50.5),
        ("queued", 50.5, 51),
        ("attempt", 51, 53),
    ]
    assert [s.turn for s in found.rows[0].segments if s.kind == "attempt"] == [1, 1, 2]


def test_a_task_that_is_tried_again_waits_from_when_the_run_was_taken_up() -> None:
    """While the retry goes on, too."""
    events = [event("", "began", 0), event("", "ended", 2), event("", "began", 50), event("a", "queued", 51)]
    found = made([task("a")], [], [attempt("a", 1, 0, 1, "failed")], events, status="running", now=60)
    assert kinds(found, "a")[1:] == [("stopped", 2, 50), ("dependencies", 50, 51), ("queued", 51, 60)]


def test_the_backoff_before_an_attempt_at_work_is_drawn() -> None:
    """It is known from the failure, since the attempt has no row yet; so is the queue after it."""
    events = [
        event("", "began", 0),
        event("a", "queued", 0),
        event("a", "failed", 2, attempt=1, retry_in_s=3),
        event("a", "started", 6, attempt=2),
        event("b", "failed", 2, attempt=1, retry_in_s=3),
    ]
    attempts = [attempt("a", 1, 0, 2, "failed"), attempt("b", 1, 0, 2, "failed")]
    found = made([task("a"), task("b")], [], attempts, events, status="running", now=8)
    assert kinds(found, "a") == [("attempt", 0, 2), ("backoff", 2, 5), ("queued", 5, 6), ("attempt", 6, 8)]
    assert kinds(found, "b") == [("attempt", 0, 2), ("backoff", 2, 5), ("queued", 5, 8)]


def test_a_process_that_died_was_at_work_until_its_last_sign_of_life() -> None:
    """Then nothing was, until the run was taken up again."""
    events = [
        event("", "began", 0),
        event("a", "started", 1, attempt=1),
        event("", "alive", 7),
        event("", "began", 50),
        event("", "ended", 53),
    ]
    found = made([task("a")], [result("a", 51, 53)], [attempt("a", 1, 51, 2)], events)
    expected = [("attempt", 1, 7), ("stopped", 7, 50), ("dependencies", 50, 51), ("attempt", 51, 53)]
    assert kinds(found, "a")[1:] == expected
    assert [(session.start, session.end) for session in found.sessions] == [(0, 7), (50, 53)]


def test_a_process_leaves_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """While nothing else happens in its run."""
    monkeypatch.setattr(recorder, "ALIVE_S", 0.05)
    history = MemoryHistory()
    plan = {"tasks": [{"id": "a", "specialist": "wait", "input": {"seconds": 1.5}}]}
    asyncio.run(arun(plan, thread_id="th", history=history))
    (run,) = history.runs()
    assert "alive" in [row.kind for row in history.events("th", run.run_id)]


def test_the_critical_path_leaves_out_what_nobody_waited_for() -> None:
    """A race goes on with its winner; the longer loser is not on the path."""
    tasks = [
        task("fast"),
        task("slow"),
        task("race", "fast", "slow", aggregate={"strategy": "race"}),
        task("z", "race"),
    ]
    results = [
        result("fast", 0, 1),
        result("slow", 0, 1.5, status="cancelled", by_choice=True),
        result("race", 1, 1, let_go=("slow",)),
        result("z", 1, 4),
    ]
    found = made(tasks, results)
    assert found.critical == ("fast", "race", "z")
    assert [row.id for row in found.rows if row.critical] == ["fast", "race", "z"]


def test_the_critical_path_leads_through_what_was_skipped() -> None:
    """It follows dependencies; what was skipped last is not on it."""
    tasks = [task("a"), task("b", "a"), task("c", "b", run_if="all_done"), task("d", "c")]
    ended = [result("a", 0, 2, status="failed"), result("b", None, 2, status="skipped"), result("c", 2, 3)]
    assert made(tasks, [*ended, result("d", None, 3, status="skipped")]).critical == ("a", "b", "c")


def test_the_figures_leave_out_the_time_in_which_nothing_was_at_work() -> None:
    """A retry after a night is no slow run."""
    events = [event("", "began", 0), event("", "ended", 2), event("", "began", 30000), event("", "ended", 30002)]
    attempts = [attempt("a", 1, 0, 2, "failed"), attempt("b", 1, 0, 2), attempt("a", 1, 30000, 2)]
    found = made([task("a"), task("b")], [result("a", 30000, 30002), result("b", 0, 2)], attempts, events).figures
    assert (found.was_left, found.at_work_s, found.work_s, found.speedup) == (True, 4, 6, 1.5)


def test_the_figures_of_a_run_at_work_reach_until_now() -> None:
    """The report knows only what is over."""
    events = [event("", "began", 0), event("a", "started", 0, attempt=1), event("b", "started", 0, attempt=1)]
    found = made([task("a"), task("b")], [], [], events, status="running", now=8).figures
    assert (found.at_work_s, found.work_s, found.speedup, found.critical_path_s) == (8, 16, 2, 8)


def test_a_plan_without_tasks_is_an_empty_picture() -> None:
    """Nothing to draw, and no error."""
    found = made([], [])
    assert (found.rows, found.slots, found.length_s, found.critical, found.graph.width) == ((), 0, 0, (), 0)


def test_a_picture_to_hand_on_holds_no_data() -> None:
    """Neither inputs nor outputs, errors, the request or the summary."""
    secret = "hush-" + "x" * 20
    tasks = [task("a", input={"key": secret}, description=secret)]
    results = [result("a", 0, 1, status="failed", output=secret, error=secret)]
    attempts = [attempt("a", 1, 0, 1, "failed", error=secret)]
    found = made(tasks, results, attempts, with_data=False, summary=secret, request=secret)
    assert secret not in found.model_dump_json()


def test_long_outputs_are_cut() -> None:
    """And it is told how much is left out."""
    found = made([task("a")], [result("a", 0, 1, output="x" * 200_000)])
    output = found.rows[0].output
    assert output is not None and (len(output.text), output.left_out) == (60_000, 140_000)


def test_the_sample_tells_its_start() -> None:
    """Times are counted from the moment at which a process took the run up."""
    assert sample().started_at == BEGAN.isoformat(timespec="milliseconds")


spans = st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=40)


@given(spans)
def test_no_slot_does_two_things_at_once(given_spans: list[tuple[int, int]]) -> None:
    """And no more slots are used than attempts overlap."""
    tasks = [task(f"t{n}") for n in range(len(given_spans))]
    results = [result(f"t{n}", start, start + took) for n, (start, took) in enumerate(given_spans)]
    attempts = [attempt(f"t{n}", 1, start, took) for n, (start, took) in enumerate(given_spans)]
    found = made(tasks, results, attempts)
    by_slot: dict[int, list[tuple[float, float]]] = {}
    for row in found.rows:
        for segment in row.segments:
            if segment.kind == "attempt":
                assert segment.slot is not None
                by_slot.setdefault(segment.slot, []).append((segment.start, segment.end))
    for worked in by_slot.values():
        ordered = sorted(worked)
        assert all(one[1] <= two[0] + 1e-6 for one, two in pairwise(ordered))
    first = min((start for start, _ in given_spans), default=0)
    deepest = max(
        (sum(s <= t < s + took for s, took in given_spans) for t in range(first, 71)),
        default=0,
    )
    assert found.slots == len(by_slot) == deepest


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, set[str]]:
    """Acyclic graphs."""
    count = draw(st.integers(0, 60))
    earlier = [st.sets(st.integers(0, max(0, n - 1)), max_size=4) for n in range(count)]
    return {f"t{n}": {f"t{need}" for need in draw(needs) if need < n} for n, needs in enumerate(earlier)}


@given(graphs())
def test_boxes_of_the_graph_never_overlap_and_edges_lead_to_the_right(graph: dict[str, set[str]]) -> None:
    """Whatever the graph is."""
    found = layout({name: sorted(needs) for name, needs in graph.items()})
    assert set(found.places) == set(graph)
    assert len(set(found.places.values())) == len(graph)
    for name, needs in graph.items():
        x, y = found.places[name]
        assert 0 <= x <= found.graph.width - found.graph.box_width
        assert 0 <= y <= found.graph.height - found.graph.box_height
        assert all(found.places[need][0] + found.graph.box_width < x for need in needs)
