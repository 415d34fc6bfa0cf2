"""Documents: which text is what, what scalars mean, and what cannot be read at all."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from fanwise.schema.document import guess_format, read_document
from fanwise.state import Plan, PlanError

TASKS = "tasks:\n  - id: a\n    specialist: wait\n"
PLAN = Plan.model_validate({"tasks": [{"id": "a", "specialist": "wait"}]})


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(PlanError) as caught:
        Plan.load(source, **options)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        TASKS,
        "\ufeff" + TASKS,
        TASKS.replace("\n", "\r\n"),
        "{tasks: [{id: a, specialist: wait}]}",
        "tasks: [{id: a, specialist: wait}]",
        '{"tasks": [{"id": "a", "specialist": "wait"}]}',
        '[{"task_id": "a", "agent": "wait"}]',
        "- id: a\n  specialist: wait\n",
        '[[tasks]]\nid = "a"\nspecialist = "wait"\n',
        '# a plan\ntasks = [{id = "a", specialist = "wait"}]\n',
    ],
)
def test_format_is_found_out(text: str) -> None:
    """YAML, JSON and TOML, a bare list of tasks, a byte order mark, Windows line ends: each is the same plan."""
    assert Plan.load(text) == PLAN
    assert Plan.load(text.encode()) == PLAN


@pytest.mark.parametrize("name", ["plan.yaml", "plan.yml", "plan.json", "plan.toml", "plan", "plan.txt"])
def test_paths(name: str, tmp_path: Path) -> None:
    """A path is given as `str` or as a path object; the extension tells the format, else the content does."""
    texts = {
        "json": '{"tasks": [{"id": "a", "specialist": "wait"}]}',
        "toml": '[[tasks]]\nid = "a"\nspecialist = "wait"',
    }
    path = tmp_path / name
    path.write_text(texts.get(path.suffix[1:], TASKS), encoding="utf-8")

    assert Plan.load(path) == PLAN == Plan.load(str(path))


def test_scalars_are_jsons() -> None:
    """Only JSON's words and decimal numbers are special; dates, octal, sexagesimal, yes and no stay text."""
    text = (
        "[1, -2, +3, 1.5, .5, 1e3, 0, true, false, null, ~, 'true', yes, on, 007, 0x1F, 0o17, 1_000, 12:30, "
        "2024-01-31, 1.2.3, '5', {1: a, true: b, 2024-01-01: c}]"
    )

    assert read_document(text.encode(), format="yaml").data == [
        *(1, -2, 3, 1.5, 0.5, 1000.0, 0, True, False, None, None, "true", "yes", "on", "007", "0x1F", "0o17", "1_000"),
        *("12:30", "2024-01-31", "1.2.3", "5", {"1": "a", "true": "b", "2024-01-01": "c"}),
    ]


def test_toml_dates_become_text() -> None:
    """TOML's dates and times become ISO 8601 text, as JSON has none."""
    text = "a = 2024-01-31\nb = 2024-01-31T10:00:00Z\nc = 10:00:00\n"

    assert read_document(text).data == {"a": "2024-01-31", "b": "2024-01-31T10:00:00+00:00", "c": "10:00:00"}


def test_anchors_and_merge_keys() -> None:
    """Anchors, aliases and `<<` work, so that tasks can share a policy; an own field wins over a merged one."""
    base = "&base {id: a, specialist: wait, retry: {max_attempts: 2}, timeout_s: 5}"
    plan = Plan.load(f"tasks:\n- {base}\n- {{<<: *base, id: b, timeout_s: 6}}\n")

    assert plan.tasks[1].model_dump(exclude_unset=True) == {
        "id": "b",
        "specialist": "wait",
        "retry": {"max_attempts": 2},
        "timeout_s": 6,
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', "json"),
        ("{\n  'a': 1}", "yaml"),
        ("[]", "json"),
        ("[1, 2]", "yaml"),
        ("[table]\n", "toml"),
        ("a=1", "toml"),
        ("a: b = c", "yaml"),
        ("", "yaml"),
    ],
)
def test_guesses(text: str, expected: str) -> None:
    """Where no extension tells, the beginning of the text does."""
    assert guess_format(text) == expected


