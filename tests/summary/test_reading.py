"""What was read of a log, and what of it could not be parsed, stands in every summary."""

from __future__ import annotations

from typing import Any

from fanwise.nodes.summary import summarize
from fanwise.nodes.summary.reading import READ, Reading
from fanwise.schema.results import CheckReport, Finding, TaskResult

SHOP: dict[str, Any] = {
    "location": "/var/log/shop",
    "files": 10,
    "lines": 35_467,
    "events": 34_856,
    "unparsed": 611,
    "unparsed_files": [
        {"file": "app-02/payments.jsonl", "lines": 611, "examples": ["what\x1b[31m is this", "or this"]}
    ],
    "unparsed_in": 1,
    "start": "2025-03-04T00:00:01+00:00",
    "end": "2025-03-04T23:59:00+00:00",
}


def report(task_id: str, *findings: Finding, **read: Any) -> TaskResult:
    output = CheckReport(
        check=task_id, status="findings" if findings else "ok", findings=findings, stats={READ: {**SHOP, **read}}
    ).model_dump(mode="json")
    return TaskResult(task_id=task_id, specialist=task_id, status="succeeded", output=output)


def finding(kind: str, title: str = "35% of events are errors") -> Finding:
    return Finding(kind=kind, title=title, severity="low", subject="app-02")


def block(*results: TaskResult) -> list[str]:
    """The lines of the read block: the text's last paragraph."""
    return summarize(list(results)).text.split("\n\n")[-1].split("\n")


def test_what_was_read_is_told_once_however_many_checks_ran() -> None:
    """Files, lines, events, their time and what could not be parsed, with its file."""
    assert block(report("a"), report("b")) == [
        "Read: 10 files, 35,467 lines: 34,856 events from 2025-03-04 00:00 to 23:59 UTC, "
        "611 lines that could not be parsed (app-02/payments.jsonl).",
        "   not parsed > app-02/payments.jsonl: what is this",
        "   not parsed > app-02/payments.jsonl: or this",
    ]


def test_a_finding_that_quotes_unparsed_lines_stands_for_the_examples() -> None:
    """They are not shown twice."""
    assert len(block(report("parsing", finding("parse_failure")))) == 1


def test_few_unparsed_lines_are_counted_but_not_shown() -> None:
    """Up to 50 of them, and 5 %."""
    assert len(block(report("a", unparsed=50, events=35_417))) == 1
    assert len(block(report("a", unparsed=51, events=35_416))) == 3
    assert len(block(report("a", unparsed=6, events=94, lines=100))) == 3


def test_all_kinds_of_lines_are_told() -> None:
    """Lines = events + continued + blank + unparsed, with one file by its name."""
    kinds = {"files": 1, "name": "a.log", "lines": 10, "events": 6, "continued": 1, "blank": 2, "unparsed": 1}
    assert block(report("a", **kinds, unparsed_files=[], unparsed_in=0))[0] == (
        "Read: a.log, 10 lines: 6 events from 2025-03-04 00:00 to 23:59 UTC, 1 line that continues an event, 2 blank, "
        "1 line that could not be parsed."
    )


def test_four_hundred_files_make_no_longer_block() -> None:
    """Three files are named, the others counted; so are notes and files that were passed over."""
    many = [{"file": f"f{n}.log", "lines": 3} for n in range(5)]
    notes = [{"text": f"assumption {n}", "files": 399} for n in range(6)]
    told = {"passed_over": ["'x.bin' is a binary file"], "passed_over_files": 2}
    (line,) = block(report("a", files=400, unparsed=40, unparsed_files=many, unparsed_in=40, notes=notes, **told))
    assert "(f0.log, f1.log, f2.log and 37 more)" in line
    assert "Passed over: 2 files ('x.bin' is a binary file)." in line
    assert line.endswith("assumption 3 (399 files); and 2 more.")
    assert len(line) < 600


def test_each_log_has_its_own_block() -> None:
    """Two locations are two lines, with their places."""
    lines = block(report("a", unparsed=0), report("b", location="/srv/b", unparsed=0))
    assert [line.split(" 10 files")[0] for line in lines] == ["Read: /var/log/shop:", "Read: /srv/b:"]


def test_a_long_text_is_cut_before_it_not_in_it() -> None:
    """What was read stands at the end of the longest summary, within the limit of lines."""
    failed = [TaskResult(task_id=f"t{n}", specialist="x", status="failed", error="boom") for n in range(99)]
    found = [
        Finding(kind=f"k{n}", title=f"t{n}", severity="low", detail="d", evidence=("e",) * 5, recommendation=f"r{n}")
        for n in range(40)
    ]
    text = summarize([report("a", *found), *failed], warnings=["w"] * 20).text.split("\n")
    assert len(text) <= 100
    assert text[-3].startswith("Read: 10 files")


def test_what_is_no_reading_is_left_out() -> None:
    """A specialist of someone else may use the key for something else."""
    output = {"check": "a", "status": "ok", "stats": {READ: "a book"}}
    assert "Read" not in summarize({"a": output}).text


