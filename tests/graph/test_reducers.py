"""The reducers' laws: no arrival order and no batching makes a difference."""

from __future__ import annotations

from functools import reduce
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from fanwise.reducers import append_new, last, merge_results

ids = st.text("abcdef", min_size=1, max_size=2)
writes = st.dictionaries(
    ids, st.one_of(st.none(), st.dictionaries(st.just("status"), st.sampled_from("sf"), min_size=1))
)


@given(st.lists(writes, max_size=6), st.data())
def test_any_batching_gives_one_result(updates: list[dict[str, Any]], data: st.DataObject) -> None:
    """Merging updates one by one, in groups, or all at once gives the same results: LangGraph replays them so."""
    at_once = merge_results({}, updates)
    cut = data.draw(st.integers(0, len(updates)))
    assert merge_results(merge_results({}, updates[:cut]), updates[cut:]) == at_once
    assert reduce(lambda merged, update: merge_results(merged, [update]), updates, {}) == at_once
    assert None not in at_once.values()


@given(st.dictionaries(ids, st.just({"status": "succeeded"}), min_size=1), st.randoms())
def test_any_arrival_order_gives_one_result(results: dict[str, Any], random: Any) -> None:
    """Branches that write about different tasks may finish in any order."""
    updates = [{key: value} for key, value in results.items()]
    random.shuffle(updates)
    assert merge_results({}, updates) == results


@given(writes, writes)
def test_arguments_are_never_changed(current: dict[str, Any], update: dict[str, Any]) -> None:
    """A reducer returns a new value; a changed argument would change what was streamed before."""
    before = (dict(current), dict(update))
    merge_results(current, [update])
    assert (current, update) == before


def test_none_takes_a_result_out() -> None:
    """A write of `None` removes a task's result, so that it is run once more."""
    assert merge_results({"a": {"status": "failed"}, "b": {}}, [{"a": None}]) == {"b": {}}


def test_the_last_write_holds() -> None:
    """A channel that keeps changes of one value takes the last; without a write it stays as it is."""
    assert (last({"a": 1}, [{"b": 2}, {"c": 3}]), last({"a": 1}, [])) == ({"c": 3}, {"a": 1})


def test_warnings_are_kept_once_and_in_order() -> None:
    """The same warning from two branches is one warning."""
    assert append_new(["a"], ["b", "a", "c", "b"]) == ["a", "b", "c"]
    assert append_new(None, None) == []
