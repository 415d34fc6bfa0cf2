"""`fanwise timeline`: the run as a picture, in a file, or in a browser while it goes on."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from .kinds import thread_id
from .options import db_option

if TYPE_CHECKING:
    import asyncio

    from ..graph.database import Database
    from ..timeline import Source, Timeline
    from ..timeline.serving import Board

Theme = Literal["auto", "light", "dark"]


@click.command("timeline")
@click.argument("thread", type=thread_id)
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="A name that ends with .html, .svg, .png or .perfetto.json; `-` is the page on standard output [THREAD.html].",
)
@click.option("--open", "opens", is_flag=True, help="Show it in the browser.")
@click.option("--follow", is_flag=True, help="Serve the page on this machine, and keep it up to date until Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="With --follow: any if not given.")
@click.option("--theme", type=click.Choice(["auto", "light", "dark"]), default="auto", help="Colours [auto].")
@click.option("--no-data", is_flag=True, help="Leave out inputs, outputs, errors and the summary, to hand it on.")
@db_option
def timeline_command(
    thread: str, output: str | None, opens: bool, follow: bool, port: int, theme: Theme, no_data: bool, db: str
) -> int:
    """Draw a run: a Gantt chart by task and by slot, and the task graph, with the critical path.

    A page (.html) is one file that needs no network; .svg and .png are still images; .perfetto.json opens in
    ui.perfetto.dev.
    """
    import asyncio

    if follow and output is not None:
        raise click.UsageError("--follow serves the page and writes no file: leave -o out", click.get_current_context())
    if port and not follow:
        raise click.UsageError("--port goes with --follow", click.get_current_context())
    if opens and output == "-":
        raise click.UsageError("--open needs a file: give -o a name", click.get_current_context())
    if follow:
        return asyncio.run(_follow(thread, db, port, theme, opens=opens, with_data=not no_data))
    return _draw(thread, db, output, theme, opens=opens, with_data=not no_data)


def _draw(thread: str, db: str, output: str | None, theme: Theme, *, opens: bool, with_data: bool) -> int:
    import asyncio

    from ..timeline.files import ending_of, rendered, write_whole
    from .output import put

    path = Path(f"{_as_name(thread)}.html" if output is None else output).expanduser()
    ending = ".html" if output == "-" else ending_of(path)
    data = rendered(asyncio.run(_timeline(thread, db, with_data)), ending, theme)
    if output == "-":
        sys.stdout.buffer.write(data)
        return 0
    write_whole(path, data)
    put(str(path))
    if opens:
        _open(path.resolve().as_uri())
    return 0


async def _timeline(thread: str, db: str, with_data: bool) -> Timeline:
    from ..graph.checkpoints import open_database
    from ..timeline import Source

    async with open_database(db, must_exist=True) as database:
        await _known(database, thread, db)
        return await Source(database, thread, with_data=with_data).timeline()


async def _known(database: Database, thread: str, db: str) -> None:
    """Refuse a run that is not there, or has no plan, with what to do instead."""
    from ..runs.stored import stored_plan
    from ..schema.errors import RunError
    from .job import Job

    if await stored_plan(database.saver, thread) is None:
        command = Job(thread, db=db).command("resume")
        raise RunError(f"the run {thread!r} was stopped before it had a plan: `{command}` goes on with it")


async def _follow(thread: str, db: str, port: int, theme: Theme, *, opens: bool, with_data: bool) -> int:
    from ..graph.checkpoints import open_database
    from ..timeline import Source
    from ..timeline.serving import Board, served
    from .output import put, say

    async with open_database(db, must_exist=True) as database:
        await _known(database, thread, db)
        source = Source(database, thread, whole=False, with_data=with_data)
        board = Board(await source.timeline())
        with served(board, port=port, theme=theme) as address, _stopped() as stop:
            put(address)
            sys.stdout.flush()
            say("Ctrl-C ends it")
            if opens:
                _open(address)
            await _kept_up(source, board, stop)
    return 0


async def _kept_up(source: Source, board: Board, stop: asyncio.Event) -> None:
    """Put up what becomes of a run, until told to stop; say how it ended."""
    import asyncio
    import time

    from ..schema.errors import FanwiseError
    from ..timeline.live import POLL_S
    from .output import say

    status = board.timeline.status
    while not stop.is_set():
        began = time.monotonic()
        try:
            board.put(await source.timeline())
        except FanwiseError as error:
            board.fail(str(error))
        if board.timeline.status != status:
            status = board.timeline.status
            say(f"the run is {status}")
        try:
            await asyncio.wait_for(stop.wait(), max(POLL_S, 2 * (time.monotonic() - began)))
        except TimeoutError:
            continue


@contextmanager
def _stopped() -> Iterator[asyncio.Event]:
    """Yield an event that is set by Ctrl-C and SIGTERM."""
    import asyncio
    import signal

    stop, loop, taken = asyncio.Event(), asyncio.get_running_loop(), []
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stop.set)
            taken.append(number)
        except NotImplementedError:  # no such handlers on Windows: Ctrl-C ends the process there
            break
    try:
        yield stop
    finally:
        for number in taken:
            loop.remove_signal_handler(number)


def _open(address: str) -> None:
    """Show an address in the browser; where there is none, the address was printed."""
    import webbrowser

    from .output import say

    if not webbrowser.open(address):
        say("no browser could be started: open it by hand")


def _as_name(thread: str) -> str:
    """Return a thread's name as a file may be called."""
    return re.sub(r"[^\w.-]+", "_", thread).strip(".")[:100] or "run"
