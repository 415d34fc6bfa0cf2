"""The branch of a task that combines others: it watches them, and goes on as soon as the outcome is certain."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp

from ..reducers.aggregation import Branch, Done, Fail, Nothing, Take, Wait, verdict
from ..reducers.combining import CombineError, combined, in_vain
from ..reducers.own import Fold, Reducer, by_name
from ..reducers.usage import added
from ..schema.aggregate import Aggregate, own_function
from ..schema.expressions import ExpressionError
from ..schema.progress import TaskStarted
from ..schema.words import few_digits, listed
from ..tracing.calls import calls_of
from ..tracing.spans import Span, waited
from .account import Account
from .attempt import AttemptCut, AttemptTimedOut, run_attempt
from .call import in_thread, to_json
from .effort import describe
from .outputs import Outputs
from .review import moment
from .seat import Admission, Seat
from .summary import Summarizer, summarize
from .usage import Used, counted

if TYPE_CHECKING:  # a run without a model does without the import of LangChain's models
    from .summary.by_model import ModelSummarizer

Results = Mapping[str, Mapping[str, Any]]
"""Task id -> `TaskResult` as a dict."""


@dataclass(frozen=True, slots=True)
class Means:
    """What the caller gave for combining results."""

    functions: Mapping[str, Fold] = field(default_factory=dict)
    """Functions of two values, by the name that plans use."""
    summarizer: Summarizer = summarize
    """Writes the summary of `strategy: synthesize`."""
    writer: ModelSummarizer | None = None
    """Writes it in place of the summarizer, with a model."""

    @classmethod
    def of(
        cls,
        functions: Mapping[str, Fold] | Iterable[Reducer],
        summarizer: Summarizer = summarize,
        writer: ModelSummarizer | None = None,
    ) -> Means:
        """Return the means of a graph.

        Raises:
            FanwiseError: a function can't be used, or has the name of another one.
        """
        return cls(by_name(functions), summarizer, writer)


class Aggregation:
    """The work of one task that combines others, from its place on the board to its result."""

    def __init__(
        self,
        send: Mapping[str, Any],
        account: Account,
        seat: Seat,
        outputs: Outputs,
        means: Means,
        config: RunnableConfig,
    ) -> None:
        self.task: Mapping[str, Any] = send["task"]
        self.spec = Aggregate.model_validate(self.task["aggregate"])
        self.branches = [Branch(**terms) for terms in send["branches"]]
        self.account = account
        self.seat = seat
        self.outputs = outputs
        self.means = means
        self.config = config
        self._whole: dict[str, Mapping[str, Any]] = {}

    async def result(self) -> dict[str, Any] | Admission:
        """Return the task's result; or what the board says, where that comes before the outcome is certain."""
        begun, needs = time.monotonic(), self.seat.open()
        while True:
            admission = await self.seat.changed()
            if admission is not None:
                return admission
            try:
                results = await self._results()
                said = verdict(self.spec, self.branches, results)
            except GraphBubbleUp:
                raise
            except Exception as error:  # an output that was kept apart is gone
                said, results = Fail(describe(error)), {}
            if not isinstance(said, Wait):
                why, seconds = f"waits for {listed(needs)}", time.monotonic() - begun
                waited(self.config, why, seconds, why="dependencies", tasks=needs)
                return await self._decided(said, results)

    async def _results(self) -> Results:
        """Return the results that are there, with their whole outputs."""
        for need, result in self.seat.results().items():
            if need not in self._whole:
                self._whole[need] = await self.outputs.whole(result)
        return {branch.id: self._whole[branch.id] for branch in self.branches if branch.id in self._whole}

    async def _decided(self, said: Done | Fail | Nothing | Take, results: Results) -> dict[str, Any]:
        if isinstance(said, Nothing):
            idle = all(result.get("no_occasion") for result in results.values())
            skipped = self.account.result(self.task, "skipped", error=said.reason)
            return {**skipped, "by_choice": True, **({"no_occasion": True} if idle else {})}
        let_go: list[str] = []
        self.account.attempts = 1
        self.account.started_at = moment(time.time())
        self.seat.emit(TaskStarted(type="task_started", task_id=self.task["id"], attempt=1))
        if isinstance(said, Done | Take) and said.cancel and self.spec.cancel_rest:
            own = said.reason if isinstance(said, Done) else "enough others succeeded"
            let_go = self.seat.cancel(said.cancel, f"{own} (task {self.task['id']!r})")
        if isinstance(said, Fail):
            return self._failed("failed", said.error)
        if isinstance(said, Done):
            result = self.account.result(self.task, "succeeded", output=said.output)
        else:
            result = await self._taken(said, results)
        return {**result, "let_go": let_go} if let_go else result

    async def _taken(self, said: Take, results: Results) -> dict[str, Any]:
        begun, timeout_s = time.monotonic(), self.task.get("timeout_s")
        try:
            async with Span(
                self.config, self.spec.strategy, inputs={"branches": list(said.branches)}, tags=("aggregate",)
            ) as span:
                output = to_json(await run_attempt(self._combined(said.branches, results), timeout_s, self.seat))
                span.ended(output)
        except AttemptCut:
            return self.account.result(self.task, "cancelled", error=self.seat.cut)
        except AttemptTimedOut:
            self._warn()
            return self._failed("timed_out", f"no answer within {few_digits(timeout_s or 0)} s")
        except GraphBubbleUp:
            raise
        except (CombineError, ExpressionError) as error:
            return self._failed("failed", str(error))
        except Exception as error:
            return self._failed("failed", describe(error))
        finally:
            self.account.worked_s = time.monotonic() - begun
        return self.account.result(self.task, "succeeded", output=output)

    async def _combined(self, branches: Sequence[str], results: Results) -> Any:
        spec, functions = self.spec, self.means.functions
        if spec.strategy == "synthesize":
            return await self._synthesized(results)
        outputs = [(name, results[name]["output"]) for name in branches]
        own = own_function(spec.model_dump())
        if own is not None and own[1] not in functions:
            how = "it comes with --specialists FILE.py, or `build_graph(functions=...)`"
            raise CombineError(f"there is no function {own[1]!r}; {how}")
        if own is None:
            made = combined(spec, outputs, {})
        else:
            copied = copy.deepcopy(outputs)  # a function may change what it is given
            made = await in_thread(lambda: combined(spec, copied, functions), name=self._thread)
        if told := in_vain(spec, outputs):
            self.account.warnings.append(f"task {self.task['id']!r} was given nothing by its branches: {told}")
        return made

    async def _synthesized(self, results: Results) -> Any:
        """Return the summary of the results, as JSON; a model is let go before the task's own time is over."""
        request, writer = self.task.get("description") or "", self.means.writer
        if writer is None:
            summary = await in_thread(lambda: self.means.summarizer(results, request=request), name=self._thread)
            return summary.model_dump(mode="json")
        timeout_s, used = self.task.get("timeout_s"), Used(prices=writer.prices)
        try:
            with counted(used), calls_of(self.task["id"], 1):
                written = await writer.write(
                    results, request=request, within_s=None if timeout_s is None else 0.9 * timeout_s
                )
        finally:
            if (usage := used.total()) is not None:
                self.account.usage = added(self.account.usage, usage)
                self.seat.spent(usage)
        self.account.warnings += [f"task {self.task['id']!r}: {text}" for text in written.warnings]
        return written.summary.model_dump(mode="json")

    @property
    def _thread(self) -> str:
        return f"fanwise-{self.task['id']}"

    def _failed(self, status: str, error: str) -> dict[str, Any]:
        fallback = self.task.get("fallback")
        if fallback:
            return self.account.result(
                self.task, "succeeded", output=fallback.get("output"), error=error, fallback=True
            )
        return self.account.result(self.task, status, error=error)

    def _warn(self) -> None:
        self.account.warnings.append(
            f"task {self.task['id']!r} was ended and abandoned: its function goes on in its thread, "
            "and what it returns is discarded"
        )
