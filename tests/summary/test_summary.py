"""The summarizer: results of any kind in, one answer out, and no fact that is not in the results."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from fanwise.nodes.summary import Summarizer, summarize
from fanwise.schema.results import CheckReport, Finding, TaskResult

GONE = {
    "kind": "host_silent",
    "title": "web-03 went silent at 2025-03-01 13:42 UTC: no event for 4 h",
    "severity": "high",
    "subject": "web-03",
    "start": "2025-03-01T13:42:00Z",
    "end": "2025-03-01T18:00:00Z",
    "evidence": ["web.log:7: last words"],
    "confidence": 0.9,
    "recommendation": "Check that web-03 is up.",
}


def finding(**changes: Any) -> Finding:
    return Finding.model_validate({**GONE, **changes})


def done(task_id: str, *findings: Finding, **changes: Any) -> TaskResult:
    report = CheckReport(check=task_id, status="findings" if findings else "ok", findings=findings, **changes)
    output = report.model_dump(mode="json")
    return TaskResult(task_id=task_id, specialist=task_id, status="succeeded", output=output)


def test_the_text_begins_with_the_answer_to_the_request() -> None:
    """What was asked about comes first, with its likely cause, even if something else is more severe."""
    cause = finding(kind="likely_cause", title="its forwarder most likely was blocked", detail="It said so twice.")
    other = finding(kind="clock_skew", title="db-1: clock is 3 h behind", subject="db-1", severity="critical")
    summary = summarize([done("silence", finding()), done("clock", other), done("correlate", cause)], request="web-03?")
    first = summary.text.split("\n")[0]
    assert first.startswith("web-03 went silent at 2025-03-01 13:42 UTC: no event for 4 h. Likely cause: its forwarder")
    assert [f.kind for f in summary.findings] == ["host_silent", "clock_skew"]
    assert summary.severity == "critical"


def test_what_several_checks_saw_is_one_finding() -> None:
    """Findings of one family, subject and time are merged: evidence united, every task named."""
    drop = finding(kind="volume_drop", severity="medium", title="web-03: volume at 10%", evidence=["web.log:5: few"])
    summary = summarize([done("silence", finding()), done("volume", drop)])
    (merged,) = summary.findings
    assert merged.kind == "host_silent"
    assert merged.task_id == "silence, volume"
    assert merged.evidence == ("web.log:7: last words", "web.log:5: few")
    assert "Also: web-03: volume at 10%." in merged.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "web-04"},
        {"kind": "clock_skew"},
        {"start": "2025-03-01T01:00:00Z", "end": "2025-03-01T02:00:00Z", "kind": "gap"},
    ],
)
def test_other_subjects_families_and_times_stay_apart(changes: dict[str, Any]) -> None:
    """Two faults are never made one."""
    assert len(summarize([done("a", finding()), done("b", finding(**changes))]).findings) == 2


def test_a_new_message_belongs_to_the_fault_that_it_began_with() -> None:
    """A pattern that appears when an error burst begins is told there, another one is a finding."""
    burst = finding(kind="error_burst", title="app: 50 errors", subject="app-1")
    new = finding(kind="new_pattern", title="New message 'pool empty'", subject=None, severity="low")
    later = finding(
        kind="new_pattern", title="New message 'hello'", subject=None, severity="low", start="2025-03-01T16:00:00Z"
    )
    summary = summarize([done("errors", burst), done("patterns", new, later)])
    assert [f.title for f in summary.findings] == ["app: 50 errors", "New message 'hello'"]
    assert "At that time: New message 'pool empty'." in summary.findings[0].detail


def test_the_scope_becomes_the_impact() -> None:
    """What a scope check added up is the impact, not one more finding."""
    scope = finding(kind="scope", title="About 900 events of web-03 are missing", detail="1 of 4 hosts affected.")
    summary = summarize([done("silence", finding()), done("scope", scope)])
    assert summary.impact == "About 900 events of web-03 are missing. 1 of 4 hosts affected."
    assert len(summary.findings) == 1


def test_findings_are_ranked_by_severity_then_confidence() -> None:
    """The most severe comes first, the more certain first among equals."""
    found = [
        finding(title=f"{severity} {confidence}", severity=severity, confidence=confidence, subject=f"s{n}")
        for n, (severity, confidence) in enumerate([("low", 1), ("high", 0.5), ("critical", 0.1), ("high", 0.9)])
    ]
    titles = [f.title for f in summarize([done("a", *found)]).findings]
    assert titles == ["critical 0.1", "high 0.9", "high 0.5", "low 1"]


def test_recommendations_are_told_once() -> None:
    """Two findings with one remedy give one recommendation."""
    summary = summarize([done("a", finding(), finding(subject="web-04", title="web-04 went silent"))])
    assert summary.recommendations == ("Check that web-03 is up.",)


def test_what_was_not_checked_is_told_with_its_reason() -> None:
    """Failed, timed out, skipped, cancelled and not applicable: each is named with why, and a missing result too."""
    results = {
        "a": {"task_id": "a", "status": "failed", "error": "boom"},
        "b": {"task_id": "b", "status": "timed_out", "error": "after 5 s"},
        "c": {"task_id": "c", "status": "skipped", "error": "a failed"},
        "d": {"task_id": "d", "status": "cancelled"},
        "e": done("e").model_copy(
            update={"output": {"check": "e", "status": "not_applicable", "reason": "one host only"}}
        ),
    }
    summary = summarize(results, plan={"tasks": [{"id": name} for name in "abcdef"]})
    assert summary.not_checked == (
        "a failed: boom",
        "b timed out: after 5 s",
        "c was skipped: a failed",
        "d was cancelled",
        "e does not apply here: one host only",
        "f has no result",
    )
    for line in summary.not_checked:
        assert f"- {line}." in summary.text


def test_all_is_well() -> None:
    """Where checks looked and found nothing, the text says so, and severity is low."""
    summary = summarize([done("a"), done("b")])
    assert (summary.text, summary.severity) == ("Nothing wrong was found by 2 checks.", "low")


def test_a_check_may_answer_in_words() -> None:
    """An `answer` among a report's figures leads the text if nothing was found about what was asked."""
    assert summarize([done("scope", stats={"answer": "No events are missing"})]).text == "No events are missing."


