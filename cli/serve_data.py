"""The folder of a server's data: held for one server, and what the server is told of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from ..schema.errors import FanwiseError


@contextmanager
def held_data(data: Path) -> Iterator[dict[str, Any]]:
    """Hold a folder for one server, and yield what tells the server to keep its states there.

    Raises:
        FanwiseError: another server holds it, or it can't be written to.
    """
    from ..studio.keeping import CONFIG, DATA, check

    with _alone(data):
        asyncio.run(check(data))
        os.environ[DATA] = str(data)
        yield CONFIG


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold a folder for one server: a second one would overwrite the threads of the first.

    Raises:
        FanwiseError: another server holds it, or it can't be written to.
    """
    try:
        data.mkdir(parents=True, exist_ok=True)
        held = (data / "server.lock").open("a")
    except OSError as error:
        raise FanwiseError(f"--data {data}: it can't be written to: {error.strerror}") from error
    with held:
        _lock(held, data)
        yield


def _lock(held: IO[str], data: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has none; the port keeps most second servers away
        return
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise FanwiseError(f"--data {data}: another server keeps its threads there; give another folder") from None
