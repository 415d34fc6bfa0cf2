"""`remote_specialist`: a specialist whose work is done by a graph on another deployment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from ....schema.errors import FanwiseError, PlanError, Problem
from ....schema.plan import Task
from ....schema.policy import Retry
from ....schema.results import TaskResult
from ....schema.translate import worded
from ....schema.words import path_text
from ...specialist import Specialist
from .settings import Remote, remote_problems, with_plain_urls
from .template import made_input, names, no_reference

if TYPE_CHECKING:  # to name a specialist must not take the time that importing LangGraph's SDK takes
    from langchain_core.runnables import RunnableConfig
    from langgraph.runtime import Runtime

    from .clients import Clients
    from .pool import Pool

RETRY = Retry(max_attempts=4, initial_s=1.0, max_s=30.0)
"""Further attempts where neither the task nor the plan says anything; each error says whether it is worth one."""

RESUMING = "__pregel_resuming"
"""Where LangGraph says that a superstep is gone on with; a private name."""


def remote_specialist(
    name: str,
    *,
    url: str | Sequence[str],
    graph: str,
    description: str = "",
    input: Mapping[str, Any] | Literal["messages"] | None = None,
    output: str | None = None,
    config: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    api_key: str | None = None,
    after_failure: Literal["continue", "restart"] = "continue",
    ttl_minutes: float | None = None,
    request_timeout_s: float = 30.0,
    wait_s: float = 60.0,
    trace: bool = True,
    input_schema: Mapping[str, Any] | None = None,
    retry: Retry | None = None,
) -> Specialist:
    """Return a specialist whose work is done by a graph on another deployment (LangGraph's Agent Server).

    Args:
        name: the name that tasks use.
        url: where the graph is served. Of several, each task goes to the one with the least work, and one that is gone
            is left out until it is back.
        graph: the graph's name there, or an assistant's id.
        description: what it is for.
        input: what the graph is given: an object with references such as `{{task.input.city}}`, `{{task.text}}` or
            `{{tasks.fetch.output}}`; or `messages`, one message with the task in words. If not given, the task's input,
            where that is an object, else `{"request": ...}`.
        output: what of the graph's last state is the task's output, in JMESPath. If not given: of a Fanwise run its
            answer and results, of an agent what it said, else the state.
        config: `configurable`, `tags`, `recursion_limit` of its runs.
        context: the context of its runs.
        headers: sent with every request; `${VAR}` is taken from the environment.
        api_key: sent as `x-api-key`; `${VAR}` is taken from the environment. None is sent if not given.
        after_failure: whether an attempt after a failed one goes on where the remote run stopped (`continue`), or
            begins anew.
        ttl_minutes: how long the deployment keeps a task's thread.
        request_timeout_s: seconds without a byte after which a request, or a stream, counts as broken.
        wait_s: seconds that tasks wait where no deployment can be reached, from when the last one went; at most 5 for
            deployments that this process has never reached, and none at all with 0.
        trace: whether trace context goes with its runs.
        input_schema: JSON schema of its tasks' input.
        retry: further attempts where neither the task nor the plan says anything.

    Raises:
        PlanError: something of this is not as it has to be; all problems at once.
    """
    given: dict[str, Any] = {
        "url": url if isinstance(url, str) else list(url),
        "graph": graph,
        "input": input if input is None or isinstance(input, str) else dict(input),
        "output": output,
        "config": dict(config or {}),
        "context": None if context is None else dict(context),
        "headers": dict(headers or {}),
        "api_key": api_key,
        "after_failure": after_failure,
        "ttl_minutes": ttl_minutes,
        "request_timeout_s": request_timeout_s,
        "wait_s": wait_s,
        "trace": trace,
    }
    problems = [Problem(told, path_text(loc)) for loc, told in remote_problems(given)]
    try:
        remote = Remote.model_validate(with_plain_urls(given))
    except ValidationError as error:
        problems += [Problem(worded(dict(e), e["loc"]), path_text(e["loc"])) for e in error.errors(include_url=False)]
    if problems:
        raise PlanError(problems, f"the remote specialist {name!r}")
    return specialist_of(name, description, remote, input_schema, retry)


def specialist_of(
    name: str, description: str, remote: Remote, schema: Mapping[str, Any] | None = None, retry: Retry | None = None
) -> Specialist:
    """Return the specialist that is described."""
    about = description.strip() or f"Hands its tasks to the graph {remote.graph!r} of another deployment"
    work = RemoteWork(name, remote)
    return Specialist(name, work, about, input_schema=schema, retry=retry or RETRY, lacks=remote.lacks)


class RemoteWork:
    """The work of a specialist that another deployment does."""

    def __init__(self, name: str, remote: Remote) -> None:
        self._name = name
        self._remote = remote
        self._made: tuple[Pool, Clients] | None = None

    async def __call__(
        self,
        task: Task,
        results: Mapping[str, TaskResult],
        runtime: Runtime[Any],
        config: RunnableConfig,
        attempt: int,
        comment: str,
        previous: Any,
        idempotency_key: str,
    ) -> Any:
        """Carry out a task."""
        from ....tracing.streaming import teller
        from .work import Attempt

        if lacks := self._remote.lacks:
            raise FanwiseError(f"`{self._name}`: {lacks}")
        given = self._input(task, results, comment, previous)
        pool, clients = self._means()
        again = attempt > 1 or bool((config.get("configurable") or {}).get(RESUMING))
        async with clients.in_use() as opened:
            work = Attempt(self._name, self._remote, pool, opened, idempotency_key, given, config, teller(), again)
            return await work.output()

    def _means(self) -> tuple[Pool, Clients]:
        from .clients import Clients
        from .pool import Pool

        if self._made is None:
            self._made = Pool(self._remote.url), Clients(self._remote.secrets, self._remote.request_timeout_s)
        return self._made

    def _input(self, task: Task, results: Mapping[str, TaskResult], comment: str, previous: Any) -> Any:
        from ...call import Occasion, in_words
        from ...usage import report_warning

        plain = task.model_dump(mode="json")
        there = {need: result.model_dump(mode="json") for need, result in results.items()}
        text = in_words(plain, there, Occasion(task.id, "", comment=comment, previous=previous))
        told_all = self._remote.input is None and not plain.get("input")  # the request is the task in words
        if comment and not told_all and not names(self._remote.input, "comment"):
            report_warning(no_reference("comment"))
        about = {"text": text, "comment": comment, "previous": previous}
        return made_input(self._remote.input, plain, there, about)
