"""The questions of the protocol, over a small log whose answers can be counted by hand."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fanwise.events.clock import latest_plausible
from fanwise.events.open import find_files, open_events, read_events
from fanwise.events.protocol import EventStore, Where
from fanwise.schema.errors import EventsError

START = datetime(2025, 3, 4, tzinfo=UTC)


def at(second: float) -> str:
    return (START + timedelta(seconds=second)).isoformat()


@pytest.fixture
def store(tmp_path: Path) -> EventStore:
    """Host a: an event each 10 s for 100 s, then one at 1000 s; host b: three, the last two the same."""
    rows = [(n * 10, "a", "info", n) for n in range(10)] + [(1000, "a", "error", 500)]
    rows += [(5, "b", "info", 1), (50, "b", "warn", 2), (50, "b", "warn", 2)]
    lines = [
        {"ts": at(s), "received": at(s + took), "host": host, "level": level, "duration_ms": took, "message": f"m {s}"}
        for s, host, level, took in rows
    ]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return open_events(str(tmp_path))


def test_info(store: EventStore) -> None:
    """The description names range, values and fields; `now` is the latest arrival."""
    info = store.info()
    assert (info.events, info.start, info.end, info.now) == (14, at(0), at(1000), at(1500))
    assert (info.hosts, info.sources, info.sourcetypes) == (("a", "b"), ("x.jsonl",), ("json",))
    assert set(info.fields) >= {"ts", "received", "host", "level", "duration_ms", "message", "raw"}
    assert "status" not in info.fields
    assert isinstance(store, EventStore)


def test_counts(store: EventStore) -> None:
    """Counts come by group and bucket, ordered by bucket and then by count; empty buckets are absent."""
    assert store.counts(["host"]) == [
        {"host": "a", "events": 11, "first": at(0), "last": at(1000)},
        {"host": "b", "events": 3, "first": at(5), "last": at(50)},
    ]
    assert store.counts() == [{"events": 14, "first": at(0), "last": at(1000)}]
    rows = store.counts(["host"], bucket_s=60)
    assert [(row["bucket"], row["host"], row["events"]) for row in rows] == [
        (at(0), "a", 6),
        (at(0), "b", 3),
        (at(60), "a", 4),
        (at(960), "a", 1),
    ]


@pytest.mark.parametrize(
    ("where", "events"),
    [
        (Where(host="b"), 3),
        (Where(levels=("warning", "error")), 3),
        (Where(start=at(50), end=at(1000)), 7),
        (Where(start="2025-03-04T01:00:50+01:00", end=at(1000)), 7),
        (Where(text="M 50"), 3),
        (Where(text="'; DROP TABLE events"), 0),
        (Where(host="a", sourcetype="json", source="x.jsonl", text="%"), 0),
    ],
)
def test_filters(store: EventStore, where: Where, events: int) -> None:
    """All that a filter sets must hold; its start is included, its end is not; text ignores case, without wildcards."""
    assert sum(row["events"] for row in store.counts(where=where)) == events
    assert len(store.sample(where=where, limit=99)) == events
    assert len(list(store.messages(where=where))) == events


def test_quantiles(store: EventStore) -> None:
    """Durations, delays and gaps are summarised by group."""
    [a, b] = store.quantiles("duration_ms", ["host"])
    assert (a["host"], a["events"], a["min"], a["p50"], a["max"], a["sum"]) == ("a", 11, 0.0, 5.0, 500.0, 545.0)
    assert (b["host"], b["p50"], b["max"]) == ("b", 2.0, 2.0)
    assert store.quantiles("delay_s")[0]["max"] == 500.0
    gaps = {row["host"]: row for row in store.quantiles("gap_s", ["host"])}
    assert (gaps["a"]["events"], gaps["a"]["p50"], gaps["a"]["max"]) == (10, 10.0, 910.0)
    assert gaps["b"]["min"] == 0.0


def test_gaps(store: EventStore) -> None:
    """Pauses come longest first."""
    assert store.gaps(["host"], min_s=45) == [
        {"host": "a", "start": at(90), "end": at(1000), "gap_s": 910.0},
        {"host": "b", "start": at(5), "end": at(50), "gap_s": 45.0},
    ]
    assert len(store.gaps(["host"], min_s=10, limit=3)) == 3


def test_duplicates(store: EventStore) -> None:
    """Equal lines at one moment from one place are listed with their number."""
    [row] = store.duplicates()
    assert (row["host"], row["ts"], row["events"]) == ("b", at(50), 2)
    assert '"m 50"' in row["raw"]


def test_samples_and_messages(store: EventStore) -> None:
    """Samples come in the order asked for, with file and line; messages are thinned evenly."""
    assert [e["line"] for e in store.sample(limit=2)] == [1, 12]
    assert store.sample(limit=1, order="last")[0]["ts"] == at(1000)
    slowest = store.sample(limit=1, order="slowest")[0]
    assert (slowest["duration_ms"], slowest["file"], slowest["level"]) == (500.0, "x.jsonl", "error")
    messages = list(store.messages())
    assert messages[0] == (at(0), "m 0")
    assert [ts for ts, _ in messages] == sorted(ts for ts, _ in messages)
    assert len(list(store.messages(limit=5))) == 5


def test_many_threads(store: EventStore) -> None:
    """Calls at the same moment do not disturb each other."""

    def ask(n: int) -> object:
        return [
            store.counts(["host"]),
            store.gaps(["host"], min_s=5 + n % 2),
            list(store.messages(limit=7)),
            store.info(),
        ]

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(64)))
    assert all(answer == answers[n % 2] for n, answer in enumerate(answers))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.counts(["hots"]), r"cannot group events by 'hots'; known fields are client"),
        (lambda s: s.counts("host"), r"come as a list"),
        (lambda s: s.counts(bucket_s=0), r"a bucket of 0 seconds"),
        (lambda s: s.counts(where=Where(start="tomorrow")), r"'tomorrow' is no ISO 8601 moment; write it like"),
        (lambda s: s.quantiles("size"), r"no such number: 'size'"),
        (lambda s: s.sample(order="best"), r"no such order: 'best'"),
    ],
)
def test_questions_that_make_no_sense(store: EventStore, call: object, message: str) -> None:
    """A wrong question is refused with what would be right."""
    with pytest.raises(EventsError, match=message):
        call(store)  # type: ignore[operator]


def test_closed(tmp_path: Path) -> None:
    """A closed store says so, and can be closed again."""
    path = tmp_path / "x.log"
    path.write_text("2015-07-29 17:41:44,747 WARN x\n")
    own = read_events(str(path), find_files(str(path)))
    own.close()
    own.close()
    with pytest.raises(EventsError, match=r"the event store is closed; open it again"):
        own.counts()


H = timedelta(hours=1)
DAY = datetime(2025, 3, 4)


@pytest.mark.parametrize(
    ("ranges", "now"),
    [
        ([(DAY, DAY + 24 * H), (DAY, DAY + 24 * H), (DAY + 3 * H, DAY + 27 * H)], DAY + 24 * H),
        ([(DAY, DAY + 24 * H), (DAY, DAY + 16 * H)], DAY + 24 * H),
        ([(DAY, DAY + 24 * H)], DAY + 24 * H),
        ([(DAY, DAY + 24 * H), (DAY, DAY + 900 * H)], DAY + 24 * H),
        ([], None),
    ],
    ids=["a clock ahead", "the others silent", "one host", "after the file was written", "nothing"],
)
def test_now_without_arrival_times(ranges: list[tuple[datetime, datetime]], now: datetime | None) -> None:
    """The latest moment counts as now, but not that of a host whose clock is ahead."""
    assert latest_plausible(ranges, DAY + 100 * H) == now
