"""The rule-based router: which workflow, which host, which time."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanwise.events.protocol import StoreInfo
from fanwise.nodes.router import NOTHING_KNOWN, Route, find_times, route

NOW = "2025-03-01T18:00:00Z"


@dataclass(frozen=True)
class Flow:
    name: str
    aliases: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


FLOWS = (
    Flow("health_check", ("health",), ("status", "errors")),
    Flow("missing_data_troubleshooting", ("missing_data",), ("quiet", "silent")),
    Flow("performance", (), ("slow", "latency")),
)
INFO = StoreInfo(
    events=100,
    start="2025-02-27T00:00:00Z",
    end=NOW,
    now=NOW,
    hosts=("web-01", "web-03", "web-03-b", "db.example.com"),
    sources=("/var/log/auth.log",),
    sourcetypes=("access_combined", "log"),
    fields=("host",),
)


@pytest.mark.parametrize(
    ("request_", "workflow"),
    [
        ("Why did web-03 go quiet?", "missing_data_troubleshooting"),
        ("web-01 is silent", "missing_data_troubleshooting"),
        ("No data from web-03 since 14:00", "missing_data_troubleshooting"),
        ("where did the events go? they are gone", "missing_data_troubleshooting"),
        ("web-01 went dark", "missing_data_troubleshooting"),
        ("auth stopped sending", "missing_data_troubleshooting"),
        ("run missing_data please", "missing_data_troubleshooting"),
        ("Why is the shop so slow?", "performance"),
        ("what is the latency of checkout", "performance"),
        ("performance of web-01 in the last 2 hours", "performance"),
        ("Is everything ok?", "health_check"),
        ("health of web-01", "health_check"),
        ("status", "health_check"),
        ("Did anything crash?", "health_check"),
        ("what crashed", "health_check"),
        ("any exception?", "health_check"),
        ("is it failing", "health_check"),
        ("Why are there so many 500s?", "health_check"),
        ("5xx", "health_check"),
    ],
)
def test_words_in_the_request_choose_the_workflow(request_: str, workflow: str) -> None:
    """The words of a request name the workflow, and the reason names the words."""
    found = route(request_, FLOWS, INFO)
    assert (found.workflow, found.matched) == (workflow, True)
    assert found.why.startswith("The request says '")


def test_a_request_that_names_nothing_gets_a_health_check() -> None:
    """Where no word matches, a health check runs, and the route says that it is a default."""
    found = route("tell me something about web-03", FLOWS, INFO)
    assert found == Route(
        "health_check",
        {"host": "web-03"},
        "No word in the request names a workflow, so health_check runs, about host web-03.",
        matched=False,
    )
    nothing = route("What is the capital of France?", FLOWS, INFO)
    assert nothing == Route("health_check", {}, NOTHING_KNOWN, matched=False)


def test_a_users_own_workflow_is_found_by_its_keywords_or_name() -> None:
    """A workflow that the router has never heard of is chosen by what it says of itself."""
    flows = (*FLOWS, Flow("certificate_audit", ("certs",), ("expired certificate",)))
    assert route("is there an expired certificate?", flows).workflow == "certificate_audit"
    assert route("certificate audit of everything", flows).workflow == "certificate_audit"


@pytest.mark.parametrize(
    ("request_", "params"),
    [
        ("Why did WEB-03 go quiet?", {"host": "web-03"}),
        ("Why did web-03-b go quiet?", {"host": "web-03-b"}),
        ("Why did web-03?", {"host": "web-03"}),
        ("why is db silent", {"host": "db.example.com"}),
        ("why is db.example.com silent", {"host": "db.example.com"}),
        ("why did mail-7 go quiet", {"host": "mail-7"}),
        ("Why did app-77 go quiet?", {"host": "app-77"}),
        ("why is shop-99 quiet?", {"host": "shop-99"}),
        ("is mail.example.com ok", {"host": "mail.example.com"}),
        ("is web01.prod ok", {"host": "web01.prod"}),
        ("error-503 of p-99 after v1.2.3 in app.log.1, utf-8, HTTP/1.1", {}),
        ("why so many 500s and 5xx on step-3", {}),
        ("why did 10.0.0.5 go quiet", {"host": "10.0.0.5"}),
        ("is access_combined missing on web-01", {"host": "web-01", "sourcetype": "access_combined"}),
        ("is auth.log missing", {"source": "/var/log/auth.log"}),
        ("is the log ok", {}),
        ("top 10 errors", {}),
    ],
)
def test_names_in_the_request_become_the_focus(request_: str, params: dict[str, str]) -> None:
    """Names that the store knows are found as whole words whatever their case; else what looks like a host."""
    assert route(request_, FLOWS, INFO).params == params


def test_a_hosts_name_does_not_choose_the_workflow() -> None:
    """`slow-01` is a host, not a complaint."""
    info = StoreInfo(1, NOW, NOW, NOW, ("slow-01",), (), (), ())
    assert route("status of slow-01", FLOWS, info).workflow == "health_check"


@pytest.mark.parametrize(
    ("request_", "start", "end"),
    [
        ("errors in the last 2 hours", "2025-03-01T16:00:00Z", None),
        ("past 30 minutes", "2025-03-01T17:30:00Z", None),
        ("the last hour", "2025-03-01T17:00:00Z", None),
        ("since 14:00", "2025-03-01T14:00:00Z", None),
        ("since 19:30", "2025-02-28T19:30:00Z", None),
        ("since 2pm", "2025-03-01T14:00:00Z", None),
        ("3 hours ago", "2025-03-01T15:00:00Z", None),
        ("between 10:00 and 12:00", "2025-03-01T10:00:00Z", "2025-03-01T12:00:00Z"),
        ("from 22:00 to 02:00", "2025-02-28T22:00:00Z", "2025-03-01T02:00:00Z"),
        ("yesterday", "2025-02-28T00:00:00Z", "2025-03-01T00:00:00Z"),
        ("since yesterday 15:00", "2025-02-28T15:00:00Z", None),
        ("today", "2025-03-01T00:00:00Z", "2025-03-02T00:00:00Z"),
        ("on 2025-02-27", "2025-02-27T00:00:00Z", "2025-02-28T00:00:00Z"),
        ("since 2025-02-27T08:00:00+02:00", "2025-02-27T06:00:00Z", None),
        ("before 2025-02-28 10:00", None, "2025-02-28T10:00:00Z"),
        ("anything wrong?", None, None),
        ("since 99:99", None, None),
    ],
)
def test_times_are_relative_to_the_logs_own_now(request_: str, start: str | None, end: str | None) -> None:
    """A time range becomes start and end in UTC, counted back from the log's now, not from today."""
    params = route(request_, FLOWS, INFO).params
    assert (params.get("start"), params.get("end")) == (start, end)


def test_a_time_without_a_now_is_not_guessed() -> None:
    """Without a now only absolute moments are understood."""
    assert find_times("last 2 hours", None) == ({}, "")
    assert find_times("since 2025-02-27", None)[0] == {"start": "2025-02-27T00:00:00Z"}


@given(st.text())
def test_any_request_has_a_route(text: str) -> None:
    """Whatever is asked, there is a route and no exception."""
    found = route(text, FLOWS, INFO)
    assert found.workflow in {flow.name for flow in FLOWS}
    assert set(found.params) <= {"host", "source", "sourcetype", "start", "end"}
