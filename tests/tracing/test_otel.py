"""The same spans over OpenTelemetry, with the semantic conventions for generative AI."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="needs the extra `otel`")
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import interrupt
from openai_server import OpenAIServer, Say
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import SpanKind, StatusCode

from fanwise.graph import arun, build_graph, specialist
from fanwise.graph.run import execute
from fanwise.tracing import Tracing, flush
from fanwise.tracing.relays import close_all

SECRET = "ghp_A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6"


class Collector:
    """Takes OTLP over HTTP; `spans` holds what came."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.raw: list[bytes] = []
        self.services: set[str] = set()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    import gzip

                    body = gzip.decompress(body)
                collector.take(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.services |= {a.value.string_value for a in resource.resource.attributes if a.key == "service.name"}
            for scope in resource.scope_spans:
                self.spans += scope.spans

    def named(self, name: str) -> Any:
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def children(self, span: Any) -> list[Any]:
        found = [child for child in self.spans if child.parent_span_id == span.span_id]
        return sorted(found, key=lambda child: child.start_time_unix_nano)


def attributes(span: Any) -> dict[str, Any]:
    """Return a span's attributes."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector on loopback, and the variables that lead there."""
    server = Collector()
    server.thread.start()
    monkeypatch.setenv("FANWISE_OTEL", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.http.server_port}")
    yield server
    close_all()
    server.http.shutdown()
    server.http.server_close()
    server.thread.join()


PLAN = {
    "name": "release",
    "request": "Is the release ready?",
    "tasks": [
        {"id": "build", "specialist": "wait", "input": {"seconds": 0.02, "output": {"token": "abc", "x": SECRET}}},
        {"id": "bad", "specialist": "wait", "input": {"seconds": 0, "fail_times": 9}, "required": False},
        {"id": "last", "specialist": "wait", "input": {"seconds": 0}, "depends_on": ["build"]},
    ],
}


def test_spans_arrive_with_their_parents_and_attributes(collector: Collector) -> None:
    """Over OTLP as protobuf: run, tasks, attempts, waits; times, errors, ids; no secret."""
    report = asyncio.run(arun(PLAN))
    assert flush(10)
    assert collector.services == {"fanwise"}
    root = collector.named("Is the release ready?")
    assert not root.parent_span_id
    assert attributes(root)["gen_ai.operation.name"] == "invoke_workflow"
    assert attributes(root)["gen_ai.conversation.id"] == report.thread_id
    names = [span.name for span in collector.children(root)]
    assert names[0] == "planner" and names[-1] == "synthesizer" and {"build", "bad", "last"} <= set(names)
    build = collector.named("build")
    told = attributes(build)
    assert told["gen_ai.operation.name"] == "invoke_agent" and told["gen_ai.agent.name"] == "wait"
    assert told["fanwise.task_id"] == "build" and told["fanwise.status"] == "succeeded"
    (attempt,) = [span for span in collector.children(build) if span.name == "attempt 1"]
    assert attempt.end_time_unix_nano - attempt.start_time_unix_nano >= 15_000_000
    assert next(span.name for span in collector.children(collector.named("last"))) == "waits for build"
    bad = collector.named("bad")
    assert bad.status.code == StatusCode.ERROR.value and attributes(bad)["error.type"] == "WaitFailed"
    assert len({span.trace_id for span in collector.spans}) == 1
    assert all(SECRET.encode() not in body for body in collector.raw)


def test_models_and_tools_have_the_conventions_attributes(collector: Collector) -> None:
    """Tokens, model, provider, finish reason, tool names and arguments, each under its task."""

    @tool
    def rows(table: str) -> int:
        """Count the rows of a table."""
        return len(table)

    script = [Say(tools=[("rows", {"table": "orders"})]), Say("There are 6 rows.")]
    with OpenAIServer(script) as server:
        model = ChatOpenAI(model="gpt-x", base_url=server.base_url, api_key="test-key", temperature=0.5)  # type: ignore[arg-type]
        plan = {"tasks": [{"id": "count", "specialist": "counter"}]}
        asyncio.run(arun(plan, specialists={"counter": create_agent(model, [rows])}))
    assert flush(10)
    models = [span for span in collector.spans if span.name == "chat gpt-x"]
    assert len(models) == 2 and all(span.kind == SpanKind.CLIENT.value + 1 for span in models)
    told = attributes(models[0])
    assert told["gen_ai.operation.name"] == "chat" and told["gen_ai.provider.name"] == "openai"
    assert told["gen_ai.request.model"] == "gpt-x" and told["gen_ai.request.temperature"] == 0.5
    assert told["gen_ai.usage.input_tokens"] > 0 and told["gen_ai.usage.output_tokens"] > 0
    assert told["fanwise.task_id"] == "count"
    assert attributes(models[0])["gen_ai.response.finish_reasons"].values[0].string_value == "tool_calls"
    called = attributes(collector.named("execute_tool rows"))
    assert called["gen_ai.operation.name"] == "execute_tool" and called["gen_ai.tool.name"] == "rows"
    assert "orders" in called["gen_ai.tool.call.arguments"] and "6" in called["gen_ai.tool.call.result"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("TaskError('failed: WaitFailed: attempt 1 was told to fail')", "WaitFailed"),
        ("TaskError(\"failed: KeyError: 'x'\")Traceback", "KeyError"),
        ("TaskError('failed: Gone')", "Gone"),
        ("TaskError('timed_out: no answer within 1 s')", "TimeoutError"),
        ("TaskError('failed: it is not as it should be')", "_OTHER"),
        ("ValueError('x')", "ValueError"),
    ],
)
def test_a_task_s_error_is_of_its_attempt_s_type(error: str, kind: str) -> None:
    """Not of that which only its trace sees."""
    from fanwise.tracing.semantics import attributes_of

    assert attributes_of({"run_type": "chain", "error": error})["error.type"] == kind