def test_a_subject_that_the_log_does_not_have_is_said_first() -> None:
    """Then nothing is said of nothing having been found about it."""
    asked = {"events": 5, "unknown": ["web-99"]}
    text = summarize([report("a", finding("error_rate"), asked=asked)], focus="web-99").text
    assert text.startswith("No event in this log is from web-99. The most severe finding: 35% of events are errors.")


def test_names_like_an_unknown_one_are_told_and_the_log_is_not_said_twice_to_lack_it() -> None:
    """The finding of a check that says the same is listed, but does not stand in the lead again."""
    asked = {"events": 5, "unknown": ["web-99"], "near": {"web-99": ["web-01", "web-02"]}}
    unknown = finding("host_unknown", "web-99: no event in this log").model_copy(update={"subject": "web-99"})
    lead = summarize([report("a", unknown, asked=asked)], focus="web-99").text.split("\n")[0]
    assert lead == "No event in this log is from web-99. The nearest names are web-01 and web-02."


def test_a_time_without_events_is_not_called_well() -> None:
    """It says from when to when the log goes instead."""
    asked = {"start": "2005-07-10T00:00:00Z", "end": "2005-07-11T00:00:00Z", "events": 0}
    assert summarize([report("a", asked=asked)]).text.startswith(
        "No event lies in the time that was asked about, 2005-07-10 00:00 to 2005-07-11 00:00 UTC; "
        "the log goes from 2025-03-04 00:00 to 23:59 UTC.\n"
    )


def test_the_time_that_was_looked_at_leads_the_answer() -> None:
    """From the start that was asked for, or the log's, to the end that was asked for, or the log's."""
    since = {"start": "2025-03-04T12:33:00Z", "now": "2025-03-04T13:33:00Z", "events": 9}
    assert summarize([report("a", asked=since)]).text.startswith(
        "Looked at 2025-03-04 12:33 to 13:33 UTC: Nothing wrong was found by 1 check.\n"
    )
    until = {"end": "2025-03-04T12:33:00Z", "events": 9}
    assert summarize([report("a", asked=until)]).text.startswith("Looked at 2025-03-04 00:00 to 12:33 UTC: ")
    assert summarize([report("a", asked={"events": 9})]).text.startswith("Nothing wrong")


def test_a_time_of_day_after_the_logs_end_is_told_to_be_of_the_day_before() -> None:
    """Whoever asks "since 14:00" of a log that ends before that learns so, and when it ends."""
    asked = {"start": "2025-03-03T14:00:00Z", "now": "2025-03-04T13:33:00Z", "events": 9}
    text = summarize([report("a", asked=asked)], request="errors since 14:00").text
    assert text.startswith(
        "The log ends at 2025-03-04 13:33 UTC, before 14:00 of that day, so it was taken as of the day before; "
        "looked at 2025-03-03 14:00 to 2025-03-04 13:33 UTC: Nothing wrong was found by 1 check."
    )
    plain = summarize([report("a", asked=asked)], request="errors since 2025-03-03 14:00").text
    assert plain.startswith("Looked at 2025-03-03 14:00 to")


def test_an_aside_is_told_where_nothing_was_found() -> None:
    """A few errors are no finding, but not nothing."""
    output = CheckReport(check="errors", status="ok", stats={"aside": "2 events of 900 are errors"})
    assert summarize([output]).text == "Nothing wrong was found by 1 check. 2 events of 900 are errors."


def test_an_aside_is_told_beside_findings_too() -> None:
    """A few errors of a log in which something else is wrong are told, at once where the request asks for them."""
    silent = Finding(kind="host_silent", title="a went silent", severity="high", subject="a", confidence=0.9)
    silence = CheckReport(check="silence", status="findings", findings=(silent,))
    errors = CheckReport(check="errors", status="ok", stats={"aside": "2 events of 900 are errors"})
    plain = summarize([silence, errors], request="Is all well?")
    assert plain.text.startswith("a went silent.\n") and "\n\nAlso seen:\n- 2 events of 900 are errors." in plain.text
    asked = summarize([silence, errors], request="Is anything failing?")
    assert asked.text.startswith("a went silent. 2 events of 900 are errors.\n") and "Also seen" not in asked.text
    assert plain.severity == asked.severity == "high" and asked.findings == plain.findings


def test_what_a_check_could_not_go_by_is_told() -> None:
    """A check that looked without what it usually goes by says so below, though it found nothing."""
    output = CheckReport(check="errors", status="ok", stats={"note": "no event bears a level"})
    assert summarize({"errors": output}).not_checked == ("errors looked, but no event bears a level",)


def test_a_store_without_files_tells_its_events() -> None:
    """Lines and files are left out where they are not known."""
    read = Reading(location="x://y", events=7, start="2025-03-04T00:00:00Z", end="2025-03-05T00:00:00Z")
    output = CheckReport(check="a", status="ok", stats={READ: read.model_dump()})
    assert summarize([output]).text.endswith("Read: 7 events from 2025-03-04 00:00 to 2025-03-05 00:00 UTC.")
