"""The checks over events in memory: each planted fault is found once; healthy and odd logs raise no alarm."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from fanwise.events.protocol import FileInfo
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.nodes.summary import summarize
from fanwise.schema.plan import Task
from fanwise.schema.results import TaskResult

Events = list[dict[str, Any]]
Look = Callable[..., dict[str, TaskResult]]
Shop = Callable[..., Events]

HOUR = 3600.0
START = 1740787200.0  # 2025-03-01T00:00:00Z


def findings(results: dict[str, TaskResult], check: str) -> list[dict[str, Any]]:
    output = results[check].output
    assert isinstance(output, dict)
    return list(output["findings"])


def kinds(results: dict[str, TaskResult], **options: Any) -> list[tuple[str, str | None]]:
    return [(finding.kind, finding.subject) for finding in summarize(results, **options).findings]


def steady(count: int = 600, every: float = 30.0, **fields: Any) -> Events:
    return [{"ts": START + n * every, "message": "tick", "host": "h", "source": "s", **fields} for n in range(count)]


@pytest.mark.parametrize("seed", range(4))
def test_a_healthy_log_raises_no_alarm(look: Look, shop: Shop, seed: int) -> None:
    """A shop with day and night and nothing planted has no finding at all."""
    assert kinds(look(shop(seed))) == []


def test_a_host_that_falls_silent_is_one_finding(look: Look, shop: Shop) -> None:
    """A silent host is told once, with the moment, an estimate of what is missing, and its last line."""
    events = [e for e in shop() if e["host"] != "web-03" or e["ts"] < START + 13.7 * HOUR]
    results = look(events)
    assert kinds(results) == [("host_silent", "web-03")]
    (found,) = findings(results, "silence")
    assert found["title"].startswith("web-03 went silent at 2025-03-01 13:")
    assert 200 < found["numbers"]["estimated_missing"] < 700
    assert found["severity"] == "high"
    assert "web-03" in found["evidence"][0]


def test_a_peer_that_went_silent_later_does_not_go_on(look: Look, shop: Shop) -> None:
    """Of two silent hosts the first does not name the second as going on, nor does its cause count it."""
    stops = {"web-03": START + 12 * HOUR, "web-02": START + 15 * HOUR}
    results = look([e for e in shop() if e["ts"] < stops.get(e["host"], START + 99 * HOUR)])
    first = next(f for f in findings(results, "silence") if f["subject"] == "web-03")
    going, _, later = first["detail"].partition(" go on; ")
    assert "web-02" not in going
    assert later == "web-02 went silent later."
    assert first["numbers"]["others_sending"] == 5
    cause = next(f for f in findings(results, "correlate") if f["subject"] == "web-03")
    assert "5 of 6 other hosts went on." in cause["detail"]


def test_a_source_that_stops_on_one_host_is_named_with_its_host(look: Look, shop: Shop) -> None:
    """Where the host goes on, the finding names host and source type, and does not blame the host."""
    stop = START + 12 * HOUR
    events = [e for e in shop() if (e["host"], e["source"]) != ("web-02", "access.log") or e["ts"] < stop]
    assert kinds(look(events)) == [("sourcetype_silent", "web-02 / access")]


@pytest.mark.parametrize(
    ("offset", "kind", "words"),
    [
        (-3 * HOUR, "clock_skew", "db-01: clock is 3 h behind, by whole half hours: probably a time-zone error"),
        (5.5 * HOUR, "clock_skew", "db-01: clock is 5 h 30 min ahead, by whole half hours: probably a time-zone error"),
        (-437, "clock_skew", "db-01: clock is 7 min 17 s behind"),
    ],
)
def test_a_clock_that_is_off_is_no_silence(look: Look, shop: Shop, offset: float, kind: str, words: str) -> None:
    """A constant delay is a clock's; half hours point to a time zone; the host does not look silent for it."""
    events = [e | {"ts": e["ts"] + offset} if e["host"] == "db-01" else e for e in shop()]
    results = look(events)
    assert kinds(results) == [(kind, "db-01")]
    assert findings(results, "clock")[0]["title"] == words


