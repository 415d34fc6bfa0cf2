"""A sample log with known faults: one day of a small web shop, for the demo and for tests.

What is written depends on the seed alone: the same seed, the same bytes.
"""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from . import shop

DAY = datetime(2025, 3, 4, tzinfo=UTC)
"""The day that the sample tells of, a Tuesday."""

FaultKind = Literal[
    "host_silent", "clock_skew", "late_arrival", "error_burst", "volume_drop", "parse_failure", "source_silent"
]
"""The slugs that checks use for `Finding.kind`."""


@dataclass(frozen=True, slots=True)
class PlantedFault:
    """One fault that the sample holds, and that the checks should find."""

    kind: FaultKind
    note: str
    start: str
    """ISO 8601 in UTC, by the true clock."""
    end: str | None = None
    """Null where it lasts to the end of the day."""
    host: str | None = None
    source: str | None = None
    sourcetype: str | None = None


def planted_faults(seed: int = 7) -> list[PlantedFault]:
    """Return the faults that `write_sample` plants with this seed."""
    times = _times(seed)
    return [
        PlantedFault(
            "host_silent",
            "web-03 sends nothing any more; its forwarder's last words: connection refused, then queue full",
            _iso(times.silent),
            host="web-03",
        ),
        PlantedFault(
            "clock_skew",
            f"db-01's clock is {times.skew / 3600:g} hours ahead of the arrival times",
            _iso(0),
            host="db-01",
        ),
        PlantedFault(
            "late_arrival",
            "events of the catalog arrive half an hour to an hour late",
            _iso(times.late[0]),
            _iso(times.late[1]),
            source="catalog",
            sourcetype="shop:app",
        ),
        PlantedFault(
            "error_burst",
            "nearly half of the checkout's events are errors: the payment gateway times out",
            _iso(times.errors[0]),
            _iso(times.errors[1]),
            source="checkout",
            sourcetype="shop:app",
        ),
        PlantedFault(
            "volume_drop",
            "the search writes a quarter of what it usually writes",
            _iso(times.drop[0]),
            _iso(times.drop[1]),
            source="search",
            sourcetype="shop:app",
        ),
        PlantedFault(
            "parse_failure",
            "payments lines lose their timestamp after a deployment and are no longer JSON",
            _iso(times.unparsed),
            host="app-02",
            source="payments",
            sourcetype="shop:payments",
        ),
    ]


def write_sample(folder: str | Path, seed: int = 7) -> list[PlantedFault]:
    """Write the sample log into `folder`, which is made if needed, and return the faults in it.

    About 35,000 events in a dozen files: access logs of web-01 to web-04 (one gzip), syslog, application logs and
    forwarder events as JSON lines.

    Args:
        folder: Where to; files of the same names are replaced.
        seed: What the random numbers, and the moments of the faults, follow from.
    """
    root = Path(folder)
    for name, lines in shop.write_day(random.Random(f"shop {seed}"), DAY, _times(seed)):
        _write(root / name, lines)
    return planted_faults(seed)


def _write(path: Path, lines: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(f"{line}\n" for line in lines).encode()
    if path.suffix == ".gz":
        # No name and no time in the gzip header, so that the bytes depend on the content alone.
        with path.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as out:
            out.write(content)
    else:
        path.write_bytes(content)


def _times(seed: int) -> shop.Faults:
    """The moments of the faults, in seconds after midnight; the seed moves each by some minutes."""
    chance = random.Random(f"faults {seed}")

    def around(hour: float) -> int:
        return int(hour * 3600) + chance.randrange(-600, 600)

    late, errors, drop = around(11), around(19.1), around(12.6)
    return shop.Faults(
        silent=around(16.7),
        skew=chance.choice((2, 3, 4)) * 3600,
        late=(late, late + 50 * 60),
        errors=(errors, errors + 20 * 60),
        drop=(drop, drop + 3 * 3600),
        unparsed=around(14.3),
    )


def _iso(second: int) -> str:
    return (DAY + timedelta(seconds=second)).isoformat()
