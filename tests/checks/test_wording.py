"""What checks say of real layouts of logs: whose a finding is, what is named, what is left unsaid, what was read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fanwise.events.protocol import FileInfo
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.nodes.specialists.checks.templates import mask, mine
from fanwise.nodes.summary import summarize
from fanwise.schema.results import TaskResult

Events = list[dict[str, Any]]
Look = Callable[..., dict[str, TaskResult]]
START = 1740787200.0  # 2025-03-01T00:00:00Z

FILES = (
    FileInfo("a.log", "text", 500, 480, 10, 7, 3, ("one", "two", "three"), "times without a zone are taken as UTC"),
    FileInfo("b.log", "json", 100, 100, 0, 0, note="times without a zone are taken as UTC; level is taken as text"),
    FileInfo("core", "binary", 0, 0, 0, 0, note="'core' is a binary file"),
)


def steady(count: int = 600, every: float = 30.0, **fields: Any) -> Events:
    return [{"ts": START + n * every, "message": "tick", "host": "h", "source": "s", **fields} for n in range(count)]


def output(results: dict[str, TaskResult], name: str) -> dict[str, Any]:
    found = results[name].output
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("events", [steady(580), steady(3), []], ids=["usual", "few", "none"])
def test_every_report_says_what_was_read(look: Look, events: Events) -> None:
    """All checks bear the same figures, those that do not apply too, and the lines add up."""
    results = look(events, files=FILES)
    (read,) = {str(output(results, check.name)["stats"]["read"]): None for check in CHECKS}
    found = output(results, "errors")["stats"]["read"]
    assert read == str(found)
    assert (found["files"], found["lines"]) == (2, 600)
    assert found["lines"] == 580 + found["continued"] + found["blank"] + found["unparsed"]
    assert found["unparsed_files"] == [{"file": "a.log", "lines": 7, "examples": ["one", "two"]}]
    assert found["formats"] == {"text": 1, "json": 1}
    assert found["notes"][0] == {"text": "times without a zone are taken as UTC", "files": 2}
    assert (found["passed_over_files"], found["passed_over"]) == (1, ["'core' is a binary file"])


def test_findings_of_a_log_that_is_all_of_the_focus_are_about_it(look: Look) -> None:
    """Where all events are sshd's, refused logins are: nothing says that nothing was found about it."""
    events = steady(60, 60, source="sshd", message="Failed password for root from 10.9.8.7 port 1 ssh2")
    text = summarize(look(events, "silence", "errors", source="sshd"), focus="sshd").text
    assert text.startswith("60 refused logins ('failed password'), all from 10.9.8.7.")


def test_findings_of_another_source_are_not_about_the_focus(look: Look) -> None:
    """Refused logins of sshd are not cron's, which is said."""
    events = steady(60, 60, source="sshd", message="Failed password for root from 10.9.8.7 port 1 ssh2")
    events += steady(60, 60, source="cron", message="job done")
    assert summarize(look(events, "errors", source="cron"), focus="cron").text.startswith(
        "Nothing was found about cron itself. The most severe finding: 60 refused logins"
    )
    assert summarize(look(events, "errors", source="sshd"), focus="sshd").text.startswith("60 refused logins")


def test_a_name_that_no_event_has_is_said(look: Look) -> None:
    """That nothing was found about a host that is not there would mislead."""
    assert summarize(look(steady(), "errors", host="web-99"), focus="web-99").text.startswith(
        "No event in this log is from web-99. Nothing wrong was found by 1 check."
    )


def test_a_name_that_only_messages_bear_is_said(look: Look) -> None:
    """The other end of a connection writes no events here, but is told of."""
    events = [*steady(), *steady(9, message="no route to rm-41:8030")]
    assert summarize(look(events, "errors", host="rm-41"), focus="rm-41").text.startswith(
        "No event in this log is from rm-41, but 9 events name it."
    )


