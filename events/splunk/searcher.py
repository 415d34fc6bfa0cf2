"""The border between what is asked of Splunk and how it gets there: SPL and a time range in, rows out.

`SplunkStore` writes the SPL; a `Searcher` has it run, over Splunk's REST API or over anything else that takes a search.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Row = dict[str, Any]
"""A result: text by field, a list of texts where a field has several values; a field without a value is absent."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search returned: all of its rows, never a part."""

    rows: list[Row]
    sid: str = ""
    """The search job's id; empty where the transport does not tell it."""
    notes: tuple[str, ...] = ()
    """What Splunk warned of, such as an indexer that did not answer."""


@runtime_checkable
class Searcher(Protocol):
    """Runs searches. Safe to call from many threads at once."""

    def search(self, spl: str, earliest: str, latest: str) -> Found:
        """Run a search to its end and return its rows in Splunk's order.

        Args:
            spl: the whole search; it begins with `search` or with `|`.
            earliest: start of the time range, included: seconds since 1970 with a fraction, or a relative time such as
                `-24h`; empty for none.
            latest: end of the time range, not included; empty for none.

        Raises:
            Stopped: nobody waits for it any more; see `events.ending`. Its job is cancelled.
            EventsError: it failed, took too long, or has more rows than may be read; the message says what to do.
        """

    def close(self) -> None:
        """Let go of connections."""
