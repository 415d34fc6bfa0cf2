"""Splunk's REST API when things go wrong: what is waited for, given up, cancelled, and said; against a stand-in."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from splunk_events import as_splunk, shop
from splunk_server import PASSWORD, SESSION, TOKEN, USER, Splunk

from fanwise.events.open import open_events
from fanwise.events.protocol import EventStore
from fanwise.events.searches import noting
from fanwise.graph import build_graph
from fanwise.nodes.call import in_thread
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.nodes.summary import summarize
from fanwise.schema.errors import EventsError
from fanwise.schema.plan import Task

EVENTS = [as_splunk(event) for event in shop(rate=0.05)]
KEYS = ("SPLUNK_TOKEN", "SPLUNK_SESSION_KEY", "SPLUNK_USERNAME", "SPLUNK_PASSWORD", "SPLUNK_CA")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Splunk]:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)
    with Splunk(EVENTS) as server:
        yield server


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def asked(store: EventStore) -> int:
    return sum(row["events"] for row in store.counts(["host"]))


@pytest.mark.parametrize(
    "given",
    [
        {"SPLUNK_TOKEN": TOKEN},
        {"SPLUNK_SESSION_KEY": SESSION},
        {"SPLUNK_USERNAME": USER, "SPLUNK_PASSWORD": PASSWORD},
    ],
    ids=["token", "session key", "password"],
)
@pytest.mark.parametrize("version", ["9.4.1", "8.2.0"])
def test_ways_to_sign_in(given: dict[str, str], version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By token, session key or password; with both versions of the API; in an app's context."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with Splunk(EVENTS, version=version) as server:
        location = server.location().replace("?", "/shop_app?")
        assert asked(open_events(location)) == len(EVENTS)


def test_a_session_that_ends_is_begun_anew(server: Splunk, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a password the next request signs in again."""
    monkeypatch.delenv("SPLUNK_TOKEN")
    monkeypatch.setenv("SPLUNK_USERNAME", USER)
    monkeypatch.setenv("SPLUNK_PASSWORD", PASSWORD)
    store = open_events(server.location())
    server.faults.answers["create"] = [(401, "call not properly authenticated")]
    assert asked(store) == len(EVENTS)
    assert server.requests.count("login") == 2


