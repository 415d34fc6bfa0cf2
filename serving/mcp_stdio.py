"""The server over standard input and output: nothing but the protocol may use them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import NamedTuple, TextIO

import anyio
from mcp.server.stdio import stdio_server

from .mcp_server import Offer, make_server


class Streams(NamedTuple):
    """Standard input and output, kept for the protocol."""

    given: TextIO
    said: TextIO
    end: Callable[[], None]
    """Ends the input, as if the client had closed it."""


@contextmanager
def own_streams() -> Generator[Streams, None, None]:
    """Yield standard input and output, kept for the protocol.

    What tasks and their child processes print goes to standard error, and what they read is empty. The input comes
    through a thread that nobody waits for: a read that hangs could not be ended.
    """
    sys.stdout.flush()
    kept_in, kept_out, nothing = os.dup(0), os.dup(1), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    near, far = socket.socketpair()
    threading.Thread(target=_pump, args=(kept_in, far), name="fanwise-stdin", daemon=True).start()
    with (
        near,
        far,
        redirect_stdout(sys.stderr),
        near.makefile("r", encoding="utf-8", errors="replace") as given,
        open(kept_out, "w", encoding="utf-8", newline="\n") as said,
    ):
        yield Streams(given, said, lambda: _shut(far))


def _pump(source: int, to: socket.socket) -> None:
    with suppress(OSError):
        while piece := os.read(source, 65536):
            to.sendall(piece)
    _shut(to)


def _shut(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_WR)


async def serve(offer: Offer, streams: Streams, **settings: object) -> None:
    """Serve one client until it closes standard input, or a signal comes; runs are cancelled and can be resumed."""
    lowlevel = make_server(offer, **settings)._mcp_server
    given, said = anyio.wrap_file(streams.given), anyio.wrap_file(streams.said)
    with _on_signals(streams.end):
        async with stdio_server(given, said) as (read, write):
            await lowlevel.run(read, write, lowlevel.create_initialization_options())


@contextmanager
def _on_signals(end: Callable[[], None]) -> Generator[None, None, None]:
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    with suppress(NotImplementedError, RuntimeError):  # Windows; or a thread that is not the main one
        for number in numbers:
            loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError):
            for number in numbers:
                loop.remove_signal_handler(number)
