"""Events of half a day in a small shop, with faults, for a file and for the stand-in for Splunk alike."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

START = datetime(2025, 3, 4, tzinfo=UTC)
HOURS = 12
SILENT, BURST, LATE, SLOW = 9.2, (6.0, 6.4), (4.0, 4.8), (7.5, 8.0)
"""Hours at which web-03 falls silent, checkout fails, catalog is late and the database slow."""

HOSTS = ("web-01", "web-02", "web-03", "web-04", "app-01", "app-02", "db-01", "auth-01")
PATHS = ("/", "/search", "/cart", "/checkout", "/product/1")


def shop(seed: int = 3, rate: float = 1.0) -> list[dict[str, Any]]:
    """Return events by our names, in the order of their arrival; about 4,300, each at a moment of its own."""
    chance = Random(seed)
    found = [*_web(chance, rate), *_app(chance, rate), *_others(chance, rate)]
    moments: set[int] = set()
    for at, event in found:
        micros = int(at * 1_000) * 1_000
        while micros in moments:
            micros += 1_000
        moments.add(micros)
        late = event.pop("late", chance.uniform(1, 4))
        event |= {"ts": _iso(micros), "received": _iso(int(at - event.pop("ahead", 0) + late) * 1_000_000)}
    events = [{name: event[name] for name in ("ts", "received", *event)} for _, event in found]
    return sorted(events, key=lambda event: (event["received"], event["ts"]))


def _iso(micros: int) -> str:
    return (START + timedelta(microseconds=micros)).isoformat()


def _moments(chance: Random, hourly: float) -> Iterator[float]:
    at = chance.uniform(0, 60)
    while at < HOURS * 3600:
        yield at
        at += chance.expovariate(hourly * (0.7 + 0.3 * math.sin(at / 7000)) / 3600)


def _web(chance: Random, rate: float) -> Iterator[tuple[float, dict[str, Any]]]:
    for host in HOSTS[:4]:
        for at in _moments(chance, 50 * rate):
            if host == "web-03" and at > SILENT * 3600:
                break
            path, status = chance.choice(PATHS), chance.choices((200, 304, 404, 500), (90, 6, 3, 1))[0]
            took = round(80 * chance.lognormvariate(0, 0.5) * (8 if path == "/checkout" else 1), 1)
            event = {"host": host, "source": "nginx", "sourcetype": "access", "status": status, "duration_ms": took}
            client = f"10.0.{chance.randrange(4)}.{chance.randrange(1, 9)}"
            yield at, {**event, "client": client, "method": "GET", "path": path, "message": f"GET {path} {status}"}


def _app(chance: Random, rate: float) -> Iterator[tuple[float, dict[str, Any]]]:
    for host in HOSTS[4:6]:
        for service in ("catalog", "checkout"):
            for at in _moments(chance, 40 * rate):
                event: dict[str, Any] = {"host": host, "source": service, "sourcetype": "shop:app", "level": "info"}
                event["message"] = f"{service} served order {chance.randrange(10_000)}"
                if service == "checkout" and BURST[0] * 3600 < at < BURST[1] * 3600 and chance.random() < 0.7:
                    event |= {"level": "error", "message": f"payment gateway timed out for {chance.randrange(10_000)}"}
                elif chance.random() < 0.03:
                    event |= {"level": "WARN", "message": "retried a call to the stock service"}
                if service == "catalog" and LATE[0] * 3600 < at < LATE[1] * 3600:
                    event["late"] = chance.uniform(1500, 3000)
                yield at, event


def _others(chance: Random, rate: float) -> Iterator[tuple[float, dict[str, Any]]]:
    for at in _moments(chance, 45 * rate):
        slow = 12 if SLOW[0] * 3600 < at < SLOW[1] * 3600 else 1
        event = {"host": "db-01", "source": "postgres", "sourcetype": "queries", "level": "info", "user": "shop"}
        took = round(40 * slow * chance.lognormvariate(0, 0.4), 1)
        yield at + 7200, {**event, "message": "query done", "duration_ms": took, "ahead": 7200}
    for at in _moments(chance, 25 * rate):
        user = chance.choice(("ada", "bob"))
        event = {"host": "auth-01", "source": "sshd", "sourcetype": "auth", "user": user}
        failed = chance.random() < 0.2
        said = f"Failed password for invalid user admin from 203.0.113.9 port {chance.randrange(9999)}"
        yield at, {**event, "message": said if failed else f"Accepted publickey for {user} from 10.0.0.7"}
    for minutes in range(8):
        event = {"host": "web-03", "source": "forwarder", "sourcetype": "forwarder", "level": "warn"}
        refused = "connection to indexer idx-1:9997 refused, will retry"
        yield SILENT * 3600 - 400 + 50 * minutes, {**event, "message": refused}


def write(events: Sequence[dict[str, Any]], folder: Path) -> str:
    """Write events as lines of JSON and return the place of the log."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "all.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return str(folder)


def as_splunk(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event as the stand-in holds it: its text is the line of JSON, and its fields are taken from there."""
    meta = {name: event[name] for name in ("host", "source", "sourcetype") if name in event}
    time, arrival = (datetime.fromisoformat(event[name]).timestamp() for name in ("ts", "received"))
    return {**meta, "_time": time, "_indextime": int(arrival), "_raw": json.dumps(event)}