def test_wrong_credentials(server: Splunk, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are told from the start, without the secret."""
    monkeypatch.setenv("SPLUNK_TOKEN", "eyJ-wrong")
    with pytest.raises(EventsError, match=r"does not accept the credentials \(401 .*\): set SPLUNK_TOKEN") as raised:
        open_events(server.location())
    assert "eyJ-wrong" not in str(raised.value)
    monkeypatch.delenv("SPLUNK_TOKEN")
    with pytest.raises(EventsError, match=r"nothing to sign in to Splunk at 127\.0\.0\.1:\d+ with: set SPLUNK_TOKEN"):
        open_events(server.location())
    monkeypatch.setenv("SPLUNK_USERNAME", USER)
    monkeypatch.setenv("SPLUNK_PASSWORD", "wrong")
    with pytest.raises(EventsError, match="does not accept the credentials"):
        open_events(server.location())


@pytest.mark.parametrize("operation", ["create", "status", "results", "info"])
@pytest.mark.parametrize("status", [503, 429])
def test_a_busy_server_is_waited_for(server: Splunk, operation: str, status: int) -> None:
    """503 and 429 are asked again, whatever they answer."""
    server.faults.answers[operation] = [(status, "Splunk is busy")] * 2
    assert asked(open_events(server.location())) == len(EVENTS)


def test_too_many_searches_are_waited_for(server: Splunk) -> None:
    """So is a user's quota of searches, whatever status says so."""
    said = "The maximum number of concurrent historical searches for this user has been reached."
    server.faults.answers["create"] = [(400, said)]
    assert asked(open_events(server.location())) == len(EVENTS)


def test_a_server_that_stays_busy_is_given_up(server: Splunk) -> None:
    """Not for ever: within the limit of one search."""
    store = open_events(server.location(job_s="0.5"))
    server.faults.answers["create"] = [(503, "Splunk is busy")] * 100
    with pytest.raises(EventsError, match=r"is busy \(503 Splunk is busy\): try again later"):
        store.info()


@pytest.mark.parametrize("operation", ["create", "status", "results"])
def test_cut_answers_are_asked_for_again(server: Splunk, operation: str) -> None:
    """A job whose answer was lost is taken up, not begun twice."""
    store = open_events(server.location())
    store.info()
    before = len(server.jobs)
    server.faults.cut[operation] = 1
    assert asked(store) == len(EVENTS)
    assert len(server.jobs) == before + 1


def test_a_job_whose_id_never_comes_is_taken_up(server: Splunk) -> None:
    """Splunk has begun it, and its answer does not end: the id is known from the start."""
    server.faults.drip.add("create")
    assert open_events(server.location(request_s="0.2")).info().events == len(EVENTS)
    assert server.requests.count("create") == len(server.jobs) == 2  # what there is, and the indexes


def test_a_line_that_always_breaks_is_given_up(server: Splunk) -> None:
    """After some tries."""
    store = open_events(server.location())
    server.faults.cut["results"] = 99
    with pytest.raises(EventsError, match=r"the connection to Splunk at .* broke"):
        store.info()


@pytest.mark.parametrize(
    ("operation", "fault"),
    [("info", "hang"), ("create", "hang"), ("status", "drip"), ("results", "hang"), ("results", "drip")],
)
def test_nothing_hangs_for_ever(server: Splunk, operation: str, fault: str) -> None:
    """No answer, and one that never ends, are given up within the limit of a request."""
    getattr(server.faults, fault).add(operation)
    begun = time.monotonic()
    with pytest.raises(EventsError, match=r"is too slow: no|took longer than"):
        open_events(server.location(request_s="0.2", job_s="0.7")).info()
    assert time.monotonic() - begun < 6


def test_a_search_that_takes_too_long_is_cancelled(server: Splunk) -> None:
    """Its job is not left behind."""
    server.faults.seconds = 60
    store = open_events(server.location(job_s="0.3"))
    with pytest.raises(EventsError, match=r"took longer than 0\.3 s: its job fanwise_\w+ was still at work"):
        store.info()
    assert [job.cancelled for job in server.jobs.values()] == [True]


def test_a_queued_search_is_waited_for(server: Splunk) -> None:
    """Splunk queues searches where many run."""
    server.faults.queued, server.faults.seconds = 0.2, 0.1
    assert open_events(server.location()).info().events == len(EVENTS)


def test_a_failed_job_says_why(server: Splunk) -> None:
    """Its own messages are the error."""
    server.faults.failed = "Error in 'stats' command: something broke."
    with pytest.raises(EventsError, match=r"could not run a search \(job fanwise_\w+\): Error in 'stats' command: som"):
        open_events(server.location()).info()


def test_part_of_an_answer_is_no_answer(server: Splunk) -> None:
    """A job that Splunk finalized, or that gives fewer rows than it has, is an error."""
    server.faults.finalized = True
    with pytest.raises(EventsError, match="was finalized before its end"):
        open_events(server.location()).info()
    server.faults.finalized, server.faults.short = False, 1
    with pytest.raises(EventsError, match="has 1 rows, and Splunk gave 0"):
        open_events(server.location()).info()


def test_what_splunk_warns_of_is_kept(server: Splunk) -> None:
    """Beside the job that it is about."""
    server.faults.warning = "Unable to distribute to peer idx-2: results may be incomplete."
    with noting() as searches:
        open_events(server.location()).info()
    assert searches[0].notes == ("WARN: Unable to distribute to peer idx-2: results may be incomplete.",)
    task = Task(id="load", specialist="load", input={"events": server.location()})
    output = next(check for check in CHECKS if check.name == "load")(task, {}).model_dump(mode="json")
    assert "idx-2: results may be incomplete" in summarize({"load": output}, request="busy?").text


def test_many_pages(server: Splunk) -> None:
    """All rows, whatever the size of a page; more rows than may be read are an error."""
    every = len(list(open_events(server.location(page="7")).messages()))
    assert every == len(EVENTS) > 100
    assert server.requests.count("results") > every / 7
    store = open_events(server.location(rows="100"))
    assert len(list(store.messages())) == 100  # an even sample
    with pytest.raises(EventsError, match=r"has more than 100 rows \(job fanwise_\w+\)"):
        store.gaps([], min_s=0, limit=150)


def test_a_large_job_is_removed_once_it_is_read(server: Splunk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others are kept as evidence, for as long as the limits say."""
    monkeypatch.setattr("fanwise.events.splunk.jobs.LARGE", 100)
    list(open_events(server.location(keep_s="77")).messages())
    removed = [job.spl for job in server.jobs.values() if job.cancelled]
    assert len(removed) == 1 and "fw_message" in removed[0]
    assert {job.given["timeout"] for job in server.jobs.values()} == {"77"}
    assert {job.given["auto_cancel"] for job in server.jobs.values()} == {"60"}


@pytest.mark.parametrize("stage", ["create", "status", "results", "running"])
def test_a_cancelled_caller_ends_its_job(server: Splunk, stage: str) -> None:
    """Wherever it is: the thread comes back at once, and the job is cancelled."""
    store = open_events(server.location())
    store.info()
    before = set(server.jobs)
    server.requests.clear()
    if stage == "running":
        server.faults.seconds = 60
    else:
        server.faults.hang.add(stage)
    ended = threading.Event()

    def work() -> None:
        try:
            store.counts(["level"])
        finally:
            ended.set()

    async def cancelled() -> None:
        waiting = asyncio.ensure_future(in_thread(work, name="asks"))
        await asyncio.to_thread(until, lambda: ("status" if stage == "running" else stage) in server.requests)
        waiting.cancel()
        await asyncio.wait([waiting])

    asyncio.run(cancelled())
    assert ended.wait(3)
    assert "control" in server.requests
    assert all(job.cancelled for sid, job in server.jobs.items() if sid not in before)


def test_a_check_that_times_out_ends_its_job(server: Splunk) -> None:
    """The run goes on, and says so."""
    location = server.location()
    open_events(location).info()
    server.faults.seconds = 60
    task = {"id": "a", "specialist": "errors", "timeout_s": 0.5, "input": {"events": location}}
    done = build_graph().invoke({"plan": {"tasks": [task]}})
    assert done["results"]["a"]["status"] == "timed_out"
    until(lambda: sum(job.cancelled for job in server.jobs.values()) == 1)


def test_who_waits_for_a_search_gets_it_though_another_was_stopped(server: Splunk) -> None:
    """A search that two ask for is asked again where the first was cancelled."""
    store = open_events(server.location())
    store.info()
    server.requests.clear()
    server.faults.seconds = 0.6
    found: list[Any] = []

    async def two() -> None:
        first = asyncio.ensure_future(in_thread(lambda: store.counts(["level"]), name="first"))
        await asyncio.to_thread(until, lambda: "status" in server.requests)
        second = asyncio.ensure_future(in_thread(lambda: found.extend(store.counts(["level"])), name="second"))
        await asyncio.sleep(0.1)
        first.cancel()
        await second

    asyncio.run(two())
    assert sum(row["events"] for row in found) == len(EVENTS)


def test_nobody_answers(server: Splunk) -> None:
    """Where Splunk is not, what to check is said."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(
        EventsError, match=r"nothing answers at 127\.0\.0\.1:\d+ \(connection refused\): check the host"
    ):
        open_events(f"splunk://127.0.0.1:{port}?index=main&scheme=http")
    with pytest.raises(EventsError, match="does not speak TLS as expected"):
        open_events(server.location(scheme="https", request_s="2"))
    server.faults.answers["info"] = [(404, "not here")]
    with pytest.raises(EventsError, match=r"refused the search \(404\): not here"):
        open_events(server.location(request_s="2"))


def test_a_certificate_has_to_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless that is given up by name."""
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)
    monkeypatch.delenv("SPLUNK_CA", raising=False)
    with Splunk(EVENTS, tls=tmp_path) as server:
        with pytest.raises(
            EventsError, match=r"can't prove who it is .*: name its CA's file with SPLUNK_CA or ca=FILE"
        ):
            open_events(server.location(scheme="https"))
        assert asked(open_events(server.location(scheme="https", verify="false"))) == len(EVENTS)
        monkeypatch.setenv("SPLUNK_CA", str(tmp_path / "cert.pem"))
        assert asked(open_events(server.location(scheme="https"))) == len(EVENTS)
        monkeypatch.setenv("SPLUNK_CA", str(tmp_path / "none.pem"))
        with pytest.raises(EventsError, match=r"the certificates in '.*none\.pem' can't be used"):
            open_events(server.location(scheme="https"))


def test_an_interrupted_command_ends_its_jobs(server: Splunk, tmp_path: Path) -> None:
    """Ctrl-C, and again to end at once, leaves nothing at work in Splunk."""
    location = server.location()
    open_events(location).info()
    done = set(server.jobs)
    server.requests.clear()
    server.faults.seconds = 60
    command = [sys.executable, "-c", "from fanwise.cli import main; main()", "ask", "Is it ok?", "--events", location]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        until(lambda: "status" in server.requests, 30)
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        while b"once more stops at once" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(15) == 130
    until(lambda: all(job.cancelled for sid, job in server.jobs.items() if sid not in done))
