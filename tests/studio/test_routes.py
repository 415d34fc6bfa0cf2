"""The routes beside LangGraph's own, and who is kept off the server."""

from __future__ import annotations

import json
import time
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from fanwise.studio.guard import Guard

from .conftest import client_of, run

pytest.importorskip("langgraph_sdk")

TASKS = [
    {"id": "first", "specialist": "wait", "input": {"seconds": 0.2}},
    {"id": "second", "specialist": "wait", "depends_on": ["first"], "input": {"seconds": 1.5}},
]


def ran(server: Any, *, wait: bool = True) -> str:
    async def asked() -> str:
        client = client_of(server.url)
        thread = (await client.threads.create())["thread_id"]
        made = await client.runs.create(thread, "fanwise", input={"plan": {"name": "drawn", "tasks": TASKS}})
        if wait:
            await client.runs.join(thread, made["run_id"])
        return str(thread)

    return run(asked())


@pytest.mark.slow
def test_health_and_metrics(server: Any) -> None:
    """Health tells versions and workflows; metrics count what ran."""
    told = httpx.get(f"{server.url}/fanwise/health").json()
    assert told["ok"] and "health_check" in told["workflows"] and told["versions"]["langgraph-api"]
    ran(server)
    text = httpx.get(f"{server.url}/fanwise/metrics").text
    assert 'fanwise_tasks_total{specialist="wait",status="succeeded"}' in text
    assert 'fanwise_runs_total{status="succeeded"}' in text


@pytest.mark.slow
def test_timeline_of_a_thread(server: Any) -> None:
    """A thread's run is drawn, as a page and as data, with what its attempts took."""
    thread = ran(server)
    page = httpx.get(f"{server.url}/fanwise/threads/{thread}/timeline", timeout=30)
    assert page.status_code == 200 and "drawn" in page.text
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    data = httpx.get(f"{server.url}/fanwise/threads/{thread}/timeline.json", timeout=30).json()
    rows = {row["id"]: row for row in data["rows"]}
    assert data["status"] == "succeeded" and list(rows) == ["first", "second"]
    assert rows["second"]["segments"], rows


@pytest.mark.slow
def test_timeline_follows_a_run(server: Any) -> None:
    """Whoever follows a run is told while it is at work, and when it is over."""
    thread, seen = ran(server, wait=False), []
    with httpx.Client(timeout=30) as client:
        for _ in range(100):
            if client.get(f"{server.url}/fanwise/threads/{thread}/timeline.json").status_code == 200:
                break
            time.sleep(0.1)
        with client.stream("GET", f"{server.url}/fanwise/threads/{thread}/events") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    seen.append(json.loads(line[5:])["head"]["status"])
                if seen and seen[-1] == "succeeded":
                    break
    assert seen[0] == "running", seen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("threads/00000000-0000-0000-0000-000000000000/timeline", 404),
        ("threads/nonsense/timeline.json", 404),
        ("threads/nonsense/events", 404),
        ("threads/nonsense/timeline?theme=loud", 422),
    ],
)
def test_wrong_addresses(server: Any, path: str, code: int) -> None:
    """What is not there, or not to be read, is one clear answer."""
    answer = httpx.get(f"{server.url}/fanwise/{path}", timeout=30)
    assert answer.status_code == code and answer.json()["detail"], answer.text


async def new_thread(server: Any) -> str:
    return str((await client_of(server.url).threads.create())["thread_id"])


