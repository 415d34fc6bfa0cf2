"""Questions to Splunk have the answers that the same events in a file have; against a stand-in, see `splunk_server`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splunk_events import HOSTS, as_splunk, shop, write
from splunk_server import TOKEN, Splunk

from fanwise.events.open import open_events
from fanwise.events.protocol import EventStore, Where

BY = ([], ["host"], ["host", "source"], ["level"], ["status"], ["host", "sourcetype", "source"], ["path"], ["user"])
WHERES = (
    None,
    Where(host="web-03"),
    Where(source="checkout", levels=("error", "critical")),
    Where(sourcetype="shop:app", start="2025-03-04T04:00:00.250Z", end="2025-03-04T06:10:00+00:00"),
    Where(text="REFUSED, will"),
    Where(host="no such host"),
    Where(start="2025-03-05T00:00:00Z", end="2025-03-04T00:00:00Z"),
    Where(levels=("info", "warning"), text="order "),
)


class Pair:
    """The same events in a file and in the stand-in."""

    def __init__(self, folder: str, location: str) -> None:
        self.file, self.splunk = open_events(folder), open_events(location)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Half a day of the shop."""
    events = shop(rate=0.4)
    folder = write(events, tmp_path_factory.mktemp("log"))
    with pytest.MonkeyPatch.context() as patch, Splunk(map(as_splunk, events)) as server:
        patch.setenv("SPLUNK_TOKEN", TOKEN)
        yield Pair(folder, server.location())


def test_what_there_is(pair: Pair) -> None:
    """Sizes, range, names, fields and the log's own present are the same."""
    file, splunk = pair.file.info(), pair.splunk.info()
    assert (splunk.events, splunk.start, splunk.end) == (file.events, file.start, file.end)
    assert (splunk.hosts, splunk.sources, splunk.sourcetypes) == (file.hosts, file.sources, file.sourcetypes)
    assert splunk.now == file.now
    assert splunk.fields == file.fields


@pytest.mark.parametrize("where", WHERES, ids=str)
@pytest.mark.parametrize("by", BY, ids=str)
def test_counts(pair: Pair, by: list[Any], where: Where | None) -> None:
    """Counts by fields, with nulls as a group of their own."""
    assert pair.splunk.counts(by, where=where) == pair.file.counts(by, where=where)


@pytest.mark.parametrize("bucket_s", [3600, 900.0, 0.5, 86400 * 7])
def test_counts_over_time(pair: Pair, bucket_s: float) -> None:
    """Buckets start at the epoch; those without events are absent."""
    where = Where(start="2025-03-04T05:00:00Z", end="2025-03-04T07:00:00Z")
    for by in ([], ["host", "level"]):
        assert pair.splunk.counts(by, where=where, bucket_s=bucket_s) == pair.file.counts(  # type: ignore[arg-type]
            by,  # type: ignore[arg-type]
            where=where,
            bucket_s=bucket_s,
        )


@pytest.mark.parametrize("where", WHERES, ids=str)
@pytest.mark.parametrize("of", ["duration_ms", "delay_s", "gap_s"])
@pytest.mark.parametrize("by", [[], ["host"], ["sourcetype", "level"]], ids=str)
def test_quantiles(pair: Pair, of: Any, by: list[Any], where: Where | None) -> None:
    """All but the percentiles are the same; of these see below."""
    file, splunk = pair.file.quantiles(of, by, where=where), pair.splunk.quantiles(of, by, where=where)
    assert [[row[name] for name in (*by, "events")] for row in splunk] == [
        [row[name] for name in (*by, "events")] for row in file
    ]
    for ours, theirs in zip(splunk, file, strict=True):
        for name in ("min", "max", "sum"):
            assert ours[name] == pytest.approx(theirs[name], abs=2e-5)
        assert ours["min"] <= ours["p50"] <= ours["p95"] <= ours["p99"] <= ours["max"]


