"""What is traced, where to, and what of it is left out."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .redact import Redactor, compiled

Score = Callable[[Mapping[str, Any]], Mapping[str, float]]
"""Makes scores, by their names, of a run's output."""

MAX_CHARS = 20_000
"""Characters of one text in a trace, where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """What of a run goes to LangSmith and OpenTelemetry. What is not set, the environment tells."""

    langsmith: bool | None = None
    """Whether runs go to LangSmith; as `LANGSMITH_TRACING` says if not given."""
    otel: bool | None = None
    """Whether they go to OpenTelemetry; as `FANWISE_OTEL` says if not given. Needs the extra `otel`."""
    hide_inputs: bool | None = None
    """Whether inputs are left out; as `LANGSMITH_HIDE_INPUTS` says if not given."""
    hide_outputs: bool | None = None
    """Whether outputs, and what is asked of people, are left out; as `LANGSMITH_HIDE_OUTPUTS` says if not given."""
    max_chars: int = MAX_CHARS
    """Longer texts are cut to so many characters."""
    mask: bool = True
    """Whether secrets are masked."""
    patterns: Iterable[str | re.Pattern[str]] = ()
    """Further secrets, as regular expressions, as texts or compiled; kept as a tuple."""
    feedback: bool | Score = False
    """Whether a run's status is logged as its feedback, with a score; or what makes the scores."""

    def __post_init__(self) -> None:
        """Check the patterns.

        Raises:
            FanwiseError: one is no regular expression.
        """
        object.__setattr__(self, "patterns", tuple(compiled(self.patterns)))

    @property
    def to_langsmith(self) -> bool:
        """Whether runs go to LangSmith now."""
        if self.langsmith is not None:
            return self.langsmith
        from langsmith.utils import tracing_is_enabled

        return bool(tracing_is_enabled())

    @property
    def to_otel(self) -> bool:
        """Whether runs go to OpenTelemetry now."""
        return is_set("FANWISE_OTEL") if self.otel is None else self.otel

    @property
    def hides_inputs(self) -> bool:
        """Whether inputs are left out."""
        return _hidden("INPUTS") if self.hide_inputs is None else self.hide_inputs

    @property
    def hides_outputs(self) -> bool:
        """Whether outputs are left out."""
        return _hidden("OUTPUTS") if self.hide_outputs is None else self.hide_outputs

    def redactor(self) -> Redactor:
        """Return what masks secrets."""
        return Redactor.of_env((*self.patterns, *_patterns_of_env()), is_on=self.mask)


def is_set(name: str) -> bool:
    """Tell whether an environment variable says yes."""
    return os.environ.get(name, "").strip().lower() in ("1", "true", "yes", "on")


def _hidden(what: str) -> bool:
    return is_set(f"LANGSMITH_HIDE_{what}") or is_set(f"LANGCHAIN_HIDE_{what}")


def _patterns_of_env() -> list[str]:
    """Return the patterns in `FANWISE_MASK`, one in each line."""
    return [line for line in os.environ.get("FANWISE_MASK", "").splitlines() if line.strip()]
