"""Reading from a person's terminal without keeping the event loop from its work, and without a thread to be left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

END_S = 2.0
"""Seconds that an editor has to end when it is asked to."""


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

    Where the editor is ended from outside, what they wrote stays in a file, whose name is told.

    Raises:
        ClickException: there is no such editor, or it failed.
    """
    path = _written(text, extension)
    code: int | None = None
    try:
        with _modes_kept():
            code = await _run_editor(str(path))
        if code != 0:
            how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
            raise click.ClickException(f"the editor {_editor(os.environ.get)!r} {how}; nothing was changed")
        return _saved(path)
    except asyncio.CancelledError:
        code = -1
        raise
    finally:
        if code is None or code >= 0 or not _tell_kept(path):
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


def _tell_kept(path: Path) -> bool:
    """Tell where a person's text is whose editor did not come to its end; `False` where they had written nothing."""
    from .output import say

    unsaved = [str(file) for file in path.parent.iterdir() if path.name in file.name and file != path]
    is_saved = path.exists() and path.stat().st_mtime != 0
    if is_saved or unsaved:
        say("\nthe editor was ended")
    if is_saved:
        say(f"what you saved is kept: {path}")
    if unsaved:
        recover = f"; `vi -r {path}` recovers it" if unsaved[0].endswith(".swp") else ""
        say(f"what was not saved, the editor kept: {', '.join(unsaved)}{recover}")
    return is_saved or bool(unsaved)


async def _run_editor(name: str) -> int:
    """Run the person's editor to its end, and return its code. Meanwhile Ctrl-C is for the editor alone."""
    import shlex

    command = _editor(os.environ.get)
    try:
        process = await asyncio.create_subprocess_exec(*shlex.split(command), name)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise click.ClickException(f"the editor {command!r} can't be started: {why}; set $EDITOR") from None
    try:
        with _ctrl_c_left_alone():
            return await process.wait()
    except asyncio.CancelledError:
        await _end(process)
        raise


async def _end(process: asyncio.subprocess.Process) -> None:
    from .output import say_on

    with suppress(ProcessLookupError):
        process.terminate()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            process.kill()
            await process.wait()
            say_on("\x1b[?1049l\x1b[?25h")  # it could not leave its screen itself


@contextmanager
def _ctrl_c_left_alone() -> Iterator[None]:
    """Ignore Ctrl-C: the terminal sends it to whatever is in front, and that is an editor which gives it a meaning."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _modes_kept() -> Iterator[None]:
    """Leave the terminal in the modes in which it was, whatever an editor does with it."""
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        yield
    finally:
        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(number, termios.TCSADRAIN, before)


def _editor(environment: Callable[[str], str | None]) -> str:
    import shutil

    for name in ("VISUAL", "EDITOR"):
        if command := (environment(name) or "").strip():
            return command
    if sys.platform == "win32":
        return "notepad"
    return next((name for name in ("sensible-editor", "vim", "nano") if shutil.which(name)), "vi")
