"""Specialists: the named workers that tasks are given to.

A specialist is a sync or async function, or anything that LangChain can run: a `Runnable`, a compiled graph, an
agent, a `RemoteGraph`. It is called with its task and with its dependencies' results by task id, in plan order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ..schema.errors import FanwiseError
from ..schema.policy import Retry
from .held import Held

if TYPE_CHECKING:  # to name and check specialists must not take the half second that importing LangChain takes
    from langchain_core.runnables import Runnable
    from typing_extensions import TypeIs

TEST = "test"
"""The tag of specialists that run tests."""

RetryOn = Callable[[BaseException], bool]
"""Tells whether an error is worth another attempt."""

PROGRAMMING_ERRORS: tuple[type[BaseException], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""Errors that the same call would raise again; LangGraph's own default list, less what the outside world can cause."""


def default_retry_on(error: BaseException) -> bool:
    """Tell whether an error is worth another attempt: any but a programming error, or a model's that says it is not."""
    if isinstance(retryable := getattr(error, "is_retryable", None), bool):
        return retryable  # LangChain's `ModelError`
    return isinstance(error, Exception) and not isinstance(error, PROGRAMMING_ERRORS)


@dataclass(frozen=True, slots=True)
class Specialist:
    """A named worker. Made by `@specialist` or by giving `Specialist(name, work)` anything that can run."""

    name: str
    """The name that tasks use, and the node's name in the graph."""
    work: Callable[..., Any] | Runnable[Any, Any]
    """The function or Runnable that does the work."""
    description: str = ""
    """What it is for, in a sentence; shown to people and to planners."""
    retry_on: RetryOn = default_retry_on
    """Which errors are worth another attempt."""
    exclusive: bool = False
    """Whether its tasks work beside nothing else, unless they say otherwise."""
    cpu_bound: bool = False
    """Whether its tasks keep a core busy: no more of them work than there are cores which others leave free."""
    pure: bool = False
    """Whether it only reads, and may do the same twice: its tasks may start while the plan is still being written."""
    input_schema: Mapping[str, Any] | None = None
    """JSON schema of its tasks' input; told to planners, and plans that do not fit it are refused."""
    retry: Retry | None = None
    """Further attempts for its tasks where neither they nor the plan say anything."""
    model: str | None = None
    """The chat model that it works with, by the name that rates and prices use."""
    lacks: str = ""
    """What it needs and does not have, with what to do about it; plans with tasks for it are refused."""
    lacks_for: Callable[[Any], str] | None = None
    """The same for a task with this input: what it would need and does not have, or nothing."""
    held: Mapping[str, Held] = field(default_factory=dict)
    """Fields of the input that tasks of a model's plan may not set freely, by name."""

    def __post_init__(self) -> None:
        if not (callable(self.work) or is_runnable(self.work)):
            raise FanwiseError(
                f"specialist {self.name!r}: {type(self.work).__name__} is neither a function nor a Runnable; "
                "give a function, a Runnable or a compiled graph"
            )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function behind the specialist, as if it were not decorated."""
        if not callable(self.work):
            raise FanwiseError(f"specialist {self.name!r} is a Runnable: call its invoke or ainvoke")
        return self.work(*args, **kwargs)


def is_runnable(work: object) -> TypeIs[Runnable[Any, Any]]:
    """Tell whether LangChain can run something: a Runnable, a compiled graph, an agent, a remote graph."""
    return callable(getattr(work, "ainvoke", None))


def specialist(
    name: str,
    *,
    description: str = "",
    retry_on: RetryOn | type[BaseException] | tuple[type[BaseException], ...] | None = None,
    tags: Collection[str] = (),
    exclusive: bool | None = None,
    cpu_bound: bool = False,
    pure: bool = False,
    input_schema: Mapping[str, Any] | type[BaseModel] | None = None,
    retry: Retry | None = None,
) -> Callable[[Callable[..., Any]], Specialist]:
    """Turn a sync or async function into a specialist.

    The function takes `(task)`, `(task, results)` or no argument: `task` is a `Task` (id, description, input),
    `results` a mapping from task id to `TaskResult`, in plan order. What it returns is the task's output: any JSON
    value, a pydantic model or a dataclass. It may also take, by these names, LangGraph's `runtime` and `config`, the
    `attempt`'s number, an `idempotency_key` that stays the same while the same work is tried again, and `comment` and
    `previous`: what a reviewer said, and about which output.

    Args:
        name: the name that tasks use.
        description: what it is for; the function's docstring if not given.
        retry_on: which errors are worth another attempt: a predicate, or exception types.
        tags: what it is; `test` makes it exclusive.
        exclusive: whether its tasks work beside nothing else; by default those tagged as tests.
        cpu_bound: whether its tasks keep a core busy; each takes a unit of the pool `cpu`.
        pure: whether it only reads, and may do the same twice: its tasks may start while a model writes the plan.
        input_schema: what its tasks' input has to be: a pydantic model or a JSON schema.
        retry: further attempts where neither the task nor the plan says anything.
    """
    schema = input_schema.model_json_schema() if isinstance(input_schema, type) else input_schema

    def decorate(work: Callable[..., Any]) -> Specialist:
        text = description or (inspect.getdoc(work) or "").split("\n\n")[0]
        alone = TEST in tags if exclusive is None else exclusive
        return Specialist(name, work, text, _retry_predicate(retry_on), alone, cpu_bound, pure, schema, retry)

    return decorate


def _retry_predicate(given: RetryOn | type[BaseException] | tuple[type[BaseException], ...] | None) -> RetryOn:
    if given is None:
        return default_retry_on
    if isinstance(given, tuple) or isinstance(given, type):
        types = given

        def is_listed(error: BaseException) -> bool:
            return isinstance(error, types)

        return is_listed
    return given


def as_specialists(given: Mapping[str, Any] | Sequence[Any]) -> dict[str, Specialist]:
    """Turn what a caller gives (specialists, or a mapping from names to things that run) into specialists by name.

    Raises:
        FanwiseError: two share a name, or one is neither a specialist nor something that runs.
    """
    items = (
        [Specialist(k, v) if not isinstance(v, Specialist) else v for k, v in given.items()]
        if isinstance(given, Mapping)
        else [_named(item) for item in given]
    )
    found: dict[str, Specialist] = {}
    for item in items:
        if item.name in found:
            raise FanwiseError(f"two specialists are called {item.name!r}; give each a name of its own")
        found[item.name] = item
    return found


def _named(item: Any) -> Specialist:
    if isinstance(item, Specialist):
        return item
    name = getattr(item, "name", None)
    if is_runnable(item) and isinstance(name, str) and name:
        return Specialist(name, item)
    raise FanwiseError(
        f"{item!r} is no specialist: decorate the function with @specialist('name'), or give Specialist(name, ...)"
    )
