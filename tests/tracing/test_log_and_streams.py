"""The log, and what is put on a run's stream where it is asked for."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import warm
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient
from openai_server import OpenAIServer, Say

from fanwise.graph import arun, build_graph, specialist
from fanwise.tracing.log import JsonLines, LogLines, RunFilter, root
from fanwise.tracing.streaming import streaming

PLAN = {"tasks": [{"id": "a", "specialist": "logs", "input": {"x": 1}}, {"id": "b", "specialist": "logs"}]}
SECRET = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6"


@specialist("logs")
async def logs(task: Any) -> Any:
    """Log something."""
    logging.getLogger("fanwise.mine").info("at work on %s with %s", task.id, SECRET)
    return task.id


class Kept(logging.Handler):
    """Keeps what a formatter makes."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(formatter)
        self.addFilter(RunFilter())

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def debugging() -> Iterator[None]:
    """Let the log tell everything."""
    before, handlers = root.level, list(root.handlers)
    root.setLevel(logging.DEBUG)
    yield
    root.setLevel(before)
    root.handlers[:] = handlers


@pytest.mark.usefixtures("debugging")
def test_each_line_bears_thread_and_task() -> None:
    """Those of the run's own events, and those that specialists log; secrets are masked."""
    kept = Kept(LogLines())
    root.addHandler(kept)
    report = asyncio.run(arun(PLAN, specialists=[logs]))
    own = [line for line in kept.lines if "fanwise.mine" in line]
    assert sorted(line.partition(" info ")[2] for line in own) == [
        f"fanwise.mine thread={report.thread_id} task={task} at work on {task} with [masked]" for task in ("a", "b")
    ]
    events = [line for line in kept.lines if "fanwise.run" in line]
    assert all(f"thread={report.thread_id}" in line for line in events)
    assert any(" info " in line and "task=a task_finished" in line and "status=succeeded" in line for line in events)
    assert any(" debug " in line and "task_started" in line for line in events)
    assert "run_started" in events[0] and "run_finished" in events[-1]


@pytest.mark.usefixtures("debugging")
def test_lines_can_be_json() -> None:
    """With the event itself."""
    kept = Kept(JsonLines())
    root.addHandler(kept)
    asyncio.run(arun(PLAN, specialists=[logs]))
    told = [json.loads(line) for line in kept.lines]
    finished = next(line for line in told if (line.get("event") or {}).get("type") == "task_finished")
    assert finished["task"] in ("a", "b") and finished["event"]["status"] == "succeeded" and finished["thread"]


@pytest.mark.usefixtures("debugging")
def test_a_task_s_id_is_masked_beside_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """In lines and in JSON, with the patterns of the environment, in tracebacks too."""
    monkeypatch.setenv("FANWISE_MASK", r"order-\d+")
    kept = [Kept(JsonLines()), Kept(LogLines())]
    for handler in kept:
        root.addHandler(handler)
    asyncio.run(
        arun({"tasks": [{"id": f"x-{SECRET}", "specialist": "wait"}, {"id": "order-77", "specialist": "wait"}]})
    )
    try:
        raise ValueError(SECRET)
    except ValueError:
        logging.getLogger("fanwise.mine").exception("it failed")
    assert not any(SECRET in line or "order-77" in line for handler in kept for line in handler.lines)
    assert {"x-[masked]", "[masked]"} <= {json.loads(line)["task"] for line in kept[0].lines}


def test_nothing_is_written_where_nothing_is_set_up(capsys: pytest.CaptureFixture[str]) -> None:
    """A library says nothing of itself."""
    asyncio.run(arun({"tasks": [{"id": "a", "specialist": "wait", "input": {"fail_times": 9}}]}))
    assert capsys.readouterr() == ("", "")


def spoken(server: OpenAIServer) -> ChatOpenAI:
    client = DefaultAsyncHttpxClient(headers={"Connection": "close"})
    return ChatOpenAI(model="m", base_url=server.base_url, api_key="test-key", http_async_client=client)  # type: ignore[arg-type]


def streamed(stream: dict[str, bool], in_thread: bool = False) -> list[dict[str, Any]]:
    """Return the events of a run with a model."""

    async def collected() -> list[dict[str, Any]]:
        with OpenAIServer(lambda body: Say("The answer is many rows.")) as server:
            model = spoken(server)

            @specialist("asks")
            async def asks(task: Any) -> Any:
                return (await model.ainvoke("How many?")).text

            graph = build_graph([asks])
            given: Any = {"plan": {"tasks": [{"id": "t", "specialist": "asks"}]}}
            return [e async for e in graph.astream(given, {"configurable": stream}, stream_mode="custom")]  # type: ignore[misc]

    return asyncio.run(collected())


