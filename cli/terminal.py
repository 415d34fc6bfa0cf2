"""Reading from a person's terminal without keeping the event loop from its work, and without a thread to be left."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click


def is_there() -> bool:
    """Tell whether a person can be asked: prompts go to standard error, answers come from standard input."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def forget_typed() -> None:
    """Drop what was typed before a question was there: it can't be meant for it."""
    try:
        import termios

        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
    except (ImportError, OSError, ValueError):
        return


async def read_line(prompt: str) -> str:
    """Ask for a line; can be cancelled at any time.

    Raises:
        EOFError: the person closed the input.
    """
    from .output import say_on

    say_on(prompt)
    loop = asyncio.get_running_loop()
    number = sys.stdin.fileno()
    line: asyncio.Future[bytes] = loop.create_future()

    def on_typed() -> None:
        if line.done():
            return
        try:
            line.set_result(os.read(number, 65536))
        except OSError:  # the terminal is gone
            line.set_result(b"")

    try:
        loop.add_reader(number, on_typed)
    except (NotImplementedError, OSError):  # Windows
        return (await asyncio.to_thread(input)).strip()
    try:
        typed = await line
    finally:
        loop.remove_reader(number)
    if not typed:
        raise EOFError
    return typed.decode(sys.stdin.encoding or "utf-8", "replace").strip()


async def edited(text: str, extension: str) -> str | None:
    """Let a person edit a text in their editor; `None` if they did not save it.

    Raises:
        ClickException: there is no such editor, or it failed.
    """
    path = _written(text, extension)
    try:
        await _run_editor(str(path))
        return _saved(path)
    finally:
        _remove(path)


def _written(text: str, extension: str) -> Path:
    """Write a text to a file of its own, so old that any saving of it shows."""
    handle, name = tempfile.mkstemp(prefix="fanwise-", suffix=extension)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.utime(name, (0, 0))
    return Path(name)


def _saved(path: Path) -> str | None:
    """Return what the person saved; `None` where they did not."""
    try:
        return path.read_text(encoding="utf-8") if path.stat().st_mtime else None
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"the edited text can't be read: {error}") from None


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _run_editor(name: str) -> None:
    import shlex

    command = _editor(os.environ.get)
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(command), name)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise click.ClickException(f"the editor {command!r} can't be started: {why}; set $EDITOR") from None
    try:
        code = await process.wait()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if code != 0:
        raise click.ClickException(f"the editor {command!r} ended with code {code}; nothing was changed")


def _editor(environment: Callable[[str], str | None]) -> str:
    import shutil

    for name in ("VISUAL", "EDITOR"):
        if command := (environment(name) or "").strip():
            return command
    if sys.platform == "win32":
        return "notepad"
    return next((name for name in ("sensible-editor", "vim", "nano") if shutil.which(name)), "vi")
