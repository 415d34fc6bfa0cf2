"""The sample log: the same for the same seed, quick, and with its faults really in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fanwise.events.open import open_events
from fanwise.events.protocol import EventStore, Where
from fanwise.events.sample import PlantedFault, planted_faults, write_sample


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[EventStore, dict[str, PlantedFault]]:
    folder = tmp_path_factory.mktemp("shop")
    return open_events_of(folder)


def open_events_of(folder: Path) -> tuple[EventStore, dict[str, PlantedFault]]:
    faults = write_sample(folder, seed=7)
    return open_events(str(folder)), {fault.kind: fault for fault in faults}


def test_one_seed_one_log(tmp_path: Path) -> None:
    """The same seed writes the same bytes and plants the same faults; another seed does not."""
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert write_sample(tmp_path / name, seed=seed) == planted_faults(seed)
    a, b, c = (
        {path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in (tmp_path / name).rglob("*.*")}
        for name in "abc"
    )
    assert a == b
    assert a.keys() == c.keys()
    assert a != c


def test_size_and_range(shop: tuple[EventStore, dict[str, PlantedFault]]) -> None:
    """The log holds a day; the clock that is ahead does not move its present."""
    info = shop[0].info()
    assert 20_000 <= info.events <= 40_000
    assert info.now is not None
    assert info.now[:13] == "2025-03-04T23"
    assert info.end is not None
    assert info.end > "2025-03-05T01"
    assert len(info.hosts) == 8


def test_host_silent(shop: tuple[EventStore, dict[str, PlantedFault]]) -> None:
    """web-03 writes nothing after the moment, and its forwarder says why before."""
    store, faults = shop
    start = faults["host_silent"].start
    assert store.counts(where=Where(host="web-03", start=start)) == []
    assert store.counts(where=Where(host="web-03", end=start, text="queue full"))


def test_clock_and_arrival(shop: tuple[EventStore, dict[str, PlantedFault]]) -> None:
    """db-01's events bear times hours after their arrival; the catalog's arrive late, in the window alone."""
    store, faults = shop
    delays = {row["host"]: row for row in store.quantiles("delay_s", ["host"])}
    assert delays["db-01"]["max"] < -7000
    assert all(row["min"] > 0 for host, row in delays.items() if host != "db-01")
    late = faults["late_arrival"]
    inside = Where(source="catalog", start=late.start, end=late.end)
    assert store.quantiles("delay_s", where=inside)[0]["p50"] > 1800
    assert store.quantiles("delay_s", where=Where(source="catalog", end=late.start))[0]["max"] < 10


def test_errors_and_volume(shop: tuple[EventStore, dict[str, PlantedFault]]) -> None:
    """The checkout fails often in its window; the search writes less in its own, but does write."""
    store, faults = shop
    burst, drop = faults["error_burst"], faults["volume_drop"]
    inside = {
        row["level"]: row["events"]
        for row in store.counts(["level"], where=Where(source="checkout", start=burst.start, end=burst.end))
    }
    assert inside["error"] > 0.3 * sum(inside.values())
    search, catalog = (
        sum(row["events"] for row in store.counts(where=Where(source=source, start=drop.start, end=drop.end)))
        for source in ("search", "catalog")
    )
    assert 0.1 * catalog < search < 0.5 * catalog


def test_parse_failure(shop: tuple[EventStore, dict[str, PlantedFault]]) -> None:
    """The payments' lines are unparsed from the moment on, and only those."""
    store, faults = shop
    unread = {file.file: file for file in store.info().files if file.unparsed}
    assert set(unread) == {"app-02/payments.jsonl"}
    file = unread["app-02/payments.jsonl"]
    assert file.unparsed > 300
    assert file.unparsed_since is not None
    assert file.unparsed_since < faults["parse_failure"].start
    assert store.counts(where=Where(sourcetype="shop:payments", start=faults["parse_failure"].start)) == []
