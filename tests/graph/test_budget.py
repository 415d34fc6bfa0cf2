"""Budgets: how many tokens, and how much money, a run's models may use."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from fanwise.graph import arun, build_graph, report_usage, run, specialist
from fanwise.graph.run import execute
from fanwise.state import PlanError, Task


@specialist("spender")
async def spender(task: Task) -> str:
    """Report the tokens and the cost that its input says."""
    report_usage(input_tokens=task.input["tokens"], cost=task.input.get("cost", 0.0))
    return task.id


def _plan(config: dict[str, Any], tasks: int = 6, **input: Any) -> dict[str, Any]:
    """Return a plan of tasks in a row that each use 100 tokens."""
    return {
        "config": config,
        "tasks": [
            {
                "id": f"t{i}",
                "specialist": "spender",
                "input": {"tokens": 100, **input},
                "depends_on": [f"t{i - 1}"] if i else [],
            }
            for i in range(tasks)
        ],
    }


def test_nothing_more_starts_once_the_tokens_are_used_up() -> None:
    events: list[dict[str, Any]] = []
    report = run(_plan({"max_tokens": 250}), specialists=[spender], on_event=events.append)
    statuses = [result.status for result in report.results.values()]
    assert statuses == ["succeeded"] * 3 + ["skipped"] * 3
    assert report.status == "failed"
    why = "the run's budget is used up: 300 of 250 tokens"
    assert report.results["t3"].error == why
    assert [e["why"] for e in events if e["type"] == "budget_used"] == [why], "it is said once"
    assert why in report.summary.text
    assert report.metrics.usage == {"input_tokens": 300, "total_tokens": 300}


def test_what_runs_beside_ends() -> None:
    """A budget that is used up by one task ends no other one at work."""

    @specialist("slow")
    async def slow() -> str:
        await asyncio.sleep(0.2)
        return "done"

    plan = _plan({"max_tokens": 50}, tasks=1)
    plan["tasks"] += [
        {"id": "slow", "specialist": "slow"},
        {"id": "after", "specialist": "slow", "depends_on": ["slow"], "required": False},
    ]
    report = run(plan, specialists=[spender, slow])
    assert {key: result.status for key, result in report.results.items()} == {
        "t0": "succeeded",
        "slow": "succeeded",
        "after": "skipped",
    }
    assert report.status == "partial"


def test_money_is_counted_by_the_price_table_and_by_what_specialists_say() -> None:
    report = run(_plan({"max_cost": 1.0}, cost=0.4), specialists=[spender])
    assert [r.status for r in report.results.values()].count("succeeded") == 3
    assert report.metrics.usage is not None and report.metrics.usage["cost"] == pytest.approx(1.2)

    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "total_tokens": 1_000_000}
    answers = iter(AIMessage("ok", usage_metadata=usage, response_metadata={"model_name": "m"}) for _ in range(9))
    model = GenericFakeChatModel(messages=answers)
    plan = {
        "config": {"max_cost": 3.5, "max_parallel": 1},
        "tasks": [{"id": f"t{i}", "specialist": "asker"} for i in range(6)],
    }
    report = run(plan, specialists={"asker": model}, prices={"models": {"m": {"input": 2.0, "output": 1.0}}})
    assert [r.status for r in report.results.values()] == ["succeeded"] * 2 + ["skipped"] * 4
    assert report.results["t0"].usage is not None and report.results["t0"].usage["by_model"]["m"]["cost"] == 2.0
    assert report.metrics.usage_by["asker"]["cost"] == 4.0


def _asker(*names: str) -> GenericFakeChatModel:
    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "total_tokens": 1_000_000}
    answers = (AIMessage("ok", usage_metadata=usage, response_metadata={"model_name": name}) for name in names)
    return GenericFakeChatModel(messages=answers)


def test_what_has_no_price_is_said_and_money_names_its_currency() -> None:
    """A budget of money that counts nothing is refused where a model is known beforehand."""
    tasks = [{"id": f"t{i}", "specialist": "asker"} for i in range(4)]
    plan = {"config": {"max_cost": 1.5, "max_parallel": 1}, "tasks": tasks}
    table = {"currency": "EUR", "models": {"m": {"input": 0.1, "output": 1.0}, "n": {"input": 1.7, "output": 1.0}}}
    report = run(plan, specialists={"asker": _asker("x", "m", "n", "m")}, prices=table)
    assert report.warnings == ("no price for model 'x': its cost is not counted against max_cost",)
    assert report.results["t3"].error == "the run's budget is used up: 1.8000 of 1.5000 EUR"
    assert report.metrics.currency == "EUR"
    assert report.metrics.usage is not None and repr(report.metrics.usage["cost"]) == "1.8"

    free = run({"tasks": tasks[:1]}, specialists={"asker": _asker("x")}, prices=table)
    assert free.warnings == ("no price for model 'x': its cost is not counted",)
    assert run({"tasks": tasks[:1]}, specialists={"asker": _asker("x")}).warnings == ()

    with pytest.raises(PlanError, match=r"config\.max_cost: max_cost needs to know what models cost"):
        run(plan, specialists={"asker": _asker("x")}, model={"summary": _asker("x")})
    told = run(plan, specialists={"asker": _asker("m", "m", "m", "m")}, model={"summary": _asker("m")}, prices=table)
    assert "no price for model 'GenericFakeChatModel': its cost is not counted against max_cost" in told.warnings


def test_the_budget_holds_over_a_resume(tmp_path: Path) -> None:
    """What was used before a run was stopped counts when it goes on."""
    held = asyncio.Event()

    @specialist("held")
    async def wait_for_it() -> str:
        await held.wait()
        return "done"

    async def both() -> Any:
        async with AsyncSqliteSaver.from_conn_string(str(tmp_path / "runs.db")) as saver:
            graph = build_graph([spender, wait_for_it], checkpointer=saver)
            plan = _plan({"max_tokens": 250}, tasks=2)
            plan["tasks"] += [
                {"id": "held", "specialist": "held"},
                *(
                    {**task, "id": f"late-{task['id']}", "depends_on": ["held", *(["late-t0"] if i else [])]}
                    for i, task in enumerate(_plan({}, tasks=2)["tasks"])
                ),
            ]
            first = asyncio.ensure_future(execute(graph, {"plan": plan}, "t"))
            await asyncio.sleep(0.5)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            held.set()
            return await execute(graph, None, "t")

    report = asyncio.run(both())
    assert report.results["late-t0"].status == "succeeded"
    assert report.results["late-t1"].status == "skipped"
    assert "300 of 250 tokens" in report.results["late-t1"].error


@pytest.mark.parametrize("config", [{"max_tokens": 0}, {"max_tokens": 1.5}, {"max_cost": 0}, {"max_cost": "much"}])
def test_a_budget_that_is_none_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(PlanError, match=next(iter(config))):
        asyncio.run(arun(_plan(config), specialists=[spender]))
