"""Python processes that begin with their imports done: forked from one that has them, real in all else.

`Popen` and `run` stand for those of `subprocess` where the command is `[sys.executable, "-c", CODE, ...]`. Such a
process has its own memory, signals, standard streams and exit code, and starts in a few milliseconds; to import what a
run needs takes a second or more of a core. What is imported, and how Python starts, is tested with `subprocess`.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import types
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn, TypedDict

ROOT = Path(__file__).parent.parent
FOLDERS = ("cli", "events", "graph", "models", "nodes", "plans", "reducers", "schema", "serving", "timeline", "tracing")
OTHERS = ("langchain_openai", "langgraph.checkpoint.sqlite.aio", "aiosqlite", "uvicorn")
LARGEST = 1 << 20
"""Bytes of a request: arguments and environment."""


class Request(TypedDict):
    """What a process is started with, beside its standard streams."""

    argv: list[str]
    cwd: str | None
    env: dict[str, str]
    session: bool


class Popen(subprocess.Popen[Any]):
    """A process that another one forks; it tells the exit code over a socket, since only it can wait for it."""

    _told: socket.socket

    def _execute_child(self, args: Sequence[str], executable: Any, *rest: Any) -> None:
        names = (
            "preexec_fn close_fds pass_fds cwd env startupinfo creationflags shell p2cread p2cwrite c2pread c2pwrite"
            " errread errwrite restore_signals gid gids uid umask start_new_session process_group"
        )
        told = dict(zip(names.split(), rest, strict=True))
        assert list(args[:2]) == [sys.executable, "-c"], f"only python -c CODE can be forked, not {args[:2]}"
        env = dict(os.environ if told["env"] is None else told["env"])
        cwd = None if told["cwd"] is None else os.fspath(told["cwd"])
        request = Request(argv=list(map(str, args[2:])), cwd=cwd, env=env, session=bool(told["start_new_session"]))
        ends = [(told["p2cread"], told["p2cwrite"]), (told["c2pwrite"], told["c2pread"])]
        ends.append((told["errwrite"], told["errread"]))
        self._told, self.pid = _forker().start(request, [own if own != -1 else at for at, (own, _) in enumerate(ends)])
        self._child_created = True
        for own, ours in ends:
            if own != -1 and (ours != -1 or own == getattr(self, "_devnull", None)):
                os.close(own)

    def _internal_poll(self, _deadstate: Any = None, **_: Any) -> int | None:
        return self._heard(0)

    def _wait(self, timeout: float | None) -> int:
        code = self._heard(timeout)
        if code is None:
            assert timeout is not None
            raise subprocess.TimeoutExpired(self.args, timeout)
        return code

    def _heard(self, timeout: float | None) -> int | None:
        if self.returncode is None and self._child_created and select.select([self._told], [], [], timeout)[0]:
            said = self._told.recv(16)
            assert said, "the process that forks has ended"
            self.returncode = os.waitstatus_to_exitcode(int(said))
            self._told.close()
        return self.returncode


def run(
    command: Sequence[Any],
    *,
    input: Any = None,
    timeout: float | None = None,
    capture_output: bool = False,
    **options: Any,
) -> Any:
    """Run a process to its end; see `subprocess.run`."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Popen(command, stdin=None if input is None else subprocess.PIPE, **options) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)


class Forker:
    """The process that has its imports done, and forks others."""

    def __init__(self) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, LARGEST)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("FANWISE", "LANG"))}
        here = str(Path(__file__).parent)
        code = f"import sys; sys.path.insert(0, {here!r}); import warm; warm.serve({theirs.fileno()})"
        with theirs:
            self._process = subprocess.Popen([sys.executable, "-c", code], env=kept, pass_fds=[theirs.fileno()])
        self._lock = threading.Lock()
        atexit.register(self._close)

    def _close(self) -> None:
        self._control.close()
        self._process.wait()

    def start(self, request: Request, streams: list[int]) -> tuple[socket.socket, int]:
        """Start a process; return what its exit code is told over, and its id."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, self._lock:
            socket.send_fds(self._control, [json.dumps(request).encode()], [theirs.fileno(), *streams])
        said = ours.recv(16)
        assert said, "the process that forks has ended"
        return ours, int(said)


_found: Forker | None = None


def _forker() -> Forker:
    global _found
    if _found is None:
        _found = Forker()
    return _found


def serve(fileno: int) -> None:
    """Do the imports, then fork for whoever asks, until nobody can ask any more; returns in each forked process."""
    control = socket.socket(fileno=fileno)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is for those who run a command
    for name in OTHERS:
        import_module(name)
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name != "__main__.py":
                import_module(
                    ".".join(["fanwise", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
                )
    assert threading.active_count() == 1, "what is forked has one thread only"
    gc.freeze()  # what is shared stays shared
    gc.set_threshold(50_000, 20, 50)  # as in the tests themselves
    request, descriptors = _next(control)
    _become(request, descriptors)


def _next(control: socket.socket) -> tuple[Request, list[int]]:
    """Wait for requests and for the ends of what was forked; return in a forked process."""
    heard, ends = os.pipe()
    os.set_blocking(ends, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(ends, warn_on_full_buffer=False)
    waited_for = dict[int, socket.socket]()
    while True:
        ready, _, _ = select.select([control, heard], [], [])
        if heard in ready:
            os.read(heard, 4096)
            _tell_ends(waited_for)
        if control not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, LARGEST, 4)
        if not message:
            os._exit(0)
        told = socket.socket(fileno=descriptors[0])
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for held in (control, told, *waited_for.values()):
                held.close()
            os.close(heard), os.close(ends)
            return json.loads(message), list(descriptors[1:])
        told.send(str(pid).encode())
        waited_for[pid] = told
        for descriptor in descriptors[1:]:
            os.close(descriptor)


def _tell_ends(waited_for: dict[int, socket.socket]) -> None:
    while waited_for:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            break
        with waited_for.pop(pid) as told:
            with suppress(OSError):  # nobody waits for it
                told.send(str(status).encode())


def _become(request: Request, streams: list[int]) -> NoReturn:
    """Be the process that was asked for."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request["session"]:
        os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(request["env"])
    time.tzset()
    if request["cwd"] is not None:
        os.chdir(request["cwd"])
    random.seed()
    sys.stdin = sys.__stdin__ = open(0, closefd=False)  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = open(1, "w", closefd=False)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = open(2, "w", buffering=1, closefd=False, errors="backslashreplace")  # type: ignore[misc]
    code, *arguments = request["argv"]
    sys.argv[:] = ["-c", *arguments]
    sys.path[0] = ""
    _end(_executed(code))


def _executed(code: str) -> int:
    """Run the code as the program; return the exit code."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        exec(compile(code, "<string>", "exec"), vars(main))
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except BaseException as error:
        traceback.print_exception(error)
        return -signal.SIGINT if isinstance(error, KeyboardInterrupt) else 1
    return 0


def _end(code: int) -> NoReturn:
    """End as Python does, but for taking all modules apart, which takes longer than most commands."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
