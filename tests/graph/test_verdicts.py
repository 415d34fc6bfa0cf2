"""Aggregates as pure functions: when an outcome is certain, that it stays, and what it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from thorough import examples

from fanwise.reducers.aggregation import Branch, Done, Fail, Nothing, Take, Wait, verdict
from fanwise.reducers.combining import CombineError, combined
from fanwise.state import Aggregate


def ok(output: Any, finished_at: str = "1") -> dict[str, Any]:
    return {"status": "succeeded", "output": output, "finished_at": finished_at}


def bad(status: str = "failed", *, by_choice: bool = False) -> dict[str, Any]:
    return {"status": status, "output": None, "error": "it broke", "by_choice": by_choice, "finished_at": "1"}


NAMES = ("a", "b", "c", "d", "e")
SKIPPED = bad("skipped", by_choice=True)

endings = st.one_of(
    st.sampled_from(["x", "y", "z", None]).map(ok),
    st.sampled_from(["failed", "timed_out", "skipped", "cancelled"]).map(bad),
    st.just(SKIPPED),
)
branches = st.lists(
    st.tuples(st.sampled_from([1, 2, 0.1, 0.2, 0.3]), st.sampled_from([False, False, False, True])),
    min_size=1,
    max_size=5,
).map(lambda terms: [Branch(NAMES[i], weight, required) for i, (weight, required) in enumerate(terms)])
limits = st.one_of(st.none(), st.integers(1, 5))
votes = st.builds(
    lambda **given: Aggregate(strategy="vote", **given),
    threshold=st.sampled_from(["majority", "plurality", 0.3, 0.5, 0.7, 1]),
    of=st.sampled_from(["votes", "all"]),
    ties=st.sampled_from(["fail", "first", "highest_weight"]),
    on_no_winner=st.sampled_from(["fail", None]),
    min_results=limits,
    early=st.booleans(),
)
counted = st.builds(
    lambda **given: Aggregate(strategy="merge", mode="concat", **given), first=limits, min_results=limits
)


def outcome(said: Any) -> Any:
    """What of a decision must not change: who wins, that it fails."""
    if isinstance(said, Done) and isinstance(said.output, dict) and "winner" in said.output:
        return said.output["winner"]
    return type(said)


@settings(max_examples=examples(150, 1000))
@given(st.data(), branches, votes)
def test_a_decided_vote_never_changes(data: st.DataObject, them: list[Branch], spec: Aggregate) -> None:
    """Results come in any order; from the first decision on every further one says the same."""
    results = {branch.id: data.draw(endings) for branch in them}
    decided: list[Any] = []
    so_far: dict[str, Any] = {}
    for name in data.draw(st.permutations(sorted(results))):
        so_far[name] = results[name]
        said = verdict(spec, them, so_far)
        assert not (isinstance(said, Wait) and decided)
        if not isinstance(said, Wait):
            decided.append(outcome(said))
    assert decided and all(one == decided[-1] for one in decided)


@settings(max_examples=examples(100, 500))
@given(st.data(), branches, st.one_of(votes, counted))
def test_the_order_of_arrival_makes_no_difference(data: st.DataObject, them: list[Branch], spec: Aggregate) -> None:
    """With all results there, the outcome is the same to the letter, whichever came first."""
    results = {branch.id: data.draw(endings) for branch in them}
    shuffled = {name: results[name] for name in data.draw(st.permutations(sorted(results)))}
    assert verdict(spec, them, shuffled) == verdict(spec, them, results)


@settings(max_examples=examples(100, 500))
@given(st.data(), branches, counted)
def test_enough_successes_stay_enough(data: st.DataObject, them: list[Branch], spec: Aggregate) -> None:
    """Whoever counts successes never takes a decision back."""
    results = {branch.id: data.draw(endings) for branch in them}
    kinds: list[type] = []
    so_far: dict[str, Any] = {}
    for name in data.draw(st.permutations(sorted(results))):
        so_far[name] = results[name]
        said = verdict(spec, them, so_far)
        if kinds or not isinstance(said, Wait):
            kinds.append(type(said))
    assert kinds and set(kinds) == {kinds[0]}


@given(branches, votes, st.data())
def test_what_is_no_vote_counts_for_nothing(them: list[Branch], spec: Aggregate, data: st.DataObject) -> None:
    """Of those who voted, a winner is the same with the silent branches and without them."""
    spec = spec.model_copy(update={"of": "votes", "min_results": None})
    them = [branch._replace(required=False) for branch in them]
    results = {branch.id: data.draw(endings) for branch in them}
    voters = [b for b in them if results[b.id]["status"] == "succeeded" and results[b.id]["output"] is not None]
    if voters:
        said, alone = verdict(spec, them, results), verdict(spec, voters, results)
        assert outcome(said) == outcome(alone)


def a_vote(answers: dict[str, Any], open_: int = 0, **given: Any) -> Any:
    them = [Branch(name) for name in [*answers, *(f"open{i}" for i in range(open_))]]
    return verdict(Aggregate(strategy="vote", **given), them, answers)


def test_a_majority_is_certain_before_all_have_voted() -> None:
    """Three of five are enough; the two that are open are not waited for, and the confidence is what is certain."""
    said = a_vote({"a": ok("x"), "b": ok("x"), "c": ok("x")}, open_=2)
    assert isinstance(said, Done) and said.cancel == ("open0", "open1")
    assert said.output["winner"] == "x" and said.output["confidence"] == 0.6
    assert isinstance(a_vote({"a": ok("x"), "b": ok("x")}, open_=3), Wait)
    assert isinstance(a_vote({"a": ok("x"), "b": ok("x"), "c": ok("x")}, open_=2, early=False), Wait)


def test_a_vote_tells_who_voted_what_and_who_did_not() -> None:
    """A throttled and an abstaining branch are no votes, and never against anything."""
    said = a_vote({"a": ok("Yes "), "b": ok("yes"), "c": ok(None), "d": bad()}, normalize="text")
    assert said.output == {
        "winner": "Yes ",
        "confidence": 1.0,
        "distribution": {"Yes ": 2},
        "votes": {"a": "Yes ", "b": "yes"},
        "no_vote": {"c": "abstained", "d": "failed (it broke)"},
    }


def test_a_vote_without_a_winner_tells_why() -> None:
    """The answers with their weights and branches, and the silent ones."""
    said = a_vote({"a": ok("x"), "b": ok("y"), "c": bad("timed_out")})
    assert said == Fail(
        "no answer has the majority that it needs; x has 1 of 2 (a); y has 1 of 2 (b); "
        "no vote from 'c': timed out (it broke)"
    )
    nobody = a_vote({"a": ok("x"), "b": ok("y")}, on_no_winner=None)
    assert nobody.output["winner"] is None and nobody.output["confidence"] == 0


def test_ties_are_broken_by_rule_and_exactly() -> None:
    """0.1 and 0.2 together are a tie with 0.3."""
    them = [Branch("a", 0.1), Branch("b", 0.2), Branch("c", 0.3)]
    results = {"a": ok("x"), "b": ok("x"), "c": ok("y")}

    def winner(ties: str) -> Any:
        return verdict(Aggregate(strategy="vote", threshold="plurality", ties=ties), them, results)  # type: ignore[arg-type]

    assert isinstance(winner("fail"), Fail)
    assert winner("first").output["winner"] == "x"
    assert winner("highest_weight").output["winner"] == "y"


@pytest.mark.parametrize("threshold", [0.5, "plurality"])
def test_a_tie_is_told_as_one(threshold: Any) -> None:
    """Both answers have enough: it is the tie that lets none win."""
    said = a_vote({"a": ok("x"), "b": ok("y"), "c": ok("y"), "d": ok("x")}, threshold=threshold)
    assert said == Fail(
        "a tie between x and y, and 'ties: fail' lets none win ('first' or 'highest_weight' would); "
        "x has 2 of 4 (a, d); y has 2 of 4 (b, c)"
    )


def test_numbers_and_text_are_told_apart() -> None:
    """1 and 1.0 are one answer; the text "1" and `true` are others."""
    said = a_vote({"a": ok(1), "b": ok(1.0), "c": ok("1"), "d": ok(True)}, threshold="plurality")
    assert said.output["winner"] == 1
    assert said.output["distribution"] == {"1": 2, '"1"': 1, "true": 1}


def test_the_first_valid_success_wins_a_race() -> None:
    """By when it ended; a failure and a poor answer don't count."""
    spec = Aggregate(strategy="race", valid="hits", quality="score", min_quality=0.7)
    them = [Branch(name) for name in ("a", "b", "c", "d", "e")]
    poor, empty = ok({"hits": [1], "score": 0.4}, "1"), ok({"hits": [], "score": 1}, "1")
    results = {"a": bad(), "b": poor, "c": empty, "d": ok({"hits": [1], "score": 0.9}, "3")}
    said = verdict(spec, them, results)
    assert isinstance(said, Done) and said.cancel == ("e",) and said.reason == "lost the race to 'd'"
    assert said.output["winner"] == "d" and said.output["quality"] == 0.9
    assert said.output["rejected"] == {
        "a": "failed (it broke)",
        "b": "has a quality of 0.4, below 0.7",
        "c": "is not valid (hits)",
    }
    earlier = verdict(spec, them, {**results, "e": ok({"hits": [1], "score": 0.8}, "2")})
    assert isinstance(earlier, Done) and earlier.output["winner"] == "e"


