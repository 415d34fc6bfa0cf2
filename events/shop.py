"""The small web shop whose day the sample log tells: who writes what, how often, and what goes wrong."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

WEB = ("web-01", "web-02", "web-03", "web-04")
APP = ("app-01", "app-02")
HOSTS = (*WEB, *APP, "db-01", "auth-01")
DAY_S = 86_400

_PATHS = (
    "/",
    "/search",
    "/product/{n}",
    "/product/{n}",
    "/cart",
    "/checkout",
    "/static/app.js",
    "/static/logo.png",
    "/login",
)
_AGENTS = (
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/135.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) Safari/605.1",
    "Googlebot/2.1 (+http://www.google.com/bot.html)",
)
_USERS = ("alice", "bob", "carol", "deploy", "backup")
_DONE = {
    "catalog": ("product {n} shown", "price of product {n} read from cache", "category {c} listed"),
    "checkout": ("order {n} placed", "cart {n} priced", "address of order {n} checked"),
    "search": ("query returned {c} hits", "suggestions for {c} prefixes served"),
}
_FAILED = {
    "catalog": "image of product {n} not found",
    "checkout": "order {n} failed: voucher expired",
    "search": "query {n} rejected: too many terms",
}
_RATES = {"catalog": 2.2, "checkout": 1.5, "search": 2.4}
"""Events a minute and application host at full day."""


@dataclass(frozen=True, slots=True)
class Faults:
    """When what goes wrong, in seconds after midnight."""

    silent: int
    """When web-03 falls silent."""
    skew: int
    """By how many seconds db-01's clock is ahead."""
    late: tuple[int, int]
    """When the catalog's events are held back."""
    errors: tuple[int, int]
    """When the payment gateway times out."""
    drop: tuple[int, int]
    """When the search writes little."""
    unparsed: int
    """When the payments' lines change."""


def write_day(chance: Random, day: datetime, faults: Faults) -> Iterator[tuple[str, list[str]]]:
    """Yield each file's name and lines."""
    shop = _Shop(chance, day, faults)
    for host in WEB:
        yield f"{host}/access.log{'.gz' if host == 'web-02' else ''}", shop.access(host)
    yield "auth-01/auth.log", shop.auth()
    for host in APP:
        yield f"{host}/app.jsonl", shop.application(host)
    yield "app-02/payments.jsonl", shop.payments()
    yield "db-01/queries.jsonl", shop.queries()
    yield "forwarders/metrics.jsonl", shop.forwarders()


