"""Remote specialists in files, and their templates: every slip is told with its line; no secret stands in a file."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agent_server import AgentServer
from remote_runs import ran

from fanwise.graph import remote_specialist
from fanwise.runs.user_code import load_code
from fanwise.state import PlanError

GOOD = """
name: far
description: Does it far away.
input: {type: object, properties: {x: {type: integer}}}
retry: {max_attempts: 2}
remote:
  url: [%s, http://127.0.0.1:9/]
  graph: echo
  input:
    {given: "{{task.input.x}}", said: "x is {{ task.input.x }}", all: "{{task.results}}", in_words: "{{task.text}}"}
  output: echo.given
  api_key: ${FAR_KEY}
  headers: {X-Team: blue, Authorization: "Bearer ${FAR_KEY}"}
"""

BAD = """
name: far
description: ""
remote:
  urls: http://127.0.0.1:1
  url: [ftp://a, "http://me:pw@b", http://c/, http://c]
  input: {a: "{{task.inptu.x}}", b: ["{{input.x}}"], c: "{{task.input.x"}
  output: "echo["
  api_key: sk-123
  headers: {Authorization: Bearer abc, X-Team: blue}
  context: {a: 1}
  config: {configurable: {b: 2}}
  after_failure: again
prompt: Do it.
"""

PROBLEMS = [
    "line 3 (description)",
    "line 4 (remote.graph): 'graph' is missing; a remote specialist has a 'url' and a 'graph'",
    "line 5 (remote.urls): unknown field 'urls'; did you mean 'url'?",
    "line 6 (remote.url[0]): 'ftp://a' is no address of a server; write http://HOST:PORT or https://HOST",
    "line 6 (remote.url[1]): a URL holds no name and password; give a header, with ${VARIABLE} for the secret",
    "line 6 (remote.url[3]): 'http://c' comes twice",
    "line 7 (remote.input.a): {{task.inptu}} is nothing that a task has; did you mean 'input'?",
    "line 7 (remote.input.b[0]): {{input}} is no reference; write {{task.input}}",
    "line 7 (remote.input.c): '{{task.input.x' begins a reference and does not end; close it with }}",
    "line 8 (remote.output): not a JMESPath expression",
    "line 9 (remote.api_key): a key does not stand in a file: write ${VARIABLE}, and set that in the environment",
    "line 10 (remote.headers.Authorization): the header 'Authorization' holds a secret, which does not stand in a file",
    "line 11 (remote.context): servers take a context or config.configurable, not both; keep one of them",
    "line 13 (remote.after_failure)",
    "line 14 (prompt): 'prompt' is for specialists that work here; a remote one has name, description, remote,",
]


def written(folder: Path, text: str) -> str:
    """Write a specialist's file, and return its path."""
    path = folder / "far.yaml"
    path.write_text(text)
    return str(path)


def test_a_file_is_a_specialist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded as the command loads it, with references and secrets filled in when it works."""
    with AgentServer() as server:
        (far,) = load_code([written(tmp_path, GOOD % server.url)]).specialists
        assert "FAR_KEY is not set" in far.lacks
        monkeypatch.setenv("FAR_KEY", "s3cret")
        (far,) = load_code([written(tmp_path, GOOD % server.url)]).specialists
        assert (far.name, far.lacks, far.retry and far.retry.max_attempts) == ("far", "", 2)
        tasks = [
            {"id": "rows", "specialist": "wait", "input": {"output": {"n": 3}}},
            {"id": "t", "specialist": "far", "description": "Go", "input": {"x": 7}, "depends_on": ["rows"]},
        ]
        found, _ = asyncio.run(ran([far], *tasks))
    assert found["t"]["output"] == 7, found["t"]["error"]
    (run,) = server.asked("POST /runs")
    given = run.body["input"]
    assert (given["given"], given["said"], given["all"]) == (7, "x is 7", {"rows": {"n": 3}})
    assert "Go" in given["in_words"] and '"n": 3' in given["in_words"]
    assert (run.headers["authorization"], run.headers["x-api-key"]) == ("Bearer s3cret", "s3cret")
    assert "s3cret" not in repr(far)


def test_every_problem_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(PlanError) as refused:
        load_code([written(tmp_path, BAD)])
    told = [str(problem) for problem in refused.value.problems]
    assert len(told) == len(PROBLEMS), "\n".join(told)
    for expected in PROBLEMS:
        assert any(problem.startswith(expected) for problem in told), f"{expected}\n" + "\n".join(told)


def test_python_is_told_the_same() -> None:
    with pytest.raises(PlanError) as refused:
        wrong: Any = {"url": [], "graph": "", "input": {"a": "{{task.idd}}"}, "request_timeout_s": 0}
        remote_specialist("far", **wrong)
    assert {problem.path for problem in refused.value.problems} == {"url", "graph", "input.a", "request_timeout_s"}


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """A reference, or an output, that leads nowhere: told in the template's own words, and not tried again."""
    with AgentServer() as server:
        lost = remote_specialist("lost", url=server.url, graph="echo", input={"a": "{{task.input.y}}"})
        empty = remote_specialist("empty", url=server.url, graph="echo", output="echo.answer")
        tasks = [{"id": name, "specialist": name, "input": {"x": 1}} for name in ("lost", "empty")]
        found, _ = asyncio.run(ran([lost, empty], *tasks))
    assert "the input refers to {{task.input.y}}, but task.input has no 'y'" in found["lost"]["error"]
    assert "output: echo.answer is not there; echo has x" in found["empty"]["error"]
    assert found["lost"]["attempts"] == found["empty"]["attempts"] == 1


def test_a_task_without_an_object_is_a_request() -> None:
    with AgentServer() as server:
        far = remote_specialist("far", url=server.url, graph="echo")
        found, _ = asyncio.run(ran([far], {"id": "t", "specialist": "far", "description": "What is wrong?"}))
    assert found["t"]["output"]["echo"] == {"request": "What is wrong?"}