def test_text_and_results_are_streamed_where_asked_for() -> None:
    """All pieces of an attempt's text make what the model said; the result comes before the count."""
    events = streamed({"stream_text": True, "stream_results": True})
    pieces = [event for event in events if event["type"] == "task_text"]
    assert len(pieces) > 3 and "".join(piece["text"] for piece in pieces) == "The answer is many rows."
    assert {(piece["task_id"], piece["attempt"]) for piece in pieces} == {("t", 1)}
    kinds = [event["type"] for event in events]
    assert kinds.index("task_result") == kinds.index("task_finished") - 1
    result = next(event for event in events if event["type"] == "task_result")["result"]
    assert result["output"] == "The answer is many rows." and result["status"] == "succeeded"


def test_neither_is_streamed_unless_asked_for() -> None:
    """The stream stays small."""
    assert not {"task_text", "task_result"} & {event["type"] for event in streamed({})}


def test_asked_for_in_the_same_process() -> None:
    """`streaming` counts for the runs that begin inside."""
    events: list[Any] = []
    with streaming("results"):
        asyncio.run(arun({"tasks": [{"id": "a", "specialist": "wait"}]}, on_event=events.append))
    assert [event["task_id"] for event in events if event["type"] == "task_result"] == ["a"]


def command(folder: Path, *args: str, plan: Any = None) -> subprocess.CompletedProcess[str]:
    """Run the command."""
    (folder / "plan.json").write_text(json.dumps(plan or {"tasks": [{"id": "a", "specialist": "wait"}]}))
    call = [sys.executable, "-c", "from fanwise.cli import main; main()", "run", "plan.json", *args]
    return warm.run(call, cwd=folder, capture_output=True, text=True, timeout=60)


def test_progress_as_json_lines(tmp_path: Path) -> None:
    """Standard output holds a JSON value on each line: the events, results among them, and the report."""
    done = command(tmp_path, "--progress", "jsonl", "-q")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [event["type"] for event in told]
    assert done.returncode == 0 and done.stderr == ""
    assert kinds[0] == "run_started" and kinds[-2:] == ["run_finished", "report"] and "task_result" in kinds
    finished = next(event for event in told if event["type"] == "task_finished")
    assert (finished["completed"], finished["total"]) == (1, 1)
    assert told[-1]["report"]["status"] == "succeeded"


def test_json_lines_mask_what_events_say(tmp_path: Path) -> None:
    """Errors and names; ids, results and the report are as they are."""
    tasks = [
        {"id": f"t-{SECRET}", "specialist": "wait", "input": {"output": SECRET}},
        {"id": "bad", "specialist": "wait", "input": {"fail": f"with {SECRET}"}},
    ]
    done = command(tmp_path, "--progress", "jsonl", "-q", plan={"name": f"of {SECRET}", "tasks": tasks})
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert told[0]["plan"] == "of [masked]"
    ended = {event["task_id"]: event for event in told if event["type"] == "task_finished"}
    assert set(ended) == {f"t-{SECRET}", "bad"} and "with [masked]" in ended["bad"]["error"]
    results = {event["task_id"]: event["result"] for event in told if event["type"] == "task_result"}
    assert results[f"t-{SECRET}"]["output"] == SECRET and SECRET in results["bad"]["error"]
    assert told[-1]["report"]["results"][f"t-{SECRET}"]["output"] == SECRET


def test_the_command_s_log(tmp_path: Path) -> None:
    """`-vv` shows it, `--log-json` as JSON lines; without them there is none."""
    assert " fanwise.run thread=" in command(tmp_path, "-vv", "--thread", "t1").stderr
    lines = command(tmp_path, "--log-json", "-q", "--thread", "t2").stderr.splitlines()
    assert {json.loads(line)["thread"] for line in lines} == {"t2"}
    assert "fanwise.run" not in command(tmp_path, "-v", "--thread", "t3").stderr


def test_quiet_goes_before_a_log_unless_it_is_json(tmp_path: Path) -> None:
    """`-q -vv` writes nothing; `-q --log-json` the log alone, with `-vv` all of it."""
    assert command(tmp_path, "-q", "-vv", "--thread", "t1").stderr == ""
    levels = [
        {json.loads(line)["level"] for line in command(tmp_path, "--log-json", *more).stderr.splitlines()}
        for more in (["-q", "--thread", "t2"], ["-q", "-vv", "--thread", "t3"])
    ]
    assert levels == [{"info"}, {"info", "debug"}]
