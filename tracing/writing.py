"""Files that are written whole or not at all, under names that every file system takes."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from hashlib import sha256
from pathlib import Path
from typing import Any

from ..schema.errors import FanwiseError

_RESERVED = re.compile(r"(?i)dispatch-|task-|(con|prn|aux|nul|com\d|lpt\d)(\.|$)")


def safe_names(task_ids: Iterable[str], mask: Callable[[str], str] = str) -> dict[str, str]:
    """Return a file's name for each task: plain characters, no path, no two alike even where case does not count.

    What `mask` leaves out of a task's id is not in the name either.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for task_id in task_ids:
        plain = name = _safe(mask(task_id))
        number = 2
        while f"{name}.json".casefold() in taken:
            name, number = f"{plain}-{number}", number + 1
        taken.add(f"{name}.json".casefold())
        names[task_id] = f"{name}.json"
    return names


def _safe(task_id: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", task_id).lstrip(".")
    if plain == task_id and len(plain) <= 100 and not _RESERVED.match(plain):
        return plain
    return f"task-{plain[:80]}-{sha256(task_id.encode(errors='surrogatepass')).hexdigest()[:10]}"


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".trace-", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(value, file, indent=2)
            file.write("\n")
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current


def prepare(folder: Path) -> None:
    """Make a folder for traces.

    Raises:
        FanwiseError: it can't be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FanwiseError(f"no folder for traces at {folder}: {error.strerror}; give another --trace-dir") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FanwiseError(f"no traces can be written to {folder}: permission denied; give another --trace-dir")