def test_late_events_are_told_with_when_and_how_late(look: Look, shop: Shop) -> None:
    """A delay that grows and shrinks is late arrival, not a clock."""
    random = Random(1)
    begin, end = START + 9 * HOUR, START + 10.5 * HOUR
    events = shop()
    for event in events:
        if event["host"] == "app-02" and begin < event["ts"] < end:
            event["received"] = max(event["received"], end + random.uniform(0, 60))
    results = look(events)
    assert kinds(results) == [("late_arrival", "app-02")]
    assert findings(results, "arrival")[0]["numbers"]["max_s"] == pytest.approx(5400, abs=400)


def test_a_burst_of_errors_is_told_with_its_message(look: Look, shop: Shop) -> None:
    """The burst is one finding; the spike and the new message that come with it are not further ones."""
    random = Random(1)
    times = [START + 17 * HOUR + random.uniform(0, 900) for _ in range(80)]
    new = [
        {"ts": t, "received": t + 1, "host": "app-01", "source": "app.log", "sourcetype": "app", "level": "error"}
        | {"message": f"db pool exhausted after {random.randrange(900)} ms"}
        for t in times
    ]
    results = look([*shop(), *new])
    assert kinds(results) == [("error_burst", "app-01")]
    (found,) = findings(results, "errors")
    assert "'db pool exhausted after <*> ms', 80 times" in found["detail"]


def test_a_partial_drop_is_found_against_peers(look: Look, shop: Shop) -> None:
    """A host's source that sends a third for some hours is found, and the drop is put into numbers."""
    random = Random(1)
    events = [
        e
        for e in shop(rate=3)
        if (e["host"], e["source"]) != ("web-02", "access.log")
        or not START + 14 * HOUR < e["ts"] < START + 18 * HOUR
        or random.random() < 0.3
    ]
    results = look(events)
    ((kind, subject),) = kinds(results)
    assert kind == "volume_drop"
    assert subject is not None and subject.startswith("web-02")


def test_a_spike_is_found(look: Look, shop: Shop) -> None:
    """Many more events than usual are a finding of low severity."""
    more = [e | {"message": "again"} for e in shop(2) if e["host"] == "web-01" and 50400 < e["ts"] - START < 57600] * 4
    results = look([*shop(rate=2), *more], "volume")
    assert [(f["kind"], f["severity"]) for f in findings(results, "volume")] == [("volume_spike", "low")]


def test_lines_that_no_longer_parse_are_no_silence(look: Look, shop: Shop) -> None:
    """A file whose lines stop parsing is a parse failure, not a silent source."""
    stop = START + 15 * HOUR
    events = [e | {"file": f"{e['host']}-{e['source']}"} for e in shop()]
    events = [e for e in events if e["file"] != "app-01-app.log" or e["ts"] < stop]
    file = FileInfo("app-01-app.log", "json", 900, 500, 0, 400, unparsed_examples=("{broken",), unparsed_line=501,
                    unparsed_since="2025-03-01T15:00:00Z")  # fmt: skip
    results = look(events, files=[file])
    assert kinds(results) == [("parse_failure", "app")]
    (found,) = findings(results, "parsing")
    assert (
        found["title"] == "app: 400 lines of 900 (44%) could not be parsed; none has parsed since 2025-03-01 15:00 UTC"
    )
    assert found["evidence"] == ["app-01-app.log: {broken"]


def test_a_pause_of_everything_is_told_once(look: Look) -> None:
    """A pause that all take part in is one gap, not one for each host."""
    events = [e for h in ("a", "b") for e in steady(host=h) if not 3 * HOUR < e["ts"] - START < 4 * HOUR]
    assert kinds(look(events)) == [("gap", None)]


def test_duplicates_are_counted(look: Look, shop: Shop) -> None:
    """Lines that arrive twice are counted once more than they should be."""
    events = shop()
    twice = [dict(e, raw=f"line {n}") for n, e in enumerate(events)]
    results = look([*twice, *twice[:600]], "arrival")
    assert [f["numbers"]["surplus"] for f in findings(results, "arrival")] == [600]