class _Shop:
    """One day, written file by file from one stream of random numbers."""

    def __init__(self, chance: Random, day: datetime, faults: Faults) -> None:
        self.chance, self.day, self.faults = chance, day, faults

    def moments(self, per_minute: float, flat: float = 0.0) -> Iterator[float]:
        """Yield moments at random, most by day; `flat` is the share that goes on by night."""
        for minute in range(DAY_S // 60):
            rate = per_minute * (flat + (1 - flat) * _busy(minute / 60)) * self.chance.uniform(0.8, 1.2)
            count = int(rate) + (self.chance.random() < rate % 1)
            yield from sorted(minute * 60 + self.chance.random() * 60 for _ in range(count))

    def iso(self, second: float) -> str:
        return (
            (self.day + timedelta(seconds=round(second, 3))).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        )

    def fill(self, text: str) -> str:
        return text.format(n=self.chance.randrange(1000, 9999), c=self.chance.randrange(1, 40))

    def slow(self, typical: float) -> float:
        """A duration in milliseconds: most near `typical`, a few much longer."""
        return round(typical * self.chance.lognormvariate(0, 0.5), 1)

    def record(self, ts: float, received: float, host: str, **fields: Any) -> tuple[float, str]:
        """One JSON line, with its arrival for sorting."""
        return received, json.dumps({"ts": self.iso(ts), "received": self.iso(received), "host": host, **fields})

    def access(self, host: str) -> list[str]:
        """Lines of nginx (combined, with the request time); the others share the load of a host that is gone."""
        lines = []
        for second in self.moments(5.6):
            if host == "web-03" and second >= self.faults.silent:
                break
            lines.append(self.request(second))
            if host != "web-03" and second >= self.faults.silent and self.chance.random() < 1 / 3:
                lines.append(self.request(second))
        return lines

    def request(self, second: float) -> str:
        chance = self.chance
        path = self.fill(chance.choice(_PATHS))
        status = chance.choices((200, 304, 302, 404, 500), (880, 70, 30, 17, 3))[0]
        when = (self.day + timedelta(seconds=int(second))).strftime("%d/%b/%Y:%H:%M:%S +0000")
        client = f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(1, 255)}"
        seconds = self.slow(900 if path == "/checkout" else 80) / 1000
        return (
            f'{client} - - [{when}] "GET {path} HTTP/1.1" {status} {chance.randrange(200, 40_000)}'
            f' "https://shop.example/" "{chance.choice(_AGENTS)}" {seconds:.3f}'
        )

    def auth(self) -> list[str]:
        """Syslog (RFC 5424) of sign-ins on auth-01: few by night, with the usual guesses from outside."""
        lines = []
        for second in self.moments(1.4, flat=0.15):
            user, port = self.chance.choice(_USERS), self.chance.randrange(1024, 65_535)
            text, priority = (
                f"Accepted publickey for {user} from 10.0.0.{self.chance.randrange(2, 90)} port {port} ssh2",
                86,
            )
            if self.chance.random() < 0.08:
                text, priority = f"Failed password for invalid user admin from 203.0.113.9 port {port} ssh2", 85
            lines.append(f"<{priority}>1 {self.iso(second)} auth-01 sshd {port} - - {text}")
        return lines

    def application(self, host: str) -> list[str]:
        """JSON lines of the three services on an application host, in the order of arrival."""
        events = [event for service in _RATES for event in self.service(host, service)]
        return [line for _, line in sorted(events)]

    def service(self, host: str, service: str) -> Iterator[tuple[float, str]]:
        faults, chance = self.faults, self.chance
        for second in self.moments(_RATES[service], flat=0.1):
            if service == "search" and _within(second, faults.drop) and chance.random() < 0.75:
                continue
            received = second + chance.uniform(0.5, 3)
            if service == "catalog" and _within(second, faults.late):
                received += chance.uniform(30, 55) * 60
            level, text, took = "info", chance.choice(_DONE[service]), self.slow(60)
            if service == "checkout" and _within(second, faults.errors) and chance.random() < 0.45:
                level, text, took = "error", "payment gateway timed out for order {n}", self.slow(5000)
            elif chance.random() < 0.012:
                level, text = "error", _FAILED[service]
            elif chance.random() < 0.03:
                level, text = "warn", "retried a call to the stock service ({c} ms)"
            yield self.record(
                second,
                received,
                host,
                source=service,
                sourcetype="shop:app",
                level=level,
                message=self.fill(text),
                duration_ms=took,
            )

    def payments(self) -> list[str]:
        """JSON lines of the payments service, until a deployment changes what it writes."""
        lines = []
        for second in self.moments(1.3, flat=0.1):
            order, amount = self.chance.randrange(10_000, 99_999), self.chance.randrange(500, 20_000) / 100
            if second >= self.faults.unparsed:
                lines.append(f"payment order={order} amount={amount:.2f} state=settled")
                continue
            lines.append(
                self.record(
                    second,
                    second + self.chance.uniform(0.5, 3),
                    "app-02",
                    source="payments",
                    sourcetype="shop:payments",
                    level="info",
                    message=f"order {order} paid: {amount:.2f} EUR",
                    duration_ms=self.slow(240),
                )[1]
            )
        return lines

    def queries(self) -> list[str]:
        """JSON lines of the database, whose clock is ahead; a backup by night makes some queries slow."""
        return [
            self.record(
                second + self.faults.skew,
                second + self.chance.uniform(0.5, 3),
                "db-01",
                source="postgres",
                sourcetype="shop:queries",
                level="info",
                message=self.fill("query on orders returned {c} rows"),
                duration_ms=self.slow(40 if not 3 <= second / 3600 < 3.5 else 400),
            )[1]
            for second in self.moments(1.5, flat=0.4)
        ]

    def forwarders(self) -> list[str]:
        """JSON lines of the log shippers: a heartbeat from each host, and the queue that fills on web-03."""
        events = [event for host in HOSTS for event in self.heartbeats(host)]
        events += [self.shipper(second, "web-03", level, text) for second, level, text in self.last_words()]
        return [line for _, line in sorted(events)]

    def heartbeats(self, host: str) -> Iterator[tuple[float, str]]:
        start = self.chance.uniform(0, 120)
        for n in range(DAY_S // 120):
            second = start + n * 120 + self.chance.uniform(-2, 2)
            if host == "web-03" and second >= self.faults.silent:
                return
            yield self.shipper(max(0.0, second), host, "info", f"heartbeat: queue {self.chance.randrange(0, 6)} % full")

    def last_words(self) -> Iterator[tuple[float, str, str]]:
        """What web-03's forwarder says in its last seven minutes."""
        silent = self.faults.silent
        for n in range(14):
            before = 420 - n * 30
            yield silent - before, "warn", "connection to indexer idx-1.shop.example:9997 refused, will retry"
            yield silent - before + 10, "warn", f"output queue {min(99, 40 + n * 5)} % full"
        yield silent - 8, "error", "output queue full, dropping events"
        yield silent - 2, "error", "output queue full, pausing all inputs"

    def shipper(self, second: float, host: str, level: str, text: str) -> tuple[float, str]:
        ahead = self.faults.skew if host == "db-01" else 0
        received = second + self.chance.uniform(0.2, 1.5)
        fields = {"source": "forwarder", "sourcetype": "forwarder", "level": level, "message": text}
        return self.record(second + ahead, received, host, **fields)


def _busy(hour: float) -> float:
    """How busy the shop is, from 0.12 in the small hours to 1 in the late afternoon."""
    swing = 0.5 - 0.5 * math.cos((hour - 4.5) / 24 * 2 * math.pi)
    return 0.12 + 0.88 * math.pow(swing, 1.3)


def _within(second: float, window: tuple[int, int]) -> bool:
    return window[0] <= second < window[1]
