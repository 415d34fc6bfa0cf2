"""Open a log: a file, or a folder with all readable logs below it."""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path

from ..schema.errors import EventsError
from .account import account
from .backends import open_backend
from .database import Scratch, connect, shut_off
from .duckdb_store import DuckDBStore
from .ending import Stopped, coming, end_all, go_on, interruptible, is_stopped
from .load import load
from .prepare import BinaryFileError, Prepared, prepare
from .protocol import EventStore, FileInfo
from .years import give_years

KEPT = 4
"""How many opened logs a process keeps for the next call."""

_Key = tuple[str, tuple[tuple[str, int, int], ...]]


class _Reading(Future[DuckDBStore]):
    """A log that is being read, or was."""

    waiting = 0
    """How many wait for it, beside the one that reads."""


_cache: OrderedDict[_Key, _Reading] = OrderedDict()
_lock = threading.Lock()
_SKIPPED_ENDINGS = (".swp", ".tmp", ".idx", ".lock", ".pid")


def open_events(location: str) -> EventStore:
    """Open the log at `location`, a file or a folder, and return the store that answers questions about it.

    An opened log is shared within the process until one of its files changes: who asks for it while it is being read
    waits for the one reading. Leave the closing to the process.

    Raises:
        Stopped: Nobody waits for the log any more; see `ending`.
        EventsError: There is nothing there that holds events; the message says why and what to do.
    """
    if (elsewhere := open_backend(location)) is not None:
        return elsewhere
    while True:
        try:
            with coming():
                return _shared(location)
        except Stopped:  # the one who read it was stopped, and this one was not
            go_on()


def _shared(location: str) -> DuckDBStore:
    found = find_files(location)
    root = Path(location).expanduser()
    key = (str(root.resolve()), tuple((name, *_stamp(path)) for name, path in found))
    with _lock:
        future = _cache.get(key)
        if mine := future is None:
            future = _cache[key] = _Reading()
        else:
            future.waiting += not future.done()
        _cache.move_to_end(key)
    assert future is not None
    reading = future
    if not mine:
        return reading.result()
    try:
        store = read_events(location, found, lambda: not reading.waiting)
    except BaseException as raised:
        error = Stopped() if is_stopped() else raised
        with _lock:
            _cache.pop(key, None)
        future.set_exception(error)
        raise error from None if error is not raised else error.__cause__
    future.set_result(store)
    _forget_oldest()
    atexit.unregister(_close_all)
    atexit.register(_close_all)
    return store


def _close_all() -> None:
    """Close what is open when the process ends: DuckDB complains aloud where a thread that was left behind holds it."""
    end_all()
    with _lock:
        opened = [future.result() for future in _cache.values() if future.done() and future.exception() is None]
        _cache.clear()
    for store in opened:
        store.close()


def _forget_oldest() -> None:
    """Drop what was used longest ago; it is freed when its last user lets go of it."""
    with _lock:
        for key in [key for key, future in _cache.items() if future.done()][: max(0, len(_cache) - KEPT)]:
            del _cache[key]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError:
        return (0, 0)
    return (stat.st_mtime_ns, stat.st_size)


def find_files(location: str) -> list[tuple[str, Path]]:
    """Return the files to read with their names, in the order of names; hidden ones are left out.

    Raises:
        EventsError: There is no such place, or no file in it.
    """
    if not location.strip() or "\0" in location:
        raise EventsError(f"{location!r} is no path; give the path of a log file or of a folder with logs")
    try:
        root = Path(location).expanduser()
        if root.is_dir():
            found = sorted(_below(root))
        elif root.is_file():
            return [(root.name, root)]
        elif root.exists():
            raise EventsError(
                f"{location!r} is neither a file nor a folder; give the path of a log file or of a folder"
            )
        else:
            raise EventsError(f"no file or folder at {location!r}; check the path")
    except (OSError, RuntimeError) as error:
        if isinstance(error, EventsError):
            raise
        raise EventsError(f"cannot look into {location!r}: {error}; check the path and its permissions") from error
    if not found:
        raise EventsError(f"no files in the folder {location!r} (hidden ones are left out); give one that holds logs")
    return found


def _below(root: Path) -> list[tuple[str, Path]]:
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if not name.startswith(".") and not name.endswith(_SKIPPED_ENDINGS) and path.is_file():
                found.append((path.relative_to(root).as_posix(), path))
    return found


def read_events(
    location: str, found: Sequence[tuple[str, Path]], may_stop: Callable[[], bool] = lambda: True
) -> DuckDBStore:
    """Read files into a new store, past the cache; see `open_events` and, for `may_stop`, `interruptible`."""
    scratch = Scratch()
    try:
        sources, passed_over = _prepare_all(found, scratch)
        go_on()
        connection = connect(scratch, sum(source.size for source in sources))
        try:
            with interruptible(connection.interrupt, may_stop):
                files = load(connection, sources)
                for fid, note in give_years(connection, [source.mtime for source in sources]).items():
                    files[fid].note(note)
                infos = [*account(connection, files), *passed_over]
                if not any(info.parsed for info in infos):
                    raise EventsError(_nothing_found(location, infos))
                shut_off(connection)
        except BaseException:
            connection.close()
            raise
        scratch.drop_files()
        return DuckDBStore(connection, scratch, infos, max(source.mtime for source in sources))
    except BaseException:
        scratch.remove()
        raise


def _prepare_all(found: Sequence[tuple[str, Path]], scratch: Scratch) -> tuple[list[Prepared], list[FileInfo]]:
    """Make the files ready; in a folder, those that cannot be read are passed over and listed."""
    sources, passed_over, errors = [], [], []
    for name, path in found:
        go_on()
        try:
            sources.append(prepare(path, name, scratch.files))
        except EventsError as error:
            errors.append(error)
            kind = "binary" if isinstance(error, BinaryFileError) else "unreadable"
            passed_over.append(FileInfo(name, kind, 0, 0, 0, 0, note=str(error)))
    if not sources:
        more = f" (and {len(errors) - 1} more files like it)" if len(errors) > 1 else ""
        raise EventsError(f"{errors[0]}{more}")
    return sources, passed_over


def _nothing_found(location: str, infos: Sequence[FileInfo]) -> str:
    lines = sum(info.lines for info in infos)
    if not lines:
        return f"{location!r} is empty; give a log that holds events"
    return (  # nothing of what stands there: it may be no log at all
        f"no event in {location!r}: none of its {lines:,} line{'s' if lines != 1 else ''} bears a timestamp that is"
        f" known here. Give a log whose lines, or whose JSON, CSV or Parquet fields, name a date and a time"
    )
