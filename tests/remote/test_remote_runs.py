"""Remote specialists on a real server: outputs, progress, questions, failures, time-outs, and a death on our side."""

from __future__ import annotations

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import warm
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.types import Command

sys.path.insert(0, str(Path(__file__).parent))
from remote_runs import ran, told

from fanwise.graph import build_graph, remote_specialist, specialist

ROOT = Path(__file__).resolve().parents[2]
ONCE = {"max_attempts": 1}
TWICE = {"max_attempts": 2, "initial_s": 0.01}


def remotes(url: str) -> list[Any]:
    """Return a specialist for each graph of the server."""
    return [
        remote_specialist("worker", url=url, graph="worker"),
        remote_specialist("chat", url=url, graph="chat", input="messages"),
        remote_specialist("asker", url=url, graph="asker", output="answers"),
        remote_specialist("planned", url=url, graph="planned"),
    ]


def waits(*inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the input of the remote Fanwise graph: a plan."""
    tasks = [
        {"id": f"t{n}", "specialist": "wait", "input": {"seconds": 0.01, **own}, "required": n == 0}
        for n, own in enumerate(inputs)
    ]
    return {"plan": {"tasks": tasks}}


def test_each_kind_of_graph_gives_what_it_is_for(served: Any) -> None:
    """A state, an agent's text and tokens, a Fanwise run's results; failures are the task's; time-outs reach there."""
    tasks = [
        {"id": "state", "specialist": "worker", "input": {"name": "state", "seconds": 0.01}},
        {"id": "text", "specialist": "chat", "description": "Say hello", "depends_on": ["state"]},
        {"id": "run", "specialist": "planned", "input": waits({"output": 5})},
        {"id": "partial", "specialist": "planned", "input": waits({"output": 5}, {"fail_times": 9})},
        {"id": "failed", "specialist": "planned", "input": waits({"fail_times": 9}), "retry": ONCE},
        {"id": "raised", "specialist": "worker", "input": {"name": "raised", "fail": "boom"}},
        {"id": "unknown", "specialist": "nobody", "input": {"name": "x"}},
        {"id": "filled", "specialist": "own", "input": {"words": ["a", "b"], "seconds": 0}, "depends_on": ["state"]},
        {
            "id": "late",
            "specialist": "worker",
            "input": {"name": "late", "seconds": 20},
            "timeout_s": 2,
            "retry": TWICE,
        },
    ]
    name = "{{task.id}} after {{tasks.state.output.answer}}: {{task.input.words[1]}}"
    template = {"name": name, "seconds": "{{task.input.seconds}}"}
    more = [
        remote_specialist("nobody", url=served.url, graph="nobody"),
        remote_specialist("own", url=served.url, graph="worker", input=template, output="answer"),
    ]
    found, events = asyncio.run(ran([*remotes(served.url), *more], *tasks, text=True))
    state = {"name": "state", "seconds": 0.01, "steps": ["prepared", "worked"], "answer": "state is done"}
    assert found["state"]["output"] == state, found["state"]["error"]
    assert found["text"]["output"].startswith("You said: ")
    assert found["text"]["usage"] == {"input_tokens": 7, "output_tokens": 3, "total_tokens": 10}
    pieces = told(events, "task_text", task_id="text")
    assert len(pieces) > 1 and "".join(piece["text"] for piece in pieces) == found["text"]["output"]
    assert found["run"]["output"]["status"] == "succeeded" and found["run"]["output"]["results"] == {"t0": 5}
    assert "1 of 1 task succeeded" in found["run"]["output"]["answer"]
    assert found["partial"]["output"]["results"] == {"t0": 5}
    assert any("'partial'" in text and "t1: WaitFailed" in text for text in found["warnings"])
    assert "the remote run ended as failed: t0: WaitFailed" in found["failed"]["error"]
    assert "the remote run failed: ValueError: boom" in found["raised"]["error"] and found["raised"]["attempts"] == 1
    assert "no graph or assistant 'nobody'; its graphs are asker, chat, planned, worker" in found["unknown"]["error"]
    notes = told(events, "task_progress", task_id="state")
    assert [note["data"] for note in notes] == [{"note": "state prepares"}]
    inner = [event["data"]["type"] for event in told(events, "task_progress", task_id="run")]
    assert inner[0] == "run_started" and inner[-1] == "run_finished"
    assert found["filled"]["output"] == "filled after state is done: b is done"
    assert found["late"]["status"] == "timed_out" and found["late"]["attempts"] == 2
    until = time.monotonic() + 5
    while served.noted("cancelled late") < 2 and time.monotonic() < until:
        time.sleep(0.05)
    assert (served.noted("began late"), served.noted("cancelled late")) == (1, 2), "the second attempt goes on"


def test_a_remote_question_pauses_its_task_alone(served: Any) -> None:
    """Two open questions and a later one: the same values are asked here, and each answer goes to its own question."""
    saver = InMemorySaver()
    config: Any = {"configurable": {"thread_id": "q"}}
    tasks = [
        {"id": "ask", "specialist": "asker", "input": {"questions": ["one?", "two?", "three?"]}},
        {"id": "other", "specialist": "worker", "input": {"name": "other"}},
        {"id": "behind", "specialist": "worker", "input": {"name": "behind"}, "depends_on": ["ask"]},
    ]

    async def work() -> list[Any]:
        given: Any = {"plan": {"tasks": tasks}}
        asked: list[Any] = []
        while True:
            graph = build_graph(remotes(served.url), checkpointer=saver)  # each time as if in another process
            await graph.ainvoke(given, config)
            state = await graph.aget_state(config)
            if not state.interrupts:
                return [*asked, state.values["results"]]
            (question,) = state.interrupts
            asked.append(question.value["question"])
            assert "behind" not in state.values["results"]
            given = Command(resume={question.id: f"answer to {question.value['question']}"})

    *asked, results = asyncio.run(work())
    assert sorted(asked[:2]) == ["one?", "two?"] and asked[2:] == ["three?"]
    assert results["ask"]["output"] == ["first: answer to one?", "second: answer to two?", "last: answer to three?"]
    assert results["behind"]["status"] == "succeeded" and served.noted("began other") == 1


def test_an_attempt_after_a_failure(served: Any, tmp_path: Path) -> None:
    """It goes on where the remote run stopped: what was done there is not done again, unless that is wanted."""
    needed = tmp_path / "there"
    retry = {"max_attempts": 3, "initial_s": 0.3, "jitter": False}

    async def work() -> Any:
        found = []
        for way in ("continue", "restart"):
            own = remote_specialist(way, url=served.url, graph="worker", after_failure=way)  # type: ignore[arg-type]
            found.append(replace(own, retry_on=lambda error: True))  # a ValueError too
        tasks = [
            {
                "id": way.name,
                "specialist": way.name,
                "input": {"name": f"again-{way.name}", "fail_until": str(needed)},
                "retry": retry,
            }
            for way in found
        ]
        failed = 0
        async for event in build_graph(found).astream({"plan": {"tasks": tasks}}, stream_mode="custom"):
            failed += event["type"] == "attempt_failed"
            if failed == 2:
                await asyncio.to_thread(needed.touch)
            if event["type"] == "run_finished":
                return event["status"]

    assert asyncio.run(work()) == "succeeded"
    assert [served.noted(f"began again-{way}") for way in ("continue", "restart")] == [1, 2]
    assert [served.noted(f"ended again-{way}") for way in ("continue", "restart")] == [1, 1]


DYING = """
import asyncio, os, sys
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from fanwise.graph import build_graph, remote_specialist

async def work(url, db):
    async with AsyncSqliteSaver.from_conn_string(db) as saver:
        graph = build_graph([remote_specialist("worker", url=url, graph="worker", output="answer")], checkpointer=saver)
        tasks = [
            {"id": name, "specialist": "worker", "input": {"name": name, "seconds": seconds}}
            for name, seconds in (("short", 0.1), ("long", 2.5))
        ]
        config = {"configurable": {"thread_id": "dying"}}
        seen = 0
        async for event in graph.astream({"plan": {"tasks": tasks}}, config, stream_mode="custom"):
            seen += event["type"] == "task_progress"
            if seen == 2:
                os._exit(9)

asyncio.run(work(*sys.argv[1:]))
"""


def test_a_death_on_our_side_loses_no_remote_work(served: Any, tmp_path: Path) -> None:
    """Another process takes the result that came meanwhile, and joins the run that goes on; none is begun again."""
    db = str(tmp_path / "runs.db")
    dead = warm.run([sys.executable, "-c", DYING, served.url, db], cwd=tmp_path, capture_output=True)
    assert dead.returncode == 9, dead.stderr.decode()
    until = time.monotonic() + 10
    while not served.noted("ended short") and time.monotonic() < until:
        time.sleep(0.05)
    assert not served.noted("ended long")

    async def go_on() -> Any:
        async with AsyncSqliteSaver.from_conn_string(db) as saver:
            worker = remote_specialist("worker", url=served.url, graph="worker", output="answer")
            graph = build_graph([worker], checkpointer=saver)
            return await graph.ainvoke(None, {"configurable": {"thread_id": "dying"}})

    results = asyncio.run(go_on())["results"]
    assert {name: result["output"] for name, result in results.items()} == {
        "short": "short is done",
        "long": "long is done",
    }
    assert [served.noted(f"{did} {name}") for did in ("began", "ended") for name in ("short", "long")] == [1, 1, 1, 1]


def test_a_plain_remote_graph_is_a_specialist_too(served: Any) -> None:
    """As any Runnable: it is given the task's input, and its last state is the output."""
    from langgraph.pregel.remote import RemoteGraph
    from langgraph_sdk import get_client

    @specialist("after")
    def after(task: Any, results: Any) -> Any:
        return results["plain"].output["answer"]

    async def work() -> Any:
        async with get_client(url=served.url, api_key=None) as client:
            plain = RemoteGraph("worker", client=client)
            tasks = [
                {"id": "plain", "specialist": "plain", "input": {"name": "plain"}},
                {"id": "after", "specialist": "after", "depends_on": ["plain"]},
                {"id": "wrong", "specialist": "plain", "input": {"name": "wrong", "fail": "boom"}},
            ]
            return await ran({"plain": plain, "after": after}, *tasks)

    found, _ = asyncio.run(work())
    assert found["after"]["output"] == "plain is done", found["plain"]["error"]
    assert found["wrong"]["status"] == "failed" and "boom" in found["wrong"]["error"]