def test_refused_logins_name_the_clients(look: Look) -> None:
    """Repeated refused logins are told with their clients and users, each attempt once."""
    events = steady(400)
    for n in range(60):
        ts = START + n * 60
        client = "203.0.113.9" if n % 3 else "198.51.100.7"
        events += [
            {"ts": ts, "host": "h", "message": f"Invalid user bob from {client}"},
            {"ts": ts, "host": "h", "message": f"Failed password for bob from {client} port {n}"},
        ]
    events.append({"ts": START, "host": "h", "message": "Failed password for bob from 203.0.113.9 port 1"})
    (found,) = findings(look(events, "errors"), "errors")
    assert found["kind"] == "login_failures"
    assert found["title"] == ("61 refused logins ('failed password') from 2 clients; 203.0.113.9 alone made 41 (67%)")
    assert "No login from a client with 5 or more refused ones was accepted." in found["detail"]
    assert found["severity"] == "high"


def test_a_login_after_many_refused_ones_is_critical(look: Look) -> None:
    """If a client got in after guessing, that is the worst news."""
    events = steady(100)
    events += [
        {"ts": START + n, "host": "h", "message": f"Failed password for x from 203.0.113.9 port {n}"} for n in range(40)
    ]
    events.append({"ts": START + 50, "host": "h", "message": "Accepted password for x from 203.0.113.9 port 5"})
    (found,) = findings(look(events, "errors"), "errors")
    assert found["severity"] == "critical"
    assert "A login from 203.0.113.9 was accepted." in found["detail"]


def test_a_new_message_is_found(look: Look) -> None:
    """A kind of message that first appears late is told with its count and an example."""
    late = [
        {"ts": START + 4 * HOUR + n * 60, "host": "h", "message": f"certificate expires in {n} days"} for n in range(9)
    ]
    (found,) = findings(look([*steady(), *late], "patterns"), "patterns")
    assert found["numbers"]["events"] == 9
    assert "certificate expires in <*> days" in found["title"]


def test_slow_and_busy(look: Look) -> None:
    """A slow path and a slow hour stand out; without durations the check does not apply."""
    events = steady(1200, 10, duration_ms=50.0, path="/a")
    for n, event in enumerate(events):
        event["path"] = ("/a", "/b", "/c")[n % 3]
        if event["path"] == "/c":
            event["duration_ms"] = 900.0
    results = look(events, "latency", "load")
    assert [(f["kind"], f["subject"]) for f in findings(results, "latency")] == [("slow", "/c")]
    assert findings(results, "load") == []
    output = look(steady(), "latency")["latency"].output
    assert isinstance(output, dict)
    assert (output["status"], output["reason"]) == ("not_applicable", "no event says how long something took")


def test_the_likely_cause_is_what_was_logged_just_before(look: Look, shop: Shop) -> None:
    """Forwarder trouble of the silent host just before is its likely cause, with those lines as evidence."""
    stop = START + 13.7 * HOUR
    events = [e for e in shop() if e["host"] != "web-03" or e["ts"] < stop]
    events += [
        {"ts": stop - 60 * n, "received": stop, "host": "web-03", "source": "fwd.log", "sourcetype": "forwarder"}
        | {"message": "output queue full, cannot reach indexer", "level": "warning"}
        for n in range(5)
    ]
    results = look(events, host="web-03")
    (cause,) = findings(results, "correlate")
    assert cause["title"] == "The forwarder of web-03 most likely lost its connection, or was blocked"
    assert "6 of 6 other hosts went on." in cause["detail"]
    assert all("output queue full" in line for line in cause["evidence"])
    first = summarize(results, request="Why did web-03 go quiet?").text.split("\n")[0]
    assert first.startswith("web-03 went silent at 2025-03-01 13:42 UTC")
    assert "Likely cause: The forwarder of web-03" in first


