"""What a run is called and has as attributes in OpenTelemetry: the semantic conventions for generative AI.

`gen_ai.*` is the conventions'; what they have no word for stands under `fanwise.*`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from opentelemetry.trace import SpanKind

OPERATIONS = {"llm": "chat", "tool": "execute_tool", "retriever": "retrieval", "embedding": "embeddings"}
"""The conventions' words for what a run does."""

SETTINGS = ("temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty")
"""Settings of a model that the conventions name."""

OWN = ("task_id", "specialist", "attempt", "attempts", "status", "superstep", "run", "wait", "plan", "resumes", "group")
"""Metadata that is kept as attributes of ours."""

PROVIDERS = {"azure": "azure.ai.openai", "google_genai": "gcp.gemini", "google_vertexai": "gcp.vertex_ai"}
"""LangChain's names of providers for which the conventions have others."""


def metadata_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a run's metadata."""
    return dict((run.get("extra") or {}).get("metadata") or {})


def span_name(run: Mapping[str, Any]) -> str:
    """Return a span's name: models and tools as the conventions have it, all else as in LangSmith."""
    told = metadata_of(run)
    if run.get("run_type") == "llm":
        return f"chat {told.get('ls_model_name') or run['name']}"
    return f"execute_tool {run['name']}" if run.get("run_type") == "tool" else str(run["name"])


def span_kind(run: Mapping[str, Any]) -> SpanKind:
    """Return a span's kind: a model is a server that is called."""
    return SpanKind.CLIENT if run.get("run_type") == "llm" else SpanKind.INTERNAL


def root_ids(run_id: str) -> tuple[int, int]:
    """Return the ids of the trace, and of its first span, that a run makes."""
    number = UUID(run_id).int
    return number, (number & (2**64 - 1)) or 1


def link_ids(run: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield the ids of the traces that a run goes on with."""
    before = metadata_of(run).get("resumes")
    if isinstance(before, str):
        try:
            yield root_ids(before)
        except ValueError:
            return


def attributes_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a span's attributes."""
    told, run_type = metadata_of(run), str(run.get("run_type"))
    made: dict[str, Any] = {f"fanwise.{name}": told[name] for name in OWN if name in told}
    made["gen_ai.operation.name"] = _operation(run, told)
    made["gen_ai.conversation.id"] = told.get("thread_id")
    if made["gen_ai.operation.name"] == "invoke_agent":
        made |= {"gen_ai.agent.name": told.get("specialist"), "gen_ai.agent.id": told.get("task_id")}
    if run.get("error"):
        made["error.type"] = _error_type(str(run["error"]))
    if run_type == "llm":
        made |= _of_model(run, told)
    elif run_type == "tool":
        made |= _of_tool(run)
    else:
        made |= {"fanwise.inputs": _text(run.get("inputs")), "fanwise.outputs": _text(run.get("outputs"))}
    return {name: _plain(value) for name, value in made.items() if value not in (None, "", [], {})}


def _operation(run: Mapping[str, Any], told: Mapping[str, Any]) -> str | None:
    if not run.get("parent_run_id"):
        return "invoke_workflow"
    if "task" in (run.get("tags") or ()):
        return "invoke_agent"
    return OPERATIONS.get(str(run.get("run_type")))


def _of_model(run: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    extra = run.get("extra") or {}
    asked = extra.get("invocation_params") or {}
    message, generation = _message(run)
    answered = message.get("response_metadata") or {}
    usage = told.get("usage_metadata") or message.get("usage_metadata") or {}
    provider = str(told.get("ls_provider") or "")
    return {
        "gen_ai.provider.name": PROVIDERS.get(provider, provider),
        "gen_ai.request.model": told.get("ls_model_name") or asked.get("model"),
        "gen_ai.response.model": answered.get("model_name"),
        "gen_ai.response.id": answered.get("id"),
        "gen_ai.response.finish_reasons": [
            str(reason) for reason in (answered.get("finish_reason") or generation.get("finish_reason"),) if reason
        ],
        "gen_ai.usage.input_tokens": usage.get("input_tokens"),
        "gen_ai.usage.output_tokens": usage.get("output_tokens"),
        "gen_ai.usage.cache_read.input_tokens": (usage.get("input_token_details") or {}).get("cache_read"),
        **{f"gen_ai.request.{name}": asked.get(name) for name in SETTINGS},
        "gen_ai.input.messages": _text((run.get("inputs") or {}).get("messages")),
        "gen_ai.output.messages": _text(message),
    }


def _of_tool(run: Mapping[str, Any]) -> dict[str, Any]:
    inputs, outputs = run.get("inputs") or {}, run.get("outputs") or {}
    output = outputs.get("output")
    call_id = output.get("tool_call_id") if isinstance(output, Mapping) else None
    return {
        "gen_ai.tool.name": run.get("name"),
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call_id or ((run.get("extra") or {}).get("tool_call_id")),
        "gen_ai.tool.call.arguments": _text(inputs),
        "gen_ai.tool.call.result": _text(output),
    }


def _message(run: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a model's answer, and what was told about it."""
    try:
        generation = run["outputs"]["generations"][0][0]
        message = generation.get("message") or {}
        return dict(message.get("kwargs") or message), dict(generation.get("generation_info") or {})
    except (KeyError, IndexError, TypeError, AttributeError):
        return {}, {}


def _error_type(error: str) -> str:
    """Return the type of an error; a task's is that of the attempt that failed it."""
    if task := re.match(r"TaskError\(['\"](?:(timed_out): |failed: (?:([A-Z][\w.]*)(?=[:'\"]))?)", error):
        return "TimeoutError" if task[1] else task[2] or "_OTHER"
    head = error.partition("(")[0].strip()
    return head if head.replace(".", "").replace("_", "").isalnum() else "_OTHER"


def _text(value: Any) -> str | None:
    return None if value in (None, {}, []) else json.dumps(value, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """Return a value as attributes can have it."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return _text(value)
