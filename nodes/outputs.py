"""Large outputs: kept apart in LangGraph's store, with a reference in the result, and read when they are needed.

Results travel through the state, its checkpoints and what is sent to branches; an output of many megabytes would be
kept in each of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import quote

import pydantic_core
from langchain_core.runnables import RunnableConfig
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore

from ..schema.errors import RunError

LARGE = 65_536
"""Bytes, as JSON, above which the command keeps an output apart."""

Result = Mapping[str, Any]
"""A `TaskResult` as a dict."""


def outputs_namespace(thread_id: str) -> tuple[str, ...]:
    """Return where the large outputs of a run are kept; a store's namespaces can't hold a full stop."""
    return ("fanwise", "outputs", quote(thread_id, safe=" ", errors="surrogatepass").replace(".", "%2E"))


@dataclass(frozen=True, slots=True)
class Outputs:
    """The large outputs of one run."""

    store: BaseStore | None
    """Where they are kept; without one, all outputs stay in their results."""
    thread_id: str
    limit: int | None = None
    """Bytes, as JSON, above which an output is kept apart; `None` keeps none apart."""

    @classmethod
    def of(cls, runtime: Runtime[Any], config: RunnableConfig, limit: int | None = None) -> Outputs:
        """Return the outputs of the run that a node belongs to."""
        return cls(runtime.store, str(config.get("configurable", {}).get("thread_id", "")), limit)

    async def put_away(self, result: dict[str, Any]) -> dict[str, Any]:
        """Return a result with its output, if that is large, replaced by a reference."""
        output = result["output"]
        if self.limit is None or self.store is None or output is None or type(output) in (bool, int, float):
            return result
        text = pydantic_core.to_json(output)
        if len(text) <= self.limit:
            return result
        key = sha256(text).hexdigest()
        await self._put(self.thread_id, key, text.decode())
        return {**result, "output": None, "output_ref": {"key": key, "bytes": len(text)}}

    def if_small(self, output: Any) -> Any:
        """Return an output that needs not be kept apart; `None` in place of another."""
        return None if len(pydantic_core.to_json(output)) > (self.limit or LARGE) else output

    async def whole(self, result: Result) -> Result:
        """Return a result with its output in it.

        Raises:
            RunError: the output is not in the store any more.
        """
        ref = result.get("output_ref")
        if not ref:
            return result
        held = None
        if self.store is not None:
            held = await self.store.aget(outputs_namespace(self.thread_id), ref["key"])
        if held is None:
            raise RunError(
                f"the output of task {result['task_id']!r} ({ref['bytes']:,} bytes) was kept apart and is not there "
                "any more: bring the file of outputs back beside the database, or run the task again (`fanwise retry`)"
            )
        return {**result, "output": pydantic_core.from_json(held.value["json"]), "output_ref": None}

    async def read(self, results: Mapping[str, Result]) -> tuple[dict[str, Result], list[str]]:
        """Return results with their outputs in them, and what is to be said of those that are lost."""
        read, lost = dict(results), []
        for task_id, result in results.items():
            try:
                read[task_id] = await self.whole(result)
            except RunError as error:
                lost.append(str(error))
        return read, lost

    async def copy_to(self, thread_id: str, results: Mapping[str, Result]) -> None:
        """Keep the large outputs of some results under another run too."""
        apart = {task_id: result for task_id, result in results.items() if result.get("output_ref")}
        read, _ = await self.read(apart)
        for task_id, result in apart.items():
            if (output := read[task_id]["output"]) is not None:
                await self._put(thread_id, result["output_ref"]["key"], pydantic_core.to_json(output).decode())

    async def _put(self, thread_id: str, key: str, text: str) -> None:
        """Keep an output, as text: not every store holds all that JSON can say."""
        if self.store is not None:
            await self.store.aput(outputs_namespace(thread_id), key, {"json": text}, index=False)
