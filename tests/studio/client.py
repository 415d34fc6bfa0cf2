"""A client that knows LangGraph's public protocols and nothing of Fanwise: `python tests/studio/client.py URL`.

Each step below asserts what a client may rely on, and returns a line about it.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any
from uuid import uuid4

from langgraph.pregel.remote import RemoteGraph
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

MODES = ["values", "updates", "messages", "messages-tuple", "custom", "tasks", "checkpoints", "debug", "events"]
GRAPH = "fanwise"


def plan(*tasks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"plan": {"name": "of a client", "request": "Is it done?", "tasks": list(tasks), **more}}


def task(name: str, *needs: str, seconds: float = 0.0, **more: Any) -> dict[str, Any]:
    given = {"seconds": seconds, "output": {"is": name}}
    return {"id": name, "specialist": "wait", "input": given, "depends_on": list(needs), **more}


REVIEWED = plan(task("draft"), task("send", "draft", review="before"), task("post", "draft", review="before"))


async def every_stream_mode(client: LangGraphClient) -> str:
    seen: dict[str, int] = {}
    for mode in MODES:
        thread = await client.threads.create()
        chunks = client.runs.stream(
            thread["thread_id"], GRAPH, input={**plan(task("a"), task("b", "a")), "messages": "Go on"}, stream_mode=mode
        )
        events = [chunk.event async for chunk in chunks]
        assert "error" not in events, events
        seen[mode] = len(
            [event for event in events if event.partition("/")[0].split("|")[0] in (mode, "messages", "custom")]
        )
        assert seen[mode] > 0, (mode, events)
    return f"stream modes: {', '.join(f'{mode} {count}' for mode, count in seen.items())}"


async def custom_events_tell_the_story(client: LangGraphClient) -> str:
    chunks = client.runs.stream(None, GRAPH, input=plan(task("a"), task("b", "a")), stream_mode="custom")
    kinds = [chunk.data["type"] async for chunk in chunks if chunk.event == "custom"]
    assert kinds[0] == "run_started" and kinds[-1] == "run_finished", kinds
    assert kinds.count("task_finished") == 2, kinds
    return f"custom: {len(kinds)} events from {kinds[0]} to {kinds[-1]}"


async def typed_stream(client: LangGraphClient) -> str:
    thread = await client.threads.create()
    chunks = client.runs.stream(
        thread["thread_id"], GRAPH, input=plan(task("a")), stream_mode=["values", "updates"], version="v2"
    )
    kinds = {chunk["type"] async for chunk in chunks}
    assert {"values", "updates"} <= kinds, kinds
    return f"version v2: {', '.join(sorted(kinds))}"


async def state_and_history(client: LangGraphClient) -> str:
    thread = await client.threads.create()
    out = await client.runs.wait(thread["thread_id"], GRAPH, input=plan(task("a"), task("b", "a")))
    assert out["status"] == "succeeded" and list(out["results"]) == ["a", "b"], out
    state = await client.threads.get_state(thread["thread_id"])
    assert state["next"] == [] and state["values"]["plan"]["name"] == "of a client", state
    history = await client.threads.get_history(thread["thread_id"], limit=50)
    nodes = [item["next"] for item in history]
    assert [] in nodes and ["planner"] in nodes and ["synthesizer"] in nodes, nodes
    return f"state and history: {len(history)} checkpoints"


async def conversation(client: LangGraphClient) -> str:
    thread, turns = await client.threads.create(), ["What about the first?", "And the second?"]
    for turn in turns:
        given = {"messages": [{"role": "user", "content": turn}]}
        out = await client.runs.wait(thread["thread_id"], "ensemble_vote", input=given)
        assert out["messages"][-1]["type"] == "ai" and out["messages"][-1]["content"], out
        assert out["request"] == turn, out["request"]
    kinds = [message["type"] for message in out["messages"]]
    assert kinds == ["human", "ai"] * 2, kinds
    return f"conversation: {' '.join(kinds)}"


async def interrupt_and_resume_by_id(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    out = await client.runs.wait(thread, GRAPH, input=REVIEWED)
    found = {item["value"]["task_id"]: item["id"] for item in out["__interrupt__"]}
    assert set(found) == {"send", "post"}, found
    assert (await client.threads.get(thread))["status"] == "interrupted"
    request = out["__interrupt__"][0]["value"]
    assert request["action_requests"] and request["review_configs"][0]["allowed_decisions"], request
    answer = {"decisions": [{"type": "approve"}]}
    out = await client.runs.wait(thread, GRAPH, command={"resume": {found["send"]: answer}})
    left = [item["value"]["task_id"] for item in out["__interrupt__"]]
    assert left == ["post"], left
    edit = {"type": "edit", "edited_action": {"name": "wait", "args": {"output": "posted"}}}
    out = await client.runs.wait(thread, GRAPH, command={"resume": {found["post"]: {"decisions": [edit]}}})
    assert out["status"] == "succeeded" and out["results"]["post"]["output"] == "posted", out
    return "interrupt: two questions, answered one by one by their ids, one with an edit"


async def bare_resume_with_two_questions(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, GRAPH, input=REVIEWED)
    out = await client.runs.wait(thread, GRAPH, command={"resume": "approve"}, raise_error=False)
    assert "interrupt" in out["__error__"]["message"].lower(), out
    state = await client.threads.get_state(thread)
    assert len([item for found in state["tasks"] for item in found["interrupts"]]) == 2, state["tasks"]
    return f"bare resume: {out['__error__']['error']}, and both questions stay open"


async def wrong_answer_is_asked_again(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    out = await client.runs.wait(thread, GRAPH, input=plan(task("send", review="before")))
    wrong = {out["__interrupt__"][0]["id"]: {"decisions": [{"type": "explode"}]}}
    out = await client.runs.wait(thread, GRAPH, command={"resume": wrong})
    problems = out["__interrupt__"][0]["value"]["problems"]
    right = {out["__interrupt__"][0]["id"]: "approve"}
    out = await client.runs.wait(thread, GRAPH, command={"resume": right})
    assert out["status"] == "succeeded", out
    return f"wrong answer: {problems[0][:60]}"


async def edited_by_hand(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, GRAPH, input=plan(task("a"), task("b", "a")), context={"review": "plan"})
    for bad, word in (
        ({"plan": {"tasks": [{"id": "x", "specialist": "wiat"}]}}, "did you mean 'wait'"),
        ({"results": {"nobody": None}}, "the plan has no such task"),
        ({"plam": {}}, "did you mean 'plan'"),
    ):
        try:
            await client.threads.update_state(thread, bad, as_node="planner")
        except Exception as error:
            told = error.response.text  # type: ignore[attr-defined]
            assert error.response.status_code == 400 and word in told, told  # type: ignore[attr-defined]
        else:
            raise AssertionError(f"a bad edit was taken: {bad}")
    new = plan(task("only"))["plan"]
    await client.threads.update_state(thread, {"plan": new}, as_node="planner")
    out = await client.runs.wait(thread, GRAPH, input=None)
    assert list(out["results"]) == ["only"] and out["status"] == "succeeded", out
    return "edit: three bad ones refused with 400 and a reason, a good one ran"


async def fork(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, GRAPH, input=plan(task("a"), task("b", "a")))
    history = await client.threads.get_history(thread, limit=50)
    before = next(item for item in history if item["next"] == ["synthesizer"])
    result = {**before["values"]["results"]["a"], "output": {"is": "forked"}}
    config = {"results": {"a": result, "b": None}}
    await client.threads.update_state(
        thread, config, as_node="collect", checkpoint_id=before["checkpoint"]["checkpoint_id"]
    )
    out = await client.runs.wait(thread, GRAPH, input=None)
    assert out["results"]["a"]["output"] == {"is": "forked"} and out["status"] == "succeeded", out
    copied = await client.threads.copy(thread)
    state = await client.threads.get_state(copied["thread_id"])
    assert state["values"]["status"] == "succeeded", state
    return "fork: from the checkpoint before the summary, with one output edited; copied to another thread"


async def answered_checkpoint_again(client: LangGraphClient) -> str:
    """Resume where an answer was given already: it counts, unless the checkpoint is run anew first."""
    thread = (await client.threads.create())["thread_id"]
    out = await client.runs.wait(thread, GRAPH, input=plan(task("send", review="before")))
    asked = (await client.threads.get_state(thread))["checkpoint"]
    approve = {out["__interrupt__"][0]["id"]: "approve"}
    await client.runs.wait(thread, GRAPH, command={"resume": approve})
    out = await client.runs.wait(thread, GRAPH, input=None, checkpoint=asked)  # asks anew, on a branch of its own
    assert out.get("__interrupt__"), out
    reject = {out["__interrupt__"][0]["id"]: {"decisions": [{"type": "reject", "message": "no"}]}}
    out = await client.runs.wait(thread, GRAPH, command={"resume": reject})
    assert out["results"]["send"]["status"] == "cancelled", out["results"]
    return "answered checkpoint: run anew first, its question takes another answer"


async def errors_have_their_message(client: LangGraphClient) -> str:
    told = []
    for given, word in (
        (plan({"id": "x", "specialist": "wiat"}), "did you mean 'wait'"),
        ({"reqest": "typo"}, "did you mean 'request'"),
        ({"plan": 5}, "expected an object"),
        ({"messages": [{"role": "user", "content": ""}]}, "has no text"),
        ({}, "nothing to do"),
    ):
        out = await client.runs.wait(None, GRAPH, input=given, raise_error=False)
        assert word in out["__error__"]["message"], out
        told.append(out["__error__"]["error"])
    out = await client.runs.wait(None, GRAPH, input=plan(task("a")), context={"max_parallel": 0}, raise_error=False)
    assert "max_parallel" in out["__error__"]["message"], out
    out = await client.runs.wait(None, GRAPH, input=plan(task("a")), context={"max_paralel": 3}, raise_error=False)
    assert "did you mean 'max_parallel'" in out["__error__"]["message"], out
    return f"errors: {', '.join(sorted(set(told)))}, each with what is wrong"


async def refused_input_leaves_the_thread_usable(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    await client.runs.wait(thread, GRAPH, input={"reqest": "typo"}, raise_error=False)
    out = await client.runs.wait(thread, GRAPH, input=plan(task("a")))
    assert out["status"] == "succeeded", out
    return "a refused input leaves nothing on its thread"


async def cancel(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    run = await client.runs.create(thread, GRAPH, input=plan(task("long", seconds=60), task("next", "long")))
    await _until_next(client, thread, "wait")
    await client.runs.cancel(thread, run["run_id"], wait=True)
    found = await client.runs.get(thread, run["run_id"])
    assert found["status"] == "interrupted", found
    state = await client.threads.get_state(thread)
    assert state["next"], state
    gone = await client.runs.create(thread, GRAPH, input=None)
    await _until(client, thread, "busy")
    await client.runs.cancel(thread, gone["run_id"], wait=True, action="rollback")
    return "cancel: the run is interrupted, its thread can be gone on with; rollback forgets"


async def multitask(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    first = await client.runs.create(thread, GRAPH, input=plan(task("long", seconds=30)))
    await _until_next(client, thread, "wait")
    try:
        await client.runs.create(thread, GRAPH, input=plan(task("a")), multitask_strategy="reject")
    except Exception as error:
        code = error.response.status_code  # type: ignore[attr-defined]
        assert code == 409, error
    else:
        raise AssertionError("a second run was taken")
    second = await client.runs.create(thread, GRAPH, input=plan(task("a")), multitask_strategy="interrupt")
    out = await client.runs.join(thread, second["run_id"])
    assert out["status"] == "succeeded" and list(out["results"]) == ["a"], out
    assert (await client.runs.get(thread, first["run_id"]))["status"] == "interrupted"
    return "a busy thread: a second run is refused, or interrupts the first"


async def batch(client: LangGraphClient) -> str:
    runs = await client.runs.create_batch(
        [{"assistant_id": GRAPH, "input": plan(task(name)), "on_completion": "keep"} for name in "abc"]  # type: ignore[typeddict-unknown-key]
    )
    found = [await client.runs.join(run["thread_id"], run["run_id"]) for run in runs]
    assert [list(out["results"]) for out in found] == [["a"], ["b"], ["c"]], found
    assert [out["status"] for out in found] == ["succeeded"] * 3, found
    return "batch: three runs"


async def assistants(client: LangGraphClient) -> str:
    own = await client.assistants.create(GRAPH, name=f"careful-{uuid4().hex[:6]}", context={"review": "plan"})
    plain = await client.assistants.create(GRAPH, context={"max_parallel": 1})
    schemas = await client.assistants.get_schemas(own["assistant_id"])
    assert "request" in schemas["input_schema"]["properties"], schemas["input_schema"]
    shown = schemas["context_schema"]["properties"]["max_parallel"]
    assert shown["title"] == "Parallel tasks" and shown["langgraph_nodes"] == ["planner"], shown
    picture = await client.assistants.get_graph(own["assistant_id"])
    nodes = {node["id"] for node in picture["nodes"]}
    assert {"planner", "wait", "collect", "synthesizer"} <= nodes, nodes
    two = plan(task("a", seconds=0.2), task("b", seconds=0.2))
    out = await client.runs.wait(None, plain["assistant_id"], input=two)
    assert out["metrics"]["makespan_s"] > 0.38, out["metrics"]
    out = await client.runs.wait(None, own["assistant_id"], input=two)
    assert out["__interrupt__"][0]["value"]["review"] == "plan", out
    newer = await client.assistants.update(own["assistant_id"], context={"review": None})
    assert newer["version"] == 2, newer
    await client.assistants.delete(own["assistant_id"])
    return f"assistants: two with different settings share {len(nodes)} nodes"


async def store(client: LangGraphClient) -> str:
    space = ["client", uuid4().hex]
    await client.store.put_item(space, "k", {"v": 1})
    assert (await client.store.get_item(space, "k"))["value"] == {"v": 1}
    found = await client.store.search_items(space)
    assert len(found["items"]) == 1, found
    await client.store.delete_item(space, "k")
    return "store: put, get, search, delete"


async def joined_stream(client: LangGraphClient) -> str:
    thread = (await client.threads.create())["thread_id"]
    given = plan(task("a", seconds=0.5), task("b", "a"))
    run = await client.runs.create(thread, GRAPH, input=given, stream_mode=["updates", "custom"], stream_resumable=True)
    first = [chunk async for chunk in client.runs.join_stream(thread, run["run_id"], last_event_id="-1")]
    assert any(chunk.event == "updates" for chunk in first), [chunk.event for chunk in first]
    last = first[len(first) // 2].id
    again = [chunk async for chunk in client.runs.join_stream(thread, run["run_id"], last_event_id=last)]
    assert 0 < len(again) < len(first), (len(first), len(again))
    return f"join_stream: {len(first)} events, and from the middle on {len(again)}"


async def large_plan(client: LangGraphClient) -> str:
    many = [task(f"t{number}") for number in range(150)]
    out = await client.runs.wait(None, GRAPH, input=plan(*many, task("sum", "t0", "t149")))
    assert out["status"] == "succeeded" and len(out["results"]) == 151, out["status"]
    chain = [task("t0"), *(task(f"t{number}", f"t{number - 1}") for number in range(1, 40))]
    out = await client.runs.wait(None, GRAPH, input=plan(*chain, config={"schedule": "phased"}))
    assert out["metrics"]["supersteps"] == 40, out["metrics"]
    return "150 tasks in two levels; 40 phases one after another"


async def remote_graph(client: LangGraphClient) -> str:
    remote = RemoteGraph(GRAPH, client=client)
    config = {"configurable": {"thread_id": (await client.threads.create())["thread_id"]}}
    out = await remote.ainvoke(plan(task("a"), task("b", "a")), config)
    assert out["status"] == "succeeded", out
    state = await remote.aget_state(config)
    assert state.values["results"]["b"]["status"] == "succeeded" and state.next == (), state
    history = [item async for item in remote.aget_state_history(config)]
    assert len(history) >= 4, history
    modes = {mode async for _, mode, _ in _remote(remote, config)}
    assert {"updates", "custom"} <= modes, modes
    assert "planner" in (await remote.aget_graph()).nodes
    return f"RemoteGraph: ainvoke, astream ({', '.join(sorted(modes))}), state, history, graph"


async def _remote(remote: RemoteGraph, config: Any) -> Any:
    async for item in remote.astream(plan(task("a")), config, stream_mode=["updates", "custom"], subgraphs=True):
        yield item


async def _until(client: LangGraphClient, thread: str, status: str) -> None:
    for _ in range(100):
        if (await client.threads.get(thread))["status"] == status:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"the thread never was {status}")


async def _until_next(client: LangGraphClient, thread: str, node: str) -> None:
    for _ in range(200):
        state = await client.threads.get_state(thread)
        if node in state["next"]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{node} never was next")


STEPS = [
    every_stream_mode,
    custom_events_tell_the_story,
    typed_stream,
    state_and_history,
    conversation,
    interrupt_and_resume_by_id,
    bare_resume_with_two_questions,
    wrong_answer_is_asked_again,
    edited_by_hand,
    fork,
    answered_checkpoint_again,
    errors_have_their_message,
    refused_input_leaves_the_thread_usable,
    cancel,
    multitask,
    batch,
    assistants,
    store,
    joined_stream,
    large_plan,
]
"""All but `remote_graph`."""


async def main(url: str) -> int:
    failed = 0
    for step in [*STEPS, remote_graph]:
        async with get_client(url=url) as client:
            try:
                print(f"ok    {await step(client)}", flush=True)  # noqa: T201
            except Exception as error:
                failed += 1
                print(f"FAIL  {step.__name__}: {type(error).__name__}: {str(error)[:600]}", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:2024")))
