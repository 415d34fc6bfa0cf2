"""What models cost: a table that users give, in any currency, per million tokens.

models:
  gpt-4.1-mini: {input: 0.40, cached_input: 0.10, output: 1.60}
  "llama*": {input: 0, output: 0}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..schema.document import read_document
from ..schema.errors import FanwiseError, PlanError

PER = 1_000_000
"""Tokens that a price is for."""

_DATE = re.compile(r"-\d{4}-?\d{2}-?\d{2}$")

Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Price(BaseModel):
    """What a million tokens of a model cost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Amount
    output: Amount
    cached_input: Amount | None = None
    """For input that the server had in its cache; the price of `input` if not given."""

    def of(self, usage: Mapping[str, Any]) -> float:
        """Return what a usage costs: `input_tokens` (the cached ones among them), `output_tokens`."""
        cached = usage.get("cached_input_tokens", 0) if self.cached_input is not None else 0
        fresh = usage.get("input_tokens", 0) - cached
        written = usage.get("output_tokens", 0)
        cost: float = (fresh * self.input + cached * (self.cached_input or 0.0) + written * self.output) / PER
        return cost


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    models: dict[str, Price]
    currency: str = ""


@dataclass(frozen=True)
class Prices:
    """Prices by model. A name may hold `*` and `?`; the name itself goes before patterns, the longest pattern first."""

    models: Mapping[str, Price] = field(default_factory=dict)
    currency: str = ""

    @classmethod
    def load(cls, given: str | PathLike[str] | Mapping[str, Any] | Prices | None) -> Prices:
        """Return the prices in a file (YAML, JSON or TOML), or in a mapping like its contents.

        Raises:
            FanwiseError: it can't be read, or is no table of prices.
        """
        if given is None or isinstance(given, Prices):
            return given or cls()
        place = "the price table" if isinstance(given, Mapping) else f"the price table {given}"
        try:
            data = given if isinstance(given, Mapping) else read_document(Path(given)).data
            table = _Table.model_validate(data)
        except ValidationError as error:
            raise FanwiseError("\n".join(f"{place}: {line}" for line in _told(error))) from None
        except PlanError as error:
            raise FanwiseError(f"{place}: {error}") from None
        return cls(table.models, table.currency)

    def of(self, model: str) -> Price | None:
        """Return a model's price; `None` where the table has none.

        A server may tell the model's version behind the name that was asked for: `gpt-4.1-mini-2025-04-14`.
        """
        if (own := self.models.get(model) or self.models.get(_DATE.sub("", model))) is not None:
            return own
        return next((price for pattern, price in self._patterns if fnmatchcase(model, pattern)), None)

    @cached_property
    def _patterns(self) -> list[tuple[str, Price]]:
        found = [(name, price) for name, price in self.models.items() if "*" in name or "?" in name]
        return sorted(found, key=lambda item: -len(item[0]))


def _told(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        what = "unknown field" if problem["type"] == "extra_forbidden" else problem["msg"]
        lines.append(f"{place}: {what}; a model's prices are input, output and cached_input, per million tokens")
    return lines


NO_PRICES = Prices()
"""For those who count tokens only."""
