"""Tasks that are handed on while the plan is still being written."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ...schema.errors import FanwiseError
from ...schema.plan import Plan, Task
from .checking import Base, Checker
from .draft import cleaned, connected, draft_of, folded, folded_ids, is_unicode
from .stream import TaskStream

OnTask = Callable[[Task], None]


class Early:
    """Hands on each task of a plan as soon as it is complete, valid, and all that it depends on was handed on."""

    def __init__(
        self,
        checker: Checker,
        on_task: OnTask | None,
        params: Mapping[str, Any] | None = None,
        request: str = "",
        base: Base = Base(),  # noqa: B008 - it is immutable
    ) -> None:
        self._checker = checker
        self._on_task = on_task
        self._params = params or {}
        self._request = request
        self._told: set[str] = set()
        self._known: dict[str, None] = {}
        self._folded: dict[str, str | None] = {}
        self._base = replace(base, logs=(*base.logs, self._params.get("events")))
        self._begin()

    def _begin(self) -> None:
        self.stream = TaskStream()
        self.elements: list[Any] = []
        """The tasks that the answer holds so far."""
        self._known = dict.fromkeys(task["id"] for task in self._base.tasks)
        self._folded = folded_ids(self._known)
        self._has_begun = bool(self._known)

    def read(self, text: str) -> None:
        """Look at the answer so far; none is the beginning of a new one."""
        if not text:
            self._begin()
        for element in self.stream.feed(text):
            self.elements.append(element)
            if self._on_task is not None and is_unicode(element) and len(self._known) < self._checker.max_tasks:
                self._element(element)

    def _element(self, element: Any) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._hand_on_base()
        task, _ = cleaned(element)
        drafted = connected(task, ChainMap(_own(task), self._known), self._folded)
        try:
            made, _ = self._checker.single(drafted, self._known, self._base)
        except FanwiseError:
            return  # told when the whole plan is checked
        if made is not None and made.id not in self._known:
            self._hand_on(made)

    def _hand_on_base(self) -> None:
        draft = draft_of(self.stream.head or {})
        base, problems = self._checker.base(draft.workflow, draft.params, self._params, self._request)
        if not problems and base.data:
            for task in Plan.model_validate(dict(base.data)).tasks:
                self._hand_on(task)

    def _hand_on(self, task: Task) -> None:
        self._known[task.id] = None
        key = folded(task.id)
        self._folded[key] = None if key in self._folded else task.id
        if task.id not in self._told and self._on_task is not None:
            self._told.add(task.id)
            self._on_task(task)


def _own(task: Any) -> dict[str, None]:
    name = task.get("id") if isinstance(task, dict) else None
    return {name: None} if isinstance(name, str) else {}