def test_a_rate_outside_of_bursts_counts_no_messages_of_bursts(look: Look) -> None:
    """The kinds of errors add up to the errors that are spoken of."""
    events = steady(1200, level="info") + steady(60, 600, level="error", message="file not found")
    events += [e | {"ts": e["ts"] + 9000} for e in steady(150, 5, level="error", message="file not found")]
    found = {f["kind"]: f for f in output(look(events, "errors"), "errors")["findings"]}
    assert set(found) == {"error_burst", "error_rate"}
    top = found["error_rate"]["title"].partition("are errors: ")[2]
    assert top.endswith("most often 'file not found'")
    assert int(top.split(" of ")[0]) <= 60


def test_a_time_before_the_log_is_said(look: Look) -> None:
    """The checks do not apply, none fails, and the answer is when the log begins."""
    results = look(steady(), start="2020-01-01T00:00:00Z", end="2020-01-02T00:00:00Z")
    assert summarize(results).text.startswith(
        "No event lies in the time that was asked about, 2020-01-01 00:00 to 2020-01-02 00:00 UTC; "
        "the log goes from 2025-03-01 00:00 to 04:59 UTC."
    )


def test_a_high_error_rate_names_the_kinds_of_errors(look: Look) -> None:
    """The most frequent one in the first sentence, with an example line of each kind."""
    child = [e | {"message": f"child {n} in error state 6", "level": "error"} for n, e in enumerate(steady(90, 200))]
    index = [e | {"message": "index forbidden by rule: /www/", "level": "error"} for e in steady(30, 601)]
    results = look([*steady(300, 61, level="info"), *child, *index], "errors")
    (found,) = output(results, "errors")["findings"]
    assert found["title"].endswith(
        "are errors: 120 of 420, most often 'child <*> in error state <*>' (90 times) and "
        "'index forbidden by rule: /www/' (30 times)"
    )
    assert found["detail"].startswith("2 kinds of errors: ")
    assert ["child" in line for line in found["evidence"]] == [True, False]


def test_errors_that_began_and_last_are_told_so(look: Look) -> None:
    """A rate that is high because something broke half-way is no matter of levels used too freely."""
    events = steady(600, level="info") + [
        e | {"ts": e["ts"] + 300 * 30, "message": "ERROR IN CONTACTING RM.", "level": "error"} for e in steady(299)
    ]
    (found,) = output(look(events, "errors"), "errors")["findings"]
    assert found["title"] == (
        "33% of events are errors: 299 of 899, since 2025-03-01 02:30 UTC, most often 'ERROR IN CONTACTING RM.'"
    )
    assert found["impact"] == "These errors began 2025-03-01 02:30 UTC and went on up to the log's end."


def test_few_errors_are_an_aside(look: Look) -> None:
    """Below every threshold they are still told where nothing else is."""
    events = [*steady(level="info"), *steady(2, 5000, level="error", message="disk slow")]
    assert summarize(look(events, "errors")).text.startswith(
        "Nothing wrong was found by 1 check. 2 events of 602 (0.33%) are errors, most often 'disk slow'."
    )


def test_a_log_without_levels_says_so(look: Look) -> None:
    """Whoever asks for failures learns that no level told of any."""
    text = summarize(look(steady(), "errors")).text
    assert "\nNot checked:\n- errors looked, but no event bears a level or a status" in text
    assert "Not checked" not in summarize(look(steady(level="info"), "errors")).text


def test_a_log_with_hardly_any_levels_is_judged_by_words(look: Look) -> None:
    """One line with a level does not make the others harmless."""
    events = steady(300, message="ALERT exited abnormally with [1]") + steady(2, message="x", level="info")
    assert "300 of 302 events (99%) are messages of trouble" in summarize(look(events, "errors")).text


