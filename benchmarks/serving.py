"""Many runs at once on one server: `python benchmarks/serving.py [RUNS] [TASKS] [JOBS]`; needs the extra `serve`.

Starts `fanwise serve` in a folder of its own, gives it all runs at once, and tells how many a second it does, how long
they take, what memory it needs, and whether one was lost.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import Any

import psutil
from langgraph_sdk import get_client

from fanwise.cli.serve import free_port


def plan(tasks: int, seconds: float) -> dict[str, Any]:
    """Return a plan: all but the last task side by side, the last after them."""
    names = [f"t{number}" for number in range(tasks - 1)]
    work = [{"id": name, "specialist": "wait", "input": {"seconds": seconds}} for name in names]
    return {"plan": {"name": "many", "tasks": [*work, {"id": "last", "specialist": "wait", "depends_on": names}]}}


async def drive(url: str, runs: int, tasks: int, server: psutil.Process) -> None:
    """Give the server all runs at once and print what came of them."""
    client, took, peak = get_client(url=url, timeout=600), [], 0

    async def one(seconds: float = 0.1) -> str:
        began = time.perf_counter()
        thread = await client.threads.create()
        out = await client.runs.wait(thread["thread_id"], "fanwise", input=plan(tasks, seconds))
        took.append(time.perf_counter() - began)
        done = [result["status"] for result in out["results"].values()]
        return "ok" if out["status"] == "succeeded" and done.count("succeeded") == tasks else str(out["status"])

    await one(0)
    took.clear()
    before = _memory(server)
    began = time.perf_counter()
    work = asyncio.gather(*(one() for _ in range(runs)))
    while not work.done():
        peak = max(peak, _memory(server))
        await asyncio.sleep(0.2)
    found, elapsed = await work, time.perf_counter() - began
    cuts = statistics.quantiles(took, n=20)
    rate = f"{runs / elapsed:.1f} runs/s, {runs * tasks / elapsed:.0f} tasks/s"
    print(f"{runs} runs of {tasks} tasks of 0.1 s: {elapsed:.1f} s, {rate}")
    print(f"a run, from the client: p50 {statistics.median(took):.2f} s, p95 {cuts[18]:.2f} s, most {max(took):.2f} s")
    print(f"memory: {before / 2**20:.0f} MB before, {peak / 2**20:.0f} MB at most; lost: {runs - found.count('ok')}")


def _memory(server: psutil.Process) -> int:
    return sum(process.memory_info().rss for process in [server, *server.children(recursive=True)])


def main(runs: int = 100, tasks: int = 20, jobs: int = 10) -> None:
    """Start a server, measure, stop it."""
    port = free_port("127.0.0.1", 0)
    command = [
        sys.executable,
        "-c",
        "from fanwise.cli import main; main()",
        "serve",
        "--port",
        str(port),
        "--jobs",
        str(jobs),
    ]
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=nowhere, stderr=nowhere)
        try:
            _wait(f"http://127.0.0.1:{port}/ok")
            server = psutil.Process(process.pid)
            print(f"jobs {jobs}; ready after {time.perf_counter() - began:.1f} s, {_memory(server) / 2**20:.0f} MB")
            asyncio.run(drive(f"http://127.0.0.1:{port}", runs, tasks, server))
        finally:
            process.terminate()
            process.wait(30)


def _wait(url: str) -> None:
    for _ in range(300):
        try:
            urllib.request.urlopen(url, timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the server did not start")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
