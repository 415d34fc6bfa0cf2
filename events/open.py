"""Open a log: a file, or a folder with all readable logs below it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ..schema.errors import EventsError
from .account import account
from .backends import open_backend
from .database import Scratch, connect, shut_off
from .duckdb_store import DuckDBStore
from .ending import go_on, interruptible
from .load import load
from .prepare import BinaryFileError, Prepared, prepare
from .protocol import EventStore, FileInfo
from .sharing import shared
from .years import give_years

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
    found = find_files(location)
    root = Path(location).expanduser()
    key = (str(root.resolve()), tuple((name, *_stamp(path)) for name, path in found))
    return shared(key, lambda may_stop: read_events(location, found, may_stop))


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
    location: str,
    found: Sequence[tuple[str, Path]],
    may_stop: Callable[[], bool] = lambda: True,
    pages: Sequence[int] = (),
    notes: Sequence[str] = (),
) -> DuckDBStore:
    """Read files into a new store, past the cache; see `open_events` and, for `may_stop`, `interruptible`.

    Args:
        location: what messages call it.
        found: the files, with the names that evidence calls them by.
        may_stop: whether the reading may be ended.
        pages: where one file holds the pages of an answer: the line at which each begins, counted from 1.
        notes: what else is to be known of the files.
    """
    scratch = Scratch()
    try:
        sources, passed_over = _prepare_all(found, scratch)
        go_on()
        connection = connect(scratch, sum(source.size for source in sources))
        try:
            with interruptible(connection.interrupt, may_stop):
                files = load(connection, sources)
                for file in files:
                    file.note(*notes)
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
        return DuckDBStore(connection, scratch, infos, max(source.mtime for source in sources), pages)
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