def test_a_race_that_nobody_wins_names_each() -> None:
    """With the reason of each branch."""
    spec = Aggregate(strategy="race", quality="score", min_quality=0.7)
    said = verdict(spec, [Branch("a"), Branch("b"), Branch("c")], {"a": bad(), "b": ok({}), "c": ok({"score": 0.1})})
    assert said == Fail(
        "no branch won: 'a' failed (it broke); 'b' has no quality: 'score' is no number "
        "('quality' leads nowhere: score is not there; the output is empty); "
        "'c' has a quality of 0.1, below 0.7"
    )


def test_a_path_that_leads_nowhere_is_told_with_what_is_there() -> None:
    """A misspelt path is no vote, no valid output and nothing to combine: each message says what it looked for."""
    there = "the output has v"
    abstained = f"abstained ('answer' leads nowhere: verdict is not there; {there})"
    assert a_vote({"a": ok({"v": 1})}, answer="verdict") == Fail(
        f"0 of 1 branch voted, 1 is needed; no vote from 'a': {abstained}"
    )
    assert a_vote({"a": ok({"v": 1}), "b": ok({"verdict": 1})}, answer="verdict").output["no_vote"] == {"a": abstained}
    assert a_vote({"a": ok({"verdict": None}), "b": ok(1)}, answer="verdict").error.count("abstained;") == 1
    race = verdict(Aggregate(strategy="race", valid="page"), [Branch("a")], {"a": ok({"v": 1})})
    assert race == Fail(f"no branch won: 'a' is not valid (page) ('valid' leads nowhere: page is not there; {there})")
    nowhere = f"'a' ('value' leads nowhere: rows is not there; {there})"
    with pytest.raises(CombineError, match="'a' gives null, and 'sum' needs numbers") as caught:
        reduced("sum", {"v": 1}, value="rows")
    assert str(caught.value).endswith(f"; {nowhere}")
    with pytest.raises(CombineError, match=re.escape(f"a: gives null, and 'nulls: error' forbids it; {nowhere}")):
        merged({"v": 1}, value="rows", nulls="error")