def test_a_resume_points_to_the_trace_before(collector: Collector) -> None:
    """By a link to the first run's span."""

    @specialist("asks")
    def asks(task: Any) -> Any:
        return interrupt({"question": "which?"})

    graph = build_graph([asks], checkpointer=InMemorySaver())

    async def both() -> None:
        paused = await execute(graph, {"plan": {"name": "p", "tasks": [{"id": "a", "specialist": "asks"}]}}, "t")
        await execute(graph, None, "t", answers={paused.interrupts[0].id: "this"})

    asyncio.run(both())
    assert flush(10)
    first, second = sorted(
        (span for span in collector.spans if not span.parent_span_id), key=lambda span: span.start_time_unix_nano
    )
    assert second.links[0].trace_id == first.trace_id and second.links[0].span_id == first.span_id


def test_spans_go_to_the_process_s_own_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a provider is set, it is used, and what is open where the run begins is its parent."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)

    async def request() -> None:
        with provider.get_tracer("app").start_as_current_span("GET /"):
            await arun(PLAN, tracing=Tracing(otel=True))

    asyncio.run(request())
    assert flush(10)
    spans = {span.name: span for span in exporter.get_finished_spans()}
    outer, root = spans["GET /"], spans["Is the release ready?"]
    assert root.parent is not None and root.parent.span_id == outer.context.span_id
    assert spans["build"].context.trace_id == outer.context.trace_id


def test_a_collector_that_is_down_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the run nor its end."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    begun = time.monotonic()
    assert asyncio.run(arun(PLAN, tracing=Tracing(otel=True))).status != "failed"
    assert not flush(5)
    close_all(5)
    assert time.monotonic() - begun < 4


def test_without_the_sdk_one_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything runs."""
    import sys

    from fanwise.state import FanwiseError

    monkeypatch.delitem(sys.modules, "fanwise.tracing.to_otel", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(FanwiseError, match=r"pip install 'fanwise\[otel\]'"):
        asyncio.run(arun(PLAN, tracing=Tracing(otel=True)))
