"""What is read of an answer: as a whole, and while it is being written."""

from __future__ import annotations

import json
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.models.faults import ModelAnswerError
from fanwise.nodes.planning.cycles import broken_cycles
from fanwise.nodes.planning.draft import read_draft
from fanwise.nodes.planning.stream import TaskStream
from fanwise.schema.cycles import find_cycles

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
tasks = st.lists(st.dictionaries(st.sampled_from(["id", "tasks", 'a"b', "x\\"]), json_values, max_size=3), max_size=5)


@given(tasks, st.dictionaries(st.sampled_from(["workflow", "params", "reply", "z"]), json_values), st.data())
def test_stream_finds_the_tasks_whatever_its_pieces(found: Any, head: Any, data: Any) -> None:
    """Each element once, as soon as it is complete; the head is what stands before them."""
    text = json.dumps({**head, "tasks": found, "reply_": "end"}, ensure_ascii=data.draw(st.booleans()))
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {len(text)})
    stream, got = TaskStream(), []
    for place in places:
        got += stream.feed(text[:place])

    assert got == found
    assert stream.head == {**head, "tasks": []}


@given(st.text(st.sampled_from('{}[]",:\\ atsk1'), max_size=60))
def test_stream_and_reader_take_any_text(text: str) -> None:
    """No text raises anything but the one error."""
    stream = TaskStream()
    for place in range(len(text)):
        stream.feed(text[:place])
    try:
        read_draft(text)
    except ModelAnswerError:
        pass


def test_a_long_answer_is_read_in_time_that_grows_with_it() -> None:
    """A long one in pieces of four characters, with one text that is half of it."""
    text = json.dumps({"tasks": [{"id": n, "description": "x" * 100} for n in range(1_000)] + [{"id": "y" * 130_000}]})
    stream, count, begun = TaskStream(), 0, time.process_time()
    for place in range(0, len(text) + 4, 4):
        count += len(stream.feed(text[:place]))

    assert count == 1_001
    assert time.process_time() - begun < 20  # cutting the text is what takes the time here


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ('[{"id": "a"}, {"id": "b"}]', ["a", "b"]),
        ('{"plan": {"tasks": [{"id": "a"}]}}', ["a"]),
        ('See [1] and {2}. ```json\n{"tasks": [{"id": "a"}]}\n``` {"tasks": []}', ["a"]),
        ('<think>{"id": 3}</think>{"tasks": [{"id": "a"}]}', ["a"]),
        ('{"tasks": null, "reply": "hi"}', []),
    ],
)
def test_answers_are_found_where_they_stand(text: str, ids: list[str]) -> None:
    """In a fence, in prose, one level down, as a bare list."""
    assert [task["id"] for task in read_draft(text).tasks] == ids


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (" ", "the answer is empty"),
        ("no", "the answer holds no JSON object with 'tasks'"),
        ('{"tasks": [}', "the answer is no JSON: "),
        ("[" * 100_000, "the answer is no JSON: "),
        ('{"tasks": [{"id": "\\ud800"}]}', "half of a surrogate pair"),
    ],
)
def test_what_is_no_answer_is_told(text: str, message: str) -> None:
    """In one message."""
    with pytest.raises(ModelAnswerError, match=message):
        read_draft(text)


def test_cycles_are_broken_with_the_fewest_dependencies() -> None:
    """As few as an exhaustive search finds, and never one that is fixed."""
    rng = random.Random(7)
    for _ in range(200):
        names = "abcde"
        graph = {name: [other for other in names if other != name and rng.random() < 0.35] for name in names}
        edges, lost = broken_cycles(graph, set())
        assert lost == []
        left = {task: [need for need in needs if (task, need) not in edges] for task, needs in graph.items()}
        assert not find_cycles(left)
        every = [(task, need) for task, needs in graph.items() for need in needs]
        if len(edges) > 1:  # no single one would have done
            for edge in every:
                assert find_cycles({t: [n for n in needs if (t, n) != edge] for t, needs in graph.items()})


def test_large_knots_are_broken_too() -> None:
    """A dense knot of many tasks: at most the dependencies that point forward."""
    names = [str(n) for n in range(25)]
    graph = {name: [other for other in names if other != name] for name in names}
    begun = time.process_time()
    edges, lost = broken_cycles(graph, set())

    assert lost == [] and len(edges) == 25 * 24 / 2
    assert time.process_time() - begun < 30