def test_successes_are_counted() -> None:
    """Required ones, k of n, the first k, and what can't be reached any more."""
    them = [Branch("a", required=True), Branch("b"), Branch("c"), Branch("d")]
    merge = Aggregate(strategy="merge", min_results=2)
    assert isinstance(verdict(merge, them, {"a": ok({}), "b": ok({})}), Wait)
    assert verdict(merge, them, {"a": bad()}) == Fail("required 'a' failed (it broke)")
    assert verdict(merge, them, {n: bad() for n in "bcd"}) == Fail(
        "0 of 4 branches succeeded, 2 are needed: 'b' failed (it broke); 'c' failed (it broke); 'd' failed (it broke)"
    )
    first = Aggregate(strategy="merge", first=2)
    assert isinstance(verdict(first, them, {"b": ok(1), "c": ok(2)}), Wait)
    assert verdict(first, them, {"b": ok(1), "a": ok(2)}) == Take(("a", "b"), ("c", "d"))


def test_what_was_skipped_by_choice_is_not_missing() -> None:
    """It gives nothing and lacks nothing; where all were, there is nothing to combine."""
    them = [Branch("a", required=True), Branch("b", required=True)]
    merge = Aggregate(strategy="merge")
    assert verdict(merge, them, {"a": SKIPPED, "b": ok({})}) == Take(("b",))
    assert isinstance(verdict(merge, them, {"a": SKIPPED, "b": SKIPPED}), Nothing)
    assert isinstance(verdict(merge, them, {"a": bad("skipped")}), Fail)


def merged(*values: Any, **given: Any) -> Any:
    return combined(Aggregate(strategy="merge", **given), list(zip(NAMES, values, strict=False)), {})