def test_warnings_are_named_by_what_they_say(look: Look) -> None:
    """Threads, packages and request ids before a message do not make kinds of their own; evidence is of warnings."""
    events = steady(300, level="info", message="[T3] org.a.b.Lease: Failed to renew lease for 9 seconds")
    for n in range(2):
        text = f"[Thread-{'ab'[n]}] org.a.b.Lease: Failed to renew lease for [X_1] for 31 seconds"
        events += steady(60, level="warning", message=text)
    (found,) = output(look(events, "errors"), "errors")["findings"]
    assert found["title"].endswith(
        "(29%) are warnings; most often 'Lease: Failed to renew lease for [X_1] for <*> seconds'"
    )
    assert found["detail"].startswith("They are all of this kind.")


def test_a_log_that_repeats_itself_has_no_duplicates(look: Look) -> None:
    """With whole seconds, what comes at other times too does not count; what comes twice only does."""
    events = [e for e in steady(200, 60, message="worker ok") for _ in range(3)]
    assert output(look(events, "arrival"), "arrival")["findings"] == []
    twice = [e | {"message": f"order {n} paid"} for n, e in enumerate(steady(200, 60)) for _ in range(2)]
    assert [f["kind"] for f in output(look(twice, "arrival"), "arrival")["findings"]] == ["duplicates"]


def test_one_burst_is_no_new_kind_of_message(look: Look) -> None:
    """What came many times, but all at once, is one occasion, which may well be late in the log by chance."""
    burst = [e | {"ts": START + 15_000 + n / 10, "message": "ftp hello"} for n, e in enumerate(steady(30))]
    assert output(look([*steady(), *burst], "patterns"), "patterns")["findings"] == []


@pytest.mark.parametrize("day", ["Fri Jun 17 07:07:00 2005", "Sat Jul  9 22:53:22 2005", "Jul 10 03:55:15 2005"])
def test_dates_in_messages_are_masked(day: str) -> None:
    """Connections of two days are one kind of message."""
    assert mask(f"connection from 10.1.2.3 at {day}").startswith("connection from <*> at <*>")
    both = [("2005-06-17T07:07:00Z", f"a at {day}"), ("2005-07-09T22:53:22Z", "a at Mon Aug  1 01:02:03 2005")]
    assert len(mine(both)) == 1


def test_guessed_logins_over_many_days_matter(look: Look) -> None:
    """Many clients with few attempts each: none is said to have made most of them."""
    events = [
        e | {"message": f"authentication failure; rhost=h{n // 12}.example.com  user=root"}
        for n, e in enumerate(steady(240, 10_000))
    ]
    (found,) = output(look(events, "errors"), "errors")["findings"]
    assert (
        found["title"] == "240 refused logins ('authentication failure') from 20 clients, at most 12 from one of them"
    )
    assert found["severity"] == "medium"
    assert "and the 17 others (or rate-limit" in found["recommendation"]


def test_no_durations_is_an_answer(look: Look) -> None:
    """Who asks whether it is slow is told first that this log cannot tell."""
    text = summarize(look(steady(), "latency", "load"), request="Is it slow?").text
    assert text.startswith("Whether it is slow cannot be told: no event says how long something took.")


def test_another_mix_of_events_is_not_slowness(look: Look) -> None:
    """Builds take 20 s at any time; a stretch with more of them is not slow, one in which requests take longer is."""
    quick = steady(960, 15, duration_ms=200.0, message="GET /orders", source="api")
    builds = [
        {**e, "duration_ms": 20_000.0, "message": "Took 20 s to build", "source": "compute"} for e in steady(8, 1800)
    ]
    many = [e | {"ts": START + 6000 + n * 20} for n, e in enumerate(builds * 6)]
    report = output(look([*quick, *builds, *many], "latency"), "latency")
    assert [f["kind"] for f in report["findings"]] == []
    assert "By source: api (960): half 200 ms or less" in report["stats"]["answer"]
    slow = [e | {"duration_ms": 5000.0} if 6000 < e["ts"] - START < 8000 else e for e in quick]
    assert [f["kind"] for f in output(look(slow, "latency"), "latency")["findings"]] == ["slow_period"]