@pytest.mark.slow
def test_thread_without_a_run(server: Any) -> None:
    """A thread on which nothing ran has nothing to draw."""
    thread = run(new_thread(server))
    answer = httpx.get(f"{server.url}/fanwise/threads/{thread}/timeline", timeout=30)
    assert answer.status_code == 409 and "nothing to draw" in answer.json()["detail"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_schemathesis(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is sent to the routes is answered as their description says, and never with a fault of the server."""
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis.internal.conjecture.utils import many

    monkeypatch.setattr(many, "more", _more, raising=False)
    described = httpx.get(f"{server.url}/openapi.json", timeout=60).json()
    paths = {path: item for path, item in described["paths"].items() if path.startswith("/fanwise/")}
    assert len(paths) == 5, list(paths)
    own = {"openapi": "3.1.0", "info": described["info"], "paths": paths}
    schema = schemathesis.openapi.from_dict(own)
    schema.config.update(base_url=server.url)
    checks = [
        schemathesis.checks.not_a_server_error,
        *(check for check in schemathesis.checks.CHECKS.get_all() if check.__name__ in CHECKED),
    ]
    asked = 0
    for operation in schema.get_all_operations():
        strategy = operation.ok().as_strategy()

        @settings(
            max_examples=15,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=strategy)
        def ask(case: Any) -> None:
            nonlocal asked
            asked += 1
            case.call_and_validate(checks=checks, timeout=20)

        ask()
    assert asked >= 5


def _more(elements: Any) -> bool:
    """Tell whether another element is wanted: schemathesis asks in a way that the newest hypothesis has no more."""
    if not hasattr(elements, "_asked"):
        elements._depth = elements.data.depth
        elements._asked = elements._iterate()
    return next(elements._asked, False) is None


CHECKED = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")


def guarded_app(**environ: str) -> httpx.AsyncClient:
    app = Starlette(
        routes=[Route("/", lambda request: PlainTextResponse("in"), methods=["GET", "POST"])],
        middleware=[Middleware(Guard, environ=environ)],
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://127.0.0.1:2024")


@pytest.mark.parametrize(
    ("headers", "environ", "code"),
    [
        ({}, {}, 200),
        ({"Origin": "https://smith.langchain.com"}, {}, 200),
        ({"Origin": "http://localhost:3000"}, {}, 200),
        ({"Origin": "http://127.0.0.1:2024"}, {}, 200),
        ({"Origin": "https://evil.example"}, {}, 403),
        ({"Origin": "null"}, {}, 403),
        ({"Origin": "http://localhost.evil.example"}, {}, 403),
        ({"Origin": "https://smith.langchain.com.evil.example"}, {}, 403),
        ({"Origin": "https://ours.example"}, {"FANWISE_ORIGINS": "https://ours.example"}, 200),
        ({"Origin": "https://any.example"}, {"FANWISE_ORIGINS": "*"}, 200),
        ({"Host": "evil.example:2024"}, {"FANWISE_HOSTS": "127.0.0.1 localhost"}, 403),
        ({"Host": "localhost:2024"}, {"FANWISE_HOSTS": "127.0.0.1 localhost"}, 200),
        ({"Host": "[::1"}, {"FANWISE_HOSTS": "127.0.0.1 localhost"}, 403),
        ({"Host": "ours.example", "Origin": "https://ours.example"}, {}, 200),
    ],
)
def test_foreign_pages(headers: dict[str, str], environ: dict[str, str], code: int) -> None:
    """Pages of other sites, and names that lead here from elsewhere, are refused; Studio and local pages are not."""

    async def ask() -> int:
        async with guarded_app(**environ) as client:
            return (await client.post("/", headers=headers)).status_code

    assert run(ask()) == code


@pytest.mark.slow
def test_foreign_page_can_start_nothing(server: Any) -> None:
    """A plain POST, which browsers send without asking the server first, starts no run."""
    body = json.dumps({"assistant_id": "fanwise", "input": {"plan": {"tasks": []}}})
    headers = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
    answer = httpx.post(f"{server.url}/runs/wait", content=body, headers=headers)
    assert answer.status_code == 403 and "origin" in answer.json()["detail"]


@pytest.mark.slow
def test_studio_is_let_in(server: Any) -> None:
    """Studio's page, which runs elsewhere in the browser, may ask and read the answer."""
    headers = {"Origin": "https://smith.langchain.com", "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{server.url}/runs/stream", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://smith.langchain.com"
    assert httpx.get(f"{server.url}/info", headers={"Origin": headers["Origin"]}).status_code == 200