def test_missing_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path that leads nowhere is called that, with the nearest file beside it; a folder is called a folder."""
    monkeypatch.chdir(tmp_path)
    Path("release.yaml").write_text(TASKS, encoding="utf-8")

    assert refusal("relaese.yaml") == "relaese.yaml: 1 problem\n  - no such file; did you mean 'release.yaml'?"
    assert refusal("plan-9.json") == "plan-9.json: 1 problem\n  - no such file; check the path"
    assert refusal(Path("no/plan.yaml")) == "no/plan.yaml: 1 problem\n  - no such file; there is no folder 'no' either"
    assert refusal(".") == ".: 1 problem\n  - is a folder; give the path of a plan file"


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without permission, or on a broken disk, is refused in one sentence."""
    path = tmp_path / "plan.yaml"
    path.write_text(TASKS, encoding="utf-8")
    for error, words in (
        (PermissionError(13, "Permission denied"), "may not be read; check the file's permissions"),
        (OSError(5, "Input/output error"), "cannot be read: Input/output error; give the path of a plan file"),
    ):

        def fail(*args: Any, error: OSError = error, **kwargs: Any) -> Any:
            raise error

        monkeypatch.setattr(Path, "open", fail)
        assert refusal(path) == f"{path}: 1 problem\n  - {words}"


def test_size_is_looked_at_before_reading(tmp_path: Path) -> None:
    """A file, a text or a stream beyond the limit is refused without being read whole."""
    path = tmp_path / "plan.yaml"
    with path.open("wb") as file:
        file.truncate(2**40 if os.name == "posix" else 2**20)

    assert "more than the limit of 1,000; make it smaller or raise max_bytes" in refusal(path, max_bytes=1_000)
    assert "has more bytes than the limit of 10" in refusal(TASKS, max_bytes=10)
    if Path("/dev/zero").exists():
        assert "has more bytes than the limit of 10" in refusal("/dev/zero", max_bytes=10)
    assert Plan.load(TASKS, max_bytes=len(TASKS)) == PLAN


def test_limit_on_tasks() -> None:
    """`max_tasks` goes through to the plan."""
    text = TASKS + "  - {id: b, specialist: wait}\n"

    assert "line 1 (tasks): has 2 tasks, more than the limit of 1" in refusal(text, max_tasks=1)
    assert len(Plan.load(text, max_tasks=2).tasks) == 2


def test_specialists_are_checked_with_their_lines() -> None:
    """Where the names are known, an unknown specialist has its line; `skip` leaves it to the run."""
    text = "tasks:\n- task_id: a\n  agent: wiat\n- id: b\n  specialist: wait\n  fallback: {specialist: other}\n"

    assert refusal(text, specialists={"wait"}).splitlines()[1:] == [
        "  - line 3 (tasks[0].agent): unknown specialist 'wiat'; did you mean 'wait'?",
        "  - line 6 (tasks[1].fallback.specialist): unknown specialist 'other'; known specialists: wait",
    ]
    assert Plan.load("config: {unknown_specialist: skip}\n" + text, specialists={"wait"}).tasks[0].specialist == "wiat"


def test_places_in_json_and_yaml_are_the_same() -> None:
    """The same text, read as JSON and as YAML, has its problems on the same lines and columns."""
    data = {"tasks": [{"id": "a", "specialist": 1, "input": {"x y": [{}, [1, {"z": 2**70}]], 'q"': {}}}, 5], "nmae": []}
    text = json.dumps(data, indent=2).replace("{}", "{ }")
    found = []
    for format in ("json", "yaml"):
        document = read_document(text, format=format)  # type: ignore[arg-type]  # a plain str in this loop
        with pytest.raises(PlanError) as caught:
            Plan.from_document(document)
        found.append([(problem.path, problem.line, problem.column) for problem in caught.value.problems])

    assert found[0] == found[1]
    assert ("tasks[0].input['x y'][1][1].z", 12, 15) in found[0]


def test_large_files_are_read_quickly() -> None:
    """10,000 tasks in YAML or JSON take about a second, their lines included where there are problems."""
    tasks = [{"id": f"t{n}", "specialist": "wait", "depends_on": [f"t{n - 1}"] if n else []} for n in range(10_000)]
    tasks[5_000]["depends_on"] = ["t4999x"]
    text = json.dumps({"tasks": tasks}, indent=1)
    for format in ("json", "yaml"):
        start = time.process_time()
        with pytest.raises(PlanError, match="unknown dependency 't4999x'; did you mean 't4999'"):
            Plan.from_document(read_document(text, format=format))  # type: ignore[arg-type]  # a plain str in this loop
        assert time.process_time() - start < 6