def test_an_everyday_message_is_no_cause(look: Look, shop: Shop) -> None:
    """What a host logs all the time does not explain why it stopped."""
    stop = START + 13.7 * HOUR
    events = [e for e in shop() if e["host"] != "web-03" or e["ts"] < stop]
    events += [{"ts": START + n * 300, "host": "web-03", "message": "forwarder: retry after error"} for n in range(164)]
    (cause,) = findings(look(events), "correlate")
    assert cause["title"].startswith("Web-03 itself, or its forwarder, most likely went down") or cause[
        "title"
    ].startswith("web-03 itself, or its forwarder, most likely went down without a word")


def test_the_dependents_survive_what_became_of_their_dependencies(look: Look) -> None:
    """Failed, skipped and odd dependencies leave a report that says which gave none."""
    results = {
        "silence": TaskResult(task_id="silence", specialist="silence", status="failed", error="boom"),
        "volume": TaskResult(task_id="volume", specialist="volume", status="succeeded", output="odd"),
    }
    look(steady(), "silence")
    for check in CHECKS[-2:]:
        report = check(Task(id="x", specialist=check.name, input={"events": "memory"}), results)
        assert report.stats["without_report"] == ["silence", "volume"]


@pytest.mark.parametrize(("host", "kind"), [("nowhere-1", "host_unknown"), ("web-01", "still_sending")])
def test_a_question_about_a_host_that_is_not_silent_is_answered(look: Look, shop: Shop, host: str, kind: str) -> None:
    """An unknown host is said to be unknown, a sending one to be sending."""
    assert kinds(look(shop(), host=host), focus=host) == [(kind, host)]


def test_the_time_asked_about_bounds_what_is_reported(look: Look, shop: Shop) -> None:
    """Nothing after the end is looked at, and what was over before the start is not reported."""
    events = [e for e in shop() if e["host"] != "web-03" or e["ts"] < START + 13.7 * HOUR]
    assert kinds(look(events, "silence", end="2025-03-01T12:00:00Z")) == []
    gap = [e for e in steady() if not HOUR < e["ts"] - START < 2 * HOUR]
    assert kinds(look(gap, "silence")) == [("gap", None)]
    assert kinds(look(gap, "silence", start="2025-03-01T03:00:00Z")) == []


@pytest.mark.parametrize(
    "events",
    [
        [],
        [{"ts": START, "message": "one"}],
        [{"ts": START + n, "message": "same"} for n in range(10)],
        [{"ts": START, "message": "at once"} for _ in range(300)],
        [{"ts": START + n, "message": ""} for n in range(300)],
        [{"ts": START + n * 0.01, "message": "fast", "host": "h"} for n in range(500)],
        [{"ts": START + n * n * 1000, "message": "rare", "host": f"h{n % 50}"} for n in range(300)],
    ],
)
def test_odd_logs_raise_no_alarm_and_no_error(look: Look, events: Events) -> None:
    """Empty, tiny, short, sparse and featureless logs give reports, without a finding above low."""
    results = look(events)
    assert set(results) == {check.name for check in CHECKS}
    assert summarize(results).severity in (None, "low")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("x", "silence: input is 'x'; give an object with 'events', the place of the log"),
        ({}, "silence: 'events' is None; give the place of the log: a file or a folder"),
        ({"events": "memory", "host": 3}, "silence: 'host' is 3; give a name, or leave it out"),
        (
            {"events": "memory", "start": "noonish"},
            "silence: 'start' is 'noonish'; give a moment in ISO 8601, such as '2025-03-01T14:00:00Z'",
        ),
        (
            {"events": "memory", "start": "2025-03-02", "end": "2025-03-01"},
            "silence: 'start' '2025-03-02' is not before 'end' '2025-03-01'",
        ),
        ({"events": "memory", "bucket_s": -1}, "silence: 'bucket_s' is -1; give a positive number"),
    ],
)
def test_bad_input_is_refused_with_one_clear_message(look: Look, given: Any, message: str) -> None:
    """A wrong input raises a ValueError that says what came and what to give."""
    look(steady(), "silence")
    with pytest.raises(ValueError) as caught:
        CHECKS[0](Task(id="t", specialist="silence", input=given), {})
    assert str(caught.value) == message
