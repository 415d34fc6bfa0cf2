"""Where leases are kept: in the process, or in a table of the database."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from .leases import Holder, Leases
from .processes import Process


class MemoryLeases(Leases):
    """Leases of a database that lasts as long as the process."""

    def __init__(self) -> None:
        super().__init__()
        self._held: dict[str, Holder] = {}
        self._lock = threading.Lock()

    def holders(self) -> Sequence[Holder]:
        """Return all leases."""
        return list(self._held.values())

    def take(self, mine: Holder, dead: str) -> bool:
        """Take a lease that nobody holds."""
        with self._lock:
            return self._held.setdefault(mine.thread_id, mine) is mine

    def renew(self, mine: Holder) -> bool:
        """Tell whether the lease is still held."""
        return self._held.get(mine.thread_id) is mine

    def release(self, mine: Holder) -> None:
        """Give a lease back."""
        with self._lock:
            if self.renew(mine):
                del self._held[mine.thread_id]


LEASES_TABLE = """
CREATE TABLE IF NOT EXISTS fanwise_leases (
    thread_id TEXT PRIMARY KEY, token TEXT NOT NULL, host TEXT NOT NULL, boot TEXT NOT NULL, pid BIGINT NOT NULL,
    started TEXT NOT NULL, taken_at DOUBLE PRECISION NOT NULL, beat_at DOUBLE PRECISION NOT NULL
)"""

_LIST = "SELECT thread_id, host, boot, pid, started, token, taken_at, {now} - beat_at FROM fanwise_leases"
_TAKE = """
INSERT INTO fanwise_leases (thread_id, token, host, boot, pid, started, taken_at, beat_at)
VALUES (:thread_id, :token, :host, :boot, :pid, :started, {now}, {now})
ON CONFLICT (thread_id) DO UPDATE SET token = excluded.token, host = excluded.host, boot = excluded.boot,
    pid = excluded.pid, started = excluded.started, taken_at = excluded.taken_at, beat_at = excluded.beat_at
WHERE fanwise_leases.beat_at < {now} - :stale_s OR fanwise_leases.token = :dead"""
_RENEW = "UPDATE fanwise_leases SET beat_at = {now} WHERE thread_id = :thread_id AND token = :token"
_RELEASE = "DELETE FROM fanwise_leases WHERE thread_id = :thread_id AND token = :token"


class SqlLeases(Leases):
    """Leases in a table; each change is one statement, so that of two who try only one succeeds."""

    now: str
    """The clock, in SQL: seconds since 1970."""

    def holders(self) -> Sequence[Holder]:
        """Return all leases, the free ones too."""
        _, rows = self.execute(_LIST.format(now=self.now), {})
        return [Holder(row[0], Process(*row[1:5]), *row[5:]) for row in rows]

    def take(self, mine: Holder, dead: str) -> bool:
        """Take a lease that nobody holds, that is stale, or that has the token `dead`."""
        more = {"stale_s": self.stale_s, "dead": dead}
        return self._changed(_TAKE, mine, more) == 1

    def renew(self, mine: Holder) -> bool:
        """Give a sign of life; tell whether the lease is still held."""
        return self._changed(_RENEW, mine) == 1

    def release(self, mine: Holder) -> None:
        """Give a lease back."""
        self._changed(_RELEASE, mine)

    def _changed(self, statement: str, mine: Holder, more: Mapping[str, Any] | None = None) -> int:
        who = mine.process
        known = {"host": who.host, "boot": who.boot, "pid": who.pid, "started": who.started}
        values = {"thread_id": mine.thread_id, "token": mine.token, **known, **(more or {})}
        return self.execute(statement.format(now=self.now), values)[0]

    @abstractmethod
    def execute(self, statement: str, values: Mapping[str, Any]) -> tuple[int, Sequence[tuple[Any, ...]]]:
        """Run a statement with `:name` places; return how many rows it changed, and the rows it found."""
