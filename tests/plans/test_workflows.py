"""Named workflows: found by name or alias, filled in with parameters, never evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanwise.plans.workflows import Workflow, find_workflow, load_workflows
from fanwise.state import PlanError

GREET = """
name: greet
aliases: [hello]
title: Greet
params:
  who: {description: whom to greet, required: true}
  times: {default: 2}
tasks:
  - id: greet
    specialist: wait
    description: "Greet {{params.who}} {{ params.times }} times"
    input: {output: "{{params.who}}", seconds: "{{params.times}}"}
"""


def refusal(error: pytest.ExceptionInfo[PlanError]) -> list[str]:
    return [str(problem) for problem in error.value.problems]


@pytest.fixture
def greet(tmp_path: Path) -> Workflow:
    (tmp_path / "greet.yaml").write_text(GREET, encoding="utf-8")
    return find_workflow("hello", load_workflows(tmp_path))


def test_built_in_workflows_make_plans() -> None:
    """Each built-in workflow becomes a plan from its required parameters alone."""
    workflows = load_workflows()

    assert {"health_check", "missing_data_troubleshooting", "performance"} <= workflows.keys()
    assert find_workflow("missing_data", workflows).name == "missing_data_troubleshooting"
    for workflow in workflows.values():
        required = {name: "x" for name, param in workflow.params.items() if param.required}
        assert workflow.plan(required, request="why?").request == "why?"


def test_parameters_keep_their_type(greet: Workflow) -> None:
    """A text that is exactly a parameter becomes its value, whatever it is; inside longer text it is written out."""
    task = greet.plan({"who": {"name": "Ada"}, "times": 3}).tasks[0]

    assert task.input == {"output": {"name": "Ada"}, "seconds": 3}
    assert task.description == 'Greet {"name": "Ada"} 3 times'


def test_values_are_never_evaluated(greet: Workflow) -> None:
    """A value that looks like a parameter stays the text that it is."""
    assert greet.plan({"who": "{{params.times}}"}).tasks[0].input == {"output": "{{params.times}}", "seconds": 2}


def test_wrong_parameters_are_all_named(greet: Workflow) -> None:
    """Unknown and missing parameters are refused together."""
    with pytest.raises(PlanError) as error:
        greet.plan({"whom": "Ada"})

    assert error.value.source == "workflow 'greet'"
    assert refusal(error) == [
        "params: unknown parameter 'whom'; did you mean 'who'?",
        "params: parameter 'who' (whom to greet) is required; give it a value",
    ]


def test_value_that_does_not_fit_the_plan(greet: Workflow) -> None:
    """What a parameter makes of the plan is validated like any plan."""
    with pytest.raises(PlanError) as error:
        greet.plan({"who": float("nan")})

    assert refusal(error) == ["tasks[0].input.output: nan is not JSON; use null or text"]


def test_later_folders_win(tmp_path: Path) -> None:
    """A user's workflow takes the place of a built-in one of the same name."""
    text = "name: health_check\ntasks: [{id: mine, specialist: wait}]\n"
    (tmp_path / "own.yml").write_text(text, encoding="utf-8")
    (tmp_path / "notes.md").write_text("not a workflow", encoding="utf-8")

    assert load_workflows(tmp_path)["health_check"].plan({}).tasks[0].id == "mine"


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("- a\n- b\n", ["expected a workflow (an object with 'name' and 'tasks'), got ['a', 'b'] (a list)"]),
        (
            GREET.replace("{{params.who}}", "{{params.woh}}", 1).replace("title", "titel"),
            ["line 4 (titel): unknown field 'titel'; did you mean 'title'?"],
        ),
        (
            GREET.replace("{{params.who}}", "{{params.woh}}", 1),
            ["line 11 (tasks[0].description): unknown parameter 'woh'; did you mean 'who'?"],
        ),
        (
            GREET.replace("required:", "requierd:"),
            ["line 6 (params.who.requierd): unknown field 'requierd'; did you mean 'required'?"],
        ),
    ],
)
def test_broken_file_names_itself_and_the_line(tmp_path: Path, text: str, messages: list[str]) -> None:
    """A broken file in a user's folder is refused by its path, with the lines."""
    path = tmp_path / "broken.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PlanError) as error:
        load_workflows(tmp_path)

    assert error.value.source == str(path)
    assert refusal(error) == messages


def test_two_files_of_one_name(tmp_path: Path) -> None:
    """Two workflows of one name in one folder are refused, since either would be a surprise."""
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text(GREET, encoding="utf-8")
    with pytest.raises(PlanError) as error:
        load_workflows(tmp_path)

    assert refusal(error) == [f"name: workflow 'greet' is in {str(tmp_path / 'a.yaml')!r} too; rename one of them"]


def test_unknown_workflow_and_folder(tmp_path: Path) -> None:
    """An unknown name is refused with the nearest; a folder that is not there by its path."""
    with pytest.raises(PlanError, match="no such workflow; did you mean 'health_check'"):
        find_workflow("heathcheck", load_workflows())
    with pytest.raises(PlanError, match="cannot be read: No such file or directory"):
        load_workflows(tmp_path / "none")