@pytest.mark.parametrize("by", [[], ["host"]], ids=str)
def test_percentiles_are_values_that_occur(pair: Pair, by: list[Any]) -> None:
    """Each is the value of the nearest rank, as Splunk says of up to 1,000 different values."""
    taken = [event for event in pair.file.sample(limit=100_000) if event["duration_ms"] is not None]
    for row in pair.splunk.quantiles("duration_ms", by):
        mine = sorted(e["duration_ms"] for e in taken if all(e[name] == row[name] for name in by))
        for name, percent in (("p50", 50), ("p95", 95), ("p99", 99)):
            assert row[name] == mine[-(-percent * len(mine) // 100) - 1]


@pytest.mark.parametrize("where", WHERES, ids=str)
@pytest.mark.parametrize("by", [[], ["host"], ["sourcetype", "source"]], ids=str)
def test_gaps(pair: Pair, by: list[Any], where: Where | None) -> None:
    """Pauses, the longest first."""
    file, splunk = (store.gaps(by, min_s=30, where=where, limit=40) for store in (pair.file, pair.splunk))
    assert [{**row, "gap_s": pytest.approx(row["gap_s"], abs=2e-6)} for row in file] == splunk


@pytest.mark.parametrize("order", ["first", "last", "slowest"])
@pytest.mark.parametrize("where", WHERES, ids=str)
def test_samples(pair: Pair, order: Any, where: Where | None) -> None:
    """Whole events, but for where they stand."""

    def told(store: EventStore) -> list[dict[str, Any]]:
        found = store.sample(where=where, limit=7, order=order)
        return [{n: v for n, v in event.items() if n not in ("file", "line")} for event in found]

    file, splunk = told(pair.file), told(pair.splunk)
    assert [event["ts"] for event in splunk] == [event["ts"] for event in file]
    assert [event for event in file if event not in splunk] == []


@pytest.mark.parametrize("limit", [100_000, 1000, 7])
@pytest.mark.parametrize("where", [None, Where(host="auth-01"), Where(text="nothing says this")], ids=str)
def test_messages(pair: Pair, where: Where | None, limit: int) -> None:
    """Messages in time order; above the limit as many, evenly chosen."""
    file, splunk = (
        list(pair.file.messages(where=where, limit=limit)),
        list(pair.splunk.messages(where=where, limit=limit)),
    )
    assert [ts for ts, _ in splunk] == [ts for ts, _ in file]
    assert sum(pair not in splunk for pair in file) <= 0.01 * len(file)  # of equal moments another may be chosen


def test_duplicates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw events that come again at the same moment, from the same host and source."""
    event = {"ts": "2025-03-04T10:00:00+00:00", "received": "2025-03-04T10:00:01+00:00", "host": "a", "source": "s"}
    events = [
        {**event, "message": f"m{n}", "host": f"h{n % 2}", "sourcetype": "t"}
        for n in (1, 2, 2, 2, 3, 4, 4)
        for _ in "ab"
    ] + [{**event, "message": "lone", "sourcetype": "t"}]
    folder = write(events, tmp_path)
    monkeypatch.setenv("SPLUNK_TOKEN", TOKEN)
    with Splunk(map(as_splunk, events)) as server:
        splunk, file = open_events(server.location()), open_events(folder)
        assert splunk.duplicates() == file.duplicates()
        assert splunk.duplicates(where=Where(host="h0"), limit=1) == file.duplicates(where=Where(host="h0"), limit=1)


NASTY = "\"'`|[]()*?%_\\$&=<>,;:!~^#@{}\t\n\0 \u00e9\u20ac\U0001f600aA0-./"


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    hosts=st.lists(st.text(NASTY, min_size=1, max_size=8).map(str.strip).filter(bool), min_size=1, max_size=4),
    asked=st.text(NASTY, max_size=6),
    level=st.sampled_from(["info", "error", "debug"]),
)
def test_no_text_leaves_its_place(pair: Pair, hosts: list[str], asked: str, level: str) -> None:
    """Whatever a host is called and whatever text is asked for, the search means it literally."""
    events = [
        {
            "_time": 1_741_000_000.0 + n,
            "_indextime": 1_741_000_001 + n,
            "_raw": f"{host} says {asked}{n}",
            "host": host,
            "source": "s",
            "sourcetype": "t",
            "level": level,
        }
        for n, host in enumerate([*hosts, "web", "WEB"])
    ]
    with Splunk(events) as server:
        store = open_events(server.location())
        for host in {*hosts, asked, "*", "we*", "w"}:
            mine = [e for e in events if e["host"] == host]
            assert sum(r["events"] for r in store.counts((), where=Where(host=host))) == len(mine)
        said = [e for e in events if asked.lower() in e["_raw"].lower()]
        rows = store.counts(["host"], where=Where(text=asked, levels=(level, asked)))
        assert {r["host"]: r["events"] for r in rows} == {
            h: sum(e["host"] == h for e in said) for h in {e["host"] for e in said}
        }


@settings(max_examples=15, deadline=None, derandomize=True)
@given(
    where=st.builds(
        Where,
        host=st.none() | st.sampled_from(HOSTS),
        source=st.none() | st.sampled_from(["checkout", "nginx"]),
        levels=st.sets(st.sampled_from(["info", "warning", "error"])).map(tuple),
        start=st.none() | st.integers(0, 13).map(lambda h: f"2025-03-04T{h:02}:30:00Z"),
        end=st.none() | st.integers(0, 13).map(lambda h: f"2025-03-04T{h:02}:30:00.5+01:00"),
        text=st.none() | st.sampled_from(["order", "FORWARD", "3", "GET /", "\\", "%"]),
    ),
    by=st.lists(st.sampled_from(["host", "source", "level", "method"]), unique=True, max_size=3),
)
def test_any_filter(pair: Pair, where: Where, by: list[Any]) -> None:
    """Any filter means the same."""
    assert pair.splunk.counts(by, where=where, bucket_s=7200) == pair.file.counts(by, where=where, bucket_s=7200)
