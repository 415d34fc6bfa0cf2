"""An event store in memory, and a run of checks in order without the graph."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from fanwise.events.protocol import FileInfo, StoreInfo, Where
from fanwise.nodes.specialists.checks import CHECKS
from fanwise.schema.plan import Task
from fanwise.schema.results import TaskResult

FIELDS = ("host", "source", "sourcetype", "level", "status", "file", "user", "client", "method", "path", "duration_ms")
START = datetime(2025, 3, 1, tzinfo=UTC).timestamp()


def iso(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


class MemoryStore:
    """The event store's protocol over a list of dicts: `ts` and `received` in seconds since 1970, the rest as it is."""

    def __init__(self, events: Sequence[Mapping[str, Any]], files: Sequence[FileInfo] = (), knows: Sequence[str] = ()):
        self.events: list[dict[str, Any]] = []
        for number, event in enumerate(events, 1):
            full = {
                **dict.fromkeys((*FIELDS, "received")),
                "file": "events.log",
                "line": number,
                "message": "",
                **event,
            }
            full.setdefault("raw", f"{iso(full['ts'])} {full['host'] or '-'} {full['message']}")
            self.events.append(full)
        self.events.sort(key=lambda e: (e["ts"], e["line"]))
        self.files, self.knows = tuple(files), frozenset(knows)

    def info(self) -> StoreInfo:
        def values(name: str) -> tuple[str, ...]:
            return tuple(sorted({e[name] for e in self.events if e[name] is not None}))

        times = [e["ts"] for e in self.events]
        arrivals = [e["received"] for e in self.events if e["received"] is not None]
        present = tuple(f for f in (*FIELDS, "received") if any(e[f] is not None for e in self.events))
        return StoreInfo(
            events=len(times),
            start=iso(min(times)) if times else None,
            end=iso(max(times)) if times else None,
            now=iso(max(arrivals or times)) if times else None,
            hosts=values("host"),
            sources=values("source"),
            sourcetypes=values("sourcetype"),
            fields=present,
            files=self.files,
            knows=self.knows,
        )

    def _where(self, where: Where | None) -> list[dict[str, Any]]:
        w = where or Where()
        start = seconds(w.start) if w.start else float("-inf")
        end = seconds(w.end) if w.end else float("inf")
        equal = {f: v for f in ("host", "source", "sourcetype") if (v := getattr(w, f)) is not None}
        return [
            e
            for e in self.events
            if start <= e["ts"] < end
            and all(e[f] == v for f, v in equal.items())
            and (not w.levels or e["level"] in w.levels)
            and (w.text is None or w.text.lower() in e["raw"].lower())
        ]

    def _groups(self, by: Sequence[str], where: Where | None) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for event in self._where(where):
            groups.setdefault(tuple(event[f] for f in by), []).append(event)
        return groups

    def counts(
        self, by: Sequence[str] = (), *, where: Where | None = None, bucket_s: float | None = None
    ) -> list[dict[str, Any]]:
        rows = []
        for key, events in self._groups(by, where).items():
            buckets: dict[float | None, list[float]] = {}
            for e in events:
                buckets.setdefault(e["ts"] // bucket_s * bucket_s if bucket_s else None, []).append(e["ts"])
            for bucket, times in buckets.items():
                row = dict(zip(by, key, strict=True)) | {"events": len(times)}
                row |= {"first": iso(min(times)), "last": iso(max(times))}
                rows.append(row if bucket is None else row | {"bucket": iso(bucket)})
        return sorted(rows, key=lambda r: (r.get("bucket", ""), -r["events"]))

    def quantiles(self, of: str, by: Sequence[str] = (), *, where: Where | None = None) -> list[dict[str, Any]]:
        rows = []
        for key, events in self._groups(by, where).items():
            if of == "delay_s":
                values = [e["received"] - e["ts"] for e in events if e["received"] is not None]
            elif of == "gap_s":
                values = [b["ts"] - a["ts"] for a, b in pairwise(events)]
            else:
                values = [e["duration_ms"] for e in events if e["duration_ms"] is not None]
            if values:
                values.sort()
                at = {f"p{p}": values[min(len(values) - 1, len(values) * p // 100)] for p in (50, 95, 99)}
                edges = {"min": values[0], "max": values[-1], "sum": sum(values)}
                rows.append(dict(zip(by, key, strict=True)) | {"events": len(values)} | edges | at)
        return rows

    def gaps(
        self, by: Sequence[str], *, min_s: float, where: Where | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        rows = []
        for key, events in self._groups(by, where).items():
            for a, b in pairwise(events):
                if b["ts"] - a["ts"] >= min_s:
                    span = {"start": iso(a["ts"]), "end": iso(b["ts"]), "gap_s": b["ts"] - a["ts"]}
                    rows.append(dict(zip(by, key, strict=True)) | span)
        return sorted(rows, key=lambda r: -r["gap_s"])[:limit]

    def duplicates(self, *, where: Where | None = None, limit: int = 20) -> list[dict[str, Any]]:
        seen = Counter((e["raw"], e["host"], e["source"], iso(e["ts"])) for e in self._where(where))
        names = ("raw", "host", "source", "ts")
        return [dict(zip(names, k, strict=True)) | {"events": n} for k, n in seen.most_common(limit) if n > 1]

    def sample(self, *, where: Where | None = None, limit: int = 5, order: str = "first") -> list[dict[str, Any]]:
        events = self._where(where)
        if order == "slowest":
            events = sorted((e for e in events if e["duration_ms"] is not None), key=lambda e: -e["duration_ms"])
        events = events[-limit:] if order == "last" else events[:limit]
        return [e | {"ts": iso(e["ts"]), "received": iso(e["received"]) if e["received"] else None} for e in events]

    def messages(self, *, where: Where | None = None, limit: int = 200_000) -> Iterator[tuple[str, str]]:
        yield from [(iso(e["ts"]), e["message"]) for e in self._where(where)][:limit]

    def close(self) -> None:
        pass


Look = Callable[..., dict[str, TaskResult]]


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> Look:
    """Run checks over events, in order, each with the results of those before; return the results by check name."""
    from fanwise.nodes.specialists.checks import context

    def run(events: Any, *names: str, files: Sequence[FileInfo] = (), **options: Any) -> dict[str, TaskResult]:
        store = events if isinstance(events, MemoryStore) else MemoryStore(events, files)
        monkeypatch.setattr(context, "open_events", lambda location: store)
        return run_checks("memory", names, **options)

    return run


def run_checks(location: str, names: Sequence[str] = (), **options: Any) -> dict[str, TaskResult]:
    results: dict[str, TaskResult] = {}
    for check in CHECKS:
        if not names or check.name in names:
            task = Task(id=check.name, specialist=check.name, input={"events": location, **options})
            report = check(task, dict(results))
            output = report.model_dump(mode="json")
            results[check.name] = TaskResult(
                task_id=check.name, specialist=check.name, status="succeeded", output=output
            )
    return results


Shop = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def shop() -> Shop:
    """Make the events of a small web shop over some hours: `shop(seed, hours)`; busier by day than by night."""
    return make_shop


WEB = ("web-01", "web-02", "web-03", "web-04")
APP = ("app-01", "app-02")


def make_shop(seed: int = 1, hours: float = 24.0, rate: float = 1.0) -> list[dict[str, Any]]:
    random = Random(seed)
    events: list[dict[str, Any]] = []
    streams = [(h, "access.log", "access", 40.0) for h in WEB]
    streams += [(h, "app.log", "app", 30.0) for h in APP]
    streams += [(h, "auth.log", "auth", 8.0) for h in (*WEB, *APP, "db-01")]
    for host, source, sourcetype, hourly in streams:
        moment = START
        while True:
            shape = 0.6 + 0.4 * math.sin((moment - START) / 86400 * 2 * math.pi - math.pi / 2)
            moment += random.expovariate(hourly * rate * max(shape, 0.25) / 3600)
            if moment >= START + hours * 3600:
                break
            bad = sourcetype == "app" and random.random() < 0.005
            text = f"{sourcetype} event {random.randrange(10**6)}" if not bad else "could not render page"
            event = {"ts": round(moment, 3), "received": round(moment + random.uniform(0.5, 3), 3)}
            event |= {"host": host, "source": source, "sourcetype": sourcetype, "message": text}
            events.append(event | {"level": "error" if bad else "info"})
    return events