class Rows(BaseModel):
    rows: int


@dataclass
class Cost:
    usd: float


def test_results_that_are_no_checks() -> None:
    """Any output is shown in short: models, dataclasses, objects, lists, text, numbers; failures with their reason."""
    results: dict[str, Any] = {
        "model": Rows(rows=3),
        "data": Cost(usd=1.5),
        "object": {"rows": 4},
        "list": [1, 2],
        "text": "hello",
        "number": 7,
        "nothing": {"task_id": "nothing", "status": "succeeded", "output": None},
        "bad": {"task_id": "bad", "status": "failed", "error": "no route"},
    }
    assert summarize(results).text == "\n".join(
        [
            "7 of 8 tasks succeeded, 1 failed.",
            "",
            "Results:",
            '- model: {"rows": 3}',
            '- data: {"usd": 1.5}',
            '- object: {"rows": 4}',
            "- list: [1, 2]",
            "- text: hello",
            "- number: 7",
            "- nothing: done, no output",
            "",
            "Not done:",
            "- bad failed: no route.",
        ]
    )


def failed(task_id: str, error: str = "boom") -> TaskResult:
    return TaskResult(task_id=task_id, specialist="x", status="failed", error=error)


def test_a_failed_task_is_said_before_that_nothing_was_found() -> None:
    """And plain tasks count as no checks."""
    plain = {name: {"task_id": name, "status": "succeeded", "output": 1} for name in "bcd"}
    first = summarize({"a": failed("a"), **plain, "e": done("e")}).text.split("\n")[0]
    assert first == "1 of 5 tasks failed: a: boom. Nothing wrong was found by 1 check."
    assert summarize({**plain, "e": done("e")}).text.startswith("Nothing wrong was found by 1 check.")
    lead = summarize([failed("silence"), done("errors", finding())]).text.split("\n")[0]
    assert lead == "web-03 went silent at 2025-03-01 13:42 UTC: no event for 4 h. 1 of 2 tasks failed: silence: boom."


