"""Broken plan files: each is refused with exactly the message that lies beside it."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from fanwise.state import FanwiseError, Plan, PlanError

FOLDER = Path(__file__).parent / "broken"
EXPECTED: dict[str, list[str]] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))


def refusal(path: Path) -> PlanError:
    with pytest.raises(PlanError) as caught:
        Plan.load(path, name=path.name)
    return caught.value


@pytest.mark.parametrize("name", EXPECTED)
def test_message_is_the_expected_one(name: str) -> None:
    """A broken file is refused with all its problems, word for word, and with no other error behind it."""
    error = refusal(FOLDER / name)

    assert str(error).splitlines() == EXPECTED[name]
    assert error.__cause__ is None


def test_every_broken_file_has_an_expected_message() -> None:
    """No broken file goes unchecked, and there are forty of them at least."""
    files = {path.name for path in FOLDER.iterdir()} - {"expected.json"}

    assert files == EXPECTED.keys()
    assert len(files) >= 40


@pytest.mark.parametrize("name", EXPECTED)
def test_error_survives_pickling(name: str) -> None:
    """A PlanError that crosses a process border keeps its text, its problems and its source."""
    error = refusal(FOLDER / name)
    copy = pickle.loads(pickle.dumps(error))

    assert isinstance(copy, FanwiseError)
    assert (str(copy), copy.problems, copy.source) == (str(error), error.problems, error.source)


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith((".yaml", ".json"))])
def test_text_is_refused_like_the_file(name: str) -> None:
    """The same content from standard input has the same problems, format and all found out from the content."""
    from_file = refusal(FOLDER / name)
    with pytest.raises(PlanError) as caught:
        Plan.load((FOLDER / name).read_bytes())

    if name != "single_quotes.json":  # YAML, for all that its content tells
        assert caught.value.problems == from_file.problems
