"""What tracing costs: runs of 1,000 instant tasks, not traced, traced to a server, and to one that is down.

The server is a process of its own. The ways follow one another in each round, and ratios are taken within a round; CPU
seconds are the process's own, its tracing thread's included. `loop` is the longest time for which the event loop was
held up, `end` what it takes to send the rest.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from typing import Any

from common import options

from fanwise.graph import arun
from fanwise.tracing import Tracing
from fanwise.tracing.relays import close_all

SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(b'{"version": "1", "batch_ingest_config": {"use_multipart_endpoint": true, "size_limit": 100, '
                    b'"size_limit_bytes": 20000000, "scale_up_nthreads_limit": 4, "scale_up_qsize_trigger": 1000, '
                    b'"scale_down_nempty_trigger": 4}, "instance_flags": {"zstd_compression_enabled": true}}')
    def do_POST(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.answer(b"{}")
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""

NOWHERE = "http://127.0.0.1:9"


def plan_of(tasks: int, seconds: float) -> dict[str, Any]:
    """Return a plan of independent tasks."""
    own = [{"id": f"t{n}", "specialist": "wait", "input": {"seconds": seconds}} for n in range(tasks)]
    return {"name": "many", "config": {"max_parallel": 50}, "tasks": own}


async def _held_up(stop: asyncio.Event) -> float:
    longest, before = 0.0, time.perf_counter()
    while not stop.is_set():
        await asyncio.sleep(0.005)
        now = time.perf_counter()
        longest, before = max(longest, now - before - 0.005), now
    return longest


async def _timed(plan: dict[str, Any], tracing: Tracing) -> tuple[float, float, float]:
    stop = asyncio.Event()
    watch = asyncio.create_task(_held_up(stop))
    begun, cpu = time.perf_counter(), time.process_time()
    report = await arun(plan, tracing=tracing)
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    stop.set()
    if report.status != "succeeded":
        raise SystemExit(f"the run {report.status}")
    return took, used, await watch


def measured(way: str, plan: dict[str, Any], place: str) -> tuple[float, float, float, float]:
    """Return seconds, CPU seconds, the longest time for which the loop was held up, and seconds to end the tracing."""
    os.environ["LANGSMITH_ENDPOINT"] = NOWHERE if way == "down" else place
    took, used, held = asyncio.run(_timed(plan, Tracing(langsmith=way != "off")))
    begun = time.perf_counter()
    close_all(120)
    return took, used, held, time.perf_counter() - begun


def main() -> None:
    """Print a line for each way, and the ratios."""
    quick: bool = options(__doc__).parse_args().quick
    tasks, rounds = (200, 1) if quick else (1000, 3)
    os.environ |= {"LANGSMITH_API_KEY": "lsv2_pt_of_a_benchmark", "LANGSMITH_PROJECT": "benchmark"}
    server = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        place = f"http://127.0.0.1:{int(server.stdout.readline())}"
        for seconds in (0.0, 0.2):
            plan = plan_of(tasks, seconds)
            measured("off", plan, place)  # imports and caches
            _print(f"{tasks} tasks of {seconds:g} s, 50 at a time", _rounds(rounds, plan, place))
    finally:
        server.terminate()
        server.wait()
        if server.stdout is not None:
            server.stdout.close()


def _rounds(rounds: int, plan: dict[str, Any], place: str) -> dict[str, list[tuple[float, float, float, float]]]:
    found: dict[str, list[tuple[float, float, float, float]]] = {"off": [], "on": [], "down": []}
    for _ in range(rounds):
        for way, values in found.items():
            values.append(measured(way, plan, place))
    return found


def _print(title: str, found: dict[str, list[tuple[float, float, float, float]]]) -> None:
    print(title)
    for way, values in found.items():
        took, used, held, end = (statistics.median(column) for column in zip(*values, strict=True))
        ratios = [statistics.median(a[i] / b[i] for a, b in zip(values, found["off"], strict=True)) for i in (0, 1)]
        print(
            f"  {way:5} {took:6.2f} s (x{ratios[0]:.2f})  cpu {used:6.2f} s (x{ratios[1]:.2f})  "
            f"loop {held * 1000:5.0f} ms  end {end:5.2f} s"
        )


if __name__ == "__main__":
    main()