def test_several_that_ended_otherwise_are_told_in_the_plural() -> None:
    """One was cancelled, three were."""
    gone = {name: {"task_id": name, "status": "cancelled"} for name in "abc"}
    assert summarize({**gone, "d": 1}).text.startswith("1 of 4 tasks succeeded, 3 were cancelled.")
    assert summarize({"a": gone["a"], "d": 1}).text.startswith("1 of 2 tasks succeeded, 1 was cancelled.")
    assert summarize({**gone, "d": done("d")}).text.startswith("Of 4 tasks, 3 were cancelled. Nothing wrong was")
    assert summarize({"d": 1}).text.startswith("1 of 1 task succeeded.")


def test_what_the_question_is_about_may_have_a_part_in_a_finding() -> None:
    """Then nothing is not what was found about it."""
    rate = finding(
        kind="error_rate", title="30 events are errors", subject=None, numbers={"of_focus": {"a-2": [10, 30]}}
    )
    assert summarize([done("e", rate)], focus="a-2").text.startswith("30 events are errors. a-2 has 10 of these 30.\n")
    seen = finding(title="A burst", subject=None, evidence=["x.log:1: a-2 failed"])
    assert summarize([done("e", seen)], focus="a-2").text.startswith("A burst. a-2 is among these.\n")
    other = summarize([done("e", seen)], focus="a-20").text
    assert other.startswith("Nothing was found about a-20 itself. The most severe finding: A burst.")


def test_no_results_at_all() -> None:
    """No results give a summary, too."""
    assert summarize({}).text == "There are no results: no task has run."
    assert summarize([]).severity is None


def test_findings_of_an_untyped_report_are_read() -> None:
    """A dict with a list of findings is taken as a report, as far as its findings can be read."""
    summary = summarize({"x": {"findings": [{"title": "disk is full", "severity": "HIGH"}, "and it is hot", 3]}})
    assert [(f.title, f.severity, f.task_id) for f in summary.findings] == [
        ("disk is full", "high", "x"),
        ("and it is hot", "low", "x"),
    ]


def test_long_outputs_are_cut_and_say_so() -> None:
    """Text is cut with a note of how much is left out, and the whole stays within about 60 lines."""
    text = summarize({f"t{n}": "x" * 1000 for n in range(100)}, warnings=["w"] * 50).text
    assert "… (760 more characters)" in text
    assert "… and 88 more; `fanwise show` lists them all." in text
    assert len(text.split("\n")) <= 60


def test_what_the_plan_was_for_is_shown_before_what_led_there() -> None:
    """Where there are too many results, those that nothing depends on come first, each kind in the plan's order."""
    tasks = [{"id": f"t{n}"} for n in range(30)]
    plan = {"tasks": [*tasks, {"id": "end", "depends_on": [f"t{n}" for n in range(1, 30)]}]}
    shown = summarize({task["id"]: 1 for task in plan["tasks"]}, plan=plan).text.splitlines()
    assert shown[3:7] == ["- t0: 1", "- end: 1", "- t1: 1", "- t2: 1"]
    few = {"tasks": [{"id": "a"}, {"id": "b", "depends_on": ["a"]}]}
    assert summarize({"a": 1, "b": 1}, plan=few).text.splitlines()[3:] == ["- a: 1", "- b: 1"]


def test_failures_are_shown_before_what_was_skipped_for_them() -> None:
    """All of them, as long as they are no more than 50; and it is said where the rest is."""
    skipped = {f"s{n}": {"task_id": f"s{n}", "status": "skipped", "error": "f0 failed"} for n in range(40)}
    text = summarize({**skipped, **{f"f{n}": failed(f"f{n}") for n in range(30)}}).text
    assert all(f"- f{n} failed: boom." in text for n in range(30))
    assert "- s0" not in text and text.endswith("… and 40 more; `fanwise show` lists them all.")
    many = summarize({f"f{n}": failed(f"f{n}") for n in range(80)}).text
    assert many.count("failed: boom") == 50 and "… and 30 more; `fanwise show` lists them all." in many
    assert summarize({**skipped, "f": failed("f")}).text.split("Not done:\n")[1].startswith("- f failed: boom.\n- s0 ")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"on_failure": "soft", "min_success": 3}, "1 of 3 tasks succeeded, 2 failed; 3 were needed (min_success)."),
        ({"on_failure": "soft", "min_success": 1}, "1 of 3 tasks succeeded, 2 failed."),
        ({}, "1 of 3 tasks succeeded, 2 failed."),
    ],
)
def test_a_run_that_lacks_successes_says_how_many_it_needed(config: dict[str, Any], told: str) -> None:
    """With `soft`, that is why it failed."""
    plan = {"config": config, "tasks": [{"id": name} for name in "abc"]}
    assert summarize({"a": 1, "b": failed("b"), "c": failed("c")}, plan=plan).text.splitlines()[0] == told
    checked = summarize({"a": done("a"), "b": failed("b"), "c": failed("c")}, plan=plan).text.splitlines()[0]
    assert ("1 of 3 tasks succeeded; 3 were needed (min_success)." in checked) == (config.get("min_success") == 3)
    optional = {**plan, "tasks": [{"id": "a"}, *({"id": name, "required": False} for name in "bc")]}
    assert "needed" not in summarize({"a": 1, "b": failed("b"), "c": failed("c")}, plan=optional).text


