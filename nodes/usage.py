"""What an attempt uses: tokens, by model, and cost.

Chat models of LangChain are counted by themselves, wherever an attempt calls them; other work says what it used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from langchain_core.callbacks import UsageMetadataCallbackHandler
from langchain_core.tracers.context import register_configure_hook

from ..models.prices import NO_PRICES, Prices
from ..reducers.usage import added

COUNTS = ("input_tokens", "output_tokens", "total_tokens")
"""What is counted, in the words of LangChain's usage metadata."""

_MODELS: ContextVar[UsageMetadataCallbackHandler | None] = ContextVar("fanwise_models", default=None)
register_configure_hook(_MODELS, inheritable=True)


@dataclass(slots=True)
class Used:
    """What has been used so far."""

    models: UsageMetadataCallbackHandler = field(default_factory=UsageMetadataCallbackHandler)
    told: dict[str, float] = field(default_factory=dict)
    """What the work itself said."""
    told_models: dict[str, dict[str, float]] = field(default_factory=dict)
    """Tokens of models that the work itself told, by the model's name."""
    prices: Prices = NO_PRICES
    """What models cost; models without a price cost nothing that is counted."""
    warnings: list[str] = field(default_factory=list)
    """What the work says that did not go as it should, and harmed nothing."""
    run_warnings: list[str] = field(default_factory=list)
    """The same, where it is no matter of the task's alone."""
    places: list[dict[str, Any]] = field(default_factory=list)
    """Where the work was on other deployments, one after the other."""

    def total(self) -> dict[str, Any] | None:
        """Return the sums, and those of each model; `None` where nothing was used."""
        by_model = [
            (name, self._counted(name, used))
            for name, used in (*self.models.usage_metadata.items(), *self.told_models.items())
        ]
        return added(self.told, *({**used, "by_model": {name: used}} for name, used in by_model))

    def _counted(self, model: str, used: Mapping[str, Any]) -> dict[str, float]:
        counts: dict[str, float] = {name: used.get(name, 0) for name in COUNTS}
        if cached := (used.get("input_token_details") or {}).get("cache_read"):
            counts["cached_input_tokens"] = cached
        if (price := self.prices.of(model)) is not None:
            counts["cost"] = price.of(counts)
        return counts


_USED: ContextVar[Used | None] = ContextVar("fanwise_used", default=None)


@contextmanager
def counted(used: Used) -> Iterator[None]:
    """Count what is used inside."""
    models, told = _MODELS.set(used.models), _USED.set(used)
    try:
        yield
    finally:
        _MODELS.reset(models)
        _USED.reset(told)


def report_warning(text: str, *, of_run: bool = False) -> None:
    """Tell, from a specialist at work, what a person should know of it; it becomes a warning of the run, once.

    Args:
        text: the warning.
        of_run: whether it is the run's matter: the warning does not name the task then.
    """
    used = _USED.get()
    if used is not None and text not in (said := used.run_warnings if of_run else used.warnings):
        said.append(text)


def report_place(url: str, graph: str, thread_id: str, run_id: str | None) -> None:
    """Tell, from a specialist at work, where on another deployment the work is now."""
    used = _USED.get()
    if used is None:
        return
    if used.places and used.places[-1]["url"] == url:
        used.places.pop()
    used.places.append({"url": url, "graph": graph, "thread_id": thread_id, "run_id": run_id})


def report_usage(*, input_tokens: int = 0, output_tokens: int = 0, cost: float = 0.0) -> None:
    """Tell, from a specialist at work, what it has used; several calls add up.

    Chat models of LangChain need no call: they are counted by themselves.

    Args:
        input_tokens: tokens that were given to a model.
        output_tokens: tokens that it answered with.
        cost: money, in whatever currency the user counts.
    """
    used = _USED.get()
    if used is None:
        return
    for name, amount in (
        ("input_tokens", input_tokens),
        ("output_tokens", output_tokens),
        ("total_tokens", input_tokens + output_tokens),
        ("cost", cost),
    ):
        if amount:
            used.told[name] = used.told.get(name, 0) + amount


def report_input(model: str, tokens: int) -> None:
    """Tell, from a specialist at work, what a model that is no chat model was given; its price, if known, is counted.

    Args:
        model: its name, as prices have it.
        tokens: tokens that it was given.
    """
    used = _USED.get()
    if used is None:
        return
    kept = used.told_models.setdefault(model, {})
    for name in ("input_tokens", "total_tokens"):
        kept[name] = kept.get(name, 0) + tokens
