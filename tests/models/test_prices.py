"""What models cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanwise.models.prices import Prices
from fanwise.state import FanwiseError

TABLE = """
currency: USD
models:
  gpt-4.1-mini: {input: 0.40, cached_input: 0.10, output: 1.60}
  "gpt-4.1*": {input: 2, output: 8}
  "gpt-*": {input: 1, output: 1}
"""


def test_a_usage_costs_what_the_table_says(tmp_path: Path) -> None:
    (tmp_path / "prices.yaml").write_text(TABLE)
    prices = Prices.load(tmp_path / "prices.yaml")
    own = prices.of("gpt-4.1-mini")
    assert own is not None
    used = {"input_tokens": 1_000_000, "cached_input_tokens": 250_000, "output_tokens": 500_000}
    assert own.of(used) == pytest.approx(0.75 * 0.40 + 0.25 * 0.10 + 0.5 * 1.60)
    assert prices.of("gpt-4.1-2025").input == 2, "the longest pattern"
    assert prices.of("gpt-5").of(used) == pytest.approx(1.5), "cached input costs what input does"
    assert prices.of("llama") is None
    assert prices.of("gpt-4.1-mini-2025-04-14") is own, "the version that a server tells behind the name"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: {m: {input: 1}}", "models.m.output: Field required"),
        ("models: {m: {input: -1, output: 1}}", "models.m.input: Input should be greater than or equal to 0"),
        ("models: {m: {input: 1, output: 1, cache: 1}}", "models.m.cache: unknown field"),
        ("prices: {}", "models: Field required"),
        ("models: [", "prices.yaml"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text(text)
    with pytest.raises(FanwiseError) as refused:
        Prices.load(file)
    assert says in str(refused.value) and "the price table" in str(refused.value)