def test_objects_are_merged_by_rule() -> None:
    """Shallow and deep, each rule for conflicts, and lists."""
    left, right = {"x": 1, "n": {"p": 1, "q": [1]}}, {"x": 2, "n": {"q": [1, 2]}, "y": 3}
    assert merged(left, right) == {"x": 2, "n": {"q": [1, 2]}, "y": 3}
    assert merged(left, right, mode="deep") == {"x": 2, "n": {"p": 1, "q": [1, 2]}, "y": 3}
    assert merged(left, right, mode="deep", on_conflict="first") == {"x": 1, "n": {"p": 1, "q": [1]}, "y": 3}
    assert merged(left, right, mode="deep", on_conflict="skip", lists="union") == {"n": {"p": 1, "q": [1, 2]}, "y": 3}
    assert merged(left, right, mode="deep", lists="concat")["n"]["q"] == [1, 1, 2]
    assert merged(["a"], "b", {"c": 1}, mode="concat") == ["a", "b", {"c": 1}]
    with pytest.raises(CombineError, match=r"field 'n\.q' differs: 'a' has \[1\]; 'b' has \[1, 2\]"):
        merged({"n": left["n"]}, {"n": right["n"]}, mode="deep", on_conflict="error")
    assert merged({"x": 1}, {"x": 1.0}, on_conflict="error") == {"x": 1}
    with pytest.raises(CombineError, match="field 'x' differs"):
        merged({"x": 1}, {"x": True}, on_conflict="error")


def test_nulls_are_kept_left_out_or_refused() -> None:
    """Whole outputs and single fields."""
    assert merged({"x": 1}, {"x": None}) == {"x": None}
    assert merged({"x": 1}, {"x": None}, None, nulls="skip") == {"x": 1}
    with pytest.raises(CombineError, match="field 'x' is null in b"):
        merged({"x": 1}, {"x": None}, nulls="error")
    with pytest.raises(CombineError, match="'b' gives null, and a merge needs objects; 'nulls: skip' leaves it out"):
        merged({"x": 1}, None)


objects = st.dictionaries(
    st.sampled_from("xyz"),
    st.recursive(
        st.none() | st.booleans() | st.integers(0, 2) | st.lists(st.integers(0, 2), max_size=2),
        lambda inner: st.dictionaries(st.sampled_from("pq"), inner, max_size=2),
        max_leaves=4,
    ),
    max_size=3,
)


@given(st.lists(objects, min_size=1, max_size=4))
def test_first_of_a_row_is_last_of_the_row_turned_around(values: list[Any]) -> None:
    """The rule for conflicts follows the order of the branches alone."""
    names = list(NAMES[: len(values)])
    first = combined(Aggregate(strategy="merge", on_conflict="first"), list(zip(names, values, strict=True)), {})
    last = combined(Aggregate(strategy="merge"), list(zip(names, values[::-1], strict=True)), {})
    assert first == last


@given(st.lists(objects, min_size=1, max_size=4), st.data())
def test_a_merge_without_conflicts_knows_no_order(values: list[Any], data: st.DataObject) -> None:
    """Where no conflict is an error, any order of the branches gives one object."""
    spec = Aggregate(strategy="merge", mode="deep", on_conflict="error")
    row = list(zip(NAMES, values, strict=False))
    try:
        whole = combined(spec, row, {})
    except CombineError:
        return
    assert combined(spec, data.draw(st.permutations(row)), {}) == whole


def reduced(function: str, *values: Any, **given: Any) -> Any:
    spec = Aggregate(strategy="reduce", function=function, **given)
    return combined(spec, list(zip(NAMES, values, strict=False)), {"chain": lambda so_far, value: [so_far, value]})


def test_functions_reduce_in_order() -> None:
    """The built-in ones and the caller's, with and without a beginning."""
    assert reduced("sum", 1, 2, 3) == 6
    assert reduced("sum", {"n": 1}, {"n": 2}, value="n", initial=10) == 13
    assert reduced("mean", 1, 2) == 1.5
    assert reduced("count", {}, None) == 2
    assert reduced("count", {}, None, nulls="skip") == 1
    assert reduced("union", [1, 2], [2, 3], 1.0) == [1, 2, 3]
    assert reduced("min", 2, 1) == 1 and reduced("max", 2, 1) == 2
    assert reduced("all", True, False) is False and reduced("any", True, False) is True
    assert reduced("first", "a", "b") == "a" and reduced("last", "a", "b") == "b"
    assert reduced("chain", "a", "b", "c") == [["a", "b"], "c"]
    assert reduced("chain", "a", initial="0") == ["0", "a"]
    with pytest.raises(CombineError, match="'b' gives text, and 'sum' needs numbers"):
        reduced("sum", 1, "2")
    with pytest.raises(CombineError, match="there is nothing of which to take the 'max'"):
        reduced("max")