def test_control_characters_of_the_log_do_not_reach_the_terminal() -> None:
    """Escape sequences, control and direction characters are taken out of everything that is shown."""
    evil = "a\x1b[31mred\x1b[0m\x1b]0;title\x07 b\r\n\x00c\u202ed\x9b5m"
    results = {evil: evil, "r": done("r", finding(title=evil, evidence=[evil], detail=evil, recommendation=evil))}
    text = summarize(results, warnings=[evil], request=evil, focus=evil).text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "31m" not in text


def test_the_plan_tells_what_the_question_is_about() -> None:
    """The host that the plan's tasks were given is the focus."""
    other = finding(subject="a", title="a is worse", severity="critical")
    plan = {"tasks": [{"id": "t", "input": {"events": "x", "host": "web-03"}}]}
    assert summarize({"t": done("t", other, finding())}, plan=plan).findings[0].subject == "web-03"


def test_summarize_is_a_summarizer() -> None:
    """The function fits the protocol that other summarizers have to fit."""
    given_one: Summarizer = summarize
    assert given_one({}).text


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
statuses = st.sampled_from(["succeeded", "failed", "timed_out", "skipped", "cancelled", "paused", "pending", "running"])
task_dicts = st.fixed_dictionaries({"task_id": st.text(max_size=5), "status": statuses, "output": json_values})
found_dicts = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["host_silent", "gap", "new_pattern", "likely_cause", "scope", "else"]),
        "title": st.text(min_size=1, max_size=60),
        "severity": st.sampled_from(["low", "medium", "high", "critical"]),
    },
    optional={
        "subject": st.text(max_size=4),
        "start": st.text(max_size=5),
        "evidence": st.lists(st.text(), max_size=5),
    },
)
reports = st.fixed_dictionaries(
    {"check": st.text(max_size=5), "status": st.just("findings"), "findings": st.lists(found_dicts, max_size=4)}
)
anything = st.dictionaries(st.text(max_size=6), json_values | task_dicts | reports, max_size=5) | st.lists(json_values)


@given(results=anything, request=st.text(), focus=st.none() | st.text())
def test_anything_can_be_summarized(results: Any, request: str, focus: str | None) -> None:
    """Whatever the results are, there is a summary, the same each time, and it is short."""
    summary = summarize(results, request=request, focus=focus)
    assert summary == summarize(results, request=request, focus=focus)
    assert summary.text
    assert len(summary.text.split("\n")) <= 60


plain_reports = st.lists(st.text(st.characters(codec="ascii", categories=["L", "N", "P"]), min_size=1), max_size=4).map(
    lambda titles: {
        "check": "x",
        "status": "findings",
        "findings": [{"kind": f"kind {title}", "title": title, "severity": "low"} for title in titles],
    }
)


@given(results=st.dictionaries(st.text("abc", max_size=3), plain_reports, max_size=4))
def test_every_fact_comes_from_the_results(results: dict[str, Any]) -> None:
    """Each finding is one of the input's, and each number in the text stands in it or counts its tasks or findings."""
    summary = summarize(results)
    titles = {f["title"] for r in results.values() for f in r["findings"]}
    assert {item.title for item in summary.findings} == titles
    source = json.dumps(results, ensure_ascii=False)
    counted = {str(n) for n in range(65)}
    for number in re.findall(r"\d+", summary.text):
        assert number in source or number in counted
