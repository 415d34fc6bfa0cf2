"""Plans that are kept for the next time that the same is asked."""

from __future__ import annotations

import asyncio
from typing import Any

from langgraph.store.memory import InMemoryStore
from planning_parts import NIGHTLY, SPECIALISTS, MakePlanner, planned

from fanwise.nodes.planning import ModelPlanner, PlanCache, Planned
from fanwise.nodes.planning.cache import NAMESPACE
from fanwise.nodes.specialist import Specialist

FETCH = {"id": "f", "specialist": "fetch", "input": {"page": "x"}}


def kept(planner: ModelPlanner, store: Any, key: str | None = None) -> tuple[Planned | None, list[str]]:
    cache = PlanCache(store)
    return asyncio.run(cache.get(planner, key or cache.key(planner, "Count"), "Count"))


def filled(planner: ModelPlanner) -> tuple[InMemoryStore, str]:
    store = InMemoryStore()
    cache = PlanCache(store)

    async def fill() -> str:
        key = cache.key(planner, "Count")
        assert await cache.put(key, await planner.plan("Count")) == []
        return key

    return store, asyncio.run(fill())


def test_same_request_needs_no_model(make_planner: MakePlanner) -> None:
    """The plan is the same, with the words of now; blanks do not matter."""
    planner, server = make_planner(
        [planned(FETCH, workflow="nightly", params={"page": "y"})], workflows={"nightly": NIGHTLY}
    )
    store, key = filled(planner)
    found, warnings = asyncio.run(PlanCache(store).get(planner, key, " Count"))

    assert found is not None and found.plan is not None and warnings == []
    assert [task.id for task in found.plan.tasks] == ["get", "sum", "f"]
    assert (found.plan.request, found.workflow, found.usage, len(server.requests)) == (" Count", "nightly", None, 1)
    assert "kept from an earlier time" in found.why
    assert PlanCache(store).key(planner, "Count \n") == key


def test_key_tells_what_a_plan_depends_on(make_planner: MakePlanner) -> None:
    """Request, parameters, specialists, workflows, model."""
    planner, _ = make_planner([])
    cache = PlanCache(InMemoryStore())
    other = {**SPECIALISTS, "report": Specialist("report", print, "Writes another report")}
    keys = {
        cache.key(planner, "a"),
        cache.key(planner, "b"),
        cache.key(planner, "a", {"events": "x"}),
        cache.key(ModelPlanner(planner.model, other), "a"),
        cache.key(ModelPlanner(planner.model, SPECIALISTS, {"nightly": NIGHTLY}), "a"),
        cache.key(ModelPlanner(planner.model.model_copy(update={"model_name": "other"}), SPECIALISTS), "a"),
    }
    assert len(keys) == 6


def test_plans_with_warnings_are_not_kept(make_planner: MakePlanner) -> None:
    """Nor replies."""
    planner, _ = make_planner([planned(FETCH, {"id": "x", "specialist": "no"})] * 3 + [planned(reply="Hello")])
    cache = PlanCache(InMemoryStore())
    for _ in range(2):
        asyncio.run(cache.put("k", asyncio.run(planner.plan("Count"))))

    assert kept(planner, cache.store, "k") == (None, [])


def test_kept_plan_is_checked_anew(make_planner: MakePlanner) -> None:
    """What has changed since, or was damaged, is told, and the model is asked again."""
    planner, _ = make_planner([planned(FETCH)])
    store, key = filled(planner)
    lacking = Specialist("fetch", print, lacks="it needs a key")
    poorer = ModelPlanner(planner.model, {**SPECIALISTS, "fetch": lacking})
    found, warnings = kept(poorer, store, key)
    assert found is None and "does not fit any more and is not used" in warnings[0]

    for value in ({"plan": 3}, {}, {"plan": {"tasks": [{"id": "a"}]}}, {"plan": {"tasks": []}}):
        asyncio.run(store.aput(NAMESPACE, key, value))
        found, warnings = kept(planner, store, key)
        assert found is None and len(warnings) == 1 and "not used" in warnings[0], value


class Broken(InMemoryStore):
    """A store that fails."""

    async def aget(self, *args: Any, **options: Any) -> Any:
        raise OSError("disk gone")

    async def aput(self, *args: Any, **options: Any) -> None:
        raise OSError("disk full")


def test_store_that_fails_costs_a_warning(make_planner: MakePlanner) -> None:
    """A run goes on without its cache."""
    planner, _ = make_planner([planned(FETCH)])

    assert kept(planner, Broken()) == (None, ["the kept plans can't be read: OSError: disk gone"])
    made = asyncio.run(planner.plan("Count"))
    assert asyncio.run(PlanCache(Broken()).put("k", made)) == ["the plan can't be kept: OSError: disk full"]
